"""A program: both texts as trees, and what a host must prepare for them.

The program says which recorded columns the step reads, which running sums and window extremes it
wants per row, how its state vector is laid out, and what the numbers of its sell rules mean.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import StrategyError
from domain.formulas import Formula
from domain.instruments import Market
from domain.intervals import rows_most
from domain.reading import AS_DECIDED, Reading
from strategy.analyser_settings import defaults
from strategy.arithmetic import Arithmetic
from strategy.cost import check_size
from strategy.factor import CONSTANTS, column_key, column_of, definition, derived, recorded
from strategy.feature import Feature, Preset, setting_value, window_length
from strategy.formula import FormulaTree, parse_formulas
from strategy.language import StrategyErrors, parse, parse_condition
from strategy.learned import in_order
from strategy.limits import MAX_WINDOWS
from strategy.nodes import (
    Ahead,
    Attribute,
    Column,
    Derived,
    Expr,
    FormulaValue,
    Node,
    Number,
    PositionField,
    RowsSince,
    Series,
    SetAttribute,
    TextTest,
    Tree,
    Variable,
    Window,
    digest,
    is_fixed,
    walk,
)
from strategy.series import ON, SeriesFunction, by_output, spread_of
from strategy.strict import strict

LANGUAGE = "1"
"""Changes when the meaning of a tree changes; part of every digest."""

NEVER = 999_999.0
"""경과틱수 of a condition that was not true today."""


@dataclass(frozen=True)
class Program:
    """Both texts, checked and laid out; equal digests mean equal steps.

    Parameters
    ----------
    buy, sell : Tree
        The trees.
    marks : tuple of (str, Tree)
        Conditions of 경과틱수, evaluated on every row before the codes.
    never : float
        경과틱수 of a condition that was not true today (0 for compatibility).
    warm_up : float
        What an indicator is before its first value (0 for compatibility).
    formulas : tuple of FormulaTree
        The user's formulas that the texts name, each after those it names.
    """

    buy: Tree
    sell: Tree
    market: Market
    interval_s: int
    marks: tuple[tuple[str, Tree], ...] = ()
    never: float = NEVER
    warm_up: float = math.nan
    formulas: tuple[FormulaTree, ...] = ()

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node of every tree."""
        trees = [self.buy, self.sell, *(tree for _, tree in self.marks), *(one.tree for one in self.formulas)]
        return tuple(node for tree in trees for node in tree.nodes())

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns the step reads: recorded ones in stored order, learned ones, ``row_time`` when the step reads the clock."""
        used: set[str] = set()
        for node in self.nodes:
            if isinstance(node, Window) and node.operation == "volatility":
                used |= set(self.series_columns(spread_of(self.interval_s)))
            elif isinstance(node, Column | Window):
                used.add(node.key)
            elif isinstance(node, Derived):
                used |= {key for key, _ in self.derived_inputs(node.key)}
            elif isinstance(node, Series):
                used |= set(self.series_columns(by_output()[node.key]))
        order = in_order(used, self.market.kind, self.interval_s)
        return (*order, *(["row_time"] if "row_time" in used else []), *(f"future:{k}" for k in range(len(self.futures))))

    @cached_property
    def futures(self) -> tuple[Ahead, ...]:
        """What a back-finder text asks of the rows that follow, each once; the last columns, which only the finder fills."""
        return tuple(dict.fromkeys(node for node in self.nodes if isinstance(node, Ahead)))

    def derived_inputs(self, key: str) -> list[tuple[str, int]]:
        """Return (column, rows back) of each column a derived factor reads."""
        out = []
        for parameter in derived()[key].parameters:
            if parameter not in CONSTANTS:
                name, back = column_of(parameter)
                out.append((column_key(name, self.market.kind, self.interval_s), back))
        return out

    def series_columns(self, function: SeriesFunction) -> tuple[str, ...]:
        """Return the recorded columns that a series reads, in the order it takes them."""
        return tuple(column_key(name, self.market.kind, self.interval_s) for name in function.columns)

    def decimals(self, key: str) -> int:
        """Return the decimals of a recorded column."""
        return recorded(self.market.kind, self.interval_s)[key].decimals

    # --- features ------------------------------------------------------------------------------------

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The derived arrays, in order of first use; each once."""
        found: dict[Feature, None] = {}
        for node in self.nodes:
            if isinstance(node, Window):
                feature = self.feature_of(node)
                if feature is not None:
                    found[feature] = None
            elif isinstance(node, Series):
                found[self.series_feature(node)] = None
        return tuple(found)

    def series_feature(self, node: Series) -> Feature:
        """Return the feature behind a series; what no line sets is 0, or an analyser's usual value; of two lines the last counts."""
        function = by_output()[node.key]
        given, usual = dict(self.buy.indicators), defaults(self.market)
        settings = node.settings or tuple(given.get(one.key, Number(value=usual.get(one.key, 0.0))) for one in function.settings)
        return Feature("series", function.key, settings=settings)

    def feature_of(self, node: Window) -> Feature | None:
        """Return the feature behind a look-back; None for an angle, which needs two rows only, and for a count of rows."""
        if node.operation in ("angle", "rows"):
            return None
        if node.operation == "volatility":
            return Feature("series", spread_of(self.interval_s).key)
        if node.operation in ("sum", "mean", "mean_int"):
            return Feature("sum", node.key, self.decimals(node.key))
        if is_fixed(node.n):
            return Feature(node.operation, node.key, 0, node.n)
        return Feature("levels_" + node.operation, node.key)

    def place(self, node: Window) -> tuple[str, int]:
        """Return the kind of the feature behind a look-back and its row in `sums` or `extremes`; without one its operation and 0."""
        feature = self.feature_of(node)
        if feature is None:
            return node.operation, 0
        if feature.kind == "series":
            return node.operation, self.series[feature][1]
        if feature.kind == "sum":
            return feature.kind, self.sums.index(feature)
        if feature.kind in ("max", "min"):
            return feature.kind, self.extremes.index(feature)
        return feature.kind, len(self.extremes) + self.levels.index(feature) * self.n_levels

    @cached_property
    def sums(self) -> tuple[Feature, ...]:
        """Features that are rows of `sums`, in order."""
        return tuple(one for one in self.features if one.kind == "sum")

    @cached_property
    def extremes(self) -> tuple[Feature, ...]:
        """Features with a window, the first rows of `extremes`, in order."""
        return tuple(one for one in self.features if one.kind in ("max", "min"))

    @cached_property
    def levels(self) -> tuple[Feature, ...]:
        """Features for windows that change by row; each takes `n_levels` rows of `extremes` after the others."""
        return tuple(one for one in self.features if one.kind.startswith("levels"))

    @cached_property
    def series(self) -> dict[Feature, tuple[SeriesFunction, int, int]]:
        """Series features → function, first row of `extremes`, first place in `windows` (whether it is on, then its settings)."""
        out: dict[Feature, tuple[SeriesFunction, int, int]] = {}
        row, place = len(self.extremes) + len(self.levels) * self.n_levels, len(self.extremes)
        by_key = {one.key: one for one in by_output().values()}
        for feature in self.features:
            if feature.kind == "series":
                function = by_key[feature.key]
                out[feature] = (function, row, place)
                row += function.rows
                place += 1 + len(function.settings)
        return out

    def series_row(self, node: Series) -> int:
        """Return the row of `extremes` that holds an output of a series."""
        function, row, _ = self.series[self.series_feature(node)]
        return row + function.output(node.key)

    @cached_property
    def formula_rows(self) -> dict[tuple[str, str], int]:
        """(formula, column) → row of `extremes`; they come last."""
        columns = [(one.name, column) for one in self.formulas for column in one.columns]
        return {column: self.n_extremes - len(columns) + k for k, column in enumerate(columns)}

    @property
    def n_windows(self) -> int:
        """Length of `windows`."""
        return len(self.extremes) + sum(1 + len(function.settings) for function, _, _ in self.series.values())

    @property
    def n_levels(self) -> int:
        """Rows of `extremes` that one of `levels` takes."""
        return (rows_most(self.interval_s) - 1).bit_length() - 1  # two overlapping halves reach twice as far

    @property
    def n_sums(self) -> int:
        """First dimension of `sums`."""
        return len(self.sums)

    @property
    def n_extremes(self) -> int:
        """First dimension of `extremes`."""
        own = sum(len(one.columns) for one in self.formulas)
        return len(self.extremes) + len(self.levels) * self.n_levels + sum(function.rows for function, _, _ in self.series.values()) + own

    def windows(self, variables: Sequence[float]) -> NDArray[np.int64]:
        """Return the window of each of `extremes` for a parameter set, at least 1, then of each series whether it is on and its settings.

        A setting is a float64 that stands here by its bits, so that equal entries mean equal features.

        Raises
        ------
        StrategyError
            A variable that the texts use is missing or not finite, or chooses an average that is not built.
        """
        self.check_variables(variables)
        arithmetic = Arithmetic([float(one) for one in variables])
        out = np.ones(self.n_windows, dtype=np.int64)
        for k, feature in enumerate(self.extremes):
            assert feature.window is not None
            out[k] = window_length(arithmetic, feature.window)
        for feature, (function, _, place) in self.series.items():
            values = [setting_value(arithmetic, one) for one in feature.settings]
            out[place] = ON if function.is_on(values) else 0
            out[place + 1 : place + 1 + len(values)] = np.array(values, dtype=np.float64).view(np.int64)
        return out

    def check_variables(self, variables: Sequence[float]) -> None:
        """Refuse a vector that is too short or holds what is not finite."""
        if len(variables) < self.n_vars:
            raise StrategyError("strategy.vars_missing", 0, 0, given=len(variables), wanted=self.n_vars)
        for index in range(self.n_vars):
            if not math.isfinite(float(variables[index])):
                raise StrategyError("strategy.vars_value", 0, 0, index=index, value=str(variables[index]))

    def lookback(self, variables: Sequence[float] = ()) -> int:
        """Return how many rows of today, the current one included, the longest look-back reads.

        One that changes by row, or that hangs on variables which are not given, may read the whole day.
        """
        day = rows_most(self.interval_s)
        arithmetic = Arithmetic([float(one) for one in variables])
        longest = 1
        for node in self.nodes:
            if isinstance(node, Window):
                parts: tuple[Expr | None, ...] = (node.n, node.pre)
            elif isinstance(node, Column | Derived):
                one_more = Number(value=1.0)
                parts = (one_more, node.ago)
            elif isinstance(node, Series | FormulaValue):
                return day  # it goes on from the first row
            else:
                continue
            rows = derived()[node.key].lookback if isinstance(node, Derived) else 0
            for part in parts:
                if part is None:
                    continue
                used = [one.index for one in walk(part) if isinstance(one, Variable)]
                if not is_fixed(part) or (used and max(used) >= len(variables)):
                    return day
                rows += max(window_length(arithmetic, part, least=0), 0)
            longest = max(longest, rows)
        return min(longest, day)

    # --- state ----------------------------------------------------------------------------------------

    @cached_property
    def presets(self) -> tuple[Preset, ...]:
        """Slots of the state vector that a symbol fixes; they come first."""
        found: dict[Preset, None] = {}
        for node in self.nodes:
            if isinstance(node, TextTest):
                found[Preset(node)] = None
            elif isinstance(node, Derived) and "price_step" in derived()[node.key].parameters:
                found[Preset()] = None
        return tuple(found)

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Names of the user's ``self.`` attributes, in order of first use."""
        found: dict[str, None] = {}
        for node in self.nodes:
            if isinstance(node, Attribute | SetAttribute):
                found[node.name] = None
        return tuple(found)

    @cached_property
    def _slots(self) -> dict[object, int]:
        """What stands in each slot of the state vector: presets, then conditions, then attributes."""
        conditions = [("mark", name) for name, _ in self.marks]
        attributes = [("attribute", name) for name in self.attributes]
        return {key: slot for slot, key in enumerate([*self.presets, *conditions, *attributes])}

    def preset_slot(self, preset: Preset) -> int:
        """Return the state slot of a preset."""
        return self._slots[preset]

    def mark_slot(self, name: str) -> int:
        """Return the state slot that remembers the last row on which a condition was true, 1-based."""
        return self._slots["mark", name]

    def attribute_slot(self, name: str) -> int:
        """Return the state slot of a ``self.`` attribute."""
        return self._slots["attribute", name]

    @property
    def n_state(self) -> int:
        """Length of the state vector; at least 1."""
        return self.error_slot + 1

    @property
    def error_slot(self) -> int:
        """Last slot of the state vector, where a compiled step notes an arithmetic error; 0 between calls."""
        return len(self._slots)

    def day_state(self, code: str, name: str = "", price_step: float = 0.0) -> NDArray[np.float64]:
        """Return the state vector at the start of an instrument's day.

        Zero but for the presets.
        """
        state = np.zeros(self.n_state, dtype=np.float64)
        for k, preset in enumerate(self.presets):
            state[k] = preset.value(code, name or code, price_step)
        return state

    # --- the rest ---------------------------------------------------------------------------------------

    @property
    def labels(self) -> tuple[str, ...]:
        """Text of the condition of sell rule k, at k − 1."""
        return self.sell.labels

    @cached_property
    def n_vars(self) -> int:
        """Length of ``self.vars`` that the texts need."""
        return max((node.index + 1 for node in self.nodes if isinstance(node, Variable)), default=0)

    @cached_property
    def position_fields(self) -> frozenset[str]:
        """Fields of the position vector that the texts read."""
        return frozenset(node.key for node in self.nodes if isinstance(node, PositionField))

    def ladder(self) -> tuple[tuple[float, float, float], ...]:
        """Return the market's price steps as (first day YYYYMMDD, lower price, step), empty where instruments state their own."""
        rows = []
        for ladder in self.market.ladders:
            day = ladder.valid_from.year * 10_000 + ladder.valid_from.month * 100 + ladder.valid_from.day
            rows += [(float(day), float(band.lower), float(band.step)) for band in ladder.steps]
        return tuple(rows)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the step means; spelling, language and layout of the texts take no part."""
        used = sorted({node.key for node in self.nodes if isinstance(node, Derived)})
        definitions = tuple((key, definition(key)) for key in used)
        ladder = self.ladder() if any("ladder" in derived()[key].parameters for key in used) else ()
        bodies = (self.buy.body, self.sell.body, tuple((name, tree.body) for name, tree in self.marks))
        units = tuple(self.decimals(one.key) for one in self.sums)
        series = tuple((one.key, one.settings) for one in self.series)
        more: tuple[Any, ...] = (series, self.warm_up) if series else ()
        more += tuple((one.name, one.display, one.tree.body) for one in self.formulas)
        return digest(LANGUAGE, self.market.kind, self.interval_s, bodies, self.never, self.columns, units, definitions, ladder, *more)


Reader = Callable[[str, Market, int, Sequence[Formula]], Tree]


def build(
    buy_text: str,
    sell_text: str,
    market: Market,
    interval_s: int,
    rows_since: Iterable[tuple[str, str]] = (),
    never: float = NEVER,
    warm_up: float = math.nan,
    reader: Reader | None = None,
    formulas: Sequence[Formula] = (),
    reading: Reading = AS_DECIDED,
) -> Program:
    """Check two texts and the conditions of 경과틱수 and lay them out.

    Parameters
    ----------
    buy_text, sell_text : str
        The documents.
    market : Market
        Names and constants.
    interval_s : {1, 60}
        Interval of the rows.
    rows_since : iterable of (name, expression)
        Named conditions, evaluated on every row.
    never : float
        경과틱수 of a condition that was not true today.
    warm_up : float
        An indicator before its first value: not a number, with which every ordering is false, or 0 as STOM showed it.
    reader : Reader, optional
        In place of `parse` for the buy text (text, market, interval, formulas): the back-finder's knows more names.
    formulas, reading
        The user's formulas that the texts may name (`for_strategies`); how history that is not there is read.

    Raises
    ------
    StrategyErrors
        Everything wrong in any of the texts; the field `side` says in which ("buy", "sell", or the
        condition's name).
    """
    errors: list[StrategyError] = []
    trees: dict[str, Tree] = {}
    marks: list[tuple[str, Tree]] = []
    for side, text in (("buy", buy_text), ("sell", sell_text)):
        try:
            own = reader if side == "buy" else None
            trees[side] = own(text, market, interval_s, formulas) if own else parse(text, side, market, interval_s, formulas)
        except StrategyErrors as refused:
            errors += _with_side(refused, side)
    for name, text in rows_since:
        plain = unicodedata.normalize("NFKC", name.strip())
        if not plain or plain in [known for known, _ in marks]:
            errors.append(StrategyError("strategy.condition_name", 1, 1, name=plain, side=plain))
            continue
        try:
            marks.append((plain, parse_condition(text, market, interval_s, formulas)))
        except StrategyErrors as refused:
            errors += _with_side(refused, plain)
    known = {name for name, _ in marks}
    for side, tree in [*trees.items(), *marks]:
        for node in tree.nodes():
            if isinstance(node, RowsSince) and (node.name not in known or tree.side == "mark"):
                code = "strategy.condition_in_condition" if tree.side == "mark" else "strategy.unknown_condition"
                errors.append(StrategyError(code, node.line, node.column, name=node.name, side=side))
    if errors:
        raise StrategyErrors(errors)
    if reading.strict:
        trees, marks = {side: strict(tree) for side, tree in trees.items()}, [(name, strict(tree)) for name, tree in marks]
    never, warm_up = 0.0 if reading.never_zero else never, 0.0 if reading.warm_up_zero else warm_up
    program = Program(trees["buy"], trees["sell"], market, interval_s, tuple(marks), never, warm_up, parse_formulas(formulas, market))
    errors += _check_whole(program)
    if errors:
        raise StrategyErrors(errors)
    return program


def _check_whole(program: Program) -> list[StrategyError]:
    """Return what is too much of the texts together, though each by itself is not."""
    own = [(one.name, one.tree) for one in program.formulas]
    sides: list[tuple[str, Tree]] = [("buy", program.buy), ("sell", program.sell), *program.marks, *own]
    side_of = {id(node): side for side, tree in sides for node in tree.nodes()}
    found = [(error, side_of[id(node)]) for error, node in check_size(program.nodes)]
    if len(program.extremes) > MAX_WINDOWS:
        first = program.extremes[MAX_WINDOWS]
        node = next(one for one in program.nodes if isinstance(one, Window) and program.feature_of(one) == first)
        error = StrategyError("strategy.too_many_windows", node.line, node.column, count=len(program.extremes), limit=MAX_WINDOWS)
        found.append((error, side_of[id(node)]))
    return [StrategyError(one.code, one.line, one.column, **{**one.fields, "side": side}) for one, side in found]


def _with_side(refused: StrategyErrors, side: str) -> list[StrategyError]:
    return [StrategyError(one.code, one.line, one.column, **{**one.fields, "side": side}) for one in refused.errors]


def empty_tree(side: str, market: Market, interval_s: int) -> Tree:
    """Return the tree of an empty text (for checking one text alone)."""
    return Tree(side, market.code, interval_s, ())

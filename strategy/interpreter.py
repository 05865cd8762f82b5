"""Walks the tree, row by row.

It shares nothing with the compiled step but the tree: look-backs read the features of
`strategy/features.py`, made of Python's exact integers, and clocks go through `datetime`. It is what
live runs on while the compiler works, and what the compiled step is tested against.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.records import POSITION_INDEX
from strategy.arithmetic import DEGREES, Arithmetic, Stop, method_of, round_to
from strategy.catalogue import is_futures
from strategy.factor import CONSTANTS, column_key, column_of, derived
from strategy.feature import Preset
from strategy.limits import MAX_TURNS
from strategy.nodes import (
    Ahead,
    Attribute,
    Bind,
    Break,
    Column,
    Continue,
    Derived,
    Expr,
    Flag,
    For,
    FormulaValue,
    If,
    Kind,
    Local,
    PositionField,
    RowCount,
    RowsSince,
    Series,
    SetAttribute,
    SetFlag,
    SetLocal,
    Stmt,
    TextTest,
    Tree,
    Window,
)
from strategy.program import Program
from strategy.series_sizes import SPREAD_ROWS

_HELD = POSITION_INDEX["position_qty"]
_ENTRY = POSITION_INDEX["entry_row"]
_SIDE = POSITION_INDEX["position_side"]
_FORCE = POSITION_INDEX["force_exit"]
_EPOCH = dt.datetime(1970, 1, 1)


class _BreakLoop(Exception):
    pass


class _ContinueLoop(Exception):
    pass


@cache
def clock_seconds(number: int, digits: int) -> float:
    """Return a time of `digits` decimal digits (14: YYYYMMDDhhmmss, 12: YYYYMMDDhhmm) as seconds; 0 when it is none."""
    try:
        moment = dt.datetime.strptime(f"{number:0{digits}d}", "%Y%m%d%H%M%S" if digits == 14 else "%Y%m%d%H%M")
    except ValueError:
        return 0.0
    return (moment - _EPOCH).total_seconds()


Row = tuple[
    Sequence[NDArray[np.float64]], Sequence[Any], Sequence[Any], int, int, Sequence[float], NDArray[np.float64], NDArray[np.float64]
]
"""Arguments of a step: inputs, sums, extremes, i, lo, variables, position, state; `sums` and `extremes` are those of `PlainFeatures`."""


class Walk(Arithmetic):
    """One text on one row."""

    def __init__(self, interpreter: Interpreter, row: Row, flags: dict[str, bool]) -> None:
        self.inputs, self.sums, self.extremes, self.i, self.lo, variables, self.position, self.state = row
        super().__init__(variables)
        self.program = interpreter.program
        self.interpreter = interpreter
        self.flags = flags
        self.rule = 0
        self.fuel = MAX_TURNS
        self.locals: dict[int, float] = {}

    # --- rows ------------------------------------------------------------------------------------

    def _at(self, key: str, row: int) -> float:
        return float(self.inputs[self.interpreter.columns[key]][row])

    def _whole(self, expr: Expr) -> int:
        value = self.value(expr)
        if not math.isfinite(value):
            raise Stop
        return int(max(min(value, 1e9), -1e9))

    def _row_back(self, ago: Expr | None) -> int | None:
        """Return the row that `ago` means, None when there is none."""
        if ago is None:
            return self.i
        back = self._whole(ago)
        if back == -1:
            return self._entry_row()
        return self.i - back if 0 <= back <= self.i - self.lo else None

    def _entry_row(self) -> int | None:
        if self.position[_HELD] == 0.0:
            return None
        row = self.lo + int(self.position[_ENTRY])
        return row if self.lo <= row <= self.i else None

    def _column(self, node: Column) -> float:
        row = self._row_back(node.ago)
        value = 0.0 if row is None else self._at(node.key, row)
        return clock_seconds(int(value), 14) if node.kind is Kind.TIME else value

    def _derived(self, node: Derived) -> float:
        row = self._row_back(node.ago)
        if row is None:
            return 0.0
        factor = derived()[node.key]
        assert factor.function is not None
        arguments: list[Any] = []
        for parameter in factor.parameters:
            if parameter == "interval_s":
                arguments.append(float(self.program.interval_s))
            elif parameter == "ladder":
                arguments.append(self.program.ladder())
            elif parameter == "price_step":
                arguments.append(float(self.state[self.program.preset_slot(Preset())]))
            else:
                assert parameter not in CONSTANTS
                name, back = column_of(parameter)
                key = column_key(name, self.program.market.kind, self.program.interval_s)
                arguments.append(self._at(key, row - back) if row - back >= self.lo else 0.0)
        value = float(factor.function(*arguments))
        if node.kind is Kind.TIME:
            return clock_seconds(int(value), 14 if self.program.interval_s == 1 or node.key != "row_time" else 12)
        return value

    def _formulavalue(self, node: FormulaValue) -> float:
        row = self._row_back(node.ago)
        if row is None:
            return 0.0
        value = float(self.extremes[self.program.formula_rows[node.name, node.output]][row])
        return 0.0 if math.isnan(value) and not math.isnan(self.program.warm_up) else value

    def _ahead(self, node: Ahead) -> float:
        return self._at(f"future:{self.program.futures.index(node)}", self.i)

    def _rowcount(self, node: RowCount) -> float:
        return self._count()

    def _positionfield(self, node: PositionField) -> float:
        value = float(self.position[POSITION_INDEX[node.key]])
        if node.kind is Kind.TIME:
            return clock_seconds(int(value), 14 if self.program.interval_s == 1 else 12)
        return value

    def _texttest(self, node: TextTest) -> float:
        return float(self.state[self.program.preset_slot(Preset(node))])

    def _rowssince(self, node: RowsSince) -> float:
        last = float(self.state[self.program.mark_slot(node.name)])
        return self._count() - last if last > 0.0 else self.program.never

    def _count(self) -> float:
        return float(self.i - self.lo + 1)

    # --- windows ---------------------------------------------------------------------------------------

    def _window(self, node: Window) -> float:
        n, back = self._whole(node.n), self._whole(node.pre)
        past = self.i - back if back >= 0 else None
        row = self._entry_row() if back == -1 else past
        if row is None or n < 1 or row - n + 1 < self.lo:
            return 0.0
        return self.look_back(node, row, n)

    def look_back(self, node: Window, row: int, n: int) -> float:
        """Return a look-back over the `n` rows that end at `row`, all of today."""
        kind, place = self.interpreter.place(node)
        if kind == "angle":
            return angle(self._at(node.key, row - n + 1), self._at(node.key, row), n, node.coefficient)
        if kind == "rows":
            return 1.0
        if kind == "volatility":
            from strategy.runs import window_volatility  # loads Numba, which nobody else here needs

            values = self.inputs[self.interpreter.columns[node.key]] if self.program.interval_s == 1 else self.extremes[place + SPREAD_ROWS]
            return float(window_volatility(values, self.extremes, place, row, self.lo, n))
        if kind == "sum":
            sums = self.sums[place]
            return average(node, sums[row + 1] - sums[row + 1 - n], n, self.program.decimals(node.key))
        if kind in ("max", "min"):
            return float(self.extremes[place][row])
        # Two overlapping spans of 2^k rows.
        k = n.bit_length() - 1
        if k == 0:
            return self._at(node.key, row)
        level = self.extremes[place + k - 1]
        newer, older = level[row], level[row - n + (1 << k)]
        return float((newer if newer > older else older) if kind == "levels_max" else (newer if newer < older else older))

    def _series(self, node: Series) -> float:
        row = self._row_back(node.ago)
        if row is None:
            return 0.0
        value = float(self.extremes[self.interpreter.series_row(node)][row])
        return 0.0 if math.isnan(value) and not math.isnan(self.program.warm_up) else value

    # --- names ------------------------------------------------------------------------------------------

    def _local(self, node: Local) -> float:
        value = self.locals.get(node.index)
        if value is None:
            raise Stop
        return value

    def _bind(self, node: Bind) -> float:
        value = self.locals[node.index] = self.value(node.value)
        return value

    def _attribute(self, node: Attribute) -> float:
        return float(self.state[self.program.attribute_slot(node.name)])

    def _flag(self, node: Flag) -> float:
        return 1.0 if self.flags[node.name] else 0.0

    # --- statements ---------------------------------------------------------------------------------------

    def run(self, body: Sequence[Stmt]) -> None:
        """Execute statements; `Stop` leaves what was set on `self`."""
        for statement in body:
            getattr(self, method_of(type(statement)))(statement)

    def _setlocal(self, node: SetLocal) -> None:
        self.locals[node.index] = self.value(node.value)

    def _setattribute(self, node: SetAttribute) -> None:
        self.state[self.program.attribute_slot(node.name)] = self.value(node.value)

    def _setflag(self, node: SetFlag) -> None:
        self.flags[node.name] = self.truth(node.value)
        if node.rule:
            self.rule = node.rule

    def _if(self, node: If) -> None:
        for test, body in node.branches:
            if self.truth(test):
                self.run(body)
                return
        self.run(node.orelse)

    def _for(self, node: For) -> None:
        start, stop, step = self._whole(node.start), self._whole(node.stop), self._whole(node.step)
        if step == 0:
            raise Stop
        weight = self.interpreter.weight(node)
        for k in range(start, stop, step):
            self.fuel -= weight
            if self.fuel < 0:
                raise Stop
            self.locals[node.index] = float(k)
            try:
                self.run(node.body)
            except _BreakLoop:
                break
            except _ContinueLoop:
                continue

    def _break(self, node: Break) -> None:
        raise _BreakLoop

    def _continue(self, node: Continue) -> None:
        raise _ContinueLoop


def angle(first: float, last: float, n: int, coefficient: float) -> float:
    """Return the angle of a change over `n` rows, in degrees."""
    return round_to(math.atan2((last - first) * coefficient, float(n)) * DEGREES, 2)


def average(node: Window, total: int, n: int, decimals: int) -> float:
    """Return a sum or mean from the exact total of `n` rows, in units of 10^-decimals."""
    unit = 10**decimals
    if node.operation == "sum":
        return float(total / unit)
    if node.operation == "mean_int":
        whole = abs(total) // (n * unit)
        return float(whole if total >= 0 else -whole)
    return round_to(total / (n * unit), node.decimals)


class Interpreter:
    """The step of a program without compilation; its functions are those of the compiled module, called alike.

    Parameters
    ----------
    program : Program
        What to run.
    """

    walk: type[Walk] = Walk

    def __init__(self, program: Program) -> None:
        self.program = program
        self.columns = {key: index for index, key in enumerate(program.columns)}
        self._places: dict[int, tuple[str, int]] = {}
        self._weights: dict[int, int] = {}
        self._rows: dict[int, int] = {}

    def place(self, node: Window) -> tuple[str, int]:
        """Return `Program.place` of a look-back of the program, found once."""
        known = self._places.get(id(node))
        if known is None:
            known = self._places[id(node)] = self.program.place(node)
        return known

    def series_row(self, node: Series) -> int:
        """Return `Program.series_row` of a node of the program, found once."""
        known = self._rows.get(id(node))
        if known is None:
            known = self._rows[id(node)] = self.program.series_row(node)
        return known

    def weight(self, node: For) -> int:
        """Return the fuel that a turn of a loop burns, found once."""
        known = self._weights.get(id(node))
        if known is None:
            known = self._weights[id(node)] = node.weight
        return known

    def _run(self, tree: Tree, row: Row, flags: dict[str, bool]) -> Walk:
        walk = self.walk(self, row, flags)
        walk.run(tree.body)
        return walk

    def buy(self, *row: *Row) -> int:
        """Return 0 none, 1 long, 2 short, −1 arithmetic error."""
        flags = {"buy": True, "open_long": True, "open_short": True}
        try:
            self._run(self.program.buy, row, flags)
        except Stop:
            return -1
        if not is_futures(self.program.market):
            return 1 if flags["buy"] else 0
        return 1 if flags["open_long"] else 2 if flags["open_short"] else 0

    def sell(self, *row: *Row) -> int:
        """Return 0 none, k ≥ 1 the sell rule, −1 arithmetic error; sets ``position[force_exit]``."""
        position = row[6]
        flags = {"sell": False, "close_long": False, "close_short": False, "force_exit": bool(position[_FORCE] != 0.0)}
        try:
            walk = self._run(self.program.sell, row, flags)
        except Stop:
            return -1
        side = "close_short" if position[_SIDE] < 0.0 else "close_long"
        if not flags[side if is_futures(self.program.market) else "sell"]:
            return 0
        if flags["force_exit"]:
            position[_FORCE] = 1.0
        return walk.rule

    def formula(self, number: int, *row: *Row) -> bool:
        """Evaluate a formula, whose outputs are attributes of the state; False when it ended in an arithmetic error."""
        try:
            self._run(self.program.formulas[number].tree, row, {})
        except Stop:
            return False
        return True

    def mark(self, *row: *Row) -> int:
        """Evaluate the conditions of 경과틱수 and remember this row where they hold; returns the number of errors."""
        _, _, _, i, lo, _, _, state = row
        errors = 0
        for name, tree in self.program.marks:
            flags = {"mark": False}
            try:
                self._run(tree, row, flags)
            except Stop:
                errors += 1
                continue
            if flags["mark"]:
                state[self.program.mark_slot(name)] = i - lo + 1
        return errors

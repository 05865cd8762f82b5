"""What is allowed and yet hardly meant: texts that decide nothing, flags of the other side, look-backs that are always 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from domain.intervals import rows_most
from strategy.arithmetic import Arithmetic, Stop, constant_value
from strategy.catalogue import FUTURES_FLAGS, SPOT_FLAGS
from strategy.cost import reach_of
from strategy.nodes import Expr, Series, SetFlag, Tree, Variable, Window, is_fixed, walk
from strategy.program import Program
from strategy.series import ANALYSERS, by_output


@dataclass(frozen=True)
class Advice:
    """A warning: its code (``strategy.warn_*``), the text and the name it is about or empty; line and column where it has a place.

    `rows` is what a look-back would need, and `limit` what a day has.
    """

    code: str
    side: str
    name: str = ""
    line: int = 0
    column: int = 0
    rows: float = 0.0
    limit: int = 0


def advice_on(tree: Tree) -> list[Advice]:
    """Return the warnings about one text; empty for a text that decides something by its own flags."""
    found = _undecided(tree)
    other = "sell" if tree.side == "buy" else "buy"
    # A flag of the other side is a name like any other here: it is kept, and nobody asks for it.
    theirs = SPOT_FLAGS[other].keys() | FUTURES_FLAGS[other].keys()
    found += [Advice("strategy.warn_other_side", tree.side, name) for name in tree.locals if name in theirs]
    return found + _look_backs(tree, constant_value)


def _undecided(tree: Tree) -> list[Advice]:
    """Return the warning about a text that trades on every row, or never.

    Buying is on until a text says no, selling is off until a text says yes; of both directions long goes first.
    """

    def is_ever(flag: str, wanted: bool) -> bool:
        sets = (node for node in tree.nodes() if isinstance(node, SetFlag) and node.name == flag)
        values = [constant_value(node.value) for node in sets]
        return any(value is None or bool(value) is wanted for value in values)

    keys = dict.fromkeys(key for words in (SPOT_FLAGS, FUTURES_FLAGS) for key in words.get(tree.side, {}).values())
    used = [key for key in keys if any(isinstance(node, SetFlag) and node.name == key for node in tree.nodes())]
    if tree.side == "sell":
        return [] if any(is_ever(key, True) for key in used) else [Advice("strategy.warn_sells_none", tree.side)]
    if not used or any(key in used and not is_ever(key, False) for key in ("buy", "open_long")):
        return [Advice("strategy.warn_buys_all", tree.side)]
    if not is_ever("open_short", False) and "buy" not in used:
        return [Advice("strategy.warn_shorts_rest", tree.side)]
    return []


def advice_on_values(program: Program, variables: Mapping[int, float]) -> list[Advice]:
    """Return the warnings about what ``self.vars`` of these values makes of the texts: look-backs that are 0 on every row."""
    arithmetic = Arithmetic([variables.get(index, math.nan) for index in range(program.n_vars)])

    def value(expr: Expr) -> float | None:
        if not is_fixed(expr) or not any(isinstance(node, Variable) for node in walk(expr)):
            return None  # moves with the row, or was judged with the text
        try:
            return arithmetic.value(expr)
        except Stop:
            return None

    return _look_backs(program.buy, value) + _look_backs(program.sell, value)


def _look_backs(tree: Tree, value: Callable[[Expr], float | None]) -> list[Advice]:
    """Return the first look-back of a text that has less than one row, that needs more than a day has, and that is of rows to come."""
    day = rows_most(tree.interval_s)
    short, far, ahead = [], [], []
    for node in tree.nodes():
        length = value(node.n) if isinstance(node, Window) else None
        if length is not None and length < 1:
            short.append(Advice("strategy.warn_no_rows", tree.side, line=node.line, column=node.column))
        ago = getattr(node, "pre", None) or getattr(node, "ago", None)
        back = None if ago is None else value(ago)
        if back is not None and back <= -2.0:
            ahead.append(Advice("strategy.warn_ahead", tree.side, line=node.line, column=node.column, rows=back))
        rows = reach_of(node, value)
        if rows > day:
            far.append(Advice("strategy.warn_past_day", tree.side, line=node.line, column=node.column, rows=rows, limit=day))
    return short[:1] + far[:1] + ahead[:1]


def advice_on_program(program: Program) -> list[Advice]:
    """Return the warnings about both texts."""
    return advice_on(program.buy) + advice_on(program.sell) + _indicators_off(program)


def _indicators_off(program: Program) -> list[Advice]:
    """Return each indicator that a text reads although no line of the buy text sets any of its numbers: it is 0 on every row."""
    given = {key for key, _ in program.buy.indicators}
    found: dict[tuple[str, str], Advice] = {}
    for tree in (program.buy, program.sell):
        for node in tree.nodes():
            if isinstance(node, Series) and not node.settings:
                function = by_output()[node.key]
                if function.settings and function not in ANALYSERS and not given.intersection(one.key for one in function.settings):
                    found.setdefault((tree.side, function.key), Advice("strategy.warn_indicator_off", tree.side, function.key))
    return list(found.values())

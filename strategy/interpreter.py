"""Walks the tree, row by row, straight from the recorded inputs.

It shares nothing with the compiled step but the tree: windows are added up with Python's exact
integers, extremes are searched, clocks go through `datetime`. It is what live runs on while the
compiler works, and what the compiled step is tested against.
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
from strategy.arithmetic import DEGREES, Arithmetic, Stop, round_to
from strategy.factor import CONSTANTS, column_key, column_of, derived
from strategy.nodes import (
    LOOP_FUEL,
    Attribute,
    Bind,
    Break,
    Column,
    Continue,
    Derived,
    Expr,
    Flag,
    For,
    If,
    Kind,
    Local,
    PositionField,
    RowCount,
    RowsSince,
    SetAttribute,
    SetFlag,
    SetLocal,
    Stmt,
    TextTest,
    Tree,
    Window,
)
from strategy.program import Preset, Program

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


class _Run(Arithmetic):
    """One text on one row."""

    def __init__(
        self,
        program: Program,
        inputs: Sequence[NDArray[np.float64]],
        i: int,
        lo: int,
        variables: Sequence[float],
        position: NDArray[np.float64],
        state: NDArray[np.float64],
        flags: dict[str, bool],
    ) -> None:
        super().__init__(variables)
        self.program = program
        self.inputs = inputs
        self.i = i
        self.lo = lo
        self.position = position
        self.state = state
        self.flags = flags
        self.rule = 0
        self.fuel = LOOP_FUEL
        self.locals: dict[int, float] = {}

    # --- rows ------------------------------------------------------------------------------------

    def _at(self, key: str, row: int) -> float:
        return float(self.inputs[self.program.columns.index(key)][row])

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

    def _rowcount(self, node: RowCount) -> float:
        return float(self.i - self.lo + 1)

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
        rows = self.inputs[self.program.columns.index(node.key)][row - n + 1 : row + 1]
        if node.operation == "max":
            return float(max(rows.tolist()))
        if node.operation == "min":
            return float(min(rows.tolist()))
        if node.operation == "angle":
            return round_to(math.atan2((float(rows[-1]) - float(rows[0])) * node.coefficient, float(n)) * DEGREES, 2)
        unit = 10 ** self.program.decimals(node.key)
        total = sum(int(np.rint(value * float(unit))) for value in rows.tolist())
        if node.operation == "sum":
            return float(total / unit)
        if node.operation == "mean_int":
            whole = abs(total) // (n * unit)
            return float(whole if total >= 0 else -whole)
        return round_to(total / (n * unit), node.decimals)

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
            getattr(self, "_run_" + type(statement).__name__.lower())(statement)

    def _run_setlocal(self, node: SetLocal) -> None:
        self.locals[node.index] = self.value(node.value)

    def _run_setattribute(self, node: SetAttribute) -> None:
        self.state[self.program.attribute_slot(node.name)] = self.value(node.value)

    def _run_setflag(self, node: SetFlag) -> None:
        self.flags[node.name] = self.truth(node.value)
        if node.rule:
            self.rule = node.rule

    def _run_if(self, node: If) -> None:
        for test, body in node.branches:
            if self.truth(test):
                self.run(body)
                return
        self.run(node.orelse)

    def _run_for(self, node: For) -> None:
        start, stop, step = self._whole(node.start), self._whole(node.stop), self._whole(node.step)
        if step == 0:
            raise Stop
        for k in range(start, stop, step):
            self.fuel -= 1
            if self.fuel < 0:
                raise Stop
            self.locals[node.index] = float(k)
            try:
                self.run(node.body)
            except _BreakLoop:
                break
            except _ContinueLoop:
                continue

    def _run_break(self, node: Break) -> None:
        raise _BreakLoop

    def _run_continue(self, node: Continue) -> None:
        raise _ContinueLoop


class Interpreter:
    """The step of a program without compilation; the signatures are those of the compiled functions.

    Parameters
    ----------
    program : Program
        What to run.
    """

    def __init__(self, program: Program) -> None:
        self.program = program

    def _start(self, tree: Tree, arguments: tuple[Any, ...], flags: dict[str, bool]) -> _Run:
        inputs, i, lo, variables, position, state = arguments
        run = _Run(self.program, inputs, i, lo, variables, position, state, flags)
        run.run(tree.body)
        return run

    def buy(
        self,
        inputs: Sequence[NDArray[np.float64]],
        sums: NDArray[np.int64],
        extremes: NDArray[np.float64],
        i: int,
        lo: int,
        variables: Sequence[float],
        position: NDArray[np.float64],
        state: NDArray[np.float64],
    ) -> int:
        """Return 0 none, 1 long, 2 short, −1 arithmetic error. `sums` and `extremes` are not read."""
        flags = {"buy": True, "open_long": True, "open_short": True}
        try:
            self._start(self.program.buy, (inputs, i, lo, variables, position, state), flags)
        except Stop:
            return -1
        if not self.program.market.code.endswith("futures"):
            return 1 if flags["buy"] else 0
        return 1 if flags["open_long"] else 2 if flags["open_short"] else 0

    def sell(
        self,
        inputs: Sequence[NDArray[np.float64]],
        sums: NDArray[np.int64],
        extremes: NDArray[np.float64],
        i: int,
        lo: int,
        variables: Sequence[float],
        position: NDArray[np.float64],
        state: NDArray[np.float64],
    ) -> int:
        """Return 0 none, k ≥ 1 the sell rule, −1 arithmetic error; sets ``position[force_exit]``."""
        flags = {"sell": False, "close_long": False, "close_short": False, "force_exit": bool(position[_FORCE] != 0.0)}
        try:
            run = self._start(self.program.sell, (inputs, i, lo, variables, position, state), flags)
        except Stop:
            return -1
        if self.program.market.code.endswith("futures"):
            short = position[_SIDE] < 0.0
            signal = flags["close_short"] if short else flags["close_long"]
        else:
            signal = flags["sell"]
        if not signal:
            return 0
        if flags["force_exit"]:
            position[_FORCE] = 1.0
        return run.rule

    def mark(
        self,
        inputs: Sequence[NDArray[np.float64]],
        sums: NDArray[np.int64],
        extremes: NDArray[np.float64],
        i: int,
        lo: int,
        variables: Sequence[float],
        position: NDArray[np.float64],
        state: NDArray[np.float64],
    ) -> int:
        """Evaluate the conditions of 경과틱수 and remember this row where they hold; returns the number of errors."""
        errors = 0
        for name, tree in self.program.marks:
            flags = {"mark": False}
            try:
                self._start(tree, (inputs, i, lo, variables, position, state), flags)
            except Stop:
                errors += 1
                continue
            if flags["mark"]:
                state[self.program.mark_slot(name)] = i - lo + 1
        return errors

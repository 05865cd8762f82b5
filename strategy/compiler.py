"""From a program to the text of a Numba module: buy, sell, mark and the features they read.

The module's functions are plain `njit` functions of arrays, compiled with bounds checks on and
without fast-math. `strategy/cache.py` gives the module its place on disk; the research engine appends
its own loop to the same text, so that the step is inlined into it.
"""

from __future__ import annotations

from collections.abc import Sequence

from domain.formulas import DISPLAYS
from domain.records import POSITION_INDEX, POSITION_SIZE
from strategy.catalogue import is_futures
from strategy.emit import STEP_OPTIONS, ExpressionEmitter
from strategy.factor import derived
from strategy.limits import MAX_TURNS
from strategy.nodes import (
    Bind,
    Break,
    Continue,
    For,
    If,
    Local,
    SetAttribute,
    SetFlag,
    SetLocal,
    Stmt,
    Tree,
    walk,
)
from strategy.program import Program
from strategy.series import ABREAST, ON

ARGUMENTS = "inputs, sums, extremes, i, lo, variables, position, state"
OPTIONS = 'nogil=True, error_model="numpy", forceinline=True'
_RETURNS = {"return_pct", "pnl", "max_return_pct", "min_return_pct"}
_HOLDING = {"holding_time", "holding_seconds"}


class _Emitter(ExpressionEmitter):
    """Statements of one function."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.loops = 0  # a later line of a loop's body may have failed on the turn before

    def body(self, statements: Sequence[Stmt]) -> None:
        """Write statements; an empty block becomes ``pass``."""
        before = len(self.lines)
        for statement in statements:
            getattr(self, "_do_" + type(statement).__name__.lower())(statement)
        if len(self.lines) == before:
            self.put("pass")

    def _do_setlocal(self, node: SetLocal) -> None:
        self.put(f"x{node.index} = {self.value(node.value)}")
        if node.index in self.tracked:
            self.put(f"a{node.index} = True")

    def _do_setattribute(self, node: SetAttribute) -> None:
        value = self.value(node.value)
        if self.may_fail or self.loops:
            value = self.temp(value)
            self.stop_on_error()
        self.put(f"state[u({self.program.attribute_slot(node.name)})] = {value}")

    def stop_on_error(self) -> None:
        """Write the way out when an error was noted on this row."""
        self.put(f"if state[u({self.program.error_slot})] != 0.0:")
        with self.deeper():
            self.fail()

    def fail(self) -> None:
        """Write the end of the text without a signal."""
        self.put(f"state[u({self.program.error_slot})] = 0.0")
        self.put("return -1")

    def _do_setflag(self, node: SetFlag) -> None:
        self.put(f"f_{node.name} = {self.truth(node.value)}")
        if node.rule:
            self.put(f"rule = {node.rule}")

    def _do_if(self, node: If) -> None:
        if any(isinstance(one, Bind) for test, _ in node.branches for one in walk(test)):
            self._do_if_with_binds(node)
            return
        for k, (test, statements) in enumerate(node.branches):
            self.put(f"{'elif' if k else 'if'} {self.truth(test)}:")
            with self.deeper():
                self.body(statements)
        if node.orelse:
            self.put("else:")
            with self.deeper():
                self.body(node.orelse)

    def _do_if_with_binds(self, node: If) -> None:
        """Write a chain whose tests have lines of their own, one below the other: nested, it could pass Python's limit of depth."""
        pending = self.temp("True")
        for test, statements in node.branches:
            self.put(f"if {pending}:")
            with self.deeper():
                self.put(f"if {self.condition(test)}:")
                with self.deeper():
                    self.put(f"{pending} = False")
                    self.body(statements)
        self.put(f"if {pending}:")
        with self.deeper():
            self.body(node.orelse)

    def _do_for(self, node: For) -> None:
        turn, stop, step = (self.temp(self.whole(one)) for one in (node.start, node.stop, node.step))
        self.put(f"if {step} == 0:")
        with self.deeper():
            self.fail()
        self.put(f"while ({step} > 0 and {turn} < {stop}) or ({step} < 0 and {turn} > {stop}):")
        with self.deeper():
            self.put(f"fuel -= {node.weight}")
            self.put("if fuel < 0:")
            with self.deeper():
                self.fail()
            self.put(f"x{node.index} = float({turn})")
            if node.index in self.tracked:
                self.put(f"a{node.index} = True")
            self.put(f"{turn} += {step}")
            self.loops += 1
            self.body(node.body)
            self.loops -= 1

    def _do_break(self, node: Break) -> None:
        self.put("break")

    def _do_continue(self, node: Continue) -> None:
        self.put("continue")


def _function(
    program: Program, name: str, tree: Tree, flags: Sequence[tuple[str, str]], ending: Sequence[str], shared: dict[str, list[str]]
) -> tuple[list[str], set[str]]:
    """Return the text of one function and the derived factors it calls."""
    emitter = _Emitter(program)
    emitter.functions = shared
    nodes = [node for statement in tree.body for node in walk(statement)]
    emitter.tracked = {node.index for node in nodes if isinstance(node, Local) and not node.sure}
    emitter.body(tree.body)
    if emitter.may_fail:
        emitter.stop_on_error()
    head = [f"@njit({STEP_OPTIONS})", f"def {name}({ARGUMENTS}):"]
    head += [f"    c{index} = inputs[{index}]" for index in sorted(emitter.used_columns)]
    head += emitter.constant_lines()
    head += [f"    x{index} = 0.0" for index in range(len(tree.locals))]
    head += [f"    a{index} = False" for index in sorted(emitter.tracked)]
    head += [f"    f_{flag} = {start}" for flag, start in flags]
    if tree.side == "sell":
        head.append("    rule = 0")
    if any(isinstance(node, For) for node in nodes):
        head.append(f"    fuel = {MAX_TURNS}")
    return [*head, *emitter.lines, *("    " + line for line in ending), "", ""], emitter.used_factors


def _steps(program: Program) -> tuple[list[str], set[str]]:
    futures = is_futures(program.market)
    force = POSITION_INDEX["force_exit"]
    side = POSITION_INDEX["position_side"]
    if futures:
        buy_flags = [("open_long", "True"), ("open_short", "True")]
        buy_end = ["if f_open_long:", "    return 1", "return 2 if f_open_short else 0"]
        sell_flags = [("close_long", "False"), ("close_short", "False")]
        signal = f"(f_close_short if position[{side}] < 0.0 else f_close_long)"
    else:
        buy_flags = [("buy", "True")]
        buy_end = ["return 1 if f_buy else 0"]
        sell_flags = [("sell", "False")]
        signal = "f_sell"
    sell_flags.append(("force_exit", f"position[{force}] != 0.0"))
    sell_end = [f"if not {signal}:", "    return 0", "if f_force_exit:", f"    position[{force}] = 1.0", "return rule"]
    shared: dict[str, list[str]] = {}
    lines, factors = _function(program, "buy", program.buy, buy_flags, buy_end, shared)
    more, used = _function(program, "sell", program.sell, sell_flags, sell_end, shared)
    lines += more
    factors |= used
    for k, (_, tree) in enumerate(program.marks):
        more, used = _function(program, f"mark_{k}", tree, [("mark", "False")], ["return 1 if f_mark else 0"], shared)
        lines += more
        factors |= used
    formulas: list[str] = []
    lines += [f"@njit({STEP_OPTIONS})", f"def mark({ARGUMENTS}):", "    errors = 0"]
    for k, (name, _) in enumerate(program.marks):
        lines += [
            f"    result = mark_{k}({ARGUMENTS})",
            "    if result > 0:",
            f"        state[u({program.mark_slot(name)})] = float(i - lo + 1)",
            "    elif result < 0:",
            "        errors += 1",
        ]
    for k, one in enumerate(program.formulas):
        more, used = _function(program, f"formula_{k}", one.tree, [], ["return 0"], shared)
        formulas += more
        factors |= used
    first = [line for function in shared.values() for line in function]
    return [*first, *lines, "    return errors", "", "", *formulas], factors


def _fillers(program: Program) -> list[str]:
    body = ["    zero = i0 - i0"] if program.features else []
    for f, feature in enumerate(program.sums):
        body.append(f"    fill_sum(inputs[{program.columns.index(feature.key)}], sums, zero + {f}, {10.0**feature.decimals!r}, i0, i1)")
    for f, feature in enumerate(program.extremes):
        column, largest = program.columns.index(feature.key), feature.kind == "max"
        body.append(f"    fill_extreme(inputs[{column}], extremes, zero + {f}, scratch, windows[{f}], {largest}, lo, i0, i1)")
    for k, feature in enumerate(program.levels):
        column, base = program.columns.index(feature.key), len(program.extremes) + k * program.n_levels
        largest = feature.kind == "levels_max"
        body.append(f"    fill_levels(inputs[{column}], extremes, zero + {base}, zero + {program.n_levels}, {largest}, lo, i0, i1)")
    for feature, (function, base, place) in program.series.items():
        taken = ", ".join(f"inputs[{program.columns.index(key)}]" for key in program.series_columns(function))
        body += [
            f"    if windows[{place}] == {ON}:",
            f"        params = windows[{place + 1} : {place + 1 + len(feature.settings)}].view(np.float64)",
            f"        {function.place[1]}({taken}, extremes, zero + {base}, params, lo, i0, i1)",
            f"    elif windows[{place}] != {ABREAST}:",
            f"        fill_zero(extremes, zero + {base}, zero + {len(function.outputs)}, i0, i1)",
        ]
    body += _formula_fillers(program)
    rows = len(program.extremes)
    least = program.n_state + POSITION_SIZE + 1 if program.formulas else 0
    names = [f"inputs[{k}]" for k in range(len(program.columns))]
    comma = "," if len(names) == 1 else ""
    borrowed = ", ".join(f"borrow({name})" for name in names) + comma
    sliced = ", ".join(f"{name}[lo:hi]" for name in names) + comma
    return [
        '@njit(nogil=True, error_model="numpy")',
        "def fill_features(windows, inputs, sums, extremes, scratch, lo, i0, i1):",
        *(body or ["    pass"]),
        "",
        "",
        f"@njit({OPTIONS})",
        "def borrow_inputs(inputs):",
        f"    return ({borrowed})",
        "",
        "",
        f"@njit({OPTIONS})",
        "def slice_inputs(inputs, lo, hi):",
        f"    return ({sliced})",
        "",
        "",
        "@njit(nogil=True)",
        "def make_sums(rows):",
        f"    return np.zeros(({3 * max(program.n_sums, 1)}, rows + 1), dtype=np.int64)",
        "",
        "",
        "@njit(nogil=True)",
        "def make_extremes(rows):",
        f"    return np.zeros(({max(program.n_extremes, 1)}, rows), dtype=np.float64)",
        "",
        "",
        "@njit(nogil=True)",
        "def make_scratch(rows):",
        f"    return np.zeros(({max(rows, 1) + bool(program.formulas)}, max(rows + 3 if {rows} > 0 else 3, {least})), dtype=np.int64)",
        "",
        "",
    ]


def _formula_fillers(program: Program) -> list[str]:
    """Return the lines that fill the rows of the formulas: each over all rows, after those it names."""
    if not program.formulas:
        return []
    # Nothing is allocated in the loop over rows: a row of `scratch` is the state, a flat position and no variables.
    spare = max(len(program.extremes), 1)
    ends = (program.n_state, program.n_state + POSITION_SIZE, program.n_state + POSITION_SIZE + 1)
    lines = [
        f"    memory = scratch[{spare}].view(np.float64)",
        f"    state, position, variables = memory[: {ends[0]}], memory[{ends[0]} : {ends[1]}], memory[{ends[1]} : {ends[2]}]",
    ]
    for k, one in enumerate(program.formulas):
        slots = {output: program.attribute_slot(f"{one.name}.{output}") for output in DISPLAYS[one.display]}
        rows = {column: program.formula_rows[one.name, column] for column in one.columns}
        fresh = [f"state[{slot}] = {'0.0' if output in ('check', 'buy', 'sell') else 'np.nan'}" for output, slot in slots.items()]
        lines += ["    for i in range(i0, i1):", *(f"        {line}" for line in fresh)]
        lines += [f"        if formula_{k}({ARGUMENTS}) < 0:", *(f"            {line}" for line in fresh)]
        if one.display == "condition_line":
            line, row = slots["line"], rows["line"]
            lines += [
                f"        if state[{slots['check']}] == 0.0:",
                f"            state[{line}] = extremes[{row}, i - 1] if i > lo else np.nan",
            ]
        if one.display == "band":
            lines.append(f"        if state[{slots['check']}] == 0.0:")
            lines += [f"            state[{slots[one_side]}] = np.nan" for one_side in ("up", "down")]
        lines += [f"        extremes[{row}, i] = state[{slots[column]}]" for column, row in rows.items()]
    return lines


def _constants(program: Program, factors: set[str]) -> list[str]:
    lines = []
    for key in sorted(factors):
        function = derived()[key].function
        assert function is not None
        lines.append(f"from {function.__module__} import {function.__name__} as _{key}")
    lines.append("")
    for key in sorted(factors):
        lines.append(f"factor_{key} = njit({OPTIONS})(_{key})")
    ladder = program.ladder() if any("ladder" in derived()[key].parameters for key in factors) else ()
    lines += [
        f"LADDER = np.array({list(ladder)!r}, dtype=np.float64).reshape({len(ladder)}, 3)",
        "DEGREES = 180.0 / math.pi",
        "RADIANS = math.pi / 180.0",
        f"COLUMNS = {program.columns!r}",
        f"N_SUMS = {program.n_sums}",
        f"N_EXTREMES = {program.n_extremes}",
        f"N_STATE = {program.n_state}",
        f"HAS_MARKS = {bool(program.marks)}",
        f"USES_RETURNS = {bool(program.position_fields & _RETURNS)}",
        f"USES_HOLDING = {bool(program.position_fields & _HOLDING)}",
        f"USES_ORDER_QTY = {'order_qty' in program.position_fields}",
        "",
        "",
    ]
    return lines


def _series_imports(program: Program) -> list[str]:
    """Return the imports of what fills the series; modules that those are made of are named too, so that the cache knows them."""
    places = sorted({function.place for function, _, _ in program.series.values()})
    lines = [f"from {module} import {name}" for module, name in places]
    more = (
        "averages import fill_average",
        "oscillators import best_row",
        "runs import fill_zero, window_volatility",
        "series_sizes import SPARE",
    )
    return [*lines, *(f"from strategy.{one}" for one in more)] if lines else []


def _warm(program: Program) -> list[str]:
    inputs = ", ".join("np.zeros(1)" for _ in program.columns) + ("," if len(program.columns) == 1 else "")
    return [
        "def warm():",
        '    """Compile for the arrays of a live table."""',
        f"    inputs = ({inputs})",
        "    sums, extremes, scratch = make_sums(1), make_extremes(1), make_scratch(1)",
        f"    variables, position = np.ones({max(program.n_vars, 1)}), np.zeros({POSITION_SIZE})",
        f"    state = np.zeros({program.n_state})",
        f"    windows = np.ones({program.n_windows}, dtype=np.int64)",
        "    fill_features(windows, inputs, sums, extremes, scratch, 0, 0, 1)",
        "    buy(inputs, sums, extremes, 0, 0, variables, position, state)",
        "    sell(inputs, sums, extremes, 0, 0, variables, position, state)",
        *(["    mark(inputs, sums, extremes, 0, 0, variables, position, state)"] if program.marks else []),
    ]


def functions(program: Program) -> str:
    """Return the module text without ``warm``: imports, constants, step functions, feature functions.

    It is what a host with a loop of its own (the research engine) builds on. Names it defines:

    ``buy, sell, mark (inputs, sums, extremes, i, lo, variables, position, state) -> int``;
    ``fill_features(windows, inputs, sums, extremes, scratch, lo, i0, i1)`` for rows i0 … i1−1 of the day
    that begins at lo, in order; ``make_sums(rows)``, ``make_extremes(rows)``, ``make_scratch(rows)``
    (arrays for up to that many rows: `sums` has one entry more than rows); ``borrow_inputs(inputs)``,
    ``slice_inputs(inputs, lo, hi)``; constants COLUMNS, N_SUMS, N_EXTREMES, N_STATE, HAS_MARKS,
    USES_RETURNS, USES_HOLDING, USES_ORDER_QTY.
    """
    steps, factors = _steps(program)
    head = [
        f'"""Generated from program {program.digest}; {program.market.kind}, {program.interval_s} s."""',
        "import math",
        "",
        "import numpy as np",
        "from numba import njit",
        "from numpy import uint64 as u",
        "",
        "from strategy.borrow import borrow",
        "from strategy.feature_kernels import fill_extreme, fill_levels, fill_sum",
        "from strategy.kernels import (",
        "    checked, clock_seconds, count, deciding, divide, finite,",
        "    floor_divide, known, lag, larger, modulo, number, over, part_power, percent, rounded, row_back, series_or_zero,",
        "    series_value, sign, since, smaller, whole_power, window_angle, window_extreme, window_levels, window_mean,",
        "    window_rows, window_sum, window_whole_mean,",
        ")",
        *_series_imports(program),
    ]
    return "\n".join([*head, *_constants(program, factors), *steps, *_fillers(program)])


def source(program: Program) -> str:
    """Return the whole module text for live: `functions` and ``warm``."""
    return functions(program) + "\n".join(_warm(program)) + "\n"

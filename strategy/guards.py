"""A plan as text for Numba: which rows can matter, answered for a run of rows at a time.

The functions stand beside the step in the module that a research host builds (`backtester/kernel.py`
has the loop that uses them). Fixed look-backs are built into rows of `extremes` first, so that a test is
a comparison of arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from strategy.emit import ExpressionEmitter
from strategy.nodes import Expr, Number, Series, Variable, Window, walk
from strategy.plan import Plan, plan, used_variables
from strategy.program import Program
from strategy.truths import either

LAG_MAX = 1e6
"""Rows back up to which a look-back of an earlier row is built; texts ask for a handful."""
OPTIONS = '_nrt=False, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True'


@dataclass(frozen=True)
class Guards:
    """Functions that name rows, and what a host must know to call them.

    Parameters
    ----------
    text : str
        ``flag_rows(t, build, inputs, sums, extremes, i0, i1, variables, position, state, out)`` writes 1 where condition t may
        hold, else 0, and builds the look-backs it reads before, if it is told to;
        ``hold_bounds(variables, position, bounds)`` lowers the first of `bounds` to the least 수익률 above, raises the second to the
        greatest below and lowers the third to the least seconds, at which a sell can act.
        Rows are counted from the day's first. Constants SKIPS_ENTRY, SKIPS_HOLD, HAS_EXIT_ROWS, N_TERMS, N_BUILT, NEEDS; FOLLOWS,
        FOLLOWS_MAX and FOLLOWS_MIN: the sell text reads one of 최고수익률 and 최저수익률, and which.
    terms : tuple of tuple of int
        Variables that each condition of an entry hangs on, in the order of t.
    exit_rows : tuple of int or None
        Variables of the condition of an exit on the row, which is t = len(terms); None: there is none.
    needs : tuple of bool
        Whether each condition, that of the exit last, reads features.
    lengths : tuple of (str, int)
        Of each look-back built: ("constant", length) or ("variable", index of `self.vars`).
    """

    text: str
    terms: tuple[tuple[int, ...], ...]
    exit_rows: tuple[int, ...] | None
    needs: tuple[bool, ...]
    lengths: tuple[tuple[str, int], ...]


class _RowsEmitter(ExpressionEmitter):
    """Expressions over a run of rows: variables and look-backs are taken out of the loop."""

    def __init__(self, program: Program, first: int) -> None:
        super().__init__(program)
        self.first = first
        self.built: dict[str, int] = {}
        self.lengths: list[tuple[str, int]] = []
        self.used_variables: set[int] = set()
        self.used_built: set[int] = set()

    def _variable(self, node: Variable) -> str:
        self.used_variables.add(node.index)
        return f"v{node.index}"

    def begin(self) -> None:
        """Start a new loop."""
        self.used_columns.clear()
        self.constants.clear()
        self.used_variables.clear()
        self.used_built.clear()

    def _window(self, node: Window) -> str:
        kind, place = self.program.place(node)
        lag = int(node.pre.value) if isinstance(node.pre, Number) and 0.0 <= node.pre.value <= LAG_MAX else -1
        if not isinstance(node.n, Number | Variable) or lag < 0 or kind not in ("sum", "angle"):
            return super()._window(node)
        what = f"{node.operation} {node.key} {node.decimals} {node.coefficient!r} {self.whole(node.n)}"
        key, at_row = f"{what} {lag}", self.built.get(f"{what} 0")
        if key not in self.built:
            row = self.first + len(self.built)
            self.built[key] = row
            constant = isinstance(node.n, Number)
            value = node.n.value if isinstance(node.n, Number) else node.n.index
            self.lengths.append(("constant" if constant else "variable", int(max(min(value, 1e9), -1e9))))
            length = str(self.lengths[-1][1]) if constant else f"count(variables[u({int(value)})])"
            # What was built of the row itself is only moved; the first rows look back past those that are built.
            end = "i1" if at_row is None or not lag else f"min(i0 + {lag}, i1)"
            if kind == "angle":
                column = self.program.columns.index(node.key)
                line = (
                    f"bulk_angle(inputs[{column}], extremes, zero + {row}, zero + {lag}, i0, {end}, zero + {length}, {node.coefficient!r})"
                )
            else:
                unit = 10 ** self.program.decimals(node.key)
                where = f"sums, zero + {place}, extremes, zero + {row}, zero + {lag}, i0, {end}, zero + {length}, zero + {unit}"
                name = {"mean": "bulk_mean", "mean_int": "bulk_whole_mean", "sum": "bulk_sum"}[node.operation]
                line = f"{name}({where}, {10.0**node.decimals!r})" if node.operation == "mean" else f"{name}({where})"
            self.put(line)
            if end != "i1":
                self.put(f"bulk_lag(extremes, zero + {at_row}, zero + {row}, zero + {lag}, i0, i1)")
        row = self.built[key]
        self.used_built.add(row)
        return f"b{row}[u(i)]"

    def _series(self, node: Series) -> str:
        if node.ago is not None or not math.isnan(self.program.warm_up):
            return super()._series(node)
        row = self.program.series_row(node)
        self.used_built.add(row)
        return f"b{row}[u(i)]"


def may_fail(program: Program, expr: Expr) -> bool:
    """Tell whether an expression of a program can end in an arithmetic error."""
    emitter = ExpressionEmitter(program)
    emitter.condition(expr)
    return emitter.may_fail


def make_plan(program: Program) -> Plan:
    """Return what the texts of a program allow to skip."""
    return plan(program.buy, program.sell, lambda expr: may_fail(program, expr), bool(program.marks), program.interval_s)


def guards(program: Program, made: Plan, first: int) -> Guards:
    """Return the functions of a plan; the look-backs they build stand in the rows from `first` of `extremes`."""
    emitter = _RowsEmitter(program, first)
    conditions = list(made.entry)
    exits = made.exits
    follows = () if exits is None else exits.follows
    rows: Expr | None = None
    if exits is not None and exits.rows:
        rows = exits.rows[0]
        for one in exits.rows[1:]:
            rows = either(rows, one)
        conditions.append(rows)
    flags: list[str] = []
    needs: list[bool] = []
    for t, condition in enumerate(conditions):
        emitter.begin()
        truth = emitter.truth(condition)
        needs.append(bool(emitter.used_built) or "sums" in truth or "extremes" in truth)
        flags.append(f"    {'elif' if t else 'if'} t == {t}:")
        flags += [f"        c{index} = inputs[{index}]" for index in sorted(emitter.used_columns)]
        flags += [f"        v{index} = variables[u({index})]" for index in sorted(emitter.used_variables)]
        flags += [f"        b{row} = extremes[{row}]" for row in sorted(emitter.used_built)]
        flags += ["    " + line for line in _constants(emitter)]
        flags += ["        for i in range(i0, i1):", f"            out[u(i)] = {truth}"]
    used = sorted(
        {
            name
            for name in ("bulk_angle", "bulk_lag", "bulk_mean", "bulk_sum", "bulk_whole_mean")
            if any(name in line for line in emitter.lines)
        }
    )
    lines = [f"from strategy.bulk import {', '.join(used)}", ""] if used else []
    lines += [
        f"@njit({OPTIONS})",
        "def flag_rows(t, build, inputs, sums, extremes, i0, i1, variables, position, state, out):",
        "    lo = zero = i0 - i0",
        *(["    if build:", *("    " + line for line in emitter.lines)] if emitter.lines else []),
        *flags,
        "",
        "",
        *_bounds(program, exits.up if exits else (), exits.down if exits else (), exits.seconds if exits else ()),
        f"SKIPS_ENTRY, SKIPS_HOLD, HAS_EXIT_ROWS = {bool(made.entry)}, {exits is not None}, {rows is not None}",
        f"FOLLOWS, FOLLOWS_MAX, FOLLOWS_MIN = {bool(follows)}, {'max_return_pct' in follows}, {'min_return_pct' in follows}",
        f"N_TERMS, N_BUILT = {len(made.entry)}, {len(emitter.built)}",
        f"NEEDS = {tuple(needs) or (False,)!r}",
        "",
        "",
    ]
    return Guards(
        text="\n".join(lines),
        terms=tuple(_variables(program, one) for one in made.entry),
        exit_rows=None if rows is None else _variables(program, rows),
        needs=tuple(needs),
        lengths=tuple(emitter.lengths),
    )


def _variables(program: Program, expr: Expr) -> tuple[int, ...]:
    """Return the variables that an expression hangs on, those of `self.indicator` included."""
    found = set(used_variables(expr))
    for node in walk(expr):
        if isinstance(node, Series):
            found.update(*map(used_variables, program.series_feature(node).settings))
    return tuple(sorted(found))


def _constants(emitter: ExpressionEmitter) -> list[str]:
    if not emitter.constants:
        return []
    return [*(f"    {emitter.whole_number(value)} = zero + {value}" for value in sorted(emitter.constants))]


def _bounds(program: Program, up: Sequence[Expr], down: Sequence[Expr], seconds: Sequence[tuple[Expr, int]]) -> list[str]:
    emitter = ExpressionEmitter(program)
    lines = [f"@njit({OPTIONS})", "def hold_bounds(variables, position, bounds):"]
    for place, exprs, test in ((0, up, "not x >= bounds[0]"), (1, down, "not x <= bounds[1]")):
        for expr in exprs:
            nothing = "-np.inf" if place == 0 else "np.inf"  # a bound that is no number bounds nothing
            lines += [f"    x = {emitter.value(expr)} * 1.0", f"    if {test}:", f"        bounds[{place}] = {nothing} if x != x else x"]
    for expr, factor in seconds:
        lines += [f"    x = {emitter.value(expr)} * {float(factor)!r} - {float(factor - 1)!r}", "    if not x >= bounds[2]:"]
        lines.append("        bounds[2] = -np.inf if x != x else x")
    return [*lines, *([] if len(lines) > 2 else ["    pass"]), "", ""]


NO_GUARDS = Guards(
    text="""@njit(nogil=True)
def flag_rows(t, build, inputs, sums, extremes, i0, i1, variables, position, state, out):
    pass


@njit(nogil=True)
def hold_bounds(variables, position, bounds):
    pass


SKIPS_ENTRY, SKIPS_HOLD, HAS_EXIT_ROWS = False, False, False
FOLLOWS, FOLLOWS_MAX, FOLLOWS_MIN = False, False, False
N_TERMS, N_BUILT, NEEDS = 0, 0, (False,)
""",
    terms=(),
    exit_rows=None,
    needs=(),
    lengths=(),
)
"""For a strategy without a plan: every row is looked at."""

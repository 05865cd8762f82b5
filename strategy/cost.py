"""What a checked text would cost: turns of its loops, rows it looks back on, time of the compiler.

The tree is harmless; this says whether it can also be run. What is known to be past a limit is refused
here, with its place, before anything is generated or allocated for it. What hangs on ``self.vars`` or on
the row cannot be known yet: loops have their fuel for it, and look-backs past the day are 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from domain.errors import StrategyError
from domain.intervals import rows_most
from strategy.arithmetic import constant_value
from strategy.limits import MAX_COST, MAX_LOOPS, MAX_NESTING, MAX_TURNS
from strategy.nodes import (
    Binary,
    Break,
    Call,
    Column,
    Derived,
    Expr,
    For,
    FormulaValue,
    If,
    Kind,
    Local,
    Logic,
    Node,
    Power,
    Series,
    SetAttribute,
    Stmt,
    Tree,
    Unary,
    Window,
    children,
    is_fixed,
    walk,
)

# Compile cost, measured: one unit is about 5 ms of a slow core.
_LOOK_BACK = 4
_MOVING_ROW = 30  # a look-back whose length or distance changes by row
_CHECKED = 10  # an operation that may end the text
_ITEM = 4
_BRANCH = 6
_LOOP = 40


def check_cost(tree: Tree) -> Iterator[StrategyError]:
    """Yield what makes a tree too expensive to run; nothing when it may be compiled."""
    loops = [node for node in tree.nodes() if isinstance(node, For)]
    if len(loops) > MAX_LOOPS:
        yield _error("strategy.too_many_loops", loops[MAX_LOOPS], count=len(loops), limit=MAX_LOOPS)
    yield from _check_turns(tree.body, 1.0)
    for statement in tree.body:
        yield from _check_node(statement, rows_most(tree.interval_s), 0)
    yield from (error for error, _ in check_size(tree.nodes()))


def check_size(nodes: Iterable[Node]) -> Iterator[tuple[StrategyError, Node]]:
    """Yield where what is compiled together becomes too much for the compiler."""
    spent = 0
    for node in nodes:
        spent += _cost(node)
        if spent > MAX_COST:
            yield _error("strategy.too_large", node, limit=MAX_COST), node
            return


def _error(code: str, node: Node, **fields: object) -> StrategyError:
    return StrategyError(code, max(node.line, 1), max(node.column, 1), **fields)


def _cost(node: Node) -> int:
    if isinstance(node, Window):
        return 1 + _LOOK_BACK + (0 if is_fixed(node.n) and is_fixed(node.pre) else _MOVING_ROW)
    if isinstance(node, Column | Derived | FormulaValue | Series) and node.ago is not None:
        return 1 + _LOOK_BACK + (0 if is_fixed(node.ago) else _MOVING_ROW)
    if isinstance(node, Call) and node.name in ("min", "max", "sum"):
        return 1 + _ITEM * len(node.args)
    if isinstance(node, Call) and node.name in ("over", "percent"):
        return 1
    if isinstance(node, Power | Call) or (isinstance(node, Binary) and node.operator in ("/", "//", "%")):
        return 1 + _CHECKED
    if isinstance(node, Logic):
        return 1 + (0 if node.kind is Kind.BOOL else _ITEM * len(node.operands))
    if isinstance(node, Local | SetAttribute):
        return 1 + _ITEM
    if isinstance(node, If):
        return 1 + _BRANCH * len(node.branches)
    return 1 + _LOOP if isinstance(node, For) else 1


# --- loops --------------------------------------------------------------------------------------------


def _check_turns(body: Sequence[Stmt], outer: float) -> Iterator[StrategyError]:
    """Yield loops that turn too often by themselves or within loops around them."""
    for statement in body:
        if isinstance(statement, If):
            for _, branch in (*statement.branches, (None, statement.orelse)):
                yield from _check_turns(branch, outer)
        elif isinstance(statement, For):
            turns = _turns(statement)
            if turns is None:
                yield _error("strategy.loop_step", statement)
                continue
            limit = MAX_TURNS // statement.weight
            if outer * turns > limit:
                yield _error("strategy.loop_turns", statement, turns=f"{outer * turns:.10g}", limit=limit)
                continue
            # One that may leave early need not turn as often as it says.
            leaves = any(isinstance(one, Break) for one in walk(statement))
            yield from _check_turns(statement.body, outer * (1.0 if leaves else max(turns, 1.0)))


def _turns(loop: For) -> float | None:
    """Return how often a loop turns, 1 when that hangs on variables or the row; None for a step of 0."""
    start, stop, step = (constant_value(one) for one in (loop.start, loop.stop, loop.step))
    if step is not None and -1.0 < step < 1.0:
        return None
    if start is None or stop is None or step is None:
        return 1.0
    whole = float(int(step)) if abs(step) < 1e300 else step
    return max((stop - start) / whole, 0.0)


# --- expressions ----------------------------------------------------------------------------------------


def _check_node(node: Node, day: int, nesting: int) -> Iterator[StrategyError]:
    """Yield look-backs that reach past the longest day, and expressions whose generated code would nest too deep."""
    reach = reach_of(node, constant_value)
    if reach > day:
        yield _error("strategy.too_many_rows", node, rows=f"{reach:.10g}", limit=day)
        return
    nesting += _brackets(node)
    if nesting > MAX_NESTING:
        yield _error("strategy.too_deep", node, limit=MAX_NESTING)
        return
    for child in children(node):
        yield from _check_node(child, day, nesting)


def reach_of(node: Node, value: Callable[[Expr], float | None]) -> float:
    """Return how many rows a look-back needs at least; a part whose `value` is None (unknown) counts as 0."""
    if isinstance(node, Window):
        parts, rows = [node.n, node.pre], 0.0
    elif isinstance(node, Column | Derived | FormulaValue | Series) and node.ago is not None:
        parts, rows = [node.ago], 1.0
    else:
        return 0.0
    known = [value(part) or 0.0 for part in parts]
    return rows + sum(value for value in known if value > 0.0)


def _brackets(node: Node) -> int:
    """Return how many brackets the generated code puts around an operand of a node, at the most."""
    if isinstance(node, Window | Column | Derived | FormulaValue | Series):
        return 5
    if isinstance(node, Logic) and node.kind is not Kind.BOOL:
        return len(node.operands)
    return 3 if isinstance(node, Unary) else 2 if isinstance(node, Expr) else 0

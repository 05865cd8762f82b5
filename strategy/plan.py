"""What a text says about rows on which it cannot act, read from its tree.

A host that walks over many rows need not call the step on each of them: where a condition that every
signal needs is false, nothing can come of the call. A `Plan` names such conditions. They are necessary,
not sufficient: on the rows they leave, the step itself decides, so a plan changes what is computed and
never what comes out. Rows on which a text would end in an arithmetic error count as rows on which it acts.

The tree is followed symbolically: each decision flag becomes a formula over the tests above it. What
cannot be followed (loops, memory, locals that differ by road) becomes unknown, and unknown means that
any row may act.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from domain.intervals import time_unit_s
from strategy.nodes import (
    Attribute,
    Binary,
    Bind,
    Call,
    Choice,
    Column,
    Compare,
    Derived,
    Expr,
    Flag,
    For,
    If,
    Local,
    Logic,
    Node,
    Number,
    PositionField,
    Power,
    RowCount,
    Series,
    SetAttribute,
    SetFlag,
    SetLocal,
    Stmt,
    TextTest,
    Tree,
    Truth,
    Unary,
    Variable,
    Window,
    is_fixed,
    walk,
)
from strategy.truths import FALSE, TRUE, UNKNOWN, both, choose, either, flat, negate, relax

MAX_NODES = 3_000
"""A formula that grows past this (tests are written out where flags meet) is not worth its rows."""

MAX_TERMS = 6


_ROW = (
    Number, Truth, Variable, Column, Derived, RowCount, TextTest, Window, Series, Unary, Binary, Power, Compare, Logic, Choice, Call,
)  # fmt: skip
"""Nodes that hang on the row, the symbol and `self.vars` alone."""

_HELD, _EXTREMES = ("return_pct", "holding_time", "holding_seconds"), ("max_return_pct", "min_return_pct")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class _TooLarge(Exception):
    """The formula is past MAX_NODES, or the text holds what cannot be followed."""


@dataclass(frozen=True)
class Exits:
    """When a sell text may act, while a position is held: on a row where any of these is so.

    Parameters
    ----------
    rows : tuple of Expr
        Conditions on the row alone.
    up, down : tuple of Expr
        수익률 at or above, at or below one of these; they hang on constants and `self.vars`, or on a straight line of 최고수익률 or
        of 최저수익률 besides.
    seconds : tuple of (Expr, int)
        Seconds held at or above expression · factor − (factor − 1).
    follows : tuple of str
        Which of max_return_pct and min_return_pct the text reads; who leaves rows out has to know what they would have made of them.
    """

    rows: tuple[Expr, ...] = ()
    up: tuple[Expr, ...] = ()
    down: tuple[Expr, ...] = ()
    seconds: tuple[tuple[Expr, int], ...] = ()
    follows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What the two texts of a program allow to skip.

    Parameters
    ----------
    entry : tuple of Expr
        Conditions that must all be true on a row where the buy text acts; empty: any row may.
    exits : Exits or None
        None: the sell text has to see every row of a position.
    """

    entry: tuple[Expr, ...] = ()
    exits: Exits | None = None


@dataclass
class _State:
    """Where a road through a text stands."""

    flags: dict[str, Expr]
    locals: dict[int, Expr | None] = field(default_factory=dict)


class _Reader:
    """Follows one tree.

    Parameters
    ----------
    flags : dict of str to Expr
        Decision flags at the start.
    may_fail : callable
        Tells whether an expression can end in an arithmetic error.
    """

    def __init__(self, flags: dict[str, Expr], may_fail: Callable[[Expr], bool]) -> None:
        self.state = _State(dict(flags))
        self.errors: list[Expr] = []
        self._may_fail = may_fail

    def run(self, statements: Sequence[Stmt], path: Expr) -> None:
        for statement in statements:
            if isinstance(statement, SetLocal):
                self._note(statement.value, path)
                self.state.locals[statement.index] = self._known(statement.value)
            elif isinstance(statement, SetFlag):
                self._note(statement.value, path)
                self.state.flags[statement.name] = self._truth(statement.value)
            elif isinstance(statement, If):
                self._branch(statement.branches, statement.orelse, path)
            else:
                raise _TooLarge  # loops, and memory of a symbol

    def _branch(self, branches: Sequence[tuple[Expr, tuple[Stmt, ...]]], orelse: Sequence[Stmt], path: Expr) -> None:
        if not branches:
            self.run(orelse, path)
            return
        (test, statements), rest = branches[0], branches[1:]
        self._note(test, path)
        for node in walk(test):
            if isinstance(node, Bind):
                self.state.locals[node.index] = None
        condition = self._truth(test)
        before = _State(dict(self.state.flags), dict(self.state.locals))
        self.run(statements, both(path, condition))
        then, self.state = self.state, before
        self._branch(rest, orelse, both(path, negate(condition)))
        other = self.state
        flags = {name: choose(condition, then.flags[name], other.flags[name]) for name in other.flags}
        known = {
            index: then.locals.get(index) if then.locals.get(index) == other.locals.get(index) else None
            for index in then.locals.keys() | other.locals.keys()
        }
        if sum(1 for value in flags.values() for _ in walk(value)) > MAX_NODES:
            raise _TooLarge
        self.state = _State(flags, known)

    def _note(self, expr: Expr, path: Expr) -> None:
        if self._may_fail(expr):
            self.errors.append(path)

    def _known(self, expr: Expr) -> Expr | None:
        """Return an expression with its locals written out; None when that cannot be."""
        if isinstance(expr, Bind | Flag):
            return None
        if isinstance(expr, Local):
            return self.state.locals.get(expr.index)
        return _rebuilt(expr, self._known)

    def _truth(self, expr: Expr) -> Expr:
        """Return the formula of an expression used as a test."""
        if isinstance(expr, Truth):
            return expr
        if isinstance(expr, Flag):
            return self.state.flags.get(expr.name, UNKNOWN)
        if isinstance(expr, Logic):
            parts = [self._truth(one) for one in expr.operands]
            join = both if expr.operator == "and" else either
            out = parts[0]
            for part in parts[1:]:
                out = join(out, part)
            return out
        if isinstance(expr, Unary) and expr.operator == "not":
            return negate(self._truth(expr.operand))
        if isinstance(expr, Choice):
            return choose(self._truth(expr.test), self._truth(expr.then), self._truth(expr.other))
        known = self._known(expr)
        if known is None or self._may_fail(known):
            return UNKNOWN
        if isinstance(known, Truth | Logic) or (isinstance(known, Unary) and known.operator == "not"):
            return self._truth(known)
        if not isinstance(known, Compare):
            known = Compare(first=known, rest=(("!=", Number(value=0.0)),))
        return _parts(known)


def _parts(node: Compare) -> Expr:
    """Return a comparison of the position in parts of two operands, which is what a bound is read from."""
    if len(node.rest) == 1 or not any(isinstance(one, PositionField) for one in walk(node)):
        return node
    out: Expr = TRUE
    left = node.first
    for operator, right in node.rest:
        out = both(out, Compare(first=left, rest=((operator, right),)))
        left = right
    return out


def _rebuilt(expr: Expr, change: Callable[[Expr], Expr | None]) -> Expr | None:
    """Return a node whose children were changed; None when one of them could not be."""
    values: dict[str, object] = {}
    for name in type(expr).__slots__:
        value = getattr(expr, name)
        if isinstance(value, Expr):
            changed = change(value)
            if changed is None:
                return None
            values[name] = changed
        elif isinstance(value, tuple) and any(isinstance(one, Node | tuple) for one in value):
            items = []
            for one in value:
                part = one[1] if isinstance(one, tuple) else one
                changed = change(part)
                if changed is None:
                    return None
                items.append((one[0], changed) if isinstance(one, tuple) else changed)
            values[name] = tuple(items)
    return replace(expr, **values) if values else expr  # type: ignore[arg-type]


# --- plans -------------------------------------------------------------------------------------------------


def plan(buy: Tree, sell: Tree, may_fail: Callable[[Expr], bool], has_marks: bool, interval_s: int) -> Plan:
    """Return what two texts allow to skip.

    Parameters
    ----------
    buy, sell : Tree
    may_fail : callable
        Tells whether an expression can end in an arithmetic error.
    has_marks : bool
        Conditions of 경과틱수 are evaluated on every row whatever the texts say.
    interval_s : int
        Seconds of a row: 보유시간 counts seconds, or minutes on minute rows.
    """
    if has_marks or any(isinstance(node, Attribute | SetAttribute) for tree in (buy, sell) for node in tree.nodes()):
        return Plan()
    entry = _entry(buy, may_fail)
    return Plan(entry, _exits(sell, may_fail, interval_s))


def _acts(tree: Tree, starts: bool, may_fail: Callable[[Expr], bool]) -> tuple[list[Expr], list[Expr]] | None:
    """Return the formulas of the decisions, and of the roads to an error."""
    names = {node.name for node in tree.nodes() if isinstance(node, SetFlag)} | {
        node.name for node in tree.nodes() if isinstance(node, Flag)
    }
    names |= {"buy"} if tree.side == "buy" and not names & {"open_long", "open_short"} else set()
    if names & {"open_long", "open_short"}:
        names |= {"open_long", "open_short"}
    start = TRUE if starts else FALSE
    flags: dict[str, Expr] = {name: UNKNOWN if name == "force_exit" else start for name in names}
    reader = _Reader(flags, may_fail)
    try:
        if any(isinstance(node, For) for node in tree.nodes()):
            return None
        reader.run(tree.body, TRUE)
    except _TooLarge:
        return None
    decisions = [value for name, value in reader.state.flags.items() if name != "force_exit"]
    if sum(1 for one in (*decisions, *reader.errors) for _ in walk(one)) > MAX_NODES:
        return None
    return decisions, reader.errors


def _entry(tree: Tree, may_fail: Callable[[Expr], bool]) -> tuple[Expr, ...]:
    found = _acts(tree, True, may_fail)
    if found is None:
        return ()
    acts = [one for formulas in found for one in formulas if one != FALSE]
    if not acts:
        return (FALSE,)
    sides = [flat(one, "and") for one in acts]
    common = [one for one in sides[0] if all(one in other for other in sides[1:])]
    rest: Expr = FALSE
    for side in sides:
        own: Expr = TRUE
        for one in side:
            if one not in common:
                own = both(own, one)
        rest = either(rest, own)
    terms = [relax(one, _is_entry_test) for one in (*common, rest)]
    terms = [one for term in terms for one in flat(term, "and") if one != TRUE]
    return (FALSE,) if FALSE in terms else tuple(_grouped(dict.fromkeys(terms)))


def _is_entry_test(test: Expr) -> bool:
    """The position of a flat symbol is the same on every row, but for the quantity an order would have."""
    return all(isinstance(node, _ROW) or (isinstance(node, PositionField) and node.key != "order_qty") for node in walk(test))


def _grouped(terms: Iterable[Expr]) -> list[Expr]:
    """Join terms that hang on the same variables: they are computed once for the sets that share those."""
    groups: dict[tuple[int, ...], Expr] = {}
    for term in terms:
        key = used_variables(term)
        groups[key] = both(groups[key], term) if key in groups else term
    out = list(groups.values())
    while len(out) > MAX_TERMS:
        out[-2:] = [both(out[-2], out[-1])]
    return out


def used_variables(expr: Expr) -> tuple[int, ...]:
    """Return the indices of `self.vars` in an expression, ascending."""
    return tuple(sorted({node.index for node in walk(expr) if isinstance(node, Variable)}))


def _exits(tree: Tree, may_fail: Callable[[Expr], bool], interval_s: int) -> Exits | None:
    found = _acts(tree, False, may_fail)
    if found is None:
        return None
    acts: Expr = FALSE
    for formulas in found:
        for one in formulas:
            acts = either(acts, one)
    read = {node.key for node in tree.nodes() if isinstance(node, PositionField)}
    out = Exits(follows=tuple(key for key in _EXTREMES if key in read))
    for way in flat(acts, "or"):
        added = _way_out(way, out, interval_s)
        if added is None:
            return None
        out = added
    return out


def _way_out(way: Expr, known: Exits, interval_s: int) -> Exits | None:
    """Add one alternative: by its condition on the row, else by a bound on the position; None when it has neither."""
    if way == FALSE:
        return known
    on_row: Expr = TRUE
    for part in flat(way, "and"):
        on_row = both(on_row, relax(part, _is_row_test))
    if on_row != TRUE:
        return replace(known, rows=(*known.rows, on_row))
    for part in flat(way, "and"):
        bound = _bound(part)
        if bound is None:
            continue
        key, is_up, expr = bound
        if key == "return_pct":
            return replace(known, up=(*known.up, expr)) if is_up else replace(known, down=(*known.down, expr))
        if is_up:
            factor = time_unit_s(interval_s) if key == "holding_time" else 1
            return replace(known, seconds=(*known.seconds, (expr, factor)))
    return None


def _is_row_test(test: Expr) -> bool:
    for node in walk(test):
        if not isinstance(node, _ROW):
            return False
        for name in ("ago", "pre"):  # −1 means the row of the entry
            back = getattr(node, name, None)
            if back is not None and not (isinstance(back, Number) and back.value >= 0):
                return False
    return True


def _bound(part: Expr) -> tuple[str, bool, Expr] | None:
    """Return (field, is a lower bound, expression) of a test that bounds the position; None when it is none."""
    is_negated = isinstance(part, Unary)
    test = part.operand if isinstance(part, Unary) else part
    if not isinstance(test, Compare) or len(test.rest) != 1:
        return None
    left, (operator, right) = test.first, test.rest[0]
    if operator not in _FLIPPED:
        return None
    if any(_is_field(node, _HELD) for node in walk(right)):
        left, right, operator = right, left, _FLIPPED[operator]
    if isinstance(left, Binary) and left.operator == "-":
        left, operator, right = _without_extreme(left, operator, right)
    if not isinstance(left, PositionField) or left.key not in _HELD:
        return None
    extremes = {node.key for node in walk(right) if isinstance(node, PositionField)}
    if not (is_fixed(right) or (left.key == "return_pct" and len(extremes) == 1 and _is_line(right))):
        return None
    if is_negated:
        operator = _OPPOSITE[operator]
    return left.key, operator in (">", ">="), right


def _without_extreme(left: Binary, operator: str, right: Expr) -> tuple[Expr, str, Expr]:
    """Return 최고수익률 − 수익률 ≥ x as 수익률 ≤ 최고수익률 − x.

    The two differ by roundings in the sixteenth digit; the price band that comes of a bound (`backtester/skip.py`) allows for far more.
    """
    if _is_field(left.left, _EXTREMES) and _is_field(left.right, ("return_pct",)):
        return left.right, _FLIPPED[operator], Binary(kind=left.kind, operator="-", left=left.left, right=right)
    if _is_field(left.left, ("return_pct",)) and _is_field(left.right, _EXTREMES):
        return left.left, operator, Binary(kind=left.kind, operator="+", left=left.right, right=right)
    return left, operator, right


def _is_line(expr: Expr) -> bool:
    """Tell whether an expression is a straight line in 최고수익률 or 최저수익률, all else being fixed."""
    if _is_field(expr, _EXTREMES) or is_fixed(expr):
        return True
    if isinstance(expr, Unary):
        return expr.operator == "-" and _is_line(expr.operand)
    if not isinstance(expr, Binary):
        return False
    if expr.operator in ("+", "-"):
        return _is_line(expr.left) and _is_line(expr.right)
    return expr.operator == "*" and is_fixed(expr.left) + is_fixed(expr.right) == 1 and _is_line(expr.left) and _is_line(expr.right)


def _is_field(node: Node, keys: Collection[str]) -> bool:
    return isinstance(node, PositionField) and node.key in keys

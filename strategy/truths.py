"""The algebra of tests: what a text asks, as one formula of `and`, `or` and `not` that can be turned round and weakened.

A formula is a `Truth`, a `Logic` of two operands, a test, a negated test, or UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable

from strategy.nodes import Expr, Kind, Logic, RowsSince, Truth, Unary

TRUE, FALSE = Truth(value=True), Truth(value=False)
UNKNOWN = RowsSince(name="", kind=Kind.BOOL)
"""Stands for a truth that nobody knows beforehand; no text can write it."""


def negate(formula: Expr) -> Expr:
    """Return the opposite; a comparison keeps its operator, because no number compares with NaN either way."""
    if isinstance(formula, Truth):
        return FALSE if formula.value else TRUE
    if formula is UNKNOWN:
        return UNKNOWN
    if isinstance(formula, Logic):
        parts = [negate(one) for one in formula.operands]
        return either(*parts) if formula.operator == "and" else both(*parts)
    if isinstance(formula, Unary):
        return formula.operand
    return Unary(kind=Kind.BOOL, operator="not", operand=formula)


def both(a: Expr, b: Expr) -> Expr:
    """Return a and b."""
    if a == FALSE or b == FALSE:
        return FALSE
    if a in (TRUE, b):
        return b
    return a if b == TRUE else Logic(kind=Kind.BOOL, operator="and", operands=(a, b))


def either(a: Expr, b: Expr) -> Expr:
    """Return a or b."""
    if a == TRUE or b == TRUE:
        return TRUE
    if a in (FALSE, b):
        return b
    return a if b == FALSE else Logic(kind=Kind.BOOL, operator="or", operands=(a, b))


def choose(test: Expr, then: Expr, other: Expr) -> Expr:
    """Return then where test holds, other elsewhere."""
    if then == other:
        return then
    if then == TRUE:
        return either(test, other)
    if then == FALSE:
        return both(negate(test), other)
    if other == TRUE:
        return either(negate(test), then)
    if other == FALSE:
        return both(test, then)
    return either(both(test, then), both(negate(test), other))


def flat(formula: Expr, operator: str) -> list[Expr]:
    """Return the operands of nested and, or nested or."""
    if isinstance(formula, Logic) and formula.operator == operator:
        return [part for one in formula.operands for part in flat(one, operator)]
    return [formula]


def relax(formula: Expr, is_usable: Callable[[Expr], bool]) -> Expr:
    """Return a weaker formula of usable tests only: what cannot be used is taken as true."""
    if isinstance(formula, Truth):
        return formula
    if formula is UNKNOWN:
        return TRUE
    if isinstance(formula, Logic):
        parts = [relax(one, is_usable) for one in formula.operands]
        return both(*parts) if formula.operator == "and" else either(*parts)
    return formula if is_usable(formula) else TRUE

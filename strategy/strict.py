"""Strict reading (strategy-language 15, row 13): a comparison with missing history is false instead of comparing 0.

A change of the tree, so that interpreter, compiler and plan know nothing of it: each comparison gets the question whether
its look-backs have their rows in front of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from strategy.nodes import (
    Bind,
    Column,
    Compare,
    Derived,
    Expr,
    FormulaValue,
    Kind,
    Logic,
    Node,
    Number,
    Series,
    Tree,
    Window,
    children,
    walk,
)


def strict(tree: Tree) -> Tree:
    """Return a tree whose comparisons are false without their history."""
    return dataclasses.replace(tree, body=_changed(tree.body))


def _changed(value: Any) -> Any:
    """Return a part of a tree with its comparisons changed."""
    if isinstance(value, tuple):
        return tuple(_changed(one) for one in value)
    if not isinstance(value, Node):
        return value
    inside = {one.name: _changed(getattr(value, one.name)) for one in dataclasses.fields(value)}
    made: Any = type(value)(**inside)
    if not isinstance(value, Compare):
        return made
    asked: dict[Expr, None] = {}
    for operand in (value.first, *(operand for _, operand in value.rest)):
        for one in _history(operand):
            asked[one] = None
    if not asked:
        return made
    where = {"line": value.line, "column": value.column}
    # What an assignment in the comparison gives is read later, so it is made in any case.
    binds = any(isinstance(one, Bind) for one in walk(value))
    operands: tuple[Expr, ...] = (made, *asked) if binds else (*asked, made)
    return Logic(operator="and", operands=operands, kind=Kind.BOOL, **where)


def _history(node: Node) -> Iterator[Expr]:
    """Yield the question of each look-back of an operand; those within comparisons of its own ask for themselves."""
    if isinstance(node, Compare):
        return
    one, none = Number(value=1.0), Number(value=0.0)
    if isinstance(node, Window) and node.operation != "rows":
        yield _has(node.n, node.pre)
    elif isinstance(node, Column | Derived | Series | FormulaValue) and node.ago is not None and node.ago != none:
        yield _has(one, node.ago)
    for child in children(node):
        yield from _history(child)


def _has(n: Expr, pre: Expr) -> Expr:
    rows = Window(operation="rows", key="", n=n, pre=pre)
    return Compare(first=rows, rest=((">", Number(value=0.0)),))

"""Leaving out of the loop's text what a strategy does not use.

The loop is written once, with roads for everything a strategy may ask of it, behind constants such as HAS_MARKS. Numba takes a road that
no constant opens out late, after it has looked into it; taken out of the text, it costs nothing at the first compilation.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import cast


def constants_of(text: str) -> dict[str, bool]:
    """Return the truths that a module's text assigns by name, one or several in a line."""
    found: dict[str, bool] = {}
    for node in ast.parse(text).body:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                pairs = list(zip(names, values, strict=True))
            case ast.Assign(targets=[name], value=value):
                pairs = [(name, value)]
            case _:
                continue
        for name, value in pairs:
            truth = _truth(value)
            if isinstance(name, ast.Name) and truth is not None:
                found[name.id] = truth
    return found


def fold(text: str, known: Mapping[str, bool]) -> str:
    """Return a module's text without the branches of its functions that the constants `known` close."""
    tree = ast.parse(text)
    folder = _Folder(known)
    tree.body = [cast(ast.stmt, folder.visit(node)) if isinstance(node, ast.FunctionDef) else node for node in tree.body]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Folder(ast.NodeTransformer):
    """Puts the constants in, and follows them upwards."""

    def __init__(self, known: Mapping[str, bool]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(self.known[node.id]) if isinstance(node.ctx, ast.Load) and node.id in self.known else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        truth = _truth(node.operand)
        return node if truth is None or not isinstance(node.op, ast.Not) else ast.Constant(not truth)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """What follows an operand that decides is never asked; what stands before it changes nothing."""
        self.generic_visit(node)
        deciding = isinstance(node.op, ast.Or)
        if any(_truth(one) is deciding for one in node.values):
            return ast.Constant(deciding)
        node.values = [one for one in node.values if _truth(one) is None]
        if not node.values:
            return ast.Constant(not deciding)
        return node.values[0] if len(node.values) == 1 else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        truth = _truth(node.test)
        return node if truth is None else node.body if truth else node.orelse

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        truth = _truth(node.test)
        return node if truth is None else (node.body if truth else node.orelse) or ast.Pass()


def _truth(node: ast.expr) -> bool | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, bool) else None

"""Look-backs that several parameter sets share: computed where first read, kept for the others.

A mean costs two reads of running sums and a division, and in a search all sets with the same window want
the same mean of the same row. So the text of a strategy is changed, for research only, in one way: a
look-back whose length is a constant or one of `self.vars` becomes a call that looks into a row of
`extremes` first. What stands there was put by the very function that live calls, so nothing can differ;
a not-a-number says that nobody has asked yet. The loop writes those before a chunk of rows is read
(`kernel.run_blocks`) and again for sets with other windows.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy import uint64 as u
from numpy.typing import NDArray

from strategy.kernels import window_angle, window_mean, window_sum, window_whole_mean

_KEPT: Any = {"nogil": True, "error_model": "numpy", "forceinline": True, "boundscheck": True}


@njit(**_KEPT)
def kept_mean(sums, f, row, lo, n, unit, scale, extremes, e):  # type: ignore[no-untyped-def]
    """`window_mean`, kept in row `e` of `extremes`."""
    if row < lo:
        return 0.0
    x = extremes[u(e), u(row)]
    if x != x:
        x = window_mean(sums, f, row, lo, n, unit, scale)
        extremes[u(e), u(row)] = x
    return x


@njit(**_KEPT)
def kept_whole_mean(sums, f, row, lo, n, unit, extremes, e):  # type: ignore[no-untyped-def]
    """`window_whole_mean`, kept."""
    if row < lo:
        return 0.0
    x = extremes[u(e), u(row)]
    if x != x:
        x = window_whole_mean(sums, f, row, lo, n, unit)
        extremes[u(e), u(row)] = x
    return x


@njit(**_KEPT)
def kept_sum(sums, f, row, lo, n, unit, extremes, e):  # type: ignore[no-untyped-def]
    """`window_sum`, kept."""
    if row < lo:
        return 0.0
    x = extremes[u(e), u(row)]
    if x != x:
        x = window_sum(sums, f, row, lo, n, unit)
        extremes[u(e), u(row)] = x
    return x


@njit(**_KEPT)
def kept_angle(column, row, lo, n, coefficient, extremes, e):  # type: ignore[no-untyped-def]
    """`window_angle`, kept."""
    if row < lo:
        return 0.0
    x = extremes[u(e), u(row)]
    if x != x:
        x = window_angle(column, row, lo, n, coefficient)
        extremes[u(e), u(row)] = x
    return x


_CALLS = {
    # function of the step: (the one that keeps, place of row, place of the length)
    "window_mean": ("kept_mean", 2, 4),
    "window_whole_mean": ("kept_whole_mean", 2, 4),
    "window_sum": ("kept_sum", 2, 4),
    "window_angle": ("kept_angle", 1, 3),
}


@dataclass(frozen=True)
class Kept:
    """The text of a strategy whose look-backs are kept.

    Parameters
    ----------
    text : str
    lengths : tuple of (str, int)
        Of each row kept: ("constant", length) or ("variable", index of `self.vars`).
    """

    text: str
    lengths: tuple[tuple[str, int], ...]

    def windows(self, vector: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the length of each row kept for a parameter set; sets with equal ones may share the rows."""
        return window_lengths(self.lengths, vector)


def window_lengths(lengths: Sequence[tuple[str, int]], vector: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the lengths of look-backs, each a constant or one of `self.vars`, for a parameter set."""
    out = [value if kind == "constant" else int(min(max(float(vector[value]), -1e9), 1e9)) for kind, value in lengths]
    return np.array(out, dtype=np.int64)


def keep(text: str, first: int, often: Collection[str] = ("buy", "sell")) -> Kept:
    """Return a strategy's text with its fixed look-backs kept in the rows from `first` of `extremes`.

    Parameters
    ----------
    text : str
        From `strategy.compiler.functions`.
    first : int
        Rows of `extremes` that are taken.
    often : collection of str
        Functions that are called on every row; keeping pays for no other.
    """
    tree = ast.parse(text)
    rewriter = _Rewriter(first)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and (node.name in often or node.name.startswith("mark_")):
            rewriter.constants = _constants(node.body)
            rewriter.visit(node)
    if not rewriter.rows:
        return Kept(text, ())
    names = ", ".join(sorted(rewriter.used))
    place = next(k for k, node in enumerate(tree.body) if isinstance(node, ast.FunctionDef))
    tree.body[place:place] = ast.parse(f"from backtester.kept import {names}").body
    return Kept(ast.unparse(ast.fix_missing_locations(tree)) + "\n", tuple(rewriter.lengths))


def _constants(body: Sequence[ast.stmt]) -> dict[str, int]:
    """Return the locals that hold a whole number: ``k30 = zero + 30``."""
    out = {}
    for node in body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.BinOp(left=ast.Name(id="zero"), op=ast.Add(), right=ast.Constant(value=int(value))),
            ):
                out[name] = value
    return out


class _Rewriter(ast.NodeTransformer):
    """Puts the function that keeps in the place of the one that computes."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.rows: dict[str, int] = {}
        self.lengths: list[tuple[str, int]] = []
        self.used: set[str] = set()
        self.constants: dict[str, int] = {}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id in _CALLS):
            return node
        name, row, place = _CALLS[node.func.id]
        length = self._length(node.args[place])
        if length is None:
            return node
        same = " ".join([name, *(ast.unparse(one) for k, one in enumerate(node.args) if k not in (row, row + 1, place)), repr(length)])
        if same not in self.rows:
            self.rows[same] = self.first + len(self.rows)
            self.lengths.append(length)
        self.used.add(name)
        more = ast.parse(f"f(extremes, u({self.rows[same]}))", mode="eval").body
        assert isinstance(more, ast.Call)
        return ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=[*node.args, *more.args], keywords=[])

    def _length(self, node: ast.expr) -> tuple[str, int] | None:
        """Return what a length comes from; None when it can change by row."""
        match node:
            case ast.Constant(value=int(value)):
                return "constant", value
            case ast.Name(id=name) if name in self.constants:
                return "constant", self.constants[name]
            case ast.Call(
                func=ast.Name(id="count"),
                args=[
                    ast.Subscript(
                        value=ast.Name(id="variables"), slice=ast.Call(func=ast.Name(id="u"), args=[ast.Constant(value=int(index))])
                    )
                ],
            ):
                return "variable", index
        return None

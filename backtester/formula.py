"""Objectives that a user writes: arithmetic over the metrics of workstation 9.1 and the objectives of 9.2, nothing else.

``tg / mdd_amount * min(wr, 80)``, ``매매성능지수 + 0.01 * cagr``. Names are metrics in English or Korean, or codes of objectives;
case does not matter. It is read as a tree and computed over all sets at once; no code of the user's is ever run.
"""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError

LENGTH_MAX = 500
DEPTH_MAX = 50
NUMBER_MAX = 1e15
Column = NDArray[np.float64]

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "log": (1, np.log),
}


class Formula:
    """A checked formula.

    Parameters
    ----------
    text : str
    names : set of str
        Lower-case names it may use.

    Raises
    ------
    InputError
        ``optimise.formula`` with the column of what is not understood; ``optimise.formula_name`` with the name.
    """

    def __init__(self, text: str, names: set[str]) -> None:
        text = unicodedata.normalize("NFKC", text).strip()
        if len(text) > LENGTH_MAX:
            raise InputError("optimise.formula", text=text[:40], column=LENGTH_MAX)
        try:
            tree = ast.parse(text.lower(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError("optimise.formula", text=text, column=getattr(error, "offset", 0) or 1) from None
        self.text, self.names = text, set[str]()
        self._check(tree.body, names, 0)
        self._tree = tree.body

    def _check(self, node: ast.expr, names: set[str], depth: int) -> None:
        parts: list[ast.expr]
        match node:
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                parts = [left, right]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                parts = [operand]
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and abs(value) <= NUMBER_MAX:
                parts = []
            case ast.Name(id=name):
                if name not in names:
                    raise InputError("optimise.formula_name", name=name, names=", ".join(sorted(names)))
                self.names.add(name)
                parts = []
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS and len(args) == _FUNCTIONS[name][0]:
                parts = args
            case _:
                raise InputError("optimise.formula", text=self.text, column=node.col_offset + 1)
        if depth > DEPTH_MAX:
            raise InputError("optimise.formula", text=self.text, column=node.col_offset + 1)
        for part in parts:
            self._check(part, names, depth + 1)

    def values(self, columns: Mapping[str, Column], sets: int) -> Column:
        """Return the formula of each set; not finite where it has no value (a division by 0, a root of a loss)."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(np.asarray(self._value(self._tree, columns), dtype=np.float64), (sets,)).copy()

    def _value(self, node: ast.expr, columns: Mapping[str, Column]) -> Any:
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return _OPERATORS[type(op)](np.asarray(self._value(left, columns), dtype=np.float64), self._value(right, columns))
            case ast.UnaryOp(op=op, operand=operand):
                value = self._value(operand, columns)
                return -value if isinstance(op, ast.USub) else value
            case ast.Name(id=name):
                return columns[name]
            case ast.Call(func=ast.Name(id=name), args=args):
                return _FUNCTIONS[name][1](*(self._value(arg, columns) for arg in args))
            case ast.Constant(value=value):
                return float(value)  # type: ignore[arg-type]
        raise AssertionError("checked")

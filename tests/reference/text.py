"""A rule text, evaluated by Python itself: names are looked up as they are met, on the row that is asked about.

Numbers are floats, `int` truncates, `round` is the specification's, a root of a negative number is an error. The
assignments to the sell flags are numbered in the order of the text (strategy-language §2.2).
"""

from __future__ import annotations

import ast
import datetime as dt
from typing import Any

from tests.reference.names import FLAGS, SELL_FLAGS
from tests.reference.numbers import round_to


def power(base: float, exponent: float) -> float:
    value = base**exponent
    if isinstance(value, complex):
        raise ArithmeticError("a root of a negative number")
    return value


HELPERS: dict[str, Any] = {
    "abs": abs,
    "min": min,
    "max": max,
    "sum": sum,
    "len": len,
    "round": lambda x, d=0: round_to(x, int(d)),
    "int": lambda x: float(int(x)),
    "float": float,
    "power": power,
    "timedelta_sec": lambda seconds, base: base + dt.timedelta(seconds=seconds),
}
FAULTS = (ArithmeticError, NameError, ValueError)


class _Rewrite(ast.NodeTransformer):
    """Whole numbers become floats, `**` becomes a call, and each sell assignment notes its number behind itself."""

    def __init__(self) -> None:
        self.rules = 0

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, int) and not isinstance(node.value, bool):
            return ast.Constant(float(node.value))
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(FLAGS.get(node.id, node.id), node.ctx)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow):
            return ast.Call(ast.Name("power", ast.Load()), [node.left, node.right], [])
        return node

    def visit_Assign(self, node: ast.Assign) -> Any:
        target = node.targets[0]
        counted = (
            isinstance(target, ast.Name)
            and FLAGS.get(target.id, target.id) in SELL_FLAGS
            and not (isinstance(node.value, ast.Constant) and node.value.value is False)
        )
        self.generic_visit(node)
        if not counted:
            return node
        self.rules += 1
        return [node, ast.Assign([ast.Name("_rule", ast.Store())], ast.Constant(self.rules))]


def labels(text: str) -> list[str]:
    """Return the label of each sell rule: the stripped if or elif line that owns it, for else the last test above."""
    lines = text.splitlines()
    found: list[str] = []

    def walk(body: list[ast.stmt], owner: str) -> None:
        for node in body:
            if isinstance(node, ast.If):
                own = lines[node.lineno - 1].strip()
                walk(node.body, own)
                walk(node.orelse, own)
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = FLAGS.get(node.targets[0].id, node.targets[0].id)
                if name in SELL_FLAGS and not (isinstance(node.value, ast.Constant) and node.value.value is False):
                    found.append(owner)

    walk(ast.parse(text).body, "")
    return found


class Attributes:
    """`self` of a text: 0 until assigned, kept for the symbol's day, shared by its two texts."""

    def __init__(self, variables: dict[int, float]) -> None:
        self.vars = variables

    def __getattr__(self, name: str) -> float:
        return 0.0

    def Buy(self, *_order: Any) -> None:
        """Stand for the tail of a text: only the final value of the flag matters."""

    Sell = Buy


class Scope(dict[str, Any]):
    """Local names of one row; what is not local is asked of `find`."""

    def __init__(self, find: Any) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, name: str) -> Any:
        if name in HELPERS:
            return HELPERS[name]
        try:
            return self._find(name)
        except KeyError:
            raise NameError(name) from None


class Text:
    """One buy or sell text, or a condition of 경과틱수."""

    def __init__(self, text: str) -> None:
        lines = ["" if "self.indicator" in line else line for line in text.splitlines()]
        self.indicator_keys = frozenset(line.split("'")[1] for line in text.splitlines() if "self.indicator" in line)
        rewrite = _Rewrite()
        tree = ast.fix_missing_locations(rewrite.visit(ast.parse("\n".join(lines))))
        self._code = compile(tree, "<text>", "exec")
        self.is_condition = len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr)
        if self.is_condition:
            self._value = compile(ast.Expression(tree.body[0].value), "<condition>", "eval")

    def value(self, find: Any) -> Any:
        """Return the value of a text that is one expression."""
        return eval(self._value, {"__builtins__": {}}, Scope(find))  # ours: the tests wrote the text

    def run(self, find: Any, attributes: Attributes, start: dict[str, Any]) -> dict[str, Any]:
        """Run the text on one row from these flags; return its local names: the flags, and `_rule`, the last sell assignment."""
        scope = Scope(find)
        scope |= {"self": attributes, "_rule": 0} | start
        exec(self._code, {"__builtins__": {}}, scope)  # ours: the tests wrote the text
        return scope

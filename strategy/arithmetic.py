"""The language's arithmetic, plainly: what the interpreter computes and the compiled step must equal.

All numbers are float64. Whatever Python would raise on (zero divisor, root of a negative number, result
past the largest float) ends the text: here as `Stop`, in the compiled step as its error result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from strategy.nodes import Binary, Call, Choice, Compare, Expr, Kind, Logic, Number, Power, Truth, Unary, Variable, is_fixed, walk

DEGREES = 180.0 / math.pi


class Stop(Exception):
    """An arithmetic error: the text ends on this row without a signal."""


def round_to(x: float, decimals: int) -> float:
    """Return rint(x·10^d)/10^d, ties to even (strategy-language 1.1 item 10)."""
    scale = 10.0**decimals
    return float(np.rint(x * scale)) / scale


def whole_power(base: float, exponent: int) -> float:
    """Return base to a whole power by repeated squaring, the one definition on every machine."""
    result, square, left = 1.0, base, abs(exponent)
    while left:
        if left & 1:
            result *= square
        square *= square
        left >>= 1
    if exponent < 0:
        if result == 0.0:
            raise Stop
        result = 1.0 / result
    return result


def power(base: float, exponent: float) -> float:
    """Return base ** exponent; not a number or infinite from finite operands is an error."""
    if exponent == int(exponent):
        result = whole_power(base, int(exponent))
    elif base < 0.0 or (base == 0.0 and exponent < 0.0):
        raise Stop
    elif exponent == 0.5:
        result = math.sqrt(base) if not math.isnan(base) else base
    else:
        try:
            result = math.pow(base, exponent)
        except (OverflowError, ValueError):
            raise Stop from None
    if math.isinf(result) and math.isfinite(base):
        raise Stop
    return result


def function(name: str, args: Sequence[float]) -> float:  # noqa: C901 - one branch a function
    """Return a listed function of numbers; a domain or range error is `Stop`."""
    x = args[0]
    if name == "abs" or name == "fabs":
        return abs(x)
    if name == "round":
        return round_to(x, int(args[1]))
    if name in ("min", "max"):
        best = args[0]
        for other in args[1:]:
            if (other < best) if name == "min" else (other > best):
                best = other
        return best
    if name == "sum":
        total = 0.0
        for item in args:
            total += item
        return total
    if name in ("over", "percent"):
        if args[1] == 0.0:
            return 0.0
        return x / args[1] if name == "over" else (x / args[1] - 1.0) * 100.0
    if name == "sign":
        return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0
    if name in ("int", "trunc", "floor", "ceil"):
        if not math.isfinite(x):
            raise Stop
        return float({"int": np.trunc, "trunc": np.trunc, "floor": np.floor, "ceil": np.ceil}[name](x))
    if name == "degrees":
        result = x * DEGREES
    elif name == "radians":
        result = x * (math.pi / 180.0)
    elif name == "hypot":
        result = math.sqrt(x * x + args[1] * args[1])
    else:
        try:
            result = float(getattr(math, name)(*args))
        except (ValueError, OverflowError):
            raise Stop from None
    if math.isnan(result) and not any(math.isnan(one) for one in args):
        raise Stop
    if math.isinf(result) and all(math.isfinite(one) for one in args):
        raise Stop
    return result


def binary(operator: str, a: float, b: float) -> float:
    """Return an arithmetic operation as Python does it on floats, without raising on overflow."""
    if operator == "+":
        return a + b
    if operator == "-":
        return a - b
    if operator == "*":
        return a * b
    if b == 0.0:
        raise Stop
    if operator == "/":
        return a / b
    return a // b if operator == "//" else a % b


def compare(operator: str, a: float, b: float) -> bool:
    """Return an exact comparison."""
    if operator == "<":
        return a < b
    if operator == "<=":
        return a <= b
    if operator == ">":
        return a > b
    if operator == ">=":
        return a >= b
    return a == b if operator == "==" else a != b


_METHODS: dict[type, str] = {}


def method_of(kind: type) -> str:
    """Return the name of the method that takes nodes of a class."""
    name = _METHODS.get(kind)
    if name is None:
        name = _METHODS[kind] = "_" + kind.__name__.lower()
    return name


def constant_value(expr: Expr) -> float | None:
    """Return the value of an expression of constants (not a number when it has none), None when it is more than that."""
    if not is_fixed(expr) or any(isinstance(node, Variable) for node in walk(expr)):
        return None
    try:
        return Arithmetic(()).value(expr)
    except Stop:
        return math.nan


class Arithmetic:
    """Evaluates the nodes that need no row: numbers, variables, operators, functions.

    Parameters
    ----------
    variables : sequence of float
        ``self.vars``.
    """

    def __init__(self, variables: Sequence[float]) -> None:
        self.variables = variables

    def value(self, node: Expr) -> float:
        """Return a node as a number (True 1.0, False 0.0)."""
        result: float = getattr(self, method_of(type(node)))(node)
        return result

    def truth(self, node: Expr) -> bool:
        """Return a node as a truth value."""
        return self.value(node) != 0.0

    def _number(self, node: Number) -> float:
        return node.value

    def _truth(self, node: Truth) -> float:
        return 1.0 if node.value else 0.0

    def _variable(self, node: Variable) -> float:
        return float(self.variables[node.index])

    def _unary(self, node: Unary) -> float:
        value = self.value(node.operand)
        if node.operator == "not":
            return 0.0 if value != 0.0 else 1.0
        return -value

    def _binary(self, node: Binary) -> float:
        left = self.value(node.left)
        return binary(node.operator, left, self.value(node.right))

    def _power(self, node: Power) -> float:
        return power(self.value(node.base), node.exponent)

    def _compare(self, node: Compare) -> float:
        left = self.value(node.first)
        for operator, operand in node.rest:
            right = self.value(operand)
            if not compare(operator, left, right):
                return 0.0
            left = right
        return 1.0

    def _logic(self, node: Logic) -> float:
        deciding = node.operator == "or"
        value = 0.0
        for operand in node.operands:
            value = self.value(operand)
            if (value != 0.0) == deciding:
                break
        if node.kind is Kind.BOOL:
            return 1.0 if value != 0.0 else 0.0
        return value

    def _choice(self, node: Choice) -> float:
        return self.value(node.then if self.truth(node.test) else node.other)

    def _call(self, node: Call) -> float:
        return function(node.name, [self.value(one) for one in node.args])

"""The allow-list over expressions: names, arithmetic, comparisons, listed calls."""

from __future__ import annotations

import ast
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from domain.errors import StrategyError
from domain.formulas import COLUMNS, Formula
from domain.instruments import Market
from domain.intervals import interval_name
from strategy.arithmetic import constant_value
from strategy.calls import CallChecker
from strategy.catalogue import Role, Word, vocabulary
from strategy.limits import MAX_ERRORS, MAX_EXPONENT, MAX_LITERAL, MAX_SHOWN, MAX_VARIABLE, lines_of
from strategy.nodes import (
    Attribute,
    Binary,
    Bind,
    Choice,
    Column,
    Compare,
    Derived,
    Expr,
    Flag,
    Kind,
    Local,
    Logic,
    Number,
    PositionField,
    Power,
    RowCount,
    Series,
    TextTest,
    Truth,
    Unary,
    Variable,
)
from strategy.v3 import function

FORBIDDEN = {
    "Import": "import",
    "ImportFrom": "import",
    "FunctionDef": "def",
    "AsyncFunctionDef": "async def",
    "ClassDef": "class",
    "Return": "return",
    "Delete": "del",
    "While": "while",
    "AsyncFor": "async for",
    "With": "with",
    "AsyncWith": "async with",
    "Match": "match",
    "Raise": "raise",
    "Try": "try",
    "TryStar": "try",
    "Assert": "assert",
    "Global": "global",
    "Nonlocal": "nonlocal",
    "AnnAssign": "x: type = …",
    "Lambda": "lambda",
    "Dict": "{…: …}",
    "Set": "{…}",
    "ListComp": "[… for …]",
    "SetComp": "{… for …}",
    "DictComp": "{…: … for …}",
    "GeneratorExp": "(… for …)",
    "Await": "await",
    "Yield": "yield",
    "YieldFrom": "yield from",
    "JoinedStr": 'f"…"',
    "FormattedValue": 'f"…"',
    "Starred": "*…",
    "Slice": "[a:b]",
    "List": "[…]",
    "Tuple": "(…, …)",
    "BitOr": "|",
    "BitAnd": "&",
    "BitXor": "^",
    "LShift": "<<",
    "RShift": ">>",
    "MatMult": "@",
    "Invert": "~",
    "Is": "is",
    "IsNot": "is not",
    "In": "in",
    "NotIn": "not in",
}
_BINARY: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}
_COMPARE: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
FINDER_NAMES = ("future_max", "future_min", "미래최고현재가", "미래최저현재가")
"""Known in back-finder texts alone (strategy/finder_text.py)."""
_BIT_HINTS = {"|": "or", "&": "and", "~": "not", "^": "!="}
_SIDES = {"LONG": 1.0, "SHORT": -1.0}


class TooManyErrors(Exception):
    """So much is wrong that the rest of the text is not looked at."""


class ExpressionChecker(CallChecker):
    """Turns Python expressions into ours, collecting errors; None stands for what was refused."""

    def __init__(self, text: str, side: str, market: Market, interval_s: int, formulas: Sequence[Formula] = ()) -> None:
        self.side = side
        self.formulas = {
            unicodedata.normalize("NFKC", one.name + (f"_{column}" if k else "")): (unicodedata.normalize("NFKC", one.name), column)
            for one in formulas
            for k, column in enumerate(COLUMNS[one.display])
        }
        self.market = market
        self.interval_s = interval_s
        self.lines = lines_of(text)
        others = (replace(market, code=market.code + "-futures"), replace(market, kind="coin" if market.kind == "stock" else "stock"))
        self.vocabulary = vocabulary(side, market, interval_s, others)
        self.errors: list[StrategyError] = []
        self.local_names: dict[str, int] = {}
        self.assigned_names: set[str] = set()
        self.sure: set[str] = set()
        self.in_test = False

    # --- places and messages ---------------------------------------------------------------------

    def at(self, node: ast.AST) -> dict[str, Any]:
        """Return line and column (1-based, characters) of a Python node."""
        line = getattr(node, "lineno", 1)
        offset = getattr(node, "col_offset", 0)
        raw = self.lines[line - 1].encode() if 0 < line <= len(self.lines) else b""
        return {"line": line, "column": len(raw[:offset].decode("utf-8", "replace")) + 1}

    def error(self, code: str, node: ast.AST, **fields: Any) -> None:
        """Add an error at a Python node."""
        where = self.at(node)
        for key, value in fields.items():
            if isinstance(value, str) and len(value) > MAX_SHOWN:
                fields[key] = value[:MAX_SHOWN] + "…"
        self.errors.append(StrategyError(code, where["line"], where["column"], **fields))
        if len(self.errors) >= MAX_ERRORS:
            raise TooManyErrors

    def forbid(self, node: ast.AST, part: object | None = None) -> None:
        """Refuse a construct by its name."""
        kind = type(part if part is not None else node).__name__
        what = FORBIDDEN.get(kind, kind)
        hint = {"hint": "strategy.hint_instead", "suggestion": _BIT_HINTS[what]} if what in _BIT_HINTS else {}
        self.error("strategy.forbidden", node, what=what, **hint)

    # --- names ---------------------------------------------------------------------------------------

    def local_index(self, name: str) -> int:
        """Return the number of a local, giving it one at its first appearance."""
        return self.local_names.setdefault(name, len(self.local_names))

    def may_assign(self, target: ast.Name) -> bool:
        """Tell whether the text may assign a name; if not, say why."""
        name = target.id
        if name.startswith("_"):
            self.error("strategy.underscore", target, name=name)
        elif name in ("self", "math", "np", "range", "True", "False", "None") or name in self.vocabulary.words or name in self.formulas:
            self.error("strategy.read_only", target, name=name)
        else:
            return True
        return False

    def attribute_name(self, node: ast.AST, quiet: bool = False) -> str:
        """Return NAME of ``self.NAME`` when the user may own it, "" otherwise (with an error unless `quiet`)."""
        if not isinstance(node, ast.Attribute):
            return ""
        name = node.attr
        if not isinstance(node.value, ast.Name) or node.value.id != "self":
            if not quiet:
                self.error("strategy.attribute", node, name=name)
            return ""
        if quiet:
            return name
        if name.startswith("_"):
            self.error("strategy.underscore", node, name=name)
        elif name in ("tickcols", "tickdata"):
            self.error("strategy.finder_only", node, name=f"self.{name}")
        elif name in ("vars", "indicator", "Buy", "Sell"):
            self.error("strategy.self_reserved", node, name=name)
        else:
            return name
        return ""

    def is_indicator(self, node: ast.AST) -> bool:
        """Tell whether `node` is ``self.indicator[…]``."""
        return isinstance(node, ast.Subscript) and self.attribute_name(node.value, quiet=True) == "indicator"

    # --- expressions ---------------------------------------------------------------------------------

    def expr(self, node: ast.expr) -> Expr | None:
        """Check one expression."""
        method = getattr(self, "_" + type(node).__name__.lower(), None)
        if method is None:
            self.forbid(node)
            return None
        checked: Expr | None = method(node)
        return checked

    def _constant(self, node: ast.Constant) -> Expr | None:
        value = node.value
        if isinstance(value, bool):
            return Truth(value=value, **self.at(node))
        if isinstance(value, int | float):
            if abs(value) > MAX_LITERAL or not math.isfinite(value):
                self.error("strategy.literal", node)
                return None
            return Number(value=float(value), **self.at(node))
        if isinstance(value, str):
            self.error("strategy.text_place", node, hint="strategy.hint_text_place")
        else:
            self.error("strategy.constant", node, what=repr(value)[:20])
        return None

    def _name(self, node: ast.Name) -> Expr | None:
        name = node.id
        where = self.at(node)
        word = self.vocabulary.words.get(name)
        if word is None:
            if name in self.formulas:
                self.error("strategy.needs_call", node, name=name, hint="strategy.hint_call", suggestion=f"{name}(0)")
                return None
            if name in self.assigned_names and not name.startswith("_"):
                return Local(index=self.local_index(name), sure=name in self.sure, **where)
            self.unknown(name, node)
            return None
        role = word.role
        if role is Role.COLUMN:
            return Column(key=word.key, kind=word.kind, **where)
        if role is Role.DERIVED:
            return Derived(key=word.key, kind=word.kind, **where)
        if role is Role.COUNT:
            return RowCount(**where)
        if role is Role.SERIES:
            return Series(key=word.key, **where)
        if role is Role.POSITION:
            return PositionField(key=word.key, kind=word.kind, **where)
        if role is Role.FLAG:
            return Flag(name=word.key, **where)
        if role in (Role.TEXT, Role.SIDE):
            self.error("strategy.text_place", node, hint="strategy.hint_text_place")
        else:
            self.error("strategy.needs_call", node, name=name, hint="strategy.hint_call", suggestion=self._example(name, word))
        return None

    @staticmethod
    def _example(name: str, word: Word) -> str:
        if word.role is Role.WINDOW:
            return f"{name}(30)"
        if word.role in (Role.LAG, Role.DERIVED_LAG, Role.SERIES_LAG):
            return f"{name}(1)"
        if word.role is Role.FUNCTION:
            return name + function(word.key).example
        return f"{name}(…)"

    def unknown(self, name: str, node: ast.AST) -> None:
        """Say that a name is not known: another interval's, another market's, another side's, or a misspelling."""
        book = self.vocabulary
        if name.startswith("_"):
            self.error("strategy.underscore", node, name=name)
        elif name in FINDER_NAMES:
            self.error("strategy.finder_only", node, name=name)
        elif name in book.other_interval:
            instead = book.other_interval[name]
            hint = {"hint": "strategy.hint_instead", "suggestion": instead} if instead else {}
            self.error("strategy.wrong_interval", node, name=name, interval=interval_name(self.interval_s), **hint)
        elif name in book.other_side:
            self.error("strategy.wrong_side", node, name=name)
        elif name in book.other_market:
            self.error("strategy.wrong_market", node, name=name, market=self.market.code)
        else:
            near = book.near(name)
            if not near:
                lower = {one.lower(): one for one in self.assigned_names}
                near = lower.get(name.lower(), "")
            hint = {"hint": "strategy.hint_did_you_mean", "suggestion": near} if near else {}
            self.error("strategy.unknown_name", node, name=name, **hint)

    def _attribute(self, node: ast.Attribute) -> Expr | None:
        if isinstance(node.value, ast.Name) and node.value.id in ("math", "np"):
            constant = self.math_constant(node.attr)
            if constant is not None:
                return Number(value=constant, **self.at(node))
            self.error("strategy.attribute", node, name=f"{node.value.id}.{node.attr}")
            return None
        name = self.attribute_name(node)
        return Attribute(name=name, **self.at(node)) if name else None

    def _subscript(self, node: ast.Subscript) -> Expr | None:
        owner = self.attribute_name(node.value, quiet=True)
        if owner == "indicator":
            self.error("strategy.indicator_read", node)
            return None
        if owner != "vars":
            self.error("strategy.subscript", node)
            return None
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index <= MAX_VARIABLE:
            self.error("strategy.vars_index", node, limit=MAX_VARIABLE)
            return None
        return Variable(index=index, **self.at(node))

    def _unaryop(self, node: ast.UnaryOp) -> Expr | None:
        if isinstance(node.op, ast.Invert):
            self.forbid(node, node.op)
            return None
        operand = self.expr(node.operand)
        if operand is None:
            return None
        where = self.at(node)
        if isinstance(node.op, ast.Not):
            return Unary(operator="not", operand=operand, kind=Kind.BOOL, **where)
        if operand.kind is Kind.TIME:
            self.error("strategy.time_arithmetic", node)
            return None
        if isinstance(node.op, ast.UAdd):
            # +True is 1: adding nothing makes a number of a truth value and changes no number.
            return Binary(operator="*", left=operand, right=Number(value=1.0, **where), **where) if operand.kind is Kind.BOOL else operand
        if isinstance(operand, Number):
            return Number(value=-operand.value, **where)
        return Unary(operator="-", operand=operand, **where)

    def _binop(self, node: ast.BinOp) -> Expr | None:
        if isinstance(node.op, ast.Pow):
            return self._power(node)
        operator = _BINARY.get(type(node.op))
        if operator is None:
            self.forbid(node, node.op)
            self.expr(node.left)
            self.expr(node.right)
            return None
        left, right = self.expr(node.left), self.expr(node.right)
        if left is None or right is None:
            return None
        return self.binary(operator, left, right, node)

    def binary(self, operator: str, left: Expr, right: Expr, node: ast.AST) -> Expr:
        """Return an arithmetic node with its kind; a time takes part only in sums and differences."""
        times = (left.kind is Kind.TIME) + (right.kind is Kind.TIME)
        kind = Kind.NUMBER
        if times == 1 and operator in "+-" and not (operator == "-" and right.kind is Kind.TIME):
            kind = Kind.TIME
        elif times and not (times == 2 and operator == "-") and Kind.ANY not in (left.kind, right.kind):
            self.error("strategy.time_arithmetic", node)
        return Binary(operator=operator, left=left, right=right, kind=kind, **self.at(node))  # type: ignore[arg-type]

    def _power(self, node: ast.BinOp) -> Expr | None:
        base, exponent = self.expr(node.left), self.expr(node.right)
        if base is None or exponent is None:
            return None
        if not isinstance(exponent, Number) or abs(exponent.value) > MAX_EXPONENT:
            self.error("strategy.power", node.right, limit=MAX_EXPONENT)
            return None
        power = Power(base=base, exponent=exponent.value, **self.at(node))
        value, of = constant_value(power), constant_value(base)
        if value is not None and not math.isfinite(value) and of:
            self.error("strategy.power_value", node, limit="1.8e308")
        return power

    def _boolop(self, node: ast.BoolOp) -> Expr | None:
        operands = [self.expr(value) for value in node.values]
        if any(one is None for one in operands):
            return None
        checked = tuple(one for one in operands if one is not None)
        kind = Kind.BOOL if all(one.kind is Kind.BOOL for one in checked) else Kind.NUMBER
        return Logic(operator="and" if isinstance(node.op, ast.And) else "or", operands=checked, kind=kind, **self.at(node))

    def _ifexp(self, node: ast.IfExp) -> Expr | None:
        test, then, other = self.expr(node.test), self.expr(node.body), self.expr(node.orelse)
        if test is None or then is None or other is None:
            return None
        kind = then.kind if then.kind is other.kind else Kind.NUMBER
        return Choice(test=test, then=then, other=other, kind=kind, **self.at(node))

    def _namedexpr(self, node: ast.NamedExpr) -> Expr | None:
        value = self.expr(node.value)
        if not self.in_test:
            self.error("strategy.walrus", node)
            return None
        assert isinstance(node.target, ast.Name)
        if not self.may_assign(node.target) or value is None:
            return None
        return Bind(index=self.local_index(node.target.id), value=value, kind=value.kind, **self.at(node))

    # --- comparisons -----------------------------------------------------------------------------------

    def _compare(self, node: ast.Compare) -> Expr | None:
        if any(self.is_textual(one) for one in (node.left, *node.comparators)):
            return self._compare_text(node)
        first = self.expr(node.left)
        rest: list[tuple[str, Expr]] = []
        left = first
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            operator = _COMPARE.get(type(op))
            if operator is None:
                self.forbid(node, op)
                self.expr(comparator) if not isinstance(comparator, ast.Tuple | ast.List) else None
                return None
            right = self.expr(comparator)
            if right is not None and left is not None:
                self._same_kind(left, right, node)
            if right is not None:
                rest.append((operator, right))
            left = right
        if first is None or len(rest) != len(node.ops):
            return None
        return Compare(first=first, rest=tuple(rest), **self.at(node))

    def _same_kind(self, left: Expr, right: Expr, node: ast.AST) -> None:
        kinds = {left.kind, right.kind}
        if Kind.TIME in kinds and len(kinds) > 1 and Kind.ANY not in kinds:
            self.error("strategy.time_compare", node, hint="strategy.hint_time_compare")

    def is_textual(self, node: ast.expr) -> bool:
        """Tell whether an operand is text: a literal, 종목코드, 종목명 or 포지션."""
        if isinstance(node, ast.Constant):
            return isinstance(node.value, str) or node.value is None
        word = self.vocabulary.words.get(node.id) if isinstance(node, ast.Name) else None
        return word is not None and word.role in (Role.TEXT, Role.SIDE)

    def _compare_text(self, node: ast.Compare) -> Expr | None:
        """Check a comparison of 종목코드, 종목명 or 포지션 with literal text."""
        if len(node.ops) != 1:
            self.error("strategy.text_place", node, hint="strategy.hint_text_place")
            return None
        op, left, right = node.ops[0], node.left, node.comparators[0]
        if isinstance(op, ast.Eq | ast.NotEq) and isinstance(left, ast.Constant):
            left, right = right, left
        contains = isinstance(op, ast.In | ast.NotIn) and isinstance(left, ast.Constant)
        if contains:
            left, right = right, left
        word = self.vocabulary.words.get(left.id) if isinstance(left, ast.Name) else None
        texts = self._texts(right)
        allowed = isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn | ast.Is | ast.IsNot)
        if word is None or texts is None or not allowed or word.role not in (Role.TEXT, Role.SIDE):
            self.error("strategy.text_place", node, hint="strategy.hint_text_place")
            return None
        where = self.at(node)
        test: Expr
        if word.role is Role.SIDE:
            if contains or not all(one in _SIDES or one is None for one in texts):
                self.error("strategy.position_side", node)
                return None
            side = PositionField(key="position_side", **where)
            tests = tuple(Compare(first=side, rest=(("==", Number(value=_SIDES[one] if one else 0.0, **where)),), **where) for one in texts)
            test = tests[0] if len(tests) == 1 else Logic(operator="or", operands=tests, kind=Kind.BOOL, **where)
        else:
            if isinstance(op, ast.Is | ast.IsNot) or None in texts:
                self.error("strategy.text_place", node, hint="strategy.hint_text_place")
                return None
            strings = tuple(unicodedata.normalize("NFC", one) for one in texts if one is not None)
            operator = "contains" if contains else ("in" if isinstance(op, ast.In | ast.NotIn) else "==")
            test = TextTest(subject=word.key, operator=operator, texts=strings, **where)  # type: ignore[arg-type]
        if isinstance(op, ast.NotEq | ast.NotIn | ast.IsNot):
            return Unary(operator="not", operand=test, kind=Kind.BOOL, **where)
        return test

    @staticmethod
    def _texts(node: ast.expr) -> tuple[str | None, ...] | None:
        items = list(node.elts) if isinstance(node, ast.Tuple | ast.List) else [node]
        if not items or not all(isinstance(one, ast.Constant) and (isinstance(one.value, str) or one.value is None) for one in items):
            return None
        return tuple(one.value for one in items if isinstance(one, ast.Constant))  # type: ignore[misc]

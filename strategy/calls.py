"""The allow-list over calls: look-backs, helpers, listed functions of math and np, with their arity."""

from __future__ import annotations

import ast
import unicodedata
from typing import TYPE_CHECKING, Any

from strategy.arithmetic import constant_value
from strategy.catalogue import MATH_ARITY, MATH_CONSTANTS, NP_TO_MATH, Role, Word
from strategy.limits import MAX_ITEMS
from strategy.nodes import (
    Binary,
    Call,
    Column,
    Compare,
    Derived,
    Expr,
    FormulaValue,
    Kind,
    Number,
    RowCount,
    RowsSince,
    Series,
    Window,
    is_fixed,
    walk,
)
from strategy.tail import tail_call
from strategy.v3 import function
from strategy.v3_maker import Maker

if TYPE_CHECKING:
    from domain.instruments import Market
    from strategy.catalogue import Vocabulary

ROUND_DIGITS_MAX = 12
_ROWS = ("pre", "n", "n1", "n2")
"""Arguments that say how many rows back, and how many rows."""


def _without_calc(node: ast.Call) -> ast.Call:
    """Return a call without V3's ``calc=``: a look-back has one value, however it is computed."""
    keywords = [one for one in node.keywords if one.arg != "calc"]
    return ast.copy_location(ast.Call(func=node.func, args=node.args, keywords=keywords), node)


class CallChecker:
    """The part of the checker that knows calls; mixed into ExpressionChecker."""

    if TYPE_CHECKING:
        vocabulary: Vocabulary
        formulas: dict[str, tuple[str, str]]
        market: Market
        interval_s: int

        def at(self, node: ast.AST) -> dict[str, Any]: ...
        def error(self, code: str, node: ast.AST, **fields: Any) -> None: ...
        def expr(self, node: ast.expr) -> Expr | None: ...
        def forbid(self, node: ast.AST, part: object | None = None) -> None: ...
        def unknown(self, name: str, node: ast.AST) -> None: ...
        def is_textual(self, node: ast.expr) -> bool: ...
        def binary(self, operator: str, left: Expr, right: Expr, node: ast.AST) -> Expr: ...

    @staticmethod
    def math_constant(name: str) -> float | None:
        """Return the value of ``math.name``, None when it is not listed."""
        return MATH_CONSTANTS.get(name)

    def _call(self, node: ast.Call) -> Expr | None:
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                self.forbid(argument)
                return None
        if any(keyword.arg is None for keyword in node.keywords):
            self.error("strategy.forbidden", node, what="**…")
            return None
        function = node.func
        if tail_call(node):
            self.error("strategy.tail_place", node, name=tail_call(node), hint="strategy.hint_tail_place")
        elif isinstance(function, ast.Name):
            return self._call_name(function.id, node)
        elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in ("math", "np"):
            return self._call_math(function.value.id, function.attr, node)
        elif isinstance(function, ast.Attribute):
            name = function.attr
            self.error("strategy.underscore" if name.startswith("_") else "strategy.attribute", function, name=name)
        else:
            self.error("strategy.call", node)
        return None

    def _call_name(self, name: str, node: ast.Call) -> Expr | None:
        word = self.vocabulary.words.get(name)
        if word is None and name in self.formulas:
            arguments = self._arguments(name, _without_calc(node), ("pre",), 0)
            if arguments is None:
                return None
            formula, output = self.formulas[name]
            return FormulaValue(name=formula, output=output, ago=arguments[0], **self.at(node))
        if word is None:
            if name == "range":
                self.error("strategy.only_range", node)
            else:
                self.unknown(name, node.func)
            return None
        if word.role is Role.WINDOW:
            return self._window(name, word, node)
        if word.role in (Role.LAG, Role.DERIVED_LAG, Role.SERIES_LAG):
            return self._lag(name, word, node)
        if word.role is Role.HELPER:
            return self._helper(word.key, node)
        if word.role is Role.FUNCTION:
            return self._v3(name, word, node)
        lag = next((one for one in (name + "N", name + "_N", name + "_ago") if one in self.vocabulary.words), "")
        hint = {"hint": "strategy.hint_instead", "suggestion": f"{lag}(1)"} if lag else {}
        self.error("strategy.not_function", node, name=name, **hint)
        return None

    # --- look-backs ---------------------------------------------------------------------------------

    def _arguments(self, name: str, node: ast.Call, names: tuple[str, ...], required: int) -> list[Expr | None] | None:
        """Return the arguments by position, missing optional ones as None; None when arity or a keyword is wrong."""
        values: dict[str, ast.expr] = dict(zip(names, node.args, strict=False))
        wanted = str(required) if required == len(names) else f"{required}…{len(names)}"
        bad = len(node.args) > len(names)
        for keyword in node.keywords:
            assert keyword.arg is not None
            if keyword.arg not in names:
                self.error("strategy.keyword", keyword.value, name=name, keyword=keyword.arg, wanted=", ".join(names))
                return None
            bad = bad or keyword.arg in values
            values[keyword.arg] = keyword.value
        if bad or any(one not in values for one in names[:required]):
            self.error("strategy.arity", node, name=name, given=len(node.args) + len(node.keywords), wanted=wanted)
            return None
        out: list[Expr | None] = []
        for one in names:
            if one not in values:
                out.append(None)
                continue
            checked = self.expr(values[one])
            if checked is None:
                return None
            if checked.kind is Kind.TIME:
                self.error("strategy.time_arithmetic", values[one])
                return None
            if not self._rows_are_past(name, one, checked, values[one], is_first=one == names[0]):
                return None
            out.append(checked)
        return out

    def _rows_are_past(self, name: str, argument: str, value: Expr, node: ast.expr, *, is_first: bool) -> bool:
        """Tell whether what is known of rows back and of a length can be meant; a row that is still to come is nobody's to read.

        What hangs on ``self.vars`` or on the row is known when it runs: past −1 rows back, and below one row, it is 0 there.
        """
        if argument not in _ROWS:
            return True
        number = constant_value(value)
        if number is None or not number <= (-2.0 if argument == "pre" else -1.0):  # truncated, −1.9 is the entry row, −0.9 is 0
            return True
        code, hint = ("strategy.ahead", "strategy.hint_ahead") if argument == "pre" else ("strategy.rows_negative", "strategy.hint_instead")
        rows = f"{-number // 1:.10g}"
        suggestion = f"{name}({rows})" if is_first else f"{name}(…, {argument}={rows})"
        self.error(code, node, name=name, argument=argument, value=f"{number:.10g}", hint=hint, suggestion=suggestion)
        return False

    def _window(self, name: str, word: Word, node: ast.Call) -> Expr | None:
        arguments = self._arguments(name, _without_calc(node), ("n", "pre"), 1)
        if arguments is None or arguments[0] is None or word.window is None:
            return None
        where = self.at(node)
        one = word.window
        coefficient = (getattr(self.market, one.coefficient) if one.coefficient else 1.0) if one.operation == "angle" else 0.0
        return Window(
            operation=one.operation,  # type: ignore[arg-type]
            key=word.key,
            n=arguments[0],
            pre=arguments[1] or Number(value=0.0, **where),
            decimals=one.decimals[1 if self.market.kind == "stock" else 0],
            coefficient=float(coefficient),
            **where,
        )

    def _v3(self, name: str, word: Word, node: ast.Call) -> Expr | None:
        known = function(word.key)
        names = tuple(one for one, _ in known.arguments)
        required = sum(default is None for _, default in known.arguments)
        arguments = self._arguments(name, _without_calc(node), names, required)
        if arguments is None:
            return None
        where = self.at(node)
        given = {
            one: value if value is not None else Number(value=default or 0.0, **where)
            for (one, default), value in zip(known.arguments, arguments, strict=True)
        }
        tree = known.build(Maker(self.market, self.interval_s, where), given)
        if not all(is_fixed(setting) for one in walk(tree) if isinstance(one, Series) for setting in one.settings):
            self.error("strategy.fixed_argument", node, name=name)
            return None
        return tree

    def _lag(self, name: str, word: Word, node: ast.Call) -> Expr | None:
        arguments = self._arguments(name, node, ("pre",), 1)
        if arguments is None or arguments[0] is None:
            return None
        if word.role is Role.LAG:
            return Column(key=word.key, ago=arguments[0], kind=word.kind, **self.at(node))
        if word.role is Role.SERIES_LAG:
            return Series(key=word.key, ago=arguments[0], **self.at(node))
        return Derived(key=word.key, ago=arguments[0], kind=word.kind, **self.at(node))

    # --- helpers ---------------------------------------------------------------------------------------

    def _helper(self, name: str, node: ast.Call) -> Expr | None:
        where = self.at(node)
        if name == "rows_since":
            return self._rows_since(node)
        if name == "timedelta_sec":
            return self._timedelta(node)
        if name in ("sum", "len"):
            return self._sum_len(name, node)
        if name in ("min", "max"):
            return self._extreme(name, node)
        if name in ("now", "now_utc"):
            if self._arguments(name, node, (), 0) is None:
                return None
            return Derived(key="row_time", kind=Kind.TIME, **where)
        if name == "round":
            return self._round(node)
        arguments = self._arguments(name, node, ("n" if name == "ready" else "x",), 1)
        if arguments is None or arguments[0] is None:
            return None
        value = arguments[0]
        if name == "ready":
            return Compare(first=RowCount(**where), rest=((">=", Call(name="int", args=(value,), **where)),), **where)
        if name == "float":
            return Binary(operator="*", left=value, right=Number(value=1.0, **where), **where) if value.kind is Kind.BOOL else value
        return Call(name=name, args=(value,), **where)

    def _rows_since(self, node: ast.Call) -> Expr | None:
        argument = node.args[0] if len(node.args) == 1 and not node.keywords else None
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            self.error("strategy.rows_since", node)
            return None
        return RowsSince(name=unicodedata.normalize("NFKC", argument.value.strip()), **self.at(node))

    def _timedelta(self, node: ast.Call) -> Expr | None:
        if not 1 <= len(node.args) <= 2 or node.keywords:
            self.error("strategy.arity", node, name="timedelta_sec", given=len(node.args) + len(node.keywords), wanted="1…2")
            return None
        seconds = self.expr(node.args[0])
        base: Expr | None = Derived(key="row_time", kind=Kind.TIME, **self.at(node))
        if len(node.args) == 2:
            base = self.expr(node.args[1])
        if seconds is None or base is None:
            return None
        if seconds.kind is Kind.TIME or base.kind not in (Kind.TIME, Kind.ANY):
            self.error("strategy.time_compare", node, hint="strategy.hint_time_compare")
            return None
        return Binary(operator="+", left=base, right=seconds, kind=Kind.TIME, **self.at(node))

    def _items(self, node: ast.Call) -> list[ast.expr] | None:
        """Return the items of a single list or tuple argument, None when it is not one."""
        if len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.List | ast.Tuple):
            items = list(node.args[0].elts)
            if len(items) > MAX_ITEMS:
                self.error("strategy.items", node, limit=MAX_ITEMS)
                return None
            return items
        return None

    def _sum_len(self, name: str, node: ast.Call) -> Expr | None:
        items = self._items(node)
        if items is None:
            is_text = name == "len" and len(node.args) == 1 and self.is_textual(node.args[0])
            self.error("strategy.text_length" if is_text else "strategy.list_argument", node, name=name)
            return None
        checked = [self.expr(item) for item in items]
        if any(one is None for one in checked):
            return None
        where = self.at(node)
        if name == "len":
            return Number(value=float(len(checked)), **where)
        args = tuple(one for one in checked if one is not None)
        if any(one.kind is Kind.TIME for one in args):
            self.error("strategy.time_arithmetic", node)
        return Call(name="sum", args=args, **where)

    def _extreme(self, name: str, node: ast.Call) -> Expr | None:
        items = self._items(node)
        if items is None:
            items = list(node.args)
            if len(items) < 2 or node.keywords:
                self.error("strategy.arity", node, name=name, given=len(items) + len(node.keywords), wanted="2…")
                return None
        if not 1 <= len(items) <= MAX_ITEMS:
            self.error("strategy.arity", node, name=name, given=len(items), wanted="2…")
            return None
        checked = [self.expr(item) for item in items]
        if any(one is None for one in checked):
            return None
        args = tuple(one for one in checked if one is not None)
        kinds = {one.kind for one in args}
        if Kind.TIME in kinds and len(kinds - {Kind.ANY}) > 1:
            self.error("strategy.time_compare", node, hint="strategy.hint_time_compare")
        return (
            args[0]
            if len(args) == 1
            else Call(name=name, args=args, kind=Kind.TIME if Kind.TIME in kinds else Kind.NUMBER, **self.at(node))
        )

    def _round(self, node: ast.Call) -> Expr | None:
        arguments = self._arguments("round", node, ("number", "ndigits"), 1)
        if arguments is None or arguments[0] is None:
            return None
        digits = arguments[1] or Number(value=0.0, **self.at(node))
        if not isinstance(digits, Number) or digits.value != int(digits.value) or not 0 <= digits.value <= ROUND_DIGITS_MAX:
            self.error("strategy.round_digits", node, limit=ROUND_DIGITS_MAX)
            return None
        return Call(name="round", args=(arguments[0], digits), **self.at(node))

    # --- math and np -------------------------------------------------------------------------------------

    def _call_math(self, module: str, attribute: str, node: ast.Call) -> Expr | None:
        name = attribute if module == "math" and attribute in MATH_ARITY else NP_TO_MATH.get(attribute, "") if module == "np" else ""
        if not name:
            self.error("strategy.attribute", node.func, name=f"{module}.{attribute}")
            return None
        if name == "round":
            return self._round(node)
        if name == "sign":
            arguments = self._arguments(f"{module}.{attribute}", node, ("x",), 1)
            if arguments is None or arguments[0] is None:
                return None
            return Call(name="sign", args=(arguments[0],), **self.at(node))
        names = ("a", "b") if name in ("min", "max") or MATH_ARITY.get(name, 1) == 2 else ("x",)
        if node.keywords:
            self.error("strategy.keyword", node, name=f"{module}.{attribute}", keyword=node.keywords[0].arg, wanted="–")
            return None
        arguments = self._arguments(f"{module}.{attribute}", node, names, len(names))
        if arguments is None:
            return None
        return Call(name=name, args=tuple(one for one in arguments if one is not None), **self.at(node))

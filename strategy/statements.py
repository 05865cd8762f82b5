"""The allow-list over statements: flags, locals, `self.` attributes, if chains, bounded loops."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from domain.errors import StrategyError
from domain.formulas import Formula
from strategy.arithmetic import constant_value
from strategy.catalogue import Role
from strategy.expressions import FORBIDDEN, ExpressionChecker
from strategy.limits import MAX_BLOCKS
from strategy.nodes import (
    Attribute,
    Bind,
    Break,
    Choice,
    Compare,
    Continue,
    Expr,
    For,
    If,
    Local,
    Logic,
    Number,
    SetAttribute,
    SetFlag,
    SetLocal,
    Stmt,
    Unary,
    is_fixed,
    walk,
)
from strategy.series import ANALYSER_KEYS, INDICATOR_KEYS, INDICATORS
from strategy.tail import tail_call

_AUGMENTED: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%"}


def binds_plainly(test: Expr) -> bool:
    """Tell whether each ``:=`` of a test stands in a part of its and/or tree that is evaluated whole, before any read of its name."""
    if not any(isinstance(one, Bind) for one in walk(test)):
        return True
    if isinstance(test, Logic):
        return all(binds_plainly(one) for one in test.operands)
    if isinstance(test, Unary) and test.operator == "not":
        return binds_plainly(test.operand)
    for node in walk(test):
        lazy = isinstance(node, Choice | Logic) or (isinstance(node, Compare) and len(node.rest) > 1)
        if lazy and any(isinstance(one, Bind) for one in walk(node)):
            return False
    bound: set[int] = set()
    read: set[int] = set()
    for node in walk(test):
        if isinstance(node, Local):
            read.add(node.index)
        elif isinstance(node, Bind):
            if node.index in bound or node.index in read:
                return False
            bound.add(node.index)
    return True


class StatementChecker(ExpressionChecker):
    """Turns a list of Python statements into ours, collecting errors."""

    def __init__(self, text: str, side: str, market: object, interval_s: int, formulas: Sequence[Formula] = ()) -> None:
        super().__init__(text, side, market, interval_s, formulas)  # type: ignore[arg-type]
        self.labels: list[str] = []
        self.indicators: list[tuple[str, Expr]] = []
        self._label = ""
        self._loops = 0

    def flag_names(self) -> set[str]:
        """Return the names of this side's flags, 강제청산 with them."""
        return {name for name, word in self.vocabulary.words.items() if word.role is Role.FLAG}

    def find_locals(self, body: list[ast.stmt]) -> None:
        """Learn which names the text assigns, so that a loop may read what a later line sets."""
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id not in self.vocabulary.words:
                    self.assigned_names.add(node.id)

    # --- blocks ---------------------------------------------------------------------------------

    def block(self, body: list[ast.stmt], depth: int) -> tuple[Stmt, ...]:
        """Check a list of statements."""
        if depth > MAX_BLOCKS:
            self.error("strategy.too_deep", body[0], limit=MAX_BLOCKS)
            return ()
        out: list[Stmt] = []
        for statement in body:
            checked = self._statement(statement, depth)
            if checked is not None:
                out.append(checked)
        return tuple(out)

    def _statement(self, node: ast.stmt, depth: int) -> Stmt | None:
        if isinstance(node, ast.Assign):
            if len(node.targets) != 1:
                self.error("strategy.one_target", node)
                return None
            return self._assign(node.targets[0], node.value, node)
        if isinstance(node, ast.AugAssign):
            return self._augmented(node)
        if isinstance(node, ast.If):
            return self._if(node, depth)
        if isinstance(node, ast.For):
            return self._for(node, depth)
        if isinstance(node, ast.Pass):
            return None
        if isinstance(node, ast.Break | ast.Continue):
            if not self._loops:
                self.error("strategy.outside_loop", node)
                return None
            return Break(**self.at(node)) if isinstance(node, ast.Break) else Continue(**self.at(node))
        if isinstance(node, ast.Expr):
            self._bare(node.value)
            return None
        self.error("strategy.forbidden", node, what=FORBIDDEN.get(type(node).__name__, type(node).__name__.lower()))
        return None

    def _bare(self, value: ast.expr) -> None:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return  # a note between quotes
        if tail_call(value):
            self.error("strategy.tail_place", value, name=tail_call(value), hint="strategy.hint_tail_place")
        elif isinstance(value, ast.Compare) and isinstance(value.ops[0], ast.Eq) and len(value.ops) == 1:
            self.error("strategy.no_effect", value, hint="strategy.hint_one_equals")
        else:
            before = len(self.errors)
            self.expr(value)
            if len(self.errors) == before:
                self.error("strategy.no_effect", value)

    # --- assignments ------------------------------------------------------------------------------

    def _assign(self, target: ast.expr, value: ast.expr, node: ast.stmt) -> Stmt | None:
        if isinstance(target, ast.Name):
            return self._assign_name(target, value, node)
        if self.is_indicator(target):
            self._indicator(target, value)
            return None
        name = self.attribute_name(target)
        if name:
            checked = self.expr(value)
            return SetAttribute(name=name, value=checked, **self.at(node)) if checked is not None else None
        self.expr(value)
        if isinstance(target, ast.Subscript) and self.attribute_name(target.value, quiet=True) == "vars":
            self.error("strategy.vars_read_only", target)
        elif not isinstance(target, ast.Attribute):
            self.error("strategy.target", target)
        return None

    def _assign_name(self, target: ast.Name, value: ast.expr, node: ast.stmt) -> Stmt | None:
        name = target.id
        word = self.vocabulary.words.get(name)
        if word is not None and word.role is Role.FLAG:
            checked = self.expr(value)
            rule = 0
            if self.side == "sell" and word.key != "force_exit" and not (isinstance(value, ast.Constant) and value.value is False):
                self.labels.append(self._label or self.lines[node.lineno - 1].strip())
                rule = len(self.labels)
            return SetFlag(name=word.key, value=checked, rule=rule, **self.at(node)) if checked is not None else None
        checked = self.expr(value)
        if not self.may_assign(target) or checked is None:
            return None
        self.sure.add(name)
        return SetLocal(index=self.local_index(name), value=checked, **self.at(node))

    def _augmented(self, node: ast.AugAssign) -> Stmt | None:
        operator = _AUGMENTED.get(type(node.op))
        if operator is None:
            self.error("strategy.forbidden", node, what=FORBIDDEN.get(type(node.op).__name__, "**="))
            return None
        value = self.expr(node.value)
        where = self.at(node)
        if isinstance(node.target, ast.Name):
            name = node.target.id
            word = self.vocabulary.words.get(name)
            if word is not None and word.role is Role.FLAG:
                self.error("strategy.flag_value", node, name=name)
                return None
            if not self.may_assign(node.target) or value is None:
                return None
            old: Expr = Local(index=self.local_index(name), sure=name in self.sure, **where)
            self.sure.add(name)
            return SetLocal(index=self.local_index(name), value=self.binary(operator, old, value, node), **where)
        name = self.attribute_name(node.target)
        if not name or value is None:
            if not isinstance(node.target, ast.Attribute):
                self.error("strategy.target", node.target)
            return None
        return SetAttribute(name=name, value=self.binary(operator, Attribute(name=name, **where), value, node), **where)

    def _indicator(self, target: ast.expr, value: ast.expr) -> None:
        assert isinstance(target, ast.Subscript)
        key = target.slice.value if isinstance(target.slice, ast.Constant) else None
        if self.side != "buy":
            self.error("strategy.indicator_side", target)
        elif self.interval_s == 1 and key in INDICATOR_KEYS:
            self.error("strategy.indicator_interval", target)
        elif not isinstance(key, str) or key not in (ANALYSER_KEYS if self.interval_s == 1 else INDICATOR_KEYS):
            self.error("strategy.indicator_key", target, name=str(key))
        checked = self.expr(value)
        if checked is not None:
            if not is_fixed(checked):
                self.error("strategy.indicator_value", value)
            elif isinstance(key, str):
                self._check_setting(key, checked, value)
                self.indicators.append((key, checked))

    def _check_setting(self, key: str, checked: Expr, node: ast.expr) -> None:
        """Refuse a constant that chooses an average which is not built."""
        value = constant_value(checked)
        for setting in (one for function in INDICATORS for one in function.settings if one.key == key):
            try:
                setting.is_on(0.0 if value is None else value)
            except StrategyError as refused:
                self.error(refused.code, node, **refused.fields)

    # --- if, for ------------------------------------------------------------------------------------

    def _if(self, node: ast.If, depth: int) -> Stmt | None:
        branches: list[tuple[Expr, tuple[Stmt, ...]]] = []
        before = set(self.sure)
        after: list[set[str]] = []
        outer = self._label
        current: ast.If = node
        complete = True
        while True:
            self._label = self.lines[current.lineno - 1].strip()
            self.in_test = True
            test = self.expr(current.test)
            self.in_test = False
            if test is not None and not binds_plainly(test):
                self.error("strategy.walrus_place", current.test)
            self.sure = set(before)
            body = self.block(current.body, depth + 1)
            after.append(self.sure)
            self.sure = set(before)
            if test is None:
                complete = False
            else:
                branches.append((test, body))
            if len(current.orelse) == 1 and isinstance(current.orelse[0], ast.If) and self.is_elif(current.orelse[0]):
                current = current.orelse[0]
                continue
            break
        orelse = self.block(current.orelse, depth + 1) if current.orelse else ()
        after.append(self.sure if current.orelse else before)
        self._label = outer
        self.sure = set.intersection(*after)
        return If(branches=tuple(branches), orelse=orelse, **self.at(node)) if complete else None

    def is_elif(self, node: ast.If) -> bool:
        """Tell whether an If in an else part is written as elif (an `else:` with an inner if is one block deeper)."""
        line = self.lines[node.lineno - 1].encode()
        return line[node.col_offset : node.col_offset + 4] == b"elif"

    def _for(self, node: ast.For, depth: int) -> Stmt | None:
        call = node.iter
        if node.orelse:
            self.error("strategy.forbidden", node.orelse[0], what="for … else")
        if not isinstance(node.target, ast.Name):
            self.error("strategy.target", node.target)
            return None
        arguments: list[Expr | None] = []
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.func.id != "range" or call.keywords:
            self.error("strategy.only_range", call)
        elif not 1 <= len(call.args) <= 3:
            self.error("strategy.arity", call, name="range", given=len(call.args), wanted="1…3")
        else:
            arguments = [self.expr(argument) for argument in call.args]
        allowed = self.may_assign(node.target)
        before = set(self.sure)
        self.sure.add(node.target.id)
        index = self.local_index(node.target.id)
        self._loops += 1
        body = self.block(node.body, depth + 1)
        self._loops -= 1
        self.sure = before
        if not allowed or not arguments or any(one is None for one in arguments):
            return None
        where = self.at(node)
        given = [one for one in arguments if one is not None]
        zero, one = Number(value=0.0, **where), Number(value=1.0, **where)
        start, stop, step = (zero, given[0], one) if len(given) == 1 else (given[0], given[1], given[2] if len(given) == 3 else one)
        return For(index=index, start=start, stop=stop, step=step, body=body, **where)

"""The signal block at the end of a text: recognised in its historic forms and taken off.

The decision is the final value of the flags; the tail only says so once more. So a tail is accepted when
it says exactly that: the bare flag (or ``flag == True``, ``flag is True``), on futures both flags, in a sell
text each behind its position. Any other tail would promise a decision that is not the flag's, and a call
of Buy or Sell anywhere else too: they are refused instead of being ignored.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strategy.catalogue import Role, is_futures

if TYPE_CHECKING:
    from strategy.statements import StatementChecker

Case = tuple[str, str]
"""Position side ("" = any) and flag."""


@dataclass(frozen=True)
class Decision:
    """What a side's tail may say.

    Parameters
    ----------
    cases : tuple of Case
        When the side acts; the first wins.
    ko, en : str
        The tail as the hint shows it.
    """

    cases: tuple[Case, ...]
    ko: str
    en: str


_DECISIONS = {
    ("buy", False): Decision((("", "buy"),), "if 매수:", "if buy:"),
    ("sell", False): Decision((("", "sell"),), "if 매도:", "if sell:"),
    ("buy", True): Decision((("", "open_long"), ("", "open_short")), "if BUY_LONG or SELL_SHORT:", "if open_long or open_short:"),
    ("sell", True): Decision(
        (("LONG", "close_long"), ("SHORT", "close_short")),
        "if (포지션 == 'LONG' and SELL_LONG) or (포지션 == 'SHORT' and BUY_SHORT):",
        "if (position_side == 'LONG' and close_long) or (position_side == 'SHORT' and close_short):",
    ),
}
_CALLS = {"buy": "Buy", "sell": "Sell"}


def tail_call(node: ast.AST) -> str:
    """Return "Buy" or "Sell" when `node` is a call of ``self.Buy`` / ``self.Sell``, else ""."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
        and node.func.attr in _CALLS.values()
    ):
        return node.func.attr
    return ""


def strip_tail(body: list[ast.stmt], checker: StatementChecker) -> list[ast.stmt]:
    """Return the statements without the tail at the end; what is wrong with it becomes an error of the checker."""
    kept = list(body)
    if kept and _is_tail(kept[-1]):
        tail = kept.pop()
        assert isinstance(tail, ast.If)
        _Tail(checker).check(tail)
        while kept and _is_tail(kept[-1]):
            checker.error("strategy.tail_twice", kept.pop())
    return kept


def _is_tail(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If) or not all(isinstance(one, ast.Expr) and tail_call(one.value) for one in statement.body):
        return False
    if not statement.orelse:
        return True
    return len(statement.orelse) == 1 and _is_tail(statement.orelse[0])


class _Tail:
    """Checks one tail."""

    def __init__(self, checker: StatementChecker) -> None:
        self.checker = checker
        self.decision = _DECISIONS[checker.side, is_futures(checker.market)]

    def check(self, tail: ast.If) -> None:
        """Check the branches; the first that is wrong is reported."""
        branches = _branches(tail)
        unsaid = list(self.decision.cases)
        for branch in branches:
            cases = self.cases(branch.test) or [("", "")]
            for case in cases:
                # On futures long wins: it may not stand below short.
                if case not in unsaid or (len(branches) > 1 and self.checker.side == "buy" and case != unsaid[0]):
                    self._refuse(branch)
                    return
                unsaid.remove(case)
            self._check_calls(branch, cases)
        if unsaid:
            self._refuse(tail)

    def _refuse(self, branch: ast.If) -> None:
        self.checker.error(
            "strategy.tail_condition", branch.test, hint="strategy.hint_tail_condition", tail_ko=self.decision.ko, tail_en=self.decision.en
        )

    # --- conditions -----------------------------------------------------------------------------------

    def cases(self, test: ast.expr) -> list[Case] | None:
        """Return the cases a condition names; None when it is not made of flags alone."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
            parts = [self.cases(one) for one in test.values]
            return None if None in parts else [case for part in parts if part is not None for case in part]
        if isinstance(test, ast.BoolOp) and len(test.values) == 2:
            for guard, flag in (test.values, test.values[::-1]):
                if self.side(guard) and self.flag(flag):
                    return [(self.side(guard), self.flag(flag))]
        return [("", self.flag(test))] if self.flag(test) else None

    def flag(self, node: ast.expr) -> str:
        """Return the flag that is tested for True, "" when it is no such test."""
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.Is):
            right = node.comparators[0]
            return self.flag(node.left) if isinstance(right, ast.Constant) and right.value is True else ""
        return self._key(node, Role.FLAG)

    def side(self, node: ast.expr) -> str:
        """Return LONG or SHORT of ``포지션 == 'LONG'``, "" when it is no such test."""
        if not (isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq)):
            return ""
        right = node.comparators[0]
        known = isinstance(right, ast.Constant) and right.value in ("LONG", "SHORT") and self._key(node.left, Role.SIDE)
        return str(right.value) if known and isinstance(right, ast.Constant) else ""

    def _key(self, node: ast.expr, role: Role) -> str:
        word = self.checker.vocabulary.words.get(node.id) if isinstance(node, ast.Name) else None
        return word.key if word is not None and word.role is role else ""

    # --- calls ----------------------------------------------------------------------------------------

    def _check_calls(self, branch: ast.If, cases: list[Case]) -> None:
        calls = [one.value for one in branch.body if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call)]
        for call in calls:
            if tail_call(call) != _CALLS[self.checker.side]:
                self.checker.error("strategy.tail_side", call, name=tail_call(call))
            for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
                if not isinstance(argument, ast.Name | ast.Constant):
                    self.checker.error("strategy.tail_argument", argument)
                elif self._contradicts(argument, cases):
                    self.checker.error("strategy.tail_contradicts", argument, name=ast.unparse(argument)[:40])
        if len(calls) > 1:
            self.checker.error("strategy.tail_twice", calls[1])

    def _contradicts(self, argument: ast.Name | ast.Constant, cases: list[Case]) -> bool:
        """Tell whether an argument names a flag that is not the branch's; an unknown name is an error of its own."""
        words = self.checker.vocabulary.words
        name = argument.id if isinstance(argument, ast.Name) else argument.value
        word = words.get(name) if isinstance(name, str) else None
        if isinstance(argument, ast.Name) and word is None and argument.id not in self.checker.assigned_names:
            self.checker.unknown(argument.id, argument)
        flag = word.key if word is not None and word.role is Role.FLAG else ""
        if isinstance(name, bool) and self.checker.side == "buy" and len(self.decision.cases) == 2:
            flag = "open_long" if name else "open_short"  # the first argument of the historic call on futures
        if flag in ("", "force_exit"):
            return False
        if len(cases) == 1:
            return flag != cases[0][1]
        # One call for both flags passes the value of the first on; a literal would say the same for both.
        return flag != self.decision.cases[0][1] or isinstance(argument, ast.Constant)


def _branches(tail: ast.If) -> list[ast.If]:
    branches = [tail]
    while branches[-1].orelse:
        inner = branches[-1].orelse[0]
        assert isinstance(inner, ast.If)
        branches.append(inner)
    return branches

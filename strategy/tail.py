"""The signal block at the end of a text: recognised in all its historic forms and taken off.

The decision is the final value of the flag; the tail only says so once more. A call of Buy or Sell
anywhere else, or under a condition that is more than the flags, would decide something that the
flag does not, so it is refused instead of being ignored.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strategy.statements import StatementChecker

_TEST_NODES = (ast.Name, ast.BoolOp, ast.And, ast.Or, ast.Compare, ast.Eq, ast.Is, ast.Constant, ast.Load)


def tail_call(node: ast.AST) -> str:
    """Return "Buy" or "Sell" when `node` is a call of ``self.Buy`` / ``self.Sell``, else ""."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
        and node.func.attr in ("Buy", "Sell")
    ):
        return node.func.attr
    return ""


def strip_tail(body: list[ast.stmt], checker: StatementChecker) -> list[ast.stmt]:
    """Return the statements without the tails at the end; what is wrong with a tail becomes an error of the checker."""
    kept = list(body)
    while kept and _is_tail(kept[-1]):
        statement = kept.pop()
        assert isinstance(statement, ast.If)
        _check_tail(statement, checker)
    return kept


def _is_tail(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If) or not all(isinstance(one, ast.Expr) and tail_call(one.value) for one in statement.body):
        return False
    if not statement.orelse:
        return True
    return len(statement.orelse) == 1 and _is_tail(statement.orelse[0])


def _check_tail(statement: ast.If, checker: StatementChecker) -> None:
    flags = checker.flag_names() | {"포지션", "position_side"}
    for node in ast.walk(statement.test):
        if not isinstance(node, _TEST_NODES) or (isinstance(node, ast.Name) and node.id not in flags):
            checker.error("strategy.tail_condition", statement.test, hint="strategy.hint_tail_condition", flag=sorted(flags)[0])
            return
    for one in statement.body:
        assert isinstance(one, ast.Expr)
        call = one.value
        assert isinstance(call, ast.Call)
        if tail_call(call) != ("Buy" if checker.side == "buy" else "Sell"):
            checker.error("strategy.tail_side", call, name=tail_call(call))
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
            if not isinstance(argument, ast.Name | ast.Constant) or (isinstance(argument, ast.Name) and argument.id.startswith("_")):
                checker.error("strategy.tail_argument", argument)
    if statement.orelse:
        inner = statement.orelse[0]
        assert isinstance(inner, ast.If)
        _check_tail(inner, checker)

"""From a text to a checked tree: limits, Python's parser, the allow-list, the tail.

`parse` is the one door; everything it refuses is a StrategyError with line, column and, where one can
be given, a hint. All errors of a text are collected, not only the first.
"""

from __future__ import annotations

import ast
import warnings

from domain.errors import StrategyError
from domain.instruments import Market
from strategy.limits import MAX_ERRORS, check_depth, check_text
from strategy.nodes import Expr, SetFlag, Tree
from strategy.statements import StatementChecker
from strategy.tail import strip_tail

SIDES = ("buy", "sell")


class StrategyErrors(StrategyError):
    """A text was refused; it is itself the first error and `errors` holds them all, by line."""

    def __init__(self, errors: list[StrategyError]) -> None:
        first = errors[0]
        super().__init__(first.code, first.line, first.column, **first.fields)
        self.errors = tuple(errors)


def parse(text: str, side: str, market: Market, interval_s: int) -> Tree:
    """Check a buy or sell text and return its typed tree.

    Parameters
    ----------
    text : str
        What the user wrote; Korean, English or mixed, composed or decomposed.
    side : {"buy", "sell"}
        Which of the two documents it is.
    market : Market
        Decides which names exist and their constants.
    interval_s : {1, 60}
        Interval the text runs at.

    Raises
    ------
    StrategyErrors
        With everything that is wrong.
    """
    module = _parse_python(text, "exec")
    assert isinstance(module, ast.Module)
    checker = StatementChecker(text, side, market, interval_s)
    try:
        checker.find_locals(module.body)
        body = strip_tail(module.body, checker)
        statements = checker.block(body, 0)
    except RecursionError:
        checker.errors.append(StrategyError("strategy.too_deep", 1, 1))
        statements = ()
    _raise(checker.errors)
    return Tree(side, market.code, interval_s, statements, tuple(checker.local_names), tuple(checker.labels), tuple(checker.indicators))


def parse_condition(text: str, market: Market, interval_s: int) -> Tree:
    """Check one boolean expression (a condition of 경과틱수) and return it as a tree of side "mark".

    Raises
    ------
    StrategyErrors
        With everything that is wrong.
    """
    expression = _parse_python(text.strip(), "eval")
    assert isinstance(expression, ast.Expression)
    checker = StatementChecker(text.strip(), "mark", market, interval_s)
    value: Expr | None = None
    try:
        value = checker.expr(expression.body)
    except RecursionError:
        checker.errors.append(StrategyError("strategy.too_deep", 1, 1))
    _raise(checker.errors)
    assert value is not None
    return Tree("mark", market.code, interval_s, (SetFlag(name="mark", value=value, line=1, column=1),))


def _parse_python(text: str, mode: str) -> ast.AST:
    errors = list(check_text(text))
    if errors:
        raise StrategyErrors(errors)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode=mode)
    except SyntaxError as error:
        line = error.lineno or 1
        raise StrategyErrors([StrategyError("strategy.syntax", line, error.offset or 1, detail=error.msg)]) from None
    except (RecursionError, MemoryError):
        raise StrategyErrors([StrategyError("strategy.too_deep", 1, 1)]) from None
    except ValueError as error:
        raise StrategyErrors([StrategyError("strategy.syntax", 1, 1, detail=str(error))]) from None
    _raise(list(check_depth(tree)))
    return tree


def _raise(errors: list[StrategyError]) -> None:
    if errors:
        raise StrategyErrors(sorted(errors, key=lambda one: (one.line, one.column))[:MAX_ERRORS])

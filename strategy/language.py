"""From a text to a checked tree: limits, Python's parser, the allow-list, the tail.

`parse` is the one door; everything it refuses is a StrategyError with line, column and, where one can
be given, a hint. All errors of a text are collected, not only the first.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from domain.errors import StrategyError
from domain.formulas import Formula
from domain.instruments import Market
from strategy.cost import check_cost
from strategy.expressions import TooManyErrors
from strategy.limits import MAX_DEPTH, MAX_ERRORS, check_depth, check_text, lines_of
from strategy.nodes import Expr, SetFlag, Stmt, Tree
from strategy.statements import StatementChecker
from strategy.tail import strip_tail

BYTE_ORDER_MARK = "\ufeff"
LOOK_ALIKES = {
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\uff0d", "-"),
    **dict.fromkeys("\u201c\u201d\uff02", '"'),
    **dict.fromkeys("\u2018\u2019\uff07", "'"),
    **dict(zip("×÷≤≥≠（），：．＝＜＞＋＊／％［］＃", ("*", "/", "<=", ">=", "!=", *"(),:.=<>+*/%[]#"), strict=True)),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff", "␡"),
    **dict.fromkeys("\u3000\xa0", "␣"),
}
"""Characters that editors, blogs and messengers put where Python wants another one; ␡ stands for nothing, ␣ for a space."""
_SYNTAX_HINTS = (
    ("expected ':'", "strategy.hint_colon"),
    ("was never closed", "strategy.hint_bracket"),
    ("unmatched", "strategy.hint_bracket"),
    ("does not match opening", "strategy.hint_bracket"),
    ("unterminated", "strategy.hint_quote"),
    ("inconsistent use of tabs", "strategy.hint_tabs"),
    ("indent", "strategy.hint_indent"),
    ("Maybe you meant '=='", "strategy.hint_two_equals"),
)


class StrategyErrors(StrategyError):
    """A text was refused; it is itself the first error and `errors` holds them all, by line."""

    def __init__(self, errors: list[StrategyError]) -> None:
        first = errors[0]
        super().__init__(first.code, first.line, first.column, **first.fields)
        self.errors = tuple(errors)


def parse(text: str, side: str, market: Market, interval_s: int, formulas: Sequence[Formula] = ()) -> Tree:
    """Check a buy or sell text and return its typed tree.

    Parameters
    ----------
    text : str
        What the user wrote; Korean, English or mixed, composed or decomposed.
    side : {"buy", "sell"}
        Which of the two documents it is.
    market : Market
        Decides which names exist and their constants.
    interval_s : int
        Interval the text runs at.
    formulas : sequence of Formula
        The user's formulas that it may name.

    Raises
    ------
    StrategyErrors
        With everything that is wrong.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    checker = StatementChecker(text, side, market, interval_s, formulas)
    return finish(text, checker, lambda module: parse_statements(module, checker))


def parse_statements(module: ast.Module, checker: StatementChecker) -> tuple[Stmt, ...]:
    """Check the statements of a text and take its tail off."""
    checker.find_locals(module.body)
    return checker.block(strip_tail(module.body, checker), 0)


def finish(text: str, checker: StatementChecker, body: Callable[[ast.Module], tuple[Stmt, ...]]) -> Tree:
    """Return the tree of a text that `body` checks with a checker; StrategyErrors with everything that is wrong."""
    module = _parse_python(text.removeprefix(BYTE_ORDER_MARK), "exec")
    assert isinstance(module, ast.Module)
    statements: tuple[Stmt, ...] = ()
    with _collecting(checker):
        statements = body(module)
    names, labels, indicators = tuple(checker.local_names), tuple(checker.labels), tuple(checker.indicators)
    tree = Tree(checker.side, checker.market.code, checker.interval_s, statements, names, labels, indicators)
    _raise(list(check_cost(tree)))
    return tree


def parse_condition(text: str, market: Market, interval_s: int, formulas: Sequence[Formula] = ()) -> Tree:
    """Check one boolean expression (a condition of 경과틱수) and return it as a tree of side "mark".

    Raises
    ------
    StrategyErrors
        With everything that is wrong.
    """
    text = text.removeprefix(BYTE_ORDER_MARK).strip()
    expression = _parse_python(text, "eval")
    assert isinstance(expression, ast.Expression)
    checker = StatementChecker(text, "mark", market, interval_s, formulas)
    value: Expr | None = None
    with _collecting(checker):
        value = checker.expr(expression.body)
    assert value is not None
    tree = Tree("mark", market.code, interval_s, (SetFlag(name="mark", value=value, line=1, column=1),))
    _raise(list(check_cost(tree)))
    return tree


@contextmanager
def _collecting(checker: StatementChecker) -> Iterator[None]:
    """Raise what the checker collected inside."""
    try:
        yield
    except TooManyErrors:
        pass
    except RecursionError:
        checker.errors.append(StrategyError("strategy.too_deep", 1, 1, limit=MAX_DEPTH))
    _raise(checker.errors)


def _parse_python(text: str, mode: str) -> ast.AST:
    errors = list(check_text(text))
    if errors:
        raise StrategyErrors(errors)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode=mode)
    except SyntaxError as error:
        raise StrategyErrors([_syntax(error, text)]) from None
    except (RecursionError, MemoryError):
        raise StrategyErrors([StrategyError("strategy.too_deep", 1, 1, limit=MAX_DEPTH)]) from None
    except ValueError as error:
        raise StrategyErrors([StrategyError("strategy.syntax", 1, 1, detail=str(error))]) from None
    _raise(list(check_depth(tree)))
    return tree


def _syntax(error: SyntaxError, text: str) -> StrategyError:
    """Return Python's complaint with what can be said about its usual causes."""
    line, column = error.lineno or 1, error.offset or 1
    lines = lines_of(text)
    at = lines[line - 1][column - 1 : column] if line <= len(lines) else ""
    fields: dict[str, str] = {}
    if at in LOOK_ALIKES:
        fields = {"hint": "strategy.hint_look_alike", "character": f"U+{ord(at):04X}", "suggestion": LOOK_ALIKES[at]}
    else:
        fields = next(({"hint": hint} for part, hint in _SYNTAX_HINTS if part in error.msg), {})
    return StrategyError("strategy.syntax", line, column, detail=error.msg, **fields)


def _raise(errors: list[StrategyError]) -> None:
    if errors:
        raise StrategyErrors(sorted(errors, key=lambda one: (one.line, one.column))[:MAX_ERRORS])

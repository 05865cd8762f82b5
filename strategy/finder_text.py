"""Back-finder texts as STOM wrote them (strategy-language 9): `self.tickcols`, `self.tickdata`, 탐색틱수, 탐색등락율.

A finder text is a buy text that may also ask what follows a row: `future_max(n)` and `future_min(n)`, the highest and
lowest 현재가 of the next `n` rows of the day. No other text knows these names. What it puts into `self.tickdata` are the
columns of its table; the row is handed on by the finder, so the closing part only says when.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.formulas import Formula
from domain.instruments import Market
from strategy.arithmetic import constant_value
from strategy.catalogue import is_futures
from strategy.expressions import FINDER_NAMES
from strategy.language import finish, parse_statements
from strategy.nodes import Ahead, Expr, Local, SetFlag, SetLocal, Stmt, Tree, Truth, is_fixed
from strategy.statements import StatementChecker

FUTURE = dict(zip(FINDER_NAMES, ("max", "min", "max", "min"), strict=True))
AHEAD_NAME, RISE_NAME = "탐색틱수", "탐색등락율"
COLUMNS_MAX = 200
DATA = "tickdata "
"""Before the name of a column: attributes of the tree that hold what the text put into ``self.tickdata``."""
_NAMED = re.compile(r"^[^#\n]*\bself\s*\.\s*tickcols\b", re.MULTILINE)


def is_finder(text: str) -> bool:
    """Tell whether a text is a back-finder's: it names its columns on ``self.tickcols``."""
    return _NAMED.search(text) is not None


@dataclass(frozen=True)
class FinderText:
    """A checked back-finder text.

    Parameters
    ----------
    tree : Tree
        Side "buy"; what the text put into ``self.tickdata`` are attributes named DATA and the column.
    columns : tuple of str
        Names of the user's columns, in order.
    ahead, rise : Expr or None
        탐색틱수 and 탐색등락율 where the text sets them: numbers or of ``self.vars``.
    """

    tree: Tree
    columns: tuple[str, ...]
    ahead: Expr | None
    rise: Expr | None


class _FinderChecker(StatementChecker):
    """Knows the future, the columns, and the closing part that hands a row on."""

    def __init__(self, text: str, market: Market, interval_s: int, formulas: Sequence[Formula]) -> None:
        super().__init__(text, "buy", market, interval_s, formulas)
        self.columns: list[str] = []
        self.values = 0
        self.named = 0
        self.fixed: dict[str, Expr] = {}
        self.sets: dict[str, int] = {}

    def count_assignments(self, body: list[ast.stmt]) -> None:
        """Learn how often each name is assigned: one that is assigned once, outside a branch, stands for its value."""
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    self.sets[node.id] = self.sets.get(node.id, 0) + 1

    # --- columns ------------------------------------------------------------------------------------

    def _name_columns(self, value: ast.expr) -> None:
        items = list(value.elts) if isinstance(value, ast.List | ast.Tuple) else []
        names = [one.value for one in items if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        self.named += 1
        if not names or len(names) != len(items) or len(set(names)) != len(names) or len(names) > COLUMNS_MAX or self.named > 1:
            self.error("strategy.finder_columns", value, limit=COLUMNS_MAX)
        self.columns = names

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Return the statements with `self.tickdata = […]` taken apart, columns named and the closing part's own sending left out."""
        out: list[ast.stmt] = []
        for statement in body:
            target = statement.targets[0] if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None
            if isinstance(statement, ast.Assign) and target is not None and self._is(target, "tickcols"):
                self._name_columns(statement.value)
            elif isinstance(statement, ast.Assign) and target is not None and self._is(target, "tickdata"):
                out += self._data(statement)
            elif not self._hands_on(statement):
                out.append(statement)
        return out

    def _is(self, node: ast.expr, name: str) -> bool:
        return self.attribute_name(node, quiet=True) == name

    def _data(self, statement: ast.Assign) -> list[ast.stmt]:
        value = statement.value
        items = list(value.elts) if isinstance(value, ast.List | ast.Tuple) else []
        self.values += 1
        if not self.columns or len(items) != len(self.columns):
            self.error("strategy.finder_data", value, given=len(items), wanted=len(self.columns))
            return []
        made: list[ast.stmt] = []
        for name, item in zip(self.columns, items, strict=True):
            target = ast.Attribute(value=ast.Name(id="self", ctx=ast.Load()), attr=DATA + name, ctx=ast.Store())
            made.append(ast.copy_location(ast.Assign(targets=[ast.copy_location(target, statement)], value=item), statement))
        return made

    def _hands_on(self, statement: ast.stmt) -> bool:
        """Tell whether a statement only sends the row on, as STOM's own closing part did: ``self.….put(…self.tickdata…)``."""
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "put":
            return False
        return any(isinstance(one, ast.expr) and self._is(one, "tickdata") for one in ast.walk(call))

    def block(self, body: list[ast.stmt], depth: int) -> tuple[Stmt, ...]:
        """Check a list of statements."""
        return super().block(self.statements(body), depth)

    # --- what follows ---------------------------------------------------------------------------------

    def _assign_name(self, target: ast.Name, value: ast.expr, node: ast.stmt) -> Stmt | None:
        made = super()._assign_name(target, value, node)
        if isinstance(made, SetLocal) and self.sets.get(target.id) == 1 and node.col_offset == 0:
            resolved = self._resolved(made.value)
            if is_fixed(resolved):
                self.fixed[target.id] = resolved
        return made

    def _resolved(self, value: Expr) -> Expr:
        if isinstance(value, Local):
            name = next(name for name, index in self.local_names.items() if index == value.index)
            return self.fixed.get(name, value)
        return value

    def _rows_are_past(self, name: str, argument: str, value: Expr, node: ast.expr, *, is_first: bool) -> bool:
        if name in FUTURE:
            return True  # judged below, with names of the text resolved
        number = constant_value(value)
        if argument == "pre" and number is not None and -2.0 < number <= -1.0:
            self.error("strategy.finder_flat", node, name=name)
            return False
        return super()._rows_are_past(name, argument, value, node, is_first=is_first)

    def _call_name(self, name: str, node: ast.Call) -> Expr | None:
        if name not in FUTURE:
            return super()._call_name(name, node)
        arguments = self._arguments(name, node, ("n",), 1)
        if arguments is None or arguments[0] is None:
            return None
        rows = self._resolved(arguments[0])
        if not is_fixed(rows):
            self.error("strategy.finder_ahead", node, name=name)
            return None
        number = constant_value(rows)
        if number is not None and number < 1.0:
            self.error("strategy.finder_rows", node.args[0] if node.args else node, name=name, value=f"{number:.10g}")
            return None
        return Ahead(operation=FUTURE[name], n=rows, **self.at(node))  # type: ignore[arg-type]


def parse_finder(text: str, market: Market, interval_s: int, formulas: Sequence[Formula] = ()) -> FinderText:
    """Check a back-finder text; `formulas` are those of the user's that it may name.

    Raises
    ------
    StrategyErrors
        With everything that is wrong.
    """
    checker = _FinderChecker(text, market, interval_s, formulas)

    def body(module: ast.Module) -> tuple[Stmt, ...]:
        checker.count_assignments(module.body)
        made = parse_statements(module, checker)
        if not checker.columns or not checker.values:
            checker.error("strategy.finder_form", module.body[0] if module.body else ast.Pass())
        return made

    tree = finish(text, checker, body)
    if is_futures(market) and not any(isinstance(one, SetFlag) and one.name == "open_short" for one in tree.nodes()):
        # Upward moves are looked for: the other flag, which is on until a text says no, is the text's only where it names it.
        tree = replace(tree, body=(SetFlag(name="open_short", value=Truth(value=False)), *tree.body))
    return FinderText(tree, tuple(checker.columns), checker.fixed.get(AHEAD_NAME), checker.fixed.get(RISE_NAME))

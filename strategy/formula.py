"""User formulas (strategy-language 14.3) in the language: checked, ordered, and read by name.

A formula is a text of its own, evaluated once a row, before the codes; what it sets are rows of `extremes`, so that
``name(pre)`` reads it as any other series, compiled and interpreted, live and in research. It sees the row, its look-backs,
indicators and other formulas; no position, no ``self.vars``, nothing it kept itself.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.errors import StrategyError
from domain.formulas import COLUMNS, DISPLAYS, Formula
from domain.instruments import Market
from strategy.arithmetic import constant_value
from strategy.catalogue import vocabulary
from strategy.factor import derived
from strategy.language import StrategyErrors, finish, parse_statements
from strategy.learned import english, is_learned
from strategy.nodes import Column, Derived, FormulaValue, Number, PositionField, RowsSince, SetAttribute, TextTest, Tree, Variable
from strategy.statements import StatementChecker

FORMULAS_MAX = 100
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class FormulaTree:
    """A checked formula; its outputs are attributes ``<name>.<output>`` of the tree."""

    name: str
    display: str
    tree: Tree

    @property
    def columns(self) -> tuple[str, ...]:
        """What is kept of each row."""
        return COLUMNS[self.display]


def readable(formula: Formula | FormulaTree) -> dict[str, str]:
    """Return the names by which texts read a formula → its column."""
    columns = COLUMNS[formula.display]
    return {formula.name if k == 0 else f"{formula.name}_{column}": column for k, column in enumerate(columns)}


def plain(name: str) -> str:
    """Return a name as Python reads it."""
    return unicodedata.normalize("NFKC", name.strip())


class _FormulaChecker(StatementChecker):
    """Knows what a formula may set."""

    def __init__(self, formula: Formula, market: Market, known: Sequence[Formula]) -> None:
        super().__init__(formula.text, "mark", market, formula.interval_s, known)
        self.formula = formula

    def attribute_name(self, node: ast.AST, quiet: bool = False) -> str:
        """Return ``<formula>.<output>`` of an output; a formula keeps nothing else on ``self``."""
        name = super().attribute_name(node, quiet)
        if not name or (quiet and name in ("vars", "indicator")):
            return name
        if name not in DISPLAYS[self.formula.display]:
            if not quiet:
                self.error("strategy.formula_attribute", node, name=name, wanted=", ".join(DISPLAYS[self.formula.display]))
            return "" if not quiet else name
        return f"{plain(self.formula.name)}.{name}"


def parse_formula(formula: Formula, market: Market, known: Sequence[Formula] = ()) -> FormulaTree:
    """Check one formula; `known` are those that it may name.

    Raises
    ------
    StrategyErrors
        With everything that is wrong; the field `side` names the formula.
    """
    name = plain(formula.name)
    try:
        if formula.display not in DISPLAYS:
            raise StrategyErrors([StrategyError("strategy.formula_display", 1, 1, display=formula.display, names=", ".join(DISPLAYS))])
        words = {**vocabulary("buy", market, formula.interval_s).words, **vocabulary("sell", market, formula.interval_s).words}
        taken = [one for one in readable(formula) if plain(one) in words or not one.isidentifier() or one.startswith("_")]
        if taken or name in ("self", "math", "np", "range", "True", "False", "None"):
            raise StrategyErrors([StrategyError("strategy.formula_name", 1, 1, name=name)])
        checker = _FormulaChecker(formula, market, known)
        tree = finish(formula.text, checker, lambda module: parse_statements(module, checker))
        errors = list(_refused(tree, name))
        set_names = {node.name for node in tree.nodes() if isinstance(node, SetAttribute)}
        errors += [
            StrategyError("strategy.formula_missing", 1, 1, name=f"self.{one}")
            for one in DISPLAYS[formula.display]
            if f"{name}.{one}" not in set_names
        ]
        if errors:
            raise StrategyErrors(errors)
    except StrategyErrors as refused:
        raise StrategyErrors(
            [StrategyError(one.code, one.line, one.column, **{**one.fields, "side": name}) for one in refused.errors]
        ) from None
    return FormulaTree(name, formula.display, tree)


def _refused(tree: Tree, name: str) -> Iterable[StrategyError]:
    """Yield what hangs on more than the row."""
    for node in tree.nodes():
        what = ""
        if isinstance(node, Column) and is_learned(node.key):
            what = english(node.key)  # charts have no records of earlier days
        elif isinstance(node, Variable):
            what = f"self.vars[{node.index}]"
        elif isinstance(node, PositionField):
            what = node.key
        elif isinstance(node, RowsSince):
            what = "경과틱수"
        elif isinstance(node, TextTest):
            what = node.subject
        elif isinstance(node, Derived) and "price_step" in derived()[node.key].parameters:
            what = node.key
        elif (constant_value(getattr(node, "pre", None) or getattr(node, "ago", None) or Number(value=0.0)) or 0.0) <= -1.0:
            what = "pre = -1"  # a formula is of rows alone, and has no entry row
        if what:
            yield StrategyError("strategy.formula_reads", max(node.line, 1), max(node.column, 1), name=name, what=what)


def for_strategies(formulas: Iterable[Formula], market: Market, interval_s: int, texts: Iterable[str]) -> tuple[Formula, ...]:
    """Return the formulas that texts name, and those that these name, of a market and interval; 전략연산 must be on."""
    own = {plain(one.name): one for one in formulas if one.market == market.code and one.interval_s == interval_s and one.in_strategy}
    names = {name: one for one in own.values() for name in map(plain, readable(one))}
    found: dict[str, Formula] = {}
    waiting = list(texts)
    while waiting:
        for word in _WORD.findall(unicodedata.normalize("NFKC", waiting.pop())):
            one = names.get(word)
            if one is not None and plain(one.name) not in found:
                found[plain(one.name)] = one
                waiting.append(one.text)
    return tuple(found[name] for name in sorted(found))


def parse_formulas(formulas: Sequence[Formula], market: Market) -> tuple[FormulaTree, ...]:
    """Check formulas and return them so that each stands after those it names.

    Raises
    ------
    StrategyErrors
        One is wrong, there are too many, or they name each other in a circle.
    """
    if len(formulas) > FORMULAS_MAX:
        raise StrategyErrors([StrategyError("strategy.formula_many", 1, 1, count=len(formulas), limit=FORMULAS_MAX)])
    trees = {one.name: one for one in (parse_formula(formula, market, formulas) for formula in formulas)}
    needs = {name: {node.name for node in one.tree.nodes() if isinstance(node, FormulaValue)} for name, one in trees.items()}
    ordered: list[FormulaTree] = []
    while needs:
        ready = sorted(name for name, others in needs.items() if not others & set(needs))
        if not ready:
            circle = " → ".join(sorted(needs))
            raise StrategyErrors([StrategyError("strategy.formula_cycle", 1, 1, names=circle, side=min(needs))])
        ordered += [trees[name] for name in ready]
        needs = {name: others for name, others in needs.items() if name not in ready}
    return tuple(ordered)

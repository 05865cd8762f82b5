"""What the V3 functions are made with: their description, and short words for the nodes of the tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.instruments import Market
from strategy.catalogue_windows import WINDOWS
from strategy.factor import column_key
from strategy.nodes import (
    Binary,
    Call,
    Choice,
    Column,
    Compare,
    Expr,
    Kind,
    Logic,
    Number,
    PositionField,
    RowCount,
    Series,
    Window,
)

Arguments = Mapping[str, Expr]
Build = Callable[["Maker", Arguments], Expr]


@dataclass(frozen=True)
class Function:
    """A V3 function.

    Parameters
    ----------
    ko, en : str
        Names.
    arguments : tuple of (str, float or None)
        Names and defaults; None must be given. Those that must be come first.
    build : callable
        (Maker, arguments) → tree.
    kind : Kind
    side : str
        "sell" for what reads the position, "" for any text.
    """

    ko: str
    en: str
    arguments: tuple[tuple[str, float | None], ...]
    build: Build
    kind: Kind = Kind.NUMBER
    side: str = ""

    @property
    def example(self) -> str:
        """The call with its defaults, for the editor."""
        typical = {"n": "30", "n1": "60", "short": "20", "gap": "3", "cf": "10"}
        given = [typical.get(name, "0") if default is None else f"{default:g}" for name, default in self.arguments if name != "pre"]
        return f"({', '.join(given)})"


class Maker:
    """Makes nodes at one place of a text."""

    def __init__(self, market: Market, interval_s: int, where: Mapping[str, Any]) -> None:
        self.market = market
        self.interval_s = interval_s
        self.where = dict(where)
        self.price = self.column("last_price")

    # --- leaves ------------------------------------------------------------------------------------

    def number(self, value: float) -> Expr:
        """Return a literal."""
        return Number(value=value, **self.where)

    def column(self, name: str, ago: Expr | None = None) -> Expr:
        """Return a recorded column, by its neutral name where it has one."""
        return Column(key=column_key(name, self.market.kind, self.interval_s), ago=ago, **self.where)

    def series(self, name: str, ago: Expr | None = None, *settings: Expr) -> Expr:
        """Return an output of a series."""
        return Series(key=name, ago=ago, settings=settings, **self.where)

    def position(self, name: str) -> Expr:
        """Return a field of the position."""
        return PositionField(key=name, **self.where)

    def window(self, operation: Any, name: str, n: Expr, pre: Expr | None = None, decimals: int = 8) -> Expr:
        """Return a look-back; means are left unrounded as far as float64 can tell."""
        key = column_key(name, self.market.kind, self.interval_s) if name else ""
        return Window(operation=operation, key=key, n=n, pre=pre or self.number(0.0), decimals=decimals, **self.where)

    def average(self, n: Expr) -> Expr:
        """Return 이동평균."""
        return self.window("mean", "last_price", n, None, WINDOWS[0].decimals[1 if self.market.kind == "stock" else 0])

    def volatility(self, n: Expr, pre: Expr | None = None) -> Expr:
        """Return 변동성."""
        return self.window("volatility", "last_price" if self.interval_s == 1 else "bar_high", n, pre)

    def back(self, pre: Expr) -> Expr:
        """Return rows back as a plain number: the entry row, which −1 stands for, is so many rows ago."""
        if isinstance(pre, Number) and pre.value >= 0.0:
            return pre
        one = self.number(1.0)
        since = self.less(self.less(RowCount(**self.where), one), self.position("entry_row"))
        none = self.number(-2.0)
        held = Compare(first=self.position("position_qty"), rest=(("!=", self.number(0.0)),), **self.where)
        entry = Choice(test=held, then=since, other=none, **self.where)
        if isinstance(pre, Number):
            return entry if pre.value == -1.0 else none
        return Choice(test=self.test(pre, "==", self.number(-1.0)), then=entry, other=pre, **self.where)

    # --- operators ---------------------------------------------------------------------------------

    def _binary(self, operator: Any, left: Expr, right: Expr) -> Expr:
        return Binary(operator=operator, left=left, right=right, **self.where)

    def add(self, left: Expr, right: Expr) -> Expr:
        """Return a sum; of two literals its value, so that a fixed window stays one."""
        if isinstance(left, Number) and isinstance(right, Number):
            return self.number(left.value + right.value)
        return self._binary("+", left, right)

    def less(self, left: Expr, right: Expr) -> Expr:
        """Return a difference."""
        return self._binary("-", left, right)

    def times(self, left: Expr, right: Expr) -> Expr:
        """Return a product."""
        return self._binary("*", left, right)

    def minus(self, value: Expr) -> Expr:
        """Return the negative."""
        return self.number(-value.value) if isinstance(value, Number) else self.times(self.number(-1.0), value)

    def over(self, left: Expr, right: Expr) -> Expr:
        """Return a ratio, 0 to nothing."""
        return Call(name="over", args=(left, right), **self.where)

    def percent(self, left: Expr, right: Expr) -> Expr:
        """Return how many per cent one lies above the other, 0 to nothing."""
        return Call(name="percent", args=(left, right), **self.where)

    def test(self, left: Expr, operator: str, right: Expr) -> Expr:
        """Return a comparison."""
        return Compare(first=left, rest=((operator, right),), **self.where)

    def every(self, *tests: Expr) -> Expr:
        """Return whether all tests hold."""
        flat = [one for test in tests for one in (test.operands if isinstance(test, Logic) and test.operator == "and" else (test,))]
        return Logic(operator="and", operands=tuple(flat), kind=Kind.BOOL, **self.where)

    def either(self, *tests: Expr) -> Expr:
        """Return whether one of the tests holds."""
        return Logic(operator="or", operands=tests, kind=Kind.BOOL, **self.where)

    def has(self, n: Expr, pre: Expr | None = None) -> Expr:
        """Return whether so many rows of today end so many rows ago."""
        return self.test(self.window("rows", "", n, pre), ">", self.number(0.0))

    def positive(self, value: Expr) -> Expr:
        """Return whether a number is above 0."""
        return self.test(value, ">", self.number(0.0))

    def above(self, value: Expr, percent: Expr, sign: float = 1.0) -> Expr:
        """Return a number raised (sign −1: lowered) by a share of it."""
        share = self.over(percent, self.number(100.0))
        return self.times(value, self._binary("+" if sign > 0 else "-", self.number(1.0), share))

    @property
    def winning(self) -> Expr:
        """Whether the position is in profit."""
        return self.positive(self.position("return_pct"))

    @property
    def losing(self) -> Expr:
        """Whether the position is at a loss."""
        return self.test(self.position("return_pct"), "<", self.number(0.0))

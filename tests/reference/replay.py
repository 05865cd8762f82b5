"""The replay of strategy-language §10.1 and workstation §8.3–8.4: one symbol and day after another, one row after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.reference.indicators import INDICATORS
from tests.reference.names import POSITION
from tests.reference.numbers import UNIT, Money, sweep
from tests.reference.rows import Day, View
from tests.reference.text import FAULTS, Attributes, Text

NEVER = 999999.0
DEFAULT_WINDOW = 30


@dataclass(frozen=True)
class Settings:
    """What a run is told besides its texts (command-line.md, `backtest`)."""

    betting: float
    entry_levels: int = 3
    exit_levels: int = 5
    latency: int = 0
    fill: str = "sweep"
    fees: tuple[float, float] | None = None
    start: int = 0
    end: int = 235959
    orders: Any = None
    delay_ms: int = 0
    level_share: float = 0.0


@dataclass(frozen=True)
class RuleSet:
    """Two texts, the conditions of 경과틱수 and the variables."""

    market: str
    interval_s: int
    buy: str
    sell: str
    rows_since: tuple[tuple[str, str], ...] = ()
    variables: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trade:
    """One line of the trades file (command-line.md)."""

    code: str
    side: str
    entry_time: int
    exit_time: int
    holding_time: int
    qty: float
    entry_price: float
    exit_price: float
    entry_amount: float
    exit_amount: float
    return_pct: float
    pnl: float
    exit_rule: int


@dataclass
class Position:
    """What is held. `signal_row` is 매수틱번호, `fill_row` the row of 매수시간."""

    short: bool
    units: int
    raw_amount: float
    amount: float
    signal_row: int
    fill_row: int
    highest: float | None = None
    lowest: float | None = None


@dataclass
class Waiting:
    """An order under way to the row on which it is filled or fails."""

    row: int
    signal_row: int
    side: str = ""
    units: int = 0
    rule: int = 0
    forced: bool = False


def enabled(buy: Text) -> frozenset[str]:
    """Return the indicators whose settings the buy text gives, all of them."""
    return frozenset(group for group, one in INDICATORS.items() if all(key in buy.indicator_keys for key, _ in one.keys))


class SymbolDay:
    """One symbol on one day of a run."""

    def __init__(self, rules: RuleSet, settings: Settings, day: Day, buy: Text, sell: Text, conditions: dict[str, Text]) -> None:
        self.settings, self.day = settings, day
        self.view = View(day, enabled(buy))
        self.money = Money(rules.market, settings.fees)
        self.futures = rules.market == "binance-futures"
        self.buy, self.sell, self.conditions = buy, sell, conditions
        self.attributes = Attributes({0: float(DEFAULT_WINDOW)} | rules.variables)
        self.auctions = self.money.krx and any(day.columns["ask1"])
        self.warm_up = self.attributes.vars[0]
        self.marked: dict[str, int] = {}
        self.position: Position | None = None
        self.waiting: Waiting | None = None
        self.trades: list[Trade] = []
        self.errors = 0

    def run(self) -> None:
        last = len(self.day.times) - 1
        for i in range(last + 1):
            self.mark(i)
            if self.waiting is not None:
                if i == self.waiting.row:
                    waiting, self.waiting = self.waiting, None
                    self.fill(waiting, i)
            elif self.codes_run(i):
                self.act(i)
            if i == last and self.position is not None:
                self.close(i, 0, forced=True)

    def codes_run(self, i: int) -> bool:
        """Say whether the codes run on this row: warm-up, time of day, and the auctions of KRX.

        Bars without any book trade, too (strategy-language §1.1 item 11): there an empty book says nothing.
        """
        columns = self.day.columns
        if i + 1 < self.warm_up or self.day.clock(i) < self.settings.start:
            return False
        return not (self.auctions and columns["bid_size5"][i] == 0 and columns["ask_size5"][i] == 0)

    def mark(self, i: int) -> None:
        for name, condition in self.conditions.items():
            try:
                if condition.value(lambda key: self.look_up(key, i, {})):
                    self.marked[name] = i
            except FAULTS:
                self.errors += 1

    def look_up(self, name: str, i: int, own: dict[str, Any]) -> Any:
        """Return what a name of a text means on row `i`."""
        if name in own:
            return own[name]
        if name in ("경과틱수", "rows_since"):
            return lambda condition: float(i - self.marked[condition]) if condition in self.marked else NEVER
        return self.view.value(name, i, self.position.signal_row if self.position else None)

    def position_values(self, i: int) -> dict[str, Any]:
        """Return the position variables of strategy-language §3.6 on row `i`, under both names."""
        held, price = self.position, self.day.columns["last_price"][i]
        values: dict[str, Any] = dict.fromkeys((name for name in POSITION if name != "매수시간"), 0.0)
        values |= {"포지션": None, "holding_seconds": 0.0}
        if held is not None:
            qty = held.units / UNIT
            pnl, pct = self.money.profit(held.amount, self.money.amount(price * qty), held.short, self.day.date)
            held.highest = pct if held.highest is None else max(held.highest, pct)
            held.lowest = pct if held.lowest is None else min(held.lowest, pct)
            average = self.money.price(held.raw_amount, qty)
            seconds = self.day.seconds(held.fill_row, i)
            values |= {
                "수익률": pct,
                "수익금": pnl,
                "최고수익률": held.highest,
                "최저수익률": held.lowest,
                "보유시간": float(seconds if self.day.interval_s == 1 else seconds // 60),
                "holding_seconds": float(seconds),
                "매수틱번호": float(held.signal_row),
                "매입가": average,
                "매수가": average,
                "매입금액": held.amount,
                "보유수량": qty,
                "매수시간": self.day.moment(held.fill_row),
                "분할매수횟수": 1.0,
                "포지션": "SHORT" if held.short else "LONG",
                "레버리지": 1.0,
                "매도수량": qty,
                "order_qty": qty,
            }
        return values | {alias: values[name] for name, alias in POSITION.items() if name in values}

    def act(self, i: int) -> None:
        """Run the code whose turn it is on row `i` and do what it says."""
        try:
            if self.position is not None:
                self.sell_row(i)
            elif self.day.columns["in_universe"][i] == 1:
                self.buy_row(i)
        except FAULTS:
            self.errors += 1

    def buy_row(self, i: int) -> None:
        price = self.day.columns["last_price"][i]
        units = self.money.units(self.settings.betting, price, self.day.qty_decimals)
        start = {"open_long": True, "open_short": True} if self.futures else {"buy": True}
        own = self.position_values(i) | {"매수수량": units / UNIT, "order_qty": units / UNIT}
        flags = self.buy.run(lambda key: self.look_up(key, i, own), self.attributes, start | {"force_exit": False})
        long, short = (flags["open_long"], flags["open_short"]) if self.futures else (flags["buy"], False)
        if units and (long or short):
            self.send(Waiting(self.arrival(i), i, "LONG" if long else "SHORT", units), i)

    def sell_row(self, i: int) -> None:
        assert self.position is not None
        own = self.position_values(i)
        start = {"close_long": False, "close_short": False} if self.futures else {"sell": False}
        flags = self.sell.run(lambda key: self.look_up(key, i, own), self.attributes, start | {"force_exit": False})
        wanted = flags["sell"] if not self.futures else flags["close_short" if self.position.short else "close_long"]
        if wanted:
            self.send(Waiting(self.arrival(i), i, rule=flags["_rule"], forced=bool(flags["force_exit"])), i)

    def arrival(self, i: int) -> int:
        """Return the row on which an order of row `i` reaches the book; one past the last when that is not today (fill-models, Delay)."""
        row, end = i + self.settings.latency, len(self.day.times)
        if self.settings.delay_ms and row < end:
            first = row
            while row < end and (row == first or self.day.seconds(first, row) < self.settings.delay_ms / 1000):
                row += 1
        return row

    def send(self, order: Waiting, i: int) -> None:
        if order.row == i:
            self.fill(order, i)
        else:
            self.waiting = order

    def fill(self, order: Waiting, i: int) -> None:
        if not order.side:
            self.close(i, order.rule, order.forced)
            return
        short = order.side == "SHORT"
        filled, amount = self.take(not short, self.settings.entry_levels, order.units, i)
        if filled == order.units:
            self.position = Position(short, filled, amount, self.money.amount(amount), order.signal_row, i)

    def take(self, asks: bool, levels: int, units: int, i: int) -> tuple[int, float]:
        """Return what the book of row `i` gives for an order of `units`."""
        columns = self.day.columns
        if self.settings.fill == "last":
            return units, columns["last_price"][i] * (units / UNIT)
        side = "ask" if asks else "bid"
        if self.settings.fill == "best":
            best = columns[f"{side}1"][i]
            return (units, best * (units / UNIT)) if best > 0 else (0, 0.0)
        book = [(columns[f"{side}{k}"][i], columns[f"{side}_size{k}"][i]) for k in range(1, levels + 1)]
        return sweep(book, units)

    def proceeds(self, asks: bool, levels: int, units: int, i: int, forced: bool) -> float | None:
        """Return what leaving `units` brings; None when the book has too little and nothing forces the sale."""
        filled, amount = self.take(asks, levels, units, i)
        if filled < units:
            if not forced:
                return None
            # Both quantities in units of 1e-8: the specification leaves open whether they are, and a last bit hangs on it.
            return amount * units / filled if filled else self.day.columns["last_price"][i] * (units / UNIT)
        return amount

    def close(self, i: int, rule: int, forced: bool) -> None:
        held = self.position
        assert held is not None
        amount = self.proceeds(held.short, self.settings.exit_levels, held.units, i, forced)
        if amount is None:
            return
        qty = held.units / UNIT
        closed = self.money.amount(amount)
        pnl, pct = self.money.profit(held.amount, closed, held.short, self.day.date)
        seconds = self.day.seconds(held.fill_row, i)
        trade = Trade(
            code=self.day.code,
            side="SHORT" if held.short else "LONG",
            entry_time=self.day.times[held.fill_row],
            exit_time=self.day.times[i],
            holding_time=seconds if self.day.interval_s == 1 else seconds // 60,
            qty=qty,
            entry_price=self.money.price(held.raw_amount, qty),
            exit_price=self.money.price(amount, qty),
            entry_amount=held.amount,
            exit_amount=closed,
            return_pct=pct,
            pnl=pnl,
            exit_rule=rule,
        )
        self.trades.append(trade)
        self.position = self.waiting = None


def symbol_day(rules: RuleSet, settings: Settings, day: Day, buy: Text, sell: Text, conditions: dict[str, Text]) -> SymbolDay:
    """Return a symbol's day, plain or under order settings."""
    if settings.orders is None:
        return SymbolDay(rules, settings, day, buy, sell, conditions)
    from tests.reference.managed import ManagedDay

    return ManagedDay(rules, settings, day, buy, sell, conditions, orders=settings.orders)


def run(rules: RuleSet, settings: Settings, days: list[Day]) -> tuple[list[Trade], int]:
    """Run a rule set on days that are already cut to the run's end; return the trades in their order and the errors met."""
    buy, sell = Text(rules.buy), Text(rules.sell)
    conditions = {name: Text(expression) for name, expression in rules.rows_since}
    trades: list[Trade] = []
    errors = 0
    for day in days:
        if not day.times:
            continue
        part = symbol_day(rules, settings, day, buy, sell, conditions)
        part.run()
        trades += part.trades
        errors += part.errors
    return sorted(trades, key=lambda trade: (trade.exit_time, trade.entry_time, trade.code)), errors

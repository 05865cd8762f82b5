"""The order-managed rules once more, in plain Python: one symbol's day after the other, as docs/decisions/0051 tells it.

It reads `OrderSettings` themselves, and shares with the engine neither a line of its loop nor its compiled rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from domain.instruments import Market
from domain.order_settings import OrderSettings
from tests.research import MadeRows, Reference, Row, _clock, _seconds, _take, due, rounded

SHARES = {
    "even": {1: [100], 2: [50, 50], 3: [33.33] * 3, 4: [25] * 4, 5: [20] * 5},
    "falling": {
        1: [100],
        2: [66.67, 33.33],
        3: [57.14, 28.57, 14.29],
        4: [53.33, 26.67, 13.33, 6.67],
        5: [51.61, 25.81, 12.90, 6.45, 3.23],
    },
}
SHARES["rising"] = {n: shares[::-1] for n, shares in SHARES["falling"].items()}


class Day:
    """One symbol's day.

    Parameters
    ----------
    buy, sell : callable
        As of `tests.research.reference_trades`.
    """

    def __init__(
        self,
        rows: MadeRows,
        market: Market,
        options: Reference,
        settings: OrderSettings,
        variables: list[float],
        buy: Callable[[Row], int],
        sell: Callable[[Row], tuple[int, bool]],
        columns: dict[str, list[float]],
        block: tuple[int, int, int, int],
    ) -> None:
        self.market, self.o, self.s, self.v = market, options, settings, variables
        self.buy_rule, self.sell_rule = buy, sell
        self.columns, self.times, self.interval_s = columns, rows.row_time.tolist(), rows.interval_s
        symbol, self.day, self.lo, hi = block
        self.code = rows.codes[symbol]
        self.rows = [i for i in range(self.lo, hi) if _clock(self.times[i], self.interval_s) <= options.end]
        instrument = rows.instruments[symbol] if rows.instruments else None
        self.own_step = instrument.price_step if instrument else 0.0
        self.least = max(market.min_notional, instrument.min_notional if instrument else 0.0)
        self.held: dict[str, Any] = {}
        self.order: dict[str, Any] = {}
        self.closed: list[float] = []
        self.last_fill = self.last_stop = -math.inf
        self.trades: list[tuple[Any, ...]] = []
        self.errors = 0

    # --- small things -----------------------------------------------------------------------------------

    def at(self, key: str, i: int) -> float:
        return self.columns[key][i]

    def tick(self, price: float, steps: int) -> float:
        """Move a price by steps, each of the band that it goes through."""
        for _ in range(abs(steps)):
            near = price if steps > 0 else price * (1 - 1e-12)
            step = self.own_step
            if not step:
                ladder = self.bands()
                step = next(size for lower, size in reversed(ladder) if near >= lower or lower == ladder[0][0])
            exact = Decimal(repr(step))
            count = round((price + step if steps > 0 else price - step) / step)
            if count <= 0:
                return price
            price = float(exact * count)
        return price

    def bands(self) -> list[tuple[float, float]]:
        import datetime as dt

        date = dt.date(self.day // 10_000, self.day // 100 % 100, self.day % 100)
        return [(one.lower, one.step) for one in self.market.ladder(date).steps]

    def is_round(self, price: float, steps: int, above: bool) -> bool:
        bands = self.bands()
        for (_, below), (border, step) in zip(bands[:-1], bands[1:], strict=True):
            if above and border <= price <= border + steps * step:
                return True
            if not above and border - steps * below <= price <= border:
                return True
        return False

    def whole(self, amount: float, price: float) -> int:
        """Units of an amount at a price."""
        if price <= 0 or amount <= 0:
            return 0
        return math.floor(amount / price * 10.0**self.o.qty_decimals) * 10 ** (8 - self.o.qty_decimals)

    def share(self, side: Any, done: int) -> float:
        return SHARES[side.split_method][side.splits][done] / 100.0

    def weight(self, i: int) -> float:
        w = self.s.weights
        if w.by == "off":
            return 1.0
        if w.by == "day_range":
            value = (self.at("day_high", i) / self.at("day_low", i) - 1) * 100
        elif w.by in ("change_angle", "value_angle"):
            key, scale = ("change_pct", self.market.angle_change) if w.by == "change_angle" else ("day_value", self.market.angle_value)
            value = 0.0
            if i - self.lo >= 29:
                value = rounded(math.degrees(math.atan2((self.at(key, i) - self.at(key, i - 29)) * scale, 30)), 2)
        else:
            raise NotImplementedError
        place = sum(value >= edge for edge in w.edges)
        return w.factors[place]

    def due(self, i: int) -> int:
        return due(self.o, self.times, self.interval_s, self.rows, i)

    def in_time(self, side: Any, seconds: int) -> bool:
        if not side.ban_time:
            return False
        begin, end = (int(text[:2]) * 3600 + int(text[2:4]) * 60 + int(text[4:]) for text in (side.ban_from, side.ban_to))
        return begin <= seconds < end if begin < end else not end <= seconds < begin

    def code_is_open(self, i: int) -> bool:
        entry, price = self.s.entry, self.at("last_price", i)
        if entry.ban_blacklist and self.code in entry.blacklist:
            return False
        if entry.ban_cheap and price <= 200:
            return False
        if self.in_time(entry, self.seconds(i)):
            return False
        return not (entry.ban_round and self.is_round(price, entry.ban_round_ticks, True))

    def entry_leaves(self, i: int) -> bool:
        entry, now = self.s.entry, self.seconds(i)
        if not self.held:
            if entry.ban_trades and len(self.closed) >= entry.ban_trades_count:
                return False
            if entry.ban_stops and sum(pnl < 0 for pnl in self.closed) >= entry.ban_stops_count:
                return False
        if entry.ban_interval and now - self.last_fill < entry.ban_interval_s:
            return False
        return not (entry.ban_stop_interval and now - self.last_stop < entry.ban_stop_interval_s)

    def exit_leaves(self, i: int) -> bool:
        leave, now, price = self.s.exit, self.seconds(i), self.at("last_price", i)
        if leave.ban_entries and self.held["ins"] <= leave.ban_entries_count:
            return False
        if leave.ban_interval and now - self.last_fill < leave.ban_interval_s:
            return False
        if self.in_time(leave, now):
            return False
        return not (leave.ban_round and self.is_round(price, leave.ban_round_ticks, False))

    def seconds(self, i: int) -> int:
        return _seconds(self.times[i], self.interval_s)

    def limit(self, side: Any, sign: int, i: int) -> float:
        base = side.limit_base
        if sign < 0:
            base = {"ask1": "bid1", "bid1": "ask1", "last": "last"}[base]
        price = self.at({"last": "last_price"}.get(base, base), i)
        return self.tick(price, sign * side.limit_ticks) if price > 0 else 0.0

    def ask_buy(self, i: int, position: dict[str, Any]) -> int:
        """Run the buy code: +1 long, −1 short, 0 nothing."""
        try:
            return (0, 1, -1)[self.buy_rule(Row(self.columns, self.lo, i, position, self.v))]
        except ArithmeticError:
            self.errors += 1
            return 0

    def ask_sell(self, i: int, position: dict[str, Any]) -> tuple[int, bool]:
        try:
            return self.sell_rule(Row(self.columns, self.lo, i, position, self.v))
        except ArithmeticError:
            self.errors += 1
            return 0, False

    # --- a row ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        for i in self.rows:
            if _clock(self.times[i], self.interval_s) >= self.o.start and i - self.lo + 1 >= int(self.v[0]):
                self.row(i)
            if i == self.rows[-1]:
                self.order = {}
                if self.held:
                    self.leave(i, {"units": self.held["units"], "rule": 0, "forced": True, "price": 0.0})

    def row(self, i: int) -> None:
        was_held, restless = bool(self.held), False
        if self.order:
            fill, busy, restless = self.under_way(i)
            if fill:
                (self.enter if fill["kind"] == "in" else self.leave)(i, fill)
            if busy:
                return
        if self.o.kind == "krx" and self.at("ask_size5", i) == 0 and self.at("bid_size5", i) == 0:
            return
        if was_held:
            self.holding(i, restless)
        elif self.order:
            if self.s.entry.cancel_on_signal and not restless and self.ask_sell(i, dict(EMPTY, sign=self.order["sign"]))[0]:
                self.order = {}
        elif not restless and self.at("in_universe", i) and self.code_is_open(i):
            amount = self.o.betting * self.weight(i)
            units = self.whole(amount * self.share(self.s.entry, 0), self.at("last_price", i))
            sign = self.ask_buy(i, {})
            if sign and units and self.entry_leaves(i):
                self.go_in(i, sign, units, amount)

    def under_way(self, i: int) -> tuple[dict[str, Any], bool, bool]:
        """Return (what is filled, whether no code runs, whether no entry may begin)."""
        order = self.order
        side = self.s.entry if order["kind"] == "in" else self.s.exit
        if i < order["due"] or (i == order["due"] and order["price"]):
            return {}, True, False
        if not order["price"]:
            self.order = {}
            return order, True, False
        buys = (order["sign"] > 0) == (order["kind"] == "in")
        minutes = self.interval_s != 1
        low, high = (self.at(key if minutes else "last_price", i) for key in ("bar_low", "bar_high"))
        if (low < order["price"]) if buys else (high > order["price"]):
            self.order = {}
            return order, True, False
        inside = bool(self.at("in_universe", i))
        before = i == self.lo or bool(self.at("in_universe", i - 1))
        by_list = (side.cancel_outside and not inside) if order["kind"] == "in" else (side.cancel_inside and inside and not before)
        if by_list or (side.cancel_late and self.seconds(i) - order["since"] >= side.cancel_s):
            self.order = {}
            return {}, False, True
        price = self.at("last_price", i)
        edge = self.tick(order["price"], side.replace_away if buys else -side.replace_away)
        if order["moves"] < side.replaces and (price >= edge if buys else price <= edge):
            new = self.tick(price, -side.replace_ticks if buys else side.replace_ticks)
            self.order = dict(order, price=new, moves=order["moves"] + 1, since=self.seconds(i), due=self.due(i))
            return {}, False, True
        return {}, False, False

    def holding(self, i: int, restless: bool) -> None:
        held, leave, price = self.held, self.s.exit, self.at("last_price", i)
        cost = rounded(held["open_raw"], self.o.money)
        pnl, pct = self.o.net(cost, rounded(price * (held["units"] / 1e8), self.o.money), held["sign"], self.day)
        held["pnl"], held["return_pct"] = pnl, pct
        held["max"], held["min"] = max(held.get("max", pct), pct), min(held.get("min", pct), pct)
        held["seconds"] = self.seconds(i) - self.seconds_of(held["time"])
        part = held["units"]
        if leave.splits > 1 and held["outs"] + 1 < leave.splits:
            part = min(part, self.whole(held["amount"] * self.share(leave, held["outs"]), held["price"]))
        unit = 10_000 if self.market.kind == "stock" else 1
        stopped = (leave.stop_rate and pct <= -leave.stop_rate_pct) or (leave.stop_money and pnl <= -leave.stop_money_amount * unit)
        rule, forced, wanted = (200, True, True) if stopped else (0, False, False)
        resting = self.order.get("kind")
        signal = 0
        if not stopped:
            signal, forced = self.ask_sell(i, held)
            forced = bool(signal) and forced
            rule, wanted = signal, forced
            if not forced and resting != "out":
                step = held["outs"] + 1
                down = leave.split_down and pct < -leave.split_down_pct * step
                up = leave.split_up and pct > leave.split_up_pct * step
                if signal and (leave.splits == 1 or leave.split_by_signal):
                    wanted = True
                elif leave.splits > 1 and (down or up):
                    rule, wanted = 100, True
                wanted = wanted and self.exit_leaves(i)
                if wanted and part < held["units"]:
                    wanted = part > 0 and part / 1e8 * price >= self.least
            if signal and not wanted and resting == "in" and self.s.entry.cancel_on_signal:
                self.order, restless = {}, True
        if wanted:
            self.go_out(i, held["units"] if forced else part, rule, forced)
        elif self.order.get("kind") == "out":
            if leave.cancel_on_signal and self.code_is_open(i) and self.ask_buy(i, held) == held["sign"]:
                self.order = {}
        elif not self.order and not restless:
            self.add(i)

    def add(self, i: int) -> None:
        held, entry, price = self.held, self.s.entry, self.at("last_price", i)
        if held["ins"] >= entry.splits or not self.code_is_open(i):
            return
        units = self.whole(held["amount"] * self.share(entry, held["ins"]), held["price"])
        change = held["return_pct"]
        if entry.split_from_last:
            change = rounded(held["sign"] * (price / held["base"] - 1) * 100, 2)
        due = (entry.split_down and change < -entry.split_down_pct) or (entry.split_up and change > entry.split_up_pct)
        if not due and entry.split_by_signal:
            due = self.ask_buy(i, held) == held["sign"]
        if due and self.entry_leaves(i):
            self.go_in(i, held["sign"], units, held["amount"])

    # --- orders and fills -----------------------------------------------------------------------------------

    def go_in(self, i: int, sign: int, units: int, amount: float) -> None:
        rests = self.s.entry.order == "limit"
        price = self.limit(self.s.entry, sign, i) if rests else 0.0
        worth = price if rests else self.at("last_price", i)
        if worth <= 0 or units <= 0 or units / 1e8 * worth < self.least:
            return
        order = {"kind": "in", "units": units, "sign": sign, "price": price, "due": self.due(i), "row": i, "amount": amount}
        self.send(i, dict(order, since=self.seconds(i), moves=0))

    def go_out(self, i: int, units: int, rule: int, forced: bool) -> None:
        rests = self.s.exit.order == "limit" and not forced
        price = self.limit(self.s.exit, self.held["sign"], i) if rests else 0.0
        if rests and price <= 0:
            return
        order = {"kind": "out", "units": units, "sign": self.held["sign"], "price": price, "due": self.due(i), "rule": rule}
        self.send(i, dict(order, since=self.seconds(i), moves=0, forced=forced))

    def send(self, i: int, order: dict[str, Any]) -> None:
        self.order = {}
        if order["price"] or order["due"] > i:
            self.order = order
        else:
            (self.enter if order["kind"] == "in" else self.leave)(i, order)

    def priced(self, i: int, side: str, levels: int, units: int) -> tuple[bool, float]:
        if self.o.fill == "last":
            return True, self.at("last_price", i) * (units / 1e8)
        got, amount = _take(self.columns, i, side, levels, units)
        if got < units:
            amount = amount * units / got if got else self.at("last_price", i) * (units / 1e8)
        return got == units, amount

    def part(self, i: int, side: str, levels: int, units: int) -> tuple[int, float]:
        """Return what the stated share of each level gives, in whole steps."""
        step = 10 ** (8 - self.o.qty_decimals)
        book = [
            (self.at(f"{side}{k}", i), int(round(self.at(f"{side}_size{k}", i) * 1e8) * self.o.level_share)) for k in range(1, levels + 1)
        ]
        there = sum(size for price, size in book if price)
        wanted, raw = min(units, there) // step * step, 0.0
        left = wanted
        for price, size in book:
            if price and size and left:
                raw += price * (min(size, left) / 1e8)
                left -= min(size, left)
        return wanted, raw

    def enter(self, i: int, order: dict[str, Any]) -> None:
        units, raw = order["units"], order["price"] * (order["units"] / 1e8)
        if not order["price"] and self.o.fill == "partial":
            units, raw = self.part(i, "ask" if order["sign"] > 0 else "bid", self.s.entry.levels, units)
            if not units:
                return
        elif not order["price"]:
            fits, raw = self.priced(i, "ask" if order["sign"] > 0 else "bid", self.s.entry.levels, units)
            if not fits:
                return
        held = self.held
        if not held:
            held = {"units": 0, "bought": 0, "ins": 0, "outs": 0, "entry_raw": 0.0, "exit_raw": 0.0, "open_raw": 0.0, "past": 0}
            held |= {"sign": order["sign"], "time": self.times[i], "amount": order["amount"]}
        held["units"] += units
        held["bought"] += units
        held["ins"] += 1
        held["entry_raw"] += raw
        held["open_raw"] += raw
        held["cost"] = rounded(held["open_raw"], self.o.money)
        held["price"] = rounded(held["open_raw"] / (held["units"] / 1e8), self.market.price_decimals)
        held["entry_row"], held["base"] = order["row"] - self.lo, self.at("last_price", order["row"])
        self.held, self.last_fill = held, self.seconds(i)

    def leave(self, i: int, order: dict[str, Any]) -> None:
        held, units, raw, fits = self.held, order["units"], order["price"] * (order["units"] / 1e8), True
        in_parts = self.o.fill == "partial" and not order["price"]
        if in_parts and i != self.rows[-1]:
            units, raw = self.part(i, "bid" if held["sign"] > 0 else "ask", self.s.exit.levels, units)
            if units < order["units"]:
                self.order = dict(order, units=order["units"] - units, due=i + 1, parts=order.get("parts", 0) + bool(units))
            if not units:
                return
        elif not order["price"]:
            fits, raw = self.priced(i, "bid" if held["sign"] > 0 else "ask", self.s.exit.levels, units)
            if not fits and not order["forced"] and not in_parts:
                return
        held["exit_raw"] += raw
        held["past"] |= not fits
        self.last_fill = self.seconds(i)
        if units < held["units"]:
            held["open_raw"] *= (held["units"] - units) / held["units"]
            held["units"] -= units
            held["outs"] += 1 if not order.get("parts") else 0
            return
        paid, got = rounded(held["entry_raw"], self.o.money), rounded(held["exit_raw"], self.o.money)
        pnl, pct = self.o.net(paid, got, held["sign"], self.day)
        self.closed.append(pnl)
        if pnl < 0:
            self.last_stop = self.seconds(i)
        qty = held["bought"] / 1e8
        prices = (rounded(raw / qty, self.market.price_decimals) for raw in (held["entry_raw"], held["exit_raw"]))
        seconds = self.seconds(i) - self.seconds_of(held["time"])
        self.trades.append(
            (self.code, held["sign"], held["time"], self.times[i], seconds // self.interval_s, qty, *prices, paid, got, pct, pnl)
            + (order["rule"], int(held["past"]))
        )
        self.held = {}

    def seconds_of(self, row_time: int) -> int:
        return _seconds(row_time, self.interval_s)


EMPTY = {"return_pct": 0.0, "pnl": 0.0, "max": 0.0, "min": 0.0, "seconds": 0, "price": 0.0, "cost": 0.0, "units": 0}
"""Position variables while there is none."""


def managed_trades(
    rows: MadeRows,
    market: Market,
    options: Reference,
    settings: OrderSettings,
    variables: list[float],
    buy: Callable[[Row], int],
    sell: Callable[[Row], tuple[int, bool]],
) -> tuple[list[tuple[Any, ...]], int]:
    """Return the trades as tuples in ROUND_TRIP_DTYPE order, sorted, and the number of errors."""
    columns = {key: column.tolist() for key, column in rows.columns.items()}
    trades, errors = [], 0
    for block in rows.blocks.tolist():
        day = Day(rows, market, options, settings, variables, buy, sell, columns, block)
        day.run()
        trades += day.trades
        errors += day.errors
    return sorted(trades, key=lambda one: (one[3], one[2], one[0])), errors

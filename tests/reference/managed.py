"""The order-managed replay: workstation §5.1–5.4 and §8.4, strategy-language §10.2–10.6, and decision 51 where these leave two readings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from tests.reference.numbers import UNIT, ladder, round_to, sweep
from tests.reference.replay import Position, SymbolDay, Trade
from tests.reference.text import FAULTS

STEP_RULE, STOP_RULE = 100, 200
SHARES = {
    "even": {1: (100.0,), 2: (50.0,) * 2, 3: (33.33,) * 3, 4: (25.0,) * 4, 5: (20.0,) * 5},
    "falling": {
        1: (100.0,),
        2: (66.67, 33.33),
        3: (57.14, 28.57, 14.29),
        4: (53.33, 26.67, 13.33, 6.67),
        5: (51.61, 25.81, 12.90, 6.45, 3.23),
    },
}
SHARES["rising"] = {n: shares[::-1] for n, shares in SHARES["falling"].items()}
LEAST = {"krx": 0.0, "upbit": 5_000.0, "binance": 5.0, "binance-futures": 5.0}
ROUND = (2_000.0, 5_000.0, 20_000.0, 50_000.0, 200_000.0, 500_000.0)
MEASURES = {"change_angle": "등락율각도", "value_angle": "당일거래대금각도"}


@dataclass
class Order:
    """An order under way: a market order on its way, or a limit that rests from row `row` on."""

    row: int
    signal_row: int
    is_exit: bool
    short: bool
    units: int
    rule: int = 0
    forced: bool = False
    limit: float = 0.0
    since: int = 0
    moved: int = 0
    parts: int = 0


@dataclass
class Whole:
    """What the trade on record sums up."""

    first_row: int
    units: int = 0
    entry: float = 0.0
    exit: float = 0.0
    amount: float = 0.0
    scale_out: int = 0


class ManagedDay(SymbolDay):
    """One symbol on one day under order settings."""

    def __init__(self, *arguments: Any, orders: Any) -> None:
        super().__init__(*arguments)
        self.orders = orders
        self.order: Order | None = None
        self.whole = Whole(0)
        self.entries = 0
        self.last_fill: int | None = None
        self.last_loss: int | None = None
        self.ladder = ladder(self.day.market, self.day.price_step, self.day.date)

    # ------------------------------------------------------------ the day

    def run(self) -> None:
        last = len(self.day.times) - 1
        for i in range(last + 1):
            self.mark(i)
            self.row(i)
            if i == last:
                self.order = None
                if self.position is not None:
                    self.leave_at_market(i, self.position.units, 0, forced=True)

    def row(self, i: int) -> None:
        held_before = self.position is not None
        free, may_enter = self.under_way(i)
        if not free or not self.codes_run(i):
            return
        if held_before:
            self.holding(i, may_enter)
        elif may_enter and self.order is not None:
            self.first_entry_rests(i)
        elif may_enter:
            self.flat(i)

    def under_way(self, i: int) -> tuple[bool, bool]:
        """Price, fill, cancel or move the order under way; say whether codes run and whether an entry may begin."""
        order = self.order
        if order is None:
            return True, True
        if i < order.row:
            return False, False
        if not order.limit:
            self.order = None
            self.execute(order, i)
            return False, False
        if i == order.row and order.row != order.since:
            return False, False
        if self.passed(order, i):
            self.order = None
            self.book(order, order.limit * (order.units / UNIT), i)
            return False, False
        if self.cancel_due(order, i):
            self.order = None
            return True, False
        if self.move_due(order, i):
            self.move(order, i)
            return True, False
        return True, True

    # ------------------------------------------------------------ limits

    def settings_of(self, order: Order) -> Any:
        return self.orders.exit if order.is_exit else self.orders.entry

    def buys(self, order: Order) -> bool:
        return order.short if order.is_exit else not order.short

    def passed(self, order: Order, i: int) -> bool:
        columns, minute = self.day.columns, self.day.interval_s == 60
        if self.buys(order):
            return columns["bar_low" if minute else "last_price"][i] < order.limit
        return columns["bar_high" if minute else "last_price"][i] > order.limit

    def cancel_due(self, order: Order, i: int) -> bool:
        inside = self.day.columns["in_universe"]
        settings = self.settings_of(order)
        if settings.cancel_late and self.day.seconds(order.since, i) >= settings.cancel_s:
            return True
        if order.is_exit:
            return bool(settings.cancel_inside and i and inside[i - 1] == 0 and inside[i] == 1)
        return bool(settings.cancel_outside and inside[i] == 0)

    def move_due(self, order: Order, i: int) -> bool:
        settings, price = self.settings_of(order), self.day.columns["last_price"][i]
        if order.moved >= settings.replaces:
            return False
        if self.buys(order):
            return price >= self.ladder.walk(order.limit, settings.replace_away)
        return price <= self.ladder.walk(order.limit, -settings.replace_away)

    def move(self, order: Order, i: int) -> None:
        settings, price = self.settings_of(order), self.day.columns["last_price"][i]
        ticks = -settings.replace_ticks if self.buys(order) else settings.replace_ticks
        order.limit = self.ladder.walk(price, ticks)
        order.moved += 1
        order.since, order.row = i, self.arrival(i)

    def limit_price(self, order: Order, i: int) -> float:
        """Return base ± N steps; what sells short or buys back is the mirror of it."""
        settings, columns = self.settings_of(order), self.day.columns
        base, ticks = settings.limit_base, settings.limit_ticks
        if order.short:
            base, ticks = {"ask1": "bid1", "bid1": "ask1"}.get(base, base), -ticks
        price = columns["last_price" if base == "last" else base][i]
        return self.ladder.walk(price, ticks) if price else 0.0

    # ------------------------------------------------------------ orders and fills

    def leave(self, order: Order, i: int) -> bool:
        """Send an order; say whether it left."""
        if not order.units:
            return False
        order.since = i
        rests = not order.forced and self.settings_of(order).order == "limit"
        if rests:
            order.limit = self.limit_price(order, i)
            if not order.limit:
                return False
        price = order.limit if rests else self.day.columns["last_price"][i]
        if not order.is_exit and order.units / UNIT * price < LEAST[self.day.market]:
            return False  # no venue takes it
        if rests:
            self.order = order
        elif order.row == i:
            self.order = None
            self.execute(order, i)
        else:
            self.order = order
        return True

    def execute(self, order: Order, i: int) -> None:
        """Fill a market order on the book of row `i`, or let it fail."""
        if order.is_exit:
            in_parts = self.settings.fill == "partial"
            if in_parts and i < len(self.day.times) - 1:
                self.leave_in_parts(order, i)
            else:
                self.leave_at_market(i, order.units, order.rule, order.forced or in_parts)
            return
        if self.settings.fill == "partial":
            order.units, amount = self.share_of(not order.short, self.orders.entry.levels, order.units, i)
            if order.units:
                self.book(order, amount, i)
            return
        filled, amount = self.take(not order.short, self.orders.entry.levels, order.units, i)
        if filled == order.units:
            self.book(order, amount, i)

    def share_of(self, asks: bool, levels: int, units: int, i: int) -> tuple[int, float]:
        """Return what our share of each level gives, in whole quantity steps (fill-models, Partial fills)."""
        columns, side = self.day.columns, "ask" if asks else "bid"
        book = []
        for k in range(1, levels + 1):
            size = math.floor(round(columns[f"{side}_size{k}"][i] * UNIT) * self.settings.level_share)
            book.append((columns[f"{side}{k}"][i], size / UNIT))
        filled, _ = sweep(book, units)
        step = 10 ** (8 - self.day.qty_decimals)
        return sweep(book, filled - filled % step)

    def leave_in_parts(self, order: Order, i: int) -> None:
        """Sell what our share gives; the rest is tried on the next row."""
        held = self.position
        assert held is not None
        filled, amount = self.share_of(held.short, self.orders.exit.levels, order.units, i)
        rest = order.units - filled
        if rest:
            self.order = replace(order, row=i + 1, units=rest, is_exit=True, parts=order.parts + (filled > 0))
        if filled:
            self.book(replace(order, units=filled, is_exit=True), amount, i)

    def leave_at_market(self, i: int, units: int, rule: int, forced: bool) -> None:
        held = self.position
        assert held is not None
        amount = self.proceeds(held.short, self.orders.exit.levels, units, i, forced)
        if amount is not None:
            self.book(Order(i, i, True, held.short, units, rule), amount, i)

    def book(self, order: Order, amount: float, i: int) -> None:
        """Enter a fill into position and trade."""
        self.last_fill = i
        if order.is_exit:
            self.book_exit(order, amount, i)
            return
        held = self.position
        if held is None:
            held = self.position = Position(order.short, 0, 0.0, 0.0, order.signal_row, i)
            self.whole, self.entries = Whole(i, amount=self.whole.amount), 0
        held.units += order.units
        held.raw_amount += amount
        held.amount = self.money.amount(held.raw_amount)
        held.signal_row = order.signal_row
        self.entries += 1
        self.whole.units += order.units
        self.whole.entry += amount

    def book_exit(self, order: Order, amount: float, i: int) -> None:
        held, whole = self.position, self.whole
        assert held is not None
        whole.exit += amount
        left = held.units - order.units
        if left:
            held.raw_amount *= left / held.units
            held.units = left
            held.amount = self.money.amount(held.raw_amount)
            whole.scale_out += order.parts == 0
            return
        entry, exit_ = self.money.amount(whole.entry), self.money.amount(whole.exit)
        pnl, pct = self.money.profit(entry, exit_, held.short, self.day.date)
        qty = whole.units / UNIT
        seconds = self.day.seconds(whole.first_row, i)
        trade = Trade(
            code=self.day.code,
            side="SHORT" if held.short else "LONG",
            entry_time=self.day.times[whole.first_row],
            exit_time=self.day.times[i],
            holding_time=seconds if self.day.interval_s == 1 else seconds // 60,
            qty=qty,
            entry_price=self.money.price(whole.entry, qty),
            exit_price=self.money.price(whole.exit, qty),
            entry_amount=entry,
            exit_amount=exit_,
            return_pct=pct,
            pnl=pnl,
            exit_rule=order.rule,
        )
        self.trades.append(trade)
        if pnl < 0:
            self.last_loss = i
        self.position = self.order = None

    # ------------------------------------------------------------ flat

    def flat(self, i: int) -> None:
        """Ask the buy code for a first entry."""
        if self.day.columns["in_universe"][i] != 1 or self.entry_banned(i):
            return
        amount = self.settings.betting * self.weight(i)
        units = self.sized(amount, 1, self.day.columns["last_price"][i])
        side = self.asked_to_buy(i, units)
        if side and not self.entry_refused(i):
            self.whole.amount = amount
            self.leave(Order(self.arrival(i), i, False, side == "SHORT", units), i)

    def first_entry_rests(self, i: int) -> None:
        """매수취소매도시그널: the sell code sees an empty position, of futures with the side of the order."""
        order = self.order
        assert order is not None
        if not self.orders.entry.cancel_on_signal:
            return
        own = self.position_values(i)
        if self.futures:
            own |= dict.fromkeys(("포지션", "position_side"), "SHORT" if order.short else "LONG")
        wanted, _rule, _forced = self.asked_to_sell(i, own, order.short)
        if wanted:
            self.order = None

    def asked_to_buy(self, i: int, units: int, own: dict[str, Any] | None = None) -> str:
        """Run the buy code; return the side it wants, empty when none."""
        start = {"open_long": True, "open_short": True} if self.futures else {"buy": True}
        own = (own or self.position_values(i)) | {"매수수량": units / UNIT, "order_qty": units / UNIT}
        try:
            flags = self.buy.run(lambda key: self.look_up(key, i, own), self.attributes, start | {"force_exit": False})
        except FAULTS:
            self.errors += 1
            return ""
        if self.futures:
            return "LONG" if flags["open_long"] else "SHORT" if flags["open_short"] else ""
        return "LONG" if flags["buy"] else ""

    def asked_to_sell(self, i: int, own: dict[str, Any], short: bool) -> tuple[bool, int, bool]:
        """Run the sell code; return whether it wants out, its rule and 강제청산."""
        start = {"close_long": False, "close_short": False} if self.futures else {"sell": False}
        try:
            flags = self.sell.run(lambda key: self.look_up(key, i, own), self.attributes, start | {"force_exit": False})
        except FAULTS:
            self.errors += 1
            return False, 0, False
        wanted = flags["sell"] if not self.futures else flags["close_short" if short else "close_long"]
        return bool(wanted), int(flags["_rule"]), bool(wanted and flags["force_exit"])

    def sized(self, amount: float, step: int, price: float) -> int:
        share = SHARES[self.orders.entry.split_method][self.orders.entry.splits][step - 1]
        return self.money.units(amount * share / 100, price, self.day.qty_decimals)

    def weight(self, i: int) -> float:
        weights, columns = self.orders.weights, self.day.columns
        if weights.by == "off":
            return 1.0
        if weights.by in MEASURES:
            value = self.view.value(MEASURES[weights.by], i, None)(30)
        elif weights.by == "day_range":
            value = (columns["day_high"][i] / columns["day_low"][i] - 1) * 100
        else:
            kept = {"volume_ratio": "volume_ratio_prev_day", "turnover": "turnover_rate", "same_time": "volume_ratio_same_time"}
            value = columns[kept[weights.by]][i]
        return weights.factors[sum(value >= edge for edge in weights.edges)]

    # ------------------------------------------------------------ holding

    def position_values(self, i: int) -> dict[str, Any]:
        values = super().position_values(i)
        if self.position is not None:
            values |= dict.fromkeys(("분할매수횟수", "scale_in_count"), float(self.entries))
            values |= dict.fromkeys(("분할매도횟수", "scale_out_count"), float(self.whole.scale_out))
        return values

    def holding(self, i: int, may_enter: bool) -> None:
        """Stop-loss, sell code, exit by step; when no exit leaves: cancels by signal, split entries."""
        held, entry, exit_ = self.position, self.orders.entry, self.orders.exit
        assert held is not None
        own, own_side = self.position_values(i), "SHORT" if held.short else "LONG"
        if self.stop_hit(own):
            self.exit(i, held.units, STOP_RULE, forced=True)
            return
        wanted, rule, forced = self.asked_to_sell(i, own, held.short)
        if forced:
            self.exit(i, held.units, rule, forced=True)
            return
        resting_exit = self.order is not None and self.order.is_exit
        banned = self.exit_banned(i)
        if not resting_exit and not banned:
            if wanted and (exit_.splits == 1 or exit_.split_by_signal) and self.exit(i, self.part(own, i), rule):
                return
            if self.step_due(own) and self.exit(i, self.part(own, i), STEP_RULE):
                return
        if resting_exit:
            # A signal of the position's own side, and only where no ban keeps the buy code from running.
            if exit_.cancel_on_signal and not self.entry_banned(i) and self.asked_to_buy(i, 0, own) == own_side:
                self.order = None
            return
        if self.order is not None:
            if entry.cancel_on_signal and wanted:
                self.order = None
            return
        if may_enter:
            self.add(i, own, own_side)

    def exit(self, i: int, units: int, rule: int, forced: bool = False) -> bool:
        """Send an exit; it takes whatever rests out of the book."""
        held = self.position
        assert held is not None
        if not units:
            return False
        self.order = None
        return self.leave(Order(self.arrival(i), i, True, held.short, units, rule, forced), i)

    def part(self, own: dict[str, Any], i: int) -> int:
        """Return the units of the next exit: everything, or a share of the amount."""
        held, exit_ = self.position, self.orders.exit
        assert held is not None
        step = self.whole.scale_out + 1
        if exit_.splits == 1 or step >= exit_.splits:
            return held.units
        share = SHARES[exit_.split_method][exit_.splits][step - 1]
        units = min(self.money.units(self.whole.amount * share / 100, own["매입가"], self.day.qty_decimals), held.units)
        worth = self.day.columns["last_price"][i] * (units / UNIT)
        # The least amount is about a part; all that is left may go.
        return units if worth >= LEAST[self.day.market] or units == held.units else 0

    def stop_hit(self, own: dict[str, Any]) -> bool:
        exit_ = self.orders.exit
        loss = exit_.stop_money_amount * (10_000 if self.money.krx else 1)
        return bool((exit_.stop_rate and own["수익률"] <= -exit_.stop_rate_pct) or (exit_.stop_money and own["수익금"] <= -loss))

    def step_due(self, own: dict[str, Any]) -> bool:
        exit_ = self.orders.exit
        if exit_.splits == 1:
            return False
        k = self.whole.scale_out + 1
        return bool(
            (exit_.split_down and own["수익률"] < -exit_.split_down_pct * k) or (exit_.split_up and own["수익률"] > exit_.split_up_pct * k)
        )

    def add(self, i: int, own: dict[str, Any], own_side: str) -> None:
        """Split entries: by return step, else by signal of the position's own side."""
        held, entry = self.position, self.orders.entry
        assert held is not None
        if self.entries >= entry.splits or self.entry_banned(i):
            return
        units = self.sized(self.whole.amount, self.entries + 1, own["매입가"])
        gain = own["수익률"]
        if entry.split_from_last:
            before = self.day.columns["last_price"][held.signal_row]
            gain = round_to((self.day.columns["last_price"][i] / before - 1) * 100 * (-1 if held.short else 1), 2)
        due = (entry.split_down and gain < -entry.split_down_pct) or (entry.split_up and gain > entry.split_up_pct)
        if not due and (not entry.split_by_signal or self.asked_to_buy(i, units, own) != own_side):
            return
        if not self.entry_refused(i):
            self.leave(Order(self.arrival(i), i, False, held.short, units), i)

    # ------------------------------------------------------------ bans

    def entry_banned(self, i: int) -> bool:
        """Say whether a ban keeps the buy code from running."""
        entry, price = self.orders.entry, self.day.columns["last_price"][i]
        above = [(figure, self.ladder.walk(figure, entry.ban_round_ticks)) for figure in ROUND] if entry.ban_round else []
        return bool(
            (entry.ban_blacklist and self.day.code in entry.blacklist)
            or (entry.ban_cheap and price <= 200)
            or any(low <= price <= high for low, high in above)
            or (entry.ban_time and self.within(i, entry.ban_from, entry.ban_to))
        )

    def entry_refused(self, i: int) -> bool:
        entry = self.orders.entry
        losses = sum(trade.pnl < 0 for trade in self.trades)
        return bool(
            (entry.ban_trades and len(self.trades) >= entry.ban_trades_count)
            or (entry.ban_stops and losses >= entry.ban_stops_count)
            or (entry.ban_interval and self.soon(self.last_fill, i, entry.ban_interval_s))
            or (entry.ban_stop_interval and self.soon(self.last_loss, i, entry.ban_stop_interval_s))
        )

    def exit_banned(self, i: int) -> bool:
        exit_, price = self.orders.exit, self.day.columns["last_price"][i]
        below = [(self.ladder.walk(figure, -exit_.ban_round_ticks), figure) for figure in ROUND] if exit_.ban_round else []
        return bool(
            (exit_.ban_entries and self.entries <= exit_.ban_entries_count)
            or any(low <= price <= high for low, high in below)
            or (exit_.ban_time and self.within(i, exit_.ban_from, exit_.ban_to))
            or (exit_.ban_interval and self.soon(self.last_fill, i, exit_.ban_interval_s))
        )

    def soon(self, row: int | None, i: int, seconds: float) -> bool:
        return row is not None and self.day.seconds(row, i) < seconds

    def within(self, i: int, first: str, last: str) -> bool:
        """Say whether a row's time of day is in a window; its end is not, and it may pass midnight."""
        clock, begin, end = self.day.clock(i), int(first), int(last)
        return begin <= clock < end if begin < end else clock >= begin or clock < end

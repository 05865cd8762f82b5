"""A scripted far side of the window: real domain messages from the real made market and row builder.

No sockets and no processes; orders follow a short script and fill at the book's own prices with the
arithmetic of `trading/positions`, so that every figure on the screen hangs together.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np

from coin.markets import UPBIT
from domain import messages as m
from domain.instruments import NS, QTY_UNIT, Balance, Market
from domain.orders import Action, Fill, Intent, Order, OrderKind, OrderStatus, TimeInForce
from domain.records import EVENT_DTYPE, TRADE, row_schema
from paper.made import MadeMarket
from trading.positions import PositionBook, PositionView
from trading.rows import RowBuilder

START_NS = int(dt.datetime(2026, 11, 20, 5, 0, tzinfo=dt.UTC).timestamp()) * NS
BOOK_DEPTH = 15


class MadeFeed:
    """The messages of one made market and a scripted trader.

    `advance(seconds)` returns what a receiver and a trader would have said meanwhile.
    """

    def __init__(self, market: Market = UPBIT, seed: int = 7, start_ns: int = START_NS, trades: bool = True) -> None:
        self.market = market
        self.made = MadeMarket(market, market.made_codes, seed, start_ns)
        self.builder = RowBuilder(market, 1, self.made.instruments)
        self.now_ns = start_ns
        self.watched = 0
        self.trades = trades
        self.counts = dict.fromkeys(("frames", "events", "rows"), 0)
        self.book = PositionBook(market, 1, self.made.instruments)
        self.cash = market.paper_cash
        self.orders = 0
        self.trips = 0
        self.row_time = 0
        self.prices = np.zeros(len(self.made.instruments))
        self.open: dict[str, Order] = {}
        self.entered: dict[int, float] = {}
        self.seconds = 0.0
        self._turn = -1
        self.halted = ""

    def table(self) -> m.InstrumentTable:
        return m.InstrumentTable(market=self.market.code, instruments=tuple(self.made.instruments))

    def advance(self, seconds: float) -> list[m.Message]:
        """Let `seconds` of market time pass, a minute at a time."""
        out: list[m.Message] = []
        left = seconds
        while left > 0:
            span = min(left, 20)
            left -= span
            out += self._span(span)
        out += [self.book_view(), self.feed_state(), self.account()]
        return out

    def _span(self, span: float) -> list[m.Message]:
        self.now_ns += round(span * NS)
        self.seconds += span
        out: list[m.Message] = []
        events = self.made.advance(self.now_ns)
        rows = self.builder.push(events)
        self.counts["frames"] += len(events) // 20
        self.counts["events"] += len(events)
        self.counts["rows"] += len(rows)
        trades = events[(events["kind"] == TRADE)][-400:]
        out.append(m.Events(market=self.market.code, count=len(trades), data=trades.astype(EVENT_DTYPE).tobytes()))
        if len(rows):
            out.append(m.Rows(market=self.market.code, interval_s=1, count=len(rows), data=rows.tobytes()))
            self.row_time = int(rows["row_time"][-1])
            column = row_schema(self.market.kind, 1).index("last_price")
            for row in rows:
                self.prices[row["instrument"]] = row["values"][column]
        if self.trades:
            out += self._script()
        return out

    # --- the script --------------------------------------------------------------------------------

    def _script(self) -> list[m.Message]:
        out: list[m.Message] = []
        count = len(self.made.instruments)
        turn = int(self.seconds // 20)
        if turn == self._turn:
            return out
        self._turn = turn
        for index in list(self.entered):
            if self.seconds - self.entered[index] >= 100 + 40 * (index % 4):
                out += self.trade(index, -1, Action.EXIT, "수익률 >= 2 or 수익률 <= -1")
        if turn % 3 == 1:
            index = (turn * 7) % count
            if index not in self.entered:
                out += self.trade(index, 1, Action.ENTRY, "")
        if turn % 11 == 5:
            out += self.rest((turn * 3) % count)
        if turn % 11 == 10 and self.open:
            key = next(iter(self.open))
            out.append(self.end(key, OrderStatus.CANCELED))
        return out

    def trade(self, index: int, side: int, action: Action, label: str) -> list[m.Message]:
        """Fill a market order on the present book, level by level."""
        instrument = self.made.instruments[index]
        asks, bids = self.builder.book(index, BOOK_DEPTH)
        levels = asks if side > 0 else bids
        price = levels[0, 0]
        held = self.book.view(instrument.instrument_id).qty
        qty = int(self.market.default_betting / price * QTY_UNIT) if side > 0 else held
        order = self._order(index, side, qty, OrderKind.MARKET, None, action, label)
        out: list[m.Message] = []
        left = qty
        for level_price, level_qty in levels:
            take = min(left, int(level_qty))
            if take <= 0:
                break
            left -= take
            out += self._fill(index, order, take, level_price)
            order = self.open.get(order.client_order_id, order)
        final = msgspec.structs.replace(order, status=OrderStatus.FILLED, cum_qty=qty - left)
        self.open.pop(final.client_order_id, None)
        out.append(m.OrderUpdate(outbox_seq=self.orders, order=final))
        if side > 0:
            self.entered[index] = self.seconds
        else:
            self.entered.pop(index, None)
        return out

    def rest(self, index: int) -> list[m.Message]:
        """Leave a limit order some steps below the market."""
        asks, bids = self.builder.book(index, BOOK_DEPTH)
        price = bids[min(6, len(bids) - 1), 0]
        qty = int(self.market.default_betting / price * QTY_UNIT)
        order = self._order(index, 1, qty, OrderKind.LIMIT, Decimal(f"{price:g}"), Action.ENTRY, "")
        order = msgspec.structs.replace(order, status=OrderStatus.ACCEPTED)
        self.open[order.client_order_id] = order
        return [m.OrderUpdate(outbox_seq=self.orders, order=order)]

    def end(self, key: str, status: OrderStatus) -> m.OrderUpdate:
        """End a resting order."""
        order = msgspec.structs.replace(self.open.pop(key), status=status)
        return m.OrderUpdate(outbox_seq=self.orders, order=order)

    def _order(self, index: int, side: int, qty: int, kind: OrderKind, price: Decimal | None, action: Action, label: str) -> Order:
        self.orders += 1
        intent = f"made{self.orders:022d}"
        return Order(
            client_order_id=f"{intent}-1",
            intent_id=intent,
            account=f"{self.market.code}-paper",
            instrument_id=self.made.instruments[index].instrument_id,
            side=side,
            qty=qty,
            kind=kind,
            time_in_force=TimeInForce.GTC if kind is OrderKind.LIMIT else TimeInForce.IOC,
            price=price,
            action=action,
            status=OrderStatus.SUBMITTED,
            created_ns=self.now_ns,
            updated_ns=self.now_ns,
            row_time=self.row_time,
            label=label,
        )

    def _fill(self, index: int, order: Order, qty: int, price: float) -> list[m.Message]:
        instrument = self.made.instruments[index]
        amount = Decimal(f"{price:.8f}") * qty / QTY_UNIT
        fee = (amount * self.market.fees[0].fee_ppm / 1_000_000).quantize(Decimal("0.0001"))
        self.cash += -order.side * float(amount) - float(fee)
        fill = Fill(
            fill_key=f"{order.client_order_id}#{price}",
            client_order_id=order.client_order_id,
            venue_order_id=str(self.orders),
            instrument_id=instrument.instrument_id,
            side=order.side,
            qty=qty,
            price=Decimal(f"{price:.8f}").normalize(),
            fee=fee,
            fee_asset=self.market.currency,
            exchange_ns=self.now_ns,
        )
        view, trip = self.book.apply(fill, self.row_time, rule=1)
        self.open[order.client_order_id] = msgspec.structs.replace(
            order, cum_qty=order.cum_qty + qty, cum_amount=order.cum_amount + amount, status=OrderStatus.PARTIALLY_FILLED
        )
        out: list[m.Message] = [m.FillUpdate(outbox_seq=self.orders, fill=fill, position=position_state(view))]
        if trip is not None:
            self.trips += 1
            out.append(m.RoundTripState(seq=self.trips, code=instrument.code, label=order.label, data=trip.tobytes()))
        return out

    # --- pictures ------------------------------------------------------------------------------------

    def book_view(self) -> m.BookView:
        asks, bids = self.builder.book(self.watched, BOOK_DEPTH)
        ask_total, bid_total = self.builder.totals(self.watched)
        return m.BookView(
            market=self.market.code,
            instrument=self.watched,
            exchange_ns=self.now_ns,
            asks=tuple((float(p), int(q)) for p, q in asks),
            bids=tuple((float(p), int(q)) for p, q in bids),
            ask_total=ask_total,
            bid_total=bid_total,
        )

    def feed_state(self) -> m.FeedState:
        return m.FeedState(
            market=self.market.code,
            state="connected",
            rejected={},
            duplicates=0,
            gaps=0,
            **self.counts,
        )

    def account(self, **changes: Any) -> m.AccountState:
        value = sum(view.qty / QTY_UNIT * self.prices[self._index(view)] for view in self.book.views())
        unrealised = sum(
            self.book.open_profit(view.instrument_id, self.prices[self._index(view)], 20261120)[0] for view in self.book.views()
        )
        realised = sum(self.book.view(one.instrument_id).realised for one in self.made.instruments)
        bases = [(self.made.instruments[self._index(view)].base, view.qty) for view in self.book.views()]
        held = [Balance(asset=base, free=Decimal(qty) / QTY_UNIT, locked=Decimal(0)) for base, qty in bases]
        state = m.AccountState(
            account=f"{self.market.code}-paper",
            market=self.market.code,
            currency=self.market.currency,
            state="ready",
            trading_state="halted" if self.halted else "active",
            reason=self.halted,
            balances=(Balance(asset=self.market.currency, free=Decimal(round(self.cash)), locked=Decimal(0)), *held),
            cash=self.cash,
            equity=self.cash + value,
            realised=realised,
            unrealised=unrealised,
            day_base=self.market.paper_cash,
            in_doubt=0,
            open_orders=len(self.open),
            refusals={"repeat": 2, "cash": 1},
            epoch=1,
        )
        return msgspec.structs.replace(state, **changes)

    def _index(self, view: PositionView) -> int:
        return self.book.ids.index(view.instrument_id)


def position_state(view: PositionView) -> m.PositionState:
    """Return a position as the trader tells it."""
    return m.PositionState(
        instrument_id=view.instrument_id,
        qty=view.qty * view.sign,
        entry_price=view.entry_price,
        entry_cost=view.entry_cost,
        entry_time=view.entry_time,
        entry_row_time=view.entry_row_time,
        realised=view.realised,
        exit_amount=view.exit_amount,
    )


class ScriptedSupervisor:
    """What the bridge sees of a Supervisor: the same calls, a made feed behind them."""

    is_viewer = is_over = False

    def __init__(self, history_s: int = 60, step_s: float = 1.0) -> None:
        self.feeds: dict[str, MadeFeed] = {}
        self.markets: dict[str, Any] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.heard: list[tuple[str, m.Message]] = []
        self.history_s, self.step_s = history_s, step_s
        self.settings: Any = None
        self.closed = False

    def start_market(self, options: Any) -> Any:
        from coin.markets import MARKETS

        market = next(one for one in MARKETS if one.code == options.market)
        feed = self.feeds[options.market] = MadeFeed(market)
        self.markets[options.market] = SimpleNamespace(market=market, options=options)
        self.asked.append(("start", options.market, options.strategy.name if options.strategy else ""))
        self.heard += [(options.market, message) for message in (feed.table(), *feed.advance(self.history_s), *self._log(options))]
        return self.markets[options.market]

    @staticmethod
    def _log(options: Any) -> list[m.Message]:
        """What main hears of the processes of a fresh start, and a refusal of the gateway as the trader logs it."""
        code = options.market
        hello: list[m.Message] = [
            m.Hello(role=role, market=code, pid=4_100 + i, build="0.1.0+test", schema=1, addresses={})
            for i, role in enumerate(("exchange", "receiver", "trader", "strategy"))
        ]
        texts = ((30, "trading.gateway", "event=refused rule=repeat limit=3 observed=4"), (40, "trading.receiver", "event=gap stream=book"))
        return [*hello, *(m.LogRecord(level=level, logger=name, created=START_NS / 1e9, text=text) for level, name, text in texts)]

    def stop_market(self, code: str) -> None:
        self.asked.append(("stop", code))
        del self.feeds[code], self.markets[code]

    def change_strategy(self, code: str, strategy: Any) -> None:
        self.asked.append(("strategy", code, strategy.name))

    def submit(self, code: str, intent: Intent) -> None:
        self.asked.append(("submit", code, intent))

    def command(self, code: str, slot: str, name: str, /, **args: Any) -> int:
        self.asked.append((name, code, slot, args))
        if name == "watch":
            feed = self.feeds[code]
            feed.watched = [one.code for one in feed.made.instruments].index(args["code"])
            self.heard.append((code, feed.book_view()))
        return len(self.asked)

    def kill(self, level: str, actor: str = "person", reason: str = "") -> None:
        self.asked.append(("kill", level))
        for code, feed in self.feeds.items():
            feed.halted = level
            self.heard.append((code, feed.account()))

    def children(self) -> list[Any]:
        import time

        roles = ("exchange", "receiver", "strategy", "trader")
        return [
            SimpleNamespace(
                name=f"{code}.{role}",
                role=role,
                is_ready=True,
                is_running=lambda: True,
                failure="",
                restarts=0,
                rss_mb=80.0,
                heard_s=time.monotonic(),
                counters={},
            )
            for code in self.feeds
            for role in roles
        ]

    def poll(self, timeout_ms: int) -> list[tuple[str, m.Message]]:
        import time

        time.sleep(timeout_ms / 1000)
        for code, feed in self.feeds.items():
            self.heard += [(code, message) for message in feed.advance(self.step_s)]
        heard, self.heard = self.heard, []
        return heard

    def close(self) -> None:
        self.closed = True

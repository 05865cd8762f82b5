"""Everything the window knows of one market, fed with batches of messages from the bridge.

A batch was conflated by the bridge already; each message type has one method here. Signals say what
changed, once per batch, so that a view repaints once.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

import numpy as np
from PyQt5.QtCore import QObject, pyqtSignal

from domain import messages as m
from domain.instruments import NS, QTY_UNIT, Instrument, Market
from domain.orders import TERMINAL, Fill, qty_text
from domain.records import EVENT_DTYPE, ROUND_TRIP_DTYPE, TRADE, row_schema
from ui.models.bars import Forming
from ui.models.records import Records
from ui.models.series import ROWS_MAX, RowSeries
from ui.models.trading import (
    FILL_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    TRADE_COLUMNS,
    FillRecord,
    OrderRecord,
    PositionRecord,
    RoundTripRecord,
)
from ui.models.valuation import valued
from ui.models.watchlist import Watch, WatchModel

log = logging.getLogger(__name__)

TRADES_KEPT = 60
CELLS_MAX = 40_000_000
"""Bound of all row series of a market together, in cells of eight bytes."""


class Mark:
    """A buy or sell mark on a chart."""

    __slots__ = ("price", "side", "time_ns")

    def __init__(self, time_ns: int, price: float, side: int) -> None:
        self.time_ns, self.price, self.side = time_ns, price, side


class Touched:
    """What a batch changed, told once at its end."""

    def __init__(self) -> None:
        self.rows: set[int] = set()
        self.bars: set[int] = set()
        self.prints: set[int] = set()
        self.books: set[int] = set()
        self.marks: set[int] = set()
        self.positions: set[int] = set()
        self.watched: set[int] = set()
        self.orders: list[m.OrderUpdate] = []
        self.fills: dict[str, FillRecord] = {}
        self.held: dict[str, m.PositionState] = {}
        self.trips: list[tuple[int, RoundTripRecord]] = []
        self.account = False
        self.feed = False


class MarketState(QObject):
    """State of one market: instruments, rows, books, prints, orders, fills, positions, account, feed."""

    instruments_changed = pyqtSignal()
    rows_changed = pyqtSignal(object)  # set of instrument indices
    bars_changed = pyqtSignal(int)  # without a row: history came, or the forming bar moved
    book_changed = pyqtSignal(int)
    prints_changed = pyqtSignal(int)
    marks_changed = pyqtSignal(int)
    orders_changed = pyqtSignal()
    account_changed = pyqtSignal()
    feed_changed = pyqtSignal()
    health_changed = pyqtSignal()
    refused = pyqtSignal(object)  # IntentAck

    def __init__(self, market: Market, interval_s: int = 1, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.market = market
        self.schema = row_schema(market.kind, interval_s)
        self.instruments: tuple[Instrument, ...] = ()
        self.index_of: dict[str, int] = {}
        self._of_asset: dict[str, list[int]] = {}
        self.rows: dict[int, RowSeries] = {}
        self.books: dict[int, m.BookView] = {}
        self.prints: dict[int, deque[tuple[int, float, float, int]]] = {}
        self.marks: dict[int, list[Mark]] = {}
        self.watch = WatchModel(self)
        self.orders = Records(ORDER_COLUMNS, self, limit=2_000)
        self.open_orders = Records(ORDER_COLUMNS, self)
        self.fills = Records(FILL_COLUMNS, self, limit=5_000)
        self.positions = Records(POSITION_COLUMNS, self)
        self.trades = Records(TRADE_COLUMNS, self, limit=5_000)
        self.account: m.AccountState | None = None  # at the prices of the positions table
        self._told: m.AccountState | None = None  # as the trader told it
        self.feed: m.FeedState | None = None
        self.gaps: deque[m.GapMark] = deque(maxlen=200)
        self.health: dict[str, dict[str, float]] = {}
        self.row_times: dict[int, int] = {}
        self.trade_totals = [0, 0, 0.0]  # closed trades, winners, sum of profit
        self._profit: Any = None
        self._newest_trip = 0

    # --- entry ------------------------------------------------------------------------------------

    def apply(self, batch: list[m.Message]) -> None:
        """Take one conflated batch; what this model does not show is left alone."""
        touched = Touched()
        for message in batch:
            take = _TAKES.get(type(message))
            if take is not None:
                take(self, message, touched)
        self._take(touched)
        self._say(touched)

    def _take(self, touched: Touched) -> None:
        """Bring the records up to date, each list of them once."""
        if touched.orders:
            self._orders(touched.orders)
        if touched.rows:
            self._watch(touched.rows)
        self.watch.touch(touched.rows | touched.watched)
        if touched.held:
            self._positions(list(touched.held.values()))
        self._value_positions(touched.rows | touched.positions)
        if touched.account or touched.held or touched.rows:
            touched.account |= self._value_account()
        if touched.fills:
            self.fills.upsert(touched.fills.items())
        if touched.trips:
            self.trades.upsert(touched.trips)

    def _say(self, touched: Touched) -> None:
        """Tell the views what changed."""
        if touched.rows:
            self.rows_changed.emit(touched.rows)
        if touched.account:
            self.account_changed.emit()
        if touched.feed:
            self.feed_changed.emit()
        for signal, indices in (
            (self.bars_changed, touched.bars - touched.rows),
            (self.book_changed, touched.books),
            (self.prints_changed, touched.prints),
            (self.marks_changed, touched.marks),
        ):
            for index in indices:
                signal.emit(index)

    def beat(self, role: str, counters: dict[str, float]) -> None:
        """Take a process's heartbeat counters."""
        self.health[role] = counters
        self.health_changed.emit()

    def begin(self) -> None:
        """Forget orders and trades: the market is started, and its trader will tell what counts today."""
        for records in (self.orders, self.open_orders, self.fills, self.positions, self.trades):
            records.clear()
        for index in list(self.marks):
            del self.marks[index]
            self.marks_changed.emit(index)
        for index in range(len(self.instruments)):
            self.watch.record(index).held = 0
        self.watch.touch(range(len(self.instruments)))
        self.account = self._told = None
        self.trade_totals, self._newest_trip = [0, 0, 0.0], 0
        self.account_changed.emit()

    def use_profit(self, profit: Any) -> None:
        """Take the money arithmetic (`trading/positions.profit_at` with the market's numbers), loaded after the window is up."""
        self._profit = profit
        self._value_positions(range(len(self.instruments)))
        if self._value_account():
            self.account_changed.emit()

    def _book(self, message: m.BookView, touched: Touched) -> None:
        self.books[message.instrument] = message
        touched.books.add(message.instrument)

    def _account(self, message: m.AccountState, touched: Touched) -> None:
        self._told = message
        touched.account = True

    def _feed(self, message: m.FeedState, touched: Touched) -> None:
        self.feed = message
        touched.feed = True

    def _ack(self, message: m.IntentAck) -> None:
        if not message.accepted:
            self.refused.emit(message)

    # --- market -------------------------------------------------------------------------------------

    def _instruments(self, message: m.InstrumentTable) -> None:
        if message.instruments == self.instruments:
            return
        self.instruments = message.instruments
        self.index_of = {one.instrument_id: i for i, one in enumerate(message.instruments)}
        self._of_asset = {}
        for i, one in enumerate(message.instruments):
            self._of_asset.setdefault(one.base or one.instrument_id.partition(":")[2], []).append(i)
        known = self.watch.count
        self.watch.upsert((i, Watch(i, one, self.market)) for i, one in enumerate(message.instruments) if i >= known)
        self.instruments_changed.emit()

    def series(self, index: int) -> RowSeries:
        """Return the rows of an instrument; empty ones before its first row."""
        made = self.rows.get(index)
        if made is None:
            each = CELLS_MAX // (max(len(self.instruments), 1) * len(self.schema.columns))
            made = self.rows[index] = RowSeries(self.schema, min(ROWS_MAX, each))
        return made

    def _rows(self, message: m.Rows) -> set[int]:
        if message.interval_s != self.schema.interval_s:
            self._change_interval(message.interval_s)
        rows = np.frombuffer(message.data, self.schema.dtype())
        touched = set()
        for index in np.unique(rows["instrument"]).tolist():
            own = rows[rows["instrument"] == index]
            self.series(index).append(own)
            self.row_times[index] = int(own["row_time"][-1])
            touched.add(index)
        return touched

    def _change_interval(self, interval_s: int) -> None:
        self.schema = row_schema(self.market.kind, interval_s)
        self.rows.clear()

    def _watch(self, touched: set[int]) -> None:
        for index in touched:
            record = self.watch.record(index)
            if record is not None and len(self.series(index)):
                record.take(self.series(index))

    def _history(self, message: m.Bars, touched: Touched) -> None:
        bars = np.frombuffer(message.data, np.float64).reshape(-1, 7)
        if message.instrument < len(self.instruments):
            self.series(message.instrument).precede(message.interval_s, bars)
            touched.bars.add(message.instrument)

    def _live_bar(self, message: m.LiveBar, touched: Touched) -> None:
        if message.interval_s != self.schema.interval_s or message.instrument >= len(self.instruments):
            return
        rows = self.series(message.instrument)
        rows.form(
            Forming(message.start_ns, message.open, message.high, message.low, message.close, message.buy_volume, message.sell_volume)
        )
        touched.bars.add(message.instrument)

    def _events(self, message: m.Events) -> set[int]:
        events = np.frombuffer(message.data, EVENT_DTYPE)
        events = events[events["kind"] == TRADE]
        touched = set()
        for event in events:
            index = int(event["instrument"])
            prints = self.prints.setdefault(index, deque(maxlen=TRADES_KEPT))
            prints.appendleft((int(event["exchange_ns"]), float(event["price"]), int(event["qty"]) / QTY_UNIT, int(event["side"])))
            touched.add(index)
        return touched

    def _gap(self, message: m.GapMark, touched: Touched) -> None:
        self.gaps.append(message)
        record = self.watch.record(message.instrument)
        if record is not None:
            record.gap = message.state != "backfilled"
            touched.watched.add(message.instrument)
        touched.feed = True

    # --- trading --------------------------------------------------------------------------------------

    def instrument(self, instrument_id: str) -> Instrument:
        """Return an instrument by id; one made of the id alone when the table does not have it yet."""
        index = self.index_of.get(instrument_id)
        if index is None:
            code = instrument_id.partition(":")[2] or instrument_id
            return Instrument(instrument_id=instrument_id, code=code, name=code)
        return self.instruments[index]

    def _orders(self, updates: list[m.OrderUpdate]) -> None:
        items = [(u.order.client_order_id, OrderRecord(self.market, self.instrument(u.order.instrument_id), u.order)) for u in updates]
        self.orders.upsert(items)
        still = [(key, record) for key, record in items if record.order.status not in TERMINAL]
        self.open_orders.upsert(still)
        self.open_orders.remove(key for key, record in items if record.order.status in TERMINAL)
        self.orders_changed.emit()

    def _day(self, message: m.DayRecord, touched: Touched) -> None:
        for fill in message.fills:
            self._fill(fill, touched)
        for trip in message.trips:
            self._round_trip(trip, touched)

    def _fill(self, fill: Fill, touched: Touched) -> None:
        if fill.fill_key in touched.fills or self.fills.record(fill.fill_key) is not None:
            return
        amount = float(fill.price) * fill.qty / QTY_UNIT
        record = FillRecord(
            self.market,
            self.instrument(fill.instrument_id),
            fill.side,
            fill.qty,
            float(fill.price),
            amount,
            fill.fee,
            fill.fee_asset,
            fill.exchange_ns,
            fill.client_order_id,
        )
        touched.fills[fill.fill_key] = record
        index = self.index_of.get(fill.instrument_id)
        if index is not None:
            self.marks.setdefault(index, []).append(Mark(fill.exchange_ns, float(fill.price), fill.side))
            touched.marks.add(index)

    def _position(self, state: m.PositionState, touched: Touched) -> None:
        index = self.index_of.get(state.instrument_id, -1)
        watch = self.watch.record(index)
        if watch is not None and watch.held != state.qty:
            watch.held = state.qty
            touched.watched.add(index)
        touched.held[state.instrument_id] = state
        touched.positions.add(index)

    def _positions(self, states: list[m.PositionState]) -> None:
        self.positions.remove(state.instrument_id for state in states if state.qty == 0)
        self.positions.upsert(
            (
                state.instrument_id,
                PositionRecord(
                    self.market,
                    self.instrument(state.instrument_id),
                    state.qty,
                    state.entry_price,
                    state.entry_cost,
                    state.entry_time,
                    realised=state.realised,
                    exit_amount=state.exit_amount,
                ),
            )
            for state in states
            if state.qty
        )

    def _value_positions(self, indices: Any) -> None:
        changed = []
        for index in indices:
            if not 0 <= index < len(self.instruments):
                continue
            key = self.instruments[index].instrument_id
            record = self.positions.record(key)
            watch = self.watch.record(index)
            if record is None or watch is None or watch.price != watch.price:
                continue
            record.price = watch.price
            record.value = watch.price * abs(record.qty) / QTY_UNIT
            if self._profit is not None:
                record.pnl, record.return_pct = self._profit(record.cost, record.exit_amount, record.price, record.qty)
            changed.append(key)
        if changed:
            self.positions.touch(changed)

    def _value_account(self) -> bool:
        """Put the table's prices into the account; tell whether a figure changed."""
        if self._told is None:
            return False
        before = self.account
        self.account = valued(self._told, self.positions.records, self._asset_price, self._profit)
        return self.account != before

    def _asset_price(self, asset: str) -> float:
        places = self._of_asset.get(asset)
        if not places:
            return 0.0
        prices = (self.last_price(index) for index in places)
        return next((price for price in prices if price == price), float("nan"))

    def _round_trip(self, message: m.RoundTripState, touched: Touched) -> None:
        if message.seq <= self._newest_trip:
            return
        self._newest_trip = message.seq
        trips = np.frombuffer(message.data, ROUND_TRIP_DTYPE)
        instrument = self.instrument(f"{self.market.code}:{message.code}")
        for trip in trips:
            holding = int(trip["holding_time"]) * (1 if self.schema.interval_s == 1 else 60)
            record = RoundTripRecord(
                self.market,
                instrument,
                int(trip["side"]),
                int(trip["entry_time"]),
                int(trip["exit_time"]),
                holding,
                float(trip["qty"]),
                float(trip["entry_price"]),
                float(trip["exit_price"]),
                float(trip["return_pct"]),
                float(trip["pnl"]),
                message.label,
            )
            touched.trips.append((message.seq, record))
            self.trade_totals[0] += 1
            self.trade_totals[1] += record.pnl >= 0
            self.trade_totals[2] += record.pnl
        touched.account = True

    # --- what views ask ---------------------------------------------------------------------------------

    def day_profit(self) -> float:
        """Return what the account gained today were everything held sold now, after its fees; NaN before the day's opening is known.

        Realised and open profit together, unless something is held from an earlier day.
        """
        return float("nan") if self.account is None else self.account.day_profit()

    def last_price(self, index: int) -> float:
        """Return the last price of an instrument, NaN before its first row."""
        record = self.watch.record(index)
        return float("nan") if record is None else record.price

    def step(self, index: int) -> float:
        """Return the price step of an instrument at its last price."""
        record = self.watch.record(index)
        return 0.0 if record is None else record.step

    def market_ns(self) -> int:
        """Return the newest venue time among the rows, 0 before the first."""
        return max((int(rows.time_ns[-1]) for rows in self.rows.values() if len(rows)), default=0)

    def held(self, index: int) -> int:
        """Return the quantity held of an instrument, in units of 1e-8."""
        if not 0 <= index < len(self.instruments):
            return 0
        record = self.positions.record(self.instruments[index].instrument_id)
        return 0 if record is None else record.qty

    def held_text(self, index: int) -> str:
        """Return the held quantity as text."""
        return qty_text(self.held(index))

    def age_s(self, now_ns: int) -> float:
        """Return how old the newest row is in seconds, NaN before the first."""
        newest = self.market_ns()
        return (now_ns - newest) / NS if newest else float("nan")


_TAKES: dict[type, Any] = {
    m.Rows: lambda state, message, touched: touched.rows.update(state._rows(message)),
    m.Events: lambda state, message, touched: touched.prints.update(state._events(message)),
    m.FillUpdate: lambda state, message, touched: (state._position(message.position, touched), state._fill(message.fill, touched)),
    m.DayRecord: lambda state, message, touched: state._day(message, touched),
    m.OrderUpdate: lambda state, message, touched: touched.orders.append(message),
    m.Bars: lambda state, message, touched: state._history(message, touched),
    m.LiveBar: lambda state, message, touched: state._live_bar(message, touched),
    m.BookView: lambda state, message, touched: state._book(message, touched),
    m.PositionState: lambda state, message, touched: state._position(message, touched),
    m.RoundTripState: lambda state, message, touched: state._round_trip(message, touched),
    m.AccountState: lambda state, message, touched: state._account(message, touched),
    m.InstrumentTable: lambda state, message, touched: state._instruments(message),
    m.FeedState: lambda state, message, touched: state._feed(message, touched),
    m.GapMark: lambda state, message, touched: state._gap(message, touched),
    m.IntentAck: lambda state, message, touched: state._ack(message),
}
"""Message type → what is done with it."""

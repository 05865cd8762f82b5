"""The strategy host core: rows in, intents out; one table and one position a symbol, one step for all.

The order of evaluation on a row is strategy-language 10.1: 경과틱수, then with a position its variables and
the sell code, else the buy code; a symbol acts at most once a row and then waits for the trader. In
lock-step the step's barrier is passed on when every intent has ended and what closes is flat.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from domain.errors import DataError
from domain.instruments import Market, instrument_id
from domain.messages import (
    Barrier,
    CancelOrder,
    FillUpdate,
    InstrumentTable,
    IntentAck,
    OrderUpdate,
    PositionState,
    RoundTripState,
    Rows,
    SnapshotDone,
)
from domain.orders import TERMINAL, Action, Fill, Intent, Order, OrderKind, OrderStatus, make_intent_id
from domain.process_config import StrategyText
from domain.records import ROUND_TRIP_DTYPE, ROW_NO_BOOK, row_schema
from strategy.program import Program
from trading.account import row_time_of
from trading.managed_codes import ManagedCodes
from trading.matching import sweep
from trading.numbers import UNIT_F, day_seconds
from trading.position_vars import FORCE_EXIT, ORDER_QTY
from trading.resting import Resting, is_of_strategy
from trading.sizing import quantity
from trading.symbol import Symbol

log = logging.getLogger(__name__)

WARMUP_ROWS = 30
ERRORS_MAX = 5
ERRORS_S = 60.0
SLOW_NS = 50_000_000
LEVELS = 5


class StrategyHost:
    """One strategy on one market.

    Parameters
    ----------
    market : Market
    text : StrategyText
    program : Program
    step : object
        With `buy`, `sell` and `mark` of the contract: a compiled module or an Interpreter.
    module : module or None
        The compiled module when `step` is one.
    account : str
        Part of each intent's id.
    lockstep : bool
    send : callable (intent, cancel or barrier)
        Towards the trader; the shell repeats until acknowledged.
    """

    def __init__(
        self,
        market: Market,
        text: StrategyText,
        program: Program,
        step: Any,
        module: Any,
        account: str,
        *,
        lockstep: bool,
        send: Callable[[Intent | CancelOrder | Barrier], None],
    ) -> None:
        self.market = market
        self.text = text
        self.program = program
        self.step = step
        self.module = module
        self.account = account
        self.is_lockstep = lockstep
        self.symbols: list[Symbol] = []
        self.by_id: dict[str, Symbol] = {}
        self.is_live = False  # False: signals are held back
        self.disabled = ""
        self.rows = 0
        self.signals = 0
        self.intents = 0
        self.step_errors = 0
        self.unfit = 0
        self.stale_rows = 0
        self.slowest_ns = 0
        self.waiting: dict[str, Symbol] = {}  # intent id → symbol
        self.barrier: Barrier | None = None
        self._closed: set[int] = set()  # instruments of the barrier that were sold
        self._strays: dict[str, Order] = {}
        self._send = send
        self._errors: deque[float] = deque()
        self._restored: set[str] = set()
        self.variables = np.array(text.variables or (0.0,) * max(program.n_vars, 1), dtype=np.float64)
        self.warmup = max(int(text.variables[0]), 1) if text.variables else WARMUP_ROWS
        self.betting = text.betting or market.default_betting
        # Free-running, entries stop where a position could no longer be closed on the same day (architecture 3.4).
        self.end_s = text.end_s if lockstep else min(text.end_s, market.entry_end_s)
        schema = row_schema(market.kind, program.interval_s)
        self.dtype = schema.dtype()
        self.managed = None if text.orders is None else ManagedCodes(self, text.orders, market, program.interval_s)
        tag = "1s" if program.interval_s == 1 else "1m"
        self._c_last = schema.index("last_price")
        self.universe_column = schema.index("in_universe")
        self._c_value = schema.index(f"value_{tag}")
        numbers = range(1, LEVELS + 1)
        self._c_asks = np.array([schema.index(f"ask{n}") for n in numbers])
        self._c_ask_sizes = np.array([schema.index(f"ask_size{n}") for n in numbers])
        self._c_bids = np.array([schema.index(f"bid{n}") for n in numbers])
        self._c_bid_sizes = np.array([schema.index(f"bid_size{n}") for n in numbers])

    # --- market ---------------------------------------------------------------------------------------------

    def on_instruments(self, table: InstrumentTable) -> None:
        """Take the instruments behind the index of rows; the table only grows."""
        for instrument in table.instruments[len(self.symbols) :]:
            symbol = Symbol(instrument, self.market, self.program, self.variables, self.module)
            self.symbols.append(symbol)
            self.by_id[instrument_id(self.market.code, instrument.code)] = symbol
            self.by_id[instrument.instrument_id] = symbol

    def on_rows(self, message: Rows) -> None:
        """Run the step on each row."""
        rows = np.frombuffer(message.data, dtype=self.dtype)
        heads = zip(
            rows["instrument"].tolist(),
            rows["row_time"].tolist(),
            rows["exchange_ns"].tolist(),
            rows["read_ns"].tolist(),
            rows["flags"].tolist(),
            strict=True,
        )
        values = rows["values"]
        for k, (index, row_time, exchange_ns, read_ns, flags) in enumerate(heads):
            if not 0 <= index < len(self.symbols):
                self.stale_rows += 1
                continue
            started = time.perf_counter_ns()
            self._row(self.symbols[index], row_time, exchange_ns, read_ns, flags, values[k])
            taken = time.perf_counter_ns() - started
            if taken > self.slowest_ns:
                self.slowest_ns = taken
            if taken > SLOW_NS and self.is_live:
                log.warning("event=slow_step code=%s ms=%.1f", self.symbols[index].instrument.code, taken / 1e6)

    def _row(self, symbol: Symbol, row_time: int, exchange_ns: int, read_ns: int, flags: int, values: np.ndarray) -> None:
        try:
            i = symbol.take_row(row_time, exchange_ns, values, float(values[self._c_last]))
        except DataError as error:
            self.step_errors += 1
            log.error("event=row_refused code=%s fields=%s", symbol.instrument.code, error.fields)
            return
        self.rows += 1
        if i < 0:
            self.stale_rows += 1
            return
        try:
            self._evaluate(symbol, i, read_ns, flags, values)
        except Exception as error:  # noqa: BLE001 - P21: a strategy's exception stops the strategy, not the market
            self._note_error(symbol, error)

    def _evaluate(self, symbol: Symbol, i: int, read_ns: int, flags: int, values: np.ndarray) -> None:
        table = symbol.table
        managed = self.managed
        if managed is not None:
            managed.note_row(symbol, values)
        arguments = (table.inputs, table.sums, table.extremes, i, 0, self.variables, symbol.position, symbol.state)
        if self.program.marks:
            self.step_errors += self.step.mark(*arguments)
        clock = day_seconds(symbol.row_time, self.program.interval_s)
        if clock >= self.end_s:
            if managed is not None and self.is_live:
                managed.limits.close(symbol, read_ns, step=1)
            elif symbol.qty and self.is_live and symbol.pending is None and symbol.is_own:
                self._exit(symbol, read_ns, 0, "", is_forced=True, step=1)
            return
        if i + 1 < self.warmup or clock < self.text.start_s:
            return
        is_auction = self.market.kind == "stock" and values[self._c_ask_sizes[4]] == 0.0 and values[self._c_bid_sizes[4]] == 0.0
        if managed is not None:
            managed.on_row(symbol, arguments, read_ns, flags, values, bool(is_auction))
        elif is_auction:
            return
        elif symbol.qty:
            # A row that is given again after a restart may be the entry's own: nothing acts twice on a row.
            if symbol.is_own and symbol.was_open_before_row():
                self._sell(symbol, arguments, read_ns, flags, values)
        elif values[self.universe_column] != 0.0:
            self._buy(symbol, arguments, read_ns, flags, values)

    def _sell(self, symbol: Symbol, arguments: Any, read_ns: int, flags: int, values: np.ndarray) -> None:
        symbol.update()
        if symbol.pending is not None:
            return
        result = self.step.sell(*arguments)
        if result < 0:
            self.step_errors += 1
        if result <= 0 or not self.may_act():
            return
        self.signals += 1
        is_forced = bool(symbol.position[FORCE_EXIT] != 0.0)
        if not (is_forced or self.fits(flags, values, symbol.qty, -symbol.sign, self.text.exit_levels)):
            self.unfit += 1
            return
        labels = self.program.labels
        label = labels[result - 1] if 1 <= result <= len(labels) else ""
        self._exit(symbol, read_ns, result, label, is_forced=is_forced, step=0)

    def _buy(self, symbol: Symbol, arguments: Any, read_ns: int, flags: int, values: np.ndarray) -> None:
        if symbol.pending is not None:
            return
        units = quantity(self.betting, symbol.last_price, symbol.decimals)
        symbol.position[ORDER_QTY] = units / UNIT_F
        result = self.step.buy(*arguments)
        if result < 0:
            self.step_errors += 1
        if result <= 0 or units <= 0 or not self.may_act():
            return
        self.signals += 1
        if not self.fits(flags, values, units, 1 if result == 1 else -1, self.text.entry_levels):
            self.unfit += 1
            return
        self.emit(symbol, Action.ENTRY, 1 if result == 1 else -1, units, read_ns, 0, "", is_forced=False, step=0)

    def may_act(self) -> bool:
        return self.is_live and not self.disabled

    def fits(self, flags: int, values: np.ndarray, units: int, side: int, levels: int) -> bool:
        """Tell whether the whole quantity fits in the first levels of the row's book, where it has one (10.2); side +1 buys."""
        if flags & ROW_NO_BOOK:
            return True
        prices, sizes = (self._c_asks, self._c_ask_sizes) if side > 0 else (self._c_bids, self._c_bid_sizes)
        amounts = np.rint(values[sizes] * UNIT_F).astype(np.int64)
        filled, _, _ = sweep(values[prices], amounts, levels, units)
        return bool(filled >= units)

    def _exit(self, symbol: Symbol, read_ns: int, rule: int, label: str, *, is_forced: bool, step: int) -> None:
        self.emit(symbol, Action.EXIT, -symbol.sign, symbol.qty, read_ns, rule, label, is_forced=is_forced, step=step)

    def emit(
        self, symbol: Symbol, action: Action, side: int, units: int, read_ns: int, rule: int, label: str, *, is_forced: bool, step: int,
        price: Decimal | None = None, resting: Resting | None = None,
    ) -> None:  # fmt: skip
        """Send an intent; a limit order comes with its price and what the host remembers of it."""
        text, code = self.text, symbol.instrument.code
        intent = Intent(
            intent_id=make_intent_id(self.account, text.name, text.version, code, symbol.row_time, action.value, step),
            account=self.account,
            strategy=text.name,
            version=text.version,
            instrument_id=symbol.instrument.instrument_id,
            action=action,
            side=side,
            qty=units,
            reference_price=symbol.last_price,
            row_time=symbol.row_time,
            row_ns=symbol.last_ns,
            step=step,
            rule=rule,
            label=label,
            force=is_forced,
            kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            price=price,
            read_ns=read_ns,
        )
        if resting is not None:
            resting.root = resting.root or intent.intent_id
        symbol.wait_for(intent, resting)
        self.waiting[intent.intent_id] = symbol
        self.intents += 1
        self._send(intent)

    def cancel(self, order: Order) -> None:
        """Ask the trader to take an order back; the shell repeats it until the order says so."""
        self._send(CancelOrder(client_order_id=order.client_order_id))

    def _note_error(self, symbol: Symbol, error: Exception) -> None:
        now = time.monotonic()
        self.step_errors += 1
        log.error("event=strategy_error code=%s error=%s", symbol.instrument.code, f"{type(error).__name__}: {error}")
        self._errors.append(now)
        while self._errors and now - self._errors[0] > ERRORS_S:
            self._errors.popleft()
        if len(self._errors) >= ERRORS_MAX and not self.disabled:
            self.disabled = "errors"
            log.critical("event=strategy_disabled strategy=%s", self.text.name)

    # --- the trader's words -----------------------------------------------------------------------------------

    def on_ack(self, ack: IntentAck) -> None:
        """Take the trader's word on an intent."""
        if ack.accepted:
            return
        symbol = self.waiting.pop(ack.intent_id, None)
        if symbol is not None:
            symbol.on_refused(ack.intent_id)
            log.info("event=refused code=%s rule=%s limit=%s observed=%s", symbol.instrument.code, ack.rule, ack.limit, ack.observed)
        self.go_on()

    def on_order(self, update: OrderUpdate) -> None:
        """Take an order's new state."""
        order = update.order
        symbol = self.by_id.get(order.instrument_id)
        if symbol is None:
            return
        if is_of_strategy(order) and (symbol.pending is None or symbol.pending.intent_id != order.intent_id):
            self._find(symbol, order)
        symbol.on_order(order)
        self._release(symbol)

    def _find(self, symbol: Symbol, order: Order) -> None:
        """Take over a resting order that this host has not asked for, or have it cancelled: nobody else looks after it."""
        is_over = order.status in TERMINAL
        if not is_over and symbol.pending is None and self.managed is not None and self.managed.limits.adopt(symbol, order):
            return
        if is_over or order.status is OrderStatus.PENDING_CANCEL:
            self._strays.pop(order.client_order_id, None)
        elif order.client_order_id not in self._strays:
            self._strays[order.client_order_id] = order
            self.clear_strays()

    def clear_strays(self) -> None:
        """Have orders cancelled that belong to no row of this host, once it trades."""
        for order in self._strays.values() if self.is_live else ():
            log.warning("event=stray_order client_order_id=%s", order.client_order_id)
            self.cancel(order)

    def on_fill(self, update: FillUpdate) -> None:
        """Take a fill and the position after it."""
        symbol = self.by_id.get(update.fill.instrument_id)
        if symbol is not None:
            symbol.on_fill(update)
            self._release(symbol)

    def _release(self, symbol: Symbol) -> None:
        if symbol.pending is None or symbol.is_resting:
            for intent_id in [key for key, waiting in self.waiting.items() if waiting is symbol]:
                del self.waiting[intent_id]
        elif symbol.resting is not None:
            self.waiting[symbol.pending.intent_id] = symbol  # it has left the book, and its last fills are on the way
        if self.managed is not None:
            self.managed.limits.follow(symbol)
        self.go_on()

    def on_position(self, state: PositionState) -> None:
        """Take a position of a snapshot."""
        symbol = self.by_id.get(state.instrument_id)
        if symbol is not None:
            self._restored.add(state.instrument_id)
            symbol.restore(state)

    def remember(self, trips: Iterable[RoundTripState], fills: Iterable[Fill]) -> None:
        """Take what was traded today before this host began: what bans and intervals of order settings count.

        Parameters
        ----------
        trips : iterable of RoundTripState
            Closed trades, oldest first.
        fills : iterable of Fill
        """
        places = {symbol.instrument.code: symbol for symbol in self.symbols}
        for trip in trips:
            symbol = places.get(trip.code)
            if symbol is not None:
                symbol.remember_close(np.frombuffer(trip.data, dtype=ROUND_TRIP_DTYPE)[0])
        for fill in fills:
            symbol = self.by_id.get(fill.instrument_id)
            if symbol is not None:
                symbol.remember_fill(row_time_of(self.market, fill.exchange_ns, self.program.interval_s))

    def on_snapshot_done(self, _done: SnapshotDone, live_orders: set[str], unacked: set[str]) -> None:
        """End of a snapshot: what it did not name is flat, and what is not alive has ended.

        Parameters
        ----------
        live_orders : set of str
            Intent ids of the orders the snapshot named.
        unacked : set of str
            Intent ids that the trader has not yet acknowledged; they are being sent again.
        """
        for symbol in self.symbols:
            if symbol.qty and symbol.instrument.instrument_id not in self._restored:
                symbol.restore(_flat(symbol.instrument.instrument_id))
        self._restored.clear()
        for intent_id, symbol in list(self.waiting.items()):
            if intent_id not in live_orders and intent_id not in unacked:
                del self.waiting[intent_id]
                symbol.on_refused(intent_id)
        for symbol in self.symbols:  # a resting order is not waited for
            pending = symbol.pending
            if pending is not None and pending.intent_id not in live_orders and pending.intent_id not in unacked:
                symbol.on_refused(pending.intent_id)
        self.go_on()

    # --- lock-step ------------------------------------------------------------------------------------------

    def on_barrier(self, barrier: Barrier) -> None:
        """The receiver has sent all rows of the step."""
        self.barrier = barrier
        self._closed.clear()
        self.go_on()

    def go_on(self) -> None:
        """Pass the barrier on when nothing of the step is open any more."""
        barrier = self.barrier
        if barrier is None or self.waiting:
            return
        if self._close(barrier):
            return
        self.barrier = None
        if self.is_live:
            self._send(Barrier(n=barrier.n, market_ns=barrier.market_ns))

    def _close(self, barrier: Barrier) -> bool:
        """Take back what rests and sell what is open, once, in instruments whose last row this was; return whether anything was sent."""
        if not self.is_live:
            return False
        sent = False
        for index in barrier.closing:
            symbol = self.symbols[index]
            symbol.take_late()
            if symbol.is_resting:
                assert self.managed is not None
                sent |= self.managed.limits.close(symbol, 0, step=1)
            elif symbol.qty and symbol.pending is None and symbol.is_own and index not in self._closed:
                self._exit(symbol, 0, 0, "", is_forced=True, step=1)
                sent = True
            self._closed.add(index)
        return sent

    def is_exchanging(self) -> bool:
        """Tell whether something is to follow an order that is being taken back: an heir would not know of it."""
        return any(symbol.resting is not None and symbol.resting.plan is not None for symbol in self.symbols)

    def stats(self) -> dict[str, Any]:
        """Return what this host counted."""
        return {
            "rows": self.rows,
            "signals": self.signals,
            "intents": self.intents,
            "step_errors": self.step_errors,
            "unfit": self.unfit,
            "stale_rows": self.stale_rows,
            "slowest_us": self.slowest_ns // 1_000,
            "disabled": self.disabled,
            "compiled": self.module is not None,
            "waiting": len(self.waiting),
        }


def _flat(identifier: str) -> PositionState:
    return PositionState(instrument_id=identifier, qty=0, entry_price=0.0, entry_cost=0.0, entry_time=0, entry_row_time=0, realised=0.0)

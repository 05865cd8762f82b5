"""One symbol as the strategy host sees it: its rows of today, its position, what it waits for."""

from __future__ import annotations

from typing import Any

import numpy as np

from domain.instruments import Instrument, Market
from domain.messages import FillUpdate, PositionState
from domain.order_settings import SPLITS_MAX
from domain.orders import TERMINAL, Action, Intent, Order, OrderStatus
from domain.records import POSITION_SIZE
from strategy.program import Program
from strategy.table import SymbolTable
from trading.holding import Holding
from trading.numbers import UNIT_F, day_seconds, round_to, row_seconds
from trading.order_rules import LAST_S, MEMORY, forget, note_close, note_fill
from trading.position_vars import (
    ENTRY_COST,
    ENTRY_PRICE,
    ENTRY_ROW,
    MAX_RETURN_PCT,
    MIN_RETURN_PCT,
    POSITION_QTY,
    SCALE_IN_COUNT,
    SCALE_OUT_COUNT,
    clear_position,
    enlarge_position,
    open_position,
    shrink_position,
    update_position,
)
from trading.positions import AMOUNT_DECIMALS, market_params, profit, row_date
from trading.resting import OPEN, Resting


class Symbol:
    """State of one instrument.

    Parameters
    ----------
    instrument : Instrument
    market : Market
    program : Program
    variables : ndarray of float64
    module : module or None
        The compiled step.
    """

    def __init__(self, instrument: Instrument, market: Market, program: Program, variables: np.ndarray, module: Any) -> None:
        self.instrument = instrument
        self.market = market
        self.interval_s = program.interval_s
        self.program = program
        self.table = SymbolTable(program, variables, module)
        self.state = program.day_state(instrument.code, instrument.name, instrument.price_step)
        self.decimals = instrument.qty_decimals if market.qty_decimals is None else market.qty_decimals
        self.position = np.zeros(POSITION_SIZE)
        clear_position(self.position)
        self.params = np.zeros(0)
        self.day = 0
        self.row_time = 0  # of the newest row
        self.last_price = 0.0
        self.last_ns = 0
        self.qty = 0  # held, units of 1e-8
        self.sign = 0
        self.is_own = True
        self.entry_time = 0
        self.entry_row_time = 0
        self.pending: Intent | None = None
        self.order: Order | None = None
        self.memory = np.zeros(MEMORY)  # what was traded today (trading/order_rules.py)
        forget(self.memory)
        self.holding = Holding()
        self.resting: Resting | None = None  # the limit order that `pending` is, or the one that has just ended
        self.was_inside = True  # in the universe on the row before
        self._late: list[FillUpdate] = []  # fills of a resting order: they are of the row that comes next
        self._roots: dict[str, str] = {}  # intent of a replacement → of the order it replaced first
        self._adopted: set[str] = set()
        self._filled = 0  # of the pending intent's order
        self._entry_row = 0
        self._signal = (0, 0)  # row time and row number of the newest entry signal
        self._signal_price = 0.0

    # --- rows -----------------------------------------------------------------------------------------

    def take_row(self, row_time: int, exchange_ns: int, values: np.ndarray, last_price: float) -> int:
        """Add a row; return its number in the day, −1 when it is not newer than the last one."""
        if row_time <= self.row_time:
            return -1
        day = row_date(row_time, self.interval_s)
        if day != self.day:
            self.day = day
            self.table.reset_day()
            forget(self.memory)
            self.was_inside = True
            self.state = self.program.day_state(self.instrument.code, self.instrument.name, self.instrument.price_step)
            self.params = market_params(self.market, day)
        i = self.table.append(row_time, values)
        self.row_time, self.last_price, self.last_ns = row_time, last_price, exchange_ns
        if self.qty and row_time == self.entry_row_time:
            self._entry_row = i  # today's rows are being read again, and here is the entry's
            self.position[ENTRY_ROW] = i
        return i

    def update(self) -> None:
        """Bring the position variables to the newest row, just before the sell code."""
        seconds = row_seconds(self.row_time, self.interval_s) - row_seconds(self.entry_time, self.interval_s)
        update_position(self.position, self.params, self.last_price, seconds, self.interval_s)

    # --- what it waits for --------------------------------------------------------------------------------

    def wait_for(self, intent: Intent, resting: Resting | None = None) -> None:
        """No further signal until this intent has ended; but for a resting order, which the settings go on asking about."""
        self.pending, self.order, self.resting = intent, None, resting
        self._filled = 0
        if resting is not None and resting.root != intent.intent_id:
            self._roots[intent.intent_id] = resting.root
        elif intent.action is Action.ENTRY:
            self._signal = (intent.row_time, max(self.table.count - 1, 0))
            self._signal_price = intent.reference_price

    def adopt(self, intent: Intent, resting: Resting, order: Order) -> None:
        """Take an order that rests already: what of it was filled is in the position that came with it."""
        self.pending, self.order, self.resting = intent, order, resting
        self._filled = order.cum_qty
        self._adopted.add(resting.root)
        if order.action is Action.ENTRY:
            self._signal, self._signal_price = (order.row_time, max(self.table.count - 1, 0)), 0.0
        resting.is_leaving = order.status is OrderStatus.PENDING_CANCEL

    @property
    def is_resting(self) -> bool:
        """Whether what is pending waits in the book and nobody takes it back."""
        resting, order = self.resting, self.order
        return resting is not None and self.pending is not None and not resting.is_leaving and order is not None and order.status in OPEN

    def was_open_before_row(self) -> bool:
        """Tell whether the position was there before the newest row: not entered on it."""
        return self.qty != 0 and self.row_time > self.entry_row_time

    def on_refused(self, intent_id: str) -> None:
        """The trader refused the intent."""
        if self.pending is not None and self.pending.intent_id == intent_id:
            self.pending = self.order = self.resting = None

    def on_order(self, order: Order) -> None:
        """Take an order's new state."""
        if self.pending is None or order.intent_id != self.pending.intent_id:
            return
        before, self.order = self.order, order
        resting = self.resting
        if resting is not None and before is not None and before.status is OrderStatus.PENDING_CANCEL and order.status in OPEN:
            resting.is_leaving, resting.plan = False, None  # the cancel was refused: the next row asks again
        self._settle()

    def _settle(self) -> None:
        order = self.order
        if order is None or order.status not in TERMINAL:
            return
        if self._filled < order.cum_qty:
            return  # its last fills are on the way
        if self.resting is not None:
            self.resting.left = order.qty - order.cum_qty
        self.pending = self.order = None

    # --- position -------------------------------------------------------------------------------------------

    def on_fill(self, update: FillUpdate) -> None:
        """Take a durable fill and the position after it."""
        intent_id = update.fill.client_order_id.rsplit("-", 1)[0]
        if self.pending is not None and intent_id == self.pending.intent_id:
            self._filled += update.fill.qty
            if self.resting is not None:
                self._late.append(update)
                self._settle()
                return
        self._take(update, is_late=False)
        self._settle()

    def take_late(self) -> bool:
        """Book what a resting order was filled since the row before; tell whether there was anything.

        The rule knows of it with the next row, as in a back-test, where the rows are all there is.
        """
        late, self._late = self._late, []
        for update in late:
            self._take(update, is_late=True)
        return bool(late)

    def _take(self, update: FillUpdate, is_late: bool) -> None:
        fill, state = update.fill, update.position
        self.is_own = state.owner not in ("external", "manual")
        is_new = self.qty == 0
        is_entry = is_new or (fill.side > 0) == (self.sign > 0)
        if is_new:
            amount = self.holding.amount
            self.holding.clear()
            self.holding.amount = amount
        intent_id = fill.client_order_id.rsplit("-", 1)[0]
        order = self._roots.get(intent_id, intent_id)
        self.holding.take(order, fill.qty, float(fill.price), is_entry, self.row_time)
        note_fill(self.memory, day_seconds(self.row_time, self.interval_s))
        if state.qty == 0:
            if not is_entry:
                self._note_close()
            self._flatten()
        elif is_entry:
            self._enlarge(update, is_new, is_late)
            if order in self._adopted:
                self.holding.entries, self.holding.amount = SPLITS_MAX, self.holding.entry_raw  # which share it was is not known
        else:
            self.qty = state.qty
            cost = round_to(self.holding.open_raw, int(self._params()[AMOUNT_DECIMALS]))
            shrink_position(self.position, state.qty, cost)
            self.position[SCALE_OUT_COUNT] = self.holding.exits

    def remember_close(self, trip: Any) -> None:
        """Count a trade that was closed before this host began, where it is of the day of its rows."""
        exit_time = int(trip["exit_time"])
        if row_date(exit_time, self.interval_s) == self.day:
            note_close(self.memory, day_seconds(exit_time, self.interval_s), float(trip["pnl"]))

    def remember_fill(self, row_time: int) -> None:
        """Count a fill from before this host began."""
        if row_date(row_time, self.interval_s) == self.day:
            note_fill(self.memory, max(day_seconds(row_time, self.interval_s), self.memory[LAST_S]))

    def _note_close(self) -> None:
        """Remember whether the position that is closed now was a losing one."""
        params = self._params()
        decimals = int(params[AMOUNT_DECIMALS])
        paid, got = round_to(self.holding.entry_raw, decimals), round_to(self.holding.exit_raw, decimals)
        note_close(self.memory, day_seconds(self.row_time, self.interval_s), profit(params, paid, got, self.sign)[0])

    def _enlarge(self, update: FillUpdate, is_new: bool, is_late: bool) -> None:
        fill, state, holding = update.fill, update.position, self.holding
        if is_new:
            self.sign = 1 if fill.side > 0 else -1
            self.entry_time, self.entry_row_time = state.entry_time, state.entry_row_time
            self._entry_row = self._row_of(state.entry_row_time)
            if is_late:
                self.entry_time, self._entry_row = self.row_time, self._signal[1]
        self.qty = state.qty
        holding.base_price = self._signal_price
        if not is_new and (is_late or holding.entries > 1):
            self._entry_row = self._signal[1]
            enlarge_position(self.position, self._params(), state.qty, holding.open_raw, self._entry_row)
            self.position[SCALE_IN_COUNT] = holding.entries
            return
        extremes = self.position[[MAX_RETURN_PCT, MIN_RETURN_PCT]].copy()
        open_position(self.position, self._params(), self.sign, holding.bought, holding.open_raw, self._entry_row, self.entry_time)
        self.position[POSITION_QTY] = state.qty / UNIT_F  # less than bought where the fee was taken of it
        if not is_new:
            self.position[[MAX_RETURN_PCT, MIN_RETURN_PCT]] = extremes

    def restore(self, state: PositionState) -> None:
        """Take a position from the trader's snapshot."""
        self.take_late()
        if state.qty == 0:
            if self.qty:
                self._flatten()
            return
        if state.qty == self.qty and state.entry_row_time == self.entry_row_time:
            return
        self.qty, self.sign = state.qty, 1
        self.is_own = state.owner not in ("external", "manual")
        self.entry_time, self.entry_row_time = state.entry_time, state.entry_row_time
        self.holding.restore(state.qty, state.entry_cost, state.exit_amount)
        self._entry_row = self._row_of(state.entry_row_time)
        open_position(self.position, self._params(), self.sign, state.qty, state.entry_cost, self._entry_row, state.entry_time)
        self.position[ENTRY_PRICE], self.position[ENTRY_COST] = state.entry_price, state.entry_cost

    def _row_of(self, row_time: int) -> int:
        """Return the number of the row an entry's signal was given on; the newest row's when that is not known."""
        time, number = self._signal
        return number if time == row_time else max(self.table.count - 1, 0)

    def _flatten(self) -> None:
        self.qty, self.sign = 0, 0
        self.entry_time = self.entry_row_time = 0
        self.holding.clear()
        clear_position(self.position)

    def _params(self) -> np.ndarray:
        return self.params if len(self.params) else market_params(self.market, 20200101)

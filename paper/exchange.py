"""The venue-neutral core of the paper exchange: accounts, books, orders, fills. No sockets, no clock.

Feed it public messages (`apply`) and requests (`place`, `cancel`); it answers with orders, puts what
the private stream says into `outbox`, and writes its own truth. Dialects (coin/*/paper.py) turn
both into a venue's wire. Free-running, an aggressive order meets the current flow; in lock-step
(architecture 3.4) it meets the books that the replay sets for the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np

from domain.exchange import (
    CoreRefusal,
    DialectSettings,
    Level,
    PaperFill,
    PaperOrder,
    PaperOrderRequest,
    PublicTrade,
)
from domain.instruments import Instrument, Market
from domain.orders import OrderKind, OrderStatus, TimeInForce, qty_text
from domain.records import PREV_CLOSE, TRADE
from paper.account import ZERO
from paper.matching import Plan, plan
from paper.row_queue import RowQueue
from paper.settlement import Settlement, qty_decimal
from paper.truth import TruthLedger

_STEP_LEVELS = 5_000


def price_decimal(price: float) -> Decimal:
    """Return a price as the shortest decimal that is this float64: what the venue wrote."""
    return Decimal(repr(price))


class Exchange(Settlement):
    """See the module.

    Parameters
    ----------
    market : Market
    instruments : sequence of Instrument
    opening : dict of str to Decimal
        Opening balances of the paper account.
    truth : TruthLedger
    seed : int
        Of order uuids; 0 draws them from the system.
    settings : DialectSettings, optional
        The account's key pair and the rate factor, for the dialect.
    """

    def __init__(
        self,
        market: Market,
        instruments: Sequence[Instrument],
        opening: dict[str, Decimal],
        truth: TruthLedger,
        seed: int = 0,
        settings: DialectSettings | None = None,
    ) -> None:
        super().__init__(market, instruments, opening, truth, seed, settings)
        self.row_queue: RowQueue | None = None  # of a replay whose resting orders are filled by rows
        self.resting_fills = 0
        self._hidden: dict[int, int] = {}
        self._orders: list[PaperOrder] = []
        self._by_client: dict[str, int] = {}
        self._by_uuid: dict[str, int] = {}
        self._spent: set[str] = set()
        self._step_books: dict[int, tuple[list[Level], list[Level]]] | None = None
        self._with_row: set[int] = set()
        self._row_book: Callable[[int], tuple[list[Level], list[Level]]] = lambda index: ([], [])

    # --- what dialects ask ---------------------------------------------------------------------

    def spend(self, client_id: str) -> bool:
        if client_id in self._spent:
            return False
        self._spent.add(client_id)
        return True

    def order(self, number: int) -> PaperOrder | None:
        if not 1 <= number <= len(self._orders) or self._is_hidden(number):
            return None
        return self._orders[number - 1]

    def order_by_uuid(self, uuid: str) -> PaperOrder | None:
        return self.order(self._by_uuid.get(uuid, 0))

    def order_by_client_id(self, client_id: str) -> PaperOrder | None:
        return self.order(self._by_client.get(client_id, 0))

    def orders(self) -> Sequence[PaperOrder]:
        return [order for order in self._orders if not self._is_hidden(order.number)] if self._hidden else self._orders

    def fills(self) -> Sequence[PaperFill]:
        return [fill for fill in self._fills if not self._is_hidden(fill.order)] if self._hidden else self._fills

    def hide(self, number: int, until_ns: int) -> None:
        """Let queries miss an order until market time `until_ns` (a fault)."""
        self._hidden[number] = until_ns

    def _is_hidden(self, number: int) -> bool:
        until = self._hidden.get(number)
        if until is None:
            return False
        if self.market_ns >= until:
            del self._hidden[number]
            return False
        return True

    # --- the public flow -------------------------------------------------------------------------

    def apply(self, events: np.ndarray) -> None:
        """Apply one public message: a trade, a book message, or a mark."""
        head = events[-1]
        kind = int(head["kind"])
        index = int(head["instrument"])
        state = self._states[index]
        exchange_ns = int(head["exchange_ns"])
        self.market_ns = max(self.market_ns, exchange_ns)
        if kind == TRADE:
            trade = PublicTrade(int(head["first_id"]), float(head["price"]), int(head["qty"]), int(head["side"]), exchange_ns)
            state.history.add(trade)
            if state.resting and self.row_queue is None:
                self._fill_resting(index, state.resting.on_trade(trade, state.has_book))
            return
        if kind == PREV_CLOSE:
            state.history.close_before(float(head["price"]), exchange_ns)
            return
        if state.book.apply(events):
            state.has_book = True
            if state.resting and self.row_queue is None:
                self._fill_resting(index, state.resting.on_book(state.book))

    def fill_on_rows(self, rows: np.ndarray) -> None:
        """Fill resting orders by what a step's rows tell; nothing where single events do."""
        by_rows = self.row_queue
        if by_rows is None:
            return
        for index, row_time, values in zip(rows["instrument"].tolist(), rows["row_time"].tolist(), rows["values"], strict=True):
            resting = self._states[index].resting
            hits = by_rows.on_row(self.instruments[index], index, values, [*resting.facing(1), *resting.facing(-1)])
            if hits:
                self._fill_resting(index, hits, by_rows.label_ns(row_time))

    def _fill_resting(self, index: int, hits: list[tuple[PaperOrder, int]], at_ns: int = 0) -> None:
        for order, qty in hits:
            assert order.price is not None
            self._fill(order, order.price, qty, is_maker=True, at_ns=at_ns)
            if not order.leaves_qty:
                self._states[index].resting.remove(order)
                self._end(order, OrderStatus.FILLED)
        if hits:
            self.resting_fills += len(hits)
            self._say_balances()

    # --- steps of a replay -------------------------------------------------------------------------

    def begin_step(self, with_row: set[int], row_book: Callable[[int], tuple[list[Level], list[Level]]]) -> None:
        """Match an instrument with a row on `row_book(index)` = (asks, bids), any other one on a copy of its current book."""
        self._step_books = {}
        self._with_row, self._row_book = with_row, row_book

    def end_step(self) -> None:
        """Forget the step's books and what was taken from them."""
        self._step_books = {}
        self._with_row = set()

    def _levels(self, index: int, sign: int) -> list[Level]:
        """Return what an aggressor of `sign` may take, best first."""
        state = self._states[index]
        if not state.has_book:
            last = state.history.last
            return [(last, 2**62)] if last > 0 else []
        if self._step_books is None:
            return list(state.book.side(-sign).available()) if state.book.is_valid else []
        if index not in self._step_books:
            current = state.book.asks.levels(_STEP_LEVELS), state.book.bids.levels(_STEP_LEVELS)
            self._step_books[index] = self._row_book(index) if index in self._with_row else current
        asks, bids = self._step_books[index]
        return [level for level in (asks if sign > 0 else bids) if level[0] > 0 and level[1] > 0]

    def _take(self, index: int, sign: int, price: float, qty: int) -> None:
        state = self._states[index]
        if not state.has_book:
            return
        if self._step_books is None:
            state.book.side(-sign).take(price, qty)
            return
        asks, bids = self._step_books[index]
        side = asks if sign > 0 else bids
        for i, (level_price, size) in enumerate(side):
            if level_price == price:
                side[i] = (level_price, size - qty)
                return

    # --- orders -------------------------------------------------------------------------------------

    def check(self, request: PaperOrderRequest) -> None:
        """Raise CoreRefusal where `place` would; nothing changes."""
        self._admit(request)

    def place(self, request: PaperOrderRequest) -> PaperOrder:
        """Accept an order and match it; CoreRefusal with the reason and no effect."""
        try:
            planned, lock = self._admit(request)
        except CoreRefusal as refusal:
            code = self.instruments[request.instrument].code
            self.truth.write(
                "refused",
                self.market_ns,
                client_id=request.client_id,
                code=code,
                side=request.side,
                qty=qty_text(request.qty),
                reason=refusal.code,
            )
            raise
        order = self._open(request, lock, planned)
        self._execute(order, planned)
        self._finish(order, planned)
        self._say_balances()
        return order

    def cancel(self, number: int, cancel_id: str = "") -> PaperOrder:
        """Cancel an open order."""
        order = self.order(number)
        if order is None:
            raise CoreRefusal("not_found")
        if not order.is_open:
            raise CoreRefusal("closed")
        order.cancel_id = cancel_id
        self._states[order.instrument].resting.remove(order)
        self._end(order, OrderStatus.CANCELED, "user")
        self._say_balances()
        return order

    def _admit(self, request: PaperOrderRequest) -> tuple[Plan, tuple[str, Decimal]]:
        """Return what would be matched and what has to be locked: (asset, amount)."""
        instrument = self.instruments[request.instrument]
        if not instrument.tradable:
            raise CoreRefusal("market_closed")
        open_twin = self._by_client.get(request.client_id) if request.client_id else None
        if open_twin is not None and self._orders[open_twin - 1].is_open:
            raise CoreRefusal("duplicate_client_id")
        levels = self._levels(request.instrument, request.side)
        resting = self._states[request.instrument].resting.facing(request.side)
        step = max(instrument.qty_step, 1)
        planned = plan(request, levels, resting, step)
        if self.row_queue is not None and request.time_in_force is TimeInForce.GTC and request.kind is OrderKind.LIMIT and not request.best:
            planned = Plan()  # as in a back-test: filled from the row after this one, whatever could be had at once
        if request.time_in_force is TimeInForce.POST_ONLY and (planned.fills or planned.meets_own):
            raise CoreRefusal("would_take")
        if request.time_in_force is TimeInForce.FOK and not planned.is_whole:
            planned.fills.clear()
            planned.own.clear()
        if request.kind is OrderKind.MARKET and not levels:
            raise CoreRefusal("no_liquidity")
        lock = self._cost(request, planned, instrument)
        if self.account.of(lock[0]).free < lock[1]:
            raise CoreRefusal("insufficient_funds")
        return planned, lock

    def _cost(self, request: PaperOrderRequest, planned: Plan, instrument: Instrument) -> tuple[str, Decimal]:
        if request.side < 0:
            return instrument.base, qty_decimal(request.qty or planned.filled)
        if request.funds is not None:
            amount = request.funds
        elif request.price is not None:
            amount = request.price * qty_decimal(request.qty)
        else:
            amount = sum((price_decimal(price) * qty_decimal(qty) for price, qty in planned.fills), ZERO)
            amount += sum((m.maker.price * qty_decimal(m.qty) for m in planned.own if m.trades and m.maker.price is not None), ZERO)
        if self.rules.fee_reserved_on_buy:
            amount += amount * self.fee_rate()
        return instrument.quote, amount

    def _open(self, request: PaperOrderRequest, lock: tuple[str, Decimal], planned: Plan) -> PaperOrder:
        number = len(self._orders) + 1
        price = request.price
        if request.best and planned.limit is not None:
            price = price_decimal(planned.limit)
        reserved = ZERO
        if request.side > 0 and self.rules.fee_reserved_on_buy:
            reserved = lock[1] - lock[1] / (1 + self.fee_rate())
            reserved = reserved.quantize(Decimal("1e-16"))
        order = PaperOrder(
            number=number,
            uuid=self.new_uuid(),
            client_id=request.client_id,
            instrument=request.instrument,
            side=request.side,
            kind=request.kind,
            time_in_force=request.time_in_force,
            price=price,
            qty=request.qty or (0 if self.rules.leftover_is_cancel and request.side > 0 else planned.filled),
            funds=request.funds,
            self_trade=request.self_trade,
            venue_type=request.venue_type,
            created_ns=self.market_ns,
            updated_ns=self.market_ns,
            reserved_fee=reserved,
            fills=[],
        )
        self.account.lock(*lock)
        order.locked = lock[1]
        self._orders.append(order)
        self._by_uuid[order.uuid] = number
        if order.client_id:
            self._by_client[order.client_id] = number
        self.truth.write(
            "order",
            self.market_ns,
            number=number,
            uuid=order.uuid,
            client_id=order.client_id,
            code=self.instruments[order.instrument].code,
            side=order.side,
            kind=order.kind.value,
            time_in_force=order.time_in_force.value,
            price=None if price is None else format(price, "f"),
            qty=qty_text(order.qty),
            funds=None if order.funds is None else format(order.funds, "f"),
            status=order.status.value,
        )
        self._say("new", order)
        return order

    def _execute(self, order: PaperOrder, planned: Plan) -> None:
        for price, qty in planned.fills:
            self._fill(order, price_decimal(price), qty, is_maker=False)
            self._take(order.instrument, order.side, price, qty)
        resting = self._states[order.instrument].resting
        for meeting in planned.own:
            maker = meeting.maker
            if meeting.trades:
                assert maker.price is not None
                self._fill(order, maker.price, meeting.qty, is_maker=False)
                self._fill(maker, maker.price, meeting.qty, is_maker=True)
                if not maker.leaves_qty:
                    resting.remove(maker)
                    self._end(maker, OrderStatus.FILLED)
                continue
            self._prevent(order, maker, meeting.qty, meeting.cut_taker, meeting.cut_maker)

    def _prevent(self, taker: PaperOrder, maker: PaperOrder, qty: int, cut_taker: bool, cut_maker: bool) -> None:
        """Apply the self-trade rule: what is cut from an order is neither filled nor resting any more."""
        for order, cut in ((taker, cut_taker), (maker, cut_maker)):
            if not cut:
                continue
            part = min(qty, order.leaves_qty)
            order.prevented_qty += part
            self._say("prevented", order)
        if cut_maker and not maker.leaves_qty:
            self._states[maker.instrument].resting.remove(maker)
            self._end(maker, OrderStatus.EXPIRED, "self_trade")

    def _finish(self, order: PaperOrder, planned: Plan) -> None:
        """Rest what may rest, end the rest."""
        if order.funds is not None:
            is_done = self.rules.leftover_is_cancel is False and bool(order.fills)
            self._end(order, OrderStatus.FILLED if is_done else self._leftover(), "" if is_done else "leftover")
            return
        if not order.leaves_qty:
            filled = order.cum_qty >= order.qty
            self._end(order, OrderStatus.FILLED if filled else OrderStatus.EXPIRED, "" if filled else "self_trade")
            return
        if planned.stopped_by_own:
            self._end(order, OrderStatus.EXPIRED, "self_trade")
        elif order.kind is OrderKind.MARKET:
            self._end(order, self._leftover(), "leftover")
        elif order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._end(order, self._leftover(), order.time_in_force.value)
        else:
            state = self._states[order.instrument]
            assert order.price is not None
            displayed = state.book.side(order.side).sizes.get(float(order.price), 0) if state.has_book else 0
            order.ahead = displayed
            state.resting.add(order, displayed)
            if self.row_queue is not None:
                self.row_queue.add(order)

    def _leftover(self) -> OrderStatus:
        return OrderStatus.CANCELED if self.rules.leftover_is_cancel else OrderStatus.EXPIRED

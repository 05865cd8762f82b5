"""What an arriving order would meet, and our resting orders in the flow.

An aggressive order walks the other side best first: the flow's levels, and resting orders of the
same account at their place in the queue, where the self-trade rule decides. The plan has no effect;
the core carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

from domain.exchange import Level, PaperOrder, PaperOrderRequest, PublicTrade, SelfTrade
from domain.instruments import QTY_UNIT
from domain.orders import OrderKind
from paper.book import FlowBook
from paper.matching_queue import QueueLevel
from trading.fills.queue import advance


@dataclass
class Meeting:
    """An order of ours that meets another one of ours: trade, or cut one of them or both."""

    maker: PaperOrder
    qty: int
    trades: bool = False
    cut_taker: bool = False
    cut_maker: bool = False


@dataclass
class Plan:
    """What an order would do on arrival.

    Attributes
    ----------
    fills : list of (price, qty)
        One per price level, best first.
    own : list of Meeting
    filled : int
        Units that trade, own orders included.
    is_whole : bool
        Whether all of it would be done.
    stopped_by_own : bool
        The self-trade rule ends the order here.
    limit : float or None
        The best opposing price when it came.
    """

    fills: list[Level] = field(default_factory=list)
    own: list[Meeting] = field(default_factory=list)
    filled: int = 0
    is_whole: bool = False
    stopped_by_own: bool = False
    meets_own: bool = False
    limit: float | None = None


def _affordable(funds: Decimal, price: float, step: int) -> int:
    """Return the units, in whole steps, that `funds` buys at `price`."""
    units = int((funds / Decimal(repr(price)) * QTY_UNIT).to_integral_value(ROUND_DOWN))
    return units - units % step


def _limit(request: PaperOrderRequest, levels: Sequence[Level], resting: Sequence[PaperOrder]) -> float | None:
    """Return the worst price the order may trade at, None = any."""
    if request.best:
        best = [price for price, _ in levels[:1]] + [float(order.price) for order in resting[:1] if order.price is not None]
        return (min(best) if request.side > 0 else max(best)) if best else None
    if request.kind is OrderKind.MARKET or request.price is None:
        return None
    return float(request.price)


def plan(request: PaperOrderRequest, levels: Sequence[Level], resting: Sequence[PaperOrder], step: int) -> Plan:
    """Return what the order would meet.

    Parameters
    ----------
    levels : sequence of (price, units)
        The other side as far as it may be taken, best first.
    resting : sequence of PaperOrder
        Our own resting orders on the other side, best first, then by age.
    step : int
        Quantity step in units; only orders by amount of money need it.
    """
    out = Plan()
    out.limit = _limit(request, levels, resting)
    sign = request.side
    left = request.qty
    funds = request.funds
    own = list(resting)
    places: list[tuple[float, int, PaperOrder | None]] = [(price, size, None) for price, size in levels]
    places += [(float(order.price), order.leaves_qty, order) for order in own if order.price is not None]
    # At one price the flow's displayed size stood there first; the order behind it comes second.
    places.sort(key=lambda place: (sign * place[0], 0 if place[2] is None else place[2].number))
    for price, size, maker in places:
        if out.limit is not None and sign * price > sign * out.limit:
            break
        want = left if funds is None else _affordable(funds, price, step)
        if want <= 0:
            break
        qty = min(size, want)
        if maker is not None:
            out.meets_own = True
            meeting, goes_on = _meet(request.self_trade, maker, qty)
            out.own.append(meeting)
            if meeting.cut_taker or meeting.trades:
                left -= qty
            if not goes_on:
                out.stopped_by_own = True
                return out
            if meeting.trades:
                out.filled += qty
                if funds is not None:
                    funds -= Decimal(repr(price)) * qty / QTY_UNIT
            continue
        out.fills.append((price, qty))
        out.filled += qty
        left -= qty
        if funds is not None:
            funds -= Decimal(repr(price)) * qty / QTY_UNIT
    out.is_whole = left <= 0 if request.funds is None else bool(out.fills) and _is_spent(funds, places, step)
    return out


def _is_spent(funds: Decimal | None, places: Sequence[tuple[float, int, PaperOrder | None]], step: int) -> bool:
    return funds is not None and bool(places) and _affordable(funds, places[-1][0], step) <= 0


def _meet(rule: SelfTrade, maker: PaperOrder, qty: int) -> tuple[Meeting, bool]:
    """Return what happens and whether the taker goes on."""
    if rule is SelfTrade.CANCEL_MAKER:
        return Meeting(maker, maker.leaves_qty, cut_maker=True), True
    if rule is SelfTrade.CANCEL_TAKER:
        return Meeting(maker, 0), False
    if rule is SelfTrade.CANCEL_BOTH:
        return Meeting(maker, maker.leaves_qty, cut_maker=True), False
    if rule is SelfTrade.DECREMENT:
        return Meeting(maker, qty, cut_maker=True, cut_taker=True), True
    return Meeting(maker, qty, trades=True), True


class RestingOrders:
    """Our resting orders of one instrument with their places in the queue."""

    def __init__(self) -> None:
        self._sides: dict[int, list[PaperOrder]] = {1: [], -1: []}
        self._levels: dict[tuple[int, float], QueueLevel] = {}
        self._used: dict[tuple[int, float], tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._sides[1] or self._sides[-1])

    def facing(self, sign: int) -> list[PaperOrder]:
        """Return the orders that an aggressor of `sign` would meet, best first, then by age."""
        return list(self._sides[-sign])

    def add(self, order: PaperOrder, displayed: int) -> None:
        """Rest an order behind what its level displays."""
        side = self._sides[order.side]
        side.append(order)
        assert order.price is not None
        side.sort(key=lambda o: (-o.side * (o.price or 0), o.number))
        self._levels.setdefault((order.side, float(order.price)), QueueLevel(displayed))

    def remove(self, order: PaperOrder) -> None:
        """Take an order out."""
        side = self._sides[order.side]
        if order in side:
            side.remove(order)
        key = (order.side, float(order.price or 0))
        if not any(float(other.price or 0) == key[1] for other in side):
            self._levels.pop(key, None)

    def on_trade(self, trade: PublicTrade, has_book: bool) -> list[tuple[PaperOrder, int]]:
        """Return (order, quantity) of what a public trade fills, and move the queues."""
        hits: list[tuple[PaperOrder, int]] = []
        signs = (1, -1) if trade.side == 0 else (-trade.side,)
        for sign in signs:
            left = trade.qty
            at_price: int | None = None
            for order in self._sides[sign]:
                price = float(order.price or 0)
                if sign * price < sign * trade.price or left <= 0:
                    break
                if price != trade.price:  # the trade went through our price: it met us first
                    order.ahead = 0
                    qty = min(left, order.leaves_qty)
                elif not has_book:  # without a book nobody knows the queue: a touch is no fill
                    continue
                else:
                    if at_price is None:
                        at_price = min(self._levels[(sign, price)].trade(trade.qty), left)
                    order.ahead, reach = advance(order.ahead, at_price)
                    qty = min(reach, left, order.leaves_qty)
                    at_price -= qty
                if qty > 0:
                    left -= qty
                    hits.append((order, qty))
        self._drop_filled(hits)
        return hits

    def on_book(self, book: FlowBook) -> list[tuple[PaperOrder, int]]:
        """Move the queues by a book message and return what crossing quotes fill."""
        for sign, price, _, after in book.changed:
            self._used.pop((sign, price), None)
            level = self._levels.get((sign, price))
            if level is None:
                continue
            factor = level.restate(after)
            for order in self._sides[sign]:
                if float(order.price or 0) == price:
                    order.ahead = min(int(order.ahead * factor), after)
        hits: list[tuple[PaperOrder, int]] = []
        for sign in (1, -1):
            if self._sides[sign]:
                hits += self._crossed(sign, book)
        self._drop_filled(hits)
        return hits

    def _crossed(self, sign: int, book: FlowBook) -> list[tuple[PaperOrder, int]]:
        hits = []
        for order in self._sides[sign]:
            limit = float(order.price or 0)
            want = order.leaves_qty
            got = 0
            for price, size in book.side(-sign).available():
                if sign * price > sign * limit or got >= want:
                    break
                used, of_size = self._used.get((-sign, price), (0, size))
                part = min(size - (used if of_size == size else 0), want - got)
                if part > 0:
                    self._used[(-sign, price)] = (used + part, size)
                    got += part
            if got:
                hits.append((order, got))
        return hits

    def _drop_filled(self, hits: list[tuple[PaperOrder, int]]) -> None:
        total: dict[int, int] = {}
        for order, qty in hits:
            total[order.number] = total.get(order.number, 0) + qty
        for order, _ in hits:
            if total[order.number] >= order.leaves_qty:
                self.remove(order)

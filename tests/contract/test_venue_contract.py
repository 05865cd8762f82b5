"""One suite over every venue in VENUES, against its paper exchange over real sockets.

The adapters are the ones that a live run uses; only the addresses differ. What the same adapters make
of the venues' documented answers is in test_venue_recorded.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from domain.orders import Action, Fill, OrderKind, OrderStatus, TimeInForce
from domain.ports import BrokerOrder, BrokerOutcome, BrokerQuery, BrokerState, EventBatch, FeedNotice
from domain.records import INVALID, LAST, LEVEL, NO_ROW, SNAPSHOT, TRADE
from tests.contract.venue_kit import Sink, make_order
from tests.contract.venue_rig import VenueRig
from trading.venues import VENUES

ENDED = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED)


@pytest.fixture(scope="module", params=list(VENUES))
def rig(request: pytest.FixtureRequest) -> Iterator[VenueRig]:
    with VenueRig(request.param) as running:
        yield running


@pytest.fixture
def desk(rig: VenueRig) -> Iterator[tuple[Any, Sink]]:
    broker, sink = rig.broker(), Sink()
    broker.start(sink)
    sink.wait(BrokerState, lambda state: state.code == "connected")
    yield broker, sink
    rig.heal()
    broker.close()


_numbers = iter(range(1, 10_000))


def new_id() -> str:
    return f"contract{next(_numbers):018d}-1"


def outcome_of(sink: Sink, client_order_id: str, about: str = "place") -> BrokerOutcome:
    return sink.wait(BrokerOutcome, lambda one: one.client_order_id == client_order_id and one.about == about)


def ended(sink: Sink, client_order_id: str) -> BrokerOrder:
    """Wait for the end of an order and for the fills that it states, which may come by another road and later."""
    last = sink.wait(BrokerOrder, lambda one: one.client_order_id == client_order_id and one.status in ENDED)
    sink.wait(object, lambda _: sum(fill.qty for fill in fills_of(sink, client_order_id).values()) >= last.cum_qty)
    return last


def fills_of(sink: Sink, client_order_id: str) -> dict[str, Fill]:
    return {fill.fill_key: fill for fill in sink.of(Fill) if fill.client_order_id == client_order_id}


def crossing(rig: VenueRig, **fields: Any) -> Any:
    """Return a buy that takes a part of the best ask, in a book that nobody took from."""
    rig.advance(1.0)
    price, size = rig.best(-1)
    qty = min(rig.lots(rig.market.default_betting / 10, price), size)
    return make_order(rig.identifier(), new_id(), qty=qty, price=price, **fields)


def resting(rig: VenueRig, **fields: Any) -> Any:
    """Return a buy two per cent below the best bid."""
    best, _ = rig.best(1)
    price = best * Decimal("0.98")
    step = rig.step(price)
    price = price // step * step
    return make_order(
        rig.identifier(), new_id(), qty=rig.lots(rig.market.min_notional * 2, price), price=price, force=TimeInForce.GTC, **fields
    )


# --- orders -------------------------------------------------------------------------------------


def test_an_order_that_crosses_fills_and_every_road_tells_the_same(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    order = crossing(rig)
    broker.place(order)
    outcome = outcome_of(sink, order.client_order_id)
    assert outcome.kind == "accepted"
    assert outcome.venue_order_id
    assert outcome.sent_ns > 0
    last = ended(sink, order.client_order_id)
    assert last.cum_qty == order.qty
    fills = fills_of(sink, order.client_order_id)
    assert sum(fill.qty for fill in fills.values()) == order.qty
    assert last.cum_amount == sum(fill.price * fill.qty for fill in fills.values()) / 10**8
    assert all(fill.fee > 0 and fill.fee_asset for fill in fills.values())

    broker.query(order)
    answer = sink.wait(BrokerQuery)
    assert answer.found
    assert {fill.fill_key for fill in answer.fills} == fills.keys()
    assert sum(fill.fee for fill in answer.fills) == sum(fill.fee for fill in fills.values())
    assert answer.order is not None
    assert answer.order.status in ENDED

    snapshot = broker.snapshot(0)
    theirs = {fill.fill_key: fill for fill in snapshot.fills}
    assert fills.keys() <= theirs.keys()
    assert all(theirs[key].qty == fill.qty and theirs[key].price == fill.price for key, fill in fills.items())


def test_a_resting_order_is_cancelled(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    order = resting(rig)
    broker.place(order)
    assert outcome_of(sink, order.client_order_id).kind == "accepted"
    assert order.client_order_id in {one.client_order_id for one in broker.snapshot(0).open_orders}
    broker.cancel(order)
    assert outcome_of(sink, order.client_order_id, "cancel").kind == "cancel_accepted"
    assert ended(sink, order.client_order_id).status is OrderStatus.CANCELED
    assert order.client_order_id not in {one.client_order_id for one in broker.snapshot(0).open_orders}


def test_a_part_is_filled_and_the_rest_ends(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    rig.advance(1.0)
    price, size = rig.best(-1)
    rig.set_balance(rig.market.currency, Decimal(10**12))
    order = make_order(rig.identifier(), new_id(), qty=size + rig.lots(rig.market.min_notional * 2, price), price=price)
    broker.place(order)
    last = ended(sink, order.client_order_id)
    assert 0 < last.cum_qty < order.qty
    assert last.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
    assert sum(fill.qty for fill in fills_of(sink, order.client_order_id).values()) == last.cum_qty


def test_an_exit_at_the_market_sells_what_was_bought(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    buy = crossing(rig)
    broker.place(buy)
    assert ended(sink, buy.client_order_id).cum_qty == buy.qty
    sell = make_order(rig.identifier(), new_id(), side=-1, qty=buy.qty, kind=OrderKind.MARKET, price=None, action=Action.EXIT)
    broker.place(sell)
    assert ended(sink, sell.client_order_id).cum_qty == buy.qty


def test_a_used_id_exists(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    order = resting(rig)
    broker.place(order)
    assert outcome_of(sink, order.client_order_id).kind == "accepted"
    broker.place(order)
    sink.wait(BrokerOutcome, lambda one: one.client_order_id == order.client_order_id and one.kind == "exists")
    assert [one.client_id for one in rig.orders()].count(order.client_order_id) == 1
    broker.cancel(order)
    ended(sink, order.client_order_id)


def test_an_unknown_order_is_not_found_and_not_cancelled(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    order = make_order(rig.identifier(), new_id())
    broker.query(order)
    answer = sink.wait(BrokerQuery)
    assert (answer.found, answer.failed) == (False, False)
    broker.cancel(order)
    assert outcome_of(sink, order.client_order_id, "cancel").kind == "cancel_rejected"


def test_too_little_money_is_rejected(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    rig.set_balance(rig.market.currency, Decimal(1))
    order = crossing(rig)
    broker.place(order)
    outcome = outcome_of(sink, order.client_order_id)
    rig.set_balance(rig.market.currency, Decimal(10**9))
    assert outcome.kind == "rejected"
    assert "insufficient" in outcome.code


def test_a_price_off_the_grid_is_rejected(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    price, _ = rig.best(1)
    order = make_order(rig.identifier(), new_id(), qty=rig.lots(rig.market.default_betting / 10, price), price=price + rig.step(price) / 2)
    broker.place(order)
    outcome = outcome_of(sink, order.client_order_id)
    assert outcome.kind == "rejected"
    assert outcome.code.partition(".")[2]


def test_a_wrong_signature_is_rejected(rig: VenueRig) -> None:
    broker, sink = rig.broker(secret="not-the-secret"), Sink()
    broker.start(sink)
    try:
        order = crossing(rig)
        broker.place(order)
        assert outcome_of(sink, order.client_order_id).kind == "rejected"
        assert not [state for state in sink.of(BrokerState) if state.code == "connected"]
    finally:
        broker.close()


# --- doubt --------------------------------------------------------------------------------------


def test_accepted_and_then_silence_is_in_doubt_and_found_once(
    rig: VenueRig, desk: tuple[Any, Sink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utility.http_pool.TOTAL_S", 0.8)
    broker, sink = desk
    rig.fault("response", "accept_then_timeout", match={"method": "POST"}, count=1, params={"ms": 2500})
    order = resting(rig)
    broker.place(order)
    outcome = outcome_of(sink, order.client_order_id)
    assert (outcome.kind, outcome.code) == ("in_doubt", "venue.timed_out")
    broker.query(order)
    assert sink.wait(BrokerQuery).found
    assert [one.client_id for one in rig.orders()].count(order.client_order_id) == 1


@pytest.mark.parametrize("action", ["accept_then_error", "truncate", "garbage", "disconnect"])
def test_an_answer_that_proves_nothing_is_in_doubt(rig: VenueRig, desk: tuple[Any, Sink], action: str) -> None:
    broker, sink = desk
    rig.fault("response", action, match={"method": "POST"}, count=1)
    order = resting(rig)
    broker.place(order)
    assert outcome_of(sink, order.client_order_id).kind == "in_doubt"
    assert [one.client_id for one in rig.orders()].count(order.client_order_id) == 1
    broker.query(order)
    assert sink.wait(BrokerQuery).found
    broker.cancel(order)
    ended(sink, order.client_order_id)


def test_haste_is_transient_and_waited_for(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    rig.fault("request", "rate_limit", match={"method": "POST"}, count=1, params={"retry_after_s": 1})
    first = resting(rig)
    broker.place(first)
    outcome = outcome_of(sink, first.client_order_id)
    assert (outcome.kind, outcome.code) == ("transient", "venue.http_429")
    assert outcome.retry_after_s == pytest.approx(1.1)
    second = resting(rig)
    broker.place(second)  # waits for the window that the venue named, then goes
    late = outcome_of(sink, second.client_order_id)
    assert late.kind == "accepted"
    assert late.sent_ns - outcome.sent_ns > 1_000_000_000
    broker.cancel(second)
    ended(sink, second.client_order_id)


# --- account ------------------------------------------------------------------------------------


def test_every_open_order_is_in_the_snapshot(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    rig.set_balance(rig.market.currency, Decimal(10**9))
    before = len(broker.snapshot(0).open_orders)
    orders = [resting(rig) for _ in range(115)]
    for order in orders:
        broker.place(order)
    for order in orders:
        assert outcome_of(sink, order.client_order_id).kind == "accepted"
    snapshot = broker.snapshot(0)
    assert len(snapshot.open_orders) == before + 115
    assert {order.client_order_id for order in orders} <= {one.client_order_id for one in snapshot.open_orders}
    quote = next(balance for balance in snapshot.balances if balance.asset == rig.market.currency)
    assert quote.locked > 0
    for order in orders:
        broker.cancel(order)
    for order in orders:
        ended(sink, order.client_order_id)


def test_a_failed_read_is_an_error_and_no_empty_account(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    from domain.errors import VenueError

    broker, _ = desk
    rig.fault("response", "garbage", match={"method": "GET"}, count=20)
    with pytest.raises(VenueError):
        broker.snapshot(0)


def test_a_fee_taken_of_what_is_bought_leaves_less_to_sell(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    if not rig.venue.capabilities.fee_in_third_asset:
        pytest.skip("fees are paid in the quote currency here")
    broker, sink = desk
    third = rig.do(lambda: rig.house.core.rules.fee_asset)
    kept = rig.do(lambda: rig.house.core.account.of(third).free)
    instrument = rig.instruments[0]
    base = instrument.base
    rig.set_balance(third, Decimal(0))
    rig.set_balance(base, Decimal(0))
    buy = crossing(rig)
    broker.place(buy)
    ended(sink, buy.client_order_id)
    fills = fills_of(sink, buy.client_order_id).values()
    assert {fill.fee_asset for fill in fills} == {base}
    free = next(balance.free for balance in broker.snapshot(0).balances if balance.asset == base)
    assert free == Decimal(buy.qty) / 10**8 - sum(fill.fee for fill in fills)
    whole = make_order(rig.identifier(), new_id(), side=-1, qty=buy.qty, kind=OrderKind.MARKET, price=None, action=Action.EXIT)
    broker.place(whole)
    assert outcome_of(sink, whole.client_order_id).kind == "rejected"  # there is less than was bought
    qty = int(free * 10**8) // instrument.qty_step * instrument.qty_step
    part = make_order(rig.identifier(), new_id(), side=-1, qty=qty, kind=OrderKind.MARKET, price=None, action=Action.EXIT)
    broker.place(part)
    assert ended(sink, part.client_order_id).cum_qty == qty
    rest = next((balance.free for balance in broker.snapshot(0).balances if balance.asset == base), Decimal(0))
    assert 0 <= rest * 10**8 < instrument.qty_step
    rig.set_balance(third, kept)


def test_the_private_stream_reconnects_and_goes_on(rig: VenueRig, desk: tuple[Any, Sink]) -> None:
    broker, sink = desk
    first = sink.wait(BrokerState).connection
    rig.cut(private=True)
    sink.wait(BrokerState, lambda state: state.code == "connected" and state.connection != first)
    assert [state.code for state in sink.of(BrokerState)] == ["connected", "lost", "connected"]
    order = crossing(rig)
    broker.place(order)
    sink.wait(BrokerOrder, lambda one: one.client_order_id == order.client_order_id and one.source == "stream" and one.status in ENDED)


# --- market data --------------------------------------------------------------------------------


class Book:
    """A book kept from events by the plain reading of the rules."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[float, int]] = {1: {}, -1: {}}
        self.last_id = 0
        self.waiting: list[np.ndarray] = []
        self.is_valid = False

    def take(self, events: np.ndarray) -> None:
        for event in split(events):
            kind = int(event[0]["kind"])
            if kind == INVALID:
                self.is_valid, self.waiting = False, []
            elif kind == SNAPSHOT:
                self.sides = {1: {}, -1: {}}
                levels = event[event["kind"] == SNAPSHOT]
                self._put(levels)
                self.last_id, self.is_valid = int(levels[0]["last_id"]), True
                waiting, self.waiting = self.waiting, []
                for delta in waiting:
                    self.take(delta)
            elif kind == LEVEL and not self.is_valid:
                self.waiting.append(event)
            elif kind == LEVEL and int(event[0]["last_id"]) > self.last_id:
                assert int(event[0]["first_id"]) <= self.last_id + 1, "a gap that the feed did not mark"
                self._put(event)
                self.last_id = int(event[0]["last_id"])

    def _put(self, levels: np.ndarray) -> None:
        for level in levels:
            side = self.sides.get(int(level["side"]))
            if side is None:
                continue
            if level["qty"]:
                side[float(level["price"])] = int(level["qty"])
            else:
                side.pop(float(level["price"]), None)

    def top(self, count: int) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        return sorted(self.sides[-1].items())[:count], sorted(self.sides[1].items(), reverse=True)[:count]


def split(events: np.ndarray) -> Iterator[np.ndarray]:
    start = 0
    for i in range(len(events)):
        if events[i]["kind"] == TRADE or events[i]["flags"] & LAST:
            yield events[start : i + 1]
            start = i + 1


@pytest.fixture
def stream(rig: VenueRig) -> Iterator[tuple[Any, Sink, list[Any]]]:
    feed, sink = rig.feed(), Sink()
    known = {instrument.code: instrument for instrument in feed.instruments()}
    chosen = [known[code] for code in rig.codes]
    feed.start(sink)
    feed.subscribe(chosen)
    sink.wait(FeedNotice, lambda notice: notice.code == "ready")
    yield feed, sink, chosen
    rig.heal()
    feed.close()


def caught_up(rig: VenueRig, sink: Sink) -> None:
    """Wait until the feed handled every frame that its present connection was sent."""

    newest = rig.sockets(private=False)[-1]
    wanted = rig.do(lambda: newest.sent + len(newest.queue))
    sink.wait(EventBatch, lambda batch: batch.connection == str(newest.number) and batch.frames >= wanted)


def events_of(sink: Sink, index: int) -> Iterator[np.ndarray]:
    for batch in sink.of(EventBatch):
        if len(batch.events) and int(batch.events[-1]["instrument"]) == index:
            yield batch.events


def check_books(rig: VenueRig, sink: Sink) -> None:
    for index in range(len(rig.codes)):
        book = Book()
        for events in events_of(sink, index):
            own = events[events["instrument"] == index]
            book.take(own)
        asks, bids = rig.do(lambda index=index: rig.house.core.book(index, 5))
        assert book.is_valid
        assert book.top(5) == ([tuple(level[:2]) for level in asks], [tuple(level[:2]) for level in bids])
        assert min(book.sides[-1]) > max(book.sides[1])


def test_the_book_is_the_venue_s_book(rig: VenueRig, stream: tuple[Any, Sink, list[Any]]) -> None:
    _, sink, chosen = stream
    rig.advance(15.0)
    caught_up(rig, sink)
    check_books(rig, sink)
    batches = sink.of(EventBatch)
    frames = [batch.frames for batch in batches if batch.read_ns]
    assert frames == list(range(1, len(frames) + 1)), "every frame is handed over once, in order"
    trades = np.concatenate([batch.events[batch.events["kind"] == TRADE] for batch in batches])
    assert len(trades)
    for index in range(len(chosen)):
        ids = trades["first_id"][trades["instrument"] == index]
        assert (np.diff(ids) > 0).all()
    assert not [notice for notice in sink.of(FeedNotice) if notice.code in ("gap", "rejected", "refused")]


def test_a_lost_connection_is_marked_and_its_trades_are_fetched(rig: VenueRig, stream: tuple[Any, Sink, list[Any]]) -> None:
    _, sink, _ = stream
    rig.advance(3.0)
    caught_up(rig, sink)
    rig.cut(private=False)
    rig.advance(2.0)  # nobody hears these
    sink.wait(FeedNotice, lambda notice: notice.code == "connected" and bool(notice.fields["again"]))
    sink.wait(EventBatch, lambda batch: bool(len(batch.events)) and batch.events[0]["kind"] == INVALID)
    sink.wait(FeedNotice, lambda notice: notice.code == "gap" and notice.fields["cause"] == "reconnect")
    again = sink.wait(FeedNotice, lambda notice: notice.code == "connected" and bool(notice.fields["again"])).connection
    sink.wait(FeedNotice, lambda notice: notice.code == "ready" and notice.connection == again)
    rig.advance(3.0)
    caught_up(rig, sink)
    check_books(rig, sink)
    for index in range(len(rig.codes)):
        said = rig.do(lambda index=index: {trade.number for trade in rig.house.core.trades(index, 100)})
        heard = {int(number) for events in events_of(sink, index) for number in events["first_id"][events["kind"] == TRADE] if int(number)}
        assert said & heard, "trade numbers are the venue's"
        missing = {number for number in said if min(heard) <= number} - heard
        assert not missing, "the trades of the hole were fetched"


def test_history_is_oldest_first_and_whole(rig: VenueRig, stream: tuple[Any, Sink, list[Any]]) -> None:
    feed, _, chosen = stream
    end = rig.do(lambda: rig.house.core.market_ns)
    bars = feed.history(chosen[0], 1, end - 15 * 10**9, end)
    assert bars.shape[1] == 7
    assert len(bars) >= 3
    assert (np.diff(bars[:, 0]) > 0).all()
    assert (bars[:, 0] + 10**9 <= end).all()
    assert (bars[:, 2] >= bars[:, 3]).all()


def test_a_lost_delta_is_a_gap_and_a_new_snapshot(rig: VenueRig, stream: tuple[Any, Sink, list[Any]]) -> None:
    if not rig.venue.capabilities.depth_is_delta:
        pytest.skip("each book is the whole picture here")
    _, sink, _ = stream
    rig.advance(2.0)
    caught_up(rig, sink)
    rig.fault("public", "drop", match={"contains": "depthUpdate"}, count=1)
    rig.advance(2.0)
    gap = sink.wait(FeedNotice, lambda notice: notice.code == "gap")
    assert gap.fields["cause"] == "update_ids"
    sink.wait(
        EventBatch,
        lambda batch: (
            bool(len(batch.events)) and bool(batch.events[-1]["flags"] & NO_ROW) and sink.items.index(gap) < position(sink, batch)
        ),
    )
    rig.advance(2.0)
    caught_up(rig, sink)
    check_books(rig, sink)


def position(sink: Sink, batch: EventBatch) -> int:
    return next(i for i, item in enumerate(sink.items) if item is batch)

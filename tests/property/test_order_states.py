"""Whatever the wires do, the trader ends equal to the venue; whatever evidence comes, states stay legal."""

from __future__ import annotations

import shutil
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coin.markets import UPBIT
from domain.messages import Command
from domain.orders import TERMINAL, TRANSITIONS, Action, OrderEvent, OrderKind, OrderStatus
from domain.ports import BrokerState
from domain.settings import Risk
from tests.doubles.trader_rig import INSTRUMENTS, ModelVenue, Rig
from tests.unit.trading.test_oms import QTY, make_fill, make_order, make_statement
from trading.ledger_check import LEGAL, verify_account
from trading.oms import ILLEGAL, OrderBook, apply

CODES = [instrument.code for instrument in INSTRUMENTS]

events = st.sampled_from([event for event in OrderEvent if event not in (OrderEvent.LATE_FILL, OrderEvent.LATE_ACCEPT)])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(events, st.integers(1, 4), st.sampled_from(["", "v1", "v2"])), max_size=30))
def test_any_sequence_of_events_stays_on_the_table(steps: list[tuple[OrderEvent, int, str]]) -> None:
    order = make_order(OrderStatus.INITIALIZED)
    filled = 0
    for event, qty, number in steps:
        given_qty = qty if event in (OrderEvent.PART_FILL, OrderEvent.FILL) else 0
        before = order
        applied = apply(order, event, at_ns=1, fill_qty=given_qty, venue_order_id=number)
        order = applied.order
        if applied.outcome == ILLEGAL:
            assert order == before
            continue
        filled += given_qty
        assert (before.status.value, order.status.value) in LEGAL
        assert order.cum_qty == filled
        assert order.leaves_qty == (0 if order.status in TERMINAL else max(QTY - filled, 0))
        assert not (order.in_doubt and order.status in TERMINAL)
        if order.status is OrderStatus.FILLED:
            assert filled >= QTY


@settings(max_examples=200, deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6), st.booleans())
def test_order_and_doubling_of_news_do_not_matter(order_of: list[int], again: list[int], cancelled: bool) -> None:
    """Three fills, acceptance, an open statement and the ending, in any order, each any number of times."""
    number_of_fills = 2 if cancelled else 3
    fills = [make_fill(1, 4), make_fill(2, 4), make_fill(3, 2)][:number_of_fills]
    cum = sum(fill.qty for fill in fills)
    ending = OrderStatus.CANCELED if cancelled else OrderStatus.FILLED
    said = [make_statement(OrderStatus.ACCEPTED), make_statement(OrderStatus.PARTIALLY_FILLED, 4), make_statement(ending, cum)]
    news: list[object] = [*fills, *said]
    sequence = [news[i % len(news)] for i in [*order_of, *again]]
    sequence += [item for item in news if item not in sequence]
    book = OrderBook(lambda client, venue: None, lambda key: False)
    book.add(make_order())
    key = make_order().client_order_id
    for item in sequence:
        if hasattr(item, "fill_key"):
            book.fill(item, 1)  # type: ignore[arg-type]
            book.settle_owed(key, 1)
        else:
            book.stated(item, 1, 1)  # type: ignore[arg-type]
    final = book.get(key)
    assert final is not None
    assert (final.status, final.cum_qty, final.venue_order_id) == (ending, cum, "v1")
    assert not book.owed


class TraderAndVenue(RuleBasedStateMachine):
    """Entries, exits, cancels, crashes, kills and price moves over wires that lie; then quiet, then equality."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="stom-states-"))

    @initialize(parts=st.integers(1, 4), share=st.sampled_from([0.4, 1.0, 1.0]))
    def begin(self, parts: int, share: float) -> None:
        venue = ModelVenue()
        venue.parts, venue.fill_share = parts, share
        risk = Risk(orders_per_s=1000, intents_per_s=1000, orders_per_min=60000, intents_per_min=60000, rejects_per_min=10_000)
        self.rig = Rig(self.folder, venue=venue, risk=risk).ready()
        self.lost: list[object] = []

    # --- what people and strategies do ---

    @rule(code=st.sampled_from(CODES), qty=st.integers(60, 9_000), settled=st.booleans())
    def enter(self, code: str, qty: int, settled: bool) -> None:
        self.rig.tick()
        self.rig.send(self.rig.intent(code, qty=qty))
        if settled:
            self.rig.settle()

    @rule(code=st.sampled_from(CODES), qty=st.integers(1, 9_000), settled=st.booleans())
    def leave(self, code: str, qty: int, settled: bool) -> None:
        self.rig.send(self.rig.intent(code, Action.EXIT, qty=qty))
        if settled:
            self.rig.settle()

    @rule(codes=st.lists(st.sampled_from(CODES), min_size=2, max_size=6))
    def trade_a_while(self, codes: list[str]) -> None:
        for number, code in enumerate(codes):
            # No two alike: the cut of repeated orders has a test of its own.
            self.enter(code, 100 + number + self.rig.numbers, settled=True)
            self.leave(code, 9_000, settled=True)

    @rule(code=st.sampled_from(CODES), qty=st.integers(60, 900))
    def rest(self, code: str, qty: int) -> None:
        self.rig.tick()
        self.rig.send(self.rig.intent(code, qty=qty, kind=OrderKind.LIMIT, price=Decimal(80)))

    @rule()
    def cancel_one(self) -> None:
        live = self.rig.trader.desk.orders.live_orders()
        if live:
            self.rig.run(self.rig.trader.on_cancel(live[0].client_order_id, self.rig.now))

    @rule(level=st.sampled_from(["entries", "cancel"]))
    def kill_and_rearm(self, level: str) -> None:
        for command in (Command(name="kill", args={"level": level}), Command(name="rearm")):
            self.rig.run(self.rig.trader.on_command(command, self.rig.now))

    # --- what the world does ---

    @rule(fate=st.sampled_from(["ok", "lost", "silent", "timeout", "not_sent", "transient", "rejected"]))
    def wire(self, fate: str) -> None:
        self.rig.wire = lambda order: fate

    @rule(how=st.sampled_from(["straight", "reversed", "doubled", "dropped", "held"]))
    def stream(self, how: str) -> None:
        held = self.lost

        def hold(said: list[object]) -> list[object]:
            held.extend(said)
            return []

        self.rig.mangle = {
            "straight": lambda said: said,
            "reversed": lambda said: said[::-1],
            "doubled": lambda said: said + said,
            "dropped": lambda said: [],
            "held": hold,
        }[how]

    @rule()
    def late_news(self) -> None:
        self.rig.queue += self.lost
        self.lost.clear()

    @rule()
    def fill_a_resting_order(self) -> None:
        for held in self.rig.venue.orders.values():
            if held.status is OrderStatus.ACCEPTED and held.order.price is not None:
                fill = self.rig.venue.fill(held, held.order.qty - held.cum)
                held.status = OrderStatus.FILLED
                self.rig.queue += self.rig.mangle([fill, self.rig.venue.state(held)])
                return

    @rule(index=st.integers(0, 2), percent=st.sampled_from([-2, -1, 1, 2]))
    def move_price(self, index: int, percent: int) -> None:
        name = INSTRUMENTS[index].instrument_id
        self.rig.venue.price[name] = max((self.rig.venue.price[name] * (100 + percent) / 100).quantize(Decimal(1)), Decimal(90))
        self.rig.tick()

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.rig.advance(seconds, step=max(seconds / 10, 0.1))

    @rule()
    def settle(self) -> None:
        self.rig.settle()

    @rule()
    def stream_breaks(self) -> None:
        self.rig.run(self.rig.trader.on_broker(BrokerState(code="lost"), self.rig.now))
        self.rig.run(self.rig.trader.on_broker(BrokerState(code="connected"), self.rig.now))

    @rule()
    def crash(self) -> None:
        wire, mangle = self.rig.wire, self.rig.mangle
        self.rig.crash()
        self.rig.connect()
        self.rig.wire, self.rig.mangle = wire, mangle

    # --- what must always hold ---

    @invariant()
    def one_venue_order_an_intent(self) -> None:
        if hasattr(self, "rig"):
            intents = [key[:26] for key in self.rig.venue.orders]
            assert len(intents) == len(set(intents))

    @invariant()
    def nothing_is_owned_that_was_not_bought(self) -> None:
        if hasattr(self, "rig"):
            for instrument in INSTRUMENTS:
                assert self.rig.venue.totals.get(instrument.base, Decimal(0)) >= 0
            assert self.rig.venue.totals["KRW"] >= 0

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            self._quiesce()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _quiesce(self) -> None:
        rig = self.rig
        rig.wire, rig.mangle = (lambda order: "ok"), (lambda said: said)
        rig.settle()
        rig.advance(45.0, step=0.5)
        rig.agrees()
        desk = rig.trader.desk
        assert not desk.orders.in_doubt()
        assert not desk.orders.owed
        assert desk.readiness == 3
        held = {name: rig.position(name.split(":")[1]) for name in desk.account.instruments}
        for name, qty in held.items():
            assert qty == int(rig.venue.totals.get(desk.account.base_asset(name), Decimal(0)) * 10**8)
        rig.trader.close(rig.now)
        assert verify_account(self.folder, UPBIT) == []


TraderAndVenue.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
TestTraderAndVenue = TraderAndVenue.TestCase


def test_table_names_every_state_as_a_start() -> None:
    assert {state for state, _ in TRANSITIONS} == set(OrderStatus)

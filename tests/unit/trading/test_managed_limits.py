"""Limit orders of the order settings in the strategy host: taken back, moved, crossed by fills, found again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
from msgspec.structs import replace

from domain.instruments import NS
from domain.messages import Barrier, CancelOrder, FillUpdate, IntentAck, OrderUpdate, PositionState, RoundTripState, SnapshotDone
from domain.order_settings import Entry, Exit, OrderSettings
from domain.orders import Action, Fill, Intent, Order, OrderKind, OrderStatus, TimeInForce
from domain.records import ROUND_TRIP_DTYPE
from tests.unit.trading.test_strategy_host import DAY, Table
from trading.order_rules import LAST_S, LAST_STOP_S, STOPS, TRADES
from trading.rehearsal import rehearse
from trading.resting import REPLACED_STEP

ENTRY = Entry(order="limit", cancel_late=True, cancel_s=3)
EXIT = Exit(order="limit", stop_rate=True, stop_rate_pct=5)
OPEN, PART, CANCELED, FILLED, GOING = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.CANCELED,
    OrderStatus.FILLED,
    OrderStatus.PENDING_CANCEL,
)


class Desk(Table):
    """A host with order settings, and a trader that says what the test wants."""

    def __init__(self, entry: Entry = ENTRY, exit_: Exit = EXIT, **text: Any) -> None:
        super().__init__(orders=OrderSettings(entry=entry, exit=exit_), betting=10_000.0, **text)
        self.held = 0
        self.seq = 0
        self.filled: dict[str, int] = {}

    @property
    def symbol(self) -> Any:
        return self.host.symbols[0]

    def cancels(self) -> list[str]:
        return [one.client_order_id for one in self.sent if isinstance(one, CancelOrder)]

    def order(self, intent: Intent, status: OrderStatus) -> Order:
        return Order(
            client_order_id=f"{intent.intent_id}-1", intent_id=intent.intent_id, account=intent.account, venue_order_id="1",
            instrument_id=intent.instrument_id, side=intent.side, qty=intent.qty, kind=intent.kind, action=intent.action, rule=intent.rule,
            time_in_force=TimeInForce.IOC if intent.price is None else TimeInForce.GTC, price=intent.price, status=status,
            cum_qty=self.filled.get(intent.intent_id, 0), row_time=intent.row_time,
        )  # fmt: skip

    def say(self, intent: Intent, status: OrderStatus, seq: int = 1) -> None:
        self.host.on_order(OrderUpdate(outbox_seq=seq, order=self.order(intent, status)))

    def rest(self, intent: Intent) -> None:
        self.host.on_ack(IntentAck(intent_id=intent.intent_id, accepted=True))
        self.say(intent, OPEN)

    def part(self, intent: Intent, qty: int) -> None:
        self.held += intent.side * qty
        self.seq += 1
        self.filled[intent.intent_id] = self.filled.get(intent.intent_id, 0) + qty
        position = PositionState(
            instrument_id=intent.instrument_id, qty=self.held, entry_price=99.0, entry_cost=1.0, entry_time=intent.row_time,
            entry_row_time=intent.row_time, realised=0.0, owner="s",
        )  # fmt: skip
        fill = Fill(
            fill_key=f"f{self.seq}", client_order_id=f"{intent.intent_id}-1", venue_order_id="1", instrument_id=intent.instrument_id,
            side=intent.side, qty=qty, price=intent.price or Decimal(100), fee=Decimal(0), fee_asset="KRW", exchange_ns=1,
        )  # fmt: skip
        self.host.on_fill(FillUpdate(outbox_seq=self.seq, fill=fill, position=position))
        self.say(intent, FILLED if self.filled[intent.intent_id] == intent.qty else PART)


def entered(desk: Desk) -> Intent:
    """Let an entry rest, be filled whole, and be known to the rule."""
    desk.row(1)
    intent = desk.intents()[-1]
    desk.rest(intent)
    desk.part(intent, intent.qty)
    desk.row(2)
    return intent


def test_an_entry_rests_at_the_price_of_the_settings_and_lets_the_step_end() -> None:
    desk = Desk()
    desk.row(1)
    (intent,) = desk.intents()
    assert (intent.kind, intent.price, intent.qty, intent.reference_price) == (OrderKind.LIMIT, Decimal(99), 100 * 10**8, 100.0)
    desk.host.on_barrier(Barrier(n=1, market_ns=1))
    assert desk.barriers() == []  # nobody knows yet whether it stands
    desk.rest(intent)
    assert desk.barriers() == [1]
    desk.row(2)
    assert len(desk.intents()) == 1


def test_a_fill_is_of_the_row_that_follows_and_no_code_runs_on_it() -> None:
    desk = Desk()
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.part(intent, intent.qty)
    assert desk.symbol.qty == 0
    desk.row(2)
    assert (desk.symbol.qty, desk.symbol.entry_time, desk.symbol.holding.entries) == (intent.qty, DAY + 2, 1)
    desk.row(3)
    assert len(desk.intents()) == 1  # held for one second
    desk.row(4)
    assert (desk.intents()[-1].action, desk.intents()[-1].price) == (Action.EXIT, Decimal(101))


def test_time_takes_an_entry_back_and_the_next_row_may_begin_anew() -> None:
    desk = Desk()
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.row(3)
    assert desk.cancels() == []
    desk.host.on_barrier(Barrier(n=1, market_ns=1))
    desk.row(4)
    desk.host.on_barrier(Barrier(n=2, market_ns=1))
    assert desk.cancels() == [f"{intent.intent_id}-1"]
    assert desk.barriers() == [1]  # the step waits for the venue's word
    desk.say(intent, GOING)
    desk.say(intent, CANCELED)
    assert desk.barriers() == [1, 2]
    assert len(desk.intents()) == 1
    desk.row(5)
    assert len(desk.intents()) == 2


def test_a_cancel_that_crosses_with_a_fill_leaves_the_position_and_nothing_else() -> None:
    desk = Desk()
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.row(4)
    desk.say(intent, GOING)
    desk.part(intent, intent.qty)
    assert desk.symbol.pending is None
    desk.row(5)
    assert (desk.symbol.qty, desk.symbol.holding.entries, len(desk.intents())) == (intent.qty, 1, 1)


def test_a_refused_cancel_is_asked_for_again_on_the_next_row() -> None:
    desk = Desk()
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.row(4)
    desk.say(intent, GOING)
    desk.say(intent, OPEN)
    assert desk.symbol.is_resting
    desk.row(5)
    assert len(desk.cancels()) == 2


def test_a_moved_order_is_cancelled_and_its_rest_placed_anew_as_one_entry() -> None:
    desk = Desk(Entry(order="limit", replaces=1, replace_away=3, replace_ticks=2))
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.part(intent, 30 * 10**8)
    desk.row(2)
    desk.row(3, 102.0)
    assert desk.cancels() == [f"{intent.intent_id}-1"]
    assert len(desk.intents()) == 1
    desk.say(intent, GOING)
    desk.say(intent, CANCELED)
    moved = desk.intents()[-1]
    assert (moved.price, moved.qty, moved.step, moved.row_time) == (Decimal(100), 70 * 10**8, REPLACED_STEP + 1, DAY + 3)
    desk.rest(moved)
    desk.part(moved, moved.qty)
    desk.row(4, 102.0)
    holding = desk.symbol.holding
    assert (desk.symbol.qty, holding.entries, holding.bought) == (100 * 10**8, 1, 100 * 10**8)
    assert holding.entry_raw == 99.0 * 30 + 100.0 * 70


def test_a_move_whose_fill_was_faster_places_nothing() -> None:
    desk = Desk(Entry(order="limit", replaces=1, replace_away=3, replace_ticks=2))
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.row(2, 102.0)
    desk.say(intent, GOING)
    desk.part(intent, intent.qty)
    desk.row(3, 102.0)
    assert len(desk.intents()) == 1
    assert desk.symbol.qty == intent.qty


def test_a_replacement_that_the_trader_refuses_leaves_the_symbol_free() -> None:
    desk = Desk(Entry(order="limit", replaces=1, replace_away=3, replace_ticks=2))
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.row(2, 102.0)
    desk.say(intent, GOING)
    desk.say(intent, CANCELED)
    moved = desk.intents()[-1]
    desk.host.on_ack(IntentAck(intent_id=moved.intent_id, accepted=False, rule="collar"))
    assert (desk.symbol.pending, desk.symbol.resting, desk.host.waiting) == (None, None, {})
    desk.row(3, 102.0)
    assert desk.intents()[-1].step == 0  # a new entry, not a further move


def test_a_stop_takes_the_resting_exit_back_first_and_leaves_at_the_market() -> None:
    desk = Desk()
    entered(desk)
    desk.row(4)
    out = desk.intents()[-1]
    assert (out.action, out.kind) == (Action.EXIT, OrderKind.LIMIT)
    desk.rest(out)
    desk.part(out, -out.side * 40 * 10**8)
    desk.row(5)
    desk.row(6, 90.0)
    assert desk.cancels() == [f"{out.intent_id}-1"]
    desk.say(out, GOING)
    desk.say(out, CANCELED)
    stop = desk.intents()[-1]
    assert (stop.kind, stop.force, stop.qty, stop.row_time) == (OrderKind.MARKET, True, 60 * 10**8, DAY + 6)


def test_the_last_row_takes_back_what_rests_and_sells_what_is_held() -> None:
    desk = Desk(Entry(order="limit"))
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.part(intent, 30 * 10**8)
    desk.row(2)
    desk.host.on_barrier(Barrier(n=1, market_ns=1, closing=(0,)))
    assert desk.cancels() == [f"{intent.intent_id}-1"]
    desk.say(intent, GOING)
    desk.say(intent, CANCELED)
    out = desk.intents()[-1]
    assert (out.action, out.kind, out.qty, desk.barriers()) == (Action.EXIT, OrderKind.MARKET, 30 * 10**8, [])
    desk.host.on_ack(IntentAck(intent_id=out.intent_id, accepted=True))
    desk.part(out, out.qty)
    assert desk.barriers() == [1]


def test_a_host_that_begins_anew_goes_on_with_its_order() -> None:
    first = Desk()
    first.row(1)
    (intent,) = first.intents()
    second = Desk()
    second.host.is_live = False
    second.row(1)
    second.sent.clear()
    second.say(intent, OPEN, seq=0)
    second.host.on_snapshot_done(SnapshotDone(outbox_seq=0), {intent.intent_id}, set())
    second.host.is_live = True
    second.row(2)
    assert second.sent == []
    second.row(4)
    assert second.cancels() == [f"{intent.intent_id}-1"]
    second.say(intent, GOING)
    second.part(intent, intent.qty)
    second.row(5)
    assert second.symbol.holding.entries > 1  # of which share of what it was nobody knows: no further entry


def test_an_order_of_another_text_is_cancelled_once_the_host_trades() -> None:
    other = Desk(version="0")
    other.row(1)
    (intent,) = other.intents()
    for desk in (Desk(), Table()):
        desk.host.is_live = False
        order = replace(other.order(intent, OPEN))
        desk.host.on_order(OrderUpdate(outbox_seq=0, order=order))
        assert desk.sent == []
        desk.host.is_live = True
        desk.host.clear_strays()
        assert [one.client_order_id for one in desk.sent] == [order.client_order_id]
        desk.host.on_order(OrderUpdate(outbox_seq=1, order=replace(order, status=CANCELED)))
        desk.host.clear_strays()
        assert len(desk.sent) == 1


def test_an_order_that_is_gone_from_the_picture_is_waited_for_no_more() -> None:
    desk = Desk()
    desk.row(1)
    (intent,) = desk.intents()
    desk.rest(intent)
    desk.host.on_snapshot_done(SnapshotDone(outbox_seq=9), set(), set())
    assert desk.symbol.pending is None
    desk.row(2)
    assert len(desk.intents()) == 2


def test_the_rehearsal_takes_the_roads_of_limit_orders() -> None:
    assert rehearse(Desk(Entry(order="limit", replaces=1)).host) >= 2


def test_a_host_that_begins_anew_knows_the_days_trades_and_its_newest_fill() -> None:
    entry = Entry(ban_trades=True, ban_trades_count=1, ban_interval=True, ban_interval_s=5)
    trip = np.zeros(1, ROUND_TRIP_DTYPE)
    trip["exit_time"], trip["pnl"] = DAY + 2, -1.0
    closed = RoundTripState(seq=1, code="KRW-A", label="", data=trip.tobytes())
    for trips, seconds in (((closed,), (3, 30)), ((), (8,))):
        desk = Desk(entry)
        desk.host.is_live = False
        desk.row(1)
        desk.host.remember(trips, ())
        desk.host.is_live = True
        for second in seconds:
            desk.row(second)
        assert len(desk.intents()) == (0 if trips else 1)
    memory = desk.symbol.memory
    desk.host.remember((closed,), ())
    assert (memory[TRADES], memory[STOPS], memory[LAST_STOP_S]) == (1.0, 1.0, 2.0)
    assert memory[LAST_S] == -np.inf
    utc = int(dt.datetime(2026, 1, 5, 0, 0, 7, tzinfo=dt.UTC).timestamp()) * NS
    fill = Fill(
        fill_key="f", client_order_id="x-1", venue_order_id="1", instrument_id="upbit:KRW-A", side=1, qty=1, price=Decimal(1),
        fee=Decimal(0), fee_asset="KRW", exchange_ns=utc,
    )  # fmt: skip
    desk.host.remember((), (fill,))
    assert memory[LAST_S] == 7.0
    yesterday = np.array(trip)
    yesterday["exit_time"] = DAY - 1_000_000 + 2
    desk.host.remember((RoundTripState(seq=2, code="KRW-A", label="", data=yesterday.tobytes()),), ())
    assert memory[TRADES] == 1.0

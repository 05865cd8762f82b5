"""The trader core from intent to position, beside a venue that knows the truth."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from coin.markets import UPBIT
from domain.instruments import NS, QTY_UNIT, Capabilities
from domain.messages import (
    AccountState,
    CancelOrder,
    Command,
    DayRecord,
    FeedState,
    FillUpdate,
    GapMark,
    OrderUpdate,
    OutboxAck,
    PositionState,
    RoundTripState,
    Snapshot,
    SnapshotDone,
    SubmitIntent,
)
from domain.orders import Action, Order, OrderKind, OrderStatus, TimeInForce
from domain.ports import BrokerFrame, BrokerOrder, BrokerOutcome
from domain.records import ROUND_TRIP_DTYPE
from domain.settings import Risk
from tests.doubles.trader_rig import ACCOUNT, INSTRUMENTS, START_UTC, Rig
from trading.desk import Options
from trading.effects import Emit, Moment, Place
from trading.risk import HALTED, REDUCING
from trading.trader import Trader

AAA = "upbit:KRW-AAA"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path).ready()


def codes(rig: Rig) -> list[str]:
    return [alarm.code for alarm in rig.alarms]


def rest(rig: Rig, code: str = "KRW-CCC") -> str:
    intent = rig.intent(code, kind=OrderKind.LIMIT, price=Decimal(99))
    rig.send(intent)
    rig.settle()
    return intent.intent_id + "-1"


# --- the straight line -----------------------------------------------------------------------------------


def test_entry_leaves_as_limit_ioc_at_the_collar_and_exit_as_market(rig: Rig) -> None:
    rig.enter()
    rig.leave()
    entry, leave = rig.placed
    assert (entry.kind, entry.time_in_force, entry.price) == (OrderKind.LIMIT, TimeInForce.IOC, Decimal(105))
    assert (leave.kind, leave.price) == (OrderKind.MARKET, None)
    rig.agrees()


def test_fill_makes_a_position_and_a_round_trip_with_the_fee_rules_profit(rig: Rig) -> None:
    rig.enter(qty=100)
    rig.venue.price[AAA] = Decimal(110)
    rig.tick()
    rig.leave(qty=100)
    kinds = [type(message) for message in rig.messages]
    assert kinds.count(FillUpdate) == 2
    assert kinds.count(RoundTripState) == 1
    last = [message for message in rig.messages if isinstance(message, FillUpdate)][-1]
    assert last.position.qty == 0
    assert last.position.realised == pytest.approx(11_000 - 10_000 - 5 - 5.5)


def test_the_account_is_told_with_each_fill(rig: Rig) -> None:
    rig.enter(qty=100)
    rig.leave(qty=100)  # at once, long before the next state of the account is due
    told = [message for message in rig.messages if isinstance(message, FillUpdate | AccountState)]
    for number, message in enumerate(told):
        if isinstance(message, FillUpdate):
            state = told[number + 1]
            assert isinstance(state, AccountState)
            held = {balance.asset: balance.free * 100_000_000 for balance in state.balances}
            assert held.get("AAA", 0) == message.position.qty
    assert sum(isinstance(message, FillUpdate) for message in told) == 2


def test_outbox_numbers_are_without_a_hole_and_durable(rig: Rig) -> None:
    rig.enter()
    told = [m.outbox_seq for m in rig.messages if isinstance(m, OrderUpdate | FillUpdate)]
    assert told == list(range(1, len(told) + 1))
    assert [m.outbox_seq for m in rig.trader.outbox_since(2)] == told[2:]  # type: ignore[attr-defined]
    rig.trader.on_message(OutboxAck(seq=told[-1]), rig.now)
    assert rig.trader.desk.outbox_acked == told[-1]


def test_same_intent_gets_the_same_answer_and_one_order(rig: Rig) -> None:
    intent = rig.intent()
    first = rig.send(intent)
    rig.run(rig.trader.on_intents((intent, intent), rig.now))
    rig.settle()
    rig.crash()
    rig.ready()
    assert rig.send(intent) == first
    assert len(rig.venue.orders) == 1
    rig.agrees()


def test_same_intent_twice_in_one_batch_is_one_order(rig: Rig) -> None:
    intent = rig.intent()
    rig.run(rig.trader.on_intents((intent, intent), rig.now))
    assert len(rig.placed) == 1


def test_refused_intent_is_in_the_ledger_with_rule_limit_and_observed(rig: Rig) -> None:
    ack = rig.enter(qty=30_000)
    assert (ack.accepted, ack.rule, ack.limit, ack.observed) == (False, "max_order_pct", 2_000_000.0, 3_000_000.0)
    assert rig.trader.desk.ledger.find_intent(ack.intent_id) == (False, "max_order_pct", 2_000_000.0, 3_000_000.0)
    rig.advance(0.5)
    state = [message for message in rig.messages if isinstance(message, AccountState)][-1]
    assert state.refusals == {"max_order_pct": 1}


def test_place_comes_after_the_commit_and_before_the_news(rig: Rig) -> None:
    effects = rig.trader.on_intent(rig.intent(), rig.now)
    assert isinstance(effects[0], Place)
    reader = sqlite3.connect(f"file:{rig.folder / 'ledger.db'}?mode=ro", uri=True)
    assert reader.execute("SELECT state FROM orders").fetchall() == [("submitted",)]
    reader.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"instrument_id": "upbit:KRW-NONE"},
        {"account": "upbit-other"},
        {"qty": 0},
        {"qty": -5},
        {"side": 2},
        {"reference_price": float("nan")},
        {"reference_price": 0.0},
        {"kind": OrderKind.LIMIT, "price": None},
        {"kind": OrderKind.LIMIT, "price": Decimal("NaN")},
    ],
)
def test_malformed_intent_is_refused_not_crashed(rig: Rig, changes: dict[str, object]) -> None:
    assert rig.send(rig.intent(**changes)).rule == "decode"
    assert rig.placed == []


def test_limit_intent_off_the_ladder_is_refused(rig: Rig) -> None:
    assert rig.send(rig.intent(kind=OrderKind.LIMIT, price=Decimal("100.5"))).rule == "tick"
    assert rig.send(rig.intent(kind=OrderKind.LIMIT, price=Decimal(101))).accepted


def test_fee_in_the_base_asset_leaves_dust_that_counts_as_flat(rig: Rig) -> None:
    rig.trader.set_instruments([replace(one, qty_step=QTY_UNIT) for one in INSTRUMENTS])
    rig.venue.fee_in_base = True
    rig.enter(qty=100)
    assert rig.position() == 100 * QTY_UNIT - 5_000_000
    ack = rig.leave(qty=100)
    assert ack.accepted
    assert rig.placed[-1].qty == 99 * QTY_UNIT, "what is free, floored to the step"
    assert rig.trader.desk.positions.views() == []
    assert len([message for message in rig.messages if isinstance(message, RoundTripState)]) == 1
    rig.agrees()
    rig.crash()
    rig.ready()
    assert rig.trader.desk.positions.views() == []


# --- exposure under concurrency --------------------------------------------------------------------------


def test_eight_intents_into_room_for_one_admit_exactly_one(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_positions=1).ready()
    intents = [rig.intent(INSTRUMENTS[i % 3].code, strategy=f"s{i}", step=i) for i in range(8)]
    rig.run(rig.trader.on_intents(intents, rig.now))
    rig.settle()
    accepted = [intent for intent in intents if rig.acks[intent.intent_id].accepted]
    assert len(accepted) == 1
    assert len(rig.venue.orders) == 1


def test_gross_limit_counts_orders_in_doubt(tmp_path: Path) -> None:
    risk = Risk(max_gross_pct=1.5, orders_per_s=1000, intents_per_s=1000)
    rig = Rig(tmp_path, risk=risk).ready()
    rig.wire = lambda order: "lost"
    assert rig.enter("KRW-AAA", qty=10_000).accepted
    assert rig.trader.desk.orders.in_doubt()
    assert rig.enter("KRW-BBB", qty=10_000).rule == "gross"


def test_doubt_closes_the_symbol_to_entries_and_leaves_others_open(rig: Rig) -> None:
    rig.wire = lambda order: "lost"
    rig.enter("KRW-AAA")
    rig.wire = lambda order: "ok"
    assert rig.send(rig.intent("KRW-AAA", side=1, action=Action.MANUAL)).rule == "symbol"
    assert rig.enter("KRW-BBB").accepted


def test_second_exit_waits_for_the_first(rig: Rig) -> None:
    rig.enter()
    rig.wire = lambda order: "lost"
    assert rig.leave().accepted
    assert rig.leave().rule == "duplicate"
    assert rig.send(rig.intent(action=Action.MANUAL, side=-1)).rule == "sellable"


def test_external_order_counts_in_exposure_and_is_left_alone(rig: Rig) -> None:
    other = BrokerOrder(
        client_order_id="by-hand", venue_order_id="x1", instrument_id=AAA, side=1, status=OrderStatus.ACCEPTED, qty=90_000 * QTY_UNIT,
        cum_qty=0, cum_amount=Decimal(0), price=Decimal(100), exchange_ns=1,
    )  # fmt: skip
    rig.run(rig.trader.on_broker(other, rig.now))
    assert "order.external" in codes(rig)
    assert rig.cancelled == []
    assert rig.enter("KRW-AAA", qty=10_000).rule == "position"
    rig.run(rig.trader.on_broker(replace(other, status=OrderStatus.CANCELED), rig.now))
    assert rig.enter("KRW-AAA", qty=10_000).accepted


def test_venue_order_with_our_kind_of_id_that_we_never_made_halts(rig: Rig) -> None:
    forged = BrokerOrder(
        client_order_id="a" * 26 + "-1", venue_order_id="x1", instrument_id=AAA, side=1, status=OrderStatus.ACCEPTED, qty=QTY_UNIT,
        cum_qty=0, cum_amount=Decimal(0), price=Decimal(100), exchange_ns=1,
    )  # fmt: skip
    rig.run(rig.trader.on_broker(forged, rig.now))
    assert rig.trader.desk.causes["forged"][0] == HALTED
    assert rig.enter().rule == "state"


# --- journal failure, owner, main gone, data ---------------------------------------------------------------------


def test_unwritable_journal_stops_orders_and_lets_cancels_out(rig: Rig) -> None:
    key = rest(rig)
    rig.trader.desk.ledger._connection.execute("PRAGMA query_only = ON")
    ack = rig.trader.on_intent(rig.intent(), rig.now)
    assert not [effect for effect in ack if isinstance(effect, Place)]
    rig.run(ack)
    assert rig.send(rig.intent("KRW-BBB")).rule == "journal"
    rig.run(rig.trader.on_cancel(key, rig.now))
    assert [order.client_order_id for order in rig.cancelled] == [key]
    assert rig.trader.on_broker(BrokerOutcome(client_order_id=key, kind="accepted"), rig.now) == []


def test_stolen_lock_stops_the_send(rig: Rig) -> None:
    (rig.folder / "lock").unlink()
    rig.enter()
    assert [reason for _, reason in rig.blocked] == ["send.not_owner"]


def test_unarmed_account_sends_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, armed=False).ready()
    assert rig.enter().rule == "armed"
    assert rig.placed == []


def test_main_gone_stops_entries_and_lets_exits(rig: Rig) -> None:
    rig.enter()
    rig.run(rig.trader.on_command(Command(name="main", args={"alive": False}), rig.now))
    assert rig.enter("KRW-BBB").rule == "state"
    assert rig.leave().accepted
    rig.run(rig.trader.on_command(Command(name="main", args={"alive": True}), rig.now))
    assert rig.enter("KRW-BBB").accepted


def test_stale_quote_blocks_entries_never_exits(rig: Rig) -> None:
    rig.enter()
    rig.fresh = False
    rig.advance(3.0)
    assert rig.enter("KRW-BBB").rule == "stale"
    assert rig.leave().accepted


def test_gap_and_dead_feed_close_to_entries(rig: Rig) -> None:
    mark = GapMark(market="upbit", stream="trade", instrument=0, from_seq=1, to_seq=2, cause="test", state="detected")
    rig.run(rig.trader.on_market(mark, rig.now))
    assert rig.enter("KRW-AAA").rule == "symbol"
    assert rig.enter("KRW-BBB").accepted
    rig.run(rig.trader.on_market(replace(mark, state="marked"), rig.now))
    assert rig.enter("KRW-AAA").accepted
    dead = FeedState(market="upbit", state="reconnecting", frames=0, events=0, rows=0, rejected={}, duplicates=0, gaps=0)
    rig.run(rig.trader.on_market(dead, rig.now))
    assert rig.enter("KRW-CCC").rule == "symbol"


def test_day_loss_reduces_then_halts(tmp_path: Path) -> None:
    risk = Risk(max_order_pct=100, max_order_krw=1e9, max_position_pct=100, max_gross_pct=100, max_depth_pct=100)
    rig = Rig(tmp_path, risk=risk).ready()
    assert rig.enter(qty=500_000).accepted
    rig.venue.price[AAA] = Decimal("95.5")
    rig.tick()
    rig.advance(0.05)
    assert rig.trader.desk.causes["loss"] == (REDUCING, "2.0")
    rig.venue.price[AAA] = Decimal(93)
    rig.tick()
    rig.advance(0.05)
    assert rig.trader.desk.causes["loss"] == (HALTED, "3.0")
    rig.venue.price[AAA] = Decimal(100)
    rig.tick()
    assert rig.trader.desk.causes["loss"][0] == HALTED, "a person lifts a halt"


def test_changed_limits_wait_ten_seconds(rig: Rig) -> None:
    rig.run(rig.trader.on_command(Command(name="risk", args={"settings": {"max_order_krw": 20_000.0}}), rig.now))
    assert rig.enter(qty=1_000).accepted
    rig.advance(10.5)
    assert rig.enter("KRW-BBB", qty=1_000).rule == "max_order"


def test_flood_of_one_strategy_is_capped_and_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, risk=Risk()).ready()
    intents = [rig.intent(INSTRUMENTS[i % 3].code, qty=100 + i) for i in range(200)]
    rig.run(rig.trader.on_intents(intents, rig.now))
    rig.settle()
    assert len(rig.placed) <= 2
    refusals = rig.trader.desk.counters.refusals
    assert sum(refusals.values()) == 200 - len(rig.placed)
    recorded = rig.trader.desk.ledger._connection.execute("SELECT count(*) FROM intents").fetchone()[0]
    assert recorded <= 105


def test_refused_signals_leave_the_cap_free(tmp_path: Path) -> None:
    """Signals every second far above the cap: a third minute trades as much as the first (P24)."""
    rig = Rig(tmp_path, risk=Risk(intents_per_min=6)).ready()
    accepted = [0, 0, 0]
    for second in range(180):
        rig.advance(1.0)
        rig.tick()
        for i in range(3):
            accepted[second // 60] += rig.enter(INSTRUMENTS[i].code, qty=100 + second + i).accepted
    assert accepted == [6, 6, 6]
    assert rig.trader.desk.counters.refusals["rate_intents"] == 540 - 18


# --- lock-step --------------------------------------------------------------------------------------------------


def test_lockstep_intent_waits_for_its_row_and_counts_in_market_time(tmp_path: Path) -> None:
    rig = Rig(tmp_path, lockstep=True, risk=Risk()).ready()
    rig.mono += NS
    early = rig.intent(row_ns=rig.now.utc_ns)
    rig.run(rig.trader.on_intent(early, rig.now))
    assert early.intent_id not in rig.acks
    assert rig.trader.unsettled() == 1
    rig.tick()
    assert rig.acks[early.intent_id].accepted
    rig.settle()
    assert rig.trader.unsettled() == 0
    assert rig.send(rig.intent("KRW-BBB")).accepted
    rig.settle()
    rig.mono += 30 * NS  # the machine was slow; market time stood still
    assert rig.send(rig.intent("KRW-CCC")).rule == "rate_intents"


def test_replay_of_an_old_day_counts_that_day(tmp_path: Path) -> None:
    old = START_UTC - 500 * 86_400 * NS
    rig = Rig(tmp_path, lockstep=True, risk=Risk(entries_per_day=1), start_utc=old)
    ledger = rig.trader.desk.ledger
    rig.trader = Trader(ACCOUNT, UPBIT, Capabilities(), ledger, rig.risk, Options(lockstep=True))
    rig.trader.set_instruments(INSTRUMENTS)
    rig.run(rig.trader.start(Moment(rig.mono, START_UTC)))
    assert rig.trader.desk.counters.day == 0, "no day before the recording says one"
    rig.tick()
    assert rig.trader.desk.counters.day == 20241018
    rig.connect()
    assert rig.enter().accepted
    assert rig.enter("KRW-BBB").rule == "entries_day"


def test_lockstep_fill_has_the_row_time_of_its_signal(tmp_path: Path) -> None:
    rig = Rig(tmp_path, lockstep=True).ready()
    intent = rig.intent()
    rig.send(intent)
    rig.settle()
    view = rig.trader.desk.positions.view(AAA)
    assert (view.entry_time, view.entry_row_time) == (intent.row_time, intent.row_time)


def test_unsettled_counts_an_unanswered_order(rig: Rig) -> None:
    rig.run(rig.trader.on_intent(rig.intent(), rig.now))
    assert rig.trader.unsettled() == 1
    rig.settle()
    assert rig.trader.unsettled() == 0
    assert rig.trader.on_broker(BrokerFrame(connection="1", frames=1), rig.now) == []


def test_picture_lists_everything_and_ends(rig: Rig) -> None:
    rig.enter()
    rest(rig)
    told = [effect.message for effect in rig.trader.on_message(Snapshot(), rig.now) if isinstance(effect, Emit)]
    assert [type(message) for message in told] == [OrderUpdate, PositionState, AccountState, SnapshotDone]
    assert told[1].owner == "s"  # type: ignore[attr-defined]
    assert told[-1].outbox_seq == rig.trader.desk.ledger.outbox_seq  # type: ignore[attr-defined]


def test_open_profit_is_net_and_the_day_begins_with_its_equity(rig: Rig) -> None:
    desk = rig.trader.desk
    rig.market({AAA: 100.0})
    rig.enter(qty=100)
    rig.market({AAA: 120.0})
    fee = UPBIT.fees[0].fee_ppm / 1e6
    expected = 12_000 - 10_000 - (10_000 + 12_000) * fee
    assert desk.unrealised() == pytest.approx(expected)
    state = desk.account_state()
    assert state.day_base == pytest.approx(100_000_000)
    # The fee of the exit is not paid yet: that alone lies between the day's profit and the open one.
    assert state.day_profit() == pytest.approx(expected), "profit and equity are both after the cost of leaving"
    rig.venue.price[AAA] = Decimal(120)
    rig.leave(qty=50)
    assert rig.position() == 50 * QTY_UNIT
    assert desk.unrealised() == pytest.approx(expected)  # selling a part at the same price earns nothing
    rig.leave(qty=50)
    assert desk.unrealised() == 0.0
    assert desk.account_state().realised == pytest.approx(expected)


def test_a_listener_that_comes_late_is_told_the_day(rig: Rig, tmp_path: Path) -> None:
    for _ in range(2):
        rig.enter()
        rig.leave()
    rig.crash()
    rig.connect()
    told = [effect.message for effect in rig.trader.on_message(Snapshot(what="day"), rig.now) if isinstance(effect, Emit)]
    record = next(message for message in told if isinstance(message, DayRecord))
    assert [trip.seq for trip in record.trips] == [1, 2]
    assert [fill.side for fill in record.fills] == [1, -1, 1, -1]
    assert rig.trader.desk.account_state().realised == pytest.approx(
        sum(float(np.frombuffer(trip.data, ROUND_TRIP_DTYPE)["pnl"][0]) for trip in record.trips)
    )
    rig.advance(86_400, step=3_600)  # another day, another record
    assert rig.trader.desk.account_state().realised == 0.0


def test_messages_reach_their_handlers(rig: Rig) -> None:
    intent = rig.intent(kind=OrderKind.LIMIT, price=Decimal(99))
    rig.run(rig.trader.on_message(SubmitIntent(intent=intent), rig.now))
    rig.settle()
    rig.run(rig.trader.on_message(CancelOrder(client_order_id=intent.intent_id + "-1"), rig.now))
    rig.settle()
    order: Order | None = rig.trader.desk.orders.get(intent.intent_id + "-1")
    assert order is not None
    assert order.status is OrderStatus.CANCELED
    rig.agrees()
    assert rig.trader.desk.account_id == ACCOUNT


def test_a_row_that_was_exited_on_is_not_entered_on_when_its_host_comes_back(rig: Rig) -> None:
    rig.enter()
    left = rig.intent(action=Action.EXIT)
    assert rig.send(left).accepted
    rig.settle()
    assert rig.position() == 0
    again = rig.intent(row_time=left.row_time)
    assert [rig.send(again).rule, rig.send(again).rule] == ["duplicate", "duplicate"]
    rig.crash()
    rig.ready()
    assert rig.send(rig.intent(row_time=left.row_time)).rule == "duplicate"  # also when the trader came back
    assert rig.send(rig.intent(row_time=left.row_time + 1)).accepted

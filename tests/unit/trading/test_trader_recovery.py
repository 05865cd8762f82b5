"""Answers that prove nothing, crashes at every named point, and the way back to the venue's truth."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from coin.markets import UPBIT
from domain.errors import Unreachable
from domain.instruments import NS, QTY_UNIT
from domain.messages import (
    Command,
    RoundTripState,
)
from domain.orders import OrderKind, OrderStatus
from domain.ports import BrokerOrder, BrokerOutcome, BrokerQuery, BrokerState
from tests.doubles.trader_rig import ModelVenue, Rig
from trading.effects import Place
from trading.ledger_check import verify_account
from trading.risk import HALTED, READY, RECONCILING, REDUCING
from utility import crash_points

AAA = "upbit:KRW-AAA"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path).ready()


def codes(rig: Rig) -> list[str]:
    return [alarm.code for alarm in rig.alarms]


# --- answers that prove nothing, or that prove something ---------------------------------------------------


def test_answer_lost_after_acceptance_is_found_and_bound(rig: Rig) -> None:
    rig.wire, rig.mangle = (lambda order: "timeout"), (lambda said: [])
    rig.enter()
    assert rig.trader.desk.orders.in_doubt()
    rig.advance(1.0)
    rig.agrees()
    assert rig.position() == 100 * QTY_UNIT
    assert len(rig.venue.orders) == 1


def test_place_without_any_answer_is_doubted_then_found(rig: Rig) -> None:
    rig.wire, rig.mangle = (lambda order: "silent"), (lambda said: [])
    rig.enter()
    rig.advance(8.0)
    rig.agrees()
    assert rig.trader.desk.orders.live_orders() == []


def test_lost_request_is_absent_only_after_window_reads_and_cut(rig: Rig) -> None:
    rig.wire = lambda order: "lost"
    ack = rig.enter()
    order = rig.trader.desk.orders.get(ack.intent_id + "-1")
    rig.advance(4.8)
    assert order is not None
    assert rig.trader.desk.orders.get(order.client_order_id).in_doubt  # type: ignore[union-attr]
    rig.advance(20.0)
    ended = rig.trader.desk.orders.get(order.client_order_id)
    assert (ended.status, ended.reason) == (OrderStatus.REJECTED, "absent")  # type: ignore[union-attr]
    assert len(rig.placed) == 1, "never sent again"
    assert not rig.trader.desk.closed


def test_failed_reads_never_prove_absence(rig: Rig) -> None:
    rig.wire = lambda order: "lost"
    rig.enter()
    rig.auto_query = False
    key = rig.placed[0].client_order_id
    for _ in range(40):
        rig.advance(1.0)
        rig.run(rig.trader.on_broker(BrokerQuery(client_order_id=key, found=False, failed=True), rig.now))
    assert rig.trader.desk.orders.get(key).in_doubt  # type: ignore[union-attr]


def test_fill_after_absence_is_applied_and_closes_the_symbol(rig: Rig) -> None:
    rig.wire = lambda order: "lost"
    rig.enter()
    rig.advance(30.0)
    order = rig.placed[0]
    assert rig.trader.desk.orders.get(order.client_order_id).status is OrderStatus.REJECTED  # type: ignore[union-attr]
    rig.queue += rig.venue.place(order)
    rig.settle()
    assert "order.resurrected" in codes(rig)
    assert rig.position() == 100 * QTY_UNIT
    assert rig.enter().rule == "symbol"
    rig.agrees()


def test_transient_refusal_makes_one_journalled_new_attempt(rig: Rig) -> None:
    fates = iter(("transient", "ok"))
    rig.wire = lambda order: next(fates)
    ack = rig.enter()
    rig.advance(1.0)
    assert [order.client_order_id[-2:] for order in rig.placed] == ["-1", "-2"]
    assert set(rig.venue.orders) == {ack.intent_id + "-2"}
    rig.agrees()


def test_unsent_entry_expires_instead_of_leaving_late(rig: Rig) -> None:
    rig.wire = lambda order: "not_sent"
    ack = rig.enter()
    rig.advance(4.0)
    order = rig.trader.desk.orders.get(ack.intent_id + f"-{len(rig.placed)}")
    assert order is not None
    assert order.status is OrderStatus.DENIED
    assert len(rig.placed) <= 4


def test_attempt_is_not_sent_after_entries_were_stopped(rig: Rig) -> None:
    rig.wire = lambda order: "transient"
    rig.enter()
    rig.run(rig.trader.on_command(Command(name="stop"), rig.now))
    rig.advance(1.0)
    assert len(rig.placed) == 1


def test_ten_rejects_in_a_minute_halt(rig: Rig) -> None:
    rig.wire = lambda order: "rejected"
    for i in range(12):
        rig.venue.price[AAA] = Decimal(100 + i % 3)
        rig.tick()
        rig.enter(qty=100 + i)
    assert rig.trader.desk.causes["rejects"][0] == HALTED
    assert len(rig.placed) == 10


def test_identical_orders_are_cut(rig: Rig) -> None:
    for _ in range(5):
        rig.enter()
        rig.leave()
    assert sum(order.side > 0 for order in rig.placed) == 3
    assert rig.trader.desk.causes["repeat"][0] == HALTED


def test_unknown_answer_is_alarmed(rig: Rig) -> None:
    rig.run(rig.trader.on_broker(BrokerOutcome(client_order_id="zzz", kind="accepted"), rig.now))
    assert "order.unknown_answer" in codes(rig)


@pytest.mark.parametrize("order", ["reversed", "doubled", "fills last"])
def test_stream_disorder_leads_to_the_same_state(tmp_path: Path, order: str) -> None:
    rig = Rig(tmp_path).ready()
    rig.venue.parts = 3
    shuffles: dict[str, Callable[[list[object]], list[object]]] = {
        "reversed": lambda said: said[::-1],
        "doubled": lambda said: [item for item in said for _ in range(2)],
        "fills last": lambda said: sorted(said, key=lambda item: not isinstance(item, BrokerOrder)),
    }
    rig.mangle = shuffles[order]
    rig.enter()
    rig.leave()
    rig.advance(2.0)
    rig.agrees()
    assert rig.position() == 0


def test_partly_filled_ioc_ends_cancelled_with_its_fills(rig: Rig) -> None:
    rig.venue.fill_share = 0.4
    rig.mangle = lambda said: said[::-1]
    rig.enter()
    rig.advance(2.0)
    rig.agrees()
    assert rig.position() == 40 * QTY_UNIT


# --- start, crash, reconciliation -----------------------------------------------------------------------------


class Killed(Exception):
    pass


def _die() -> None:
    raise Killed


@pytest.mark.parametrize(
    "point", [name for name in crash_points.CRASH_POINTS if name != "after_bytes"]
)  # the shell's: test_crash_points.py
@pytest.mark.parametrize("fate", ["ok", "timeout", "lost"])
def test_crash_at_every_point_ends_equal_to_the_venue(tmp_path: Path, point: str, fate: str) -> None:
    rig = Rig(tmp_path).ready()
    rig.enter("KRW-BBB")
    fates = iter((["transient"] if point == "attempt_after_commit" else []) + [fate])
    rig.wire = lambda order: next(fates, "ok")
    crash_points.arm(point, _die)
    died = False
    try:
        if point == "epoch_begun":
            rig.crash()
        rig.enter("KRW-AAA")
        resting = rig.intent("KRW-CCC", kind=OrderKind.LIMIT, price=Decimal(99))
        rig.send(resting)
        rig.leave("KRW-BBB")
        rig.run(rig.trader.on_cancel(resting.intent_id + "-1", rig.now))
        rig.advance(40.0)
    except Killed:
        died = True
    finally:
        crash_points.disarm()
    assert died, "the point was passed"
    rig.wire = lambda order: "ok"
    rig.crash()
    rig.ready()
    rig.advance(30.0)
    rig.agrees()
    desk = rig.trader.desk
    assert desk.readiness == READY
    assert not desk.orders.in_doubt()
    rig.trader.close(rig.now)
    assert verify_account(rig.folder, UPBIT) == []


def test_bytes_written_then_killed_is_found_at_the_next_start(rig: Rig) -> None:
    effects = rig.trader.on_intent(rig.intent(), rig.now)
    order = next(effect.order for effect in effects if isinstance(effect, Place))
    rig.venue.place(order)
    rig.crash()
    assert [one.client_order_id for one in rig.trader.desk.orders.in_doubt()] == [order.client_order_id]
    assert rig.trader.desk.readiness == RECONCILING
    rig.ready()
    assert rig.trader.desk.readiness == READY
    rig.agrees()


def test_nothing_is_sent_before_ready(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert rig.send(rig.intent()).rule == "state"
    rig.connect()
    assert rig.enter().accepted


def test_stream_is_buffered_while_the_cut_is_read(rig: Rig) -> None:
    rig.enter()
    rig.run(rig.trader.on_broker(BrokerState(code="lost"), rig.now))
    assert rig.enter("KRW-BBB").rule == "state"
    rig.run(rig.trader.on_broker(BrokerState(code="connected"), rig.now))
    said = rig.venue.place(replace(rig.placed[0], client_order_id="b" * 26 + "-1"))
    for item in said:
        rig.run(rig.trader.on_broker(item, rig.now))
    assert len(rig.trader.reconciler.buffer) == len(said)
    rig.settle()
    assert rig.trader.reconciler.buffer == []
    assert rig.trader.desk.readiness == READY


def test_fill_missed_while_down_is_read_back_once(rig: Rig) -> None:
    resting = rig.intent(kind=OrderKind.LIMIT, price=Decimal(99))
    rig.send(resting)
    rig.settle()
    held = rig.venue.orders[resting.intent_id + "-1"]
    rig.venue.fill(held, held.order.qty)
    held.status = OrderStatus.FILLED
    rig.crash()
    rig.ready()
    rig.advance(1.0)
    rig.agrees()
    rig.crash()
    rig.ready()
    rig.agrees()
    assert rig.position() == 100 * QTY_UNIT


def test_clean_and_crashed_starts_give_the_same_state(tmp_path: Path) -> None:
    pictures = []
    for name in ("clean", "crashed"):
        rig = Rig(tmp_path / name).ready()
        rig.enter()
        if name == "clean":
            rig.trader.close(rig.now)
            rig.open()
        else:
            rig.crash()
        rig.ready()
        desk = rig.trader.desk
        pictures.append((desk.positions.views(), dict(desk.account.totals), sorted(desk.orders.orders)))
    assert pictures[0] == pictures[1]


def test_unreadable_account_reduces_then_halts_and_heals(rig: Rig) -> None:
    for count in range(1, 6):
        rig.trader.reconciler.ask_cut()
        rig.run(rig.trader.on_snapshot(Unreachable("net.down"), rig.now))
        state = rig.trader.desk.causes.get("reconcile", (0, ""))[0]
        assert state == (0 if count < 2 else REDUCING if count < 5 else HALTED)
    rig.advance(12.0)
    assert "reconcile" not in rig.trader.desk.causes


def test_holding_that_is_not_there_becomes_an_adjustment_after_three_reads(rig: Rig) -> None:
    rig.enter()
    rig.venue.totals["AAA"] -= 40
    rig.advance(31.0)
    assert "trader.difference" not in codes(rig)
    rig.advance(15.0)
    assert "trader.difference" in codes(rig)
    assert rig.enter().rule == "symbol"
    assert rig.leave(qty=100).accepted
    assert rig.placed[-1].qty == 60 * QTY_UNIT, "no more is sold than the venue holds"
    rig.run(rig.trader.on_command(Command(name="acknowledge", args={"instrument_id": AAA}), rig.now))
    assert AAA not in rig.trader.desk.closed


def test_deposit_is_adopted_when_the_account_is_quiet(rig: Rig) -> None:
    rig.venue.totals["KRW"] += 1_000_000
    rig.advance(31.0)
    assert rig.trader.desk.account.cash_total() == rig.venue.totals["KRW"]
    rig.crash()
    rig.ready()
    rig.agrees()


def test_new_paper_exchange_begins_anew_without_made_up_trades(tmp_path: Path) -> None:
    rig = Rig(tmp_path, venue_instance="1").ready()
    rig.enter()
    trips = len([m for m in rig.messages if isinstance(m, RoundTripState)])
    rig.options["venue_instance"] = "2"
    rig.venue = ModelVenue()
    rig.crash()
    rig.ready()
    assert rig.position() == 0
    assert rig.trader.desk.account.totals == {"KRW": Decimal(100_000_000)}
    assert len([m for m in rig.messages if isinstance(m, RoundTripState)]) == trips
    assert rig.enter("KRW-BBB").accepted
    rig.crash()
    rig.ready()
    assert rig.position("KRW-BBB") == 100 * QTY_UNIT
    rig.trader.close(rig.now)
    assert verify_account(tmp_path, UPBIT) == []


def test_stopped_process_reconciles_before_the_next_send(rig: Rig) -> None:
    effects = rig.trader.on_intent(rig.intent(), rig.now)
    rig.mono += 6 * NS
    rig.run(effects)
    assert [reason for _, reason in rig.blocked] == ["send.stood_still"]
    rig.queue.clear()
    rig.run(rig.trader.on_timer(rig.now))
    assert rig.trader.desk.readiness == RECONCILING
    rig.settle()
    assert rig.trader.desk.readiness == READY

"""Resting orders of a strategy at the trader: stopped with what stops entries, found again, never left behind."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from domain.instruments import QTY_UNIT
from domain.messages import Command
from domain.orders import Action, OrderKind, OrderStatus
from domain.ports import BrokerOutcome
from tests.doubles.trader_rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path).ready()


def rest(rig: Rig, action: Action = Action.ENTRY, price: int = 99, code: str = "KRW-AAA") -> str:
    side = 0 if action is not Action.MANUAL else 1
    intent = rig.intent(code, action, side=side, kind=OrderKind.LIMIT, price=Decimal(price))
    assert rig.send(intent).accepted
    rig.settle()
    return intent.intent_id + "-1"


def status(rig: Rig, key: str) -> OrderStatus:
    order = rig.trader.desk.orders.get(key)
    assert order is not None
    return order.status


def halt(rig: Rig) -> None:
    rig.run(rig.trader.on_command(Command(name="halt", args={"reason": "test"}), rig.now))


def test_a_halt_takes_entries_back_and_leaves_exits_and_a_persons_orders(rig: Rig) -> None:
    rig.enter(qty=100)
    entry, out = rest(rig, code="KRW-BBB"), rest(rig, Action.EXIT, 120)
    manual = rest(rig, Action.MANUAL, code="KRW-CCC")
    halt(rig)
    rig.advance(0.2)
    assert status(rig, entry) is OrderStatus.CANCELED
    assert status(rig, out) is OrderStatus.ACCEPTED
    assert status(rig, manual) is OrderStatus.ACCEPTED
    rig.agrees()


def test_a_cancel_that_the_venue_refuses_is_asked_for_again(rig: Rig) -> None:
    entry = rest(rig)
    true_cancel, refusals = rig.venue.cancel, []

    def refuse(key: str) -> list[object]:
        if refusals:
            return true_cancel(key)
        refusals.append(key)
        return [BrokerOutcome(client_order_id=key, kind="cancel_rejected", code="busy", about="cancel")]

    rig.venue.cancel = refuse  # type: ignore[method-assign]
    halt(rig)
    rig.advance(0.5)
    assert status(rig, entry) is OrderStatus.ACCEPTED
    rig.advance(1.0)
    assert status(rig, entry) is OrderStatus.CANCELED


def test_a_cancel_that_crosses_with_a_fill_books_the_fill(rig: Rig) -> None:
    entry = rest(rig)
    venue = rig.venue.orders[entry]
    rig.venue.price["upbit:KRW-AAA"] = Decimal(99)
    fill = rig.venue.fill(venue, venue.order.qty)
    venue.status = OrderStatus.FILLED
    rig.run(rig.trader.on_cancel(entry, rig.now))
    rig.queue += [fill, rig.venue.state(venue)]
    rig.settle()
    assert status(rig, entry) is OrderStatus.FILLED
    assert rig.position() == 100 * QTY_UNIT
    rig.agrees()


def test_a_trader_killed_with_a_resting_order_finds_it_again_and_cancels_it(rig: Rig) -> None:
    entry = rest(rig)
    rig.crash()
    rig.connect()
    assert status(rig, entry) is OrderStatus.ACCEPTED
    rig.run(rig.trader.on_cancel(entry, rig.now))
    rig.settle()
    assert status(rig, entry) is OrderStatus.CANCELED
    rig.agrees()


def test_a_trader_killed_between_journal_and_cancel_sends_the_cancel_again(rig: Rig) -> None:
    entry = rest(rig)
    true_cancel = rig.venue.cancel
    rig.venue.cancel = lambda _key: []  # type: ignore[method-assign]
    rig.run(rig.trader.on_cancel(entry, rig.now))
    assert status(rig, entry) is OrderStatus.PENDING_CANCEL
    rig.venue.cancel = true_cancel  # type: ignore[method-assign]
    rig.crash()
    rig.connect()
    rig.advance(5.0)
    assert status(rig, entry) is OrderStatus.CANCELED
    rig.agrees()


def test_a_trader_killed_while_an_order_was_filled_reads_the_fill(rig: Rig) -> None:
    entry = rest(rig)
    venue = rig.venue.orders[entry]
    rig.venue.fill(venue, venue.order.qty)
    venue.status = OrderStatus.FILLED
    rig.crash()
    rig.connect()
    rig.advance(5.0)
    assert status(rig, entry) is OrderStatus.FILLED
    rig.agrees()


def test_a_trader_that_ends_leaves_nothing_of_a_strategy_behind(rig: Rig) -> None:
    rig.enter(qty=100)
    entry, out = rest(rig, code="KRW-BBB"), rest(rig, Action.EXIT, 120)
    rig.run(rig.trader.standing.retire(rig.now))
    assert rig.trader.standing.is_left()
    rig.settle()
    assert not rig.trader.standing.is_left()
    assert {status(rig, entry), status(rig, out)} == {OrderStatus.CANCELED}


@pytest.mark.parametrize("level", ["entries", "cancel", "flatten"])
def test_every_level_of_the_kill_switch_takes_a_resting_entry_back(rig: Rig, level: str) -> None:
    entry = rest(rig)
    rig.run(rig.trader.on_command(Command(name="kill", args={"level": level}), rig.now))
    rig.advance(0.3)
    assert status(rig, entry) is OrderStatus.CANCELED

"""The kill switch: pulled from anywhere, read before every send, lifted by a person only."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from domain.instruments import NS, QTY_UNIT
from domain.messages import (
    Command,
    CommandResult,
)
from domain.orders import Action, OrderKind, OrderStatus
from domain.ports import BrokerOrder
from tests.doubles.trader_rig import Rig
from trading.kill_switch import Latch, latch_path, write_latch

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


# --- kill switch ------------------------------------------------------------------------------------------------


def pull(rig: Rig, level: str) -> None:
    write_latch(rig.folder, Latch(level=level, actor="test", utc_ns=rig.now.utc_ns))


def test_latch_is_read_right_before_the_send(rig: Rig) -> None:
    intent = rig.intent()
    effects = rig.trader.on_intent(intent, rig.now)
    pull(rig, "entries")
    rig.run(effects)
    rig.settle()
    assert rig.placed == []
    assert rig.blocked[0][1] == "send.latch"
    assert rig.trader.desk.orders.get(intent.intent_id + "-1").status is OrderStatus.DENIED  # type: ignore[union-attr]


def test_entries_level_lets_exits_through(rig: Rig) -> None:
    rig.enter()
    pull(rig, "entries")
    rig.advance(0.1)
    assert rig.enter("KRW-BBB").rule == "state"
    assert rig.leave().accepted
    assert rig.position() == 0


def test_cancel_level_cancels_ours_and_others(rig: Rig) -> None:
    key = rest(rig)
    other = BrokerOrder(
        client_order_id="", venue_order_id="x1", instrument_id=AAA, side=1, status=OrderStatus.ACCEPTED, qty=QTY_UNIT, cum_qty=0,
        cum_amount=Decimal(0), price=Decimal(90), exchange_ns=1,
    )  # fmt: skip
    rig.run(rig.trader.on_broker(other, rig.now))
    pull(rig, "cancel")
    rig.advance(0.2)
    assert {order.venue_order_id for order in rig.cancelled} == {"x1", rig.venue.orders[key].number}
    assert rig.venue.orders[key].status is OrderStatus.CANCELED


def test_flatten_sells_everything_inside_the_collar(rig: Rig) -> None:
    rest(rig)
    rig.enter("KRW-AAA")
    rig.enter("KRW-BBB")
    pull(rig, "flatten")
    rig.advance(4.0)
    assert rig.trader.desk.positions.views() == []
    sold = [order for order in rig.placed if order.action is Action.FLATTEN]
    assert {order.price for order in sold} == {Decimal(95)}
    rig.agrees()
    assert rig.enter().rule == "state"


def test_flatten_widens_when_the_venue_does_not_fill(rig: Rig) -> None:
    rig.enter("KRW-AAA")
    rig.venue.fill_share = 0.0
    pull(rig, "flatten")
    rig.advance(10.0)
    sold = [order for order in rig.placed if order.action is Action.FLATTEN]
    assert [order.price for order in sold] == [Decimal(95), Decimal("92.5"), Decimal(90), None]
    assert "kill.remaining" in codes(rig)


def test_freeze_sends_nothing_but_cancels(rig: Rig) -> None:
    key = rest(rig)
    rig.enter("KRW-AAA")
    pull(rig, "freeze")
    rig.advance(1.0)
    assert rig.venue.orders[key].status is OrderStatus.CANCELED
    assert rig.leave("KRW-AAA").rule == "state"
    assert rig.send(rig.intent("KRW-AAA", Action.FLATTEN)).rule == "state"


def test_latch_survives_a_crash_and_the_loss_of_its_file(rig: Rig) -> None:
    pull(rig, "entries")
    rig.advance(0.1)
    latch_path(rig.folder).unlink()
    rig.crash()
    rig.ready()
    assert rig.enter().rule == "state"
    rig.run(rig.trader.on_command(Command(name="rearm", args={"actor": "person"}), rig.now))
    assert rig.enter().accepted
    rig.crash()
    rig.ready()
    assert rig.enter("KRW-BBB").accepted


def test_milder_level_never_lowers_a_harder_one(rig: Rig) -> None:
    rig.enter()
    pull(rig, "freeze")
    rig.advance(0.1)
    rig.mono += NS
    pull(rig, "entries")
    rig.advance(0.1)
    assert rig.leave().rule == "state"


@pytest.mark.parametrize("content", [b"", b"{", b'{"level":"off"}', b'{"level":"entries","x":1}', b"\xff\xfe"])
def test_unreadable_latch_counts_as_freeze(rig: Rig, content: bytes) -> None:
    latch_path(rig.folder).write_bytes(content)
    rig.advance(0.1)
    assert rig.trader.desk.kill.state.level == "freeze"
    assert rig.enter().rule == "state"


def test_kill_command_answers_with_its_count(rig: Rig) -> None:
    rest(rig)
    rig.run(rig.trader.on_command(Command(name="kill", args={"level": "cancel"}, id=7), rig.now))
    answer = [message for message in rig.messages if isinstance(message, CommandResult)][-1]
    assert (answer.id, answer.ok, answer.fields["cancelled"]) == (7, True, 1)


@pytest.mark.parametrize("command", [Command(name="kill", args={"level": "none"}), Command(name="dance"), Command(name="kill")])
def test_bad_command_is_answered_not_raised(rig: Rig, command: Command) -> None:
    rig.run(rig.trader.on_command(command, rig.now))
    answer = [message for message in rig.messages if isinstance(message, CommandResult)][-1]
    assert not answer.ok

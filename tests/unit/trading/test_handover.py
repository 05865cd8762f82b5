"""A strategy host hands over between two rows, with nothing of it under way, to one that knows all the trader said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from domain.messages import Command, CommandResult, Rows
from trading.strategy_process import StrategyProcess


class Sent(list[Any]):
    def send(self, message: Any) -> None:
        self.append(message)


@pytest.fixture
def process() -> StrategyProcess:
    """A host after its start: no sockets, a core that only remembers what it was given."""
    made = StrategyProcess.__new__(StrategyProcess)
    taken: list[tuple[bool, Any]] = []
    host = SimpleNamespace(waiting={}, is_lockstep=True, is_live=False, disabled="", taken=taken, go_on=lambda: None)
    host.on_rows = lambda rows: taken.append((host.is_live, rows))
    host.is_exchanging, host.clear_strays = (lambda: False), (lambda: None)
    made.host = host  # type: ignore[assignment]
    made.control = Sent()  # type: ignore[assignment]
    made._cancels = {}
    made._unacked, made._held, made._barrier = {}, [], None
    made._yield_id, made._is_yielded, made._is_starting = None, False, False
    made._resume_seq, made._resume_outbox, made._cut_seq, made._handled_seq = -1, 0, 4, 9
    made._epoch, made._outbox_seq = 3, 12
    return made


def test_it_answers_when_the_trader_has_all_of_it(process: StrategyProcess) -> None:
    process._unacked["an intent"] = (None, 0.0)  # type: ignore[assignment]
    process.host.waiting["an intent"] = None  # type: ignore[assignment]
    assert process.on_command(Command(name="yield", id=77)) is None
    assert process.control == []
    process._unacked.clear()
    process._yield()
    assert process.control == []  # in a replay its order has to end too
    process.host.waiting.clear()
    process._outbox_seq = 15
    process._yield()
    process._yield()
    assert process.control == [CommandResult(id=77, ok=True, fields={"seq": 9, "epoch": 3, "outbox": 15})]
    assert not process.host.is_live


def test_out_of_a_replay_an_order_at_work_goes_to_the_heir(process: StrategyProcess) -> None:
    process.host.is_lockstep = False
    process.host.waiting["an intent"] = None  # type: ignore[assignment]
    process.on_command(Command(name="yield", id=78))
    assert [message.id for message in process.control] == [78]  # type: ignore[attr-defined]


def test_the_heir_waits_for_what_the_trader_told_the_other(process: StrategyProcess) -> None:
    rows = [Rows(market="upbit", interval_s=1, count=1, data=bytes([k])) for k in range(3)]
    process._held = [(7, rows[0]), (8, rows[1]), (9, rows[2])]
    process.on_command(Command(name="start", args={"seq": 8, "epoch": 3, "outbox": 15}))
    assert process.host.taken == []  # type: ignore[attr-defined]
    process._outbox_seq = 15
    process._take_over()
    assert process.host.taken == [(False, rows[0]), (False, rows[1]), (True, rows[2])]  # type: ignore[attr-defined]
    assert process.host.is_live

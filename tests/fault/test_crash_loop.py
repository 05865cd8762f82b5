"""A process that dies again and again ends in a halt that stays until a person re-arms (reliability P13)."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tools.rigs.kill as rigs
from domain.messages import AccountState, Failed
from domain.settings import Processes, Settings
from trading.kill_switch import latch_path, read_latch


class Rig(rigs.Rig):
    """The kill rig at the default limit of restarts."""

    def __post_init__(self) -> None:
        self.states: list[AccountState] = []
        self.failed: list[Failed] = []
        super().__post_init__()

    def poll(self, timeout_ms: int = 10) -> list[object]:  # type: ignore[override]
        heard = super().poll(timeout_ms)
        self.states += [message for message in heard if isinstance(message, AccountState)]
        self.failed += [message for message in heard if isinstance(message, Failed)]
        return list(heard)

    def turn_until(self, check: object, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.poll()
            if check():  # type: ignore[operator]
                return True
        return False

    def kill_until_halted(self, role: str) -> int:
        """Kill a role whenever it is ready; return how often it was started."""
        starts = 0
        while starts < 10:
            slot = self.run.active_slot if role == "strategy" else role
            child = self.run.children[slot]
            starts += 1
            assert self.turn_until(lambda c=child: c.is_ready or self.run.is_halted, 60.0)  # type: ignore[misc]
            started = child.started_s
            os.kill(child.pid, signal.SIGKILL)
            assert self.turn_until(lambda c=child, s=started: c.started_s > s or self.run.is_halted, 30.0)  # type: ignore[misc]
            if self.run.is_halted:
                return starts
        return starts

    def entries_since(self, ns: int) -> int:
        with sqlite3.connect(f"file:{self.data.ledger(self.run.account)}?mode=ro", uri=True, timeout=2.0) as connection:
            return int(connection.execute("SELECT count(*) FROM orders WHERE action = 'entry' AND created_ns > ?", (ns,)).fetchone()[0])


@pytest.fixture
def rig(tmp_path: Path, lend: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> Rig:
    free = rigs.settings()
    monkeypatch.setattr(rigs, "settings", lambda: Settings(risk=free.risk, processes=Processes()))
    made = Rig("upbit", lend(tmp_path), 5, faults=())
    yield made  # type: ignore[misc]
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fourth_start_of_a_dying_receiver_ends_in_a_halt_until_rearmed(rig: Rig) -> None:
    assert rig.wait_ready()
    assert rig.turn_until(lambda: rig.entries_since(0) > 0, 60.0)
    rig.kill_until_halted("receiver")
    assert rig.run.generations["receiver"] == 4  # three restarts, and no fourth
    assert [one.code for one in rig.failed].count("process.crash_loop") == 1
    assert rig.turn_until(lambda: rig.states and rig.states[-1].trading_state == "halted", 10.0)
    assert "halt:process.crash_loop" in rig.states[-1].reason
    began = time.time_ns()
    rig.turn_until(lambda: False, 2.0)
    assert rig.entries_since(began) == 0
    assert read_latch(latch_path(rig.data.account(rig.run.account))) is None  # a halt of the core, not a pulled switch
    rig.ask("trader", "rearm", actor="test")
    assert rig.turn_until(lambda: "halt" not in rig.states[-1].reason, 10.0)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_trader_that_dies_four_times_leaves_its_account_without_entries(rig: Rig) -> None:
    assert rig.wait_ready()
    rig.kill_until_halted("trader")
    assert rig.run.generations["trader"] == 4
    latch = read_latch(latch_path(rig.data.account(rig.run.account)))
    assert latch is not None
    assert (latch.level, latch.actor, latch.reason) == ("entries", "supervisor", "process.crash_loop")

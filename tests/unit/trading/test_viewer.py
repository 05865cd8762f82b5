"""A window that joins a run: it is told everything, its commands are carried out, and it owns nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domain.errors import InputError, RefusedError
from domain.messages import Command, CommandResult, Failed, Heartbeat, Message, Relayed
from domain.process_config import LiveOptions, StrategyText
from domain.settings import Settings
from trading.supervisor import Supervisor
from trading.viewer import Viewer
from trading.viewer_desk import ViewerDesk
from utility.lock import FileLock
from utility.paths import DataDir

TEXT = {"name": "s", "version": "1", "buy": "", "sell": "", "variables": [], "betting": 1.0}


class Main:
    """A supervisor that notes what it is asked."""

    def __init__(self, is_paper: bool = True) -> None:
        options = LiveOptions(market="upbit", is_paper=is_paper)
        child = SimpleNamespace(
            name="upbit.trader",
            role="trader",
            is_ready=True,
            is_running=lambda: True,
            failure="",
            restarts=1,
            rss_mb=10.0,
            heard_s=0.0,
            counters={"fills": 3.0},
            hello=None,
            config=None,
        )
        self.markets: dict[str, Any] = {"upbit": SimpleNamespace(options=options, children={"trader": child})}
        self.done: list[tuple[Any, ...]] = []

    def command(self, code: str, slot: str, name: str, /, **args: Any) -> int:
        if code not in self.markets:
            raise InputError("market.not_running", market=code)
        self.done.append((code, slot, name, args))
        return 700 + len(self.done)

    def change_strategy(self, code: str, strategy: StrategyText) -> None:
        self.done.append(("strategy", code, strategy.name))

    def kill(self, level: str, actor: str = "person", reason: str = "") -> None:
        self.done.append(("kill", level, actor))


class Desk:
    def __init__(self, **options: Any) -> None:
        self.main = Main(**options)
        self.sent: list[tuple[str, Message]] = []
        self.desk = ViewerDesk(self.main, lambda peer, message: bool(self.sent.append((peer, message))) or True)

    def ask(self, number: int, name: str, **args: Any) -> None:
        self.desk.on_message("viewer#1", Command(name=name, args=args, id=number))


def test_status_tells_markets_and_processes() -> None:
    desk = Desk()
    desk.ask(1, "status")
    ((peer, answer),) = desk.sent
    assert isinstance(answer, CommandResult)
    assert (peer, answer.id, answer.ok) == ("viewer#1", 1, True)
    told = answer.fields["upbit"]
    assert (told["strategy"], told["is_paper"], told["is_made"], told["places"]) == ("", True, True, {})
    assert told["children"][0] | {"counters": {}} == {
        "name": "upbit.trader",
        "role": "trader",
        "is_ready": True,
        "is_alive": True,
        "failure": "",
        "restarts": 1,
        "rss_mb": 10.0,
        "age_s": -1.0,
        "counters": {},
    }


def test_a_command_goes_to_the_process_and_its_answer_back() -> None:
    desk = Desk()
    desk.ask(5, "relay", market="upbit", slot="trader", command="cancel", args={"client_order_id": "x"})
    assert desk.main.done == [("upbit", "trader", "cancel", {"client_order_id": "x"})]
    assert desk.sent == []
    assert not desk.desk.answers(CommandResult(id=1, ok=True))  # main's own
    assert desk.desk.answers(CommandResult(id=701, ok=True, fields={"n": 1}))
    assert desk.sent == [("viewer#1", CommandResult(id=5, ok=True, fields={"n": 1}))]


def test_what_is_refused_is_said_with_its_reason() -> None:
    desk = Desk(is_paper=False)
    desk.ask(1, "relay", market="krx", slot="trader", command="cancel", args={})
    desk.ask(2, "strategy", market="upbit", strategy=TEXT)
    desk.ask(3, "stop_market", market="upbit")
    answers = [message for _, message in desk.sent if isinstance(message, CommandResult)]
    assert [(one.id, one.ok, one.code) for one in answers] == [
        (1, False, "market.not_running"),
        (2, False, "viewer.armed"),
        (3, False, "process.unknown_command"),
    ]
    assert desk.main.done == []


def test_kill_and_strategy_are_carried_out_on_paper() -> None:
    desk = Desk()
    desk.ask(1, "kill", level="flatten")
    desk.ask(2, "strategy", market="upbit", strategy=TEXT)
    assert desk.main.done == [("kill", "flatten", "viewer#1"), ("strategy", "upbit", "s")]


def test_only_viewers_that_still_ask_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    failed = Failed(code="x")
    desk.desk.tell("upbit", failed)
    assert desk.sent == []
    desk.ask(1, "status")
    desk.sent.clear()
    desk.desk.tell("upbit", failed)
    desk.desk.tell("upbit", Heartbeat())
    assert [(peer, type(message)) for peer, message in desk.sent] == [("viewer#1", Relayed)]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    desk.desk.tell("upbit", failed)
    assert len(desk.sent) == 1


# --- over real sockets -----------------------------------------------------------------------------------


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[DataDir, threading.Event]]:
    """A main process's supervisor, turning in a thread of its own as `live` turns it."""
    data, stop, up = DataDir(tmp_path), threading.Event(), threading.Event()

    def run() -> None:
        supervisor = Supervisor(data, Settings(), view=False)
        up.set()
        while not stop.is_set():
            supervisor.poll(10)
        supervisor.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert up.wait(20)
    yield data, stop
    stop.set()
    thread.join(20)


def test_a_viewer_joins_sees_that_nothing_runs_and_notices_the_end(owner: tuple[DataDir, threading.Event]) -> None:
    data, stop = owner
    viewer = Viewer(data)
    try:
        assert viewer.markets == {}
        assert not viewer.is_over
        with pytest.raises(RefusedError, match="not_owner"):
            viewer.start_market(LiveOptions(market="upbit"))
        asked = viewer.command("upbit", "trader", "stats")
        heard: list[Message] = []
        deadline = time.monotonic() + 10
        while not heard and time.monotonic() < deadline:
            heard += [message for _, message in viewer.poll(20)]
        assert [(one.id, one.ok, one.code) for one in heard if isinstance(one, CommandResult)] == [(asked, False, "market.not_running")]
        stop.set()
        while not viewer.is_over and time.monotonic() < deadline + 10:
            viewer.poll(50)
        assert viewer.is_over
    finally:
        viewer.close()


def test_a_directory_whose_owner_is_silent_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataDir(tmp_path)
    monkeypatch.setattr("trading.viewer.JOIN_S", 0.3)
    with FileLock(data.lock, "run.locked"), pytest.raises(RefusedError, match="no_answer"):
        Viewer(data)

"""Who is started when, told what, restarted how often; with children that are only a double."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.errors import InputError, RefusedError
from domain.messages import Addresses, Command, CommandResult, Failed, Hello, Message, Ready, StopNow
from domain.process_config import LiveOptions, ProcessConfig, ReplayOptions, StrategyText
from domain.settings import Processes, Settings
from trading import market_run as market_run_module
from trading import run_file
from trading.children import Child, Restarts
from trading.market_run import MarketRun
from trading.process import SCHEMA
from utility.build import build
from utility.lock import FileLock
from utility.paths import DataDir

TEXT = StrategyText(name="s", version="1", buy="매수 = False\n", sell="매도 = False\n")


class Process:
    """A child that dies when it is told to."""

    pid = 4242

    def __init__(self) -> None:
        self.status: int | None = None

    def poll(self) -> int | None:
        return self.status

    def kill(self) -> None:
        self.status = -9

    def wait(self, _seconds: float) -> int:
        return self.status or 0


class Stage:
    """A market run on doubles."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, restarts: int = 3, **options: Any) -> None:
        self.started: list[ProcessConfig] = []
        self.processes: dict[str, Process] = {}
        self.sent: list[tuple[str, Message]] = []
        self.told: list[Message] = []
        monkeypatch.setattr(market_run_module, "launch", self.launch)
        settings = Settings(processes=Processes(restarts_per_10min=restarts))
        chosen = LiveOptions(market="upbit", strategy=TEXT, **options)
        self.run = MarketRun(
            chosen, settings, DataDir(tmp_path), 1, ("tcp://127.0.0.1:1", "k" * 40), "v" * 40,
            self.send, self.told.append,
        )  # fmt: skip
        self.run.start()

    def launch(self, config: ProcessConfig) -> Process:
        self.started.append(config)
        process = self.processes[config.name.partition(".")[2]] = Process()
        return process

    def send(self, name: str, message: Message) -> bool:
        self.sent.append((name, message))
        return True

    def hello(self, slot: str, **changes: Any) -> None:
        addresses = {
            "exchange": {"steps": "tcp://127.0.0.1:9"},
            "receiver": {"market": "tcp://127.0.0.1:2", "replay": "tcp://127.0.0.1:3"},
            "trader": {"orders": "tcp://127.0.0.1:4"},
        }.get(slot, {})
        words = {"role": slot.partition(".")[0], "market": "upbit", "pid": 4242, "build": build(), "schema": SCHEMA, "addresses": addresses}
        self.run.on_message(slot, Hello(**(words | changes)))
        self.run.wire()

    def ready(self, slot: str, **detail: Any) -> None:
        if slot == "exchange":
            detail = {"rest": "http://127.0.0.1:5", "ws_public": "ws://127.0.0.1:5", "ws_private": "ws://127.0.0.1:5", "instance": "i"}
        self.run.on_message(slot, Ready(detail=detail))
        self.run.wire()

    def up(self) -> None:
        for slot in ("exchange", "receiver", "trader", "strategy.a"):
            self.hello(slot)
            self.ready(slot)

    def addressed(self) -> list[str]:
        return [name for name, message in self.sent if isinstance(message, Addresses) and message.addresses]

    def commands(self, name: str) -> list[str]:
        return [to for to, message in self.sent if isinstance(message, Command) and message.name == name]

    def die(self, slot: str, now_s: float, status: int = -9) -> None:
        self.processes[slot].status = status
        self.run.watch(now_s)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    return Stage(monkeypatch, tmp_path)


def test_each_is_told_of_the_others_in_order_then_trading_starts(stage: Stage) -> None:
    assert [config.role for config in stage.started] == ["exchange", "receiver", "trader", "strategy", "compile"]
    for slot in ("strategy.a", "trader", "receiver"):
        stage.hello(slot)
    assert stage.addressed() == []  # nobody before the exchange is ready
    stage.hello("exchange")
    stage.ready("exchange")
    assert stage.addressed() == ["upbit.receiver", "upbit.trader"]
    stage.ready("receiver")
    stage.ready("trader")
    assert stage.addressed()[-1] == "upbit.strategy.a"
    assert stage.commands("start") == []
    stage.ready("strategy.a")
    assert stage.commands("start") == ["upbit.strategy.a", "upbit.trader", "upbit.exchange"]


def test_keys_go_only_to_who_needs_them(stage: Stage) -> None:
    by_role = {config.role: config for config in stage.started}
    assert by_role["trader"].venue_secret
    assert by_role["exchange"].exchange is not None
    assert by_role["exchange"].exchange.secret == by_role["trader"].venue_secret
    for role in ("receiver", "strategy", "compile"):
        assert by_role[role].venue_secret == by_role[role].venue_key == ""
        assert by_role[role].exchange is None
    assert by_role["trader"].strategy is by_role["receiver"].strategy is None
    assert len({config.secret_key for config in stage.started}) == len(stage.started)
    for config in stage.started:
        assert config.secret_key not in repr(config)


def test_dead_child_is_started_again_and_the_others_learn_where_it_is(stage: Stage) -> None:
    stage.up()
    stage.sent.clear()
    stage.die("receiver", 100.0)
    assert [type(message) for message in stage.told if isinstance(message, Failed)] == [Failed]
    stage.run.watch(100.1)
    assert stage.run.children["receiver"].restarts == 0  # the pause
    stage.run.watch(100.3)
    assert stage.run.children["receiver"].restarts == 1
    assert stage.started[-1].generation == 2
    stage.hello("receiver", addresses={"market": "tcp://127.0.0.1:77", "replay": "tcp://127.0.0.1:78"})
    stage.ready("receiver")
    told = {name: message.addresses for name, message in stage.sent if isinstance(message, Addresses)}
    assert told["upbit.trader"]["market"] == told["upbit.strategy.a"]["market"] == "tcp://127.0.0.1:77"


def test_fourth_death_in_ten_minutes_halts_instead_of_looping(stage: Stage) -> None:
    stage.up()
    for n in range(4):
        stage.die("strategy.a", 100.0 + 20 * n)
        stage.run.watch(119.0 + 20 * n)
    assert stage.run.is_halted
    assert stage.run.children.get("strategy.a") is None or stage.run.children["strategy.a"].is_stopping
    assert stage.commands("halt") == ["upbit.trader"]
    assert [message.code for message in stage.told if isinstance(message, Failed)][-1] == "process.crash_loop"
    assert sum(config.role == "strategy" for config in stage.started) == 4


def test_deaths_long_ago_do_not_count() -> None:
    started: list[Child] = []
    restarts = Restarts(1, started.append)
    child = Child("x", "receiver", "receiver", None)  # type: ignore[arg-type]
    assert restarts.on_death(child, 0.0)
    assert restarts.on_death(child, 700.0)
    assert not restarts.on_death(child, 701.0)


def test_pause_grows_to_five_seconds_in_close_succession() -> None:
    restarts = Restarts(100, lambda child: None)
    child = Child("x", "receiver", "receiver", None)  # type: ignore[arg-type]
    pauses = []
    for n in range(8):
        restarts.on_death(child, float(n))
        pauses.append(round(child.due_s - n, 3))
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == 5.0


def test_mixed_builds_do_not_trade(stage: Stage) -> None:
    stage.hello("trader", build="0.0.0+old")
    assert stage.processes["trader"].status == -9
    assert stage.run.children["trader"].is_stopping
    assert [message.code for message in stage.told if isinstance(message, Failed)] == ["process.mixed_builds"]


def test_refused_input_is_not_tried_again(stage: Stage) -> None:
    stage.hello("exchange")
    stage.run.on_message("exchange", Failed(code="exchange.not_recorded", fields={"source": "made"}))
    stage.die("exchange", 5.0, status=2)
    failed = [message for message in stage.told if isinstance(message, Failed)][-1]
    assert (failed.code, failed.fields["failure"], failed.fields["source"]) == ("process.refused", "exchange.not_recorded", "made")
    assert failed.fields["failure_fields"] == {"source": "made"}
    stage.run.watch(50.0)
    assert sum(config.role == "exchange" for config in stage.started) == 1


def test_replay_ends_when_its_receiver_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage = Stage(monkeypatch, tmp_path, replay=ReplayOptions(source="made"))
    assert [config.role for config in stage.started] == ["exchange", "receiver", "trader", "compile"]
    stage.die("receiver", 5.0)
    assert [message.code for message in stage.told if isinstance(message, Failed)][-1] == "replay.process_lost"


def test_silent_child_is_killed_after_two_seconds(stage: Stage) -> None:
    stage.up()
    child = stage.run.children["trader"]
    child.heard_s = 100.0
    for other in stage.run.children.values():
        other.heard_s = 102.5
    child.heard_s = 100.0
    stage.run.watch(101.9)
    assert stage.processes["trader"].status is None
    stage.run.watch(102.1)
    assert stage.processes["trader"].status == -9


def test_compiled_host_takes_over_between_two_rows(stage: Stage) -> None:
    stage.up()
    stage.die("compile", 10.0, status=0)
    assert stage.started[-1].name == "upbit.strategy.b"
    assert stage.started[-1].strategy is not None
    assert stage.started[-1].strategy.use_compiled
    stage.hello("strategy.b")
    stage.run.on_message("strategy.a", CommandResult(id=0, ok=True))  # the answer to something else moves nothing
    assert stage.run.active_slot == "strategy.a"
    stage.ready("strategy.b")
    assert stage.commands("yield") == ["upbit.strategy.a"]
    number = next(message.id for _, message in stage.sent if isinstance(message, Command) and message.name == "yield")
    stage.run.on_message("strategy.a", CommandResult(id=number, ok=True, fields={"seq": 7, "epoch": 1}))
    assert stage.run.active_slot == "strategy.b"
    start = [message for to, message in stage.sent if to == "upbit.strategy.b" and isinstance(message, Command)][-1]
    assert (start.name, start.args) == ("start", {"seq": 7, "epoch": 1})
    assert [to for to, message in stage.sent if isinstance(message, StopNow)] == ["upbit.strategy.a"]


def handing_over(stage: Stage) -> int:
    """Bring a compiled heir to READY beside its interpreter; return the id of the question to yield."""
    stage.up()
    stage.die("compile", 10.0, status=0)
    stage.hello("strategy.b")
    stage.ready("strategy.b")
    return [message.id for _, message in stage.sent if isinstance(message, Command) and message.name == "yield"][-1]


def test_interpreter_that_died_before_it_handed_over_is_asked_again(stage: Stage) -> None:
    first = handing_over(stage)
    stage.die("strategy.a", 11.0)
    stage.run.watch(20.0)
    stage.hello("strategy.a")
    stage.ready("strategy.a")
    assert stage.commands("yield") == ["upbit.strategy.a"] * 2
    number = [message.id for _, message in stage.sent if isinstance(message, Command) and message.name == "yield"][-1]
    assert number != first
    stage.run.on_message("strategy.a", CommandResult(id=number, ok=True, fields={"seq": 9, "epoch": 1, "outbox": 3}))
    assert stage.run.active_slot == "strategy.b"


def test_interpreter_whose_heir_died_begins_anew(stage: Stage) -> None:
    number = handing_over(stage)
    stage.die("strategy.b", 11.0)
    stage.run.on_message("strategy.a", CommandResult(id=number, ok=True, fields={"seq": 9, "epoch": 1, "outbox": 3}))
    assert stage.run.active_slot == "strategy.a"
    assert stage.processes["strategy.a"].status is not None


def test_interpreter_that_is_late_is_retired(stage: Stage) -> None:
    for slot in ("exchange", "receiver", "trader"):
        stage.hello(slot)
        stage.ready(slot)
    stage.hello("strategy.a")
    stage.die("compile", 10.0, status=0)
    stage.hello("strategy.b")
    stage.ready("strategy.b")
    assert stage.run.active_slot == "strategy.b"
    assert [to for to, message in stage.sent if isinstance(message, StopNow)] == ["upbit.strategy.a"]


def test_stop_goes_strategy_trader_receiver_exchange(stage: Stage) -> None:
    stage.up()
    order = []
    for _ in range(20):
        if stage.run.stop_next():
            break
        for slot, child in list(stage.run.children.items()):
            if child.is_stopping and stage.processes[slot].status is None:
                order.append(slot)
                stage.processes[slot].status = 0
    assert order == ["strategy.a", "trader", "receiver", "exchange"]


def test_one_main_per_directory(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with FileLock(data.lock, "run.locked"), pytest.raises(RefusedError) as refused:
        FileLock(data.lock, "run.locked").acquire()
    assert refused.value.code == "run.locked"
    assert refused.value.fields["pid"] > 0
    FileLock(data.lock).acquire().release()


def test_run_file_is_private_and_round_trips(tmp_path: Path, stage: Stage) -> None:
    data = DataDir(tmp_path)
    content = run_file.RunFile(
        run=3, pid=1, build="b", control="tcp://127.0.0.1:1", public_key="p", secret_key="s", viewer_public="v", viewer_secret="w"
    )
    child = stage.run.children["trader"]
    entry = run_file.ChildEntry(name=child.name, role="trader", slot="trader", pid=1, generation=1, config=child.config)
    content.markets.append(
        run_file.MarketEntry(options=stage.run.options, account="upbit-paper", keys={"trader": ("a", "b")}, children=[entry])
    )
    run_file.save(data, content)
    assert run_file.newest(data) == content
    assert run_file.path_of(data, 3).stat().st_mode & 0o077 == 0
    run_file.remove(data, 3)
    assert run_file.newest(data) is None


def test_account_name_cannot_leave_the_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        DataDir(tmp_path).account("../elsewhere")


def test_config_line_round_trips(stage: Stage) -> None:
    for config in stage.started:
        assert msgspec.json.decode(msgspec.json.encode(config), type=ProcessConfig) == config

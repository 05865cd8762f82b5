"""The exchange as a child of a main process: hello, ready, steps, faults by command, stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.messages import Command, CommandResult, ControlMessage, Hello, Message, Ready, StopNow
from domain.process_config import ExchangeOptions, ProcessConfig
from paper.truth import read_truth
from trading.launch import launch
from trading.process import SCHEMA
from utility.build import build
from utility.bus import Bus, make_keys


class Main:
    """The control socket of a main process and one exchange below it."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        keys, mine = make_keys(), make_keys()
        self.bus = Bus(mine, {keys.public: "upbit.exchange"})
        self.control = self.bus.router(ControlMessage)
        self.heard: list[Message] = []
        config = ProcessConfig(
            role="exchange",
            name="upbit.exchange",
            market="upbit",
            venue="upbit",
            build=build(),
            schema=SCHEMA,
            public_key=keys.public,
            secret_key=keys.secret,
            control=self.control.address,
            data_dir=str(tmp_path),
            run=3,
            server_keys={"main": mine.public},
            exchange=ExchangeOptions(key="k", secret="s" * 40, seed=5, symbols=2, truth_path=str(tmp_path / "truth.jsonl"), **options),
        )
        self.process = launch(config)

    def wait(self, kind: type, seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.bus.poll(50)
            self.heard += [message for _, message in self.control.receive()]
            found = next((message for message in self.heard if isinstance(message, kind)), None)
            if found is not None:
                self.heard.remove(found)
                return found
            assert self.process.poll() is None, self.heard
        raise AssertionError(f"no {kind.__name__}")

    def ask(self, name: str, **args: Any) -> dict[str, Any]:
        self.control.send("upbit.exchange", Command(name=name, args=args, id=9))
        answer = self.wait(CommandResult)
        assert answer.ok, answer
        fields: dict[str, Any] = answer.fields
        return fields

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.bus.close()


@pytest.fixture
def main(tmp_path: Path) -> Iterator[Main]:
    running = Main(tmp_path)
    yield running
    running.close()


def test_it_says_hello_serves_obeys_and_stops(main: Main, tmp_path: Path) -> None:
    assert main.wait(Hello).role == "exchange"
    detail = main.wait(Ready).detail
    assert detail["ws_private"].endswith("/websocket/v1/private")
    markets = httpx.get(f"{detail['rest']}/market/all", trust_env=False).json()
    assert [row["market"] for row in markets] == ["KRW-BTC", "KRW-ETH"]
    assert main.ask("start") == {}
    number = main.ask("fault", add=[{"where": "request", "action": "status", "params": {"status": 502}, "count": 1}])["ids"][0]
    assert httpx.get(f"{detail['rest']}/market/all", trust_env=False).status_code == 502
    assert main.ask("fault")["faults"][0]["fired"] == 1
    assert main.ask("fault", clear=number)["faults"] == []
    assert main.ask("stats")["requests"] == 2
    begun = time.monotonic()
    main.control.send("upbit.exchange", StopNow(reason="test"))
    assert main.process.wait(5) == 0
    assert time.monotonic() - begun < 2.5
    assert read_truth(tmp_path / "truth.jsonl")[0]["event"] == "start"

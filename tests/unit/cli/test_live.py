"""`stom.py live`: what it refuses, and the equation behind `unexplained`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.live_report import Collector
from cli.main import run_command
from trading.market_run import MarketRun


@pytest.fixture
def texts(tmp_path: Path) -> list[str]:
    (tmp_path / "buy.txt").write_text("매수 = False\n", "utf-8")
    (tmp_path / "sell.txt").write_text("매도 = False\n", "utf-8")
    return ["--buy", str(tmp_path / "buy.txt"), "--sell", str(tmp_path / "sell.txt"), "--data-dir", str(tmp_path / "data"), "--lang", "en"]


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: MarketRun) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(MarketRun, "start", refuse)


def test_armed_is_refused_without_a_terminal(texts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["live", "--market", "upbit", "--armed", *texts]) == 3
    assert "terminal" in capsys.readouterr().err


def test_environment_does_not_arm(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOM_ARMED", "STOM_LIVE", "ARMED"):
        monkeypatch.setenv(name, "1")
    assert run_command(["live", "--market", "upbit", "--armed", *texts]) == 3


def test_armed_replay_makes_no_sense(texts: list[str]) -> None:
    assert run_command(["live", "--armed", "--replay", "made", *texts]) == 2


def test_speed_max_needs_a_replay(texts: list[str]) -> None:
    assert run_command(["live", "--speed", "max", *texts]) == 2


def test_half_a_strategy_is_refused(texts: list[str]) -> None:
    assert run_command(["live", *texts[:2], *texts[4:]]) == 2


def test_bad_text_names_line_and_column(tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "buy.txt").write_text("매수 = True\nimport os\n", "utf-8")
    assert run_command(["live", *texts, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "2" in json.dumps(error)


@pytest.mark.parametrize("word", ["0s", "-5s", "x", "99999h"])
def test_bad_duration_is_refused(word: str) -> None:
    with pytest.raises(SystemExit) as left:
        run_command(["live", "--duration", word])
    assert left.value.code == 2


def test_what_is_lost_on_any_stretch_is_unexplained() -> None:
    exchange = {"connections": [{"number": 1, "private": False, "sent": 100}, {"number": 2, "private": True, "sent": 7}]}
    receiver = {
        "frames": 100, "events": 500, "rows": 20, "published": 22,
        "recorded": {"events": 480, "waiting_events": 20, "rows": 20, "waiting_rows": 0},
    }  # fmt: skip
    strategy = {"last_seq": 22, "missed": 0}
    assert sum(Collector.unexplained(exchange, receiver, strategy).values()) == 0
    assert Collector.unexplained(exchange, receiver | {"frames": 97}, strategy)["frames"] == 3
    assert Collector.unexplained(exchange, receiver | {"events": 501}, strategy)["events"] == 1
    assert Collector.unexplained(exchange, receiver, {"last_seq": 20, "missed": 0})["delivered"] == 2
    assert Collector.unexplained(exchange, receiver, {"last_seq": 22, "missed": 4})["delivered"] == 4

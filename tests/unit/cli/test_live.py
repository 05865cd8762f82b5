"""`stom.py live`: what it refuses, and the equation behind `unexplained`."""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.live import _fatal, _say
from cli.live_report import Collector
from cli.main import run_command
from domain.messages import Failed, LogRecord
from tests.doubles.trader_rig import Rig
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


@pytest.mark.parametrize("name", ["missing/folder", "made", "run7", "recorded"])
def test_a_replay_of_nothing_is_refused_before_anything_starts(
    name: str, tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    where = str(tmp_path / name) if "/" in name else name
    assert run_command(["live", "--market", "upbit", "--replay", where, "--speed", "max", *texts, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["path"]) == ("exchange.no_path", where)
    assert where in error["message"]
    assert not (Path(texts[5]) / "run").exists()


def test_a_coin_that_no_made_market_has_is_refused(texts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["live", "--market", "upbit", "--symbols", "KRW-BTC,KRW-BTCC", *texts, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["codes"]) == ("exchange.not_made", "KRW-BTCC")
    assert "KRW-BTC" in error["known"]


def test_a_replay_of_symbols_that_were_not_recorded_is_refused(
    tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    made = ["data", "make", "--market", "upbit", "--symbols", "1", "--hours", "0.01", "--quiet", "--data-dir", texts[5]]
    assert run_command(made) == 0
    capsys.readouterr()
    words = ["live", "--market", "upbit", "--replay", "made", *texts, "--json"]
    assert run_command(words) == 2  # rows alone cannot be replayed
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "exchange.no_events"
    assert run_command([*made, "--events"]) == 0
    capsys.readouterr()
    assert run_command([*words, "--symbols", "KRW-NONE"]) == 2
    assert "KRW-NONE" in json.loads(capsys.readouterr().out)["error"]["message"]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(5_000, len(data), 997):
        data[place] ^= 0xFF
    path.write_bytes(bytes(data))


def _flip_one_event(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE events SET payload = replace(payload, 'pid', 'pjd') WHERE seq = 1")
    connection.commit()
    connection.close()


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _replace(path: Path) -> None:
    path.write_text("no database")


@pytest.mark.parametrize("harm", [_halve, _flip, _flip_one_event, _replace])
def test_a_damaged_ledger_ends_with_four_before_anything_starts(
    harm: Callable[[Path], object], texts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(texts[5]) / "accounts" / "upbit-paper"
    rig = Rig(folder).ready()
    for code in ("KRW-AAA", "KRW-BBB"):
        rig.enter(code)
    rig.trader.close(rig.now)
    harm(folder / "ledger.db")
    assert run_command(["live", "--market", "upbit", "--duration", "2s", *texts[:-1], "ko", "--json"]) == 4
    out = capsys.readouterr()
    error = json.loads(out.out)["error"]
    assert error["code"] in ("ledger.damaged", "ledger.foreign")
    assert str(folder / "ledger.db") in out.err
    if error["code"] == "ledger.damaged":
        assert "이름을 바꾼 뒤 다시 시작" in out.err


@pytest.mark.parametrize("word", ["0s", "-5s", "x", "99999h"])
def test_bad_duration_is_refused(word: str) -> None:
    assert run_command(["live", "--duration", word]) == 2


def test_a_second_replay_does_not_replace_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["live", "--replay", "/data/a", "--replay", "/data/b"]) == 2
    assert "/data/a, /data/b" in capsys.readouterr().err


def test_what_is_lost_on_any_stretch_is_unexplained() -> None:
    exchange = {"connections": [{"number": 1, "private": False, "sent": 100}, {"number": 2, "private": True, "sent": 7}]}
    receiver = {
        "frames": 100, "events": 500, "rows": 20, "published": 22,
        "recorded": {"events": 480, "waiting_events": 20, "rows": 20, "waiting_rows": 0, "lost_events": 0, "lost_rows": 0},
    }  # fmt: skip
    strategy = {"last_seq": 22, "missed": 0}
    assert sum(Collector.unexplained(exchange, receiver, strategy).values()) == 0
    assert Collector.unexplained(exchange, receiver | {"frames": 97}, strategy)["frames"] == 3
    assert Collector.unexplained(exchange, receiver | {"events": 501}, strategy)["events"] == 1
    assert Collector.unexplained(exchange, receiver, {"last_seq": 20, "missed": 0})["delivered"] == 2
    assert Collector.unexplained(exchange, receiver, {"last_seq": 22, "missed": 4})["delivered"] == 4


def test_a_refusal_of_a_process_is_told_with_its_own_fields() -> None:
    own = {"name": "btc"}
    fields = {"name": "upbit.receiver", "failure": "receiver.unknown_code", "failure_fields": own, "market": "upbit", "status": 2}
    error = _fatal(Failed(code="process.refused", fields=fields))
    assert (error.code, error.fields["name"], error.exit_status) == ("receiver.unknown_code", "btc", 2)
    fields |= {"failure": "", "failure_fields": {}, "status": 1}
    error = _fatal(Failed(code="process.crash_loop", fields=fields))
    assert (error.code, error.fields["name"]) == ("process.crash_loop", "upbit.receiver")


def test_a_failure_is_a_sentence_not_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    args = argparse.Namespace(quiet=False, lang="en")
    for text in ("event=failed code=receiver.unknown_code fields={'name': 'btc'}", "event=torn file=x"):
        _say(args, "upbit", LogRecord(level=40, logger="x", created=0.0, text=text), False)
    assert capsys.readouterr().err == "upbit: event=torn file=x\n"


def test_a_folder_without_anything_to_replay_is_named(tmp_path: Path, texts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bars").mkdir()
    header = "종목코드,체결시간,시가,고가,저가,현재가,거래량\n"
    (tmp_path / "bars" / "KRW-BTC.csv").write_text(header + "KRW-BTC,20260105090000,1000,1000,1000,1000,1\n", "utf-8")
    assert run_command(["live", "--market", "upbit", "--replay", str(tmp_path / "bars"), *texts]) == 2
    assert "bars holds nothing that can be replayed" in capsys.readouterr().err

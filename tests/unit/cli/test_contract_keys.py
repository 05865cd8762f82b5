"""Each implemented command answers with the JSON keys and the exit statuses of the command-line contract.

The commands run in this process against a small made day; `live` and `exchange`, which are processes, have
their keys held by the tests of parity and of the exchange command.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.main import COMMANDS, run_command

Ask = Callable[..., tuple[int, dict[str, Any]]]
BUY = "if 등락율 > -50 and 체결강도 > 0:\n    매수 = True\n"
SELL = "if 보유시간 >= self.vars[1]:\n    매도 = True\n"
RANGES = "self.vars[1] = [[5, 10, 5], 5]\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with two minutes of made data, two texts and ranges."""
    folder = tmp_path_factory.mktemp("contract")
    made = ["data", "make", "--market", "upbit", "--symbols", "2", "--hours", "0.04", "--seed", "7", "--quiet", "--data-dir", str(folder)]
    assert run_command(made) == 0
    (folder / "buy.txt").write_text(BUY, "utf-8")
    (folder / "sell.txt").write_text(SELL, "utf-8")
    (folder / "ranges.txt").write_text(RANGES, "utf-8")
    return folder


@pytest.fixture
def ask(data: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return a function that runs a command with --json and returns its status and its object."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        status = run_command([*words, "--json", "--data-dir", str(data)])
        lines = capsys.readouterr().out.strip().splitlines()
        assert len(lines) == 1, "one JSON object on standard output"
        return status, json.loads(lines[0])

    return run


def job(data: Path) -> list[str]:
    return ["--market", "upbit", "--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"), "--set", "0=2", "--quiet"]


def holds(found: dict[str, Any], *keys: str) -> None:
    missing = [key for key in keys if key not in found]
    assert not missing, (missing, sorted(found))


def test_backtest(ask: Ask, data: Path) -> None:
    status, found = ask("backtest", *job(data), "--set", "1=5")
    assert status == 0
    holds(found, "rows", "engine_seconds", "compile_seconds", "load_seconds", "wall_seconds", "metrics", "trades", "trades_path")
    holds(found, "trades_sha256", "source")
    assert found["trades"] > 0
    assert Path(found["trades_path"]).is_file()


def test_optimise(ask: Ask, data: Path) -> None:
    status, found = ask("optimise", *job(data), "--method", "grid", "--ranges", str(data / "ranges.txt"))
    assert status == 0
    holds(found, "evaluations", "evaluations_per_second", "row_evaluations_per_second", "engine_seconds", "wall_seconds", "best", "study")
    holds(found["best"], "vars", "score", "metrics")


def test_find(ask: Ask, data: Path) -> None:
    status, found = ask("find", "--market", "upbit", "--buy", str(data / "buy.txt"), "--ahead", "20", "--set", "0=2", "--quiet")
    assert status == 0
    holds(found, "rows", "hits", "path")
    assert Path(found["path"]).is_file()


def test_data(ask: Ask, data: Path, tmp_path: Path) -> None:
    status, found = ask("data", "make", "--market", "binance", "--symbols", "1", "--hours", "0.02", "--quiet")
    assert status == 0
    holds(found, "rows", "sha256")
    status, found = ask("data", "list")
    assert status == 0
    assert found["datasets"]
    holds(found["datasets"][0], "market", "symbol", "interval", "from", "to", "rows", "price_step", "qty_step")
    status, found = ask("data", "verify")
    assert status == 0
    assert found["problems"] == []
    out = tmp_path / "rows.parquet"
    status, found = ask("data", "export", "--market", "upbit", "--interval", "1s", "--out", str(out))
    assert status == 0
    assert out.is_file()
    status, found = ask("data", "import", str(out), "--market", "upbit", "--dry-run", "--quiet")
    assert status == 0
    holds(found, "files", "rows_in", "rows_stored", "rows_rejected", "reasons", "gaps")


def test_strategy(ask: Ask, data: Path, tmp_path: Path) -> None:
    status, found = ask("strategy", "check", str(data / "buy.txt"))
    assert status == 0
    assert found["ok"] is True
    holds(found, "errors", "factors", "lookback", "vars")
    bad = tmp_path / "bad.txt"
    bad.write_text("import os\n", "utf-8")
    status, found = ask("strategy", "check", str(bad))
    assert status == 2
    assert found["ok"] is False
    holds(found["errors"][0], "line", "column", "message", "hint")
    texts = ("--buy", str(data / "buy.txt"), "--sell", str(data / "sell.txt"))
    for words in (
        ("list",),
        ("show", "기본_R1"),
        ("save", "계약", *texts, "--set", "1=5"),
        ("history", "계약"),
        ("export", "기본_R1", "--out", str(tmp_path / "r1.txt")),
        ("import", str(tmp_path / "r1.txt")),
    ):
        status, found = ask("strategy", *words)
        assert status == 0, words
        assert found["strategies"], words


@pytest.mark.parametrize("name", ["orders", "fills", "positions"])
def test_ledger_lists(ask: Ask, name: str) -> None:
    status, found = ask(name)
    assert status == 0
    assert found[name] == []


def test_account_kill_verify_settings_doctor(ask: Ask) -> None:
    assert ask("account")[0] == 0
    status, found = ask("kill", "--level", "entries", "--wait", "0")
    assert status == 0
    holds(found, "level", "cancelled", "flattened", "remaining")
    status, found = ask("verify")
    assert (status, found["ok"], found["problems"]) == (0, True, [])
    for words in (("get", "risk.max_order_pct"), ("list",), ("set", "risk.max_order_pct", "3")):
        status, found = ask("settings", *words)
        assert status == 0
        assert "risk.max_order_pct" in found["settings"]
    status, found = ask("doctor")
    assert status in (0, 3, 4)
    assert found["checks"]
    for check in found["checks"]:
        holds(check, "name", "ok", "detail", "fix")


@pytest.mark.parametrize(
    "words",
    [
        ("backtest", "--market", "nowhere"),
        ("backtest", "--market", "upbit", "--buy", "nothing.txt", "--sell", "nothing.txt"),
        ("backtest", "--market", "upbit", "--strategy", "기본_R1", "--from", "yesterday"),
        ("backtest", "--market", "upbit", "--strategy", "기본_R1", "--source", "run999"),
        ("data", "import", "nothing.parquet"),
        ("data", "make", "--market", "upbit", "--hours", "1", "--days", "1"),
        ("live", "--speed", "max"),
        ("live", "--watch", "--strategy", "기본_R1"),
        ("live", "--armed", "--paper"),
        ("settings", "set", "risk.max_order_pct", "much"),
        ("settings", "get", "no.such.setting"),
        ("orders", "--from", "yesterday"),
        ("exchange", "--symbols", "0"),
        ("exchange", "truth"),
    ],
    ids=lambda words: " ".join(words[:4]),
)
def test_bad_arguments_end_with_two(words: tuple[str, ...], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([*words, "--data-dir", str(data)]) == 2
    said = capsys.readouterr().err.strip()
    assert said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "words",
    [
        ("live", "--market", "upbit", "--armed", "--strategy", "기본_R1"),
        ("kill", "--rearm"),
    ],
    ids=lambda words: " ".join(words[:4]),
)
def test_refusals_end_with_three(
    words: tuple[str, ...], data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert run_command([*words, "--data-dir", str(data)]) == 3
    assert capsys.readouterr().err.strip()


def test_a_damaged_store_ends_with_four(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", "make", "--market", "upbit", "--symbols", "1", "--hours", "0.02", "--quiet", "--data-dir", str(tmp_path)]
    assert run_command(words) == 0
    damaged = next((tmp_path / "ticks").rglob("*.parquet"))
    body = bytearray(damaged.read_bytes())
    body[len(body) // 2] ^= 0xFF
    damaged.write_bytes(bytes(body))
    capsys.readouterr()
    assert run_command(["data", "verify", "--json", "--data-dir", str(tmp_path)]) == 4
    assert json.loads(capsys.readouterr().out)["problems"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_of_every_command_is_said(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command([command, "--help"]) == 0
    said = capsys.readouterr().out
    for option in ("--data-dir", "--lang", "--log-level", "--json"):
        # Families with actions take them behind the action.
        assert option in said or "ACTION" in said

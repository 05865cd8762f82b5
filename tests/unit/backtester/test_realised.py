"""Profit of real trades by period."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backtester.sheet.realised import draw, of_rows
from backtester.sheet.style import THEMES, drawing
from cli.main import run_command
from tests.doubles.trader_rig import Rig

ROWS = [
    {"account": "b", "exit_time": 20240201100000, "pnl": 3.0},
    {"account": "a", "exit_time": 20240131235959, "pnl": -1.5},
    {"account": "c", "exit_time": 202403050910, "pnl": 7.0},  # a minute row
    {"account": "a", "exit_time": 20240201090000, "pnl": 2.0},
    {"account": "d", "exit_time": 20230101000000, "pnl": 9.0},
]
MARKETS = {"a": "upbit", "b": "upbit", "c": "krx", "d": "binance"}


def test_periods_of_each_currency() -> None:
    won, usdt = of_rows(ROWS, MARKETS)
    assert (won.currency, won.accounts, usdt.currency) == ("KRW", ("a", "b", "c"), "USDT")
    assert [(one["period"], one["pnl"], one["trades"], one["wins"]) for one in won.as_dict("month")["periods"]] == [
        ("2024-01", -1.5, 1, 0),
        ("2024-02", 5.0, 2, 2),
        ("2024-03", 7.0, 1, 1),
    ]
    assert [one["period"] for one in won.as_dict("day")["periods"]] == ["2024-01-31", "2024-02-01", "2024-03-05"]
    assert won.as_dict("year")["periods"] == [{"period": "2024", "pnl": 10.5, "trades": 4, "wins": 3}]
    assert won.as_dict("year")["total"] == 10.5


def test_bars_and_their_sum_are_drawn() -> None:
    with drawing(THEMES["print"]):
        axis = draw(of_rows(ROWS, MARKETS), "month", "ko", THEMES["print"]).axes[0]
    assert [bar.get_height() for bar in axis.patches] == [-1.5, 5.0, 7.0]
    assert np.allclose(axis.lines[0].get_ydata(), [-1.5, 3.5, 10.5])


def test_ledgers_are_read_and_written_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig(tmp_path / "accounts" / "upbit-paper").ready()
    rig.enter()
    rig.leave()
    files = [tmp_path / f"r.{ending}" for ending in ("html", "pdf", "png")]
    out = [word for path in files for word in ("--out", str(path))]
    assert run_command(["realised", "--data-dir", str(tmp_path), "--json", *out]) == 0
    found = json.loads(capsys.readouterr().out)
    (one,) = found["realised"]
    assert (one["currency"], one["accounts"], one["trades"], len(one["periods"])) == ("KRW", ["upbit-paper"], 1, 1)
    assert [path.read_bytes()[:4] for path in files] == [b"<!do", b"%PDF", b"\x89PNG"]
    assert run_command(["realised", "--data-dir", str(tmp_path), "--lang", "en"]) == 0
    assert "upbit-paper" in capsys.readouterr().out
    assert run_command(["realised", "--data-dir", str(tmp_path), "--market", "krx", "--json", "--out", str(tmp_path / "e.png")]) == 0
    assert json.loads(capsys.readouterr().out)["realised"] == []
    assert (tmp_path / "e.png").exists()
    assert run_command(["realised", "--data-dir", str(tmp_path), "--out", "x.txt"]) == 2

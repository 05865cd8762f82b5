"""A rule with merit on recorded rows passes the court, from the search to the terminal where it would be armed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.process_config import LiveOptions, StrategyText
from storage.studies import Studies
from strategy.program import build
from strategy.rule_digest import rule_digest
from tests.research import MadeRows, made_rows
from tests.research_cli import call, store_rows, words
from trading.ruling import ruling_of
from utility.paths import DataDir

BUY = "매수 = False\nif 체결강도 >= self.vars[1]:\n    매수 = True\n"
SELL = "if 보유시간 >= 40:\n    매도 = True\n"


def rising(days: int) -> MadeRows:
    """Return made rows whose prices rise by a tenth of a per cent a row, with the book around them."""
    rows = made_rows("upbit", 77, symbols=2, days=days, rows=90)
    for _, _, lo, hi in rows.blocks.tolist():
        old = rows.columns["last_price"][lo:hi].copy()
        noise = np.random.default_rng(lo).normal(0.0, 0.0003, hi - lo)
        new = np.round(5_000.0 * np.exp(np.arange(hi - lo) * 0.001 + noise) / 5.0) * 5.0
        rows.columns["last_price"][lo:hi] = new
        for level in range(1, 6):
            for side in ("ask", "bid"):
                price = rows.columns[f"{side}{level}"][lo:hi]
                rows.columns[f"{side}{level}"][lo:hi] = np.where(price > 0, new + np.sign(price - old) * level * 5.0, 0.0)
        rows.columns["in_universe"][lo:hi] = 1.0
    return rows


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store_rows(tmp_path, rising(27))
    (tmp_path / "ticks" / "upbit" / "made").rename(tmp_path / "ticks" / "upbit" / "recorded")
    (tmp_path / "buy.txt").write_text(BUY, "utf-8")
    (tmp_path / "sell.txt").write_text(SELL, "utf-8")
    (tmp_path / "ranges.txt").write_text("self.vars[1] = [[10, 50, 80, 95, 100, 105, 110, 115, 120, 130, 140], 10]\n", "utf-8")
    return tmp_path


def test_merit_passes_and_may_be_armed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ("--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"), "--test-weeks", "5d", "--betting", "100000")
    status, got = call(capsys, *words(data, "optimise", *grid))
    assert status == 0
    assert got["source"] == "recorded"
    assert got["verdict"]["reasons"] == []
    assert got["verdict"]["result"] == "pass"
    assert got["verdict"]["sentence"]["ko"].startswith("통과")
    assert got["overfitting"]["pbo"] < 0.1
    assert got["out_of_sample"]["profit"] > 0
    kept = Studies(data / "library.db").verdict_of(subject=f"study:{got['study']}")
    assert kept is not None
    vector = tuple(got["best"]["vars"])
    assert kept.rule == rule_digest(build(BUY, SELL, UPBIT, 1), vector)
    text = StrategyText(name="s", version="v", buy=BUY, sell=SELL, betting=1.0, variables=vector)
    assert ruling_of(DataDir(data), LiveOptions(market="upbit", strategy=text, is_paper=False), UPBIT).stands

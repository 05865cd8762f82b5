"""A made stretch of each coin market, replayed live and back-tested on the rows that the live run recorded: one hash.

Three symbols for five minutes; with ``STOM_LONG=1`` ten symbols for an hour, as the rig
`python -m tools.rigs.parity --case made-upbit --case made-binance` runs it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.rigs.parity import CASES, compare

IS_LONG = os.environ.get("STOM_LONG", "") == "1"
SYMBOLS, MINUTES = (10, 60.0) if IS_LONG else (3, 5.0)
NO_TRADES = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.slow
@pytest.mark.timeout(7_200 if IS_LONG else 900)
@pytest.mark.parametrize("name", ["made-upbit", "made-binance"])
def test_made_stretch_gives_identical_trades(name: str, tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    found = compare(name, "max", "churn", lend(tmp_path), minutes=MINUTES, symbols=SYMBOLS)
    sys.stdout.write(f"{name}: refused by account limits: live {found['refusals']}, back-test {found['refusals_backtest']}\n")
    assert found["equal"], found
    assert found["trades_sha256"] != NO_TRADES
    assert found["trades"][0] == found["trades"][1] >= (CASES[name].trades_min if IS_LONG else 20)
    assert found["rows"][0] == found["rows"][1]
    assert found["unexplained"] == 0
    # The limits are opened for this; one that fired all the same would be the first thing to look at in a mismatch.
    assert found["refusals"] == found["refusals_backtest"] == {}


@pytest.mark.slow
@pytest.mark.timeout(7_200 if IS_LONG else 900)
def test_a_portfolio_run_is_live_where_limits_bite(tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    """Two positions at most for four symbols: the same trades, and as many refusals by the same rule."""
    found = compare("made-upbit", "max", "churn", lend(tmp_path), minutes=MINUTES, symbols=SYMBOLS + 1, limits="positions")
    assert found["equal"], found
    assert found["trades"][0] == found["trades"][1] >= 10
    assert found["refusals"] == found["refusals_backtest"]
    assert found["refusals"]["max_positions"] > 5
    assert found["unexplained"] == 0


@pytest.mark.slow
@pytest.mark.timeout(7_200 if IS_LONG else 900)
def test_an_account_stop_of_live_is_that_of_a_portfolio_run(tmp_path: Path) -> None:
    """손실중지 of the settings: the same positions leave on the same rows, and as many entries are refused afterwards."""
    found = compare("made-upbit", "max", "churn", tmp_path, minutes=MINUTES if IS_LONG else 1.5, symbols=SYMBOLS + 1, limits="stops")
    assert found["equal"], found
    assert found["sent_out"] > 0
    assert found["refusals"] == found["refusals_backtest"] == found["refusals_plain"]
    assert found["refusals"]["state"] > 0
    assert found["unexplained"] == 0

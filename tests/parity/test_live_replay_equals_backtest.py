"""A recording played through the paper exchange into live trading gives the trades of a back-test on the rows it recorded.

The short form: one run a case at speed max. `python -m tools.rigs.parity` runs all cases, speeds and repeats.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.rigs.parity import CASES, ORDERS, compare, is_there


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["binance", "upbit"])
def test_recorded_market_gives_identical_trades(name: str, tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    if not is_there(name):
        pytest.skip("the recorded data are not beside the work tree")
    found = compare(name, "max", "churn", lend(tmp_path))
    assert found["equal"], json.dumps(found, indent=1)
    assert found["trades"][0] == found["trades"][1] >= CASES[name].trades_min
    assert found["rows"][0] == found["rows"][1]
    assert found["unexplained"] == 0
    assert found["refusals"] == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_order_settings_give_identical_trades(tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    """Split entries and exits, bans, a stop-loss and weights: the live host asks the same rules in the same order."""
    if not is_there("upbit"):
        pytest.skip("the recorded data are not beside the work tree")
    found = compare("upbit", "max", "churn", lend(tmp_path), orders=ORDERS)
    assert found["equal"], json.dumps(found, indent=1)
    assert found["trades"][0] == found["trades"][1] > 20
    assert found["orders_filled"] > 2.5 * found["trades"][0]
    assert found["refusals"] == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_made_market_gives_identical_trades(tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    found = compare("made-upbit", "max", "churn", lend(tmp_path), minutes=2.0, symbols=4)
    assert found["equal"], json.dumps(found, indent=1)
    assert found["trades"][0] == found["trades"][1] > 5
    assert found["unexplained"] == 0
    assert found["refusals"] == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_users_formula_and_an_account_that_refuses_give_identical_trades(tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    """A plain back-test says the same of what the account refuses as live, though it trades without one."""
    found = compare("made-upbit", "max", "formula", lend(tmp_path), minutes=1.0, symbols=4, limits="positions")
    assert found["equal"], json.dumps(found, indent=1)
    assert found["trades"][0] == found["trades"][1] > 2
    assert found["refusals"] == found["refusals_backtest"] == found["refusals_plain"]
    assert found["refusals"]["max_positions"] > 0

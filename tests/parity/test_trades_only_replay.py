"""A recording of trades alone replays with fills at the last price, says so, and a back-test of its rows agrees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tools.rigs import parity


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_trades_alone_fill_at_the_last_price_on_both_roads(
    tmp_path: Path, lend: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not parity.is_there("upbit-trades"):
        pytest.skip("the recorded data are not beside the work tree")
    # One symbol here; the rig runs three.
    monkeypatch.setitem(parity.CASES, "upbit-trades", replace(parity.CASES["upbit-trades"], symbols=("KRW-ETH",)))
    found = parity.compare("upbit-trades", "max", "churn", lend(tmp_path))
    assert found["equal"], found
    assert found["trades"][0] == found["trades"][1] > 10
    assert found["rows"][0] == found["rows"][1]
    assert found["filled_at_last_price"] == ["KRW-ETH"]
    assert found["unexplained"] == 0

"""Six kills at random moments of live paper trading with faults on; `python -m tools.rigs.kill` does ninety."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.rigs.kill import run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_processes_come_back_and_the_ledger_equals_the_venues_record(tmp_path: Path) -> None:
    found = run("upbit", 2, 5, tmp_path)
    assert found["problems"] == []
    assert found["orders_per_intent_max"] == 1
    assert found["venue_fills"] > 10  # idle processes would prove nothing
    assert found["trader_kills_with_orders_under_way"] >= 1
    assert sum(found["faults_fired"].values()) > 0

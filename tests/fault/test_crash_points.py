"""A trader that dies at named places of an order's way, in a real process: one venue order an intent, equal ledgers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.main import run_command
from tools.rigs.kill import Rig
from trading.trader_process import CRASHED

POINTS = (
    "after_bytes",
    "intent_before_commit",
    "intent_after_commit",
    "before_bytes",
    "after_bytes",
    "outcome_before_commit",
    "outcome_after_commit",
    "fill_before_commit",
    "fill_after_commit",
    "after_bytes",
)


FILLS_MIN = 10
"""Below this the ledgers' agreement proves little."""


def orders_at_venue(path: Path) -> int:
    return count(path, "order")


def count(path: Path, event: str) -> int:
    return sum(json.loads(line)["event"] == event for line in path.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_trader_that_dies_at_a_crash_point_sends_no_order_twice(
    tmp_path: Path, lend: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig("upbit", lend(tmp_path), 11, faults=())
    truth = rig.data.truth("upbit", rig.run.run)
    try:
        assert rig.wait_ready()
        for point in POINTS:
            trader = rig.run.children["trader"]
            died = trader.process
            assert died is not None
            assert rig.ask("trader", "crash_at", point=point) == {"point": point}
            before = orders_at_venue(truth)
            deadline = time.monotonic() + 60.0
            while died.poll() is None and time.monotonic() < deadline:
                rig.poll()
            assert died.poll() == CRASHED, f"{point} was never reached"
            while time.monotonic() < deadline and not (trader.process is not died and trader.is_ready):
                rig.poll()
            assert trader.is_ready, point
            if point == "after_bytes":
                assert orders_at_venue(truth) > before  # the bytes had left: the venue has the order, and only one
        deadline = time.monotonic() + 60.0
        while count(truth, "fill") <= FILLS_MIN and time.monotonic() < deadline:
            rig.poll()
        assert rig.settle()
        found = rig.compare()
    finally:
        rig.close()
    assert found["problems"] == []
    assert run_command(["verify", "--data-dir", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["truth"]) == (True, 1)
    assert found["orders_per_intent_max"] == 1
    assert found["venue_fills"] > FILLS_MIN

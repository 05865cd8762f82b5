"""Six kills at random moments of live paper trading with faults on; `python -m tools.rigs.kill` does ninety."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools.rigs.kill import run
from tools.rigs.kill_bars import ROLES, Bars, Kill, lines, missed, table

CLEAN = {
    "orders_per_intent_max": 1,
    "venue_fills": 100,
    "problems": [],
    "settled": True,
    "alarms": {},
    "faults_fired": {"request delay": 3},
}
"""What a run found that met every bar."""


def kills(ready_s: float = 1.0, **trader: int) -> list[Kill]:
    orders = {"at_work": 1, "in_doubt": 1} | trader
    return [Kill(role, 0.0, ready_s=ready_s, **(orders if role == "trader" else {})) for role in ROLES for _ in range(3)]


def test_a_run_that_meets_every_bar_misses_none() -> None:
    assert missed(kills(), 3, CLEAN, Bars()) == []


@pytest.mark.parametrize(
    ("made", "changes", "expected"),
    [
        (kills(4.1), {}, "receiver: ready p50 4.10 s, bar 4 s"),
        ([*kills()[:-1], Kill("trader", 0.0, 1, 1, 10.5)], {}, "trader: ready p99 10.50 s, bar 10 s"),
        ([*kills()[:-1], Kill("trader", 0.0, 1, 1)], {}, "trader: never ready again after 1 of its kills"),
        (kills()[:-1], {}, "trader: killed 2 times, not 3"),
        (kills(at_work=0), {}, "trader: 0 kills with an order at work, bar 2 of 3"),
        (kills(in_doubt=0), {}, "trader: 0 kills with an order in doubt, bar 2 of 3"),
        (kills(in_doubt=0), {}, "trader: 0 kills with both at once, bar 2 of 3"),
        (kills(), {"orders_per_intent_max": 2}, "venue orders of one intent: 2, bar 1"),
        (kills(), {"venue_fills": 8}, "fills at the venue: 8, bar 9"),
        (kills(), {"problems": ["code=verify.truth_fill"]}, "ledger and truth differ: code=verify.truth_fill"),
        (kills(), {"settled": False}, "something stayed open or in doubt after the faults were lifted"),
        (kills(), {"alarms": {"process.crash_loop": 1}}, "the crash-loop halt came, which this rig raises"),
        (kills(), {"faults_fired": {"request delay": 0}}, "no fault fired: request delay"),
        (kills(), {"faults_fired": {}}, "no fault was armed"),
    ],
)
def test_each_bar_that_is_missed_has_a_line(made: list[Kill], changes: dict[str, object], expected: str) -> None:
    assert expected in missed(made, 3, CLEAN | changes, Bars())


def test_the_table_tells_the_way_back_by_stage() -> None:
    kill = Kill("trader", 100.0, 1, 1)
    kill.back(100.1, 100.3, 101.0, [("imported", 100.8, 0.4), ("ready", 100.95, 0.5)])
    row = table([kill])["trader"]
    assert (row["ready_p50_s"], row["cpu_p50_s"], row["both"]) == (1.0, 0.5, 1)
    assert row["stages"]["noticed"] == (0.1, 0.0)
    assert row["stages"]["ready"] == (0.15, 0.1)
    found = CLEAN | {"market": "upbit", "seed": 1, "load": {"mean": 1.0, "max": 2.0}, "venue_orders": 5, "table": table([kill])}
    assert "MISSED x" in lines(found | {"missed": ["x"]})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_processes_come_back_and_the_ledger_equals_the_venues_record(tmp_path: Path, lend: Callable[[Path], Path]) -> None:
    # Of two kills a role the median is the worst one, and a rare fault may not come.
    found = run("upbit", 2, 5, lend(tmp_path), Bars(ready_p50_s=10.0))
    assert [line for line in found["missed"] if not line.startswith("no fault fired")] == []
    assert found["venue_fills"] > 10
    assert sum(found["faults_fired"].values()) > 0

"""What came of a batch: a leaderboard, how figures spread over its jobs, what failed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from backtester.metrics import METRIC_KEYS
from storage.batches import DONE, FAILED, MISSED, Turn

BOARD_KEYS = METRIC_KEYS
LESS_IS_BETTER = frozenset({"mdd", "mdd_amount", "mc"})
SPREAD = {"median": 50.0, "p25": 25.0, "p75": 75.0}


def board(turns: Sequence[Turn], by: str) -> dict[str, Any]:
    """Return the turns that are done, best first, the spread of their figures, and those that failed or were missed.

    Parameters
    ----------
    turns : sequence of Turn
    by : str
        Metric that decides the order; turns without it stand last, equal ones by number.
    """
    rows = [
        {
            "job": one.job,
            "turn": one.turn,
            "name": one.batch,
            "words": one.words,
            "run": one.result.get("run"),
            "study": one.result.get("study"),
            "trades_sha256": one.result.get("trades_sha256"),
            "metrics": one.result.get("metrics") or {},
            "seconds": (one.ended_ns - one.began_ns) / 1e9,
            "attempts": one.attempts,
        }
        for one in turns
        if one.state == DONE
    ]
    sign = 1.0 if by in LESS_IS_BETTER else -1.0
    rows.sort(key=lambda row: (by not in row["metrics"], sign * float(row["metrics"].get(by) or 0.0), row["job"], row["turn"]))
    measured = [row["metrics"] for row in rows if row["metrics"]]
    spread: dict[str, dict[str, float]] = {}
    if measured:
        keys = [key for key in BOARD_KEYS if all(key in one for one in measured)]
        values = np.array([[float(one[key]) for key in keys] for one in measured])
        for name, place in SPREAD.items():
            spread[name] = dict(zip(keys, np.percentile(values, place, axis=0).tolist(), strict=True))
        spread["mean"] = dict(zip(keys, values.mean(axis=0).tolist(), strict=True))
        spread["deviation"] = dict(zip(keys, values.std(axis=0).tolist(), strict=True))
    failed = [
        {"job": one.job, "turn": one.turn, "state": one.state, "words": " ".join(one.words), **_why(one)}
        for one in turns
        if one.state in (FAILED, MISSED)
    ]
    return {"by": by, "rows": rows, "spread": spread, "failed": failed}


def _why(turn: Turn) -> dict[str, Any]:
    if turn.state == MISSED:
        return {"code": "batch.missed_reason", "fields": {"late_s": turn.result.get("late_s", 0)}}
    return {"code": turn.result.get("code", ""), "fields": turn.result.get("fields", {})}


def csv_text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the leaderboard as CSV, a line a turn."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["job", "turn", "name", "run", "study", "seconds", *BOARD_KEYS, "trades_sha256", "words"])
    for one in rows:
        figures = [one["metrics"].get(key, "") for key in BOARD_KEYS]
        head = [one["job"], one["turn"], one["name"], one["run"] or "", one["study"] or "", f"{one['seconds']:.3f}"]
        writer.writerow([*head, *figures, one["trades_sha256"] or "", " ".join(one["words"])])
    return out.getvalue()

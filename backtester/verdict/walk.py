"""Walk-forward: search on some weeks, trade the next ones unseen, move on (workstation 11, services 7.5).

Each window's search is one like any other, with its own trials under ``<study>/<window>``, so a walk that was killed goes on
where it stood. What a window found is where the next one begins; a window whose best hardly trades keeps the set before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.executors import LocalExecutor
from backtester.ground import Origin
from backtester.job import Loaded
from backtester.metrics import METRIC_KEYS, SEED, TC, TG, Limits
from backtester.optimisers import Space, make
from backtester.study import Outcome, Progress, Search
from backtester.verdict.daily import day_figures
from backtester.verdict.folds import Folds
from backtester.verdict.parts import Part, daily_profit, run_days
from backtester.verdict.splits import Division
from storage.studies import Studies

TRADES_LEAST = 20
"""Trades a window's best must have made on the days it was chosen on; else the set before stays (services 7.5)."""


def part_context(context: bytes, days: Sequence[int]) -> bytes:
    """Return the context of figures of some days: empty stays empty."""
    return hashlib.blake2b(context + np.asarray(days, dtype="<i8").tobytes(), digest_size=32).digest() if context else b""


def searched(
    loaded: Loaded,
    executor: LocalExecutor,
    division: Division,
    plan: Mapping[str, Any],
    space: Space,
    store: Studies,
    name: str,
    context: bytes,
) -> Search:
    """Return the search of a plan on the days of a division, with what it has evaluated already."""
    days = division.search
    part = Part(loaded.prepared, days, executor)
    whole = len(days) == loaded.prepared.days
    folds = Folds(part.prepared, division, bool(plan.get("fold_weights")), executor) if division.folds[0].test else None
    search = Search(
        engine=loaded.engine,
        prepared=part.prepared,
        metrics=part.whole,
        optimiser=make(plan["method"], space, plan["options"]),
        objective=plan["objective"],
        limits=Limits.parse(plan["limits"]),
        store=store,
        study=name,
        # The figures of folds are not kept, so a score cannot be made again from those that are.
        context=b"" if folds is not None else context if whole else part_context(context, days),
        trials=plan["options"]["trials"],
        folds=folds,
        origin=Origin(loaded.job, loaded.rows, tuple(days)),
    )
    search.recall(store.trials(name))
    return search


@dataclass
class Walk:
    """What a walk-forward found.

    Parameters
    ----------
    total : Outcome
        Counts of all windows; its best is the last window's: the set that would be traded next.
    windows : list of dict
        Periods, set, score and figures of each window.
    joined : dict
        Figures of all unseen days together.
    """

    total: Outcome = field(default_factory=Outcome)
    windows: list[dict[str, Any]] = field(default_factory=list)
    joined: dict[str, Any] = field(default_factory=dict)

    def result(self) -> dict[str, Any]:
        """Return what store and `--json` hold beside the study's own result."""
        return {"walk_forward": {**self.joined, "windows": self.windows, "stability": stability(self.windows)}}


def walk(
    loaded: Loaded,
    executor: LocalExecutor,
    windows: Sequence[Division],
    plan: Mapping[str, Any],
    space: Space,
    store: Studies,
    study: str,
    context: bytes,
    stop: Callable[[], bool],
    watch: Callable[[Progress], None],
) -> Walk:
    """Search every window in turn and trade what follows it.

    Parameters
    ----------
    windows : sequence of Division
        From `splits.walk_forward`.
    plan : mapping
        Of the study.
    stop, watch : callable
        As `Search.run` takes them; progress counts the sets of all windows.
    """
    out, unseen, before = Walk(), [], 0
    total = out.total
    total.state = "done"
    days = run_days(loaded.prepared)
    kept: NDArray[np.float64] | None = None
    for number, window in enumerate(windows, start=1):
        search = searched(loaded, executor, window, plan, _begin(space, kept), store, f"{study}/{number}", context)
        found = search.run(stop, lambda p, at=number, done=before: watch(_over(p, at, done, len(windows))))
        before += found.evaluations + found.resumed
        for count in ("evaluations", "cached", "resumed", "engine_seconds", "search_seconds"):
            setattr(total, count, getattr(total, count) + getattr(found, count))
        if found.state == "stopped" or found.best_number < 0:
            total.state = "stopped"
            break
        # The sets of the window's folds are judged by all its days together.
        keeps = found.best_metrics[TC] < TRADES_LEAST and kept is not None
        vector = kept if keeps and kept is not None else found.best_vector
        result = loaded.engine.run(loaded.prepared, vector[None, :])
        part, beyond = Part(loaded.prepared, window.search, executor), Part(loaded.prepared, window.test, executor)
        inside, outside = part.metrics(result.raw, 1)[0], beyond.metrics(result.raw, 1)[0]
        unseen.append(_of_days(loaded, result.raw, window.test))
        out.windows.append(
            {
                "in": [int(window.search[0]), int(window.search[-1])],
                "out": [int(window.test[0]), int(window.test[-1])],
                "in_days": len(window.search),
                "out_days": len(window.test),
                "vars": vector.tolist(),
                "score": found.best_score,
                "kept": bool(keeps),
                "in_metrics": dict(zip(METRIC_KEYS, inside.tolist(), strict=True)),
                "out_metrics": dict(zip(METRIC_KEYS, outside.tolist(), strict=True)),
            }
        )
        kept = vector
        total.best_vector, total.best_score, total.best_number, total.best_metrics = vector, found.best_score, found.best_number, inside
    if total.state == "done":
        out.joined = _join(loaded, executor, windows, np.concatenate(unseen), days, out.windows)
    return out


def _begin(space: Space, vector: NDArray[np.float64] | None) -> Space:
    """Return the space with another set to begin with."""
    if vector is None:
        return space
    return replace(space, best=tuple(one.index(value) if value in one else -1 for one, value in zip(space.values, vector, strict=True)))


def _over(progress: Progress, number: int, before: int, windows: int) -> Progress:
    """Return a window's progress as that of the whole walk, its windows taken to be alike."""
    total = progress.total * windows
    done = before + progress.done
    left = (total - done) / progress.rate if progress.rate > 0 else 0.0
    return Progress(done, max(total, done), progress.rate, max(left, 0.0), progress.best, f"{number}/{windows}")


def _of_days(loaded: Loaded, raw: NDArray[np.float64], days: Sequence[int]) -> NDArray[np.float64]:
    """Return the trades of some days, numbered as in the whole run."""
    return raw[np.isin(run_days(loaded.prepared)[loaded.prepared.exit_days(raw)], np.asarray(days))]


def _join(
    loaded: Loaded,
    executor: LocalExecutor,
    windows: Sequence[Division],
    raw: NDArray[np.float64],
    days: NDArray[np.int64],
    told: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the figures of all unseen days as one history, and how much of the seen days' profit they kept."""
    test = sorted(day for window in windows for day in window.test)
    metrics = Part(loaded.prepared, test, executor).metrics(raw, 1)[0]
    daily = daily_profit(loaded.prepared, raw, 1)[0][np.isin(days, test)]
    inside = sum(one["in_metrics"]["tg"] for one in told) / max(sum(one["in_days"] for one in told), 1)
    outside = float(metrics[TG]) / len(test)
    return {
        "days": len(test),
        "from": test[0],
        "to": test[-1],
        "trades": int(metrics[TC]),
        "profit": float(metrics[TG]),
        "metrics": dict(zip(METRIC_KEYS, metrics.tolist(), strict=True)),
        "daily": day_figures(daily, float(metrics[SEED]), loaded.job.market.year_days),
        # A day's profit unseen over a day's profit seen: with one capital the ratio of the annual returns.
        "efficiency": outside / inside if inside > 0.0 else None,
        "days_list": test,
        "daily_profit": daily.tolist(),
    }


def stability(windows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how each variable that changed moved from window to window, for a chart."""
    table = np.array([one["vars"] for one in windows], dtype=np.float64).reshape(len(windows), -1)
    moved = [index for index in range(table.shape[1]) if np.ptp(table[:, index]) > 0.0] if len(table) else []
    return [{"index": index, "values": table[:, index].tolist()} for index in moved]

"""A whole study: how much of its time is compiled code, and what it keeps in memory.

What: a GA study of 2,000 sets of R1 over 2.28 million one-second rows, median of `--times`, with metrics and store,
without start, imports and compile; then 100,000 sets of a rule that costs nothing, by a random search (``--methods``
names others). Unit: seconds and shares; megabytes of resident memory. Budget: time outside compiled code ≤ 20 % of the
study; growth from 20,000 to 100,000 sets ≤ 10 MB. Why: a search is a coffee break only where the interpreter is not in
the way, and a long one must not end for want of memory.

    python -m benchmarks.bench_study [--sets 2000] [--rows 22800] [--times 5] [--methods random,ga] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()

import numpy as np  # noqa: E402

from backtester.engine import Engine, Options, module_text, prepare, steps_of  # noqa: E402
from backtester.executors import LocalExecutor  # noqa: E402
from backtester.metrics import METRIC_KEYS, Limits, Metrics  # noqa: E402
from backtester.optimisers import Space, make  # noqa: E402
from backtester.study import Search  # noqa: E402
from benchmarks.bench_step import BUY, R1, SELL  # noqa: E402
from benchmarks.growth import memory_at  # noqa: E402
from benchmarks.research_rows import make_rows  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from storage.studies import Studies  # noqa: E402
from strategy import cache  # noqa: E402
from strategy.program import build  # noqa: E402

LISTS = {
    0: (10, 20, 30, 60, 120),
    1: tuple(round(0.4 + k / 5, 1) for k in range(10)),
    3: tuple(range(2, 12)),
    4: tuple(round(1 + k / 4, 2) for k in range(8)),
    5: tuple(round(1 + k / 4, 2) for k in range(8)),
    6: tuple(round(-2 + k / 4, 2) for k in range(7)),
    7: (100, 300, 900),
}
"""Values of R1's variables: about 700,000 sets."""
SHARE_MAX, GROWTH_MB_MAX = 0.20, 10.0
EARLY, LATE = 20_000, 100_000


class Timed:
    """Counts the seconds of a function."""

    def __init__(self, call: Any) -> None:
        self.call, self.seconds = call, 0.0

    def __call__(self, *args: Any, **words: Any) -> Any:
        started = time.perf_counter()
        try:
            return self.call(*args, **words)
        finally:
            self.seconds += time.perf_counter() - started


def study(sets: int, rows: int, folder: Path, turn: int) -> dict[str, Any]:
    """Return where the time of a GA study goes; each turn has a store of its own, so that nothing is found again."""
    steps = steps_of(build(BUY, SELL, UPBIT, 1))
    module = cache.load("engine", module_text(steps), folder, b"k" * 32)
    prepared = prepare(make_rows(symbols=20, days=5, rows=rows), steps.columns, UPBIT, Options(betting=1e7))
    executor = LocalExecutor(0)
    engine, metrics = Engine(module, steps, executor), Metrics(prepared, executor)
    space = Space(tuple(tuple(map(float, LISTS.get(k, (value,)))) for k, value in enumerate(R1)), (0,) * len(R1))
    generations = sets // 100
    warm = engine.run(prepared, space.vectors(np.zeros((8, len(R1)), dtype=np.int64)))
    metrics.of(warm.raw, 8)
    make("ga", space, {"population": 4}).ask(1)  # the library loads its parts where they are first needed
    store = Studies(folder / f"library{turn}.db")
    optimiser = make("ga", space, {"population": 100, "generations": generations})
    parts = {"ask": Timed(optimiser.ask), "tell": Timed(optimiser.tell), "store": Timed(store.add_trials), "metrics": Timed(metrics.of)}
    runs = Timed(engine.run)
    optimiser.ask, optimiser.tell = parts["ask"], parts["tell"]  # type: ignore[method-assign]
    store.add_trials, metrics.of, engine.run = parts["store"], parts["metrics"], runs  # type: ignore[method-assign]
    search = Search(engine, prepared, metrics, optimiser, "TG", Limits({}), store, store.new_study("ga", {}, 1), b"bench")
    outcome = search.run(lambda: False, lambda p: None)
    executor.close()
    wall = outcome.search_seconds
    compiled = outcome.engine_seconds + parts["metrics"].seconds
    return {
        "rows": prepared.rows,
        "sets": outcome.evaluations,
        "wall_seconds": wall,
        "evaluations_per_second": outcome.evaluations / wall,
        "engine_share": outcome.engine_seconds / wall,
        "around_engine_share": (runs.seconds - outcome.engine_seconds) / wall,
        **{f"{name}_share": timed.seconds / wall for name, timed in parts.items()},
        "outside_compiled_share": 1 - compiled / wall,
    }


class Nothing:
    """Engine and metrics of a rule that costs nothing."""

    executor = LocalExecutor(1)
    prepared = SimpleNamespace(window_rows=0, rows=1, options=SimpleNamespace(betting=1.0))

    def run(self, prepared: Any, vectors: np.ndarray, again: bool = False, stop: Any = None) -> Any:
        return SimpleNamespace(raw=vectors, seconds=1e-6)

    def of(self, raw: np.ndarray, count: int) -> np.ndarray:
        out = np.ones((count, len(METRIC_KEYS)))
        out[:, METRIC_KEYS.index("tg")] = -((raw - 7.3) ** 2).sum(axis=1)
        return out


def memory(method: str, folder: Path) -> dict[str, float]:
    """Return the resident memory at EARLY and at LATE sets of a study."""
    line = tuple(float(x) for x in range(20))
    space, cheap = Space((line,) * 12, (0,) * 12), Nothing()
    options: dict[str, Any] = {"trials": LATE}
    if method in ("ga", "nsga2"):
        options |= {"population": 500, "generations": 1_000}
    store = Studies(folder / f"{method}.db")
    search = Search(
        cheap,
        cheap.prepared,
        cheap,
        make(method, space, options),
        "TG",
        Limits({}),
        store,
        store.new_study(method, {}, 1),
        b"m",
        LATE,  # type: ignore[arg-type]
    )
    seen, watch = memory_at(EARLY, LATE)
    started = time.perf_counter()
    outcome = search.run(lambda: False, watch)
    early, late = seen.get(EARLY, float("nan")), seen.get(LATE, float("nan"))
    return {
        "sets": outcome.evaluations,
        "seconds": time.perf_counter() - started,
        "early_mb": early,
        "late_mb": late,
        "growth_mb": late - early,
    }


def main() -> int:
    """Measure and print; 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2_000)
    parser.add_argument("--rows", type=int, default=22_800)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--methods", default="random")
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    result: dict[str, Any] = {"load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}
    with tempfile.TemporaryDirectory() as folder:
        if args.sets:
            turns = [study(args.sets, args.rows, Path(folder), turn) for turn in range(args.times)]
            result["study"] = sorted(turns, key=lambda told: told["outside_compiled_share"])[args.times // 2]
            result["shares"] = [told["outside_compiled_share"] for told in turns]
        for method in filter(None, args.methods.split(",")):
            result[f"memory_{method}"] = memory(method, Path(folder))
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    grown = [value["growth_mb"] for name, value in result.items() if name.startswith("memory_")]
    missed = any(not growth <= GROWTH_MB_MAX for growth in grown)
    return 1 if missed or (args.sets and result["study"]["outside_compiled_share"] > SHARE_MAX) else 0


if __name__ == "__main__":
    sys.exit(main())

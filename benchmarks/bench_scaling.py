"""A search on all cores against copies of the hand-written reference loop running at once, and what stands before its first row.

What: sets of R1 over 2.28 million one-second rows. The reference is `bench_step.hand_sweep`, one copy a core in the same
moment, which is what memory and clock of the machine give when all cores work; against it the engine on as many threads, and the
whole search with metrics and store. Then one back-test as a run in a warm process, columns cached: from opening the store to the
first row evaluated, as a share of the run. Unit: sets a second and ratios, wall time, median of `--times` taken in turns.
Budget: search ≥ 0.9 × the copies' sum; store to first row ≤ 20 % of the run. Why: past two cores only what scales counts, and
a run that is over in a tenth of a second must not spend it on opening files.

    python -m benchmarks.bench_scaling [--rows 22800] [--sets 200] [--times 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()

import numpy as np  # noqa: E402

from backtester import engine as engines  # noqa: E402
from backtester.engine import Engine, Options, module_text, prepare, steps_of  # noqa: E402
from backtester.executors import LocalExecutor  # noqa: E402
from backtester.executors.local import available_cores  # noqa: E402
from backtester.job import Job, load, run_one, vector  # noqa: E402
from backtester.metrics import Limits, Metrics  # noqa: E402
from backtester.optimisers import Space  # noqa: E402
from backtester.study import Search  # noqa: E402
from benchmarks.bench_step import BETTING, BUY, FEE, R1, SELL, hand_sweep  # noqa: E402
from benchmarks.research_rows import make_rows  # noqa: E402
from benchmarks.research_store import make_store  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from storage.studies import Studies  # noqa: E402
from strategy import cache  # noqa: E402
from strategy.program import build  # noqa: E402
from utility.paths import DataDir  # noqa: E402

SEARCH_MIN, READING_MAX = 0.9, 0.20
COPY_TRADES = 4_000_000


class Asked:
    """An optimiser that asks for given sets once."""

    goals = ()
    total = 0

    def __init__(self, sets: np.ndarray) -> None:
        self._sets, self.total = sets, len(sets)

    def ask(self, count: int) -> np.ndarray:
        out, self._sets = self._sets, self._sets[:0]
        return out

    def tell(self, vectors: np.ndarray, scores: np.ndarray) -> None:
        """Learn nothing."""


def draw(count: int) -> np.ndarray:
    """Return different sets of R1."""
    lists = {0: (10, 20, 30, 60, 120), 3: (2, 5, 8, 10), 4: (1, 2, 3), 5: (1, 2, 3), 6: (-2, -1, -0.5), 7: (100, 300, 900)}
    space = Space(tuple(tuple(map(float, lists.get(k, (value,)))) for k, value in enumerate(R1)), (0,) * len(R1))
    rng = np.random.default_rng(3)
    sizes = [len(one) for one in space.values]
    places = rng.permutation(int(np.prod(sizes)))[:count]
    return space.vectors(np.stack(np.unravel_index(places, sizes), axis=1))


def search_speed(rows: int, count: int, times: int, folder: Path) -> dict[str, Any]:
    """Return sets a second of the copies together, of the engine and of the whole search."""
    cores = available_cores()
    steps = steps_of(build(BUY, SELL, UPBIT, 1))
    module = cache.load("engine", module_text(steps), folder, b"k" * 32)
    made = make_rows(rows=rows)
    prepared = prepare(made, steps.columns, UPBIT, Options(betting=BETTING))
    executor = LocalExecutor(cores)
    engine, metrics = Engine(module, steps, executor), Metrics(prepared, executor)
    sets = draw(count)
    lengths, which = np.unique(sets[:, 0].astype(np.int64), return_inverse=True)
    c = made.columns
    five = [tuple(c[f"{side}{k}"] for k in range(1, 6)) for side in ("ask", "ask_size", "bid", "bid_size")]
    names = ("change_pct", "trade_strength", "buy_value_1s", "value_1s", "last_price", "in_universe")
    shared = (*(c[name] for name in names), prepared.row_time, *five, np.ascontiguousarray(prepared.blocks[:, :2]))
    outs = [np.empty((COPY_TRADES, 9)) for _ in range(cores)]
    pool = ThreadPoolExecutor(cores)

    def copies() -> None:
        list(pool.map(lambda out: hand_sweep(*shared, sets, lengths, which, BETTING, FEE, out), outs))

    def searched() -> None:
        store = Studies(folder / "library.db")
        study = store.new_study("scaling", {}, time.time_ns())
        Search(engine, prepared, metrics, Asked(sets), "TG", Limits({}), store, study).run(lambda: False, lambda p: None)

    calls = {"copies": copies, "engine": lambda: engine.run(prepared, sets, again=True), "search": searched}
    kept: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(times + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn:  # the first compiles and touches memory
                kept[name].append(time.perf_counter() - started)
    executor.close()
    pool.shutdown()
    seconds = {name: statistics.median(values) for name, values in kept.items()}
    together = cores * count / seconds["copies"]
    return {
        "cores": cores,
        "rows": prepared.rows,
        "sets": count,
        "copies_sets_per_second": together,
        "engine_sets_per_second": count / seconds["engine"],
        "search_sets_per_second": count / seconds["search"],
        "engine_ratio": count / seconds["engine"] / together,
        "search_ratio": count / seconds["search"] / together,
    }


def reading(rows: int, times: int, folder: Path) -> dict[str, Any]:
    """Return how much of a run over a store lies before the first row is evaluated."""
    root = make_store(folder / "data", 20, 5, rows)
    data, executor = DataDir(root), LocalExecutor(0)
    job = Job(UPBIT, 1, BUY, SELL, Options(betting=BETTING), variables=dict(enumerate(R1)))
    first: list[float] = []
    plain = Engine.__init__

    def watched(self: Engine, module: Any, steps: Any, executor: Any) -> None:
        plain(self, module, steps, executor)
        loop = self.run_blocks

        def called(*args: Any) -> int:
            first.append(time.perf_counter())
            return loop(*args)

        self.run_blocks = called

    engines.Engine.__init__ = watched  # type: ignore[method-assign]
    shares, runs = [], []
    try:
        for turn in range(times + 1):
            first.clear()
            started = time.perf_counter()
            loaded = load(job, data, executor)
            done = run_one(loaded, vector(loaded.program, job.variables))
            ended = time.perf_counter()
            if turn:  # the first builds the columns and compiles
                # Compiled code is taken from its cache in the same seconds; it has a bar of its own.
                shares.append((first[0] - started - loaded.compile_seconds) / (ended - started - loaded.compile_seconds))
                runs.append(ended - started - loaded.compile_seconds)
    finally:
        engines.Engine.__init__ = plain  # type: ignore[method-assign]
        executor.close()
    return {
        "run_seconds": statistics.median(runs),
        "store_to_first_row_share": statistics.median(shares),
        "store_to_first_row_ms": statistics.median(np.array(shares) * np.array(runs)) * 1e3,
        "compile_cached_seconds": loaded.compile_seconds,
        "trades": len(done.trades),
    }


def main() -> int:
    """Measure and print; 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=22_800)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        result: dict[str, Any] = {"load_average_before": os.getloadavg()[0]}
        result["search"] = search_speed(args.rows, args.sets, args.times, Path(place))
        result["reading"] = reading(args.rows, args.times, Path(place))
    result["load_average"] = os.getloadavg()[0]
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    met = result["search"]["search_ratio"] >= SEARCH_MIN and result["reading"]["store_to_first_row_share"] <= READING_MAX
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

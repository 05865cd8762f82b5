"""A whole search by its parts: compiled loop, metrics, and how both grow with threads.

What: R1 over a million one-second rows, populations of 100 sets as a GA asks them. Unit: seconds and
evaluations a second, median of five, for one thread and for all cores; trades of both are compared.
Budget: metrics ≤ half of the loop; two threads ≥ 1.5 × one on two free cores. Why: whole populations
must be one parallel compiled call, and what stands around it must not eat the gain.

    python -m benchmarks.bench_backtest [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()

import numpy as np  # noqa: E402

from backtester.engine import Engine, Options, module_text, prepare, steps_of  # noqa: E402
from backtester.executors import LocalExecutor  # noqa: E402
from backtester.executors.local import available_cores  # noqa: E402
from backtester.metrics import Metrics  # noqa: E402
from benchmarks.bench_step import BUY, R1, SELL  # noqa: E402
from benchmarks.research_rows import make_rows  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from strategy import cache  # noqa: E402
from strategy.program import build  # noqa: E402


def main() -> int:
    """Measure and print; 1 when the number of threads changes a trade."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    steps = steps_of(build(BUY, SELL, UPBIT, 1))
    with tempfile.TemporaryDirectory() as folder:
        module = cache.load("engine", module_text(steps), Path(folder), b"k" * 32)
    prepared = prepare(make_rows(symbols=10, days=5, rows=20_000), steps.columns, UPBIT, Options(betting=1e7))
    rng = np.random.default_rng(5)
    sets = np.tile(np.array(R1), (args.sets, 1))
    for index, values in ((0, (10, 20, 30, 60, 120)), (3, (2, 5, 8, 10)), (4, (1, 2, 3)), (5, (1, 2, 3)), (7, (100, 300, 900))):
        sets[:, index] = rng.choice(values, args.sets)
    result: dict[str, object] = {"rows": prepared.rows, "sets": args.sets}
    kept = []
    for workers in (1, available_cores()):
        executor = LocalExecutor(workers)
        engine, metrics = Engine(module, steps, executor), Metrics(prepared, executor)
        loop, measured = [], []
        for _ in range(6):
            raw = engine.run(prepared, sets)
            started = time.perf_counter()
            values = metrics.of(raw.raw, args.sets)
            measured.append(time.perf_counter() - started)
            loop.append(raw.seconds)
        kept.append((raw.raw, values))
        executor.close()
        seconds = statistics.median(loop[1:])
        result[f"threads_{workers}"] = {
            "loop_seconds": seconds,
            "metrics_seconds": statistics.median(measured[1:]),
            "evaluations_per_second": args.sets / (seconds + statistics.median(measured[1:])),
            "row_evaluations_per_second": args.sets * prepared.rows / seconds,
        }
    same = bool(np.array_equal(kept[0][0], kept[-1][0]) and np.array_equal(kept[0][1], kept[-1][1]))
    result |= {"trades": len(kept[0][0]), "identical": same, "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

"""How much memory a back-test and a search take over the size of their rows, and whether a long search grows.

What: `backtest` and `optimise` of R1 as whole commands in processes of their own, over 2.28 million one-second rows in a store with
the columns cached; then a search of 100,000 sets through the engine and the store; then a run under a limit on address space that
is smaller than its rows. Unit: peak resident memory (VmHWM) as a ratio of the rows' own size, which is eight bytes for each row
and each of its 46 columns, and of that of the columns which the rule, sizing, fills and the clock touch (`ratio_touched`);
megabytes of growth. Budget: ≤ 1.5 × the rows with everything, imports included; growth from 20,000 to 100,000 sets ≤ 10 MB; the
limited run ends with the same trades. Why: a study must fit where its data fits, and a long one must not end for want of memory.

    python -m benchmarks.bench_memory [--rows 22800] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()


from backtester.engine import Engine, Options, module_text, needed_columns, prepare, steps_of  # noqa: E402
from backtester.executors import LocalExecutor  # noqa: E402
from backtester.metrics import Limits, Metrics  # noqa: E402
from backtester.optimisers import Space, make  # noqa: E402
from backtester.study import Search  # noqa: E402
from benchmarks.bench_step import BUY, R1, SELL  # noqa: E402
from benchmarks.growth import memory_at  # noqa: E402
from benchmarks.research_rows import make_rows  # noqa: E402
from benchmarks.research_store import make_store, words  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from domain.records import row_schema  # noqa: E402
from storage.studies import Studies  # noqa: E402
from strategy import cache  # noqa: E402
from strategy.program import build  # noqa: E402

RATIO_MAX, GROWTH_MB_MAX = 1.5, 10.0
EARLY, LATE = 20_000, 100_000
SYMBOLS, DAYS = 20, 5
CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tools import environment; environment.prepare()
import contextlib, io
from cli.main import run_command
import backtester.optimisers.genetic, backtester.verdict.review, cli.optimise, cli.research
def status(name):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(name))
before = status("VmRSS")
if int(sys.argv[2]):
    import resource
    room = status("VmSize") + int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
out = io.StringIO()
with contextlib.redirect_stdout(out):
    code = run_command(sys.argv[3:])
answer = json.loads(out.getvalue())
told = {key: answer.get(key) for key in ("trades", "trades_sha256", "rows", "evaluations", "wall_seconds", "engine_seconds")}
print(json.dumps({"status": code, "before": before, "peak": status("VmHWM"), **told, "error": answer.get("error")}))
"""


def child(argv: list[str], room: int = 0) -> dict[str, Any]:
    """Run a command in a process of its own, its address space limited to `room` bytes past the imports where that is not 0."""
    command = [sys.executable, "-c", CHILD, str(ROOT), str(room), *argv]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ), check=False)
    if done.returncode:
        return {"status": done.returncode, "error": done.stderr[-500:], "peak": 0, "before": 0, "trades_sha256": None}
    return json.loads(done.stdout.splitlines()[-1])


def growth(folder: Path) -> dict[str, float]:
    """Return the resident memory at EARLY and LATE sets of a search through engine, metrics and store."""
    steps = steps_of(build(BUY, SELL, UPBIT, 1))
    module = cache.load("engine", module_text(steps), folder, b"k" * 32)
    prepared = prepare(make_rows(symbols=2, days=1, rows=200), steps.columns, UPBIT, Options(betting=1e7))
    executor = LocalExecutor(0)
    line = tuple(float(value) for value in range(1, 40))
    space = Space(tuple(line if k in (0, 3, 4, 5, 7) else (value,) for k, value in enumerate(R1)), (0,) * len(R1))
    store = Studies(folder / "growth.db")
    search = Search(
        Engine(module, steps, executor),
        prepared,
        Metrics(prepared, executor),
        make("random", space, {"trials": LATE + LATE // 50}),  # some are drawn twice
        "TG",
        Limits({}),
        store,
        store.new_study("random", {}, 1),
        b"growth",
    )
    seen, watch = memory_at(EARLY, LATE)
    started = time.perf_counter()
    outcome = search.run(lambda: False, watch)
    executor.close()
    seconds = time.perf_counter() - started
    return {"sets": outcome.evaluations, "seconds": seconds, "early_mb": seen[EARLY], "growth_mb": seen[LATE] - seen[EARLY]}


def main() -> int:
    """Measure and print; 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=22_800)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    columns = len(needed_columns(steps_of(build(BUY, SELL, UPBIT, 1)).columns)) + 1  # and the row's time
    touched = SYMBOLS * DAYS * args.rows * columns * 8
    size = touched // columns * (len(row_schema(UPBIT.kind, 1).keys) + 1)
    result: dict[str, Any] = {
        "load_average": os.getloadavg()[0],
        "rows": SYMBOLS * DAYS * args.rows,
        "columns": columns,
        "data_mb": size / 2**20,
        "touched_mb": touched / 2**20,
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        root = make_store(folder / "data", SYMBOLS, DAYS, args.rows)
        backtest = words(root, "backtest", *(word for k, value in enumerate(R1) for word in ("--set", f"{k}={value:g}")))
        optimise = words(root, "optimise", "--ranges", str(root / "ranges.txt"), "--ranges-form", "list", "--no-verdict")
        optimise += ["--method", "random", "--trials", str(args.trials)]
        child(backtest)  # columns and code are cached by it
        one, many = child(backtest), child(optimise)
        for name, told in (("backtest", one), ("optimise", many)):
            ratios = {"ratio": told["peak"] / size, "ratio_touched": told["peak"] / touched}
            result[name] = {**told, **ratios, "ratio_touched_above_imports": (told["peak"] - told["before"]) / touched}
        limit = touched // 2
        far = child(backtest, limit)
        result["limited"] = {**far, "limit_over_touched": limit / touched, "same_trades": far["trades_sha256"] == one["trades_sha256"]}
        sys.stderr.write(json.dumps(result) + "\n")  # the rest takes longer
        result["growth"] = growth(folder)
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    kept = result["growth"]["growth_mb"] <= GROWTH_MB_MAX and result["limited"]["same_trades"]
    return 0 if kept and all(result[name]["ratio"] <= RATIO_MAX for name in ("backtest", "optimise")) else 1


if __name__ == "__main__":
    sys.exit(main())

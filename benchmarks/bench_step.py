"""The generated step in the engine against hand-written Numba loops of the same rules (R1), in one process.

What: R1 over ≥ 2 million one-second rows, one thread on both sides: `best`, one set, signals and fills at the best price
only, against `hand_best`; `one`, the same with a sweep of the book's levels, states and an account's rounding, against
`hand_r1`; `sweep`, 200 sets, against `hand_sweep`; `compile`, R1 from nothing and from the cache. Unit: seconds of processor
time (other work on the machine does not count), median of five taken in turns; compile times are wall and processor time of
a fresh process, median of `--compiles`. Budget: research.py. Trades must be identical. Why: the user writes a text and must
not pay for it.

    python -m benchmarks.bench_step [--rows 2280000] [--sets 200] [--compiles 3] [--parts best,one,sweep,compile] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()

import numpy as np  # noqa: E402
from numba import njit  # noqa: E402

from backtester import kernel  # noqa: E402
from backtester.engine import Engine, Options, Prepared, module_text, prepare, steps_of  # noqa: E402
from backtester.executors import LocalExecutor  # noqa: E402
from benchmarks.hand_best import hand_best  # noqa: E402
from benchmarks.research_rows import make_rows  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from storage.columns import RowSet  # noqa: E402
from strategy import cache  # noqa: E402
from strategy.program import build  # noqa: E402

BUY = """
if not (self.vars[1] <= 등락율 <= self.vars[2]):
    매수 = False
elif not (체결강도 >= 체결강도평균(self.vars[0]) + self.vars[3]):
    매수 = False
elif not (초당매수금액 > self.vars[4] * 초당거래대금평균(self.vars[0])):
    매수 = False
"""
SELL = """
if 수익률 >= self.vars[5]:
    매도 = True
elif 수익률 <= self.vars[6]:
    매도 = True
elif 보유시간 >= self.vars[7]:
    매도 = True
elif 체결강도 < 체결강도평균(self.vars[0]) - self.vars[8]:
    매도 = True
"""
R1 = [30.0, 1.0, 20.0, 5.0, 2.0, 2.0, -1.0, 300.0, 10.0]
BETTING, FEE = 10_000_000.0, 0.0005


@njit(nogil=True, error_model="numpy")
def fill_order(prices, sizes, i, levels, units):  # type: ignore[no-untyped-def]
    """Sweep `levels` levels of row `i`: (left, amount)."""
    left, amount = units, 0.0
    for k in range(levels):
        part = min(left, int(np.rint(sizes[k][i] * 1e8)))
        if part > 0 and prices[k][i] > 0.0:
            amount += prices[k][i] * (part / 1e8)
            left -= part
            if left == 0:
                break
    return left, amount


@njit(nogil=True, error_model="numpy")
def hand_r1(  # type: ignore[no-untyped-def]  # noqa: C901 - hand-written on purpose
    change, strength, bought, value, last, universe, row_time, asks, ask_sizes, bids, bid_sizes, blocks, v, betting, fee, out,
):  # fmt: skip
    """R1 as somebody who knows Numba writes it: one fused loop, running sums, cheap tests first."""
    n, c1, c2, c3, c4, c5, c6, c7, c8 = int(v[0]), v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
    count = 0
    for b in range(len(blocks)):
        lo, hi = blocks[b, 0], blocks[b, 1]
        s1, s2 = 0, 0
        holding, units, paid, raw, t0, entry, qty = False, 0, 0.0, 0.0, 0, 0, 0.0
        for i in range(lo, hi):
            s1 += int(np.rint(strength[i] * 100.0))
            s2 += int(np.rint(value[i] * 10000.0))
            if i - lo >= n:
                s1 -= int(np.rint(strength[i - n] * 100.0))
                s2 -= int(np.rint(value[i - n] * 10000.0))
            if i - lo + 1 < n:
                continue
            rule = -1
            if holding:
                mark = np.rint(last[i] * qty * 1e4) / 1e4
                pnl = np.rint((((mark - paid) - paid * fee) - mark * fee) * 1e4) / 1e4
                r = np.rint(pnl / paid * 100.0 * 100.0) / 100.0
                t = row_time[i]
                if r >= c5:
                    rule = 1
                elif r <= c6:
                    rule = 2
                elif t // 10_000 % 100 * 3600 + t // 100 % 100 * 60 + t % 100 - t0 >= c7:
                    rule = 3
                elif strength[i] < np.rint(s1 / (100.0 * n) * 1e3) / 1e3 - c8:
                    rule = 4
            elif universe[i] != 0.0:
                x = change[i]
                if (
                    c1 <= x
                    and x <= c2
                    and strength[i] >= np.rint(s1 / (100.0 * n) * 1e3) / 1e3 + c3
                    and bought[i] > c4 * np.trunc(s2 / (10000.0 * n))
                ):
                    units = int(np.floor(betting / last[i] * 1e8))
                    left, amount = fill_order(asks, ask_sizes, i, 3, units)
                    if left == 0 and units > 0:
                        holding, raw, paid, qty, entry = True, amount, np.rint(amount * 1e4) / 1e4, units / 1e8, i
                        t = row_time[i]
                        t0 = t // 10_000 % 100 * 3600 + t // 100 % 100 * 60 + t % 100
            if holding and (rule > 0 or i == hi - 1):
                left, amount = fill_order(bids, bid_sizes, i, 5, units)
                if left > 0:
                    if i < hi - 1:
                        continue
                    amount = amount * units / (units - left) if left < units else last[i] * qty
                    rule = 0
                got = np.rint(amount * 1e4) / 1e4
                pnl = np.rint((((got - paid) - paid * fee) - got * fee) * 1e4) / 1e4
                if count < len(out):
                    out[count, 0], out[count, 1], out[count, 2], out[count, 3] = entry, i, units, raw
                    out[count, 4], out[count, 5] = amount, np.rint(pnl / paid * 100.0 * 100.0) / 100.0
                    out[count, 6], out[count, 7] = pnl, max(rule, 0)
                count += 1
                holding = False
    return count


@njit(nogil=True, error_model="numpy")
def hand_sweep(  # type: ignore[no-untyped-def]  # noqa: C901 - as above
    change, strength, bought, value, last, universe, row_time, asks, ask_sizes, bids, bid_sizes, blocks, sets, lengths, which,
    betting, fee, out,
):  # fmt: skip
    """Many sets as the same person writes it: day by day, both means once for each distinct window, a scalar loop a set."""
    longest = 0
    for b in range(len(blocks)):
        longest = max(longest, blocks[b, 1] - blocks[b, 0])
    mean1, mean2 = np.empty((len(lengths), longest)), np.empty((len(lengths), longest))
    count = 0
    for b in range(len(blocks)):
        lo, hi = blocks[b, 0], blocks[b, 1]
        for f in range(len(lengths)):
            n = lengths[f]
            s1, s2 = 0, 0
            for i in range(lo, hi):
                s1 += int(np.rint(strength[i] * 100.0))
                s2 += int(np.rint(value[i] * 10000.0))
                if i - lo >= n:
                    s1 -= int(np.rint(strength[i - n] * 100.0))
                    s2 -= int(np.rint(value[i - n] * 10000.0))
                mean1[f, i - lo] = np.rint(s1 / (100.0 * n) * 1e3) / 1e3
                mean2[f, i - lo] = np.trunc(s2 / (10000.0 * n))
        for s in range(len(sets)):
            f = which[s]
            c1, c2, c3, c4 = sets[s, 1], sets[s, 2], sets[s, 3], sets[s, 4]
            c5, c6, c7, c8 = sets[s, 5], sets[s, 6], sets[s, 7], sets[s, 8]
            holding, units, paid, raw, t0, entry, qty = False, 0, 0.0, 0.0, 0, 0, 0.0
            for i in range(lo + lengths[f] - 1, hi):
                rule = -1
                if holding:
                    mark = np.rint(last[i] * qty * 1e4) / 1e4
                    pnl = np.rint((((mark - paid) - paid * fee) - mark * fee) * 1e4) / 1e4
                    r = np.rint(pnl / paid * 100.0 * 100.0) / 100.0
                    t = row_time[i]
                    if r >= c5:
                        rule = 1
                    elif r <= c6:
                        rule = 2
                    elif t // 10_000 % 100 * 3600 + t // 100 % 100 * 60 + t % 100 - t0 >= c7:
                        rule = 3
                    elif strength[i] < mean1[f, i - lo] - c8:
                        rule = 4
                elif universe[i] != 0.0:
                    x = change[i]
                    if c1 <= x and x <= c2 and strength[i] >= mean1[f, i - lo] + c3 and bought[i] > c4 * mean2[f, i - lo]:
                        units = int(np.floor(betting / last[i] * 1e8))
                        left, amount = fill_order(asks, ask_sizes, i, 3, units)
                        if left == 0 and units > 0:
                            holding, raw, paid, qty, entry = True, amount, np.rint(amount * 1e4) / 1e4, units / 1e8, i
                            t = row_time[i]
                            t0 = t // 10_000 % 100 * 3600 + t // 100 % 100 * 60 + t % 100
                if holding and (rule > 0 or i == hi - 1):
                    left, amount = fill_order(bids, bid_sizes, i, 5, units)
                    if left > 0:
                        if i < hi - 1:
                            continue
                        amount = amount * units / (units - left) if left < units else last[i] * qty
                        rule = 0
                    got = np.rint(amount * 1e4) / 1e4
                    pnl = np.rint((((got - paid) - paid * fee) - got * fee) * 1e4) / 1e4
                    if count < len(out):
                        out[count, 0], out[count, 1], out[count, 2], out[count, 3] = entry, i, units, raw
                        out[count, 4], out[count, 5] = amount, np.rint(pnl / paid * 100.0 * 100.0) / 100.0
                        out[count, 6], out[count, 7], out[count, 8] = pnl, max(rule, 0), s
                    count += 1
                    holding = False
    return count


def medians(first: Callable[[], object], second: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """Return the median processor time of each, taken in turns after one call that is not counted, so that other load meets both."""
    first()
    second()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for function, kept in zip((first, second), seconds, strict=True):
            started = time.process_time()
            function()
            kept.append(time.process_time() - started)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def compile_times(times: int = 3) -> dict[str, float]:
    """Return medians of loading R1's module in fresh processes: nothing cached, then all cached; library kernels are warm."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2]); from tools import environment; environment.prepare()\n"
        "from pathlib import Path; from benchmarks.bench_step import BUY, SELL\n"
        "from backtester.engine import module_text, steps_of; from coin.markets import UPBIT\n"
        "from strategy import cache; from strategy.program import build\n"
        "wall, cpu = time.perf_counter(), time.process_time(); text = module_text(steps_of(build(BUY, SELL, UPBIT, 1)))\n"
        "cache.load('engine', text, Path(sys.argv[1]), b'k' * 32); print(time.perf_counter() - wall, time.process_time() - cpu)\n"
    )
    kept: dict[str, list[float]] = {}
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            for state in ("cold", "cached"):
                answer = subprocess.run(
                    [sys.executable, "-c", code, folder, str(ROOT)],
                    capture_output=True, text=True, check=True, cwd=ROOT, env=dict(os.environ),
                )  # fmt: skip
                for name, number in zip((f"compile_{state}_seconds", f"compile_{state}_cpu_seconds"), answer.stdout.split(), strict=True):
                    kept.setdefault(name, []).append(float(number))
    return {name: statistics.median(numbers) for name, numbers in kept.items()}


MINE = (
    kernel.OUT_ENTRY, kernel.OUT_EXIT, kernel.OUT_UNITS, kernel.OUT_ENTRY_RAW, kernel.OUT_EXIT_RAW, kernel.OUT_RETURN, kernel.OUT_PNL,
    kernel.OUT_RULE,
)  # fmt: skip
"""The engine's fields in the order in which the hand-written loops write theirs."""
PARTS = ("best", "one", "sweep", "compile")


def r1_engine(folder: Path, managed: bool = False) -> Engine:
    """Return the engine of R1 on one thread, its code compiled into `folder`."""
    steps = steps_of(build(BUY, SELL, UPBIT, 1))
    return Engine(cache.load("engine", module_text(steps, managed), folder, b"k" * 32), steps, LocalExecutor(1))


def compared(prefix: str, rows: int, hand: float, generated: float, trades: int, same: bool) -> dict[str, Any]:
    """Return one measure's figures; `speed` is the engine's over the hand-written loop's."""
    return {
        f"{prefix}_speed": hand / generated,
        f"{prefix}_hand_seconds": hand,
        f"{prefix}_seconds": generated,
        f"{prefix}_rows_per_second": rows / generated,
        f"{prefix}_trades": trades,
        f"{prefix}_identical_trades": same,
    }


def measure_best(rows: RowSet, engine: Engine) -> dict[str, Any]:
    """One set, signals and fills at the best price only."""
    prepared = prepare(rows, engine.steps.columns, UPBIT, Options(betting=BETTING, fill="best"))
    names = ("change_pct", "trade_strength", "buy_value_1s", "value_1s", "last_price")
    c, r1, out = rows.columns, np.array(R1), np.empty((2_000_000, 9))
    shared = (*(c[name] for name in names), prepared.row_time, c["ask1"], c["bid1"], np.ascontiguousarray(prepared.blocks[:, :2]))
    hand, generated = medians(lambda: hand_best(*shared, r1, BETTING, FEE, out), lambda: engine.run(prepared, r1[None, :]))
    count, one = hand_best(*shared, r1, BETTING, FEE, out), engine.run(prepared, r1[None, :])
    return compared("best", prepared.rows, hand, generated, len(one.raw), bool(np.array_equal(one.raw[:, MINE], out[:count, :8])))


def shared_columns(rows: RowSet, prepared: Prepared) -> tuple[Any, ...]:
    """Return what `hand_r1` and `hand_sweep` read."""
    c = rows.columns
    five = (tuple(c[f"{side}{k}"] for k in range(1, 6)) for side in ("ask", "ask_size", "bid", "bid_size"))
    names = ("change_pct", "trade_strength", "buy_value_1s", "value_1s", "last_price", "in_universe")
    return (*(c[name] for name in names), prepared.row_time, *five, np.ascontiguousarray(prepared.blocks[:, :2]))


def measure_one(rows: RowSet, engine: Engine) -> dict[str, Any]:
    """One set with orders, costs, sweep of the levels and account."""
    prepared = prepare(rows, engine.steps.columns, UPBIT, Options(betting=BETTING))
    shared, r1, out = shared_columns(rows, prepared), np.array(R1), np.empty((2_000_000, 9))
    hand, generated = medians(lambda: hand_r1(*shared, r1, BETTING, FEE, out), lambda: engine.run(prepared, r1[None, :]))
    count, one = hand_r1(*shared, r1, BETTING, FEE, out), engine.run(prepared, r1[None, :])
    return compared("one", prepared.rows, hand, generated, len(one.raw), bool(np.array_equal(one.raw[:, MINE], out[:count, :8])))


def measure_sweep(rows: RowSet, engine: Engine, count: int) -> dict[str, Any]:
    """`count` sets, with the building of features on both sides."""
    prepared = prepare(rows, engine.steps.columns, UPBIT, Options(betting=BETTING))
    shared, rng = shared_columns(rows, prepared), np.random.default_rng(3)
    sets = np.tile(np.array(R1), (count, 1))
    for index, values in ((0, (10, 20, 30, 60, 120)), (3, (2, 5, 8, 10)), (4, (1, 2, 3)), (5, (1, 2, 3)), (7, (100, 300, 900))):
        sets[:, index] = rng.choice(values, count)
    lengths, which = np.unique(sets[:, 0].astype(np.int64), return_inverse=True)
    out = np.empty((max(1_000_000, 100_000 * count), 9))
    hand, generated = medians(
        lambda: hand_sweep(*shared, sets, lengths, which, BETTING, FEE, out), lambda: engine.run(prepared, sets, again=True)
    )
    found = hand_sweep(*shared, sets, lengths, which, BETTING, FEE, out)
    many = engine.run(prepared, sets)
    theirs = out[:found][np.argsort(out[:found, 8], kind="stable")]
    same = bool(np.array_equal(many.raw[:, MINE], theirs[:, :8]) and np.array_equal(many.raw[:, kernel.OUT_SET], theirs[:, 8]))
    told = compared("sweep", prepared.rows * count, hand, generated, len(many.raw), same)
    return {"sets": count, "sets_per_second": count / generated, "hand_sets_per_second": count / hand, **told}


def main() -> int:
    """Measure and print; 1 when trades differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_280_000)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--compiles", type=int, default=3)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    parts = args.parts.split(",")
    if set(parts) - set(PARTS):
        parser.error(f"--parts: {','.join(PARTS)}")
    result: dict[str, Any] = {}
    if set(parts) - {"compile"}:
        rows = make_rows(rows=args.rows // 100)
        result["rows"] = len(rows.row_time)
        with tempfile.TemporaryDirectory() as folder:
            engine = r1_engine(Path(folder))
        if "best" in parts:
            result |= measure_best(rows, engine)
        if "one" in parts:
            result |= measure_one(rows, engine)
        if "sweep" in parts:
            result |= measure_sweep(rows, engine, args.sets)
    if "compile" in parts:
        result |= compile_times(args.compiles)
    result["load_average"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if all(value for name, value in result.items() if name.endswith("identical_trades")) else 1


if __name__ == "__main__":
    sys.exit(main())

"""R2 on minute bars: the generated code in the engine against a hand-written Numba loop of the same rule, in one process.

What: ten names over a year of made minutes (5.3 million rows), one set, one thread on both sides: moving averages of 10 and
30 that cross, an RSI of 14 below 70, a trailing stop of 2 % through 최고수익률, fills at 현재가. Unit: seconds of processor time,
median of five taken in turns. Budget: generated ≥ 0.8 × the hand-written speed (research.py), trades identical. Why: rules on
bars hang on indicators, which no running sum makes cheap.

    python -m benchmarks.bench_bars [--days 365] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools import environment  # noqa: E402

environment.prepare()

import numpy as np  # noqa: E402
from numba import njit  # noqa: E402

from backtester.engine import Engine, Options, module_text, prepare, steps_of  # noqa: E402
from backtester.executors import LocalExecutor  # noqa: E402
from benchmarks.bench_step import BETTING, FEE, MINE, medians  # noqa: E402
from benchmarks.research_rows import make_bars  # noqa: E402
from coin.markets import UPBIT  # noqa: E402
from strategy import cache  # noqa: E402
from strategy.program import build  # noqa: E402

BUY = """
self.indicator['RSI_timeperiod'] = 14
if not (이동평균(10) > 이동평균(30) and 이동평균(10, 1) <= 이동평균(30, 1)):
    매수 = False
elif not (RSI < self.vars[1]):
    매수 = False
"""
SELL = """
if 최고수익률 - 수익률 >= self.vars[2]:
    매도 = True
elif 이동평균(10) < 이동평균(30):
    매도 = True
"""
R2 = [31.0, 70.0, 2.0]


@njit(nogil=True, error_model="numpy")
def hand_r2(last, blocks, v, betting, fee, out):  # type: ignore[no-untyped-def]  # noqa: C901 - hand-written on purpose
    """R2 as somebody writes it who knows Numba: one fused loop, two running sums, Wilder's two averages, the cheap test first.

    Prices are whole, so sums of floats are exact and the averages are compared as ``3 · sum of 10`` with ``sum of 30``.
    """
    warm, most, trail = int(v[0]), v[1], v[2]
    count = 0
    for b in range(len(blocks)):
        lo, hi = blocks[b, 0], blocks[b, 1]
        short, long, gain, loss = 0.0, 0.0, 0.0, 0.0
        above = False
        holding, units, paid, raw, entry, qty, best = False, 0, 0.0, 0.0, 0, 0.0, -np.inf
        for i in range(lo, hi):
            x = last[i]
            short += x
            long += x
            if i - lo >= 10:
                short -= last[i - 10]
                if i - lo >= 30:
                    long -= last[i - 30]
            if i > lo:
                if i - lo > 14:
                    gain *= 13
                    loss *= 13
                change = x - last[i - 1]
                if change < 0.0:
                    loss -= change
                else:
                    gain += change
                if i - lo >= 14:
                    gain /= 14
                    loss /= 14
            crossed, above = not above, 3.0 * short > long
            if i - lo + 1 < warm:
                continue
            rule = 0
            if holding:
                mark = np.rint(x * qty * 1e4) / 1e4
                r = np.rint(np.rint((mark - paid - paid * fee - mark * fee) * 1e4) / 1e4 / paid * 1e4) / 100.0
                best = max(best, r)
                if best - r >= trail:
                    rule = 1
                elif 3.0 * short < long:
                    rule = 2
            elif above and crossed:
                strength = 100.0 * (gain / (gain + loss)) if gain + loss >= 1e-14 else 0.0
                if strength < most:
                    units = int(np.floor(betting / x * 1e8))
                    if units > 0:
                        holding, entry, qty, best = True, i, units / 1e8, -np.inf
                        raw = x * qty
                        paid = np.rint(raw * 1e4) / 1e4
            if holding and (rule > 0 or i == hi - 1):
                amount = x * qty
                got = np.rint(amount * 1e4) / 1e4
                pnl = np.rint((got - paid - paid * fee - got * fee) * 1e4) / 1e4
                if count < len(out):
                    out[count, 0], out[count, 1], out[count, 2], out[count, 3] = entry, i, units, raw
                    out[count, 4], out[count, 5], out[count, 6], out[count, 7] = amount, np.rint(pnl / paid * 1e4) / 100.0, pnl, rule
                count += 1
                holding = False
    return count


def r2_engine(folder: Path) -> Engine:
    """Return the engine of R2 on one thread, its code compiled into `folder`."""
    steps = steps_of(build(BUY, SELL, UPBIT, 60))
    return Engine(cache.load("engine", module_text(steps), folder, b"k" * 32), steps, LocalExecutor(1))


def main() -> int:
    """Measure and print; 1 when trades differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    rows = make_bars(days=args.days)
    with tempfile.TemporaryDirectory() as folder:
        engine = r2_engine(Path(folder))
    prepared = prepare(rows, engine.steps.columns, UPBIT, Options(betting=BETTING, fill="last"))
    shared = (rows.columns["last_price"], np.ascontiguousarray(prepared.blocks[:, :2]))
    r2, out = np.array(R2), np.empty((2_000_000, 8))
    hand, generated = medians(lambda: hand_r2(*shared, r2, BETTING, FEE, out), lambda: engine.run(prepared, r2[None, :]))
    count, one = hand_r2(*shared, r2, BETTING, FEE, out), engine.run(prepared, r2[None, :])
    result = {
        "rows": prepared.rows,
        "speed": hand / generated,
        "hand_seconds": hand,
        "seconds": generated,
        "rows_per_second": prepared.rows / generated,
        "hand_rows_per_second": prepared.rows / hand,
        "trades": len(one.raw),
        "hand_trades": count,
        "identical_trades": bool(np.array_equal(one.raw[:, MINE], out[:count])),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0 if result["identical_trades"] else 1


if __name__ == "__main__":
    sys.exit(main())

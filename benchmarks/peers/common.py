"""What the peers share: the rows in, R1 as a plain function, the answer out. Runs in each peer's own environment; needs numpy alone.

R1 decides from its own record of the position, filled at the best ask or bid of the row that signalled, so that all engines
decide alike; what an engine really filled, and when, is taken from its own records. Lists are handed to `row` where it runs
in Python, arrays where Numba compiles it.
"""

from __future__ import annotations

import json
import math
import sys
import time
from importlib.metadata import version

import numpy as np

HOLDING, SUM1, SUM2, PAID, QTY, SINCE, STATE_SIZE = range(7)
NONE, BUY, SELL, BOTH = 0, 1, -1, 2
COLUMNS = ("start", "end", "change", "strength", "bought", "value", "last", "ask", "bid", "seconds")
CASH = 1e13


def row(i, start, end, change, strength, bought, value, last, ask, bid, seconds, v, betting, fee, state):
    """Return BUY, SELL, BOTH (bought on a day's last row, closed on it) or NONE for row `i`, and move `state` on."""
    n, first = int(v[0]), start[i]
    if i == first:
        for k in range(STATE_SIZE):
            state[k] = 0.0
    state[SUM1] += round(strength[i] * 100.0)
    state[SUM2] += round(value[i] * 10000.0)
    if i - first >= n:
        state[SUM1] -= round(strength[i - n] * 100.0)
        state[SUM2] -= round(value[i - n] * 10000.0)
    if i - first + 1 < n:
        return NONE
    mean = round(state[SUM1] / (100.0 * n) * 1e3) / 1e3
    if state[HOLDING] != 0.0:
        mark = round(last[i] * state[QTY] * 1e4) / 1e4
        pnl = round((mark - state[PAID] - state[PAID] * fee - mark * fee) * 1e4) / 1e4
        gain = round(pnl / state[PAID] * 1e4) / 100.0
        if gain >= v[5] or gain <= v[6] or seconds[i] - state[SINCE] >= v[7] or strength[i] < mean - v[8] or i == end[i]:
            state[HOLDING] = 0.0
            return SELL
        return NONE
    if change[i] < v[1] or change[i] > v[2] or strength[i] < mean + v[3]:
        return NONE
    if bought[i] <= v[4] * math.floor(state[SUM2] / (10000.0 * n)):
        return NONE
    if i == end[i]:
        return BOTH
    state[HOLDING] = 1.0
    state[QTY] = math.floor(betting / last[i] * 1e8) / 1e8
    state[PAID] = round(ask[i] * state[QTY] * 1e4) / 1e4
    state[SINCE] = seconds[i]
    return BUY


def load():
    """Return the rows named on the command line: a dict of arrays, `v`, `betting`, `fee`, and how often to run."""
    with np.load(sys.argv[1]) as file:
        rows = {name: file[name] for name in file.files}
    rows["betting"], rows["fee"] = float(rows["betting"]), float(rows["fee"])
    return rows, int(sys.argv[2])


def lists(rows):
    """Return the arguments of `row` between `i` and `state`, as lists of Python's own numbers."""
    return (*(rows[name].tolist() for name in COLUMNS), rows["v"].tolist(), rows["betting"], rows["fee"])


def arrays(rows):
    """Return the same as arrays."""
    return (*(np.ascontiguousarray(rows[name]) for name in COLUMNS), rows["v"], rows["betting"], rows["fee"])


def frame(rows):
    """Return open, high, low, close and volume of the rows as a table by the second; the last row stands twice, for late fills."""
    import pandas as pd

    last = np.append(rows["last"], rows["last"][-1])
    index = pd.date_range("2026-01-05", periods=len(last), freq="s")
    return pd.DataFrame({"Open": last, "High": last, "Low": last, "Close": last, "Volume": np.ones(len(last))}, index=index)


def tell(package, rows, times, run):
    """Run ``run() -> (seconds in the engine, [[entry row, exit row], …])`` `times` times and print the answer."""
    answers = [run() for _ in range(times)]
    trades = [[int(a), int(b)] for a, b in answers[-1][1]]
    seconds = sorted(answer[0] for answer in answers)[len(answers) // 2]
    print(json.dumps({"version": version(package), "rows": len(rows["last"]), "seconds": seconds, "trades": trades}))


clock = time.process_time

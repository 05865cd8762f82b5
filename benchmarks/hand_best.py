"""R1 at the best price as somebody writes it who wants speed and knows Numba: the reference of the first measure.

One fused loop over six columns, running sums of floats, the cheap tests first, bounds of price and clock worked out at the
entry so that a held row costs two comparisons. It knows R1 and nothing else: no levels, no account, no states, no errors.
Rounding is the specification's, because equal trades need equal decisions: where a price is near a bound, the rounded 수익률
decides.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, error_model="numpy")
def clock(seconds):  # type: ignore[no-untyped-def]
    """Return seconds of the day as hhmmss."""
    return seconds // 3600 * 10_000 + seconds // 60 % 60 * 100 + seconds % 60


@njit(nogil=True, error_model="numpy")
def seconds_of(row_time):  # type: ignore[no-untyped-def]
    """Return the seconds of the day of a YYYYMMDDhhmmss."""
    return row_time // 10_000 % 100 * 3600 + row_time // 100 % 100 * 60 + row_time % 100


@njit(nogil=True, error_model="numpy")
def hand_best(  # type: ignore[no-untyped-def]  # noqa: C901 - hand-written on purpose
    change, strength, bought, value, last, row_time, ask, bid, blocks, v, betting, fee, out,
):  # fmt: skip
    """Run R1 over `blocks`, filling at `ask` and `bid`; trades go into `out` (entry, exit, units, raw in, raw out, %, pnl, rule)."""
    n, c1, c2, c3, c4, c5, c6, c7, c8 = int(v[0]), v[1], v[2], v[3], v[4], v[5], v[6], int(v[7]), v[8]
    count = 0
    for b in range(len(blocks)):
        lo, hi = blocks[b, 0], blocks[b, 1]
        if hi - lo < n:
            continue
        s1, s2 = 0.0, 0.0
        for i in range(lo, lo + n - 1):
            s1 += strength[i]
            s2 += value[i]
        before1, before2 = 0.0, 0.0  # what left the window on the row before
        holding, units, paid, raw, entry, qty, up, down, until = False, 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0, 0
        for i in range(lo + n - 1, hi):
            s1 += strength[i] - before1
            s2 += value[i] - before2
            before1, before2 = strength[i - n + 1], value[i - n + 1]
            rule = 0
            if holding:
                x = last[i]
                if x >= up or x <= down:
                    mark = np.rint(x * qty * 1e4) / 1e4
                    r = np.rint(np.rint((mark - paid - paid * fee - mark * fee) * 1e4) / 1e4 / paid * 1e4) / 100.0
                    if r >= c5:
                        rule = 1
                    elif r <= c6:
                        rule = 2
                if rule == 0:
                    if row_time[i] >= until:
                        rule = 3
                    elif strength[i] < np.rint(s1 / n * 1e3) / 1e3 - c8:
                        rule = 4
            else:
                x = change[i]
                if c1 <= x and x <= c2 and strength[i] >= np.rint(s1 / n * 1e3) / 1e3 + c3 and bought[i] > c4 * np.trunc(s2 / n):
                    units = int(np.floor(betting / last[i] * 1e8))
                    if units > 0 and ask[i] > 0.0:
                        holding, entry, qty = True, i, units / 1e8
                        raw = ask[i] * qty
                        paid = np.rint(raw * 1e4) / 1e4
                        up = paid * (1.0 + fee + (c5 - 0.01) / 100.0) / ((1.0 - fee) * qty)
                        down = paid * (1.0 + fee + (c6 + 0.01) / 100.0) / ((1.0 - fee) * qty)
                        t = row_time[i]
                        until = t // 1_000_000 * 1_000_000 + clock(seconds_of(t) + c7)
            if holding and (rule > 0 or i == hi - 1) and (bid[i] > 0.0 or i == hi - 1):
                amount = (bid[i] if bid[i] > 0.0 else last[i]) * qty
                got = np.rint(amount * 1e4) / 1e4
                pnl = np.rint((got - paid - paid * fee - got * fee) * 1e4) / 1e4
                if count < len(out):
                    out[count, 0], out[count, 1], out[count, 2], out[count, 3] = entry, i, units, raw
                    out[count, 4], out[count, 5], out[count, 6], out[count, 7] = amount, np.rint(pnl / paid * 1e4) / 100.0, pnl, rule
                count += 1
                holding = False
    return count

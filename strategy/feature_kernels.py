"""Kernels that build features row by row: running sums, extremes of windows.

The same functions fill one row in live and a whole day in a back-test.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import numpy as np
from numba import njit

from strategy.kernels import REACH, WORD


@njit(nogil=True, error_model="numpy", cache=True, fastmath={"reassoc"})
def fill_units(column, units, scale):  # type: ignore[no-untyped-def]
    """Write the whole numbers of `column` into `units`; return the sum of their sizes.

    By itself, and free to add up in any order, so that the processor takes several rows at a time. A number past an
    int64 makes nonsense of its unit and a reach that says so.
    """
    reach = 0.0
    for i in range(len(units)):
        whole = np.rint(column[i] * scale)
        reach += abs(whole)
        units[i] = np.int64(whole)
    return reach


@njit(nogil=True, error_model="numpy", cache=True)
def fill_sum(column, sums, f, scale, i0, i1):  # type: ignore[no-untyped-def]
    """Continue running sum `f` over rows i0 … i1−1: ``sums[f, i + 1]`` = Σ of rows up to i, in units of 1/scale.

    A window is the difference of two entries. As long as the day's absolute sum stays below `REACH`, no
    window can miss an int64 and that is all. Beyond, the sum itself may wrap around; the second part of
    `sums` then runs along with the high words (Σ of value div 2^32), from which `span` knows when a
    window's own sum does not fit and what it is. The third part holds what is known of the day: whether
    high words are kept, and the absolute sum so far.
    """
    flag = f + sums.shape[0] // 3 * 2
    if i0 == 0:
        sums[f, 0] = sums[flag, 0] = sums[flag, 1] = 0
    if sums[flag, 0] == 0:
        units = sums[f, i0 + 1 : i1 + 1]
        reach = float(sums[flag, 1]) + fill_units(column[i0:i1], units, scale)
        if reach <= REACH:
            total = sums[f, i0]
            for i in range(len(units)):
                total += units[i]
                units[i] = total
            sums[flag, 1] = np.int64(reach)
            return
        sums[flag, 0] = 1
        fill_wide(column, sums, f, scale, 0, i1)
        return
    fill_wide(column, sums, f, scale, i0, i1)


@njit(nogil=True, error_model="numpy", cache=True)
def fill_wide(column, sums, f, scale, i0, i1):  # type: ignore[no-untyped-def]
    """Continue running sum `f` and its high words."""
    h = f + sums.shape[0] // 3
    total = sums[f, i0] if i0 > 0 else 0
    high = sums[h, i0] if i0 > 0 else 0
    sums[h, i0] = high
    for i in range(i0, i1):
        # In two words, because one row alone can be past 2^63: 10^11 pieces of a coin worth next to nothing.
        units = np.rint(column[i] * scale)
        upper = np.floor(units / WORD)
        word = np.int64(upper)
        total += (word << 32) + np.int64(units - upper * WORD)
        high += word
        sums[f, i + 1] = total
        sums[h, i + 1] = high


@njit(nogil=True, error_model="numpy", cache=True)
def fill_extreme(column, extremes, f, scratch, n, largest, lo, i0, i1):  # type: ignore[no-untyped-def]
    """Continue the extreme of the last `n` rows of the day over rows i0 … i1−1 (monotonic queue, amortised O(1)).

    ``scratch[f]`` holds head, tail and the queue's row numbers in a ring.
    """
    room = scratch.shape[1] - 2
    head, tail = scratch[f, 0], scratch[f, 1]
    if i0 == lo:
        head = tail = 0
    for i in range(i0, i1):
        x = column[i]
        while tail > head:
            last = column[scratch[f, 2 + (tail - 1) % room]]
            if (last > x) if largest else (last < x):
                break
            tail -= 1
        scratch[f, 2 + tail % room] = i
        tail += 1
        if scratch[f, 2 + head % room] <= i - n:
            head += 1
        extremes[f, i] = column[scratch[f, 2 + head % room]]
    scratch[f, 0], scratch[f, 1] = head, tail


@njit(nogil=True, error_model="numpy", cache=True)
def fill_levels(column, extremes, base, levels, largest, lo, i0, i1):  # type: ignore[no-untyped-def]
    """Continue the extremes of the last 2, 4, 8 … rows: row ``base + k − 1`` holds those of 2^k rows."""
    for k in range(1, levels + 1):
        half = 1 << (k - 1)
        for i in range(i0, i1):
            if i - lo + 1 < 2 * half:
                continue
            a = column[i] if k == 1 else extremes[base + k - 2, i]
            b = column[i - half] if k == 1 else extremes[base + k - 2, i - half]
            extremes[base + k - 1, i] = (a if a > b else b) if largest else (a if a < b else b)

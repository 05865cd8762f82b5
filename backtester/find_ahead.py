"""What follows a row, for back-finder texts: the highest or lowest price of the next rows of the day."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def fill_future(last, blocks, ahead, is_max, out):  # type: ignore[no-untyped-def]
    """Fill ``out[i]`` with the extreme of ``last[i + 1 : i + ahead + 1]`` within each block, 0 where fewer rows follow.

    Parameters
    ----------
    last : ndarray of float64, shape (rows,)
    blocks : ndarray of int64, shape (blocks, 2)
        First row and row after the last.
    ahead : int
        Below 1: 0 everywhere.
    out : ndarray of float64, shape (rows,)
        Zeros; written.
    """
    if ahead < 1:
        return
    sign = 1.0 if is_max else -1.0
    for b in range(len(blocks)):
        lo, hi = blocks[b, 0], blocks[b, 1]
        queue = np.empty(hi - lo, dtype=np.int64)
        first, after = 0, 0
        # From the day's end: the queue holds later rows, the best one first.
        for i in range(hi - 2, lo - 1, -1):
            while after > first and sign * last[queue[after - 1]] <= sign * last[i + 1]:
                after -= 1
            queue[after] = i + 1
            after += 1
            if queue[first] > i + ahead:
                first += 1
            if i + ahead < hi:
                out[i] = last[queue[first]]


def warm() -> None:
    """Compile everything here with the types production uses."""
    last = np.ones(2)
    last.flags.writeable = False
    fill_future(last, np.array([[0, 2]]), 1, True, np.zeros(2))

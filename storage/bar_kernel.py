"""The one compiled function that makes a longer bar's column out of its minutes."""

from __future__ import annotations

import numpy as np
from numba import njit

RULES = ("last", "first", "sum", "max", "min")
"""What `domain.records.Column.joined` may say; a rule's number is its place."""


@njit(cache=True, nogil=True, error_model="numpy")
def join(values, begins, ends, rule, scale, out):  # type: ignore[no-untyped-def]
    """Fill ``out[k]`` from rows begins[k] … ends[k] − 1 of a column; not a number where a value that counts is none.

    Parameters
    ----------
    values : ndarray of float64, shape (rows,)
    begins, ends : ndarray of int64, shape (bars,)
        Each bar has a row.
    rule : int
        Place in RULES.
    scale : float
        10^decimals of the column: a sum is made of whole numbers, so it is exact.
    out : ndarray of float64, shape (bars,)
    """
    for k in range(len(begins)):
        lo, hi = begins[k], ends[k]
        if rule == 0:
            out[k] = values[hi - 1]
        elif rule == 1:
            out[k] = values[lo]
        elif rule == 2:
            total, known = np.int64(0), True
            for i in range(lo, hi):
                if np.isnan(values[i]):
                    known = False
                else:
                    total += np.int64(np.rint(values[i] * scale))
            out[k] = total / scale if known else np.nan
        else:
            best = values[lo]
            for i in range(lo + 1, hi):
                if np.isnan(values[i]) or ((values[i] > best) == (rule == 3) and values[i] != best and not np.isnan(best)):
                    best = values[i]
            out[k] = best


def warm() -> None:
    """Compile everything here with the types production uses."""
    values = np.zeros(1)
    values.flags.writeable = False
    place = np.zeros(1, np.int64)
    join(values, place, place + 1, 0, 1.0, np.zeros(1))

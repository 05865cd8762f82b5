"""Partial fills: how much of an order the shown book gives, and at what amount.

Assumed: the shown sizes are there when the order arrives and are not refilled while it is carried out; of each level a stated share
is ours (others are as quick as we are); a limit price is never passed. What is left rests or is cancelled: that is the order's business.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trading.matching import sweep


@njit(cache=True, nogil=True, error_model="numpy")
def take(
    prices: NDArray[np.float64],
    sizes: NDArray[np.int64],
    levels: int,
    qty: int,
    side: int,
    limit: float,
    share: float,
    step: int,
    room: NDArray[np.int64],
) -> tuple[int, float]:
    """Return (units filled, unrounded amount) of an order against the other side's book.

    Parameters
    ----------
    prices : ndarray of float64, shape (n,)
        Level prices of the other side, best first.
    sizes : ndarray of int64, shape (n,)
        Sizes in units of 1e-8.
    levels, qty : int
        Levels that may be used; wanted units.
    side : int
        +1 buys, −1 sells.
    limit : float
        Worst price; 0 = any.
    share : float
        0 … 1: of each level's size.
    step : int
        Quantity step in units; the filled quantity is a whole number of steps.
    room : ndarray of int64, shape (n,) at least
        Room to work in; `sizes` itself where they are not needed any more.
    """
    count = 0
    for level in range(min(levels, len(prices))):
        if limit > 0.0 and prices[level] > 0.0 and side * prices[level] > side * limit:
            break
        room[level] = sizes[level] if share >= 1.0 else int(sizes[level] * share)
        count = level + 1
    filled, amount, _ = sweep(prices[:count], room[:count], count, qty)
    whole = filled // step * step
    if whole < filled:
        filled, amount, _ = sweep(prices[:count], room[:count], count, whole)
    return filled, amount


def warm() -> None:
    """Compile everything here with the types production uses."""
    take(np.ones(5), np.ones(5, dtype=np.int64), 5, 1, 1, 0.0, 1.0, 1, np.zeros(5, dtype=np.int64))

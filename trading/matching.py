"""Filling a market order from the levels of a row's book (workstation 8.4 [decided]).

Quantities are int64 in units of 1e-8, so that nothing is left over by float dust. Backtest, paper
exchange and risk gateway call the same functions.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trading.numbers import UNIT_F, round_to


@njit(cache=True, nogil=True, error_model="numpy")
def sweep(prices: NDArray[np.float64], sizes: NDArray[np.int64], levels: int, qty: int) -> tuple[int, float, int]:
    """Take `qty` from the first `levels` levels, best first.

    Parameters
    ----------
    prices : ndarray of float64, shape (n,)
        Level prices, best first.
    sizes : ndarray of int64, shape (n,)
        Level sizes in units of 1e-8. A level with price or size 0 is skipped, but counts as a level.
    levels : int
        How many levels may be used; more than `n` means all.
    qty : int
        Wanted quantity in units of 1e-8.

    Returns
    -------
    filled : int
        Quantity taken, in units of 1e-8, at most `qty`.
    amount : float
        Σ price·(k/10^8), level by level, not rounded.
    used_levels : int
        Number of the last level taken from; 0 when nothing was.
    """
    left = qty
    amount = 0.0
    used = 0
    for level in range(min(levels, len(prices))):
        if left <= 0:
            break
        price = prices[level]
        size = sizes[level]
        if price <= 0.0 or size <= 0:
            continue
        part = min(size, left)
        amount += price * (part / UNIT_F)
        left -= part
        used = level + 1
    return qty - left, amount, used


@njit(cache=True, nogil=True, error_model="numpy")
def forced_amount(filled: int, amount: float, qty: int, last_price: float) -> float:
    """Return the amount of a forced sale that has to go through whatever the depth.

    The part that filled gives the price of the whole (A · qty / filled); when nothing filled the
    whole goes at the last price.

    Parameters
    ----------
    filled, qty : int
        What the sweep took and what is to be sold, in units of 1e-8.
    amount : float
        Amount of the part that filled, not rounded.
    last_price : float
        현재가 of the row.
    """
    if filled >= qty:
        return amount
    if filled > 0:
        return amount * qty / filled
    return last_price * (qty / UNIT_F)


@njit(cache=True, nogil=True, error_model="numpy")
def average_price(amount: float, qty: int, decimals: int) -> float:
    """Return round(amount / qty, `decimals`) of an order's unrounded amount; 0 when `qty` is 0."""
    if qty == 0:
        return 0.0
    return round_to(amount / (qty / UNIT_F), decimals)


def warm() -> None:
    """Compile everything here with the types production uses."""
    prices, sizes = np.array([1.0, 2.0]), np.array([100, 100], dtype=np.int64)
    sweep(prices, sizes, 2, 150)
    forced_amount(100, 1.0, 150, 2.0)
    average_price(1.0, 100, 8)

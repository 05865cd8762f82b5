"""Pricing an order from the book of a row."""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import numpy as np
from numba import njit

from backtester.pointer import ENDLESS, number_at
from trading.fills.partial import take
from trading.matching import forced_amount, sweep
from trading.numbers import UNIT_F, to_units

BOOK_ASK, BOOK_BID = 0, 10
LEVELS = 5
ENDLESS_UNITS = int(ENDLESS * UNIT_F)


@njit(nogil=True, error_model="numpy", cache=True)
def price_order(book, last_price, row, buying, levels, units, fill_last, prices, sizes):  # type: ignore[no-untyped-def]
    """Price an order on a row: (whole quantity fits, unrounded amount of the whole).

    Parameters
    ----------
    book : ndarray of int64, shape (20,)
        Addresses of the book columns: asks, ask sizes, bids, bid sizes, best first; 0 for sizes without end.
    last_price : float
        현재가 of the row, at which everything fills with `fill_last`.
    row : int
        Place of the row in the columns.
    levels, units : int
        Levels that may be used; quantity in units of 1e-8.
    prices, sizes : ndarray, shape (5,)
        Room to work in.

    Returns
    -------
    tuple of (bool, float)
        Where the quantity does not fit, the amount is that of a forced sale (workstation 8.4).
    """
    if fill_last:
        return True, last_price * (units / UNIT_F)
    first = BOOK_ASK if buying else BOOK_BID
    seen, left = 0, units
    while seen < levels and seen < LEVELS and left > 0:  # what a sweep cannot reach is not read
        price, sizes_at = number_at(book[first + seen], row), book[first + LEVELS + seen]
        size = ENDLESS_UNITS if sizes_at == 0 else to_units(number_at(sizes_at, row))
        prices[seen], sizes[seen] = price, size
        if price > 0.0 and size > 0:
            left -= size
        seen += 1
    filled, amount, _ = sweep(prices, sizes, seen, units)
    return filled >= units, forced_amount(filled, amount, units, last_price)


@njit(nogil=True, error_model="numpy", cache=True)
def price_part(book, row, buying, levels, units, limit, share, step, prices, sizes):  # type: ignore[no-untyped-def]
    """Price what a row gives of an order: (units, a whole number of steps; their unrounded amount).

    Parameters
    ----------
    limit : float
        Worst price; 0 = any.
    share : float
        Of each level's shown size, above 0 and at most 1.
    step : int
        Quantity step in units.

    The rest is as of `price_order`.
    """
    first = BOOK_ASK if buying else BOOK_BID
    for level in range(min(levels, LEVELS)):
        prices[level], sizes[level] = number_at(book[first + level], row), to_units(number_at(book[first + LEVELS + level], row))
    return take(prices, sizes, min(levels, LEVELS), units, 1 if buying else -1, limit, share, step, sizes)


def warm() -> None:
    """Compile everything here with the types production uses."""
    price_order(np.zeros(20, dtype=np.int64), 1.0, 0, True, 5, 0, False, np.zeros(5), np.zeros(5, dtype=np.int64))
    price_part(np.zeros(20, dtype=np.int64), 0, True, 5, 0, 0.0, 1.0, 1, np.zeros(5), np.zeros(5, dtype=np.int64))

"""Fills some ticks worse than the book says: the book's prices are moved before the run, the loop stays as it is.

Every ask stands `ticks` price steps higher, every bid as many lower; sizes stay. So an order of any kind, long or short, pays
the difference, and what the rule sees of its own position (수익률) pays it, too. A plain run reads the recorded
columns themselves and is not touched. A forced sale that finds no size at all is still priced at 현재가.
Other models: slippage_models.py, by the same road.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from backtester.pointer import endless
from domain.errors import InputError
from domain.instruments import Market
from trading.ladder import ladder_table, moved_price

TICKS_MAX = 1000
LEVELS = 5

Book = tuple[NDArray[np.float64], ...]


@njit(cache=True, nogil=True, error_model="numpy")
def moved(prices, lo, hi, table, day, own_step, ticks, out):  # type: ignore[no-untyped-def]
    """Fill ``out[lo:hi]`` with the prices moved by `ticks` (below 0: down); a price of 0 stays, none falls to 0."""
    for i in range(lo, hi):
        out[i] = moved_price(prices[i], ticks, table, day, own_step) if prices[i] > 0.0 else prices[i]


def endless_book(book: Book, last: NDArray[np.float64]) -> Book:
    """Return a book in which 현재가 is one level without end on both sides, for fills at the last price.

    The other fifth sizes stay, because they tell auctions.
    """
    out, nothing = list(book), np.zeros(len(last))
    for first in (0, 2 * LEVELS):
        out[first : first + LEVELS] = [last] + [nothing] * (LEVELS - 1)
        out[first + LEVELS] = endless(len(last))
    return tuple(out)


def worse_book(
    book: Book,
    blocks: NDArray[np.int64],
    days: NDArray[np.int64],
    steps: NDArray[np.float64],
    market: Market,
    ticks: int,
    levels: int = LEVELS,
) -> Book:
    """Return the twenty columns of a book that is `ticks` worse on both sides.

    Parameters
    ----------
    book : tuple of ndarray of float64
        Five asks, their sizes, five bids, their sizes.
    blocks : ndarray of int64
        First row and row after the last of each symbol-day, then other fields.
    days : ndarray of int64
        YYYYMMDD of each block.
    steps : ndarray of float64
        Own price step of each block's symbol, 0 where the market's ladder decides.
    ticks : int
        1 …
    levels : int
        How many levels of a side there are.

    Raises
    ------
    InputError
        ``backtest.no_price_step``: neither the market nor the symbol states one.
    """
    table = ladder_table(market)
    if not len(table) and not (steps > 0.0).all():
        raise InputError("backtest.no_price_step", market=market.code)

    def move(prices: NDArray[np.float64], sign: int, out: NDArray[np.float64]) -> None:
        for (lo, hi), day, own in zip(blocks[:, :2].tolist(), days.tolist(), steps.tolist(), strict=True):
            moved(prices, lo, hi, table, day, own, sign * ticks, out)

    return with_moved_prices(book, move, levels)


def with_moved_prices(book: Book, move: Callable[[NDArray[np.float64], int, NDArray[np.float64]], None], levels: int) -> Book:
    """Return a book whose prices `move` made: it is given a level's prices, 1 for asks or −1 for bids, and zeros to fill."""
    out = list(book)
    for first, sign in ((0, 1), (2 * LEVELS, -1)):
        for level in range(first, first + levels):
            column = np.zeros(len(out[level]))
            move(out[level], sign, column)
            column.flags.writeable = False
            out[level] = column
    return tuple(out)


def warm() -> None:
    """Compile everything here with the types production uses."""
    prices = np.ones(1)
    prices.flags.writeable = False
    table = np.zeros((1, 3))
    table.flags.writeable = False
    moved(prices, 0, 1, table, 20260105, 1.0, 1, np.zeros(1))

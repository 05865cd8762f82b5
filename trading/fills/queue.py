"""A resting limit order and its place in the queue, from one row to the next.

A row says the best five levels and how much was bought and sold since the row before; it does not say at which
prices. What is assumed (docs/fill-models.md):

1. On arrival everything shown at our price stands before us. A price inside the spread stands alone; one beyond the
   fifth level has an unknown queue until its level is first seen.
2. A price strictly through ours fills the rest of us.
3. What traded against our side met better levels first, as the row before showed them; what is left of it traded at our price, if
   the market came that far. It eats the queue, then us.
4. What a level lost beyond that was cancelled: of it, our share of what stood before us (`cancel_share` of the
   proportional part: 1 = evenly before and behind us, 0 = all behind us).
5. Growth stands behind us. No more stands before us than the level shows.

`advance` and `before_after_cancels` are what the paper exchange asks, too; it sees single trades and book messages.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trading.numbers import UNIT_F, to_units

AHEAD, LEFT, SHOWN = range(3)
STATE = 3
"""Layout of an order's state: units before us (UNKNOWN: not seen yet), units still to be filled, size last shown at our price."""
UNKNOWN = -1
CANCEL_SHARE = 1.0
"""Cancels fall evenly before and behind a resting order: what runs and the paper exchange take."""


@njit(cache=True, nogil=True, error_model="numpy")
def advance(ahead: int, qty: int) -> tuple[int, int]:
    """Let `qty` trade at our price; return (what stands before us then, what reaches us)."""
    if qty <= ahead:
        return ahead - qty, 0
    return 0, qty - ahead


@njit(cache=True, nogil=True, error_model="numpy")
def before_after_cancels(ahead: int, standing: int, shown: int, cancel_share: float) -> int:
    """Return what stands before us after a level went from `standing` to `shown` by cancels.

    Parameters
    ----------
    ahead : int
        Before us until then.
    standing : int
        Size of the level, what traded since its last statement taken off.
    shown : int
        Its new size.
    cancel_share : float
        0 … 1, of the part that falls before us when cancels are spread evenly.
    """
    if standing > 0 and shown < standing:
        ahead -= int(ahead * (1.0 - shown / standing) * cancel_share)
    return min(ahead, shown)


@njit(cache=True, nogil=True, error_model="numpy")
def size_at(prices: NDArray[np.float64], sizes: NDArray[np.float64], side: int, price: float) -> int:
    """Return the units shown at `price` on our side; 0 when a worse level is shown and it is not, UNKNOWN beyond the last level.

    Parameters
    ----------
    prices, sizes : ndarray of float64, shape (levels,)
        Our own side of the book, best first; a level with price or size 0 is not there.
    side : int
        +1 a buy (bids), −1 a sale (asks).
    """
    for level in range(len(prices)):
        if prices[level] <= 0.0 or sizes[level] <= 0.0:
            continue
        if prices[level] == price:
            return to_units(sizes[level])
        if side * prices[level] < side * price:
            return 0  # a worse level is shown and ours is not: nobody stands there
    return UNKNOWN


@njit(cache=True, nogil=True, error_model="numpy")
def place(state: NDArray[np.int64], prices: NDArray[np.float64], sizes: NDArray[np.float64], side: int, price: float, qty: int) -> None:
    """Rest an order of `qty` units behind what the row's book shows at its price; `state` (STATE,) is written."""
    shown = size_at(prices, sizes, side, price)
    state[AHEAD] = shown
    state[LEFT] = qty
    state[SHOWN] = shown


@njit(cache=True, nogil=True, error_model="numpy")
def better_size(prices: NDArray[np.float64], sizes: NDArray[np.float64], side: int, price: float) -> int:
    """Return the units that stand at better prices than ours on our side."""
    total = 0
    for level in range(len(prices)):
        if prices[level] > 0.0 and sizes[level] > 0.0 and side * prices[level] > side * price:
            total += to_units(sizes[level])
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def on_row(
    state: NDArray[np.int64],
    before_prices: NDArray[np.float64],
    before_sizes: NDArray[np.float64],
    prices: NDArray[np.float64],
    sizes: NDArray[np.float64],
    side: int,
    price: float,
    extreme: float,
    against: float,
    cancel_share: float,
) -> int:
    """Bring a resting order to the next row; return the units filled on it, at its own price.

    Parameters
    ----------
    state : ndarray of int64, shape (STATE,)
        From `place`; written.
    before_prices, before_sizes, prices, sizes : ndarray of float64, shape (levels,)
        Our side of the book on the row before and on this one, best first.
    side : int
        +1 a buy, −1 a sale.
    extreme : float
        The furthest price of this row on the other way: 현재가 of a second, 분봉저가 (buy) or 분봉고가 (sale) of a minute.
    against : float
        Quantity traded against our side since the row before: 매도수량 for a buy, 매수수량 for a sale.
    cancel_share : float
        0 … 1.
    """
    left = state[LEFT]
    if left <= 0:
        return 0
    if extreme > 0.0 and side * extreme < side * price:
        state[LEFT] = 0
        return left  # type: ignore[no-any-return]
    shown = size_at(prices, sizes, side, price)
    traded = 0
    if extreme == price or shown == 0 or better_size(prices, sizes, side, price) == 0:
        traded = max(to_units(against) - better_size(before_prices, before_sizes, side, price), 0)
    if state[AHEAD] == UNKNOWN:
        # The queue was never seen: what traded tells nothing of our place in it.
        state[AHEAD] = state[SHOWN] = shown
        return 0
    at_level = min(traded, state[SHOWN]) if state[SHOWN] != UNKNOWN else traded
    ahead, reach = advance(state[AHEAD], traded)
    if shown != UNKNOWN:
        if state[SHOWN] != UNKNOWN:
            ahead = before_after_cancels(ahead, state[SHOWN] - at_level, shown, cancel_share)
        state[SHOWN] = shown
    state[AHEAD] = ahead
    filled = min(reach, left)
    state[LEFT] = left - filled
    return filled  # type: ignore[no-any-return]


def warm() -> None:
    """Compile everything here with the types production uses."""
    state, prices, sizes = np.zeros(STATE, dtype=np.int64), np.ones(5), np.ones(5)
    advance(1, 2)
    before_after_cancels(1, 2, 1, 1.0)
    place(state, prices, sizes, 1, 1.0, int(UNIT_F))
    on_row(state, prices, sizes, prices, sizes, 1, 1.0, 1.0, 1.0, 1.0)

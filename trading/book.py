"""Order books of many instruments in flat arrays, compiled.

A side is an array of *keys* in ascending order with the best level at the end: the key of a bid is its
price, of an ask minus its price, so both sides are the same code and a change near the touch moves few
levels. `keys` and `qtys` have the shape (instruments, 2, capacity); side 0 = asks, 1 = bids; quantities
are int64 units of 1e-8. Capacity is the caller's to grow (`has_room`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

_njit = njit(cache=True, nogil=True)


@_njit
def set_level(keys, qtys, count, key, qty):  # type: ignore[no-untyped-def]
    """Set one level of a side to `qty` (0 removes it) and return the new number of levels.

    Parameters
    ----------
    keys, qtys : ndarray
        One side, float64 and int64; the first `count` are in use, ascending.
    key : float
        Price of a bid, minus the price of an ask.
    """
    lo = 0
    hi = count
    # Near the touch most of the time: look at the last few before halving.
    if count > 8 and keys[count - 8] < key:
        lo = count - 7
    while lo < hi:
        mid = (lo + hi) >> 1
        if keys[mid] < key:
            lo = mid + 1
        else:
            hi = mid
    if lo < count and keys[lo] == key:
        if qty > 0:
            qtys[lo] = qty
            return count
        for k in range(lo, count - 1):
            keys[k] = keys[k + 1]
            qtys[k] = qtys[k + 1]
        return count - 1
    if qty <= 0:
        return count
    for k in range(count, lo, -1):
        keys[k] = keys[k - 1]
        qtys[k] = qtys[k - 1]
    keys[lo] = key
    qtys[lo] = qty
    return count + 1


@_njit
def settle(keys, qtys, count):  # type: ignore[no-untyped-def]
    """Sort a side that a snapshot appended in any order (best first costs one reversal); return its levels.

    Of two levels of one price the later stands.
    """
    falling = True
    rising = True
    for k in range(1, count):
        if not keys[k] < keys[k - 1]:
            falling = False
        if not keys[k] > keys[k - 1]:
            rising = False
    if rising:
        return count
    if falling:
        for k in range(count // 2):
            j = count - 1 - k
            keys[k], keys[j] = keys[j], keys[k]
            qtys[k], qtys[j] = qtys[j], qtys[k]
        return count
    used = 0
    for k in range(count):
        used = set_level(keys, qtys, used, keys[k], qtys[k])
    return used


@_njit
def best(keys, qtys, count, limit, depth, prices, sizes):  # type: ignore[no-untyped-def]
    """Copy the best levels of a side, leaving out those beyond `limit`, and return how many there are.

    Parameters
    ----------
    limit : float
        Key of the price that a correction keeps: levels with a greater key are dropped
        (strategy-language 1.1 item 9); infinity keeps all.
    depth : int
        At most this many.
    prices, sizes : ndarray
        float64 and int64, at least `depth` long; written from 0.
    """
    found = 0
    k = count - 1
    while k >= 0 and keys[k] > limit:
        k -= 1
    while k >= 0 and found < depth:
        prices[found] = abs(keys[k])
        sizes[found] = qtys[k]
        found += 1
        k -= 1
    return found


@_njit
def is_crossed(keys, counts):  # type: ignore[no-untyped-def]
    """Tell whether the best bid is at or above the best ask of one instrument.

    Parameters
    ----------
    keys : ndarray of float64, shape (2, capacity)
    counts : ndarray of int64, shape (2,)
    """
    if counts[0] == 0 or counts[1] == 0:
        return False
    return keys[1, counts[1] - 1] >= -keys[0, counts[0] - 1]


def warm() -> None:
    """Compile everything here with the types production uses."""
    keys, qtys = np.zeros((2, 8)), np.zeros((2, 8), np.int64)
    set_level(keys[0], qtys[0], 0, -1.5, 10)
    settle(keys[0], qtys[0], 1)
    best(keys[0], qtys[0], 1, np.inf, 5, np.zeros(5), np.zeros(5, np.int64))
    is_crossed(keys, np.zeros(2, np.int64))

"""Money of a futures position on isolated margin: leverage, maintenance, liquidation, funding (Binance USD-M).

Nobody here knows an exchange's own tables: tiers, leverage ranges and funding rates are data that the caller brings (a file of the
user, or the defaults named below with their source). Assumed (docs/fill-models.md): one position per symbol on isolated margin, one-way or
hedge alike; the mark price is 현재가; liquidation happens at the guard of strategy-language 10.3, where 수익률 × 레버리지 falls below
−90 %, as an exit at the market; no insurance fund and no liquidation fee of its own.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

GUARD_PCT = -90.0
"""수익률 × 레버리지 below which a position is closed by force (strategy-language 10.3)."""
DEFAULT_RANGES = ((0.0, 5.0, 1), (5.0, 10.0, 2), (10.0, 20.0, 3), (20.0, 30.0, 4), (30.0, 100.0, 5))
"""저가대비고가등락율 from, to, leverage (workstation 5.6)."""
DEFAULT_TIERS = ((0.0, 0.004),)
"""Notional from which a tier holds and its maintenance rate: the lowest tier of a large symbol, for want of the user's own table."""
LEVERAGE_MAX = 125


@njit(cache=True, nogil=True, error_model="numpy")
def leverage_at(ranges: NDArray[np.float64], fixed: float, range_pct: float) -> float:
    """Return the leverage of an entry.

    Parameters
    ----------
    ranges : ndarray of float64, shape (n, 3)
        저가대비고가등락율 from (included), to (not included), leverage; empty = always `fixed`.
    fixed : float
        What holds without ranges. Beyond every range it is 1.
    range_pct : float
        저가대비고가등락율 of the row.
    """
    if len(ranges) == 0:
        return fixed
    for k in range(len(ranges)):
        if ranges[k, 0] <= range_pct < ranges[k, 1]:
            return ranges[k, 2]  # type: ignore[no-any-return]
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def maintenance(tiers: NDArray[np.float64], notional: float) -> float:
    """Return the maintenance margin of a notional: each tier's rate on the part that lies in it.

    Parameters
    ----------
    tiers : ndarray of float64, shape (n, 2)
        Notional from which a tier holds, rising from 0, and its rate. (A venue's table with "maintenance amounts" says the same.)
    """
    total = 0.0
    for k in range(len(tiers)):
        top = tiers[k + 1, 0] if k + 1 < len(tiers) else np.inf
        if notional <= tiers[k, 0]:
            break
        total += (min(notional, top) - tiers[k, 0]) * tiers[k, 1]
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def liquidation_price(entry_price: float, qty: float, sign: int, margin: float, tiers: NDArray[np.float64]) -> float:
    """Return the price at which margin and loss leave just the maintenance margin; 0 when no price above 0 does (long).

    Parameters
    ----------
    entry_price, qty : float
        Of the position; qty > 0.
    sign : int
        +1 long, −1 short.
    margin : float
        Isolated margin put in, in quote currency (entry amount / leverage).
    tiers : ndarray of float64, shape (n, 2)

    Notes
    -----
    margin + sign·(p − entry)·qty = maintenance(p·qty). Inside tier k maintenance is rate·p·qty − offset, a straight line, so every tier
    is solved by itself and the solution that lies in its own tier is the answer.
    """
    offset = 0.0
    for k in range(len(tiers)):
        rate = tiers[k, 1]
        if k > 0:
            offset += tiers[k, 0] * (rate - tiers[k - 1, 1])
        slope = qty * (sign - rate)
        if slope == 0.0:
            continue
        price = (sign * entry_price * qty - margin - offset) / slope
        top = tiers[k + 1, 0] if k + 1 < len(tiers) else np.inf
        if price > 0.0 and tiers[k, 0] <= price * qty <= top:
            return price  # type: ignore[no-any-return]
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def is_liquidated(return_pct: float, leverage: float) -> bool:
    """Tell whether the guard closes the position: 수익률 × 레버리지 < −90."""
    return return_pct * leverage < GUARD_PCT


@njit(cache=True, nogil=True, error_model="numpy")
def funding(times: NDArray[np.int64], rates: NDArray[np.float64], since: int, until: int, sign: int, notional: float) -> float:
    """Return what a position pays for funding (negative: receives) at the funding times after `since` up to `until`.

    Parameters
    ----------
    times : ndarray of int64, shape (n,)
        Row times, rising, on the market's clock; who holds at that moment pays or receives.
    rates : ndarray of float64, shape (n,)
        Of the notional; positive: longs pay shorts.
    sign : int
        +1 long, −1 short.
    notional : float
        Value of the position at the mark price.
    """
    total = 0.0
    for k in range(np.searchsorted(times, since, side="right"), len(times)):
        if times[k] > until:
            break
        total += sign * rates[k] * notional
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def first_after(times: NDArray[np.int64], first: int, past: int, since: int) -> int:
    """Return the place of the first of ``times[first:past]`` (rising) that is after `since`; `past` when none is."""
    while first < past:
        middle = (first + past) // 2
        if times[middle] <= since:
            first = middle + 1
        else:
            past = middle
    return first


def warm() -> None:
    """Compile everything here with the types production uses."""
    tiers, times = np.array([[0.0, 0.004]]), np.zeros(1, dtype=np.int64)
    leverage_at(np.zeros((0, 3)), 1.0, 1.0)
    maintenance(tiers, 1.0)
    liquidation_price(1.0, 1.0, 1, 1.0, tiers)
    is_liquidated(-1.0, 1.0)
    funding(times, np.zeros(1), 0, 1, 1, 1.0)
    first_after(times, 0, 1, 0)

"""When a stock exchange does not trade continuously: price limits, VI halts, auctions (strategy-language 4.2).

The numbers are the Market's (`auctions`, `vi_halt_s`, `price_limit_ppm`); a market that has none of them never halts.
Assumed: an order that arrives during an auction or a halt is not filled, and the single price at which it ends is not played; the
first row after it is the first that fills.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trading.ladder import DOWN, NEAREST, UP, on_step, table_step

VI_SEEN, VI_ON, VI_FROM = range(3)
VI_STATE = 3
"""VI해제시간 as last seen, whether a VI is on, and its beginning in seconds of the day."""
VI_STAMP_S = 5
"""VI해제시간 is the event's time and so many seconds (strategy-language 3.5)."""


@njit(cache=True, nogil=True, error_model="numpy")
def in_auction(second: int, auctions: NDArray[np.int64]) -> bool:
    """Tell whether a second of the day lies in an auction; `auctions` (n, 2) holds first second and second after the last."""
    inside = False
    for k in range(len(auctions)):
        inside |= auctions[k, 0] <= second < auctions[k, 1]
    return inside


@njit(cache=True, nogil=True, error_model="numpy")
def vi_is_on(state: NDArray[np.int64], second: int, release: int, halt_s: int) -> bool:
    """Tell whether a volatility interruption is on; asked on every row of a day in order.

    Parameters
    ----------
    state : ndarray of int64, shape (VI_STATE,)
        Zeros at the day's start; written.
    second : int
        Second of the day of the row.
    release : int
        VI해제시간 as recorded, YYYYMMDDhhmmss; 0 = none. It changes when a VI begins and again when it is released.
    halt_s : int
        How long a VI lasts at most (120); 0 = the market has none.
    """
    if halt_s <= 0 or release <= 0:
        return False
    if state[VI_SEEN] == 0:
        state[VI_SEEN] = release  # the value with which the day began tells of no event
    elif release != state[VI_SEEN]:
        state[VI_SEEN] = release
        if state[VI_ON] != 0 and second < state[VI_FROM] + halt_s:
            state[VI_ON] = 0
        else:
            clock = release % 1_000_000
            state[VI_ON] = 1
            state[VI_FROM] = clock // 10_000 * 3_600 + clock // 100 % 100 * 60 + clock % 100 - VI_STAMP_S
    return state[VI_ON] != 0 and second < state[VI_FROM] + halt_s  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy")
def previous_close(last: float, change_pct: float, table: NDArray[np.float64], day: int) -> float:
    """Return the previous close that 현재가 and 등락율 speak of.

    등락율 has two decimals: the quotient is off by less than a hundredth of a percent, a price step is twenty times that, so the nearest
    price on the ladder is the close.
    """
    if last <= 0.0 or change_pct <= -100.0:
        return 0.0
    price = last / (1.0 + change_pct / 100.0)
    return on_step(price, table_step(table, day, price), NEAREST)


@njit(cache=True, nogil=True, error_model="numpy")
def price_limits(close: float, limit_ppm: int, table: NDArray[np.float64], day: int) -> tuple[float, float]:
    """Return the lowest and highest price of the day; (0, inf) where there is no limit or no close is known.

    ⌊close·1.3⌋ and ⌈close·0.7⌉ in integers, then down or up to the step valid there.
    """
    if limit_ppm <= 0 or close <= 0.0:
        return 0.0, np.inf
    whole = np.int64(np.rint(close))
    high = float(whole * (1_000_000 + limit_ppm) // 1_000_000)
    low = float(-(-whole * (1_000_000 - limit_ppm) // 1_000_000))
    return on_step(low, table_step(table, day, low), UP), on_step(high, table_step(table, day, high), DOWN)


@njit(cache=True, nogil=True, error_model="numpy")
def may_rest(price: float, low: float, high: float) -> bool:
    """Tell whether an order at `price` is possible: the exchange takes none beyond the day's limits."""
    return low <= price <= high


def warm() -> None:
    """Compile everything here with the types production uses."""
    table = np.array([[20230125.0, 0.0, 1.0]])
    table.flags.writeable = False
    in_auction(1, np.zeros((1, 2), dtype=np.int64))
    vi_is_on(np.zeros(VI_STATE, dtype=np.int64), 1, 20240102090000, 120)
    previous_close(1.0, 0.0, table, 20240102)
    price_limits(1.0, 300_000, table, 20240102)
    may_rest(1.0, 0.0, 2.0)

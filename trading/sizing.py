"""How much an order is for (strategy-language 10.5 [decided])."""

from __future__ import annotations

import numpy as np
from numba import njit

from trading.numbers import POW10


@njit(cache=True, nogil=True, error_model="numpy")
def quantity(betting: float, price: float, decimals: int) -> int:
    """Return ⌊betting / price · 10^p⌋ / 10^p as int64 units of 1e-8.

    Parameters
    ----------
    betting : float
        Amount of quote currency for the order.
    price : float
        현재가 when flat. 0 or less gives 0.
    decimals : int
        Decimals of a quantity: KRX 0, Upbit 8, Binance those of the symbol's step.

    Returns
    -------
    int
        Quantity in units of 1e-8; 0 means no order.
    """
    if not price > 0.0 or not betting > 0.0:
        return 0
    steps = np.floor(betting / price * POW10[decimals])
    if steps >= 9.0e18 / POW10[8 - decimals]:
        return 0  # beyond int64: a price of almost nothing; no such order can exist
    return np.int64(steps) * np.int64(POW10[8 - decimals])  # type: ignore[return-value]


def warm() -> None:
    """Compile everything here with the types production uses."""
    quantity(1000.0, 3.0, 8)

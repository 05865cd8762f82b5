"""Price steps: which prices an instrument may have on a day, and the nearest ones.

An instrument's own step (Binance) wins; else the Market's dated ladder decides by price. The compiled
forms take the ladder as a table, so that rows, paper exchange and back-test ask the same code.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
from numba import njit

from domain.errors import InputError
from domain.instruments import Instrument, Market

DOWN, NEAREST, UP = -1, 0, 1
TABLES_MAX = 64


_tables: dict[int, tuple[Market, np.ndarray]] = {}
"""By identity: hashing a Market costs more than the table's use. The Market is kept, so that its id stays its own."""


def ladder_table(market: Market) -> np.ndarray:
    """Return the Market's ladders as float64 (n, 3): valid-from day (YYYYMMDD), lower price, step.

    Sorted by day, then price. Empty (0, 3) where instruments state their own steps. Read-only.
    """
    known = _tables.get(id(market))
    if known is not None:
        return known[1]
    rows = [
        (float(int(ladder.valid_from.strftime("%Y%m%d"))), band.lower, band.step)
        for ladder in sorted(market.ladders, key=lambda one: one.valid_from)
        for band in ladder.steps
    ]
    table = np.array(rows, np.float64).reshape(len(rows), 3)
    table.setflags(write=False)
    if len(_tables) >= TABLES_MAX:
        _tables.clear()
    _tables[id(market)] = (market, table)
    return table


@njit(cache=True, nogil=True)
def table_step(table: np.ndarray, day: int, price: float) -> float:
    """Return the step at `price` on `day` (YYYYMMDD; the earliest ladder before its time); 0 for an empty table."""
    count = table.shape[0]
    if count == 0:
        return 0.0
    chosen = table[0, 0]
    for k in range(count):
        if table[k, 0] <= day:
            chosen = table[k, 0]
    step = 0.0
    for k in range(count):
        if table[k, 0] == chosen and (step == 0.0 or price >= table[k, 1]):
            step = table[k, 2]
    return step


@njit(cache=True, nogil=True)
def on_step(price: float, step: float, direction: int) -> float:
    """Return `price` moved to a whole number of steps: direction −1 down, 0 nearest, +1 up.

    A price that is a whole number of steps but for float noise (1e-7 of a step) stays where it is. The
    result is the float64 nearest to its decimal text: a step is 1, 2, 2.5 or 5 times a power of ten.
    """
    if step <= 0.0:
        return price
    count = price / step
    nearest = np.rint(count)
    if direction != 0 and abs(count - nearest) > 1e-7:
        nearest = np.floor(count) if direction < 0 else np.ceil(count)
    if step >= 1.0:
        return nearest * step  # type: ignore[no-any-return]
    # 1/step is not whole for 0.0025 and the like, 10^k/step is; dividing last rounds once.
    scale = 1.0
    for _ in range(12):
        if abs(step * scale - np.rint(step * scale)) < 1e-9 * step * scale:
            break
        scale *= 10.0
    return nearest * np.rint(step * scale) / scale  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def moved_price(price: float, steps: int, table: np.ndarray, day: int, own_step: float) -> float:
    """Return `price` moved by a number of steps, below 0 down; it never falls to 0.

    One up from p is p + step(p), one down p − step(just below p), so that a move down across a band's
    border takes the lower band's step. The price stays where nobody states a step.

    Parameters
    ----------
    table : ndarray of float64, shape (n, 3)
        From `ladder_table`.
    day : int
        YYYYMMDD.
    own_step : float
        The instrument's step, 0 where the ladder decides.
    """
    for _ in range(abs(steps)):
        near = price if steps > 0 else price * (1.0 - 1e-12)
        step = own_step if own_step > 0.0 else table_step(table, day, near)
        further = on_step(price + step if steps > 0 else price - step, step, NEAREST)
        if further <= 0.0:
            break
        price = further
    return price


@njit(cache=True, nogil=True)
def near_border(price: float, steps: int, is_above: bool, table: np.ndarray, day: int) -> bool:
    """Tell whether `price` is on a round figure, the border of two price bands, or up to `steps` steps above (below) it."""
    valid = 0.0
    for k in range(table.shape[0]):
        if table[k, 0] <= day or k == 0:
            valid = table[k, 0]
    for k in range(table.shape[0]):
        border = table[k, 1]
        if table[k, 0] != valid or border <= 0.0:
            continue
        if is_above and border <= price <= border + steps * table[k, 2]:
            return True
        if not is_above and border - steps * table_step(table, day, border * (1.0 - 1e-12)) <= price <= border:
            return True
    return False


@njit(cache=True, nogil=True)
def is_on_step(price: float, step: float) -> bool:
    """Tell whether `price` is a whole number of steps (always true for step 0)."""
    if step <= 0.0:
        return True
    count = price / step
    return abs(count - np.rint(count)) <= 1e-9 * count + 1e-6  # type: ignore[no-any-return]


def price_step(market: Market, instrument: Instrument, price: float, day: dt.date) -> float:
    """Return the price step of `instrument` at `price` on `day`, in quote currency.

    Raises
    ------
    InputError
        ``ladder.no_step``: neither the instrument nor its Market states one.
    """
    if instrument.price_step > 0.0:
        return instrument.price_step
    step = float(table_step(ladder_table(market), day.year * 10_000 + day.month * 100 + day.day, price))
    if step <= 0.0:
        raise InputError("ladder.no_step", instrument=instrument.instrument_id)
    return step


def round_price(market: Market, instrument: Instrument, price: float, day: dt.date, direction: int = NEAREST) -> float:
    """Return the allowed price next to `price`: direction −1 not above it, 0 nearest, +1 not below it."""
    return float(on_step(price, price_step(market, instrument, price, day), direction))


def move_price(market: Market, instrument: Instrument, price: float, steps: int, day: dt.date) -> float:
    """Return `price` moved by a number of steps, each taken at the price it starts from.

    One up from p is p + step(p), one down p − step(just below p) (strategy-language 4.2), so that a
    move down across a band's border takes the lower band's step.
    """
    price_step(market, instrument, price, day)  # refuses an instrument without steps
    return float(moved_price(price, steps, ladder_table(market), day.year * 10_000 + day.month * 100 + day.day, instrument.price_step))


def warm() -> None:
    """Compile everything here with the types production uses."""
    table = np.zeros((1, 3))
    table_step(table, 20260105, 1.5)
    on_step(1.5, 0.1, UP)
    is_on_step(1.5, 0.1)
    for one in (table, read_only(table)):
        moved_price(1.5, 1, one, 20260105, 0.0)
        near_border(1.5, 5, True, one, 20260105)


def read_only(array: np.ndarray) -> np.ndarray:
    """Return a view that nobody writes: such arrays are a type of their own to the compiler."""
    view = array[:]
    view.flags.writeable = False
    return view

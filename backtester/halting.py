"""On which rows an exchange does not trade, and between which prices it trades on a day (trading/fills/halts.py).

Worked out before the run, symbol-day by symbol-day, because a volatility interruption is known from the rows before it and the loop may
leave rows out.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from backtester.kernel import BLOCK_HI, BLOCK_LO
from domain.instruments import Market
from domain.intervals import day_unit
from trading.fills.halts import VI_STATE, in_auction, previous_close, price_limits, vi_is_on
from trading.numbers import day_seconds

if TYPE_CHECKING:
    from backtester.engine import Prepared

VI_COLUMNS = ("vi_release_time", "change_pct")
BOOK_COLUMNS = ("ask_size5", "bid_size5")
Halts = tuple[NDArray[np.uint8], NDArray[np.float64]]


def can_halt(market: Market) -> bool:
    """Tell whether a market has anything that stops trading."""
    return bool(market.auctions or market.vi_halt_s or market.price_limits)


def no_halts() -> Halts:
    """Return what stands for a run in which nothing halts."""
    return np.zeros(0, dtype=np.uint8), np.zeros((0, 2))


@njit(cache=True, nogil=True, error_model="numpy")
def mark_halts(row_time, last, release, change, ask5, bid5, blocks, interval_s, day_unit, auctions, halt_s, ppm, ladder, halted, bounds):  # type: ignore[no-untyped-def]
    """Write 1 into `halted` (rows,) where nothing trades, and the day's lowest and highest price into `bounds` (blocks, 2).

    `ask5` and `bid5` are the sizes of the fifth levels, empty where rows have no book; `ppm` is the price limit of each block's day.
    A bar counts by its last second, on which its orders are filled.
    """
    state = np.zeros(VI_STATE, dtype=np.int64)
    for b in range(len(blocks)):
        lo, hi = blocks[b, BLOCK_LO], blocks[b, BLOCK_HI]
        state[:] = 0
        close, day = 0.0, row_time[lo] // day_unit
        for row in range(lo, hi):
            second = day_seconds(row_time[row], interval_s) + interval_s - 1
            is_on = vi_is_on(state, second, np.int64(release[row]), halt_s)
            is_empty = len(ask5) > 0 and ask5[row] == 0.0 and bid5[row] == 0.0
            halted[row] = is_on or is_empty or in_auction(second, auctions)
            if close == 0.0 and last[row] > 0.0:
                close = previous_close(last[row], change[row], ladder, day)
        bounds[b, 0], bounds[b, 1] = price_limits(close, ppm[b], ladder, day)


def warm() -> None:
    """Compile everything here with the types production uses."""
    column, ladder = np.ones(1), np.array([[20230125.0, 0.0, 1.0]])
    column.flags.writeable = False
    mark_halts(
        np.array([20260105090000]), column, column, column, column, column, np.zeros((1, 3), dtype=np.int64), 1, 1_000_000,
        np.zeros((1, 2), dtype=np.int64), 120, np.zeros(1, dtype=np.int64), ladder, np.zeros(1, dtype=np.uint8), np.zeros((1, 2)),
    )  # fmt: skip


def halts_of(prepared: Prepared) -> Halts:
    """Return (halted rows, price limits of each block) of a run whose rows are mapped."""
    made, market = prepared.managed, prepared.market
    if made is None or not made.recorded:
        return no_halts()
    blocks, unit = prepared.blocks, day_unit(prepared.interval_s)
    days = prepared.row_time[blocks[:, BLOCK_LO]] // unit
    ppm = [max((one for one in market.price_limits if one[0] <= day), default=(0, 0))[1] for day in days.tolist()]
    halted, bounds = np.zeros(len(prepared.last), dtype=np.uint8), np.zeros((len(blocks), 2))
    columns: list[Any] = [*(prepared.last, *made.recorded), prepared.last[:0], prepared.last[:0]]
    ask5, bid5 = columns[3:5]
    mark_halts(
        np.array(prepared.row_time), columns[0], columns[1], columns[2], ask5, bid5, np.array(blocks), prepared.interval_s, unit,
        np.array(market.auctions, dtype=np.int64).reshape(-1, 2), market.vi_halt_s, np.array(ppm, dtype=np.int64), made.ladder,
        halted, bounds,
    )  # fmt: skip
    return halted, bounds


def with_halts(prepared: Prepared) -> Prepared:
    """Return the run with its halts marked, where they are asked for."""
    if prepared.managed is None or not prepared.managed.recorded:
        return prepared
    return replace(prepared, managed=replace(prepared.managed, halts=halts_of(prepared)))

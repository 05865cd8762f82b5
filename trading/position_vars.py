"""The position as a strategy reads it (strategy-language 3.6), updated row by row.

One set of compiled functions for the engine and for the live strategy host. The vector is in
POSITION_FIELDS order; while flat every field is 0 but `order_qty` and `leverage`.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.records import POSITION_INDEX, POSITION_SIZE
from trading.matching import average_price
from trading.numbers import UNIT_F, round_to
from trading.positions import AMOUNT_DECIMALS, PRICE_DECIMALS, profit

RETURN_PCT = POSITION_INDEX["return_pct"]
PNL = POSITION_INDEX["pnl"]
MAX_RETURN_PCT = POSITION_INDEX["max_return_pct"]
MIN_RETURN_PCT = POSITION_INDEX["min_return_pct"]
HOLDING_TIME = POSITION_INDEX["holding_time"]
HOLDING_SECONDS = POSITION_INDEX["holding_seconds"]
ENTRY_ROW = POSITION_INDEX["entry_row"]
ENTRY_PRICE = POSITION_INDEX["entry_price"]
ENTRY_COST = POSITION_INDEX["entry_cost"]
POSITION_QTY = POSITION_INDEX["position_qty"]
ENTRY_TIME = POSITION_INDEX["entry_time"]
SCALE_IN_COUNT = POSITION_INDEX["scale_in_count"]
SCALE_OUT_COUNT = POSITION_INDEX["scale_out_count"]
POSITION_SIDE = POSITION_INDEX["position_side"]
LEVERAGE = POSITION_INDEX["leverage"]
ORDER_QTY = POSITION_INDEX["order_qty"]
FORCE_EXIT = POSITION_INDEX["force_exit"]


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def clear_position(position: NDArray[np.float64]) -> None:
    """Make the vector flat."""
    position[:] = 0.0
    position[LEVERAGE] = 1.0


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def open_position(
    position: NDArray[np.float64],
    params: NDArray[np.float64],
    sign: int,
    qty: int,
    raw_amount: float,
    entry_row: int,
    entry_time: int,
) -> None:
    """Write the entry into the vector.

    Parameters
    ----------
    position : ndarray of float64, shape (POSITION_SIZE,)
        Written.
    params : ndarray of float64
        From `trading.positions.market_params`.
    sign : int
        +1 long, −1 short.
    qty : int
        Units of 1e-8.
    raw_amount : float
        Unrounded Σ price·quantity of the fills.
    entry_row : int
        0-based row of the signal in the day (매수틱번호).
    entry_time : int
        Row time of the first fill (매수시간).
    """
    position[:] = 0.0
    # The first evaluated row sets both extremes, also when its return is negative.
    position[MAX_RETURN_PCT] = -np.inf
    position[MIN_RETURN_PCT] = np.inf
    position[ENTRY_ROW] = entry_row
    position[ENTRY_PRICE] = average_price(raw_amount, qty, int(params[PRICE_DECIMALS]))
    position[ENTRY_COST] = round_to(raw_amount, int(params[AMOUNT_DECIMALS]))
    position[POSITION_QTY] = qty / UNIT_F
    position[ENTRY_TIME] = entry_time
    position[SCALE_IN_COUNT] = 1.0
    position[POSITION_SIDE] = sign
    position[LEVERAGE] = 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def enlarge_position(position: NDArray[np.float64], params: NDArray[np.float64], held: int, raw: float, entry_row: int) -> None:
    """Write a further entry into the vector: average price, cost and quantity of what is held, 분할매수횟수, 매수틱번호.

    Parameters
    ----------
    held : int
        Units of 1e-8 after the entry.
    raw : float
        Unrounded cost of them.
    entry_row : int
        0-based row of the entry's signal: look-backs of −1 begin at the newest entry.
    """
    position[ENTRY_PRICE] = average_price(raw, held, int(params[PRICE_DECIMALS]))
    position[ENTRY_COST] = round_to(raw, int(params[AMOUNT_DECIMALS]))
    position[POSITION_QTY] = held / UNIT_F
    position[ENTRY_ROW] = entry_row
    position[SCALE_IN_COUNT] += 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def shrink_position(position: NDArray[np.float64], held: int, cost: float) -> None:
    """Write a partial exit into the vector; the average price stays.

    Parameters
    ----------
    held : int
        Units of 1e-8 that are left.
    cost : float
        What they cost, rounded to money.
    """
    position[POSITION_QTY] = held / UNIT_F
    position[ENTRY_COST] = cost
    position[SCALE_OUT_COUNT] += 1.0


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def update_returns(position: NDArray[np.float64], params: NDArray[np.float64], last_price: float) -> None:
    """Bring 수익률, 수익금, 최고수익률 and 최저수익률 to the current row."""
    mark = round_to(last_price * position[POSITION_QTY], int(params[AMOUNT_DECIMALS]))
    pnl, return_pct = profit(params, position[ENTRY_COST], mark, int(position[POSITION_SIDE]))
    position[PNL] = pnl
    position[RETURN_PCT] = return_pct
    position[MAX_RETURN_PCT] = max(position[MAX_RETURN_PCT], return_pct)
    position[MIN_RETURN_PCT] = min(position[MIN_RETURN_PCT], return_pct)


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def update_holding(position: NDArray[np.float64], seconds: int, interval_s: int) -> None:
    """Bring 보유시간 to the current row."""
    position[HOLDING_TIME] = seconds if interval_s == 1 else seconds // 60
    position[HOLDING_SECONDS] = seconds


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def update_position(position: NDArray[np.float64], params: NDArray[np.float64], last_price: float, seconds: int, interval_s: int) -> None:
    """Bring the vector to the current row; called just before the sell code of every row it runs on.

    Parameters
    ----------
    position : ndarray of float64, shape (POSITION_SIZE,)
        As `open_position` left it; written.
    params : ndarray of float64
        From `trading.positions.market_params` for the row's day.
    last_price : float
        현재가 of the row.
    seconds : int
        Row time minus entry time, from `trading.numbers.row_seconds`.
    interval_s : int
        Of the rows; 보유시간 is in seconds at 1, else in minutes.
    """
    update_returns(position, params, last_price)
    update_holding(position, seconds, interval_s)
    position[ORDER_QTY] = position[POSITION_QTY]
    position[FORCE_EXIT] = 0.0


def warm() -> None:
    """Compile everything here with the types production uses."""
    position = np.zeros(POSITION_SIZE)
    params = np.array([0.0, 0.0005, 0.0, 8.0, 4.0])
    clear_position(position)
    open_position(position, params, 1, 100, 1.0, 0, 20260105000000)
    update_position(position, params, 2.0, 5, 1)
    enlarge_position(position, params, 200, 2.0, 1)
    shrink_position(position, 100, 1.0)

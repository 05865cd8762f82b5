"""The trade that a loop writes down when a position is flat: one line of numbers, for the plain and the order-managed loop."""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import numpy as np
from numba import njit

from trading.numbers import round_to
from trading.positions import AMOUNT_DECIMALS, PARAMS_SIZE, profit

OUT_SET, OUT_BLOCK, OUT_ENTRY, OUT_EXIT, OUT_SIGN, OUT_UNITS = range(6)
OUT_ENTRY_RAW, OUT_EXIT_RAW, OUT_RETURN, OUT_PNL, OUT_RULE, OUT_PAST = range(6, 12)
OUT_FIELDS = 12  # rows are global row numbers, amounts not rounded, units of 1e-8


@njit(nogil=True, error_model="numpy", cache=True)
def put_trade(  # type: ignore[no-untyped-def]
    out, count, set_no, block, entry, leave, sign, units, entry_raw, exit_raw, funded, rule, is_past, params
):  # fmt: skip
    """Write a trade as number `count` where there is room for it; return its net profit.

    Parameters
    ----------
    out : ndarray of float64, shape (room, OUT_FIELDS)
    entry, leave : int
        Global row numbers.
    entry_raw, exit_raw : float
        Amounts, not rounded.
    funded : float
        Funding paid meanwhile; 0 = none.
    is_past : bool
        The exit was priced past what the book showed.
    """
    decimals = int(params[AMOUNT_DECIMALS])
    paid, got = round_to(entry_raw, decimals), round_to(exit_raw, decimals)
    pnl, return_pct = profit(params, paid, got, sign)
    if funded != 0.0:
        pnl = round_to(pnl - funded, decimals)
        return_pct = round_to(pnl / paid * 100.0, 2) if paid > 0.0 else 0.0
    if count < len(out):
        line = out[count]
        line[OUT_SET], line[OUT_BLOCK], line[OUT_ENTRY], line[OUT_EXIT] = set_no, block, entry, leave
        line[OUT_SIGN], line[OUT_UNITS], line[OUT_ENTRY_RAW], line[OUT_EXIT_RAW] = sign, units, entry_raw, exit_raw
        line[OUT_RETURN], line[OUT_PNL], line[OUT_RULE], line[OUT_PAST] = return_pct, pnl, rule, 1.0 if is_past else 0.0
    return pnl


def warm() -> None:
    """Compile everything here with the types production uses."""
    put_trade(np.zeros((1, OUT_FIELDS)), 0, 0, 0, 0, 0, 1, 0, 0.0, 0.0, 0.0, 0, False, np.zeros(PARAMS_SIZE))

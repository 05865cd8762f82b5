"""Raw trades of the loop as round trips: amounts rounded, times and names instead of row numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backtester import kernel
from backtester.cut import day_seconds
from backtester.engine import Prepared
from domain.intervals import time_unit_s
from domain.records import ROUND_TRIP_DTYPE
from trading.trades import sort_trades


def round_trips(prepared: Prepared, raw: NDArray[np.float64]) -> NDArray[np.void]:
    """Return the raw trades of one set as ROUND_TRIP_DTYPE, in the order of command-line.md."""
    market = prepared.market
    out = np.zeros(len(raw), dtype=ROUND_TRIP_DTYPE)
    entry, leave = raw[:, kernel.OUT_ENTRY].astype(np.int64), raw[:, kernel.OUT_EXIT].astype(np.int64)
    out["symbol"] = prepared.symbols[raw[:, kernel.OUT_BLOCK].astype(np.int64)]
    out["side"] = raw[:, kernel.OUT_SIGN]
    out["entry_time"], out["exit_time"] = prepared.row_time[entry], prepared.row_time[leave]
    held = day_seconds(out["exit_time"], prepared.interval_s) - day_seconds(out["entry_time"], prepared.interval_s)
    out["holding_time"] = held // time_unit_s(prepared.interval_s)
    out["qty"] = raw[:, kernel.OUT_UNITS] / 1e8
    for side, column in (("entry", kernel.OUT_ENTRY_RAW), ("exit", kernel.OUT_EXIT_RAW)):
        amounts = raw[:, column]
        out[f"{side}_price"] = _round(amounts / out["qty"], market.price_decimals)
        out[f"{side}_amount"] = _round(amounts, market.amount_decimals)
    out["return_pct"], out["pnl"] = raw[:, kernel.OUT_RETURN], raw[:, kernel.OUT_PNL]
    out["exit_rule"], out["past_levels"] = raw[:, kernel.OUT_RULE], raw[:, kernel.OUT_PAST]
    return sort_trades(prepared.codes, out)


def _round(values: NDArray[np.float64], decimals: int) -> NDArray[np.float64]:
    """`trading.numbers.round_to` over an array: the same three operations."""
    return np.asarray(np.rint(values * 10.0**decimals) / 10.0**decimals, dtype=np.float64)

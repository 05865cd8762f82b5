"""Resting orders of a replay filled by what rows tell, as the back-test's ``--fill queue`` fills them.

A recording's events say more than its rows: which trade met which size. Where a replay is to be compared with a back-test
(`ReplayOptions.resting` = ``rows``) the exchange forgets that and asks the function the loop asks (trading/fills/queue.py), once a row.
A limit order that may rest takes nothing on arrival then, as in the loop; every other order meets the row's book as always.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.exchange import PaperOrder
from domain.instruments import NS, Instrument, Market
from domain.records import row_schema
from trading.fills import queue

LEVELS = 5


class RowQueue:
    """The resting orders of an exchange, row by row.

    Parameters
    ----------
    market : Market
    interval_s : int
        Of the replay's rows.
    """

    def __init__(self, market: Market, interval_s: int) -> None:
        queue.warm()
        self.market = market
        self.interval_s = interval_s
        schema, tag = row_schema(market.kind, interval_s), "1s" if interval_s == 1 else "1m"
        numbers = range(1, LEVELS + 1)
        self._sides = {
            1: ([schema.index(f"bid{n}") for n in numbers], [schema.index(f"bid_size{n}") for n in numbers]),
            -1: ([schema.index(f"ask{n}") for n in numbers], [schema.index(f"ask_size{n}") for n in numbers]),
        }
        low, high = ("last_price", "last_price") if interval_s == 1 else ("bar_low", "bar_high")
        self._extreme = {1: schema.index(low), -1: schema.index(high)}
        self._against = {1: schema.index(f"sell_volume_{tag}"), -1: schema.index(f"buy_volume_{tag}")}
        self._rows: dict[int, NDArray[np.float64]] = {}  # instrument → values of its newest row
        self._states: dict[int, NDArray[np.int64]] = {}

    def add(self, order: PaperOrder) -> None:
        """Rest an order behind what its instrument's newest row shows."""
        state = np.zeros(queue.STATE, dtype=np.int64)
        prices, sizes = self._book(self._rows.get(order.instrument, np.zeros(0)), order.side)
        queue.place(state, prices, sizes, order.side, float(order.price or 0), order.leaves_qty)
        self._states[order.number] = state

    def remove(self, order: PaperOrder) -> None:
        """Forget an order."""
        self._states.pop(order.number, None)

    def on_row(
        self, instrument: Instrument, index: int, values: NDArray[np.float64], orders: Sequence[PaperOrder]
    ) -> list[tuple[PaperOrder, int]]:
        """Return (order, units) of what a row fills of an instrument's resting orders, in whole steps; each queues by itself."""
        before = self._rows.get(index, values)
        self._rows[index] = values.copy()
        decimals = instrument.qty_decimals if self.market.qty_decimals is None else self.market.qty_decimals
        step = 10 ** (8 - decimals)
        hits = []
        for order in orders:
            state, side = self._states[order.number], order.side
            old, new = self._book(before, side), self._book(values, side)
            price, extreme, against = float(order.price or 0), float(values[self._extreme[side]]), float(values[self._against[side]])
            filled = int(queue.on_row(state, *old, *new, side, price, extreme, against, queue.CANCEL_SHARE))
            whole = filled // step * step
            state[queue.LEFT] += filled - whole
            if whole > 0:
                hits.append((order, whole))
        return hits

    def label_ns(self, row_time: int) -> int:
        """Return the UTC time of a row's label: a fill of that row is stamped with it."""
        form, digits = ("%Y%m%d%H%M%S", 14) if self.interval_s == 1 else ("%Y%m%d%H%M", 12)
        moment = dt.datetime.strptime(f"{row_time:0{digits}d}", form).replace(tzinfo=dt.UTC)
        return (int(moment.timestamp()) - self.market.day_offset_s()) * NS

    def _book(self, values: NDArray[np.float64], side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not len(values):
            return np.zeros(LEVELS), np.zeros(LEVELS)
        prices, sizes = self._sides[side]
        return np.ascontiguousarray(values[prices]), np.ascontiguousarray(values[sizes])

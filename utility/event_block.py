"""Where decoders put events: blocks of EVENT_DTYPE allocated ahead, handed out as slices.

A frame holds between one and a few hundred records; allocating an array for each and filling it
record by record costs more than parsing the JSON. A block is filled column by column (books) or by
one `struct` pack (trades), and a slice of it is the frame's events. A slice is never written again,
so a consumer may keep it; a full block is left to the slices that still point into it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from domain.records import EVENT_DTYPE, FIRST, LAST

BLOCK_EVENTS = 8192
_RECORD = struct.Struct("<qqqqqdqiBBbB")
assert _RECORD.size == EVENT_DTYPE.itemsize

NO_EVENTS = np.empty(0, EVENT_DTYPE)
"""The events of a frame without any."""


class EventBlock:
    """Preallocated events; not thread-safe, one per connection."""

    def __init__(self) -> None:
        self._renew(BLOCK_EVENTS)

    def _renew(self, size: int) -> None:
        array = np.zeros(size, EVENT_DTYPE)
        self._array = array
        self._bytes = array.view(np.uint8).data
        self._size = size
        self._used = 0
        self._exchange_ns = array["exchange_ns"]
        self._received_ns = array["received_ns"]
        self._first_id = array["first_id"]
        self._last_id = array["last_id"]
        self._price = array["price"]
        self._qty = array["qty"]
        self._instrument = array["instrument"]
        self._kind = array["kind"]
        self._flags = array["flags"]
        self._side = array["side"]

    def _take(self, count: int) -> int:
        start = self._used
        if start + count > self._size:
            self._renew(max(BLOCK_EVENTS, count))
            start = 0
        self._used = start + count
        return start

    def one(
        self,
        kind: int,
        instrument: int,
        exchange_ns: int,
        received_ns: int,
        price: float,
        qty: int,
        side: int,
        *,
        flags: int = 0,
        first_id: int = 0,
        last_id: int = 0,
    ) -> np.ndarray:
        """Return one event as an array of length 1; `struct.error` when a number does not fit."""
        start = self._take(1)
        _RECORD.pack_into(
            self._bytes, start * 64, exchange_ns, received_ns, 0, first_id, last_id, price, qty, instrument, kind, flags, side, 0
        )
        return self._array[start : start + 1]

    def book(
        self,
        kind: int,
        instrument: int,
        exchange_ns: int,
        received_ns: int,
        prices: Sequence[float] | np.ndarray,
        qtys: Sequence[int] | np.ndarray,
        sides: Sequence[int] | np.ndarray,
        *,
        first_id: int = 0,
        last_id: int = 0,
        last_flags: int = 0,
    ) -> np.ndarray:
        """Return a book message: equal heads, one level each, FIRST on the first and LAST on the last.

        Parameters
        ----------
        prices, qtys, sides : sequences of one length ≥ 1
            float64, int in units of 1e-8, +1 bid or −1 ask.
        last_flags : int
            Further flags of the last record (NO_ROW).

        Raises
        ------
        OverflowError
            A quantity does not fit int64.
        """
        count = len(prices)
        start = self._take(count)
        end = start + count
        self._price[start:end] = prices
        self._qty[start:end] = qtys
        self._side[start:end] = sides
        self._exchange_ns[start:end] = exchange_ns
        self._received_ns[start:end] = received_ns
        self._first_id[start:end] = first_id
        self._last_id[start:end] = last_id
        self._instrument[start:end] = instrument
        self._kind[start:end] = kind
        self._flags[start] = FIRST
        self._flags[end - 1] |= LAST | last_flags
        return self._array[start:end]

"""Entries of the gap ledger that an import repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain.instruments import Instrument
from storage.ticks import TickStore

_SAME = ("cause", "from_ns", "to_ns")


def new_gaps(store: TickStore, market: str, source: str, entries: np.ndarray, instruments: Sequence[Instrument]) -> np.ndarray:
    """Return the entries (GAP_DTYPE, `instrument` in `instruments`) that the ledger of (market, source) does not have."""
    codes = [one.code for one in store.instruments(market, source)]
    there = {
        (codes[int(row["instrument"])], *(row[name] for name in _SAME)) for row in store.read_gaps(market, source) if row["instrument"] >= 0
    }
    fresh = [(instruments[int(row["instrument"])].code, *(row[name] for name in _SAME)) not in there for row in entries]
    return np.asarray(entries[np.array(fresh, bool)])

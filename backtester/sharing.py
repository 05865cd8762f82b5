"""Which parameter sets share what: the bytes of a condition are made once for all sets with its variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtester.skip import SPAN
from strategy.guards import Guards

CACHE_BYTES = 1 << 20
"""What the bytes of all conditions may take of a core's cache; sets that no longer fit take each other's place."""


@dataclass(frozen=True)
class Shared:
    """Where the conditions of each set stand.

    Parameters
    ----------
    ids : ndarray of int64, shape (sets, conditions + 1)
        Equal where two sets have the same variables in a condition; the last is that of the exit.
    slots : ndarray of int64, shape (3, conditions + 1)
        First slot of each condition, number of its slots, and the conditions of an entry in the order of asking, then that of the exit.
    n_slots : int
        Slots in all; slot 0 belongs to none.
    """

    ids: NDArray[np.int64]
    slots: NDArray[np.int64]
    n_slots: int


def share(guards: Guards, vectors: NDArray[np.float64], rows: int) -> Shared:
    """Return where the conditions of each of `vectors` stand in arrays of up to `rows` rows."""
    used = [*guards.terms, guards.exit_rows or ()]
    ids = np.zeros((len(vectors), len(used)), dtype=np.int64)
    slots = np.ones((3, len(used)), dtype=np.int64)
    length = -(-rows // SPAN) * SPAN
    most = max(CACHE_BYTES // length // len(used), 1)
    begin = 1
    for t, variables in enumerate(used):
        if variables and len(vectors) > 1:
            _, ids[:, t] = np.unique(vectors[:, list(variables)], axis=0, return_inverse=True)
        slots[:2, t] = begin, min(int(ids[:, t].max()) + 1, most)
        begin += int(slots[1, t])
    counts = ids.max(axis=0) + 1
    # First what reads no features, then what most sets share: the rest is asked only where these hold.
    order = sorted(range(len(guards.terms)), key=lambda t: (guards.needs[t], int(counts[t])))
    slots[2] = [*order, len(guards.terms)]
    return Shared(ids, slots, begin)

"""Memory that the runs of a search use again.

A search makes millions of trades a second. Fresh memory for each run would cost more than the run: every
page has to be given and cleared by the system before its first byte can be written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

ROOM = 400_000
"""Trades that a task has room for at first; the pages of what is not used are never touched."""

Work = tuple[NDArray[Any], ...]


class Buffers:
    """Arrays lent to tasks and taken back; a list's `pop` and `append` are safe between threads.

    Parameters
    ----------
    fields : int
        Numbers of a trade.
    """

    def __init__(self, fields: int) -> None:
        self._fields = fields
        self._outs: list[NDArray[np.float64]] = []
        self._works: list[Work] = []
        self._shape: tuple[int, ...] = ()
        self._whole = np.empty((0, fields))

    def out(self, room: int = ROOM) -> NDArray[np.float64]:
        """Lend an array for `room` trades at least."""
        try:
            out = self._outs.pop()
        except IndexError:
            out = np.empty((room, self._fields))
        return out if len(out) >= room else np.empty((room, self._fields))

    def work(self, make: Callable[[int, int, int], Work], shape: tuple[int, int, int]) -> Work:
        """Lend what `make(*shape)` gives, not cleared."""
        if shape != self._shape:
            self._works, self._shape = [], shape
        try:
            return self._works.pop()
        except IndexError:
            return make(*shape)

    def take_back(self, work: Work, shape: tuple[int, int, int]) -> None:
        """Take back what `work` lent."""
        if shape == self._shape:
            self._works.append(work)

    def by_set(self, parts: Sequence[NDArray[np.float64]], column: int, sets: int, again: bool) -> NDArray[np.float64]:
        """Return the trades of all parts, those of a set together and in the order of the parts.

        Parameters
        ----------
        parts : sequence of ndarray, shape (trades, fields)
            Views of arrays that `out` lent; they go back.
        column : int
            Field with the number of the set.
        again : bool
            The answer stands in memory that the next call writes over.
        """
        taken = [part.base for part in parts if isinstance(part.base, np.ndarray)]
        if sets == 1:
            alone = np.concatenate(parts)
            self._outs += taken
            return alone
        total = sum(map(len, parts))
        whole = self._whole if again else np.empty((0, self._fields))
        if len(whole) < total:
            whole = np.empty((total + (total // 4 if again else 0), self._fields))
        place = np.zeros(sets + 1, dtype=np.int64)
        for part in parts:
            count_sets(part, column, place)
        np.cumsum(place, out=place)
        for part in parts:
            scatter(part, column, place, whole)
        if again:
            self._whole = whole
        self._outs += taken
        return whole[:total]


@njit(cache=True, nogil=True, error_model="numpy")
def count_sets(part, column, counts):  # type: ignore[no-untyped-def]
    """Add to `counts[s + 1]` the trades of set s."""
    for k in range(len(part)):
        counts[int(part[k, column]) + 1] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def scatter(part, column, place, whole):  # type: ignore[no-untyped-def]
    """Copy each trade to the next place of its set."""
    for k in range(len(part)):
        s = int(part[k, column])
        whole[place[s]] = part[k]
        place[s] += 1


def warm() -> None:
    """Compile everything here with the types production uses."""
    place = np.zeros(2, dtype=np.int64)
    part = np.zeros((1, 2))
    count_sets(part, 0, place)
    scatter(part, 0, np.zeros(2, dtype=np.int64), part.copy())

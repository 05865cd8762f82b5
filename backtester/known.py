"""What a search has asked already, in few bytes: a digest of each set, and the answer; no object a set.

A study of 100,000 sets keeps 32 bytes and its answers for each here. Newcomers gather in a small dictionary and are
merged into sorted arrays when it is full, so that a batch costs the same early and late.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RECENT = 16_384
"""Sets that gather before they are merged."""


class Known:
    """Digests of sets and what they were worth, in the order in which they were added.

    Parameters
    ----------
    width : int
        Numbers in an answer.
    """

    def __init__(self, width: int) -> None:
        self._answers = np.empty((1024, width), dtype=np.float64)
        self._count = 0
        self._recent: dict[bytes, int] = {}
        self._table = np.zeros((3, 0), dtype=np.uint64)  # halves of the digest and its number, sorted by the first half

    def __len__(self) -> int:
        return self._count

    def find(self, digests: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the number of each digest, −1 where it is new."""
        out = np.array([self._recent.get(one, -1) for one in digests], dtype=np.int64)
        if not self._table.shape[1] or not len(digests):
            return out
        halves = np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)
        places = np.searchsorted(self._table[0], halves[:, 0])
        for k in np.flatnonzero(out < 0):
            place = int(places[k])
            while place < self._table.shape[1] and self._table[0, place] == halves[k, 0]:
                if self._table[1, place] == halves[k, 1]:
                    out[k] = int(self._table[2, place])
                    break
                place += 1
        return out

    def add(self, digests: Sequence[bytes], answers: NDArray[np.float64]) -> None:
        """Add new digests, each once, with their answers, shape (n, width)."""
        stop = self._count + len(digests)
        if stop > len(self._answers):
            grown = np.empty((max(stop, 2 * len(self._answers)), self._answers.shape[1]), dtype=np.float64)
            grown[: self._count] = self._answers[: self._count]
            self._answers = grown
        self._answers[self._count : stop] = answers
        self._recent.update(zip(digests, range(self._count, stop), strict=True))
        self._count = stop
        if len(self._recent) >= RECENT:
            self._merge()

    def answers(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the answers of known numbers, shape (n, width)."""
        return self._answers[numbers]

    def _merge(self) -> None:
        halves = np.frombuffer(b"".join(self._recent), dtype="<u8").reshape(-1, 2).T
        fresh = np.vstack([halves, np.fromiter(self._recent.values(), dtype=np.uint64, count=len(self._recent))])
        joined = np.concatenate([self._table, fresh], axis=1)
        self._table = np.ascontiguousarray(joined[:, np.argsort(joined[0], kind="stable")])
        self._recent.clear()

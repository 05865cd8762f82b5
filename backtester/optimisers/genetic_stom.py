"""STOM's GA (workstation 10.3): random sets from lists that shrink to the values of the best.

No pairs are crossed and nothing mutates; the best of all generations decide, so none is lost. Two things differ from
the origin, where a result would depend on the machine or be lost: instead of searching 30 seconds for new sets it
draws a fixed number of times, and sets with equal scores do not overwrite each other (the first stays before).
The text's best can only come back while it is one of its list's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from math import prod

import numpy as np
from numpy.typing import NDArray

from backtester.known import Known
from backtester.optimisers import Goals, Space, options

DRAWS = 50
"""Times that a round draws before it says that all is explored."""
INJECTED = 3
"""Generations after which the text's best comes back into the lists."""


@dataclass(frozen=True)
class GeneticStomOptions(options.Options):
    """`batch` sets a round; a generation has as many rounds as there are variables."""

    batch: int = options.option(1000, 1, 100_000)


class GeneticStom:
    """Union of the values of the best, generation by generation, until few combinations are left."""

    Options = GeneticStomOptions
    goals: Goals = ()
    form = "list"

    def __init__(self, space: Space, options: GeneticStomOptions) -> None:
        self.space, self.batch = space, options.batch
        self.lists = [list(range(size)) for size in space.sizes.tolist()]
        k = max(len(space.free), 1)
        self.rounds, self.rank, self.goal = k, max(5, k // 4), 2 ** round(k / 2)
        self.total = min(space.count, options.batch * k * 3)
        self._rng = np.random.default_rng(options.seed)
        self._seen = Known(0)
        self._round, self._generation, self._over = 0, 1, False
        self._best: list[tuple[float, tuple[int, ...]]] = []
        self._asked: NDArray[np.int64] = np.zeros((0, len(self.lists)), dtype=np.int64)

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return a round of sets that were never asked; fewer than `batch` when hardly any are left."""
        self._asked = np.zeros((0, len(self.lists)), dtype=np.int64) if self._over else self._fresh()
        self._over = self._over or len(self._asked) < self.batch
        return self.space.vectors(self._asked)

    def _fresh(self) -> NDArray[np.int64]:
        sizes = np.array([len(one) for one in self.lists])
        chosen: dict[bytes, NDArray[np.int64]] = {}
        for _ in range(DRAWS):
            places = self._rng.integers(0, sizes, size=(self.batch, len(sizes)))
            rows = np.column_stack([np.array(one)[places[:, k]] for k, one in enumerate(self.lists)])
            digests = [blake2b(row.tobytes(), digest_size=16).digest() for row in rows]
            known = self._seen.find(digests)
            for digest, row, number in zip(digests, rows, known.tolist(), strict=True):
                if number < 0 and len(chosen) < self.batch:
                    chosen.setdefault(digest, row)
            if len(chosen) >= min(self.batch, prod(sizes.tolist())):
                break
        self._seen.add(list(chosen), np.zeros((len(chosen), 0)))
        return np.array(list(chosen.values()), dtype=np.int64).reshape(len(chosen), len(sizes))

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Keep the best; at the end of a generation shrink the lists to their values."""
        order = np.argsort(-scores, kind="stable")[: self.rank]
        ranked = [*self._best, *((float(scores[k]), tuple(self._asked[k].tolist())) for k in order)]
        self._best = sorted(ranked, key=lambda one: -one[0])[: self.rank]
        self._round += 1
        if self._round < self.rounds:
            return
        for k in self.space.free.tolist():
            values = {row[k] for _, row in self._best}
            if self._generation <= INJECTED and self.space.best[k] >= 0:
                values.add(self.space.best[k])
            self.lists[k] = sorted(values)
        self._round, self._generation = 0, self._generation + 1
        self._over = self._over or prod(len(one) for one in self.lists) <= self.goal

"""Every combination, in the order of the range text, the last variable fastest; with pruning, fewer.

Pruning is that of workstation 10.1, step 6, before the product instead of between stages: one pass varies each
variable alone around the starting values, and what has shown itself useless there does not enter the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from backtester.figures import NO_TRADES
from backtester.optimisers import Goals, Space, options

MANY, SHARE = 5, 4.0
"""``quarter`` drops values of variables with more than so many that score below 1/SHARE of the start."""


@dataclass(frozen=True)
class GridOptions(options.Options):
    """`prune`: ``none``; ``no-trades`` drops values that never traded; ``quarter`` also those below a quarter of the start's score."""

    prune: str = options.option("none", choices=("none", "no-trades", "quarter"))


class Grid:
    """The full product of the lists."""

    Options = GridOptions
    goals: Goals = ()
    form = "grid"

    def __init__(self, space: Space, options: GridOptions) -> None:
        self.space, self.prune = space, options.prune
        self.kept = [np.arange(size) for size in space.sizes]
        self.total = space.count
        self._next = 0
        self._start = np.maximum(np.array(space.best, dtype=np.int64), 0)
        self._looks = options.prune != "none"

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the pass around the start when it prunes, then the next `n` combinations."""
        if self._looks:
            return self.space.vectors(alone(self.space, self._start))
        sizes = [len(one) for one in self.kept]
        last = prod(sizes)
        stop = min(self._next + max(n, 1), last)
        # Numbers past 2^63 are never reached, but their product may be.
        numbers = np.arange(self._next, stop, dtype=np.int64) if stop > self._next else np.zeros(0, np.int64)
        self._next = stop
        out = np.empty((len(numbers), len(sizes)), dtype=np.int64)
        for k in range(len(sizes) - 1, -1, -1):
            out[:, k] = self.kept[k][numbers % sizes[k]]
            numbers = numbers // sizes[k]
        return self.space.vectors(out)

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Learn from the pass around the start; the product teaches nothing, its order is fixed."""
        if not self._looks:
            return
        self._looks = False
        base, place = scores[0], 1
        for k in self.space.free:
            size = int(self.space.sizes[k])
            gained, place = scores[place : place + size], place + size
            good = gained != NO_TRADES
            if self.prune == "quarter" and base > 0 and size > MANY:
                good &= gained >= base / SHARE
            if good.any():  # where nothing is good the pass says nothing about this variable
                self.kept[k] = np.flatnonzero(good)
        self.total = prod(len(one) for one in self.kept) + len(scores)


def alone(space: Space, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return indices: the start, then for each free variable each of its values with the others at the start."""
    rows = [start]
    for k in space.free:
        for place in range(int(space.sizes[k])):
            row = start.copy()
            row[k] = place
            rows.append(row)
    return np.array(rows)

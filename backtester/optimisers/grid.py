"""Every combination, in the order of the range text, the last variable fastest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backtester.optimisers import Plan, Space


class Grid:
    """The full product of the lists."""

    def __init__(self, space: Space, plan: Plan) -> None:
        self.space = space
        self.total = min(space.count, plan.trials) if plan.trials else space.count
        self._next = 0

    def ask(self, n: int) -> NDArray[np.int64]:
        """Return the next `n` combinations."""
        numbers = np.arange(self._next, min(self._next + n, self.total), dtype=np.int64)
        self._next += len(numbers)
        out = np.empty((len(numbers), len(self.space.values)), dtype=np.int64)
        for k in range(len(self.space.values) - 1, -1, -1):
            size = len(self.space.values[k])
            out[:, k] = numbers % size
            numbers = numbers // size
        return out

    def tell(self, indices: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Nothing to learn: the order is fixed."""

"""Sets that do not depend on the answers: random ones, and sequences that fill the space evenly (Sobol, Halton)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtester.optimisers import Goals, Space, options

TRIALS = 1_000
SHUFFLED = 4_000_000
"""Up to so many combinations are shuffled, so that none comes twice; above, two equal draws are rare and cost nothing."""
ROUND = 256
"""Points asked for at once; a power of two keeps a Sobol sequence balanced."""


@dataclass(frozen=True)
class RandomOptions(options.Options):
    """Of a random search."""

    trials: int = options.option(TRIALS, 0, 10**12)


class RandomSearch:
    """Every combination with the same chance."""

    Options = RandomOptions
    goals: Goals = ()
    form = "grid"

    def __init__(self, space: Space, options: RandomOptions) -> None:
        self.space = space
        self.total = min(options.trials or TRIALS, space.count)
        self._rng = np.random.default_rng(options.seed)
        self._order = self._rng.permutation(space.count) if space.count <= SHUFFLED else None
        self._asked = 0

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the next `n` draws."""
        n = min(max(n, 1), self.total - self._asked)
        first, self._asked = self._asked, self._asked + n
        if self._order is None:
            return self.space.vectors(self._rng.integers(0, self.space.sizes, size=(n, len(self.space.values))))
        numbers, out = self._order[first : first + n], np.empty((n, len(self.space.values)), dtype=np.int64)
        for k in range(len(self.space.values) - 1, -1, -1):
            numbers, out[:, k] = np.divmod(numbers, self.space.sizes[k])
        return self.space.vectors(out)

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Nothing to learn."""


@dataclass(frozen=True)
class QuasiOptions(options.Options):
    """`sequence`: scrambled Sobol or Halton points of scipy."""

    trials: int = options.option(TRIALS, 0, 10**12)
    sequence: str = options.option("sobol", choices=("sobol", "halton"))


class QuasiSearch:
    """Points that lie evenly in the box of positions; neighbours may fall on one set, which is then not evaluated twice."""

    Options = QuasiOptions
    goals: Goals = ()
    form = "grid"

    def __init__(self, space: Space, options: QuasiOptions) -> None:
        from scipy.stats import qmc

        self.space = space
        self.total = options.trials or TRIALS if len(space.free) else 1
        kinds = {"sobol": qmc.Sobol, "halton": qmc.Halton}
        self._engine = kinds[options.sequence](max(len(space.free), 1), rng=np.random.default_rng(options.seed))
        self._asked = 0
        self._rest = np.zeros((0, max(len(space.free), 1)))

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the next `n` points."""
        n = min(max(n, 1), self.total - self._asked)
        self._asked += n
        while len(self._rest) < n:
            self._rest = np.concatenate([self._rest, self._engine.random(ROUND)])
        points, self._rest = self._rest[:n], self._rest[n:]
        sizes = self.space.sizes[self.space.free]
        positions = np.minimum((points[:, : len(sizes)] * sizes).astype(np.int64), sizes - 1)
        return self.space.vectors(self.space.spread(positions))

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Nothing to learn."""

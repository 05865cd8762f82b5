"""CMA-ES by the library of its author (pycma), over whole positions in the value lists, restarted with growing populations.

pycma draws from numpy's global generator; it is lent a state of our own for each call, so that nobody else's draws
change what a seed asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.optimisers import Goals, Space, options

TRIALS = 2_000


@dataclass(frozen=True)
class CmaOptions(options.Options):
    """`sigma` is the first spread as a share of each range.

    Where it has converged it begins anew with twice the population, `restarts` times.
    """

    trials: int = options.option(TRIALS, 0, 10**12)
    population: int = options.option(16, 2, 1_000_000)
    sigma: float = options.option(0.3, 0.01, 1.0)
    restarts: int = options.option(4, 0, 10_000)


class CmaSearch:
    """Covariance matrix adaptation with whole-number variables."""

    Options = CmaOptions
    goals: Goals = ()
    form = "grid"

    def __init__(self, space: Space, options: CmaOptions) -> None:
        self.space, self.options = space, options
        self.most = options.trials or TRIALS
        self.total = self.most
        # pycma wants two dimensions; one that is added decides nothing.
        self._sizes = np.concatenate([space.sizes[space.free], np.full(max(2 - len(space.free), 0), 2)]).astype(float)
        self._asked, self._begun = 0, 0
        self._rng = np.random.default_rng(options.seed)
        with _lent(None) as state:
            np.random.seed(options.seed)
            state.append(np.random.get_state())
        self._state: Any = state[0]
        self._points: list[NDArray[np.float64]] = []
        self._begin()

    def _begin(self) -> None:
        import cma

        size = len(self._sizes)
        best = np.array(self.space.best, dtype=np.int64)[self.space.free]
        if self._begun == 0 and (best >= 0).all():
            start = np.concatenate([best, np.zeros(size - len(best))])
        else:
            start = self._rng.integers(0, self._sizes.astype(np.int64)).astype(float)
        population = self.options.population * 2**self._begun
        how = {
            "bounds": [[-0.5] * size, (self._sizes - 0.5).tolist()],
            "integer_variables": list(range(size)),
            "CMA_stds": self._sizes.tolist(),
            "popsize": population,
            "seed": np.nan,  # it would seed numpy's generator
            "verbose": -9,
            "verb_log": 0,
        }
        with self._own():
            self._strategy = cma.CMAEvolutionStrategy(start, self.options.sigma, how)

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the next population; none when the bound is reached, or it has converged and no restart is left."""
        none = np.zeros((0, len(self.space.values)))
        if self._asked >= self.most or (not len(self.space.free) and self._asked):
            return none
        if self._strategy.stop():
            if self._begun >= self.options.restarts:
                return none
            self._begun += 1
            self._begin()
        with self._own():
            self._points = self._strategy.ask()
        whole = np.clip(np.rint(np.array(self._points)), 0, self._sizes - 1).astype(np.int64)
        self._asked += len(whole)
        return self.space.vectors(self.space.spread(whole[:, : len(self.space.free)]))

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Let the strategy adapt; it minimises, so the sign turns."""
        with self._own():
            self._strategy.tell(self._points, (-scores).tolist())

    @contextmanager
    def _own(self) -> Iterator[None]:
        with _lent(self._state) as after:
            yield
            after.append(np.random.get_state())
        self._state = after[-1]


@contextmanager
def _lent(state: Any) -> Iterator[list[Any]]:
    """Give numpy's global generator `state` inside the block, and its own back after it."""
    before = np.random.get_state()
    if state is not None:
        np.random.set_state(state)
    try:
        yield []
    finally:
        np.random.set_state(before)

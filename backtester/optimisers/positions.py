"""What pymoo's population methods share: operators over positions in the value lists, and the first population.

Crossover and mutation work on whole populations of arrays at once. A variable whose values rise or fall is a whole
number with neighbours (simulated binary crossover, polynomial mutation); one whose list has no order is a choice
(uniform crossover, any other value).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.crossover import Crossover
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import cross_sbx
from pymoo.operators.mutation.pm import mut_pm

from backtester.optimisers import Space

ETA = 3.0
"""Small: children may land several places away, the lists are short."""
SWAP = 0.5
MATINGS = 20
"""Times that parents are mated for children that are new; where a population has converged most are not."""


def problem(space: Space, goals: int) -> Problem:
    """Return the box of positions for pymoo; a space of one set has one position."""
    if not len(space.free):
        return Problem(n_var=1, n_obj=goals, xl=0, xu=0)
    return Problem(n_var=len(space.free), n_obj=goals, xl=np.zeros(len(space.free)), xu=(space.sizes[space.free] - 1).astype(float))


class Cross(Crossover):  # type: ignore[misc]
    """Children of two parents, whole positions."""

    def __init__(self, space: Space, prob: float) -> None:
        super().__init__(2, 2, prob=prob)
        self.ordered = space.ordered[space.free] if len(space.free) else np.ones(1, dtype=bool)

    def _do(self, problem: Any, X: NDArray[np.float64], *args: Any, random_state: Any = None, **kwargs: Any) -> NDArray[np.float64]:
        out = X.astype(float)
        matings = X.shape[1]
        line = self.ordered
        if line.any():
            column = np.ones((matings, 1))
            children = cross_sbx(
                out[:, :, line], problem.xl[line], problem.xu[line], ETA * column, SWAP * column, SWAP * column, random_state=random_state
            )
            out[:, :, line] = np.rint(children)
        if not line.all():
            swap = random_state.random((matings, len(line))) < SWAP
            swap[:, line] = False
            first, second = out[0].copy(), out[1].copy()
            out[0][swap], out[1][swap] = second[swap], first[swap]
        return out


class Mutate(Mutation):  # type: ignore[misc]
    """Positions changed by chance; `share` 0 means one variable in so many as there are."""

    def __init__(self, space: Space, share: float) -> None:
        super().__init__(prob=1.0, prob_var=share or None)
        self.ordered = space.ordered[space.free] if len(space.free) else np.ones(1, dtype=bool)

    def _do(self, problem: Any, X: NDArray[np.float64], *args: Any, random_state: Any = None, **kwargs: Any) -> NDArray[np.float64]:
        out = X.astype(float)
        share = self.get_prob_var(problem, size=len(X))
        line = self.ordered
        if line.any():
            eta = np.full(len(X), ETA)
            moved = mut_pm(out[:, line], problem.xl[line], problem.xu[line], eta, share, False, random_state=random_state)
            out[:, line] = np.rint(moved)
        if not line.all():
            hit = random_state.random(X.shape) < np.asarray(share)[:, None]
            hit[:, line] = False
            drawn = np.floor(random_state.random(X.shape) * (problem.xu + 1))
            out[hit] = drawn[hit]
        return out


def first_population(space: Space, size: int, seed: int, kept: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return distinct positions of the free variables: `kept` (by default the text's best), then random ones.

    Parameters
    ----------
    size : int
        At most the number of combinations.
    kept : ndarray of int64, shape (k, free), optional
    """
    if not len(space.free):
        return np.zeros((1, 1), dtype=np.int64)
    rng = np.random.default_rng(seed)
    sizes = space.sizes[space.free]
    best = np.array(space.best, dtype=np.int64)[space.free]
    if kept is None:
        kept = best[None, :] if (best >= 0).all() else np.zeros((0, len(sizes)), dtype=np.int64)
    chosen = {row.tobytes(): row for row in kept}
    while len(chosen) < min(size, space.count):
        for row in rng.integers(0, sizes, size=(size * 2, len(sizes))):
            if len(chosen) < size:
                chosen.setdefault(row.tobytes(), row)
    return np.array(list(chosen.values()))

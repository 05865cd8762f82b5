"""The list of optimisers, one line each: name → module and class.

An optimiser is one file with a class of this shape; it knows nothing of strategies, rows or threads:

    Optimiser(space: Space, plan: Plan)
    .total -> int                      evaluations it means to ask for, for progress
    .ask(n) -> indices                 int64 (k, variables), k ≤ n; k = 0 means that it is done
    .tell(indices, scores)             the answer to the whole of the last ask, higher is better

A seeded optimiser that is told the same scores asks the same questions: that is how a study resumes.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError

METHODS = {
    "ga": ("backtester.optimisers.genetic", "Genetic"),
    "grid": ("backtester.optimisers.grid", "Grid"),
}


@dataclass(frozen=True)
class Space:
    """The values each variable may take.

    Parameters
    ----------
    values : tuple of tuple of float
        Values of `self.vars[i]` at position i; a variable that is not searched has one.
    best : tuple of int
        Position of the starting value in each list; −1 where the text's best is not in the list.
    """

    values: tuple[tuple[float, ...], ...]
    best: tuple[int, ...]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of values of each variable."""
        return np.array([len(one) for one in self.values], dtype=np.int64)

    @property
    def count(self) -> int:
        """Number of combinations, exact."""
        total = 1
        for one in self.values:
            total *= len(one)
        return total

    def vectors(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return `self.vars` of each row of `indices`."""
        out = np.empty(indices.shape, dtype=np.float64)
        for k, values in enumerate(self.values):
            out[:, k] = np.array(values, dtype=np.float64)[indices[:, k]]
        return out


@dataclass(frozen=True)
class Plan:
    """How much a search may ask.

    Parameters
    ----------
    seed : int
        Same seed, same questions.
    population, generations : int
        Of population methods.
    trials : int
        Upper bound of evaluations; 0 means none.
    """

    seed: int = 1
    population: int = 100
    generations: int = 20
    trials: int = 0


class Optimiser(Protocol):
    """The shape of an optimiser."""

    total: int

    def __init__(self, space: Space, plan: Plan) -> None: ...

    def ask(self, n: int) -> NDArray[np.int64]: ...

    def tell(self, indices: NDArray[np.int64], scores: NDArray[np.float64]) -> None: ...


def make(method: str, space: Space, plan: Plan) -> Optimiser:
    """Return the optimiser `method`; InputError ``optimise.method`` for an unknown name."""
    if method not in METHODS:
        raise InputError("optimise.method", method=method, methods=", ".join(METHODS))
    module, name = METHODS[method]
    made: Optimiser = getattr(importlib.import_module(module), name)(space, plan)
    return made

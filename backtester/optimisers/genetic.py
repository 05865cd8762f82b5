"""A genetic search by pymoo over positions in the value lists: tournament, crossover, mutation, elitism, restarts.

A population is asked for at once and evaluated in one compiled call by the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.optimisers import Goals, Space, options


@dataclass(frozen=True)
class GeneticOptions(options.Options):
    """Of a population that breeds.

    `patience` generations without a better set begin a new population that keeps the best one, `restarts` times.
    """

    population: int = options.option(100, 2, 1_000_000)
    generations: int = options.option(20, 1, 1_000_000)
    crossover: float = options.option(0.9, 0.0, 1.0)
    mutation: float = options.option(0.0, 0.0, 1.0)
    restarts: int = options.option(0, 0, 10_000)
    patience: int = options.option(5, 0, 1_000_000)


class Genetic:
    """pymoo's GA; parents and children compete for a place, so the best are never lost."""

    Options = GeneticOptions
    goals: Goals = ()
    form = "list"

    def __init__(self, space: Space, options: GeneticOptions) -> None:
        self.space, self.options = space, options
        self.population = int(min(options.population, space.count))
        self.total = int(min(self.population * options.generations, space.count))
        self._generation = 0
        self._waited, self._begun = 0, 0
        self._best: tuple[float, NDArray[np.int64] | None] = (-np.inf, None)
        self._pending: Any = None
        self._begin(None)

    def _begin(self, kept: NDArray[np.int64] | None) -> None:
        from pymoo.algorithms.soo.nonconvex.ga import GA
        from pymoo.core.termination import NoTermination

        from backtester.optimisers.positions import MATINGS, Cross, Mutate, first_population, problem

        seed = (self.options.seed + self._begun * 7_919) % 2**32
        self._algorithm = GA(
            pop_size=self.population,
            sampling=first_population(self.space, self.population, seed, kept).astype(float),
            crossover=Cross(self.space, self.options.crossover),
            mutation=Mutate(self.space, self.options.mutation),
            eliminate_duplicates=True,
        )
        self._algorithm.mating.n_max_iterations = MATINGS
        self._algorithm.setup(problem(self.space, 1), termination=NoTermination(), seed=seed, verbose=False)
        self._waited = 0

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the next generation (`n` is not split: a population is one question); none when it is over."""
        self._pending = None
        if self._generation < self.options.generations:
            self._pending = self._algorithm.ask()
            # An algorithm that finds no new child has seen all that it can reach.
            if (self._pending is None or not len(self._pending)) and self._restart():
                self._pending = self._algorithm.ask()
        if self._pending is None or not len(self._pending):
            return np.zeros((0, len(self.space.values)))
        self._generation += 1
        return self.space.vectors(self._indices())

    def _indices(self) -> NDArray[np.int64]:
        positions = np.rint(self._pending.get("X")).astype(np.int64)
        return self.space.spread(positions[:, : len(self.space.free)])

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Let the algorithm select; it minimises, so the sign turns."""
        self._pending.set("F", -scores[:, None])
        for one in self._pending:
            one.evaluated = {"F"}
        self._algorithm.tell(infills=self._pending)
        top = int(np.argmax(scores))
        if scores[top] > self._best[0]:
            self._best, self._waited = (float(scores[top]), self._indices()[top][self.space.free]), 0
        else:
            self._waited += 1
            if self.options.patience and self._waited >= self.options.patience:
                self._restart()

    def _restart(self) -> bool:
        """Begin anew around the best set, when a restart is left."""
        if self._begun >= self.options.restarts or self._best[1] is None or not len(self.space.free):
            return False
        self._begun += 1
        self._begin(self._best[1][None, :])
        return True

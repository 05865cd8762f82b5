"""NSGA-II by pymoo: several goals at once; what it finds is a front, no single best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.figures import METRIC_KEYS
from backtester.optimisers import Goals, Space, options
from domain.errors import InputError

SIGNS = {"max": 1, "min": -1}


@dataclass(frozen=True)
class Nsga2Options(options.Options):
    """`goals`: metrics, each with max or min; by default return against drawdown against number of trades."""

    population: int = options.option(100, 2, 1_000_000)
    generations: int = options.option(20, 1, 1_000_000)
    crossover: float = options.option(0.9, 0.0, 1.0)
    mutation: float = options.option(0.0, 0.0, 1.0)
    goals: str = options.option("tp:max,mdd:min,tc:max")


def parse_goals(text: str) -> Goals:
    """Return ``tp:max,mdd:min`` as goals; InputError ``optimise.goals`` with the part that is not understood."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, sign = (word.strip().lower() for word in part.partition(":"))
        if name not in METRIC_KEYS or sign not in SIGNS or name in found:
            raise InputError("optimise.goals", part=part.strip(), names=", ".join(METRIC_KEYS))
        found[name] = SIGNS[sign]
    return tuple(found.items())


class Nsga2:
    """pymoo's NSGA-II: rank by domination, then by crowding."""

    Options = Nsga2Options
    form = "list"

    def __init__(self, space: Space, options: Nsga2Options) -> None:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.termination import NoTermination

        from backtester.optimisers.positions import MATINGS, Cross, Mutate, first_population, problem

        self.space, self.generations = space, options.generations
        self.goals: Goals = parse_goals(options.goals)
        population = int(min(options.population, space.count))
        self.total = int(min(population * options.generations, space.count))
        self._generation = 0
        self._pending: Any = None
        self._algorithm = NSGA2(
            pop_size=population,
            sampling=first_population(space, population, options.seed).astype(float),
            crossover=Cross(space, options.crossover),
            mutation=Mutate(space, options.mutation),
            eliminate_duplicates=True,
        )
        self._algorithm.mating.n_max_iterations = MATINGS
        self._algorithm.setup(problem(space, len(self.goals)), termination=NoTermination(), seed=options.seed, verbose=False)

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the next generation (`n` is not split); none when it is over."""
        self._pending = self._algorithm.ask() if self._generation < self.generations else None
        if self._pending is None or not len(self._pending):
            return np.zeros((0, len(self.space.values)))
        self._generation += 1
        positions = np.rint(self._pending.get("X")).astype(np.int64)
        return self.space.vectors(self.space.spread(positions[:, : len(self.space.free)]))

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Let the algorithm rank; it minimises, so the signs turn."""
        self._pending.set("F", -scores)
        for one in self._pending:
            one.evaluated = {"F"}
        self._algorithm.tell(infills=self._pending)

"""A genetic search by pymoo over positions in the value lists.

Crossover and mutation work on whole populations of integer arrays; a population is asked for at
once and evaluated in one compiled call by the engine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair

from backtester.optimisers import Plan, Space

CROSSOVER_ETA, MUTATION_ETA = 3.0, 3.0
"""Small values: children may land several places away, the lists are short."""


class Genetic:
    """pymoo's GA: tournament, simulated binary crossover, polynomial mutation, no duplicates, elitism."""

    def __init__(self, space: Space, plan: Plan) -> None:
        self.space = space
        self.free = np.flatnonzero(space.sizes > 1)
        self.population = int(min(plan.population, space.count))
        self.generations = plan.generations
        self.limit = plan.trials or self.population * plan.generations
        self.total = int(min(self.limit, self.population * plan.generations, space.count))
        self._asked = 0
        self._generation = 0
        self._pending: Any = None
        problem = Problem(
            n_var=max(len(self.free), 1), n_obj=1, xl=0, xu=np.maximum(space.sizes[self.free] - 1, 0) if len(self.free) else 0
        )
        self._algorithm = GA(
            pop_size=self.population,
            sampling=self._first(plan.seed).astype(float),
            crossover=SBX(prob=0.9, eta=CROSSOVER_ETA, vtype=float, repair=RoundingRepair()),
            mutation=PM(eta=MUTATION_ETA, vtype=float, repair=RoundingRepair()),
            eliminate_duplicates=True,
        )
        self._algorithm.setup(problem, termination=NoTermination(), seed=plan.seed, verbose=False)

    def _first(self, seed: int) -> NDArray[np.int64]:
        """Return the first population: the text's best, then random ones, each once where the space allows it."""
        if not len(self.free):
            return np.zeros((1, 1), dtype=np.int64)
        rng = np.random.default_rng(seed)
        sizes = self.space.sizes[self.free]
        best = np.array(self.space.best, dtype=np.int64)[self.free]
        chosen: dict[bytes, NDArray[np.int64]] = {}
        if (best >= 0).all():
            chosen[best.tobytes()] = best
        while len(chosen) < self.population:
            for row in rng.integers(0, sizes, size=(self.population * 2, len(sizes))):
                if len(chosen) < self.population:
                    chosen.setdefault(row.tobytes(), row)
        return np.array(list(chosen.values()))

    def ask(self, n: int) -> NDArray[np.int64]:
        """Return the next generation (`n` is not split: a population is one question); none when it is over."""
        width = len(self.space.values)
        over = self._generation >= self.generations or self._asked >= self.limit
        self._pending = None if over else self._algorithm.ask()
        if self._pending is None or not len(self._pending):
            return np.zeros((0, width), dtype=np.int64)
        positions = np.rint(self._pending.get("X")).astype(np.int64)
        out = np.zeros((len(positions), width), dtype=np.int64)
        if len(self.free):
            out[:, self.free] = positions
        self._generation += 1
        self._asked += len(out)
        return out

    def tell(self, indices: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Let the algorithm select; it minimises, so the sign turns."""
        self._pending.set("F", -scores[:, None])
        for one in self._pending:
            one.evaluated = {"F"}
        self._algorithm.tell(infills=self._pending)

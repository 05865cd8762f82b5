"""Optuna's samplers by ask and tell, in batches, kept in memory alone; a study's own store makes them resumable.

A variable whose values rise or fall is a whole position, one whose list has no order a category.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.optimisers import Goals, Space, options
from domain.errors import InputError

TRIALS, TRIALS_MAX = 1_000, 10_000
"""Optuna keeps every trial as an object and reads all of them for the next; the bound is that of workstation 10.2."""
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "tpe": ("TPESampler", {"constant_liar": True}),  # sets of one batch keep away from each other
    "random": ("RandomSampler", {}),
    "qmc": ("QMCSampler", {"scramble": True}),
    "nsga2": ("NSGAIISampler", {}),
    "nsga3": ("NSGAIIISampler", {}),
    "bruteforce": ("BruteForceSampler", {}),
}
"""Name → class of `optuna.samplers` and its arguments. CmaEs and GP need packages of their own; `cmaes` is a method here."""


@dataclass(frozen=True)
class TpeOptions(options.Options):
    """Of a search by Optuna.

    `batch` sets are asked for at once; `free_step` (자동스탭) takes every value between the ends of a range, not its steps
    alone; with `patience` it ends when so many trials in a row brought nothing better; `stom_stop` is STOM's rule: 0 then
    means as many as there are variables.
    """

    trials: int = options.option(TRIALS, 0, 10**12)
    batch: int = options.option(16, 1, 100_000)
    patience: int = options.option(0, 0, 1_000_000)
    stom_stop: bool = options.option(False)
    free_step: bool = options.option(False)


@dataclass(frozen=True)
class OptunaOptions(TpeOptions):
    """The same with a choice of sampler."""

    sampler: str = options.option("tpe", choices=tuple(SAMPLERS))


class Tpe:
    """Optuna's tree-structured Parzen estimator."""

    Options: type[TpeOptions] = TpeOptions
    goals: Goals = ()
    form = "grid"
    sampler = "tpe"

    def __init__(self, space: Space, options: TpeOptions) -> None:
        import optuna
        from optuna.distributions import CategoricalDistribution, IntDistribution

        if options.trials > TRIALS_MAX:
            raise InputError("optimise.option", option="trials", value=f"{options.trials:,}", allowed=f"1 … {TRIALS_MAX:,}")
        self.space = dense(space) if options.free_step else space
        self.total = min(options.trials or TRIALS, self.space.count)
        self.batch = options.batch
        self.patience = options.patience or (max(len(space.free), 1) if options.stom_stop else 0)
        self._kinds = {
            str(k): IntDistribution(0, int(self.space.sizes[k]) - 1)
            if self.space.ordered[k]
            else CategoricalDistribution(tuple(range(int(self.space.sizes[k]))))
            for k in self.space.free
        }
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        name, more = SAMPLERS[self.sampler]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some samplers are marked experimental; the version is locked
            sampler = getattr(optuna.samplers, name)(seed=options.seed, **more)
        self._study = optuna.create_study(sampler=sampler, direction="maximize")
        self._pending: list[Any] = []
        self._asked, self._waited, self._best = 0, 0, -np.inf
        self._over = False

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return a batch; the samplers see only what was told before it."""
        count = 0 if self._over else min(self.batch, self.total - self._asked)
        self._asked += count
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._pending = [self._study.ask(self._kinds) for _ in range(count)]
        indices = np.zeros((count, len(self.space.values)), dtype=np.int64)
        for row, trial in enumerate(self._pending):
            for name, place in trial.params.items():
                indices[row, int(name)] = place
        return self.space.vectors(indices)

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Tell the study each score in its order."""
        for score in scores.tolist():
            self._waited = 0 if score > self._best else self._waited + 1
            self._best = max(self._best, score)
            if self.patience and self._waited >= self.patience:
                self._over = True
        if self._over or self._asked >= self.total:
            return  # nothing more is asked; brute force would want to stop a loop that is not there
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for trial, score in zip(self._pending, scores.tolist(), strict=True):
                self._study.tell(trial, score)


class OptunaSearch(Tpe):
    """Any of Optuna's samplers by its name."""

    Options = OptunaOptions

    def __init__(self, space: Space, options: OptunaOptions) -> None:
        self.sampler = options.sampler
        super().__init__(space, options)


def dense(space: Space) -> Space:
    """Return the space with every whole number, or every hundredth, between the ends of each ordered list."""
    values, best = [], []
    for own, place, ordered in zip(space.values, space.best, space.ordered, strict=True):
        if len(own) > 1 and ordered:
            unit = 1.0 if all(value.is_integer() for value in own) else 0.01
            low, high = min(own), max(own)
            filled = tuple(round(low + k * unit, 2) for k in range(round((high - low) / unit) + 1))
            values.append(filled)
            best.append(filled.index(round(own[place], 2)) if place >= 0 else -1)
        else:
            values.append(own)
            best.append(place)
    return Space(tuple(values), tuple(best))

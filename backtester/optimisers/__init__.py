"""The list of optimisers, one line each: name → module and class.

An optimiser is one file with a class of the shape of `Optimiser`; it knows nothing of strategies, rows or threads.
A seeded optimiser that is told the same answers asks the same questions: that is how a study resumes.
docs/adding-an-optimiser.md says how to add one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backtester.optimisers.options import Entry, Options, entries, read_options
from domain.errors import InputError

__all__ = ["METHODS", "Entry", "Goals", "Optimiser", "Space", "entries", "every_option", "make", "optimiser", "read_options"]

METHODS = {
    "ga": ("backtester.optimisers.genetic", "Genetic"),
    "grid": ("backtester.optimisers.grid", "Grid"),
    "sweep": ("backtester.optimisers.sweep", "Sweep"),
    "ga-stom": ("backtester.optimisers.genetic_stom", "GeneticStom"),
    "nsga2": ("backtester.optimisers.nsga2", "Nsga2"),
    "cmaes": ("backtester.optimisers.cma_search", "CmaSearch"),
    "tpe": ("backtester.optimisers.optuna_search", "Tpe"),
    "optuna": ("backtester.optimisers.optuna_search", "OptunaSearch"),
    "random": ("backtester.optimisers.draws", "RandomSearch"),
    "conditions": ("backtester.optimisers.conditions", "Conditions"),
    "quasi": ("backtester.optimisers.draws", "QuasiSearch"),
}

Goals = tuple[tuple[str, int], ...]
"""Metrics of a search with several goals, each with +1 (more is better) or −1 (less is better)."""


@dataclass(frozen=True)
class Space:
    """The values each variable may take.

    Parameters
    ----------
    values : tuple of tuple of float
        Values of `self.vars[i]` at position i; a variable that is not searched has one.
    best : tuple of int
        Position of the starting value in each list; −1 where the text's best is not in the list.
    groups : tuple of tuple of int
        Of a conditions search: the variables that switch the buy lines, and those of the sell lines; else empty.
    """

    values: tuple[tuple[float, ...], ...]
    best: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...] = ()

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Number of values of each variable."""
        return np.array([len(one) for one in self.values], dtype=np.int64)

    @cached_property
    def free(self) -> NDArray[np.int64]:
        """Indices of the variables that have more than one value."""
        return np.flatnonzero(self.sizes > 1)

    @property
    def count(self) -> int:
        """Number of combinations, exact."""
        total = 1
        for one in self.values:
            total *= len(one)
        return total

    @cached_property
    def ordered(self) -> NDArray[np.bool_]:
        """Whether the values of each variable rise or fall; a list that does neither is a choice without neighbours."""
        steps = [np.diff(np.array(one)) for one in self.values]
        return np.array([bool((one > 0).all() or (one < 0).all()) for one in steps])

    def vectors(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return `self.vars` of each row of `indices`, positions in the lists."""
        out = np.empty(indices.shape, dtype=np.float64)
        for k, values in enumerate(self.values):
            out[:, k] = np.array(values, dtype=np.float64)[indices[:, k]]
        return out

    def spread(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return whole rows of indices from the positions of the free variables alone."""
        out = np.zeros((len(positions), len(self.values)), dtype=np.int64)
        out[:, self.free] = positions
        return out


class Optimiser(Protocol):
    """The shape of an optimiser.

    Attributes
    ----------
    Options : type
        Its options, below `options.Options`.
    goals : Goals
        Empty for one goal, the study's objective.
    form : {"grid", "list", "lines"}
        How a range text is read for it when nobody says (`backtester.ranges`); "lines" searches condition lines instead.
    total : int
        Evaluations it means to ask for, for progress.
    """

    Options: type[Options]
    goals: Goals
    form: str
    total: int

    def __init__(self, space: Space, options: Any) -> None: ...

    def ask(self, n: int) -> NDArray[np.float64]:
        """Return the next parameter sets, float64 (k, variables): about `n` at most, fewer where a batch ends; none when it is over."""

    def tell(self, vectors: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
        """Hear the answer to the whole of the last ask, higher is better: shape (k,), with several goals (k, goals)."""


def optimiser(method: str) -> type[Optimiser]:
    """Return the class of a method; InputError ``optimise.method`` for an unknown name."""
    if method not in METHODS:
        raise InputError("optimise.method", method=method, methods=", ".join(METHODS))
    module, name = METHODS[method]
    found: type[Optimiser] = getattr(importlib.import_module(module), name)
    return found


def make(method: str, space: Space, given: Mapping[str, Any]) -> Optimiser:
    """Return the optimiser `method` with its options; InputError for an unknown name, option or value."""
    made = optimiser(method)
    return made(space, read_options(method, made.Options, given))


def every_option() -> dict[str, Entry]:
    """Return each option of each method once, by name, with the default of the first method that has it."""
    found: dict[str, Entry] = {}
    for method in METHODS:
        for one in entries(optimiser(method).Options):
            found.setdefault(one.name, one)
    return found

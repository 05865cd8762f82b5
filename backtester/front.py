"""The sets of a search with several goals that no other set beats in all of them: its Pareto front."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.metrics import METRIC_KEYS, named
from backtester.optimisers import Goals

SLICE = 1_000
"""Newcomers compared at once; the comparison is of each with each."""


class Front:
    """Grows with a search; what it holds is the front alone.

    Parameters
    ----------
    goals : Goals
        Metrics with their signs.
    """

    def __init__(self, goals: Goals) -> None:
        self.goals = goals
        self._columns = np.array([METRIC_KEYS.index(name) for name, _ in goals], dtype=np.int64)
        self._signs = np.array([sign for _, sign in goals], dtype=np.float64)
        self._numbers = np.zeros(0, dtype=np.int64)
        self._rows = np.zeros((0, 0))  # vector, score, metrics, side by side
        self._values = np.zeros((0, len(goals)))

    def of(self, metrics: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the goals of each row of `metrics`, higher is better."""
        return metrics[:, self._columns] * self._signs

    def add(
        self, first: int, vectors: NDArray[np.float64], scores: NDArray[np.float64], metrics: NDArray[np.float64], fair: NDArray[np.bool_]
    ) -> None:
        """Take in the trials `first` …; those that are not `fair` (no trades, outside the limits) cannot enter."""
        from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

        for start in range(0, len(scores), SLICE):
            stop = start + SLICE
            chosen = fair[start:stop]
            if not chosen.any():
                continue
            rows = np.column_stack([vectors[start:stop], scores[start:stop], metrics[start:stop]])[chosen]
            numbers = first + start + np.flatnonzero(chosen)
            values = np.concatenate([self._values, self.of(metrics[start:stop][chosen])])
            rows = np.concatenate([self._rows, rows]) if len(self._rows) else rows
            numbers = np.concatenate([self._numbers, numbers])
            # Of sets that are worth the same in every goal the first one stands for all.
            _, single = np.unique(values, axis=0, return_index=True)
            single = np.sort(single)
            kept = np.sort(single[NonDominatedSorting().do(-values[single], only_non_dominated_front=True)])
            self._numbers, self._rows, self._values = numbers[kept], rows[kept], values[kept]

    def result(self) -> list[dict[str, Any]]:
        """Return the front as the store and `--json` hold it, the best in the first goal first."""
        width = self._rows.shape[1] - 1 - len(METRIC_KEYS)
        out = []
        for k in np.argsort(-self._values[:, 0], kind="stable"):
            row, metrics = self._rows[k], named(self._rows[k, width + 1 :])
            out.append(
                {
                    "number": int(self._numbers[k]),
                    "vars": row[:width].tolist(),
                    "score": float(row[width]),
                    "goals": {name: float(self._values[k, g] * sign) for g, (name, sign) in enumerate(self.goals)},
                    "metrics": {key: metrics[key] for key in METRIC_KEYS},
                }
            )
        return out

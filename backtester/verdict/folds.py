"""The score of a set on train and validation parts (workstation 9.4): one engine run over all days, metrics of each part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Prepared
from backtester.executors import LocalExecutor
from backtester.metrics import NO_TRADES, OUT_OF_LIMITS, Limits, objective, scores
from backtester.verdict.parts import Part
from backtester.verdict.splits import Division, fold_weights


class Folds:
    """Train and validation parts of a search.

    Parameters
    ----------
    prepared : Prepared
        Of the search's days.
    division : Division
        Each of its folds has validation days.
    weighted : bool
        교차검증가중치: recent folds weigh more.
    executor : LocalExecutor
    """

    def __init__(self, prepared: Prepared, division: Division, weighted: bool, executor: LocalExecutor) -> None:
        self._parts = [(Part(prepared, fold.train, executor), Part(prepared, fold.test, executor)) for fold in division.folds]
        self._weights = fold_weights(len(division.folds), weighted)
        self._betting = prepared.options.betting

    def scores(self, name: str, raw: NDArray[np.float64], sets: int, limits: Limits) -> NDArray[np.float64]:
        """Return the mean over folds of train · validation · weight, below 0 where both are; TG counts in bettings.

        A set that is outside the limits, or never trades, on any training part is given that penalty; validation is never limited.
        """
        unit = self._betting if name == "TG" else 1.0
        out, penalty = np.zeros(sets), np.zeros(sets)
        for (train, valid), weight in zip(self._parts, self._weights.tolist(), strict=True):
            inside = train.metrics(raw, sets)
            gained = scores(name, inside, self._betting, limits)
            # The lower of the two numbers is "outside the limits", and that is the one that is kept.
            penalty = np.minimum(penalty, np.where((gained == NO_TRADES) | (gained == OUT_OF_LIMITS), gained, 0.0))
            a = gained / unit
            b = objective(name, valid.metrics(raw, sets), self._betting) / unit
            out += np.where((a < 0.0) & (b < 0.0), -a * b, a * b) * weight
        return np.where(penalty < 0.0, penalty, out / len(self._parts))

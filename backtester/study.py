"""A search: an optimiser that proposes, an engine that evaluates, a store that remembers.

The optimiser and the engine do not know each other. Every trial that is evaluated is stored with the
batch it was in; a resumed search asks its seeded optimiser again from the start and answers from the
store, so it ends exactly where an uninterrupted one would have.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Engine, Prepared
from backtester.metrics import METRIC_KEYS, Limits, Metrics, named, scores
from backtester.optimisers import Optimiser, Space
from storage.studies import Studies, Trials

FIRST_CHUNK = 8
CHUNK_SECONDS = 0.5
"""A compiled call is kept about this long, so that a stop is obeyed within two seconds."""
CHUNK_TRADES = 2_000_000
"""Trades a compiled call may keep at once (about 190 MB)."""


@dataclass
class Progress:
    """How far a search is; handed to the watcher after every compiled call."""

    done: int
    total: int
    rate: float
    left_s: float
    best: float
    note: str = ""


@dataclass
class Outcome:
    """What a search found."""

    state: str = "running"  # running, stopped, done
    evaluations: int = 0
    resumed: int = 0
    engine_seconds: float = 0.0
    search_seconds: float = 0.0
    best_vector: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    best_score: float = -np.inf
    best_metrics: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(METRIC_KEYS)))
    best_number: int = -1

    def result(self) -> dict[str, Any]:
        """Return what the store keeps of it."""
        return {
            "evaluations": self.evaluations + self.resumed,
            "engine_seconds": self.engine_seconds,
            "best": {"vars": self.best_vector.tolist(), "score": self.best_score, "metrics": named(self.best_metrics)},
        }


class Search:
    """Runs an optimiser over prepared rows until it is done or stopped.

    Parameters
    ----------
    engine, prepared, metrics
        What evaluates.
    optimiser, space
        What proposes.
    objective : str
        Code of workstation 9.2.
    limits : Limits
    store, study : Studies, str
        Where trials go.
    batch : int
        How many sets the optimiser is asked for at once.
    """

    def __init__(
        self,
        engine: Engine,
        prepared: Prepared,
        metrics: Metrics,
        optimiser: Optimiser,
        space: Space,
        objective: str,
        limits: Limits,
        store: Studies,
        study: str,
        batch: int,
    ) -> None:
        self.engine, self.prepared, self.metrics = engine, prepared, metrics
        self.optimiser, self.space = optimiser, space
        self.objective, self.limits = objective, limits
        self.store, self.study, self.batch = store, study, batch
        self.outcome = Outcome()
        self._known: dict[bytes, float] = {}
        self._stored = 0
        self._pace = 0.0  # seconds a set
        self._trades = 1.0  # trades a set

    def recall(self, trials: Trials) -> None:
        """Take over the trials of an earlier, interrupted run of this study."""
        for number in range(len(trials)):
            self._known[trials.vectors[number].tobytes()] = float(trials.scores[number])
            self._better(number, trials.vectors[number], float(trials.scores[number]), trials.metrics[number])
        self._stored = self.outcome.resumed = len(trials)

    def run(self, stop: Callable[[], bool], watch: Callable[[Progress], None]) -> Outcome:
        """Ask, evaluate, store and tell until the optimiser is done or `stop()` is true.

        Returns
        -------
        Outcome
            Its state is ``done``, or ``stopped`` with every finished trial stored.
        """
        started = time.perf_counter()
        out = self.outcome
        seen = 0
        while len(indices := self.optimiser.ask(self.batch)):
            vectors = self.space.vectors(indices)
            if not self._evaluate(vectors, stop, lambda: self._tell(watch, started)):
                out.state = "stopped"
                break
            told = np.array([self._known[vector.tobytes()] for vector in vectors], dtype=np.float64)
            self.optimiser.tell(indices, told)
            seen += len(indices)
            self._tell(watch, started)
        else:
            out.state = "done"
        out.search_seconds = time.perf_counter() - started
        return out

    def _evaluate(self, vectors: NDArray[np.float64], stop: Callable[[], bool], told: Callable[[], None]) -> bool:
        """Evaluate what is not known yet, in compiled calls of bounded length; False when it was stopped."""
        fresh: dict[bytes, NDArray[np.float64]] = {}
        for vector in vectors:
            key = vector.tobytes()
            if key not in self._known:
                fresh.setdefault(key, vector)
        rest = np.array(list(fresh.values()), dtype=np.float64).reshape(len(fresh), vectors.shape[1])
        while len(rest):
            if stop():
                return False
            size = self._chunk()
            part, rest = rest[:size], rest[size:]
            started = time.perf_counter()
            result = self.engine.run(self.prepared, part)
            values = self.metrics.of(result.raw, len(part))
            gained = scores(self.objective, values, self.prepared.options.betting, self.limits)
            self._pace = (time.perf_counter() - started) / len(part)
            self._trades = max(len(result.raw) / len(part), 1.0)
            self.store.add_trials(self.study, self._stored, part, gained, values)
            for k, vector in enumerate(part):
                self._known[vector.tobytes()] = float(gained[k])
                self._better(self._stored + k, vector, float(gained[k]), values[k])
            self._stored += len(part)
            self.outcome.evaluations += len(part)
            self.outcome.engine_seconds += result.seconds
            told()
        return True

    def _chunk(self) -> int:
        if not self._pace:
            return FIRST_CHUNK
        return int(max(self.engine.executor.workers, min(CHUNK_SECONDS / self._pace, CHUNK_TRADES / self._trades, 100_000)))

    def _better(self, number: int, vector: NDArray[np.float64], score: float, metrics: NDArray[np.float64]) -> None:
        if score > self.outcome.best_score:  # the first one on a tie
            self.outcome.best_score, self.outcome.best_number = score, number
            self.outcome.best_vector, self.outcome.best_metrics = vector.copy(), metrics.copy()

    def _tell(self, watch: Callable[[Progress], None], started: float) -> None:
        elapsed = time.perf_counter() - started
        rate = self.outcome.evaluations / elapsed if elapsed > 0 else 0.0
        done = self._stored
        left = (self.optimiser.total - done) / rate if rate > 0 else 0.0
        watch(Progress(done, max(self.optimiser.total, done), rate, max(left, 0.0), self.outcome.best_score))

"""A search: an optimiser that proposes, an engine that evaluates, a store that remembers.

The optimiser and the engine do not know each other. Every trial is stored with its figures; a resumed search asks
its seeded optimiser again from the start and answers from the store, so it ends exactly where an uninterrupted one
would have. A set that any study has evaluated on the same data, program, code and settings is not evaluated again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backtester import far
from backtester.engine import Engine, Prepared
from backtester.executors.base import Stop
from backtester.front import Front
from backtester.ground import Ground, Origin
from backtester.known import Known
from backtester.metrics import METRIC_KEYS, NO_TRADES, OUT_OF_LIMITS, Limits, Metrics, named, scores
from backtester.optimisers import Optimiser
from storage.evaluations import keys_of
from storage.studies import Studies, Trials

ASK = 4_096
"""Sets an optimiser is asked for at once; a population may answer with more."""
FIRST_CHUNK = 8
CHUNK_TRADES = 2_000_000
"""Trades a compiled call may keep at once (about 190 MB, and as much to sort them by set)."""
ROWS_A_TRADE = 10
"""A call keeps no more trades than one for so many rows, so that they stay small beside the columns; 100,000 are always allowed."""


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
    evaluations: int = 0  # new trials, those whose figures another study had included
    cached: int = 0
    resumed: int = 0
    engine_seconds: float = 0.0
    search_seconds: float = 0.0
    best_vector: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    best_score: float = -np.inf
    best_metrics: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(METRIC_KEYS)))
    best_number: int = -1
    front: list[dict[str, Any]] | None = None

    def result(self) -> dict[str, Any]:
        """Return what the store keeps of it."""
        return {
            "evaluations": self.evaluations + self.resumed,
            "engine_seconds": self.engine_seconds,
            "best": {"vars": self.best_vector.tolist(), "score": self.best_score, "metrics": named(self.best_metrics)},
            "front": self.front,
        }


class Scores(Protocol):
    """What makes a score of a whole run's trades (backtester/verdict/folds.py)."""

    def scores(self, name: str, raw: NDArray[np.float64], sets: int, limits: Limits) -> NDArray[np.float64]: ...


class Search:
    """Runs an optimiser over prepared rows until it is done or stopped.

    Parameters
    ----------
    engine, prepared, metrics
        What evaluates.
    optimiser : Optimiser
        What proposes.
    objective : str
        Code of workstation 9.2.
    limits : Limits
    store, study : Studies, str
        Where trials go.
    context : bytes
        Digest of all that decides a figure but the set itself (`backtester.job.context`); empty keeps and takes nothing
        for and from other studies.
    trials : int
        Upper bound of trials; 0 means none.
    folds : Scores, optional
        Train and validation parts that make the score; the metrics stay those of all `prepared`. `context` must be empty then.
    origin : Origin, optional
        Where `prepared` comes from; an executor that works elsewhere needs it.
    """

    def __init__(
        self,
        engine: Engine,
        prepared: Prepared,
        metrics: Metrics,
        optimiser: Optimiser,
        objective: str,
        limits: Limits,
        store: Studies,
        study: str,
        context: bytes = b"",
        trials: int = 0,
        folds: Scores | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.folds = folds
        self.prepared, self.executor = prepared, engine.executor
        self.ground = Ground(engine, prepared, metrics, origin)
        self.optimiser = optimiser
        self.objective, self.limits = objective, limits
        self.store, self.study, self.context, self.most = store, study, context, trials
        self.outcome = Outcome()
        self.front = Front(optimiser.goals) if optimiser.goals else None
        self._known = Known(len(optimiser.goals) or 1)
        self._pace = 0.0  # seconds a set
        self._trades = 1.0  # trades a set

    def recall(self, trials: Trials) -> None:
        """Take over the trials of an earlier, interrupted run of this study."""
        if len(trials):
            self._take(keys_of(self.context, trials.vectors), trials.vectors, trials.scores, trials.metrics)
        self.outcome.resumed = len(trials)

    def run(self, stop: Callable[[], bool], watch: Callable[[Progress], None]) -> Outcome:
        """Ask, evaluate, store and tell until the optimiser is done or `stop()` is true.

        Returns
        -------
        Outcome
            Its state is ``done``, or ``stopped`` with every finished trial stored.
        """
        started = time.perf_counter()
        out = self.outcome
        while len(vectors := self.optimiser.ask(ASK)):
            keys = keys_of(self.context, vectors)
            # Where everything is known already nothing else would notice the wish.
            if stop() or not self._evaluate(keys, vectors, stop, lambda: self._tell(watch, started)):
                out.state = "stopped"
                break
            places = self._known.find(keys)
            if (places < 0).any():  # the bound on trials cut the batch: this is the end
                out.state = "done"
                break
            answers = self._known.answers(places)
            self.optimiser.tell(vectors, answers if self.front else answers[:, 0])
            self._tell(watch, started)
        else:
            out.state = "done"
        out.search_seconds = time.perf_counter() - started
        out.front = None if self.front is None else self.front.result()
        return out

    def _evaluate(self, keys: list[bytes], vectors: NDArray[np.float64], stop: Stop, told: Callable[[], None]) -> bool:
        """Evaluate what is not known yet, in compiled calls of bounded length; False when it was stopped."""
        new = {keys[k]: k for k in np.flatnonzero(self._known.find(keys) < 0)[::-1].tolist()}  # the first of equals
        places = sorted(new.values())
        if self.most:
            places = places[: max(self.most - len(self._known), 0)]
        found = self.store.evaluated([keys[k] for k in places], len(METRIC_KEYS)) if self.context else {}
        rows = {places[k]: row for k, row in found.items()}
        while places:
            if stop():
                return False
            computed = np.cumsum([place not in rows for place in places])  # only these take time
            size = max(int(np.searchsorted(computed, self._chunk(), side="right")), 1)
            part, places = places[:size], places[size:]
            found_here = {k: rows[place] for k, place in enumerate(part) if place in rows}
            if not self._answer([keys[k] for k in part], vectors[part], found_here, stop):
                return False
            told()
        return True

    def _answer(self, keys: list[bytes], vectors: NDArray[np.float64], found: dict[int, NDArray[np.float64]], stop: Stop) -> bool:
        """Give these new sets their figures, those `found` in other studies or the executor's, and store them.

        False when it was stopped before all of them had theirs: those before the first without are stored.
        """
        values = np.empty((len(keys), len(METRIC_KEYS)), dtype=np.float64)
        rest = [k for k in range(len(keys)) if k not in found]
        for k, row in found.items():
            values[k] = row
        whole = True
        if rest:
            started = time.perf_counter()
            answer = self.executor.evaluate(self.ground, vectors[rest], self.folds is not None, stop)
            done = len(answer.metrics)
            whole = done == len(rest)
            values[rest[:done]] = answer.metrics
            if not whole:
                first = rest[done]
                keys, vectors, values = keys[:first], vectors[:first], values[:first]
                found = {k: row for k, row in found.items() if k < first}
            if not keys:
                return False
            if self.folds is not None and answer.raw is not None:  # nothing comes from other studies then: the rest is all
                gained = self.folds.scores(self.objective, answer.raw, len(keys), self.limits)
            self.outcome.engine_seconds += answer.seconds
            if done:
                self._pace = (time.perf_counter() - started) / done
                self._trades = max(answer.trades / done, 1.0)
        if self.folds is None:
            gained = scores(self.objective, values, self.prepared.options.betting, self.limits)
        self.store.add_trials(self.study, len(self._known), vectors, gained, values, keys if self.context else ())
        self._take(keys, vectors, gained, values)
        self.outcome.evaluations += len(keys)
        self.outcome.cached += len(found)
        return whole

    def _take(self, keys: list[bytes], vectors: NDArray[np.float64], gained: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        """Remember answered sets, the best of them and the front."""
        first = len(self._known)
        top = int(np.argmax(gained))
        if gained[top] > self.outcome.best_score:  # the first one on a tie
            self.outcome.best_score, self.outcome.best_number = float(gained[top]), first + top
            self.outcome.best_vector, self.outcome.best_metrics = vectors[top].copy(), values[top].copy()
        if self.front is None:
            self._known.add(keys, gained[:, None])
            return
        fair = (gained != NO_TRADES) & (gained != OUT_OF_LIMITS)
        self.front.add(first, vectors, gained, values, fair)
        # What is penalised is worse than anything in every goal.
        self._known.add(keys, np.where(fair[:, None], self.front.of(values), gained[:, None]))

    def _chunk(self) -> int:
        if not self._pace:
            return FIRST_CHUNK
        seconds = far.CHUNK_SECONDS if self.prepared.window_rows else self.executor.chunk_seconds
        trades = min(CHUNK_TRADES, max(self.prepared.rows // ROWS_A_TRADE, 100_000))
        return int(max(self.executor.workers, min(seconds / self._pace, trades / self._trades, 100_000)))

    def _tell(self, watch: Callable[[Progress], None], started: float) -> None:
        elapsed = time.perf_counter() - started
        rate = self.outcome.evaluations / elapsed if elapsed > 0 else 0.0
        done = len(self._known)
        total = min(self.optimiser.total, self.most) if self.most else self.optimiser.total
        left = (total - done) / rate if rate > 0 else 0.0
        watch(Progress(done, max(total, done), rate, max(left, 0.0), self.outcome.best_score))

"""Running the queue: one job after the other, each turn once, whatever happens in between.

There is one runner a data directory (a lock that goes with its process). What a job does is given in from
outside: a function of the job, its turn and a watcher that returns the command's result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from backtester.schedule import read
from domain.errors import DataError, StomError
from storage.batches import DONE, FAILED, MISSED, Batches, BatchJob, Turn

ATTEMPTS_MAX = 3
BACK_OFF_S = (30, 120)
GRACE_S = 12 * 3_600
"""A repeated job that is found later than this after its time is left out until its next one."""
POLL_S = 1.0
PROGRESS_S = 1.0
NS = 10**9

Watch = Callable[[dict[str, Any]], None]


class Execute(Protocol):
    """Does what a job's words say; returns the command's result, raises StomError where the command would."""

    def __call__(self, job: BatchJob, turn: Turn, watch: Watch) -> dict[str, Any]: ...


class Interrupted(Exception):
    """The job was stopped by a person; `study` is what can be gone on with."""

    def __init__(self, study: str = "") -> None:
        super().__init__(study)
        self.study = study


@dataclass
class Tally:
    """What a runner did."""

    done: int = 0
    failed: int = 0
    missed: int = 0
    retried: int = 0
    recovered: int = 0
    stopped: bool = False
    jobs: list[dict[str, Any]] = field(default_factory=list)


class Runner:
    """Takes jobs from the queue until there is none due, or until it is stopped.

    Parameters
    ----------
    store : Batches
    execute : Execute
    wish : Event
        Set by whoever wants it to stop.
    told : callable
        Hears of every job that begins and ends.
    now : callable
        Nanoseconds UTC.
    """

    def __init__(
        self,
        store: Batches,
        execute: Execute,
        wish: threading.Event,
        told: Callable[[str, dict[str, Any]], None],
        now: Callable[[], int] = time.time_ns,
        grace_s: float = GRACE_S,
    ) -> None:
        self.store, self.execute = store, execute
        self.wish, self.told, self.now, self.grace_s = wish, told, now, grace_s
        self.tally = Tally()

    def run(self, only: Sequence[int] | None = None, stay: bool = False) -> Tally:
        """Run what is due (or the jobs named, due or not); with `stay` wait for what will be due, until the wish."""
        self.tally.recovered = len(self.store.recover())
        while not self.wish.is_set():
            now = self.now()
            taken = self.store.begin(now, only)
            if taken is not None:
                self._turn(*taken, late_s=(now - taken[1].due_ns) / NS if taken[1].began_ns == now and only is None else 0.0)
                # A job that was named is run once here; a retry of it waits for its time.
                only = None if only is None else [one for one in only if one != taken[0].job]
                continue
            if not stay or only is not None:
                break
            self.wish.wait(POLL_S)
        self.tally.stopped = self.wish.is_set()
        return self.tally

    def _turn(self, job: BatchJob, turn: Turn, late_s: float) -> None:
        if job.schedule and turn.due_ns and late_s > self.grace_s:
            self._end(job, turn, MISSED, {"late_s": round(late_s)})
            return
        if turn.attempts > ATTEMPTS_MAX:
            self._end(job, turn, FAILED, {"code": "batch.gave_up", "fields": {"attempts": ATTEMPTS_MAX}})
            return
        self.told("begin", {"job": job.job, "turn": turn.turn, "words": job.words})
        try:
            result = self.execute(job, turn, self._watcher(turn))
        except Interrupted as stop:
            self._put_back(job, turn, stop.study)
        except StomError as error:
            self._failed(job, turn, error)
        else:
            if result.get("state") == "stopped":
                self._put_back(job, turn, str(result.get("study", "")))
            else:
                self._end(job, turn, DONE, result)

    def _watcher(self, turn: Turn) -> Watch:
        last = 0.0

        def watch(told: dict[str, Any]) -> None:
            nonlocal last
            if told.get("study") and "done" not in told:
                self.store.tell(turn, study=str(told["study"]))
            elif "done" in told and time.monotonic() - last >= PROGRESS_S:
                last = time.monotonic()
                self.store.tell(turn, progress=told)

        return watch

    def _put_back(self, job: BatchJob, turn: Turn, study: str) -> None:
        if study:
            self.store.tell(turn, study=study)
        self.store.put_back(turn, 0, kept_attempts=False)
        self.wish.set()
        self.told("stopped", {"job": job.job, "study": study})

    def _failed(self, job: BatchJob, turn: Turn, error: StomError) -> None:
        again = isinstance(error, DataError) and turn.attempts < ATTEMPTS_MAX
        body = {"code": error.code, "fields": {key: str(value) for key, value in error.fields.items()}}
        if not again:  # what is wrong in the words stays wrong
            self._end(job, turn, FAILED, body)
            return
        wait_s = BACK_OFF_S[min(turn.attempts, len(BACK_OFF_S)) - 1]
        self.store.put_back(turn, self.now() + wait_s * NS)
        self.tally.retried += 1
        self.told("again", {"job": job.job, "wait_s": wait_s, **body})

    def _end(self, job: BatchJob, turn: Turn, state: str, result: dict[str, Any]) -> None:
        schedule = read(job.schedule)
        now = self.now()
        self.store.finish(turn, state, result, now, None if schedule is None else schedule.after(now))
        self.tally.done += state == DONE
        self.tally.failed += state == FAILED
        self.tally.missed += state == MISSED
        self.tally.jobs.append({"job": job.job, "turn": turn.turn, "state": state, "result": result})
        self.told(state, {"job": job.job, "turn": turn.turn, **result})

"""Requests in the order of their urgency, no faster than the venue's limits allow.

A request whose window is open leaves in the caller's thread at once. Otherwise it waits here: urgent
ones (cancels, exits, queries) before the others, older before younger, and never behind a group that is
still closed. What would have to wait longer than it may is answered NOT_SENT.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from utility.http_answer import NOT_SENT, Answer
from utility.http_pool import Build, Done, HttpPool
from utility.rate_limit import RateLimiter

WAITING_MAX = 1000


class Errand(NamedTuple):
    """A request with its price.

    Parameters
    ----------
    lane : str
        Lane of the pool.
    group : str
        Group of the limiter.
    cost : float
        Tokens.
    is_urgent : bool
        May use the reserved share, and goes before what is not.
    patience_s : float
        How long it may wait for the limiter.
    """

    lane: str
    group: str
    cost: float
    is_urgent: bool
    patience_s: float
    build: Build
    done: Done


class Courier:
    """A pool behind a limiter. `done` hears each answer once, from a thread that is not the caller's."""

    def __init__(self, pool: HttpPool, limiter: RateLimiter, *, on_answer: Callable[[Errand, Answer], None] | None = None) -> None:
        self._pool = pool
        self._limiter = limiter
        self._on_answer = on_answer
        self._wake = threading.Condition()
        self._waiting: list[tuple[bool, int, float, Errand]] = []
        self._failed: list[tuple[Errand, Answer]] = []
        self._count = 0
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"{pool.name}-courier", daemon=True)
        self._thread.start()

    def send(self, errand: Errand) -> None:
        """Send, or keep until the limiter allows it; never waits."""
        if not self._must_queue(errand):
            wait = self._limiter.take(errand.group, errand.cost, is_urgent=errand.is_urgent)
            if wait == 0.0:
                self._post(errand)
                return
            if wait > errand.patience_s:
                self.refuse(errand, "venue.rate_limit_local", wait)
                return
        with self._wake:
            if self._is_closed or len(self._waiting) >= WAITING_MAX:
                self._failed.append((errand, Answer(failure=NOT_SENT, code="venue.queue_full")))
            else:
                self._count += 1
                heapq.heappush(self._waiting, (not errand.is_urgent, self._count, time.monotonic() + errand.patience_s, errand))
            self._wake.notify()

    def request(self, errand: Errand) -> Answer:
        """Send and wait for the answer (reads that may block)."""
        heard = threading.Event()
        answers: list[Answer] = []

        def done(answer: Answer) -> None:
            answers.append(answer)
            heard.set()

        self.send(errand._replace(done=done))
        # Limiter, queue, connect and answer each have their own bound; this is their sum.
        if not heard.wait(errand.patience_s + 15.0):
            return Answer(failure=NOT_SENT, code="venue.no_connection")
        return answers[0]

    def close(self) -> None:
        """Answer what waits and stop; the pool is closed by its owner."""
        with self._wake:
            self._is_closed = True
            self._failed += [(errand, Answer(failure=NOT_SENT, code="venue.closed")) for _, _, _, errand in self._waiting]
            self._waiting.clear()
            self._wake.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _must_queue(self, errand: Errand) -> bool:
        """Tell whether somebody of the same group, at least as urgent, waits already."""
        if not self._waiting:
            return False
        with self._wake:
            return any(other.group == errand.group and (other.is_urgent or not errand.is_urgent) for _, _, _, other in self._waiting)

    def _post(self, errand: Errand) -> None:
        def done(answer: Answer) -> None:
            if answer.failure == NOT_SENT:
                self._limiter.give_back(errand.group, errand.cost)
            if self._on_answer is not None:
                self._on_answer(errand, answer)
            errand.done(answer)

        self._pool.send(errand.lane, errand.build, done)

    def refuse(self, errand: Errand, code: str, retry_after_s: float = 0.0) -> None:
        """Answer an errand NOT_SENT, from this object's thread."""
        with self._wake:
            self._failed.append((errand, Answer(failure=NOT_SENT, code=code, retry_after_s=retry_after_s)))
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                failed, self._failed = self._failed, []
                if not failed:
                    if self._is_closed:
                        return
                    ready, wait = self._due()
                    if not ready and not self._failed:
                        self._wake.wait(wait)
                        continue
                else:
                    ready = []
            for errand, answer in failed:
                errand.done(answer)
            for errand in ready:
                self._post(errand)

    def _due(self) -> tuple[list[Errand], float | None]:
        """Return what may go now, and else the seconds until something may; the caller holds the lock."""
        if not self._waiting:
            return [], None
        now = time.monotonic()
        shortest = 60.0
        closed: set[tuple[str, bool]] = set()
        ready: list[Errand] = []
        kept: list[tuple[bool, int, float, Errand]] = []
        for item in sorted(self._waiting, key=lambda entry: entry[:2]):
            _, _, expires, errand = item
            if expires < now:
                wait = self._limiter.silent_s()
                self._failed.append((errand, Answer(failure=NOT_SENT, code="venue.rate_limit_local", retry_after_s=wait)))
                continue
            key = (errand.group, errand.is_urgent)
            wait = 0.0 if key not in closed else 1.0
            if key not in closed:
                wait = self._limiter.take(errand.group, errand.cost, is_urgent=errand.is_urgent)
                if wait == 0.0:
                    ready.append(errand)
                    continue
                closed.add(key)
                if errand.is_urgent:
                    closed.add((errand.group, False))
                shortest = min(shortest, wait)
            shortest = min(shortest, max(expires - now, 0.001))
            kept.append(item)
        self._waiting = kept
        heapq.heapify(self._waiting)
        return ready, shortest

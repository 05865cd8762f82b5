"""Threads on this machine: the kernels release the interpreter's lock, so threads are enough."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from backtester.executors.base import Answer, Stop, never

if TYPE_CHECKING:
    from backtester.ground import Ground

T = TypeVar("T")
R = TypeVar("R")


class LocalExecutor:
    """Runs tasks on threads and returns the answers in the order of the tasks.

    Parameters
    ----------
    workers : int
        Threads; 0 means one per core that this process may use.
    memory_mb : int
        Megabytes that mapped rows may take; 0 means half of what is free.
    """

    chunk_seconds = 0.5
    """A compiled call cannot be interrupted, and a stop is to be obeyed within two seconds."""

    def __init__(self, workers: int = 0, memory_mb: int = 0) -> None:
        self.memory_mb = memory_mb
        self.workers = workers or available_cores()
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="engine") if self.workers > 1 else None

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
        """Return ``[function(task) for task in tasks]``, done in parallel."""
        if self._pool is None or len(tasks) < 2:
            return [function(task) for task in tasks]
        return list(self._pool.map(function, tasks))

    def evaluate(self, ground: Ground, vectors: NDArray[np.float64], trades: bool, stop: Stop = never) -> Answer:
        """Evaluate sets on this process's threads (`Executor.evaluate`); their trades stand in memory that is used again."""
        return ground.answer(vectors, trades, stop)

    def close(self) -> None:
        """Wait for what runs and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def available_cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1

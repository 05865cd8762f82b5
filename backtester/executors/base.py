"""What the work of a search is given to, whatever does it: threads of this process or the nodes of a cluster.

One question: these sets, on this ground; their figures, or their trades as well. Who answers may cut the question into
shards of rows and batches of sets as it likes, may lose a node and ask another; the answer is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from backtester.ground import Ground

T = TypeVar("T")
R = TypeVar("R")

Stop = Callable[[], bool]


def never() -> bool:
    """Nobody wants to stop."""
    return False


class StoppedError(Exception):
    """A run over many windows of rows was stopped between two of them."""


class NodeLostError(Exception):
    """A node does not answer any more: what it was doing is to be done elsewhere."""


@dataclass(frozen=True)
class Answer:
    """What the first sets of a batch are worth; all of them unless it was stopped.

    Parameters
    ----------
    metrics : ndarray of float64, shape (sets, len(METRIC_KEYS))
    raw : ndarray of float64, shape (trades, kernel.OUT_FIELDS), optional
        Their trades, sets in ascending order, where they were asked for; they may stand in memory that the next question writes over.
    trades : int
        How many trades were made.
    seconds : float
        In compiled loops here; of a cluster the time from question to answer.
    """

    metrics: NDArray[np.float64]
    raw: NDArray[np.float64] | None
    trades: int
    seconds: float


class Executor(Protocol):
    """Where the sets of a search are evaluated."""

    workers: int
    """Threads of this process."""
    memory_mb: int
    """Megabytes that rows mapped by this process may take; 0 means half of what is free."""
    chunk_seconds: float
    """How long one question should take: short where a stop is only heard between two."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
        """Return ``[function(task) for task in tasks]``, done on this process's threads."""
        ...

    def evaluate(self, ground: Ground, vectors: NDArray[np.float64], trades: bool, stop: Stop = never) -> Answer:
        """Evaluate every row of `vectors`, shape (sets, n_vars), until all are done or `stop()`.

        Raises
        ------
        StomError
            What the work raised; ``executor.work_failed`` with its cause where that was an error of ours.
        RefusedError
            ``executor.no_nodes``: nobody is left who could do it.
        """
        ...

    def close(self) -> None:
        """Wait for what runs here and let go of threads and nodes; again does nothing."""
        ...

"""Nodes of a cluster that are threads of the test: they see what a far machine would see, and can be lost.

Everything that goes to a node and comes back is pickled on its way, as between machines.
"""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from backtester.executors.base import NodeLostError
from backtester.worker import Setup, Worker

MEMORY = 2**34


class Kept:
    """Stands for a value that was kept."""

    def __init__(self, body: bytes) -> None:
        self.body = body


class LosingCluster:
    """`backtester.executors.nodes.Cluster` of threads.

    Parameters
    ----------
    folder : Path
        Of all nodes: they are on one machine.
    count : int
    lose : mapping of str to int
        Node → it dies while it is at this evaluation (1: the first).
    is_blind : bool
        The nodes cannot see the data directory.
    """

    def __init__(self, folder: Path, count: int, lose: Mapping[str, int] | None = None, is_blind: bool = False) -> None:
        self.workers = {f"n{k}": Worker(folder, 1) for k in range(count)}
        self._threads = {name: ThreadPoolExecutor(1) for name in self.workers}
        self._lose = dict(lose or {})
        # Python 3.11 cannot parse in two threads at once; real nodes are processes.
        self._interpreter = threading.Lock()
        self._is_blind = is_blind
        self.dead: set[str] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.fetched: Counter[tuple[str, int]] = Counter()
        """How often a node was given a kept value, by node and value."""

    def nodes(self) -> Mapping[str, tuple[int, int]]:
        return {name: (1, MEMORY) for name in self.workers if name not in self.dead}

    def keep(self, value: Any) -> Any:
        return Kept(pickle.dumps(value))

    def start(self, node: str, method: str, *args: Any) -> Hashable:
        if node in self.dead:
            raise NodeLostError(node)
        for one in args:
            if isinstance(one, Kept):
                self.fetched[node, id(one)] += 1
        body = pickle.dumps([one.body if isinstance(one, Kept) else one for one in args])
        kept = [isinstance(one, Kept) for one in args]
        self.calls[node, method] += 1
        dies = method == "evaluate" and self.calls[node, method] == self._lose.get(node)
        return self._threads[node].submit(self._call, node, method, body, kept, dies)

    def _call(self, node: str, method: str, body: bytes, kept: list[bool], dies: bool) -> bytes:
        if node in self.dead:
            raise NodeLostError(node)
        args = [pickle.loads(one) if is_kept else one for one, is_kept in zip(pickle.loads(body), kept, strict=True)]
        if self._is_blind and isinstance(args[0], Setup):
            args[0] = replace(args[0], folder="/nowhere", place=args[0].place + "-blind")
        with self._interpreter:
            answer = pickle.dumps(getattr(self.workers[node], method)(*args))
        if dies:  # the work is done and nobody will ever see it
            self.dead.add(node)
            raise NodeLostError(node)
        return answer

    def wait(self, calls: Sequence[Hashable], seconds: float) -> Sequence[Hashable]:
        return list(wait(calls, seconds, return_when=FIRST_COMPLETED).done)  # type: ignore[arg-type]

    def take(self, call: Hashable) -> Any:
        assert isinstance(call, Future)
        return pickle.loads(call.result())

    def close(self) -> None:
        for one in self._threads.values():
            one.shutdown(wait=True, cancel_futures=True)
        for worker in self.workers.values():
            worker.close()

"""A Ray cluster as nodes: one actor a node, which holds the node's worker (``--workers ray://auto``, ``ray://host:port``).

Ray is an extra (requirements/ray.in) that is looked for when it is asked for. Columns that a node cannot see for itself go into
the object store, from where each node fetches them once. An actor takes all cores its node offers, so that two studies do not
share a node unawares, and is not restarted by Ray: what a lost node was doing is given to another one here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backtester.executors.base import NodeLostError
from domain.errors import InputError, RefusedError

INSTALL = "pip install --require-hashes -r requirements/ray.txt"
CONNECT_SECONDS = 30
FOLDER_VARIABLE = "STOM_NODE_DIR"
_ADDRESS = re.compile(r"ray://(auto|[A-Za-z0-9.\-_\[\]:]+:[0-9]{1,5})")


def node_folder() -> Path:
    """Return where a node keeps its columns and compiled steps: its own cache directory, or what STOM_NODE_DIR says."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stom" / "node"


class Hand:
    """What runs on a node as an actor: the worker, made where the node is."""

    def __init__(self, threads: int) -> None:
        from backtester.worker import Worker

        self._worker = Worker(node_folder(), threads)

    def stand(self, setup: Any, sent: Any) -> Any:
        return self._worker.stand(setup, sent)

    def evaluate(self, key: str, vectors: Any, metrics: bool, trades: bool) -> Any:
        return self._worker.evaluate(key, vectors, metrics, trades)

    def drop(self, keys: list[str]) -> Any:
        return self._worker.drop(keys)


class RayCluster:
    """The nodes of a Ray cluster (`backtester.executors.nodes.Cluster`).

    Parameters
    ----------
    text : str
        ``ray://auto``: the cluster that this machine is a node of; ``ray://host:port``: through Ray's client port.

    Raises
    ------
    InputError
        ``executor.address``.
    RefusedError
        ``executor.no_ray``, ``executor.unreachable``.
    """

    def __init__(self, text: str) -> None:
        if not _ADDRESS.fullmatch(text):
            raise InputError("executor.address", value=text)
        try:
            import ray
        except ImportError:
            raise RefusedError("executor.no_ray", command=INSTALL) from None
        self._ray = ray
        address = "auto" if text == "ray://auto" else text
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what runs here
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except Exception as error:
            cause = str(error).strip().splitlines()
            raise RefusedError("executor.unreachable", address=text, cause=cause[0] if cause else type(error).__name__) from error
        self._hands: dict[str, Any] = {}
        self._gone: set[str] = set()
        self._owner: dict[Hashable, str] = {}
        self._hand_class = ray.remote(Hand)

    def nodes(self) -> Mapping[str, tuple[int, int]]:
        """Return (threads, bytes of memory) of each living node that offers cores."""
        out: dict[str, tuple[int, int]] = {}
        for one in self._ray.nodes():
            name, cores = one["NodeID"], int(one["Resources"].get("CPU", 0))
            if one["Alive"] and cores and name not in self._gone:
                out[name] = (cores, int(one["Resources"].get("memory", 0)))
                if name not in self._hands:
                    self._hands[name] = self._made(name, cores)
        return out

    def _made(self, name: str, cores: int) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # If the node dies, so does its hand: work is never moved behind our back.
        place = NodeAffinitySchedulingStrategy(node_id=name, soft=False)
        return self._hand_class.options(num_cpus=cores, max_restarts=0, scheduling_strategy=place).remote(cores)

    def keep(self, value: Any) -> Any:
        """Put a value into the object store."""
        return self._ray.put(value)

    def start(self, node: str, method: str, *args: Any) -> Hashable:
        """Begin a method of a node's hand."""
        try:
            call: Hashable = getattr(self._hands[node], method).remote(*args)
        except self._ray.exceptions.RayError as error:
            self._lose(node)
            raise NodeLostError(node) from error
        self._owner[call] = node
        return call

    def wait(self, calls: Sequence[Hashable], seconds: float) -> Sequence[Hashable]:
        """Return what has ended."""
        ended, left = self._ray.wait(list(calls), num_returns=1, timeout=seconds)
        more, _ = self._ray.wait(left, num_returns=len(left), timeout=0) if ended and left else ([], left)
        return [*ended, *more]

    def take(self, call: Hashable) -> Any:
        """Return what a call gave."""
        node = self._owner.pop(call, "")
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayTaskError:
            raise  # the worker tells its errors as values: this one is of calling it
        except self._ray.exceptions.RayError as error:
            self._lose(node)
            raise NodeLostError(node) from error

    def _lose(self, node: str) -> None:
        self._gone.add(node)
        self._hands.pop(node, None)

    def close(self) -> None:
        """End the hands and leave the cluster."""
        for hand in self._hands.values():
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(hand)
        self._hands.clear()
        self._ray.shutdown()

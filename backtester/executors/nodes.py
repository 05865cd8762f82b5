"""Sets evaluated by the nodes of a cluster, whatever the cluster is made of.

Each node makes the ground for itself once (worker.py). A question is cut into shards of rows, each at home on one node or, where
there is one shard, on all of them; and into batches of sets that take a node about half a second at the pace it has shown, smaller
towards the end. What a lost node was doing goes back to the front of its shard's queue. Which node did what decides nothing
but the time: answers are put together by shard and by set.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backtester.executors.base import Answer, NodeLostError, R, Stop, T, never
from backtester.executors.local import LocalExecutor
from domain.errors import InvariantError, RefusedError

if TYPE_CHECKING:
    from backtester.ground import Ground, Shard

FIRST_SETS = 8
BATCH_SECONDS = 0.5
BATCH_TRADES = 1_000_000
"""Trades a node makes in one batch (about 95 MB); with `BATCH_SECONDS` what bounds it."""
POLL_SECONDS = 0.2
"""How long a wish to stop may go unheard."""
SILENCE_SECONDS = 300.0
"""So long a whole cluster may work without one answer: compiling everything on a cold node takes a minute."""
SHARE = 0.4
"""Of a node's memory that the columns of its shards may take."""


class Cluster(Protocol):
    """Nodes, each with one `backtester.worker.Worker`, and calls to it that do not wait."""

    def nodes(self) -> Mapping[str, tuple[int, int]]:
        """Return (threads, bytes of memory) of each node that is there, by name."""
        ...

    def keep(self, value: Any) -> Any:
        """Return something that stands for `value` in a call and travels to each node once."""
        ...

    def start(self, node: str, method: str, *args: Any) -> Hashable:
        """Begin a method of a node's worker; return what `wait` and `take` know it by."""
        ...

    def wait(self, calls: Sequence[Hashable], seconds: float) -> Sequence[Hashable]:
        """Return those calls that have ended, as soon as one has or when the time is over."""
        ...

    def take(self, call: Hashable) -> Any:
        """Return what a call gave; NodeLostError where its node is gone."""
        ...

    def close(self) -> None:
        """End what was begun on the nodes."""
        ...


@dataclass
class Span:
    """Sets of a question on one shard."""

    shard: int
    first: int
    last: int


@dataclass
class Node:
    """What is known of a node."""

    name: str
    threads: int
    stood: set[str] = field(default_factory=set)
    blind: bool = False  # it cannot see the column files
    pace: float = 0.0  # seconds a set
    trades: float = 1.0  # trades a set
    call: Hashable | None = None
    span: Span | None = None
    began: float = 0.0

    def most(self) -> int:
        """Return how many sets make a batch for it."""
        if not self.pace:
            return max(FIRST_SETS, self.threads)
        return max(int(min(BATCH_SECONDS / self.pace, BATCH_TRADES / self.trades)), 1)


@dataclass
class Plan:
    """A ground cut for nodes."""

    ground: Ground
    setups: list[Any]
    columns: tuple[str, ...]
    kept: dict[int, Any] = field(default_factory=dict)  # what was sent of a shard


class NodesExecutor:
    """Evaluates sets on a cluster; everything else of a study stays on this machine's threads.

    Parameters
    ----------
    cluster : Cluster
    threads : int
        Of this process; 0 means one per core.
    shards : int
        Into how many the rows are cut; 0 means as few as the smallest node's memory allows.
    memory_mb : int
        That mapped rows may take here.
    """

    chunk_seconds = 4.0
    """A stop is heard within a question, so one may be long enough for its end, where nodes wait, to weigh little."""

    def __init__(self, cluster: Cluster, threads: int = 0, shards: int = 0, memory_mb: int = 0) -> None:
        self.cluster = cluster
        self._local = LocalExecutor(threads, memory_mb)
        self.workers, self.memory_mb = self._local.workers, memory_mb
        self._shards = shards
        self._nodes: dict[str, Node] = {}
        self._plan: Plan | None = None
        self._is_open = True
        self.lost = 0
        """Nodes that were lost so far."""

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
        """Run tasks on this process's threads."""
        return self._local.map(function, tasks)

    def close(self) -> None:
        """Let go of the cluster and end this process's threads."""
        if self._is_open:
            self._is_open = False
            self.cluster.close()
        self._local.close()

    def evaluate(self, ground: Ground, vectors: NDArray[np.float64], trades: bool, stop: Stop = never) -> Answer:
        """Evaluate sets on the nodes (`Executor.evaluate`)."""
        started = time.perf_counter()
        self._meet()
        plan = self._planned(ground)
        question = Question(self, plan, np.ascontiguousarray(vectors, dtype=np.float64), trades)
        question.work(stop)
        return replace(question.answer(), seconds=time.perf_counter() - started)

    def _meet(self) -> None:
        """Take note of nodes that came and went."""
        there = self.cluster.nodes()
        for name, (threads, _) in there.items():
            self._nodes.setdefault(name, Node(name, threads))
        for name in set(self._nodes) - set(there):
            self.forget(self._nodes[name])
        if not self._nodes:
            raise RefusedError("executor.no_nodes")

    def forget(self, node: Node) -> None:
        """A node is lost."""
        if self._nodes.pop(node.name, None) is not None:
            self.lost += 1

    @property
    def nodes(self) -> list[Node]:
        """Those that are there, in the order in which they came."""
        return list(self._nodes.values())

    def _planned(self, ground: Ground) -> Plan:
        """Return the plan of a ground; that of the ground before is dropped, on the nodes as well."""
        if self._plan is not None and self._plan.ground is ground:
            return self._plan
        if ground.origin is None:
            raise InvariantError("executor.no_origin")
        from backtester.ground import shards
        from backtester.worker import columns_of

        columns = columns_of(ground.origin.job, ground.engine.steps.columns)
        cut = shards(ground.origin, ground.prepared, self._shards or self._fewest(ground, len(columns)))
        plan = Plan(ground, [setup_of(ground, shard) for shard in cut], columns)
        keys = {setup.key for setup in plan.setups}
        for node in self.nodes:
            old = sorted(node.stood - keys)
            if old:
                self.cluster.start(node.name, "drop", old)  # what it answers is of no interest
                node.stood -= set(old)
            node.pace = 0.0
        self._plan = plan
        return plan

    def _fewest(self, ground: Ground, columns: int) -> int:
        least = min(memory for _, memory in self.cluster.nodes().values())
        return max(-(-ground.prepared.rows * columns * 8 // max(int(least * SHARE), 1)), 1)


def setup_of(ground: Ground, shard: Shard) -> Any:
    """Return what a node is told of a shard."""
    from backtester.worker import Setup, here

    origin = ground.origin
    assert origin is not None
    rows, folder = origin.rows, origin.rows.folder
    below = f"columns/{rows.market}/{rows.source}/{rows.interval_s}/{rows.digest[:32]}"
    code = repr((origin.job.buy_text, origin.job.sell_text, origin.job.rows_since, origin.job.options, here()))
    key = hashlib.blake2b(f"{shard.key} {code}".encode(), digest_size=16).hexdigest()
    return Setup(key, origin.job, shard, folder, below, here())


class Question:
    """One batch of sets on its way through the nodes."""

    def __init__(self, executor: NodesExecutor, plan: Plan, vectors: NDArray[np.float64], trades: bool) -> None:
        self.executor, self.cluster, self.plan = executor, executor.cluster, plan
        self.vectors = vectors
        self.is_whole = len(plan.setups) == 1
        self.wants_trades = trades
        self.waiting = [deque([Span(k, 0, len(vectors))]) for k in range(len(plan.setups))]
        self.answers: list[dict[int, tuple[int, Answer]]] = [{} for _ in plan.setups]
        self.heard = time.monotonic()

    def work(self, stop: Stop) -> None:
        """Give work out and take answers in until all is there or `stop()`."""
        try:
            while self._give():
                busy = {node.call: node for node in self.executor.nodes if node.call is not None}
                ended = self.cluster.wait(list(busy), POLL_SECONDS)
                for call in ended:
                    self._take(busy[call])
                if ended:
                    self.heard = time.monotonic()
                elif time.monotonic() - self.heard > SILENCE_SECONDS:
                    raise RefusedError("executor.silent", seconds=SILENCE_SECONDS)
                if stop():
                    return
        finally:
            for node in self.executor.nodes:  # what still runs there ends by itself within a batch; nobody asks for it
                node.call = node.span = None

    def _give(self) -> bool:
        """Give every idle node something to do; False when nothing is left to do or to wait for."""
        nodes = self.executor.nodes
        if not nodes:
            raise RefusedError("executor.no_nodes")
        for place, node in enumerate(nodes):
            if node.call is None:
                count = len(self.waiting)
                home = range(place, count, len(nodes)) if len(nodes) < count else (place % count,)
                shard = next((k for k in home if self.waiting[k]), None)
                if shard is not None:
                    self._start(node, shard, -(-len(nodes) // count))
        return any(node.call is not None for node in self.executor.nodes) or any(self.waiting)

    def _start(self, node: Node, shard: int, sharers: int) -> None:
        setup = self.plan.setups[shard]
        try:
            if setup.key not in node.stood:
                node.call = self.cluster.start(node.name, "stand", setup, self._sent(shard) if node.blind else None)
                node.span = Span(shard, 0, 0)
                return
            node.span = self._cut(node, shard, sharers)
            sets = self.vectors[node.span.first : node.span.last]
            node.began = time.perf_counter()
            node.call = self.cluster.start(node.name, "evaluate", setup.key, sets, self.is_whole, self.wants_trades or not self.is_whole)
        except NodeLostError:
            self._lose(node)

    def _cut(self, node: Node, shard: int, sharers: int) -> Span:
        """Take a batch for a node from the front of a shard's queue; towards the end all that share the shard get some."""
        queue = self.waiting[shard]
        span = queue.popleft()
        left = sum(one.last - one.first for one in queue) + span.last - span.first
        size = max(min(node.most(), -(-left // (2 * sharers)) if sharers > 1 else left), 1)
        if span.last - span.first > size:
            queue.appendleft(Span(shard, span.first + size, span.last))
            span = Span(shard, span.first, span.first + size)
        return span

    def _take(self, node: Node) -> None:
        from backtester.worker import UNSEEN, Failure

        call, span = node.call, node.span
        assert span is not None
        node.call = None
        try:
            found = self.cluster.take(call)
        except NodeLostError:
            self._lose(node)
            return
        node.span = None
        if isinstance(found, Failure):
            if found.error is not None:
                raise found.error
            raise InvariantError("executor.work_failed", node=node.name, cause=found.cause) from RuntimeError(found.trace)
        if isinstance(found, str):  # it stands, or would if it were sent the columns
            if found == UNSEEN:
                node.blind = True
            else:
                node.stood.add(found)
            return
        sets = span.last - span.first
        node.pace = max((time.perf_counter() - node.began) / sets, 1e-9)
        node.trades = max(found.trades / sets, 1.0)
        self.answers[span.shard][span.first] = (span.last, found)

    def _lose(self, node: Node) -> None:
        """A node is gone: what it was doing is to be done again, first."""
        if node.span is not None and node.span.last > node.span.first:
            self.waiting[node.span.shard].appendleft(node.span)
        self.executor.forget(node)

    def _sent(self, shard: int) -> Any:
        """Return the columns of a shard as something that goes to each node once."""
        kept = self.plan.kept
        if shard not in kept:
            one, origin = self.plan.setups[shard].shard, self.plan.ground.origin
            assert origin is not None
            columns = {**origin.rows.columns, "row_time": origin.rows.row_time}
            kept[shard] = self.cluster.keep(
                {key: np.asarray(columns[key][one.begin : one.end]).view(np.ndarray) for key in self.plan.columns}
            )
        return kept[shard]

    # --- the answer ---------------------------------------------------------------------------------

    def answer(self) -> Answer:
        """Put together the sets that every shard has answered, from the first to the first that one has not."""
        from backtester.figures import METRIC_KEYS
        from backtester.ground import joined

        ready = [ordered(parts) for parts in self.answers]
        done = min(parts[-1][1] if parts else 0 for parts in ready)
        raws = [numbered(parts, done) for parts in ready] if self.wants_trades or not self.is_whole else []
        if self.is_whole:
            raw = raws[0] if raws else None
            made = [np.zeros((0, len(METRIC_KEYS))), *(answer.metrics for _, _, answer in ready[0])]
            return Answer(np.concatenate(made), raw, sum(answer.trades for _, _, answer in ready[0]), 0.0)
        raw = joined(raws)
        return Answer(self.plan.ground.metrics.of(raw, done), raw if self.wants_trades else None, len(raw), 0.0)


def ordered(parts: Mapping[int, tuple[int, Answer]]) -> list[tuple[int, int, Answer]]:
    """Return (first set, last, answer) in the order of sets up to the first that is missing."""
    out: list[tuple[int, int, Answer]] = []
    at = 0
    while at in parts:
        last, answer = parts[at]
        out.append((at, last, answer))
        at = last
    return out


def numbered(parts: Sequence[tuple[int, int, Answer]], done: int) -> NDArray[np.float64]:
    """Return the trades of the first `done` sets of a shard, sets counted as in the whole batch."""
    from backtester import kernel

    out = []
    for first, _, answer in parts:
        assert answer.raw is not None
        raw = np.array(answer.raw)  # what came from a store of objects cannot be written
        raw[:, kernel.OUT_SET] += first
        out.append(raw[raw[:, kernel.OUT_SET] < done])
    return np.concatenate(out) if out else np.zeros((0, kernel.OUT_FIELDS))

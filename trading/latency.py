"""From a frame's last byte to the order's first byte: what live trading measures of itself.

All times are of this machine's one monotonic clock, which every process of it shares; each hop of the
road is measured where it ends, since the frame's `read_ns`.
"""

from __future__ import annotations

from collections import deque

import numpy as np

KEPT = 100_000
PENDING_MAX = 10_000

Figures = dict[str, float]


class Spans:
    """Durations by name, the newest `KEPT` of each, in nanoseconds."""

    def __init__(self) -> None:
        self._spans: dict[str, deque[int]] = {}

    def add(self, name: str, ns: int) -> None:
        """Keep one duration."""
        found = self._spans.get(name)
        if found is None:
            found = self._spans[name] = deque(maxlen=KEPT)
        found.append(ns)

    def reset(self) -> None:
        """Forget what was measured so far (after a warm-up)."""
        self._spans.clear()

    def one(self, name: str) -> Figures:
        """Return count, p50, p99 and max of a name, in microseconds."""
        return _figures(self._spans.get(name))

    def summary(self) -> dict[str, Figures]:
        """Return the figures of every name."""
        return {name: _figures(values) for name, values in self._spans.items()}


class Latency:
    """Pairs an intent's `read_ns` with the moment its order's first byte was written."""

    def __init__(self) -> None:
        self._spans = Spans()
        self._pending: dict[str, tuple[int, int]] = {}

    def on_intent(self, intent_id: str, read_ns: int, came_ns: int, commit_ns: int, done_ns: int) -> None:
        """Note an intent that came at `came_ns` and whose order may leave since `done_ns`, `commit_ns` of it for the journal."""
        if commit_ns:
            self._spans.add("commit", commit_ns)
        if read_ns:
            self._spans.add("came", came_ns - read_ns)
            self._spans.add("decide", done_ns - came_ns - commit_ns)
            if len(self._pending) >= PENDING_MAX:
                self._pending.clear()
            self._pending[intent_id] = (read_ns, done_ns)

    def on_sent(self, client_order_id: str, sent_ns: int) -> None:
        """Note when an order's first byte was written; only the first attempt counts."""
        read_ns, done_ns = self._pending.pop(client_order_id.rsplit("-", 1)[0], (0, 0))
        if read_ns and sent_ns > read_ns:
            self._spans.add("total", sent_ns - read_ns)
            self._spans.add("send", sent_ns - done_ns)

    def reset(self) -> None:
        """Forget what was measured so far; what is under way is not counted either."""
        self._spans.reset()
        self._pending.clear()

    def summary(self) -> dict[str, Figures]:
        """Return figures in microseconds: the whole road, frame to intent, the decision, the commit, commit to first byte."""
        names = {"latency_us": "total", "intent_us": "came", "decide_us": "decide", "commit_us": "commit", "send_us": "send"}
        return {key: self._spans.one(name) for key, name in names.items()}


def _figures(values: deque[int] | None) -> Figures:
    if not values:
        return {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    micro = np.array(values, dtype=np.float64) / 1e3
    p50, p99 = np.percentile(micro, (50, 99))
    return {"count": len(values), "p50": round(float(p50), 1), "p99": round(float(p99), 1), "max": round(float(micro.max()), 1)}

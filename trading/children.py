"""One market's processes: who needs whom, who is alive, who is started again and when to stop trying."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from domain.messages import Hello
from domain.process_config import ProcessConfig
from trading.launch import Process
from trading.run_file import is_alive
from utility.room import has_room

log = logging.getLogger(__name__)

BACKOFF_S = (0.2, 5.0)
WINDOW_S = 600.0
NO_ROOM = ("ledger.write_failed", "store.unwritable", "process.no_room")
START_LIMIT_S = 60.0
"""A child that has said nothing for so long after its start is started again."""
SPINNING_S = 1.25
"""A strategy host that says nothing for so long while it burns its processor is in an endless loop (P22)."""


@dataclass
class Child:
    """One process and what is known of it."""

    name: str
    role: str
    slot: str
    config: ProcessConfig
    process: Process | None = None
    pid: int = 0
    hello: Hello | None = None
    is_ready: bool = False
    is_stopping: bool = False
    started_s: float = 0.0
    heard_s: float = 0.0
    died_s: float = 0.0  # when its last death was noticed
    ready_s: float = 0.0
    due_s: float = 0.0  # when it is to be started again; 0 = no
    restarts: int = 0
    deaths: deque[float] = field(default_factory=deque)
    failed_starts: int = 0  # deaths since it was last READY
    failure: str = ""
    failure_fields: dict[str, object] = field(default_factory=dict)
    detail: dict[str, object] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)
    told: tuple[object, ...] = ()
    cpu_s: float = 0.0
    rss_mb: float = 0.0
    cpu_mark: tuple[float, float] = (0.0, 0.0)

    def is_running(self) -> bool:
        """Tell whether the process is there."""
        if self.process is not None:
            return self.process.poll() is None
        return self.pid > 0 and is_alive(self.pid)

    def kill(self) -> None:
        """End it now, whatever it does."""
        if self.process is not None:
            self.process.kill()
        elif self.pid > 0 and self.is_running():
            import psutil

            try:
                psutil.Process(self.pid).kill()
            except psutil.Error as error:
                log.warning("event=kill_failed process=%s pid=%d reason=%s", self.name, self.pid, error)

    def let_go(self) -> None:
        """Close the start pipe of a process that has ended."""
        pipe = getattr(self.process, "stdin", None)
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                log.debug("event=pipe_closed_by_child process=%s", self.name)

    def measure(self) -> None:
        """Read memory and processor time of the process."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            times = process.cpu_times()
            self.cpu_s = float(times.user + times.system)
            self.rss_mb = max(self.rss_mb, process.memory_info().rss / 1e6)
        except psutil.Error:
            return

    def has_hung(self, now_s: float, missed_s: float) -> bool:
        """Tell whether it lives but no longer answers."""
        silent = now_s - self.heard_s
        if not self.is_ready:
            return now_s - max(self.started_s, self.heard_s) > START_LIMIT_S
        if silent > missed_s:
            return True
        if self.role != "strategy" or silent < SPINNING_S / 2:
            self.cpu_mark = (0.0, 0.0)
            return False
        # Silence alone may be a busy machine; silence with a burning processor is a loop.
        self.measure()
        if self.cpu_mark[0] == 0.0:
            self.cpu_mark = (now_s, self.cpu_s)
            return False
        return silent > SPINNING_S and self.cpu_s - self.cpu_mark[1] > 0.8 * (now_s - self.cpu_mark[0]) > 0.3


class Restarts:
    """Decides when a dead child is started again, and when that has to end (P13).

    Parameters
    ----------
    limit : int
        Deaths in ten minutes that are mended; one more is a crash loop.
    """

    def __init__(self, limit: int, start: Callable[[Child], None]) -> None:
        self.limit = limit
        self._start = start

    def on_death(self, child: Child, now_s: float) -> bool:
        """Note a death; return False when it was one too many.

        Who died because the disk is full waits for room: another start would die of the same, and it is no crash loop.
        """
        child.died_s = now_s
        if child.failure in NO_ROOM and not has_room(Path(child.config.data_dir)):
            child.due_s = now_s + BACKOFF_S[1]
            return True
        child.deaths.append(now_s)
        while child.deaths and now_s - child.deaths[0] > WINDOW_S:
            child.deaths.popleft()
        if len(child.deaths) > self.limit:
            return False
        # The pause grows with starts that led to nothing; who was READY again begins anew, and `limit` ends what goes on.
        child.due_s = now_s + min(BACKOFF_S[0] * 2**child.failed_starts, BACKOFF_S[1])
        child.failed_starts += 1
        return True

    def on_time(self, child: Child, now_s: float) -> None:
        """Start a child whose pause is over."""
        if child.due_s and now_s >= child.due_s:
            child.due_s = 0.0
            child.restarts += 1
            self._start(child)


def now_s() -> float:
    """Return monotonic seconds."""
    return time.monotonic()


def is_interpreter_of(one: Child, other: Child) -> bool:
    """Tell whether `one` runs the same text as `other`, uncompiled."""
    ours, theirs = one.config.strategy, other.config.strategy
    if ours is None or theirs is None or ours.use_compiled or not theirs.use_compiled:
        return False
    return msgspec.structs.replace(ours, use_compiled=True) == theirs

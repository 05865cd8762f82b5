"""How long the event loop was not able to answer, and where it was then.

A timer in the GUI thread beats; a second thread watches the beat and, when it is late, takes the GUI
thread's stack while the stall is still going on. Rigs read `figures()`; `--measure-stalls` prints it.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import QObject, Qt, QTimer

BEAT_MS = 10
REPORT_MS = 50.0
KEPT = 500


@dataclass(frozen=True)
class Stall:
    """One stall: when it began (seconds after the watch), how long, how much of it this thread computed, and the innermost frames.

    What a thread does not compute it waits for: another process has the processor, or another thread the interpreter.
    """

    at_s: float
    ms: float
    cpu_ms: float
    where: tuple[str, ...]


class StallWatch(QObject):
    """Watches the event loop of the thread that makes it.

    Parameters
    ----------
    report_ms : float
        Stalls longer than this are kept with their stack.
    """

    def __init__(self, parent: QObject | None = None, report_ms: float = REPORT_MS) -> None:
        super().__init__(parent)
        self.report_ms = report_ms
        self.stalls: list[Stall] = []
        self.beats = 0
        self.worst_ms = 0.0
        self._main = threading.get_ident()
        self._began = time.perf_counter()
        self._last = self._began
        self._cpu_began = self._cpu_last = 0.0
        self._process_began = 0.0
        self._where: tuple[str, ...] = ()
        self._sampled = False
        self._stop = threading.Event()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.PreciseTimer)
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._thread = threading.Thread(target=self._watch, name="stall-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self.reset()
        self._timer.start()
        self._thread.start()

    def reset(self) -> None:
        """Forget what was measured so far."""
        self._began = self._last = time.perf_counter()
        self._cpu_began = self._cpu_last = time.thread_time()
        self._process_began = time.process_time()
        self.stalls.clear()
        self.beats, self.worst_ms = 0, 0.0

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()
        self._timer.stop()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def figures(self) -> dict[str, Any]:
        """Return seconds watched, processor time, beats, the worst stall and every stall longer than `report_ms`, in milliseconds.

        Called in the watched thread. `thread_cpu_pct` is this thread's share of one core, `process_cpu_pct` the whole process's.
        """
        span = max(time.perf_counter() - self._began, 1e-9)
        return {
            "seconds": round(span, 3),
            "thread_cpu_pct": round((time.thread_time() - self._cpu_began) / span * 100, 1),
            "process_cpu_pct": round((time.process_time() - self._process_began) / span * 100, 1),
            "beats": self.beats,
            "worst_ms": round(self.worst_ms, 1),
            "report_ms": self.report_ms,
            "stalls": [
                {"at_s": round(s.at_s, 3), "ms": round(s.ms, 1), "cpu_ms": round(s.cpu_ms, 1), "where": list(s.where)} for s in self.stalls
            ],
        }

    def _beat(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        late = max((now - self._last) * 1000 - BEAT_MS, 0.0)
        computed = (cpu - self._cpu_last) * 1000
        self._last, self._cpu_last = now, cpu
        self.beats += 1
        self.worst_ms = max(self.worst_ms, late)
        if late > self.report_ms and len(self.stalls) < KEPT:
            self.stalls.append(Stall(now - self._began - late / 1000, late, computed, self._where))
        self._where, self._sampled = (), False

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            late = (time.perf_counter() - self._last) * 1000 - BEAT_MS
            if late > self.report_ms * 0.6 and not self._sampled:
                frame = sys._current_frames().get(self._main)
                if frame is not None:
                    stack = traceback.extract_stack(frame)[-8:]
                    self._where = tuple(f"{entry.filename.rsplit('/', 2)[-1]}:{entry.lineno} {entry.name}" for entry in stack)
                    self._sampled = True

"""Keeps processor cores from falling asleep while a market trades.

Four to five times between a frame and its order a sleeping process is woken. Where a core has halted
meanwhile, each wake costs 50 to 300 µs (docs/performance.md); a core that runs something of the lowest
class never halts, and that something gives way within microseconds. It costs power, so it is a setting.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys

log = logging.getLogger(__name__)

_SPIN = """
import os, sys
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while os.getppid() == int(sys.argv[1]):
    for _ in range(200_000):
        pass
"""
"""Ends by itself, within milliseconds, when its parent is gone."""


class Awake:
    """One idle-class process a core, from `start` to `close`."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Begin; a second call changes nothing. Systems without an idle class are left as they are."""
        if self._processes:
            return
        if not hasattr(os, "SCHED_IDLE"):
            log.warning("event=keep_awake_unsupported platform=%s", sys.platform)
            return
        for _ in os.sched_getaffinity(0):
            words = [sys.executable, "-I", "-S", "-c", _SPIN, str(os.getpid())]
            nowhere = subprocess.DEVNULL
            self._processes.append(subprocess.Popen(words, stdin=nowhere, stdout=nowhere, stderr=nowhere, env={}))

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()

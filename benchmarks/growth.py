"""What a search keeps in memory: the resident size at two numbers of evaluated sets."""

from __future__ import annotations

import gc
from collections.abc import Callable

import psutil

from backtester.study import Progress


def memory_at(*marks: int) -> tuple[dict[int, float], Callable[[Progress], None]]:
    """Return (sets → megabytes, what a search is to call): a mark is filled in at the first call at or past it."""
    seen: dict[int, float] = {}
    process = psutil.Process()

    def watch(progress: Progress) -> None:
        for mark in marks:
            if progress.done >= mark and mark not in seen:
                gc.collect()
                seen[mark] = process.memory_info().rss / 2**20

    return seen, watch

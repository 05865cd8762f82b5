"""Ctrl+C as a wish: what runs ends at a place of its own choice and says what was saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Turn the first Ctrl+C, or a service manager's SIGTERM, into a wish to stop; the second one is an ordinary interrupt.

    An interrupt that Python raises by itself comes wherever it happens to be, also where exceptions
    are thrown away: then nobody ever hears of it.
    """
    wish = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield wish  # signals are the main thread's
        return

    def ask(number: int, frame: Any) -> None:
        if wish.is_set():
            raise KeyboardInterrupt
        wish.set()

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

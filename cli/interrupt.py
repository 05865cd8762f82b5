"""Ctrl+C as a wish: what runs ends at a place of its own choice and says what was saved."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_S = 1.5
"""How long an ordinary Ctrl+C may take to end what runs."""


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

    with answered(ask):
        yield wish


@contextmanager
def answered(ask: Callable[[int, Any], None]) -> Iterator[None]:
    """Let `ask` answer SIGNALS while this runs; only in the main thread."""
    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def prompt(say: Callable[[], None]) -> Iterator[None]:
    """End the process by itself when an ordinary Ctrl+C does not within PATIENCE_S; `say` tells the person first.

    Python hears a signal between two of its own steps, and compiling a rule is one step that may take half a minute.
    Only for work that may be killed at any moment: files are written whole or not at all, stores are transactions.
    Where `stopping` has taken Ctrl+C over, nothing is done here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    ended = threading.Event()

    def watch() -> None:
        while (heard := ear.recv(1)) and not ended.is_set():
            is_ours = heard[0] != signal.SIGINT or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            if is_ours or ended.wait(PATIENCE_S):
                continue
            say()
            os._exit(130)

    before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, name="interrupt", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        mouth.close()
        watcher.join()
        ear.close()

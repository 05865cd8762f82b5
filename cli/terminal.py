"""Asking a person at a terminal: questions on standard error, answers from standard input, secrets without an echo."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


def is_there() -> bool:
    """Tell whether a person sits there: a pipe, a file or a service is none."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> str:
    """Return the line that a person typed, without spaces around it; "" at the end of input."""
    sys.stderr.write(question + " ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def ask_secret(question: str) -> str:
    """Return a line that was typed without being shown."""
    with _silent():
        answer = ask(question)
    sys.stderr.write("\n")
    return answer


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let the terminal show nothing of what is typed."""
    if sys.platform == "win32":
        import ctypes

        kernel, mode = ctypes.windll.kernel32, ctypes.c_uint32()
        handle = kernel.GetStdHandle(-10)
        kernel.GetConsoleMode(handle, ctypes.byref(mode))
        kernel.SetConsoleMode(handle, mode.value & ~0x4)
        try:
            yield
        finally:
            kernel.SetConsoleMode(handle, mode.value)
        return
    import termios

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    quiet = termios.tcgetattr(handle)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(handle, termios.TCSAFLUSH, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSAFLUSH, before)

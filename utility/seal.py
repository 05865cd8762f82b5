"""The seal of a strategy host: after it the process can only compute and use the sockets it has.

An audit hook cannot be removed. It ends the process at once, without a word to the code that asked,
on anything that opens a file or a socket, starts a process, imports or compiles, or reaches for
machine memory (reliability §7.5, P23).
"""

from __future__ import annotations

import os
import sys
from typing import Any

EXIT_STATUS = 97
"""Status of a process that broke its seal."""

FORBIDDEN = ("open", "import", "compile", "exec", "mmap.__new__", "pty.spawn", "code.__new__")
FORBIDDEN_FAMILIES = (
    "socket.",
    "subprocess.",
    "os.",
    "ctypes.",
    "shutil.",
    "tempfile.",
    "glob.",
    "pathlib.",
    "urllib.",
    "http.",
    "ftplib.",
    "smtplib.",
    "sqlite3.",
    "pickle.",
    "marshal.",
    "fcntl.",
    "winreg.",
    "msvcrt.",
    "webbrowser.",
    "cpython.run",
    "ensurepip.",
    "_posixsubprocess.",
    "_winapi.",
    "_thread.start",
    "resource.",
    "signal.",
    "syslog.",
)
_ALLOWED = frozenset({"os.putenv"})


def is_forbidden(event: str) -> bool:
    """Tell whether an audit event ends a sealed process."""
    return event not in _ALLOWED and (event in FORBIDDEN or event.startswith(FORBIDDEN_FAMILIES))


def seal() -> None:
    """Seal this process; there is no way back."""
    leave = os._exit
    forbidden = is_forbidden
    write = os.write

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if forbidden(event):
            # os.write and os._exit raise no audit events; the log would need memory and locks.
            write(2, f"sealed process ended: {event} {str(arguments[:1])[:200]}\n".encode("ascii", "replace"))
            leave(EXIT_STATUS)

    sys.addaudithook(hook)

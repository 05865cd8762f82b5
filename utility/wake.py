"""A bell that any thread may ring to end another thread's poll."""

from __future__ import annotations

import socket


class Wake:
    """Ends `Bus.poll` from any thread."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self.reader = self._reader.fileno()

    def ring(self) -> None:
        """End the poll; one ring is as good as many."""
        try:
            self._writer.send(b"\0")
        except (BlockingIOError, OSError):
            return  # full: the poll ends anyway; closed: nobody polls

    def clear(self) -> None:
        """Take the rings back before handling what they stood for."""
        try:
            while self._reader.recv(4096):
                pass
        except (BlockingIOError, OSError):
            return

    def close(self) -> None:
        """Close both ends."""
        self._reader.close()
        self._writer.close()

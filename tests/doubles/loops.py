"""An event loop in a thread, for servers inside a test's process, and an end of it that leaves no socket behind.

A connection that is still open when its loop closes is found by the garbage collector later, in a test that has nothing to do
with it. So everything that serves in a test ends by `leave_nothing`, whatever its own end has closed.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
ENDS_S = 20.0
"""No wait by design, a bound for a machine that does something else."""


async def leave_nothing() -> None:
    """End every task and connection of the running loop; called last, when nothing listens any more."""
    loop: Any = asyncio.get_running_loop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=ENDS_S)
    deadline = time.monotonic() + ENDS_S
    while left := [one for one in loop._transports.values() if one._sock is not None]:
        assert time.monotonic() < deadline, left
        for transport in left:
            transport.abort()
        await asyncio.sleep(0)  # an aborted transport closes its socket in a later turn
    await loop.shutdown_asyncgens()


class _Loop(asyncio.SelectorEventLoop):
    """Knows what listens on it.

    A server that is closed between a connection's acceptance and the first step of the task that would serve it drops that
    connection without closing it (CPython 3.11: the transport is refused by a server that has no sockets any more). So first nothing
    is accepted, then what was accepted is served, and only then a server may close.
    """

    def __init__(self) -> None:
        super().__init__()
        self._listening: list[socket.socket] = []

    def _start_serving(self, protocol_factory: Any, sock: socket.socket, *more: Any, **named: Any) -> None:
        self._listening.append(sock)
        super()._start_serving(protocol_factory, sock, *more, **named)  # type: ignore[misc]

    async def accept_nothing(self) -> None:
        """Accept no more, and let what was accepted have its transport."""
        for sock in self._listening:
            if sock.fileno() >= 0:
                self.remove_reader(sock.fileno())
        for _ in range(3):
            await asyncio.sleep(0)


class LoopThread:
    """Runs a loop in a thread from `start` to `end`."""

    def __init__(self) -> None:
        self.loop = _Loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self, first: Coroutine[Any, Any, T]) -> T:
        """Start the thread, run a coroutine in it and return its result."""
        self._thread.start()
        return self.run(first, 60.0)

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 10.0) -> T:
        """Run a coroutine in the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def do(self, call: Callable[[], T]) -> T:
        """Call a function in the loop and return its result."""

        async def inside() -> T:
            return call()

        return self.run(inside())

    def end(self, last: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine that closes what was opened, end what it left, and the loop with its thread."""
        self.run(self.loop.accept_nothing())
        try:
            self.run(last, ENDS_S)
        finally:
            self.run(leave_nothing(), 3 * ENDS_S)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(ENDS_S)
            self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

"""A server in a test leaves no connection behind, whatever its clients do while it ends."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import warnings
from typing import Any

import pytest

from tests.doubles.loops import LoopThread
from tests.doubles.scripted_venue import ScriptedVenue


def test_connections_that_come_while_the_server_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda found: left.append(str(found.exc_value)))
    for _ in range(4):
        stopping = threading.Event()
        with ScriptedVenue() as venue:
            thread = threading.Thread(target=_knock, args=(venue.port, stopping), daemon=True)
            thread.start()
            time.sleep(0.01)
        stopping.set()
        thread.join(10)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del venue
            gc.collect()
    assert not left


def _knock(port: int, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2) as one:
                one.sendall(b"GET / HT")
        except OSError:
            return


def test_one_accepted_in_the_last_turn_and_one_with_words_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda found: left.append(str(found.exc_value)))

    class Talks(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.write(b"." * 10_000_000)
            transport.close()

    async def serve() -> asyncio.Server:
        return await asyncio.get_running_loop().create_server(Talks, "127.0.0.1", 0)

    async def stop() -> None:
        server.close()

    thread = LoopThread()
    server = thread.start(serve())
    address = server.sockets[0].getsockname()
    clients = [socket.create_connection(address)]
    assert clients[0].recv(1)
    clients += [socket.create_connection(address) for _ in range(20)]
    thread.end(stop())
    for client in clients:
        client.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    assert not left

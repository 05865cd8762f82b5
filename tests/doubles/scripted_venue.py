"""A venue that says what a test wrote down: HTTP answers by path, WebSocket frames on demand.

It knows no exchange: it checks nothing and decides nothing, so that what a client proves against it
follows from the written answers alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.doubles.loops import LoopThread


@dataclass
class Reply:
    """One written answer.

    `action`: "answer"; "cut" closes the connection after the request was read; "stall" never answers;
    "half" sends a part of the body and closes.
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    action: str = "answer"


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class ScriptedVenue:
    """Runs in its own thread on a loopback port."""

    def __init__(self) -> None:
        self._replies: dict[tuple[str, str], list[Reply | Callable[[Request], Reply]]] = defaultdict(list)
        self._thread = LoopThread()
        self._changed = threading.Condition()
        self.requests: list[Request] = []
        self.sockets: dict[str, list[web.WebSocketResponse]] = defaultdict(list)
        self.handshakes: list[Request] = []
        self.received: list[tuple[str, str]] = []
        self.on_message: Callable[[str, str], list[str | bytes]] = lambda path, text: []
        self.port = 0
        self._connections = 0

    def __enter__(self) -> ScriptedVenue:
        self.port = self._thread.start(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.end(self._stop())

    def reply(self, method: str, path: str, *replies: Reply | Callable[[Request], Reply]) -> None:
        """Answer these in turn; the last one stays."""
        self._replies[(method, path)] = list(replies)

    def push(self, path: str, frame: str | bytes) -> None:
        """Send a frame to every socket on a path."""
        self._thread.run(self._push(path, frame))

    def drop(self, path: str) -> None:
        """Cut every socket on a path without a close frame."""
        self._thread.loop.call_soon_threadsafe(self._cut, path)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
        """Wait until a condition of this object's state is true."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    # --- the server's thread -------------------------------------------------------------------

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    async def _push(self, path: str, frame: str | bytes) -> None:
        for socket in self.sockets[path]:
            if isinstance(frame, bytes):
                await socket.send_bytes(frame)
            else:
                await socket.send_str(frame)

    def _cut(self, path: str) -> None:
        for socket in self.sockets[path]:
            transport: Any = socket._req.transport
            if transport is not None:
                transport.abort()
        self.sockets[path] = []

    async def _stop(self) -> None:
        for path in list(self.sockets):
            self._cut(path)
        await self._runner.cleanup()

    async def _start(self) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return port

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {k.lower(): v for k, v in request.headers.items()}
        seen = Request(request.method, request.path, request.raw_path.partition("?")[2], headers, body)
        if headers.get("upgrade", "").lower() == "websocket":
            return await self._socket(request, seen)
        self.requests.append(seen)
        self._note()
        replies = self._replies.get((request.method, request.path))
        if not replies:
            return web.Response(status=599, text="not written")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if callable(reply):
            reply = reply(seen)
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if reply.action in ("cut", "half"):
            transport = request.transport
            assert transport is not None
            if reply.action == "half":
                transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + reply.body)
                await asyncio.sleep(0.05)
            transport.abort()
        elif reply.action == "stall":
            await asyncio.sleep(30)
        headers_out = {"Content-Type": "application/json", **reply.headers}
        return web.Response(status=reply.status, body=reply.body, headers=headers_out)

    async def _socket(self, request: web.Request, seen: Request) -> web.WebSocketResponse:
        self._connections += 1
        socket = web.WebSocketResponse()
        socket.headers["X-Stom-Connection"] = str(self._connections)
        self.handshakes.append(seen)
        await socket.prepare(request)
        self.sockets[request.path].append(socket)
        self._note()
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            self.received.append((request.path, message.data))
            self._note()
            for answer in self.on_message(request.path, message.data):
                await self._push_one(socket, answer)
        if socket in self.sockets[request.path]:
            self.sockets[request.path].remove(socket)
        return socket

    @staticmethod
    async def _push_one(socket: web.WebSocketResponse, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            await socket.send_bytes(frame)
        else:
            await socket.send_str(frame)

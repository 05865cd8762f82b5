"""The paper exchange's door: HTTP and WebSocket on one loopback port.

aiohttp moves the bytes; the dialect and the core decide everything; the fault rules are carried out
here, where there is a transport to cut. Each upgrade answer carries ``X-Stom-Connection: <n>``, and
the data frames written to each connection are counted: lock-step compares those numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import time
from collections import deque
from typing import Any

import msgspec
import numpy as np
from aiohttp import WSMsgType, web

from domain.errors import InputError
from domain.exchange import Dialect, Frame, PaperUpdate, Refusal, Session, WireAnswer, WireRequest
from paper.exchange import Exchange
from paper.faults import FaultRule, Faults, parse_rules
from paper.truth import read_truth, summarise

LOG = logging.getLogger(__name__)
QUEUE_FRAMES = 20_000
"""Frames that may wait for a slow reader; past that the venue closes the connection."""
HOLD_S = 30.0
"""How long an answer that never comes keeps its connection."""
BODY_LIMIT = 1 << 20
WATCH_S = 1.0
_SIGNED = frozenset({"authorization", "x-mbx-apikey"})
"""Headers that only requests of an account carry."""


class Connection:
    """One WebSocket: its session, its queue, and how many data frames were written."""

    def __init__(self, number: int, session: Session, socket: web.WebSocketResponse) -> None:
        self.number = number
        self.session = session
        self.socket = socket
        self.sent = 0
        self.queue: deque[tuple[float, Frame]] = deque()
        self.wake = asyncio.Event()
        self.drained = asyncio.Event()
        self.drained.set()
        self.is_silent = False
        self.held_back: Frame | None = None
        self.heard_s = self.pong_s = self.said_s = time.monotonic()
        self.transport: asyncio.Transport | None = None

    def push(self, frame: Frame, delay_s: float = 0.0) -> None:
        """Queue a frame; a full queue closes the connection."""
        if self.is_silent:
            return
        if len(self.queue) >= QUEUE_FRAMES:
            LOG.warning("exchange slow_reader connection=%d", self.number)
            self.cut()
            return
        self.queue.append((time.monotonic() + delay_s if delay_s else 0.0, frame))
        self.drained.clear()
        self.wake.set()

    def cut(self) -> None:
        """Drop the TCP connection without a word."""
        if self.transport is not None:
            self.transport.abort()

    async def write(self) -> None:
        """Write what is queued, in order, until cancelled."""
        while True:
            while self.queue:
                due, frame = self.queue.popleft()
                if due:
                    await asyncio.sleep(max(due - time.monotonic(), 0.0))
                if isinstance(frame, bytes):
                    await self.socket.send_bytes(frame)
                else:
                    await self.socket.send_str(frame)
                self.sent += 1
                self.said_s = time.monotonic()
            self.drained.set()
            self.wake.clear()
            if not self.queue:
                await self.wake.wait()


class PaperServer:
    """Serves one venue's dialect.

    Parameters
    ----------
    token : str
        Of the control endpoints under ``/_paper/``.

    Attributes
    ----------
    activity : int
        Counts what clients of the public side asked for.
    """

    def __init__(self, core: Exchange, dialect: Dialect, faults: Faults, token: str) -> None:
        self.core = core
        self.dialect = dialect
        self.faults = faults
        self.connections: dict[int, Connection] = {}
        self.clock_offset_ns = 0
        self.frames_public = 0
        self.requests = 0
        self.activity = 0
        self._token = token
        self._numbers = 0
        self._updates: list[PaperUpdate] = []
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timed_ns = 0
        self.on_connect: list[Any] = []

    # --- life ------------------------------------------------------------------------------------------

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Listen on loopback and return the port."""
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        server = site._server
        assert server is not None
        bound: int = server.sockets[0].getsockname()[1]  # type: ignore[union-attr, attr-defined]
        return bound

    async def close(self) -> None:
        """Close every connection and stop listening."""
        for connection in list(self.connections.values()):
            connection.cut()
        for task in list(self._tasks):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def wall_ns(self) -> int:
        """Return the exchange's own clock, moved by the clock fault."""
        return time.time_ns() + self.clock_offset_ns

    # --- streams ----------------------------------------------------------------------------------------

    def publish(self, message: np.ndarray) -> None:
        """Apply one public message to the core and send it, then what it did to our orders."""
        self.core.apply(message)
        for connection in list(self.connections.values()):
            for frame in connection.session.public(message):
                self.frames_public += 1
                self._send(connection, frame, "public")
        self.flush_private()

    def flush_private(self) -> None:
        """Send the private events that the core has for us."""
        updates, self.core.outbox = self.core.outbox, []
        for update in updates:
            for connection in list(self.connections.values()):
                if connection.session.is_private:
                    for frame in connection.session.private(update):
                        self._send(connection, frame, "private")

    def timed(self) -> None:
        """Send what is due by market time, once a market second."""
        second = self.core.market_ns // 1_000_000_000
        if second == self._timed_ns:
            return
        self._timed_ns = second
        for connection in list(self.connections.values()):
            for frame in connection.session.timed(self.core.market_ns):
                self._send(connection, frame, "public")

    async def drain(self) -> None:
        """Wait until every queued frame is written."""
        for connection in list(self.connections.values()):
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(connection.drained.wait(), 30.0)

    def frames_sent(self, is_private: bool) -> dict[str, int]:
        """Return the data frames written per connection number."""
        return {str(c.number): c.sent + len(c.queue) for c in self.connections.values() if c.session.is_private is is_private}

    def _send(self, connection: Connection, frame: Frame, where: str) -> None:
        if not self.faults.any_at(where):
            connection.push(frame)
            return
        text = frame if isinstance(frame, str) else frame.decode()
        rule = self.faults.pick(where, contains=text)
        held, connection.held_back = connection.held_back, None
        if rule is None:
            connection.push(frame)
        else:
            self._spoil(connection, frame, text, rule)
        if held is not None:
            connection.push(held)

    def _spoil(self, connection: Connection, frame: Frame, text: str, rule: FaultRule) -> None:
        action, params = rule.action, rule.params
        if action == "duplicate":
            connection.push(frame)
            connection.push(frame)
        elif action == "reorder":  # after the next frame of this connection
            connection.held_back = frame
        elif action == "delay":
            connection.push(frame, float(params.get("ms", 100)) / 1e3)
        elif action == "alter":
            changed = text.replace(str(params.get("find", "")), str(params.get("replace", "")))
            connection.push(changed.encode() if isinstance(frame, bytes) else changed)
        elif action == "garbage":
            connection.push(b'{"e":\xff\x00garbage' if isinstance(frame, bytes) else '{"e": garbage')
        elif action == "disconnect":
            connection.cut()
        elif action == "half_open":
            connection.is_silent = True

    # --- requests ----------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw_path, _, query = request.raw_path.partition("?")
        if raw_path.startswith("/_paper/"):
            return await self._control(request, raw_path)
        self.requests += 1
        self.activity += _SIGNED.isdisjoint(name.lower() for name in request.headers)
        is_upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        wire = WireRequest(
            method=request.method,
            path=raw_path,
            query=query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=b"" if is_upgrade else await request.read(),
            wall_ns=self.wall_ns(),
        )
        if is_upgrade:
            return await self._upgrade(request, wire)
        answer = await self._answer(request, wire)
        if answer is None:
            if request.transport is not None:
                request.transport.abort()
            raise web.HTTPServiceUnavailable
        return self._response(answer)

    def _response(self, answer: WireAnswer) -> web.Response:
        headers = {"Date": email.utils.formatdate(self.wall_ns() / 1e9, usegmt=True), "Content-Type": answer.content_type, **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def _answer(self, request: web.Request, wire: WireRequest) -> WireAnswer | None:
        """Return the answer with the faults of both ways applied; None = cut the connection."""
        subject = {"method": wire.method, "path": wire.path, "contains": f"{wire.query} {wire.body.decode('utf-8', 'replace')}"}
        rule = self.faults.pick("request", **subject)
        if rule is not None:
            spoiled = await self._spoil_request(wire, rule)
            if spoiled is not _GO_ON:
                return spoiled
        before = len(self.core.orders())
        answer = self.dialect.rest(msgspec.structs.replace(wire, wall_ns=self.wall_ns()))
        rule = self.faults.pick("response", **subject)
        if rule is not None and rule.action == "hide_order":
            until = self.core.market_ns + int(float(rule.params.get("ms", 500)) * 1e6)
            for number in range(before + 1, len(self.core.orders()) + 1):
                self.core.hide(number, until)
        self.flush_private()
        if rule is None:
            return answer
        return await self._spoil_answer(answer, rule)

    async def _spoil_request(self, wire: WireRequest, rule: FaultRule) -> Any:
        action, params = rule.action, rule.params
        hold_s = float(params.get("ms", 0)) / 1e3
        if action == "delay":
            await asyncio.sleep(hold_s or 0.1)
            return _GO_ON
        if action == "clock_offset":
            self.clock_offset_ns = int(float(params.get("ms", 0)) * 1e6)
            return _GO_ON
        if action == "late_accept":
            self._later(hold_s or 0.5, wire)
            return _stated(params, 504)
        if action == "drop":
            await asyncio.sleep(hold_s or HOLD_S)
            return None
        if action == "disconnect":
            return None
        statuses = {"rate_limit": 429, "ban": 418, "maintenance": 503, "refuse": 400}
        answer = _stated(params, statuses.get(action, 500))
        if action in ("rate_limit", "ban"):
            wait = str(params.get("retry_after_s", 1 if action == "rate_limit" else 5))
            answer = msgspec.structs.replace(answer, headers={"Retry-After": wait})
        return answer

    def _later(self, delay_s: float, wire: WireRequest) -> None:
        async def accept() -> None:
            await asyncio.sleep(delay_s)
            self.dialect.rest(msgspec.structs.replace(wire, wall_ns=wire.wall_ns))
            self.flush_private()

        task = asyncio.get_running_loop().create_task(accept())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _spoil_answer(self, answer: WireAnswer, rule: FaultRule) -> WireAnswer | None:
        action, params = rule.action, rule.params
        hold_s = float(params.get("ms", 0)) / 1e3
        if action == "delay":
            await asyncio.sleep(hold_s or 0.1)
        elif action in ("drop", "accept_then_timeout"):
            await asyncio.sleep(hold_s or HOLD_S)
            return None
        elif action == "disconnect":
            return None
        elif action in ("status", "accept_then_error"):
            return _stated(params, 500)
        elif action == "truncate":
            return msgspec.structs.replace(answer, body=answer.body[: len(answer.body) // 2])
        elif action == "garbage":
            return msgspec.structs.replace(answer, body=b"\x00\xff<html>" + answer.body[::-1])
        return answer

    # --- sockets --------------------------------------------------------------------------------------------

    async def _upgrade(self, request: web.Request, wire: WireRequest) -> web.StreamResponse:
        rule = self.faults.pick("connect", method=wire.method, path=wire.path, contains=wire.query)
        if rule is not None:
            if rule.action == "delay":
                await asyncio.sleep(float(rule.params.get("ms", 500)) / 1e3)
            elif rule.action == "disconnect":
                if request.transport is not None:
                    request.transport.abort()
                raise web.HTTPServiceUnavailable
            else:
                return self._response(_stated(rule.params, 503))
        session = self.dialect.open(wire)
        if isinstance(session, Refusal):
            return self._response(session.answer)
        self._numbers += 1
        socket = web.WebSocketResponse(autoping=False, heartbeat=None, max_msg_size=1 << 20, compress=False)
        socket.headers["X-Stom-Connection"] = str(self._numbers)
        connection = Connection(self._numbers, session, socket)
        await socket.prepare(request)
        connection.transport = request.transport  # type: ignore[assignment]
        self.connections[connection.number] = connection
        writer = asyncio.get_running_loop().create_task(self._write(connection))
        try:
            await self._read(connection)
        finally:
            self.connections.pop(connection.number, None)
            connection.drained.set()
            session.close()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return socket

    async def _write(self, connection: Connection) -> None:
        watch = asyncio.get_running_loop().create_task(self._watch(connection))
        try:
            await connection.write()
        except (ConnectionError, RuntimeError):
            connection.cut()
        finally:
            connection.drained.set()
            watch.cancel()

    async def _watch(self, connection: Connection) -> None:
        """Ping, and close who does not answer or says nothing, as the venue does."""
        rule = self.dialect.liveness
        pinged_s = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_S)
            now = time.monotonic()
            if rule.idle_s and now - max(connection.heard_s, connection.said_s) > rule.idle_s:
                connection.cut()
            if rule.pong_s and now - connection.pong_s > rule.pong_s:
                connection.cut()
            if rule.ping_s and now - pinged_s >= rule.ping_s and not connection.is_silent:
                pinged_s = now
                with contextlib.suppress(ConnectionError, RuntimeError):
                    await connection.socket.ping(str(self.wall_ns() // 1_000_000).encode())

    async def _read(self, connection: Connection) -> None:
        async for message in connection.socket:
            connection.heard_s = time.monotonic()
            if message.type is WSMsgType.PING:
                if not connection.is_silent:
                    await connection.socket.pong(message.data)
                continue
            if message.type is WSMsgType.PONG:
                connection.pong_s = connection.heard_s
                continue
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            self.activity += not connection.session.is_private
            for frame in connection.session.receive(message.data, self.wall_ns()):
                connection.push(frame)
            self.flush_private()

    # --- control ----------------------------------------------------------------------------------------------

    async def _control(self, request: web.Request, path: str) -> web.Response:
        """Faults, truth and state, for who holds the token and speaks to loopback by its number."""
        host = request.headers.get("Host", "").rsplit(":", 1)[0]
        if request.headers.get("X-Stom-Control") != self._token or host not in ("127.0.0.1", "localhost"):
            return web.json_response({"error": {"code": "exchange.control_refused"}}, status=403)
        try:
            body = await self._controlled(request.method, path, request)
        except InputError as error:
            fields = {name: str(value) for name, value in error.fields.items()}
            return web.json_response({"error": {"code": error.code, **fields}}, status=400)
        if body is None:
            return web.json_response({"error": {"code": "exchange.control_unknown"}}, status=404)
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def _controlled(self, method: str, path: str, request: web.Request) -> dict[str, Any] | None:
        if path == "/_paper/faults":
            if method == "POST":
                rules = parse_rules(await request.read(), "request")
                return {"ids": [self.faults.add(rule) for rule in rules]}
            if method == "DELETE":
                number = request.query.get("id")
                self.faults.clear(int(number) if number and number.isdigit() else None)
            return {"faults": self.faults.listing()}
        if path == "/_paper/truth" and method == "GET":
            truth = self.core.truth
            return summarise(truth.lines if truth.path is None else read_truth(truth.path))
        if path == "/_paper/state" and method == "GET":
            return self.state()
        if path == "/_paper/disconnect" and method == "POST":
            number = request.query.get("connection")
            cut = [c for c in self.connections.values() if number is None or str(c.number) == number]
            for connection in cut:
                connection.cut()
            return {"cut": [c.number for c in cut]}
        if path == "/_paper/clock" and method == "POST":
            self.clock_offset_ns = int(float(request.query.get("ms", "0")) * 1e6)
            return {"ms": self.clock_offset_ns / 1e6}
        return None

    def state(self) -> dict[str, Any]:
        """Return counts for people and rigs."""
        return {
            "market_ns": self.core.market_ns,
            "requests": self.requests,
            "frames_public": self.frames_public,
            "orders": len(self.core.orders()),
            "fills": len(self.core.fills()),
            "connections": [{"number": c.number, "private": c.session.is_private, "sent": c.sent} for c in self.connections.values()],
        }


_GO_ON = object()


def _stated(params: dict[str, Any], status: int) -> WireAnswer:
    """Return the answer that a rule spells out."""
    body = params.get("body", "")
    data = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return WireAnswer(status=int(params.get("status", status)), body=data)

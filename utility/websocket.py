"""One WebSocket connection that stays: a thread that connects, reads, watches and reconnects.

websocket-client does the handshake and writes. Frames are read here (utility/frames.py), so that a
burst costs one system call and `read_ns` is the moment at which a frame's last byte was read;
a ping every 5 s and the verdict "dead" after 10 s without a byte (reliability P18); the pace of
reconnects; the host list; a socket of our own, because the library follows proxy variables even when it is told
not to; no Origin header.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import websocket

from domain.errors import RefusedError
from utility.frames import CLOSE, PING, PONG, FrameReader
from utility.hosts import HostGuard, open_socket
from utility.retry import Backoff

log = logging.getLogger(__name__)

PING_S = 5.0
DEAD_S = 10.0
CONNECT_S = 5.0
FRAME_BYTES_MAX = 16 * 1024 * 1024
CONNECTION_HEADER = "x-stom-connection"
_READ_BYTES = 256 * 1024


class WebSocketLink:
    """A connection that reconnects by itself; all callbacks run in its own thread.

    Parameters
    ----------
    url : callable
        Returns the address, asked again for each connect.
    guard : HostGuard
        Hosts this client may use.
    on_open : callable (connection)
        After each handshake, before the first frame is read: subscribe here. `connection` is the
        number that the upgrade answer's header gives, "" without one.
    on_frame : callable (data, connection, frames, read_ns)
        Each text or binary frame; `frames` counts them on this connection, this one included.
    on_lost : callable (cause)
        A connection ended or could not be made; the next attempt follows by itself.
    headers : callable, optional
        Header lines, asked again for each connect (a token with a fresh nonce).
    """

    def __init__(
        self,
        url: Callable[[], str],
        guard: HostGuard,
        *,
        on_open: Callable[[str], None],
        on_frame: Callable[[bytes, str, int, int], None],
        on_lost: Callable[[str], None],
        headers: Callable[[], Sequence[str]] | None = None,
        name: str = "link",
        ping_s: float = PING_S,
        dead_s: float = DEAD_S,
        backoff: Backoff | None = None,
    ) -> None:
        self._url = url
        self._guard = guard
        self._on_open = on_open
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._headers = headers
        self._ping_s = ping_s
        self._dead_s = dead_s
        self._backoff = backoff or Backoff()
        self._frames = 0
        self._closing = threading.Event()
        self._socket: websocket.WebSocket | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; returns at once."""
        self._thread.start()

    def send(self, text: str) -> bool:
        """Send a text frame; False when there is no connection to send it on."""
        sock = self._socket
        if sock is None:
            return False
        try:
            sock.send(text)
        except (OSError, websocket.WebSocketException) as error:
            log.info("event=send_failed link=%s cause=%s", self._thread.name, type(error).__name__)
            return False
        return True

    def reconnect(self) -> None:
        """End the present connection; the thread makes the next one."""
        sock = self._socket
        if sock is not None:
            _abort(sock)

    def close(self, timeout_s: float = 2.0) -> None:
        """End for good and wait for the thread."""
        self._closing.set()
        self.reconnect()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            delay = self._backoff.next_delay()
            if delay and self._closing.wait(delay):
                return
            began = time.monotonic()
            try:
                cause = self._connect_and_read()
            except Exception:
                log.critical("event=thread_died link=%s", self._thread.name)
                self._on_lost("internal")
                raise
            self._backoff.connected(time.monotonic() - began)
            if self._closing.is_set():
                return
            log.info("event=lost link=%s cause=%s", self._thread.name, cause)
            self._on_lost(cause)

    def _connect_and_read(self) -> str:
        """Return why the connection ended."""
        url = self._url()
        sock = websocket.WebSocket(enable_multithread=True, skip_utf8_validation=True)
        try:
            sock.connect(  # type: ignore[no-untyped-call]
                url,
                timeout=CONNECT_S,
                header=list(self._headers()) if self._headers is not None else [],
                suppress_origin=True,
                socket=open_socket(url, self._guard, CONNECT_S),
                redirect_limit=0,
            )
        except RefusedError as error:
            log.error("event=refused link=%s code=%s", self._thread.name, error.code)
            return error.code
        except (OSError, ValueError, websocket.WebSocketException) as error:
            _abort(sock)
            return f"connect.{type(error).__name__}"
        self._socket = sock
        if self._closing.is_set():
            _abort(sock)
        try:
            headers = {str(k).lower(): v for k, v in (sock.getheaders() or {}).items()}
            connection = str(headers.get(CONNECTION_HEADER, ""))
            self._on_open(connection)
            return self._read(sock, connection)
        finally:
            self._socket = None
            _abort(sock)

    def _read(self, sock: websocket.WebSocket, connection: str) -> str:
        inner: Any = sock.sock
        reader = FrameReader(FRAME_BYTES_MAX)
        self._frames = 0
        last_heard = last_ping = time.monotonic()
        try:
            sock.settimeout(min(1.0, self._ping_s / 2))
        except OSError:  # closed from another thread since the handshake
            return "closed"
        while True:
            try:
                chunk = inner.recv(_READ_BYTES)
            except TimeoutError:
                chunk = None
            except (OSError, ValueError) as error:
                return type(error).__name__
            read_ns = time.monotonic_ns()
            now = time.monotonic()
            if chunk == b"":
                return "closed"
            if chunk is not None:
                last_heard = now
                reader.feed(chunk)
                cause = self._take(sock, reader, connection, read_ns)
                if cause:
                    return cause
            elif now - last_heard > self._dead_s:
                return "silent"
            if now - last_ping >= self._ping_s:
                last_ping = now
                try:
                    sock.ping()
                except (OSError, websocket.WebSocketException) as error:
                    return type(error).__name__

    def _take(self, sock: websocket.WebSocket, reader: FrameReader, connection: str, read_ns: int) -> str:
        """Handle every message that is whole; return why the connection ends, or empty."""
        while True:
            try:
                message = reader.next()
                if message is not None and message.opcode == PING:
                    sock.pong(message.data)
            except (OSError, websocket.WebSocketException) as error:
                return type(error).__name__
            if message is None:
                return ""
            if message.opcode == CLOSE:
                return "closed"
            if message.opcode not in (PING, PONG):
                self._frames += 1
                self._on_frame(message.data, connection, self._frames, read_ns)


def _abort(sock: websocket.WebSocket) -> None:
    """End the transport without a farewell; a reader in another thread wakes with an error."""
    inner = sock.sock
    if inner is None:
        return
    try:
        inner.shutdown(2)
    except OSError:
        log.debug("event=shutdown_after_end")
    try:
        inner.close()
    except OSError:
        log.debug("event=close_after_end")

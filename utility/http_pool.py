"""Warm keep-alive HTTP/1.1 connections for requests whose first byte must leave at once.

A request is written in the caller's own thread: waking another one costs more than signing does, and
under load a thread may wait 5 ms for the interpreter. Each connection has a reader thread that waits
for the answer, so the caller never does. `sent_ns` is taken right before the write, and what a failure
proves is kept apart: nothing written (NOT_SENT) or bytes written and no whole answer.

Connections are grouped in lanes, so that cancels and exits never queue behind entries or queries.
"""

from __future__ import annotations

import http.client
import io
import logging
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from domain.errors import RefusedError
from utility.hosts import HostGuard, open_socket
from utility.http_answer import BROKEN, NOT_SENT, TIMED_OUT, Answer

log = logging.getLogger(__name__)

CONNECT_S = 2.0
TOTAL_S = 5.0
IDLE_S = 20.0
QUEUE_MAX = 256
BODY_BYTES_MAX = 16 * 1024 * 1024

Build = Callable[[], tuple[str, bytes]]
"""Returns (method, whole request); called right before the write, so that a token is fresh."""
Done = Callable[[Answer], None]


class _Job(NamedTuple):
    build: Build
    done: Done
    expires: float


class _Sent(NamedTuple):
    method: str
    sent_ns: int
    deadline: float
    done: Done


class _Deadline(io.RawIOBase):
    """Reads a socket until a moment; a byte a second does not stretch it."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0.0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(self)


class _Connection:
    """One socket and the thread that reads its answers."""

    def __init__(self, pool: HttpPool, lane: str) -> None:
        self._pool = pool
        self.lane = lane
        self.sock: socket.socket | None = None
        self.sent: _Sent | None = None
        self.wake = threading.Condition(pool.lock)
        self.thread = threading.Thread(target=self._run, name=f"{pool.name}-{lane}", daemon=True)

    def is_usable(self) -> bool:
        """Tell whether an idle socket is still silent; a byte or an end there means the server left."""
        if self.sock is None:
            return False
        try:
            poll = select.poll() if hasattr(select, "poll") else None
            if poll is not None:
                poll.register(self.sock, select.POLLIN)
                return not poll.poll(0)
            return not select.select([self.sock], [], [], 0)[0]
        except (OSError, ValueError):
            return False

    def write(self, request: tuple[str, bytes], done: Done) -> bool:
        """Write the request; False when provably no byte of it was written."""
        sock = self.sock
        assert sock is not None
        method, data = request
        sock.settimeout(TOTAL_S)
        sent_ns = time.monotonic_ns()
        deadline = time.monotonic() + TOTAL_S
        try:
            count = sock.send(data)
        except OSError:
            if not isinstance(sock, ssl.SSLSocket):
                return False
            count = 0  # TLS may have sent a part of a record: not proven
        self._pool.after_bytes(self.lane, method)
        try:
            if count < len(data):
                sock.sendall(data[count:])
        except OSError:
            deadline = 0.0  # the reader finds the end and answers BROKEN
        with self.wake:
            self.sent = _Sent(method, sent_ns, deadline, done)
            self.wake.notify()
        return True

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._pool.is_closed and (self.sock is not None or self._connect()):
                self._serve_once()
        except Exception:
            log.critical("event=thread_died pool=%s lane=%s", self._pool.name, self.lane)
            self._pool.forget(self)
            self.drop()
            raise

    def _serve_once(self) -> None:
        pool = self._pool
        job = pool.next_job(self)
        if job is not None and not self.write(job.build(), job.done):
            self.drop()
            pool.put_back(self.lane, job)
            return
        sent = pool.wait_for_sent(self)
        if sent is None:  # idle for long: a fresh connection is safer than one the server may be closing
            self.drop()
        else:
            self._answer(sent)

    def _answer(self, sent: _Sent) -> None:
        """Read one answer and hand it over; whatever happens, the caller hears of it."""
        answer, is_reusable = self._read(sent)
        if not is_reusable:
            self.drop()
        sent.done(answer)

    def _connect(self) -> bool:
        pool = self._pool
        try:
            self.sock = pool.open_socket()
        except RefusedError as error:
            pool.connect_failed(self, error.code)
            return False
        except (OSError, ssl.SSLError, UnicodeError) as error:
            log.info("event=connect_failed pool=%s cause=%s", pool.name, type(error).__name__)
            pool.connect_failed(self, "venue.unreachable")
            return False
        return True

    def _read(self, sent: _Sent) -> tuple[Answer, bool]:
        sock = self.sock
        assert sock is not None
        try:
            response = http.client.HTTPResponse(_Deadline(sock, sent.deadline), method=sent.method)  # type: ignore[arg-type]
            response.begin()
            body = response.read(BODY_BYTES_MAX + 1)
            if len(body) > BODY_BYTES_MAX or response.length:
                return Answer(failure=BROKEN, sent_ns=sent.sent_ns), False
            headers = {name.lower(): value for name, value in response.getheaders()}
            answer = Answer(status=response.status, headers=headers, body=body, sent_ns=sent.sent_ns)
            return answer, not response.will_close
        except TimeoutError:
            failure = TIMED_OUT if sent.deadline else BROKEN
            return Answer(failure=failure, sent_ns=sent.sent_ns), False
        except (OSError, http.client.HTTPException, ValueError):
            return Answer(failure=BROKEN, sent_ns=sent.sent_ns), False

    def drop(self) -> None:
        """Close the socket; the thread connects again when it goes on."""
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()


class HttpPool:
    """Connections to one host by lanes.

    Parameters
    ----------
    base_url : str
        Scheme, host and port; the path belongs to each request.
    guard : HostGuard
        Asked before every connect.
    lanes : mapping of str to int
        Connections kept warm for each lane.
    """

    def __init__(self, base_url: str, guard: HostGuard, lanes: Mapping[str, int], *, name: str = "http") -> None:
        parts = urlsplit(base_url)
        self._base_url = base_url
        self._guard = guard
        self.host_header = parts.netloc
        self.name = name
        self.lock = threading.RLock()
        self.is_closed = False
        self._sizes = dict(lanes)
        self._connections: dict[str, list[_Connection]] = {lane: [] for lane in lanes}
        self._idle: dict[str, list[_Connection]] = {lane: [] for lane in lanes}
        self._queue: dict[str, deque[_Job]] = {lane: deque() for lane in lanes}
        self.after_bytes: Callable[[str, str], None] = lambda lane, method: None
        """Called with lane and method right after the first bytes of a request were written, in the writer's thread."""
        self._janitor_wake = threading.Event()
        self._janitor = threading.Thread(target=self._expire, name=f"{name}-janitor", daemon=True)
        self._janitor.start()

    def warm(self) -> None:
        """Open every lane's connections in the background."""
        for lane, size in self._sizes.items():
            for _ in range(size):
                self._grow(lane)

    def send(self, lane: str, build: Build, done: Done) -> None:
        """Write a request now if a connection of the lane is idle, else as soon as one is; never waits.

        `done` hears the answer exactly once, from a thread of the pool.
        """
        request = build()
        while True:
            with self.lock:
                connection = self._idle[lane].pop() if self._idle[lane] and not self._queue[lane] else None
            if connection is None:
                break
            if connection.is_usable() and connection.write(request, done):
                return
            with connection.wake:  # let its thread make a fresh connection
                connection.sent = None
                connection.drop()
                connection.wake.notify()
        self._enqueue(lane, _Job(build, done, time.monotonic() + TOTAL_S))

    def request(self, lane: str, build: Build) -> Answer:
        """Send and wait for the answer; for reads that may block (start, snapshot)."""
        heard = threading.Event()
        answers: list[Answer] = []

        def done(answer: Answer) -> None:
            answers.append(answer)
            heard.set()

        self.send(lane, build, done)
        if not heard.wait(2 * TOTAL_S + CONNECT_S):
            return Answer(failure=TIMED_OUT)
        return answers[0]

    def close(self) -> None:
        """Close all connections; requests in flight are answered BROKEN."""
        with self.lock:
            self.is_closed = True
            connections = [connection for lane in self._connections.values() for connection in lane]
            jobs = [job for queue in self._queue.values() for job in queue]
            for queue in self._queue.values():
                queue.clear()
            for connection in connections:
                connection.wake.notify_all()
                if connection.sock is not None:
                    try:
                        connection.sock.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        log.debug("event=shutdown_after_end pool=%s", self.name)
        self._janitor_wake.set()
        for job in jobs:
            job.done(Answer(failure=NOT_SENT, code="venue.closed"))
        for connection in connections:
            if connection.thread is not threading.current_thread():
                connection.thread.join(1.0)
            connection.drop()

    # --- called by connections ----------------------------------------------------------------

    def open_socket(self) -> socket.socket:
        """Return a connected socket; RefusedError, OSError."""
        return open_socket(self._base_url, self._guard, CONNECT_S)

    def next_job(self, connection: _Connection) -> _Job | None:
        """Return a waiting job, or put the connection among the idle ones and return None."""
        with self.lock:
            queue = self._queue[connection.lane]
            if queue:
                return queue.popleft()
            self._idle[connection.lane].append(connection)
            return None

    def wait_for_sent(self, connection: _Connection) -> _Sent | None:
        """Wait until somebody wrote on this connection; None when it is old, dropped or closed."""
        with connection.wake:
            idle = self._idle[connection.lane]
            deadline = time.monotonic() + IDLE_S
            while connection.sent is None and connection.sock is not None and not self.is_closed:
                left = deadline - time.monotonic()
                if left <= 0.0 and connection in idle:
                    break
                connection.wake.wait(max(left, 0.05))
            sent, connection.sent = connection.sent, None
            if connection in idle:
                idle.remove(connection)
            return sent

    def put_back(self, lane: str, job: _Job) -> None:
        """Queue a job again, first in line: nothing of it was written."""
        with self.lock:
            self._queue[lane].appendleft(job)

    def forget(self, connection: _Connection) -> None:
        with self.lock:
            if connection in self._connections[connection.lane]:
                self._connections[connection.lane].remove(connection)

    def connect_failed(self, connection: _Connection, code: str) -> None:
        """Take the connection away; when it was the lane's last, what waits there is answered."""
        with self.lock:
            self.forget(connection)
            jobs: list[_Job] = []
            if not any(other.sock is not None for other in self._connections[connection.lane]):
                jobs = list(self._queue[connection.lane])
                self._queue[connection.lane].clear()
        for job in jobs:
            job.done(Answer(failure=NOT_SENT, code=code))

    # --- the queue ------------------------------------------------------------------------------

    def _enqueue(self, lane: str, job: _Job) -> None:
        with self.lock:
            is_full = self.is_closed or len(self._queue[lane]) >= QUEUE_MAX
            if not is_full:
                self._queue[lane].append(job)
                # Threads that are connecting will look; idle ones do not exist here.
        if is_full:
            threading.Thread(target=job.done, args=(Answer(failure=NOT_SENT, code="venue.queue_full"),), daemon=True).start()
            return
        self._grow(lane)
        self._serve(lane)

    def _serve(self, lane: str) -> None:
        """Give queued jobs to connections that became idle in between."""
        while True:
            with self.lock:
                if not self._queue[lane] or not self._idle[lane]:
                    return
                connection = self._idle[lane].pop()
                job = self._queue[lane].popleft()
            if connection.is_usable() and connection.write(job.build(), job.done):
                continue
            with connection.wake:
                connection.drop()
                connection.wake.notify()
            self.put_back(lane, job)

    def _grow(self, lane: str) -> None:
        with self.lock:
            if self.is_closed or len(self._connections[lane]) >= self._sizes[lane]:
                return
            connection = _Connection(self, lane)
            self._connections[lane].append(connection)
            connection.thread.start()  # within the lock: who closes the pool waits for threads that run

    def _expire(self) -> None:
        while not self._janitor_wake.wait(0.25):
            now = time.monotonic()
            late: list[_Job] = []
            with self.lock:
                for lane, queue in self._queue.items():
                    late += [job for job in queue if job.expires < now]
                    self._queue[lane] = deque(job for job in queue if job.expires >= now)
            for job in late:
                job.done(Answer(failure=NOT_SENT, code="venue.no_connection"))

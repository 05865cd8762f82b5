"""The connection that stays: liveness, reconnects, time of reading, hosts, bounded memory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.doubles.scripted_venue import ScriptedVenue
from utility.hosts import HostGuard
from utility.retry import Backoff
from utility.websocket import WebSocketLink

PAPER = HostGuard(is_paper=True)


class Ear:
    """Collects what a link says."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.frames: list[tuple[bytes, str, int, int]] = []
        self.lost: list[str] = []
        self.changed = threading.Condition()

    def link(self, url: str, **options: object) -> WebSocketLink:
        return WebSocketLink(
            lambda: url,
            options.pop("guard", PAPER),  # type: ignore[arg-type]
            on_open=lambda connection: self._note(self.opened, connection),
            on_frame=lambda *frame: self._note(self.frames, frame),
            on_lost=lambda cause: self._note(self.lost, cause),
            backoff=Backoff(rng=None),
            **options,  # type: ignore[arg-type]
        )

    def _note(self, where: list, what: object) -> None:  # type: ignore[type-arg]
        with self.changed:
            where.append(what)
            self.changed.notify_all()

    def wait(self, where: list, count: int, timeout_s: float = 6.0) -> None:  # type: ignore[type-arg]
        with self.changed:
            assert self.changed.wait_for(lambda: len(where) >= count, timeout_s), (self.opened, self.lost, len(self.frames))


@pytest.fixture
def server() -> Iterator[ScriptedVenue]:
    with ScriptedVenue() as scripted:
        yield scripted


def test_frames_of_both_kinds_are_counted_and_timed(server: ScriptedVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    ear = Ear()
    link = ear.link(f"ws://127.0.0.1:{server.port}/x", headers=lambda: ["Authorization: Bearer t"])
    link.start()
    try:
        ear.wait(ear.opened, 1)
        assert ear.opened == ["1"]
        before = time.monotonic_ns()
        server.push("/x", "text")
        server.push("/x", b"\x00binary")
        ear.wait(ear.frames, 2)
        assert [(frame[0], frame[1], frame[2]) for frame in ear.frames] == [(b"text", "1", 1), (b"\x00binary", "1", 2)]
        assert before < ear.frames[0][3] <= ear.frames[1][3] < time.monotonic_ns()
        assert link.send("hello")
        assert server.wait_for(lambda: ("/x", "hello") in server.received)
        shake = server.handshakes[0]
        assert "origin" not in shake.headers
        assert shake.headers["authorization"] == "Bearer t"
    finally:
        link.close()
    assert ear.lost == []
    assert not link.send("late")


def test_a_dropped_connection_is_made_again_at_once(server: ScriptedVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utility.retry.STABLE_S", 0.0)
    ear = Ear()
    link = ear.link(f"ws://127.0.0.1:{server.port}/x")
    link.start()
    try:
        ear.wait(ear.opened, 1)
        began = time.monotonic()
        server.drop("/x")
        ear.wait(ear.opened, 2)
        assert time.monotonic() - began < 0.5
        assert ear.opened == ["1", "2"]
        server.push("/x", "again")
        ear.wait(ear.frames, 1)
        assert ear.frames[0][1:3] == ("2", 1), "frames are counted per connection"
    finally:
        link.close()


def half_open(silent_after: bytes) -> tuple[socket.socket, int]:
    """Return a listener that shakes hands, writes these bytes and never says anything again."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        import base64
        import hashlib

        kept = []
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                for one in kept:
                    one.close()
                return
            kept.append(connection)
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(4096)
            key = next(line.split(b": ", 1)[1] for line in data.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                + accept
                + b"\r\n\r\n"
            )
            connection.sendall(silent_after)

    threading.Thread(target=serve, daemon=True).start()
    return listener, listener.getsockname()[1]


def test_a_dead_link_is_found_though_nothing_ends_it() -> None:
    listener, port = half_open(b"\x81\x02hi")
    ear = Ear()
    link = ear.link(f"ws://127.0.0.1:{port}/", ping_s=0.2, dead_s=0.5)
    began = time.monotonic()
    link.start()
    try:
        ear.wait(ear.lost, 1)
        assert ear.lost == ["silent"]
        assert 0.4 < time.monotonic() - began < 1.5
        assert [frame[0] for frame in ear.frames] == [b"hi"]
    finally:
        link.close()
        listener.close()


def test_a_quiet_market_is_no_dead_link(server: ScriptedVenue) -> None:
    ear = Ear()
    link = ear.link(f"ws://127.0.0.1:{server.port}/x", ping_s=0.1, dead_s=0.4)
    link.start()
    try:
        ear.wait(ear.opened, 1)
        time.sleep(1.0)  # pongs are all that arrives
        assert ear.lost == []
    finally:
        link.close()


def test_a_frame_in_pieces_is_one_frame_and_a_giant_one_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utility.websocket.FRAME_BYTES_MAX", 1000)
    giant = b"\x82\x7f" + (2_000_000_000).to_bytes(8, "big") + b"x" * 4000
    listener, port = half_open(b"\x01\x02he\x80\x03llo" + giant)
    ear = Ear()
    link = ear.link(f"ws://127.0.0.1:{port}/")
    link.start()
    try:
        ear.wait(ear.lost, 1)
        assert [frame[0] for frame in ear.frames] == [b"hello"]
        assert ear.lost == ["WebSocketPayloadException"]
    finally:
        link.close()
        listener.close()


@pytest.mark.parametrize(
    ("guard", "url"),
    [
        (PAPER, "wss://api.upbit.com/websocket/v1"),
        (HostGuard(False, ["api.upbit.com"]), "wss://example.com/"),
        (HostGuard(False, ["api.upbit.com"]), "ws://api.upbit.com/"),
    ],
)
def test_a_host_that_is_not_allowed_is_never_looked_up(guard: HostGuard, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr("socket.getaddrinfo", no_network)
    ear = Ear()
    link = ear.link(url, guard=guard)
    link.start()
    try:
        ear.wait(ear.lost, 1)
        assert ear.lost[0].startswith("venue.host_not_")
    finally:
        link.close()

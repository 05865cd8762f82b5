"""Warm connections: written at once, never twice, never behind a slower lane; the limiter in front."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.doubles.scripted_venue import Reply, Request, ScriptedVenue
from utility.courier import Courier, Errand
from utility.hosts import HostGuard
from utility.http_answer import Answer
from utility.http_pool import HttpPool
from utility.rate_limit import Limit, RateLimiter


@pytest.fixture
def server() -> Iterator[ScriptedVenue]:
    with ScriptedVenue() as scripted:
        yield scripted


@pytest.fixture
def pool(server: ScriptedVenue) -> Iterator[HttpPool]:
    made = HttpPool(f"http://127.0.0.1:{server.port}", HostGuard(is_paper=True), {"order": 2, "exit": 1})
    made.warm()
    deadline = time.monotonic() + 5
    while sum(len(idle) for idle in made._idle.values()) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    yield made
    made.close()


def get(path: str, method: str = "GET") -> tuple[str, bytes]:
    return method, f"{method} {path} HTTP/1.1\r\nHost: x\r\n{'Content-Length: 0' if method == 'POST' else 'A: b'}\r\n\r\n".encode()


class Ear:
    def __init__(self) -> None:
        self.answers: list[tuple[str, Answer]] = []
        self._changed = threading.Condition()

    def hear(self, name: str):  # type: ignore[no-untyped-def]
        def done(answer: Answer) -> None:
            with self._changed:
                self.answers.append((name, answer))
                self._changed.notify_all()

        return done

    def wait(self, count: int, timeout_s: float = 6.0) -> list[tuple[str, Answer]]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answers) >= count, timeout_s), self.answers
            return list(self.answers)


def test_the_caller_writes_and_does_not_wait(server: ScriptedVenue, pool: HttpPool) -> None:
    server.reply("GET", "/slow", Reply(200, b"ok", {"X-Kept": "1"}, delay_s=0.3))
    ear = Ear()
    before = time.monotonic_ns()
    pool.send("order", lambda: get("/slow"), ear.hear("a"))
    returned = time.monotonic_ns()
    ((_, answer),) = ear.wait(1)
    assert before <= answer.sent_ns <= returned, "the first byte left before the call came back"
    assert returned - before < 100_000_000
    assert (answer.status, answer.body, answer.headers["x-kept"]) == (200, b"ok", "1")


def test_an_exit_does_not_wait_behind_entries(server: ScriptedVenue, pool: HttpPool) -> None:
    server.reply("GET", "/slow", Reply(delay_s=0.6))
    server.reply("GET", "/exit", Reply())
    ear = Ear()
    for number in range(6):
        pool.send("order", lambda: get("/slow"), ear.hear(f"entry{number}"))
    pool.send("exit", lambda: get("/exit"), ear.hear("exit"))
    assert ear.wait(1)[0][0] == "exit"
    assert len(ear.wait(7)) == 7
    assert all(answer.status == 200 for _, answer in ear.answers)


def test_a_connection_that_the_server_left_is_noticed_before_an_order_is_lost(server: ScriptedVenue, pool: HttpPool) -> None:
    server.reply("POST", "/close", Reply(headers={"Connection": "close"}))
    ear = Ear()
    for number in range(8):
        pool.send("exit", lambda: get("/close", "POST"), ear.hear(str(number)))
        ear.wait(number + 1)
        time.sleep(0.01)
    assert [answer.status for _, answer in ear.answers] == [200] * 8
    assert len(server.requests) == 8


@pytest.mark.parametrize("action", ["cut", "half"])
def test_a_broken_answer_is_told_once_and_nothing_is_sent_again(server: ScriptedVenue, pool: HttpPool, action: str) -> None:
    server.reply("POST", "/x", Reply(action=action))
    ear = Ear()
    pool.send("order", lambda: get("/x", "POST"), ear.hear("x"))
    ((_, answer),) = ear.wait(1)
    assert (answer.failure, answer.status) == ("broken", 0)
    assert answer.sent_ns > 0
    time.sleep(0.1)
    assert len(server.requests) == 1
    assert len(ear.answers) == 1


def test_a_trickle_does_not_stretch_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr("utility.http_pool.TOTAL_S", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def trickle() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        with connection:
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000:
                if stop.wait(0.02):
                    return
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    pool = HttpPool(f"http://127.0.0.1:{listener.getsockname()[1]}", HostGuard(is_paper=True), {"order": 1})
    try:
        began = time.monotonic()
        answer = pool.request("order", lambda: get("/"))
        assert answer.failure == "timed_out"
        assert time.monotonic() - began < 1.0
    finally:
        stop.set()
        pool.close()
        thread.join(2)
        listener.close()


def test_closing_answers_what_waits(server: ScriptedVenue) -> None:
    server.reply("GET", "/stall", Reply(action="stall"))
    pool = HttpPool(f"http://127.0.0.1:{server.port}", HostGuard(is_paper=True), {"order": 1})
    ear = Ear()
    for number in range(3):
        pool.send("order", lambda: get("/stall"), ear.hear(str(number)))
    assert server.wait_for(lambda: len(server.requests) == 1)
    pool.close()
    failures = sorted(answer.failure for _, answer in ear.wait(3))
    assert failures == ["broken", "not_sent", "not_sent"]


# --- the limiter in front -----------------------------------------------------------------------


def test_urgent_errands_go_first_when_the_window_opens(server: ScriptedVenue, pool: HttpPool) -> None:
    order: list[str] = []

    def reply(request: Request) -> Reply:
        order.append(request.path)
        return Reply()

    for path in ("/e0", "/e1", "/e2", "/x0", "/x1"):
        server.reply("GET", path, reply)
    courier = Courier(pool, RateLimiter({"order": Limit(2, 0.3)}))
    ear = Ear()
    try:
        for path in ("/e0", "/e1", "/e2"):
            courier.send(Errand("order", "order", 1.0, False, 5.0, lambda path=path: get(path), ear.hear(path)))
        for path in ("/x0", "/x1"):
            courier.send(Errand("exit", "order", 1.0, True, 5.0, lambda path=path: get(path), ear.hear(path)))
        ear.wait(5)
        assert set(order[:3]) >= {"/x0", "/x1"}, order
    finally:
        courier.close()


def test_what_may_not_wait_so_long_is_not_sent(server: ScriptedVenue, pool: HttpPool) -> None:
    server.reply("GET", "/", Reply())
    courier = Courier(pool, RateLimiter({"order": Limit(1, 60.0)}))
    ear = Ear()
    try:
        for name in ("first", "second"):
            courier.send(Errand("order", "order", 1.0, False, 0.5, lambda: get("/"), ear.hear(name)))
        answers = dict(ear.wait(2))
        assert answers["first"].status == 200
        assert (answers["second"].failure, answers["second"].code) == ("not_sent", "venue.rate_limit_local")
        assert answers["second"].retry_after_s > 50
        assert len(server.requests) == 1
    finally:
        courier.close()

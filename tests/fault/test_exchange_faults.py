"""Each fault of the paper exchange happens where it is said to, as often as it is said to, and is counted."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import websocket

from domain.errors import InputError
from domain.exchange import Liveness
from paper.faults import PLACES, FaultRule, Faults, parse_rules
from tests.contract.paper_rig import SECRET, PaperRig, paper_exchange, wait_for

SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module")
def rig() -> Iterator[PaperRig]:
    with paper_exchange("binance", rate_factor=50.0, symbols=1) as rig:
        yield rig


@pytest.fixture(autouse=True)
def _calm(rig: PaperRig) -> Iterator[None]:
    yield
    rig.control("DELETE", "faults")
    rig.control("POST", "clock?ms=0")


def arm(rig: PaperRig, where: str, action: str, **fields: Any) -> int:
    number: int = rig.control("POST", "faults", [{"where": where, "action": action, **fields}])["ids"][0]
    return number


def fired(rig: PaperRig, number: int) -> int:
    return next(rule["fired"] for rule in rig.control("GET", "faults")["faults"] if rule["id"] == number)


def call(rig: PaperRig, method: str, path: str, timeout: float = 5.0, **params: str) -> httpx.Response:
    text = urlencode({**params, "timestamp": str(time.time_ns() // 1_000_000)})
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    url = f"{rig.base}/api/v3/{path}?{text}&signature={signature}"
    return httpx.request(method, url, headers={"X-MBX-APIKEY": "paper-key"}, timeout=timeout, trust_env=False)


_numbers = iter(range(1, 10_000))


def buy(rig: PaperRig, timeout: float = 5.0) -> tuple[str, httpx.Response | None]:
    name = f"fault-{next(_numbers)}"
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.0001", "price": "60000.00"}
    try:
        return name, call(rig, "POST", "order", timeout, **order, newClientOrderId=name)
    except httpx.HTTPError:
        return name, None


def known(rig: PaperRig, name: str) -> bool:
    return call(rig, "GET", "order", symbol=SYMBOL, origClientOrderId=name).status_code == 200


def in_truth(rig: PaperRig, name: str) -> int:
    return sum(1 for order in rig.control("GET", "truth")["orders"] if order["client_id"] == name)


# --- requests ------------------------------------------------------------------------------------------


def test_a_dropped_request_never_arrives(rig: PaperRig) -> None:
    number = arm(rig, "request", "drop", match={"method": "POST"}, params={"ms": 50}, count=1)
    name, answer = buy(rig)
    assert answer is None
    assert (in_truth(rig, name), fired(rig, number)) == (0, 1)


def test_accepted_and_never_answered(rig: PaperRig) -> None:
    number = arm(rig, "response", "accept_then_timeout", match={"path": "/api/v3/order", "method": "POST"}, count=1)
    name, answer = buy(rig, timeout=0.3)
    assert answer is None
    assert known(rig, name)
    assert (in_truth(rig, name), fired(rig, number)) == (1, 1)


def test_accepted_and_answered_with_an_error(rig: PaperRig) -> None:
    body = {"code": -1007, "msg": "Timeout waiting for response from backend server."}
    arm(rig, "response", "accept_then_error", match={"method": "POST"}, params={"status": 504, "body": body}, count=1)
    name, answer = buy(rig)
    assert answer is not None
    assert (answer.status_code, answer.json()["code"]) == (504, -1007)
    assert known(rig, name)


def test_answered_with_an_error_and_accepted_later(rig: PaperRig) -> None:
    arm(rig, "request", "late_accept", match={"method": "POST"}, params={"ms": 300}, count=1)
    name, answer = buy(rig)
    assert answer is not None
    assert answer.status_code == 504
    assert not known(rig, name)
    wait_for(lambda: known(rig, name))
    assert in_truth(rig, name) == 1


def test_a_hidden_order_is_not_found_for_a_while(rig: PaperRig) -> None:
    arm(rig, "response", "hide_order", match={"method": "POST"}, params={"ms": 500}, count=1)
    name, answer = buy(rig)
    assert answer is not None
    assert answer.status_code == 200
    assert not known(rig, name)
    wait_for(lambda: known(rig, name))


@pytest.mark.parametrize(("action", "status"), [("rate_limit", 429), ("ban", 418), ("maintenance", 503), ("refuse", 400), ("status", 500)])
def test_refusals_do_not_process(rig: PaperRig, action: str, status: int) -> None:
    number = arm(rig, "request", action, match={"method": "POST"}, count=1)
    name, answer = buy(rig)
    assert answer is not None
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) is (action in ("rate_limit", "ban"))
    assert (in_truth(rig, name), fired(rig, number)) == (0, 1)


@pytest.mark.parametrize("action", ["truncate", "garbage"])
def test_spoiled_answers_are_no_json(rig: PaperRig, action: str) -> None:
    arm(rig, "response", action, match={"method": "POST"}, count=1)
    name, answer = buy(rig)
    assert answer is not None
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        answer.json()
    assert in_truth(rig, name) == 1


@pytest.mark.parametrize("where", ["request", "response"])
def test_a_cut_connection(rig: PaperRig, where: str) -> None:
    arm(rig, where, "disconnect", match={"method": "POST"}, count=1)
    name, answer = buy(rig)
    assert answer is None
    assert in_truth(rig, name) == (1 if where == "response" else 0)


def test_delays_both_ways(rig: PaperRig) -> None:
    for where in ("request", "response"):
        arm(rig, where, "delay", match={"path": "/api/v3/ping"}, params={"ms": 150}, count=1)
    started = time.monotonic()
    httpx.get(f"{rig.base}/api/v3/ping", trust_env=False)
    assert time.monotonic() - started >= 0.3


def test_the_clock_goes_wrong(rig: PaperRig) -> None:
    rig.control("POST", "clock?ms=30000")
    assert call(rig, "GET", "account").json()["code"] == -1021
    rig.control("POST", "clock?ms=0")
    assert call(rig, "GET", "account").status_code == 200


def test_a_rule_counts_matches_and_obeys_probability_seed_and_count(rig: PaperRig) -> None:
    def pattern() -> list[bool]:
        faults = Faults([FaultRule(where="request", action="drop", probability=0.3, seed=5, count=4, match={"path": "/a"})])
        return [faults.pick("request", path=path) is not None for path in ["/a/b", "/b"] * 30]

    assert pattern() == pattern()
    assert sum(pattern()) == 4
    assert not any(pattern()[1::2])


# --- streams -------------------------------------------------------------------------------------------


@pytest.fixture
def stream(rig: PaperRig) -> Iterator[websocket.WebSocket]:
    socket = websocket.create_connection(
        f"ws://127.0.0.1:{rig.port}/stream?streams=btcusdt@depth@100ms", timeout=5, suppress_origin=True, http_no_proxy=["127.0.0.1"]
    )
    socket.recv()
    yield socket
    socket.close()


def ids(stream: websocket.WebSocket, count: int, is_raw: bool = False) -> list[int]:
    messages = [json.loads(stream.recv()) for _ in range(count)]
    return [(message if is_raw else message["data"])["U"] for message in messages]


def test_a_duplicated_message(rig: PaperRig, stream: websocket.WebSocket) -> None:
    arm(rig, "public", "duplicate", count=1)
    seen = ids(stream, 4)
    assert len(set(seen)) == 3


def test_a_dropped_message_leaves_a_hole(rig: PaperRig, stream: websocket.WebSocket) -> None:
    first = json.loads(stream.recv())["data"]
    number = arm(rig, "public", "drop", count=1)
    wait_for(lambda: fired(rig, number))
    events = [first] + [json.loads(stream.recv())["data"] for _ in range(4)]
    holes = [b["U"] - a["u"] for a, b in zip(events, events[1:], strict=False)]
    assert sum(1 for hole in holes if hole != 1) == 1


def test_two_messages_change_places(rig: PaperRig, stream: websocket.WebSocket) -> None:
    arm(rig, "public", "reorder", count=1)
    seen = ids(stream, 5)
    assert seen != sorted(seen)
    assert len(set(seen)) == 5


def test_an_altered_message(rig: PaperRig, stream: websocket.WebSocket) -> None:
    arm(rig, "public", "alter", params={"find": "BTCUSDT", "replace": "XXXUSDT"}, count=1)
    assert "XXXUSDT" in [json.loads(stream.recv())["data"]["s"] for _ in range(3)]


def test_a_cut_stream_and_a_half_open_one(rig: PaperRig, stream: websocket.WebSocket) -> None:
    arm(rig, "public", "disconnect", count=1)
    with pytest.raises((websocket.WebSocketException, OSError)):
        ids(stream, 20)
    second = websocket.create_connection(
        f"ws://127.0.0.1:{rig.port}/ws/btcusdt@depth@100ms", timeout=0.8, suppress_origin=True, http_no_proxy=["127.0.0.1"]
    )
    second.recv()
    arm(rig, "public", "half_open", count=1)
    with pytest.raises(websocket.WebSocketTimeoutException):
        ids(second, 50, is_raw=True)
    assert second.connected
    second.close()


def test_a_refused_connection(rig: PaperRig) -> None:
    arm(rig, "connect", "refuse", count=1)
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(f"ws://127.0.0.1:{rig.port}/ws", timeout=5, http_no_proxy=["127.0.0.1"])


def test_connections_are_numbered(rig: PaperRig) -> None:
    numbers = []
    for _ in range(2):
        socket = websocket.create_connection(f"ws://127.0.0.1:{rig.port}/ws", timeout=5, http_no_proxy=["127.0.0.1"])
        numbers.append(int(socket.getheaders()["x-stom-connection"]))
        socket.close()
    assert numbers[1] == numbers[0] + 1


def test_private_messages_can_be_held_back_until_after_the_answer(rig: PaperRig) -> None:
    socket = websocket.create_connection(f"ws://127.0.0.1:{rig.port}/ws-api/v3", timeout=5, http_no_proxy=["127.0.0.1"])
    stamp = time.time_ns() // 1_000_000
    signature = hmac.new(SECRET.encode(), f"apiKey=paper-key&timestamp={stamp}".encode(), hashlib.sha256).hexdigest()
    params = {"apiKey": "paper-key", "timestamp": stamp, "signature": signature}
    socket.send(json.dumps({"id": "1", "method": "userDataStream.subscribe.signature", "params": params}))
    assert json.loads(socket.recv())["status"] == 200
    arm(rig, "private", "delay", params={"ms": 400}, count=1)
    started = time.monotonic()
    name, answer = buy(rig)
    assert answer is not None
    assert time.monotonic() - started < 0.4
    event = json.loads(socket.recv())["event"]
    assert (event["e"], event["c"]) == ("executionReport", name)
    assert time.monotonic() - started >= 0.35
    socket.close()


# --- rules and control ------------------------------------------------------------------------------------


def test_unknown_rules_are_refused_with_the_field() -> None:
    with pytest.raises(InputError) as unknown:
        parse_rules(b'[{"where":"public","action":"late_accept"}]', "x")
    assert (unknown.value.code, unknown.value.fields["action"]) == ("exchange.fault_unknown", "late_accept")
    for text in (
        b"[{",
        b'[{"where":"public"}]',
        b'[{"where":"public","action":"drop","probability":2}]',
        b'[{"where":"a","action":"drop","x":1}]',
    ):
        with pytest.raises(InputError):
            parse_rules(text, "x")
    assert all(actions for actions in PLACES.values())


def test_control_wants_the_token_and_a_loopback_name(rig: PaperRig) -> None:
    for headers in ({}, {"X-Stom-Control": "guess"}, {"X-Stom-Control": rig.house.token, "Host": "evil.example"}):
        assert httpx.get(f"{rig.base}/_paper/truth", headers=headers, trust_env=False).status_code == 403
    assert "paper-key" not in json.dumps(rig.control("GET", "state"))


def test_who_does_not_answer_pings_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper.server.WATCH_S", 0.05)
    with paper_exchange("binance", symbols=1) as rig:
        rig.house.dialect.liveness = Liveness(ping_s=0.1, pong_s=0.6)
        url = f"ws://127.0.0.1:{rig.port}/ws"
        polite = websocket.create_connection(url, timeout=1.5, http_no_proxy=["127.0.0.1"])
        for _ in range(10):  # longer than anybody may be silent; the library answers each ping
            assert polite.recv_data_frame(True)[0] == websocket.ABNF.OPCODE_PING
        assert len(rig.control("GET", "state")["connections"]) == 1
        polite.close()
        silent = websocket.create_connection(url, timeout=5, http_no_proxy=["127.0.0.1"])
        wait_for(lambda: rig.control("GET", "state")["connections"] == [])
        silent.close()


def test_a_reader_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paper.server.QUEUE_FRAMES", 50)
    with paper_exchange("binance", symbols=1, rate_factor=50.0) as rig:
        socket = websocket.create_connection(f"ws://127.0.0.1:{rig.port}/ws/btcusdt@depth@100ms", timeout=5, http_no_proxy=["127.0.0.1"])

        def burst() -> None:
            for connection in rig.house.server.connections.values():
                for _ in range(60):
                    connection.push("x" * 1_000)

        rig.ask(burst)
        wait_for(lambda: rig.control("GET", "state")["connections"] == [])
        socket.close()

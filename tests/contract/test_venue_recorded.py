"""Every venue against written answers, each with the documentation page it follows.

What these answers say was written from the venue's documents, not from our paper exchange, so that an
adapter and the paper exchange cannot agree on the same mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from domain.orders import Fill
from domain.ports import Broker, BrokerFrame, BrokerOrder, BrokerOutcome, BrokerQuery, BrokerState
from tests.contract.venue_kit import Keys, Sink, WallClock, make_order, payload
from tests.doubles.scripted_venue import Reply, ScriptedVenue
from trading.venues import VENUES, venue

ANSWERS = [(code, case) for code in VENUES for case in payload(code, "answers")]
PRIVATE = [(code, case) for code in VENUES for case in payload(code, "private")]


def case_id(value: Any) -> str:
    return value if isinstance(value, str) else str(value["name"])


@pytest.fixture
def server() -> Iterator[ScriptedVenue]:
    with ScriptedVenue() as scripted:
        yield scripted


def started(code: str, server: ScriptedVenue) -> tuple[Broker, Sink]:
    routes = payload(code, "routes")
    for method, path, body in routes["start"]:
        server.reply(method, path, Reply(200, json.dumps(body).encode()))
    answer = routes["private_answer"]
    server.on_message = lambda path, text: [json.dumps({**answer, "id": json.loads(text)["id"]})] if answer is not None else []
    one = venue(code)
    broker = one.make_broker(one.paper_endpoint("127.0.0.1", server.port), Keys(), WallClock())
    sink = Sink()
    broker.start(sink)
    sink.wait(BrokerState, lambda state: state.code == "connected")
    if answer is not None:
        sink.wait(BrokerFrame)
    return broker, sink


def written(case: dict[str, Any]) -> Reply:
    body = case["text"].encode() if "text" in case else json.dumps(case["body"]).encode()
    return Reply(case["status"], body, case.get("headers", {}))


@pytest.mark.parametrize(("code", "case"), ANSWERS, ids=case_id)
def test_an_answer_proves_what_the_table_says(code: str, case: dict[str, Any], server: ScriptedVenue) -> None:
    routes = payload(code, "routes")
    broker, sink = started(code, server)
    try:
        method, path = routes[case["ask"]]
        server.reply(method, path, written(case))
        if "trades" in case:
            server.reply(*routes["trades"], Reply(200, json.dumps(case["trades"]).encode()))
        order = make_order(f"{code}:{routes['code']}")
        getattr(broker, case["ask"])(order)
        if case["ask"] == "query":
            check_query(sink.wait(BrokerQuery), case["expect"])
        else:
            check_outcome(sink.wait(BrokerOutcome), case, sink)
        assert len([request for request in server.requests if (request.method, request.path) == (method, path)]) == 1
    finally:
        broker.close()


def check_outcome(outcome: BrokerOutcome, case: dict[str, Any], sink: Sink) -> None:
    expect = case["expect"]
    assert outcome.kind == expect["kind"]
    assert outcome.code == expect.get("code", "")
    assert outcome.venue_order_id == expect.get("venue_order_id", "")
    assert outcome.retry_after_s == pytest.approx(expect.get("retry_after_s", 0.0))
    assert outcome.about == case["ask"]
    assert outcome.sent_ns > 0
    if "fills" in expect:
        last = sink.wait(BrokerOrder)
        assert [fill.fill_key for fill in sink.of(Fill)] == expect["fills"]
        assert sum(fill.fee for fill in sink.of(Fill)) == Decimal(expect["fees"])
        assert last.cum_qty == sum(fill.qty for fill in sink.of(Fill))


def check_query(answer: BrokerQuery, expect: dict[str, Any]) -> None:
    assert answer.failed == expect.get("failed", False)
    assert answer.found == expect.get("found", False)
    if not answer.found:
        assert answer.order is None
        return
    assert answer.order is not None
    assert answer.order.client_order_id == "aaaabbbbccccddddeeeeffff23-1"
    assert answer.order.status == expect["status"]
    assert answer.order.cum_qty == expect["cum_qty"]
    assert answer.order.cum_amount == Decimal(expect["cum_amount"])
    assert [fill.fill_key for fill in answer.fills] == expect["fills"]
    assert sum(fill.fee for fill in answer.fills) == Decimal(expect["fees"])
    assert sum(fill.qty for fill in answer.fills) == expect["cum_qty"]


@pytest.mark.parametrize(("code", "case"), PRIVATE, ids=case_id)
def test_a_private_frame_says_what_happened(code: str, case: dict[str, Any], server: ScriptedVenue) -> None:
    broker, sink = started(code, server)
    try:
        before = len(sink.of(BrokerFrame))
        text = case.get("frame_text") or json.dumps(case["frame"])
        server.push(payload(code, "routes")["private"], text.encode() if code == "upbit" else text)
        frame = sink.wait(BrokerFrame, lambda one: one.frames > before)
        assert frame.connection == "1"
        states = [state.code for state in sink.of(BrokerState)]
        if case.get("refused"):
            assert states == ["connected", "lost", "connected"]  # something may be lost: reconcile
            return
        assert states == ["connected"]
        updates = [item for item in sink.items if not isinstance(item, (BrokerFrame, BrokerState))]
        assert len(updates) == len(case["expect"])
        for update, expect in zip(updates, case["expect"], strict=True):
            check_update(update, expect)
        assert isinstance(sink.items[-1], BrokerFrame)
    finally:
        broker.close()


def check_update(update: Any, expect: dict[str, Any]) -> None:
    if "balances" in expect:
        assert {row.asset: row.locked for row in update.balances} == {k: Decimal(v) for k, v in expect["balances"].items()}
        assert not update.complete
    elif "fill" in expect:
        assert (update.fill_key, update.qty, update.fee_asset, update.is_maker) == (
            expect["fill"],
            expect["qty"],
            expect["asset"],
            expect["is_maker"],
        )
        assert (update.price, update.fee) == (Decimal(expect["price"]), Decimal(expect["fee"]))
        assert update.exchange_ns == expect["time"] * 1_000_000
    else:
        assert (update.status, update.qty, update.cum_qty, update.client_order_id) == (
            expect["order"],
            expect["qty"],
            expect["cum_qty"],
            expect["client"],
        )
        assert update.reason == expect.get("reason", "")
        if "price" in expect:
            assert update.price == Decimal(expect["price"])


@pytest.mark.parametrize("code", VENUES)
@pytest.mark.parametrize("action", ["cut", "half", "stall"])
def test_bytes_written_and_no_whole_answer_is_in_doubt(
    code: str, action: str, server: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utility.http_pool.TOTAL_S", 0.6)
    routes = payload(code, "routes")
    broker, sink = started(code, server)
    try:
        server.reply(*routes["place"], Reply(200, b'{"uuid":', action=action))
        broker.place(make_order(f"{code}:{routes['code']}"))
        outcome = sink.wait(BrokerOutcome)
        assert outcome.kind == "in_doubt"
        assert outcome.code in ("venue.broken", "venue.timed_out")
        assert outcome.sent_ns > 0
        posts = [request for request in server.requests if request.method == "POST"]
        assert len(posts) == 1, "an order in doubt was sent again"
    finally:
        broker.close()


@pytest.mark.parametrize("code", VENUES)
def test_nothing_listening_is_not_sent(code: str) -> None:
    one = venue(code)
    broker = one.make_broker(one.paper_endpoint("127.0.0.1", 1), Keys(), WallClock())
    sink = Sink()
    broker.start(sink)
    try:
        broker.place(make_order(f"{code}:{payload(code, 'routes')['code']}"))
        outcome = sink.wait(BrokerOutcome)
        assert (outcome.kind, outcome.code, outcome.sent_ns) == ("not_sent", "venue.unreachable", 0)
    finally:
        broker.close()


@pytest.mark.parametrize("code", VENUES)
def test_a_ban_silences_the_key(code: str, server: ScriptedVenue) -> None:
    routes = payload(code, "routes")
    broker, sink = started(code, server)
    try:
        server.reply(*routes["place"], Reply(418, b"", {"Retry-After": "60"}))
        broker.place(make_order(f"{code}:{routes['code']}", "a-1"))
        sink.wait(BrokerOutcome)
        count = len(server.requests)
        broker.place(make_order(f"{code}:{routes['code']}", "b-1"))
        second = sink.wait(BrokerOutcome, lambda outcome: outcome.client_order_id == "b-1")
        assert second.kind == "not_sent"
        assert 50.0 < second.retry_after_s <= 66.0
        assert len(server.requests) == count
    finally:
        broker.close()


@pytest.mark.parametrize("code", VENUES)
def test_the_private_stream_comes_back_and_says_so(code: str, server: ScriptedVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utility.retry.FIRST_S", 0.05)
    broker, sink = started(code, server)
    try:
        server.drop(payload(code, "routes")["private"])
        sink.wait(BrokerState, lambda state: state.connection == "2" and state.code == "connected")
        assert [state.code for state in sink.of(BrokerState)] == ["connected", "lost", "connected"]
        first, second = server.handshakes[:2]
        tokens = {first.headers.get("authorization", "1"), second.headers.get("authorization", "2")}
        assert len(tokens) == 2, "a token was used twice"
        assert "origin" not in first.headers
    finally:
        broker.close()


@pytest.mark.parametrize("code", VENUES)
def test_paper_refuses_every_host_but_this_machine(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    one = venue(code)
    endpoint = msgspec.structs.replace(one.live, is_paper=True)
    broker = one.make_broker(endpoint, Keys(), WallClock())
    sink = Sink()
    broker.start(sink)
    try:
        broker.place(make_order(f"{code}:{payload(code, 'routes')['code']}"))
        outcome = sink.wait(BrokerOutcome)
        assert (outcome.kind, outcome.code) == ("not_sent", "venue.host_not_loopback")
        assert not [state for state in sink.of(BrokerState) if state.code == "connected"]
    finally:
        broker.close()


@pytest.mark.parametrize("code", VENUES)
def test_live_sends_nothing_until_it_is_armed(code: str, server: ScriptedVenue) -> None:
    one = venue(code)
    routes = payload(code, "routes")
    endpoint = msgspec.structs.replace(one.paper_endpoint("127.0.0.1", server.port), is_paper=False)
    is_armed = False
    broker = one.make_broker(endpoint, Keys(), WallClock(), armed=lambda: is_armed)
    sink = Sink()
    broker.start(sink)
    try:
        order = make_order(f"{code}:{routes['code']}")
        broker.place(order)
        broker.cancel(order)
        broker.query(order)
        assert sink.wait(BrokerOutcome, lambda outcome: outcome.about == "place").code == "venue.not_armed"
        assert sink.wait(BrokerOutcome, lambda outcome: outcome.about == "cancel").kind == "cancel_rejected"
        assert sink.wait(BrokerQuery).failed
        assert server.requests == []
        assert server.handshakes == []
        is_armed = True
        server.reply(*routes["place"], written(next(case for case in payload(code, "answers") if case["name"] == "place_accepted")))
        broker.place(order)
        sink.wait(BrokerOutcome, lambda outcome: outcome.kind == "accepted")
    finally:
        broker.close()

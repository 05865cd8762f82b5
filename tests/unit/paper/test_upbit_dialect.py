"""Upbit's far side: tokens, identifiers, limits, frames (protocols/upbit.md 2, 4, 5, 8 to 11)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest

from coin.upbit.paper import UpbitDialect
from coin.upbit.paper_auth import hash_texts
from domain.exchange import DialectSettings, Frame, Refusal, Session, WireAnswer, WireRequest
from paper.exchange import Exchange
from tests.unit.paper.flow import exchange, picture, trade

NOW = 1_790_000_000_000_000_000
SECRET = "x" * 40


def dialect(**settings: Any) -> tuple[Exchange, UpbitDialect]:
    core = exchange()
    core.settings = DialectSettings(key="K", secret=SECRET, **settings)
    core.apply(picture([(101.0, 5.0), (102.0, 500.0)], [(100.0, 5.0), (99.0, 500.0)], 1))
    core.apply(trade(100.0, 1.0, 1, 2))
    return core, UpbitDialect(core)


def token(text: str = "", algorithm: str = "HS256", key: str = "K", secret: str = SECRET, nonce: str = "") -> str:
    claims = {"access_key": key, "nonce": nonce or str(uuid.uuid4())}
    if text:
        claims |= {"query_hash": hashlib.sha512(text.encode()).hexdigest(), "query_hash_alg": "SHA512"}

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()) + b"." + part(json.dumps(claims).encode())
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}.get(algorithm, hashlib.sha256)
    return (signed + b"." + part(hmac.new(secret.encode(), signed, digest).digest())).decode()


def get(side: UpbitDialect, path: str, query: str = "", jwt: str = "", now: int = NOW, **headers: str) -> WireAnswer:
    sent = dict(headers) | ({"authorization": f"Bearer {jwt}"} if jwt else {})
    return side.rest(WireRequest(method="GET", path=path, query=query, headers=sent, wall_ns=now))


def post(side: UpbitDialect, body: dict[str, str], jwt: str | None = None, path: str = "/v1/orders", now: int = NOW) -> WireAnswer:
    text = "&".join(f"{name}={value}" for name, value in body.items())
    headers = {"authorization": f"Bearer {jwt or token(text)}", "content-type": "application/json"}
    return side.rest(WireRequest(method="POST", path=path, headers=headers, body=json.dumps(body).encode(), wall_ns=now))


def name_of(answer: WireAnswer) -> str:
    return str(json.loads(answer.body)["error"]["name"])


BUY = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "volume": "100", "price": "99", "identifier": "a-1"}


# --- tokens ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_both_algorithms_are_taken(algorithm: str) -> None:
    _, side = dialect()
    assert get(side, "/v1/accounts", jwt=token(algorithm=algorithm)).status == 200


@pytest.mark.parametrize(
    ("jwt", "name"),
    [
        ("", "jwt_verification"),
        ("a.b", "jwt_verification"),
        ("a.b.c", "jwt_verification"),
        (token(secret="y" * 40), "jwt_verification"),
        (token(algorithm="none"), "jwt_verification"),
        (token(key="Z"), "invalid_access_key"),
        (token("a=b").replace(".", "!.", 1), "jwt_verification"),
    ],
)
def test_bad_tokens(jwt: str, name: str) -> None:
    _, side = dialect()
    answer = get(side, "/v1/accounts", jwt=jwt)
    assert (answer.status, name_of(answer)) == (401, name)


def test_a_nonce_is_good_once() -> None:
    _, side = dialect()
    jwt = token(nonce="one")
    assert get(side, "/v1/accounts", jwt=jwt).status == 200
    assert name_of(get(side, "/v1/accounts", jwt=jwt)) == "nonce_used"


def test_the_hash_covers_the_unencoded_query_and_the_body_in_order() -> None:
    _, side = dialect()
    query = "states[]=wait&states[]=watch&limit=50"
    encoded = query.replace("[", "%5B").replace("]", "%5D")
    assert get(side, "/v1/orders/open", encoded, token(query)).status == 200
    assert name_of(get(side, "/v1/orders/open", encoded, token("limit=50"))) == "invalid_query_payload"
    assert name_of(get(side, "/v1/orders/open", encoded, token())) == "invalid_query_payload"
    swapped = "&".join(f"{name}={value}" for name, value in reversed(BUY.items()))
    assert name_of(post(side, BUY, token(swapped))) == "invalid_query_payload"
    assert post(side, BUY).status == 201


def test_documented_hashes() -> None:
    request = WireRequest(method="GET", path="/", query="market=KRW-BTC&side=bid&volume=0.01&price=100000000&ord_type=limit")
    wanted = (
        "04f10e7f849051645e088a4217a3e1f938268054df0e99b93ac74627b11f6931e501657d777720f9d19fc2a6649e3afc4a6e4e83ccf3d0569be6bde4633750dc"
    )
    assert wanted in {hashlib.sha512(text.encode()).hexdigest() for text in hash_texts(request)}


# --- orders ----------------------------------------------------------------------------------------------


def test_an_identifier_is_burnt_even_by_a_refused_request() -> None:
    core, side = dialect()
    assert name_of(post(side, BUY | {"volume": "1"})) == "under_min_total_bid"
    assert name_of(post(side, BUY)) == "duplicated_identifier"
    assert not core.orders()
    placed = post(side, BUY | {"identifier": "a-2"})
    assert placed.status == 201
    found = get(side, "/v1/order", "identifier=a-2", token("identifier=a-2"))
    assert json.loads(found.body)["uuid"] == json.loads(placed.body)["uuid"]
    assert name_of(get(side, "/v1/order", "identifier=a-1", token("identifier=a-1"))) == "order_not_found"


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"price": "99.55"}, "invalid_price_bid"),
        ({"side": "ask", "price": "99.55"}, "invalid_price_ask"),
        ({"volume": "1e-05"}, "validation_error"),
        ({"volume": "-1"}, "validation_error"),
        ({"volume": "0"}, "validation_error"),
        ({"volume": "1.123456789"}, "validation_error"),
        ({"volume": "20"}, "under_min_total_bid"),
        ({"volume": "20000000"}, "invalid_funds"),
        ({"volume": "2000000"}, "insufficient_funds_bid"),
        ({"side": "ask", "price": "101"}, "insufficient_funds_ask"),
        ({"side": "left"}, "validation_error"),
        ({"ord_type": "market"}, "create_bid_error"),
        ({"ord_type": "price"}, "create_bid_error"),
        ({"ord_type": "best"}, "create_bid_error"),
        ({"time_in_force": "gtd"}, "validation_error"),
        ({"time_in_force": "post_only", "smp_type": "reduce"}, "validation_error"),
        ({"time_in_force": "post_only", "price": "102"}, "create_bid_error"),
        ({"market": "KRW-NONE"}, "404"),
        ({"identifier": "has space"}, "validation_error"),
    ],
)
def test_refused_orders(changes: dict[str, str], name: str) -> None:
    core, side = dialect()
    answer = post(side, BUY | changes)
    assert name_of(answer) == name
    assert answer.status == (404 if name == "404" else 400)
    assert not core.orders()


def test_market_buy_best_and_reserved_fee() -> None:
    _, side = dialect()
    row = json.loads(post(side, {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}).body)
    assert (row["state"], row["volume"], row["price"], row["ord_type"]) == ("cancel", None, "10000", "price")
    assert Decimal(row["reserved_fee"]) == 5
    assert Decimal(row["paid_fee"]) == Decimal(row["executed_funds"]) * Decimal("0.0005")
    best = {"market": "KRW-XRP", "side": "ask", "ord_type": "best", "volume": "90", "time_in_force": "ioc"}
    sold = json.loads(post(side, best).body)
    assert (sold["state"], sold["executed_volume"], sold["time_in_force"]) == ("cancel", "5", "ioc")
    rested = json.loads(post(side, BUY).body)
    assert (rested["state"], rested["locked"], rested["reserved_fee"]) == ("wait", "9904.95", "4.95")


def test_a_dry_run_changes_nothing() -> None:
    core, side = dialect()
    answer = post(side, BUY, path="/v1/orders/test")
    assert (answer.status, core.orders()) == (201, [])
    assert post(side, BUY).status == 201


def test_cancel_all_and_lists() -> None:
    _, side = dialect()
    for number in range(3):
        assert post(side, BUY | {"identifier": f"c-{number}"}).status == 201
    open_rows = json.loads(get(side, "/v1/orders/open", "market=KRW-XRP&limit=2", token("market=KRW-XRP&limit=2")).body)
    assert [row["identifier"] for row in open_rows] == ["c-2", "c-1"]
    headers = {"authorization": f"Bearer {token('cancel_side=bid')}"}
    answer = side.rest(WireRequest(method="DELETE", path="/v1/orders/open", query="cancel_side=bid", headers=headers, wall_ns=NOW))
    assert json.loads(answer.body)["success"]["count"] == 3
    closed = json.loads(get(side, "/v1/orders/closed", "states[]=cancel", token("states[]=cancel")).body)
    assert [row["state"] for row in closed] == ["cancel"] * 3
    many = "uuids[]=" + closed[0]["uuid"] + "&uuids[]=" + closed[1]["uuid"]
    assert len(json.loads(get(side, "/v1/orders/uuids", many, token(many)).body)) == 2


# --- limits ----------------------------------------------------------------------------------------------


def test_remaining_counts_down_then_429_then_418() -> None:
    _, side = dialect()
    answers = [get(side, "/v1/market/all") for _ in range(25)]
    assert answers[0].headers["Remaining-Req"] == "group=market; min=1800; sec=9"
    assert [answer.status for answer in answers[:10]] == [200] * 10
    assert {answer.status for answer in answers[10:20]} == {429}
    assert answers[10].body == b"Too many API requests."
    assert [answers[k].headers["Remaining-Req"][-5:] for k in (10, 20)] == ["sec=0", "sec=0"]  # every answer counts
    assert answers[20].status == 418
    assert get(side, "/v1/ticker", "markets=KRW-XRP", now=NOW + 2_000_000_000).status == 418  # all of it, and for longer
    assert get(side, "/v1/market/all", now=NOW + 11_000_000_000).status == 200


def test_an_origin_header_costs_ten_seconds() -> None:
    _, side = dialect()
    assert get(side, "/v1/market/all", origin="http://x").status == 200
    assert get(side, "/v1/market/all", origin="http://x", now=NOW + 1_000_000_000).status == 429
    assert get(side, "/v1/market/all", now=NOW + 1_000_000_000).status == 200


def test_load_rigs_raise_the_limits_by_setting() -> None:
    _, side = dialect(rate_factor=10.0)
    assert {get(side, "/v1/market/all").status for _ in range(90)} == {200}


# --- sockets ---------------------------------------------------------------------------------------------


def public(side: UpbitDialect) -> Session:
    session = side.open(WireRequest(method="GET", path="/websocket/v1", wall_ns=NOW))
    assert not isinstance(session, Refusal)
    return session


def decoded(frames: list[Frame]) -> list[Any]:
    assert all(isinstance(frame, bytes) for frame in frames)
    return [json.loads(frame) for frame in frames]


def test_a_snapshot_comes_first_in_binary() -> None:
    core, side = dialect()
    session = public(side)
    request = [{"ticket": "t"}, {"type": "trade", "codes": ["KRW-XRP"]}, {"type": "orderbook", "codes": ["KRW-XRP.1"]}]
    frames = decoded(session.receive(json.dumps(request), NOW))
    assert [(frame["type"], frame["stream_type"]) for frame in frames] == [("trade", "SNAPSHOT"), ("orderbook", "SNAPSHOT")]
    assert len(frames[1]["orderbook_units"]) == 1
    message = trade(101.0, 0.00000001, -1, 9, number=77)
    core.apply(message)
    (live,) = decoded(session.public(message))
    assert (live["sequential_id"], live["ask_bid"], live["trade_volume"], live["stream_type"]) == (77, "ASK", 1e-8, "REALTIME")


def test_simple_format_and_only_realtime() -> None:
    core, side = dialect()
    session = public(side)
    request = [{"ticket": "t"}, {"type": "orderbook", "codes": ["KRW-XRP"], "is_only_realtime": True}, {"format": "SIMPLE"}]
    assert session.receive(json.dumps(request), NOW) == []
    message = picture([(101.0, 3.5)], [(100.0, 2.5)], 5)
    core.apply(message)
    (book,) = decoded(session.public(message))
    assert book["obu"] == [{"ap": 101.0, "bp": 100.0, "as": 3.5, "bs": 2.5}]
    assert (book["ty"], book["cd"], book["tas"], book["tbs"], book["st"]) == ("orderbook", "KRW-XRP", 3.5, 2.5, "REALTIME")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{", "WRONG_FORMAT"),
        ('{"a":1}', "WRONG_FORMAT"),
        ('[{"type":"trade","codes":["KRW-XRP"]}]', "NO_TICKET"),
        ('[{"ticket":"t"}]', "NO_TYPE"),
        ('[{"ticket":"t"},{"type":"myOrder"}]', "NO_TYPE"),
        ('[{"ticket":"t"},{"type":"trade"}]', "NO_CODES"),
        ('[{"ticket":"t"},{"type":"trade","codes":["X"]}]', "NO_CODES"),
        ('[{"ticket":"t"},{"type":"orderbook","codes":["KRW-XRP.7"]}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"trade","codes":["KRW-XRP"]},{"format":"X"}]', "INVALID_PARAM"),
    ],
)
def test_bad_requests_on_the_socket(text: str, name: str) -> None:
    _, side = dialect()
    (frame,) = decoded(public(side).receive(text, NOW))
    assert frame["error"]["name"] == name


def test_ping_list_and_message_limit() -> None:
    _, side = dialect()
    session = public(side)
    assert decoded(session.receive("PING", NOW)) == [{"status": "UP"}]
    session.receive('[{"ticket":"t"},{"type":"ticker","codes":["KRW-XRP"]}]', NOW)
    (listed,) = decoded(session.receive('{"method":"LIST_SUBSCRIPTIONS"}', NOW))
    assert listed["result"] == [{"type": "ticker", "codes": ["KRW-XRP"]}]
    last = [decoded(session.receive("{", NOW))[0]["error"]["name"] for _ in range(6)][-1]
    assert last == "TOO_MANY_REQUESTS"


def test_the_private_socket_wants_a_token_and_tells_an_orders_life() -> None:
    core, side = dialect()
    path = "/websocket/v1/private"
    assert isinstance(side.open(WireRequest(method="GET", path=path, wall_ns=NOW)), Refusal)
    session = side.open(WireRequest(method="GET", path=path, headers={"authorization": f"Bearer {token()}"}, wall_ns=NOW))
    assert not isinstance(session, Refusal)
    assert session.receive('[{"ticket":"t"},{"type":"myOrder"},{"type":"myAsset"}]', NOW) == []
    post(
        side,
        {
            "market": "KRW-XRP",
            "side": "bid",
            "ord_type": "limit",
            "volume": "60",
            "price": "102",
            "identifier": "p-1",
            "time_in_force": "ioc",
        },
    )
    events = decoded([frame for update in core.outbox for frame in session.private(update)])
    assert [event.get("state") for event in events] == ["wait", "trade", "trade", "done", None]
    first, fill = events[0], events[1]
    assert (first["price"], first["volume"], first["executed_volume"], first["trade_fee"]) == (102, 60, 0, None)
    assert (fill["price"], fill["volume"], fill["executed_volume"], fill["is_maker"], fill["identifier"]) == (101, 5, 5, False, "p-1")
    assert fill["trade_fee"] == 0.2525
    assert len({event["trade_uuid"] for event in events[1:3]}) == 2
    assert {row["currency"] for row in events[-1]["assets"]} == {"KRW", "XRP"}


# --- candles ---------------------------------------------------------------------------------------------


def test_minutes_without_a_trade_have_no_candle_and_to_is_left_out() -> None:
    core, side = dialect()
    for minute, price in ((0, 100.0), (1, 102.0), (4, 99.0)):
        core.apply(trade(price, 1.0, 1, minute * 60_000 + 2_000))
    rows = json.loads(get(side, "/v1/candles/minutes/1", "market=KRW-XRP&count=10").body)
    assert [row["trade_price"] for row in rows] == [99.0, 102.0, 100.0]  # newest first
    before = rows[0]["candle_date_time_utc"]
    earlier = json.loads(get(side, "/v1/candles/minutes/1", f"market=KRW-XRP&count=10&to={before}Z").body)
    assert [row["trade_price"] for row in earlier] == [102.0, 100.0]
    five = json.loads(get(side, "/v1/candles/minutes/5", "market=KRW-XRP&count=10").body)
    assert five[0]["candle_acc_trade_volume"] + sum(row["candle_acc_trade_volume"] for row in five[1:]) == 4.0
    assert get(side, "/v1/candles/minutes/7", "market=KRW-XRP").status == 404


def test_candles_of_no_market_are_a_bad_request() -> None:
    assert get(dialect()[1], "/v1/candles/minutes/1", "").status == 400

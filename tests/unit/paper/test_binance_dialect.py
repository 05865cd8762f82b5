"""Binance's far side: signatures, clock, weights, streams (protocols/binance.md 2, 3, 7 to 10, 16)."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from coin.binance.paper import BinanceDialect, klines
from coin.binance.paper_auth import Signatures
from coin.markets import BINANCE
from domain.exchange import DialectSettings, Frame, HouseRules, Refusal, Session, WireAnswer, WireRequest
from paper.exchange import Exchange
from tests.unit.paper.flow import delta, exchange, snapshot, trade

NOW = 1_790_000_000_000_000_000
NOW_MS = NOW // 1_000_000
SECRET = "paper-secret-0001"


def dialect(**settings: Any) -> tuple[Exchange, BinanceDialect]:
    core = exchange(BINANCE, HouseRules(), cash="100000")
    core.settings = DialectSettings(key="K", secret=SECRET, **settings)
    core.apply(snapshot([(60_001.0, 1.0), (60_002.0, 3.0)], [(60_000.0, 1.0), (59_999.0, 3.0)], 100, 1))
    core.apply(trade(60_000.0, 0.5, 1, 2, number=500))
    return core, BinanceDialect(core)


def sign(text: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def call(
    side: BinanceDialect, method: str, path: str, /, now: int = NOW, key: str = "K", in_body: bool = False, **params: Any
) -> WireAnswer:
    text = urlencode({**params, "timestamp": params.get("timestamp", now // 1_000_000)})
    signed = f"{text}&signature={sign(text)}"
    headers = {"x-mbx-apikey": key} if key else {}
    body = signed.encode() if in_body else b""
    return side.rest(
        WireRequest(method=method, path=f"/api/v3/{path}", query="" if in_body else signed, headers=headers, body=body, wall_ns=now)
    )


def get(side: BinanceDialect, path: str, query: str = "", now: int = NOW) -> WireAnswer:
    return side.rest(WireRequest(method="GET", path=f"/api/v3/{path}", query=query, wall_ns=now))


def code(answer: WireAnswer) -> int:
    return int(json.loads(answer.body)["code"])


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001", "price": "50000.00"}


# --- signatures --------------------------------------------------------------------------------------------


def test_the_documented_vectors() -> None:
    vendor = Signatures("K", "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j")
    text = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    at = 1_499_827_319_600_000_000
    for query, body in (
        (f"{text}&signature={signature}", b""),
        ("", f"{text}&signature={signature}".encode()),
        (f"signature={signature}&{text}", b""),
    ):
        request = WireRequest(method="POST", path="/", query=query, body=body, headers={"x-mbx-apikey": "K"}, wall_ns=at)
        vendor.check(request, {"timestamp": "1499827319559", "recvWindow": "5000"})
    ours = Signatures("K", SECRET)
    sorted_text = (
        "newClientOrderId=ws-1&price=60000.00&quantity=0.010&side=BUY&symbol=BTCUSDT&timeInForce=GTC&timestamp=1790000000000&type=LIMIT"
    )
    assert sign(sorted_text) == "7478c9b628815ff68055a5b7aec5627343e285623dd4bede97b3043e8c9b79e0"
    params = dict(pair.split("=") for pair in sorted_text.split("&")) | {"apiKey": "K"}
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    ours.check_sorted(params | {"signature": sign(text).upper()}, NOW)


def test_split_between_query_and_body_and_any_order() -> None:
    _, side = dialect()
    query, body = "symbol=BTCUSDT&side=BUY&type=LIMIT", f"timeInForce=GTC&quantity=0.001&price=50000&timestamp={NOW_MS}"
    signed = f"{body}&signature={sign(query + body)}".encode()
    answer = side.rest(
        WireRequest(method="POST", path="/api/v3/order", query=query, body=signed, headers={"x-mbx-apikey": "K"}, wall_ns=NOW)
    )
    assert answer.status == 200


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"timestamp": NOW_MS + 1_000}, -1021),
        ({"timestamp": NOW_MS - 5_001}, -1021),
        ({"timestamp": NOW_MS - 20_000, "recvWindow": 30_000}, None),
        ({"timestamp": NOW // 1_000}, None),  # microseconds
        ({"timestamp": "x"}, -1100),
        ({"recvWindow": 60_001}, -1131),
        ({"key": ""}, -2014),
        ({"key": "other"}, -2015),
    ],
)
def test_clock_and_key(change: dict[str, Any], wanted: int | None) -> None:
    _, side = dialect()
    answer = call(side, "GET", "account", **change)
    assert (code(answer) if answer.status != 200 else None) == wanted


def test_signature_of_the_encoded_bytes_as_sent() -> None:
    _, side = dialect()
    text = f"symbol=BTCUSDT&origClientOrderId=a%20b&timestamp={NOW_MS}"
    headers = {"x-mbx-apikey": "K"}
    good = WireRequest(method="GET", path="/api/v3/order", query=f"{text}&signature={sign(text)}", headers=headers, wall_ns=NOW)
    bad = WireRequest(
        method="GET", path="/api/v3/order", query=f"{text}&signature={sign(text.replace('%20', ' '))}", headers=headers, wall_ns=NOW
    )
    assert code(side.rest(good)) == -2013
    assert code(side.rest(bad)) == -1022


# --- limits ------------------------------------------------------------------------------------------------


def test_weights_add_up_and_good_orders_are_free() -> None:
    _, side = dialect()
    assert get(side, "ping").headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert get(side, "depth", "symbol=BTCUSDT&limit=1000").headers["X-MBX-USED-WEIGHT-1M"] == "51"
    placed = call(side, "POST", "order", **ORDER)
    assert placed.headers["X-MBX-USED-WEIGHT-1M"] == "51"
    assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    refused = call(side, "POST", "order", **(ORDER | {"price": "50000.001"}))
    assert (refused.headers["X-MBX-USED-WEIGHT-1M"], refused.headers["X-MBX-ORDER-COUNT-10S"]) == ("52", "1")
    filled = call(side, "POST", "order", **(ORDER | {"price": "60001.00", "timeInForce": "IOC"}))
    assert filled.headers["X-MBX-ORDER-COUNT-10S"] == "1"  # a fill gives the count back


def test_past_the_weight_429_then_418_with_patience() -> None:
    _, side = dialect()
    answers = [get(side, "depth", "symbol=BTCUSDT&limit=5000") for _ in range(46)]
    assert [answer.status for answer in answers[:24]] == [200] * 24
    assert answers[24].status == 429
    assert int(answers[24].headers["Retry-After"]) <= 60
    assert answers[45].status == 418
    assert get(side, "ping", now=NOW + 61_000_000_000).status == 418
    assert get(side, "ping", now=NOW + 200_000_000_000).status == 200


def test_too_many_orders() -> None:
    _, side = dialect()
    codes = [call(side, "POST", "order", newClientOrderId=f"o-{n}", **ORDER) for n in range(101)]
    assert code(codes[100]) == -1015
    assert call(side, "POST", "order", now=NOW + 10_000_000_000, newClientOrderId="later", **ORDER).status == 200


# --- orders ------------------------------------------------------------------------------------------------


def test_answers_ack_result_full() -> None:
    _, side = dialect()
    shapes = {kind: json.loads(call(side, "POST", "order", newOrderRespType=kind, **ORDER).body) for kind in ("ACK", "RESULT", "FULL")}
    assert set(shapes["ACK"]) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert "fills" not in shapes["RESULT"]
    assert shapes["FULL"]["fills"] == []


def test_client_ids_repeat_once_the_first_has_ended() -> None:
    _, side = dialect()
    taking = ORDER | {"price": "60001.00", "newClientOrderId": "same"}
    first, second = (json.loads(call(side, "POST", "order", **taking).body) for _ in range(2))
    assert (first["status"], second["status"]) == ("FILLED", "FILLED")
    found = json.loads(call(side, "GET", "order", symbol="BTCUSDT", origClientOrderId="same").body)
    assert found["orderId"] == second["orderId"]


def test_leftovers_expire_with_their_reason() -> None:
    core, side = dialect()
    session = side.open(WireRequest(method="GET", path="/ws-api/v3", wall_ns=NOW))
    assert not isinstance(session, Refusal)
    params = {"apiKey": "K", "timestamp": NOW_MS}
    text = f"apiKey=K&timestamp={NOW_MS}"
    (answer,) = session.receive(
        json.dumps({"id": 1, "method": "userDataStream.subscribe.signature", "params": params | {"signature": sign(text)}}), NOW
    )
    assert json.loads(answer)["result"] == {"subscriptionId": 0}
    row = json.loads(call(side, "POST", "order", **(ORDER | {"price": "60001.00", "quantity": "1.5", "timeInForce": "IOC"})).body)
    assert (row["status"], row["executedQty"]) == ("EXPIRED", "1.00000000")
    events = [json.loads(frame)["event"] for update in core.outbox for frame in session.private(update)]
    assert [event.get("x") for event in events] == ["NEW", "TRADE", "EXPIRED", None]
    assert events[2]["eR"] == "UNFILLED_IOC_QUANTITY_EXPIRED"
    assert events[1]["N"] == "BNB"
    assert len({event["I"] for event in events[:3]}) == 3


def test_a_second_subscription_is_refused() -> None:
    _, side = dialect()
    session = side.open(WireRequest(method="GET", path="/ws-api/v3", wall_ns=NOW))
    assert not isinstance(session, Refusal)
    text = f"apiKey=K&timestamp={NOW_MS}"
    frame = json.dumps(
        {"id": "x", "method": "userDataStream.subscribe.signature", "params": {"apiKey": "K", "timestamp": NOW_MS, "signature": sign(text)}}
    )
    session.receive(frame, NOW)
    (answer,) = session.receive(frame, NOW)
    assert json.loads(answer)["error"]["code"] == -2035


def test_a_parameter_too_many_is_refused_and_nothing_is_placed() -> None:
    core, side = dialect()
    answer = call(side, "POST", "order", **ORDER, foo=1)
    assert (answer.status, code(answer)) == (400, -1104)
    assert json.loads(answer.body)["msg"] == "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."
    session = side.open(WireRequest(method="GET", path="/ws-api/v3", wall_ns=NOW))
    assert not isinstance(session, Refusal)
    params = {**ORDER, "apiKey": "K", "timestamp": str(NOW_MS), "foo": "1"}
    params["signature"] = sign("&".join(f"{name}={params[name]}" for name in sorted(params)))
    (frame,) = session.receive(json.dumps({"id": 1, "method": "order.place", "params": params}), NOW)
    assert json.loads(frame)["error"]["code"] == -1104
    assert core.orders() == []
    assert call(side, "POST", "order", **ORDER, recvWindow=5_000).status == 200


def test_bad_frames_on_the_websocket_api() -> None:
    _, side = dialect()
    session = side.open(WireRequest(method="GET", path="/ws-api/v3", wall_ns=NOW))
    assert not isinstance(session, Refusal)
    for text, wanted in (
        ("{", -1135),
        ("[]", -1135),
        ('{"id":1,"method":"x"}', -1020),
        ('{"id":1,"method":"account.status","params":{}}', -2014),
    ):
        (answer,) = session.receive(text, NOW)
        assert json.loads(answer)["error"]["code"] == wanted


# --- streams -----------------------------------------------------------------------------------------------


def stream(side: BinanceDialect, path: str, query: str = "") -> Session:
    session = side.open(WireRequest(method="GET", path=path, query=query, wall_ns=NOW))
    assert not isinstance(session, Refusal)
    return session


def decoded(frames: list[Frame]) -> list[Any]:
    return [json.loads(frame) for frame in frames]


def test_a_recorded_change_is_sent_as_it_was() -> None:
    core, side = dialect()
    session = stream(side, "/stream", "streams=btcusdt@depth@100ms/btcusdt@trade")
    message = delta([(1, 60_000.0, 0.0), (1, 59_998.5, 0.12345), (-1, 60_003.0, 2.0)], 101, 107, 150)
    core.apply(message)
    (frame,) = decoded(session.public(message))
    assert frame["stream"] == "btcusdt@depth@100ms"
    assert frame["data"] == {
        "e": "depthUpdate",
        "E": NOW_MS + 150,
        "s": "BTCUSDT",
        "U": 101,
        "u": 107,
        "b": [["60000.00000000", "0.00000000"], ["59998.50000000", "0.12345000"]],
        "a": [["60003.00000000", "2.00000000"]],
    }
    book = json.loads(get(side, "depth", "symbol=BTCUSDT&limit=5").body)
    assert (book["lastUpdateId"], book["bids"][0]) == (107, ["59999.00000000", "3.00000000"])


def test_a_change_names_a_price_once_with_what_it_is_at_the_end() -> None:
    core, side = dialect()
    session = stream(side, "/ws/btcusdt@depth")
    message = delta([(-1, 60_002.0, 0.0), (1, 59_999.0, 1.0), (-1, 60_002.0, 0.0), (-1, 60_001.0, 2.0), (1, 59_999.0, 4.0)], 101, 107, 150)
    core.apply(message)
    (event,) = decoded(session.public(message))
    assert event["a"] == [["60002.00000000", "0.00000000"], ["60001.00000000", "2.00000000"]]
    assert event["b"] == [["59999.00000000", "4.00000000"]]


def test_raw_names_are_lower_case_and_unknown_ones_stay_silent() -> None:
    core, side = dialect()
    message = trade(60_000.0, 0.5, -1, 9, number=501)
    core.apply(message)
    (frame,) = decoded(stream(side, "/ws/btcusdt@trade").public(message))
    assert (frame["e"], frame["t"], frame["m"], frame["p"], frame["q"]) == ("trade", 501, True, "60000.00000000", "0.50000000")
    assert stream(side, "/ws/BTCUSDT@trade").public(message) == []
    assert stream(side, "/ws/btcusdt@nothing").public(message) == []
    assert isinstance(side.open(WireRequest(method="GET", path="/elsewhere", wall_ns=NOW)), Refusal)


def test_control_messages() -> None:
    _, side = dialect()
    session = stream(side, "/ws")

    def ask(text: str, at: int) -> Any:
        return decoded(session.receive(text, NOW + at * 1_000_000_000))[0]

    assert ask('{"method":"SUBSCRIBE","params":["btcusdt@trade","btcusdt@kline_1m"],"id":1}', 0) == {"result": None, "id": 1}
    assert ask('{"method":"LIST_SUBSCRIPTIONS","id":2}', 0)["result"] == ["btcusdt@trade", "btcusdt@kline_1m"]
    assert ask('{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":3}', 0)["result"] is None
    assert ask('{"method":"SET_PROPERTY","params":["combined",true],"id":4}', 0)["result"] is None
    assert ask('{"method":"GET_PROPERTY","params":["combined"],"id":5}', 0)["result"] is True
    assert ask('{"method":"NOPE","id":6}', 1)["error"]["code"] == 2
    assert ask("{", 1)["code"] == 3


def test_timed_streams() -> None:
    core, side = dialect()
    core.apply(trade(60_100.0, 0.25, 1, 61_000, number=502))
    names = "btcusdt@kline_1m/btcusdt@miniTicker/btcusdt@depth5/btcusdt@ticker/!miniTicker@arr"
    frames = {frame["stream"]: frame["data"] for frame in decoded(stream(side, "/stream", f"streams={names}").timed(core.market_ns))}
    assert frames["btcusdt@kline_1m"]["k"]["x"] is False
    assert frames["btcusdt@depth5"]["lastUpdateId"] == 100
    assert frames["btcusdt@ticker"]["c"] == frames["btcusdt@miniTicker"]["c"] == "60100.00000000"
    assert frames["!miniTicker@arr"][0]["s"] == "BTCUSDT"


def test_empty_candles_are_there() -> None:
    core, side = dialect()
    core.apply(trade(60_100.0, 0.25, 1, 185_000, number=502))
    rows = json.loads(get(side, "klines", "symbol=BTCUSDT&interval=1m&limit=10").body)
    assert [row[8] for row in rows] == [1, 0, 0, 1]
    assert rows[1][1:6] == ["60000.00000000"] * 4 + ["0.00000000"]
    assert [row[0] for row in rows] == [rows[0][0] + 60_000 * n for n in range(4)]
    since = json.loads(get(side, "klines", f"symbol=BTCUSDT&interval=1m&startTime={rows[2][0]}&limit=1").body)
    assert [row[0] for row in since] == [rows[2][0]]
    assert klines(core, 0, 60, None, 1, 10) == []


@pytest.mark.parametrize(
    ("path", "query", "status", "wanted"),
    [
        ("depth", "", 400, -1102),
        ("depth", "symbol=NOPE", 400, -1121),
        ("klines", "symbol=BTCUSDT&interval=7m", 400, -1120),
        ("trades", "symbol=BTCUSDT&limit=x", 400, -1100),
        ("depth", "symbol=BTCUSDT&symbol=BTCUSDT", 400, -1101),
        ("depth", "symbol=BTCUSDT&foo=1", 400, -1104),
        ("klines", "symbol=BTCUSDT&interval=1m&timestamp=1", 400, -1104),
        ("time", "foo=1", 400, -1101),
        ("nowhere", "", 404, -1),
        ("account", "", 401, -2014),
    ],
)
def test_bad_requests(path: str, query: str, status: int, wanted: int) -> None:
    _, side = dialect()
    answer = get(side, path, query)
    assert (answer.status, code(answer)) == (status, wanted)

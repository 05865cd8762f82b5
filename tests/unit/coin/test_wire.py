"""Signing and requests of both venues, with the vectors of their documents."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from decimal import Decimal

import pytest

from coin.binance import wire as binance
from coin.markets import UPBIT
from coin.upbit import wire as upbit
from domain.errors import VenueError
from domain.orders import OrderKind, OrderStatus, TimeInForce
from tests.contract.venue_kit import make_order
from utility.http_answer import NOT_SENT, TIMED_OUT, Answer


def test_binance_signs_the_documented_vector() -> None:
    payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    assert binance.sign(secret, payload) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    query = binance.signed_query({"symbol": "한"}, "s", 17)
    payload, _, signature = query.rpartition("&signature=")
    assert payload == "symbol=%ED%95%9C&recvWindow=5000&timestamp=17", "signed as transmitted: after percent-encoding"
    assert signature == hmac.new(b"s", payload.encode(), hashlib.sha256).hexdigest()


def test_binance_signs_socket_parameters_sorted() -> None:
    frame = json.loads(binance.subscribe_request("K", "S", 1790000000000, "s1"))
    assert frame["method"] == "userDataStream.subscribe.signature"
    assert frame["params"]["signature"] == hmac.new(b"S", b"apiKey=K&timestamp=1790000000000", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (
            "market=KRW-BTC&side=bid&volume=0.01&price=100000000&ord_type=limit",
            "04f10e7f849051645e088a4217a3e1f938268054df0e99b93ac74627b11f6931e501657d777720f9d19fc2a6649e3afc4a6e4e83ccf3d0569be6bde4633750dc",
        ),
        (
            "states[]=wait&states[]=watch&limit=50",
            "f436b8a9cc80ced4d0dbef2e1638b705755d05490b24581426a5342c2096db3247dd019a8f26e5981c4c657f63b3f668243ae08c6cd294ea40bb554a1bc03a5c",
        ),
    ],
)
def test_upbit_hashes_the_documented_vectors(text: str, digest: str) -> None:
    assert upbit.query_hash(text) == digest
    pairs = [tuple(part.split("=", 1)) for part in text.split("&")]
    assert upbit.query_text(pairs) == text  # type: ignore[arg-type]


def test_an_upbit_token_is_fresh_and_verifies() -> None:
    first, second = (upbit.token("key", "secret", "a=1") for _ in range(2))
    head, body, signature = first.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert claims["query_hash"] == hashlib.sha512(b"a=1").hexdigest()
    assert json.loads(base64.urlsafe_b64decode(second.split(".")[1] + "=="))["nonce"] != claims["nonce"]
    expected = hmac.new(b"secret", f"{head}.{body}".encode(), hashlib.sha512).digest()
    assert base64.urlsafe_b64decode(signature + "==") == expected
    assert "query_hash" not in json.loads(base64.urlsafe_b64decode(upbit.token("key", "secret").split(".")[1] + "=="))


def test_upbit_hashes_plain_and_sends_encoded() -> None:
    pairs = [("start_time", "2026-09-21T00:00:00+09:00")]
    assert upbit.query_text(pairs) == "start_time=2026-09-21T00:00:00+09:00"
    assert upbit.query_url(pairs) == "start_time=2026-09-21T00%3A00%3A00%2B09%3A00"


def test_upbit_orders_as_the_table_of_types_says() -> None:
    def body(**fields: object) -> dict[str, str]:
        return dict(upbit.order_params(make_order("upbit:KRW-BTC", **fields), "KRW-BTC"))  # type: ignore[arg-type]

    entry = body(qty=1, price=Decimal("1E+2"))
    assert entry["volume"] == "0.00000001", "never exponent form"
    assert (entry["price"], entry["ord_type"], entry["time_in_force"], entry["smp_type"]) == ("100", "limit", "ioc", "cancel_taker")
    assert "time_in_force" not in body(force=TimeInForce.GTC)
    post = body(force=TimeInForce.POST_ONLY)
    assert post["time_in_force"] == "post_only"
    assert "smp_type" not in post, "cannot be combined"
    sell = body(kind=OrderKind.MARKET, side=-1, price=None)
    assert (sell["ord_type"], sell["side"], "price" in sell) == ("market", "ask", False)
    bounded = body(kind=OrderKind.MARKET, price=Decimal(5))
    assert (bounded["ord_type"], bounded["price"], bounded["time_in_force"]) == ("limit", "5", "ioc")
    with pytest.raises(VenueError, match="price_missing"):
        body(kind=OrderKind.MARKET, price=None)


def test_binance_orders_as_the_table_of_types_says() -> None:
    def params(**fields: object) -> dict[str, str]:
        return binance.order_params(make_order("binance:BTCUSDT", **fields), "BTCUSDT")  # type: ignore[arg-type]

    entry = params(qty=1000, price=Decimal("60000.10"))
    assert (entry["quantity"], entry["price"], entry["timeInForce"], entry["type"]) == ("0.00001", "60000.1", "IOC", "LIMIT")
    assert entry["newOrderRespType"] == "FULL"
    maker = params(force=TimeInForce.POST_ONLY)
    assert (maker["type"], "timeInForce" in maker) == ("LIMIT_MAKER", False)
    market = params(kind=OrderKind.MARKET, side=-1, price=None)
    assert (market["type"], market["side"], "price" in market, "timeInForce" in market) == ("MARKET", "SELL", False, False)
    with pytest.raises(VenueError, match="price_missing"):
        params(price=None)


@pytest.mark.parametrize("wire", [upbit, binance])
def test_a_failed_cancel_is_never_read_as_an_order_that_was_not_sent(wire: object) -> None:
    answer = Answer(failure=NOT_SENT, code="venue.unreachable", retry_after_s=3.0)
    verdict, _ = wire.cancel_verdict(answer)  # type: ignore[attr-defined]
    assert (verdict.kind, verdict.code, verdict.retry_after_s) == ("cancel_rejected", "venue.unreachable", 3.0)
    verdict, _ = wire.place_verdict(answer)  # type: ignore[attr-defined]
    assert (verdict.kind, verdict.retry_after_s) == ("not_sent", 3.0)
    for read in (wire.cancel_verdict, wire.place_verdict):  # type: ignore[attr-defined]
        assert read(Answer(failure=TIMED_OUT, sent_ns=1))[0].kind == "in_doubt"


def test_the_fee_of_an_upbit_order_is_shared_out_to_the_last_digit() -> None:
    row = upbit.OrderRow(
        uuid="u",
        market="KRW-BTC",
        side="bid",
        ord_type="limit",
        state="done",
        created_at="2026-09-21T00:00:00+09:00",
        executed_volume=Decimal(3),
        paid_fee=Decimal("0.00000010"),
        trades=[
            upbit.OrderTrade(uuid=str(i), price=Decimal(1), volume=Decimal(1), created_at=f"2026-09-21T00:00:0{i}+09:00") for i in range(3)
        ],
    )
    assert [fill.fee for fill in upbit.order_fills(row, 0)] == [Decimal("3E-8"), Decimal("3E-8"), Decimal("4E-8")]


def test_upbit_times_carry_their_zone() -> None:
    assert upbit.time_ns("2026-09-21T09:00:00+09:00") == upbit.time_ns("2026-09-21T00:00:00") == 1_789_948_800_000_000_000
    moment = dt.datetime(2026, 9, 21, 0, 0, 0, 123456, tzinfo=dt.UTC)
    assert upbit.time_ns(moment.isoformat()) == 1_789_948_800_123_456_000


def test_an_upbit_tick_of_the_ladder_follows_the_price_and_another_stays() -> None:
    rows = [upbit.MarketRow(market=code) for code in ("KRW-BTC", "KRW-USDT", "BTC-ETH")]
    ticks = [upbit.TickRow(market="KRW-BTC", tick_size=Decimal(1000)), upbit.TickRow(market="KRW-USDT", tick_size=Decimal("0.5"))]
    found = upbit.instruments(rows, ticks, UPBIT.ladders[-1], UPBIT.min_notional)
    assert [(one.code, one.price_step) for one in found] == [("KRW-BTC", 0.0), ("KRW-USDT", 0.5)]


def test_a_binance_symbol_brings_its_filters() -> None:
    row = binance.SymbolRow(
        symbol="BTCUSDT",
        status="TRADING",
        baseAsset="BTC",
        quoteAsset="USDT",
        filters=[
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000", "stepSize": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00000000"},
        ],
    )
    one = binance.instrument(row)
    assert (one.price_step, one.qty_step, one.qty_decimals, one.min_qty, one.min_notional) == (0.01, 1000, 5, 1000, 5.0)
    assert one.tradable
    assert not binance.instrument(binance.SymbolRow(symbol="X", status="HALT", baseAsset="X", quoteAsset="USDT", filters=[])).tradable


def test_every_status_of_the_documents_is_known() -> None:
    assert binance.STATUS["EXPIRED_IN_MATCH"] is OrderStatus.EXPIRED
    assert {
        "NEW",
        "PENDING_NEW",
        "PARTIALLY_FILLED",
        "FILLED",
        "CANCELED",
        "EXPIRED",
        "EXPIRED_IN_MATCH",
        "REJECTED",
    } <= binance.STATUS.keys()

"""python-binance, unmodified but for its addresses, against the paper exchange (protocols/binance.md 17)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from binance import AsyncClient, BinanceSocketManager, Client
from binance.exceptions import BinanceAPIException

from tests.contract.paper_rig import SECRET, PaperRig, paper_exchange, wait_for
from tests.doubles.loops import leave_nothing

SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module")
def rig() -> Iterator[PaperRig]:
    with paper_exchange("binance", speed=4.0, rate_factor=20.0) as rig:
        yield rig


@pytest.fixture(scope="module")
def client(rig: PaperRig) -> Iterator[Client]:
    class PaperClient(Client):
        API_URL = f"{rig.base}/api"

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)  # the library takes the thread's loop at construction, or makes one and leaves it open
    client = PaperClient("paper-key", SECRET, ping=True)
    yield client
    client.session.close()
    asyncio.set_event_loop(None)
    loop.close()


def test_time_and_ping(client: Client) -> None:
    assert client.ping() == {}
    assert client.get_server_time()["serverTime"] > 1_700_000_000_000


def test_filters_are_the_venues(client: Client) -> None:
    info = client.get_symbol_info(SYMBOL)
    filters = {entry["filterType"]: entry for entry in info["filters"]}
    assert Decimal(filters["PRICE_FILTER"]["tickSize"]) == Decimal("0.01")
    assert Decimal(filters["LOT_SIZE"]["stepSize"]) == Decimal("0.00001")
    assert Decimal(filters["NOTIONAL"]["minNotional"]) == 5
    assert {row["rateLimitType"] for row in client.get_exchange_info()["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"}


def test_book_candles_trades_and_tickers(client: Client) -> None:
    book = client.get_order_book(symbol=SYMBOL, limit=10)
    asks, bids = [Decimal(p) for p, _ in book["asks"]], [Decimal(p) for p, _ in book["bids"]]
    assert asks == sorted(asks)
    assert bids == sorted(bids, reverse=True)
    assert bids[0] < asks[0]
    klines = client.get_klines(symbol=SYMBOL, interval="1s", limit=60)
    assert [row[0] for row in klines] == list(range(klines[0][0], klines[0][0] + 1_000 * len(klines), 1_000))
    trades = client.get_recent_trades(symbol=SYMBOL, limit=20)
    assert [row["id"] for row in trades] == sorted(row["id"] for row in trades)
    assert client.get_aggregate_trades(symbol=SYMBOL, limit=5)
    assert Decimal(client.get_ticker(symbol=SYMBOL)["lastPrice"]) > 0
    assert len(client.get_all_tickers()) == 3
    assert client.get_orderbook_ticker(symbol=SYMBOL)["symbol"] == SYMBOL


def test_market_buy_and_sell_pay_fees_in_the_third_asset(client: Client) -> None:
    before = {row["asset"]: Decimal(row["free"]) for row in client.get_account()["balances"]}
    bought = client.order_market_buy(symbol=SYMBOL, quantity="0.05")
    assert bought["status"] == "FILLED"
    assert sum(Decimal(fill["qty"]) for fill in bought["fills"]) == Decimal("0.05")
    assert {fill["commissionAsset"] for fill in bought["fills"]} == {"BNB"}
    after = {row["asset"]: Decimal(row["free"]) for row in client.get_account()["balances"]}
    assert after["BTC"] - before.get("BTC", Decimal(0)) == Decimal("0.05")
    assert before["USDT"] - after["USDT"] == Decimal(bought["cummulativeQuoteQty"])
    assert before["BNB"] - after["BNB"] == sum(Decimal(fill["commission"]) for fill in bought["fills"])
    sold = client.order_market_sell(symbol=SYMBOL, quantity="0.05")
    assert sold["status"] == "FILLED"
    mine = client.get_my_trades(symbol=SYMBOL)
    assert {row["orderId"] for row in mine} >= {bought["orderId"], sold["orderId"]}


def test_market_buy_by_amount_is_filled_in_whole_steps(client: Client) -> None:
    bought = client.order_market_buy(symbol=SYMBOL, quoteOrderQty="1000")
    assert bought["status"] == "FILLED"
    assert Decimal(bought["executedQty"]) % Decimal("0.00001") == 0
    assert Decimal(990) < Decimal(bought["cummulativeQuoteQty"]) <= Decimal(1000)


def test_limit_order_rests_and_is_cancelled(client: Client) -> None:
    price = f"{Decimal(client.get_order_book(symbol=SYMBOL, limit=5)['bids'][0][0]) * Decimal('0.7'):.2f}"
    placed = client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=price, newClientOrderId="rest-1")
    assert placed["status"] == "NEW"
    assert [row["clientOrderId"] for row in client.get_open_orders(symbol=SYMBOL)] == ["rest-1"]
    with pytest.raises(BinanceAPIException) as twin:
        client.order_limit_buy(symbol=SYMBOL, quantity="0.01", price=price, newClientOrderId="rest-1")
    assert (twin.value.code, twin.value.message) == (-2010, "Duplicate order sent.")
    cancelled = client.cancel_order(symbol=SYMBOL, origClientOrderId="rest-1")
    assert (cancelled["status"], cancelled["origClientOrderId"]) == ("CANCELED", "rest-1")
    assert client.get_order(symbol=SYMBOL, origClientOrderId="rest-1")["status"] == "CANCELED"
    with pytest.raises(BinanceAPIException) as gone:
        client.cancel_order(symbol=SYMBOL, origClientOrderId="rest-1")
    assert gone.value.code == -2011


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"price": "50000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001", "price": "90000.00"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "1.00"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "50", "price": "90000.00"}, -2010, "Account has insufficient balance for requested action."),
        ({"symbol": "NOPEUSDT"}, -1121, "Invalid symbol."),
        ({"timeInForce": "XXX"}, -1115, "Invalid timeInForce."),
        ({"quoteOrderQty": "5"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
    ],
)
def test_refusals_carry_the_venues_codes(client: Client, changes: dict[str, str], code: int, message: str) -> None:
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "90000.00"}
    with pytest.raises(BinanceAPIException) as refused:
        client.create_order(**(order | changes))
    assert (refused.value.code, refused.value.message) == (code, message)


def test_signature_key_and_clock_are_checked(rig: PaperRig, client: Client) -> None:
    class PaperClient(Client):
        API_URL = f"{rig.base}/api"

    for key, secret, code in (("paper-key", "wrong", -1022), ("other", SECRET, -2015)):
        stranger = PaperClient(key, secret, ping=False)
        with pytest.raises(BinanceAPIException) as refused:
            stranger.get_account()
        assert refused.value.code == code
        stranger.session.close()
    client.timestamp_offset = -20_000
    try:
        with pytest.raises(BinanceAPIException) as late:
            client.get_account()
    finally:
        client.timestamp_offset = 0
    assert late.value.code == -1021


def test_removed_listen_key_endpoint_is_gone(client: Client) -> None:
    with pytest.raises(BinanceAPIException) as gone:
        client.stream_get_listen_key()
    assert gone.value.status_code == 410


def _async(rig: PaperRig, work: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
    class PaperClient(AsyncClient):
        API_URL = f"{rig.base}/api"
        WS_API_URL = f"ws://127.0.0.1:{rig.port}/ws-api/v3"

    async def run() -> Any:
        client = PaperClient("paper-key", SECRET, loop=asyncio.get_running_loop())
        try:
            return await asyncio.wait_for(work(client), 30)
        finally:
            await client.close_connection()
            await leave_nothing()

    return asyncio.run(run())


def test_streams_join_the_snapshot_without_a_gap(rig: PaperRig) -> None:
    class PaperSockets(BinanceSocketManager):
        STREAM_URL = f"ws://127.0.0.1:{rig.port}/"

    async def work(client: AsyncClient) -> None:
        async with PaperSockets(client).multiplex_socket(["btcusdt@depth@100ms", "btcusdt@trade"]) as stream:
            events = [(await stream.recv())["data"]]
            snapshot = await client.get_order_book(symbol=SYMBOL, limit=5000)
            while len([e for e in events if e["e"] == "depthUpdate"]) < 25:
                events.append((await stream.recv())["data"])
        local = snapshot["lastUpdateId"]
        bids = {Decimal(p): Decimal(q) for p, q in snapshot["bids"]}
        asks = {Decimal(p): Decimal(q) for p, q in snapshot["asks"]}
        applied, previous = 0, 0
        for event in events:
            if event["e"] != "depthUpdate":
                continue
            assert not previous or event["U"] == previous + 1
            previous = event["u"]
            if event["u"] <= local:
                continue
            assert event["U"] <= local + 1
            local = event["u"]
            applied += 1
            for side, changes in ((bids, event["b"]), (asks, event["a"])):
                for price, qty in changes:
                    side[Decimal(price)] = Decimal(qty)
                    if not Decimal(qty):
                        del side[Decimal(price)]
            assert max(bids) < min(asks)
        assert applied >= 10
        assert any(event["e"] == "trade" for event in events)

    _async(rig, work)


def test_user_data_comes_over_the_websocket_api(rig: PaperRig) -> None:
    class PaperSockets(BinanceSocketManager):
        STREAM_URL = f"ws://127.0.0.1:{rig.port}/"

    async def work(client: AsyncClient) -> list[dict[str, Any]]:
        client.ws_api.TIMEOUT = 1  # its reader notices a close only when this has passed
        async with PaperSockets(client).user_socket() as stream:
            await client.order_market_buy(symbol=SYMBOL, quantity="0.002", newClientOrderId="ws-1")
            events: list[dict[str, Any]] = []
            while not any(event["e"] == "outboundAccountPosition" for event in events):
                message = await stream.recv()
                events.append(message.get("event", message))
            return events

    events = _async(rig, work)
    reports = [event for event in events if event["e"] == "executionReport"]
    assert [report["x"] for report in reports][:2] == ["NEW", "TRADE"]
    assert reports[-1]["X"] == "FILLED"
    assert {report["c"] for report in reports} == {"ws-1"}
    assert {row["a"] for row in events[-1]["B"]} == {"BTC", "USDT", "BNB"}


def test_orders_over_the_websocket_api(rig: PaperRig) -> None:
    async def work(client: AsyncClient) -> None:
        client.ws_api.TIMEOUT = 1  # its reader notices a close only when this has passed
        order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001", "price": "80000.00"}
        placed = await client.ws_create_order(**order, newClientOrderId="ws-2")
        assert placed["status"] == "NEW"
        assert (await client.ws_get_order(symbol=SYMBOL, origClientOrderId="ws-2"))["orderId"] == placed["orderId"]
        assert (await client.ws_cancel_order(symbol=SYMBOL, origClientOrderId="ws-2"))["status"] == "CANCELED"

    _async(rig, work)


def test_the_truth_holds_the_orders(rig: PaperRig) -> None:
    truth = wait_for(lambda: rig.control("GET", "truth"))
    assert any(order["client_id"] == "ws-2" and order["status"] == "canceled" for order in truth["orders"])

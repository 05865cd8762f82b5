"""Binance spot seen from the venue: REST, and which socket is which.

Written from protocols/binance.md 2 to 9 and not from our client, so that both cannot agree on the same
mistake. There is no listenKey endpoint: a stale client fails here first, with 410.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from coin.binance import paper_orders as orders
from coin.binance import paper_parameters
from coin.binance.paper_auth import ApiError, Limits, Signatures, error_body, parameters
from coin.binance.paper_stream import StreamSession
from coin.binance.paper_views import (
    aggregate_row,
    balance_row,
    best_row,
    cancel_row,
    eight,
    kline_row,
    levels,
    my_trade,
    order_row,
    place_row,
    symbol_row,
    ticker_row,
    trade_row,
    trading_day_row,
)
from coin.binance.paper_ws_api import ApiSession
from domain.exchange import Candle, ExchangeCore, HouseRules, Liveness, PaperBalance, PaperOrder, Refusal, Session, WireAnswer, WireRequest
from domain.instruments import DAY_S, NS

_MS = 1_000_000
INTERVALS = {
    "1s": 1,
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": 86_400,
    "3d": 259_200,
    "1w": 604_800,
}
FEE_ASSET = "BNB"
PUBLIC, KEYED, SIGNED = range(3)


def house(core: ExchangeCore) -> HouseRules:
    """Return the house rules: fees in the venue's own coin while the account holds some (architecture 3.1)."""
    return HouseRules(
        fee_asset=FEE_ASSET,
        fee_asset_price=Decimal(600),
        fee_asset_balance=Decimal(1000),
        client_id_once=False,
    )


def _answer(body: Any, status: int = 200) -> WireAnswer:
    return WireAnswer(status=status, body=msgspec.json.encode(body))


class BinanceDialect:
    """The venue's wire over a core; see `domain.exchange.Dialect`."""

    liveness = Liveness(ping_s=20.0, pong_s=60.0)

    def __init__(self, core: ExchangeCore) -> None:
        self.core = core
        core.adopt(house(core))
        self.signatures = Signatures(core.settings.key, core.settings.secret)
        self.limits = Limits(core.settings.rate_factor)
        Route = Callable[[dict[str, str], int], WireAnswer]
        v3 = "/api/v3"
        self._routes: dict[tuple[str, str], tuple[int, int, Route]] = {
            ("GET", f"{v3}/ping"): (1, PUBLIC, lambda params, now: _answer({})),
            ("GET", f"{v3}/time"): (1, PUBLIC, lambda params, now: _answer({"serverTime": now // _MS})),
            ("GET", f"{v3}/exchangeInfo"): (20, PUBLIC, self._exchange_info),
            ("GET", f"{v3}/depth"): (0, PUBLIC, self._depth),
            ("GET", f"{v3}/trades"): (25, PUBLIC, self._trades),
            ("GET", f"{v3}/historicalTrades"): (25, PUBLIC, self._historical),
            ("GET", f"{v3}/aggTrades"): (4, PUBLIC, self._aggregates),
            ("GET", f"{v3}/klines"): (2, PUBLIC, self._klines),
            ("GET", f"{v3}/uiKlines"): (2, PUBLIC, self._klines),
            ("GET", f"{v3}/avgPrice"): (2, PUBLIC, self._average),
            ("GET", f"{v3}/ticker/24hr"): (2, PUBLIC, self._ticker_24h),
            ("GET", f"{v3}/ticker/tradingDay"): (4, PUBLIC, self._trading_day),
            ("GET", f"{v3}/ticker/price"): (2, PUBLIC, self._ticker_price),
            ("GET", f"{v3}/ticker/bookTicker"): (2, PUBLIC, self._ticker_book),
            ("GET", f"{v3}/account"): (20, SIGNED, self._account),
            ("GET", f"{v3}/account/commission"): (20, SIGNED, self._commission),
            ("GET", "/sapi/v1/account/apiRestrictions"): (1, SIGNED, self._rights),
            ("POST", f"{v3}/order"): (1, SIGNED, self._place),
            ("POST", f"{v3}/order/test"): (1, SIGNED, self._place_test),
            ("GET", f"{v3}/order"): (4, SIGNED, self._order),
            ("DELETE", f"{v3}/order"): (1, SIGNED, self._cancel),
            ("GET", f"{v3}/openOrders"): (6, SIGNED, self._open_orders),
            ("DELETE", f"{v3}/openOrders"): (1, SIGNED, self._cancel_all),
            ("GET", f"{v3}/allOrders"): (20, SIGNED, self._all_orders),
            ("GET", f"{v3}/myTrades"): (20, SIGNED, self._my_trades),
            ("GET", f"{v3}/rateLimit/order"): (40, SIGNED, self._order_limits),
        }

    # --- ports -----------------------------------------------------------------------------------------

    def addresses(self, host: str, port: int) -> dict[str, str]:
        return {"rest": f"http://{host}:{port}", "ws_public": f"ws://{host}:{port}", "ws_private": f"ws://{host}:{port}/ws-api/v3"}

    def open(self, request: WireRequest) -> Session | Refusal:
        if request.path == "/ws-api/v3":
            return ApiSession(self)
        try:
            return StreamSession(self.core, request.path, request.query, INTERVALS)
        except ValueError:
            return Refusal(WireAnswer(status=404, body=error_body(ApiError(-1, "Not found."))))

    def rest(self, request: WireRequest) -> WireAnswer:
        now = request.wall_ns
        if request.path.endswith("/userDataStream"):
            return WireAnswer(
                status=410, body=error_body(ApiError(-1104, "The listenKey endpoints were removed; subscribe on the WebSocket API."))
            )
        known = self._routes.get((request.method, request.path))
        if known is None:
            return WireAnswer(status=404, body=error_body(ApiError(-1, "Not found.")))
        weight, security, route = known
        is_order = request.method != "GET" and request.path.startswith("/api/v3/o")
        try:
            params = parameters(request)
            self.limits.use(weight or _depth_weight(params), now)
            if security == SIGNED:
                self.signatures.check(request, params)
            names = paper_parameters.REST.get((request.method, request.path), frozenset())
            paper_parameters.check(names, params, is_signed=security == SIGNED)
            answer = route(params, now)
            if is_order:  # a successful order or cancel costs nothing
                self.limits.weight.give_back(weight, now)
        except ApiError as error:
            headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
            answer = WireAnswer(status=error.status, body=error_body(error), headers=headers)
        except (ValueError, OverflowError):
            answer = WireAnswer(status=400, body=error_body(ApiError(-1100, "Illegal characters found in a parameter.")))
        return msgspec.structs.replace(answer, headers={**answer.headers, **self.limits.headers(now, is_order)})

    def code(self, index: int) -> str:
        """Return a symbol."""
        return self.core.instruments[index].code

    # --- market data -------------------------------------------------------------------------------------

    def _exchange_info(self, params: dict[str, str], now: int) -> WireAnswer:
        chosen = self._symbols(params) or list(range(len(self.core.instruments)))
        with_sets = params.get("showPermissionSets", "true") != "false"
        body = {
            "timezone": "UTC",
            "serverTime": now // _MS,
            "rateLimits": self.limits.rows(),
            "exchangeFilters": [],
            "symbols": [symbol_row(self.core.instruments[i], self.core.market.min_notional, with_sets) for i in chosen],
        }
        return _answer(body)

    def _symbols(self, params: dict[str, str]) -> list[int]:
        """Return what `symbol` or `symbols` names; empty when neither was sent."""
        if params.get("symbol"):
            return [orders.symbol_index(self.core, params)]
        if params.get("symbols"):
            try:
                names = msgspec.json.decode(params["symbols"], type=list[str])
            except msgspec.DecodeError:
                raise ApiError(-1100, "Illegal characters found in parameter 'symbols'.") from None
            return [orders.symbol_index(self.core, {"symbol": name}) for name in names]
        return []

    def _depth(self, params: dict[str, str], now: int) -> WireAnswer:
        index = orders.symbol_index(self.core, params)
        asks, bids = self.core.book(index, _limit(params, 100, 5_000))
        return _answer({"lastUpdateId": self.core.snapshot_id(index), "bids": levels(bids), "asks": levels(asks)})

    def _trades(self, params: dict[str, str], now: int) -> WireAnswer:
        index = orders.symbol_index(self.core, params)
        return _answer([trade_row(trade) for trade in self.core.trades(index, _limit(params, 500, 1_000))])

    def _historical(self, params: dict[str, str], now: int) -> WireAnswer:
        index, limit = orders.symbol_index(self.core, params), _limit(params, 500, 1_000)
        tape = self.core.trades(index, 2_000)
        if params.get("fromId"):
            first = int(params["fromId"])
            return _answer([trade_row(trade) for trade in tape if trade.number >= first][:limit])
        return _answer([trade_row(trade) for trade in tape[-limit:]])

    def _aggregates(self, params: dict[str, str], now: int) -> WireAnswer:
        index, limit = orders.symbol_index(self.core, params), _limit(params, 500, 1_000)
        tape = self.core.trades(index, 2_000)
        if params.get("fromId"):
            tape = [trade for trade in tape if trade.number >= int(params["fromId"])][:limit]
        start, end = params.get("startTime"), params.get("endTime")
        if start or end:
            tape = [t for t in tape if (not start or t.exchange_ns // _MS >= int(start)) and (not end or t.exchange_ns // _MS <= int(end))]
        tape = tape[:limit] if start else tape[-limit:]
        return _answer([aggregate_row(trade) for trade in tape])

    def _klines(self, params: dict[str, str], now: int) -> WireAnswer:
        index = orders.symbol_index(self.core, params)
        interval_s = INTERVALS.get(params.get("interval", ""))
        if interval_s is None:
            raise ApiError(-1120, "Invalid interval.") if params.get("interval") else orders.missing("interval")
        limit = _limit(params, 500, 1_000)
        end_ns = (int(params["endTime"]) + 1) * _MS if params.get("endTime") else self.core.market_ns + 1
        start_ns = int(params["startTime"]) * _MS if params.get("startTime") else None
        rows = klines(self.core, index, interval_s, start_ns, min(end_ns, self.core.market_ns + 1), limit)
        return _answer([kline_row(candle, interval_s * 1_000) for candle in rows])

    def _average(self, params: dict[str, str], now: int) -> WireAnswer:
        index = orders.symbol_index(self.core, params)
        stats = self.core.last_24h(index)
        return _answer({"mins": 5, "price": eight(stats.last), "closeTime": stats.last_ns // _MS})

    def _chosen(self, params: dict[str, str], make: Callable[[int], dict[str, Any]]) -> WireAnswer:
        chosen = self._symbols(params)
        if params.get("symbol"):
            return _answer(make(chosen[0]))
        return _answer([make(i) for i in chosen or range(len(self.core.instruments))])

    def _ticker_24h(self, params: dict[str, str], now: int) -> WireAnswer:
        is_mini = params.get("type") == "MINI"
        return self._chosen(params, lambda i: ticker_row(self.core, i, is_mini))

    def _trading_day(self, params: dict[str, str], now: int) -> WireAnswer:
        if not params.get("symbol") and not params.get("symbols"):
            raise orders.missing("symbol")
        is_mini = params.get("type") == "MINI"
        return self._chosen(params, lambda i: trading_day_row(self.core, i, is_mini))

    def _ticker_price(self, params: dict[str, str], now: int) -> WireAnswer:
        return self._chosen(params, lambda i: {"symbol": self.code(i), "price": eight(self.core.last_24h(i).last)})

    def _ticker_book(self, params: dict[str, str], now: int) -> WireAnswer:
        return self._chosen(params, lambda i: best_row(self.core, i))

    # --- account -----------------------------------------------------------------------------------------

    def account(self, params: dict[str, str]) -> dict[str, Any]:
        """Return the account; also the answer of account.status."""
        rate = f"{self.core.fee_rate():.8f}"
        omit = params.get("omitZeroBalances", "false").lower() == "true"
        rows = {b.asset: b for b in self.core.balances().values()}
        for instrument in self.core.instruments:
            rows.setdefault(instrument.base, PaperBalance(asset=instrument.base))
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {"maker": rate, "taker": rate, "buyer": "0.00000000", "seller": "0.00000000"},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self.core.market_ns // _MS,
            "accountType": "SPOT",
            "balances": [balance_row(b) for b in rows.values() if not omit or b.free or b.locked],
            "permissions": ["SPOT"],
            "uid": self.uid,
        }

    def _account(self, params: dict[str, str], now: int) -> WireAnswer:
        return _answer(self.account(params))

    @property
    def uid(self) -> int:
        """The account's number: nine digits that follow from its key."""
        return 100_000_000 + zlib.crc32(self.core.settings.key.encode()) % 900_000_000

    def _rights(self, params: dict[str, str], now: int) -> WireAnswer:
        return _answer(
            {
                "ipRestrict": True,
                "createTime": now // _MS,
                "enableReading": True,
                "enableSpotAndMarginTrading": True,
                "enableWithdrawals": False,
                "enableInternalTransfer": False,
                "permitsUniversalTransfer": False,
                "enableMargin": False,
                "enableFutures": False,
                "enableVanillaOptions": False,
            }
        )

    def _commission(self, params: dict[str, str], now: int) -> WireAnswer:
        index = orders.symbol_index(self.core, params)
        rate = f"{self.core.fee_rate():.8f}"
        zero = dict.fromkeys(("maker", "taker", "buyer", "seller"), "0.00000000")
        return _answer(
            {
                "symbol": self.code(index),
                "standardCommission": zero | {"maker": rate, "taker": rate},
                "specialCommission": zero,
                "taxCommission": zero,
                "discount": {"enabledForAccount": True, "enabledForSymbol": True, "discountAsset": FEE_ASSET, "discount": "0.00000000"},
            }
        )

    # --- orders ------------------------------------------------------------------------------------------

    def submit(self, params: dict[str, str], now: int) -> dict[str, Any]:
        """Place an order; also the answer of order.place."""
        request = orders.read_order(self.core, params)
        kind = params.get("newOrderRespType") or ("FULL" if request.venue_type in ("MARKET", "LIMIT") else "ACK")
        if kind not in ("ACK", "RESULT", "FULL"):
            raise ApiError(-1130, "Invalid data sent for parameter 'newOrderRespType'.")
        self.limits.count_order(now)
        try:
            order = orders.place(self.core, request)
        except ApiError:
            self.limits.give_order_back(now)
            raise
        if order.cum_qty:
            self.limits.give_order_back(now)
        return place_row(order, self.code(order.instrument), kind, 0)

    def _place(self, params: dict[str, str], now: int) -> WireAnswer:
        return _answer(self.submit(params, now))

    def _place_test(self, params: dict[str, str], now: int) -> WireAnswer:
        orders.read_order(self.core, params)
        return _answer({})

    def _order(self, params: dict[str, str], now: int) -> WireAnswer:
        order = orders.find_order(self.core, params, ApiError(-2013, "Order does not exist."))
        return _answer(order_row(order, self.code(order.instrument)))

    def _cancel(self, params: dict[str, str], now: int) -> WireAnswer:
        order = orders.cancel(self.core, params)
        return _answer(cancel_row(order, self.code(order.instrument)))

    def open_orders(self, params: dict[str, str]) -> list[PaperOrder]:
        """Return the open orders of a symbol, or all."""
        index = orders.symbol_index(self.core, params) if params.get("symbol") else None
        return [order for order in self.core.orders() if order.is_open and index in (None, order.instrument)]

    def _open_orders(self, params: dict[str, str], now: int) -> WireAnswer:
        if not params.get("symbol"):
            self.limits.weight.use(74, now)
        return _answer([order_row(order, self.code(order.instrument)) for order in self.open_orders(params)])

    def _cancel_all(self, params: dict[str, str], now: int) -> WireAnswer:
        orders.symbol_index(self.core, params)
        chosen = self.open_orders(params)
        if not chosen:
            raise ApiError(-2011, "Unknown order sent.")
        return _answer([cancel_row(self.core.cancel(o.number, f"cancel-{o.number}"), self.code(o.instrument)) for o in chosen])

    def _all_orders(self, params: dict[str, str], now: int) -> WireAnswer:
        index, limit = orders.symbol_index(self.core, params), _limit(params, 500, 1_000)
        chosen = [order for order in self.core.orders() if order.instrument == index and _in_window(order.created_ns, params)]
        if params.get("orderId"):
            chosen = [order for order in chosen if order.number >= int(params["orderId"])][:limit]
        return _answer([order_row(order, self.code(index)) for order in _page(chosen, params, limit)])

    def _my_trades(self, params: dict[str, str], now: int) -> WireAnswer:
        index, limit = orders.symbol_index(self.core, params), _limit(params, 500, 1_000)
        rows = [my_trade(f, self.code(index)) for f in self.core.fills() if f.instrument == index and _in_window(f.exchange_ns, params)]
        if params.get("orderId"):
            rows = [row for row in rows if row["orderId"] == int(params["orderId"])]
        if params.get("fromId"):
            return _answer([row for row in rows if row["id"] >= int(params["fromId"])][:limit])
        return _answer(_page(rows, params, limit))

    def _order_limits(self, params: dict[str, str], now: int) -> WireAnswer:
        return _answer([row for row in self.limits.rows(now) if row["rateLimitType"] == "ORDERS"])


def _depth_weight(params: dict[str, str]) -> int:
    limit = int(params.get("limit") or 100)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1_000 else 250


def _limit(params: dict[str, str], default: int, most: int) -> int:
    limit = int(params.get("limit") or default)
    if limit < 1:
        raise ApiError(-1100, "Illegal characters found in parameter 'limit'.")
    return min(limit, most)


def _in_window(ns: int, params: dict[str, str]) -> bool:
    start, end = params.get("startTime"), params.get("endTime")
    return (not start or ns // _MS >= int(start)) and (not end or ns // _MS <= int(end))


def _page(rows: list[Any], params: dict[str, str], limit: int) -> list[Any]:
    """With a start the oldest come, else the newest; always oldest first."""
    return rows[:limit] if params.get("startTime") or params.get("orderId") else rows[-limit:]


def _day_before(core: ExchangeCore, index: int, end_ns: int) -> list[Candle]:
    """Return the candle of the day whose close is known although none of its trades was seen; of it, only the close is."""
    start_ns, close = core.previous_close(index)
    if math.isnan(close) or start_ns >= end_ns or any(day.start_ns <= start_ns for day in core.candles(index, DAY_S, end_ns, 400)):
        return []
    return [Candle(start_ns, close, close, close, close, 0.0, 0.0, 0, 0.0, 0.0, start_ns)]


def klines(core: ExchangeCore, index: int, interval_s: int, start_ns: int | None, end_ns: int, limit: int) -> list[Candle]:
    """Return candles oldest first, with the empty ones that this venue has, from the first trade on."""
    step = interval_s * NS
    count = limit if start_ns is None else max((end_ns - start_ns) // step + 2, 1)
    known = core.candles(index, interval_s, end_ns, min(count, 100_000) + 1)
    if interval_s == DAY_S:
        known = _day_before(core, index, end_ns) + known
    if not known:
        return []
    by_start = {candle.start_ns: candle for candle in known}
    first = known[0].start_ns
    last = (end_ns - 1) // step * step
    if start_ns is not None:
        begin = max(-(-start_ns // step) * step, first)
        last = min(last, begin + (limit - 1) * step)
    else:
        begin = last - (limit - 1) * step
    out: list[Candle] = []
    close = math.nan
    for moment in range(first, last + 1, step):
        candle = by_start.get(moment)
        if candle is None:
            candle = Candle(moment, close, close, close, close, 0.0, 0.0, 0, 0.0, 0.0, moment)
        close = candle.close
        if moment >= begin:
            out.append(candle)
    return out

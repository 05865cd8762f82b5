"""Binance spot: orders and account. Never blocks, except `snapshot` and `instruments`.

Source: protocols/binance.md 2 to 4, 7 to 9.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from coin.binance import wire
from coin.binance.rest import load_instruments
from domain.arming import KeyFacts
from domain.errors import DataError, OutcomeUnknown, VenueError
from domain.instruments import Instrument, bare_code
from domain.orders import Fill, Order
from domain.ports import AccountSnapshot, BrokerQuery, BrokerUpdate, Clock, Credentials, Endpoint
from utility.courier import Errand
from utility.hosts import HostGuard
from utility.http_answer import Answer
from utility.http_pool import Build
from utility.order_desk import OrderDesk, PrivateStream, never
from utility.rate_limit import Limit, RateLimiter

log = logging.getLogger(__name__)

CLOCK_EVERY_S = 30.0
CUTS_MAX = 5
CLOCK_ASKS = 3
TRADES_PAGE = 1000
_MS = 1_000_000
_DAY_MS = 86_400_000
_SECONDS = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3600.0, "DAY": 86_400.0}


def heard(limiter: RateLimiter, errand: Errand, answer: Answer) -> None:
    """Read ``X-MBX-USED-WEIGHT-1M`` and ``X-MBX-ORDER-COUNT-10S``: what is used of the windows."""
    for group, name in (("weight", "x-mbx-used-weight-1m"), ("orders", "x-mbx-order-count-10s")):
        used, limit = answer.headers.get(name, ""), limiter.limit(group)
        if limit is not None and used.isdecimal():
            limiter.left(group, max(limit.count - float(used), 0.0))


class BinanceBroker:
    """Broker of a Binance spot account (domain/ports.py)."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        clock: Clock,
        *,
        live: Endpoint,
        limits: dict[str, Limit],
        armed: Callable[[], bool] = never,
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        guard = HostGuard.of(endpoint, live)
        self._guard = guard
        self._desk = OrderDesk(endpoint, guard, limits, clock, armed, heard, name="binance")
        self._host = self._desk.pool.host_header
        self._offset_ms = 0
        self._clock_wanted = threading.Event()
        self._closing = threading.Event()
        self._clerk = threading.Thread(target=self._keep_clock, name="binance-clock", daemon=True)
        self._subscription = 0
        self._symbols: set[str] = set()
        self._stream = PrivateStream(
            self._desk,
            name="binance-private",
            on_open=self._subscribe,
            read=self._read_private,
            bad_message=wire.BAD_MESSAGE,
            connects_at_open=False,
        )

    # --- Broker -----------------------------------------------------------------------------------

    def start(self, sink: Callable[[BrokerUpdate], None]) -> None:
        self._desk.start(sink)
        if self._desk.is_allowed():
            self._clerk.start()
        self._stream.start()

    def instruments(self) -> list[Instrument]:
        return load_instruments(self._endpoint, self._guard)

    def place(self, order: Order) -> None:
        symbol = bare_code(order.instrument_id)
        self._symbols.add(symbol)

        def make() -> Build:
            params = wire.order_params(order, symbol)
            return lambda: self._signed("POST", "/api/v3/order", params)

        def done(answer: Answer) -> None:
            verdict, stated = wire.place_verdict(answer)
            self._heed(verdict.code)
            self._desk.outcome(order, verdict, answer, "place")
            if stated is not None:
                self._state(stated)

        self._desk.place(order, "orders", make, done)

    def cancel(self, order: Order) -> None:
        params = {"symbol": bare_code(order.instrument_id)}
        params |= {"origClientOrderId": order.client_order_id} if order.client_order_id else {"orderId": order.venue_order_id}

        def done(answer: Answer) -> None:
            verdict, stated = wire.cancel_verdict(answer)
            self._heed(verdict.code)
            self._desk.outcome(order, verdict, answer, "cancel")
            if stated is not None:
                self._desk.emit(wire.broker_order(stated, "rest"))

        self._desk.urgent("exit", "weight", lambda: self._signed("DELETE", "/api/v3/order", params), done)

    def query(self, order: Order) -> None:
        symbol = bare_code(order.instrument_id)
        self._symbols.add(symbol)
        params = {"symbol": symbol, "origClientOrderId": order.client_order_id}
        self._desk.urgent(
            "read", "weight", lambda: self._signed("GET", "/api/v3/order", params), lambda answer: self._queried(order, answer), cost=4.0
        )

    def snapshot(self, fills_since_ns: int, known: Mapping[str, int] | None = None) -> AccountSnapshot:
        venue_ns = self._measure_clock()
        for _ in range(CUTS_MAX):
            opened = self._open_orders()
            account = self._get("/api/v3/account", {"omitZeroBalances": "true"}, wire.account_decoder.decode, 20.0)
            symbols = self._symbols_of(opened, account)
            before = self._fills(symbols, fills_since_ns)
            again = self._open_orders()
            balances = wire.balances(self._get("/api/v3/account", {"omitZeroBalances": "true"}, wire.account_decoder.decode, 20.0))
            after = self._fills(symbols, fills_since_ns)
            if before.keys() == after.keys() and _progress(opened) == _progress(again):
                ids = {(row.symbol, row.orderId): row.clientOrderId for row in again}
                fills = [
                    wire.trade_fill(trade, ids.get((trade.symbol, trade.orderId), ""), self._clock.utc_ns()) for trade in after.values()
                ]
                return AccountSnapshot(
                    balances=balances,
                    open_orders=tuple(wire.broker_order(row, "recon") for row in again),
                    fills=tuple(sorted(fills, key=lambda fill: fill.exchange_ns)),
                    venue_ns=venue_ns,
                )
        raise OutcomeUnknown("venue.snapshot_unstable", attempts=CUTS_MAX)

    def close(self) -> None:
        self._closing.set()
        self._clock_wanted.set()
        self._stream.close()
        self._desk.close()
        if self._clerk.is_alive():
            self._clerk.join(2.0)

    # --- requests ---------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return self._clock.utc_ns() // _MS + self._offset_ms

    def _signed(self, method: str, path: str, params: dict[str, str]) -> tuple[str, bytes]:
        """Return a whole request with a fresh time and signature."""
        query = wire.signed_query(params, self._credentials.secret(), self._now_ms())
        head = f"Host: {self._host}\r\nX-MBX-APIKEY: {self._credentials.key()}\r\nAccept: application/json\r\nUser-Agent: stom\r\n"
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        return method, f"{method} {path}?{query} HTTP/1.1\r\n{head}{length}\r\n".encode()

    def _plain(self, path: str) -> tuple[str, bytes]:
        return "GET", f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: application/json\r\nUser-Agent: stom\r\n\r\n".encode()

    def _get(self, path: str, params: dict[str, str], decode: Callable[[bytes], Any], cost: float) -> Any:
        return self._desk.read(
            "weight", lambda: self._signed("GET", path, params), decode, lambda answer: wire.read_error(answer)[1], cost=cost
        )

    def inspect(self) -> KeyFacts:
        """Return what the venue says of the key and the account: signed reads, asked before anybody arms."""
        self._desk.allow_reads()
        skew_ms = min((self._skew_ms() for _ in range(CLOCK_ASKS)), key=lambda one: one[1])[0]
        rights = self._get("/sapi/v1/account/apiRestrictions", {}, wire.key_rights_decoder.decode, 1.0)
        account = self._get("/api/v3/account", {"omitZeroBalances": "true"}, wire.account_decoder.decode, 20.0)
        return KeyFacts(
            account=str(account.uid) if account.uid else "",
            can_trade=account.canTrade and rights.enableSpotAndMarginTrading,
            can_withdraw=rights.enableWithdrawals or rights.enableInternalTransfer or rights.permitsUniversalTransfer,
            ip_bound=rights.ipRestrict,
            skew_ms=skew_ms,
            balances=wire.balances(account),
        )

    def _skew_ms(self) -> tuple[float, int]:
        """Return the venue's clock less ours, and how long the question took, in ns."""
        before = self._clock.mono_ns()
        self._measure_clock()
        return float(self._offset_ms), self._clock.mono_ns() - before

    # --- clock and limits ---------------------------------------------------------------------------

    def _heed(self, code: str) -> None:
        if code == "binance.-1021":
            self._clock_wanted.set()

    def _measure_clock(self) -> int:
        """Measure the venue's clock against ours, half the round trip off; return its time."""
        before = self._clock.mono_ns()
        answer = self._desk.read(
            "weight", lambda: self._plain("/api/v3/time"), wire.time_decoder.decode, lambda answer: wire.read_error(answer)[1]
        )
        now_ms = self._clock.utc_ns() // _MS
        half_ms = (self._clock.mono_ns() - before) // 2 // _MS
        self._offset_ms = answer.serverTime + half_ms - now_ms
        return (answer.serverTime + half_ms) * _MS

    def _learn_limits(self) -> None:
        """Take the limits from exchangeInfo: they are the venue's to change."""
        info = self._desk.read(
            "weight",
            lambda: self._plain("/api/v3/exchangeInfo?showPermissionSets=false"),
            wire.exchange_info_decoder.decode,
            _error_word,
            cost=20.0,
        )
        for row in info.rateLimits:
            period_s = row.intervalNum * _SECONDS.get(row.interval, 0.0)
            if row.rateLimitType == "REQUEST_WEIGHT" and period_s == 60.0:
                self._desk.limiter.set_limit("weight", Limit(float(row.limit), period_s))
            elif row.rateLimitType == "ORDERS" and period_s == 10.0:
                self._desk.limiter.set_limit("orders", Limit(float(row.limit), period_s))

    def _keep_clock(self) -> None:
        is_learned = False
        while not self._closing.is_set():
            try:
                self._measure_clock()
                if not is_learned:
                    self._learn_limits()
                    is_learned = True
            except (VenueError, DataError) as error:
                log.warning("event=clock_unknown cause=%s", error.code)
            self._clock_wanted.clear()
            self._clock_wanted.wait(CLOCK_EVERY_S if is_learned else 1.0)

    # --- answers --------------------------------------------------------------------------------------

    def _state(self, stated: wire.OrderAnswer) -> None:
        """Hand over the fills that a FULL answer names, then the order."""
        try:
            fills = wire.answer_fills(stated, self._clock.utc_ns())
        except wire.BAD_MESSAGE as error:
            log.error("event=unreadable_fills cause=%s", type(error).__name__)  # the order's cumulative quantity makes them looked for
            fills = []
        for fill in fills:
            self._desk.emit(fill)
        self._desk.emit(wire.broker_order(stated, "rest"))

    def _queried(self, order: Order, answer: Answer) -> None:
        if answer.status == 400 and wire.read_error(answer)[0] == -2013:
            self._desk.emit(BrokerQuery(client_order_id=order.client_order_id, found=False))
            return
        if answer.status != 200:
            self._heed(wire.read_error(answer)[1])
            self._desk.query_failed(order)
            return
        try:
            stated = msgspec.json.decode(answer.body, type=wire.OrderAnswer)
            wire.check_order(stated)
        except wire.BAD_MESSAGE:
            self._desk.query_failed(order)
            return
        if stated.executedQty == 0:
            self._found(order, stated, ())
            return
        params = {"symbol": stated.symbol, "orderId": str(stated.orderId), "limit": str(TRADES_PAGE)}
        self._desk.urgent(
            "read",
            "weight",
            lambda: self._signed("GET", "/api/v3/myTrades", params),
            lambda trades: self._queried_trades(order, stated, trades),
            cost=5.0,
        )

    def _queried_trades(self, order: Order, stated: wire.OrderAnswer, answer: Answer) -> None:
        try:
            if answer.status != 200:
                raise ValueError("no trades")
            rows = wire.trades_decoder.decode(answer.body)
            fills = tuple(wire.trade_fill(row, order.client_order_id, self._clock.utc_ns()) for row in rows)
            if sum(fill.qty for fill in fills) != wire.qty_units(stated.executedQty):
                raise ValueError("fills are missing")
        except wire.BAD_MESSAGE:
            self._desk.query_failed(order)  # a part of the fills proves nothing about the rest
            return
        self._found(order, stated, fills)

    def _found(self, order: Order, stated: wire.OrderAnswer, fills: tuple[Fill, ...]) -> None:
        self._desk.emit(
            BrokerQuery(client_order_id=order.client_order_id, found=True, order=wire.broker_order(stated, "query"), fills=fills)
        )

    # --- snapshot -----------------------------------------------------------------------------------

    def _open_orders(self) -> list[wire.OrderAnswer]:
        def decode(body: bytes) -> list[wire.OrderAnswer]:
            rows = wire.orders_decoder.decode(body)
            for row in rows:
                wire.check_order(row)
            return rows

        rows: list[wire.OrderAnswer] = self._get("/api/v3/openOrders", {}, decode, 80.0)
        return rows

    def _symbols_of(self, opened: Sequence[wire.OrderAnswer], account: wire.Account) -> list[str]:
        """Return the symbols whose fills may concern us: used in this process, open, or held.

        What was sold to the last piece while nobody looked is found by its own order: the trader
        queries each order that it believes open.
        """
        held = {f"{row.asset}USDT" for row in account.balances if row.asset not in ("USDT", "BNB") and (row.free or row.locked)}
        return sorted(self._symbols | {row.symbol for row in opened} | held)

    def _fills(self, symbols: Sequence[str], since_ns: int) -> dict[tuple[str, int], wire.MyTrade]:
        trades: dict[tuple[str, int], wire.MyTrade] = {}
        for symbol in symbols:
            start_ms = since_ns // _MS
            params = {"symbol": symbol, "startTime": str(start_ms), "limit": str(TRADES_PAGE)}
            while True:
                page: list[wire.MyTrade] = self._get("/api/v3/myTrades", params, wire.trades_decoder.decode, 20.0)
                trades.update({(symbol, row.id): row for row in page})
                if len(page) < TRADES_PAGE:
                    break
                params = {"symbol": symbol, "fromId": str(page[-1].id + 1), "limit": str(TRADES_PAGE)}
        return trades

    # --- private stream -------------------------------------------------------------------------------

    def _subscribe(self, send: Callable[[str], bool]) -> None:
        self._subscription += 1
        request = wire.subscribe_request(self._credentials.key(), self._credentials.secret(), self._now_ms(), f"s{self._subscription}")
        send(request)

    def _read_private(self, frame: bytes) -> Sequence[BrokerUpdate]:
        message = wire.read_private(frame, self._clock.utc_ns())
        if message.answer_id == f"s{self._subscription}":
            if message.answer_status == 200:
                self._stream.up()
            else:
                log.error("event=private_stream_refused code=%d", message.answer_code)
                self._heed(f"binance.{message.answer_code}")
                self._stream.link.reconnect()
        elif message.ends:
            self._stream.link.reconnect()
        return message.updates


def _progress(rows: Sequence[wire.OrderAnswer]) -> dict[tuple[str, int], object]:
    return {(row.symbol, row.orderId): row.executedQty for row in rows}


def _error_word(answer: Answer) -> str:
    return wire.read_error(answer)[1]

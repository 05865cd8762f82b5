"""Upbit seen from the venue: REST. The far side of the same wire that `wire.py` speaks.

Written from protocols/upbit.md 3 to 9 and not from our client, so that both cannot agree on the same
mistake. Where the documentation is silent the stricter reading is taken (docs/venues/paper.md).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from coin.upbit.paper_auth import AuthError, Groups, TokenCheck, pairs_of
from coin.upbit.paper_orders import IDENTIFIER, MAX_TOTAL, VISIBLE, ApiError, index_of, read_order, reference
from coin.upbit.paper_stream import PrivateSession, PublicSession
from coin.upbit.paper_views import account_row, book_units, candle_row, order_row, periods, plain, ticker_row, trade_row, up_to
from domain.exchange import (
    CoreRefusal,
    ExchangeCore,
    HouseRules,
    Liveness,
    PaperBalance,
    PaperOrder,
    PaperOrderRequest,
    Refusal,
    Session,
    WireAnswer,
    WireRequest,
)
from domain.instruments import DAY_S, NS

_MS = 1_000_000
_MINUTES = (1, 3, 5, 10, 15, 30, 60, 240)
HOUSE = HouseRules(fee_reserved_on_buy=True, client_id_once=True, leftover_is_cancel=True)


def _answer(body: Any, status: int = 200) -> WireAnswer:
    return WireAnswer(status=status, body=msgspec.json.encode(body))


def _error(name: str, status: int, message: str = "") -> WireAnswer:
    return _answer({"error": {"name": name, "message": message or name}}, status)


class UpbitDialect:
    """The venue's wire over a core; see `domain.exchange.Dialect`."""

    liveness = Liveness(idle_s=120.0)

    def __init__(self, core: ExchangeCore) -> None:
        self.core = core
        core.adopt(HOUSE)
        self._tokens = TokenCheck(core.settings.key, core.settings.secret)
        self._groups = Groups(core.settings.rate_factor)
        Route = Callable[[WireRequest], WireAnswer]
        self._routes: dict[tuple[str, str], tuple[str, bool, Route]] = {
            ("GET", "/v1/market/all"): ("market", False, self._markets),
            ("GET", "/v1/orderbook/instruments"): ("orderbook", False, self._instruments),
            ("GET", "/v1/orderbook"): ("orderbook", False, self._orderbook),
            ("GET", "/v1/ticker"): ("ticker", False, self._ticker),
            ("GET", "/v1/ticker/all"): ("ticker", False, self._ticker_all),
            ("GET", "/v1/trades/ticks"): ("crix-trades", False, self._trades),
            ("GET", "/v1/accounts"): ("default", True, self._accounts),
            ("GET", "/v1/orders/chance"): ("default", True, self._chance),
            ("GET", "/v1/order"): ("default", True, self._order),
            ("GET", "/v1/orders"): ("default", True, self._orders_old),
            ("GET", "/v1/orders/uuids"): ("default", True, self._orders_many),
            ("GET", "/v1/orders/open"): ("default", True, self._orders_open),
            ("GET", "/v1/orders/closed"): ("default", True, self._orders_closed),
            ("GET", "/v1/api_keys"): ("default", True, self._api_keys),
            ("POST", "/v1/orders"): ("order", True, self._place),
            ("POST", "/v1/orders/test"): ("order-test", True, self._place_test),
            ("DELETE", "/v1/order"): ("default", True, self._cancel),
            ("DELETE", "/v1/orders/uuids"): ("default", True, self._cancel_many),
            ("DELETE", "/v1/orders/open"): ("order-cancel-all", True, self._cancel_all),
        }

    # --- ports -----------------------------------------------------------------------------------------

    def addresses(self, host: str, port: int) -> dict[str, str]:
        return {
            "rest": f"http://{host}:{port}/v1",
            "ws_public": f"ws://{host}:{port}/websocket/v1",
            "ws_private": f"ws://{host}:{port}/websocket/v1/private",
        }

    def open(self, request: WireRequest) -> Session | Refusal:
        group = "websocket-connect"
        status = self._groups.use(group, request.wall_ns)
        if not status and "origin" in request.headers:
            group = "origin"
            status = self._groups.use(group, request.wall_ns)
        if status:
            return Refusal(self._limited(status))
        if request.path == "/websocket/v1":
            return PublicSession(self.core)
        if request.path != "/websocket/v1/private":
            return Refusal(_error("not_found", 404))
        try:
            self._tokens.check(request)
        except AuthError as error:
            return Refusal(_error(error.name, error.status))
        return PrivateSession(self.core)

    def rest(self, request: WireRequest) -> WireAnswer:
        group, is_private, route = self._find(request)
        if route is None:
            return _error("not_found", 404)
        now = request.wall_ns
        status = self._groups.use(group, now)
        if not status and not is_private and "origin" in request.headers:
            status = self._groups.use("origin", now)
        if status:
            return self._counted(self._limited(status), group, now)
        try:
            if is_private:
                self._tokens.check(request)
            answer = route(request)
        except AuthError as error:
            answer = _error(error.name, error.status)
        except ApiError as error:
            answer = _error(error.name, error.status, error.message)
        except (ValueError, msgspec.DecodeError):
            answer = _error("invalid_parameter", 400)
        return self._counted(answer, group, now)

    def _counted(self, answer: WireAnswer, group: str, now: int) -> WireAnswer:
        return msgspec.structs.replace(answer, headers={**answer.headers, "Remaining-Req": self._groups.header(group, now)})

    def _find(self, request: WireRequest) -> tuple[str, bool, Callable[[WireRequest], WireAnswer] | None]:
        known = self._routes.get((request.method, request.path))
        if known is not None:
            return known
        if request.method == "GET" and request.path.startswith("/v1/candles/"):
            return "candles", False, self._candles
        return "default", False, None

    def _limited(self, status: int) -> WireAnswer:
        if status == 429:
            return WireAnswer(status=429, body=b"Too many API requests.", content_type="text/plain; charset=utf-8")
        return _error("too_many_requests", 418, "blocked for continuing after 429")

    # --- quotation ---------------------------------------------------------------------------------------

    def _markets(self, request: WireRequest) -> WireAnswer:
        params = dict(pairs_of(request))
        detailed = params.get("is_details", params.get("isDetails", "false")).lower() == "true"
        rows = []
        for instrument in self.core.instruments:
            row: dict[str, Any] = {
                "market": instrument.code,
                "korean_name": instrument.name,
                "english_name": instrument.english_name or instrument.name,
            }
            if detailed:
                row["market_event"] = {"warning": False, "caution": dict.fromkeys(_CAUTIONS, False)}
            rows.append(row)
        return _answer(rows)

    def _codes(self, request: WireRequest) -> list[int]:
        text = dict(pairs_of(request)).get("markets", "")
        if not text:
            raise ApiError("validation_error", 400, "markets is missing")
        return [index_of(self.core, code.strip()) for code in text.split(",")]

    def _instruments(self, request: WireRequest) -> WireAnswer:
        rows = []
        for index in self._codes(request):
            instrument = self.core.instruments[index]
            rows.append(
                {
                    "market": instrument.code,
                    "quote_currency": instrument.quote,
                    "tick_size": plain(self.core.price_step(index, reference(self.core, index))),
                    "supported_levels": ["0"],
                }
            )
        return _answer(rows)

    def _orderbook(self, request: WireRequest) -> WireAnswer:
        count = int(dict(pairs_of(request)).get("count", VISIBLE))
        if not 1 <= count <= VISIBLE:
            raise ApiError("validation_error", 400, "count")
        rows = []
        for index in self._codes(request):
            asks, bids = self.core.book(index, count)
            ask_total, bid_total = self.core.totals(index)
            rows.append(
                {
                    "market": self.core.instruments[index].code,
                    "timestamp": self.core.book_time(index)[0] // _MS,
                    "total_ask_size": ask_total,
                    "total_bid_size": bid_total,
                    "orderbook_units": book_units(asks, bids),
                    "level": 0,
                }
            )
        return _answer(rows)

    def _ticker(self, request: WireRequest) -> WireAnswer:
        return _answer([ticker_row(self.core, index) for index in self._codes(request)])

    def _ticker_all(self, request: WireRequest) -> WireAnswer:
        quotes = dict(pairs_of(request)).get("quote_currencies", "KRW").split(",")
        return _answer([ticker_row(self.core, i) for i, instrument in enumerate(self.core.instruments) if instrument.quote in quotes])

    def _trades(self, request: WireRequest) -> WireAnswer:
        params = dict(pairs_of(request))
        index = self._market_of(params)
        count = int(params.get("count", 1))
        if not 1 <= count <= 500:
            raise ApiError("validation_error", 400, "count")
        cursor = int(params["cursor"]) if params.get("cursor") else None
        trades = up_to(self.core.trades(index, 2_000), params, self.core.market_ns)
        if cursor is not None:
            trades = [trade for trade in trades if trade.number < cursor]
        close = self.core.day(index).previous_close
        code = self.core.instruments[index].code
        return _answer([trade_row(trade, code, close) for trade in reversed(trades[-count:])])

    def _market_of(self, params: dict[str, str]) -> int:
        if not params.get("market"):
            raise ApiError("validation_error", 400, "market")
        return index_of(self.core, params["market"])

    def _candles(self, request: WireRequest) -> WireAnswer:
        params = dict(pairs_of(request))
        words = request.path.split("/")[3:]
        kind, unit = words[0], 1
        if kind == "minutes" and len(words) == 2 and words[1].isdigit() and int(words[1]) in _MINUTES:
            unit = int(words[1])
        elif kind not in ("seconds", "days", "weeks", "months", "years") or len(words) != 1:
            raise ApiError("not_found", 404)
        index = self._market_of(params)
        count = int(params.get("count") or 1)
        if not 1 <= count <= 200:
            raise ApiError("validation_error", 400, "count")
        end_ns = _moment(params["to"]) if params.get("to") else self.core.market_ns + 1
        interval_s = {"seconds": 1, "minutes": 60 * unit}.get(kind, DAY_S)
        candles = self.core.candles(index, interval_s, end_ns, count + 1 if kind in ("seconds", "minutes", "days") else 400)
        if kind in ("weeks", "months", "years"):
            candles = periods(candles, kind)
        code = self.core.instruments[index].code
        known = self.core.day(index).previous_close
        rows = []
        for i in range(len(candles) - 1, max(len(candles) - count, 0) - 1, -1):
            previous = candles[i - 1].close if i else known
            rows.append(candle_row(candles[i], code, kind, unit, previous))
        return _answer(rows)

    # --- account -------------------------------------------------------------------------------------------

    def _accounts(self, request: WireRequest) -> WireAnswer:
        quote = self.core.market.currency
        rows = [account_row(b, quote) for b in self.core.balances().values() if b.free or b.locked or b.asset == quote]
        return _answer(rows)

    def _chance(self, request: WireRequest) -> WireAnswer:
        index = index_of(self.core, dict(pairs_of(request)).get("market", ""))
        instrument = self.core.instruments[index]
        fee = plain(self.core.fee_rate())
        balances = self.core.balances()
        quote = self.core.market.currency
        limit = {"min_total": _money(instrument.min_notional or self.core.market.min_notional)}
        kinds = ["limit", "limit_ioc", "limit_fok", "best_ioc", "best_fok"]
        return _answer(
            {
                "bid_fee": fee,
                "ask_fee": fee,
                "maker_bid_fee": fee,
                "maker_ask_fee": fee,
                "market": {
                    "id": instrument.code,
                    "name": f"{instrument.base}/{instrument.quote}",
                    "order_types": ["limit"],
                    "order_sides": ["ask", "bid"],
                    "bid_types": [*kinds, "price"],
                    "ask_types": [*kinds, "market"],
                    "bid": {"currency": instrument.quote, **limit},
                    "ask": {"currency": instrument.base, **limit},
                    "max_total": plain(MAX_TOTAL),
                    "state": "active" if instrument.tradable else "delisted",
                },
                "bid_account": account_row(_balance(balances, instrument.quote), quote),
                "ask_account": account_row(_balance(balances, instrument.base), quote),
            }
        )

    def _api_keys(self, request: WireRequest) -> WireAnswer:
        later = dt.datetime.fromtimestamp(request.wall_ns // NS + 365 * DAY_S, dt.timezone(dt.timedelta(hours=9)))
        return _answer([{"access_key": self.core.settings.key, "expire_at": later.isoformat()}])

    # --- orders --------------------------------------------------------------------------------------------

    def _row(self, order: PaperOrder, with_trades: bool = False) -> dict[str, Any]:
        return order_row(order, self.core.instruments[order.instrument].code, with_trades)

    def _place(self, request: WireRequest) -> WireAnswer:
        return self._submit(request, is_test=False)

    def _place_test(self, request: WireRequest) -> WireAnswer:
        return self._submit(request, is_test=True)

    def _submit(self, request: WireRequest, is_test: bool) -> WireAnswer:
        params = dict(pairs_of(request))
        identifier = params.get("identifier", "")
        if identifier and not IDENTIFIER.fullmatch(identifier):
            raise ApiError("validation_error", 400, "identifier")
        # An identifier is burnt by the first request that carries it, whatever becomes of that one.
        if identifier and not is_test and not self.core.spend(identifier):
            raise ApiError("duplicated_identifier", 400, "identifier was used before")
        order = read_order(self.core, params, identifier)
        word = "bid" if order.side > 0 else "ask"
        try:
            if is_test:
                self.core.check(order)
                return _answer(self._test_row(order), 201)
            return _answer(self._row(self.core.place(order)), 201)
        except CoreRefusal as refusal:
            name = {
                "insufficient_funds": f"insufficient_funds_{word}",
                "duplicate_client_id": "duplicated_identifier",
                "no_liquidity": "volume_too_large",
                "market_closed": "market_offline",
            }.get(refusal.code, f"create_{word}_error")
            raise ApiError(name, 400, refusal.code) from None

    def _test_row(self, order: PaperOrderRequest) -> dict[str, Any]:
        ghost = PaperOrder(
            number=0,
            uuid="00000000-0000-4000-8000-000000000000",
            client_id=order.client_id,
            instrument=order.instrument,
            side=order.side,
            kind=order.kind,
            time_in_force=order.time_in_force,
            price=order.price,
            qty=order.qty,
            funds=order.funds,
            self_trade=order.self_trade,
            venue_type=order.venue_type,
            created_ns=self.core.market_ns,
            updated_ns=self.core.market_ns,
        )
        return self._row(ghost)

    def _named(self, params: dict[str, str]) -> PaperOrder:
        """Return the order that `uuid` or `identifier` names."""
        if params.get("uuid"):
            order = self.core.order_by_uuid(params["uuid"])
        elif params.get("identifier"):
            order = self.core.order_by_client_id(params["identifier"])
        else:
            raise ApiError("validation_error", 400, "uuid or identifier is missing")
        if order is None:
            raise ApiError("order_not_found", 404)
        return order

    def _order(self, request: WireRequest) -> WireAnswer:
        return _answer(self._row(self._named(dict(pairs_of(request))), with_trades=True))

    def _many(self, request: WireRequest, limit: int) -> list[PaperOrder]:
        found = []
        pairs = [(name, value) for name, value in pairs_of(request) if name in ("uuids[]", "identifiers[]")]
        if not pairs or len(pairs) > limit:
            raise ApiError("validation_error", 400, "uuids")
        for name, value in pairs:
            order = self.core.order_by_uuid(value) if name == "uuids[]" else self.core.order_by_client_id(value)
            if order is not None:
                found.append(order)
        return found

    def _orders_many(self, request: WireRequest) -> WireAnswer:
        return _answer([self._row(order) for order in self._many(request, 100)])

    def _filtered(self, request: WireRequest, is_open: bool, default_limit: int) -> list[PaperOrder]:
        pairs = pairs_of(request)
        params = dict(pairs)
        allowed = ("wait", "watch") if is_open else ("done", "cancel")
        states = {value for name, value in pairs if name in ("state", "states[]")} or set(allowed)
        if not states <= set(allowed):
            raise ApiError("validation_error", 400, "state")
        limit, page = int(params.get("limit") or default_limit), int(params.get("page") or 1)
        if not 1 <= limit <= (100 if is_open else 1_000) or page < 1:
            raise ApiError("validation_error", 400, "limit or page")
        wanted = index_of(self.core, params["market"]) if params.get("market") else None
        start = _bound(params.get("start_time"))
        end = _bound(params.get("end_time"))
        chosen = [
            order
            for order in self.core.orders()
            if order.is_open is is_open
            and (wanted is None or order.instrument == wanted)
            and (is_open or self._closed_in(order, states, start, end))
            and (not is_open or "wait" in states)
        ]
        if params.get("order_by", "desc") != "asc":
            chosen.reverse()
        first = (page - 1) * limit if is_open else 0
        return chosen[first : first + limit]

    @staticmethod
    def _closed_in(order: PaperOrder, states: set[str], start: int | None, end: int | None) -> bool:
        word = "done" if order.status.value == "filled" else "cancel"
        return word in states and (start is None or order.created_ns >= start) and (end is None or order.created_ns <= end)

    def _orders_open(self, request: WireRequest) -> WireAnswer:
        return _answer([self._row(order) for order in self._filtered(request, True, 100)])

    def _orders_closed(self, request: WireRequest) -> WireAnswer:
        return _answer([self._row(order) for order in self._filtered(request, False, 100)])

    def _orders_old(self, request: WireRequest) -> WireAnswer:
        """The older list call that pyupbit still makes: one state decides between open and closed."""
        state = dict(pairs_of(request)).get("state", "wait")
        return self._orders_open(request) if state in ("wait", "watch") else self._orders_closed(request)

    def _cancel(self, request: WireRequest) -> WireAnswer:
        order = self._named(dict(pairs_of(request)))
        before = self._row(order)
        try:
            self.core.cancel(order.number)
        except CoreRefusal:
            raise ApiError("order_not_found", 404, "already ended") from None
        return _answer(before)

    def _cancel_each(self, orders: list[PaperOrder]) -> WireAnswer:
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        for order in orders:
            row = {"uuid": order.uuid, "market": self.core.instruments[order.instrument].code}
            if order.client_id:
                row["identifier"] = order.client_id
            try:
                self.core.cancel(order.number)
                done.append(row)
            except CoreRefusal:
                failed.append(row)
        return _answer({"success": {"count": len(done), "orders": done}, "failed": {"count": len(failed), "orders": failed}})

    def _cancel_many(self, request: WireRequest) -> WireAnswer:
        return self._cancel_each(self._many(request, 20))

    def _cancel_all(self, request: WireRequest) -> WireAnswer:
        params = dict(pairs_of(request))
        side = {"all": 0, "bid": 1, "ask": -1}.get(params.get("cancel_side", "all"))
        if side is None:
            raise ApiError("validation_error", 400, "cancel_side")
        wanted = {index_of(self.core, code) for code in params["pairs"].split(",")} if params.get("pairs") else None
        quotes = set(params["quote_currencies"].split(",")) if params.get("quote_currencies") else None
        chosen = [
            order
            for order in self.core.orders()
            if order.is_open
            and side in (0, order.side)
            and (wanted is None or order.instrument in wanted)
            and (quotes is None or self.core.instruments[order.instrument].quote in quotes)
        ]
        return self._cancel_each(chosen[:300])


_CAUTIONS = (
    "PRICE_FLUCTUATIONS",
    "TRADING_VOLUME_SOARING",
    "DEPOSIT_AMOUNT_SOARING",
    "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
)


def _money(value: float) -> str:
    return plain(Decimal(repr(value)))


def _balance(balances: Mapping[str, PaperBalance], asset: str) -> PaperBalance:
    return balances.get(asset) or PaperBalance(asset=asset)


def _moment(text: str) -> int:
    """Return ISO 8601 as nanoseconds; without a zone it means UTC."""
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00").replace(" ", "T", 1))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp() * 1_000) * _MS


def _bound(text: str | None) -> int | None:
    if not text:
        return None
    return int(text) * _MS if text.isdigit() else _moment(text)

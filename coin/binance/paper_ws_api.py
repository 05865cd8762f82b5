"""Binance spot seen from the venue: the WebSocket API and the user-data stream on it.

Every request is signed by itself; there is no session. Source: protocols/binance.md 9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from coin.binance import paper_orders as orders
from coin.binance import paper_parameters
from coin.binance.paper_auth import ApiError, Limits, Signatures
from coin.binance.paper_views import account_position, cancel_row, execution_report, order_row
from domain.exchange import ExchangeCore, Frame, PaperOrder, PaperUpdate

_MS = 1_000_000


class Venue(Protocol):
    """What a connection needs of the venue it belongs to; its REST side answers with the same."""

    core: ExchangeCore
    limits: Limits
    signatures: Signatures

    def code(self, index: int) -> str: ...
    def submit(self, params: dict[str, str], now: int) -> dict[str, Any]: ...
    def open_orders(self, params: dict[str, str]) -> list[PaperOrder]: ...
    def account(self, params: dict[str, str]) -> dict[str, Any]: ...


class ApiSession:
    """One connection to ``/ws-api/v3``."""

    is_private = True

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._subscription: int | None = None
        self._next = 0
        self._wall_ns = 0
        self._methods: dict[str, tuple[int, bool, Callable[[dict[str, str]], Any]]] = {
            "ping": (1, False, lambda params: {}),
            "time": (1, False, lambda params: {"serverTime": self._wall_ns // _MS}),
            "userDataStream.subscribe.signature": (2, True, self._subscribe),
            "userDataStream.unsubscribe": (2, False, self._unsubscribe),
            "session.subscriptions": (2, False, self._subscriptions),
            "session.status": (2, False, self._status),
            "order.place": (1, True, self._place),
            "order.cancel": (1, True, self._cancel),
            "order.status": (4, True, self._order),
            "openOrders.status": (6, True, self._open),
            "account.status": (20, True, self._account),
        }

    def receive(self, frame: Frame, wall_ns: int) -> list[Frame]:
        self._wall_ns = wall_ns
        number: Any = None
        try:
            request = msgspec.json.decode(frame)
            if not isinstance(request, dict) or not isinstance(request.get("method"), str):
                raise ApiError(-1135, "Invalid JSON Request")
            number = request.get("id")
            if not isinstance(request.get("params", {}), dict):
                raise ApiError(-1135, "Invalid JSON Request")
            params = {name: _text(value) for name, value in request.get("params", {}).items()}
            return [self._answer(number, self._call(request["method"], params))]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._error(number, ApiError(-1135, "Invalid JSON Request"))]
        except ApiError as error:
            return [self._error(number, error)]
        except (ValueError, OverflowError):
            return [self._error(number, ApiError(-1100, "Illegal characters found in a parameter."))]

    def _call(self, method: str, params: dict[str, str]) -> Any:
        known = self._methods.get(method)
        if known is None:
            raise ApiError(-1020, f"Unsupported method '{method}'.")
        weight, is_signed, run = known
        limits = self._venue.limits
        limits.use(weight, self._wall_ns)
        if is_signed:
            self._venue.signatures.check_sorted(params, self._wall_ns)
        paper_parameters.check(paper_parameters.METHODS.get(method, frozenset()), params, is_signed=is_signed)
        result = run(params)
        if method in ("order.place", "order.cancel"):
            limits.weight.give_back(weight, self._wall_ns)
        return result

    def _limits(self) -> list[dict[str, object]]:
        return self._venue.limits.rows(self._wall_ns)

    def _answer(self, number: Any, result: Any) -> Frame:
        return msgspec.json.encode({"id": number, "status": 200, "result": result, "rateLimits": self._limits()}).decode()

    def _error(self, number: Any, error: ApiError) -> Frame:
        body: dict[str, Any] = {"code": error.code, "msg": error.msg}
        if error.retry_after_s:
            body["data"] = {"serverTime": self._wall_ns // _MS, "retryAfter": self._wall_ns // _MS + error.retry_after_s * 1_000}
        return msgspec.json.encode({"id": number, "status": error.status, "error": body, "rateLimits": self._limits()}).decode()

    # --- methods ------------------------------------------------------------------------------------------

    def _subscribe(self, params: dict[str, str]) -> Any:
        if self._subscription is not None:
            raise ApiError(-2035, "A subscription to the User Data Stream is already active on this connection.")
        self._subscription = self._next
        self._next += 1
        return {"subscriptionId": self._subscription}

    def _unsubscribe(self, params: dict[str, str]) -> Any:
        if self._subscription is None:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        self._subscription = None
        return {}

    def _subscriptions(self, params: dict[str, str]) -> Any:
        return [] if self._subscription is None else [{"subscriptionId": self._subscription}]

    def _status(self, params: dict[str, str]) -> Any:
        return {
            "apiKey": None,
            "authorizedSince": None,
            "serverTime": self._wall_ns // _MS,
            "userDataStream": self._subscription is not None,
        }

    def _place(self, params: dict[str, str]) -> Any:
        return self._venue.submit(params, self._wall_ns)

    def _cancel(self, params: dict[str, str]) -> Any:
        order = orders.cancel(self._venue.core, params)
        return cancel_row(order, self._venue.code(order.instrument))

    def _order(self, params: dict[str, str]) -> Any:
        order = orders.find_order(self._venue.core, params, ApiError(-2013, "Order does not exist."))
        return order_row(order, self._venue.code(order.instrument))

    def _open(self, params: dict[str, str]) -> Any:
        return [order_row(order, self._venue.code(order.instrument)) for order in self._venue.open_orders(params)]

    def _account(self, params: dict[str, str]) -> Any:
        return self._venue.account(params)

    # --- events -------------------------------------------------------------------------------------------

    def public(self, events: Any) -> list[Frame]:
        return []

    def private(self, update: PaperUpdate) -> list[Frame]:
        if self._subscription is None:
            return []
        if update.order is not None:
            event = execution_report(update, self._venue.code(update.order.instrument))
        else:
            event = account_position(update)
        if event is None:
            return []
        return [msgspec.json.encode({"subscriptionId": self._subscription, "event": event}).decode()]

    def timed(self, market_ns: int) -> list[Frame]:
        return []

    def close(self) -> None:
        self._subscription = None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)

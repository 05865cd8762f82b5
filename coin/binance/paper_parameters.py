"""Binance spot seen from the venue: which parameters each request takes; one too many is an error, not ignored.

Source: protocols/binance.md 3, 4, 7. What the paper exchange does not serve (another time zone, strategy numbers) is
not in the table: it is refused rather than taken and forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable

from coin.binance.paper_auth import ApiError

_SIGNED = frozenset(("timestamp", "recvWindow", "signature", "apiKey"))
_SYMBOLS = frozenset(("symbol", "symbols"))
_SPAN = frozenset(("startTime", "endTime", "limit"))
_NAMED = frozenset(("symbol", "orderId", "origClientOrderId"))
_ORDER = frozenset(
    (
        *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"),
        *("stopPrice", "trailingDelta", "icebergQty", "newOrderRespType", "selfTradePreventionMode"),
    )
)
_CANCEL = _NAMED | {"newClientOrderId", "cancelRestrictions"}

REST: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/api/v3/exchangeInfo"): _SYMBOLS | {"showPermissionSets"},
    ("GET", "/api/v3/depth"): frozenset(("symbol", "limit")),
    ("GET", "/api/v3/trades"): frozenset(("symbol", "limit")),
    ("GET", "/api/v3/historicalTrades"): frozenset(("symbol", "limit", "fromId")),
    ("GET", "/api/v3/aggTrades"): _SPAN | {"symbol", "fromId"},
    ("GET", "/api/v3/klines"): _SPAN | {"symbol", "interval"},
    ("GET", "/api/v3/uiKlines"): _SPAN | {"symbol", "interval"},
    ("GET", "/api/v3/avgPrice"): frozenset(("symbol",)),
    ("GET", "/api/v3/ticker/24hr"): _SYMBOLS | {"type"},
    ("GET", "/api/v3/ticker/tradingDay"): _SYMBOLS | {"type"},
    ("GET", "/api/v3/ticker/price"): _SYMBOLS,
    ("GET", "/api/v3/ticker/bookTicker"): _SYMBOLS,
    ("GET", "/api/v3/account"): frozenset(("omitZeroBalances",)),
    ("GET", "/api/v3/account/commission"): frozenset(("symbol",)),
    ("POST", "/api/v3/order"): _ORDER,
    ("POST", "/api/v3/order/test"): _ORDER,
    ("GET", "/api/v3/order"): _NAMED,
    ("DELETE", "/api/v3/order"): _CANCEL,
    ("GET", "/api/v3/openOrders"): frozenset(("symbol",)),
    ("DELETE", "/api/v3/openOrders"): frozenset(("symbol",)),
    ("GET", "/api/v3/allOrders"): _SPAN | {"symbol", "orderId"},
    ("GET", "/api/v3/myTrades"): _SPAN | {"symbol", "orderId", "fromId"},
}
"""(method, path) → names; a request that is not here takes none but those of its signature."""
METHODS: dict[str, frozenset[str]] = {
    "userDataStream.unsubscribe": frozenset(("subscriptionId",)),
    "order.place": _ORDER,
    "order.cancel": _CANCEL,
    "order.status": _NAMED,
    "openOrders.status": frozenset(("symbol",)),
    "account.status": frozenset(("omitZeroBalances",)),
}
"""Method of the WebSocket API → names, likewise."""


def check(allowed: frozenset[str], sent: Iterable[str], *, is_signed: bool) -> None:
    """Raise ApiError -1101 or -1104 when a parameter was sent that the request does not read."""
    names = set(sent)
    read = names & (allowed | _SIGNED if is_signed else allowed)
    if names == read:
        return
    if not allowed and not is_signed:
        raise ApiError(-1101, f"Too many parameters; expected '0' and received '{len(names)}'.")
    raise ApiError(-1104, f"Not all sent parameters were read; read '{len(read)}' parameter(s) but was sent '{len(names)}'.")

"""Binance spot seen from the venue: reading an order, its filters, and the exact refusals.

Shared by REST and the WebSocket API. Source: protocols/binance.md 4, 5, 7.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from coin.binance.paper_auth import ApiError
from domain.exchange import CoreRefusal, ExchangeCore, PaperOrder, PaperOrderRequest, SelfTrade
from domain.instruments import Instrument
from domain.orders import OrderKind, TimeInForce, qty_units

_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_SELF_TRADE = {
    "": SelfTrade.CANCEL_MAKER,
    "NONE": SelfTrade.NONE,
    "EXPIRE_TAKER": SelfTrade.CANCEL_TAKER,
    "EXPIRE_MAKER": SelfTrade.CANCEL_MAKER,
    "EXPIRE_BOTH": SelfTrade.CANCEL_BOTH,
    "DECREMENT": SelfTrade.DECREMENT,
}
_ALLOWED = {
    "LIMIT": {"timeInForce", "quantity", "price"},
    "LIMIT_MAKER": {"quantity", "price"},
    "MARKET": {"quantity", "quoteOrderQty"},
}
_SHAPE = {"timeInForce", "quantity", "price", "quoteOrderQty", "stopPrice", "trailingDelta", "icebergQty"}
_MAX_OPEN = 200

REFUSALS = {
    "insufficient_funds": ApiError(-2010, "Account has insufficient balance for requested action."),
    "duplicate_client_id": ApiError(-2010, "Duplicate order sent."),
    "market_closed": ApiError(-2010, "Market is closed."),
    "would_take": ApiError(-2010, "Order would immediately match and take."),
    "no_liquidity": ApiError(-2010, "Account has insufficient balance for requested action."),
}


def missing(name: str) -> ApiError:
    """Return the error of a mandatory parameter."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def filter_failure(name: str) -> ApiError:
    """Return -1013 with the filter's name."""
    return ApiError(-1013, f"Filter failure: {name}")


def symbol_index(core: ExchangeCore, params: dict[str, str]) -> int:
    """Return the symbol's index; ApiError -1102 or -1121."""
    symbol = params.get("symbol")
    if not symbol:
        raise missing("symbol")
    index = core.index(symbol)
    if index is None:
        raise ApiError(-1121, "Invalid symbol.")
    return index


def _decimal(params: dict[str, str], name: str) -> Decimal | None:
    text = params.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise missing(name) from None
    if -value.as_tuple().exponent > 8 and value != round(value, 8):  # type: ignore[operator]
        raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
    return value


def read_order(core: ExchangeCore, params: dict[str, str]) -> PaperOrderRequest:
    """Return the order that the parameters describe; ApiError with the venue's code."""
    index = symbol_index(core, params)
    side = {"BUY": 1, "SELL": -1}.get(params.get("side", ""))
    if side is None:
        raise missing("side") if not params.get("side") else ApiError(-1117, "Invalid side.")
    kind = params.get("type", "")
    if kind not in _ALLOWED:
        raise missing("type") if not kind else ApiError(-1116, "Invalid orderType.")
    for name in _SHAPE - _ALLOWED[kind]:
        if name in params:
            raise ApiError(-1106, f"Parameter '{name}' sent when not required.")
    client_id = params.get("newClientOrderId", "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise ApiError(-1100, "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.")
    if params.get("selfTradePreventionMode", "") not in _SELF_TRADE:
        raise ApiError(-1130, "Invalid data sent for parameter 'selfTradePreventionMode'.")
    force = TimeInForce.GTC
    if kind == "LIMIT":
        word = params.get("timeInForce", "")
        if word not in ("GTC", "IOC", "FOK"):
            raise missing("timeInForce") if not word else ApiError(-1115, "Invalid timeInForce.")
        force = TimeInForce(word.lower())
    elif kind == "LIMIT_MAKER":
        force = TimeInForce.POST_ONLY
    qty, funds, price = _decimal(params, "quantity"), _decimal(params, "quoteOrderQty"), _decimal(params, "price")
    if kind == "MARKET" and (qty is None) == (funds is None):
        raise missing("quantity") if qty is None else ApiError(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    if kind != "MARKET" and (qty is None or price is None):
        raise missing("quantity" if qty is None else "price")
    request = PaperOrderRequest(
        instrument=index,
        side=side,
        kind=OrderKind.MARKET if kind == "MARKET" else OrderKind.LIMIT,
        time_in_force=force,
        price=price,
        qty=0 if qty is None else qty_units(qty),
        funds=funds,
        client_id=client_id or f"paper-{core.market_ns}-{len(core.orders()) + 1}",
        self_trade=_SELF_TRADE[params.get("selfTradePreventionMode", "")],
        venue_type=kind,
    )
    _check_filters(core, request, core.instruments[index])
    return request


def _reference(core: ExchangeCore, index: int) -> float:
    tape = core.trades(index, 1)
    if tape:
        return tape[0].price
    asks, bids = core.book(index, 1)
    return bids[0][0] if bids else asks[0][0] if asks else 0.0


def _check_filters(core: ExchangeCore, request: PaperOrderRequest, instrument: Instrument) -> None:
    reference = _reference(core, request.instrument)
    if request.price is not None:
        tick = Decimal(repr(instrument.price_step)) if instrument.price_step else Decimal(0)
        if request.price <= 0 or (tick and request.price % tick):
            raise filter_failure("PRICE_FILTER")
        if reference > 0 and not Decimal(repr(reference)) / 5 <= request.price <= Decimal(repr(reference)) * 5:
            raise filter_failure("PERCENT_PRICE_BY_SIDE")
    if request.qty:
        step = max(instrument.qty_step, 1)
        if request.qty < max(instrument.min_qty, step) or request.qty % step:
            raise filter_failure("LOT_SIZE")
    elif request.funds is None or request.funds <= 0:
        raise filter_failure("LOT_SIZE" if request.funds is None else "NOTIONAL")
    price = request.price if request.price is not None else Decimal(repr(reference))
    notional = request.funds if request.funds is not None else price * request.qty / 100_000_000
    minimum = Decimal(repr(instrument.min_notional or core.market.min_notional))
    if notional < minimum:
        raise filter_failure("NOTIONAL")
    if instrument.max_notional and request.price is not None and notional > Decimal(repr(instrument.max_notional)):
        raise filter_failure("NOTIONAL")
    is_resting = request.kind is OrderKind.LIMIT and request.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY)
    if is_resting and sum(1 for order in core.orders()[-2_000:] if order.is_open and order.instrument == request.instrument) >= _MAX_OPEN:
        raise filter_failure("MAX_NUM_ORDERS")


def place(core: ExchangeCore, request: PaperOrderRequest) -> PaperOrder:
    """Place an order; ApiError -2010 with the venue's sentence."""
    try:
        return core.place(request)
    except CoreRefusal as refusal:
        raise REFUSALS.get(refusal.code, ApiError(-2010, "Order rejected.")) from None


def find_order(core: ExchangeCore, params: dict[str, str], unknown: ApiError) -> PaperOrder:
    """Return the order that `orderId` or `origClientOrderId` names; `unknown` where there is none."""
    index = symbol_index(core, params)
    number, client_id = params.get("orderId"), params.get("origClientOrderId")
    if number:
        if not number.isdigit():
            raise ApiError(-1100, "Illegal characters found in parameter 'orderId'.")
        order = core.order(int(number))
    elif client_id:
        order = core.order_by_client_id(client_id)
    else:
        raise ApiError(-1128, "Combination of optional parameters invalid. Either 'origClientOrderId' or 'orderId' must be sent.")
    if order is None or order.instrument != index or (client_id and order.client_id != client_id):
        raise unknown
    return order


def cancel(core: ExchangeCore, params: dict[str, str]) -> PaperOrder:
    """Cancel an order; ApiError -2011 when there is no open one of that name."""
    unknown = ApiError(-2011, "Unknown order sent.")
    order = find_order(core, params, unknown)
    restriction = params.get("cancelRestrictions", "")
    if restriction not in ("", "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise ApiError(-1130, "Invalid data sent for parameter 'cancelRestrictions'.")
    if restriction and (restriction == "ONLY_NEW") is bool(order.cum_qty):
        raise ApiError(-2011, "Order was not canceled due to cancel restrictions.")
    try:
        return core.cancel(order.number, params.get("newClientOrderId") or f"cancel-{order.number}")
    except CoreRefusal:
        raise unknown from None

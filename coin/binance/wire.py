"""Binance spot: signing, requests, answers, private events; pure translation without a socket.

Source: protocols/binance.md 2 to 9. Unknown fields are ignored everywhere; a field that money
depends on must be there and be finite, else the whole message is refused.
"""
# long: the payloads stand beside their only translation, so that a changed field is read in one place

from __future__ import annotations

import hmac
import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from domain.errors import VenueError
from domain.instruments import Balance, Instrument, instrument_id
from domain.orders import Fill, Order, OrderKind, OrderStatus, TimeInForce, price_text, qty_text, qty_units
from domain.ports import BrokerBalances, BrokerOrder, BrokerUpdate
from utility.http_answer import Answer, Verdict, unanswered

MARKET = "binance"
RECV_WINDOW_MS = 5000
_MS = 1_000_000

STATUS = {
    "NEW": OrderStatus.ACCEPTED,
    "PENDING_NEW": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "PENDING_CANCEL": OrderStatus.PENDING_CANCEL,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}

# --- payloads ---------------------------------------------------------------------------------


class ErrorBody(msgspec.Struct):
    code: int
    msg: str = ""


class AnswerFill(msgspec.Struct):
    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str
    tradeId: int


class OrderAnswer(msgspec.Struct):
    """FULL answer of a place, answer of a cancel, row of a query or of openOrders."""

    symbol: str
    orderId: int
    clientOrderId: str
    status: str
    side: str
    price: Decimal
    origQty: Decimal
    executedQty: Decimal
    cummulativeQuoteQty: Decimal
    origClientOrderId: str = ""
    transactTime: int = 0
    time: int = 0
    updateTime: int = 0
    fills: list[AnswerFill] = []


class MyTrade(msgspec.Struct):
    symbol: str
    id: int
    orderId: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commissionAsset: str
    time: int
    isBuyer: bool
    isMaker: bool = False


class AssetRow(msgspec.Struct):
    asset: str
    free: Decimal
    locked: Decimal


class Account(msgspec.Struct):
    balances: list[AssetRow]
    canTrade: bool = False
    uid: int = 0


class KeyRights(msgspec.Struct):
    """``GET /sapi/v1/account/apiRestrictions``; a right that is not named is taken for one that is dangerous to have."""

    enableSpotAndMarginTrading: bool = False
    enableWithdrawals: bool = True
    enableInternalTransfer: bool = True
    permitsUniversalTransfer: bool = True
    ipRestrict: bool = False


class ServerTime(msgspec.Struct):
    serverTime: int


class RateLimit(msgspec.Struct):
    rateLimitType: str
    interval: str
    intervalNum: int
    limit: int


class SymbolRow(msgspec.Struct):
    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    filters: list[dict[str, Any]]
    isSpotTradingAllowed: bool = True


class ExchangeInfo(msgspec.Struct):
    symbols: list[SymbolRow]
    rateLimits: list[RateLimit] = []


class ExecutionReport(msgspec.Struct, tag_field="e", tag="executionReport"):
    s: str
    c: str
    S: str
    q: Decimal
    p: Decimal
    x: str
    X: str
    i: int
    l: Decimal  # noqa: E741 - the venue's key
    z: Decimal
    L: Decimal
    T: int
    t: int
    Z: Decimal
    C: str = ""
    r: str = ""
    n: Decimal | None = None
    N: str | None = None
    m: bool = False


class AssetChange(msgspec.Struct):
    a: str
    f: Decimal
    l: Decimal  # noqa: E741 - the venue's key


class AccountPosition(msgspec.Struct, tag_field="e", tag="outboundAccountPosition"):
    B: list[AssetChange]


class StreamTerminated(msgspec.Struct, tag_field="e", tag="eventStreamTerminated"):
    pass


class ServerShutdown(msgspec.Struct, tag_field="e", tag="serverShutdown"):
    pass


class Envelope(msgspec.Struct):
    """A frame of the WebSocket API: an answer (`id`, `status`) or an event."""

    id: str | int | None = None
    status: int = 0
    event: msgspec.Raw = msgspec.Raw(b"")  # Raw joins no union
    error: ErrorBody | None = None


class _EventHead(msgspec.Struct):
    e: str = ""


_envelope = msgspec.json.Decoder(Envelope)
_head = msgspec.json.Decoder(_EventHead)
_private = msgspec.json.Decoder(ExecutionReport | AccountPosition)
_error = msgspec.json.Decoder(ErrorBody)
_order_answer = msgspec.json.Decoder(OrderAnswer)
orders_decoder = msgspec.json.Decoder(list[OrderAnswer])
trades_decoder = msgspec.json.Decoder(list[MyTrade])
account_decoder = msgspec.json.Decoder(Account)
key_rights_decoder = msgspec.json.Decoder(KeyRights)
time_decoder = msgspec.json.Decoder(ServerTime)
exchange_info_decoder = msgspec.json.Decoder(ExchangeInfo)

BAD_MESSAGE = (msgspec.DecodeError, UnicodeError, ValueError, OverflowError, ArithmeticError, RecursionError)
"""What a message that cannot be true raises here."""

# --- signing ------------------------------------------------------------------------------------


def sign(secret: str, payload: str) -> str:
    """Return the HMAC-SHA256 of the payload exactly as it will be transmitted, in hex."""
    return hmac.digest(secret.encode(), payload.encode(), "sha256").hex()


_NEEDS_NO_ENCODING = re.compile(r"[A-Za-z0-9._-]*").fullmatch


def encoded(params: dict[str, str]) -> str:
    """Return the percent-encoded parameters in order; what needs no encoding (every order of ours) is joined as it is."""
    if _NEEDS_NO_ENCODING("".join(params.values())):
        return "&".join([f"{name}={value}" for name, value in params.items()])
    return urlencode(params)


def signed_query(params: dict[str, str], secret: str, timestamp_ms: int) -> str:
    """Return the encoded parameters with recvWindow, timestamp and signature."""
    payload = encoded({**params, "recvWindow": str(RECV_WINDOW_MS), "timestamp": str(timestamp_ms)})
    return f"{payload}&signature={sign(secret, payload)}"


def subscribe_request(key: str, secret: str, timestamp_ms: int, request_id: str) -> str:
    """Return the frame that opens the user-data stream: parameters sorted by name, then signed."""
    params = {"apiKey": key, "timestamp": str(timestamp_ms)}
    payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
    body = {"apiKey": key, "timestamp": timestamp_ms, "signature": sign(secret, payload)}
    return msgspec.json.encode({"id": request_id, "method": "userDataStream.subscribe.signature", "params": body}).decode()


# --- requests -----------------------------------------------------------------------------------


def order_params(order: Order, symbol: str) -> dict[str, str]:
    """Return the parameters of ``POST /api/v3/order``.

    `selfTradePreventionMode` is always set (reliability P29); FULL, so that the answer of an order
    that trades at once already names its fills.
    """
    params = {"symbol": symbol, "side": "BUY" if order.side > 0 else "SELL"}
    if order.kind is OrderKind.MARKET:
        params["type"] = "MARKET"
    elif order.price is None:
        raise VenueError("venue.price_missing", client_order_id=order.client_order_id)
    elif order.time_in_force is TimeInForce.POST_ONLY:
        params["type"] = "LIMIT_MAKER"
    else:
        params["type"] = "LIMIT"
        params["timeInForce"] = order.time_in_force.value.upper()
    params["quantity"] = qty_text(order.qty)
    if order.kind is OrderKind.LIMIT and order.price is not None:
        params["price"] = price_text(order.price)
    params["newClientOrderId"] = order.client_order_id
    params["newOrderRespType"] = "FULL"
    params["selfTradePreventionMode"] = "EXPIRE_TAKER"
    return params


# --- what answers prove ---------------------------------------------------------------------------

_REFUSALS_2010 = (
    ("duplicate", "duplicate"),
    ("insufficient balance", "insufficient_balance"),
    ("market is closed", "market_closed"),
    ("immediately match", "would_take"),
    ("would trigger", "would_trigger"),
)


def read_error(answer: Answer) -> tuple[int, str]:
    """Return (code, stable word) of an error body, (0, "") when it is none."""
    try:
        error = _error.decode(answer.body)
    except BAD_MESSAGE:
        return 0, ""
    word = f"binance.{error.code}"
    text = error.msg.lower()
    if error.code == -2010:
        for part, name in _REFUSALS_2010:
            if part in text:
                return error.code, f"{word}.{name}"
    if error.code == -1013 and ":" in error.msg:
        name = error.msg.rsplit(":", 1)[1].strip()
        if name.isascii() and name.replace("_", "").isalpha() and len(name) < 40:
            return error.code, f"{word}.{name}"
    return error.code, word


def _refusal(answer: Answer) -> Verdict:
    """Return the verdict of an answer that is not 2xx (reliability 3)."""
    status = answer.status
    if status in (418, 429):
        wait = answer.retry_after(1.0 if status == 429 else 120.0)
        return Verdict(kind="transient", code=f"venue.http_{status}", retry_after_s=wait, ban_s=wait if status == 418 else 0.0)
    if status == 403:
        return Verdict(kind="rejected", code="venue.http_403", ban_s=answer.retry_after(300.0))
    code, word = read_error(answer)
    if not code or not 400 <= status < 500 or status == 408 or code in (-1006, -1007):
        return Verdict(kind="in_doubt", code=word or f"venue.http_{status}")
    if word == "binance.-2010.duplicate":
        return Verdict(kind="exists", code=word)
    if code in (-1003, -1015):
        return Verdict(kind="transient", code=word, retry_after_s=answer.retry_after(1.0))
    if code == -1021:
        return Verdict(kind="transient", code=word)
    return Verdict(kind="rejected", code=word)


def place_verdict(answer: Answer) -> tuple[Verdict, OrderAnswer | None]:
    """Return what the answer to a place proves, and the order it states."""
    lost = unanswered(answer)
    if lost is not None:
        return lost, None
    if answer.status not in (200, 201):
        return _refusal(answer), None
    try:
        stated = _order_answer.decode(answer.body)
        check_order(stated)
    except BAD_MESSAGE:
        return Verdict(kind="in_doubt", code="venue.unreadable"), None
    return Verdict(kind="accepted", venue_order_id=str(stated.orderId)), stated


def cancel_verdict(answer: Answer) -> tuple[Verdict, OrderAnswer | None]:
    """Return what the answer to a cancel proves; a refusal is never proof that the order is open."""
    lost = unanswered(answer)
    if lost is not None:
        if lost.kind == "not_sent":
            return Verdict(kind="cancel_rejected", code=lost.code, retry_after_s=lost.retry_after_s), None
        return lost, None
    if answer.status == 200:
        try:
            stated = _order_answer.decode(answer.body)
            check_order(stated)
        except BAD_MESSAGE:
            return Verdict(kind="in_doubt", code="venue.unreadable"), None
        return Verdict(kind="cancel_accepted", venue_order_id=str(stated.orderId)), stated
    verdict = _refusal(answer)
    if verdict.kind == "in_doubt":
        return verdict, None
    return Verdict(kind="cancel_rejected", code=verdict.code, retry_after_s=verdict.retry_after_s, ban_s=verdict.ban_s), None


# --- orders, fills, balances -----------------------------------------------------------------------


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite() or value < 0:
        raise ValueError(str(value))
    return value


def check_order(stated: OrderAnswer) -> None:
    """Raise ValueError or OverflowError when an order's numbers cannot be true."""
    if stated.status not in STATUS or stated.side not in ("BUY", "SELL"):
        raise ValueError(stated.status)
    qty_units(_finite(stated.origQty))
    qty_units(_finite(stated.executedQty))
    _finite(stated.cummulativeQuoteQty)
    _finite(stated.price)


def broker_order(stated: OrderAnswer, source: str) -> BrokerOrder:
    """Return an order of a REST answer; in the answer of a cancel the order's own id is `origClientOrderId`."""
    return BrokerOrder(
        client_order_id=stated.origClientOrderId or stated.clientOrderId,
        venue_order_id=str(stated.orderId),
        instrument_id=instrument_id(MARKET, stated.symbol),
        side=1 if stated.side == "BUY" else -1,
        status=STATUS[stated.status],
        qty=qty_units(stated.origQty),
        cum_qty=qty_units(stated.executedQty),
        cum_amount=stated.cummulativeQuoteQty,
        price=stated.price if stated.price > 0 else None,
        exchange_ns=(stated.updateTime or stated.transactTime or stated.time) * _MS,
        source=source,
    )


def fill_key(symbol: str, order_id: int, trade_id: int) -> str:
    """Return the identity of an execution; the venue's trade ids are unique per symbol for ever."""
    return f"binance/{symbol}/{order_id}/{trade_id}"


def answer_fills(stated: OrderAnswer, received_ns: int) -> list[Fill]:
    """Return the fills that a FULL answer names: takers all."""
    return [
        Fill(
            fill_key=fill_key(stated.symbol, stated.orderId, fill.tradeId),
            client_order_id=stated.clientOrderId,
            venue_order_id=str(stated.orderId),
            instrument_id=instrument_id(MARKET, stated.symbol),
            side=1 if stated.side == "BUY" else -1,
            qty=qty_units(_finite(fill.qty)),
            price=_finite(fill.price),
            fee=_finite(fill.commission),
            fee_asset=fill.commissionAsset,
            exchange_ns=stated.transactTime * _MS,
            received_ns=received_ns,
        )
        for fill in stated.fills
    ]


def trade_fill(trade: MyTrade, client_order_id: str, received_ns: int) -> Fill:
    """Return a row of myTrades as a fill; `client_order_id` is "" where only the venue's number is known."""
    return Fill(
        fill_key=fill_key(trade.symbol, trade.orderId, trade.id),
        client_order_id=client_order_id,
        venue_order_id=str(trade.orderId),
        instrument_id=instrument_id(MARKET, trade.symbol),
        side=1 if trade.isBuyer else -1,
        qty=qty_units(_finite(trade.qty)),
        price=_finite(trade.price),
        fee=_finite(trade.commission),
        fee_asset=trade.commissionAsset,
        exchange_ns=trade.time * _MS,
        received_ns=received_ns,
        is_maker=trade.isMaker,
    )


def _report(report: ExecutionReport, received_ns: int) -> list[BrokerUpdate]:
    if report.X not in STATUS or report.S not in ("BUY", "SELL"):
        raise ValueError(report.X)
    client_order_id = report.C if report.x in ("CANCELED", "REPLACED") and report.C else report.c
    side = 1 if report.S == "BUY" else -1
    where = instrument_id(MARKET, report.s)
    updates: list[BrokerUpdate] = []
    if report.x == "TRADE":
        updates.append(
            Fill(
                fill_key=fill_key(report.s, report.i, report.t),
                client_order_id=client_order_id,
                venue_order_id=str(report.i),
                instrument_id=where,
                side=side,
                qty=qty_units(_finite(report.l)),
                price=_finite(report.L),
                fee=_finite(report.n) if report.n is not None else Decimal(0),
                fee_asset=report.N or "",
                exchange_ns=report.T * _MS,
                received_ns=received_ns,
                is_maker=report.m,
            )
        )
    updates.append(
        BrokerOrder(
            client_order_id=client_order_id,
            venue_order_id=str(report.i),
            instrument_id=where,
            side=side,
            status=STATUS[report.X],
            qty=qty_units(_finite(report.q)),
            cum_qty=qty_units(_finite(report.z)),
            cum_amount=_finite(report.Z),
            price=_finite(report.p) or None,
            exchange_ns=report.T * _MS,
            reason="" if report.r in ("", "NONE") else report.r,
        )
    )
    return updates


class PrivateMessage(msgspec.Struct):
    """What a private frame said."""

    updates: list[BrokerUpdate] = []
    answer_id: str = ""
    answer_status: int = 0
    answer_code: int = 0
    ends: bool = False


def read_private(frame: bytes, received_ns: int) -> PrivateMessage:
    """Return the contents of a frame of the WebSocket API.

    Raises
    ------
    BAD_MESSAGE
        The frame cannot be read: something may be lost, so the caller reconciles.
    """
    envelope = _envelope.decode(frame)
    if bytes(envelope.event) in (b"", b"null"):
        if envelope.id is None and envelope.error is None:
            raise ValueError("neither answer nor event")
        code = envelope.error.code if envelope.error is not None else 0
        return PrivateMessage(answer_id=str(envelope.id or ""), answer_status=envelope.status, answer_code=code)
    kind = _head.decode(envelope.event).e
    if kind in ("eventStreamTerminated", "serverShutdown"):
        return PrivateMessage(ends=True)
    if kind not in ("executionReport", "outboundAccountPosition"):
        return PrivateMessage()
    event = _private.decode(envelope.event)
    if isinstance(event, ExecutionReport):
        return PrivateMessage(updates=_report(event, received_ns))
    rows = tuple(Balance(asset=row.a, free=_finite(row.f), locked=_finite(row.l)) for row in event.B)
    return PrivateMessage(updates=[BrokerBalances(balances=rows, complete=False)])


def balances(account: Account) -> tuple[Balance, ...]:
    """Return all balances of the account answer."""
    return tuple(Balance(asset=row.asset, free=_finite(row.free), locked=_finite(row.locked)) for row in account.balances)


# --- instruments ------------------------------------------------------------------------------------


def _number(row: dict[str, Any], name: str) -> Decimal:
    return _finite(Decimal(str(row.get(name, "0"))))


def instrument(row: SymbolRow) -> Instrument:
    """Return a symbol of exchangeInfo; ValueError or ArithmeticError when a filter cannot be true."""
    filters = {str(entry.get("filterType")): entry for entry in row.filters}
    lot = filters.get("LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    step = _number(lot, "stepSize") or Decimal("0.00000001")
    step_units = qty_units(step)
    exponent = step.normalize().as_tuple().exponent
    return Instrument(
        instrument_id=instrument_id(MARKET, row.symbol),
        code=row.symbol,
        name=row.symbol,
        english_name=f"{row.baseAsset}/{row.quoteAsset}",
        base=row.baseAsset,
        quote=row.quoteAsset,
        price_step=float(_number(filters.get("PRICE_FILTER", {}), "tickSize")),
        qty_step=step_units,
        qty_decimals=max(0, -exponent) if isinstance(exponent, int) else 8,
        min_qty=qty_units(_number(lot, "minQty")),
        min_notional=float(_number(notional, "minNotional")),
        max_notional=float(_number(notional, "maxNotional")),
        tradable=row.status == "TRADING" and row.isSpotTradingAllowed,
    )

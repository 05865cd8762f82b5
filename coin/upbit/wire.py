"""Upbit: tokens, requests, answers, private events; pure translation without a socket.

Source: protocols/upbit.md 2 to 10. Unknown fields are ignored; a field that money depends on must be
there and be finite, else the whole message is refused.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import uuid
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from urllib.parse import quote

import msgspec

from domain.errors import VenueError
from domain.instruments import Balance, Instrument, PriceLadder, instrument_id
from domain.orders import Fill, Order, OrderKind, OrderStatus, TimeInForce, price_text, qty_text, qty_units
from domain.ports import BrokerBalances, BrokerOrder, BrokerUpdate
from utility.http_answer import Answer, Verdict, unanswered

MARKET = "upbit"
_MS = 1_000_000
_UNIT = Decimal("0.00000001")

# --- payloads ---------------------------------------------------------------------------------


class ErrorDetail(msgspec.Struct):
    name: str | int
    message: str = ""


class ErrorBody(msgspec.Struct):
    error: ErrorDetail


class OrderTrade(msgspec.Struct):
    uuid: str
    price: Decimal
    volume: Decimal
    created_at: str
    funds: Decimal | None = None


class OrderRow(msgspec.Struct):
    """Order object of REST; only ``GET /order`` has `trades`."""

    uuid: str
    market: str
    side: str
    ord_type: str
    state: str
    created_at: str
    executed_volume: Decimal
    identifier: str | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    remaining_volume: Decimal | None = None
    executed_funds: Decimal | None = None
    paid_fee: Decimal = Decimal(0)
    trades_count: int = 0
    trades: list[OrderTrade] = []


class KeyRow(msgspec.Struct):
    access_key: str
    expire_at: str


class AccountRow(msgspec.Struct):
    currency: str
    balance: Decimal
    locked: Decimal
    avg_buy_price: Decimal | None = None


class MarketRow(msgspec.Struct):
    market: str
    korean_name: str = ""
    english_name: str = ""


class TickRow(msgspec.Struct):
    market: str
    tick_size: Decimal


class MyOrder(msgspec.Struct, tag_field="type", tag="myOrder"):
    """`price` and `volume` are the fill's while `state` is trade, else the order's."""

    code: str
    uuid: str
    ask_bid: str
    order_type: str
    state: str
    executed_volume: Decimal
    timestamp: int
    identifier: str | None = None
    trade_uuid: str | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    remaining_volume: Decimal | None = None
    executed_funds: Decimal | None = None
    trade_fee: Decimal | None = None
    is_maker: bool | None = None
    trade_timestamp: int | None = None
    order_timestamp: int | None = None


class AssetChange(msgspec.Struct):
    currency: str
    balance: Decimal
    locked: Decimal


class MyAsset(msgspec.Struct, tag_field="type", tag="myAsset"):
    assets: list[AssetChange]


class _Head(msgspec.Struct):
    type: str = ""
    error: ErrorDetail | None = None


_head = msgspec.json.Decoder(_Head)
_private = msgspec.json.Decoder(MyOrder | MyAsset)
_error = msgspec.json.Decoder(ErrorBody)
order_decoder = msgspec.json.Decoder(OrderRow)
orders_decoder = msgspec.json.Decoder(list[OrderRow])
keys_decoder = msgspec.json.Decoder(list[KeyRow])
accounts_decoder = msgspec.json.Decoder(list[AccountRow])
markets_decoder = msgspec.json.Decoder(list[MarketRow])
ticks_decoder = msgspec.json.Decoder(list[TickRow], strict=False)

BAD_MESSAGE = (msgspec.DecodeError, UnicodeError, ValueError, OverflowError, ArithmeticError, RecursionError)
"""What a message that cannot be true raises here."""

# --- tokens --------------------------------------------------------------------------------------


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


_HEADER = _base64(b'{"alg":"HS512","typ":"JWT"}') + b"."


def query_text(params: Sequence[tuple[str, str]]) -> str:
    """Return the string that is hashed: before percent-encoding, in the order sent."""
    return "&".join(f"{name}={value}" for name, value in params)


def query_url(params: Sequence[tuple[str, str]]) -> str:
    """Return the same string as it stands in the URL."""
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in params)


def query_hash(text: str) -> str:
    """Return SHA-512 of the un-encoded query string in lower-case hex."""
    return hashlib.sha512(text.encode()).hexdigest()


def token(key: str, secret: str, text: str = "") -> str:
    """Return a JWT signed with HS512, with a fresh nonce each time."""
    claims = {"access_key": key, "nonce": str(uuid.uuid4())}
    if text:
        claims |= {"query_hash": query_hash(text), "query_hash_alg": "SHA512"}
    signed = _HEADER + _base64(msgspec.json.encode(claims))
    return (signed + b"." + _base64(hmac.digest(secret.encode(), signed, "sha512"))).decode()


# --- requests -----------------------------------------------------------------------------------


def order_params(order: Order, market: str) -> list[tuple[str, str]]:
    """Return the body of ``POST /orders`` in order.

    A market buy is stated there as an amount of money, which an Order does not hold: with a price it
    goes as a limit order that may not rest (the same thing with a bound), without one it is refused
    here. `smp_type` is set wherever it may be (reliability P29).
    """
    params = [("market", market), ("side", "bid" if order.side > 0 else "ask")]
    is_market = order.kind is OrderKind.MARKET
    if is_market and order.side < 0:
        params += [("ord_type", "market"), ("volume", qty_text(order.qty))]
    elif order.price is None:
        raise VenueError("venue.price_missing", client_order_id=order.client_order_id)
    else:
        params += [("ord_type", "limit"), ("volume", qty_text(order.qty)), ("price", price_text(order.price))]
        force = TimeInForce.IOC if is_market else order.time_in_force
        if force is not TimeInForce.GTC:
            params.append(("time_in_force", force.value))
    params.append(("identifier", order.client_order_id))
    if order.time_in_force is not TimeInForce.POST_ONLY or is_market:
        params.append(("smp_type", "cancel_taker"))
    return params


# --- what answers prove ---------------------------------------------------------------------------


def read_error(answer: Answer) -> str:
    """Return the stable name of an error body, "" when it is none."""
    try:
        name = str(_error.decode(answer.body).error.name)
    except BAD_MESSAGE:
        return ""
    return f"upbit.{name}" if name.isascii() and len(name) < 64 else "upbit.unnamed"


def _refusal(answer: Answer) -> Verdict:
    """Return the verdict of an answer that is not 2xx (reliability 3)."""
    status = answer.status
    if status in (418, 429):
        wait = answer.retry_after(1.0 if status == 429 else 60.0)
        return Verdict(kind="transient", code=f"venue.http_{status}", retry_after_s=wait, ban_s=wait if status == 418 else 0.0)
    name = read_error(answer)
    if not name or not 400 <= status < 500 or status == 408:
        return Verdict(kind="in_doubt", code=name or f"venue.http_{status}")
    if "identifier" in name:
        return Verdict(kind="exists", code=name)
    if name == "upbit.nonce_used":
        return Verdict(kind="transient", code=name)
    return Verdict(kind="rejected", code=name)


def _stated(answer: Answer) -> OrderRow | None:
    try:
        row = order_decoder.decode(answer.body)
        check_order(row)
    except BAD_MESSAGE:
        return None
    return row


def place_verdict(answer: Answer) -> tuple[Verdict, OrderRow | None]:
    """Return what the answer to a place proves, and the order it states."""
    lost = unanswered(answer)
    if lost is not None:
        return lost, None
    if answer.status not in (200, 201):
        return _refusal(answer), None
    row = _stated(answer)
    if row is None:
        return Verdict(kind="in_doubt", code="venue.unreadable"), None
    return Verdict(kind="accepted", venue_order_id=row.uuid), row


def cancel_verdict(answer: Answer) -> tuple[Verdict, OrderRow | None]:
    """Return what the answer to a cancel proves; the final word is the cancel event or a query."""
    lost = unanswered(answer)
    if lost is not None:
        if lost.kind == "not_sent":
            return Verdict(kind="cancel_rejected", code=lost.code, retry_after_s=lost.retry_after_s), None
        return lost, None
    if answer.status in (200, 201):
        row = _stated(answer)
        if row is None:
            return Verdict(kind="in_doubt", code="venue.unreadable"), None
        return Verdict(kind="cancel_accepted", venue_order_id=row.uuid), row
    verdict = _refusal(answer)
    if verdict.kind == "in_doubt":
        return verdict, None
    return Verdict(kind="cancel_rejected", code=verdict.code, retry_after_s=verdict.retry_after_s, ban_s=verdict.ban_s), None


# --- orders, fills, balances -----------------------------------------------------------------------


def time_ns(text: str) -> int:
    """Return an ISO 8601 time with zone as nanoseconds UTC."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    delta = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000_000 + delta.microseconds * 1_000


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite() or value < 0:
        raise ValueError(str(value))
    return value


def _units(value: Decimal | None) -> int:
    """Return units of 1e-8, truncated: sums of the venue may carry more digits than an order can."""
    return int(_finite(value) * 100_000_000) if value is not None else 0


def _status(state: str, cum_qty: int) -> OrderStatus:
    if state == "done":
        return OrderStatus.FILLED
    if state == "cancel":
        return OrderStatus.CANCELED
    if state in ("wait", "watch", "trade", "prevented"):
        return OrderStatus.PARTIALLY_FILLED if cum_qty else OrderStatus.ACCEPTED
    raise ValueError(state)


def _side(word: str) -> int:
    if word in ("bid", "BID"):
        return 1
    if word in ("ask", "ASK"):
        return -1
    raise ValueError(word)


def check_order(row: OrderRow) -> None:
    """Raise a BAD_MESSAGE when an order's numbers or words cannot be true."""
    broker_order(row, "rest")


def broker_order(row: OrderRow, source: str) -> BrokerOrder:
    """Return an order of a REST answer. A market buy has no volume: its quantity is what was executed."""
    cum_qty = _units(row.executed_volume)
    funds = row.executed_funds
    if funds is None:
        funds = sum((trade.price * trade.volume for trade in row.trades), Decimal(0))
    has_price = row.ord_type == "limit" and row.price is not None
    return BrokerOrder(
        client_order_id=row.identifier or "",
        venue_order_id=row.uuid,
        instrument_id=instrument_id(MARKET, row.market),
        side=_side(row.side),
        status=_status(row.state, cum_qty),
        qty=_units(row.volume) if row.volume is not None else cum_qty,
        cum_qty=cum_qty,
        cum_amount=_finite(funds),
        price=_finite(row.price) if has_price and row.price is not None else None,
        exchange_ns=time_ns(row.created_at),
        source=source,
    )


def fill_key(order_uuid: str, trade_uuid: str) -> str:
    """Return the identity of an execution; uuids are unique for ever."""
    return f"upbit/{order_uuid}/{trade_uuid}"


def order_fills(row: OrderRow, received_ns: int) -> list[Fill]:
    """Return the fills of ``GET /order``, oldest first.

    The answer states one fee for the whole order. It is shared out by amount, to 1e-8, the last fill
    taking the rest, so that the sum is the venue's.
    """
    trades = sorted(row.trades, key=lambda trade: trade.created_at)
    amounts = [_finite(trade.funds if trade.funds is not None else trade.price * trade.volume) for trade in trades]
    total, paid = sum(amounts, Decimal(0)), _finite(row.paid_fee)
    is_whole = sum((trade.volume for trade in trades), Decimal(0)) >= row.executed_volume
    fees = [(paid * amount / total).quantize(_UNIT, ROUND_HALF_EVEN) if total else Decimal(0) for amount in amounts]
    if fees and is_whole:
        fees[-1] = max(paid - sum(fees[:-1], Decimal(0)), Decimal(0))
    return [
        Fill(
            fill_key=fill_key(row.uuid, trade.uuid),
            client_order_id=row.identifier or "",
            venue_order_id=row.uuid,
            instrument_id=instrument_id(MARKET, row.market),
            side=_side(row.side),
            qty=qty_units(_finite(trade.volume)),
            price=_finite(trade.price),
            fee=fee,
            fee_asset=row.market.split("-", 1)[0],
            exchange_ns=time_ns(trade.created_at),
            received_ns=received_ns,
        )
        for trade, fee in zip(trades, fees, strict=True)
    ]


def _my_order(event: MyOrder, received_ns: int) -> list[BrokerUpdate]:
    cum_qty = _units(event.executed_volume)
    where = instrument_id(MARKET, event.code)
    side = _side(event.ask_bid)
    client_order_id = event.identifier or ""
    updates: list[BrokerUpdate] = []
    is_trade = event.state == "trade"
    if is_trade:
        if not event.trade_uuid or event.price is None or event.volume is None:
            raise ValueError("a trade without identity, price or volume")
        updates.append(
            Fill(
                fill_key=fill_key(event.uuid, event.trade_uuid),
                client_order_id=client_order_id,
                venue_order_id=event.uuid,
                instrument_id=where,
                side=side,
                qty=qty_units(_finite(event.volume)),
                price=_finite(event.price),
                fee=_finite(event.trade_fee) if event.trade_fee is not None else Decimal(0),
                fee_asset=event.code.split("-", 1)[0],
                exchange_ns=(event.trade_timestamp or event.timestamp) * _MS,
                received_ns=received_ns,
                is_maker=bool(event.is_maker),
            )
        )
    leaves = _units(event.remaining_volume)
    volume = None if is_trade or event.volume is None else _units(event.volume)
    has_price = event.order_type == "limit" and not is_trade and event.price is not None
    updates.append(
        BrokerOrder(
            client_order_id=client_order_id,
            venue_order_id=event.uuid,
            instrument_id=where,
            side=side,
            status=_status(event.state, cum_qty),
            qty=volume if volume is not None else cum_qty + leaves,
            cum_qty=cum_qty,
            cum_amount=_finite(event.executed_funds) if event.executed_funds is not None else Decimal(0),
            price=_finite(event.price) if has_price and event.price is not None else None,
            exchange_ns=event.timestamp * _MS,
            reason="self_trade_prevented" if event.state == "prevented" else "",
        )
    )
    return updates


class PrivateMessage(msgspec.Struct):
    """What a private frame said."""

    updates: list[BrokerUpdate] = []
    error: str = ""


def read_private(frame: bytes, received_ns: int) -> PrivateMessage:
    """Return the contents of a frame of the private stream.

    Raises
    ------
    BAD_MESSAGE
        The frame cannot be read: something may be lost, so the caller reconciles.
    """
    head = _head.decode(frame)
    if head.error is not None:
        return PrivateMessage(error=f"upbit.{head.error.name}")
    if head.type not in ("myOrder", "myAsset"):
        return PrivateMessage()
    event = _private.decode(frame)
    if isinstance(event, MyOrder):
        return PrivateMessage(updates=_my_order(event, received_ns))
    rows = tuple(Balance(asset=row.currency, free=_finite(row.balance), locked=_finite(row.locked)) for row in event.assets)
    return PrivateMessage(updates=[BrokerBalances(balances=rows, complete=False)])


def balances(rows: Sequence[AccountRow]) -> tuple[Balance, ...]:
    """Return all balances of ``GET /accounts``."""
    return tuple(
        Balance(asset=row.currency, free=_finite(row.balance), locked=_finite(row.locked), average_price=row.avg_buy_price) for row in rows
    )


# --- instruments ------------------------------------------------------------------------------------


def instruments(rows: Sequence[MarketRow], ticks: Sequence[TickRow], ladder: PriceLadder, min_notional: float) -> list[Instrument]:
    """Return the KRW markets.

    The venue states a tick for the price of this moment; the ladder states it for every price. Where
    the stated tick is a step of the ladder, the ladder decides (`price_step` 0), so that the step
    follows the price; a tick that the ladder does not know is that instrument's own and is kept.
    """
    steps = {step.step for step in ladder.steps}
    own = {row.market: float(_finite(row.tick_size)) for row in ticks}
    out = []
    for row in rows:
        quote_currency, _, base = row.market.partition("-")
        if quote_currency != "KRW" or not base:
            continue
        tick = own.get(row.market, 0.0)
        out.append(
            Instrument(
                instrument_id=instrument_id(MARKET, row.market),
                code=row.market,
                name=row.korean_name or row.market,
                english_name=row.english_name,
                base=base,
                quote=quote_currency,
                price_step=0.0 if tick in steps else tick,
                min_notional=min_notional,
                max_notional=1_000_000_000.0,
            )
        )
    return out

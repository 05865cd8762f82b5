"""The toy venue's payloads and their translation; pure."""

from __future__ import annotations

import hashlib
import hmac
import struct
import uuid
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np

from domain.instruments import Balance, Instrument, instrument_id
from domain.orders import Fill, Order, OrderStatus, qty_text, qty_units
from domain.ports import BrokerBalances, BrokerOrder, BrokerUpdate
from domain.records import SNAPSHOT, TRADE
from utility.event_block import NO_EVENTS, EventBlock
from utility.http_answer import Answer, Verdict, unanswered

MARKET = "binance"
MS = 1_000_000
BAD_MESSAGE = (msgspec.DecodeError, UnicodeError, ValueError, OverflowError, ArithmeticError, RecursionError)


class ToyTrade(msgspec.Struct, tag_field="k", tag="t"):
    c: str
    n: int
    p: float
    q: str
    s: int
    ms: int


class ToyBook(msgspec.Struct, tag_field="k", tag="b"):
    c: str
    a: list[tuple[float, str]]
    b: list[tuple[float, str]]
    ms: int


class ToyReady(msgspec.Struct, tag_field="k", tag="ready"):
    pass


class ToyFill(msgspec.Struct):
    n: int
    qty: Decimal
    price: Decimal
    fee: Decimal
    asset: str
    maker: bool
    ms: int


class ToyOrder(msgspec.Struct):
    id: str
    number: int
    code: str
    side: int
    qty: Decimal
    price: Decimal | None
    state: OrderStatus
    done: Decimal
    money: Decimal
    ms: int
    fills: list[ToyFill]


class ToyError(msgspec.Struct):
    no: str


class ToyPrivate(msgspec.Struct):
    order: ToyOrder | None = None
    fill: ToyFill | None = None
    money: dict[str, tuple[Decimal, Decimal]] = {}


class ToyAccount(msgspec.Struct):
    money: dict[str, tuple[Decimal, Decimal]]
    orders: list[ToyOrder]
    ms: int


class ToySymbol(msgspec.Struct):
    code: str
    base: str
    quote: str
    tick: float
    step: int
    least: float


_public = msgspec.json.Decoder(ToyTrade | ToyBook | ToyReady)
_private = msgspec.json.Decoder(ToyPrivate)
order_decoder = msgspec.json.Decoder(ToyOrder)
account_decoder = msgspec.json.Decoder(ToyAccount)
symbols_decoder = msgspec.json.Decoder(list[ToySymbol])
trades_decoder = msgspec.json.Decoder(list[ToyTrade])
bars_decoder = msgspec.json.Decoder(list[tuple[float, float, float, float, float, float, float]])
days_decoder = msgspec.json.Decoder(list[tuple[str, int, float, float, float, float, int, int]])
_error = msgspec.json.Decoder(ToyError)


def signature(secret: str, method: str, target: str, nonce: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{method} {target} {nonce} ".encode() + body, hashlib.sha256).hexdigest()


def signed_headers(key: str, secret: str, method: str, target: str, body: bytes) -> list[str]:
    nonce = uuid.uuid4().hex
    return [f"X-Toy-Key: {key}", f"X-Toy-Nonce: {nonce}", f"X-Toy-Sign: {signature(secret, method, target, nonce, body)}"]


def order_body(order: Order, code: str) -> bytes:
    price = None if order.price is None else format(order.price, "f")
    fields = {"id": order.client_order_id, "code": code, "side": order.side, "qty": qty_text(order.qty), "price": price}
    return msgspec.json.encode({**fields, "kind": order.kind, "force": order.time_in_force})


class FrameDecoder:
    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._index = {instrument.code: i for i, instrument in enumerate(instruments)}
        self._block = EventBlock()
        self.rejected: Counter[str] = Counter()
        self.control = ""

    def decode(self, frame: bytes | str, received_ns: int) -> np.ndarray:
        self.control = ""
        try:
            message = _public.decode(frame)
            if isinstance(message, ToyReady):
                self.control = "answer"
                return NO_EVENTS
            return translate(message, self._index[message.c], received_ns, self._block)
        except KeyError:
            self.rejected["unknown_symbol"] += 1
        except (*BAD_MESSAGE, struct.error):
            self.rejected["malformed"] += 1
        return NO_EVENTS


def translate(message: ToyTrade | ToyBook, index: int, received_ns: int, block: EventBlock) -> np.ndarray:
    time_ns = message.ms * MS
    if isinstance(message, ToyTrade):
        return block.one(TRADE, index, time_ns, received_ns, message.p, qty_units(message.q), message.s, first_id=message.n)
    both = message.a + message.b
    sides = [-1] * len(message.a) + [1] * len(message.b)
    return block.book(SNAPSHOT, index, time_ns, received_ns, [p for p, _ in both], [qty_units(q) for _, q in both], sides)


def read_error(answer: Answer) -> str:
    try:
        return f"toy.{_error.decode(answer.body).no}"
    except BAD_MESSAGE:
        return ""


def verdict(answer: Answer, about: str) -> tuple[Verdict, ToyOrder | None]:
    """Return what an answer proves: this venue documents that a 4xx with a word was not processed."""
    lost = unanswered(answer)
    bad = "cancel_rejected" if about == "cancel" else "rejected"
    if lost is not None:
        return (Verdict(kind=bad, code=lost.code) if about == "cancel" and lost.kind == "not_sent" else lost), None
    if answer.status == 200:
        try:
            stated = order_decoder.decode(answer.body)
        except BAD_MESSAGE:
            return Verdict(kind="in_doubt", code="venue.unreadable"), None
        return Verdict(kind="cancel_accepted" if about == "cancel" else "accepted", venue_order_id=str(stated.number)), stated
    if answer.status == 429:
        return Verdict(kind=bad if about == "cancel" else "transient", code="venue.http_429", retry_after_s=answer.retry_after(1.0)), None
    word = read_error(answer)
    if not word or not 400 <= answer.status < 500:
        return Verdict(kind="in_doubt", code=word or f"venue.http_{answer.status}"), None
    return Verdict(kind="exists" if word == "toy.duplicate_client_id" else bad, code=word), None


def broker_order(order: ToyOrder, source: str) -> BrokerOrder:
    return BrokerOrder(
        client_order_id=order.id,
        venue_order_id=str(order.number),
        instrument_id=instrument_id(MARKET, order.code),
        side=order.side,
        status=order.state,
        qty=qty_units(order.qty),
        cum_qty=qty_units(order.done),
        cum_amount=order.money,
        price=order.price,
        exchange_ns=order.ms * MS,
        source=source,
    )


def fill_of(order: ToyOrder, fill: ToyFill, received_ns: int) -> Fill:
    return Fill(
        fill_key=f"toy/{order.number}/{fill.n}",
        client_order_id=order.id,
        venue_order_id=str(order.number),
        instrument_id=instrument_id(MARKET, order.code),
        side=order.side,
        qty=qty_units(fill.qty),
        price=fill.price,
        fee=fill.fee,
        fee_asset=fill.asset,
        exchange_ns=fill.ms * MS,
        received_ns=received_ns,
        is_maker=fill.maker,
    )


def balances(money: dict[str, tuple[Decimal, Decimal]]) -> tuple[Balance, ...]:
    return tuple(Balance(asset=asset, free=free, locked=locked) for asset, (free, locked) in money.items())


def read_private(frame: bytes, received_ns: int) -> list[BrokerUpdate]:
    message = _private.decode(frame)
    if message.order is None:
        return [BrokerBalances(balances=balances(message.money), complete=False)]
    updates: list[BrokerUpdate] = [broker_order(message.order, "stream")]
    if message.fill is not None:
        updates.insert(0, fill_of(message.order, message.fill, received_ns))
    return updates

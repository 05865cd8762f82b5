"""The far side of the toy venue's wire, over the paper exchange's core."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np

from domain.exchange import (
    CoreRefusal,
    ExchangeCore,
    Frame,
    HouseRules,
    PaperBalance,
    PaperFill,
    PaperOrder,
    PaperOrderRequest,
    PaperUpdate,
    Refusal,
    Session,
    WireAnswer,
    WireRequest,
)
from domain.instruments import DAY_S, NS
from domain.orders import OrderKind, TimeInForce, qty_text, qty_units
from domain.records import TRADE
from tests.data.toyvenue import wire

DEPTH = 15


class _Wanted(msgspec.Struct):
    id: str
    code: str
    side: int
    qty: str
    price: str | None
    kind: OrderKind
    force: TimeInForce


def _answer(body: Any, status: int = 200) -> WireAnswer:
    return WireAnswer(status=status, body=msgspec.json.encode(body))


def _refused(word: str) -> WireAnswer:
    return _answer({"no": word}, 404 if word == "not_found" else 400)


def _fill(fill: PaperFill) -> dict[str, Any]:
    money = {"qty": qty_text(fill.qty), "price": fill.price, "fee": fill.fee, "asset": fill.fee_asset}
    return {"n": fill.number, **money, "maker": fill.is_maker, "ms": fill.exchange_ns // wire.MS}


class ToyDialect:
    def __init__(self, core: ExchangeCore) -> None:
        self.core = core
        core.adopt(HouseRules(fee_reserved_on_buy=True))
        self._nonces: set[str] = set()

    def addresses(self, host: str, port: int) -> dict[str, str]:
        return {"rest": f"http://{host}:{port}", "ws_public": f"ws://{host}:{port}/feed", "ws_private": f"ws://{host}:{port}/private"}

    def open(self, request: WireRequest) -> Session | Refusal:
        if request.path == "/feed":
            return _Public(self)
        if request.path == "/private" and self._is_signed(request):
            return _Private(self)
        return Refusal(_answer({"no": "signature"}, 401))

    def rest(self, request: WireRequest) -> WireAnswer:
        params = dict(parse_qsl(request.query))
        try:
            if request.path in ("/symbols", "/trades", "/bars", "/days"):
                return self._public(request.path, params)
            if not self._is_signed(request):
                return _answer({"no": "signature"}, 401)
            if request.path == "/account":
                orders = [self.order(order) for order in self.core.orders()]
                return _answer({"money": self.money(self.core.balances()), "orders": orders, "ms": self.core.market_ns // wire.MS})
            if request.path == "/order":
                return self._order(request, params)
        except CoreRefusal as refusal:
            return _refused(refusal.code)
        except (msgspec.DecodeError, ValueError, KeyError, ArithmeticError):
            return _refused("malformed")
        return _refused("not_found")

    # --- words ------------------------------------------------------------------------------------

    def order(self, order: PaperOrder) -> dict[str, Any]:
        return {
            "id": order.client_id,
            "number": order.number,
            "code": self.core.instruments[order.instrument].code,
            "side": order.side,
            "qty": qty_text(order.qty),
            "price": order.price,
            "state": order.status,
            "done": qty_text(order.cum_qty),
            "money": order.cum_amount,
            "ms": order.updated_ns // wire.MS,
            "fills": [_fill(fill) for fill in order.fills],
        }

    @staticmethod
    def money(balances: Mapping[str, PaperBalance]) -> dict[str, tuple[Decimal, Decimal]]:
        return {asset: (balance.free, balance.locked) for asset, balance in balances.items()}

    def trade(self, index: int, number: int, price: float, qty: int, side: int, time_ns: int) -> dict[str, Any]:
        code = self.core.instruments[index].code
        return {"k": "t", "c": code, "n": number, "p": price, "q": qty_text(qty), "s": side, "ms": time_ns // wire.MS}

    def book(self, index: int) -> dict[str, Any]:
        asks, bids = ([(level[0], qty_text(level[1])) for level in side] for side in self.core.book(index, DEPTH))
        return {"k": "b", "c": self.core.instruments[index].code, "a": asks, "b": bids, "ms": self.core.book_time(index)[0] // wire.MS}

    # --- requests ---------------------------------------------------------------------------------

    def _is_signed(self, request: WireRequest) -> bool:
        target = f"{request.path}?{request.query}" if request.query else request.path
        nonce = request.headers.get("x-toy-nonce", "")
        expected = wire.signature(self.core.settings.secret, request.method, target, nonce, request.body)
        is_good = request.headers.get("x-toy-key") == self.core.settings.key and request.headers.get("x-toy-sign") == expected
        if not is_good or nonce in self._nonces:
            return False
        self._nonces.add(nonce)
        return True

    def _public(self, path: str, params: dict[str, str]) -> WireAnswer:
        core = self.core
        if path == "/symbols":
            rows = core.instruments
            return _answer(
                [
                    {"code": i.code, "base": i.base, "quote": i.quote, "tick": i.price_step, "step": i.qty_step, "least": i.min_notional}
                    for i in rows
                ]
            )
        if path == "/days":
            return _answer([self._day(code) for code in params["codes"].split(",")])
        index = core.index(params["code"])
        if index is None:
            return _refused("not_found")
        if path == "/trades":
            after = int(params["after"])
            rows = [trade for trade in core.trades(index, 1000) if trade.number > after]
            return _answer([self.trade(index, row.number, row.price, row.qty, row.side, row.exchange_ns) for row in rows])
        start, end, seconds = int(params["from"]), int(params["to"]), int(params["s"])
        bars = [c for c in core.candles(index, seconds, end, 1000) if c.start_ns >= start and c.start_ns + seconds * 10**9 <= end]
        return _answer([(c.start_ns, c.open, c.high, c.low, c.close, c.volume, c.value) for c in bars])

    def _day(self, code: str) -> tuple[Any, ...]:
        index = self.core.index(code)
        if index is None:
            raise ValueError(code)
        day = self.core.day(index)
        prices = (day.open, day.high, day.low) if day.trades else (0.0, 0.0, 0.0)
        return code, self.core.market_ns // (DAY_S * NS), *prices, day.value, day.last_ns, day.last_id

    def _order(self, request: WireRequest, params: dict[str, str]) -> WireAnswer:
        if request.method == "POST":
            return _answer(self.order(self._place(msgspec.json.decode(request.body, type=_Wanted))))
        found = self.core.order_by_client_id(params["id"])
        if found is None:
            return _refused("not_found")
        return _answer(self.order(self.core.cancel(found.number) if request.method == "DELETE" else found))

    def _place(self, wanted: _Wanted) -> PaperOrder:
        index = self.core.index(wanted.code)
        if index is None:
            raise CoreRefusal("not_found")
        price = None if wanted.price is None else Decimal(wanted.price)
        if price is not None and price % self.core.price_step(index, price):
            raise CoreRefusal("off_the_grid")
        request = PaperOrderRequest(
            instrument=index,
            side=wanted.side,
            kind=wanted.kind,
            time_in_force=wanted.force if wanted.kind is OrderKind.LIMIT else TimeInForce.IOC,
            price=price if wanted.kind is OrderKind.LIMIT else None,
            qty=qty_units(wanted.qty),
            client_id=wanted.id,
            venue_type=wanted.kind,
        )
        return self.core.place(request)


class _Public:
    is_private = False

    def __init__(self, dialect: ToyDialect) -> None:
        self._dialect = dialect
        self._wanted: set[int] = set()

    def receive(self, frame: Frame, wall_ns: int) -> list[Frame]:
        codes = (frame if isinstance(frame, str) else frame.decode("utf-8", "replace")).split(",")
        self._wanted = {index for index in map(self._dialect.core.index, codes) if index is not None}
        return [*(msgspec.json.encode(self._dialect.book(index)) for index in sorted(self._wanted)), b'{"k":"ready"}']

    def public(self, events: np.ndarray) -> list[Frame]:
        last = events[-1]
        index = int(last["instrument"])
        if index not in self._wanted:
            return []
        if last["kind"] == TRADE:
            fields = (int(last["first_id"]), float(last["price"]), int(last["qty"]), int(last["side"]), int(last["exchange_ns"]))
            return [msgspec.json.encode(self._dialect.trade(index, *fields))]
        return [msgspec.json.encode(self._dialect.book(index))]

    def private(self, update: PaperUpdate) -> list[Frame]:
        return []

    def timed(self, market_ns: int) -> list[Frame]:
        return []

    def close(self) -> None:
        self._wanted = set()


class _Private(_Public):
    is_private = True

    def receive(self, frame: Frame, wall_ns: int) -> list[Frame]:
        return []

    def private(self, update: PaperUpdate) -> list[Frame]:
        if update.order is None:
            money = {balance.asset: (balance.free, balance.locked) for balance in update.balances}
            return [msgspec.json.encode({"money": money})]
        fill = None if update.fill is None else _fill(update.fill)
        return [msgspec.json.encode({"order": self._dialect.order(update.order), "fill": fill})]

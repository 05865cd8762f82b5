"""Upbit seen from the venue: reading an order, its bounds, and the names of refusals.

Source: protocols/upbit.md 5 to 8.
"""

from __future__ import annotations

import re
from decimal import Decimal

from domain.exchange import ExchangeCore, PaperOrderRequest, SelfTrade
from domain.orders import OrderKind, TimeInForce, qty_units

_NUMBER = re.compile(r"[0-9]{1,24}(\.[0-9]{1,24})?")
IDENTIFIER = re.compile(r"[0-9A-Za-z._:\-]{1,64}")
MAX_TOTAL = Decimal(1_000_000_000)
VISIBLE = 30
_FORCES = {"": TimeInForce.GTC, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK, "post_only": TimeInForce.POST_ONLY}
_SELF_TRADE = {
    "": SelfTrade.NONE,
    "none": SelfTrade.NONE,
    "cancel_maker": SelfTrade.CANCEL_MAKER,
    "cancel_taker": SelfTrade.CANCEL_TAKER,
    "reduce": SelfTrade.DECREMENT,
}


class ApiError(Exception):
    """An error body."""

    def __init__(self, name: str, status: int = 400, message: str = "") -> None:
        self.name = name
        self.status = status
        self.message = message or name
        super().__init__(name)


def index_of(core: ExchangeCore, code: str) -> int:
    """Return a market's index; ApiError 404 when there is none."""
    index = core.index(code)
    if index is None:
        raise ApiError("404", 404, "Code not found")
    return index


def reference(core: ExchangeCore, index: int) -> Decimal:
    """Return the price at which steps and amounts are judged: best bid, best ask, else the last."""
    asks, bids = core.book(index, 1)
    tape = core.trades(index, 1)
    return Decimal(repr(bids[0][0] if bids else asks[0][0] if asks else tape[0].price if tape else 0.0))


def read_order(core: ExchangeCore, params: dict[str, str], identifier: str) -> PaperOrderRequest:
    """Return the order that the parameters describe; ApiError with the venue's name."""
    index = index_of(core, params.get("market", ""))
    side = {"bid": 1, "ask": -1}.get(params.get("side", ""))
    if side is None:
        raise ApiError("validation_error", 400, "side")
    word = "bid" if side > 0 else "ask"
    kind, force_text, smp = params.get("ord_type", ""), params.get("time_in_force", ""), params.get("smp_type", "")
    if force_text not in _FORCES or smp not in _SELF_TRADE or (force_text == "post_only" and smp):
        raise ApiError("validation_error", 400, "time_in_force or smp_type")
    needs = {
        "limit": ("volume", "price"),
        "price": ("price",) if side > 0 else None,
        "market": ("volume",) if side < 0 else None,
        "best": ("price",) if side > 0 else ("volume",),
    }.get(kind)
    given = tuple(name for name in ("volume", "price") if params.get(name))
    if needs is None or given != needs or (kind == "best") is not (force_text in ("ioc", "fok")) and kind != "limit":
        raise ApiError(f"create_{word}_error", 400, "parameters do not fit the order type")
    numbers = {}
    for name in needs:
        if not _NUMBER.fullmatch(params[name]):
            raise ApiError("validation_error", 400, f"{name} is no plain decimal")
        numbers[name] = Decimal(params[name])
    qty = 0
    if "volume" in numbers:
        try:
            qty = qty_units(numbers["volume"])
        except ValueError:
            raise ApiError("validation_error", 400, "volume has more than 8 decimals") from None
        if qty <= 0:
            raise ApiError("validation_error", 400, "volume")
    price = numbers.get("price") if kind == "limit" else None
    funds = numbers.get("price") if kind != "limit" else None
    _check_amount(core, index, side, word, kind, price, funds, qty)
    return PaperOrderRequest(
        instrument=index,
        side=side,
        kind=OrderKind.MARKET if kind in ("price", "market") else OrderKind.LIMIT,
        time_in_force=_FORCES[force_text],
        price=price,
        qty=qty,
        funds=funds,
        client_id=identifier,
        self_trade=_SELF_TRADE[smp],
        best=kind == "best",
        venue_type=kind,
    )


def _check_amount(
    core: ExchangeCore, index: int, side: int, word: str, kind: str, price: Decimal | None, funds: Decimal | None, qty: int
) -> None:
    """Refuse off-grid prices, amounts under the minimum or past the maximum, and sizes past the visible book."""
    if price is not None:
        step = core.price_step(index, price)
        if price <= 0 or (step and price % step):
            raise ApiError(f"invalid_price_{word}", 400)
    asks, bids = core.book(index, VISIBLE)
    if funds is not None:
        total = funds
    elif price is not None:
        total = price * qty / 100_000_000
    else:
        total = reference(core, index) * qty / 100_000_000
        if bids and qty > sum(units for _, units in bids):
            raise ApiError("volume_too_large", 400)
    if funds is not None and kind == "price" and asks and funds > sum(Decimal(repr(p)) * units for p, units in asks) / 100_000_000:
        raise ApiError("volume_too_large", 400)
    minimum = Decimal(repr(core.instruments[index].min_notional or core.market.min_notional))
    if total < minimum:
        raise ApiError(f"under_min_total_{word}", 400)
    if total > MAX_TOTAL:
        raise ApiError("invalid_funds", 400)

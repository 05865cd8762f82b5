"""Small hand-made public flows: trades, pictures and deltas as events."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from coin.markets import BINANCE, UPBIT
from domain.exchange import HouseRules, PaperOrder, PaperOrderRequest, SelfTrade
from domain.instruments import Instrument, Market
from domain.orders import OrderKind, TimeInForce
from domain.records import LEVEL, NO_ROW, SNAPSHOT, TOTAL, TRADE
from paper.exchange import Exchange
from paper.truth import TruthLedger
from utility.event_block import EventBlock

START_NS = 1_790_000_000_000_000_000
MS = 1_000_000
UNIT = 100_000_000
UPBIT_HOUSE = HouseRules(fee_reserved_on_buy=True, client_id_once=True, leftover_is_cancel=True)

Levels = Sequence[tuple[float, float]]


def instrument(market: Market, code: str, step: float = 0.0, qty_step: int = 1) -> Instrument:
    base, quote = (code[4:], "KRW") if market is UPBIT else (code.removesuffix("USDT"), "USDT")
    return Instrument(
        instrument_id=f"{market.code}:{code}",
        code=code,
        name=code,
        base=base,
        quote=quote,
        price_step=step,
        qty_step=qty_step,
        min_qty=qty_step,
        min_notional=market.min_notional,
    )


COIN = instrument(UPBIT, "KRW-XRP")
PAIR = instrument(BINANCE, "BTCUSDT", 0.01, 1_000)


def units(qty: float) -> int:
    return int(Decimal(str(qty)) * UNIT)


def trade(price: float, qty: float, side: int, at_ms: int, number: int = 0, index: int = 0) -> np.ndarray:
    ns = START_NS + at_ms * MS
    return EventBlock().one(TRADE, index, ns, ns, price, units(qty), side, first_id=number or at_ms)


def picture(asks: Levels, bids: Levels, at_ms: int, index: int = 0) -> np.ndarray:
    ns = START_NS + at_ms * MS
    rows = [(price, qty, -1) for price, qty in asks] + [(price, qty, 1) for price, qty in bids]
    totals = [(sum(q for _, q in asks), 0.0, -1), (sum(q for _, q in bids), 0.0, 1)]
    prices, qtys, sides = zip(*(rows + totals), strict=True)
    events = EventBlock().book(SNAPSHOT, index, ns, ns, prices, [units(q) for q in qtys], sides)
    events["kind"][len(rows) :] = TOTAL
    return events


def snapshot(asks: Levels, bids: Levels, last_id: int, at_ms: int, index: int = 0) -> np.ndarray:
    ns = START_NS + at_ms * MS
    rows = [(price, qty, -1) for price, qty in asks] + [(price, qty, 1) for price, qty in bids]
    prices, qtys, sides = zip(*rows, strict=True)
    sizes = [units(q) for q in qtys]
    return EventBlock().book(SNAPSHOT, index, ns, ns, prices, sizes, sides, first_id=last_id, last_id=last_id, last_flags=NO_ROW)


def delta(changes: Sequence[tuple[int, float, float]], first_id: int, last_id: int, at_ms: int, index: int = 0) -> np.ndarray:
    """(side, price, new size) each."""
    ns = START_NS + at_ms * MS
    sides, prices, qtys = zip(*changes, strict=True)
    return EventBlock().book(LEVEL, index, ns, ns, prices, [units(q) for q in qtys], sides, first_id=first_id, last_id=last_id)


def exchange(market: Market = UPBIT, rules: HouseRules = UPBIT_HOUSE, cash: str = "100000000", one: Instrument | None = None) -> Exchange:
    core = Exchange(market, [one or (COIN if market is UPBIT else PAIR)], {market.currency: Decimal(cash)}, TruthLedger(None), seed=3)
    core.adopt(rules)
    core.start()
    return core


def request(side: int, qty: float, price: float | None = None, force: TimeInForce = TimeInForce.GTC, **fields: object) -> PaperOrderRequest:
    kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
    text = None if price is None else Decimal(repr(price))
    values = {
        "instrument": 0,
        "side": side,
        "kind": kind,
        "time_in_force": force,
        "price": text,
        "qty": units(qty),
        "venue_type": kind.value,
    }
    return PaperOrderRequest(**(values | fields))  # type: ignore[arg-type]


def placed(
    core: Exchange, side: int, qty: float, price: float | None = None, force: TimeInForce = TimeInForce.GTC, **fields: object
) -> PaperOrder:
    return core.place(request(side, qty, price, force, **fields))


__all__ = ["SelfTrade", "delta", "exchange", "instrument", "picture", "placed", "request", "snapshot", "trade", "units"]

"""Binance spot seen from the venue: symbols and filters, orders, fills, candles, tickers, events.

Source: protocols/binance.md 3 to 5, 9, 10. Numbers are decimal strings; public prices and sizes have
eight decimals, as the venue writes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from domain.exchange import Candle, DayStatistics, ExchangeCore, Level, PaperBalance, PaperFill, PaperOrder, PaperUpdate, PublicTrade
from domain.instruments import DAY_S, NS, Instrument
from domain.orders import OrderKind, OrderStatus, TimeInForce

MS = 1_000_000
PERMISSIONS = ["SPOT"]
ORDER_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET"]
STP_MODES = ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"]
_WORDS = {
    "cancel_taker": "EXPIRE_TAKER",
    "cancel_maker": "EXPIRE_MAKER",
    "cancel_both": "EXPIRE_BOTH",
    "decrement": "DECREMENT",
    "none": "NONE",
}


def eight(value: float) -> str:
    """Return a public price or amount with eight decimals."""
    return "0.00000000" if math.isnan(value) else f"{value:.8f}"


def size(units: int) -> str:
    """Return units of 1e-8 with eight decimals."""
    return f"{units // 100_000_000}.{units % 100_000_000:08d}"


def money(value: Decimal) -> str:
    """Return an exact amount with at least eight decimals."""
    text = format(value, "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(8, '0')}"


def levels(side: Sequence[Level]) -> list[list[str]]:
    """Return levels as ``[["price", "qty"]]``."""
    return [[eight(price), size(qty)] for price, qty in side]


# --- symbols ----------------------------------------------------------------------------------------------


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 8


def filters(instrument: Instrument, min_notional: float) -> list[dict[str, Any]]:
    """Return a symbol's filters in the venue's shape and present set."""
    tick = Decimal(repr(instrument.price_step or 1e-8))
    step = size(max(instrument.qty_step, 1))
    return [
        {"filterType": "PRICE_FILTER", "minPrice": money(tick), "maxPrice": "1000000.00000000", "tickSize": money(tick)},
        {
            "filterType": "LOT_SIZE",
            "minQty": size(max(instrument.min_qty, instrument.qty_step, 1)),
            "maxQty": "90000000.00000000",
            "stepSize": step,
        },
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "9000000.00000000", "stepSize": "0.00000000"},
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": money(Decimal(repr(instrument.min_notional or min_notional))),
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]


def symbol_row(instrument: Instrument, min_notional: float, with_sets: bool = True) -> dict[str, Any]:
    """Return a symbol of exchangeInfo."""
    return {
        "symbol": instrument.code,
        "status": "TRADING" if instrument.tradable else "BREAK",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters(instrument, min_notional),
        "permissions": [],
        "permissionSets": [PERMISSIONS] if with_sets else [],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": STP_MODES,
    }


# --- orders -----------------------------------------------------------------------------------------------


def status_of(order: PaperOrder) -> str:
    """Return the venue's word for an order's status."""
    if order.status is OrderStatus.EXPIRED and order.reason == "self_trade":
        return "EXPIRED_IN_MATCH"
    return {
        OrderStatus.ACCEPTED: "NEW",
        OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
        OrderStatus.FILLED: "FILLED",
        OrderStatus.CANCELED: "CANCELED",
    }.get(order.status, "EXPIRED")


def force_of(order: PaperOrder) -> str:
    """Return the time in force as the venue states it; market and maker orders say GTC."""
    if order.kind is OrderKind.MARKET or order.time_in_force is TimeInForce.POST_ONLY:
        return "GTC"
    return order.time_in_force.value.upper()


def _core(order: PaperOrder, code: str) -> dict[str, Any]:
    return {
        "symbol": code,
        "orderId": order.number,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": money(order.price or Decimal(0)),
        "origQty": size(order.qty or order.cum_qty),
        "executedQty": size(order.cum_qty),
        "origQuoteOrderQty": money(order.funds or Decimal(0)),
        "cummulativeQuoteQty": money(order.cum_amount),
        "status": status_of(order),
        "timeInForce": force_of(order),
        "type": order.venue_type,
        "side": "BUY" if order.side > 0 else "SELL",
        "selfTradePreventionMode": _WORDS[order.self_trade.value],
    } | ({"preventedQuantity": size(order.prevented_qty)} if order.prevented_qty else {})


def order_row(order: PaperOrder, code: str) -> dict[str, Any]:
    """Return the order of a query."""
    return _core(order, code) | {
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created_ns // MS,
        "updateTime": order.updated_ns // MS,
        "isWorking": True,
        "workingTime": order.created_ns // MS,
    }


def place_row(order: PaperOrder, code: str, kind: str, first_fill: int) -> dict[str, Any]:
    """Return the answer to a place: ACK, RESULT or FULL."""
    ack = {
        "symbol": code,
        "orderId": order.number,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.updated_ns // MS,
    }
    if kind == "ACK":
        return ack
    row = _core(order, code) | ack | {"workingTime": order.created_ns // MS}
    if kind == "FULL":
        row["fills"] = [
            {
                "price": money(fill.price),
                "qty": size(fill.qty),
                "commission": money(fill.fee),
                "commissionAsset": fill.fee_asset,
                "tradeId": trade_id(fill),
            }
            for fill in order.fills
        ]
    return row


def cancel_row(order: PaperOrder, code: str) -> dict[str, Any]:
    """Return the answer to a cancel: `clientOrderId` is the cancel's own id."""
    return _core(order, code) | {
        "origClientOrderId": order.client_id,
        "clientOrderId": order.cancel_id,
        "transactTime": order.updated_ns // MS,
    }


def trade_id(fill: PaperFill) -> int:
    """Return a fill's trade id: apart from those of the public tape, which never hears of us."""
    return 7_000_000_000 + fill.number


def my_trade(fill: PaperFill, code: str) -> dict[str, Any]:
    """Return a row of myTrades."""
    return {
        "symbol": code,
        "id": trade_id(fill),
        "orderId": fill.order,
        "orderListId": -1,
        "price": money(fill.price),
        "qty": size(fill.qty),
        "quoteQty": money(fill.amount),
        "commission": money(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.exchange_ns // MS,
        "isBuyer": fill.side > 0,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def balance_row(balance: PaperBalance) -> dict[str, str]:
    """Return a row of the account's balances."""
    return {"asset": balance.asset, "free": money(balance.free), "locked": money(balance.locked)}


_EXECUTIONS = {"new": "NEW", "fill": "TRADE", "canceled": "CANCELED", "expired": "EXPIRED", "prevented": "TRADE_PREVENTION"}
_EXPIRY = {
    "ioc": "UNFILLED_IOC_QUANTITY_EXPIRED",
    "fok": "UNFILLED_FOK_ORDER_EXPIRED",
    "leftover": "INSUFFICIENT_LIQUIDITY",
    "self_trade": "SELF_TRADE_PREVENTION",
}


def execution_report(update: PaperUpdate, code: str) -> dict[str, Any] | None:
    """Return an executionReport; None for `done`, which the last TRADE has already said."""
    order, fill = update.order, update.fill
    assert order is not None
    if update.what not in _EXECUTIONS:
        return None
    is_cancel = update.what == "canceled"
    last_amount = fill.amount if fill else Decimal(0)
    report: dict[str, Any] = {
        "e": "executionReport",
        "E": update.market_ns // MS,
        "s": code,
        "c": order.cancel_id if is_cancel else order.client_id,
        "S": "BUY" if order.side > 0 else "SELL",
        "o": order.venue_type,
        "f": force_of(order),
        "q": size(order.qty or order.cum_qty),
        "p": money(order.price or Decimal(0)),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.client_id if is_cancel else "",
        "x": _EXECUTIONS[update.what],
        "X": status_of(order),
        "r": "NONE",
        "i": order.number,
        "l": size(fill.qty) if fill else "0.00000000",
        "z": size(order.cum_qty),
        "L": money(fill.price) if fill else "0.00000000",
        "n": money(fill.fee) if fill else "0",
        "N": fill.fee_asset if fill else None,
        "T": update.market_ns // MS,
        "t": trade_id(fill) if fill else -1,
        "I": update.number,
        "w": order.is_open,
        "m": fill.is_maker if fill else False,
        "M": False,
        "O": order.created_ns // MS,
        "Z": money(order.cum_amount),
        "Y": money(last_amount),
        "Q": money(order.funds or Decimal(0)),
        "W": order.created_ns // MS,
        "V": _WORDS[order.self_trade.value],
    }
    if update.what == "expired":
        report["eR"] = _EXPIRY.get(order.reason, "EXCHANGE_CANCELED")
    return report


def account_position(update: PaperUpdate) -> dict[str, Any]:
    """Return an outboundAccountPosition: absolute values of the assets touched."""
    return {
        "e": "outboundAccountPosition",
        "E": update.market_ns // MS,
        "u": update.market_ns // MS,
        "B": [{"a": b.asset, "f": money(b.free), "l": money(b.locked)} for b in update.balances],
    }


# --- public -----------------------------------------------------------------------------------------------


def trade_row(trade: PublicTrade) -> dict[str, Any]:
    """Return a row of trades and historicalTrades."""
    return {
        "id": trade.number,
        "price": eight(trade.price),
        "qty": size(trade.qty),
        "quoteQty": eight(trade.price * trade.qty / 1e8),
        "time": trade.exchange_ns // MS,
        "isBuyerMaker": trade.side < 0,
        "isBestMatch": True,
    }


def aggregate_row(trade: PublicTrade) -> dict[str, Any]:
    """Return a row of aggTrades; here one trade is one aggregate."""
    return {
        "a": trade.number,
        "p": eight(trade.price),
        "q": size(trade.qty),
        "f": trade.number,
        "l": trade.number,
        "T": trade.exchange_ns // MS,
        "m": trade.side < 0,
        "M": True,
    }


def kline_row(candle: Candle, interval_ms: int) -> list[Any]:
    """Return a kline."""
    start = candle.start_ns // MS
    return [
        start,
        eight(candle.open),
        eight(candle.high),
        eight(candle.low),
        eight(candle.close),
        eight(candle.volume),
        start + interval_ms - 1,
        eight(candle.value),
        candle.trades,
        eight(candle.buy_volume),
        eight(candle.buy_value),
        "0",
    ]


def best_row(core: ExchangeCore, index: int) -> dict[str, str]:
    """Return the best quotes."""
    asks, bids = core.book(index, 1)
    bid = bids[0] if bids else (0.0, 0)
    ask = asks[0] if asks else (0.0, 0)
    return {
        "symbol": core.instruments[index].code,
        "bidPrice": eight(bid[0]),
        "bidQty": size(bid[1]),
        "askPrice": eight(ask[0]),
        "askQty": size(ask[1]),
    }


def ticker_row(core: ExchangeCore, index: int, is_mini: bool) -> dict[str, Any]:
    """Return the 24 h ticker of REST."""
    now = core.market_ns // MS
    return _ticker(core, index, core.last_24h(index), (now - 86_400_000, now), is_mini)


def trading_day_row(core: ExchangeCore, index: int, is_mini: bool) -> dict[str, Any]:
    """Return the ticker of the running UTC day; without its best quotes and previous close, which that one does not state."""
    start = core.market_ns // (DAY_S * NS) * DAY_S * 1_000  # ms
    row = _ticker(core, index, core.day(index), (start, start + DAY_S * 1_000 - 1), is_mini)
    for name in ("prevClosePrice", "lastQty", "bidPrice", "bidQty", "askPrice", "askQty"):
        row.pop(name, None)
    return row


def _ticker(core: ExchangeCore, index: int, stats: DayStatistics, times: tuple[int, int], is_mini: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"symbol": core.instruments[index].code}
    change = _change(stats)
    if not is_mini:
        quotes = best_row(core, index)
        row |= {
            "priceChange": eight(change[0]),
            "priceChangePercent": f"{change[1]:.3f}",
            "weightedAvgPrice": eight(stats.value / stats.volume if stats.volume else math.nan),
            "prevClosePrice": eight(stats.previous_close if not math.isnan(stats.previous_close) else stats.open),
            "lastQty": eight(stats.last_qty),
            "bidPrice": quotes["bidPrice"],
            "bidQty": quotes["bidQty"],
            "askPrice": quotes["askPrice"],
            "askQty": quotes["askQty"],
        }
    return row | {
        "lastPrice": eight(stats.last),
        "openPrice": eight(stats.open),
        "highPrice": eight(stats.high),
        "lowPrice": eight(stats.low),
        "volume": eight(stats.volume),
        "quoteVolume": eight(stats.value),
        "openTime": times[0],
        "closeTime": times[1],
        "firstId": stats.first_id if stats.trades else -1,
        "lastId": stats.last_id if stats.trades else -1,
        "count": stats.trades,
    }


def _change(stats: DayStatistics) -> tuple[float, float]:
    if math.isnan(stats.open) or not stats.open:
        return 0.0, 0.0
    return stats.last - stats.open, (stats.last - stats.open) / stats.open * 100.0


def mini_ticker(core: ExchangeCore, index: int) -> dict[str, Any]:
    """Return the payload of ``<symbol>@miniTicker``."""
    stats = core.last_24h(index)
    return {
        "e": "24hrMiniTicker",
        "E": core.market_ns // MS,
        "s": core.instruments[index].code,
        "c": eight(stats.last),
        "o": eight(stats.open),
        "h": eight(stats.high),
        "l": eight(stats.low),
        "v": eight(stats.volume),
        "q": eight(stats.value),
    }

"""Upbit seen from the venue: what orders, balances, candles, books and trades look like on the wire.

Source: protocols/upbit.md 3, 4, 10. REST amounts of the account are strings, everything public is a
JSON number; numbers are written from exact decimals, so that a client reads back what the core holds.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from domain.exchange import Candle, ExchangeCore, Level, PaperBalance, PaperFill, PaperOrder, PaperUpdate, PublicTrade
from domain.instruments import DAY_S, NS
from domain.orders import OrderKind, OrderStatus, TimeInForce, qty_text

KST = dt.timezone(dt.timedelta(hours=9))
MS = 1_000_000
_EXACT = 1 << 51


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def number(value: Decimal) -> msgspec.Raw:
    """Return a decimal as a JSON number of exactly that value."""
    return msgspec.Raw(plain(value).encode())


def size(units: int) -> float | msgspec.Raw:
    """Return units of 1e-8 as a JSON number of exactly that value."""
    # Below 2^51 units the shortest text of the quotient is the number itself; a float is encoded ten times faster.
    return units / 1e8 if units < _EXACT else msgspec.Raw(qty_text(units).encode())


def finite(value: float) -> float | None:
    """Return None for a number that is not known."""
    return None if math.isnan(value) else value


def kst(ns: int) -> str:
    """Return a time as ``2026-01-05T09:00:00+09:00``."""
    return dt.datetime.fromtimestamp(ns // NS, KST).isoformat()


def _utc(ns: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ns // NS, dt.UTC)


# --- account ------------------------------------------------------------------------------------------


def account_row(balance: PaperBalance, quote: str) -> dict[str, Any]:
    """Return a row of ``GET /accounts``."""
    return {
        "currency": balance.asset,
        "balance": plain(balance.free),
        "locked": plain(balance.locked),
        "avg_buy_price": "0" if balance.asset == quote else plain(balance.average_price.quantize(Decimal("1e-8"))),
        "avg_buy_price_modified": False,
        "unit_currency": quote,
    }


def state_of(order: PaperOrder) -> str:
    """Return the venue's word for an order's status."""
    if order.is_open:
        return "wait"
    return "done" if order.status is OrderStatus.FILLED else "cancel"


def _force(order: PaperOrder) -> str | None:
    return None if order.time_in_force is TimeInForce.GTC or order.kind is OrderKind.MARKET else order.time_in_force.value


def _remaining(order: PaperOrder) -> Decimal:
    return Decimal(max(order.qty - order.cum_qty - order.prevented_qty, 0)) / 100_000_000


def order_row(order: PaperOrder, code: str, with_trades: bool = False) -> dict[str, Any]:
    """Return the order object of REST."""
    by_money = order.funds is not None
    row: dict[str, Any] = {
        "uuid": order.uuid,
        "side": "bid" if order.side > 0 else "ask",
        "ord_type": order.venue_type,
        "price": plain(order.funds)
        if order.funds is not None
        else None
        if order.price is None or order.venue_type == "best"
        else plain(order.price),
        "state": state_of(order),
        "market": code,
        "created_at": kst(order.created_ns),
        "volume": None if by_money else qty_text(order.qty),
        "remaining_volume": None if by_money else plain(_remaining(order)),
        "executed_volume": qty_text(order.cum_qty),
        "executed_funds": plain(order.cum_amount),
        "reserved_fee": plain(order.reserved_fee),
        "remaining_fee": plain(max(order.reserved_fee - order.paid_fee, Decimal(0)) if order.is_open else Decimal(0)),
        "paid_fee": plain(order.paid_fee),
        "locked": plain(order.locked),
        "prevented_volume": qty_text(order.prevented_qty),
        "prevented_locked": plain(order.prevented_locked),
        "trades_count": len(order.fills),
        "time_in_force": _force(order),
        "identifier": order.client_id or None,
        "smp_type": None if order.self_trade.value == "none" else order.self_trade.value.replace("decrement", "reduce"),
    }
    if with_trades:
        row["trades"] = [fill_row(fill, code) for fill in order.fills]
    return row


def fill_row(fill: PaperFill, code: str) -> dict[str, Any]:
    """Return one of `trades[]` of ``GET /order``."""
    return {
        "market": code,
        "uuid": fill.uuid,
        "price": plain(fill.price),
        "volume": qty_text(fill.qty),
        "funds": plain(fill.amount),
        "trend": "up",
        "created_at": kst(fill.exchange_ns),
        "side": "bid" if fill.side > 0 else "ask",
    }


_STATES = {"new": "wait", "fill": "trade", "done": "done", "canceled": "cancel", "expired": "cancel", "prevented": "prevented"}


def my_order(update: PaperUpdate, code: str) -> dict[str, Any]:
    """Return a `myOrder` message; `price` and `volume` are the fill's while `state` is trade."""
    order, fill = update.order, update.fill
    assert order is not None
    money = order.funds if order.funds is not None else order.price
    cum = Decimal(order.cum_qty) / 100_000_000
    return {
        "type": "myOrder",
        "code": code,
        "uuid": order.uuid,
        "ask_bid": "BID" if order.side > 0 else "ASK",
        "order_type": order.venue_type,
        "state": _STATES[update.what],
        "trade_uuid": fill.uuid if fill else None,
        "price": number(fill.price) if fill else None if money is None else number(money),
        "avg_price": number((order.cum_amount / cum).quantize(Decimal("1e-8"))) if order.cum_qty else 0,
        "volume": size(fill.qty) if fill else None if order.funds is not None else size(order.qty),
        "remaining_volume": number(_remaining(order)),
        "executed_volume": size(order.cum_qty),
        "trades_count": (len(order.fills) if order.cum_qty else 0)
        if not fill
        else sum(1 for known in order.fills if known.number <= fill.number),
        "reserved_fee": number(order.reserved_fee),
        "remaining_fee": number(max(order.reserved_fee - order.paid_fee, Decimal(0)) if order.is_open else Decimal(0)),
        "paid_fee": number(order.paid_fee),
        "locked": number(order.locked),
        "executed_funds": number(order.cum_amount),
        "time_in_force": _force(order),
        "trade_fee": number(fill.fee) if fill else None,
        "is_maker": fill.is_maker if fill else None,
        "identifier": order.client_id or None,
        "smp_type": None if order.self_trade.value == "none" else order.self_trade.value.replace("decrement", "reduce"),
        "prevented_volume": size(order.prevented_qty),
        "prevented_locked": number(order.prevented_locked),
        "trade_timestamp": fill.exchange_ns // MS if fill else None,
        "order_timestamp": order.created_ns // MS,
        "timestamp": update.market_ns // MS,
        "stream_type": "REALTIME",
    }


def my_asset(update: PaperUpdate) -> dict[str, Any]:
    """Return a `myAsset` message."""
    return {
        "type": "myAsset",
        "asset_uuid": f"00000000-0000-4000-8000-{update.number:012d}",
        "assets": [{"currency": b.asset, "balance": number(b.free), "locked": number(b.locked)} for b in update.balances],
        "asset_timestamp": update.market_ns // MS,
        "timestamp": update.market_ns // MS,
        "stream_type": "REALTIME",
    }


# --- public ----------------------------------------------------------------------------------------------


def change_of(last: float, close: float) -> dict[str, Any]:
    """Return the fields that compare with the previous close."""
    if math.isnan(last) or math.isnan(close) or close <= 0.0:
        return {"change": "EVEN", "change_price": 0.0, "change_rate": 0.0, "signed_change_price": 0.0, "signed_change_rate": 0.0}
    difference = last - close
    return {
        "change": "RISE" if difference > 0 else "FALL" if difference < 0 else "EVEN",
        "change_price": abs(difference),
        "change_rate": abs(difference) / close,
        "signed_change_price": difference,
        "signed_change_rate": difference / close,
    }


def up_to(tape: list[PublicTrade], params: dict[str, str], market_ns: int) -> list[PublicTrade]:
    """Return the trades before `to`, a time of the UTC day that lies `days_ago` back; ValueError for what is none."""
    if not params.get("to") and not params.get("days_ago"):
        return tape
    ago, clock = int(params.get("days_ago") or 0), params.get("to", "").replace(":", "")
    if (params.get("days_ago") and not 1 <= ago <= 7) or (clock and not (len(clock) == 6 and clock.isdigit())):
        raise ValueError(params)
    start_s = (market_ns // (DAY_S * NS) - ago) * DAY_S
    end_s = start_s + (int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:]) if clock else DAY_S)
    return [trade for trade in tape if trade.exchange_ns < end_s * NS]


def trade_row(trade: PublicTrade, code: str, close: float) -> dict[str, Any]:
    """Return a row of ``GET /trades/ticks``."""
    moment = _utc(trade.exchange_ns)
    return {
        "market": code,
        "trade_date_utc": moment.strftime("%Y-%m-%d"),
        "trade_time_utc": moment.strftime("%H:%M:%S"),
        "timestamp": trade.exchange_ns // MS,
        "trade_price": trade.price,
        "trade_volume": size(trade.qty),
        "prev_closing_price": finite(close),
        "change_price": 0.0 if math.isnan(close) else trade.price - close,
        "ask_bid": "BID" if trade.side >= 0 else "ASK",
        "sequential_id": trade.number,
    }


def book_units(asks: Sequence[Level], bids: Sequence[Level]) -> list[dict[str, Any]]:
    """Pair the n-th ask with the n-th bid; the shorter side is filled with zeros."""
    units = []
    for i in range(max(len(asks), len(bids))):
        ask = asks[i] if i < len(asks) else (0.0, 0)
        bid = bids[i] if i < len(bids) else (0.0, 0)
        units.append({"ask_price": ask[0], "bid_price": bid[0], "ask_size": size(ask[1]), "bid_size": size(bid[1])})
    return units


def ticker_row(core: ExchangeCore, index: int, stream: bool = False) -> dict[str, Any]:
    """Return the ticker of REST, or of the stream, which spells its market `code`."""
    day, rolling = core.day(index), core.last_24h(index)
    code = core.instruments[index].code
    moment = _utc(day.last_ns or core.market_ns)
    local = moment.astimezone(KST)
    last = day.last if not math.isnan(day.last) else rolling.last
    row: dict[str, Any] = {"type": "ticker", "code": code} if stream else {"market": code}
    row |= {
        "trade_date": moment.strftime("%Y%m%d"),
        "trade_time": moment.strftime("%H%M%S"),
        "trade_date_kst": local.strftime("%Y%m%d"),
        "trade_time_kst": local.strftime("%H%M%S"),
        "trade_timestamp": day.last_ns // MS,
        "opening_price": finite(day.open),
        "high_price": finite(day.high),
        "low_price": finite(day.low),
        "trade_price": finite(last),
        "prev_closing_price": finite(day.previous_close),
        **change_of(last, day.previous_close),
        "trade_volume": day.last_qty,
        "acc_trade_price": day.value,
        "acc_trade_price_24h": rolling.value,
        "acc_trade_volume": day.volume,
        "acc_trade_volume_24h": rolling.volume,
        "highest_52_week_price": finite(rolling.high),
        "highest_52_week_date": moment.strftime("%Y-%m-%d"),
        "lowest_52_week_price": finite(rolling.low),
        "lowest_52_week_date": moment.strftime("%Y-%m-%d"),
        "timestamp": core.market_ns // MS,
    }
    if stream:
        row |= {
            "ask_bid": "BID",
            "acc_ask_volume": day.volume - day.buy_volume,
            "acc_bid_volume": day.buy_volume,
            "market_state": "ACTIVE",
            "stream_type": "REALTIME",
        }
    return row


def candle_row(candle: Candle, code: str, kind: str, unit: int, previous: float) -> dict[str, Any]:
    """Return a candle; `kind` is seconds, minutes, days, weeks, months or years."""
    start = _utc(candle.start_ns)
    row: dict[str, Any] = {
        "market": code,
        "candle_date_time_utc": start.strftime("%Y-%m-%dT%H:%M:%S"),
        "candle_date_time_kst": start.astimezone(KST).strftime("%Y-%m-%dT%H:%M:%S"),
        "opening_price": candle.open,
        "high_price": candle.high,
        "low_price": candle.low,
        "trade_price": candle.close,
        "timestamp": candle.last_ns // MS,
        "candle_acc_trade_price": candle.value,
        "candle_acc_trade_volume": candle.volume,
    }
    if kind == "minutes":
        row["unit"] = unit
    elif kind == "days":
        close = candle.open if math.isnan(previous) else previous
        row |= {"prev_closing_price": close, "change_price": candle.close - close, "change_rate": (candle.close - close) / close}
    elif kind in ("weeks", "months", "years"):
        row["first_day_of_period"] = start.strftime("%Y-%m-%d")
    return row


def periods(days: list[Candle], kind: str) -> list[Candle]:
    """Join day candles to weeks (from Monday), months or years."""
    out: list[Candle] = []
    key_of: Callable[[dt.datetime], dt.datetime] = {
        "weeks": lambda d: d - dt.timedelta(days=d.weekday()),
        "months": lambda d: d.replace(day=1),
        "years": lambda d: d.replace(month=1, day=1),
    }[kind]
    for day in days:
        start = int(key_of(dt.datetime.fromtimestamp(day.start_ns // NS, dt.UTC)).timestamp()) * NS
        if out and out[-1].start_ns == start:
            last = out[-1]
            out[-1] = last._replace(
                high=max(last.high, day.high),
                low=min(last.low, day.low),
                close=day.close,
                volume=last.volume + day.volume,
                value=last.value + day.value,
                trades=last.trades + day.trades,
                last_ns=day.last_ns,
            )
        else:
            out.append(day._replace(start_ns=start))
    return out

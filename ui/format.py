"""Numbers as a Korean trader reads them: equal-width digits, sign, ▲▼, 원, 억, 조; K, M, B in English.

Nothing here ever prints scientific notation. NaN and None are shown as an en dash: "not known".
"""

from __future__ import annotations

import datetime as dt
import math
from functools import lru_cache

from domain.instruments import NS, QTY_UNIT, Instrument, Market
from utility.amounts import money_text, quantity_text

KST = dt.timezone(dt.timedelta(hours=9), "KST")
DASH = "–"
WEEKDAYS = ("월", "화", "수", "목", "금", "토", "일")


def missing(value: float | None) -> bool:
    """Tell whether `value` is None or NaN."""
    return value is None or value != value


@lru_cache(maxsize=4096)
def step_decimals(step: float) -> int:
    """Return how many decimals a price step needs (0.01 → 2, 5 → 0)."""
    if step <= 0:
        return 0
    text = f"{step:.10f}".rstrip("0")
    return len(text.split(".")[1])


@lru_cache(maxsize=65536)
def price_step(market: Market, instrument: Instrument | None, price: float) -> float:
    """Return the price step of `instrument` at `price`: its own, else the market's ladder today."""
    if instrument is not None and instrument.price_step > 0:
        return instrument.price_step
    if price > 0 and market.ladder_is_dated():
        return market.step_at(price, dt.datetime.now(dt.UTC).date())
    return 0.0


def price(value: float | None, step: float = 0.0) -> str:
    """Return a price with the decimals of its step."""
    if missing(value):
        return DASH
    if step > 0:
        return f"{value:,.{step_decimals(step)}f}"
    return quantity_text(value)


def percent(value: float | None, decimals: int = 2) -> str:
    """Return a signed percentage, ``+1.71%``."""
    if missing(value):
        return DASH
    rounded = round(value, decimals)
    return f"{rounded:+,.{decimals}f}%" if rounded else f"{0:.{decimals}f}%"


def number(value: float | None, decimals: int = 2) -> str:
    """Return a plain number with thousands separators."""
    return DASH if missing(value) else f"{value:,.{decimals}f}"


def integer(value: float | None) -> str:
    """Return a whole number with thousands separators."""
    return DASH if missing(value) else f"{round(value):,}"


def quantity(units: int | None) -> str:
    """Return a quantity given in units of 1e-8 without trailing zeros."""
    if units is None:
        return DASH
    return quantity_text(units / QTY_UNIT)


def size(amount: float | None) -> str:
    """Return a book or trade size in at most seven characters or so: decimals shrink as it grows."""
    if missing(amount):
        return DASH
    if amount == 0:
        return "0"
    if amount >= 1_000:
        return f"{amount:,.0f}"
    if amount >= 100:
        return f"{amount:,.1f}"
    if amount >= 1:
        return f"{amount:,.3f}"
    return f"{amount:.4f}" if amount >= 0.0001 else f"{amount:.6f}"


def money(value: float | None, currency: str, language: str, sign: bool = False) -> str:
    """Return an amount in full: ``1,234,567원``, ``₩1,234,567``, ``1,234.56 USDT``."""
    if missing(value):
        return DASH
    plus = "+" if sign and value > 0 else ("-" if value < 0 else "")
    text = money_text(abs(value), currency)
    if currency == "KRW":
        return f"{plus}{text}원" if language == "ko" else f"{plus}₩{text}"
    return f"{plus}{text} {currency}"


def short_money(value: float | None, currency: str, language: str) -> str:
    """Return a turnover in few characters: ``1조 2,345억``, ``3.2억``, ``450만``, ``1.25만`` or ``1.23B``."""
    if missing(value):
        return DASH
    body, minus = abs(value), "-" if value < 0 else ""
    if currency == "KRW" and language == "ko":
        if body >= 1e12:
            return f"{minus}{body // 1e12:,.0f}조 {body % 1e12 / 1e8:,.0f}억"
        if body >= 1e10:
            return f"{minus}{body / 1e8:,.0f}억"
        if body >= 1e8:
            return f"{minus}{body / 1e8:,.1f}억"
        if body >= 1e4:
            scaled = body / 1e4
            text = f"{scaled:,.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f}"
            return f"{minus}{text.rstrip('0').rstrip('.') if '.' in text else text}만"
        return f"{minus}{body:,.0f}"
    for limit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if body >= limit:
            scaled = body / limit
            return f"{minus}{scaled:,.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f}{letter}"
    return f"{minus}{body:,.0f}"


def short_number(value: float | None, language: str, decimals: int = 2) -> str:
    """Return a score in few characters: ``-2,342만``, ``1.2억``, ``-23.4M``, plain with decimals below ten thousand."""
    if missing(value):
        return DASH
    return number(value, decimals) if abs(value) < 1e4 else short_money(value, "KRW" if language == "ko" else "", language)


def arrow(value: float | None) -> str:
    """Return ▲, ▼ or nothing by sign; colour is never the only sign of direction."""
    if missing(value) or round(value, 2) == 0:
        return ""
    return "▲" if value > 0 else "▼"


def day_text(day: dt.date, language: str) -> str:
    """Return ``2026-11-20(금)`` or ``2026-11-20 (Fri)``."""
    return f"{day:%Y-%m-%d}({WEEKDAYS[day.weekday()]})" if language == "ko" else f"{day:%Y-%m-%d} ({day:%a})"


def clock(ns: int, zone: dt.tzinfo = KST, millis: bool = False) -> str:
    """Return the time of day of UTC nanoseconds, in KST unless told otherwise."""
    if ns <= 0:
        return DASH
    moment = dt.datetime.fromtimestamp(ns // NS, zone)
    return f"{moment:%H:%M:%S}" + (f".{ns // 1_000_000 % 1000:03d}" if millis else "")


def row_clock(row_time: int, offset_s: int) -> str:
    """Return the KST time of day of a row time on a market clock that is `offset_s` from UTC."""
    ns = row_ns(row_time, offset_s)
    return clock(ns) if ns else DASH


def row_day_clock(row_time: int, offset_s: int) -> str:
    """Return KST day and time of a row time on a market clock that is `offset_s` from UTC: ``01-05 09:00:25``."""
    ns = row_ns(row_time, offset_s)
    if not ns:
        return DASH
    moment = dt.datetime.fromtimestamp(ns // NS, KST)
    return f"{moment:%m-%d %H:%M:%S}" if len(str(row_time)) == 14 else f"{moment:%m-%d %H:%M}"


@lru_cache(maxsize=65536)
def row_ns(row_time: int, offset_s: int) -> int:
    """Return a row time (YYYYMMDDhhmmss or YYYYMMDDhhmm) as UTC nanoseconds; 0 when it is none."""
    text = str(row_time)
    if len(text) not in (12, 14):
        return 0
    try:
        moment = dt.datetime.strptime(text.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return 0
    return int(moment.timestamp() - offset_s) * NS


def duration(seconds: float | None) -> str:
    """Return ``3:05`` or ``1:02:03``."""
    if missing(seconds) or math.isinf(seconds):
        return DASH
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"

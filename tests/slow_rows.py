"""Rows by the letter of strategy-language 1.1, slowly: dict books, Python floats, raw files read as text.

Shares no code with `trading/` and reads the recordings itself. Only what the recordings need: Binance
spot and futures, Upbit, no more symbols than the traded-value list holds (관심종목 is 1).
"""

from __future__ import annotations

import ast
import datetime as dt
import gzip
import json
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

DAY_MS = 86_400_000


def rint(x: float, places: int) -> float:
    """Round half to even after scaling, as the specification writes it."""
    scale = 10.0**places
    scaled = x * scale
    floor = math.floor(scaled)
    rest = scaled - floor
    whole = floor + (1 if rest > 0.5 or (rest == 0.5 and floor % 2) else 0)
    return whole / scale


@dataclass
class Tally:
    """Trades added up, in the order they came."""

    prices: list[float] = field(default_factory=list)
    amount: float = 0.0
    qty: dict[int, float] = field(default_factory=lambda: {1: 0.0, -1: 0.0})
    money: dict[int, float] = field(default_factory=lambda: {1: 0.0, -1: 0.0})
    levels: dict[tuple[int, float], float] = field(default_factory=dict)
    peaks: dict[int, tuple[float, float]] = field(default_factory=lambda: {1: (0.0, 0.0), -1: (0.0, 0.0)})

    def add(self, price: float, qty: float, side: int) -> None:
        first, high, low = (self.prices[0], max(self.prices[1], price), min(self.prices[2], price)) if self.prices else (price,) * 3
        self.prices = [first, high, low]
        self.amount += price * qty
        self.qty[side] += qty
        self.money[side] += price * qty
        level = self.levels.get((side, price), 0.0) + price * qty
        self.levels[side, price] = level
        if level > self.peaks[side][1]:
            self.peaks[side] = (price, level)


@dataclass
class Symbol:
    """One symbol's day."""

    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)
    totals: tuple[float, float] | None = None
    valid: bool = False
    last_u: int = 0
    joined: bool = False
    waiting: list[dict[str, Any]] = field(default_factory=list)
    last_id: int = 0
    day: int = -1
    session: Tally = field(default_factory=lambda: Tally())
    bar: Tally = field(default_factory=lambda: Tally())
    rows: int = 0
    last_value: float = 0.0
    last_trade_ms: int = -1
    last_price: float = 0.0
    before: float = 0.0
    prev_close: float = 0.0
    book_ms: int = 0
    row_second: int = -1
    minute: int = -1
    crossed: int = 0


class SlowRows:
    """Rows of one interval.

    Attributes
    ----------
    rows : list of (symbol, row_time, dict of column → value)
    """

    def __init__(self, interval_s: int, tag: str) -> None:
        self.interval_s = interval_s
        self.tag = tag
        self.symbols: dict[str, Symbol] = {}
        self.rows: list[tuple[str, int, dict[str, float]]] = []

    def _of(self, code: str) -> Symbol:
        return self.symbols.setdefault(code, Symbol())

    # --- messages ------------------------------------------------------------------------------------

    def trade(self, code: str, ms: int, ident: int, price: float, qty: float, side: int, prev_close: float = 0.0) -> None:
        s = self._of(code)
        if ident <= s.last_id or price <= 0 or qty <= 0 or ms // DAY_MS < s.day:
            return
        s.last_id = ident
        self._day(code, s, ms)
        if prev_close:
            s.prev_close = prev_close
        s.session.add(price, qty, side)
        s.bar.add(price, qty, side)
        s.last_trade_ms, s.last_price = ms, price

    def picture(self, code: str, ms: int, bids: dict[float, float], asks: dict[float, float], totals: tuple[float, float]) -> None:
        s = self._of(code)
        self._day(code, s, ms)
        s.bids, s.asks, s.totals, s.valid = bids, asks, totals, True
        self._book_event(code, s, ms)

    def snapshot(self, code: str, ident: int, bids: dict[float, float], asks: dict[float, float]) -> None:
        s = self._of(code)
        s.bids, s.asks, s.valid, s.last_u, s.joined = bids, asks, True, ident, False
        waiting, s.waiting = s.waiting, []
        for message in waiting:
            self._apply(s, message)

    def delta(self, code: str, message: dict[str, Any]) -> None:
        s = self._of(code)
        self._day(code, s, message["E"])
        if not s.valid:
            s.waiting.append(message)
        elif self._apply(s, message):
            self._book_event(code, s, message["E"])

    def _apply(self, s: Symbol, message: dict[str, Any]) -> bool:
        first, last = message["U"], message["u"]
        if not s.valid:
            s.waiting.append(message)
            return False
        if "pu" in message:
            if not s.joined:
                if last < s.last_u:
                    return False
                good = first <= s.last_u <= last
                s.joined = True
            else:
                good = message["pu"] == s.last_u
        else:
            if last <= s.last_u:
                return False
            good = first <= s.last_u + 1
        if not good:
            s.valid = False
            return False
        s.last_u = last
        for side, changes in ((s.bids, message["b"]), (s.asks, message["a"])):
            for price, qty in changes:
                if float(qty) == 0:
                    side.pop(float(price), None)
                else:
                    side[float(price)] = float(qty)
        if s.bids and s.asks and max(s.bids) >= min(s.asks):
            s.crossed += 1
        return True

    # --- days and rows ----------------------------------------------------------------------------------

    def _day(self, code: str, s: Symbol, ms: int) -> None:
        if ms // DAY_MS <= s.day:
            return
        if self.interval_s == 60 and s.minute >= 0 and s.session.prices:
            self._emit(code, s, s.minute * 60)
        if s.session.prices:
            s.before = s.last_price
        s.day, s.session, s.bar, s.rows, s.last_value, s.minute = ms // DAY_MS, Tally(), Tally(), 0, 0.0, -1
        s.prev_close = 0.0
        s.last_trade_ms = -1

    def _book_event(self, code: str, s: Symbol, ms: int) -> None:
        s.book_ms = ms
        if ms // DAY_MS != s.day:
            return
        second = ms // 1000
        if self.interval_s == 1:
            if s.session.prices and second > s.row_second:
                s.row_second = second
                self._emit(code, s, second)
            return
        if s.minute < 0:
            s.minute = second // 60
        elif second // 60 > s.minute:
            if s.session.prices:
                self._emit(code, s, s.minute * 60)
            s.minute = second // 60

    def _emit(self, code: str, s: Symbol, second: int) -> None:
        tag, day, bar = self.tag, s.session, s.bar
        first, high, low = day.prices
        bar_first, bar_high, bar_low = bar.prices or [s.last_price] * 3
        value = rint(day.amount, 4)
        reference = s.prev_close or s.before or first
        buys, sells = rint(day.qty[1], 8), rint(day.qty[-1], 8)
        row = {
            "last_price": s.last_price,
            "day_open": first,
            "day_high": high,
            "day_low": low,
            "change_pct": rint((s.last_price / reference - 1) * 100, 2),
            "day_value": value,
            "trade_strength": min(rint(buys / sells * 100, 2), 500.0) if sells else 500.0,
            f"buy_volume_{tag}": rint(bar.qty[1], 8),
            f"sell_volume_{tag}": rint(bar.qty[-1], 8),
            f"value_{tag}": rint(value - s.last_value, 4) if s.rows or tag == "1m" else 0.0,
            "mid_range_change_pct": rint((s.last_price / ((high + low) / 2) - 1) * 100, 2),
            "in_universe": 1.0,
            "range_pct": rint((high / low - 1) * 100, 2),
            f"buy_value_{tag}": rint(bar.money[1], 4),
            f"sell_value_{tag}": rint(bar.money[-1], 4),
            "day_buy_value": rint(day.money[1], 4),
            "day_sell_value": rint(day.money[-1], 4),
            "peak_buy_value": rint(day.peaks[1][1], 4),
            "peak_buy_price": day.peaks[1][0],
            "peak_sell_value": rint(day.peaks[-1][1], 4),
            "peak_sell_price": day.peaks[-1][0],
        }
        row["net_buy_value"] = rint(row[f"buy_value_{tag}"] - row[f"sell_value_{tag}"], 4)
        if tag == "1m":
            row |= {"bar_open": bar_first, "bar_high": bar_high, "bar_low": bar_low}
        row |= self._book(s)
        minute_of_day, sec = second % 86_400 // 60, second % 60
        label = date_label(second // 86_400) * 10_000 + minute_of_day // 60 * 100 + minute_of_day % 60
        self.rows.append((code, label * 100 + sec if tag == "1s" else label, row))
        s.last_value, s.bar, s.rows = value, Tally(), s.rows + 1

    def _book(self, s: Symbol) -> dict[str, float]:
        asks = sorted(s.asks.items())
        bids = sorted(s.bids.items(), reverse=True)
        if s.last_trade_ms >= s.book_ms:
            asks = [level for level in asks if level[0] >= s.last_price]
            bids = [level for level in bids if level[0] <= s.last_price]
        row: dict[str, float] = {}
        five = 0.0
        for name, levels in (("ask", asks), ("bid", bids)):
            for n in range(5):
                price, qty = levels[n] if n < len(levels) else (0.0, 0.0)
                row[f"{name}{n + 1}"], row[f"{name}_size{n + 1}"] = price, qty
                five += qty
        row["book5_size"] = rint(five, 8)
        row["ask_total_size"] = s.totals[0] if s.totals else rint(sum(qty for _, qty in asks[:10]), 8)
        row["bid_total_size"] = s.totals[1] if s.totals else rint(sum(qty for _, qty in bids[:10]), 8)
        return row


def date_label(days: int) -> int:
    """Return days since 1970 as YYYYMMDD."""
    date = dt.date(1970, 1, 1) + dt.timedelta(days=days)
    return date.year * 10_000 + date.month * 100 + date.day


# --- the recordings --------------------------------------------------------------------------------------


def _sides(message: dict[str, Any]) -> tuple[dict[float, float], dict[float, float]]:
    return tuple({float(p): float(q) for p, q in message[name] if float(q)} for name in ("bids", "asks"))  # type: ignore[return-value]


@cache
def binance_lines(paths: tuple[Path, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Return (symbol, message) of raw files in the order of receive time, quotes left out."""
    lines = []
    for number, path in enumerate(paths):
        symbol = path.name.split("_")[0].upper()
        with gzip.open(path, "rt") as file:
            for place, line in enumerate(file):
                if "bookTicker" not in line:
                    stamp, _, text = line.partition(" ")
                    lines.append((int(stamp), number, place, symbol, text))
    out = []
    for _, _, _, symbol, text in sorted(lines, key=lambda one: one[:3]):
        body = json.loads(text)
        out.append((symbol, body.get("data", body)))
    return out


def binance_rows(paths: list[Path], interval_s: int) -> SlowRows:
    """Return the rows of Binance raw files."""
    rows = SlowRows(interval_s, "1s" if interval_s == 1 else "1m")
    for symbol, message in binance_lines(tuple(paths)):
        if "lastUpdateId" in message:
            rows.snapshot(symbol, message["lastUpdateId"], *_sides(message))
        elif message["e"] == "trade":
            if message.get("X", "MARKET") == "MARKET":
                side = -1 if message["m"] else 1
                rows.trade(symbol, message["T"], message["t"], float(message["p"]), float(message["q"]), side)
        else:
            rows.delta(symbol, message)
    return rows


def upbit_rows(path: Path, interval_s: int) -> SlowRows:
    """Return the rows of the KRW markets of a cryptofeed recording."""
    rows = SlowRows(interval_s, "1s" if interval_s == 1 else "1m")
    with gzip.open(path, "rt") as file:
        for line in file:
            _, _, text = line.partition(": ")
            if not text.startswith("b'"):
                continue
            message = json.loads(ast.literal_eval(text.strip()))
            code = message["cd"]
            if not code.startswith("KRW-"):
                continue
            if message["ty"] == "trade":
                side = 1 if message["ab"] == "BID" else -1
                rows.trade(code, message["ttms"], message["sid"], message["tp"], message["tv"], side, message["pcp"])
            else:
                asks = {unit["ap"]: unit["as"] for unit in message["obu"] if unit["as"]}
                bids = {unit["bp"]: unit["bs"] for unit in message["obu"] if unit["bs"]}
                rows.picture(code, message["tms"], bids, asks, (message["tas"], message["tbs"]))
    return rows

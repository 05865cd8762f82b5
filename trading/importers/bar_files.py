"""Candles as tables: which columns they have, of which minute, symbol and market."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from domain.errors import InputError
from domain.instruments import NS, Market
from trading.bars import Bars
from trading.importers.report import TAKEN, FileTally
from trading.importers.tables import decimals_in, numbers, times_ns

NAMES: dict[str, tuple[str, ...]] = {
    "time": (
        "open_time",
        "timestamp",
        "candleDateTime",
        "candle_date_time_utc",
        "candle_date_time_kst",
        "datetime",
        "date",
        "time",
        "Date",
        "체결시간",
        "일시",
        "일자",
        "시간",
    ),
    "open": ("open", "openingPrice", "opening_price", "Open", "시가"),
    "high": ("high", "highPrice", "high_price", "High", "고가"),
    "low": ("low", "lowPrice", "low_price", "Low", "저가"),
    "close": ("close", "tradePrice", "trade_price", "Close", "종가", "현재가"),
    "volume": ("volume", "candleAccTradeVolume", "candle_acc_trade_volume", "Volume", "거래량"),
    "value": ("quote_volume", "quote_asset_volume", "candleAccTradePrice", "candle_acc_trade_price", "value", "Amount", "거래대금"),
    "taker": ("taker_buy_volume", "taker_buy_base_asset_volume"),
    "taker_value": ("taker_buy_quote_volume", "taker_buy_quote_asset_volume"),
    "symbol": ("symbol", "code", "market", "ticker", "Code", "종목코드"),
}
NEEDED = ("time", "open", "high", "low", "close", "volume")
STEP_NAMES = {60: "1m", 180: "3m", 300: "5m", 600: "10m", 900: "15m", 1800: "30m", 3600: "60m", 86_400: "1d"}
_MISSING_MINUTES = 10
_CODE = re.compile(r"[0-9]{6}|(?:KRW|BTC|USDT)-[A-Z0-9]+|[A-Z0-9]+USDT")
_KRX = re.compile(r"A?([0-9]{6})(?:\.K[SQ])?")
_USDT = re.compile(r"(?<![A-Z0-9])[A-Z0-9]{2,}USDT(?![A-Z0-9])")
_PAIR = re.compile(r"([A-Z0-9]{2,10})[_/](KRW|USDT)")


def columns_of(names: list[str], mapping: dict[str, str]) -> dict[str, str] | None:
    """Return our name → the table's column, None when a needed one is missing; `mapping` wins."""
    # Old Upbit candles name a time of their own before the candle's: the candle's stands first in NAMES.
    found = dict(mapping)
    for ours, theirs in NAMES.items():
        if ours not in found:
            if ours == "time" and "candleDateTime" in names:
                found[ours] = "candleDateTime"
                continue
            match = next((name for name in theirs if name in names), None)
            if match is not None:
                found[ours] = match
    return found if all(ours in found for ours in NEEDED) else None


def symbol_from_name(path: Path) -> str:
    """Return the symbol that a file's name tells, "" when it tells none."""
    stem = path.name.split(".")[0]
    for part in re.split(r"[_ ]|-(?=\d)", stem):
        if _CODE.fullmatch(part):
            return part
    whole = _USDT.search(stem)
    if whole:
        return whole[0]
    pair = _PAIR.search(stem)
    if pair:
        return f"KRW-{pair[1]}" if pair[2] == "KRW" else pair[1] + pair[2]
    return ""


def code_of(text: str, market: str = "") -> str:
    """Return the code that a table's symbol means: ``005930.KS`` and ``A005930`` are 005930, and on KRX so is 5930 of a spreadsheet."""
    found = _KRX.fullmatch(text)
    if found is not None:
        return found[1]
    return text.zfill(6) if market == "krx" and text.isdecimal() else text.rsplit(".", 1)[-1]


def market_of_symbol(symbol: str) -> str:
    """Return the market code that a symbol's form tells, "" for none; USDT pairs are taken for spot."""
    if re.fullmatch(r"[0-9]{6}", symbol):
        return "krx"
    if re.fullmatch(r"(?:KRW|BTC|USDT)-[A-Z0-9]+", symbol):
        return "upbit"
    return "binance" if symbol.endswith("USDT") else ""


def interval_of(table: pa.Table, columns: dict[str, str]) -> int:
    """Return the commonest distance between the bars of one symbol in seconds, 0 for none."""
    times, bad = times_ns(table.column(columns["time"]), None)
    if "symbol" in columns:
        who = np.unique(np.array([code_of(str(one)) for one in table.column(columns["symbol"]).to_pylist()]), return_inverse=True)[1]
    else:
        who = np.zeros(len(times), np.int64)
    times, who = times[~bad] // NS, who[~bad]
    order = np.lexsort((times, who))
    steps = np.diff(times[order])[np.diff(who[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        return 0
    values, counts = np.unique(steps, return_counts=True)
    return int(values[int(np.argmax(counts))])


@dataclass
class SymbolBars:
    """Bars of one symbol ready for `bar_rows`."""

    symbol: str
    bars: Bars
    missing: list[tuple[int, int]]
    """(first, last) start of the missing minutes, UTC ns, of every hole of ten minutes or more."""
    decimals: tuple[int, int]
    tally: FileTally


class BarFile:
    """One table of candles.

    Parameters
    ----------
    columns : dict
        As `columns_of` returns.
    symbol : str
        Of the whole table when it has no symbol column.
    """

    def __init__(self, path: Path, market: Market, table: pa.Table, columns: dict[str, str], symbol: str, tally: FileTally) -> None:
        self.path = path
        self.market = market
        self.tally = tally
        zone = "Asia/Seoul" if "kst" in columns["time"].lower() else None
        self._times, bad = times_ns(table.column(columns["time"]), market, zone)
        self._reason = np.full(len(bad), "", object)
        self._reason[bad] = "time"
        self._values: dict[str, np.ndarray] = {}
        for name in ("open", "high", "low", "close", "volume", "value", "taker", "taker_value"):
            if name in columns:
                self._values[name], wrong = numbers(table.column(columns[name]))
                self._refuse(wrong, name)
        if "symbol" in columns:
            texts = [str(text) for text in table.column(columns["symbol"]).to_pylist()]
            self._symbols = np.array([code_of(text, market.code) for text in texts], object)
        elif symbol:
            self._symbols = np.full(len(bad), symbol, object)
        else:
            raise InputError("import.symbol_needed", file=str(path))
        high, low = self._values["high"], self._values["low"]
        prices = np.column_stack([self._values[name] for name in ("open", "high", "low", "close")])
        with np.errstate(invalid="ignore"):
            self._refuse(~((prices > 0) & (prices < 1e15)).all(axis=1), "price")
            self._refuse((high < prices.max(axis=1)) | (low > prices.min(axis=1)), "high_low")
            self._refuse((self._values["volume"] < 0) | (self._values["volume"] >= 9e10), "volume")
        tally.rows_in = tally.unread + len(bad)
        tally.symbols = sorted({str(one) for one in self._symbols})

    def _refuse(self, mask: Any, reason: str) -> None:
        self._reason[mask & (self._reason == "")] = reason

    def refuse_all(self, reason: str) -> None:
        """Refuse every bar that has no better reason."""
        self._refuse(np.ones(len(self._reason), bool), reason)
        self._settle()

    def _settle(self) -> None:
        self.tally.refuse_each(self._reason)
        self.tally.rows_stored = int((self._reason == "").sum())
        self.tally.check()

    def split(self, refused: dict[str, str]) -> list[SymbolBars]:
        """Return the good bars by symbol, oldest first; refuse repeats and minutes that do not start on the minute."""
        for symbol, reason in (refused | dict.fromkeys(self.tally.taken, TAKEN)).items():
            self._refuse(self._symbols == symbol, reason)
        self._refuse(self._times % (60 * NS) != 0, "off_minute")
        out = []
        for symbol in self.tally.symbols:
            mine = np.flatnonzero((self._symbols == symbol) & (self._reason == ""))
            mine = mine[np.argsort(self._times[mine], kind="stable")]
            twice = np.concatenate(([False], np.diff(self._times[mine]) == 0)) if len(mine) else np.zeros(0, bool)
            self._reason[mine[twice]] = "duplicate"
            mine = mine[~twice]
            if len(mine):
                out.append(self._symbol_bars(symbol, mine))
        self._settle()
        return out

    def _symbol_bars(self, symbol: str, mine: np.ndarray) -> SymbolBars:
        value = {name: column[mine] for name, column in self._values.items()}
        times = self._times[mine]
        units = {name: np.rint(value[name] * 1e8).astype(np.int64) for name in ("volume", "taker") if name in value}
        bars = Bars(
            times,
            value["open"],
            value["high"],
            value["low"],
            value["close"],
            units["volume"],
            value.get("value"),
            np.minimum(units["taker"], units["volume"]) if "taker" in units else None,
            value.get("taker_value"),
        )
        missing = []
        if self.market.kind == "coin":
            holes = np.flatnonzero(np.diff(times) >= (_MISSING_MINUTES + 1) * 60 * NS)
            missing = [(int(times[k]) + 60 * NS, int(times[k + 1]) - 60 * NS) for k in holes.tolist()]
        return SymbolBars(symbol, bars, missing, (decimals_in(value["close"]), decimals_in(value["volume"])), self.tally)

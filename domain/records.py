"""numpy dtypes of everything that is many and fast, each defined once.

An *event* is what a feed hands over: a trade, one level of a book change, or a marker. A *row* is
what the strategies see: one second or one minute of one instrument. The Parquet schema, the bus
payload and the columns of the language are derived from these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

# --- events ---------------------------------------------------------------------------------

TRADE = 1
"""A public trade: side +1 = buyer was the aggressor, −1 seller, 0 unknown (tick rule decides)."""
LEVEL = 2
"""One level of a book change: `qty` is the new absolute size, 0 removes it. side +1 bid, −1 ask; side 0 is no level."""
SNAPSHOT = 3
"""One level of a full book; the first one (flag FIRST) clears what was there."""
TOTAL = 4
"""Published total size of one side of the book; `price` holds the total, side +1 bid, −1 ask."""
PREV_CLOSE = 5
"""The venue's previous close; `price` holds it."""
INVALID = 6
"""The book is not to be trusted until the next snapshot (update-id gap, reconnect)."""
DAY = 7
"""What the venue says of its running day, as of this point of the stream: four records, `price` holds each. FIRST: the open,
with clock and id (`last_id`, 0 = not told) of the last trade that the venue counted; side +1: the high; side −1: the low;
LAST: the traded amount in quote currency, the trades received after that one included. Prices are 0 while nothing traded."""

FIRST = 1
"""First record of a book message."""
LAST = 2
"""Last record of a book message: the book event proper (strategy-language 1.1)."""
NO_ROW = 4
"""This book message changes the book but is no row event (REST snapshot, bookTicker)."""
NO_BOOK = 8
"""A trade of a recording without any book: the trade itself is the row event (rule 11)."""
AGGREGATE = 16
"""An aggregate trade; ignored where the same import holds single trades of the symbol (rule 7)."""
CHAINED = 32
"""On the FIRST record of a delta that names its predecessor (futures): no level (price 0, side 0), `qty` is that id (pu)."""

EVENT_DTYPE = np.dtype(
    [
        ("exchange_ns", "<i8"),  # venue clock, UTC
        ("received_ns", "<i8"),  # our clock, UTC
        ("seq", "<i8"),  # arrival order within the market and source, 1-based; 0 = not yet given
        ("first_id", "<i8"),  # trade id, or first update id of the book message
        ("last_id", "<i8"),  # last update id of the book message
        ("price", "<f8"),
        ("qty", "<i8"),  # units of 1e-8
        ("instrument", "<i4"),  # index into the stream's instrument table
        ("kind", "u1"),
        ("flags", "u1"),
        ("side", "i1"),
        ("pad", "u1"),
    ]
)
assert EVENT_DTYPE.itemsize == 64

CANDLE_DTYPE = np.dtype(
    [
        ("open_ns", "<i8"),  # UTC start
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),  # base units
        ("value", "<f8"),  # quote currency
        ("taker", "<f8"),  # of the volume, what aggressive buyers took; NaN = not told
        ("taker_value", "<f8"),  # NaN = not told
    ]
)
"""A candle as a venue's history tells it."""

# --- recorded columns of a row (strategy-language 3, 11 and 14.1) -----------------------------


@dataclass(frozen=True)
class Column:
    """One recorded column.

    Parameters
    ----------
    key, ko : str
        English alias and Korean name; `key` is the stored name.
    unit : {"price", "qty", "value", "pct", "strength", "flag", "time", "count"}
        Chooses decimals and screen format.
    coin_decimals, krx_decimals : int
        Decimals of the stored value, the p of the exact sums (strategy-language 5.1).
    joined : {"last", "first", "sum", "max", "min"}
        What a longer bar takes of its minutes (decision 44).
    """

    key: str
    ko: str
    unit: str
    coin_decimals: int
    krx_decimals: int
    joined: str = "last"

    def decimals(self, kind: str) -> int:
        """Return the decimals of this column in a market of `kind` (stock or coin)."""
        return self.krx_decimals if kind == "stock" else self.coin_decimals


def _level_columns() -> list[Column]:
    out = []
    for name, ko, unit in (
        ("ask", "매도호가", "price"),
        ("bid", "매수호가", "price"),
        ("ask_size", "매도잔량", "qty"),
        ("bid_size", "매수잔량", "qty"),
    ):
        numbers = (5, 4, 3, 2, 1) if name.startswith("ask") else (1, 2, 3, 4, 5)
        out += [Column(f"{name}{n}", f"{ko}{n}", unit, 8, 0) for n in numbers]
    return out


def _columns(kind: str, interval_s: int) -> tuple[Column, ...]:
    second = interval_s == 1
    tag, per = ("1s", "초당") if second else ("1m", "분당")
    stock = kind == "stock"
    out = [
        Column("last_price", "현재가", "price", 8, 0),
        Column("day_open", "시가", "price", 8, 0),
        Column("day_high", "고가", "price", 8, 0),
        Column("day_low", "저가", "price", 8, 0),
        Column("change_pct", "등락율", "pct", 2, 2),
        Column("day_value", "당일거래대금", "value", 4, 0),
        Column("trade_strength", "체결강도", "strength", 2, 2),
    ]
    if stock:
        out += [
            Column("value_change_prev_day", "거래대금증감", "value", 0, 0),
            Column("volume_ratio_prev_day", "전일비", "pct", 2, 2),
            Column("turnover_rate", "회전율", "pct", 2, 2),
            Column("volume_ratio_same_time", "전일동시간비", "pct", 2, 2),
            Column("market_cap", "시가총액", "value", 0, 0),
            Column("near_round_figure", "라운드피겨위5호가이내", "flag", 0, 0),
        ]
    out += [
        Column(f"buy_volume_{tag}", f"{per}매수수량", "qty", 8, 0, "sum"),
        Column(f"sell_volume_{tag}", f"{per}매도수량", "qty", 8, 0, "sum"),
    ]
    if stock:
        out += [
            Column("vi_release_time", "VI해제시간", "time", 0, 0),
            Column("vi_price", "VI가격", "price", 0, 0),
            Column("vi_tick_size", "VI호가단위", "price", 0, 0),
        ]
    if not second:
        out += [
            Column("bar_open", "분봉시가", "price", 8, 0, "first"),
            Column("bar_high", "분봉고가", "price", 8, 0, "max"),
            Column("bar_low", "분봉저가", "price", 8, 0, "min"),
        ]
    out += [
        Column(f"value_{tag}", f"{per}거래대금", "value", 4, 0, "sum"),
        Column("mid_range_change_pct", "고저평균대비등락율", "pct", 2, 2),
        Column("ask_total_size", "매도총잔량", "qty", 8, 0),
        Column("bid_total_size", "매수총잔량", "qty", 8, 0),
        *_level_columns(),
        Column("book5_size", "매도수5호가잔량합", "qty", 8, 0),
        Column("in_universe", "관심종목", "flag", 0, 0),
        Column("range_pct", "저가대비고가등락율", "pct", 2, 2),
        Column(f"buy_value_{tag}", f"{per}매수금액", "value", 4, 6, "sum"),
        Column(f"sell_value_{tag}", f"{per}매도금액", "value", 4, 6, "sum"),
        Column("day_buy_value", "당일매수금액", "value", 4, 6),
        Column("peak_buy_value", "최고매수금액", "value", 4, 6),
        Column("peak_buy_price", "최고매수가격", "price", 8, 0),
        Column("day_sell_value", "당일매도금액", "value", 4, 6),
        Column("peak_sell_value", "최고매도금액", "value", 4, 6),
        Column("peak_sell_price", "최고매도가격", "price", 8, 0),
        Column("net_buy_value", "순매수금액", "value", 4, 6, "sum"),
    ]
    return tuple(out)


@dataclass(frozen=True)
class RowSchema:
    """The recorded columns of a market kind at an interval, in stored order."""

    kind: str
    interval_s: int
    columns: tuple[Column, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(column.key for column in self.columns)

    def index(self, key: str) -> int:
        """Return the position of column `key`; KeyError when it is not recorded here."""
        return _positions(self.kind, self.interval_s)[key]

    def dtype(self) -> np.dtype[np.void]:
        """Return the row dtype: identity, clocks, then `values` in column order."""
        return _row_dtype(len(self.columns))


@cache
def row_schema(kind: str, interval_s: int) -> RowSchema:
    """Return the schema of ``kind`` (stock, coin) at one second, one minute or a longer bar, whose columns are those of a minute."""
    return RowSchema(kind, interval_s, _columns(kind, interval_s))


@cache
def _positions(kind: str, interval_s: int) -> dict[str, int]:
    return {column.key: i for i, column in enumerate(row_schema(kind, interval_s).columns)}


@cache
def _row_dtype(count: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("row_time", "<i8"),  # YYYYMMDDhhmmss or YYYYMMDDhhmm on the market's clock
            ("exchange_ns", "<i8"),  # venue clock of the row's event
            ("received_ns", "<i8"),  # our UTC clock at that event
            ("read_ns", "<i8"),  # monotonic clock when the frame's last byte was read; 0 in stores
            ("seq", "<i8"),  # arrival number of the row's event
            ("instrument", "<i4"),
            ("flags", "<i4"),
            ("values", "<f8", (count,)),
        ]
    )


ROW_NO_BOOK = 1
"""Row flag: the recording has no book; only ``--fill last`` can trade it."""
ROW_GAP = 2
"""Row flag: a marked gap precedes this row."""
ROW_CLOSING = 4
"""Row flag: last row of the instrument's day or of the data; what is open is closed on it."""

# --- position as the step reads it (strategy-language 3.6) -------------------------------------

POSITION_FIELDS = (
    "return_pct",
    "pnl",
    "max_return_pct",
    "min_return_pct",
    "holding_time",
    "holding_seconds",
    "entry_row",
    "entry_price",
    "entry_cost",
    "position_qty",
    "entry_time",
    "scale_in_count",
    "scale_out_count",
    "position_side",
    "leverage",
    "order_qty",
    "force_exit",
)
POSITION_INDEX = {name: i for i, name in enumerate(POSITION_FIELDS)}
POSITION_SIZE = len(POSITION_FIELDS)

# --- a closed trade (command-line.md, "Trades") --------------------------------------------------

ROUND_TRIP_DTYPE = np.dtype(
    [
        ("symbol", "<i4"),
        ("side", "<i4"),  # +1 LONG, −1 SHORT
        ("entry_time", "<i8"),
        ("exit_time", "<i8"),
        ("holding_time", "<i8"),
        ("qty", "<f8"),
        ("entry_price", "<f8"),
        ("exit_price", "<f8"),
        ("entry_amount", "<f8"),
        ("exit_amount", "<f8"),
        ("return_pct", "<f8"),
        ("pnl", "<f8"),
        ("exit_rule", "<i4"),
        ("past_levels", "<i4"),  # 1 when a forced exit needed more than the row's five levels
    ]
)

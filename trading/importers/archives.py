"""Tables that do not name their columns: the public archives of Binance, told by their shape.

klines have 12 numbers; trades id, price, quantity, quote quantity, time, buyer-is-maker; aggregate trades
id, price, quantity, first id, last id, time, buyer-is-maker; spot files end with a further word.
"""

from __future__ import annotations

from pathlib import Path

from trading.importers.csv_lines import separator_of
from trading.importers.files import open_text
from utility.amounts import is_number

KLINES = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)
TRADES = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker")
AGGREGATES = ("agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time", "is_buyer_maker")
_WORDS = ("true", "false")


def columns_by_shape(path: Path) -> list[str]:
    """Return the names of an unnamed table's columns, [] when its first line is none of the known shapes."""
    try:
        line = next(iter(open_text(path)), b"").decode("ascii")
    except UnicodeDecodeError:
        return []
    fields = line.split(separator_of(line) or ",")
    if len(fields) == 12 and all(is_number(field) for field in fields) and float(fields[0]) > 10**11:
        return list(KLINES)
    for names in (TRADES, AGGREGATES):
        rest = fields[len(names) :]
        body = fields[: len(names) - 1]
        is_whole = len(body) == len(names) - 1 and len(fields) >= len(names) and all(is_number(field) for field in body)
        if is_whole and fields[len(names) - 1].lower() in _WORDS and len(rest) <= 1 and all(word.lower() in _WORDS for word in rest):
            return [*names, *(["is_best_match"] if rest else [])]
    return []

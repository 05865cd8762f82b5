"""What the trader takes from market data: the newest price and depth of each instrument, and holes."""

from __future__ import annotations

import numpy as np

from domain.instruments import QTY_UNIT
from domain.messages import GapMark, Rows
from domain.records import ROW_NO_BOOK, row_schema
from trading.desk import Desk


class MarketIntake:
    """Rows and gap marks → the desk's quotes and closed symbols.

    Parameters
    ----------
    desk : Desk
        Its quotes, closed symbols and market time are written.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.table: tuple[str, ...] = ()
        schema = row_schema(desk.market.kind, desk.options.interval_s)
        self._dtype = schema.dtype()
        self._columns = tuple(schema.index(name) for name in ("last_price", "ask_total_size", "bid_total_size"))

    def rows(self, message: Rows) -> None:
        """Take the newest price and depth of each row's instrument; older rows change nothing."""
        desk = self.desk
        rows = np.frombuffer(message.data, dtype=self._dtype)
        price, ask, bid = self._columns
        values = rows["values"]
        numbers = zip(
            rows["instrument"].tolist(),
            rows["exchange_ns"].tolist(),
            rows["read_ns"].tolist(),
            rows["flags"].tolist(),
            values[:, price].tolist(),
            values[:, ask].tolist(),
            values[:, bid].tolist(),
            strict=True,
        )
        for index, exchange_ns, read_ns, flags, last, asks, bids in numbers:
            if not 0 <= index < len(self.table):
                desk.counters.seen["unknown_row"] += 1
                continue
            quote = desk.account.quotes[self.table[index]]
            if exchange_ns < quote.exchange_ns or not last > 0.0:
                continue
            quote.last = last
            quote.exchange_ns = exchange_ns
            quote.seen_ns = read_ns or desk.now.mono_ns
            no_book = flags & ROW_NO_BOOK
            quote.ask_total = -1.0 if no_book else asks * QTY_UNIT
            quote.bid_total = -1.0 if no_book else bids * QTY_UNIT
            desk.market_ns = max(desk.market_ns, exchange_ns)

    def row_times(self, message: Rows) -> dict[str, int]:
        """Return the instruments of a message and the time of the newest row of each."""
        rows = np.frombuffer(message.data, dtype=self._dtype)
        pairs = zip(rows["instrument"].tolist(), rows["row_time"].tolist(), strict=True)
        return {self.table[index]: time for index, time in pairs if 0 <= index < len(self.table)}

    def gap(self, mark: GapMark) -> None:
        """Close the symbol from the hole's detection until it is filled or marked (P17)."""
        desk = self.desk
        names = self.table if mark.instrument < 0 else self.table[mark.instrument : mark.instrument + 1]
        for name in names:
            if mark.state == "detected":
                desk.close_symbol(name, "gap")
            else:
                desk.open_symbol(name, "gap")

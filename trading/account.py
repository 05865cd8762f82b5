"""What the account has: cash, holdings, exposure in the worst case, equity, the day's loss.

Amounts start from the venue's word at the start and move with each fill, so that what is counted
does not depend on which of two messages came first. A later word of the venue is compared when the
account is quiet (`trading/reconcile.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from domain.instruments import NS, QTY_UNIT, Balance, Instrument, Market
from domain.orders import TERMINAL, Fill, Order
from domain.ports import BrokerOrder

ZERO = Decimal(0)


@dataclass(slots=True)
class Quote:
    """The newest price of an instrument and when it was seen."""

    last: float = 0.0
    ask_total: float = -1.0  # units; −1 = no book
    bid_total: float = -1.0
    exchange_ns: int = 0
    seen_ns: int = 0  # monotonic


def market_day(market: Market, ns: int) -> int:
    """Return the trading day YYYYMMDD of a UTC time."""
    return _day((ns // NS + market.day_offset_s()) // 86_400)


@lru_cache(maxsize=64)
def _day(number: int) -> int:
    day = dt.date(1970, 1, 1) + dt.timedelta(days=number)
    return day.year * 10_000 + day.month * 100 + day.day


def row_time_of(market: Market, ns: int, interval_s: int) -> int:
    """Return a UTC time on the market's clock, as YYYYMMDDhhmmss, or YYYYMMDDhhmm at 60 s."""
    seconds = ns // NS + market.day_offset_s()
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    full = int(moment.strftime("%Y%m%d%H%M%S"))
    return full if interval_s == 1 else full // 100


class Account:
    """Cash and holdings of one account, and the worst case of what its orders may do.

    Parameters
    ----------
    market : Market
        Its currency is the cash that counts.
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.totals: dict[str, Decimal] = {}
        self.instruments: dict[str, Instrument] = {}
        self.quotes: dict[str, Quote] = {}
        self.external: dict[tuple[str, str], BrokerOrder] = {}
        self.realised = 0.0
        self._quoted: list[tuple[Quote, str]] = []

    def add_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Make instruments known; later statements of the same one replace earlier ones."""
        for instrument in instruments:
            self.instruments[instrument.instrument_id] = instrument
            self.quotes.setdefault(instrument.instrument_id, Quote())
        self._quoted = [(quote, self.base_asset(identifier)) for identifier, quote in self.quotes.items()]

    def base_asset(self, instrument_id: str) -> str:
        """Return the asset that a position in the instrument is held in."""
        instrument = self.instruments.get(instrument_id)
        return instrument.base if instrument is not None and instrument.base else instrument_id.split(":", 1)[1]

    # --- what changes it -----------------------------------------------------------------------------

    def move(self, asset: str, amount: Decimal) -> None:
        """Add to an asset (negative takes away)."""
        self.totals[asset] = self.totals.get(asset, ZERO) + amount

    def fill(self, fill: Fill) -> None:
        """Book an execution: asset against cash, and the commission where it was taken."""
        qty = Decimal(fill.qty) / QTY_UNIT
        sign = 1 if fill.side > 0 else -1
        self.move(self.base_asset(fill.instrument_id), sign * qty)
        self.move(self.market.currency, -sign * qty * fill.price)
        if fill.fee:
            self.move(fill.fee_asset or self.market.currency, -fill.fee)

    # --- what it is ----------------------------------------------------------------------------------

    def balances(self) -> tuple[Balance, ...]:
        """Return every asset held; what is locked in orders is the venue's to say."""
        return tuple(Balance(asset=asset, free=amount, locked=ZERO) for asset, amount in sorted(self.totals.items()) if amount)

    def cash_total(self) -> Decimal:
        """Return the quote currency held, reserved or not."""
        return self.totals.get(self.market.currency, ZERO)

    def held_units(self, instrument_id: str) -> int:
        """Return what is held of the instrument's asset, whoever bought it, in units of 1e-8."""
        return int(self.totals.get(self.base_asset(instrument_id), ZERO) * QTY_UNIT)

    def price(self, instrument_id: str) -> float:
        """Return the newest price; 0 when none was seen."""
        quote = self.quotes.get(instrument_id)
        return 0.0 if quote is None else quote.last

    def external_leaves(self, instrument_id: str, side: int) -> int:
        """Return what orders of others on this account may still take, in units."""
        return sum(
            max(order.qty - order.cum_qty, 0)
            for order in self.external.values()
            if order.instrument_id == instrument_id and order.side == side
        )

    def external_open(self) -> int:
        """Return the number of open orders that are not ours."""
        return len(self.external)

    def note_external(self, order: BrokerOrder) -> None:
        """Keep an order that is not ours while it is open."""
        if order.status in TERMINAL:
            self.external.pop((order.instrument_id, order.venue_order_id), None)
        else:
            self.external[order.instrument_id, order.venue_order_id] = order

    def exposure(self, instrument_id: str, live: Iterable[Order]) -> float:
        """Return max(|pos + buys|, |pos − sells|) of an instrument in quote currency (reliability P25)."""
        price = self.price(instrument_id)
        held = self.held_units(instrument_id)
        buys = self.external_leaves(instrument_id, 1)
        sells = self.external_leaves(instrument_id, -1)
        amount = 0.0
        for order in live:
            if order.side > 0:
                buys += order.leaves_qty
                # A limit above the last price is what this buy may really cost.
                amount += order.leaves_qty / QTY_UNIT * max(float(order.price or 0) - price, 0.0)
            else:
                sells += order.leaves_qty
        return max(abs(held + buys), abs(held - sells)) / QTY_UNIT * price + amount

    def exposed(self) -> list[str]:
        """Return the instruments whose asset is held, or that somebody else has an order in."""
        held = [identifier for identifier in self.instruments if self.totals.get(self.base_asset(identifier))]
        return held + [order.instrument_id for order in self.external.values() if order.instrument_id not in held]

    def reserved_cash(self, live: Iterable[Order], fee_rate: float) -> float:
        """Return what open buys, ours and others', may still cost at their worst price, fee included."""
        amount = 0.0
        for order in live:
            if order.side > 0:
                price = float(order.price) if order.price is not None else self.price(order.instrument_id)
                amount += order.leaves_qty / QTY_UNIT * price
        for other in self.external.values():
            if other.side > 0:
                price = float(other.price) if other.price is not None else self.price(other.instrument_id)
                amount += max(other.qty - other.cum_qty, 0) / QTY_UNIT * price
        return amount * (1.0 + fee_rate)

    def equity(self) -> float:
        """Return cash and every known instrument at its newest price."""
        total = float(self.cash_total())
        seen: set[str] = set()
        totals = self.totals
        for quote, asset in self._quoted:
            if asset in totals and quote.last > 0.0 and asset not in seen:
                seen.add(asset)
                total += float(totals[asset]) * quote.last
        return total

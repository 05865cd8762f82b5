"""Markets, venues and instruments: the rule books, as data.

A Market is a rule book (currency, ladder, fees, day), a Venue an endpoint that serves it, an
Instrument one tradable name. Quantities are int64 in units of 1e-8, prices float64; both are
Decimal text on the wire and in money tables.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

QTY_UNIT = 100_000_000
"""Units of quantity in one: 1.0 BTC is 100_000_000 units."""

NS = 1_000_000_000
DAY_S = 86_400


class LadderStep(msgspec.Struct, frozen=True):
    """The price step from `lower` (inclusive) up to the next step's `lower`."""

    lower: float
    step: float


@dataclass(frozen=True)
class PriceLadder:
    """Price steps by price band, valid from a date.

    An empty `steps` means that the venue states one step per instrument (Binance).
    """

    valid_from: dt.date
    steps: tuple[LadderStep, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class FeeRule:
    """Fees and tax, valid from a date, in parts per million.

    Rates are integers so that KRX arithmetic is exact (strategy-language 4.4).
    """

    valid_from: dt.date
    fee_ppm: int
    tax_ppm: int = 0
    source: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What a venue can do; the order management reads these and never a venue's name."""

    client_order_id: bool = True
    client_order_id_unique_forever: bool = False
    amend: bool = False
    market_buy_by_amount: bool = False
    fee_in_third_asset: bool = False
    depth_is_delta: bool = False
    publishes_book_totals: bool = False
    signed_query_time: bool = False
    settle_window_s: float = 120.0
    self_trade_prevention: bool = True
    leverage: bool = False
    execution_ids: bool = True  # each fill has its own number; without it the cumulative quantity decides (reliability 4.4)
    max_quote_age_s: float = 2.0  # oldest quote an entry may rest on (reliability P17)


@dataclass(frozen=True)
class Market:
    """A rule book.

    Parameters
    ----------
    code : str
        ``krx``, ``upbit``, ``binance`` or ``binance-futures``.
    kind : {"stock", "coin"}
        Chooses the recorded columns.
    currency : str
        Quote currency of accounts and results.
    zone : str
        IANA zone of the trading day and of row times.
    qty_decimals : int or None
        Decimals of an order quantity; None when each instrument states its own step.
    price_decimals : int
        Decimals of an average price (strategy-language 8.4: KRX 2, coins 8).
    amount_decimals : int
        Decimals of an amount of money (KRX 0, coins 4).
    value_unit : float
        Currency units in one unit of traded value (KRX counts in 1,000,000 KRW).
    default_betting, paper_cash : float
        Amount per symbol and opening cash of a paper account (architecture 3.5).
    universe_size : int
        Length of the traded-value list behind the factor 관심종목.
    auctions : tuple of (int, int)
        Seconds of the day from which to which orders are only collected: nothing trades continuously.
    vi_halt_s : int
        How long a volatility interruption lasts at most; 0 = the market has none.
    price_limits : tuple of (int, int)
        (day YYYYMMDD, parts per million): how far from the previous close a price may be, from that day on.
    benchmarks : tuple of str
        Codes whose price a report lays beside a run, where the store has them (workstation 12).
    """

    code: str
    kind: Literal["stock", "coin"]
    venues: tuple[str, ...]
    currency: str
    zone: str
    qty_decimals: int | None
    price_decimals: int
    amount_decimals: int
    value_unit: float
    default_betting: float
    backtest_betting: float
    paper_cash: float
    universe_size: int
    min_notional: float
    collar_pct: float
    strength_cap: float = 500.0
    fees: tuple[FeeRule, ...] = ()
    ladders: tuple[PriceLadder, ...] = ()
    session_start_s: int = 0
    session_end_s: int = DAY_S
    entry_end_s: int = DAY_S - 10
    year_days: int = 365
    angle_change: float = 10.0
    angle_value: float = 1e-8
    total_levels: int = 10
    publishes_book_totals: bool = False
    integer_money: bool = False
    has_vi: bool = False
    auctions: tuple[tuple[int, int], ...] = ()
    vi_halt_s: int = 0
    price_limits: tuple[tuple[int, int], ...] = ()
    made_codes: tuple[str, ...] = field(default=())
    benchmarks: tuple[str, ...] = ()

    def fee_rule(self, day: dt.date) -> FeeRule:
        """Return the fee rule valid on `day` (the earliest one before its time)."""
        chosen = self.fees[0]
        for rule in self.fees:
            if rule.valid_from <= day:
                chosen = rule
        return chosen

    def ladder(self, day: dt.date) -> PriceLadder:
        """Return the price ladder valid on `day` (the earliest one before its time)."""
        chosen = self.ladders[0]
        for ladder in self.ladders:
            if ladder.valid_from <= day:
                chosen = ladder
        return chosen

    def limit_ppm(self, day: int) -> int:
        """Return how far a price may be from the previous close on a day YYYYMMDD, in parts per million; 0 = any distance."""
        return next((ppm for since, ppm in sorted(self.price_limits, reverse=True) if since <= day), 0)

    def ladder_is_dated(self) -> bool:
        """Tell whether price steps come from the Market's ladder rather than from each instrument."""
        return any(ladder.steps for ladder in self.ladders)

    def step_at(self, price: float, day: dt.date) -> float:
        """Return the ladder's price step at `price` on `day`; 0 when instruments state their own."""
        step = 0.0
        for band in self.ladder(day).steps:
            if price < band.lower:
                break
            step = band.step
        return step

    def day_offset_s(self) -> int:
        """Return the zone's fixed offset to UTC in seconds (KST +9 h, UTC 0)."""
        return 9 * 3600 if self.zone == "Asia/Seoul" else 0


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable name with its steps and minimums.

    `price_step` is 0 where the Market's ladder decides.
    """

    instrument_id: str
    code: str
    name: str
    english_name: str = ""
    base: str = ""
    quote: str = ""
    price_step: float = 0.0
    qty_step: int = 1
    qty_decimals: int = 8
    min_qty: int = 0
    min_notional: float = 0.0
    max_notional: float = 0.0
    tradable: bool = True
    made: bool = False


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Free and locked amount of one asset as the venue stated it."""

    asset: str
    free: Decimal
    locked: Decimal
    average_price: Decimal | None = None


def instrument_id(market_code: str, code: str) -> str:
    """Return ``<market>:<venue code>``."""
    return f"{market_code}:{code}"


def bare_code(identifier: str) -> str:
    """Return the venue code of an instrument id."""
    return identifier.split(":", 1)[1]

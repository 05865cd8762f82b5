"""What a position cost, what it earns, and how fills become round trips.

`profit` is the money arithmetic of strategy-language 4.4 [decided]; the engine, the live strategy
host and `PositionBook` call it, so no two worlds can disagree about a digit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.errors import InputError
from domain.instruments import QTY_UNIT, Instrument, Market
from domain.intervals import time_unit_s
from domain.orders import Fill
from domain.records import ROUND_TRIP_DTYPE
from trading.matching import average_price
from trading.numbers import UNIT_F, round_to, row_seconds

INTEGER_MONEY = 0
FEE = 1
TAX = 2
PRICE_DECIMALS = 3
AMOUNT_DECIMALS = 4
PARAMS_SIZE = 5
"""Layout of the vector that `market_params` returns; rates are ppm with integer money, else fractions."""


def market_params(market: Market, day: dt.date | int, fees: tuple[float, float] | None = None) -> NDArray[np.float64]:
    """Return the numbers that `profit` needs for sales on `day`.

    Parameters
    ----------
    market : Market
        Rule book; its `FeeRule` valid on `day` is used.
    day : date or int
        Day of the sale, as a date or as YYYYMMDD.
    fees : (rate, tax), optional
        Fractions per side and on sales that replace the rule. Integer money takes whole ppm only.

    Returns
    -------
    ndarray of float64, shape (PARAMS_SIZE,)

    Raises
    ------
    InputError
        ``fees.not_ppm`` when integer money cannot count the rate exactly; ``fees.range``.
    """
    date = day if isinstance(day, dt.date) else dt.date(day // 10_000, day // 100 % 100, day % 100)
    rule = market.fee_rule(date)
    out = np.zeros(PARAMS_SIZE, dtype=np.float64)
    out[INTEGER_MONEY] = float(market.integer_money)
    rates = (rule.fee_ppm / 1e6, rule.tax_ppm / 1e6) if fees is None else fees
    for place, rate in zip((FEE, TAX), rates, strict=True):
        if not 0.0 <= rate < 0.5:
            raise InputError("fees.range", rate=rate)
        if not market.integer_money:
            out[place] = rate
            continue
        ppm = round(rate * 1e6)
        if abs(rate * 1e6 - ppm) > 1e-6:
            raise InputError("fees.not_ppm", rate=rate)
        out[place] = ppm
    out[PRICE_DECIMALS] = market.price_decimals
    out[AMOUNT_DECIMALS] = market.amount_decimals
    return out


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def profit(params: NDArray[np.float64], buy_amount: float, sell_amount: float, sign: int) -> tuple[float, float]:
    """Return net profit and 수익률 of a position (strategy-language 4.4 [decided]).

    Parameters
    ----------
    params : ndarray of float64, shape (PARAMS_SIZE,)
        From `market_params`.
    buy_amount, sell_amount : float
        B = entry amount, S = exit or mark amount, both already rounded to the market's amount decimals.
    sign : int
        +1 long, −1 short (B is then the amount of the opening sale).

    Returns
    -------
    pnl : float
        Net profit: coins 4 decimals, KRX whole won.
    return_pct : float
        round(pnl / B · 100, 2); 0 when B is 0.
    """
    b = buy_amount
    s = sell_amount
    if params[INTEGER_MONEY] != 0.0:
        bi, si = np.int64(b), np.int64(s)
        fee_ppm, tax_ppm = np.int64(params[FEE]), np.int64(params[TAX])
        fee_b = bi * fee_ppm // 10_000_000 * 10
        fee_s = si * fee_ppm // 10_000_000 * 10
        if sign >= 0:
            pnl = float(si - si * tax_ppm // 1_000_000 - fee_b - fee_s - bi)
        else:
            pnl = float(bi - bi * tax_ppm // 1_000_000 - fee_b - fee_s - si)
    else:
        f = params[FEE]
        gross = s - b if sign >= 0 else b - s
        net = (gross - b * f) - s * f
        if params[TAX] != 0.0:
            net -= (s if sign >= 0 else b) * params[TAX]
        pnl = round_to(net, 4)
    if b == 0.0:
        return pnl, 0.0
    return pnl, round_to(pnl / b * 100.0, 2)


def profit_at(params: NDArray[np.float64], entry_cost: float, exit_amount: float, price: float, qty: int) -> tuple[float, float]:
    """Return net profit and 수익률 of a position, were what is left of it closed at `price`.

    Parameters
    ----------
    entry_cost, exit_amount : float
        What entering cost, and what partial exits brought so far.
    qty : int
        What is left, in units of 1e-8; negative for a short position.
    """
    out = round_to(exit_amount + price * (abs(qty) / UNIT_F), int(params[AMOUNT_DECIMALS]))
    return profit(params, entry_cost, out, 1 if qty > 0 else -1)


@dataclass
class _Open:
    """A position while it is not flat; quantities in units of 1e-8, amounts unrounded."""

    sign: int
    held: int = 0
    bought: int = 0
    sold: int = 0
    entry_raw: float = 0.0
    exit_raw: float = 0.0
    entry_before: float = 0.0  # of the entries before the newest order, whose fills are summed by themselves, as the engine does
    entry_order: float = 0.0
    exit_before: float = 0.0
    exit_order: float = 0.0
    entry_time: int = 0
    entry_row_time: int = 0
    in_orders: int = 0
    out_orders: int = 0
    last_in: str = ""
    last_out: str = ""
    in_row: int = 0
    out_row: int = 0
    rule: int = 0
    past_levels: int = 0


@dataclass(frozen=True)
class PositionView:
    """What is held of one instrument, after a fill."""

    instrument_id: str
    sign: int
    qty: int
    entry_price: float
    entry_cost: float
    entry_time: int
    entry_row_time: int
    scale_in_count: int
    scale_out_count: int
    realised: float
    exit_amount: float = 0.0


class PositionBook:
    """Fills → positions and round trips, with the arithmetic of the engine.

    Parameters
    ----------
    market : Market
        Rule book of fees, decimals and integer money.
    interval_s : int
        1 or 60: the row times that `apply` is given.
    instruments : sequence of Instrument
        Position i is `symbol` i in round trips; unknown ones are appended as they come.
    shorts : bool
        Whether a sale of nothing opens a short position (futures). Without it such a sale changes no
        position and is counted in `unmatched`, because somebody else's holding was sold.

    Notes
    -----
    A commission taken in the base asset reduces what is held; a rest below one step counts as flat
    (architecture 3.1). Commissions in a round trip are always the FeeRule's, never the venue's
    statement (architecture 3.4).
    """

    def __init__(self, market: Market, interval_s: int, instruments: Sequence[Instrument] = (), shorts: bool = False) -> None:
        self.market = market
        self.interval_s = interval_s
        self.shorts = shorts
        self.ids: list[str] = []
        self.unmatched: dict[str, int] = {}
        self._symbols: dict[str, int] = {}
        self._instruments: dict[str, Instrument] = {}
        self._open: dict[str, _Open] = {}
        self._realised: dict[str, float] = {}
        self._seen: set[str] = set()
        self._views: dict[str, PositionView] = {}
        self._params: tuple[int, NDArray[np.float64]] | None = None
        for instrument in instruments:
            self.add(instrument)

    @property
    def codes(self) -> tuple[str, ...]:
        """Bare codes in `symbol` order, for `trades_sha256`."""
        return tuple(identifier.split(":", 1)[-1] for identifier in self.ids)

    def add(self, instrument: Instrument) -> int:
        """Make an instrument known and return its `symbol` number."""
        self._instruments[instrument.instrument_id] = instrument
        return self._symbol(instrument.instrument_id)

    def _symbol(self, identifier: str) -> int:
        if identifier not in self._symbols:
            self._symbols[identifier] = len(self.ids)
            self.ids.append(identifier)
        return self._symbols[identifier]

    def apply(
        self, fill: Fill, row_time: int, entry_row_time: int = 0, rule: int = 0, past_levels: bool = False
    ) -> tuple[PositionView, NDArray[np.void] | None]:
        """Apply one fill; a fill whose key was applied before changes nothing.

        Parameters
        ----------
        fill : Fill
            Quantity in units of 1e-8, price as the venue said it.
        row_time : int
            Row time of the step the fill fell in.
        entry_row_time : int
            Row time of the entry signal (매수틱번호); `row_time` when 0. Read from an opening fill only.
        rule : int
            Number of the sell condition; read from closing fills.
        past_levels : bool
            Whether a forced exit needed more than the row's five levels.

        Returns
        -------
        view : PositionView
            The position after the fill.
        round_trip : ndarray of ROUND_TRIP_DTYPE, shape (1,), or None
            The closed trade when the fill made the position flat.
        """
        identifier = fill.instrument_id
        symbol = self._symbol(identifier)
        if fill.fill_key in self._seen:
            return self.view(identifier), None
        self._seen.add(fill.fill_key)
        self._views.pop(identifier, None)
        side = 1 if fill.side > 0 else -1
        position = self._open.get(identifier)
        if position is None:
            if side < 0 and not self.shorts:
                self.unmatched[identifier] = self.unmatched.get(identifier, 0) + fill.qty
                return self.view(identifier), None
            position = self._open[identifier] = _Open(sign=side, entry_time=row_time, entry_row_time=entry_row_time or row_time)
        price = float(fill.price)
        if side == position.sign:
            self._enter(position, fill, price, row_time)
            return self.view(identifier), None
        return self._leave(identifier, symbol, position, fill, price, row_time, rule, past_levels)

    def _enter(self, position: _Open, fill: Fill, price: float, row_time: int) -> None:
        # What an order fills on one row is summed by itself, as in trading/holding.py.
        position.in_orders += fill.client_order_id != position.last_in
        if (fill.client_order_id, row_time) != (position.last_in, position.in_row):
            position.last_in, position.in_row = fill.client_order_id, row_time
            position.entry_before, position.entry_order = position.entry_raw, 0.0
        position.entry_order += price * (fill.qty / UNIT_F)
        position.entry_raw = position.entry_before + position.entry_order
        position.bought += fill.qty
        position.held += fill.qty
        instrument = self._instruments.get(fill.instrument_id)
        if instrument is not None and fill.fee_asset and fill.fee_asset == instrument.base and fill.side > 0:
            # Rounded up: what is missing from the balance can never be sold.
            position.held -= -int(-(fill.fee * QTY_UNIT) // 1)

    def _leave(
        self, identifier: str, symbol: int, position: _Open, fill: Fill, price: float, row_time: int, rule: int, past_levels: bool
    ) -> tuple[PositionView, NDArray[np.void] | None]:
        qty = min(fill.qty, position.held)
        if qty < fill.qty:
            self.unmatched[identifier] = self.unmatched.get(identifier, 0) + fill.qty - qty
        position.out_orders += fill.client_order_id != position.last_out
        if (fill.client_order_id, row_time) != (position.last_out, position.out_row):
            position.last_out, position.out_row = fill.client_order_id, row_time
            position.exit_before, position.exit_order = position.exit_raw, 0.0
        position.exit_order += price * (qty / UNIT_F)
        position.exit_raw = position.exit_before + position.exit_order
        position.sold += qty
        position.held -= qty
        position.rule = rule
        position.past_levels |= int(past_levels)
        instrument = self._instruments.get(identifier)
        step = instrument.qty_step if instrument is not None else 1
        if position.held >= max(step, 1):
            return self.view(identifier), None
        trip = self._round_trip(symbol, position, row_time)
        self._realised[identifier] = self._realised.get(identifier, 0.0) + float(trip["pnl"][0])
        del self._open[identifier]
        return self.view(identifier), trip

    def _round_trip(self, symbol: int, position: _Open, row_time: int) -> NDArray[np.void]:
        market = self.market
        params = market_params(market, row_date(row_time, self.interval_s))
        entry = round_to(position.entry_raw, market.amount_decimals)
        out = round_to(position.exit_raw, market.amount_decimals)
        pnl, return_pct = profit(params, entry, out, position.sign)
        trip = np.zeros(1, dtype=ROUND_TRIP_DTYPE)
        holding = row_seconds(row_time, self.interval_s) - row_seconds(position.entry_time, self.interval_s)
        trip["symbol"], trip["side"] = symbol, position.sign
        trip["entry_time"], trip["exit_time"] = position.entry_time, row_time
        trip["holding_time"] = holding // time_unit_s(self.interval_s)
        trip["qty"] = position.bought / UNIT_F
        trip["entry_price"] = average_price(position.entry_raw, position.bought, market.price_decimals)
        trip["exit_price"] = average_price(position.exit_raw, position.sold, market.price_decimals)
        trip["entry_amount"], trip["exit_amount"] = entry, out
        trip["return_pct"], trip["pnl"] = return_pct, pnl
        trip["exit_rule"], trip["past_levels"] = position.rule, position.past_levels
        return trip

    def view(self, identifier: str) -> PositionView:
        """Return what is held of an instrument; zeros when it is flat."""
        realised = self._realised.get(identifier, 0.0)
        position = self._open.get(identifier)
        if position is None:
            return PositionView(identifier, 0, 0, 0.0, 0.0, 0, 0, 0, 0, realised)
        known = self._views.get(identifier)
        if known is not None:
            return known
        known = self._views[identifier] = PositionView(
            instrument_id=identifier,
            sign=position.sign,
            qty=position.held,
            entry_price=average_price(position.entry_raw, position.bought, self.market.price_decimals),
            entry_cost=round_to(position.entry_raw, self.market.amount_decimals),
            entry_time=position.entry_time,
            entry_row_time=position.entry_row_time,
            scale_in_count=position.in_orders,
            scale_out_count=position.out_orders,
            realised=realised,
            exit_amount=position.exit_raw,
        )
        return known

    def open_profit(self, identifier: str, price: float, day: int) -> tuple[float, float]:
        """Return net profit and 수익률 of an open position, were the rest of it sold at `price` on `day`; zeros when it is flat."""
        view = self.view(identifier)
        if not view.qty:
            return 0.0, 0.0
        if self._params is None or self._params[0] != day:
            self._params = day, market_params(self.market, day)
        return profit_at(self._params[1], view.entry_cost, view.exit_amount, price, view.sign * view.qty)

    def exit_cost(self, identifier: str, price: float, day: int) -> float:
        """Return fee and tax of closing what is left of a position at `price` on `day`; 0 when it is flat.

        Closing at the price and closing for nothing differ by the value less that cost; the entry's fee is in both.
        """
        view = self.view(identifier)
        value = view.sign * price * (view.qty / QTY_UNIT)
        return value - (self.open_profit(identifier, price, day)[0] - self.open_profit(identifier, 0.0, day)[0])

    def views(self) -> list[PositionView]:
        """Return every open position, in the order of opening."""
        return [self.view(identifier) for identifier in self._open]


def row_date(row_time: int, interval_s: int) -> int:
    """Return the day YYYYMMDD of a row time."""
    return row_time // (1_000_000 if interval_s == 1 else 10_000)


def warm() -> None:
    """Compile everything here with the types production uses."""
    profit(np.zeros(PARAMS_SIZE), 1.0, 2.0, 1)

"""The made market: a seeded order-flow model behind the same events as a real venue.

It is not tuned to any strategy and never sees our orders; what moves it is written in
`paper/order_flow.py`. `MadeMarket.advance` is a pure function of (market, codes, seed, start): the
length of the spans in which it is asked does not matter.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np

from domain.instruments import NS, Instrument, Market
from domain.records import EVENT_DTYPE
from paper import order_flow as flow
from paper.made_facts import MadeFact, made_fact, made_instrument

_BUFFER = 60_000


class MadeMarket:
    """A made market of one Market's rules.

    Parameters
    ----------
    market : Market
    codes : sequence of str
        Venue codes (`made_facts.made_codes`).
    seed : int
        Same seed, same market.
    start_ns : int
        First moment, UTC nanoseconds; whole steps of 200 ms are simulated from here.
    is_delta : bool, optional
        Whether books come as deltas with update ids (Binance) or as pictures (Upbit, krx).
        Default: as the Market's venues do.

    Attributes
    ----------
    instruments : list of Instrument
        In the order of the events' `instrument` index.
    """

    def __init__(self, market: Market, codes: Sequence[str], seed: int, start_ns: int, is_delta: bool | None = None) -> None:
        self.market = market
        self.seed = seed
        self.is_delta = (not market.publishes_book_totals) if is_delta is None else is_delta
        self._zone_s = market.day_offset_s()
        self._time_ns = self._into_session(start_ns - start_ns % flow.STEP_NS)
        day = self._day(self._time_ns)
        facts = [made_fact(market, code) for code in codes]
        self.instruments: list[Instrument] = [made_instrument(market, code, fact) for code, fact in zip(codes, facts, strict=True)]
        count = len(facts)
        self._params = np.zeros((count, flow.P_SIZE))
        self._fstates = np.zeros((count, flow.F_SIZE))
        self._istates = np.zeros((count, flow.I_SIZE), np.int64)
        self._grids = np.zeros((count, 2, flow.GRID), np.int64)
        self._rngs = np.zeros((count, 1), np.uint64)
        self._previous_close = np.zeros(count)
        self._changed = np.zeros((4 * flow.GRID, 2), np.int64)
        self._buffer = np.zeros(_BUFFER + count * 512 + flow.RESERVE, EVENT_DTYPE)
        for s, fact in enumerate(facts):
            self._prepare(s, codes[s], fact, day)
        self._opened_day: dt.date | None = None

    @property
    def time_ns(self) -> int:
        """Moment up to which the market has been made."""
        return self._time_ns

    def advance(self, until_ns: int) -> np.ndarray:
        """Return the events from the last call's end up to `until_ns`.

        Returns
        -------
        ndarray of EVENT_DTYPE
            In time order; `seq` is 0 (whoever stores or sends them numbers them). A call returns at
            most some hundred thousand records: call again until `time_ns` has reached `until_ns`.
        """
        parts: list[np.ndarray] = []
        held = 0
        while self._time_ns < until_ns and held < _BUFFER:
            day = self._day(self._time_ns)
            if day != self._opened_day:
                opening = self._open_day(day)
                parts.append(opening)
                held += len(opening)
            stop = min(until_ns, self._session_end_ns(day))
            n, reached = flow.run(
                self._params,
                self._fstates,
                self._istates,
                self._grids,
                self._rngs,
                self._changed,
                self._buffer,
                self._time_ns,
                stop,
                self._zone_s,
                self.is_delta,
            )
            parts.append(self._buffer[:n].copy())
            held += n
            self._time_ns = self._into_session(int(reached))
        if not parts:
            return np.zeros(0, EVENT_DTYPE)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    # --- the day -----------------------------------------------------------------------------

    def _day(self, time_ns: int) -> dt.date:
        return dt.datetime.fromtimestamp(time_ns // NS + self._zone_s, dt.UTC).date()

    def _midnight_ns(self, day: dt.date) -> int:
        return (int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()) - self._zone_s) * NS

    def _session_end_ns(self, day: dt.date) -> int:
        return self._midnight_ns(day) + self.market.session_end_s * NS

    def _into_session(self, time_ns: int) -> int:
        """Return `time_ns`, or the next session's start when it lies outside one (stocks: weekdays)."""
        while True:
            day = self._day(time_ns)
            start = self._midnight_ns(day) + self.market.session_start_s * NS
            open_today = self.market.kind == "coin" or day.weekday() < 5
            if open_today and time_ns < start:
                return start
            if open_today and time_ns < self._session_end_ns(day):
                return time_ns
            time_ns = self._midnight_ns(day + dt.timedelta(days=1))

    def _open_day(self, day: dt.date) -> np.ndarray:
        first = self._opened_day is None
        self._opened_day = day
        n = 0
        for s in range(len(self.instruments)):
            params, istate = self._params[s], self._istates[s]
            if not first:
                self._previous_close[s] = flow.price_of(params, istate[flow.I_LAST])
                if self.market.kind == "stock":
                    self._overnight(s, day)
            n = flow.open_day(
                params, istate, self._grids[s], self._buffer, n, self._time_ns, s, float(self._previous_close[s]), self.is_delta
            )
        return self._buffer[:n].copy()

    def _overnight(self, s: int, day: dt.date) -> None:
        """Let a stock open away from its close, in a fresh book, on the ladder of that day and price."""
        params, fstate = self._params[s], self._fstates[s]
        gap = math.exp(0.006 * flow.normal(self._rngs[s]))
        self._price_band(s, fstate[flow.F_FAIR] * params[flow.P_STEP] * gap, day, self._level_money[s])
        self._new_book(s)

    # --- one instrument -------------------------------------------------------------------------

    _level_money: dict[int, float]

    def _prepare(self, s: int, code: str, fact: MadeFact, day: dt.date) -> None:
        if s == 0:
            self._level_money = {}
        params, fstate, istate, rng = self._params[s], self._fstates[s], self._istates[s], self._rngs[s]
        rng[0] = np.uint64((self.seed * 1_000_003 + sum((i + 1) * ord(ch) for i, ch in enumerate(code))) & 0xFFFFFFFFFFFFFFFF)
        for _ in range(8):
            flow.uniform(rng)
        params[flow.P_QTY_STEP] = 10 ** (8 - fact.qty_decimals)
        params[flow.P_RATE] = fact.activity
        params[flow.P_SIGMA] = fact.day_vol / math.sqrt(86_400.0 if self.market.kind == "coin" else 23_400.0)
        params[flow.P_U_SHAPE] = 1.0 if self.market.kind == "stock" else 0.0
        self._level_money[s] = fact.depth * self.market.default_betting
        start = fact.price * math.exp(0.02 * flow.normal(rng))
        self._price_band(s, start, day, self._level_money[s], fact.price_step)
        change = -0.02 + 0.07 * flow.uniform(rng)
        step = params[flow.P_STEP]
        self._previous_close[s] = flow.price_of(params, int(round(start / (1.0 + change) / step)))
        fstate[flow.F_FAST] = flow.FAST_AMP * flow.normal(rng)
        fstate[flow.F_SLOW] = flow.SLOW_AMP * flow.normal(rng)
        fstate[flow.F_BOOST] = 1.0
        istate[flow.I_TRADE_ID] = 1_000_000 + int(flow.uniform(rng) * 1e6)
        istate[flow.I_UPDATE_ID] = 50_000_000 + int(flow.uniform(rng) * 1e6)
        istate[flow.I_SIGN] = 1
        # The first bursts begin early and not together, so that a newcomer sees one soon.
        istate[flow.I_PHASE_END] = self._time_ns // NS + 5 + int(flow.uniform(rng) * 150)
        self._new_book(s)

    def _price_band(self, s: int, price: float, day: dt.date, level_money: float, own_step: float = 0.0) -> None:
        """Set step, walls and sizes for `price`; the walls keep it inside one ladder band of a day."""
        params = self._params[s]
        step = self.market.step_at(price, day) if self.market.ladder_is_dated() else (own_step or float(params[flow.P_STEP]))
        low, high = price * 0.75, price * 1.35
        if self.market.ladder_is_dated():
            bands = self.market.ladder(day).steps
            for band, above in zip(bands, [*bands[1:], None], strict=True):
                if band.step == step:
                    low = max(low, band.lower * 1.01)
                    high = min(high, above.lower * 0.99) if above is not None else high
        if self.market.has_vi:
            # A made stock stays inside its static VI: auctions belong to the KRX venues, not to this model.
            low, high = max(low, price * 0.92), min(high, price * 1.08)
        price = min(max(price, low * 1.005), high * 0.995)
        params[flow.P_STEP] = step
        params[flow.P_DECIMALS] = max(-int(Decimal(str(step)).normalize().as_tuple().exponent), 0)
        params[flow.P_UNIT] = min(max(round(0.15e-4 * price / step), 1), 120)
        params[flow.P_HALF_SPREAD] = max(0.5, 0.12 * params[flow.P_UNIT])
        params[flow.P_LEVEL_QTY] = level_money / price * 1e8
        params[flow.P_LOW], params[flow.P_HIGH] = low / step, high / step
        self._fstates[s, flow.F_FAIR] = price / step

    def _new_book(self, s: int) -> None:
        centre = int(round(self._fstates[s, flow.F_FAIR]))
        flow.fill_book(self._params[s], self._rngs[s], self._grids[s], self._istates[s], centre)
        self._istates[s, flow.I_LAST] = centre


def warm() -> None:
    """Compile the model's kernels into the cache (called once at set-up)."""
    from coin.markets import BINANCE, UPBIT

    for market in (UPBIT, BINANCE):
        MadeMarket(market, market.made_codes[:1], 1, 1_790_000_000 * NS).advance(1_790_000_001 * NS)

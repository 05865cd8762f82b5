"""Whether the account's limits would have acted on a back-test's entries: a quick look before they are counted.

A back-test runs each symbol by itself and has no account, so nothing is refused in it. What one account would have refused is counted by
the loop of a portfolio run (portfolio.py), which meets every row in the order of arrival and asks the compiled checks of live: the same
facts, the same order. That loop is compiled for each text and looks at all rows, so finished trades are first led past the same checks
here. Where none of them is refused or made smaller, they are what the loop would trade, and nobody waits for it. The look errs on the
side of the loop: of one moment the entries come first, and every open position stands at its worst price for the loss of the day.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Prepared
from backtester.trades import round_trips
from domain.instruments import NS, QTY_UNIT, Instrument
from domain.intervals import day_unit
from domain.settings import Risk
from trading.counters import Counters, Window
from trading.gateway import day_loss_pct
from trading.judge import decide
from trading.ladder import DOWN, UP, round_price
from trading.numbers import row_seconds
from trading.risk import ENTRY, FACT, READY, REDUCING, limits, new_facts

TRADES_MAX = 50_000
"""More trades are not led past, one order at a time; the loop is quicker."""
STRATEGY = "backtest"


def might_refuse(
    prepared: Prepared,
    raw: NDArray[np.float64],
    instruments: tuple[Instrument, ...],
    depths: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    risk: Risk,
    max_positions: int,
    cash: float,
) -> bool:
    """Tell whether a limit may have refused an entry or made one smaller.

    Rates are counted by the second of the row here, by the venue's clock in the loop.

    Parameters
    ----------
    prepared : Prepared
        The run's rows.
    raw : ndarray of float64, shape (trades, kernel.OUT_FIELDS)
        Its trades as the engine gave them.
    instruments : tuple of Instrument
        Of the symbols, by position.
    depths : tuple of two ndarray of float64, shape (rows,), optional
        매도총잔량, 매수총잔량 at each row, in the asset; None = no book.
    risk, max_positions
        Settings of the gateway.
    cash : float
        Of the account at the start.
    """
    options = prepared.options
    if len(raw) > TRADES_MAX or options.delay_ms or options.level_share:  # trades do not tell the row of the signal, or what was wanted
        return True
    return _Account(prepared, instruments, depths, risk, max_positions, cash).refuses_any(raw)


class _Account:
    """One account beside the trades of all symbols."""

    def __init__(
        self,
        prepared: Prepared,
        instruments: tuple[Instrument, ...],
        depths: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
        risk: Risk,
        max_positions: int,
        cash: float,
    ) -> None:
        self.prepared = prepared
        self.instruments = instruments
        self.depths = depths
        self.risk = risk
        self.limits = limits(risk, prepared.market, max_positions, staleness=False)
        self.collar = (risk.collar_pct or prepared.market.collar_pct) / 100.0
        self.cash = cash
        self.held: dict[int, tuple[int, float, float]] = {}  # trade → symbol, quantity, amount paid
        self.worst: dict[int, float] = {}  # trade → what it is worth at the worst row while it is held
        self.counters = Counters()
        self.day = 0
        self.day_base = cash
        self.is_reducing = False
        self.spans = self._spans()
        self.facts = new_facts()

    def _spans(self) -> dict[int, tuple[int, int]]:
        """Return where each symbol's rows lie."""
        spans: dict[int, tuple[int, int]] = {}
        for block, symbol in zip(self.prepared.blocks.tolist(), self.prepared.symbols.tolist(), strict=True):
            low, high = spans.get(symbol, (block[0], block[1]))
            spans[symbol] = (min(low, block[0]), max(high, block[1]))
        return spans

    def refuses_any(self, raw: NDArray[np.float64]) -> bool:
        """Lead trades past the limits, of one moment the entries first; True at the first that does not leave whole."""
        trades = round_trips(self.prepared, raw)
        events = [(int(trades["entry_time"][k]), 0, int(trades["symbol"][k]), k) for k in range(len(trades))]
        events += [(int(trades["exit_time"][k]), 1, int(trades["symbol"][k]), k) for k in range(len(trades))]
        for time, is_exit, symbol, k in sorted(events):
            self._enter_day(time // day_unit(self.prepared.interval_s))
            at_ns = int(row_seconds(time, self.prepared.interval_s)) * NS
            if is_exit:
                self._leave(k, trades[k], at_ns)
            elif self._enter(k, trades[k], symbol, time, at_ns) or self._may_lose(k, trades[k], symbol):
                return True
        return False

    def _enter_day(self, day: int) -> None:
        if day != self.day:
            self.day, self.day_base, self.is_reducing = day, self.cash, False
            self.counters.entries_day = 0

    def _may_lose(self, k: int, trade: np.void, symbol: int) -> bool:
        """Note the worst value of a position that was just entered; tell whether all at their worst would lose what stops entries."""
        first, last = self._row(symbol, int(trade["entry_time"])), self._row(symbol, int(trade["exit_time"]))
        prices = self.prepared.last[first : last + 1]
        side, paid, day = float(trade["side"]), float(trade["entry_amount"]), self.day
        rule = self.prepared.market.fee_rule(dt.date(day // 10_000, day // 100 % 100, day % 100))
        worth = float(prices.min() if side > 0 else prices.max()) * float(trade["qty"])
        self.worst[k] = paid + side * (worth - paid) - (rule.fee_ppm * (paid + worth) + rule.tax_ppm * worth) / 1e6
        return day_loss_pct(self.day_base, self.cash + sum(self.worst.values())) >= self.risk.day_loss_reduce_pct

    def _row(self, symbol: int, time: int) -> int:
        low, high = self.spans[symbol]
        place = low + int(np.searchsorted(self.prepared.row_time[low:high], time, side="right")) - 1
        return max(place, low)

    def _price(self, symbol: int, time: int) -> float:
        return float(self.prepared.last[self._row(symbol, time)])

    def _enter(self, k: int, trade: np.void, symbol: int, time: int, at_ns: int) -> str:
        """Return the rule that refuses an entry or makes it smaller, empty when it leaves whole."""
        counters, market, instrument = self.counters, self.prepared.market, self.instruments[symbol]
        row = max(self._row(symbol, time) - self.prepared.options.latency, self.spans[symbol][0])
        price, side, wanted = float(self.prepared.last[row]), int(trade["side"]), round(float(trade["qty"]) * QTY_UNIT)
        day = dt.date(self.day // 10_000, self.day // 100 % 100, self.day % 100)
        exposures = [qty * self._price(other, time) for other, qty, _ in self.held.values()]
        rule = market.fee_rule(day)
        leaving = (rule.fee_ppm + rule.tax_ppm) / 1e6
        equity = self.cash + sum(exposures) - leaving * sum(abs(one) for one in exposures)  # as trading/valuation.py
        loss = day_loss_pct(self.day_base, equity)
        self.is_reducing |= loss >= self.risk.day_loss_reduce_pct
        same = counters.same.setdefault((STRATEGY, str(symbol), side, price, wanted), Window())
        intents = counters.strategy(STRATEGY)
        values = {
            "purpose": ENTRY,
            "trading_state": REDUCING if self.is_reducing else 0,
            "readiness": READY,
            "armed": 1.0,
            "session_open": 1.0,
            "qty": wanted,
            "reference_price": price,
            "fresh_price": price,
            "limit_price": round_price(market, instrument, price * (1.0 + side * self.collar), day, DOWN if side > 0 else UP),
            "qty_step": instrument.qty_step,
            "min_qty": instrument.min_qty,
            "min_notional": max(instrument.min_notional, market.min_notional),
            "max_notional": instrument.max_notional,
            "depth_qty": -1.0 if self.depths is None else float(self.depths[0 if side > 0 else 1][row]) * QTY_UNIT,
            "same_1s": same.count(at_ns, NS),
            "same_60s": same.count(at_ns),
            "intents_1s": intents.count(at_ns, NS),
            "intents_60s": intents.count(at_ns),
            "orders_1s": counters.orders.count(at_ns, NS),
            "orders_60s": counters.orders.count(at_ns),
            "entries_day": counters.entries_day,
            "cash": self.cash,
            "share_room": -1.0,
            "fee_rate": rule.fee_ppm / 1e6,
            "equity": equity,
            "gross_exposure": sum(exposures),
            "position_count": len(self.held),
            "day_loss_pct": loss,
        }
        self.facts[:] = 0.0
        for name, value in values.items():
            self.facts[FACT[name]] = value
        decision = decide(wanted, self.facts, self.limits)
        if decision.approved:
            intents.add(at_ns)  # as in live, a refused one takes nothing from the cap
            share = decision.qty / wanted
            paid = float(trade["entry_amount"]) * share
            self.held[k] = (symbol, float(trade["qty"]) * share * side, paid)
            self.cash -= paid
            counters.orders.add(at_ns)
            same.add(at_ns)
            counters.entries_day += 1
        return decision.rule

    def _leave(self, k: int, trade: np.void, at_ns: int) -> None:
        held = self.held.pop(k)
        self.worst.pop(k)
        share = held[2] / float(trade["entry_amount"]) if trade["entry_amount"] else 0.0
        self.cash += held[2] + float(trade["pnl"]) * share
        self.counters.orders.add(at_ns)

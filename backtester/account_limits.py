"""What the account's limits would have said to a backtest's entries: the same checks as live, in time order, afterwards.

A backtest runs each symbol by itself and has no account, so nothing is refused in it. Here its trades are led
past `trading/risk.py` once more, with one account's cash, exposure, counts, rates and loss. Live counts every
refused *intent* (a signal that stays is refused on each row), this counts refused *entries*, whose trades are then left
out of the account: both are nought together, which is what equality of hashes wants; other numbers differ.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Prepared
from domain.instruments import NS, QTY_UNIT, Instrument
from domain.settings import Risk
from trading.counters import Counters, Window
from trading.gateway import day_loss_pct
from trading.ladder import DOWN, UP, round_price
from trading.numbers import row_seconds
from trading.risk import ENTRY, FACT, READY, REDUCING, decide, limits, new_facts

TRADES_MAX = 50_000
"""More trades are not led past: the checks are those of live, one order at a time."""
STRATEGY = "backtest"
_DAY = {1: 1_000_000, 60: 10_000}


def refusals(
    prepared: Prepared,
    trades: NDArray[np.void],
    instruments: tuple[Instrument, ...],
    depth: NDArray[np.float64] | None,
    risk: Risk,
    max_positions: int,
    cash: float,
) -> dict[str, int] | None:
    """Return how many entries each limit would have refused or made smaller; None when there are too many trades to tell.

    Parameters
    ----------
    prepared : Prepared
        The run's rows.
    trades : ndarray of ROUND_TRIP_DTYPE
    instruments : tuple of Instrument
        Of the symbols, by position.
    depth : ndarray of float64, optional
        Shown size of the ask side at each row, in the asset; None = no book.
    risk, max_positions
        Settings of the gateway.
    cash : float
        Of the account at the start.
    """
    if len(trades) > TRADES_MAX:
        return None
    return dict(_Account(prepared, instruments, depth, risk, max_positions, cash).lead(trades))


class _Account:
    """One account beside the trades of all symbols."""

    def __init__(
        self,
        prepared: Prepared,
        instruments: tuple[Instrument, ...],
        depth: NDArray[np.float64] | None,
        risk: Risk,
        max_positions: int,
        cash: float,
    ) -> None:
        self.prepared = prepared
        self.instruments = instruments
        self.depth = depth
        self.risk = risk
        self.limits = limits(risk, prepared.market, max_positions, staleness=False)
        self.collar = (risk.collar_pct or prepared.market.collar_pct) / 100.0
        self.cash = cash
        self.held: dict[int, tuple[int, float, float]] = {}  # trade → symbol, quantity, amount paid
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

    def lead(self, trades: NDArray[np.void]) -> Counter[str]:
        """Lead trades past the limits: of one moment the entries first, which is the account's worst case."""
        events = [(int(trade["entry_time"]), 0, int(trade["symbol"]), k) for k, trade in enumerate(trades)]
        events += [(int(trade["exit_time"]), 1, int(trade["symbol"]), k) for k, trade in enumerate(trades)]
        found: Counter[str] = Counter()
        for time, is_exit, symbol, k in sorted(events):
            self._enter_day(time // _DAY[self.prepared.interval_s])
            at_ns = int(row_seconds(time, self.prepared.interval_s)) * NS
            if is_exit:
                self._leave(k, trades[k], at_ns)
                continue
            rule = self._enter(k, trades[k], symbol, time, at_ns)
            if rule:
                found[rule] += 1
        return found

    def _enter_day(self, day: int) -> None:
        if day != self.day:
            self.day, self.day_base, self.is_reducing = day, self.cash, False
            self.counters.entries_day = 0

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
        equity = self.cash + sum(exposures)
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
            "depth_qty": -1.0 if self.depth is None else float(self.depth[row]) * QTY_UNIT,
            "same_1s": same.count(at_ns, NS),
            "same_60s": same.count(at_ns),
            "intents_1s": intents.count(at_ns, NS),
            "intents_60s": intents.count(at_ns),
            "orders_1s": counters.orders.count(at_ns, NS),
            "orders_60s": counters.orders.count(at_ns),
            "entries_day": counters.entries_day,
            "cash": self.cash,
            "fee_rate": market.fee_rule(day).fee_ppm / 1e6,
            "equity": equity,
            "gross_exposure": sum(exposures),
            "position_count": len(self.held),
            "day_loss_pct": loss,
        }
        self.facts[:] = 0.0
        for name, value in values.items():
            self.facts[FACT[name]] = value
        decision = decide(wanted, self.facts, self.limits)
        intents.add(at_ns)
        if decision.approved:
            share = decision.qty / wanted
            paid = float(trade["entry_amount"]) * share
            self.held[k] = (symbol, float(trade["qty"]) * share * side, paid)
            self.cash -= paid
            counters.orders.add(at_ns)
            same.add(at_ns)
            counters.entries_day += 1
        return decision.rule

    def _leave(self, k: int, trade: np.void, at_ns: int) -> None:
        held = self.held.pop(k, None)
        if held is None:
            return  # its entry was refused
        share = held[2] / float(trade["entry_amount"]) if trade["entry_amount"] else 0.0
        self.cash += held[2] + float(trade["pnl"]) * share
        self.counters.orders.add(at_ns)

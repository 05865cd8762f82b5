"""What the account's limits would have said to a backtest's entries: the same checks as live, in time order, afterwards.

A backtest runs each symbol by itself and has no account, so nothing is refused in it. Here its trades are led past
`trading/risk.py` once more, with one account's cash, exposure, counts, rates and loss. What is refused stays flat, as
in live: the rest of that symbol's day is run again without that row, and the next row with a signal asks anew. So a signal that
stays counts once a row, on both sides. Which symbol asks first within a second is the only thing that live may do otherwise.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backtester import kernel
from backtester.engine import Prepared, round_trips
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
"""More trades are not led past: the checks are those of live, one order at a time."""
AGAIN_MAX = 5_000
"""So many times a day of a symbol is run again after a refusal; beyond that the number is not known."""
STRATEGY = "backtest"


Run = Callable[[Prepared], NDArray[np.float64]]


def refusals(
    prepared: Prepared,
    raw: NDArray[np.float64],
    run: Run,
    instruments: tuple[Instrument, ...],
    depth: NDArray[np.float64] | None,
    risk: Risk,
    max_positions: int,
    cash: float,
) -> dict[str, int] | None:
    """Return how many intents each limit would have refused or made smaller; None when there are too many to tell.

    Parameters
    ----------
    prepared : Prepared
        The run's rows.
    raw : ndarray of float64, shape (trades, kernel.OUT_FIELDS)
        Its trades as the engine gave them.
    run : callable
        Gives the raw trades of other rows with the same texts and variables.
    instruments : tuple of Instrument
        Of the symbols, by position.
    depth : ndarray of float64, optional
        Shown size of the ask side at each row, in the asset; None = no book.
    risk, max_positions
        Settings of the gateway.
    cash : float
        Of the account at the start.
    """
    if len(raw) > TRADES_MAX:
        return None
    found = _Account(prepared, instruments, depth, risk, max_positions, cash).lead(raw, run)
    return None if found is None else dict(found)


class _Days:
    """The trades still to come of each symbol and day."""

    def __init__(self, prepared: Prepared, raw: NDArray[np.float64], run: Run) -> None:
        self.prepared = prepared
        self.run = run
        self.universe = prepared.universe  # copied when the first row is taken out of it
        self.again = 0
        self.coming = {block: self._of(raw[raw[:, kernel.OUT_BLOCK] == block]) for block in range(len(prepared.blocks))}

    @staticmethod
    def _of(raw: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        return list(raw[np.argsort(raw[:, kernel.OUT_ENTRY], kind="stable")][::-1])

    def next(self, block: int) -> NDArray[np.float64] | None:
        """Take the next trade of a symbol's day."""
        return self.coming[block].pop() if self.coming[block] else None

    def refuse(self, block: int, entry: int) -> None:
        """Stay flat on the row of the signal that was priced on row `entry`, and find what comes after it."""
        if not self.again:
            self.universe = self.universe.copy()
        self.again += 1
        self.universe[entry - self.prepared.options.latency] = 0.0
        one = slice(block, block + 1)
        rows = replace(self.prepared, universe=self.universe, blocks=self.prepared.blocks[one], symbols=self.prepared.symbols[one])
        raw = self.run(rows)
        raw[:, kernel.OUT_BLOCK] = block
        self.coming[block] = self._of(raw[raw[:, kernel.OUT_ENTRY] > entry])


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
        self.held: dict[int, tuple[int, float, float]] = {}  # block → symbol, quantity, amount paid
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

    def lead(self, raw: NDArray[np.float64], run: Run) -> Counter[str] | None:
        """Lead trades past the limits: of one moment the entries first, which is the account's worst case."""
        days = _Days(self.prepared, raw, run)
        found: Counter[str] = Counter()
        events: list[tuple[int, int, int, int]] = []  # time, is an exit, symbol, block
        under_way: dict[int, tuple[NDArray[np.float64], NDArray[np.void]]] = {}

        def follow(block: int) -> None:
            one = days.next(block)
            if one is not None:
                trade = round_trips(self.prepared, one[None, :])[0]
                under_way[block] = (one, trade)
                heapq.heappush(events, (int(trade["entry_time"]), 0, int(trade["symbol"]), block))

        for block in days.coming:
            follow(block)
        while events:
            time, is_exit, symbol, block = heapq.heappop(events)
            one, trade = under_way[block]
            self._enter_day(time // day_unit(self.prepared.interval_s))
            at_ns = int(row_seconds(time, self.prepared.interval_s)) * NS
            if is_exit:
                self._leave(block, trade, at_ns)
                follow(block)
                continue
            rule = self._enter(block, trade, symbol, time, at_ns)
            if rule:
                found[rule] += 1
            if block in self.held:
                heapq.heappush(events, (int(trade["exit_time"]), 1, symbol, block))
            elif days.again == AGAIN_MAX:
                return None
            else:
                days.refuse(block, int(one[kernel.OUT_ENTRY]))
                follow(block)
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
            "depth_qty": -1.0 if self.depth is None else float(self.depth[row]) * QTY_UNIT,
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
        share = held[2] / float(trade["entry_amount"]) if trade["entry_amount"] else 0.0
        self.cash += held[2] + float(trade["pnl"]) * share
        self.counters.orders.add(at_ns)

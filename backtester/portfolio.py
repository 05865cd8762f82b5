"""Portfolio runs: several symbols and strategies on one account, every row in the order of time.

The order-managed loop (managed.py) runs a day's symbols together and asks the account (trading/shared_account.py) before an entry leaves,
so that a limit bites where it would bite live. Why in this order: docs/decisions/0052-portfolio-in-row-time-order.md.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from backtester import kernel, managed
from backtester.engine import Engine, Prepared, warmup_rows
from backtester.managed_rows import arrange
from backtester.pointer import addresses
from backtester.sharing import share
from domain.errors import InputError
from domain.instruments import NS, Instrument
from domain.settings import Risk
from storage.columns import CLOCKS, RowSet
from trading.judge import CHECKS
from trading.shared_account import (
    CASH,
    HALT_NS,
    HALT_RULE,
    MONEY,
    OUT_DAYS,
    POINT_CASH,
    POINT_COUNT,
    POINT_EQUITY,
    POINT_OPEN,
    POINT_ROW,
    POINTS,
    REFUSED,
    WHOLE,
    Account,
    new_account,
)

DEPTHS = ("ask_total_size", "bid_total_size")
COLUMNS = (*CLOCKS, *DEPTHS)
"""Keys that a portfolio run reads besides those of its strategies."""
BACKWARDS_NS = 60 * NS
"""How far venue clocks of two symbols may differ in a feed; numbers that go back further do not tell an order of arrival."""
STRATEGIES_MAX = 20


@dataclass(frozen=True)
class Member:
    """A further strategy of the portfolio."""

    name: str
    buy: str
    sell: str
    variables: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Portfolio:
    """The account of a run, and the strategies beside the job's own.

    Parameters
    ----------
    cash : float
        At the start, in the market's currency.
    max_positions : int
        최대매수종목수.
    shares : tuple of float
        Of the equity, one a strategy, the job's own first; 0 = all of it.
    others : tuple of Member
    risk : Risk
        Every other limit, as live has it.
    stop_loss_pct, stop_gain_pct : float
        손실중지 and 수익중지: at a profit of the day, open and realised, of −x % or +x % of what the account is worth, entries stop and
        everything leaves until the next day; 0 = none.

    Raises
    ------
    InputError
        ``portfolio.cash``, ``portfolio.shares``, ``portfolio.names``.
    """

    cash: float
    max_positions: int
    shares: tuple[float, ...] = (0.0,)
    others: tuple[Member, ...] = ()
    risk: Risk = Risk()
    stop_loss_pct: float = 0.0
    stop_gain_pct: float = 0.0

    def __post_init__(self) -> None:
        if not (self.cash > 0.0 and np.isfinite(self.cash)):
            raise InputError("portfolio.cash", value=self.cash)
        if len(self.shares) != len(self.others) + 1 or not all(0.0 <= one <= 1.0 for one in self.shares) or sum(self.shares) > 1.0 + 1e-9:
            raise InputError("portfolio.shares", shares=", ".join(map(str, self.shares)), strategies=len(self.others) + 1)
        if len(self.others) >= STRATEGIES_MAX:
            raise InputError("portfolio.too_many", most=STRATEGIES_MAX)

    def as_dict(self) -> dict[str, Any]:
        """Return it as a passport keeps it; `portfolio_of` reads it back."""
        others = [
            {"name": one.name, "buy": one.buy, "sell": one.sell, "vars": {str(k): v for k, v in sorted(one.variables.items())}}
            for one in self.others
        ]
        return {
            "cash": self.cash,
            "max_positions": self.max_positions,
            "shares": list(self.shares),
            "others": others,
            "risk": msgspec.to_builtins(self.risk),
            "stop_loss_pct": self.stop_loss_pct,
            "stop_gain_pct": self.stop_gain_pct,
        }


def portfolio_of(kept: Mapping[str, Any] | None) -> Portfolio | None:
    """Return what `Portfolio.as_dict` wrote."""
    if kept is None:
        return None
    others = tuple(
        Member(one["name"], one["buy"], one["sell"], {int(k): float(v) for k, v in one["vars"].items()}) for one in kept["others"]
    )
    stops = (kept.get("stop_loss_pct", 0.0), kept.get("stop_gain_pct", 0.0))  # runs of before them
    return Portfolio(kept["cash"], kept["max_positions"], tuple(kept["shares"]), others, msgspec.convert(kept["risk"], Risk), *stops)


@dataclass(frozen=True)
class Strategy:
    """One strategy, ready to run."""

    name: str
    engine: Engine
    prepared: Prepared
    vector: NDArray[np.float64]


@dataclass(frozen=True)
class Shared:
    """What a portfolio run gave.

    Parameters
    ----------
    raws : tuple of ndarray, shape (trades, kernel.OUT_FIELDS)
        Trades of each strategy.
    errors : int
    seconds : float
        Of the loops.
    refusals : tuple of dict
        Of each strategy: rule → entries it refused or made smaller.
    curve : ndarray, shape (points, 4)
        Row number, cash, equity and open positions after each fill.
    cash : float
        At the end; nothing is held then.
    in_feed_order : bool
        Whether rows were met in the order of their arrival; False: by time, then code, because the source does not know it.
    halt : tuple of (int, str), optional
        Moment in ns UTC and rule after which nothing more might leave; None = never.
    stopped_days : int
        On which 손실중지 or 수익중지 sent everybody out.
    """

    raws: tuple[NDArray[np.float64], ...]
    errors: int
    seconds: float
    refusals: tuple[dict[str, int], ...]
    curve: NDArray[np.float64]
    cash: float
    in_feed_order: bool
    halt: tuple[int, str] | None = None
    stopped_days: int = 0


def feed_order(rows: RowSet, blocks: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """Return a number for each row by which rows are met, and whether it is that of their arrival.

    A source that was recorded or made numbers its rows as they came. One that was imported symbol by symbol does not: along its numbers the
    venue's clock jumps back. Then rows are met by row time; equal ones in the order of the blocks, which is that of the codes.
    """
    seq, clock = rows.columns["seq"], rows.columns["exchange_ns"]
    numbers = np.concatenate([np.asarray(seq[lo:hi]) for lo, hi in blocks[:, :2].tolist()])
    clocks = np.concatenate([np.asarray(clock[lo:hi]) for lo, hi in blocks[:, :2].tolist()])
    along = clocks[np.argsort(numbers, kind="stable")]
    known = len(along) == len(np.unique(numbers)) and bool((np.maximum.accumulate(along) - along).max(initial=0) <= BACKWARDS_NS)
    return (np.asarray(seq, dtype=np.int64) if known else rows.row_time), known


class _Runner:
    """One strategy's loop, run from turn to turn."""

    def __init__(self, one: Strategy, order: NDArray[np.int64], account: Account, base: int) -> None:
        prepared, engine = one.prepared, one.engine
        assert prepared.managed is not None
        self._made = replace(prepared.managed, by_day=True)
        self.rows = arrange(self._made, prepared.blocks, prepared.row_time, prepared.interval_s, order)
        vectors = np.ascontiguousarray(one.vector[None, :])
        states = np.stack([engine.steps.day_state(code, step) for code, step in zip(prepared.codes, prepared.price_steps, strict=True)])
        longest = int((prepared.blocks[:, kernel.BLOCK_HI] - prepared.blocks[:, kernel.BLOCK_LO]).max())
        shared = share(engine.steps.guards, vectors, longest)
        windows = np.asarray(engine.steps.windows(one.vector), dtype=np.int64).reshape(1, -1)
        self._run: Callable[..., int] = engine.module.run_managed
        self._work = engine.module.make_managed_work(longest, states.shape[1], shared.n_slots, self.rows.most)
        self._book = addresses(prepared.book, len(prepared.last))
        self._columns = (prepared.inputs, self._book, prepared.last, prepared.universe, prepared.row_time, *self._made.columns)
        ones = np.ones(1, dtype=np.int64)
        self._sets = (
            prepared.params, prepared.row_params, states, vectors, windows, ones, np.array([warmup_rows(one.vector)], dtype=np.int64),
            ones - 1, shared.ids, shared.slots, prepared.vector,
        )  # fmt: skip
        self._blocks = prepared.blocks
        self._account, self._base = account, base
        self.out = np.empty((prepared.rows // 2 + len(prepared.blocks) + 1, kernel.OUT_FIELDS))
        self.count = 0
        self.counters = np.zeros(1, dtype=np.int64)

    def run(self, group: int, first: int, past: int) -> None:
        """Run turns `first` … past − 1 of a day."""
        rows, made = self.rows, self._made
        self.count += self._run(
            *self._columns, rows.groups[group : group + 1], rows.members, rows.turns, self._blocks, made.facts, *self._sets,
            made.rules, made.weights, made.coefficient, made.traded, self._account, self._base, first, past, self._work,
            self.out[self.count :], self.counters,
        )  # fmt: skip


def run_shared(strategies: Sequence[Strategy], terms: Portfolio, rows: RowSet, instruments: Sequence[Instrument]) -> Shared:
    """Run the strategies on one account.

    Parameters
    ----------
    strategies : sequence of Strategy
        Prepared over the same rows.
    terms : Portfolio
    rows : RowSet
        Of the same selection, with COLUMNS.
    instruments : sequence of Instrument
        Of the symbols, by position.
    """
    plain = strategies[0].prepared
    order, known = feed_order(rows, plain.blocks)
    depths = None
    if rows.has_book:
        depths = tuple(np.ascontiguousarray(rows.columns[key], dtype=np.float64) for key in DEPTHS)
    account = new_account(
        plain.market, instruments, terms.risk, terms.max_positions, terms.cash, terms.shares,
        rows.columns["exchange_ns"], depths, 2 * plain.rows * len(strategies) + 1,  # type: ignore[arg-type]
        (terms.stop_loss_pct, terms.stop_gain_pct),
    )  # fmt: skip
    runners = [_Runner(one, order, account, k * len(plain.codes)) for k, one in enumerate(strategies)]
    started = time.perf_counter()
    for group, (first, past) in enumerate(_turns(runners[0])):
        for start, end in _spells(runners[0], plain, group, first, past) if len(runners) > 1 else [(0, past - first)]:
            for runner in runners:
                runner.run(group, start, end)
    seconds = time.perf_counter() - started
    refused, whole = account[REFUSED], account[WHOLE]
    names = [check.name for check in CHECKS]
    return Shared(
        raws=tuple(runner.out[: runner.count].copy() for runner in runners),
        errors=int(sum(runner.counters[kernel.ERRORS] for runner in runners)),
        seconds=seconds,
        refusals=tuple(dict(Counter({name: int(n) for name, n in zip(names, row, strict=True) if n})) for row in refused),
        curve=account[POINTS][: int(whole[POINT_COUNT])].copy(),
        cash=float(account[MONEY][CASH]),
        in_feed_order=known,
        halt=(int(whole[HALT_NS]), names[int(whole[HALT_RULE])]) if whole[HALT_NS] else None,
        stopped_days=int(whole[OUT_DAYS]),
    )


def _turns(runner: _Runner) -> list[tuple[int, int]]:
    """Return where each day's turns begin and end."""
    starts = runner.rows.groups[:, managed.GROUP_TURNS].tolist()
    return list(zip(starts, [*starts[1:], len(runner.rows.turns)], strict=True))


def _spells(runner: _Runner, plain: Prepared, group: int, first: int, past: int) -> list[tuple[int, int]]:
    """Return the stretches of equal row time of a day: in each the strategies run one after the other, in the order they were named."""
    turns = runner.rows.turns[first:past]
    members = runner.rows.members[runner.rows.groups[group, managed.GROUP_FIRST] :]
    times = plain.row_time[plain.blocks[members[turns[:, 0]], kernel.BLOCK_LO] + turns[:, 1]]
    cuts = np.flatnonzero(np.diff(times)) + 1
    edges = [0, *cuts.tolist(), past - first]
    return list(zip(edges[:-1], edges[1:], strict=True))


def curve_table(curve: NDArray[np.float64], row_time: NDArray[np.int64]) -> dict[str, list[float]]:
    """Return the curve as columns: row time, cash, equity, open positions."""
    return {
        "row_time": row_time[curve[:, POINT_ROW].astype(np.int64)].tolist(),
        "cash": curve[:, POINT_CASH].tolist(),
        "equity": curve[:, POINT_EQUITY].tolist(),
        "positions": curve[:, POINT_OPEN].astype(np.int64).tolist(),
    }


def days_of(curve: NDArray[np.float64], row_time: NDArray[np.int64], interval_s: int) -> list[dict[str, float]]:
    """Return the account at the end of each day on which something was filled."""
    unit = 1_000_000 if interval_s == 1 else 10_000
    stamps = row_time[curve[:, POINT_ROW].astype(np.int64)] // unit
    last = np.flatnonzero(np.append(np.diff(stamps) != 0, True)) if len(stamps) else np.zeros(0, dtype=np.int64)
    return [{"day": int(stamps[k]), "cash": float(curve[k, POINT_CASH]), "equity": float(curve[k, POINT_EQUITY])} for k in last.tolist()]

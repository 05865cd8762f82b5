"""What the order-managed loop reads besides a plain run: settings as vectors, more columns, groups of symbols' days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backtester import kernel, managed
from backtester.futures import RANGE_COLUMNS, Futures, Terms, terms_of
from backtester.halting import BOOK_COLUMNS, VI_COLUMNS, Halts, can_halt, no_halts
from backtester.pointer import addresses
from domain.errors import InputError
from domain.instruments import Instrument, Market
from domain.intervals import day_unit, is_daily
from domain.order_settings import MEASURED, OrderSettings, check_market
from trading.ladder import ladder_table
from trading.order_rules import rules_vector, weights_vector
from trading.shared_account import Account, no_account

BOOK = tuple(f"{side}{level}" for side in ("ask", "ask_size", "bid", "bid_size") for level in range(1, 6))
Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


class Rows(Protocol):
    """What is needed of the engine's rows."""

    interval_s: int
    codes: tuple[str, ...]
    row_time: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]]
    instruments: tuple[Instrument, ...]


class RunOptions(Protocol):
    """What is needed of the engine's options."""

    @property
    def orders(self) -> OrderSettings | None: ...
    @property
    def fill(self) -> str: ...
    @property
    def futures(self) -> Futures | None: ...
    @property
    def halts(self) -> bool: ...


@dataclass(frozen=True)
class Managed:
    """Arguments of `managed.run_managed` beyond those of a plain run, see there; none of them hangs on which blocks are run."""

    quotes: Pair
    spans: Pair
    measures: Pair
    ladder: NDArray[np.float64]
    facts: NDArray[np.float64]
    rules: NDArray[np.float64]
    weights: NDArray[np.float64]
    coefficient: float
    traded: Pair
    shown: tuple[NDArray[np.float64], ...]  # the recorded book, where resting orders queue in it; else empty
    account: Account
    terms: Terms  # leverage and funding
    recorded: tuple[NDArray[np.float64], ...] = ()  # from which `halts` are worked out; empty = nothing halts
    halts: Halts = field(default_factory=no_halts)
    by_day: bool = False  # all symbols of a day run together, row by row in the order of time

    @property
    def columns(self) -> tuple[object, ...]:
        """Those that follow the columns of the rows."""
        where = addresses(self.shown, len(self.shown[0])) if self.shown else np.zeros(20, dtype=np.int64)
        return self.quotes, self.spans, self.measures, where, self.ladder, self.halts, self.terms

    def over(self, cut: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Managed:
        """Return the same over some of the rows."""
        quotes, spans, measures = ((cut(one), cut(two)) for one, two in (self.quotes, self.spans, self.measures))
        traded = (cut(self.traded[0]), cut(self.traded[1])) if len(self.traded[0]) else self.traded
        terms = (cut(self.terms[0]), cut(self.terms[1]), *self.terms[2:])
        shown, recorded = tuple(map(cut, self.shown)), tuple(map(cut, self.recorded))
        return replace(
            self,
            quotes=quotes,
            spans=spans,
            measures=measures,
            traded=traded,
            terms=terms,
            shown=shown,
            recorded=recorded,
            halts=no_halts(),
        )


@dataclass(frozen=True)
class Lanes:
    """Which blocks run together, and in which order their rows are met; see `managed.run_managed`."""

    groups: NDArray[np.int64]
    members: NDArray[np.int64]
    turns: NDArray[np.int64]
    most: int  # lanes of the largest group

    def group_rows(self, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of each group, given those of each block."""
        before = np.concatenate([[0], np.cumsum(sizes[self.members])])
        rows: NDArray[np.int64] = before[self.groups[:, managed.GROUP_PAST]] - before[self.groups[:, managed.GROUP_FIRST]]
        return rows


def plain_column(column: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the column as a plain read-only array, so that there is one machine code for all of them."""
    view = np.asarray(column, dtype=np.float64).view(np.ndarray)
    if not view.flags.c_contiguous:
        view = np.ascontiguousarray(view)
    view = view[:]
    view.flags.writeable = False
    return view


def plain_stamps(row_time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the times of rows as `plain_column` returns a column: bars made in memory are written to no more, as mapped ones."""
    view = np.ascontiguousarray(row_time, dtype=np.int64)[:]
    view.flags.writeable = False
    return view


def traded_columns(interval_s: int) -> tuple[str, str]:
    """Return the columns of what was bought and sold on a row."""
    tag = "1s" if interval_s == 1 else "1m"
    return f"buy_volume_{tag}", f"sell_volume_{tag}"


def managed_columns(options: RunOptions, interval_s: int) -> tuple[str, ...]:
    """Return the columns that the settings, the queue of resting orders, leverage and halts read besides those of a plain run."""
    settings = options.orders
    if settings is None:
        return ()
    columns = traded_columns(interval_s) if options.fill == "queue" else ()
    columns += RANGE_COLUMNS if options.futures is not None and options.futures.ranges else ()
    columns += VI_COLUMNS if options.halts else ()
    columns += ("bar_low", "bar_high") if interval_s != 1 and _has_limits(settings) else ()
    return (*columns, *MEASURED[settings.weights.by])


def _has_limits(settings: OrderSettings) -> bool:
    return "limit" in (settings.entry.order, settings.exit.order)


def manage(
    options: RunOptions,
    rows: Rows,
    market: Market,
    last: NDArray[np.float64],
    has_book: bool,
    plain: Callable[[Any], Any] = plain_column,
) -> Managed | None:
    """Return what the loop needs; None for the loop of kernel.py, which knows neither order settings nor leverage, funding and halts.

    Parameters
    ----------
    plain : callable
        Makes a column what the loop takes; columns that are mapped a window at a time stay what they are.

    Raises
    ------
    InputError
        ``orders.lacking``, ``orders.no_quotes``: the market or the rows lack what a setting speaks of;
        ``halts.none``: nothing stops trading in the market; ``orders.daily``: bans and stops count within a day;
        ``orders.no_price_step``: limit prices of a symbol that states no step.
    """
    settings, futures = options.orders, options.futures
    if settings is None:
        if futures is not None or options.halts or options.fill == "partial":
            raise ValueError("leverage, funding, halts and partial fills are asked by the order-managed loop: give it settings")
        return None
    if is_daily(rows.interval_s):
        raise InputError("orders.daily")
    check_market(settings, market, has_book)
    table = np.array(ladder_table(market))
    facts = np.zeros((len(rows.codes), managed.FACTS))
    facts[:, managed.FACT_NOTIONAL] = market.min_notional
    if rows.instruments:
        facts[:, managed.FACT_STEP] = [one.price_step for one in rows.instruments]
        facts[:, managed.FACT_NOTIONAL] = [max(one.min_notional, market.min_notional) for one in rows.instruments]
    facts[:, managed.FACT_LISTED] = [code in settings.entry.blacklist for code in rows.codes]
    has_limits = _has_limits(settings)
    if has_limits and not len(table) and not (facts[:, managed.FACT_STEP] > 0.0).all():
        raise InputError("orders.no_price_step", market=market.code)
    quotes = (plain(rows.columns["ask1"]), plain(rows.columns["bid1"])) if has_limits and has_book else (last, last)
    spans = (last, last)
    if has_limits and rows.interval_s != 1:
        spans = (plain(rows.columns["bar_low"]), plain(rows.columns["bar_high"]))
    if options.fill == "queue" and not has_limits:
        raise InputError("backtest.queue_orders")
    nothing = np.zeros(0)
    nothing.flags.writeable = False
    bought, sold = (plain(rows.columns[key]) for key in traded_columns(rows.interval_s)) if options.fill == "queue" else (nothing, nothing)
    if options.halts and not can_halt(market):
        raise InputError("halts.none", market=market.code)
    day_range = tuple(plain(rows.columns[key]) for key in RANGE_COLUMNS) if futures is not None and futures.ranges else (last, last)
    recorded = (*VI_COLUMNS, *(BOOK_COLUMNS if has_book else ())) if options.halts else ()
    measured = [plain(rows.columns[key]) for key in MEASURED[settings.weights.by]]
    return Managed(
        quotes=quotes,
        spans=spans,
        measures=(measured[0], measured[-1]) if measured else (last, last),
        ladder=table,
        facts=facts,
        rules=rules_vector(settings, market),
        weights=weights_vector(settings),
        coefficient=market.angle_change if settings.weights.by == "change_angle" else market.angle_value,
        traded=(bought, sold),
        shown=tuple(plain(rows.columns[key]) for key in BOOK) if options.fill == "queue" else (),
        account=no_account(),
        terms=terms_of(futures, rows.codes, rows.row_time, rows.interval_s, (day_range[0], day_range[1])),
        recorded=tuple(plain(rows.columns[key]) for key in recorded),
    )


def arrange(
    made: Managed, blocks: NDArray[np.int64], row_time: NDArray[np.int64], interval_s: int, order_of: NDArray[np.int64] | None = None
) -> Lanes:
    """Return every block as a group of its own; or the symbols of a day as one, rows in the order of `order_of`, then of blocks.

    `order_of` is a number for each row; row times when it is None.
    """
    if not made.by_day:
        numbers = np.arange(len(blocks), dtype=np.int64)
        return Lanes(np.stack([numbers, numbers + 1, 0 * numbers], axis=1), numbers, np.zeros((0, 2), dtype=np.int64), 1)
    keys = row_time if order_of is None else order_of
    days = row_time[blocks[:, kernel.BLOCK_LO]] // day_unit(interval_s)
    lists = [np.flatnonzero(days == day) for day in np.unique(days)]
    ends = np.cumsum([len(one) for one in lists])
    groups = np.zeros((len(lists), managed.GROUP_FIELDS), dtype=np.int64)
    groups[:, managed.GROUP_FIRST], groups[:, managed.GROUP_PAST] = ends - [len(one) for one in lists], ends
    turns, at = [np.zeros((0, 2), dtype=np.int64)], 0
    for group, one in zip(groups, lists, strict=True):
        lengths = blocks[one, kernel.BLOCK_HI] - blocks[one, kernel.BLOCK_LO]
        lane = np.repeat(np.arange(len(one)), lengths)
        place = np.concatenate([np.arange(length) for length in lengths.tolist()])
        order = np.argsort(np.concatenate([keys[lo:hi] for lo, hi in blocks[one, :2].tolist()]), kind="stable")
        turns.append(np.stack([lane[order], place[order]], axis=1))
        group[managed.GROUP_TURNS] = at
        at += len(order)
    members = np.concatenate(lists).astype(np.int64)
    return Lanes(groups, members, np.concatenate(turns), max(len(one) for one in lists))

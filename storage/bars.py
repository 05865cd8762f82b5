"""Rows of any interval: recorded ones as they are, longer bars built from one-minute rows (decision 44).

Bars are built when they are asked for and not stored, so there is one truth, the minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from domain.instruments import Market
from domain.intervals import RECORDED, is_daily
from domain.records import row_schema
from storage.columns import BLOCK_DTYPE, RowSet, open_rows, span
from storage.ticks import TickStore

RULE = "1"
"""Changes when the rule of a bar changes; part of its digest."""
WHOLE_DAY = 235_959


def open_bars(
    store: TickStore,
    market: Market,
    interval_s: int,
    source: str | None = None,
    codes: Sequence[str] | None = None,
    from_time: int | None = None,
    to_time: int | None = None,
    keys: Sequence[str] | None = None,
    end: int = WHOLE_DAY,
    memory: int = 0,
) -> RowSet:
    """Return rows of an interval as `storage.columns.open_rows` does; those of a longer bar stand in memory.

    Parameters
    ----------
    market : Market
        Its session says where bars begin.
    interval_s : int
        One of `domain.intervals.INTERVALS`.
    from_time, to_time : int, optional
        Of the bars' own times, both included; a date (YYYYMMDD) means its whole day.
    end : int
        hhmmss: minutes after it do not exist for a longer bar; 1-second and 1-minute rows are not cut.
    memory : int
        As `open_rows` takes it, of rows that are mapped.

    Raises
    ------
    InputError, DataError
        As `open_rows`.
    """
    if interval_s in RECORDED:
        return open_rows(store, market.code, interval_s, source, codes, from_time, to_time, keys, memory)
    first, last = (None if at is None else at if at < 100_000_000 else at // 10_000 for at in (from_time, to_time))
    minutes = open_rows(store, market.code, 60, source, codes, first, last, keys)
    return build_bars(minutes, market, interval_s, from_time, to_time, end)


def build_bars(
    minutes: RowSet, market: Market, interval_s: int, from_time: int | None = None, to_time: int | None = None, end: int = WHOLE_DAY
) -> RowSet:
    """Return the bars of one-minute rows.

    Parameters
    ----------
    minutes : RowSet
        Blocks of whole days.
    """
    from storage.bar_kernel import RULES, join

    begins, ends, times, symbols = _bars(minutes, market, interval_s, end)
    low, high = span(60, from_time, to_time)
    inside = (times >= low) & (times <= high)
    begins, ends, times, symbols = begins[inside], ends[inside], times[inside], symbols[inside]
    schema = row_schema(market.kind, 60)
    columns: dict[str, NDArray[np.float64]] = {}
    for key, values in minutes.columns.items():
        column = schema.columns[schema.index(key)]
        out = np.empty(len(begins))
        plain = np.asarray(values).view(np.ndarray)[:]
        plain.flags.writeable = False
        join(plain, begins, ends, RULES.index(column.joined), 10.0 ** column.decimals(market.kind), out)
        out.flags.writeable = False
        columns[key] = out
    times.flags.writeable = False  # as memory-mapped ones are: compiled code knows one type
    told = f"bars {RULE} {interval_s} {market.session_start_s} {market.session_end_s} {end} {minutes.digest}"
    return replace(
        minutes,
        interval_s=interval_s,
        columns=columns,
        row_time=times,
        blocks=_blocks(times, symbols, interval_s),
        digest=hashlib.sha256(told.encode()).hexdigest(),
        unknown={key: np.concatenate(([0], np.cumsum(np.isnan(columns[key])))) for key in minutes.unknown},
        folder="",
    )


def _bars(minutes: RowSet, market: Market, interval_s: int, end: int) -> tuple[NDArray[np.int64], ...]:
    """Return first row, row after the last, time and symbol of each bar, in the order of the blocks."""
    parts: list[tuple[NDArray[np.int64], ...]] = []
    length = interval_s // 60
    start = market.session_start_s // 60
    closing = market.entry_end_s // 60  # once the row of this minute is there, no bar of the day goes on
    last_minute = min(end // 10_000 * 60 + end // 100 % 100, closing)
    # Minutes after the session's end (the print of a closing auction) belong to its last bar.
    most = (market.session_end_s - market.session_start_s - 1) // interval_s
    clock = int(minutes.row_time.max()) if len(minutes.row_time) else 0
    clock_day, clock_minute = clock // 10_000, clock // 100 % 100 * 60 + clock % 100
    for symbol, day, lo, hi in minutes.blocks.tolist():
        hhmm = np.asarray(minutes.row_time[lo:hi]) % 10_000
        hi = lo + int(np.searchsorted(hhmm, end // 100, side="right"))
        if hi == lo:
            continue
        hhmm = hhmm[: hi - lo]
        number = np.minimum((hhmm // 100 * 60 + hhmm % 100 - start) // length, most)
        if is_daily(interval_s):
            number = np.zeros_like(number)
        first = np.flatnonzero(np.concatenate(([True], np.diff(number) != 0)))
        after = np.append(first[1:], hi - lo)
        begin = start + number[first] * length
        if day == clock_day:
            over = clock_minute + 1 >= np.minimum(begin + length, last_minute + 1)
            first, after, begin = first[over], after[over], begin[over]
        times = np.int64(day) * 10_000 + begin // 60 * 100 + begin % 60
        parts.append((lo + first, lo + after, times, np.full(len(first), symbol, np.int64)))
    if not parts:
        return tuple(np.zeros(0, np.int64) for _ in range(4))
    return tuple(np.concatenate(one).astype(np.int64) for one in zip(*parts, strict=True))


def _blocks(times: NDArray[np.int64], symbols: NDArray[np.int64], interval_s: int) -> NDArray[np.void]:
    """Return the sessions: a symbol's day, of daily bars all of a symbol's bars."""
    if not len(times):
        return np.zeros(0, BLOCK_DTYPE)
    day = times // 10_000
    changes = np.diff(symbols) != 0 if is_daily(interval_s) else (np.diff(symbols) != 0) | (np.diff(day) != 0)
    starts = np.flatnonzero(np.concatenate(([True], changes)))
    blocks = np.zeros(len(starts), BLOCK_DTYPE)
    blocks["symbol"], blocks["day"] = symbols[starts], day[starts]
    blocks["lo"], blocks["hi"] = starts, np.append(starts[1:], len(times))
    return blocks

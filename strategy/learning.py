"""What earlier days teach about a symbol's one-minute rows (strategy-language 14.4; plain formulas in decision 45).

An analyser is two functions of nothing but what they are given: `add` takes a day into a record, `scores` reads a day's rows by a
record. The record for a day is that of the days before it, one added after the other, so that going on by a day and beginning
anew are the same. A row's score hangs on the record and on the day's rows up to it; sums go row by row in one order, so that
the rows so far give the bits that the whole day gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import talib
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FULL = 100.0
"""Events that make a confidence of 1."""
SPIKES, LEVELS = 41, 101
"""Places for multipliers 0, 0.5 … 20 and more, and for steps of the ATR."""
PRICE_LEAST, PRICE_MOST = 1e-9, 1e12


@dataclass(frozen=True)
class Day:
    """A symbol's rows of a day from its first, float64 of one length: the bar's four prices and its traded value."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    value: Floats

    @property
    def is_whole(self) -> bool:
        """Tell whether every number is there and every price above 0; a day of which that is not so teaches nothing and has no scores."""
        parts = (self.open, self.high, self.low, self.close)
        return all(bool(np.isfinite(one).all() and (one > 0.0).all()) for one in parts) and bool(np.isfinite(self.value).all())


@dataclass(frozen=True)
class Means:
    """Sum and number of outcomes by kind of event; shape (kinds,)."""

    total: Floats
    count: NDArray[np.int64]


@dataclass(frozen=True)
class Prices:
    """By price bin, ascending: volume traded, visits, and the sums of their strengths upward and downward; shape (bins,)."""

    bins: NDArray[np.int64]
    volume: Floats
    count: Floats
    up: Floats
    down: Floats


Record = Means | Prices


def moves(day: Day, period: int) -> tuple[Floats, Floats]:
    """Return the largest rise and fall in % over the `period` rows after each row; NaN where the day has not so many."""
    rise, fall = np.full(len(day.close), np.nan), np.full(len(day.close), np.nan)
    count = len(day.close) - period
    if count > 0:
        rise[:count] = (sliding_window_view(day.high[1:], period).max(axis=1) / day.close[:count] - 1.0) * 100.0
        fall[:count] = (sliding_window_view(day.low[1:], period).min(axis=1) / day.close[:count] - 1.0) * 100.0
    return rise, fall


def outcomes(day: Day, period: int, threshold: float) -> Floats:
    """Return the larger move after each row in % of `threshold`, within ±100; a rise where both are equal."""
    rise, fall = moves(day, period)
    return np.clip(np.where(rise >= -fall, rise, fall) / threshold * 100.0, -100.0, 100.0)


# --- kinds of event -------------------------------------------------------------------------------


@cache
def patterns() -> tuple[str, ...]:
    """Return the names of TA-Lib's candle patterns."""
    return tuple(sorted(name for name in dir(talib) if name.startswith("CDL")))


def _pattern_kinds(day: Day, _settings: Mapping[str, float]) -> NDArray[np.bool_]:
    """Return where each pattern shows upward (2k) and downward (2k + 1); shape (kinds, rows)."""
    out = np.zeros((2 * len(patterns()), len(day.close)), dtype=np.bool_)
    for k, name in enumerate(patterns()):
        found = getattr(talib, name)(day.open, day.high, day.low, day.close)
        out[2 * k], out[2 * k + 1] = found > 0, found < 0
    return out


def _sums(values: Floats, count: int) -> Floats:
    """Return the sums of `count` values running, those from each place on, added one by one."""
    length = max(len(values) - count + 1, 0)
    out = np.zeros(length)
    for k in range(count):
        out += values[k : k + length]
    return out


def _spike_kind(day: Day, settings: Mapping[str, float]) -> NDArray[np.int64]:
    """Return twice the multiplier of each row's value over the mean of those before, −1 where it is no spike."""
    rows = int(settings["volume_spike_mean"])
    out = np.full(len(day.value), -1, dtype=np.int64)
    mean = _sums(day.value, rows)[:-1] / rows
    now = day.value[rows:]
    ratio = np.divide(now, mean, out=np.zeros(len(now)), where=mean > 0.0)
    kinds = np.minimum(np.floor(2.0 * ratio + 0.5), SPIKES - 1).astype(np.int64)
    out[rows:] = np.where(ratio >= settings["volume_spike_ratio"], kinds, -1)
    return out


def _volatility_kind(day: Day, settings: Mapping[str, float]) -> NDArray[np.int64]:
    """Return the step of each row's ATR in % of its price, −1 before there is one."""
    rows = int(settings["volatility_atr"])
    out = np.full(len(day.close), -1, dtype=np.int64)
    before, high, low = day.close[:-1], day.high[1:], day.low[1:]
    ranges = np.maximum(high - low, np.maximum(np.abs(high - before), np.abs(low - before)))
    share = _sums(ranges, rows) / rows / day.close[rows:] * 100.0
    out[rows:] = np.minimum(np.floor(share / settings["volatility_step"]), LEVELS - 1).astype(np.int64)
    return out


# --- means of outcomes ----------------------------------------------------------------------------


def _add_kinds(record: Means, kind: NDArray[np.int64], outcome: Floats) -> Means:
    counted = (kind >= 0) & np.isfinite(outcome)
    size = len(record.count)
    total = np.bincount(kind[counted], weights=outcome[counted], minlength=size)
    return Means(record.total + total, record.count + np.bincount(kind[counted], minlength=size))


def _read_kinds(record: Means, kind: NDArray[np.int64], least: float) -> tuple[Floats, Floats]:
    known = (kind >= 0) & (record.count[kind] >= least)
    count = np.where(known, record.count[kind], 1)
    return np.where(known, record.total[kind] / count, 0.0), np.where(known, np.minimum(count / FULL, 1.0), 0.0)


def _add_patterns(record: Means, day: Day, settings: Mapping[str, float]) -> Means:
    kinds, rows = np.nonzero(_pattern_kinds(day, settings))
    outcome = outcomes(day, int(settings["pattern_period"]), settings["pattern_threshold"])
    return _add_kinds(record, kinds, outcome[rows])


def _read_patterns(record: Means, day: Day, settings: Mapping[str, float]) -> tuple[Floats, Floats]:
    shown = _pattern_kinds(day, settings)
    total, count = np.zeros(len(day.close)), np.zeros(len(day.close))
    for kind in np.flatnonzero(record.count >= settings["pattern_samples"]).tolist():
        seen = shown[kind].copy()
        for back in range(1, min(int(settings["pattern_rows"]), len(seen))):
            seen[back:] |= shown[kind][:-back]
        total += np.where(seen, record.total[kind], 0.0)
        count += np.where(seen, record.count[kind], 0)
    return total / np.maximum(count, 1.0), np.minimum(count / FULL, 1.0)


# --- prices ---------------------------------------------------------------------------------------


@cache
def edges(width: float) -> Floats:
    """Return the prices at which bins of `width` % begin."""
    step = np.log1p(width / 100.0)
    out: Floats = np.exp(np.arange(np.floor(np.log(PRICE_LEAST) / step), np.ceil(np.log(PRICE_MOST) / step)) * step)
    return out


def _bins(prices: Floats, settings: Mapping[str, float]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.searchsorted(edges(settings["price_level_width"]), prices, side="right") - 1
    return found


def _add_prices(record: Prices, day: Day, settings: Mapping[str, float]) -> Prices:
    middle = (day.high + day.low + day.close) / 3.0
    traded, here = _bins(middle, settings), _bins(day.close, settings)
    rise, fall = moves(day, int(settings["price_level_period"]))
    comes = np.isfinite(rise)
    comes[1:] &= here[1:] != here[:-1]
    strength = [np.clip(one[comes] / settings["price_level_threshold"], 0.0, 1.0) for one in (rise, -fall)]
    bins = np.unique(np.concatenate((record.bins, traded, here[comes])))
    old, size = np.searchsorted(bins, record.bins), len(bins)
    visited = np.searchsorted(bins, here[comes])

    def joined(before: Floats, places: NDArray[np.int64], weights: Floats | None) -> Floats:
        out = np.bincount(places, weights=weights, minlength=size).astype(np.float64)
        out[old] += before
        return out

    return Prices(
        bins,
        joined(record.volume, np.searchsorted(bins, traded), day.value / middle),
        joined(record.count, visited, None),
        joined(record.up, visited, strength[0]),
        joined(record.down, visited, strength[1]),
    )


def _read_prices(record: Prices, day: Day, settings: Mapping[str, float]) -> tuple[Floats, Floats]:
    rows = len(day.close)
    nodes = np.sort(np.lexsort((record.bins, -record.volume))[: int(settings["price_level_nodes"])])
    if not len(nodes):
        return np.zeros(rows), np.zeros(rows)
    begins = edges(settings["price_level_width"])
    place = np.clip(record.bins[nodes], 0, len(begins) - 2)
    middle = np.sqrt(begins[place] * begins[place + 1])
    far = np.abs(day.close[:, None] / middle[None, :] - 1.0) * 100.0
    nearest = far.argmin(axis=1)
    node = nodes[nearest]
    count = record.count[node]
    known = (far[np.arange(rows), nearest] <= settings["price_level_tolerance"]) & (count >= settings["price_level_samples"])
    score = (record.up[node] - record.down[node]) / np.maximum(count, 1.0) * 100.0
    return np.where(known, score, 0.0), np.where(known, np.minimum(count / FULL, 1.0), 0.0)


# --- what others call -----------------------------------------------------------------------------


def empty(analyser: str) -> Record:
    """Return the record of no day."""
    if analyser == "price_level":
        return Prices(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(4)))
    size = {"pattern": 2 * len(patterns()), "volume_spike": SPIKES, "volatility": LEVELS}[analyser]
    return Means(np.zeros(size), np.zeros(size, np.int64))


def add(analyser: str, record: Any, day: Day, settings: Mapping[str, float]) -> Record:
    """Return the record with a day more; days are added in their order."""
    if not day.is_whole or not len(day.close):
        return record  # type: ignore[no-any-return]
    if analyser == "price_level":
        return _add_prices(record, day, settings)
    if analyser == "pattern":
        return _add_patterns(record, day, settings)
    outcome = outcomes(day, int(settings[f"{analyser}_period"]), settings[f"{analyser}_threshold"])
    return _add_kinds(record, _kind(analyser, day, settings), outcome)


def scores(analyser: str, record: Any, day: Day, settings: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Return score (−100 … 100) and confidence (0 … 1) of each of a day's rows; both 0 where nothing is known."""
    if not day.is_whole or not len(day.close):
        return np.zeros(len(day.close)), np.zeros(len(day.close))
    if analyser == "price_level":
        return _read_prices(record, day, settings)
    if analyser == "pattern":
        return _read_patterns(record, day, settings)
    return _read_kinds(record, _kind(analyser, day, settings), settings[f"{analyser}_samples"])


def train(analyser: str, days: Iterable[Day], settings: Mapping[str, float]) -> Record:
    """Return the record of days, the earliest first."""
    record = empty(analyser)
    for day in days:
        record = add(analyser, record, day, settings)
    return record


def replay(analyser: str, days: Iterable[Day], settings: Mapping[str, float]) -> Iterator[tuple[Floats, Floats]]:
    """Yield the scores of each day by the record of the days before it."""
    record = empty(analyser)
    for day in days:
        yield scores(analyser, record, day, settings)
        record = add(analyser, record, day, settings)


def _kind(analyser: str, day: Day, settings: Mapping[str, float]) -> NDArray[np.int64]:
    return (_spike_kind if analyser == "volume_spike" else _volatility_kind)(day, settings)

"""A run cut to some of its days, and what parameter sets earned on each day.

The trades of a set are made once, over all days; metrics of a part come from the trades that began and ended in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backtester import kernel
from backtester.engine import Engine, Prepared
from backtester.executors import LocalExecutor
from backtester.metrics import Metrics
from domain.intervals import day_unit

TRADES_MAX = 2_000_000
"""Trades kept at once (about 190 MB)."""
SETS_MAX = 64
"""Sets a call, so that a stop is heard between two; look-backs are shared within one."""


def run_days(prepared: Prepared) -> NDArray[np.int64]:
    """Return the run's days as YYYYMMDD, ascending: position k is day k of `daily_profit`."""
    unit = day_unit(prepared.interval_s)
    out = np.zeros(prepared.days, dtype=np.int64)
    if prepared.holds_days:
        out[prepared.row_days] = prepared.row_time // unit
        return out
    out[prepared.block_days] = prepared.row_time[prepared.blocks[:, kernel.BLOCK_LO]] // unit
    return out


def restrict(prepared: Prepared, days: Sequence[int]) -> tuple[Prepared, NDArray[np.int64]]:
    """Return the run cut to `days`, and the new number of each block (−1: left out), of daily bars of each row.

    The rows themselves are shared, not copied.
    """
    place = np.flatnonzero(np.isin(run_days(prepared), np.asarray(days, dtype=np.int64)))
    if prepared.holds_days:
        return _restrict_daily(prepared, place)
    kept = np.isin(prepared.block_days, place)
    blocks = prepared.blocks[kept]
    numbers = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int64)
    cut = replace(
        prepared,
        blocks=blocks,
        symbols=prepared.symbols[kept],
        block_days=np.searchsorted(place, prepared.block_days[kept]),
        rows=int((blocks[:, kernel.BLOCK_HI] - blocks[:, kernel.BLOCK_LO]).sum()),
        days=len(place),
    )
    return cut, numbers


def _restrict_daily(prepared: Prepared, place: NDArray[np.int64]) -> tuple[Prepared, NDArray[np.int64]]:
    """Cut daily bars: each stretch of kept days of a symbol is a session of its own."""
    blocks, symbols = [], []
    numbers = np.full(len(prepared.row_time), -1, dtype=np.int64)
    kept = np.isin(prepared.row_days, place)
    for block, symbol in zip(prepared.blocks.tolist(), prepared.symbols.tolist(), strict=True):
        rows = np.flatnonzero(kept[block[kernel.BLOCK_LO] : block[kernel.BLOCK_HI]]) + block[kernel.BLOCK_LO]
        for stretch in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            if len(stretch):
                numbers[stretch] = len(blocks)
                lo, hi = int(stretch[0]), int(stretch[-1]) + 1
                blocks.append([lo, hi, 0, int(prepared.row_params[lo]), *block[kernel.BLOCK_DECIMALS :]])
                symbols.append(symbol)
    cut = replace(
        prepared,
        blocks=np.array(blocks, dtype=np.int64).reshape(-1, kernel.BLOCK_FIELDS),
        symbols=np.array(symbols, dtype=np.int64),
        block_days=np.searchsorted(place, prepared.row_days[[block[kernel.BLOCK_LO] for block in blocks]]),
        row_days=np.searchsorted(place, prepared.row_days).clip(max=max(len(place) - 1, 0)),
        rows=int(kept.sum()),
        days=len(place),
    )
    return cut, numbers


class Part:
    """Some days of a run with their own metrics.

    Parameters
    ----------
    prepared : Prepared
        The whole run.
    days : sequence of int
        YYYYMMDD; at least one of the run's.
    executor : LocalExecutor

    Attributes
    ----------
    prepared, whole : Prepared, Metrics
        Of these days alone.
    """

    def __init__(self, prepared: Prepared, days: Sequence[int], executor: LocalExecutor) -> None:
        self.days = tuple(days)
        self.prepared, self._numbers = restrict(prepared, days)
        self.whole = Metrics(self.prepared, executor)

    def take(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the trades of these days out of the whole run's, with the blocks' new numbers."""
        if self.prepared.holds_days:  # positions cross days: those count that began and ended in one stretch of the part
            numbers = self._numbers[raw[:, kernel.OUT_ENTRY].astype(np.int64)]
            numbers = np.where(numbers == self._numbers[raw[:, kernel.OUT_EXIT].astype(np.int64)], numbers, -1)
        else:
            numbers = self._numbers[raw[:, kernel.OUT_BLOCK].astype(np.int64)]
        out: NDArray[np.float64] = raw[numbers >= 0].copy()
        out[:, kernel.OUT_BLOCK] = numbers[numbers >= 0]
        return out

    def metrics(self, raw: NDArray[np.float64], sets: int) -> NDArray[np.float64]:
        """Return the metrics of every set on these days from the whole run's trades."""
        return self.whole.of(self.take(raw), sets)


def daily_profit(prepared: Prepared, raw: NDArray[np.float64], sets: int) -> NDArray[np.float64]:
    """Return what each set earned on each day, float64 (sets, days) in the quote currency."""
    day = prepared.exit_days(raw)
    place = raw[:, kernel.OUT_SET].astype(np.int64) * prepared.days + day
    summed = np.bincount(place, weights=raw[:, kernel.OUT_PNL], minlength=sets * prepared.days)
    return summed.reshape(sets, prepared.days)


@dataclass(frozen=True)
class Evaluated:
    """Parameter sets over one run.

    Parameters
    ----------
    metrics : ndarray of float64, shape (sets, len(METRIC_KEYS))
    daily : ndarray of float64, shape (sets, days)
    """

    metrics: NDArray[np.float64]
    daily: NDArray[np.float64]


def evaluate(
    engine: Engine,
    prepared: Prepared,
    metrics: Metrics,
    vectors: NDArray[np.float64],
    trades_each: float,
    told: Callable[[int], None] = lambda done: None,
) -> Evaluated:
    """Evaluate every row of `vectors`: as few engine calls as room for their trades and a prompt stop allow.

    Parameters
    ----------
    trades_each : float
        Trades a set makes, about.
    told : callable
        Hears how many sets are done; may raise to stop.
    """
    values, daily = [], []
    done = 0
    for part in _calls(vectors, trades_each):
        raw = engine.run(prepared, part).raw
        values.append(metrics.of(raw, len(part)))
        daily.append(daily_profit(prepared, raw, len(part)))
        done += len(part)
        told(done)
    return Evaluated(np.concatenate(values), np.concatenate(daily))


def _calls(vectors: NDArray[np.float64], trades_each: float) -> Iterator[NDArray[np.float64]]:
    size = max(min(int(TRADES_MAX / max(trades_each, 1.0)), SETS_MAX), 1)
    for low in range(0, len(vectors), size):
        yield vectors[low : low + size]

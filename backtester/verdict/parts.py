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

TRADES_MAX = 2_000_000
"""Trades kept at once (about 190 MB)."""
SETS_MAX = 64
"""Sets a call, so that a stop is heard between two; look-backs are shared within one."""
_DAY = {1: 1_000_000}
_DAY_OF_MINUTES = 10_000


def run_days(prepared: Prepared) -> NDArray[np.int64]:
    """Return the run's days as YYYYMMDD, ascending: position k is day k of `daily_profit`."""
    unit = _DAY.get(prepared.interval_s, _DAY_OF_MINUTES)
    out = np.zeros(prepared.days, dtype=np.int64)
    out[prepared.blocks[:, kernel.BLOCK_PARAMS]] = prepared.row_time[prepared.blocks[:, kernel.BLOCK_LO]] // unit
    return out


def restrict(prepared: Prepared, days: Sequence[int]) -> tuple[Prepared, NDArray[np.int64]]:
    """Return the run cut to `days`, and the new number of each block (−1: left out).

    The rows themselves are shared, not copied.
    """
    place = np.flatnonzero(np.isin(run_days(prepared), np.asarray(days, dtype=np.int64)))
    of_block = prepared.blocks[:, kernel.BLOCK_PARAMS]
    kept = np.isin(of_block, place)
    blocks = prepared.blocks[kept].copy()
    blocks[:, kernel.BLOCK_PARAMS] = np.searchsorted(place, blocks[:, kernel.BLOCK_PARAMS])
    numbers = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int64)
    cut = replace(
        prepared,
        blocks=blocks,
        symbols=prepared.symbols[kept],
        params=prepared.params[place],
        rows=int((blocks[:, kernel.BLOCK_HI] - blocks[:, kernel.BLOCK_LO]).sum()),
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
        numbers = self._numbers[raw[:, kernel.OUT_BLOCK].astype(np.int64)]
        out: NDArray[np.float64] = raw[numbers >= 0].copy()
        out[:, kernel.OUT_BLOCK] = numbers[numbers >= 0]
        return out

    def metrics(self, raw: NDArray[np.float64], sets: int) -> NDArray[np.float64]:
        """Return the metrics of every set on these days from the whole run's trades."""
        return self.whole.of(self.take(raw), sets)


def daily_profit(prepared: Prepared, raw: NDArray[np.float64], sets: int) -> NDArray[np.float64]:
    """Return what each set earned on each day, float64 (sets, days) in the quote currency."""
    day = prepared.blocks[raw[:, kernel.OUT_BLOCK].astype(np.int64), kernel.BLOCK_PARAMS]
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

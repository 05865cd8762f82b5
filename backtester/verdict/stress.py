"""The same rule where everything costs more: commission doubled, half a second later, a tick worse, and all of it together.

Commission is doubled, not the tax: tax is law. Half a second is as many rows as begin within it, at least one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Prepared, prepare
from backtester.job import Loaded
from backtester.kernel import LATENCY
from backtester.metrics import Metrics
from trading.positions import FEE

FEE_FACTOR = 2.0
DELAY_MS = 500
TICKS = 1
KINDS = ("plain", "fees", "latency", "tick", "all")


def delay_rows(interval_s: int) -> int:
    """Return how many rows a delay of DELAY_MS is at least."""
    return math.ceil(DELAY_MS / 1000.0 / interval_s)


def stressed(loaded: Loaded) -> Iterator[tuple[str, Prepared]]:
    """Yield the run plain and under each stress; the worse book, a copy of the prices, is made once."""
    plain = loaded.prepared
    late = plain.options.latency + delay_rows(plain.interval_s)
    yield "plain", plain
    yield "fees", _dearer(plain)
    yield "latency", _later(plain, late)
    options = replace(plain.options, slippage=plain.options.slippage + TICKS)
    worse = prepare(loaded.rows, loaded.engine.steps.columns, loaded.job.market, options)
    yield "tick", worse
    yield "all", _later(_dearer(worse), late)


def _dearer(prepared: Prepared) -> Prepared:
    params = prepared.params.copy()
    params[:, FEE] *= FEE_FACTOR  # parts per million stay whole, because the factor is
    return replace(prepared, params=params)


def _later(prepared: Prepared, rows: int) -> Prepared:
    vector = prepared.vector.copy()
    vector[LATENCY] = rows
    return replace(prepared, vector=vector, options=replace(prepared.options, latency=rows))


def stress_metrics(loaded: Loaded, vector: NDArray[np.float64], metrics: Metrics) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of one set, plain and under each stress; `metrics` is of the same rows."""
    out = {}
    for kind, prepared in stressed(loaded):
        raw = loaded.engine.run(prepared, vector[None, :]).raw
        out[kind] = metrics.of(raw, 1)[0]
    return out

"""The same rule where everything costs more: commission doubled, half a second later, a tick worse, and all of it together.

Commission is doubled, not the tax: tax is law. Half a second is added to the delay that the run has: its orders are priced on the first row
that begins so much later (delay.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Prepared, prepare
from backtester.job import Loaded
from backtester.kernel import DELAY_MS
from backtester.metrics import Metrics
from trading.positions import FEE

FEE_FACTOR = 2.0
DELAY_ADDED_MS = 500
TICKS = 1
KINDS = ("plain", "fees", "latency", "tick", "all")


def stressed(loaded: Loaded) -> Iterator[tuple[str, Prepared]]:
    """Yield the run plain and under each stress; the worse book, a copy of the prices, is made once."""
    plain = loaded.prepared
    yield "plain", plain
    yield "fees", _dearer(plain)
    yield "latency", _later(plain)
    options = replace(plain.options, slippage=plain.options.slippage + TICKS)
    worse = prepare(loaded.rows, loaded.engine.steps.columns, loaded.job.market, options)
    yield "tick", worse
    yield "all", _later(_dearer(worse))


def _dearer(prepared: Prepared) -> Prepared:
    params = prepared.params.copy()
    params[:, FEE] *= FEE_FACTOR  # parts per million stay whole, because the factor is
    return replace(prepared, params=params)


def _later(prepared: Prepared) -> Prepared:
    late = prepared.options.delay_ms + DELAY_ADDED_MS
    vector = prepared.vector.copy()
    vector[DELAY_MS] = late
    return replace(prepared, vector=vector, options=replace(prepared.options, delay_ms=late))


def stress_metrics(loaded: Loaded, vector: NDArray[np.float64], metrics: Metrics) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of one set, plain and under each stress; `metrics` is of the same rows."""
    out = {}
    for kind, prepared in stressed(loaded):
        raw = loaded.engine.run(prepared, vector[None, :]).raw
        out[kind] = metrics.of(raw, 1)[0]
    return out

"""The same rule where everything costs more: commission doubled, half a second later, a tick worse, and all of it together.

Commission is doubled, not the tax: tax is law. Half a second is as many rows as begin within it, at least one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backtester.engine import Options, Prepared, prepare
from backtester.job import Loaded
from backtester.metrics import Metrics
from trading.positions import FEE

FEE_FACTOR = 2.0
DELAY_MS = 500
TICKS = 1
KINDS = ("plain", "fees", "latency", "tick", "all")


def delay_rows(interval_s: int) -> int:
    """Return how many rows a delay of DELAY_MS is at least."""
    return math.ceil(DELAY_MS / 1000.0 / interval_s)


@dataclass(frozen=True)
class Stress:
    """A kind of stress and the run as it is under it."""

    kind: str
    options: Options
    prepared: Prepared


def stressed(loaded: Loaded) -> Iterator[Stress]:
    """Yield the run plain and under each stress; one at a time, because a worse book is a copy of its prices."""
    options = loaded.prepared.options
    late = options.latency + delay_rows(loaded.prepared.interval_s)
    changed = {
        "plain": options,
        "fees": options,
        "latency": replace(options, latency=late),
        "tick": replace(options, slippage=options.slippage + TICKS),
        "all": replace(options, latency=late, slippage=options.slippage + TICKS),
    }
    for kind in KINDS:
        chosen = changed[kind]
        made = loaded.prepared if chosen is options else prepare(loaded.rows, loaded.engine.steps.columns, loaded.job.market, chosen)
        if kind in ("fees", "all"):
            made = replace(made, params=_dearer(made.params))
        yield Stress(kind, chosen, made)


def _dearer(params: NDArray[np.float64]) -> NDArray[np.float64]:
    out = params.copy()
    out[:, FEE] *= FEE_FACTOR  # parts per million stay whole, because the factor is
    return out


def stress_metrics(loaded: Loaded, vector: NDArray[np.float64], metrics: Metrics) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of one set, plain and under each stress; `metrics` is of the same rows."""
    out = {}
    for one in stressed(loaded):
        raw = loaded.engine.run(one.prepared, vector[None, :]).raw
        out[one.kind] = metrics.of(raw, 1)[0]
    return out

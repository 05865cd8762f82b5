"""Indicators whose settings are variables, in a search: each set gets its own, and what it would get alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backtester import kernel
from backtester.engine import Engine, Options, module_text, prepare, set_abreast, steps_of
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from coin.markets import UPBIT
from strategy import cache
from strategy.program import build
from strategy.series import ABREAST, ON
from tests.research import made_rows

BUY = """
self.indicator['RSI_timeperiod'] = self.vars[1]
self.indicator['MACD_fastperiod'] = 5
self.indicator['MACD_slowperiod'] = self.vars[2]
self.indicator['MACD_signalperiod'] = 4
매수 = RSI < 45 and MACDH > MACDH_N(1)
"""
SELL = "매도 = rsi > 60 or 보유시간 > 20"


def test_a_set_with_indicators_of_its_own_is_the_set_alone(tmp_path: Path) -> None:
    steps = steps_of(build(BUY, SELL, UPBIT, 60))
    rows = made_rows("upbit", 4, symbols=4, days=8, rows=200, interval_s=60)
    executor = LocalExecutor(2)
    engine = Engine(cache.load("engine", module_text(steps), tmp_path, b"k" * 32), steps, executor)
    prepared = prepare(rows, steps.columns, UPBIT, Options(betting=1e6))
    vectors = np.array([[20.0, rsi, slow] for rsi in (0.0, 5.0, 9.0) for slow in (8.0, 13.0)])
    many = engine.run(prepared, vectors)
    counts = []
    for k in range(len(vectors)):
        chosen = many.raw[many.raw[:, 0] == k]
        alone = engine.run(prepared, vectors[k : k + 1])
        assert np.array_equal(round_trips(prepared, chosen), round_trips(prepared, alone.raw))
        counts.append(len(chosen))
    executor.close()
    assert len(set(counts)) > 2
    # Alone, a set's RSI is that of several days walked side by side; the six want different ones.
    sizes = prepared.blocks[:, kernel.BLOCK_HI] - prepared.blocks[:, kernel.BLOCK_LO]
    for chosen, walked in ((vectors[3:4], True), (vectors, False), (vectors[:1], False)):  # an RSI of 0 rows is off
        windows = np.stack([steps.windows(vector) for vector in chosen])
        set_abreast(windows, steps.abreast_places, sizes)
        assert bool(np.any(windows[:, steps.abreast_places[0].start] == ABREAST)) == walked
    lonely = np.stack([steps.windows(vectors[3])])
    set_abreast(lonely, steps.abreast_places, np.append(sizes, sizes.sum() * 10))
    assert lonely[0, steps.abreast_places[0].start] == ON  # one long day keeps all others waiting
    assert min(counts) > 0  # an RSI that is off is 0, which is below 45

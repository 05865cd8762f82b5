"""Order settings that change nothing give the trades of the plain loop: all markets, delays, thin books, one lane or a day together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from domain.order_settings import plain
from stock.markets import KRX
from tests.research import compiled, hand_steps, made_rows

SETS = np.array([[12.0, -3.0, 2.0, 1.0, 90.0, 0.6, 1e9, 1.0], [5.0, -60.0, 1.0, 0.4, 40.0, 0.3, 2.0, 0.0]])


@pytest.fixture(scope="module")
def engines() -> tuple[Engine, Engine]:
    """The plain loop and the order-managed one."""
    executor = LocalExecutor(2)
    return Engine(compiled(hand_steps()), hand_steps(), executor), Engine(compiled(hand_steps(), managed=True), hand_steps(), executor)


@pytest.mark.parametrize("market", [UPBIT, BINANCE, BINANCE_FUTURES, KRX], ids=lambda one: one.code)
@pytest.mark.parametrize("interval_s", [1, 60])
def test_settings_that_change_nothing_change_no_trade(engines: tuple[Engine, Engine], market: Market, interval_s: int) -> None:
    plainly, engine = engines
    total = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        levels = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        options = Options(
            betting=market.backtest_betting,
            entry_levels=levels[0],
            exit_levels=levels[1],
            latency=int(rng.choice([0, 0, 1, 3])),
            slippage=int(rng.choice([0, 0, 2])) if market.ladder_is_dated() else 0,
            fill="last" if rng.random() < 0.2 else "sweep",
            start=90_030,
        )
        rows = made_rows(market.code, seed, symbols=3, days=2, thin=float(rng.choice([0.2, 1.0])), interval_s=interval_s)
        simple = prepare(rows, engine.steps.columns, market, options)
        managed = prepare(rows, engine.steps.columns, market, replace(options, orders=plain(market, *levels)))
        want, got = plainly.run(simple, SETS), engine.run(managed, SETS)
        assert np.array_equal(want.raw, got.raw)
        assert want.errors == got.errors
        assert managed.managed is not None
        together = replace(managed, managed=replace(managed.managed, by_day=True))
        again = engine.run(together, SETS)
        for one in (0.0, 1.0):
            assert np.array_equal(
                round_trips(simple, want.raw[want.raw[:, 0] == one]), round_trips(together, again.raw[again.raw[:, 0] == one])
            )
        total += len(want.raw)
    assert total > 100

"""Delays in time and fills in parts: a batch is its sets one by one, threads and later rows change nothing, two loops agree."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from backtester import kernel
from backtester.delay import due_row
from backtester.engine import Engine, Prepared, prepare
from backtester.executors import LocalExecutor
from backtester.options import Options
from coin.markets import UPBIT
from domain.errors import InputError
from domain.order_settings import Entry, Exit, OrderSettings, plain
from tests.research import MadeRows, compiled, hand_steps, made_rows

SETS = np.array(
    [
        [5.0, -5.0, -20.0, 0.4, 30.0, 0.4, 1e9, 0.0],
        [3.0, -5.0, -20.0, 1.5, 60.0, 9.0, 1e9, 0.0],
        [5.0, -1e9, -1e9, 1e9, 15.0, 1e9, 1e9, 0.0],
    ]
)
SPLIT = OrderSettings(entry=Entry(splits=3), exit=Exit(splits=2, stop_rate=True, stop_rate_pct=0.6))
CASES = {
    "late": {"delay_ms": 500},
    "rows and time": {"latency": 1, "delay_ms": 2_500},
    "late, managed": {"delay_ms": 2_500, "orders": SPLIT},
    "parts": {"fill": "partial", "level_share": 0.1, "orders": plain(UPBIT)},
    "parts of steps, late": {"fill": "partial", "level_share": 0.3, "delay_ms": 500, "orders": SPLIT},
}


@cache
def engine(workers: int) -> Engine:
    return Engine(compiled(hand_steps(), managed=True), hand_steps(), LocalExecutor(workers))


@cache
def rows() -> MadeRows:
    return made_rows("upbit", 77, symbols=3, days=2, rows=200, thin=0.5)


def prepared(name: str, of: MadeRows | None = None) -> Prepared:
    return prepare(of or rows(), hand_steps().columns, UPBIT, Options(betting=2e7, **CASES[name]))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_a_batch_is_its_sets_one_by_one_on_one_thread_or_two(name: str) -> None:
    batch = engine(1).run(prepared(name), SETS).raw
    assert np.array_equal(engine(2).run(prepared(name), SETS).raw, batch)
    assert len(np.unique(batch[:, kernel.OUT_SET])) == len(SETS)
    for k in range(len(SETS)):
        alone = engine(1).run(prepared(name), SETS[k : k + 1]).raw
        assert len(alone) > 5
        assert np.array_equal(alone[:, 1:], batch[batch[:, kernel.OUT_SET] == k][:, 1:])


@pytest.mark.parametrize("name", CASES)
def test_rows_to_come_change_no_trade_that_is_over(name: str) -> None:
    data = rows()
    past = np.concatenate([np.arange(lo, hi) < lo + 120 for _, _, lo, hi in data.blocks.tolist()])
    columns = {key: np.where(past, column, column * 1.7 + 1.0) for key, column in data.columns.items()}
    after = prepared(name, replace(data, columns=columns | {"in_universe": data.columns["in_universe"]}))
    raws = [engine(1).run(one, SETS).raw for one in (prepared(name), after)]
    over = [raw[past[raw[:, kernel.OUT_EXIT].astype(int)]] for raw in raws]
    assert len(over[0]) > 10
    assert np.array_equal(*over)
    assert len(raws[0]) != len(raws[1]) or not np.array_equal(*raws)


def test_an_order_is_priced_on_the_first_row_that_begins_late_enough() -> None:
    times = np.array([90_000, 90_001, 90_004, 90_005, 90_105], dtype=np.int64) + 20_260_105_000_000
    for delay_ms, want in ((0, 0), (1, 1), (500, 1), (1_000, 1), (1_001, 2), (5_000, 3), (5_001, 4)):
        assert due_row(times, 0, 5, 0, delay_ms, 1) == want
    assert due_row(times, 0, 5, 1, 500, 1) == 2
    assert due_row(times, 3, 5, 0, 60_000, 1) == 4
    assert due_row(times, 3, 5, 0, 60_001, 1) >= 5  # past the day's end
    assert due_row(times, 3, 5, 2, 500, 1) >= 5
    minutes = np.array([900, 901, 905], dtype=np.int64) + 202_601_050_000
    assert [due_row(minutes, 0, 3, 0, ms, 60) for ms in (500, 60_000, 60_001, 300_000)] == [1, 1, 2, 2]


def test_the_plain_loop_and_the_managed_one_agree_on_a_delay() -> None:
    for delay_ms in (500, 3_000, 45_000):
        raws = [
            engine(1).run(prepare(rows(), hand_steps().columns, UPBIT, Options(betting=1e6, delay_ms=delay_ms, orders=orders)), SETS).raw
            for orders in (None, plain(UPBIT))
        ]
        assert np.array_equal(*raws)
    late = engine(1).run(prepare(rows(), hand_steps().columns, UPBIT, Options(betting=1e6, latency=1)), SETS).raw
    half = engine(1).run(prepare(rows(), hand_steps().columns, UPBIT, Options(betting=1e6, delay_ms=500)), SETS).raw
    assert np.array_equal(late, half)  # half a second of one-second rows is the next row


def test_all_of_a_deep_book_is_the_sweep_and_a_small_share_leaves_late() -> None:
    deep = made_rows("upbit", 5, symbols=2, days=1, rows=200, thin=100.0)

    def run(**more: object) -> np.ndarray:
        options = Options(betting=1e6, orders=plain(UPBIT), **more)  # type: ignore[arg-type]
        return engine(1).run(prepare(deep, hand_steps().columns, UPBIT, options), SETS[:1]).raw

    sweep, whole, small = run(), run(fill="partial", level_share=1.0), run(fill="partial", level_share=0.0005)
    held = [np.mean(raw[:, kernel.OUT_EXIT] - raw[:, kernel.OUT_ENTRY]) for raw in (sweep, small)]
    assert np.array_equal(sweep, whole)
    assert small[:, kernel.OUT_UNITS].mean() < sweep[:, kernel.OUT_UNITS].mean()
    assert held[1] > held[0]


def test_what_does_not_go_together_is_refused() -> None:
    for more, code in (
        ({"level_share": 0.5}, "backtest.level_share_without"),
        ({"fill": "partial"}, "backtest.level_share"),
        ({"fill": "partial", "level_share": 1.1}, "backtest.level_share"),
        ({"delay_ms": -1}, "backtest.delay"),
    ):
        with pytest.raises(InputError) as caught:
            Options(betting=1.0, **more)  # type: ignore[arg-type]
        assert caught.value.code == code

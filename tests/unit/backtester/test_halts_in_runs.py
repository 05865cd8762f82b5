"""Auctions, VI and price limits of KRX in the order-managed loop: which rows fill, and at what prices limits rest."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from backtester import kernel
from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.far import near
from coin.markets import UPBIT
from domain.errors import InputError
from domain.order_settings import OrderSettings, plain
from stock.markets import KRX
from tests.research import MadeRows, compiled, hand_steps, made_rows

SET = np.array([[5.0, -1e9, -1e9, 1e9, 15.0, 1e9, 1e9, 0.0]])
"""Enter whenever flat, leave after fifteen seconds."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(compiled(hand_steps(), managed=True), hand_steps(), LocalExecutor(1))


def rows_of(seed: int) -> MadeRows:
    """Return two days of a stock with deep books, a VI from 09:05:10 released at 09:06:40, and empty fifth levels for a while."""
    rows = made_rows("krx", seed, symbols=1, days=2, rows=400)
    rows.row_time.flags.writeable = False  # as mapped rows are, for which the loop is compiled
    count, c = len(rows.row_time), dict(rows.columns)
    last = np.full(count, 10_000.0)
    c |= {"last_price": last, "change_pct": np.zeros(count), "in_universe": np.ones(count)}
    for level in range(1, 6):
        for side, sign in (("ask", 1), ("bid", -1)):
            c[f"{side}{level}"], c[f"{side}_size{level}"] = last + sign * level * 10.0, np.full(count, 1e6)
    clock = rows.row_time % 1_000_000
    day = rows.row_time // 1_000_000 * 1_000_000
    c["vi_release_time"] = (day + np.where(clock < 90_510, 85_900, np.where(clock < 90_640, 90_515, 90_640))).astype(float)
    empty = (clock >= 91_000) & (clock < 91_100)
    c["ask_size5"], c["bid_size5"] = np.where(empty, 0.0, 1e6), np.where(empty, 0.0, 1e6)
    return replace(rows, columns=c)


def run(engine: Engine, rows: MadeRows, halts: bool, orders: OrderSettings | None = None, latency: int = 0) -> np.ndarray:
    options = Options(betting=1e6, orders=orders or plain(KRX), halts=halts, latency=latency)
    return engine.run(prepare(rows, engine.steps.columns, KRX, options), SET).raw


def clocks(rows: MadeRows, raw: np.ndarray, field: int) -> np.ndarray:
    return rows.row_time[raw[:, field].astype(int)] % 1_000_000


def is_halted(clock: np.ndarray) -> np.ndarray:
    return (clock >= 90_510) & (clock < 90_640) | (clock >= 91_000) & (clock < 91_100)


@pytest.mark.parametrize("latency", [0, 2])
def test_nothing_fills_while_nothing_trades(engine: Engine, latency: int) -> None:
    rows = rows_of(1)
    free, halting = run(engine, rows, False, latency=latency), run(engine, rows, True, latency=latency)
    ends = np.append(rows.blocks["hi"] - 1, -1)
    for raw, some in ((free, True), (halting, False)):
        entries = is_halted(clocks(rows, raw, kernel.OUT_ENTRY))
        exits = is_halted(clocks(rows, raw, kernel.OUT_EXIT)) & ~np.isin(raw[:, kernel.OUT_EXIT], ends)
        assert bool(entries.any() or exits.any()) == some
    if latency == 0:  # who was in stays in until the first row after the VI; an order on its way is lost
        second = clocks(rows, halting, kernel.OUT_ENTRY), clocks(rows, halting, kernel.OUT_EXIT)
        assert ((second[0] < 90_510) & (second[1] >= 90_640)).any()


def test_without_any_halt_nothing_changes(engine: Engine) -> None:
    rows = rows_of(2)
    calm = replace(rows, columns=rows.columns | {"vi_release_time": np.zeros(len(rows.row_time)), "ask_size5": rows.columns["ask_size4"]})
    assert np.array_equal(run(engine, calm, True), run(engine, calm, False))


def test_limit_orders_stay_within_the_days_limits(engine: Engine) -> None:
    rows = rows_of(3)
    c = dict(rows.columns)
    last = c["last_price"] * 0 + 13_000.0  # of a close of 10,000: the upper limit
    c |= {"last_price": last, "change_pct": last * 0 + 30.0}
    for level in range(1, 6):
        c[f"ask{level}"], c[f"bid{level}"] = last + level * 10.0, last - level * 10.0
    c["vi_release_time"] = last * 0
    made = plain(KRX)
    ticks = msgspec.structs.replace(made.exit, order="limit", limit_ticks=3)
    orders = msgspec.structs.replace(made, exit=ticks)
    # The made asks lie above the limit: a purchase at the market cannot be filled there, and is with halts off.
    assert len(run(engine, replace(rows, columns=c), False, orders)) > 0
    assert len(run(engine, replace(rows, columns=c), True, orders)) == 0
    for level in range(1, 6):
        c[f"ask{level}"] = last - (level - 1) * 10.0
    up = np.arange(len(last)) % 20 > 10
    c["last_price"] = np.where(up, 13_010.0, 12_990.0)
    c["change_pct"] = np.where(up, 30.1, 29.9)
    traded = run(engine, replace(rows, columns=c), True, orders)
    prices = traded[:, kernel.OUT_EXIT_RAW] / (traded[:, kernel.OUT_UNITS] / 1e8)
    waited = ~np.isin(traded[:, kernel.OUT_EXIT], rows.blocks["hi"] - 1)
    assert waited.sum() > 5
    assert set(np.round(prices[waited], 2)) == {13_000.0}


def test_windows_of_rows_find_the_same_halts(engine: Engine) -> None:
    rows = rows_of(4)
    options = Options(betting=1e6, orders=plain(KRX), halts=True)
    whole = prepare(rows, engine.steps.columns, KRX, options)
    assert whole.managed is not None
    for block, (lo, hi) in enumerate(whole.blocks[:, :2].tolist()):
        part, begin = near(prepare(replace(rows, window_rows=100), engine.steps.columns, KRX, options), block, block + 1)
        assert part.managed is not None
        assert begin == lo
        assert np.array_equal(part.managed.halts[0], whole.managed.halts[0][lo:hi])
        assert np.array_equal(part.managed.halts[1], whole.managed.halts[1][block : block + 1])
        assert whole.managed.halts[0][lo:hi].any()
        assert whole.managed.halts[1][block].tolist() == [7_000.0, 13_000.0]


def test_a_market_that_never_halts_refuses() -> None:
    with pytest.raises(InputError) as caught:
        prepare(made_rows("upbit", 1), (), UPBIT, Options(betting=1e6, orders=plain(UPBIT), halts=True))
    assert caught.value.code == "halts.none"

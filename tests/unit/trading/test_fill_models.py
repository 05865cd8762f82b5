"""The fill models against hand-made cases: queue, partial fills, slippage, halts of a stock exchange."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stock.markets import KRX
from trading.fills import halts, partial, queue, slippage
from trading.ladder import ladder_table

ONE = 100_000_000
BIDS = np.array([100.0, 99.0, 98.0, 97.0, 96.0])
SIZES = np.array([10.0, 20.0, 30.0, 40.0, 50.0])


def rest(price: float, qty: float, side: int = 1, prices: np.ndarray = BIDS, sizes: np.ndarray = SIZES) -> np.ndarray:
    state = np.zeros(queue.STATE, dtype=np.int64)
    queue.place(state, prices, sizes, side, price, round(qty * ONE))
    return state


def next_row(
    state: np.ndarray, sizes: np.ndarray, last: float, sold: float, price: float, prices: np.ndarray = BIDS, before: np.ndarray = SIZES,
    share: float = 1.0,
) -> float:  # fmt: skip
    return queue.on_row(state, BIDS, before, prices, sizes, 1, price, last, sold, share) / ONE


def test_a_limit_order_stands_behind_what_is_shown() -> None:
    assert rest(100.0, 5)[queue.AHEAD] == 10 * ONE
    assert rest(100.5, 5)[queue.AHEAD] == 0  # inside the spread
    assert rest(97.5, 5)[queue.AHEAD] == 0  # an empty price between levels
    assert rest(90.0, 5)[queue.AHEAD] == queue.UNKNOWN


def test_trades_eat_the_queue_before_they_fill_us() -> None:
    state = rest(100.0, 5)
    after = SIZES.copy()
    after[0] = 2.0
    assert next_row(state, after, 100.0, 8.0, 100.0) == 0.0
    assert state[queue.AHEAD] == 2 * ONE
    assert next_row(state, SIZES, 100.0, 4.0, 100.0, before=after) == 2.0  # a part; the rest waits on
    assert state[queue.LEFT] == 3 * ONE
    assert next_row(state, SIZES, 100.0, 100.0, 100.0) == 3.0
    assert next_row(state, SIZES, 99.0, 100.0, 100.0) == 0.0  # nothing is left


def test_a_price_through_ours_fills_the_rest_and_a_touch_does_not() -> None:
    assert next_row(rest(100.0, 5), SIZES, 100.0, 0.0, 100.0) == 0.0
    assert next_row(rest(100.0, 5), SIZES, 99.0, 0.0, 100.0) == 5.0


def test_what_traded_met_better_levels_first() -> None:
    state = rest(99.0, 5)
    assert next_row(state, SIZES, 99.0, 10.0, 99.0) == 0.0  # all of it fits in the ten at 100
    assert state[queue.AHEAD] == 20 * ONE
    assert next_row(state, SIZES, 99.0, 32.0, 99.0) == 2.0


@pytest.mark.parametrize(("share", "ahead"), [(1.0, 5.0), (0.5, 7.5), (0.0, 8.0)])
def test_cancels_shrink_what_stands_before_us_in_the_stated_proportion(share: float, ahead: float) -> None:
    state = rest(100.0, 5)
    grown, shrunk = SIZES.copy(), SIZES.copy()
    grown[0], shrunk[0] = 16.0, 8.0
    next_row(state, grown, 101.0, 0.0, 100.0, share=share)
    assert state[queue.AHEAD] == 10 * ONE  # growth stands behind us
    next_row(state, shrunk, 101.0, 0.0, 100.0, before=grown, share=share)
    assert state[queue.AHEAD] == round(ahead * ONE)  # never more than the level shows


def test_an_unknown_queue_is_taken_as_it_is_first_seen() -> None:
    state = rest(90.0, 5)
    near = BIDS - 8.0
    assert next_row(state, SIZES, 93.0, 1e6, 90.0, prices=near) == 0.0
    assert state[queue.AHEAD] == 30 * ONE


def test_a_sale_mirrors_a_purchase() -> None:
    asks = np.array([101.0, 102.0, 103.0, 104.0, 105.0])
    state = rest(101.0, 5, -1, asks)
    assert queue.on_row(state, asks, SIZES, asks, SIZES, -1, 101.0, 101.0, 12.0, 1.0) == 2 * ONE
    assert queue.on_row(state, asks, SIZES, asks, SIZES, -1, 101.0, 102.0, 0.0, 1.0) == 3 * ONE


def test_partial_fills_stop_at_the_limit_the_share_and_the_step() -> None:
    prices, sizes, room = np.array([101.0, 102.0]), np.array([10 * ONE, 10 * ONE]), np.zeros(5, dtype=np.int64)
    assert partial.take(prices, sizes, 2, 15 * ONE, 1, 0.0, 1.0, 1, room) == (15 * ONE, 101.0 * 10 + 102.0 * 5)
    assert partial.take(prices, sizes, 2, 15 * ONE, 1, 101.0, 1.0, 1, room) == (10 * ONE, 1010.0)
    assert partial.take(prices, sizes, 1, 15 * ONE, 1, 0.0, 0.25, 2 * ONE, room) == (2 * ONE, 202.0)
    assert partial.take(prices[::-1].copy(), sizes, 2, 15 * ONE, -1, 102.0, 1.0, 1, room) == (10 * ONE, 1020.0)


def test_slippage_models() -> None:
    assert slippage.fixed(5.0) == 0.0005
    assert slippage.spread(101.0, 99.0, 0.5) == 0.01
    assert slippage.spread(0.0, 99.0, 0.5) == slippage.spread(99.0, 101.0, 0.5) == 0.0
    assert slippage.impact(1.0, 0.02, 1e6, 1e8) == pytest.approx(0.002, rel=1e-15)
    assert slippage.impact(1.0, 0.02, 1e6, 0.0) == 0.0
    table = np.array([[15e9, 0.0020], [30e9, 0.0012]])
    assert [slippage.tier(table, value) for value in (0.0, 15e9, 29e9, 30e9)] == [0.0020, 0.0020, 0.0020, 0.0012]


def test_auctions_and_price_limits_of_a_stock_exchange() -> None:
    auctions = np.array(KRX.auctions)
    at = [8 * 3600 + 1799, 8 * 3600 + 1800, 9 * 3600 - 1, 9 * 3600, 15 * 3600 + 1200, 15 * 3600 + 1800]
    assert [halts.in_auction(second, auctions) for second in at] == [False, True, True, False, True, False]
    table, day = ladder_table(KRX), 20240105
    assert halts.price_limits(10_000.0, KRX.limit_ppm(day), table, day) == (7_000.0, 13_000.0)
    assert halts.price_limits(9_990.0, KRX.limit_ppm(day), table, day) == (7_000.0, 12_980.0)  # 6,993 up, 12,987 down to tens
    assert halts.price_limits(10_000.0, KRX.limit_ppm(20100105), table, 20100105) == (8_500.0, 11_500.0)
    assert halts.price_limits(10_000.0, 0, table, day) == (0.0, math.inf)
    low, high = halts.price_limits(10_000.0, 300_000, table, day)
    assert [halts.may_rest(price, low, high) for price in (6_990.0, 7_000.0, 13_000.0, 13_010.0)] == [False, True, True, False]


def test_the_previous_close_comes_back_from_price_and_change() -> None:
    table, day = ladder_table(KRX), 20240105
    for close in (1_003.0, 1_995.0, 2_005.0, 19_990.0, 49_950.0, 199_900.0, 498_500.0, 1_234_000.0):
        for change in (-29.37, -3.21, 0.0, 4.44, 29.9):
            last = round(close * (1 + change / 100))
            said = round((last / close - 1) * 100, 2)
            assert halts.previous_close(float(last), said, table, day) == close


def test_a_vi_lasts_until_its_release_and_two_minutes_at_most() -> None:
    state = np.zeros(halts.VI_STATE, dtype=np.int64)
    nine = 9 * 3600

    def on(second: int, release: int) -> bool:
        return halts.vi_is_on(state, nine + second, release, 120)

    assert not on(0, 20240105080000)  # the day's first value is no event
    assert not on(9, 20240105080000)
    assert on(10, 20240105090015)
    assert on(100, 20240105090015)
    assert not on(110, 20240105090155)  # released before its time
    assert not on(150, 20240105090155)
    assert on(200, 20240105090325)
    assert on(319, 20240105090325)
    assert not on(320, 20240105090325)  # two minutes are over, whatever the broker says later
    assert not halts.vi_is_on(np.zeros(halts.VI_STATE, dtype=np.int64), nine, 20240105090015, 0)

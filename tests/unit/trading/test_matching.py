"""Sweep, forced pricing and rounding, against hand-made cases and a slow counter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.matching import average_price, forced_amount, sweep
from trading.numbers import day_seconds, round_to, row_seconds, to_units

ONE = 100_000_000


def book(*levels: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p for p, _ in levels]), np.array([to_units(q) for _, q in levels], dtype=np.int64)


def test_sweep_takes_level_by_level() -> None:
    prices, sizes = book((101.0, 10), (102.0, 90))
    assert sweep(prices, sizes, 3, 100 * ONE) == (100 * ONE, 10190.0, 2)


def test_sweep_stops_at_the_allowed_levels() -> None:
    prices, sizes = book((101.0, 10), (102.0, 90))
    assert sweep(prices, sizes, 1, 100 * ONE) == (10 * ONE, 1010.0, 1)


def test_empty_levels_are_skipped_but_counted() -> None:
    prices, sizes = book((0.0, 5), (101.0, 0), (102.0, 5))
    assert sweep(prices, sizes, 2, ONE) == (0, 0.0, 0)
    assert sweep(prices, sizes, 3, ONE) == (ONE, 102.0, 3)


def test_no_dust_is_left_over() -> None:
    prices, sizes = book((1.0, 0.1), (1.0, 0.2))
    assert sweep(prices, sizes, 2, to_units(0.3))[0] == to_units(0.3)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**10)), min_size=5, max_size=5),
    st.integers(1, 5),
    st.integers(1, 10**11),
)
@settings(max_examples=200, deadline=None)
def test_sweep_never_takes_more_than_there_is(levels: list[tuple[int, int]], allowed: int, qty: int) -> None:
    prices = np.array([float(p) for p, _ in levels])
    sizes = np.array([q for _, q in levels], dtype=np.int64)
    filled, amount, used = sweep(prices, sizes, allowed, qty)
    there = sum(q for p, q in levels[:allowed] if p)
    assert filled == min(qty, there)
    left, exact = filled, Fraction(0)
    for p, q in levels[:allowed]:
        part = min(q, left) if p else 0
        exact += Fraction(p) * part / ONE
        left -= part
    assert amount == pytest.approx(float(exact), rel=1e-12)
    assert (used == 0) == (filled == 0)


def test_forced_sale_prices_the_whole_by_what_filled() -> None:
    assert forced_amount(40, 4.0, 100, 9.0) == 10.0
    assert forced_amount(100, 4.0, 100, 9.0) == 4.0
    assert forced_amount(0, 0.0, 2 * ONE, 9.0) == 18.0


@pytest.mark.parametrize(
    ("x", "d", "want"), [(0.5, 0, 0.0), (1.5, 0, 2.0), (2.675, 2, 2.68), (-0.5, 0, 0.0), (1.005, 2, 1.0), (123.456789, 8, 123.456789)]
)
def test_round_ties_to_even_in_binary(x: float, d: int, want: float) -> None:
    assert round_to(x, d) == want == float(np.rint(x * 10**d) / 10**d)


def test_average_price_uses_the_unrounded_amount() -> None:
    assert average_price(10.0, 3 * ONE, 8) == 3.33333333
    assert average_price(10.0, 3 * ONE, 2) == 3.33
    assert average_price(0.0, 0, 8) == 0.0


def test_row_times_become_seconds() -> None:
    assert row_seconds(20260105000001, 1) - row_seconds(20260104235959, 1) == 2
    assert row_seconds(202403010000, 60) - row_seconds(202402282359, 60) == 86_400 + 60
    assert row_seconds(19700101000000, 1) == 0
    assert day_seconds(20260105010203, 1) == 3723
    assert day_seconds(202601050102, 60) == 3720

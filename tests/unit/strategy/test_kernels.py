"""The exact means of the step, against fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strategy.interpreter import clock_seconds as plain_seconds
from strategy.kernels import clock_seconds, ratio, whole_mean

WIDE = st.integers(-(2**62), 2**62)
DIVISOR = st.integers(1, 86_400 * 10**8)


@settings(max_examples=3000, deadline=None)
@given(total=WIDE, divisor=DIVISOR)
@example(total=2**53 + 1, divisor=1)
@example(total=2**62 - 1, divisor=3)
@example(total=(2**53 + 1) * 3, divisor=3)
@example(total=16_234_500_000_000_000 * 7, divisor=7 * 10**8)
def test_a_ratio_is_the_nearest_float(total: int, divisor: int) -> None:
    assert ratio(total, divisor) == float(Fraction(total, divisor))


@settings(max_examples=1000, deadline=None)
@given(quotient=st.integers(2**53, 2**61), shift=st.integers(1, 5), divisor=st.integers(1, 1000))
def test_a_ratio_on_a_rounding_tie_goes_to_even(quotient: int, shift: int, divisor: int) -> None:
    half = (quotient >> shift << shift) + (1 << (shift - 1))
    total = half * divisor
    if total < 2**63:
        assert ratio(total, divisor) == float(Fraction(total, divisor))


@settings(max_examples=500, deadline=None)
@given(total=WIDE, divisor=DIVISOR)
def test_a_whole_mean_is_truncated(total: int, divisor: int) -> None:
    assert whole_mean(total, divisor) == float(int(Fraction(total, divisor)))


@settings(max_examples=500, deadline=None)
@given(st.integers(1, 9999), st.integers(0, 13), st.integers(0, 32), st.integers(0, 24), st.integers(0, 60), st.integers(0, 60))
def test_clocks_agree_with_datetime_and_give_0_for_what_is_no_time(y: int, mo: int, d: int, h: int, mi: int, s: int) -> None:
    number = ((((y * 100 + mo) * 100 + d) * 100 + h) * 100 + mi) * 100 + s
    assert clock_seconds(float(number), 14) == plain_seconds(number, 14)
    assert clock_seconds(float(number // 100), 12) == plain_seconds(number // 100, 12)


def test_the_dtype_of_a_ratio_is_float64() -> None:
    assert isinstance(ratio(np.int64(1), np.int64(3)), float)

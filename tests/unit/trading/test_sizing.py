"""Quantities (strategy-language 10.5)."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from trading.sizing import quantity


def test_krx_buys_whole_shares() -> None:
    assert quantity(1_000_000.0, 33_333.0, 0) == 30 * 10**8


def test_upbit_keeps_eight_decimals() -> None:
    assert quantity(1_000_000.0, 3.0, 8) == 33_333_333_333_333


def test_binance_uses_the_decimals_of_its_step() -> None:
    assert quantity(1_000.0, 61_234.56, 5) == 1_633_000


def test_nothing_to_buy_is_zero() -> None:
    assert quantity(100.0, 1000.0, 0) == 0
    assert quantity(100.0, 0.0, 8) == 0
    assert quantity(0.0, 10.0, 8) == 0
    assert quantity(1e18, 1e-8, 8) == 0


@given(st.floats(1, 1e9), st.floats(1e-4, 1e8), st.sampled_from([0, 3, 5, 8]))
@settings(max_examples=200, deadline=None)
def test_quantity_is_the_formula_in_float64(betting: float, price: float, decimals: int) -> None:
    steps = math.floor(betting / price * 10.0**decimals)
    assert quantity(betting, price, decimals) == (steps * 10 ** (8 - decimals) if steps < 9.0e18 / 10.0 ** (8 - decimals) else 0)

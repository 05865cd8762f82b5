"""Leverage, maintenance, liquidation and funding, against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trading import margin

TIERS = np.array([[0.0, 0.004], [50_000.0, 0.005], [250_000.0, 0.01]])


def test_leverage_is_fixed_or_by_the_days_range() -> None:
    ranges = np.array(margin.DEFAULT_RANGES, dtype=np.float64)
    assert [margin.leverage_at(ranges, 9.0, value) for value in (0.0, 4.99, 5.0, 12.0, 25.0, 99.0, 100.0)] == [1, 1, 2, 3, 4, 5, 1]
    assert margin.leverage_at(np.zeros((0, 3)), 9.0, 50.0) == 9.0


def test_maintenance_takes_each_tiers_rate_on_its_part() -> None:
    assert margin.maintenance(TIERS, 50_000.0) == 200.0
    assert margin.maintenance(TIERS, 60_000.0) == 250.0
    assert margin.maintenance(TIERS, 350_000.0) == 200.0 + 1_000.0 + 1_000.0


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("qty", "leverage"), [(1.0, 10), (10.0, 20), (100.0, 5), (40.0, 125)])
def test_at_the_liquidation_price_margin_and_loss_leave_the_maintenance(sign: int, qty: float, leverage: int) -> None:
    entry = 3_000.0
    put_in = entry * qty / leverage
    price = margin.liquidation_price(entry, qty, sign, put_in, TIERS)
    assert sign * price < sign * entry
    assert put_in + sign * (price - entry) * qty == pytest.approx(margin.maintenance(TIERS, price * qty), abs=1e-6)


def test_a_long_without_leverage_is_never_liquidated() -> None:
    assert margin.liquidation_price(100.0, 1.0, 1, 100.0, TIERS) == 0.0


def test_the_guard_acts_below_minus_ninety_percent_of_the_margin() -> None:
    assert margin.is_liquidated(-18.01, 5.0)
    assert not margin.is_liquidated(-18.0, 5.0)
    assert not margin.is_liquidated(-89.9, 1.0)


def test_funding_is_paid_by_who_holds_at_the_hour() -> None:
    times, rates = np.array([20240105000000, 20240105080000, 20240105160000]), np.array([0.0001, -0.0002, 0.0003])
    assert margin.funding(times, rates, 20240105000000, 20240105075959, 1, 1e6) == 0.0
    assert margin.funding(times, rates, 20240105000000, 20240105080000, 1, 1e6) == -200.0
    assert margin.funding(times, rates, 20240104235959, 20240105160000, -1, 1e6) == pytest.approx(-200.0)

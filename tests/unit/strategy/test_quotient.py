"""A quotient without a division is the division's, bit for bit, for what sums and counts can be."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from strategy.quotient import quotient


@njit
def differing(dividends, divisor):  # type: ignore[no-untyped-def]
    """Return the place of the first quotient that is not the division's, −1 for none."""
    reciprocal = 1.0 / divisor
    for k in range(len(dividends)):
        if quotient(dividends[k], divisor, reciprocal) != dividends[k] / divisor:
            return k
    return -1


@pytest.mark.parametrize("divisor", [1.0, 3.0, 10.0, 30.0, 49.0, 1e3, 3e3, 7e4, 1.2e6, 60e8, 2.0**40 + 1, 999_999_999_999.0])
@pytest.mark.parametrize("size", [100, 10**9, 2**53])
def test_quotients_are_those_of_a_division(divisor: float, size: int) -> None:
    rng = np.random.default_rng(int(divisor) % 1000 + size % 1000)
    dividends = np.concatenate([rng.integers(-size, size, 100_000), np.arange(-50, 51) * int(divisor), [size, -size, 0]]).astype(np.float64)
    assert differing(dividends, divisor) == -1

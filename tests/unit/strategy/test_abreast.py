"""Series of several days at once: the numbers of each day walked by itself, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from strategy.abreast import LANES, make_tile, rsi_abreast, take_lane
from strategy.oscillators import fill_rsi


def prices(seed: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(1000.0 + np.cumsum(rng.normal(size=rows)), rng.integers(0, 4))


ODD = {
    "walk": lambda x: x,
    "flat": lambda x: x * 0.0 + 7.0,
    "flat after a while": lambda x: np.where(np.arange(len(x)) < 40, x, x[40 % len(x)]),
    "a hole": lambda x: np.where(np.arange(len(x)) == len(x) // 2, np.nan, x),
    "endless": lambda x: np.where(np.arange(len(x)) == 3, np.inf, x),
    "begins with a hole": lambda x: np.where(np.arange(len(x)) == 0, np.nan, x),
    "tiny": lambda x: x * 1e-300,
    "far": lambda x: x * 1e290,
}


@pytest.mark.parametrize("n", [2, 14, 63, 64, 200])
@pytest.mark.parametrize("count", [1, LANES - 1, LANES, 2 * LANES + 3])
def test_days_abreast_are_days_alone(n: int, count: int) -> None:
    rng = np.random.default_rng(n * 100 + count)
    sizes = rng.choice([1, 2, 13, 14, 15, 63, 64, 65, 128, 400], count)
    days = [list(ODD.values())[k % len(ODD)](prices(k, int(rows))) for k, rows in enumerate(sizes)]
    ends = np.cumsum(sizes)
    blocks = np.stack([ends - sizes, ends], axis=1).astype(np.int64)
    column, params = np.concatenate(days), np.array([float(n)])
    side, tile = np.full((LANES + 1, int(sizes.max())), -1.0), make_tile()
    for b0 in range(0, count, LANES):
        rsi_abreast(column, blocks, b0, side, 1, tile, params)
        for lane, day in enumerate(days[b0 : b0 + LANES]):
            rows, taken = np.zeros((3, len(day))), np.zeros((2, len(day)))
            with np.errstate(all="ignore"):
                fill_rsi(day, rows, 0, params, 0, 0, len(day))
            take_lane(side, 1 + lane, taken, 1, 0, len(day))
            np.testing.assert_array_equal(taken[1], rows[0])
    assert np.all(side[0] == -1.0)

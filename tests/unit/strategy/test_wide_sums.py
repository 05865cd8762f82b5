"""A window whose sum does not fit an int64 is still exact: a bitcoin in won needs 600 rows for that."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.records import POSITION_SIZE
from strategy import cache
from strategy.compiler import source
from strategy.feature_kernels import fill_sum
from strategy.features import PlainFeatures
from strategy.interpreter import Interpreter
from strategy.kernels import wide_divide, wide_ratio, window_sum, window_whole_mean
from strategy.program import build


def test_the_long_division_is_exact() -> None:
    draw = random.Random(5)
    for _ in range(3000):
        divisor = draw.randrange(1, 1440) * 10**8
        total = draw.randrange(-(2**78), 2**78)
        high, low = total >> 32, total & 0xFFFFFFFF
        extra = draw.randrange(0, 3)
        high, low = high - extra, low + (extra << 32)
        sign, quotient, rest = wide_divide(high, low, divisor)
        assert sign * quotient == int(Fraction(total, divisor))
        assert quotient * divisor + rest == abs(total)
        assert wide_ratio(high, low, divisor) == float(Fraction(total, divisor))


def test_rows_that_alone_do_not_fit_are_summed_exactly() -> None:
    """A coin of 0.0007 won trades 10^11 pieces in a second: 10^19 units of 1e-8, past 2^63."""
    pieces = np.array([1.5e11, 3.25e11, 0.25, 9.1e10, 7.7e12])
    sums = np.zeros((3, len(pieces) + 1), dtype=np.int64)
    fill_sum(pieces, sums, 0, 1e8, 0, len(pieces))
    for row in range(len(pieces)):
        for n in range(1, row + 2):
            exact = sum((Fraction(x) for x in pieces[row - n + 1 : row + 1].tolist()), Fraction(0))
            assert window_sum(sums, 0, row, 0, n, 10**8) == float(exact)
            assert window_whole_mean(sums, 0, row, 0, n, 10**8) == float(int(exact / n))


@pytest.mark.parametrize("price", [153_000_000.0, 152_999_999.0, 98_765_432.1])
def test_long_windows_of_large_numbers_agree_with_exact_integers(tmp_path: Path, price: float) -> None:
    buy = "self.a = 이동평균(700)\nself.b = 누적초당매수수량(100)\nself.c = 이동평균(600)\nself.d = 이동평균(1200)\n"
    program = build(buy, "매도 = False\n", UPBIT, 1)
    module = cache.load("step", source(program), tmp_path, b"k" * 32)
    rows = 1300
    moves = np.random.default_rng(3).integers(-50, 50, rows) * 1000.0
    inputs = tuple(price + moves if key == "last_price" else np.full(rows, 2e9) for key in program.columns)
    sums, extremes, scratch = module.make_sums(rows), module.make_extremes(rows), module.make_scratch(rows)
    module.fill_features(program.windows([]), inputs, sums, extremes, scratch, 0, 0, rows)
    plain = PlainFeatures(program, program.windows([]))
    plain.fill(inputs, 0, 0, rows)
    position, variables = np.zeros(POSITION_SIZE), np.zeros(1)
    compiled, walked = program.day_state("KRW-BTC"), program.day_state("KRW-BTC")
    for i in (699, 1199, rows - 1):
        module.buy(inputs, sums, extremes, i, 0, variables, position, compiled)
        Interpreter(program).buy(inputs, plain.sums, plain.extremes, i, 0, variables, position, walked)
        assert compiled.tolist() == walked.tolist()
    last_price = inputs[program.columns.index("last_price")]
    exact = Fraction(sum(round(x * 10**8) for x in last_price[-1200:].tolist()), 1200 * 10**8)
    assert compiled[3] == round(float(exact) * 1e8) / 1e8


def test_a_day_that_grows_wide_row_by_row_is_summed_as_one_that_came_at_once() -> None:
    """What a live table does: each row is added alone, and on some row the day's sum passes what an int64 surely holds."""
    rows = 900
    prices = 150_000_000.0 + np.random.default_rng(5).integers(-50, 50, rows) * 1000.0
    at_once, alone = np.zeros((3, rows + 1), dtype=np.int64), np.zeros((3, rows + 1), dtype=np.int64)
    fill_sum(prices, at_once, 0, 1e8, 0, rows)
    grew = -1
    for i in range(rows):
        fill_sum(prices, alone, 0, 1e8, i, i + 1)
        if grew < 0 and alone[2, 0]:
            grew = i
        n = min(i + 1, 800)
        exact = Fraction(sum(round(x * 10**8) for x in prices[i + 1 - n : i + 1].tolist()), 10**8)
        assert window_sum(alone, 0, i, 0, n, 10**8) == window_sum(at_once, 0, i, 0, n, 10**8) == float(exact)
    assert 100 < grew < rows - 1
    fill_sum(prices / 1e9, alone, 0, 1e8, 0, rows)  # the next day begins narrow
    assert not alone[2, 0]

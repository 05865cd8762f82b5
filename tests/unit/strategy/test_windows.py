"""Every look-back against a brute-force reference in exact fractions (strategy-language 5 and 15)."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.instruments import Market
from stock.markets import KRX
from strategy.catalogue import WINDOWS, WindowFunction, has_column
from strategy.factor import column_key, recorded
from tests.strategy_texts import days
from tests.unit.strategy.steps import Both, held_since

ROWS, LO = 60, 23  # the second day begins at row 23


def exact(market: Market, interval_s: int, key: str, value: float) -> Fraction:
    unit = 10 ** recorded(market.kind, interval_s)[key].decimals
    return Fraction(round(Fraction(value) * unit), unit)


def rounded(x: float, decimals: int) -> float:
    return float(np.rint(x * 10.0**decimals)) / 10.0**decimals


def reference(one: WindowFunction, market: Market, interval_s: int, column: np.ndarray, i: int, n: int, pre: int, entry: int) -> float:
    key = column_key(one.column, market.kind, interval_s)
    end = entry if pre == -1 else i - pre
    if pre < -1 or n < 1 or end - n + 1 < LO or end > i:
        return 0.0
    window = column[end - n + 1 : end + 1]
    if one.operation == "max":
        return float(window.max())
    if one.operation == "min":
        return float(window.min())
    if one.operation == "angle":
        c = getattr(market, one.coefficient) if one.coefficient else 1.0
        return rounded(math.atan2((window[-1] - window[0]) * c, n) * (180.0 / math.pi), 2)
    total = sum((exact(market, interval_s, key, float(value)) for value in window), Fraction(0))
    if one.operation == "sum":
        return float(total)
    if one.operation == "mean_int":
        return float(int(total / n))
    return rounded(float(total / n), one.decimals[market.kind == "stock"])


@pytest.mark.parametrize(
    ("market", "interval_s"), [(UPBIT, 1), (UPBIT, 60), (KRX, 1), (KRX, 60)], ids=lambda one: getattr(one, "code", one)
)
def test_each_window_function_equals_brute_force(market: Market, interval_s: int, tmp_path: Path) -> None:
    per = "초당" if interval_s == 1 else "분당"
    known = [one for one in WINDOWS if has_column(one.column, market, interval_s)]
    # Twice each: a window of self.vars (a feature of its own) and one that changes by row (level tables).
    lines = [f"self.a{k} = {one.ko.format(per=per)}(self.vars[0], self.vars[1])" for k, one in enumerate(known)]
    lines += [f"self.b{k} = {one.en}(데이터길이 - {ROWS} + self.vars[2], self.vars[1])" for k, one in enumerate(known)]
    both = Both(tmp_path, market, interval_s, "", "\n".join(lines))
    columns = days(market, interval_s, ROWS, 7)
    usual = ((1, 0), (2, 0), (5, 0), (5, 3), (17, -1), (1, -1))
    edges = ((37, 0), (38, 0), (0, 0), (-3, 0), (4, -2), (30, 1), (1, 36), (1, 37))
    for n, pre in usual + edges:
        entry_row = 20
        for i in (LO, LO + 4, LO + 20, ROWS - 1):
            both.feed(columns, [n, pre, n + ROWS - (i - LO + 1)], (0, LO))
            _, state, _ = both.run("sell", i, LO, held_since(entry_row))
            entry = LO + entry_row if LO + entry_row <= i else i + 1
            for k, one in enumerate(known):
                column = columns[column_key(one.column, market.kind, interval_s)]
                wanted = reference(one, market, interval_s, column, i, n, pre, entry)
                assert both.attribute(state, f"a{k}") == wanted, (one.ko, n, pre, i)
                assert both.attribute(state, f"b{k}") == wanted, (one.ko, n, pre, i)


def test_the_window_as_long_as_the_day_is_the_last_with_history(tmp_path: Path) -> None:
    text = "self.a = 이동평균(데이터길이)\nself.b = 이동평균(데이터길이 + 1)\n"
    text += "self.c = 현재가N(데이터길이 - 1)\nself.d = 현재가N(데이터길이)"
    both = Both(tmp_path, UPBIT, 1, text)
    both.feed(days(UPBIT, 1, ROWS, 3), [], (0, LO))
    _, state, _ = both.run("buy", ROWS - 1, LO)
    price = both.inputs[0]
    assert both.attribute(state, "a") == rounded(float(price[LO:].sum() / (ROWS - LO)), 8)
    assert both.attribute(state, "b") == 0.0
    assert both.attribute(state, "c") == price[LO]
    assert both.attribute(state, "d") == 0.0


def test_a_flat_price_equals_its_own_average(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 1, "매수 = 이동평균(7) == 현재가 and 이동평균(30) == 현재가")
    for price in (0.07, 0.1, 91_300_000.0, 162_345_000.0, 1234.56789012):
        both.feed({"last_price": np.full(40, price)}, [])
        assert both.run("buy", 39)[0] == 1


def test_a_mean_of_strength_on_a_tie_goes_to_even_as_float64_says(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 1, "self.a = 체결강도평균(20)")
    values = np.full(20, 100.01)
    values[0] = 100.02  # Σ/n = 100.0105
    both.feed({"trade_strength": values}, [])
    assert both.attribute(both.run("buy", 19)[1], "a") == rounded(float(Fraction(20 * 10001 + 1, 2000)), 3)


def test_lags_reach_the_entry_row_only_while_holding(tmp_path: Path) -> None:
    text = "self.a = 현재가N(-1)\nself.b = 현재가N(데이터길이 * 0 - 2)\nself.c = 매도호가5N(1)\nself.d = 최고현재가(3, -1)"
    both = Both(tmp_path, UPBIT, 1, text, text)
    columns = days(UPBIT, 1, ROWS, 11)
    both.feed(columns, [], (0, LO))
    _, held, _ = both.run("sell", LO + 9, LO, held_since(4))
    _, flat, _ = both.run("buy", LO + 9, LO)
    price = columns["last_price"]
    assert both.attribute(held, "a") == price[LO + 4]
    assert both.attribute(held, "d") == price[LO + 2 : LO + 5].max()
    assert both.attribute(held, "b") == 0.0
    assert both.attribute(held, "c") == columns["ask5"][LO + 8]
    assert both.attribute(flat, "a") == 0.0
    assert both.attribute(flat, "d") == 0.0

"""Indicators against TA-Lib over the same rows of a day: compiled, interpreted, row by row and in one piece (strategy-language 6)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import talib

from backtester.job import used_variables
from coin.markets import BINANCE_FUTURES, UPBIT
from domain.errors import StrategyError
from domain.records import row_schema
from strategy.advice import advice_on_program
from strategy.averages import fill_average
from strategy.interpreter import Interpreter
from strategy.program import build
from strategy.series import INDICATORS
from strategy.series_sizes import AVERAGES, KAMA
from strategy.table import SymbolTable
from tests.unit.strategy.steps import KEY, Both, cache, held_since, source

ROWS, LO = 190, 75

SETTINGS = {
    "ADOSC": (3, 10), "ADXR": (9,), "APO": (5, 12, 1), "AROON": (14,), "ATR": (14,), "BBANDS": (5, 2, 1.5, 0), "CCI": (14,), "DI": (14,),
    "MACD": (12, 26, 9), "MFI": (14,), "MOM": (10,), "PPO": (12, 5, 2), "ROC": (10,), "RSI": (14,), "SAR": (0.02, 0.2),
    "STOCHS": (5, 3, 0, 3, 1), "STOCHF": (5, 3, 0), "WILLR": (14,),
}  # fmt: skip


def bars(rows: int, seed: int, flat: bool = False) -> dict[str, np.ndarray]:
    """Return close, high, low and value of made minutes; `flat` holds the price still for a third of them."""
    rng = np.random.default_rng(seed)
    close = np.round(100 + np.cumsum(rng.normal(0, 1, rows)), 2)
    spread = np.round(rng.random((2, rows)), 2)
    if flat:
        still = slice(rows // 3, 2 * rows // 3)
        close[still] = close[rows // 3]
        spread[:, still] = 0.0
    value = np.round(rng.random(rows) * 1e4, 4)
    return {"last_price": close, "bar_high": close + spread[0], "bar_low": close - spread[1], "value_1m": value}


def yardstick(name: str, day: dict[str, np.ndarray], values: tuple[float, ...]) -> list[np.ndarray]:
    """Return TA-Lib's outputs in our order."""
    c, h, low, v = day["last_price"], day["bar_high"], day["bar_low"], day["value_1m"]
    if name == "DI":
        return [talib.MINUS_DI(h, low, c, *values), talib.PLUS_DI(h, low, c, *values)]
    inputs = {
        "AD": (h, low, c, v), "ADOSC": (h, low, c, v), "MFI": (h, low, c, v), "OBV": (c, v), "AROON": (h, low), "SAR": (h, low),
        **dict.fromkeys(("ADXR", "ATR", "CCI", "WILLR", "STOCHS", "STOCHF"), (h, low, c)),
    }.get(name, (c,))  # fmt: skip
    found = getattr(talib, {"STOCHS": "STOCH"}.get(name, name))(*inputs, *values)
    return list(found) if isinstance(found, tuple) else [found]


def same(ours: np.ndarray, theirs: np.ndarray, what: object) -> None:
    scale = max(1.0, float(np.nanmax(np.abs(theirs), initial=0.0)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * scale, err_msg=str(what), equal_nan=True)


@pytest.mark.parametrize("flat", [False, True], ids=["moving", "flat"])
@pytest.mark.parametrize("function", INDICATORS, ids=lambda one: one.key)
def test_each_indicator_is_talibs_in_plain_python_row_by_row(function, flat: bool) -> None:  # type: ignore[no-untyped-def]
    day = bars(120, 5, flat)
    columns = [day.get(key, day["value_1m"]) for key in function.columns]
    periods = [SETTINGS.get(function.key, ())]
    if function.settings and all(one.kind == "period" for one in function.settings):
        periods += [
            tuple(one.least for one in function.settings),
            tuple(one.least + 1 for one in function.settings),
            (200,) * len(periods[0]),
        ]
    for values in periods:
        rows = np.full((function.rows, 120), 7.0)
        for i in range(120):
            function.filler()(*columns, rows, 0, values, 0, i, i + 1)
        for k, wanted in enumerate(yardstick(function.key, day, values)):
            same(rows[k], wanted, (function.outputs[k], values))


@pytest.mark.parametrize("kind", AVERAGES)
def test_each_average_is_talibs(kind: int) -> None:
    for flat in (False, True)[: 1 if kind == KAMA else 2]:  # on a still price TA-Lib's KAMA hangs on what rounding left over
        x = bars(100, 3, flat)["last_price"]
        for n in (1, 2, 3, 6, 7, 30):
            rows = np.full((7, 100), 7.0)
            first = fill_average(x, rows, 0, 1, kind, n, 0, 0, 100)
            wanted = talib.MA(x, n, kind)
            same(rows[0], wanted, n)
            assert first >= 100 or (not np.isnan(wanted[first]) and (first == 0 or np.isnan(wanted[first - 1])))


def text_of_all() -> str:
    lines = []
    for one in INDICATORS:
        for setting, value in zip(one.settings, SETTINGS.get(one.key, ()), strict=True):
            lines.append(f"self.indicator['{setting.key}'] = {value}")
    for ko, en in (names for one in INDICATORS for names in one.outputs):
        lines += [f"self.{en} = {ko}", f"self.{en}_1 = {en}_ago(1)", f"self.{en}_e = {ko}_N(-1)"]
    return "\n".join(lines)


def test_all_28_in_both_languages_and_both_back_ends_within_the_day(tmp_path: Path) -> None:
    text = text_of_all()
    sell = "\n".join(line for line in text.splitlines() if "indicator" not in line)
    both = Both(tmp_path, BINANCE_FUTURES, 60, text, sell)
    two_days = bars(ROWS, 11)
    both.feed(two_days, [], (0, LO))
    today = {key: column[LO:] for key, column in two_days.items()}
    wanted = {
        en: series
        for one in INDICATORS
        for (_, en), series in zip(one.outputs, yardstick(one.key, today, SETTINGS.get(one.key, ())), strict=True)
    }
    assert len(wanted) == 28
    for i in (LO, LO + 1, LO + 13, LO + 14, LO + 40, ROWS - 1):
        for side, position in (("buy", None), ("sell", held_since(9))):
            _, state, _ = both.run(side, i, LO, position)
            for en, series in wanted.items():
                scale = 1e-9 * max(1.0, np.nanmax(np.abs(series)))
                entry = series[9] if side == "sell" and i >= LO + 9 else 0.0
                before = series[i - LO - 1] if i > LO else 0.0
                for name, value in ((en, series[i - LO]), (f"{en}_1", before), (f"{en}_e", entry)):
                    np.testing.assert_allclose(both.attribute(state, name), value, rtol=1e-9, atol=scale, err_msg=f"{name} {i}")


def test_one_row_at_a_time_is_the_whole_day_and_a_poisoned_future_changes_nothing(tmp_path: Path) -> None:
    program = build(text_of_all(), "", UPBIT, 60)
    module = cache.load("step", source(program), tmp_path, KEY)
    made = bars(120, 23)
    schema = row_schema("coin", 60)
    values = np.stack([made.get(key, np.zeros(120)) for key in schema.keys], axis=1)
    tables = [SymbolTable(program, np.zeros(1), module), SymbolTable(program, np.zeros(1))]
    windows = program.windows([0.0])
    for i in range(120):
        for table in tables:
            table.append(202601050900 + i, values[i])
    for upto in (60, 120):
        poisoned = tuple(np.where(np.arange(120) < upto, made[key], 1e9) for key in program.columns)
        extremes = module.make_extremes(120)
        module.fill_features(windows, poisoned, module.make_sums(120), extremes, module.make_scratch(120), 0, 0, 120)
        for function, row, _ in program.series.values():
            for k in range(row, row + len(function.outputs)):
                assert extremes[k, :upto].tobytes() == tables[0].extremes[k, :upto].tobytes(), function.key
                np.testing.assert_array_equal(extremes[k, :upto], tables[1].extremes[k][:upto], err_msg=function.key)


def test_what_is_off_is_zero_and_settings_may_be_variables(tmp_path: Path) -> None:
    text = "self.indicator['RSI_timeperiod'] = self.vars[1]\nself.a = RSI\nself.b = MACD\nself.c = AD\nself.d = ROC\n"
    text += "self.indicator['ROC_timeperiod'] = 0.5"
    both = Both(tmp_path, UPBIT, 60, text)
    day = bars(60, 2)
    for period in (14.0, 9.9, 0.0, 1.0, -3.0, 1e9):
        both.feed(day, [30.0, period])
        _, state, _ = both.run("buy", 59)
        wanted = talib.RSI(day["last_price"], int(period))[-1] if 2 <= period < 60 else 0.0
        np.testing.assert_allclose(both.attribute(state, "a"), wanted, rtol=1e-9)
        assert both.attribute(state, "b") == both.attribute(state, "d") == 0.0
        assert both.attribute(state, "c") != 0.0


def test_a_variable_that_only_sets_an_indicator_is_a_variable_of_the_texts() -> None:
    program = build("self.indicator['RSI_timeperiod'] = self.vars[7]\n매수 = RSI < 30", "매도 = RSI > 70", UPBIT, 60)
    assert program.n_vars == 8
    assert used_variables(program) == {7}
    with pytest.raises(StrategyError, match="strategy.vars_missing"):
        program.windows([30.0])


def test_an_indicator_that_nobody_turned_on_is_warned_of() -> None:
    program = build(
        "self.indicator['RSI_timeperiod'] = 14\n매수 = RSI < 30 and MACD > 0 and AD > 0", "매도 = MACDS > 0 or 변동성(9) > 1", UPBIT, 60
    )
    found = [(one.code, one.side, one.name) for one in advice_on_program(program)]
    assert found == [("strategy.warn_indicator_off", "buy", "MACD"), ("strategy.warn_indicator_off", "sell", "MACD")]


def test_before_the_first_value_comparisons_are_false_and_the_compatible_way_is_zero(tmp_path: Path) -> None:
    text = "self.indicator['RSI_timeperiod'] = 14\nself.a = RSI < 30\nself.b = RSI > 30\nself.c = RSI_N(3)\nself.d = RSI_N(9)"
    day = bars(60, 2)
    both = Both(tmp_path, UPBIT, 60, text)
    both.feed(day, [])
    _, state, _ = both.run("buy", 8)
    assert both.attribute(state, "a") == both.attribute(state, "b") == both.attribute(state, "d") == 0.0
    assert np.isnan(both.attribute(state, "c"))
    old = build(text, "", UPBIT, 60, warm_up=0.0)
    assert old.digest != both.program.digest
    state = old.day_state("A")
    assert Interpreter(old).buy(both.inputs, both.plain.sums, both.plain.extremes, 8, 0, [], np.zeros(17), state) == 1
    assert [state[old.attribute_slot(name)] for name in "abcd"] == [1.0, 0.0, 0.0, 0.0]
    module = cache.load("step", source(old), tmp_path, KEY)
    again = old.day_state("A")
    module.buy(both.inputs, both.sums, both.extremes, 8, 0, np.zeros(1), np.zeros(17), again)
    np.testing.assert_array_equal(again, state)


def test_an_average_that_is_not_built_is_refused_with_its_line() -> None:
    with pytest.raises(StrategyError) as caught:
        build("매수 = True\nself.indicator['APO_matype'] = 7", "", UPBIT, 60)
    assert (caught.value.code, caught.value.line) == ("strategy.indicator_average", 2)
    with pytest.raises(StrategyError, match="indicator_average"):
        build("self.indicator['APO_matype'] = self.vars[0]\nself.a = APO", "", UPBIT, 60).windows([7.0])


def test_korean_and_english_are_one_program() -> None:
    setting = "self.indicator['MACD_fastperiod'] = 12\n"
    korean = build(setting + "매수 = MACDH > MACDH_N(1)", "매도 = BBU < 현재가", UPBIT, 60)
    english = build(setting + "buy = macd_hist > macd_hist_ago(1)", "sell = bb_upper < last_price", UPBIT, 60)
    assert korean.digest == english.digest
    assert korean.digest != build(setting.replace("12", "13") + "매수 = MACDH > MACDH_N(1)", "매도 = BBU < 현재가", UPBIT, 60).digest


def test_the_vocabulary_is_read_without_numba() -> None:
    """The window and the command line check texts before anything is compiled."""
    code = "import sys, strategy.program, strategy.interpreter, strategy.compiler; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

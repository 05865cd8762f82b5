"""What a text does on a row: errors, state, rules, clocks, conditions, loops; both back ends as one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.errors import DataError, StrategyError
from domain.records import POSITION_INDEX, row_schema
from stock.markets import KRX
from strategy.language import StrategyErrors
from strategy.program import build
from strategy.table import SymbolTable
from tests.unit.strategy.steps import Both, held_since

PRICES = {"last_price": np.array([10.0, 11.0, 12.0, 0.0, 14.0]), "day_open": np.array([10.0, 0.0, 10.0, 10.0, 10.0])}


def rows(*keys: str, count: int = 5, **values: object) -> dict[str, np.ndarray]:
    columns = {key: np.zeros(count) for key in keys}
    return {**columns, **{key: np.asarray(value, dtype=float) for key, value in values.items()}}


def test_an_arithmetic_error_ends_the_text_and_keeps_what_self_holds(tmp_path: Path) -> None:
    text = "self.before = 7\nx = 현재가 / 시가\nself.after = 8\n매수 = x > 0\n"
    both = Both(tmp_path, UPBIT, 1, text)
    both.feed(PRICES, [])
    result, state, _ = both.run("buy", 1)
    assert result == -1
    assert (both.attribute(state, "before"), both.attribute(state, "after")) == (7.0, 0.0)
    assert both.run("buy", 0)[0] == 1


def test_only_what_python_would_evaluate_can_fail(tmp_path: Path) -> None:
    text = """매수 = False
if 시가 == 0 or 현재가 / 시가 > 1:
    매수 = True
elif 시가 > 0 and (현재가 // 시가 if 현재가 > 0 else 5) == 5:
    매수 = 1 < 2 > (3 if 시가 else 1 / 시가) or True
self.a = 시가 and 현재가 / 시가
self.b = (현재가 + 1) * 0 or 3
"""
    both = Both(tmp_path, UPBIT, 1, text)
    both.feed(PRICES, [])
    assert [both.run("buy", i)[0] for i in range(5)] == [0, 1, 1, 1, 1]
    assert both.attribute(both.run("buy", 1)[1], "a") == 0.0
    assert both.attribute(both.run("buy", 4)[1], "a") == 1.4
    assert both.attribute(both.run("buy", 4)[1], "b") == 3.0


def test_an_unassigned_local_gives_no_signal(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 1, "if 현재가 > 10:\n    x = 1\n매수 = x == 1\n")
    both.feed(PRICES, [])
    assert [both.run("buy", i)[0] for i in range(5)] == [-1, 1, 1, -1, 1]


def test_a_walrus_in_a_test_binds_for_the_rest(tmp_path: Path) -> None:
    text = "매수 = False\nif (x := 현재가 - 시가) > 1 and (y := math.sqrt(x)) > 1.3:\n    매수 = x + y > 3\nelif x < 0:\n    매수 = True\n"
    both = Both(tmp_path, UPBIT, 1, text)
    both.feed(PRICES, [])
    assert [both.run("buy", i)[0] for i in range(5)] == [0, 1, 1, 1, 1]


def test_the_number_of_a_sale_is_that_of_the_assignment_executed_last(tmp_path: Path) -> None:
    sell = """if 현재가 > 10:
    매도 = True
if 현재가 > 11:
    매도 = 시가 > 0
elif 현재가 == 11:
    매도 = False
if 현재가 > 13:
    매도 = True
    강제청산 = True
"""
    both = Both(tmp_path, UPBIT, 1, "", sell)
    both.feed(PRICES, [])
    out = [both.run("sell", i, position=held_since(0)) for i in range(5)]
    assert [one[0] for one in out] == [0, 0, 2, 0, 3]
    assert [one[2][POSITION_INDEX["force_exit"]] for one in out] == [0, 0, 0, 0, 1]


def test_force_exit_without_the_flag_is_not_written(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 1, "", "강제청산 = True\n매도 = False\n")
    both.feed(PRICES, [])
    result, _, position = both.run("sell", 0, position=held_since(0))
    assert (result, position[POSITION_INDEX["force_exit"]]) == (0, 0.0)


def test_a_buy_text_without_a_rule_buys_and_a_sell_text_does_not_sell(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 1, "# 없음", "")
    both.feed({"last_price": np.ones(2)}, [])
    assert (both.run("buy", 1)[0], both.run("sell", 1)[0]) == (1, 0)


@pytest.mark.parametrize(("side", "expected"), [(1.0, 1), (-1.0, 2)])
def test_futures_long_wins_and_each_side_has_its_exit(tmp_path: Path, side: float, expected: int) -> None:
    buy = "if 현재가 > 10:\n    BUY_LONG = False\nif 현재가 > 11:\n    SELL_SHORT = False\n"
    sell = "if 포지션 == 'LONG':\n    SELL_LONG = True\nelif 포지션 == 'SHORT':\n    BUY_SHORT = True\n"
    both = Both(tmp_path, BINANCE_FUTURES, 1, buy, sell)
    both.feed(PRICES, [])
    assert [both.run("buy", i)[0] for i in range(3)] == [1, 2, 0]
    position = held_since(0)
    position[POSITION_INDEX["position_side"]] = side
    assert both.run("sell", 2, position=position)[0] == expected


def test_a_turn_of_a_long_loop_burns_more_fuel(tmp_path: Path) -> None:
    body = "self.a = 현재가 + k; " * 50  # 200 nodes: five units a turn
    both = Both(tmp_path, UPBIT, 1, f"for k in range(self.vars[0]):\n    {body}\n")
    for turns, result in ((2000, 1), (2001, -1)):
        both.feed({"last_price": np.full(3, 7.0)}, [float(turns)])
        assert both.run("buy", 2)[0] == result


def test_loops_have_fuel(tmp_path: Path) -> None:
    text = "for i in range(self.vars[0]):\n    for j in range(1000):\n        self.n += 1\n매수 = True\n"
    both = Both(tmp_path, UPBIT, 1, text)
    both.feed({"last_price": np.ones(2)}, [200.0])
    result, state, _ = both.run("buy", 0)
    assert result == -1
    assert 9_000 < both.attribute(state, "n") <= 10_000


def test_code_and_name_are_presets_of_the_symbol(tmp_path: Path) -> None:
    text = "매수 = 종목코드 in ('KRW-BTC', 'KRW-ETH') and 종목명 != '이더리움' and 'BTC' in code\n"
    both = Both(tmp_path, UPBIT, 1, text)
    both.feed({"last_price": np.ones(1)}, [])
    program = both.program
    assert both.run("buy", 0, state=program.day_state("KRW-BTC", "비트코인"))[0] == 1
    assert both.run("buy", 0, state=program.day_state("KRW-ETH", "이더리움"))[0] == 0
    assert both.run("buy", 0, state=program.day_state("KRW-XRP", "리플"))[0] == 0


def test_rows_since_remembers_on_every_row_and_never_is_999999(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 1, "self.n = 경과틱수('높음')\n", rows_since=(("높음", "현재가 >= 12"),))
    both.feed(PRICES, [])
    state = both.program.day_state("KRW-BTC")
    seen = []
    for i in range(5):
        _, state, _ = both.run("mark", i, state=state)
        _, state, _ = both.run("buy", i, state=state)
        seen.append(both.attribute(state, "n"))
    assert seen == [999999.0, 999999.0, 0.0, 1.0, 0.0]


def test_a_condition_that_is_not_given_or_stands_on_another_is_refused() -> None:
    with pytest.raises(StrategyErrors) as caught:
        build("매수 = 경과틱수('a') > 1", "", UPBIT, 1)
    assert caught.value.code == "strategy.unknown_condition"
    with pytest.raises(StrategyErrors) as caught:
        build("", "", UPBIT, 1, (("a", "현재가 > 1"), ("b", "경과틱수('a') > 1")))
    assert caught.value.code == "strategy.condition_in_condition"


def test_clocks_compare_across_midnight_months_and_leap_days(tmp_path: Path) -> None:
    both = Both(tmp_path, KRX, 1, "매수 = now() > timedelta_sec(180, VI해제시간)\nself.t = 시분초\nself.d = now() - VI해제시간\n")
    both.feed(
        rows(
            vi_release_time=[20240229235900, 20240229235900, 20231231235959, 0],
            row_time=[20240301000159, 20240301000201, 20240101000259, 20240101000259],
        ),
        [],
    )
    assert [both.run("buy", i)[0] for i in range(4)] == [0, 1, 0, 1]
    assert both.attribute(both.run("buy", 1)[1], "d") == 181.0
    assert both.attribute(both.run("buy", 1)[1], "t") == 201.0


def test_minute_rows_have_minute_clocks(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 60, "self.t = 시분초\nself.s = now() - timedelta_sec(-60)\n")
    both.feed(rows(row_time=[202601051407.0]), [])
    _, state, _ = both.run("buy", 0)
    assert (both.attribute(state, "t"), both.attribute(state, "s")) == (140700.0, 60.0)


def test_tick_size_comes_from_the_dated_table_or_the_instrument(tmp_path: Path) -> None:
    upbit = Both(tmp_path, UPBIT, 1, "self.t = 호가단위\nself.p = tick_size_ago(1)\n")
    upbit.feed(rows(last_price=[1500.0, 150.0, 600_000.0], row_time=[20240105000000, 20260105000000, 20260105000001]), [])
    state = [upbit.run("buy", i)[1] for i in range(3)]
    assert [upbit.attribute(one, "t") for one in state] == [5.0, 1.0, 500.0]
    assert upbit.attribute(state[2], "p") == 1.0
    binance = Both(tmp_path, BINANCE, 1, "self.t = 호가단위\n")
    binance.feed(rows(last_price=[1500.0], row_time=[20240105000000]), [])
    assert binance.attribute(binance.run("buy", 0, state=binance.program.day_state("X", "X", 0.01))[1], "t") == 0.01


def test_vi_minus_five_ticks_honours_a_band_change(tmp_path: Path) -> None:
    both = Both(tmp_path, KRX, 1, "self.v = VI아래5호가\n")
    both.feed(rows(vi_price=[5010.0], row_time=[20240105090000]), [])
    assert both.attribute(both.run("buy", 0)[1], "v") == 4980.0  # 5000, 4995, 4990, 4985, 4980


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("-7 // 2", -4.0),
        ("-7 % 3", 2.0),
        ("7 % -3", -2.0),
        ("7.5 // -2", -4.0),
        ("int(-2.7)", -2.0),
        ("round(2.5)", 2.0),
        ("round(0.285, 2)", 0.28),
        ("2 ** -2", 0.25),
        ("(-2) ** 3", -8.0),
        ("9 ** 0.5", 3.0),
        ("max(1, 2, 3) + min([4, 5]) + sum([1, 2, 3]) + len([1, 2])", 15.0),
        ("(1 < 2) + (3 > 2) + True", 3.0),
        ("np.sign(-3) + abs(-2) + math.pi", 1 + math.pi),
        ("math.floor(-1.5) + np.ceil(1.2) + math.trunc(-1.7)", -1.0),
        ("math.hypot(3, 4) + math.degrees(math.pi) + math.fmod(-7, 3)", 184.0),
        ("float(현재가 > 5) + int(True)", 2.0),
    ],
)
def test_arithmetic_is_pythons(tmp_path: Path, expression: str, value: float) -> None:
    # One module for each is slow to compile; the interpreter is Python's own and the property test ties both together.
    both = build(f"self.a = {expression}", "", UPBIT, 1)
    from strategy.interpreter import Interpreter

    state = both.day_state("X")
    inputs = tuple(np.array([10.0]) for _ in both.columns)
    none = np.zeros((1, 1))
    assert Interpreter(both).buy(inputs, none.astype(np.int64), none, 0, 0, [], np.zeros(17), state) == 1
    assert state[both.attribute_slot("a")] == value


def test_every_listed_function_fails_and_works_the_same_in_both(tmp_path: Path) -> None:
    from strategy.catalogue import MATH_ARITY

    names = sorted(MATH_ARITY)
    lines = [
        f"{'if' if k == 0 else 'elif'} 시가 == {k}:\n    self.a = math.{name}({', '.join(['현재가', '고가'][: MATH_ARITY[name]])})"
        for k, name in enumerate(names)
    ]
    both = Both(tmp_path, UPBIT, 1, "\n".join(lines))
    points = [(0.0, 0.0), (-1.5, 2.0), (0.5, -3.0), (2.0, 0.0), (800.0, 1e308), (1e308, 1e308), (1.0, 1.0)]
    failed = 0
    for k in range(len(names)):
        both.feed(
            {
                "last_price": np.array([x for x, _ in points]),
                "day_high": np.array([y for _, y in points]),
                "day_open": np.full(len(points), float(k)),
            },
            [],
        )
        failed += sum(both.run("buy", i)[0] == -1 for i in range(len(points)))
    assert failed > 10


def test_variables_that_are_missing_or_not_finite_are_refused() -> None:
    program = build("매수 = 이동평균(self.vars[2]) > 0", "", UPBIT, 1)
    assert program.n_vars == 3
    with pytest.raises(StrategyError, match="vars_missing"):
        program.windows([1.0])
    with pytest.raises(StrategyError, match="vars_value"):
        program.windows([1.0, 2.0, math.nan])


def test_lookback_counts_the_longest_road(tmp_path: Path) -> None:
    assert build("매수 = 이동평균(60, 3) > 현재가N(70)", "", UPBIT, 1).lookback() == 71
    assert build("매수 = 이동평균(self.vars[0]) > 0", "", UPBIT, 1).lookback([40.0]) == 40
    assert build("매수 = 이동평균(self.vars[0]) > 0", "", UPBIT, 1).lookback() == 86_400
    assert build("매수 = 이동평균(데이터길이) > 0", "", UPBIT, 60).lookback() == 1_440


def test_a_live_table_grows_resets_and_refuses_what_is_no_number(tmp_path: Path) -> None:
    both = Both(tmp_path, UPBIT, 1, "self.m = 이동평균(5)\nself.h = 최고현재가(self.vars[0])\nself.r = 최저현재가(데이터길이)\n")
    schema = row_schema("coin", 1)
    variables = np.array([7.0])
    table = SymbolTable(both.program, variables, both.module)
    late = SymbolTable(both.program, variables, None)
    rng = np.random.default_rng(1)
    prices = np.round(rng.random(2500) * 100, 2)
    state, late_state = both.program.day_state("X"), both.program.day_state("X")
    for _ in range(2):
        for k, price in enumerate(prices):
            values = np.zeros(len(schema.columns))
            values[schema.index("last_price")] = price
            i = table.append(20260105000000 + k, values)
            assert late.append(20260105000000 + k, values) == i == k
        late.compile(both.module)
        for one, kept in ((table, state), (late, late_state)):
            both.module.buy(one.inputs, one.sums, one.extremes, i, 0, variables, np.zeros(17), kept)
        np.testing.assert_array_equal(state, late_state)
        assert both.attribute(state, "h") == prices[-7:].max()
        assert both.attribute(state, "r") == prices.min()
        table.reset_day()
        late.reset_day()
    values[schema.index("last_price")] = math.nan
    with pytest.raises(DataError, match="last_price"):
        table.append(20260105000000, values)
    assert table.count == 0

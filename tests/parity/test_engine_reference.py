"""Texts → language → compiled engine against a slow engine written from the specification, trade for trade.

The rules stand here twice: as the user's text and as plain Python on lists and fractions
(`tests.research.Row`). Days are random; books are thin in some cases, so that orders fail and forced
exits go past the levels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from backtester.engine import Engine, Options, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from stock.markets import KRX
from strategy.program import build
from tests.research import Reference, Row, as_tuples, compiled, made_rows, reference_trades
from trading.trades import trades_sha256

FEES = {"upbit": 0.0005, "binance": 0.001, "binance-futures": 0.0004, "krx": 150}


@dataclass(frozen=True)
class Rules:
    """One strategy, twice."""

    name: str
    buy_text: str
    sell_text: str
    buy: Callable[[Row], int]
    sell: Callable[[Row], tuple[int, bool]]
    variables: tuple[float, ...]


def trend_buy(row: Row) -> int:
    if not (row.v[1] <= row["change_pct"] <= row.v[2]):
        return 0
    if not (row["trade_strength"] >= row.mean("trade_strength", row.v[0], 3) + row.v[3]):
        return 0
    value = "value_1s" if "value_1s" in row.columns else "value_1m"
    return 1 if row[value] > row.v[4] * row.mean(value, row.v[0], -1) else 0


def trend_sell(row: Row) -> tuple[int, bool]:
    held = row.position
    minutes = "value_1m" in row.columns
    if held["return_pct"] >= row.v[5]:
        return 1, False
    if held["return_pct"] <= row.v[6]:
        return 2, False
    if held["seconds"] // (60 if minutes else 1) >= row.v[7]:
        return 3, False
    if row["trade_strength"] < row.mean("trade_strength", row.v[0], 3) - row.v[8]:
        return 4, False
    return 0, False


TREND = Rules(
    "R1",
    """
if not (self.vars[1] <= 등락율 <= self.vars[2]):
    매수 = False
elif not (체결강도 >= 체결강도평균(self.vars[0]) + self.vars[3]):
    매수 = False
elif not (value > self.vars[4] * avg_value(self.vars[0])):
    매수 = False
""",
    """
if 수익률 >= self.vars[5]:
    매도 = True
elif 수익률 <= self.vars[6]:
    매도 = True
elif 보유시간 >= self.vars[7]:
    매도 = True
elif 체결강도 < 체결강도평균(self.vars[0]) - self.vars[8]:
    매도 = True
""",
    trend_buy,
    trend_sell,
    (5, -60, 60, 2, 1.2, 1.5, -1.0, 90, 6),
)


def breakout_buy(row: Row) -> int:
    # 현재가N(1) and the window that ends one row ago: 0 without enough history.
    high = row.highest("last_price", row.v[1], 1)
    return 1 if row["last_price"] > high and row["last_price"] > row.ago("last_price", 2) else 0


def breakout_sell(row: Row) -> tuple[int, bool]:
    held = row.position
    rule, force = 0, False
    if row["last_price"] < row.lowest("last_price", row.v[2], 1):
        rule, force = 1, True
    if held["max"] > 1 and held["return_pct"] < held["max"] * 0.5:
        rule = 2
    if row["last_price"] < row.mean("last_price", row.v[1], 3 if "krx" in row.columns["tag"] else 8, -1) * 0.995:
        rule = 3
    return rule, force and rule > 0


BREAKOUT = Rules(
    "breakout",
    """
매수 = False
if 현재가 > 최고현재가(self.vars[1], 1) and 현재가 > 현재가N(2):
    매수 = True
""",
    """
if 현재가 < 최저현재가(self.vars[2], 1):
    매도 = True
    강제청산 = True
if 최고수익률 > 1 and 수익률 < 최고수익률 * 0.5:
    매도 = True
if 현재가 < 이동평균(self.vars[1], -1) * 0.995:
    매도 = True
""",
    breakout_buy,
    breakout_sell,
    (12, 8, 6),
)


def counting_buy(row: Row) -> int:
    # 1 / (등락율 − …) fails exactly where the difference is 0; such a row gives no signal and is counted.
    1 / (row["change_pct"] - row.v[1])
    return 1 if row.i - row.lo + 1 >= row.v[2] and row["ask_total"] < row["bid_total"] else 0


def counting_sell(row: Row) -> tuple[int, bool]:
    if row.position["seconds"] > row.v[3]:
        return 1, True
    return 0, False


COUNTING = Rules(
    "errors",
    """
if 1 / (등락율 - self.vars[1]) > 1000000000:
    매수 = False
elif not (데이터길이 >= self.vars[2] and 매도잔량1 + 매도잔량2 < 매수잔량1 + 매수잔량2):
    매수 = False
""",
    """
if 보유시간 > self.vars[3]:
    매도 = True
    강제청산 = True
""",
    counting_buy,
    counting_sell,
    (3, 0.5, 20, 15),
)

CASES = [(market, rules) for market in (UPBIT, BINANCE, KRX) for rules in (TREND, BREAKOUT, COUNTING)]


@pytest.fixture(scope="module")
def engines() -> Callable[[Market, Rules, int], Engine]:
    made, executor = {}, LocalExecutor(2)

    def engine(market: Market, rules: Rules, interval_s: int) -> Engine:
        # One machine code serves all coin markets: the text is the same but for the program's name.
        program = build(rules.buy_text, rules.sell_text, market, interval_s)
        key = (program.digest, interval_s)
        if key not in made:
            steps = steps_of(program)
            made[key] = Engine(compiled(steps), steps, executor)
        return made[key]

    return engine


def check(engine: Engine, market: Market, rules: Rules, options: Options, seed: int, thin: float, interval_s: int = 1) -> int:
    rows = made_rows(market.code, seed, symbols=2, days=2, thin=thin, interval_s=interval_s)
    prepared = prepare(rows, engine.steps.columns, market, options)
    result = engine.run(prepared, np.array([rules.variables], dtype=np.float64))
    trades = round_trips(prepared, result.raw)
    rows.columns = dict(rows.columns)
    rows.columns["tag"] = np.array([market.code] * len(rows.row_time))
    rows.columns["ask_total"] = rows.columns["ask_size1"] + rows.columns["ask_size2"]
    rows.columns["bid_total"] = rows.columns["bid_size1"] + rows.columns["bid_size2"]
    reference = Reference(
        betting=options.betting,
        kind="krx" if market.integer_money else "coin",
        qty_decimals=int(rows.qty_decimals[0]),
        entry_levels=options.entry_levels,
        exit_levels=options.exit_levels,
        latency=options.latency,
        fill=options.fill,
        fee=FEES[market.code],
        tax={0: 3000, 20190603: 2500, 20210101: 2300, 20230101: 2000, 20240101: 1800},
        start=options.start,
        end=options.end,
        delay_ms=options.delay_ms,
    )
    want, errors = reference_trades(rows, reference, list(rules.variables), rules.buy, rules.sell)
    assert as_tuples(prepared.codes, trades) == want
    assert result.errors == errors
    assert len(trades_sha256(prepared.codes, trades)) == 64
    return len(want)


@pytest.mark.parametrize(("market", "rules"), CASES, ids=lambda one: one.name if isinstance(one, Rules) else one.code)
def test_seconds(engines: Callable[[Market, Rules, int], Engine], market: Market, rules: Rules) -> None:
    engine = engines(market, rules, 1)
    total = 0
    draws = ((1, 0, 0, 1.0, 5), (2, 1, 0, 1.0, 5), (3, 0, 0, 0.25, 2), (4, 2, 0, 0.4, 5), (5, 0, 500, 1.0, 5), (6, 1, 4_200, 0.4, 3))
    for seed, latency, delay_ms, thin, levels in draws:
        options = Options(market.backtest_betting, latency=latency, delay_ms=delay_ms, exit_levels=levels, start=90_030, end=90_930)
        total += check(engine, market, rules, options, seed, thin)
    last = Options(betting=market.backtest_betting, fill="last")
    total += check(engine, market, rules, last, 5, 1.0)
    assert total > 20


@pytest.mark.parametrize("market", [UPBIT, KRX], ids=lambda one: one.code)
def test_minutes(engines: Callable[[Market, Rules, int], Engine], market: Market) -> None:
    engine = engines(market, TREND, 60)
    for delay_ms in (0, 500, 61_000):
        options = Options(betting=market.backtest_betting, start=90_000, end=151_900, delay_ms=delay_ms)
        assert check(engine, market, TREND, options, 6, 1.0, 60) > 3


def test_longs_and_shorts_of_futures(engines: Callable[[Market, Rules, int], Engine]) -> None:
    def buy(row: Row) -> int:
        if row["change_pct"] > 0 and row["trade_strength"] > 100:
            return 1
        return 2 if row["change_pct"] < 0 and row["trade_strength"] < 95 else 0

    def sell(row: Row) -> tuple[int, bool]:
        held = row.position
        if held["sign"] > 0:
            return (1, False) if row["trade_strength"] < 90 else (0, False)
        return (2, False) if abs(held["return_pct"]) > 1 else (0, False)

    rules = Rules(
        "futures",
        """
BUY_LONG = 등락율 > 0 and 체결강도 > 100
SELL_SHORT = 등락율 < 0 and 체결강도 < 95
""",
        """
if 포지션 == 'LONG' and 체결강도 < 90:
    SELL_LONG = True
if 포지션 == 'SHORT' and abs(수익률) > 1:
    BUY_SHORT = True
""",
        buy,
        sell,
        (4,),
    )
    engine = engines(BINANCE_FUTURES, rules, 1)
    for latency, thin in ((0, 1.0), (1, 0.3)):
        assert check(engine, BINANCE_FUTURES, rules, Options(betting=BINANCE_FUTURES.backtest_betting, latency=latency), 8, thin) > 3


def test_rows_since_sees_every_row() -> None:
    """경과틱수 counts from rows before the warm-up and before the start too."""
    program = build(
        "if not (경과틱수('강함') <= 2):\n    매수 = False",
        "if 경과틱수('강함') > 4:\n    매도 = True",
        UPBIT,
        1,
        (("강함", "체결강도 > 112"),),
    )
    steps = steps_of(program)
    engine = Engine(compiled(steps), steps, LocalExecutor(1))

    def since(row: Row) -> int:
        back = [i for i in range(row.lo, row.i + 1) if row.columns["trade_strength"][i] > 112]
        return row.i - back[-1] if back else 999_999

    rules = Rules("since", "", "", lambda row: int(since(row) <= 2), lambda row: (int(since(row) > 4), False), (6,))
    assert check(engine, UPBIT, rules, Options(betting=1e6, start=90_100), 9, 1.0) > 5


def test_attributes_live_for_a_day_and_are_shared() -> None:
    """`self.` attributes: 0 at the start of each day, kept between rows, shared by both texts."""
    buy = "self.수 = self.수 + 1\nif not (self.수 % 7 == 0 and self.매 == 0):\n    매수 = False"
    sell = "self.수 = self.수 + 1\nif 보유시간 > 5:\n    매도 = True"
    program = build(buy, sell, UPBIT, 1)
    steps = steps_of(program)
    engine = Engine(compiled(steps), steps, LocalExecutor(2))
    memory: dict[int, int] = {}

    def count(row: Row) -> int:
        memory[row.lo] = memory.get(row.lo, 0) + 1
        return memory[row.lo]

    def sell_rule(row: Row) -> tuple[int, bool]:
        count(row)
        return (1, False) if row.position["seconds"] > 5 else (0, False)

    rules = Rules("memory", buy, sell, lambda row: int(count(row) % 7 == 0), sell_rule, (3,))
    assert check(engine, UPBIT, rules, Options(betting=1e6), 10, 1.0) > 5

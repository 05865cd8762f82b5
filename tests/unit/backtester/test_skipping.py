"""Rows that are skipped change nothing: the engine with a plan against the engine that looks at every row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtester.engine import Engine, Options, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.sharing import share
from backtester.skip import LINE, NEVER, price_band, price_line, time_bound
from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from domain.records import POSITION_SIZE
from stock.markets import KRX
from strategy.program import build
from strategy.reach import WHOLE
from tests.research import compiled, made_rows
from trading.numbers import round_to
from trading.position_vars import ENTRY_COST, open_position
from trading.positions import AMOUNT_DECIMALS, market_params, profit

CHAIN = (
    """
if not (self.vars[1] <= 등락율 <= 60):
    매수 = False
elif not (체결강도 >= 체결강도평균(self.vars[0]) + self.vars[2]):
    매수 = False
elif 1 / (등락율 - 0.5) > 40:
    매수 = False
""",
    """
if 수익률 >= self.vars[3] or 수익률 <= -1:
    매도 = True
elif 보유시간 >= self.vars[4]:
    매도 = True
    강제청산 = True
elif 체결강도 < 체결강도평균(self.vars[0], 1) - self.vars[2] and 수익률 > 0.2:
    매도 = True
""",
)
TRAILING = (
    "매수 = 현재가 > 최고현재가(12, 1) and 등락율각도(self.vars[0]) > self.vars[1]",
    "매도 = 최고수익률 - 수익률 > 0.5 or 체결강도 < 체결강도평균(self.vars[0])",
)
STEPS_DOWN = (
    "매수 = 등락율 > self.vars[1] and 체결강도 > 체결강도평균(self.vars[0])",
    """
고점 = 최고수익률
if 고점 > self.vars[3] * 0.3 and 수익률 < 고점 * 0.6:
    매도 = True
elif 수익률 - 최저수익률 > self.vars[3] or 보유시간 > self.vars[4]:
    매도 = True
elif not 최고수익률 - 수익률 < 1.2 and 체결강도 < 120:
    매도 = True
""",
)
BOTH_WAYS = (
    "BUY_LONG = 등락율 > self.vars[1] and 체결강도 > 100\nSELL_SHORT = 등락율 < 0 and 체결강도 < 95",
    """
if 수익률 >= self.vars[3] or 보유시간 > self.vars[4] or 등락율각도(5) == 0:
    SELL_LONG = True
    BUY_SHORT = True
""",
)
BOTH_FALL = (
    BOTH_WAYS[0],
    "if 최고수익률 - 수익률 >= self.vars[3] or 보유시간 > self.vars[4] * 5:\n    SELL_LONG = True\n    BUY_SHORT = True",
)

CASES = [
    (UPBIT, CHAIN, 1),
    (KRX, CHAIN, 60),
    (UPBIT, TRAILING, 1),
    (BINANCE_FUTURES, BOTH_WAYS, 1),
    (UPBIT, STEPS_DOWN, 1),
    (KRX, STEPS_DOWN, 1),
    (BINANCE_FUTURES, BOTH_FALL, 60),
]


@pytest.mark.parametrize(("market", "texts", "interval_s"), CASES, ids=lambda one: getattr(one, "code", ""))
def test_the_same_trades_with_and_without_a_plan(market: Market, texts: tuple[str, str], interval_s: int) -> None:
    program = build(*texts, market, interval_s)
    numbers = [[n, low, 2, up, held] for n in (3, 9) for low in (-60, 0.2) for up in (0.4, 1.5) for held in (7, 60)]
    sets = np.array(numbers, dtype=np.float64)
    planned, plain = steps_of(program), steps_of(program, planned=False)
    engines = [Engine(compiled(planned), planned, LocalExecutor(2)), Engine(compiled(plain), plain, LocalExecutor(1))]
    assert engines[0].steps.guards.terms
    trades = 0
    for seed, latency, thin in ((1, 0, 1.0), (2, 2, 0.3)):
        rows = made_rows(market.code, seed, rows=1500 if interval_s == 1 else 240, symbols=2, thin=thin, interval_s=interval_s)
        options = Options(betting=market.backtest_betting, latency=latency)
        results = [engine.run(prepare(rows, engine.steps.columns, market, options), sets) for engine in engines]
        np.testing.assert_array_equal(results[0].raw, results[1].raw)
        assert results[0].errors == results[1].errors
        again = engines[0].run(prepare(rows, engines[0].steps.columns, market, options), sets[3:4], again=True)
        np.testing.assert_array_equal(again.raw[:, 1:], results[1].raw[results[1].raw[:, 0] == 3][:, 1:])
        trades += len(results[0].raw)
    assert trades > 40


def band(position: np.ndarray, params: np.ndarray, up: float, down: float) -> tuple[float, float]:
    line = np.zeros(LINE)
    price_line(position, params, line)
    return price_band(line, up, down)


@pytest.mark.parametrize("market", [UPBIT, BINANCE, KRX, BINANCE_FUTURES], ids=lambda one: one.code)
def test_inside_the_band_no_bound_is_met(market: Market) -> None:
    """The band is right to the last price step for any size of position, and not so narrow that nothing is skipped."""
    rng = np.random.default_rng(5)
    params = market_params(market, 20260105)
    decimals = int(params[AMOUNT_DECIMALS])
    wide = 0
    for _ in range(400):
        price = float(np.round(10 ** rng.uniform(0, 5), 2)) if not market.integer_money else float(rng.integers(100, 500_000))
        qty = int(max(10 ** rng.uniform(2, 7) / price, 1e-4 if not market.integer_money else 1) * (1e8 if not market.integer_money else 1))
        qty = qty if not market.integer_money else qty * 100_000_000
        sign = -1 if market is BINANCE_FUTURES and rng.random() < 0.5 else 1
        position = np.zeros(POSITION_SIZE)
        open_position(position, params, sign, qty, price * (qty / 1e8), 0, 20260105090000)
        up, down = float(np.round(rng.uniform(0, 8), 2)), -float(np.round(rng.uniform(0, 8), 2))
        low, high = band(position, params, up, down)
        cost = position[ENTRY_COST]
        for edge in (low, high):
            if not np.isfinite(edge):
                continue
            for inside in edge + (price - edge) * np.array([1e-9, 1e-4, 0.01, 0.3]):
                _, returns = profit(params, cost, round_to(inside * (qty / 1e8), decimals), sign)
                assert not low < inside < high or down < returns < up, (price, qty, up, down, inside, returns)
        exact = price * (1 + sign * up / 100)
        near = high if sign > 0 else low
        wide += np.isfinite(near) and abs(near / exact - 1) < 0.02
    assert wide > 200


def test_bounds_that_are_none_or_always_met() -> None:
    params = market_params(UPBIT, 20260105)
    position = np.zeros(POSITION_SIZE)
    assert band(position, params, 1.0, -1.0) == (np.inf, -np.inf)  # nothing is held: no band
    open_position(position, params, 1, 100_000_000, 1000.0, 0, 20260105090000)
    assert band(position, params, np.inf, -np.inf) == (-np.inf, np.inf)
    assert band(position, params, -np.inf, -np.inf) == (np.inf, -np.inf)
    assert time_bound(20260105235950, 86_390, 20.0, 1) == NEVER
    assert time_bound(20260105235950, 86_390, -np.inf, 1) == 20260105000000
    assert time_bound(20260105090000, 32_400, 75.5, 1) == 20260105090115
    assert time_bound(202601050900, 32_400, 60.0, 60) == 202601050901
    assert time_bound(20260105090000, 32_400, np.inf, 1) == NEVER


def test_sets_share_a_condition_with_their_variables() -> None:
    guards = steps_of(build(*CHAIN, UPBIT, 1)).guards
    sets = np.array([[3, 0, 2, 1, 9], [3, 0, 2, 5, 9], [4, 0, 2, 1, 9], [3, 1, 2, 1, 8]], dtype=np.float64)
    shared = share(guards, sets, 5000)
    for t, variables in enumerate([*guards.terms, guards.exit_rows or ()]):
        for a in range(4):
            for b in range(4):
                assert (shared.ids[a, t] == shared.ids[b, t]) == (sets[a, list(variables)].tolist() == sets[b, list(variables)].tolist())
    begins, counts = shared.slots[0], shared.slots[1]
    taken = [slot for begin, count in zip(begins, counts, strict=True) for slot in range(begin, begin + count)]
    assert sorted(taken) == list(range(1, shared.n_slots))


RARE = (
    "매수 = 등락율 > self.vars[1] and 체결강도 >= 체결강도평균(self.vars[0], 3)",
    "매도 = 보유시간 >= self.vars[2] or 체결강도 < 체결강도평균(self.vars[0]) - 1",
)


def test_sums_of_rows_between_two_places_that_matter_are_left_out() -> None:
    steps = steps_of(build(*RARE, UPBIT, 1))
    engine = Engine(compiled(steps), steps, LocalExecutor(1))
    rows = made_rows("upbit", 5, rows=9000, symbols=2, thin=1.0)
    change = np.zeros(len(rows.row_time))
    for begin in (40, 2900, 3100, 7777):  # pieces before, between and behind in which nothing can happen
        for block in rows.blocks:
            change[block["lo"] + begin : block["lo"] + begin + 90] = 5.0
    change.flags.writeable = False
    prepared = prepare(replace(rows, columns={**rows.columns, "change_pct": change}), steps.columns, UPBIT, Options(betting=1e6))
    for n in (1, 7, 60, 2500):
        one = np.array([[float(n), 1.0, 20.0]])
        assert steps.reach(one[0]) == n + 4
        alone, beside = engine.run(prepared, one), engine.run(prepared, np.concatenate([one, one]))
        assert len(alone.raw) > 4
        np.testing.assert_array_equal(alone.raw, beside.raw[: len(alone.raw)])
        assert len(beside.raw) == 2 * len(alone.raw)


@pytest.mark.parametrize(
    "buy",
    [
        "매수 = 현재가 > 최고현재가(12)",
        "매수 = 체결강도 > 체결강도평균(10, int(현재가 % 7))",
        "매수 = 체결강도 > 체결강도평균(int(등락율) + 2)",
    ],
)
def test_texts_that_need_every_row_say_so(buy: str) -> None:
    assert steps_of(build(buy, "매도 = 수익률 > 1", UPBIT, 1)).reach(np.array([30.0])) == WHOLE

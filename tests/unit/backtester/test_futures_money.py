"""Leverage, liquidation and funding in the order-managed loop, trade for trade against a plain loop over the rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backtester import kernel
from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.futures import BY_RANGE, Futures, futures_of, parse_funding, parse_funding_lines, parse_futures, parse_leverage
from coin.markets import BINANCE_FUTURES, UPBIT
from domain.errors import InputError
from domain.order_settings import plain
from tests.research import MadeRows, compiled, hand_steps, made_rows
from trading.margin import DEFAULT_RANGES
from trading.order_rules import LIQUIDATION_RULE

HOLD = 150
SET = np.array([[5.0, -1e9, -1e9, 1e9, float(HOLD), 1e9, 1e9, 1.0]])
"""Enter whenever flat, long where 등락율 is not below 0, short else; leave after 150 seconds."""
BETTING, FEE = 1_000.0, 0.0004


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(compiled(hand_steps(), managed=True), hand_steps(), LocalExecutor(1))


def rows_of(seed: int) -> MadeRows:
    """Return rows of a market that moves a percent or two a minute, with the day's extremes so far."""
    rows = made_rows("binance-futures", seed, symbols=2, days=2)
    rows.row_time.flags.writeable = False  # as mapped rows are, for which the loop is compiled
    rng = np.random.default_rng(seed)
    last, high, low = (np.zeros(len(rows.row_time)) for _ in range(3))
    for _, _, lo, hi in rows.blocks.tolist():
        last[lo:hi] = np.round(300.0 * np.exp(np.cumsum(rng.normal(0, 0.004, hi - lo))), 2)
        high[lo:hi], low[lo:hi] = np.maximum.accumulate(last[lo:hi]), np.minimum.accumulate(last[lo:hi])
    return replace(rows, columns=rows.columns | {"last_price": last, "day_high": high, "day_low": low})


def run(engine: Engine, rows: MadeRows, futures: Futures | None, **more: Any) -> np.ndarray:
    options = Options(betting=BETTING, fill="last", orders=plain(BINANCE_FUTURES), futures=futures, **more)
    return engine.run(prepare(rows, engine.steps.columns, BINANCE_FUTURES, options), SET).raw


def clock(stamp: int) -> int:
    return stamp // 10_000 % 100 * 3600 + stamp // 100 % 100 * 60 + stamp % 100


def expected(rows: MadeRows, futures: Futures) -> list[tuple[Any, ...]]:
    """Return (entry row, exit row, sign, units, profit, 수익률, rule) of each trade."""
    out, c = [], rows.columns
    for symbol, day, lo, hi in rows.blocks.tolist():
        times = futures.dated(rows.codes[symbol], [day])
        held: dict[str, Any] = {}
        for i in range(lo + 4, hi):
            price, stamp, rule = c["last_price"][i], int(rows.row_time[i]), -1
            if held:
                value = held["units"] / 1e8 * price
                paid = [rate for time, rate in times if held["paid_to"] < time <= stamp]
                held["funded"] += sum(held["sign"] * rate * value for rate in paid)
                held["paid_to"] = stamp
                mark = round(value, 4)
                net, sign, cost = profit(held, mark), held["sign"], held["cost"]
                gone = round(net / cost * 100, 2) * held["leverage"] < -90.0
                gone |= cost / held["leverage"] + sign * (mark - cost) <= mark * 0.004
                if gone and held["leverage"] > 1:
                    rule = LIQUIDATION_RULE
                elif clock(stamp) - clock(held["since"]) >= HOLD:
                    rule = 3
            elif c["in_universe"][i]:
                times_of = futures.leverage
                if futures.ranges:
                    spread = round((c["day_high"][i] / c["day_low"][i] - 1.0) * 100.0, 2)
                    times_of = next((by for low, high, by in futures.ranges if low <= spread < high), 1)
                units = math.floor(BETTING * times_of / price * 1e5) * 1000
                sign = 1 if c["change_pct"][i] >= 0 else -1
                cost = round(units / 1e8 * price, 4)
                held = {"row": i, "since": stamp, "paid_to": stamp, "funded": 0.0, "leverage": times_of}
                held |= {"units": units, "sign": sign, "cost": cost}
            if held and i == hi - 1 and rule < 0:
                rule = 0
            if rule >= 0:
                pnl = round(profit(held, round(held["units"] / 1e8 * price, 4)) - held["funded"], 4)
                pct = round(pnl / held["cost"] * 100, 2)
                out.append((held["row"], i, held["sign"], held["units"], pnl, pct, rule))
                held = {}
    return out


def profit(held: dict[str, Any], out: float) -> float:
    return round(held["sign"] * (out - held["cost"]) - (out + held["cost"]) * FEE, 4)


DATED = parse_funding_lines(
    "2024-01-05T09:02Z 0.0005\n2024-01-05T18:04+09:00 -0.002 # Seoul\n2024-01-06T09:03:30Z 0.001 S00", BINANCE_FUTURES
)


@pytest.mark.parametrize(
    "futures",
    [
        Futures(20.0),
        Futures(100.0, lines=DATED),
        Futures(1.0, ranges=((0.0, 1.0, 10), (1.0, 3.0, 50), (3.0, 5.0, 2))),
        Futures(1.0, lines=DATED),
        Futures(3.0, ranges=DEFAULT_RANGES, rate=0.0001),
    ],
)
def test_trades_are_those_of_a_plain_loop(engine: Engine, futures: Futures) -> None:
    liquidated = 0
    for seed in range(4):
        rows = rows_of(seed)
        want = expected(rows, futures)
        got = run(engine, rows, futures)
        assert len(got) == len(want) > 5
        places = [kernel.OUT_ENTRY, kernel.OUT_EXIT, kernel.OUT_SIGN, kernel.OUT_UNITS, kernel.OUT_PNL, kernel.OUT_RETURN, kernel.OUT_RULE]
        np.testing.assert_allclose(got[:, places], np.array(want, dtype=float), rtol=0, atol=2e-4)
        liquidated += sum(one[-1] == LIQUIDATION_RULE for one in want)
    assert (liquidated > 3) == (max(futures.leverage, *(by for _, _, by in futures.ranges), 1.0) >= 20)


def test_leverage_one_without_funding_changes_nothing(engine: Engine) -> None:
    for latency in (0, 2):
        rows = rows_of(9)
        assert np.array_equal(run(engine, rows, None, latency=latency), run(engine, rows, Futures(), latency=latency))


def test_rates_of_every_eight_hours_are_paid_for_who_holds_then(engine: Engine) -> None:
    rows = rows_of(3)
    rows = replace(rows, row_time=np.array([early(int(stamp)) for stamp in rows.row_time]))
    rows.row_time.flags.writeable = False
    plainly, paid = run(engine, rows, None), run(engine, rows, Futures(rate=0.01))
    over = [
        clock(int(rows.row_time[int(a)])) < 8 * 3600 <= clock(int(rows.row_time[int(b)]))
        for a, b in plainly[:, [kernel.OUT_ENTRY, kernel.OUT_EXIT]]
    ]
    changed = plainly[:, kernel.OUT_PNL] != paid[:, kernel.OUT_PNL]
    assert changed.tolist() == over
    assert sum(over) >= 2
    cost = (plainly - paid)[changed][:, kernel.OUT_PNL]
    assert (np.sign(cost) == plainly[changed][:, kernel.OUT_SIGN]).all()
    assert np.allclose(np.abs(cost), 10.0, rtol=0.05)  # 1 % of about 1,000


def early(stamp: int) -> int:
    """Return a row time an hour and six minutes earlier."""
    second = clock(stamp) - 3_960
    return stamp // 1_000_000 * 1_000_000 + second // 3600 * 10_000 + second // 60 % 60 * 100 + second % 60


def test_what_is_written_is_read() -> None:
    assert parse_leverage("7") == (7.0, ())
    assert parse_leverage("0-5:1,5-10:20") == (1.0, ((0.0, 5.0, 1), (5.0, 10.0, 20)))
    assert parse_leverage(BY_RANGE)[1] == DEFAULT_RANGES
    made = parse_futures("0-5:2", "0.0001", BINANCE_FUTURES)
    assert made == Futures(1.0, ((0.0, 5.0, 2),), 0.0001)
    assert made is not None
    assert futures_of(made.as_dict()) == made
    assert futures_of(Futures(2.0, lines=DATED).as_dict()) == Futures(2.0, lines=DATED)
    assert Futures(1.0, lines=DATED).dated("S00", []) == [(20240106090330, 0.001)]
    assert [time for time, _ in Futures(1.0, lines=DATED).dated("S01", [])] == [20240105090200, 20240105090400]
    assert parse_futures(None, None, UPBIT) is None


@pytest.mark.parametrize("text", ["0", "126", "2.5", "x", "5-0:2", "0-5:2,3-8:4", "0-5:0", "0-5"])
def test_a_leverage_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_leverage(text)
    assert caught.value.code == "futures.leverage"


def test_other_markets_refuse_by_name() -> None:
    for words, option in ((("3", None), "--leverage"), ((None, "0.0001"), "--funding")):
        with pytest.raises(InputError) as caught:
            parse_futures(*words, UPBIT)
        assert (caught.value.code, caught.value.fields["option"]) == ("futures.only", option)
    for text, code in (("nothing", "futures.rate"), ("0.2", "futures.rate"), ("nan", "futures.rate")):
        with pytest.raises(InputError) as caught:
            parse_funding(text, BINANCE_FUTURES)
        assert caught.value.code == code
    for text in ("2024-01-05T09:02 0.1", "2024-01-05T09:02Z 0.2", "x 0.01", "2024-01-05T09:02Z 0.01\n2024-01-05T09:02Z 0.02"):
        with pytest.raises(InputError) as caught:
            parse_funding_lines(text, BINANCE_FUTURES)
        assert caught.value.code == "futures.line"

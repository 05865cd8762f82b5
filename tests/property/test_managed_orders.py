"""Drawn order settings on made days: the compiled loop against the plain one of tests/managed_reference.py, trade for trade."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from coin.markets import BINANCE_FUTURES, UPBIT
from domain.instruments import Instrument, Market
from domain.order_settings import BASES, METHODS, Entry, Exit, OrderSettings, Weights, defaults, settings_of
from stock.markets import KRX
from tests.managed_reference import managed_trades
from tests.research import MadeRows, Reference, Row, as_tuples, compiled, hand_steps, made_rows

FEES = {"upbit": 0.0005, "binance-futures": 0.0004, "krx": 150}
TAX = {0: 3000, 20190603: 2500, 20210101: 2300, 20230101: 2000, 20240101: 1800}
seen: Counter[str] = Counter()


@cache
def engine() -> Engine:
    return Engine(compiled(hand_steps(), managed=True), hand_steps(), LocalExecutor(1))


@cache
def rows_of(market: Market, seed: int, interval_s: int, thin: float) -> MadeRows:
    """Return made rows with what weights and bars of minutes need."""
    rows = made_rows(market.code, seed, symbols=1, days=1, rows=170, interval_s=interval_s, thin=thin)
    rng = np.random.default_rng(seed)
    price, count = rows.columns["last_price"], len(rows.row_time)
    step = {"krx": 10.0, "upbit": 1.0}.get(market.code, 0.01)
    rows.columns |= {
        "bar_low": price - step * rng.integers(0, 30, count),
        "bar_high": price + step * rng.integers(0, 30, count),
        "day_high": np.maximum.accumulate(price),
        "day_low": np.minimum.accumulate(price),
        "day_value": np.cumsum(rng.lognormal(20, 1, count)),
    }
    own = 0.01 if market is BINANCE_FUTURES else 0.0
    rows.instruments = tuple(Instrument(instrument_id=f"x:{code}", code=code, name=code, price_step=own) for code in rows.codes)
    return rows


def buy(row: Row) -> int:
    change = row["change_pct"]
    if change > row.v[6]:
        raise ArithmeticError
    if not (row.v[1] <= change and row["trade_strength"] >= row.mean("trade_strength", row.v[0], 3) + row.v[2]):
        return 0
    return 1 if change >= 0 or row.v[7] == 0 else 2


def sell(row: Row) -> tuple[int, bool]:
    held = row.position
    if held["return_pct"] >= row.v[3]:
        return 1, False
    if held["return_pct"] <= -row.v[3]:
        return 2, True
    if held["seconds"] // (1 if "value_1s" in row.columns else 60) >= row.v[4]:
        return 3, False
    return (4, False) if held["max"] - held["return_pct"] > row.v[5] else (0, False)


def clocks() -> st.SearchStrategy[str]:
    return st.integers(0, 40).map(lambda k: f"09{k // 4:02d}{k % 4 * 15:02d}")


@st.composite
def entries(draw: st.DrawFn, market: Market) -> Entry:
    return Entry(
        **_common(draw),
        split_from_last=draw(st.booleans()),
        cancel_outside=draw(st.booleans()),
        ban_blacklist=draw(st.booleans()),
        blacklist=draw(st.sampled_from([(), (), ("S00",)])),
        ban_round=market is KRX and draw(st.booleans()),
        ban_round_ticks=draw(st.integers(0, 60)),
        ban_stops=draw(st.booleans()),
        ban_stops_count=draw(st.integers(1, 5)),
        ban_trades=draw(st.booleans()),
        ban_trades_count=draw(st.integers(1, 8)),
        ban_stop_interval=draw(st.booleans()),
        ban_stop_interval_s=draw(st.sampled_from([20.0, 90.0])),
    )


@st.composite
def exits(draw: st.DrawFn, market: Market) -> Exit:
    return Exit(
        **_common(draw),
        cancel_inside=draw(st.booleans()),
        stop_rate=draw(st.booleans()),
        stop_rate_pct=draw(st.sampled_from([0.3, 0.8])),
        stop_money=draw(st.booleans()),
        stop_money_amount=draw(st.sampled_from([3.0, 8.0])) * (10_000 if market is UPBIT else 1),
        ban_entries=draw(st.booleans()),
        ban_entries_count=draw(st.integers(1, 3)),
        ban_round=market is KRX and draw(st.booleans()),
        ban_round_ticks=draw(st.integers(0, 60)),
    )


def _common(draw: st.DrawFn) -> dict[str, object]:
    begin, end = draw(clocks()), draw(clocks())
    return {
        "order": draw(st.sampled_from(["market", "limit"])),
        "splits": draw(st.integers(1, 5)),
        "split_method": draw(st.sampled_from(METHODS)),
        "split_by_signal": draw(st.booleans()),
        "split_down": draw(st.booleans()),
        "split_down_pct": draw(st.sampled_from([0.1, 0.4])),
        "split_up": draw(st.booleans()),
        "split_up_pct": draw(st.sampled_from([0.1, 0.4])),
        "limit_base": draw(st.sampled_from(BASES)),
        "limit_ticks": draw(st.integers(-5, 5)),
        "levels": draw(st.integers(1, 5)),
        "cancel_on_signal": draw(st.booleans()),
        "cancel_late": draw(st.booleans()),
        "cancel_s": draw(st.sampled_from([5.0, 60.0])),
        "ban_time": begin != end and draw(st.booleans()),
        "ban_from": begin,
        "ban_to": end,
        "ban_interval": draw(st.booleans()),
        "ban_interval_s": draw(st.sampled_from([4.0, 30.0])),
        "replaces": draw(st.integers(0, 3)),
        "replace_away": draw(st.integers(1, 20)),
        "replace_ticks": draw(st.integers(0, 6)),
    }


@st.composite
def cases(draw: st.DrawFn) -> tuple[Market, MadeRows, Options, list[float]]:
    market = draw(st.sampled_from([UPBIT, KRX, BINANCE_FUTURES]))
    rows = rows_of(market, draw(st.integers(0, 7)), draw(st.sampled_from([1, 1, 60])), draw(st.sampled_from([0.3, 2.0])))
    weights = Weights(by=draw(st.sampled_from(["off", "day_range", "change_angle", "value_angle"])), factors=(0.2, 0.5, 1.0, 1.5, 2.0))
    orders = OrderSettings(entry=draw(entries(market)), exit=draw(exits(market)), weights=weights)
    settings_of(msgspec.to_builtins(orders))
    fill = draw(st.sampled_from(["sweep", "sweep", "partial", "partial", "last"]))
    options = Options(
        betting=market.backtest_betting / draw(st.sampled_from([1, 1, 20])),
        latency=draw(st.sampled_from([0, 0, 0, 1, 2])),
        delay_ms=draw(st.sampled_from([0, 0, 500, 2500, 61_000])),
        fill=fill,
        level_share=draw(st.sampled_from([0.1, 0.37, 1.0])) if fill == "partial" else 0.0,
        start=draw(st.sampled_from([0, 90_015])),
        orders=orders,
    )
    shorts = 1.0 if market is BINANCE_FUTURES else 0.0
    numbers = st.sampled_from
    variables = [3.0, draw(numbers([-5.0, 0.0])), draw(numbers([-20.0, 2.0])), draw(numbers([0.4, 1.5])), draw(numbers([0.0, 30.0, 900.0]))]
    return market, rows, options, [*variables, draw(numbers([-1.0, 0.4, 9.0])), draw(numbers([1e9, 2.0])), shorts]


@pytest.fixture(scope="module", autouse=True)
def every_road_is_taken() -> Iterator[None]:
    """Equality proves something where drawn settings make trades of several kinds."""
    yield
    assert seen["trades"] > 200
    assert min(seen[kind] for kind in ("split in", "100", "200", "0", "limit", "partial")) > 5, seen


@settings(max_examples=120, deadline=None, derandomize=True)
@given(cases())
def test_trade_for_trade(case: tuple[Market, MadeRows, Options, list[float]]) -> None:
    market, rows, options, variables = case
    assert options.orders is not None
    prepared = prepare(rows, engine().steps.columns, market, options)
    result = engine().run(prepared, np.array([variables]))
    got = as_tuples(prepared.codes, round_trips(prepared, result.raw))
    reference = Reference(
        betting=options.betting,
        kind="krx" if market is KRX else "coin",
        qty_decimals=int(rows.qty_decimals[0]),
        latency=options.latency,
        fill=options.fill,
        delay_ms=options.delay_ms,
        level_share=options.level_share,
        fee=FEES[market.code],
        tax=TAX,
        start=options.start,
    )
    want, errors = managed_trades(rows, market, reference, options.orders, variables, buy, sell)
    assert got == want
    assert result.errors == errors
    together = replace(prepared, managed=replace(prepared.managed, by_day=True))  # type: ignore[type-var]
    assert np.array_equal(engine().run(together, np.array([variables])).raw, result.raw)
    seen["trades"] += len(want)
    seen["limit"] += len(want) if options.orders.entry.order == "limit" else 0
    seen["partial"] += len(want) if options.fill == "partial" and options.orders.entry.order == "market" else 0
    seen["split in"] += len(want) if options.orders.entry.splits > 1 else 0
    for trade in want:
        seen[str(trade[12])] += 1


def test_defaults_are_checked() -> None:
    for market in (UPBIT, KRX, BINANCE_FUTURES):
        assert settings_of(msgspec.to_builtins(defaults(market))) == defaults(market)

"""The compiled loop against the slow engine, with a strategy written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backtester import engine as engine_module
from backtester.engine import Engine, Options, Prepared, prepare
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.errors import InputError
from domain.instruments import Market
from stock.markets import KRX
from tests.research import MadeRows, Reference, Row, as_tuples, hand_module, hand_steps, made_rows, reference_trades
from trading.trades import trades_sha256

FEES = {"upbit": 0.0005, "binance": 0.001, "binance-futures": 0.0004, "krx": 150}
VARS = [5, -50, 3, 1.5, 60, 1.0, 4.0, 0.0]


@pytest.fixture(scope="module")
def hand() -> Engine:
    return Engine(hand_module(), hand_steps(), LocalExecutor(2))


def buy(row: Row) -> int:
    if row["change_pct"] > row.v[6]:
        raise ArithmeticError
    if row["change_pct"] < row.v[1] or row["trade_strength"] < row.mean("trade_strength", row.v[0], 3) + row.v[2]:
        return 0
    return 1 if row["change_pct"] >= 0 or row.v[7] == 0 else 2


def sell(row: Row) -> tuple[int, bool]:
    held = row.position
    if held["return_pct"] >= row.v[3]:
        return 1, False
    if held["return_pct"] <= -row.v[3]:
        return 2, True
    if held["seconds"] >= row.v[4]:
        return 3, False
    return (4, False) if held["max"] - held["return_pct"] > row.v[5] else (0, False)


def reference(market: Market, rows: MadeRows, options: Options) -> Reference:
    return Reference(
        betting=options.betting,
        kind="krx" if market.integer_money else "coin",
        qty_decimals=int(rows.qty_decimals[0]),
        entry_levels=options.entry_levels,
        exit_levels=options.exit_levels,
        latency=options.latency,
        fill=options.fill,
        fee=FEES[market.code],
        tax={0: 3000, 20240101: 1800},
        start=options.start,
        end=options.end,
    )


def run(hand: Engine, rows: MadeRows, market: Market, options: Options, variables: list[float] = VARS) -> tuple[Prepared, np.ndarray, int]:
    prepared = prepare(rows, hand.steps.columns, market, options)
    result = hand.run(prepared, np.array([variables]))
    return prepared, round_trips(prepared, result.raw), result.errors


@pytest.mark.parametrize("market", [UPBIT, BINANCE, BINANCE_FUTURES, KRX], ids=lambda market: market.code)
@pytest.mark.parametrize(("latency", "thin"), [(0, 1.0), (0, 0.2), (1, 1.0), (1, 0.2), (3, 0.3)])
def test_trade_for_trade_as_specified(hand: Engine, market: Market, latency: int, thin: float) -> None:
    rows = made_rows(market.code, latency * 7 + 1, thin=thin)
    options = Options(betting=market.backtest_betting, latency=latency, start=90_100, end=90_900)
    variables = [*VARS[:7], float(market is BINANCE_FUTURES)]
    prepared, trades, errors = run(hand, rows, market, options, variables)
    want, want_errors = reference_trades(rows, reference(market, rows, options), variables, buy, sell)
    assert as_tuples(prepared.codes, trades) == want
    assert errors == want_errors
    assert len(want) > 3
    if market is BINANCE_FUTURES:
        assert {trade[1] for trade in want} == {1, -1}


def test_short_depth_forces_exits_past_the_levels(hand: Engine) -> None:
    rows = made_rows("upbit", 11, thin=0.1)
    options = Options(betting=UPBIT.backtest_betting, entry_levels=5, exit_levels=2)
    prepared, trades, _ = run(hand, rows, UPBIT, options)
    want, _ = reference_trades(rows, reference(UPBIT, rows, options), VARS, buy, sell)
    assert as_tuples(prepared.codes, trades) == want
    assert trades["past_levels"].sum() > 0


def test_minutes_hold_in_minutes(hand: Engine) -> None:
    rows = made_rows("upbit", 5, interval_s=60, rows=120)
    options = Options(betting=1_000_000.0, start=90_000, end=120_000)
    prepared, trades, _ = run(hand, rows, UPBIT, options, [5, -50, 3, 1.5, 7, 1.0, 4.0, 0.0])

    def sell_minutes(row: Row) -> tuple[int, bool]:
        row.position["seconds"] //= 60
        return sell(row)

    want, _ = reference_trades(rows, reference(UPBIT, rows, options), [5, -50, 3, 1.5, 7, 1.0, 4.0, 0.0], buy, sell_minutes)
    assert as_tuples(prepared.codes, trades) == want
    assert len(want) > 3


@pytest.mark.parametrize("slippage", [0, 2])
def test_the_best_price_takes_any_quantity_and_a_side_without_price_none(hand: Engine, slippage: int) -> None:
    rows = made_rows("upbit", 11, thin=0.01)  # far too thin for a sweep
    rows.columns = dict(rows.columns)
    for key in [f"bid{k}" for k in range(1, 6)]:
        rows.columns[key] = np.where(np.arange(len(rows.row_time)) % 3 == 0, 0.0, rows.columns[key])
    before = {key: column.copy() for key, column in rows.columns.items()}
    options = Options(betting=UPBIT.backtest_betting, fill="best", slippage=slippage)
    prepared, trades, _ = run(hand, rows, UPBIT, options)
    want, _ = reference_trades(rows, reference(UPBIT, rows, options), VARS, buy, sell)
    assert all(np.array_equal(before[key], column, equal_nan=True) for key, column in rows.columns.items())
    assert len(trades) > 3
    if slippage:
        at = np.searchsorted(rows.row_time[: rows.blocks[0]["hi"]], trades["entry_time"][0])
        assert trades["entry_price"][0] > rows.columns["ask1"][at]
    else:
        assert as_tuples(prepared.codes, trades) == want


def test_rows_without_a_book_need_fill_last(hand: Engine) -> None:
    rows = replace(made_rows("upbit", 3), has_book=False)
    rows.columns = {key: column for key, column in rows.columns.items() if not key.startswith(("ask", "bid"))}
    with pytest.raises(InputError, match=r"backtest\.no_book"):
        prepare(rows, hand.steps.columns, UPBIT, Options(betting=1e6))
    options = Options(betting=1e6, fill="last")
    prepared, trades, _ = run(hand, rows, UPBIT, options)
    want, _ = reference_trades(rows, reference(UPBIT, rows, options), VARS, buy, sell)
    assert as_tuples(prepared.codes, trades) == want
    assert len(want) > 3


def population(n: int) -> np.ndarray:
    rng = np.random.default_rng(9)
    out = np.tile(np.array(VARS), (n, 1))
    out[:, 0] = rng.choice([3, 5, 9], n)
    out[:, 2] = rng.choice([1.0, 3.0, 6.0], n)
    out[:, 4] = rng.choice([20, 60, 200], n)
    return out


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_set_in_a_population_is_the_set_alone(hand: Engine, workers: int) -> None:
    rows = made_rows("upbit", 21, symbols=2, days=3)
    prepared = prepare(rows, hand.steps.columns, UPBIT, Options(betting=1e6))
    vectors = population(17)
    executor = LocalExecutor(workers)
    many = Engine(_module(hand), hand.steps, executor).run(prepared, vectors)
    executor.close()
    assert len({trades_sha256(prepared.codes, _trades(prepared, many.raw, k)) for k in range(17)}) > 3
    for k in range(17):
        alone = hand.run(prepared, vectors[k : k + 1])
        assert np.array_equal(_trades(prepared, many.raw, k), round_trips(prepared, alone.raw))


def test_one_symbol_day_is_shared_out_by_sets(hand: Engine) -> None:
    rows = made_rows("upbit", 22, symbols=1, days=1)
    prepared = prepare(rows, hand.steps.columns, UPBIT, Options(betting=1e6))
    vectors = population(9)
    many = hand.run(prepared, vectors)
    for k in range(9):
        assert np.array_equal(_trades(prepared, many.raw, k), round_trips(prepared, hand.run(prepared, vectors[k : k + 1]).raw))


def test_a_full_buffer_loses_nothing(hand: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made_rows("upbit", 23)
    prepared = prepare(rows, hand.steps.columns, UPBIT, Options(betting=1e6))
    want = hand.run(prepared, population(4))
    monkeypatch.setattr(engine_module, "ROOM", 2)
    got = hand.run(prepared, population(4))
    assert np.array_equal(want.raw, got.raw)
    assert want.errors == got.errors


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"betting": 0.0}, "betting"),
        ({"latency": -1}, "latency"),
        ({"fill": "nothing"}, "fill"),
        ({"fill": "queue"}, "queue_orders"),
        ({"entry_levels": 6}, "levels"),
        ({"start": 120_000, "end": 90_000}, "times"),
    ],
)
def test_bad_options_are_refused(change: dict[str, float], code: str) -> None:
    with pytest.raises(InputError, match=rf"backtest\.{code}"):
        replace(Options(betting=1.0), **change)


def test_a_time_range_without_rows_is_said() -> None:
    with pytest.raises(InputError, match=r"backtest\.no_rows"):
        prepare(made_rows("upbit", 1), (), UPBIT, Options(betting=1.0, end=10_000))


def _module(hand: Engine) -> object:
    class Module:
        run_blocks = staticmethod(hand.run_blocks)
        make_work = staticmethod(hand.make_work)

    return Module


def _trades(prepared: Prepared, raw: np.ndarray, k: int) -> np.ndarray:
    return round_trips(prepared, raw[raw[:, 0] == k])


def test_rows_made_in_memory_need_no_other_machine_code(hand: Engine) -> None:
    """What was compiled and sealed serves mapped rows and bars built in memory; else each run of such bars would compile for seconds."""
    rows = made_rows("upbit", 3)
    assert rows.row_time.flags.writeable
    hand.run(prepare(rows, hand_steps().columns, UPBIT, Options(betting=1e6)), np.zeros((1, 8)))
    assert len(hand.module.run_blocks.signatures) == 1

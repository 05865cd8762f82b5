"""Portfolio runs on generated rows: cash, positions, sums, and the independent run where nothing bites."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace as changed

from backtester import kernel
from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.portfolio import COLUMNS, Member, Portfolio, Shared, Strategy, portfolio_of, run_shared
from backtester.trades import round_trips
from coin.markets import UPBIT
from domain.instruments import Instrument
from domain.order_settings import Entry, Exit, OrderSettings, plain
from domain.settings import Risk
from tests.research import MadeRows, compiled, hand_steps, made_rows
from trading.numbers import row_seconds

SETS = np.array([[5.0, 0.1, 4.0, 0.8, 60.0, 0.6, 1e9, 0.0], [8.0, 0.2, 2.0, 0.5, 30.0, 0.9, 1e9, 0.0]])
OPEN = Risk(
    max_order_pct=100, max_order_krw=1e12, max_position_pct=100, max_gross_pct=1000, max_open_orders=200, orders_per_s=1000,
    orders_per_min=60000,
    intents_per_s=1000, intents_per_min=60000, entries_per_day=1_000_000, max_depth_pct=100, day_loss_reduce_pct=100, day_loss_halt_pct=100,
)  # fmt: skip


@cache
def engine() -> Engine:
    return Engine(compiled(hand_steps(), managed=True), hand_steps(), LocalExecutor(1))


def rows_of(seed: int, symbols: int = 6, thin: float = 1.0) -> MadeRows:
    rows = made_rows("upbit", seed, symbols=symbols, days=2, rows=180, thin=thin)
    clock = np.array([row_seconds(int(stamp), 1) for stamp in rows.row_time]) * 1_000_000_000
    instruments = tuple(Instrument(instrument_id=f"upbit:{c}", code=c, name=c, base=c, quote="KRW", qty_step=1) for c in rows.codes)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(clock)), clock))
    seq = np.empty(len(clock), dtype=np.int64)
    seq[order] = np.arange(len(clock))
    columns = rows.columns | {
        "seq": seq,
        "exchange_ns": clock,
        "ask_total_size": np.full(len(clock), 1e9),
        "bid_total_size": np.full(len(clock), 1e9),
    }
    return replace(rows, columns=columns, instruments=instruments)


def go(
    rows: MadeRows,
    terms: Portfolio,
    betting: float = 1e6,
    fees: tuple[float, float] | None = None,
    orders: OrderSettings | None = None,
) -> tuple[Shared, list[np.ndarray]]:
    options = Options(betting=betting, orders=orders or plain(UPBIT), fees=fees)
    prepared = prepare(rows, hand_steps().columns, UPBIT, options)
    strategies = [Strategy(f"s{k}", engine(), prepared, SETS[k]) for k in range(len(terms.shares))]
    done = run_shared(strategies, terms, rows, rows.instruments)  # type: ignore[arg-type]
    return done, [round_trips(prepared, raw) for raw in done.raws]


def alone(rows: MadeRows, k: int, betting: float = 1e6) -> np.ndarray:
    prepared = prepare(rows, hand_steps().columns, UPBIT, Options(betting=betting))
    return round_trips(prepared, engine().run(prepared, SETS[k : k + 1]).raw)


def two(terms: Portfolio) -> Portfolio:
    return replace(terms, shares=(0.0, 0.0), others=(Member("s1", "", ""),))


@pytest.mark.parametrize("seed", [1, 2])
def test_where_nothing_bites_it_is_the_independent_run_to_the_bit(seed: int) -> None:
    rows = rows_of(seed)
    terms = Portfolio(1e12, 1000, risk=OPEN)
    done, (trades,) = go(rows, terms)
    assert len(trades) > 20
    assert not done.refusals[0]
    assert np.array_equal(trades, alone(rows, 0))
    done, both = go(rows, two(terms))
    for k, trades in enumerate(both):
        assert np.array_equal(trades, alone(rows, k))


@pytest.mark.parametrize(("seed", "cash", "most"), [(3, 2.5e6, 100), (4, 1e9, 2), (5, 3.3e6, 3), (6, 1.7e6, 1)])
def test_cash_positions_and_sums_hold(seed: int, cash: float, most: int) -> None:
    rows = rows_of(seed)
    done, both = go(rows, two(Portfolio(cash, most, risk=OPEN)))
    assert sum(map(len, both)) > 10
    assert sum(sum(one.values()) for one in done.refusals) > 0
    assert done.curve[:, 1].min() >= -1e-6  # cash
    earned = sum(float(trades["pnl"].sum()) for trades in both)
    assert done.cash == pytest.approx(cash + earned, abs=1e-3)
    assert done.curve[-1, 2] == pytest.approx(done.cash)
    # Symbols held at once, from the trades themselves, in the order of things: second, strategy, arrival.
    events = []
    prepared = prepare(rows, hand_steps().columns, UPBIT, Options(betting=1e6))
    for k, raw in enumerate(done.raws):
        for trade in raw:
            symbol = int(prepared.symbols[int(trade[kernel.OUT_BLOCK])])
            for column, step in ((kernel.OUT_ENTRY, 1), (kernel.OUT_EXIT, -1)):
                row = int(trade[column])
                events.append((int(rows.row_time[row]), k, int(rows.columns["seq"][row]), symbol, step))
    held: dict[int, int] = {}
    largest = 0
    for _, _, _, symbol, step in sorted(events):
        held[symbol] = held.get(symbol, 0) + step
        largest = max(largest, sum(count > 0 for count in held.values()))
    assert largest <= most
    assert done.curve[:, 3].max() <= most * 2


def test_a_share_bounds_what_a_strategy_holds() -> None:
    rows = rows_of(7)
    terms = replace(two(Portfolio(4e6, 100, risk=OPEN)), shares=(0.25, 0.75))
    done, both = go(rows, terms)
    assert done.refusals[0].get("share", 0) > 0
    assert len(both[0]) > 3
    assert max(both[0]["entry_amount"]) <= 0.25 * 4.4e6


def test_the_same_run_gives_the_same_bits_and_the_order_of_the_feed_decides() -> None:
    rows = rows_of(8)
    terms = Portfolio(1e9, 1, risk=OPEN)
    first, (trades,) = go(rows, terms)
    again, _ = go(rows, terms)
    assert np.array_equal(first.curve, again.curve)
    assert first.in_feed_order
    by_symbol = replace(rows, columns=rows.columns | {"seq": np.arange(len(rows.row_time))})  # numbered symbol by symbol
    other, _ = go(by_symbol, terms)
    assert not other.in_feed_order
    assert COLUMNS == ("seq", "exchange_ns", "ask_total_size", "bid_total_size")


def test_a_days_loss_stops_entries() -> None:
    rows = rows_of(9)
    terms = Portfolio(2e6, 100, risk=OPEN)
    free, _ = go(rows, terms, fees=(0.01, 0.0))
    held, _ = go(rows, replace(terms, risk=changed(OPEN, day_loss_reduce_pct=1.0)), fees=(0.01, 0.0))
    assert len(held.raws[0]) < len(free.raws[0])
    assert held.refusals[0].get("state", 0) > 0


@pytest.mark.parametrize(("stops", "fees"), [((0.5, 0.0), (0.01, 0.0)), ((0.0, 0.02), None)])
def test_an_account_stop_sends_everybody_out_until_the_next_day(stops: tuple[float, float], fees: tuple[float, float] | None) -> None:
    rows = rows_of(9)
    terms = Portfolio(2e6, 100, risk=OPEN)
    free, (all_trades,) = go(rows, terms, fees=fees)
    held, (trades,) = go(rows, replace(terms, stop_loss_pct=stops[0], stop_gain_pct=stops[1]), fees=fees)
    forced = trades[trades["exit_rule"] == 400]
    assert len(forced) > 0
    assert not (all_trades["exit_rule"] == 400).any()
    assert held.refusals[0]["state"] > 0
    assert len(trades) < len(all_trades)
    for day in np.unique(forced["exit_time"] // 1_000_000):
        first = forced["exit_time"][forced["exit_time"] // 1_000_000 == day].min()
        today = trades["entry_time"][trades["entry_time"] // 1_000_000 == day]
        assert (today <= first).all()  # nobody enters after the first was sent out
    assert 1 <= held.stopped_days <= 2
    again, _ = go(rows, replace(terms, stop_loss_pct=stops[0], stop_gain_pct=stops[1]), fees=fees)
    assert np.array_equal(held.raws[0], again.raws[0])
    kept = replace(terms, stop_loss_pct=stops[0], stop_gain_pct=stops[1])
    assert portfolio_of(kept.as_dict()) == kept


def test_an_account_stop_that_is_never_crossed_changes_nothing_and_a_limit_order_obeys_it() -> None:
    rows = rows_of(9)
    terms = Portfolio(2e6, 100, risk=OPEN)
    free, _ = go(rows, terms)
    far, _ = go(rows, replace(terms, stop_loss_pct=100.0, stop_gain_pct=1000.0))
    assert np.array_equal(far.raws[0], free.raws[0])
    assert far.stopped_days == 0
    waits = OrderSettings(entry=Entry(order="limit"), exit=Exit(order="limit", limit_base="ask1"))
    held, (trades,) = go(rows, replace(terms, stop_loss_pct=0.3), fees=(0.003, 0.0), orders=waits)
    assert held.stopped_days > 0
    assert (trades["exit_rule"] == 400).any()

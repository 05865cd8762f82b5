"""The short form of tests.reference.long: forty rule sets, trade for trade."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtester.job import run_one
from backtester.metrics import METRIC_KEYS
from domain.order_settings import Exit, OrderSettings
from tests.recorded import RECORDED
from tests.reference import data, door, results
from tests.reference.generate import Draw, Maker
from tests.reference.replay import Trade

# Market, interval, share of the draws that have order settings.
PLACES = (("upbit", 1, 0.0), ("krx", 60, 1.0), ("binance-futures", 1, 0.0))
# Ten draws of variables and settings on each of four pairs of texts: a text costs the product seconds of compiling.
DRAWS = 10


@dataclass
class Case:
    """One pair of texts on some rows: every draw and what came of it."""

    rows: data.Rows
    draws: list[Draw]
    done: list[door.Comparison]


def compared(rows: data.Rows, seed: int, orders: float = 0.0) -> Case:
    maker = Maker(rows, random.Random(seed), orders)
    draws = [maker.draw()]
    draws += [maker.again(draws[0]) for _ in range(DRAWS - 1)]
    return Case(rows, draws, [door.compare(draw, rows) for draw in draws])


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: f"{place[0]}-{place[1]}")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    market, interval_s, orders = request.param
    return compared(data.made(tmp_path_factory.mktemp("made"), market, interval_s, 3, 0.15 if interval_s == 1 else 1.5), 2, orders)


def test_made_rows_trade_for_trade(made: Case) -> None:
    wrong = [(done.differences, draw) for done, draw in zip(made.done, made.draws, strict=True) if done.differences]
    assert not wrong
    assert sum(done.trades for done in made.done) > 0


def test_a_difference_is_seen(made: Case) -> None:
    """The comparison can fail: the reference is given half the amount that the product was given."""
    draw = next(draw for draw, done in zip(made.draws, made.done, strict=True) if done.trades)
    other = replace(draw, settings=replace(draw.settings, betting=draw.settings.betting * 0.5))
    assert "sha256" in door.compare(other, made.rows, door.product(draw, made.rows)).differences


def test_a_search_runs_each_set_as_a_backtest_does(made: Case) -> None:
    """optimise(p) = run(p), bit for bit: the trades of a batch of drawn sets and of each alone."""
    loaded = door.product(made.draws[0], made.rows)
    vectors = np.array([door.variables(draw, loaded) for draw in made.draws])
    batch = loaded.engine.run(loaded.prepared, vectors)
    figures = loaded.metrics.of(batch.raw, len(vectors))
    for k, one in enumerate(vectors):
        alone = run_one(loaded, one)
        mine = batch.raw[batch.raw[:, 0] == k]
        assert mine[:, 1:].tobytes() == alone.raw[:, 1:].tobytes()
        assert figures[k].tolist() == [alone.metrics[key] for key in METRIC_KEYS]


def test_figures_as_pandas_has_them(made: Case) -> None:
    """What a kept library defines the same: shares, means, sums, running extremes, days, over the product's own trades."""
    draw = max(zip(made.draws, made.done, strict=True), key=lambda pair: pair[1].trades)[0]
    loaded = door.product(draw, made.rows)
    run = run_one(loaded, door.variables(draw, loaded))
    trades, figures = pd.DataFrame(run.trades), run.metrics
    equity = pd.concat([pd.Series([0.0]), trades["pnl"].cumsum()], ignore_index=True)
    gain, loss = (trades["return_pct"][side] for side in (trades["pnl"] >= 0, trades["pnl"] < 0))
    same = {
        "tc": trades["pnl"].count(),
        "wr": (trades["pnl"] >= 0).mean() * 100,
        "ah": trades["holding_time"].mean(),
        "ap": trades["return_pct"].mean(),
        "tg": trades["pnl"].sum(),
        "mdd_amount": (equity.cummax() - equity).max(),
        "tpi": (trades["pnl"] >= 0).mean() * (1 + (gain.mean() if len(gain) else 0.0) / abs(loss.mean())) if len(loss) else 1.0,
    }
    assert {key: figures[key] for key in same} == pytest.approx(same, rel=1e-9, abs=1e-7)


# What drawn rules met once in a thousand: a clock in a text; an exit by price on a row whose text ends in an error; a trailing stop.
MISSED = """
if now() > timedelta_sec(20, 매수시간):
    매도 = True
elif 최고수익률 - 수익률 > 0.3 or 1 / (시분초 - 시분초) > 0:
    매도 = True
"""
BY_PRICE = OrderSettings(exit=Exit(splits=2, split_by_signal=False, split_down=True, split_down_pct=0.02, split_up=True, split_up_pct=0.02))


@pytest.mark.parametrize("orders", [None, BY_PRICE], ids=["plain", "orders"])
def test_what_drawn_rules_missed(made: Case, orders: OrderSettings | None) -> None:
    if made.rows.market != "upbit":
        pytest.skip("one market tells")
    draw = made.draws[0]
    rules = replace(draw.rules, buy="매수 = 체결강도 > 0", sell=MISSED, variables={0: 5.0}, rows_since=())
    done = door.compare(Draw(rules, replace(draw.settings, orders=orders, latency=1, delay_ms=1500), {}), made.rows)
    assert not done.differences
    assert done.trades > 5


@pytest.mark.skipif(RECORDED is None, reason="no recorded market data on this machine")
def test_recorded_rows_trade_for_trade(tmp_path: Path) -> None:
    assert RECORDED is not None
    case = compared(data.recorded(tmp_path, RECORDED, only="upbit-1s")[0], 6)
    assert [done.differences for done in case.done] == [[]] * DRAWS
    assert sum(done.trades for done in case.done) > 0


def test_the_hash_of_the_specification() -> None:
    assert results.sha256([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    trade = Trade("KRW-A", "LONG", 20260105000000, 20260105000001, 1, 100.0, 101.9, 110.0, 10190.0, 11000.0, 7.84, 799.405, 1)
    line = "KRW-A|LONG|20260105000000|20260105000001|100.00000000|101.90000000|110.00000000|10190.0000|11000.0000|7.84|799.4050|1\n"
    assert results.lines([trade]) == line

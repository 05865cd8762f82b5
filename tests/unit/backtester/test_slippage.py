"""A book some ticks worse: the same trades as on rows whose book was moved by hand, and the plain book left alone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from backtester.engine import Engine, Options, Prepared, prepare
from backtester.executors import LocalExecutor
from backtester.trades import round_trips
from coin.markets import BINANCE, UPBIT
from domain.errors import InputError
from domain.instruments import Instrument, Market
from stock.markets import KRX
from tests.research import MadeRows, hand_module, hand_steps, made_rows
from trading.ladder import move_price

SET = np.array([[5.0, 0.1, 4.0, 0.8, 60.0, 0.6, 1e9, 1.0]])


def run(prepared: Prepared) -> np.ndarray:
    engine = Engine(hand_module(), hand_steps(), LocalExecutor(1))
    return round_trips(prepared, engine.run(prepared, SET).raw)


def by_hand(rows: MadeRows, market: Market, ticks: int) -> MadeRows:
    columns = {key: column.copy() for key, column in rows.columns.items()}
    for symbol, day, lo, hi in rows.blocks.tolist():
        own = rows.instruments[symbol] if rows.instruments else Instrument(instrument_id="x:x", code="x", name="x", base="x", quote="KRW")
        date = dt.date(day // 10_000, day // 100 % 100, day % 100)
        for level in range(1, 6):
            for side, sign in (("ask", 1), ("bid", -1)):
                column = columns[f"{side}{level}"]
                for i in range(lo, hi):
                    if column[i] > 0.0:
                        column[i] = move_price(market, own, float(column[i]), sign * ticks, date)
    return replace(rows, columns=columns)


def with_steps(rows: MadeRows, step: float) -> MadeRows:
    return replace(
        rows,
        instruments=tuple(
            Instrument(instrument_id=f"binance:{c}", code=c, name=c, base=c, quote="USDT", price_step=step) for c in rows.codes
        ),
    )


@pytest.mark.parametrize(("market", "ticks"), [(UPBIT, 1), (KRX, 1), (KRX, 3), (BINANCE, 2)])
def test_a_worse_book_is_the_book_moved_by_hand(market: Market, ticks: int) -> None:
    rows = made_rows(market.code, 21, symbols=2, days=2, rows=160)
    if market is BINANCE:
        rows = with_steps(rows, 0.01)
    betting = 1_000_000.0 if market.currency == "KRW" else 1_000.0
    columns = hand_steps().columns
    plain = prepare(rows, columns, market, Options(betting=betting))
    worse = prepare(rows, columns, market, Options(betting=betting, slippage=ticks))
    hand = prepare(by_hand(rows, market, ticks), columns, market, Options(betting=betting))
    got, want, base = run(worse), run(hand), run(plain)
    assert len(got) > 5
    assert np.array_equal(got, want)
    assert got["pnl"].sum() < base["pnl"].sum()
    assert plain.book[0] is not worse.book[0]
    assert np.array_equal(plain.book[0], rows.columns["ask1"])


def test_fills_at_the_last_price_pay_a_tick_each_way() -> None:
    rows = made_rows("upbit", 22, symbols=1, days=1, rows=200)
    columns = hand_steps().columns
    plain = prepare(rows, columns, UPBIT, Options(betting=1e6, fill="last"))
    worse = prepare(rows, columns, UPBIT, Options(betting=1e6, fill="last", slippage=1))
    got = run(worse)
    assert len(got) > 3
    own, date = Instrument(instrument_id="x:x", code="x", name="x", base="x", quote="KRW"), dt.date(2024, 1, 5)
    last = dict(zip(rows.row_time.tolist(), rows.columns["last_price"].tolist(), strict=True))
    for trade in got:
        side = int(trade["side"])
        assert trade["entry_price"] == pytest.approx(move_price(UPBIT, own, last[int(trade["entry_time"])], side, date))
        assert trade["exit_price"] == pytest.approx(move_price(UPBIT, own, last[int(trade["exit_time"])], -side, date))
    assert len(run(plain)) > 3


def test_a_market_without_steps_is_refused() -> None:
    rows = made_rows("binance", 23, symbols=1, days=1)
    with pytest.raises(InputError, match=r"backtest\.no_price_step"):
        prepare(rows, hand_steps().columns, BINANCE, Options(betting=1e3, slippage=1))
    with pytest.raises(InputError, match=r"backtest\.slippage"):
        Options(betting=1.0, slippage=-1)

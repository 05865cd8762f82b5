"""Profit in coins and in whole won, position variables, and fills turned into round trips."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pytest

from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.errors import InputError
from domain.instruments import Instrument
from domain.orders import Fill
from domain.records import POSITION_INDEX, POSITION_SIZE
from stock.markets import KRX
from trading.position_vars import clear_position, open_position, update_position
from trading.positions import PositionBook, market_params, profit
from trading.trades import trade_line

ONE = 100_000_000


def test_example_of_the_contract() -> None:
    assert profit(market_params(UPBIT, 20260105), 10190.0, 11000.0, 1) == (799.405, 7.84)


def test_short_earns_when_it_falls() -> None:
    pnl, pct = profit(market_params(BINANCE_FUTURES, 20260105), 1000.0, 900.0, -1)
    assert (pnl, pct) == (round(100 - 0.4 - 0.36, 4), 9.92)


@pytest.mark.parametrize(
    ("day", "tax"),
    [
        (20190602, 3000),
        (20190603, 2500),
        (20201231, 2500),
        (20210101, 2300),
        (20230101, 2000),
        (20240105, 1800),
        (20251231, 1500),
        (20260101, 2000),
    ],
)
def test_krx_tax_by_date_of_sale(day: int, tax: int) -> None:
    b, s = 10_000_123.0, 10_400_987.0
    fee = [int(a) * 150 // 10**7 * 10 for a in (b, s)]
    want = int(s) - int(s) * tax // 10**6 - fee[0] - fee[1] - int(b)
    assert profit(market_params(KRX, day), b, s, 1) == (float(want), float(np.rint(want / b * 100 * 100) / 100))


def test_day_may_be_a_date() -> None:
    assert np.array_equal(market_params(KRX, dt.date(2024, 1, 5)), market_params(KRX, 20240105))


def test_own_fees_replace_the_rule() -> None:
    assert profit(market_params(UPBIT, 20260105, (0.001, 0.002)), 1000.0, 1100.0, 1)[0] == pytest.approx(100 - 1.0 - 1.1 - 2.2)
    with pytest.raises(InputError, match=r"fees\.not_ppm"):
        market_params(KRX, 20240105, (0.00015001, 0.0018))
    with pytest.raises(InputError, match=r"fees\.range"):
        market_params(UPBIT, 20240105, (-0.1, 0.0))


def test_nothing_paid_is_no_return() -> None:
    assert profit(market_params(UPBIT, 20260105), 0.0, 0.0, 1) == (0.0, 0.0)


def field(position: np.ndarray, name: str) -> float:
    return float(position[POSITION_INDEX[name]])


def test_extremes_start_with_the_first_evaluated_row() -> None:
    position, params = np.zeros(POSITION_SIZE), market_params(UPBIT, 20260105)
    open_position(position, params, 1, 2 * ONE, 200.0, 7, 20260105000010)
    update_position(position, params, 99.0, 1, 1)
    assert field(position, "return_pct") == -1.1
    assert field(position, "max_return_pct") == field(position, "min_return_pct") == -1.1
    update_position(position, params, 103.0, 2, 1)
    assert (field(position, "max_return_pct"), field(position, "min_return_pct")) == (2.9, -1.1)
    assert field(position, "holding_time") == field(position, "holding_seconds") == 2
    assert (field(position, "entry_row"), field(position, "entry_price"), field(position, "position_qty")) == (7, 100.0, 2.0)
    assert field(position, "order_qty") == 2.0
    clear_position(position)
    assert position.sum() == field(position, "leverage") == 1.0


def test_minutes_held_in_minute_rows() -> None:
    position, params = np.zeros(POSITION_SIZE), market_params(KRX, 20260105)
    open_position(position, params, 1, 3_000 * ONE, 300_000.0, 0, 202601050900)
    update_position(position, params, 100.0, 300, 60)
    assert (field(position, "holding_time"), field(position, "holding_seconds")) == (5, 300)
    assert field(position, "pnl") == -600 - 40 - 40


# --- fills -------------------------------------------------------------------------------------

BTC = Instrument(
    instrument_id="binance:BTCUSDT",
    code="BTCUSDT",
    name="BTCUSDT",
    base="BTC",
    quote="USDT",
    qty_step=1000,
    qty_decimals=5,
    price_step=0.01,
)
KRW = Instrument(instrument_id="upbit:KRW-A", code="KRW-A", name="A", base="A", quote="KRW")
NUMBER = iter(range(1, 10_000))


def fill(instrument: Instrument, side: int, qty: float, price: str, order: str = "o", fee: str = "0", asset: str = "") -> Fill:
    return Fill(
        fill_key=f"k{next(NUMBER)}",
        client_order_id=order,
        venue_order_id="v",
        instrument_id=instrument.instrument_id,
        side=side,
        qty=round(qty * ONE),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_asset=asset,
        exchange_ns=1,
    )


def test_fills_by_level_become_the_round_trip_of_the_engine() -> None:
    book = PositionBook(UPBIT, 1, [KRW])
    book.apply(fill(KRW, 1, 10, "101", "in"), 20260105000000)
    view, trip = book.apply(fill(KRW, 1, 90, "102", "in"), 20260105000000)
    assert trip is None
    assert (view.qty, view.entry_price, view.entry_cost, view.scale_in_count) == (100 * ONE, 101.9, 10190.0, 1)
    view, trip = book.apply(fill(KRW, -1, 100, "110", "out"), 20260105000001, rule=1)
    assert trip is not None
    assert view.qty == 0
    assert view.realised == 799.405
    line = "KRW-A|LONG|20260105000000|20260105000001|100.00000000|101.90000000|110.00000000|10190.0000|11000.0000|7.84|799.4050|1"
    assert trade_line(book.codes[0], trip[0]) == line
    assert int(trip[0]["holding_time"]) == 1


def test_a_fill_counts_once() -> None:
    book = PositionBook(UPBIT, 1, [KRW])
    one = fill(KRW, 1, 1, "100")
    book.apply(one, 20260105000000)
    assert book.apply(one, 20260105000001)[0].qty == ONE


def test_partial_exits_sum_up() -> None:
    book = PositionBook(UPBIT, 1, [KRW])
    book.apply(fill(KRW, 1, 2, "100", "a"), 20260105000000, entry_row_time=20260104235959)
    view, trip = book.apply(fill(KRW, -1, 1, "110", "b"), 20260105000005, rule=100)
    assert (trip, view.qty, view.scale_out_count, view.entry_row_time) == (None, ONE, 1, 20260104235959)
    _, trip = book.apply(fill(KRW, -1, 1, "120", "c"), 20260105000009, rule=3)
    assert trip is not None
    assert (trip["exit_amount"][0], trip["exit_price"][0], trip["exit_time"][0], trip["exit_rule"][0]) == (230.0, 115.0, 20260105000009, 3)


def test_commission_taken_of_the_coin_leaves_dust_that_is_flat() -> None:
    book = PositionBook(BINANCE, 1, [BTC])
    view, _ = book.apply(fill(BTC, 1, 0.01633, "61000", "a", fee="0.00001633", asset="BTC"), 20260105000000)
    assert view.qty == 1_633_000 - 1_633
    view, trip = book.apply(fill(BTC, -1, 0.01631, "62000", "b"), 20260105000100, rule=2)
    assert trip is not None
    assert view.qty == 0
    assert trip["qty"][0] == 0.01633


def test_selling_what_is_not_held_changes_no_position() -> None:
    book = PositionBook(UPBIT, 1, [KRW])
    view, trip = book.apply(fill(KRW, -1, 1, "100"), 20260105000000)
    assert (view.qty, trip, book.unmatched) == (0, None, {KRW.instrument_id: ONE})
    book.apply(fill(KRW, 1, 1, "100"), 20260105000001)
    view, trip = book.apply(fill(KRW, -1, 3, "100"), 20260105000002)
    assert trip is not None
    assert (view.qty, book.unmatched[KRW.instrument_id]) == (0, 3 * ONE)


def test_futures_open_short() -> None:
    book = PositionBook(BINANCE_FUTURES, 1, [BTC], shorts=True)
    view, _ = book.apply(fill(BTC, -1, 1, "100"), 20260105000000)
    assert (view.sign, view.qty) == (-1, ONE)
    _, trip = book.apply(fill(BTC, 1, 1, "90"), 20260105000001)
    assert trip is not None
    assert (trip["side"][0], trip["pnl"][0]) == (-1, round(10 - 0.04 - 0.036, 4))
    assert book.views() == []

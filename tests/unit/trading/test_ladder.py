"""Price steps by market, day and price (strategy-language 4.1 and 4.2)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from coin.markets import BINANCE, UPBIT
from domain.errors import InputError
from domain.instruments import Instrument, Market
from stock.markets import KRX
from trading.ladder import DOWN, UP, is_on_step, ladder_table, move_price, on_step, price_step, round_price, table_step

NOW, OLD = dt.date(2026, 1, 5), dt.date(2022, 1, 5)
ONE = Instrument(instrument_id="x:X", code="X", name="X")
CENT = Instrument(instrument_id="x:X", code="X", name="X", price_step=0.01)


@pytest.mark.parametrize(
    ("market", "day", "price", "step"),
    [
        (KRX, NOW, 1_999, 1),
        (KRX, NOW, 2_000, 5),
        (KRX, NOW, 199_900, 100),
        (KRX, NOW, 500_000, 1_000),
        (KRX, OLD, 1_999, 5),
        (KRX, OLD, 15_000, 50),
        (UPBIT, OLD, 99.9, 0.1),
        (UPBIT, OLD, 2_000_000, 1_000),
        (UPBIT, NOW, 3_000, 1),
    ],
)
def test_the_ladder_of_the_day_decides(market: Market, day: dt.date, price: float, step: float) -> None:
    assert price_step(market, ONE, price, day) == step == market.step_at(price, day)
    assert table_step(ladder_table(market), int(day.strftime("%Y%m%d")), price) == step


def test_an_instruments_own_step_wins_and_none_at_all_is_an_error() -> None:
    assert price_step(BINANCE, CENT, 5.0, NOW) == 0.01
    with pytest.raises(InputError) as caught:
        price_step(BINANCE, ONE, 5.0, NOW)
    assert caught.value.code == "ladder.no_step"


@pytest.mark.parametrize("step", ["0.00000001", "0.0001", "0.01", "0.05", "0.25", "0.5", "1", "5", "50", "1000"])
def test_a_rounded_price_is_the_float_nearest_to_its_decimal_text(step: str) -> None:
    whole = Decimal(step)
    for count in (1, 3, 7, 33, 999, 61_837, 123_457):
        exact = whole * count
        price = float(exact)
        for direction in (DOWN, 0, UP):
            assert on_step(price, float(step), direction) == price
        assert is_on_step(price, float(step))
        between = float(exact + whole / 4)
        assert not is_on_step(between, float(step))
        assert on_step(between, float(step), DOWN) == price
        assert on_step(between, float(step), UP) == float(exact + whole)
        assert on_step(between, float(step), 0) == price


def test_a_move_takes_the_step_of_the_band_it_starts_from() -> None:
    assert move_price(KRX, ONE, 2_000, -1, NOW) == 1_999
    assert move_price(KRX, ONE, 2_000, 1, NOW) == 2_005
    assert move_price(KRX, ONE, 1_998, 3, NOW) == 2_005
    assert move_price(KRX, ONE, 2_010, -4, NOW) == 1_998
    assert move_price(BINANCE, CENT, 1.0, -3, NOW) == 0.97


def test_rounding_follows_the_direction() -> None:
    assert round_price(KRX, ONE, 22_165, NOW, UP) == 22_200
    assert round_price(KRX, ONE, 22_165, NOW, DOWN) == 22_150
    assert round_price(BINANCE, CENT, 0.123456, NOW) == 0.12

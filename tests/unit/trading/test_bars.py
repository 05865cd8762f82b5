"""Candles as rows: the universe over many symbols, days, half volumes (strategy-language 1.1 items 11 and 12)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coin.markets import UPBIT
from domain.instruments import NS
from domain.records import ROW_NO_BOOK, row_schema
from trading.bars import Bars, bar_rows, mark_universe

T0 = 1_767_571_200 * NS
SCHEMA = row_schema("coin", 60)


def bars(minutes: list[int], close: list[float], volume: list[float]) -> Bars:
    price = np.array(close)
    units = np.rint(np.array(volume) * 1e8).astype(np.int64)
    return Bars(T0 + np.array(minutes) * 60 * NS, price, price, price, price, units)


def test_the_universe_is_formed_after_each_minute_over_all_symbols() -> None:
    market = replace(UPBIT, universe_size=1)
    codes = ["B", "A", "C"]
    parts = [
        bar_rows(market, bars([0, 1, 1440], [10.0] * 3, [5, 0, 1]), 0, 1),
        bar_rows(market, bars([0, 1, 1440], [10.0] * 3, [5, 1, 1]), 1, 4),
        bar_rows(market, bars([1, 1440], [10.0] * 2, [7, 9]), 2, 7),
    ]
    rows = np.concatenate(parts)
    mark_universe(market, rows, codes)
    chosen = rows[rows["values"][:, SCHEMA.index("in_universe")] == 1]
    found = sorted((int(row["row_time"]), codes[int(row["instrument"])]) for row in chosen)
    # 00:00 A and B tie at 50: A by code. 00:01 C has 70. The next day starts anew.
    assert found == [(202601050000, "A"), (202601050001, "C"), (202601060000, "C")]


def test_a_day_starts_anew_and_the_last_close_is_the_reference() -> None:
    rows = bar_rows(UPBIT, bars([1439, 1440], [100.0, 110.0], [2.0, 3.0]), 0, 5)
    assert rows["row_time"].tolist() == [202601052359, 202601060000]
    assert rows["seq"].tolist() == [5, 6]
    assert (rows["flags"] == ROW_NO_BOOK).all()

    def column(key: str) -> list[float]:
        return rows["values"][:, SCHEMA.index(key)].tolist()  # type: ignore[no-any-return]

    assert column("change_pct") == [0.0, 10.0]
    assert column("day_value") == column("value_1m") == [200.0, 330.0]
    assert column("buy_volume_1m") == column("sell_volume_1m") == [1.0, 1.5]
    assert column("trade_strength") == [100.0, 100.0]
    assert column("peak_buy_price") == [100.0, 110.0]
    assert column("net_buy_value") == [0.0, 0.0]


def test_a_minute_without_volume_carries_its_close_and_no_flow() -> None:
    rows = bar_rows(UPBIT, bars([0, 1], [100.0, 100.0], [2.0, 0.0]), 0, 1)
    last = dict(zip(SCHEMA.keys, rows["values"][1].tolist(), strict=True))
    assert [last[key] for key in ("last_price", "value_1m", "buy_volume_1m", "sell_volume_1m", "day_value")] == [
        100.0,
        0.0,
        0.0,
        0.0,
        200.0,
    ]

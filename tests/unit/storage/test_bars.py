"""Longer bars against pandas; what may not be known yet is not in a bar; sessions, gaps, days."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from coin.markets import UPBIT
from domain.errors import InputError
from domain.instruments import Market
from domain.intervals import INTERVALS, RECORDED
from domain.records import row_schema
from stock.markets import KRX
from storage.bar_kernel import RULES
from storage.bars import build_bars
from storage.columns import BLOCK_DTYPE, RowSet

BUILT = [seconds for seconds in INTERVALS.values() if seconds not in RECORDED]


def minutes(market: Market, seed: int = 1, days: int = 3, keep: float = 0.8, last: int | None = None) -> RowSet:
    """Return random one-minute rows of two symbols with gaps; the last day ends with minute `last`."""
    rng = np.random.default_rng(seed)
    schema = row_schema(market.kind, 60)
    first, final = market.session_start_s // 60, market.entry_end_s // 60
    times, blocks, at = [], [], 0
    for symbol in range(2):
        for day in range(20260105, 20260105 + days):
            end = last if last is not None and day == 20260104 + days else final
            found = np.arange(first, end + 1)
            found = found[(rng.random(len(found)) < keep) | (found == end)]
            times.append(day * 10_000 + found // 60 * 100 + found % 60)
            blocks.append((symbol, day, at, at + len(found)))
            at += len(found)
    columns = {}
    for column in schema.columns:
        decimals = column.decimals(market.kind)
        columns[column.key] = np.round(rng.uniform(1, 5_000, at), decimals)
        columns[column.key].flags.writeable = False
    return RowSet(
        market=market.code,
        interval_s=60,
        source="made",
        codes=("A", "B"),
        columns=columns,
        row_time=np.concatenate(times),
        blocks=np.array(blocks, BLOCK_DTYPE),
        qty_decimals=np.full(2, 8),
        has_book=True,
        digest="d",
    )


def plain(rows: RowSet, market: Market, interval_s: int) -> pd.DataFrame:
    """Build bars with pandas: groups of symbol, day and place in the session."""
    frame = pd.DataFrame({key: np.asarray(column) for key, column in rows.columns.items()})
    frame["symbol"] = np.repeat(rows.blocks["symbol"], rows.blocks["hi"] - rows.blocks["lo"])
    frame["day"] = rows.row_time // 10_000
    minute = rows.row_time // 100 % 100 * 60 + rows.row_time % 100 - market.session_start_s // 60
    frame["bar"] = minute * 60 // interval_s
    rules = {column.key: column.joined for column in row_schema(market.kind, 60).columns}
    return frame.groupby(["symbol", "day", "bar"], sort=True).agg(rules).reset_index()


@pytest.mark.parametrize("interval_s", BUILT)
@pytest.mark.parametrize("market", [KRX, UPBIT], ids=lambda market: market.code)
def test_bars_are_those_of_pandas(market: Market, interval_s: int) -> None:
    rows = minutes(market)
    bars, wanted = build_bars(rows, market, interval_s), plain(rows, market, interval_s)
    assert bars.rows == len(wanted) == len(bars.row_time)
    start = market.session_start_s // 60 + wanted["bar"] * interval_s // 60
    np.testing.assert_array_equal(bars.row_time, wanted["day"] * 10_000 + start // 60 * 100 + start % 60)
    for column in row_schema(market.kind, 60).columns:
        decimals = column.decimals(market.kind)
        expected = wanted[column.key].round(decimals) if column.joined == "sum" else wanted[column.key]
        np.testing.assert_allclose(bars.columns[column.key], expected, rtol=1e-12, err_msg=column.key)
    of_symbol = bars.blocks[bars.blocks["symbol"] == 1]
    assert len(of_symbol) == (1 if interval_s == 86_400 else 3)


def test_every_column_says_how_it_is_joined() -> None:
    for kind in ("stock", "coin"):
        found = {column.key: column.joined for column in row_schema(kind, 60).columns}
        assert set(found.values()) <= set(RULES)
        assert {key for key, rule in found.items() if rule == "sum"} == {
            "buy_volume_1m", "sell_volume_1m", "value_1m", "buy_value_1m", "sell_value_1m", "net_buy_value",
        }  # fmt: skip
        assert (found["bar_open"], found["bar_high"], found["bar_low"], found["last_price"]) == ("first", "max", "min", "last")


def test_a_bar_holds_no_minute_after_it() -> None:
    rows = minutes(UPBIT)
    bars = build_bars(rows, UPBIT, 900)
    at = 40
    following = int(bars.row_time[at + 1])
    poisoned = {}
    for key, column in rows.columns.items():
        values = column.copy()
        symbol_rows = np.arange(rows.blocks[0]["lo"], rows.blocks[2]["hi"])
        values[symbol_rows[rows.row_time[symbol_rows] >= following]] = 1e6
        values.flags.writeable = False
        poisoned[key] = values
    other = build_bars(replace(rows, columns=poisoned), UPBIT, 900)
    for key in rows.columns:
        np.testing.assert_array_equal(bars.columns[key][: at + 1], other.columns[key][: at + 1], err_msg=key)
        assert bars.columns[key][at + 1] != other.columns[key][at + 1]


@pytest.mark.parametrize(("last", "found"), [(604, 0), (608, 0), (609, 1), (610, 1)])
def test_a_bar_of_the_last_day_is_there_when_its_time_is_over(last: int, found: int) -> None:
    bars = build_bars(minutes(UPBIT, keep=1.0, last=last), UPBIT, 600)
    assert (bars.row_time == 202601071000).sum() == 2 * found  # minutes 600 … 609
    assert (build_bars(minutes(UPBIT, keep=1.0, last=last), UPBIT, 86_400).row_time == 202601070000).sum() == 0


def test_the_last_bar_of_a_session_is_shorter_and_minutes_after_the_end_do_not_exist() -> None:
    rows = minutes(KRX, keep=1.0)
    whole, cut = build_bars(rows, KRX, 3_600), build_bars(rows, KRX, 3_600, end=123_000)
    day = [time % 10_000 for time in whole.row_time.tolist() if time // 10_000 == 20260107]
    assert day == [900, 1000, 1100, 1200, 1300, 1400, 1500] * 2
    assert [time % 10_000 for time in cut.row_time.tolist() if time // 10_000 == 20260107] == [900, 1000, 1100, 1200] * 2
    at = rows.row_time.tolist().index(202601071230)
    assert cut.columns["last_price"][cut.row_time.tolist().index(202601071200)] == rows.columns["last_price"][at]
    assert whole.digest != cut.digest != rows.digest
    # The print of the closing auction belongs to the last bar.
    late = rows.row_time.copy()
    late[int(rows.blocks[0]["hi"]) - 1] = 202601051531
    assert build_bars(replace(rows, row_time=late), KRX, 1_800).row_time.tolist().count(202601051500) == 2


def test_times_choose_bars_by_their_own_time() -> None:
    rows = minutes(UPBIT, keep=1.0)
    bars = build_bars(rows, UPBIT, 300, from_time=202601060003, to_time=202601060010)
    assert bars.row_time.tolist() == [202601060005, 202601060010] * 2
    assert build_bars(rows, UPBIT, 300, from_time=20260106, to_time=20260106).rows == 2 * 288
    assert build_bars(rows, UPBIT, 300, from_time=20260201).rows == 0


def test_a_gap_of_a_whole_bar_leaves_no_bar() -> None:
    rows = minutes(UPBIT, keep=1.0)
    keep = (rows.row_time % 10_000 < 1_005) | (rows.row_time % 10_000 >= 1_011)
    lengths = [int(keep[lo:hi].sum()) for _, _, lo, hi in rows.blocks.tolist()]
    blocks = rows.blocks.copy()
    blocks["hi"] = np.cumsum(lengths)
    blocks["lo"] = blocks["hi"] - lengths
    holed = replace(rows, row_time=rows.row_time[keep], blocks=blocks, columns={key: one[keep] for key, one in rows.columns.items()})
    times = build_bars(holed, UPBIT, 300).row_time
    assert 202601051005 not in times
    assert 202601051010 in times


def test_a_bar_of_a_minute_without_a_value_has_none() -> None:
    rows = minutes(UPBIT, keep=1.0)
    columns = {key: column.copy() for key, column in rows.columns.items()}
    for key in ("value_1m", "bar_high", "last_price"):
        columns[key][7] = np.nan
        columns[key].flags.writeable = False
    counts = {key: np.concatenate(([0], np.cumsum(np.isnan(columns[key])))) for key in ("value_1m", "bar_high", "last_price")}
    bars = build_bars(replace(rows, columns=columns, unknown=counts), UPBIT, 300)
    assert np.flatnonzero(np.isnan(bars.columns["value_1m"])).tolist() == [1]
    assert np.flatnonzero(np.isnan(bars.columns["bar_high"])).tolist() == [1]
    assert not np.isnan(bars.columns["last_price"]).any()  # the last minute of the bar has one
    assert bars.unknown["value_1m"][-1] == 1
    with pytest.raises(InputError):
        bars.refuse_unknown(("value_1m",))
    bars.refuse_unknown(("last_price",))

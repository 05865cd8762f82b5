"""The rules of strategy-language 1.1, one by one, on made-up events."""

# long: one rule of the row table after the other, each with its case

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coin.markets import BINANCE, UPBIT
from domain.instruments import NS, Instrument, Market, instrument_id
from domain.records import (
    AGGREGATE,
    CHAINED,
    EVENT_DTYPE,
    FIRST,
    INVALID,
    LAST,
    LEVEL,
    NO_BOOK,
    NO_ROW,
    PREV_CLOSE,
    ROW_GAP,
    ROW_NO_BOOK,
    SNAPSHOT,
    TOTAL,
    TRADE,
    row_schema,
)
from paper.made import MadeMarket
from paper.made_facts import made_codes
from stock.markets import KRX
from trading.row_state import COUNTERS
from trading.rows import FACTS_DTYPE, RowBuilder

T0 = 1_767_571_200  # 2026-01-05 00:00:00 UTC
SNAP, DELTA = SNAPSHOT, LEVEL


def instruments(market: Market, count: int = 1, price_step: float = 0.0) -> list[Instrument]:
    return [
        Instrument(instrument_id=instrument_id(market.code, f"S{k:02d}"), code=f"S{k:02d}", name=f"S{k:02d}", price_step=price_step)
        for k in range(count)
    ]


class Script:
    """Writes events in order and pushes them; seconds are seconds after T0."""

    def __init__(self, market: Market = UPBIT, interval_s: int = 1, count: int = 1, price_step: float = 0.0, **kwargs: Any) -> None:
        self.market = market
        self.builder = RowBuilder(market, interval_s, instruments(market, count, price_step), **kwargs)
        self.rows: list[np.void] = []
        self._id = 0

    def push(self, *records: tuple[Any, ...]) -> np.ndarray:
        events = np.zeros(len(records), EVENT_DTYPE)
        for event, record in zip(events, records, strict=True):
            for name, value in record:
                event[name] = value
        rows = self.builder.push(events)
        self.rows += list(rows)
        return rows

    def trade(
        self, second: float, price: float, qty: float = 1.0, side: int = 1, who: int = 0, flags: int = 0, ident: int | None = None
    ) -> np.ndarray:
        self._id += 1
        ident = self._id if ident is None else ident
        return self.push(_record(TRADE, second, price, qty, side, who, flags, ident, 0))

    def book(
        self, second: float, bids: Any, asks: Any, who: int = 0, totals: tuple[float, float] | None = None, last_flags: int = 0, u: int = 0
    ) -> np.ndarray:
        levels = [(p, q, -1) for p, q in asks] + [(p, q, 1) for p, q in bids]
        out = [_record(SNAP, second, p, q, side, who, 0, u, u) for p, q, side in levels]
        if totals is not None:
            out += [_record(TOTAL, second, totals[0], 0, -1, who, 0, u, u), _record(TOTAL, second, totals[1], 0, 1, who, 0, u, u)]
        return self.push(*_framed(out, last_flags))

    def delta(
        self, second: float, first: int, last: int, *levels: tuple[float, float, int], pu: int | None = None, who: int = 0
    ) -> np.ndarray:
        out = [_record(DELTA, second, p, q, side, who, 0, first, last) for p, q, side in levels]
        if pu is not None:
            head = dict(_record(DELTA, second, 0.0, 0, 0, who, CHAINED, first, last)) | {"qty": pu}
            out.insert(0, tuple(head.items()))
        return self.push(*_framed(out or [_record(DELTA, second, 0.0, 0, 0, who, 0, first, last)], 0))

    def mark(self, kind: int, second: float, price: float = 0.0, who: int = 0) -> np.ndarray:
        return self.push(_record(kind, second, price, 0, 0, who, 0, 0, 0))

    def value(self, row: np.void, key: str) -> float:
        return float(row["values"][self.builder.schema.index(key)])

    @property
    def labels(self) -> list[int]:
        return [int(row["row_time"]) for row in self.rows]

    def last(self, key: str) -> float:
        return self.value(self.rows[-1], key)


def _record(kind: int, second: float, price: float, qty: float, side: int, who: int, flags: int, first: int, last: int) -> tuple[Any, ...]:
    ns = round((T0 + second) * 1000) * 1_000_000
    fields = {"exchange_ns": ns, "received_ns": ns + 1, "kind": kind, "price": price, "qty": round(qty * 1e8), "side": side}
    fields |= {"instrument": who, "flags": flags, "first_id": first, "last_id": last}
    return tuple(fields.items())


def _framed(records: list[tuple[Any, ...]], last_flags: int) -> list[tuple[Any, ...]]:
    out = [dict(record) for record in records]
    out[0]["flags"] |= FIRST
    out[-1]["flags"] |= LAST | last_flags
    return [tuple(record.items()) for record in out]


BOOK = ([(99.0, 1.0), (98.0, 2.0)], [(101.0, 3.0), (102.0, 4.0)])


# --- rows of a second (items 2, 4, 5, 6) ------------------------------------------------------------------


def test_a_row_comes_at_the_first_book_event_of_a_later_second_with_all_up_to_it() -> None:
    s = Script()
    s.book(0.1, *BOOK)
    assert not s.rows  # nothing has traded today
    s.trade(0.2, 100.0, 2.0)
    s.book(0.3, *BOOK)
    s.trade(0.4, 103.0, 5.0)
    s.book(0.9, *BOOK)  # the same second emits nothing
    s.trade(1.0, 102.0, 1.0, -1)
    s.book(1.2, [(99.5, 1.0)], [(101.5, 1.0)])
    assert s.labels == [20260105000000, 20260105000001]
    assert [s.value(row, "last_price") for row in s.rows] == [100.0, 102.0]
    assert [s.value(row, "buy_volume_1s") for row in s.rows] == [2.0, 5.0]
    assert [s.value(row, "sell_volume_1s") for row in s.rows] == [0.0, 1.0]
    assert s.last("bid1") == 99.5


def test_the_first_row_has_no_value_but_what_traded_before_it() -> None:
    s = Script()
    s.trade(0.1, 100.0, 2.0)
    s.book(0.2, *BOOK)
    assert (s.last("value_1s"), s.last("buy_value_1s"), s.last("day_value")) == (0.0, 200.0, 200.0)
    s.book(1.0, *BOOK)
    assert (s.last("value_1s"), s.last("buy_value_1s"), s.last("last_price")) == (0.0, 0.0, 100.0)


def test_an_event_of_an_earlier_second_changes_the_book_and_emits_nothing() -> None:
    s = Script()
    s.trade(0.1, 100.0)
    s.book(5.0, *BOOK)
    s.book(4.5, [(97.0, 1.0)], [(103.0, 1.0)])
    assert len(s.rows) == 1
    s.book(6.0, [(97.0, 1.0)], [(103.0, 1.0)])
    assert s.last("bid1") == 97.0


def test_rows_carry_the_clocks_and_the_number_of_their_event() -> None:
    s = Script()
    s.trade(0.1, 100.0)
    row = s.book(0.2, *BOOK)[0]
    assert (int(row["exchange_ns"]), int(row["seq"]), int(row["instrument"])) == (T0 * NS + 200_000_000, 5, 0)
    assert int(row["flags"]) == 0


# --- minutes (item 3) -------------------------------------------------------------------------------------


def test_a_minute_is_emitted_at_the_first_book_event_of_a_later_minute() -> None:
    s = Script(interval_s=60)
    s.trade(1.0, 100.0)
    s.book(2.0, *BOOK)
    s.trade(30.0, 104.0)
    s.trade(60.5, 97.0)  # after the minute's end, before the book event: belongs to the finished bar
    assert not s.rows
    s.book(61.0, [(96.0, 1.0)], [(98.0, 1.0)])
    assert s.labels == [202601050000]
    assert [s.last(key) for key in ("bar_open", "bar_high", "bar_low", "last_price", "bid1")] == [100.0, 104.0, 97.0, 97.0, 96.0]
    s.book(185.0, *BOOK)  # minutes without a book event have no row
    assert s.labels == [202601050000, 202601050001]
    assert [s.last(key) for key in ("bar_open", "bar_high", "bar_low", "value_1m")] == [97.0, 97.0, 97.0, 0.0]


def test_a_minute_without_any_trade_of_the_day_is_not_emitted() -> None:
    s = Script(interval_s=60)
    s.book(1.0, *BOOK)
    s.book(61.0, *BOOK)
    s.trade(62.0, 100.0)
    s.book(121.0, *BOOK)
    assert s.labels == [202601050001]


def test_the_open_minute_is_emitted_first_when_the_day_changes_and_an_unfinished_one_never() -> None:
    s = Script(interval_s=60)
    s.trade(86_390.0, 100.0)
    s.book(86_391.0, *BOOK)
    s.trade(86_400.5, 120.0)  # the first event of the new day
    assert s.labels == [202601052359]
    assert (s.last("last_price"), s.last("bid1"), s.last("day_value")) == (100.0, 99.0, 100.0)
    s.book(86_401.0, *BOOK)
    s.builder.close()
    assert len(s.rows) == 1


# --- days (item 4) ----------------------------------------------------------------------------------------


def test_a_day_starts_anew_and_late_trades_of_the_day_before_are_dropped() -> None:
    s = Script()
    s.trade(86_399.0, 100.0, 5.0)
    s.book(86_399.5, *BOOK)
    s.trade(86_400.2, 110.0, 1.0)
    s.trade(86_399.9, 50.0, 9.0)
    s.book(86_400.5, *BOOK)
    assert s.labels == [20260105235959, 20260106000000]
    assert [s.last(key) for key in ("day_open", "day_low", "day_value", "change_pct", "value_1s")] == [110.0, 110.0, 110.0, 10.0, 0.0]
    assert s.builder.counters()["rejected_old_day"] == 1


def test_a_book_of_the_day_before_has_no_row() -> None:
    s = Script()
    s.trade(86_398.0, 100.0)
    s.book(86_398.5, *BOOK)
    s.trade(86_400.1, 100.0)
    s.book(86_399.9, *BOOK)
    assert s.labels == [20260105235958]


@pytest.mark.parametrize(("known", "change"), [(80.0, 25.0), (0.0, 0.0)])
def test_the_reference_is_the_venues_close_else_the_first_trade(known: float, change: float) -> None:
    s = Script()
    if known:
        s.mark(PREV_CLOSE, 0.05, known)
    s.trade(0.1, 100.0)
    s.book(0.2, *BOOK)
    assert s.last("change_pct") == change


def test_the_korean_day_begins_at_midnight_in_seoul() -> None:
    s = Script(KRX)
    five = ([(99_000.0 - 100 * k, 1.0) for k in range(5)], [(100_000.0, 1.0)])
    s.trade(15 * 3600 - 10, 100_000.0)
    s.book(15 * 3600 - 9, *five)
    s.trade(15 * 3600 + 1, 101_000.0)
    s.book(15 * 3600 + 2, *five)
    assert s.labels == [20260105235951, 20260106000002]
    assert s.last("change_pct") == 1.0


# --- which trades (item 7, P20) ------------------------------------------------------------------------------


def test_what_is_no_trade_is_counted_by_reason_and_never_enters_a_row() -> None:
    s = Script(BINANCE, price_step=0.5)
    s.book(0.0, *BOOK, last_flags=NO_ROW, u=10)
    s.trade(1.0, 100.0, ident=5)
    reasons = []
    for second, price, qty, ident in (
        (1.1, 100.0, 1.0, 5),
        (1.1, 100.0, 1.0, 4),
        (1.2, -1.0, 1.0, 6),
        (1.2, float("nan"), 1.0, 6),
        (1.2, float("inf"), 1.0, 6),
        (1.3, 100.0, 0.0, 7),
        (1.4, 100.3, 1.0, 8),
        (-0.1, 100.0, 1.0, 9),
    ):
        s.trade(second, price, qty, ident=ident)
        reasons.append(COUNTERS[int(s.builder.verdicts[0])])
    price = ["rejected_price"] * 3
    assert reasons == ["duplicates", "duplicates", *price, "rejected_qty", "rejected_off_step", "rejected_time_back"]
    s.push(_record(TRADE, 1.5, 100.0, 1.0, 1, 7, 0, 10, 0))
    assert s.builder.counters()["rejected_unknown_instrument"] == 1
    s.delta(2.0, 11, 11, (99.0, 5.0, 1))
    assert (s.last("day_value"), s.last("buy_volume_1s")) == (100.0, 1.0)


def test_aggregates_are_ignored_once_single_trades_are_seen() -> None:
    s = Script()
    s.trade(0.1, 100.0, flags=AGGREGATE, ident=1)
    s.trade(0.2, 100.0, ident=50)
    s.trade(0.3, 100.0, flags=AGGREGATE, ident=60)
    s.book(1.0, *BOOK)
    assert s.last("buy_volume_1s") == 2.0
    assert s.builder.counters()["aggregate_ignored"] == 1


# --- the book (items 8 and 9) -------------------------------------------------------------------------------


def test_deltas_wait_for_the_snapshot_and_join_it_without_a_row() -> None:
    s = Script(BINANCE)
    s.trade(0.1, 100.0)
    s.delta(0.2, 5, 8, (99.0, 7.0, 1))
    s.delta(0.3, 9, 12, (98.0, 7.0, 1))
    s.delta(0.4, 13, 14, (102.0, 0.0, -1))
    assert not s.builder.book_is_valid(0)
    s.book(0.4, *BOOK, last_flags=NO_ROW, u=10)
    assert not s.rows
    asks, bids = s.builder.book(0)
    assert (asks[:, 0].tolist(), bids.tolist()) == ([101.0], [[99.0, 1e8], [98.0, 7e8]])
    assert s.builder.last_update_id(0) == 14
    s.delta(0.5, 15, 15, (97.0, 1.0, 1))
    assert s.labels == [20260105000000]


def test_an_old_delta_after_the_snapshot_is_dropped() -> None:
    s = Script(BINANCE)
    s.trade(0.1, 100.0)
    s.book(0.2, *BOOK, last_flags=NO_ROW, u=10)
    s.delta(1.0, 3, 10, (99.0, 0.0, 1))
    assert not s.rows
    assert s.builder.counters()["old_updates"] == 1
    assert s.builder.verdicts.tolist() == [COUNTERS.index("old_updates")]


def test_a_gap_makes_the_book_invalid_until_the_next_snapshot_and_marks_the_next_row() -> None:
    s = Script(BINANCE)
    s.trade(0.1, 100.0)
    s.book(0.2, *BOOK, last_flags=NO_ROW, u=10)
    s.delta(1.0, 11, 12, (97.0, 1.0, 1))
    s.delta(2.0, 15, 16, (96.0, 1.0, 1))
    s.delta(3.0, 17, 18, (95.0, 1.0, 1))
    assert (len(s.rows), s.builder.book_is_valid(0), s.builder.counters()["gaps"]) == (1, False, 1)
    s.book(3.5, *BOOK, last_flags=NO_ROW, u=16)
    s.delta(4.0, 19, 19, (94.0, 1.0, 1))
    assert s.labels[-1] == 20260105000004
    assert int(s.rows[-1]["flags"]) == ROW_GAP
    assert s.builder.book(0)[1][:, 0].tolist() == [99.0, 98.0, 95.0, 94.0]


@pytest.mark.parametrize("message", [{"first": 9, "last": 12, "pu": 4}, {"first": 10, "last": 10, "pu": 4}])
def test_futures_join_by_range_and_then_by_the_predecessor(message: dict[str, int]) -> None:
    s = Script(BINANCE)
    s.trade(0.1, 100.0)
    s.book(0.2, *BOOK, last_flags=NO_ROW, u=10)
    s.delta(0.9, 7, 9, (99.0, 0.0, 1), pu=6)  # u < lastUpdateId: dropped
    s.delta(1.0, message["first"], message["last"], (97.0, 1.0, 1), pu=message["pu"])
    assert len(s.rows) == 1
    s.delta(2.0, 20, 22, (96.0, 1.0, 1), pu=message["last"])
    assert len(s.rows) == 2
    s.delta(3.0, 23, 24, (96.0, 0.0, 1), pu=21)
    assert (len(s.rows), s.builder.book_is_valid(0)) == (2, False)


def test_futures_that_begin_after_the_snapshot_are_a_gap() -> None:
    s = Script(BINANCE)
    s.trade(0.1, 100.0)
    s.book(0.2, *BOOK, last_flags=NO_ROW, u=10)
    s.delta(1.0, 11, 12, (97.0, 1.0, 1), pu=9)
    assert not s.builder.book_is_valid(0)


def test_an_invalid_mark_stops_rows_until_the_next_picture() -> None:
    s = Script()
    s.trade(0.1, 100.0)
    s.book(0.2, *BOOK)
    s.push(_record(INVALID, 0.5, 0.0, 0, 0, -1, 0, 0, 0))
    assert not s.builder.book_is_valid(0)
    s.book(1.0, *BOOK)
    assert int(s.rows[-1]["flags"]) == ROW_GAP


@pytest.mark.parametrize(
    ("trade_at", "asks", "bids"), [(1.5, [103.0, 104.0, 0.0], [99.0, 98.0, 0.0]), (1.4, [101.0, 102.0, 103.0], [99.0, 98.0, 0.0])]
)
def test_the_book_is_corrected_only_when_the_trade_is_not_older(trade_at: float, asks: list[float], bids: list[float]) -> None:
    s = Script(BINANCE)
    s.book(0.0, [(99.0, 1.0), (98.0, 2.0)], [(101.0, 1.0), (102.0, 2.0), (103.0, 3.0), (104.0, 4.0)], last_flags=NO_ROW, u=1)
    s.trade(trade_at, 103.0)
    s.delta(1.5, 2, 2, (98.0, 2.0, 1))
    assert [s.last(f"ask{n}") for n in (1, 2, 3)] == asks
    assert [s.last(f"bid{n}") for n in (1, 2, 3)] == bids
    assert s.last("ask_total_size") == sum(q for p, q in ((101, 1.0), (102, 2.0), (103, 3.0), (104, 4.0)) if p >= asks[0])
    found = s.builder.book(0)[0][:, 0].tolist()
    assert found[0] == asks[0]
    s.delta(1.6, 3, 3, (97.0, 1.0, 1))
    assert s.builder.book(0)[0][0, 0] == 101.0  # a later book is as it is


def test_totals_are_published_or_of_the_ten_best() -> None:
    s = Script()
    s.trade(0.1, 100.0)
    s.book(0.2, *BOOK, totals=(123.5, 77.25))
    assert (s.last("ask_total_size"), s.last("bid_total_size"), s.last("book5_size")) == (123.5, 77.25, 10.0)
    deep = Script(BINANCE)
    deep.book(0.0, [(99.0 - k, 1.0) for k in range(30)], [(101.0 + k, 2.0) for k in range(30)], last_flags=NO_ROW, u=1)
    deep.trade(0.1, 100.0)
    deep.delta(0.5, 2, 2, (10.0, 1.0, 1))
    assert (deep.last("ask_total_size"), deep.last("bid_total_size")) == (20.0, 10.0)


# --- numbers (item 10) ---------------------------------------------------------------------------------------


def test_strength_is_rounded_then_capped_and_is_the_cap_without_sells() -> None:
    s = Script()
    s.trade(0.1, 100.0, 3.0)
    s.book(0.2, *BOOK)
    assert s.last("trade_strength") == 500.0
    s.trade(1.1, 100.0, 9.0, -1)
    s.book(1.2, *BOOK)
    assert s.last("trade_strength") == 33.33
    s.trade(2.1, 100.0, 997.0)
    s.book(2.2, *BOOK)
    assert s.last("trade_strength") == 500.0


def test_a_peak_moves_only_to_a_strictly_larger_level() -> None:
    s = Script()
    s.trade(0.1, 100.0, 2.0)
    s.trade(0.2, 50.0, 4.0)
    s.book(0.3, *BOOK)
    assert (s.last("peak_buy_price"), s.last("peak_buy_value"), s.last("peak_sell_price")) == (100.0, 200.0, 0.0)
    s.trade(1.2, 50.0, 0.5)
    s.trade(1.3, 50.0, 1.0, -1)
    s.book(1.4, *BOOK)
    assert (s.last("peak_buy_price"), s.last("peak_buy_value")) == (50.0, 225.0)
    assert (s.last("peak_sell_price"), s.last("peak_sell_value"), s.last("net_buy_value")) == (50.0, 50.0, -25.0)


def test_many_price_levels_of_many_days_keep_their_peaks() -> None:
    s = Script()
    for day in range(3):
        for k in range(3000):
            s.trade(day * 86_400 + k * 0.1, 100.0 + k, 1.0)
        s.trade(day * 86_400 + 400.0, 500.0, 20.0 + day)
        s.book(day * 86_400 + 401.0, *BOOK)
        assert (s.last("peak_buy_price"), s.last("peak_buy_value")) == (500.0, 500.0 * (21.0 + day))


# --- tapes and the universe (items 11 and 12) ------------------------------------------------------------------


def test_a_tape_trade_is_its_own_row_event_and_tells_unknown_sides_by_the_tick_rule() -> None:
    s = Script()
    for second, price in ((0.1, 100.0), (0.2, 101.0), (1.1, 101.0), (2.1, 100.0), (2.2, 100.0), (3.1, 100.0)):
        s.trade(second, price, 1.0, 0, flags=NO_BOOK, ident=0)
    assert s.labels == [20260105000000 + k for k in range(4)]
    assert [s.value(row, "buy_volume_1s") for row in s.rows] == [1.0, 2.0, 0.0, 0.0]
    assert [s.value(row, "sell_volume_1s") for row in s.rows] == [0.0, 0.0, 1.0, 2.0]
    assert all(int(row["flags"]) == ROW_NO_BOOK for row in s.rows)
    assert s.last("ask1") == s.last("book5_size") == 0.0


def test_the_universe_is_the_list_of_each_ten_seconds_by_value_then_code() -> None:
    market = replace(UPBIT, universe_size=2)
    s = Script(market, count=4)
    for who, qty in enumerate((1.0, 5.0, 5.0, 2.0)):
        s.trade(1.0, 100.0, qty, who=who)
        s.book(1.5, *BOOK, who=who)
    assert [s.value(row, "in_universe") for row in s.rows] == [1.0] * 4  # no list yet
    s.trade(10.0, 100.0, 100.0, who=0)  # not before the list of 00:00:10
    for who in range(4):
        s.book(11.0, *BOOK, who=who)
    assert [s.value(row, "in_universe") for row in s.rows[4:]] == [0.0, 1.0, 1.0, 0.0]
    for who in range(4):
        s.book(20.0, *BOOK, who=who)
    assert [s.value(row, "in_universe") for row in s.rows[8:]] == [1.0, 1.0, 0.0, 0.0]
    s.trade(86_401.0, 100.0, 1.0, who=3)
    s.book(86_402.0, *BOOK, who=3)
    assert s.last("in_universe") == 1.0


# --- Korean stocks --------------------------------------------------------------------------------------------


def test_a_korean_row_needs_the_fifth_bid_and_fills_its_own_columns() -> None:
    facts = np.zeros(1, FACTS_DTYPE)
    facts["listed_shares"], facts["prev_day_volume"], facts["prev_day_value"] = 5_000_000, 400, 4_000_000
    s = Script(KRX, facts=facts)
    asks = [(20_200.0, 5.0)]
    s.trade(1.0, 20_150.0, 100.0)
    s.book(1.1, [(20_100.0 - 50 * k, 1.0) for k in range(4)], asks, totals=(500.0, 400.0))
    assert not s.rows
    s.book(1.2, [(20_100.0 - 50 * k, 1.0) for k in range(5)], asks, totals=(500.0, 400.0))
    assert s.labels == [20260105090001]
    want = {
        "day_value": 2.0,  # 2,015,000 KRW in whole millions
        "buy_value_1s": 2.015,
        "value_change_prev_day": -2.0,
        "volume_ratio_prev_day": 25.0,
        "turnover_rate": 0.0,
        "market_cap": 1007.0,
        "near_round_figure": 1.0,
        "vi_price": 22_200.0,  # ⌊20150·11/10⌋ = 22165, up to the step of 50
        "vi_tick_size": 50.0,
        "vi_release_time": 20260105080001.0,
        "ask_total_size": 500.0,
    }
    assert {key: s.last(key) for key in want} == want


def test_yesterday_of_the_same_stream_is_known_the_next_day() -> None:
    s = Script(KRX)
    five = [(20_100.0 - 50 * k, 1.0) for k in range(5)]
    s.trade(10.0, 20_000.0, 100.0)
    s.trade(7200.0, 20_000.0, 300.0)
    s.book(7201.0, five, [])
    s.trade(86_400 + 70.0, 20_000.0, 50.0)
    s.book(86_400 + 71.0, five, [])
    assert (s.last("volume_ratio_prev_day"), s.last("volume_ratio_same_time"), s.last("value_change_prev_day")) == (12.5, 50.0, -7.0)


# --- the machine itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("market", [UPBIT, BINANCE, KRX], ids=lambda one: one.code)
@pytest.mark.parametrize("interval_s", [1, 60])
def test_the_size_of_the_batches_does_not_matter(market: Market, interval_s: int) -> None:
    made = MadeMarket(market, made_codes(market, 3), 5, T0 * NS)
    events = made.advance(made.time_ns + 150 * NS)
    whole = RowBuilder(market, interval_s, made.instruments)
    want = whole.push(events.copy())
    cut = RowBuilder(market, interval_s, made.instruments)
    rng = np.random.default_rng(1)
    at, parts = 0, []
    while at < len(events):
        size = int(rng.integers(1, 60))
        parts.append(cut.push(events[at : at + size].copy()))
        at += size
    assert np.concatenate(parts).tobytes() == want.tobytes()
    assert len(want) > (300 if interval_s == 1 else 3)
    assert cut.counters() == whole.counters()


def test_a_read_only_batch_is_taken() -> None:
    made = MadeMarket(UPBIT, made_codes(UPBIT, 1), 5, T0 * NS)
    events = made.advance(made.time_ns + 20 * NS)
    events.setflags(write=False)
    builder = RowBuilder(UPBIT, 1, made.instruments)
    assert len(builder.push(np.frombuffer(events.tobytes(), EVENT_DTYPE))) > 5


def test_events_that_count_are_numbered_on_and_others_are_not() -> None:
    s = Script()
    s.builder.number_from(100)
    events = np.zeros(3, EVENT_DTYPE)
    events["kind"], events["price"], events["qty"], events["exchange_ns"] = TRADE, (100.0, -1.0, 101.0), 10, T0 * NS
    events["first_id"] = (1, 2, 3)
    s.builder.push(events)
    assert events["seq"].tolist() == [100, 0, 101]
    assert s.builder.next_seq == 102


def test_garbage_never_crashes_and_is_counted() -> None:
    rng = np.random.default_rng(3)
    s = Script(BINANCE, count=3, price_step=0.01)
    raw = rng.integers(0, 256, size=(20_000, EVENT_DTYPE.itemsize), dtype=np.uint8)
    events = raw.view(EVENT_DTYPE).reshape(-1).copy()
    events["instrument"] = rng.integers(-2, 5, len(events))
    events["kind"] = rng.integers(0, 8, len(events))
    events["flags"] = rng.integers(0, 64, len(events))
    events["exchange_ns"] = T0 * NS + rng.integers(-5 * NS, 5 * NS, len(events))
    rows = s.builder.push(events)
    assert np.isfinite(rows["values"]).all()
    assert s.builder.counters()["events"] == len(events)
    schema = row_schema("coin", 1)
    assert (rows["values"][:, schema.index("last_price")] > 0).all()

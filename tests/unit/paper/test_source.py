"""Recordings made playable: where snapshots go, which trades count, what a time range keeps."""

from __future__ import annotations

import numpy as np

from coin.markets import BINANCE, UPBIT
from domain.records import AGGREGATE, LEVEL, NO_BOOK, SNAPSHOT, TRADE
from paper.source import ArraySource, RecordedSource, split_messages
from tests.unit.paper.flow import COIN, MS, PAIR, START_NS, delta, picture, snapshot, trade

ASKS, BIDS = [(101.0, 1.0)], [(100.0, 1.0)]


def messages(source: RecordedSource) -> list[np.ndarray]:
    return [message.copy() for block in source.blocks() for message in split_messages(block)]


def kinds(source: RecordedSource) -> list[tuple[int, int]]:
    return [(int(m["kind"][0]), int(m["last_id"][-1])) for m in messages(source)]


def test_the_first_snapshot_comes_first_and_idle_ones_are_left_out() -> None:
    events = np.concatenate(
        [
            delta([(1, 99.0, 1.0)], 5, 8, 1),
            trade(100.5, 1.0, 1, 2),
            snapshot(ASKS, BIDS, 9, 3),
            delta([(1, 99.0, 2.0)], 9, 11, 4),
            snapshot(ASKS, BIDS, 11, 5),
            delta([(1, 99.0, 3.0)], 12, 12, 6),
        ]
    )
    source = ArraySource(BINANCE, [PAIR], events)
    assert source.is_delta
    assert kinds(source) == [(SNAPSHOT, 9), (LEVEL, 8), (TRADE, 0), (LEVEL, 11), (LEVEL, 12)]


def test_a_snapshot_after_a_gap_comes_right_behind_the_gap() -> None:
    events = np.concatenate(
        [
            snapshot(ASKS, BIDS, 9, 1),
            delta([(1, 99.0, 2.0)], 10, 11, 2),
            delta([(1, 99.0, 4.0)], 15, 16, 3),
            delta([(1, 99.0, 5.0)], 17, 18, 4),
            snapshot(ASKS, BIDS, 17, 5),
            delta([(1, 99.0, 6.0)], 19, 19, 6),
        ]
    )
    assert kinds(ArraySource(BINANCE, [PAIR], events)) == [
        (SNAPSHOT, 9),
        (LEVEL, 11),
        (LEVEL, 16),
        (SNAPSHOT, 17),
        (LEVEL, 18),
        (LEVEL, 19),
    ]


def test_a_snapshot_of_another_day_mends_no_gap() -> None:
    """Behind the gap its number would make every change until that day look old, and the book would stand still."""
    day = 86_400_000
    events = [
        snapshot(ASKS, BIDS, 9, 1),
        delta([(1, 99.0, 2.0)], 10, 11, 2),
        delta([(1, 99.0, 4.0)], 15, 16, 3),
        delta([(1, 99.0, 5.0)], 17, 18, 4),
        delta([(1, 99.0, 6.0)], 19, 19, 120_000),
        snapshot(ASKS, BIDS, 9_000, day),
    ]
    source = ArraySource(BINANCE, [PAIR], np.concatenate(events))
    assert kinds(source) == [(SNAPSHOT, 9), (LEVEL, 11), (LEVEL, 16), (LEVEL, 18), (LEVEL, 19)]


def test_a_snapshot_of_a_later_file_does_not_bring_its_time_along() -> None:
    """Limits a second and a minute count in the market's time: it would stand still until the later file begins."""
    later = 86_400_000
    events = [snapshot(ASKS, BIDS, 9, 1), delta([(1, 99.0, 2.0)], 10, 11, 2), snapshot(ASKS, BIDS, 9, later, index=1)]
    source = ArraySource(BINANCE, [PAIR, PAIR], np.concatenate(events))
    assert [int(m["exchange_ns"][0] - START_NS) // MS for m in messages(source)] == [1, 2, 2]


def test_a_recording_is_the_same_each_time() -> None:
    source = ArraySource(UPBIT, [COIN], np.concatenate([picture(ASKS, BIDS, 1), trade(100.0, 1.0, 0, 2), trade(101.0, 1.0, 0, 3)]))
    first, second = messages(source), messages(source)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_aggregates_count_only_where_there_are_no_single_trades() -> None:
    other = delta([(1, 99.0, 1.0)], 1, 1, 9, index=1)
    rows = [trade(100.0, 1.0, 1, 1), trade(100.0, 1.0, 1, 2), trade(50.0, 1.0, 1, 3, index=1)]
    rows[1]["flags"] = rows[2]["flags"] = AGGREGATE
    source = ArraySource(BINANCE, [PAIR, PAIR], np.concatenate([*rows, other]))
    played = [(int(m["instrument"][0]), int(m["flags"][0])) for m in messages(source) if m["kind"][0] == TRADE]
    assert played == [(0, 0), (1, 0)]


def test_a_tape_gets_sides_by_the_tick_rule_and_numbers() -> None:
    rows = [trade(price, 1.0, 0, at) for at, price in enumerate((100.0, 100.0, 99.0, 99.0, 99.5), start=1)]
    for row in rows:
        row["first_id"], row["flags"] = 0, NO_BOOK
    source = ArraySource(UPBIT, [COIN], np.concatenate(rows))
    assert not source.has_book
    played = messages(source)
    assert [int(m["side"][0]) for m in played] == [1, 1, -1, -1, 1]
    assert [int(m["first_id"][0]) for m in played] == [1, 2, 3, 4, 5]
    assert all(m["flags"][0] & NO_BOOK for m in played)


def test_a_time_range_begins_with_the_book_that_stood_then() -> None:
    events = np.concatenate(
        [
            snapshot(ASKS, BIDS, 9, 1),
            delta([(-1, 101.0, 7.0)], 10, 11, 2),
            delta([(1, 99.0, 2.0)], 12, 12, 5_000),
            delta([(1, 99.0, 3.0)], 13, 13, 9_000),
        ]
    )
    source = RecordedSource(BINANCE, [PAIR], lambda: [events], None, START_NS + 4_000 * MS, START_NS + 8_000 * MS)
    played = messages(source)
    assert [(int(m["kind"][0]), int(m["last_id"][-1])) for m in played] == [(SNAPSHOT, 11), (LEVEL, 12)]
    assert played[0]["qty"][played[0]["side"] < 0].tolist() == [700_000_000]


def test_only_the_chosen_instruments_are_played() -> None:
    events = np.concatenate([picture(ASKS, BIDS, 1), picture(ASKS, BIDS, 2, index=1)])
    other = COIN.__class__(instrument_id="upbit:KRW-ADA", code="KRW-ADA", name="a")
    source = RecordedSource(UPBIT, [COIN, other], lambda: [events], ["KRW-ADA"])
    assert [instrument.code for instrument in source.instruments] == ["KRW-ADA"]
    assert [int(m["instrument"][0]) for m in messages(source)] == [0]

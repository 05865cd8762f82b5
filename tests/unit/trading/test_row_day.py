"""The venue's figures of the day in rows that begin in the middle of it."""

from __future__ import annotations

import numpy as np
import pytest

from coin.markets import BINANCE
from domain.instruments import DAY_S, NS
from domain.ports import DayBar
from domain.records import EVENT_DTYPE, INVALID, NO_ROW, PREV_CLOSE, TRADE
from tests.unit.trading.test_rows import BOOK, T0, Script
from trading.day_seeds import DaySeeds

DAY0 = T0 // DAY_S
NOON = 43_200.0


def live(**kwargs: object) -> Script:
    script = Script(**kwargs)  # type: ignore[arg-type]
    script.builder.await_days(True)
    return script


def tell(script: Script, bar: DayBar, seeds: DaySeeds | None = None, days: np.ndarray | None = None) -> None:
    seeds = seeds or DaySeeds(script.builder.instruments, 0)
    seeds.begin(script.builder.days() if days is None else days, 0)
    script.rows += list(script.builder.push(seeds.events([bar], 1)))


def bar(second: float = NOON, day: int = DAY0, value: float = 5_000.0, last_id: int = 0) -> DayBar:
    return DayBar("S00", day, 90.0, 130.0, 80.0, value, last_ns=0 if last_id else round((T0 + second) * NS), last_id=last_id)


@pytest.mark.parametrize("interval_s", [1, 60])
def test_rows_wait_for_the_day_and_then_are_of_it_without_a_spike(interval_s: int) -> None:
    s = live(interval_s=interval_s)
    s.book(NOON, *BOOK)
    s.trade(NOON + 0.5, 100.0, 2.0)
    for k in range(1, 4):
        s.book(NOON + k * interval_s, *BOOK)
    assert not s.rows
    assert s.builder.lacks_day()
    tell(s, bar(NOON - 60.0))
    assert not s.builder.lacks_day()
    for k in range(4, 8):
        s.trade(NOON + k * interval_s - 0.5, 100.0, 1.0)
        s.book(NOON + k * interval_s, *BOOK)
    assert s.rows
    for row in s.rows:
        assert [s.value(row, key) for key in ("day_open", "day_high", "day_low")] == [90.0, 130.0, 80.0]
    tag = "1s" if interval_s == 1 else "1m"
    flows = [s.value(row, f"value_{tag}") for row in s.rows]
    assert max(flows) <= 400.0  # what was received: never the five thousand that the venue told
    assert s.last("day_value") == 5_400.0
    assert s.last("mid_range_change_pct") == round((100.0 / 105.0 - 1) * 100, 2)
    assert s.last("range_pct") == 62.5


def test_a_trade_counts_once_however_late_it_or_the_answer_is() -> None:
    s = live()
    seeds = DaySeeds(s.builder.instruments, 0)
    s.book(NOON, *BOOK)
    seeds.begin(s.builder.days(), 0)
    for k in range(4):  # ids 1 … 4; the venue had counted 1 and 2 when it answered
        events = np.zeros(1, EVENT_DTYPE)
        events["exchange_ns"], events["kind"], events["price"] = round((T0 + NOON + k / 10) * NS), TRADE, 100.0
        events["qty"], events["side"], events["first_id"], events["received_ns"] = 10**8, 1, k + 1, 1
        s.builder.push(events)
        seeds.take(events, s.builder.verdicts)
    s.rows += list(s.builder.push(seeds.events([bar(last_id=2)], 1)))
    s.book(NOON + 1.0, *BOOK)
    assert s.last("day_value") == 5_200.0
    # Asked again: now the answer knows 5 and 6 before they are received.
    tell(s, bar(value=5_600.0, last_id=6))
    s.book(NOON + 2.0, *BOOK)
    assert (s.last("day_value"), s.last("value_1s")) == (5_600.0, 0.0)
    for number in (5, 6, 7):
        s.trade(NOON + 2.5, 100.0, ident=number)
    s.book(NOON + 3.0, *BOOK)
    assert (s.last("day_value"), s.last("value_1s"), s.last("buy_volume_1s")) == (5_700.0, 300.0, 3.0)


def test_a_venue_that_tells_the_clock_of_its_last_trade() -> None:
    s = live()
    s.book(NOON, *BOOK)
    tell(s, bar(NOON + 5.0))
    s.trade(NOON + 5.0, 100.0)  # in the figure
    s.trade(NOON + 5.001, 100.0)
    s.book(NOON + 6.0, *BOOK)
    assert s.last("day_value") == 5_100.0


def test_the_amount_never_falls() -> None:
    s = live()
    s.book(NOON, *BOOK)
    tell(s, bar(value=5_000.0, last_id=1))
    s.trade(NOON + 0.5, 100.0, ident=2)
    tell(s, bar(value=4_000.0, last_id=1))  # a stale answer
    s.trade(NOON + 0.6, 100.0, ident=3)
    s.book(NOON + 1.0, *BOOK)
    assert s.last("day_value") == 5_200.0


def test_another_days_figures_are_not_used_and_a_new_day_starts_clean() -> None:
    s = live()
    s.book(NOON, *BOOK)
    s.trade(NOON + 0.1, 100.0)
    tell(s, bar(NOON + DAY_S, day=DAY0 + 1))  # tomorrow's: the answer overtook midnight
    s.book(NOON + 1.0, *BOOK)
    assert not s.rows
    tell(s, bar())
    s.book(NOON + 2.0, *BOOK)
    assert s.last("day_open") == 90.0
    s.trade(DAY_S + 0.1, 111.0, 2.0)
    s.book(DAY_S + 1.0, *BOOK)
    # The connection stood at midnight: the day is whole, and nobody has to be asked.
    assert [s.last(key) for key in ("day_open", "day_high", "day_low", "day_value", "value_1s")] == [111.0, 111.0, 111.0, 222.0, 0.0]
    assert not s.builder.lacks_day()


def test_a_day_that_began_while_the_connection_was_lost_is_asked_for() -> None:
    s = live()
    s.book(NOON, *BOOK)
    s.trade(NOON + 0.1, 100.0)
    tell(s, bar())
    s.mark(INVALID, DAY_S - 10.0)
    s.book(DAY_S + 600.0, *BOOK)
    s.trade(DAY_S + 600.1, 111.0)
    s.book(DAY_S + 601.0, *BOOK)
    assert s.builder.lacks_day()
    assert not s.rows
    tell(s, bar(DAY_S + 500.0, day=DAY0 + 1))
    s.book(DAY_S + 602.0, *BOOK)
    assert (s.last("day_open"), s.last("day_value")) == (90.0, 5_111.0 - 111.0)


def test_figures_that_came_before_the_first_event_wait_for_it() -> None:
    s = live()
    tell(s, bar())
    s.book(NOON, *BOOK)
    s.trade(NOON + 0.5, 140.0)
    s.book(NOON + 1.0, *BOOK)
    assert [s.last(key) for key in ("day_open", "day_high", "day_low", "day_value")] == [90.0, 140.0, 80.0, 5_140.0]


def test_the_last_day_on_which_it_traded_says_that_nothing_did_today() -> None:
    s = live()
    s.book(NOON, *BOOK)
    tell(s, bar(NOON - DAY_S, day=DAY0 - 1))
    assert not s.builder.lacks_day()
    s.trade(NOON + 0.5, 100.0)
    s.book(NOON + 1.0, *BOOK)
    assert [s.last(key) for key in ("day_open", "day_high", "day_low", "day_value")] == [100.0, 100.0, 100.0, 100.0]


def test_the_reference_is_the_close_and_without_one_the_days_open() -> None:
    s = live()
    s.book(NOON, *BOOK)
    s.trade(NOON + 0.1, 99.0)
    tell(s, bar())
    s.book(NOON + 1.0, *BOOK)
    assert s.last("change_pct") == 10.0
    s.mark(PREV_CLOSE, NOON + 1.5, 110.0)
    tell(s, bar())
    s.book(NOON + 2.0, *BOOK)
    assert s.last("change_pct") == -10.0


def test_what_is_no_figure_is_left_out_and_asked_for_again() -> None:
    s = live(market=BINANCE)
    s.book(NOON, *BOOK)
    for wrong in (float("nan"), -1.0, 1e18):
        tell(s, DayBar("S00", DAY0, 90.0, wrong, 80.0, 5_000.0, last_id=3))
    tell(s, DayBar("OTHER", DAY0, 90.0, 91.0, 80.0, 5_000.0, last_id=3))
    assert s.builder.lacks_day()


def test_events_of_the_answer_make_the_same_rows_again() -> None:
    """A receiver that begins again reads them from the store."""
    first, again = live(), live()
    first.book(NOON, *BOOK)
    seeds = DaySeeds(first.builder.instruments, 0)
    seeds.begin(first.builder.days(), 0)
    events = seeds.events([bar()], 1)
    first.builder.push(events.copy())
    again.book(NOON, *BOOK)
    again.builder.push(events.copy())
    for s in (first, again):
        s.trade(NOON + 0.5, 100.0)
        s.book(NOON + 1.0, *BOOK)
    assert first.rows
    assert [row.tobytes() for row in first.rows] == [row.tobytes() for row in again.rows]


def test_a_numbered_picture_without_a_clock_joins_behind_stored_events() -> None:
    """The book of a receiver that begins again: its feed knows no venue clock yet."""
    s = Script(market=BINANCE)
    s.book(NOON, *BOOK, last_flags=NO_ROW, u=5)
    s.trade(NOON + 1.0, 100.0)
    s.delta(NOON + 100.0, 6, 7, (99.0, 2.0, 1))
    s.book(0.0, *BOOK, last_flags=NO_ROW, u=50)
    s.delta(NOON + 101.0, 51, 52, (99.0, 3.0, 1))
    assert len(s.rows) == 2
    assert s.last("bid_size1") == 3.0

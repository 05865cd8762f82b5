"""Models tell changes cell range by range, series aggregate as they grow, formats read as traders write."""

from __future__ import annotations

import datetime as dt
import functools
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt5.QtCore import QPersistentModelIndex, Qt

from backtester.figures import NO_TRADES
from coin.markets import UPBIT
from domain import messages as m
from domain.errors import InputError
from domain.instruments import NS
from domain.records import row_schema
from tests.gui.made_feed import MadeFeed
from ui import format as fmt
from ui.bridge import Conflated
from ui.models.bars import BarSeries, Forming
from ui.models.command_options import Option, split_many, words
from ui.models.market_state import MarketState
from ui.models.records import Records
from ui.models.research_text import propose_ranges, split_lines
from ui.models.series import RowSeries
from ui.models.table import RAW, Column, TableModel
from ui.research.estimate import Size, size_of
from ui.research.study_view import best_by_pair
from ui.widgets.data_table import DataTable


@pytest.fixture(scope="module")
def heard() -> list[m.Message]:
    feed = MadeFeed()
    return [feed.table(), *feed.advance(300)]


@pytest.fixture
def state(qapp: object, heard: list[m.Message]) -> MarketState:
    made = MarketState(UPBIT)
    made.apply(heard)
    return made


def records(*values: object, limit: int = 0) -> Records:
    made = Records((Column("a", "ui.col.name", format=lambda v, r: f"{v:,.0f}"), Column("b", "ui.col.price")), limit=limit)
    made.upsert((i, SimpleNamespace(a=value, b=i)) for i, value in enumerate(values))
    return made


def shown(model: TableModel) -> list[str]:
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def test_a_batch_is_told_once_by_key(qtbot: object) -> None:
    model = records(*range(10))
    told: list[object] = []
    model.changed.connect(told.append)
    model.removed.connect(told.append)
    model.reset.connect(lambda: told.append("reset"))
    model.upsert([(2, SimpleNamespace(a=2, b=9)), (7, SimpleNamespace(a=7, b=9))])
    model.remove([3, 99])
    assert told == [[2, 7], [3]]
    assert model.count == 9
    assert model.record(2).b == 9


def test_the_oldest_records_go_when_there_are_too_many(qtbot: object) -> None:
    model = records(*range(5), limit=5)
    model.upsert([(5, SimpleNamespace(a=5, b=5)), (6, SimpleNamespace(a=6, b=6))])
    assert model.keys == [2, 3, 4, 5, 6]


def test_sort_puts_unknown_first_and_compares_numbers(qtbot: object, qtmodeltester: object) -> None:
    model = TableModel(records(1000.0, 9.0, float("nan"), 200.0))
    qtmodeltester.check(model)  # type: ignore[attr-defined]
    model.sort(0, Qt.AscendingOrder)
    assert shown(model)[1:] == ["9", "200", "1,000"]
    model.sort(0, Qt.DescendingOrder)
    assert shown(model)[:3] == ["1,000", "200", "9"]
    model.set_filter(lambda record: record.a == record.a and record.a > 100)
    assert shown(model) == ["1,000", "200"]


def test_a_tick_changes_rows_and_moves_them_later(qtbot: object) -> None:
    source = records(*(float(value) for value in range(10)))
    model = TableModel(source)
    model.sort(0, Qt.DescendingOrder)
    changes, resets = [], []
    model.dataChanged.connect(lambda first, last: changes.append((first.row(), last.row())))
    model.modelReset.connect(lambda: resets.append(1))
    source.record(0).a = 100.0
    source.touch([0, 1, 5])
    assert changes == [(4, 4), (8, 9)]
    held = QPersistentModelIndex(model.index(model.row_of(0), 0))
    assert held.row() == 9
    qtbot.waitUntil(lambda: model.row_of(0) == 0, timeout=3_000)  # type: ignore[attr-defined]
    assert held.row() == 0  # what is selected stays selected while rows move
    assert not resets


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("iud"), st.integers(0, 9), st.integers(-3, 3)), max_size=40), st.booleans())
def test_rows_are_what_sorting_everything_gives(steps: list[tuple[str, int, int]], descending: bool) -> None:
    source = records()
    model = TableModel(source)
    model.sort(0, Qt.DescendingOrder if descending else Qt.AscendingOrder)
    for word, key, value in steps:
        if word == "d":
            source.remove([key])
        elif source.record(key) is None:
            source.upsert([(key, SimpleNamespace(a=value, b=0))])
        elif word == "u":
            source.record(key).a = value
            source.touch([key])
            model.sort(0, Qt.DescendingOrder if descending else Qt.AscendingOrder)
    values = [source.record(key).a for key in source.keys]
    assert [model.index(row, 0).data(RAW) for row in range(model.rowCount())] == sorted(values, reverse=descending)
    assert all(model.key(model.row_of(key)) == key for key in source.keys)


def test_a_tick_repaints_only_what_reads_differently(qtbot: object) -> None:
    source = records(*(float(value) for value in range(10)))
    table = DataTable(source, "t")
    table.resize(300, 400)
    table.show()
    table.grab()
    asked: list[object] = []
    table.viewport().update = lambda *box: asked.append(box)
    source.touch([3, 4])
    assert asked == []
    source.record(3).b = 77
    source.touch([3, 4])
    assert len(asked) == 1
    table.deleteLater()


def test_a_row_that_goes_away_chooses_no_other(qtbot: object) -> None:
    source = records(*(float(value) for value in range(4)))
    table = DataTable(source, "t")
    chosen: list[object] = []
    table.chosen.connect(chosen.append)
    table.selectRow(1)
    assert [one.b for one in chosen] == [1]
    source.remove([1])
    source.replace([(i, SimpleNamespace(a=float(i), b=i)) for i in range(4)])
    assert len(chosen) == 1
    table.selectRow(2)
    assert [one.b for one in chosen] == [1, 2]
    table.deleteLater()


def test_watchlist_shows_the_newest_row(state: MarketState) -> None:
    assert state.watch.count == 10
    for index in range(10):
        record, rows = state.watch.record(index), state.series(index)
        assert record.price == rows.column("last_price")[-1]
        assert record.strength == rows.column("trade_strength")[-1]


def test_bars_hold_every_row(state: MarketState) -> None:
    rows = state.series(0)
    for seconds in (5, 60):
        bars = rows.bars(seconds)
        price = rows.column("last_price")
        assert bars.close[-1] == price[-1]
        assert bars.high.max() == price.max()
        assert bars.low.min() == price.min()
        assert bars.buy.sum() == pytest.approx(rows.column("buy_volume_1s").sum())
        assert np.all(bars.low <= np.minimum(bars.open, bars.close))
        assert np.all(np.diff(bars.time_ns) > 0)
        assert bars.row[-1] == len(rows) - 1


def test_bars_grow_as_if_made_at_once(heard: list[m.Message]) -> None:
    schema = row_schema("coin", 1)
    rows = np.concatenate([np.frombuffer(one.data, schema.dtype()) for one in heard if isinstance(one, m.Rows)])
    own = rows[rows["instrument"] == 0]
    slow, whole = RowSeries(schema), RowSeries(schema)
    bars = slow.bars(5)
    for i in range(len(own)):
        slow.append(own[i : i + 1])
    whole.append(own)
    again = whole.bars(5)
    for name in ("open", "high", "low", "close", "buy", "sell"):
        assert np.array_equal(getattr(bars, name), getattr(again, name))


def own_rows(heard: list[m.Message], index: int = 0) -> np.ndarray:
    schema = row_schema("coin", 1)
    rows = np.concatenate([np.frombuffer(one.data, schema.dtype()) for one in heard if isinstance(one, m.Rows)])
    return rows[rows["instrument"] == index]


def same_bars(one: BarSeries, other: BarSeries) -> bool:
    names = ("time_ns", "row", *BarSeries.FIELDS)
    return all(np.allclose(getattr(one, name), getattr(other, name)) for name in names)


def test_history_stands_before_the_rows_whichever_comes_first(heard: list[m.Message]) -> None:
    own = own_rows(heard)
    first_s = int(own["exchange_ns"][0]) // NS
    times = np.arange(first_s - 1_000, first_s + 5) * float(NS)  # the venue's last seconds are rows of ours, too
    price = own["values"][0, row_schema("coin", 1).index("last_price")]
    bars = np.column_stack([times, *([np.full(len(times), price)] * 4), np.full(len(times), 2.0), np.full(len(times), 3.0)])
    minutes = bars[::60].copy()
    minutes[:, 0] = minutes[:, 0] // (60 * NS) * 60 * NS - 3_600 * NS
    before, after = RowSeries(row_schema("coin", 1)), RowSeries(row_schema("coin", 1))
    for series in (before, after):
        for seconds in (5, 60, 180):
            series.bars(seconds)
    for interval_s, found in ((1, bars), (60, minutes)):
        before.precede(interval_s, found)
    before.append(own)
    for i in range(len(own)):
        after.append(own[i : i + 1])
    for interval_s, found in ((1, bars), (60, minutes)):
        after.precede(interval_s, found)
    assert len(before) == len(after) == len(own) + 1_000
    assert np.all(np.diff(before.time_ns) > 0)
    for seconds in (5, 60, 180):
        assert same_bars(before.bars(seconds), after.bars(seconds))
    five, sixty = after.bars(5), after.bars(60)
    assert len(five) > 200
    assert (sixty.row < 0).sum() > 10  # minutes from before the seconds, of which no factor is known
    strength = sixty.factor(after.column("trade_strength"))
    assert np.isnan(strength[0])
    assert np.isfinite(strength[-1])
    assert np.all(np.diff(sixty.time_ns) > 0)


def test_the_forming_bar_is_taken_back_by_the_row(heard: list[m.Message]) -> None:
    own = own_rows(heard)
    plain, formed = RowSeries(row_schema("coin", 1)), RowSeries(row_schema("coin", 1))
    for series in (plain, formed):
        series.bars(5)
    for i in range(len(own)):
        plain.append(own[i : i + 1])
        formed.append(own[i : i + 1])
        assert same_bars(plain.bars(5), formed.bars(5))
        start = (int(own["exchange_ns"][i]) // NS + 1) * NS
        formed.form(Forming(start, 1e9, 2e9, 1.0, 5.0, 7.0, 8.0))
        shown = formed.bars(5)
        assert (shown.close[-1], shown.high[-1], shown.low[-1]) == (5.0, 2e9, 1.0)
        formed.form(Forming(start, 1e9, 2e9, 1.0, 6.0, 8.0, 8.0))
        assert shown.close[-1] == 6.0
        assert shown.buy[-1] >= 8.0
        assert len(shown) in (len(plain.bars(5)), len(plain.bars(5)) + 1)


def test_series_is_bounded(heard: list[m.Message]) -> None:
    schema = row_schema("coin", 1)
    rows = np.concatenate([np.frombuffer(one.data, schema.dtype()) for one in heard if isinstance(one, m.Rows)])
    own = rows[rows["instrument"] == 1]
    series = RowSeries(schema, limit=100)
    bars = series.bars(5)
    for i in range(len(own)):
        series.append(own[i : i + 1])
        assert len(series) <= 100
    assert series.dropped > 0
    assert bars.close[-1] == own["values"][-1, schema.index("last_price")]
    series.append(own[-5:])  # what is known already is not taken twice
    assert series.time_ns[-1] == own["exchange_ns"][-1]
    assert np.all(np.diff(series.time_ns) > 0)


def test_positions_are_valued_after_fees(state: MarketState) -> None:
    from trading.positions import market_params, profit, profit_at

    params = market_params(UPBIT, dt.date(2026, 11, 20))
    state.use_profit(functools.partial(profit_at, params))
    assert state.positions.count > 0
    for record in state.positions.records:
        assert (record.pnl, record.return_pct) == profit(params, record.cost, round(record.value, 4), 1)
        assert record.pnl < record.value - record.cost
    # What the table adds up to is what the trader says: one arithmetic.
    assert state.account is not None
    assert sum(record.pnl for record in state.positions.records) == pytest.approx(state.account.unrealised, abs=0.01)
    assert state.account.realised == pytest.approx(state.trade_totals[2], abs=0.01)


def test_the_account_adds_up_with_the_table_at_any_moment(state: MarketState, heard: list[m.Message]) -> None:
    from trading.positions import market_params, profit_at

    state.use_profit(functools.partial(profit_at, market_params(UPBIT, dt.date(2026, 11, 20))))
    told = next(one for one in reversed(heard) if isinstance(one, m.AccountState))
    rows = next(one for one in reversed(heard) if isinstance(one, m.Rows))
    later = np.frombuffer(rows.data, row_schema("coin", 1).dtype()).copy()
    later["exchange_ns"] += 60 * NS
    later["values"][:, row_schema("coin", 1).index("last_price")] *= 1.01
    changes: list[int] = []
    state.account_changed.connect(lambda: changes.append(1))
    # Prices move between two words of the trader: the panel moves with the rows of the table.
    state.apply([msgspec.structs.replace(rows, data=later.tobytes())])
    assert changes
    account, held = state.account, state.positions.records
    assert account is not None
    assert held
    assert abs(account.unrealised - told.unrealised) > 1_000
    assert account.unrealised == pytest.approx(sum(record.pnl for record in held), abs=0.01)
    # The selling fee is in the open profit, in the equity and in the day's profit.
    gross = account.cash + sum(record.value for record in held)
    assert account.equity == pytest.approx(gross - 0.0005 * sum(record.value for record in held), abs=0.01)
    assert state.day_profit() == pytest.approx(account.realised + account.unrealised, abs=0.5)
    assert state.day_profit() == pytest.approx(account.equity - account.day_base)


def test_the_day_record_is_shown_once_and_a_start_forgets_it(state: MarketState, heard: list[m.Message]) -> None:
    trips = tuple(one for one in heard if isinstance(one, m.RoundTripState))
    fills = tuple(one.fill for one in heard if isinstance(one, m.FillUpdate))
    assert state.trade_totals[0] == len(trips) > 0
    state.begin()
    assert (state.trades.count, state.fills.count, state.trade_totals[0]) == (0, 0, 0)
    for _ in range(2):
        state.apply([m.DayRecord(fills=fills, trips=trips)])
    assert (state.trades.count, state.fills.count, state.trade_totals[0]) == (len(trips), len(fills), len(trips))


def test_a_fill_told_twice_is_shown_once(state: MarketState, heard: list[m.Message]) -> None:
    before, marks = state.fills.count, sum(len(found) for found in state.marks.values())
    state.apply([one for one in heard if isinstance(one, m.FillUpdate)])
    assert state.fills.count == before
    assert sum(len(found) for found in state.marks.values()) == marks


def test_conflation_keeps_events_and_the_newest_state(heard: list[m.Message]) -> None:
    conflated = Conflated()
    for _ in range(3):
        for message in heard:
            conflated.add(message)
    batch = conflated.batch("upbit")
    kinds = [type(one) for one in batch]
    assert kinds[0] is m.InstrumentTable
    assert kinds.count(m.Rows) == 1
    assert kinds.count(m.BookView) == 1
    assert kinds.count(m.AccountState) == 1
    rows = next(one for one in batch if isinstance(one, m.Rows))
    assert rows.count == 3 * sum(one.count for one in heard if isinstance(one, m.Rows))
    assert kinds.count(m.FillUpdate) == 3 * sum(isinstance(one, m.FillUpdate) for one in heard)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (fmt.money(1234567, "KRW", "ko"), "1,234,567원"),
        (fmt.money(-1234567, "KRW", "en"), "-₩1,234,567"),
        (fmt.money(12.5, "USDT", "ko", sign=True), "+12.50 USDT"),
        (fmt.short_money(1.2345e12, "KRW", "ko"), "1조 2,345억"),
        (fmt.short_money(3.2e8, "KRW", "ko"), "3.2억"),
        (fmt.short_money(4_500_000, "KRW", "ko"), "450만"),
        (fmt.short_money(-15_000, "KRW", "ko"), "-1.5만"),
        (fmt.short_money(204_000, "KRW", "ko"), "20.4만"),
        (fmt.short_money(20_000, "KRW", "ko"), "2만"),
        (fmt.short_money(1.23e9, "KRW", "en"), "1.23B"),
        (fmt.percent(1.714), "+1.71%"),
        (fmt.percent(-0.001), "0.00%"),
        (fmt.price(0.00001234, 0.00000001), "0.00001234"),
        (fmt.price(152_000_000, 1000), "152,000,000"),
        (fmt.quantity(123), "0.00000123"),
        (fmt.price(float("nan"), 1), "–"),
        (fmt.duration(3725), "1:02:05"),
        (fmt.row_clock(20261120053000, 0), "14:30:00"),
    ],
)
def test_formats(text: str, wanted: str) -> None:
    assert text == wanted


def test_ranges() -> None:
    text = propose_ranges((30.0, 1.5), (0, 1))
    assert size_of({}, text, "grid", "grid", {}) == Size(25, 25)
    assert size_of({}, "self.vars[0] = [[10, 30, 20, 5], 20]", "grid", "list", {}) == Size(4, 4)
    assert size_of({"--trials": "7"}, text, "random", "grid", {}) == Size(25, 7)
    assert size_of({}, "", "grid", "grid", {}) is None
    with pytest.raises(InputError, match=r"optimise\.range_syntax"):
        size_of({}, "self.vars[0] = [[10,", "grid", "grid", {})


def test_condition_lists_are_told_apart_by_their_headings() -> None:
    assert split_lines("# 매수\n# LONG\na > 1\n# 매도\nb > 2\n") == ("# LONG\na > 1\n", "b > 2\n")
    assert split_lines("# buy\na\n# sell\nb") == ("a\n", "b\n")
    with pytest.raises(InputError, match=r"no_lists"):
        split_lines("# 매수\na > 1")


def test_values_become_the_command_line() -> None:
    market = Option("--market", "market", "choice", choices=("upbit",))
    options = (
        market,
        Option("--set", "sets", "text", many=True),
        Option("--yes", "yes", "flag"),
        Option("subject", "subject", "text", positional=True),
    )
    values = {"--market": "upbit", "--set": ["0=1", "1=-2"], "--yes": True, "subject": "-3"}
    assert words("verdict", options, values) == ["verdict", "--market=upbit", "--set=0=1", "--set=1=-2", "--yes", "--", "-3"]
    assert words("data list", options, {"--market": "", "--yes": False, "--set": []}) == ["data", "list"]
    assert split_many('a "b c" d') == ["a", "b c", "d"]
    assert split_many('a "b') == ["a", '"b']


def test_the_best_of_each_pair_of_values() -> None:
    x, y = np.array([1.0, 1.0, 2.0, 2.0]), np.array([5.0, 5.0, 5.0, 6.0])
    xs, ys, table = best_by_pair(x, y, np.array([3.0, 4.0, NO_TRADES, 7.0]))
    assert (xs, ys) == ([1.0, 2.0], [5.0, 6.0])
    assert np.isnan(table).tolist() == [[False, True], [True, False]]
    assert (table[0, 0], table[1, 1]) == (4.0, 7.0)

"""Models tell changes cell range by range, series aggregate as they grow, formats read as traders write."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest
from PyQt5.QtCore import Qt

from coin.markets import UPBIT
from domain import messages as m
from domain.records import row_schema
from tests.gui.made_feed import MadeFeed
from ui import format as fmt
from ui.bridge import Conflated
from ui.models.market_state import MarketState
from ui.models.research_request import ResearchRequest, as_lists, grid_size, propose_ranges
from ui.models.series import RowSeries
from ui.models.table import Column, FilterProxy, TableModel


@pytest.fixture(scope="module")
def heard() -> list[m.Message]:
    feed = MadeFeed()
    return [feed.table(), *feed.advance(300)]


@pytest.fixture
def state(qapp: object, heard: list[m.Message]) -> MarketState:
    made = MarketState(UPBIT)
    made.apply(heard)
    return made


def test_a_batch_is_one_change_not_a_reset(qtbot: object) -> None:
    model = TableModel((Column("a", "ui.col.name"), Column("b", "ui.col.price")))
    changes, resets = [], []
    model.dataChanged.connect(lambda first, last: changes.append((first.row(), last.row())))
    model.modelReset.connect(lambda: resets.append(1))
    model.upsert((i, SimpleNamespace(a=i, b=i)) for i in range(10))
    model.upsert([(2, SimpleNamespace(a=2, b=9)), (7, SimpleNamespace(a=7, b=9))])
    assert changes == [(2, 7)]
    assert not resets
    assert model.rowCount() == 10
    model.remove([3])
    assert model.row_of(7) == 6


def test_sort_puts_unknown_first_and_compares_numbers(qtbot: object) -> None:
    model = TableModel((Column("a", "ui.col.price", format=lambda v, r: f"{v:,.0f}"),))
    model.upsert((i, SimpleNamespace(a=value)) for i, value in enumerate((1000.0, 9.0, float("nan"), 200.0)))
    proxy = FilterProxy(model)
    proxy.sort(0, Qt.AscendingOrder)
    shown = [proxy.index(row, 0).data() for row in range(4)]
    assert shown[1:] == ["9", "200", "1,000"]
    proxy.set_filter(lambda record: record.a == record.a and record.a > 100)
    assert proxy.rowCount() == 2


def test_watchlist_shows_the_newest_row(state: MarketState) -> None:
    assert state.watch.rowCount() == 10
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
    from trading.positions import market_params, profit

    params = market_params(UPBIT, dt.date(2026, 11, 20))
    state.use_profit(lambda cost, value, sign: profit(params, cost, value, sign))
    assert state.positions.rowCount() > 0
    for record in state.positions.records:
        pnl, share = profit(params, record.cost, record.value, 1)
        assert (record.pnl, record.return_pct) == (pnl, share)
        assert record.pnl < record.value - record.cost


def test_a_fill_told_twice_is_shown_once(state: MarketState, heard: list[m.Message]) -> None:
    before, marks = state.fills.rowCount(), sum(len(found) for found in state.marks.values())
    state.apply([one for one in heard if isinstance(one, m.FillUpdate)])
    assert state.fills.rowCount() == before
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
    assert grid_size(text) == 25
    assert as_lists("self.vars[0] = [[10, 30, 10], 20]") == "self.vars[0] = [[10, 20, 30], 20]"


def test_request_becomes_the_command_line() -> None:
    request = ResearchRequest(
        "ga", "upbit", "1s", "데모_돌파", symbols="KRW-BTC KRW-ETH", betting=5e6, ranges_file="r.txt", population=8, generations=2
    )
    words = request.arguments("data", "ko")
    assert words[:3] == ["optimise", "--method", "ga"]
    assert words[words.index("--symbols") + 1] == "KRW-BTC,KRW-ETH"
    assert words[words.index("--betting") + 1] == "5000000"
    assert words[-3:] == ["--json", "--progress", "json"]

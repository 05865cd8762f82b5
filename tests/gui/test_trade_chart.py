"""A trade of a back-test on its chart."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt5.QtWidgets import QApplication

from coin.markets import UPBIT
from domain.instruments import NS
from domain.records import row_schema
from ui import format as fmt
from ui.charts.chart import REFRESH_MS, Chart
from ui.charts.result_charts import EquityChart
from ui.models.runs import TradeRow
from ui.models.series import RowSeries
from ui.research_data import TradeSpan
from ui.text import language, set_language
from ui.widgets.trade_chart import TradeChart

START = 1_772_409_600 * NS


def trade() -> TradeRow:
    return TradeRow(4, "KRW-ETH", "LONG", 0, 0, 120, 1.0, 100.0, 99.0, 100.0, 99.0, -1.0, -8191.0, -8191.0, "rule")


def rows() -> RowSeries:
    schema = row_schema("coin", 1)
    found = np.zeros(60, schema.dtype())
    found["exchange_ns"] = START + np.arange(60) * NS
    found["values"][:, schema.index("last_price")] = 100.0 + np.arange(60) % 3
    series = RowSeries(schema)
    series.append(found)
    return series


def test_the_heading_follows_the_language(qtbot: Any) -> None:
    set_language("ko")
    chart = TradeChart()
    qtbot.addWidget(chart)
    shown = trade()
    chart.begin(shown)
    chart.show_trade(UPBIT, TradeSpan(rows(), START + 10 * NS, START + 40 * NS), shown)
    assert "4번" in chart.heading.text()
    assert "8,191원" in chart.heading.text()
    set_language("en")
    try:
        assert "번" not in chart.heading.text()
        assert "원" not in chart.heading.text()
        assert "8,191" in chart.heading.text()
    finally:
        set_language("ko")


def test_the_tag_of_the_profit_follows_the_language(qtbot: Any) -> None:
    set_language("ko")
    chart = EquityChart(lambda value: fmt.short_money(value, "KRW", language()))
    qtbot.addWidget(chart)
    chart.show_trades(np.array([-650_000.0, -500_000.0]))
    assert [text for _, text, _ in chart.axes[0].tags.values()] == ["-115만"]
    set_language("en")
    try:
        assert [text for _, text, _ in chart.axes[0].tags.values()] == ["-1.15M"]
    finally:
        set_language("ko")


def test_without_a_crosshair_the_last_bar_in_sight_is_read_out(qtbot: Any) -> None:
    schema = row_schema("coin", 1)
    found = np.zeros(600, schema.dtype())
    found["exchange_ns"] = START + np.arange(600) * NS
    found["values"][:, schema.index("last_price")] = 100.0 + np.arange(600)
    series = RowSeries(schema)
    series.append(found)
    chart = Chart(schema)
    qtbot.addWidget(chart)
    chart.resize(900, 600)
    chart.show_rows(series)
    bars = chart.bars()
    assert bars is not None
    assert f"{bars.close[-1]:g}<" in chart.readouts[0].text()
    chart.focus_on(START + 20 * NS, START + 40 * NS)
    right = chart.candles.view.viewRange()[0][1]
    last = int(right)
    assert last < len(bars) - 10
    for _ in range(2):
        assert f"{bars.close[last]:g}<" in chart.readouts[0].text()
        assert f"{bars.close[-1]:g}<" not in chart.readouts[0].text()
        chart._hide_cross()  # the pointer leaves the chart


def test_a_new_row_is_in_the_factor_pane_in_the_next_turn(qtbot: Any) -> None:
    """The watch-list says a row at once; a chart that waited would say the row before it."""
    schema, series = row_schema("coin", 1), rows()
    chart = Chart(schema)
    qtbot.addWidget(chart)
    chart.resize(600, 400)
    chart.show_rows(series)
    chart.show()
    qtbot.wait(3 * REFRESH_MS)
    for number, strength in enumerate((93.19, 90.08)):
        new = np.zeros(1, schema.dtype())
        new["exchange_ns"] = START + (60 + number) * NS
        new["values"][:, schema.index("trade_strength")] = strength
        series.append(new)
        chart.data_changed()
        QApplication.processEvents()
        assert chart.factors[0].values[-1] == strength
        chart.data_changed()
        QApplication.processEvents()
        assert chart._timer.isActive(), "a burst is painted once"
        qtbot.wait(3 * REFRESH_MS)

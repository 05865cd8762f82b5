"""A back-test: equity with its drawdown, figures, trades, and a trade on the chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QSplitter, QVBoxLayout, QWidget

from domain.errors import StomError
from ui import format as fmt
from ui.charts.result_charts import EquityChart
from ui.models.runs import METRICS, TradeRow, TradeRowModel
from ui.research.session import Task
from ui.research.view import Desk, Tabs, View, small_button
from ui.research_data import holding_unit, read_trade_rows, read_trades
from ui.text import bind, language
from ui.widgets.data_table import DataTable
from ui.widgets.metric_grid import MetricGrid
from ui.widgets.panel import Panel
from ui.widgets.trade_chart import TradeChart


class RunView(View):
    """Shows one run: of the command that has just ended, or a stored one; `slim` where there is little height."""

    def __init__(self, desk: Desk, parent: QWidget | None = None, slim: bool = False) -> None:
        super().__init__(desk, parent)
        self.passport: dict[str, Any] = {}
        self.run = 0
        self.nothing: dict[int, str] = {}
        self.trades = TradeRowModel(self)
        self.metrics = MetricGrid(columns=4)
        self.equity = EquityChart(self._money)
        self.trade_chart = TradeChart()
        self.table = DataTable(self.trades, "tradeRowTable", "ui.empty.trade_rows", tight=True)
        pictures: list[tuple[QWidget, str]] = [(self.equity, "ui.tab.equity"), (self.trade_chart, "ui.tab.trade_chart")]
        listed: list[tuple[QWidget, str]] = [(self.table, "ui.tab.trade_rows")]
        # Where there is little height the trades stand behind a tab of the pictures.
        self.pictures = Tabs("researchPictures", [*pictures, *listed] if slim else pictures)
        self.tabs = self.pictures if slim else Tabs("researchTabs", listed)
        self.down = QSplitter(Qt.Vertical)
        self.down.setHandleWidth(6)
        self.down.setChildrenCollapsible(False)
        self.head = Panel("ui.panel.metrics", self.metrics)
        self.head.add_tool(small_button("judgeRun", "ui.action.judge", lambda: self._to("verdict", "subject")))
        self.head.add_tool(small_button("reportRun", "ui.action.report", lambda: self._to("runs", "number")))
        for widget in (Panel("", self.pictures), self.head, *([] if slim else [Panel("", self.tabs)])):
            self.down.addWidget(widget)
        self.down.setStretchFactor(0, 3)
        self.down.setStretchFactor(2, 2)
        self.down.setSizes([340, 124] if slim else [340, 124, 260])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.down)
        self.table.opened.connect(self.open_trade)
        self.equity.picked.connect(self._pick)

    def end(self, task: Task) -> None:
        """Show the run that a back-test has stored."""
        if task.state == "done" and task.result.get("run"):
            why = task.result.get("no_trades") or {}
            self.nothing = {int(task.result["run"]): f"research.none_{why['reason']}"} if why.get("reason", "unknown") != "unknown" else {}
            self.show_number(int(task.result["run"]))

    def _to(self, kind: str, name: str) -> None:
        if self.run:
            self.go.emit(kind, {name: str(self.run)})
        else:
            self.told.emit("ui.runs.choose", {})

    def show_number(self, number: int) -> None:
        """Read a stored run and show it."""
        self.job(lambda: _stored(self.desk.data_dir, number), self.show_stored)

    def show_stored(self, run: Any) -> None:
        """Show a run of the store (`storage.studies.Run`)."""
        self.run, self.passport = run.run, dict(run.passport)
        bind(self.head.title, "setText", "ui.panel.metrics_of", run=self.run)
        market = self.desk.market(str(self.passport["market"]))
        figures = {key: float(value) for key, value in run.metrics.items() if key in METRICS and isinstance(value, int | float)}
        self.metrics.show_metrics(figures, market.currency, holding_unit(self.passport))

        def done(rows: list[TradeRow]) -> None:
            if self.run != run.run:
                return
            for row in rows:
                row.currency, row.offset_s = market.currency, market.day_offset_s()
            self.trades.replace([(row.number, row) for row in rows])
            self.equity.empty = "ui.empty.equity" if rows else self.nothing.get(run.run, "research.no_trades")
            self.table.empty = "ui.empty.trade_rows" if rows else "ui.empty.no_trades"
            self.equity.show_trades(np.array([row.pnl for row in rows]))
            self.tabs.show_count(self.table, len(rows))
            self.pictures.setCurrentWidget(self.equity)

        self.job(lambda: read_trades(Path(run.trades_path)), done)

    def open_trade(self, trade: TradeRow) -> None:
        """Show a trade on the chart with the rows around it, read from the store."""
        if not self.passport:
            return
        market = self.desk.market(str(self.passport["market"]))
        interval_s, source = int(self.passport["interval_s"]), str(self.passport.get("source") or "")
        self.pictures.setCurrentWidget(self.trade_chart)
        self.trade_chart.begin(trade)

        def do() -> Any:
            return read_trade_rows(self.desk.data_dir, market, interval_s, source, trade)

        self.desk.jobs.run(do, lambda rows: self.trade_chart.show_trade(market, rows, trade), self._trade_failed)

    def _trade_failed(self, error: StomError) -> None:
        self.trade_chart.fail(error)

    def _pick(self, place: int) -> None:
        if 1 <= place <= self.trades.count:
            self.table.select_key(self.trades.records[place - 1].number)
            self.table.scrollTo(self.table.currentIndex())

    def _money(self, value: float) -> str:
        currency = self.desk.market(str(self.passport["market"])).currency if self.passport else "KRW"
        return fmt.short_money(value, currency, language())


def _stored(data_dir: Path, number: int) -> Any:
    from storage.studies import Studies
    from utility.paths import DataDir

    return Studies(DataDir(data_dir).user_library).run(number)

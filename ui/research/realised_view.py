"""Realised profit of the accounts: a bar a period with the running sum, and the table behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QComboBox, QLabel, QSplitter, QVBoxLayout, QWidget

from ui import format as fmt
from ui.charts.study_charts import BarsChart
from ui.models.rows import RowModel, centred, number_column
from ui.research.session import Task
from ui.research.view import Desk, View
from ui.text import bind, language, on_language, tr
from ui.widgets.data_table import DataTable
from ui.widgets.panel import Panel

COLUMNS = (
    centred("period", "ui.col.period", 12),
    number_column("pnl", "ui.col.pnl_closed", 2, 16, sign=True),
    number_column("total", "ui.col.pnl_cum", 2, 16, sign=True),
    number_column("trades", "ui.metric.tc", 0, 10),
    number_column("wins", "ui.metric.pc", 0, 10),
)


class RealisedView(View):
    """Shows the answer of `realised`, one currency at a time."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.found: list[dict[str, Any]] = []
        self.currency = QComboBox()
        self.currency.setObjectName("realisedCurrency")
        self.currency.setMinimumContentsLength(10)
        bind(self.currency, "setAccessibleName", "ui.realised.currency")
        self.currency.activated.connect(lambda _: self._show())
        self.total = QLabel()
        self.total.setObjectName("realisedTotal")
        self.chart = BarsChart("ui.empty.realised", self._money, bottom="ui.axis.period")
        self.chart.show_legend(("up+down", "ui.legend.period"), ("warn", "ui.legend.total"))
        self.rows = RowModel(COLUMNS, self)
        self.table = DataTable(self.rows, "realisedTable", "ui.empty.realised", tight=True)
        picture = Panel("ui.panel.realised", self.chart)
        picture.add_tool(self.total)
        picture.add_tool(self.currency)
        down = QSplitter(Qt.Vertical)
        down.setHandleWidth(6)
        down.setChildrenCollapsible(False)
        down.addWidget(picture)
        down.addWidget(Panel("", self.table))
        down.setSizes([360, 260])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(down)
        on_language(self, self._show)
        self._show()

    def end(self, task: Task) -> None:
        if task.state == "done" and "realised" in task.result:
            self.found = task.result["realised"]
            self.currency.clear()
            for one in self.found:
                self.currency.addItem(f"{one['currency']} · {', '.join(one['accounts'])}")
            self._show()

    def _show(self) -> None:
        place = self.currency.currentIndex()
        self.currency.setVisible(bool(self.found))
        self.total.setVisible(bool(self.found))
        if not 0 <= place < len(self.found):
            self.rows.clear()
            self.chart.show_bars(np.zeros(0), [])
            return
        one = self.found[place]
        periods = one["periods"]
        pnl = np.array([row["pnl"] for row in periods], float)
        total = np.cumsum(pnl)
        self.chart.show_bars(np.arange(1.0, len(pnl) + 1.0), [(pnl, "")], total)
        money = fmt.money(one["total"], one["currency"], language(), sign=True)
        self.total.setText(tr("ui.realised.total", total=money, trades=f"{one['trades']:,}"))
        columns = {key: [row[key] for row in periods] for key in ("period", "pnl", "trades", "wins")}
        self.rows.show({**columns, "total": total})

    def _money(self, value: float) -> str:
        place = self.currency.currentIndex()
        return fmt.short_money(value, self.found[place]["currency"] if 0 <= place < len(self.found) else "KRW", language())

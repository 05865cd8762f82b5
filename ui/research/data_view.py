"""The stored market data: what there is, what was put aside, and what the last command answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt5.QtWidgets import QVBoxLayout, QWidget

from ui.models.rows import RowModel, centred, number_column, row_moment, text_column
from ui.research.session import Task
from ui.research.view import Desk, Tabs, View, small_button
from ui.text import on_language, tr, word
from ui.widgets.data_table import DataTable
from ui.widgets.panel import Panel

DATA_COLUMNS = (
    centred("market_word", "ui.col.market", 13),
    centred("source_word", "ui.col.source", 10),
    text_column("symbol", "ui.col.name", 0),
    centred("interval", "ui.col.kind", 8),
    centred("first", "ui.col.first_market", 17),
    centred("last", "ui.col.last_market", 17),
    number_column("rows", "ui.col.rows", 0, 12),
)
PROBLEM_COLUMNS = (
    text_column("where", "ui.col.file", 0, tip=True),
    text_column("problem", "ui.col.problem", 0, tip=True, tone=lambda r: "danger"),
)
ANSWER_COLUMNS = (text_column("name", "ui.col.figure", 22), text_column("value", "ui.col.value", 0, tip=True))
WORDED = {"market": "ui.market", "source": "ui.source", "interval": "ui.interval"}
"""Answers whose values have words."""


class DataView(View):
    """Shows the tick store of the data directory."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.data, self.problems, self.answer = (RowModel(columns, self) for columns in (DATA_COLUMNS, PROBLEM_COLUMNS, ANSWER_COLUMNS))
        self.table = DataTable(self.data, "dataTable", "ui.empty.data", tight=True)
        self.problem_table = DataTable(self.problems, "problemTable", "ui.empty.problems", tight=True)
        self.answer_table = DataTable(self.answer, "answerTable", "ui.empty.answer", tight=True)
        self.tabs = Tabs(
            "dataTabs", [(self.table, "ui.tab.stored"), (self.problem_table, "ui.tab.problems"), (self.answer_table, "ui.tab.answer")]
        )
        panel = Panel("ui.panel.stored", self.tabs)
        panel.add_tool(small_button("dataRefresh", "ui.action.refresh", self.start))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(panel)
        self._found: dict[str, Any] = {}
        self._told: list[tuple[str, Any]] = []
        on_language(self, self._say)

    def _say(self) -> None:
        self._answer()
        if self._found:
            self._show(self._found)

    def _answer(self) -> None:
        """Show what the last command answered, in words where there are some."""
        values = [word(WORDED[key], str(value)) if key in WORDED else _plain(value) for key, value in self._told]
        self.answer.show({"name": [word("ui.answer", key) for key, _ in self._told], "value": values} if self._told else {})

    def start(self) -> None:
        self.job(lambda: read_data(self.desk.data_dir), self._show)

    def _show(self, found: dict[str, Any]) -> None:
        self._found = found
        rows = found["datasets"]
        self.data.show(
            {
                "market_word": [word("ui.market", one["market"]) for one in rows],
                "source_word": [word("ui.source", one["source"]) for one in rows],
                "symbol": [one["symbol"] for one in rows],
                "interval": [word("ui.interval", one["interval"]) for one in rows],
                "first": [row_moment(one["from"]) for one in rows],
                "last": [row_moment(one["to"]) for one in rows],
                "rows": [one["rows"] for one in rows],
            }
        )
        self.tabs.show_count(self.table, len(rows))
        aside = [(one["file"], tr("data.problem.quarantined")) for one in found["quarantined"]]
        self._show_problems(aside)
        markets = sorted({one["source"] for one in rows})
        self.picked.emit({"offer": {"--source": [(source, "") for source in markets]}})

    def _show_problems(self, rows: list[tuple[str, str]]) -> None:
        self.problems.show({"where": [where for where, _ in rows], "problem": [problem for _, problem in rows]})
        self.tabs.show_count(self.problem_table, len(rows))

    def end(self, task: Task) -> None:
        self.start()
        result = task.result
        if not result:
            return
        if task.path == "data verify":
            rows = [(one.get("file") or one.get("session", ""), tr(f"data.problem.{one['problem']}")) for one in result["problems"]]
            rows += [(f"{one['market']}/{one['source']} {one['symbol']}", one["cause"]) for one in result["gaps"]]
            self._show_problems(rows)
            self.tabs.setCurrentWidget(self.problem_table)
        elif task.path != "data list":
            self._told = [(key, value) for key, value in result.items() if value not in (None, [], {})]
            self._answer()
            self.tabs.setCurrentWidget(self.answer_table if task.state != "done" or task.path != "data make" else self.table)
        else:
            self.tabs.setCurrentWidget(self.table)


def read_data(data_dir: Path) -> dict[str, Any]:
    """Return what the tick store holds, and what was put aside."""
    from storage.ticks import TickStore

    store = TickStore(data_dir)
    return {"datasets": store.datasets(), "quarantined": store.quarantined(None)}


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

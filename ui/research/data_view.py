"""The stored market data: what there is, what was put aside, and what the last command answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt5.QtWidgets import QVBoxLayout, QWidget

from ui.models.data_answers import answer_lines, gap_text
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
ANSWER_COLUMNS = (text_column("name", "ui.col.item", 30, tip=True), text_column("value", "ui.col.value", 0, tip=True))
CHANGES = ("data make", "data import", "data download")
"""Commands after which an earlier check no longer holds."""


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
        self._verified: dict[str, Any] | None = None
        self._market = ""
        """The list is of this market alone; "" is all."""
        self._told: tuple[str, dict[str, Any]] = ("", {})
        on_language(self, self._say)

    def _say(self) -> None:
        self._answer()
        if self._found:
            self._show(self._found)

    def _answer(self) -> None:
        """Show what the last command answered."""
        lines = answer_lines(*self._told)
        self.answer.show({"name": [name for name, _ in lines], "value": [value for _, value in lines]} if lines else {})

    def start(self) -> None:
        self.job(lambda: read_data(self.desk.data_dir), self._show)

    def _show(self, found: dict[str, Any]) -> None:
        self._found = found
        rows = [one for one in found["datasets"] if self._market in ("", one["market"])]
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
        self._show_problems()
        sources = sorted({one["source"] for one in found["datasets"]})
        self.picked.emit({"offer": {"--source": [(source, "") for source in sources]}})

    def _show_problems(self) -> None:
        """Show what the last check found, or what lies aside where nothing was checked."""
        if self._verified is None:
            rows = [(one["file"], tr("data.problem.quarantined")) for one in self._found.get("quarantined", ())]
            rows += [_problem_row(one) for one in self._found.get("unfinished", ())]
        else:
            rows = [_problem_row(one) for one in self._verified["problems"]]
            for one in self._verified["gaps"]:
                place = f"{word('ui.market', one['market'])} · {word('ui.source', one['source'])} · {one['symbol']}"
                rows.append((place, gap_text(one)))
        self.problems.show({"where": [where for where, _ in rows], "problem": [problem for _, problem in rows]})
        self.tabs.show_count(self.problem_table, len(rows))

    def begin(self, task: Task) -> None:
        if task.path in CHANGES:
            self._verified = None  # of what was there before
            self._market = ""
        self._told = ("", {})
        self._answer()

    def end(self, task: Task) -> None:
        result = task.result
        if task.path == "data list" and task.state == "done":
            self._market = next((word.partition("=")[2] for word in task.words if word.startswith("--market=")), "")
        if task.path == "data verify" and result:
            self._verified = result
            self._show_problems()
        self.start()
        if not result:
            return
        if task.path == "data verify":
            self.tabs.setCurrentWidget(self.problem_table)
        elif task.path == "data list":
            self.tabs.setCurrentWidget(self.table)
        else:
            self._told = (task.path, result)
            self._answer()
            self.tabs.setCurrentWidget(self.answer_table)


def _problem_row(one: dict[str, Any]) -> tuple[str, str]:
    """Return (where, what is wrong) of one problem of `data verify`."""
    from storage.imports import names_of

    names = names_of(one) if "files" in one else ""
    return one.get("file") or one.get("session", ""), tr(f"data.problem.{one['problem']}", files=names, file=one.get("file", ""))


def read_data(data_dir: Path) -> dict[str, Any]:
    """Return what the tick store holds, and what was put aside."""
    from storage.imports import problems
    from storage.ticks import TickStore

    store = TickStore(data_dir)
    return {"datasets": store.datasets(), "quarantined": store.quarantined(None), "unfinished": problems(store.root)}

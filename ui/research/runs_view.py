"""Stored runs: a list, one of them in full, several laid over each other, reports opened, a run repeated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PyQt5.QtCore import Qt, QUrl
from PyQt5.QtGui import QDesktopServices
from PyQt5.QtWidgets import QAbstractItemView, QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from ui import format as fmt
from ui.charts.study_charts import LinesChart
from ui.models.records import Records
from ui.models.rows import RowModel, percent_column, text_column
from ui.models.studies import moment
from ui.models.table import CENTRE, LEFT, Column
from ui.research.run_view import RunView
from ui.research.session import Task
from ui.research.view import Desk, Tabs, View, small_button
from ui.research_data import read_runs
from ui.text import bind, language, on_language, tr, word
from ui.widgets.data_table import DataTable
from ui.widgets.panel import Panel


@dataclass(slots=True)
class StoredRun:
    """One run of the library, with what the store said of it."""

    number: int
    created: str
    kind: str
    strategy: str
    market: str
    tc: float
    wr: float
    tg: float
    mdd: float
    tpi: float
    run: Any

    @classmethod
    def of(cls, run: Any) -> StoredRun:
        """Return the record of a run (`storage.studies.Run`)."""
        passport, metrics = run.passport, run.metrics
        figures = [float(metrics.get(key, float("nan"))) for key in ("tc", "wr", "tg", "mdd", "tpi")]
        named = [str(passport.get(key, "")) for key in ("strategy", "market")]
        return cls(run.run, moment(run.created_ns), run.kind, *named, *figures, run)


STORED_COLUMNS = (
    Column("number", "ui.col.number", CENTRE, lambda v, r: str(v), width=5),
    Column("created", "ui.col.created", CENTRE, lambda v, r: v, tone=lambda r: "muted", width=15),
    Column("kind", "ui.col.kind", CENTRE, lambda v, r: word("ui.run", v), width=9),
    Column("strategy", "ui.col.strategy", LEFT, lambda v, r: v, width=0),
    Column("market", "ui.col.market", CENTRE, lambda v, r: word("ui.market", v), width=11),
    Column("tc", "ui.metric.tc", format=lambda v, r: fmt.integer(v), width=7),
    percent_column("wr", "ui.metric.wr", 7),
    Column("tg", "ui.metric.tg", format=lambda v, r: fmt.number(v, 0), sign=lambda r: r.tg, width=12),
    percent_column("mdd", "ui.metric.mdd"),
    Column("tpi", "ui.metric.tpi", format=lambda v, r: fmt.number(v), width=7),
)


class RunsView(View):
    """The runs of the data directory."""

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.runs = Records(STORED_COLUMNS, self)
        self.table = DataTable(self.runs, "storedRunTable", "ui.empty.stored_runs", tight=True)
        self.table.setSelectionMode(QAbstractItemView.ExtendedSelection)
        self.one = RunView(desk, slim=True)
        self.one.told.connect(self.told)
        self.one.go.connect(self.go)
        self.curves = LinesChart("ui.empty.compare", self._money, bottom="ui.axis.share")
        self.compared = RowModel((text_column("name", "ui.col.figure", 16),), self)
        self.compare_table = DataTable(self.compared, "compareTable", "ui.empty.compare", tight=True)
        self.below = QSplitter(Qt.Vertical)
        self.below.setHandleWidth(6)
        self.below.addWidget(self.curves)
        self.below.addWidget(self.compare_table)
        self.below.setSizes([230, 230])
        self.answer = QLabel()
        self.answer.setObjectName("runsAnswer")
        self.answer.setWordWrap(True)
        self.answer.setTextInteractionFlags(Qt.TextSelectableByMouse)
        self.open_button = QPushButton()
        self.open_button.setObjectName("openWritten")
        bind(self.open_button, "setText", "ui.action.open_written")
        bind(self.open_button, "setToolTip", "ui.action.open_written.tip")
        self.open_button.clicked.connect(lambda _=False: self.open_written())
        self.written: list[str] = []
        answered = QWidget()
        row = QHBoxLayout(answered)
        row.setContentsMargins(12, 6, 8, 6)
        row.addWidget(self.answer, 1)
        row.addWidget(self.open_button)
        self.answered = Panel("", answered)
        self.answered.hide()
        self.tabs = Tabs("runsTabs", [(self.one, "ui.tab.run"), (self.below, "ui.tab.compare")])
        listed = Panel("ui.panel.stored_runs", self.table)
        for name, code, do in (
            ("compareRuns", "ui.action.compare", self.compare),
            ("judgeStored", "ui.action.judge", lambda: self._to("verdict", "subject")),
        ):
            listed.add_tool(small_button(name, code, do))
        down = QSplitter(Qt.Vertical)
        down.setHandleWidth(6)
        down.setChildrenCollapsible(False)
        down.addWidget(listed)
        down.addWidget(Panel("", self.tabs))
        down.setSizes([190, 470])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.answered)
        column.addWidget(down, 1)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._pick())
        self.table.opened.connect(self._open)
        self._currency = "KRW"
        self._compared: list[str] = []
        self._most: int | None = None
        """Runs that are listed; None is all."""
        self._is_wished = False
        """Whether a person asked for the comparison that comes; otherwise it is the one on show in another language."""
        on_language(self, self._compare_again)

    def start(self) -> None:
        self.job(lambda: read_runs(self.desk.data_dir), self._list)

    def _list(self, found: list[Any]) -> None:
        self.runs.replace([(one.run, StoredRun.of(one)) for one in found[: self._most]])
        values = [(str(one.run), f"{one.run} · {one.passport.get('strategy', '')}") for one in found[:200]]
        self.picked.emit({"offer": {"number": values}})

    def _pick(self) -> None:
        keys = [str(key) for key in self.table.selected_keys()]
        if keys:
            self.picked.emit({"number": keys[0], "numbers": keys})
            if len(keys) == 1:
                self._open(self.runs.record(int(keys[0])))

    def _open(self, record: StoredRun) -> None:
        self.tabs.setCurrentWidget(self.one)
        self.one.show_stored(record.run)

    def compare(self) -> None:
        """Lay the selected runs over each other."""
        keys = [str(key) for key in self.table.selected_keys()]
        if len(keys) < 2:
            self.told.emit("ui.runs.choose_two", {})
        else:
            self._is_wished = True
            self.asked.emit("compare", ["compare", *keys])

    def _compare_again(self) -> None:
        # The table comes in words from the command: in another language it is asked for again.
        if self._compared:
            self.asked.emit("compare", ["compare", *self._compared])

    def _to(self, kind: str, name: str) -> None:
        keys = self.table.selected_keys()
        if keys:
            self.go.emit(kind, {name: str(keys[0])})
        else:
            self.told.emit("ui.runs.choose", {})

    def end(self, task: Task) -> None:
        result, is_wished = task.result, self._is_wished or bool(task.values)
        if task.path == "compare":
            self._is_wished = False
        if task.state != "done" and not (task.path == "rerun" and "same" in result):
            return
        if task.path == "compare" and not is_wished:
            self._show_compared(result, turn=False)  # the same in another language: what was told stays
            return
        written = result.get("written", [])
        self.written = list(written.values()) if isinstance(written, dict) else list(written)
        if task.path == "compare":
            self._show_compared(result)
        if task.path == "rerun":
            bind(self.answer, "setText", "runs.same" if result["same"] else "runs.differs", **result)
        elif self.written:
            bind(self.answer, "setText", "ui.runs.written", path="\n".join(self.written))
        elif task.path == "runs":
            self._most = next((int(word.partition("=")[2]) for word in task.words if word.startswith("--limit=")), None)
            self.start()
            if len(result["runs"]) == 1:
                self.one.show_number(int(result["runs"][0]["run"]))
        self.answered.setVisible(task.path == "rerun" or bool(self.written))
        self.open_button.setVisible(bool(self.written))

    def _show_compared(self, result: dict[str, Any], turn: bool = True) -> None:
        """Show curves and figures of several runs; `turn` brings them to the front."""
        if turn:
            self.tabs.setCurrentWidget(self.below)
        runs = result["runs"]
        self._compared = [str(one["run"]) for one in runs]
        currencies = {one["currency"] for one in runs}
        self._currency = currencies.pop() if len(currencies) == 1 else ""
        lines = []
        for one in runs:
            value = np.concatenate([[0.0], np.asarray(one["equity"]["value"], float)])
            # By the share of the run's trades: runs of different length lie over each other.
            lines.append((tr("report.run_number", run=one["run"]), np.linspace(0.0, 100.0, len(value)), value))
        self.curves.show_lines(lines)
        columns = (
            text_column("name", "ui.col.figure", 20),
            *(text_column(f"run{one['run']}", tr("report.run_number", run=one["run"]), 0, tip=True) for one in runs),
        )
        model = RowModel(columns, self)
        table = DataTable(model, "compareTable", "ui.empty.compare", tight=True)
        self.below.replaceWidget(1, table)
        self.compare_table.deleteLater()
        self.compare_table, self.compared = table, model
        rows = result["table"]
        model.show({column.key: [row[place] for row in rows] for place, column in enumerate(columns)})

    def open_written(self) -> None:
        """Open what was written, as the system opens such files."""
        for path in self.written:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(path))))

    def _money(self, value: float) -> str:
        return fmt.short_money(value, self._currency, language())

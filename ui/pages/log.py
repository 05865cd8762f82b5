"""The Log tab: every process's records, by level, process and text, with counts."""

from __future__ import annotations

import logging

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QApplication, QCheckBox, QComboBox, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ui.models.log import LEVELS, LogLine, LogModel
from ui.text import bind, on_language, tr, word
from ui.widgets.data_table import DataTable
from ui.widgets.panel import Panel


class LogPage(QWidget):
    """The newest records; new ones are followed until the person scrolls up."""

    def __init__(self, model: LogModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("logPage")
        self.model = model
        self.table = DataTable(model, "logTable", "ui.empty.log")
        self.table.sortByColumn(0, Qt.AscendingOrder)  # processes speak when they can; the screen says it in the order of time
        self.hidden: set[str] = {"debug"}
        self.chips: dict[str, QPushButton] = {}
        panel = Panel("ui.panel.log", self.table)
        tools = QWidget()
        row = QHBoxLayout(tools)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for level in LEVELS:
            chip = QPushButton()
            chip.setObjectName(f"level_{level}")
            chip.setProperty("kind", "chip")
            chip.setCheckable(True)
            chip.setChecked(level not in self.hidden)
            chip.toggled.connect(lambda on, level=level: self._level(level, on))
            self.chips[level] = chip
            row.addWidget(chip)
        self.process = QComboBox()
        self.process.setObjectName("logProcess")
        self.process.setMinimumWidth(150)
        self.process.addItem("", "")
        self.process.currentIndexChanged.connect(self._refilter)
        bind(self.process, "setAccessibleName", "ui.log.process")
        row.addWidget(self.process)
        self.search = QLineEdit()
        self.search.setObjectName("logSearch")
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(180)
        bind(self.search, "setPlaceholderText", "ui.log.search")
        self.search.textChanged.connect(self._refilter)
        row.addWidget(self.search)
        self.follow = QCheckBox()
        self.follow.setObjectName("logFollow")
        self.follow.setChecked(True)
        bind(self.follow, "setText", "ui.log.follow")
        row.addWidget(self.follow)
        self.copy = QPushButton()
        self.copy.setObjectName("logCopy")
        self.copy.setProperty("kind", "small")
        bind(self.copy, "setText", "ui.log.copy")
        self.copy.clicked.connect(self.copy_shown)
        row.addWidget(self.copy)
        self.clear_button = QPushButton()
        self.clear_button.setObjectName("logClear")
        self.clear_button.setProperty("kind", "small")
        bind(self.clear_button, "setText", "ui.action.clear_log")
        self.clear_button.clicked.connect(self.clear)
        row.addWidget(self.clear_button)
        panel.add_tool(tools)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(panel)
        model.added.connect(self._grown)
        on_language(self, self._relabel)
        self._relabel()
        self._refilter()

    def _level(self, level: str, on: bool) -> None:
        (self.hidden.discard if on else self.hidden.add)(level)
        self._refilter()

    def _refilter(self) -> None:
        hidden, process, text = frozenset(self.hidden), self.process.currentData(), self.search.text().lower()

        def accept(line: LogLine) -> bool:
            if line.level_name in hidden or (process and line.source != process):
                return False
            return not text or any(text in words.lower() for words in (line.text, line.shown, line.logger))

        self.table.shown.set_filter(accept)

    def _grown(self, keys: list[int]) -> None:
        for line in map(self.model.record, keys):
            if self.process.findData(line.source) < 0:
                self.process.addItem(line.source, line.source)
        self._relabel()
        if self.follow.isChecked():
            self.table.scrollToBottom()

    def _relabel(self) -> None:
        for level, chip in self.chips.items():
            text = f"{word('ui.level', level)} {self.model.counts[level]:,}"
            if chip.text() != text:
                chip.setText(text)
        self.process.setItemText(0, tr("ui.log.all_processes"))

    def copy_shown(self) -> None:
        """Put the records on show on the clipboard."""
        shown = self.table.shown
        lines = []
        for row in range(shown.rowCount()):
            lines.append("\t".join(str(shown.index(row, column).data()) for column in range(shown.columnCount())))
        QApplication.clipboard().setText("\n".join(lines))

    def clear(self) -> None:
        """Empty the screen; the files keep everything."""
        self.model.clear()
        self.model.counts.clear()
        self._relabel()


class ScreenHandler(logging.Handler):
    """Collects this process's own records for the log page; drained by the window's timer."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) < 2_000:
            self.lines.append(LogLine(record.created, record.levelno, "main", record.name, record.getMessage()))

    def drain(self) -> list[LogLine]:
        """Return what came since the last call."""
        out, self.lines = self.lines, []
        return out

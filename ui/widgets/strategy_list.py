"""The list of saved strategies; each opens into its versions, newest first."""

from __future__ import annotations

import datetime as dt
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from ui.format import KST
from ui.text import on_language, tr

NAME_ROLE = Qt.UserRole
VERSION_ROLE = Qt.UserRole + 1


class LibraryList(QTreeWidget):
    """Strategies and versions.

    Signals
    -------
    opened(name, version) : version 0 means the newest.
    """

    opened = pyqtSignal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("libraryList")
        self.setColumnCount(3)
        self.setIndentation(14)
        self.setUniformRowHeights(True)
        self.setEditTriggers(QTreeWidget.NoEditTriggers)
        head = self.header()
        head.setStretchLastSection(False)
        head.setSectionResizeMode(0, QHeaderView.Stretch)
        for column, width in ((1, 44), (2, 88)):
            head.setSectionResizeMode(column, QHeaderView.Fixed)
            head.resizeSection(column, width)
        self.entries: tuple[Any, ...] = ()
        self.itemActivated.connect(self._open)
        self.itemClicked.connect(self._open)
        on_language(self, self._words)
        self._words()

    def show_entries(self, entries: Any) -> None:
        """Show strategies (name, interval, versions as (number, saved_ns, note))."""
        open_names = {self.topLevelItem(i).data(0, NAME_ROLE) for i in range(self.topLevelItemCount()) if self.topLevelItem(i).isExpanded()}
        self.entries = tuple(entries)
        self.clear()
        for entry in self.entries:
            newest = entry.versions[0] if entry.versions else (0, 0, "")
            item = QTreeWidgetItem([entry.name, entry.interval, f"v{newest[0]}"])
            item.setData(0, NAME_ROLE, entry.name)
            item.setData(0, VERSION_ROLE, 0)
            item.setToolTip(0, entry.name)
            item.setTextAlignment(2, Qt.AlignRight | Qt.AlignVCenter)
            for number, saved_ns, note in entry.versions:
                when = dt.datetime.fromtimestamp(saved_ns / 1e9, KST).strftime("%m-%d %H:%M") if saved_ns else ""
                child = QTreeWidgetItem([f"v{number} {note}".strip(), "", when])
                child.setData(0, NAME_ROLE, entry.name)
                child.setData(0, VERSION_ROLE, number)
                child.setTextAlignment(2, Qt.AlignRight | Qt.AlignVCenter)
                item.addChild(child)
            self.addTopLevelItem(item)
            item.setExpanded(entry.name in open_names)

    def select(self, name: str) -> None:
        """Make the strategy `name` current without opening it."""
        for place in range(self.topLevelItemCount()):
            item = self.topLevelItem(place)
            if item.data(0, NAME_ROLE) == name:
                blocked = self.blockSignals(True)
                self.setCurrentItem(item)
                self.blockSignals(blocked)

    def _open(self, item: QTreeWidgetItem, column: int = 0) -> None:
        self.opened.emit(item.data(0, NAME_ROLE), item.data(0, VERSION_ROLE))

    def _words(self) -> None:
        self.setHeaderLabels([tr("ui.col.strategy"), tr("ui.col.interval"), tr("ui.col.version")])
        self.headerItem().setTextAlignment(2, Qt.AlignRight | Qt.AlignVCenter)

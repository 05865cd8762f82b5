"""A table view over a TableModel: sorted, filtered, linked, with an explanatory empty state."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QModelIndex, QPoint, Qt, pyqtSignal
from PyQt5.QtGui import QPainter
from PyQt5.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView, QWidget

from ui.models.table import KEY, RECORD, FilterProxy, TableModel
from ui.text import on_language, tr
from ui.theme.style import THEME, colour, theme
from ui.widgets.delegates import DELEGATES, TextDelegate

MIN_STRETCH = 84


class DataTable(QTableView):
    """A read-only table.

    Signals
    -------
    chosen(record) : a row was clicked or walked to by keys.
    opened(record) : a row was double-clicked, or Enter pressed on it.
    """

    chosen = pyqtSignal(object)
    opened = pyqtSignal(object)

    def __init__(self, model: TableModel, name: str, empty: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(name)
        self.source = model
        self.empty = empty
        self.proxy = FilterProxy(model, self)
        self.setModel(self.proxy)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectRows)
        self.setSelectionMode(QAbstractItemView.SingleSelection)
        self.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setMouseTracking(True)
        self.setTextElideMode(Qt.ElideRight)
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(16)
        head = self.horizontalHeader()
        head.setSectionsMovable(True)
        head.setHighlightSections(False)
        head.setMinimumSectionSize(30)
        head.setFixedHeight(26)
        head.setContextMenuPolicy(Qt.CustomContextMenu)
        head.customContextMenuRequested.connect(self._choose_columns)
        self.setItemDelegate(TextDelegate(self))
        for place, column in enumerate(model.columns):
            if column.paint:
                self.setItemDelegateForColumn(place, DELEGATES[column.paint](self))
        self.selectionModel().currentRowChanged.connect(self._current)
        self.doubleClicked.connect(self._open)
        for signal in (self.proxy.rowsInserted, self.proxy.rowsRemoved, self.proxy.modelReset, self.proxy.layoutChanged):
            signal.connect(lambda *_: self.viewport().update())
        THEME.changed.connect(self.restyle)
        on_language(self, self.fit_columns)
        self.restyle()

    def restyle(self) -> None:
        """Take row height and column widths of the theme."""
        self.verticalHeader().setDefaultSectionSize(theme().row)
        self.fit_columns()

    def fit_columns(self) -> None:
        """Give every column its declared width in characters, never less than its heading."""
        metrics = self.fontMetrics()
        digit = metrics.horizontalAdvance("0")
        head = self.horizontalHeader()
        for place, column in enumerate(self.source.columns):
            if column.width == 0:
                head.setSectionResizeMode(place, QHeaderView.Stretch)
                continue
            wanted = max(round(column.width * digit) + 22, metrics.horizontalAdvance(tr(column.label)) + 18)
            head.setSectionResizeMode(place, QHeaderView.Interactive)
            head.resizeSection(place, wanted)
        self._spare()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._spare()

    def _spare(self) -> None:
        # A stretched column must not vanish in a narrow view: below its minimum the view scrolls instead.
        head = self.horizontalHeader()
        fixed = sum(head.sectionSize(i) for i, c in enumerate(self.source.columns) if c.width and not head.isSectionHidden(i))
        stretched = [i for i, c in enumerate(self.source.columns) if c.width == 0]
        room = self.viewport().width() - fixed
        narrow = room < MIN_STRETCH * len(stretched)
        for place in stretched:
            head.setSectionResizeMode(place, QHeaderView.Interactive if narrow else QHeaderView.Stretch)
            if narrow:
                head.resizeSection(place, MIN_STRETCH)

    def current_record(self) -> Any:
        """Return the record of the current row, None when there is none."""
        index = self.currentIndex()
        return index.data(RECORD) if index.isValid() else None

    def select_key(self, key: Any) -> None:
        """Make the row of `key` current without saying so."""
        row = self.source.row_of(key)
        if row < 0:
            return
        place = self.proxy.mapFromSource(self.source.index(row, 0))
        if place.isValid() and place.row() != self.currentIndex().row():
            blocked = self.blockSignals(True)
            self.selectRow(place.row())
            self.blockSignals(blocked)

    def current_key(self) -> Any:
        """Return the key of the current row, None when there is none."""
        index = self.currentIndex()
        return index.data(KEY) if index.isValid() else None

    def _current(self, index: QModelIndex, before: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(index.data(RECORD))

    def _open(self, index: QModelIndex) -> None:
        if index.isValid():
            self.opened.emit(index.data(RECORD))

    def keyPressEvent(self, event: Any) -> None:
        if event.key() in (Qt.Key_Return, Qt.Key_Enter) and self.currentIndex().isValid():
            self._open(self.currentIndex())
            return
        super().keyPressEvent(event)

    def _choose_columns(self, at: QPoint) -> None:
        menu = QMenu(self)
        head = self.horizontalHeader()
        for place, column in enumerate(self.source.columns):
            action = menu.addAction(tr(column.label))
            action.setCheckable(True)
            action.setChecked(not head.isSectionHidden(place))
            action.toggled.connect(lambda shown, place=place: (head.setSectionHidden(place, not shown), self._spare()))
        menu.exec_(head.mapToGlobal(at))

    def hide_columns(self, *keys: str) -> None:
        """Hide columns by key; the person can show them again from the heading's menu."""
        for place, column in enumerate(self.source.columns):
            if column.key in keys:
                self.horizontalHeader().setSectionHidden(place, True)
        self._spare()

    def paintEvent(self, event: Any) -> None:
        super().paintEvent(event)
        if not self.empty or self.proxy.rowCount():
            return
        painter = QPainter(self.viewport())
        painter.setPen(colour("muted"))
        box = self.viewport().rect().adjusted(16, 8, -16, -8)
        painter.drawText(box, Qt.AlignCenter | Qt.TextWordWrap, tr(self.empty))
        painter.end()

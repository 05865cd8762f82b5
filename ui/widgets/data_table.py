"""A table view over a TableModel: sorted, filtered, linked, with an explanatory empty state."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import QByteArray, QModelIndex, QPoint, QRect, Qt, pyqtSignal
from PyQt5.QtGui import QPainter
from PyQt5.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView, QWidget

from ui.models.records import Records
from ui.models.table import KEY, RECORD, TableModel
from ui.text import on_language, tr
from ui.theme.style import THEME, colour, theme
from ui.widgets.cells import PAD, PAINTERS, Cell, cell_of

MIN_STRETCH = 84
LOOKED_AT = 40
"""Rows whose texts say how wide a column must be."""


class DataTable(QTableView):
    """A read-only table.

    It paints its own cells: asking a model six things a cell through Qt's delegates costs ten times as much,
    and a tick repaints only the cells that read differently. A `tight` one, whose rows do not change while it is
    looked at, gives its columns only what their rows need where the view is narrow.

    Signals
    -------
    chosen(record) : a row was clicked or walked to by keys.
    opened(record) : a row was double-clicked, or Enter pressed on it.
    """

    chosen = pyqtSignal(object)
    opened = pyqtSignal(object)

    def __init__(self, source: Records, name: str, empty: str = "", parent: QWidget | None = None, tight: bool = False) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.is_tight, self._is_tightened = tight, False
        self.setAccessibleName(name)
        self.source = source
        self.empty = empty
        self._cells: dict[Any, list[Cell]] = {}
        self._hover = -1
        self.shown = TableModel(source, self)
        # Qt moves the current row when it is taken away; that is nobody's choice and must not change the symbol.
        self._is_moving = False
        for signal in (self.shown.rowsAboutToBeRemoved, self.shown.modelAboutToBeReset):
            signal.connect(self._begin_move)
        self.setModel(self.shown)
        for signal in (self.shown.rowsRemoved, self.shown.modelReset):
            signal.connect(self._end_move)
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
        self.viewport().setAttribute(Qt.WA_OpaquePaintEvent)
        self.setTextElideMode(Qt.ElideRight)
        self.verticalHeader().hide()
        self.verticalHeader().setMinimumSectionSize(16)
        self.verticalHeader().setSectionResizeMode(QHeaderView.Fixed)
        head = self.horizontalHeader()
        head.setSectionsMovable(True)
        head.setHighlightSections(False)
        head.setMinimumSectionSize(30)
        head.setFixedHeight(26)
        head.setContextMenuPolicy(Qt.CustomContextMenu)
        head.customContextMenuRequested.connect(self._choose_columns)
        self.selectionModel().currentRowChanged.connect(self._current)
        self.doubleClicked.connect(self._open)
        # Before the view hears of it: what is kept of a record must not outlive it.
        source.removed.connect(self._forget)
        source.reset.connect(self._cells.clear)
        for signal in (self.shown.rowsInserted, self.shown.rowsRemoved, self.shown.modelReset, self.shown.layoutChanged):
            signal.connect(self._repaint)
        THEME.changed.connect(self.restyle)
        on_language(self, self.fit_columns)
        if tight:
            for signal in (self.shown.modelReset, self.shown.rowsInserted):
                signal.connect(self._spare)
        self.restyle()

    def restyle(self) -> None:
        """Take row height, colours and column widths of the theme."""
        self._cells.clear()
        self.verticalHeader().setDefaultSectionSize(theme().row)
        self.fit_columns()

    def fit_columns(self) -> None:
        """Give every column its declared width in characters, never less than its heading."""
        head = self.horizontalHeader()
        for place, column in enumerate(self.source.columns):
            if column.width == 0:
                head.setSectionResizeMode(place, QHeaderView.Stretch)
                continue
            head.setSectionResizeMode(place, QHeaderView.Interactive)
            head.resizeSection(place, self._asked(place))
        self._spare()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._spare()

    def _spare(self) -> None:
        # A stretched column must not vanish in a narrow view: below its minimum the view scrolls instead.
        head = self.horizontalHeader()
        if self.is_tight:
            self._tighten()
        fixed = sum(head.sectionSize(i) for i, c in enumerate(self.source.columns) if c.width and not head.isSectionHidden(i))
        stretched = [i for i, c in enumerate(self.source.columns) if c.width == 0]
        room = self.viewport().width() - fixed
        narrow = room < MIN_STRETCH * len(stretched)
        for place in stretched:
            head.setSectionResizeMode(place, QHeaderView.Interactive if narrow else QHeaderView.Stretch)
            if narrow:
                head.resizeSection(place, MIN_STRETCH)

    def _asked(self, place: int) -> int:
        """Return the width a column asks for: its characters, never less than its heading."""
        metrics, column = self.fontMetrics(), self.source.columns[place]
        return max(round(column.width * metrics.horizontalAdvance("0")) + 22, metrics.horizontalAdvance(tr(column.label)) + 18)

    def _needed(self, place: int) -> int:
        """Return the width that the heading and the first rows of a column need."""
        metrics, column = self.fontMetrics(), self.source.columns[place]
        records = [self.source.record(self.shown.key(row)) for row in range(min(self.shown.rowCount(), LOOKED_AT))]
        texts = [cell_of(column, record).text for record in records]
        head = self.horizontalHeader().fontMetrics().horizontalAdvance(tr(column.label))
        return max([head + 16, *(metrics.horizontalAdvance(text) + 2 * PAD + 4 for text in texts)])

    def _tighten(self) -> None:
        """Take from the columns what their rows do not need where a view is too narrow for all of them."""
        head, room = self.horizontalHeader(), self.viewport().width()
        places = [place for place, column in enumerate(self.source.columns) if not head.isSectionHidden(place)]
        fixed = [place for place in places if self.source.columns[place].width]
        room -= sum(min(max(self._needed(place), MIN_STRETCH), room) for place in places if place not in fixed)
        asked = {place: self._asked(place) for place in fixed}
        over = sum(asked.values()) - room
        if over <= 0 and not self._is_tightened:
            return  # widths that a person has drawn stay
        self._is_tightened = over > 0
        if over > 0:
            spare = {place: max(asked[place] - self._needed(place), 0) for place in fixed}
            share = min(over / max(sum(spare.values()), 1), 1.0)
            asked = {place: width - int(-(-spare[place] * share // 1)) for place, width in asked.items()}
        for place, width in asked.items():
            head.resizeSection(place, width)

    def current_record(self) -> Any:
        """Return the record of the current row, None when there is none."""
        index = self.currentIndex()
        return index.data(RECORD) if index.isValid() else None

    def select_key(self, key: Any) -> None:
        """Make the row of `key` current without saying so."""
        row = self.shown.row_of(key)
        if row >= 0 and row != self.currentIndex().row():
            blocked = self.blockSignals(True)
            self.selectRow(row)
            self.blockSignals(blocked)

    def current_key(self) -> Any:
        """Return the key of the current row, None when there is none."""
        index = self.currentIndex()
        return index.data(KEY) if index.isValid() else None

    def selected_keys(self) -> list[Any]:
        """Return the keys of the selected rows, from top to bottom."""
        rows = sorted({index.row() for index in self.selectionModel().selectedRows()})
        return [self.shown.key(row) for row in rows]

    def _current(self, index: QModelIndex, before: QModelIndex) -> None:
        if index.isValid() and not self._is_moving:
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

    def _begin_move(self) -> None:
        self._is_moving = True

    def _end_move(self) -> None:
        self._is_moving = False

    # --- painting -------------------------------------------------------------------------------------

    def _repaint(self) -> None:
        self.viewport().update()

    def _forget(self, keys: list[Any]) -> None:
        for key in keys:
            self._cells.pop(key, None)

    def dataChanged(self, first: QModelIndex, last: QModelIndex, roles: Any = ()) -> None:
        """Paint again what reads differently among the changed rows that are in sight."""
        low, high = self._rows_in_sight()
        for row in range(first.row(), last.row() + 1):
            key = self.shown.key(row)
            before = self._cells.pop(key, None)
            if before is None or not low <= row <= high:
                continue
            now = self._row_cells(key)
            for place, (old, new) in enumerate(zip(before, now, strict=True)):
                if old != new:
                    self.viewport().update(self._box(row, place))

    def _rows_in_sight(self) -> tuple[int, int]:
        last = self.rowAt(self.viewport().height() - 1)
        return self.rowAt(0), self.shown.rowCount() - 1 if last < 0 else last

    def _row_cells(self, key: Any) -> list[Cell]:
        made = self._cells.get(key)
        if made is None:
            record = self.source.record(key)
            made = self._cells[key] = [cell_of(column, record) for column in self.source.columns]
        return made

    def _box(self, row: int, place: int) -> QRect:
        return QRect(self.columnViewportPosition(place), self.rowViewportPosition(row), self.columnWidth(place), self.rowHeight(row))

    def _update_row(self, row: int) -> None:
        if row >= 0:
            self.viewport().update(0, self.rowViewportPosition(row), self.viewport().width(), self.rowHeight(row))

    def mouseMoveEvent(self, event: Any) -> None:
        self._set_hover(self.rowAt(event.pos().y()))
        super().mouseMoveEvent(event)

    def leaveEvent(self, event: Any) -> None:
        self._set_hover(-1)
        super().leaveEvent(event)

    def _set_hover(self, row: int) -> None:
        if row != self._hover:
            for one in (self._hover, row):
                self._update_row(one)
            self._hover = row

    def restore_head(self, state: Any) -> None:
        """Take what a heading's `saveState` gave: order, widths and which columns are shown; anything else is left alone."""
        if isinstance(state, QByteArray) and self.horizontalHeader().restoreState(state):
            self._spare()

    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self.viewport())
        region = event.region()
        painter.fillRect(region.boundingRect(), colour("panel"))
        count = self.shown.rowCount()
        if count:
            self._paint_rows(painter, region, count)
        elif self.empty:
            painter.setPen(colour("muted"))
            box = self.viewport().rect().adjusted(16, 8, -16, -8)
            painter.drawText(box, Qt.AlignCenter | Qt.TextWordWrap, tr(self.empty))
        painter.end()

    def _paint_rows(self, painter: QPainter, region: Any, count: int) -> None:
        bounds = region.boundingRect()
        first, last = self.rowAt(bounds.top()), self.rowAt(bounds.bottom())
        if first < 0:
            return
        last = count - 1 if last < 0 else last
        head = self.horizontalHeader()
        places = [place for place in range(len(self.source.columns)) if not head.isSectionHidden(place)]
        spans = [(place, self.columnViewportPosition(place), self.columnWidth(place)) for place in places]
        spans = [(place, x, width) for place, x, width in spans if x + width > bounds.left() and x <= bounds.right()]
        height, grid = theme().row, colour("grid")
        chosen = self.selectionModel()
        root = QModelIndex()
        for row in range(first, last + 1):
            y = self.rowViewportPosition(row)
            ground = "selected" if chosen.isRowSelected(row, root) else "hover" if row == self._hover else ""
            if ground:
                painter.fillRect(bounds.left(), y, bounds.width(), height - 1, colour(ground))
            painter.fillRect(bounds.left(), y + height - 1, bounds.width(), 1, grid)
            key = self.shown.key(row)
            record, cells = self.source.record(key), self._row_cells(key)
            for place, x, width in spans:
                box = QRect(x, y, width, height - 1)
                if region.intersects(box):
                    column = self.source.columns[place]
                    PAINTERS[column.paint](painter, box, cells[place], column.align, record)
        if self.hasFocus() and self.currentIndex().isValid():
            y = self.rowViewportPosition(self.currentIndex().row())
            painter.setPen(colour("accent", 150))
            painter.drawRect(0, y, self.viewport().width() - 1, height - 2)

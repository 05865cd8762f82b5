"""The one table model: columns are declared, records are sorted by their raw values and filtered by a predicate.

Numbers stay numbers (`RAW` role); a column's `format` makes the text when a cell is shown. A tick is
told row by row with `dataChanged`, never with a reset. When ticks change the values that are sorted by,
rows move at most twice a second: a list that jumps under the pointer cannot be read.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, QTimer

from ui.models.records import Records
from ui.text import WORDS, has, tr, word
from ui.theme.style import colour

RAW = Qt.UserRole
RECORD = Qt.UserRole + 1
KEY = Qt.UserRole + 2
RESORT_MS = 500

LEFT = int(Qt.AlignLeft | Qt.AlignVCenter)
RIGHT = int(Qt.AlignRight | Qt.AlignVCenter)
CENTRE = int(Qt.AlignHCenter | Qt.AlignVCenter)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    key : str
        Field of the record that is shown and sorted.
    label : str
        Code of the heading's words.
    align : int
        Qt alignment of the cells.
    format : callable (value, record) -> str
        Text of a cell.
    sign : callable (record) -> float, optional
        Gives the cell the rising or falling colour by its sign.
    tone : callable (record) -> str, optional
        Token name of the cell's colour; wins over `sign`.
    tip : callable (record) -> str, optional
    width : float
        Width in characters the column asks for; 0 stretches.
    paint : str
        Name of a special painter of ui/widgets/cells.py ("name", "spark", "burst") or "".
    sort : callable (record) -> value, optional
        What is sorted by instead of the field.
    """

    key: str
    label: str
    align: int = RIGHT
    format: Callable[[Any, Any], str] = lambda value, record: str(value)
    sign: Callable[[Any], float] | None = None
    tone: Callable[[Any], str] | None = None
    tip: Callable[[Any], str] | None = None
    width: float = 10
    paint: str = ""
    sort: Callable[[Any], Any] | None = None

    def text(self, record: Any) -> str:
        """Return the text of the cell."""
        return self.format(getattr(record, self.key), record)

    def tint(self, record: Any) -> str:
        """Return the token name of the cell's colour."""
        if self.tone is not None:
            return self.tone(record)
        if self.sign is None:
            return "text"
        value = self.sign(record)
        return "up" if value > 0 else "down" if value < 0 else "flat" if value == 0 else "text"

    def rank(self, record: Any) -> tuple[int, Any]:
        """Return what sorts the record: unknown values first, then numbers, then texts."""
        value = self.sort(record) if self.sort is not None else getattr(record, self.key)
        if value is None or value != value:
            return 0, 0
        return (2, value) if isinstance(value, str) else (1, value)


class TableModel(QAbstractTableModel):
    """The records of a `Records`, sorted by one column and filtered.

    Notes
    -----
    `_order` holds (rank, number) ascending, `_keys` the keys beside it; number is the record's place of
    arrival, so that equal values keep their order. Descending is the same lists read from their end.
    """

    def __init__(self, source: Records, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.source = source
        self.columns = source.columns
        self._accept: Callable[[Any], bool] | None = None
        self._column = -1
        self._descending = False
        self._number = 0
        self._order: list[tuple[tuple[int, Any], int]] = []
        self._keys: list[Any] = []
        self._places: dict[Any, tuple[tuple[int, Any], int]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(RESORT_MS)
        self._timer.timeout.connect(self._arrange)
        source.added.connect(self._added)
        source.changed.connect(self._changed)
        source.removed.connect(self._removed)
        source.reset.connect(self._fill)
        WORDS.changed.connect(self._retell)
        self._fill()

    # --- what a view asks ------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._keys)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: int, role: int = Qt.DisplayRole) -> Any:
        if orientation != Qt.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.DisplayRole:
            return tr(self.columns[section].label)
        if role == Qt.TextAlignmentRole:
            return self.columns[section].align
        if role == Qt.ToolTipRole:
            return word(self.columns[section].label, "tip") if has(f"{self.columns[section].label}.tip") else None
        return None

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        if not index.isValid():
            return None
        key, column = self.key(index.row()), self.columns[index.column()]
        record = self.source.record(key)
        if record is None:
            return None
        if role == Qt.DisplayRole:
            return column.text(record)
        if role == Qt.TextAlignmentRole:
            return column.align
        if role == Qt.ForegroundRole:
            return colour(column.tint(record))
        if role == RAW:
            return getattr(record, column.key)
        if role == RECORD:
            return record
        if role == KEY:
            return key
        if role == Qt.ToolTipRole and column.tip is not None:
            return column.tip(record)
        return None

    def key(self, row: int) -> Any:
        """Return the key of a row."""
        return self._keys[-1 - row if self._descending else row]

    def row_of(self, key: Any) -> int:
        """Return the row of `key`, −1 when it is not shown."""
        place = self._places.get(key)
        if place is None:
            return -1
        return self._row(bisect_left(self._order, place))

    # --- sorting and filtering ---------------------------------------------------------------------

    def set_filter(self, accept: Callable[[Any], bool] | None) -> None:
        """Show the records that `accept` says yes to; None shows all."""
        self._accept = accept
        self._fill()

    def sort(self, column: int, order: int = Qt.AscendingOrder) -> None:
        """Sort by a column; −1 is the order of arrival."""
        self._column, self._descending = column, order == Qt.DescendingOrder and column >= 0
        self._arrange()

    def _rank(self, record: Any) -> tuple[int, Any]:
        return (0, 0) if self._column < 0 else self.columns[self._column].rank(record)

    def _row(self, place: int) -> int:
        return len(self._keys) - 1 - place if self._descending else place

    def _fill(self) -> None:
        self.beginResetModel()
        self._timer.stop()
        self._places.clear()
        for key in self.source.keys:
            record = self.source.record(key)
            if self._accept is None or self._accept(record):
                self._number += 1
                self._places[key] = (self._rank(record), self._number)
        self._lay()
        self.endResetModel()

    def _lay(self) -> None:
        pairs = sorted(zip(self._places.values(), self._places, strict=True), key=lambda pair: pair[0])
        self._order = [place for place, _ in pairs]
        self._keys = [key for _, key in pairs]

    def _arrange(self) -> None:
        """Sort everything again, with what is selected and current staying so."""
        self._timer.stop()
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        held = [self.key(index.row()) if index.row() < len(self._keys) else None for index in before]
        for key, (_, number) in self._places.items():
            self._places[key] = (self._rank(self.source.record(key)), number)
        self._lay()
        after = [self.index(self.row_of(key), index.column()) for key, index in zip(held, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    # --- news ----------------------------------------------------------------------------------------

    def _added(self, keys: list[Any]) -> None:
        for key in keys:
            record = self.source.record(key)
            if self._accept is not None and not self._accept(record):
                continue
            self._number += 1
            place = self._places[key] = (self._rank(record), self._number)
            at = bisect_left(self._order, place)
            row = len(self._keys) - at if self._descending else at
            self.beginInsertRows(QModelIndex(), row, row)
            insort(self._order, place)
            self._keys.insert(at, key)
            self.endInsertRows()

    def _removed(self, keys: Iterable[Any]) -> None:
        for key in keys:
            place = self._places.get(key)
            if place is None:
                continue
            at = bisect_left(self._order, place)
            row = self._row(at)
            self.beginRemoveRows(QModelIndex(), row, row)
            del self._order[at], self._keys[at], self._places[key]
            self.endRemoveRows()

    def _changed(self, keys: list[Any]) -> None:
        last, rows = len(self.columns) - 1, []
        for key in keys:
            place = self._places.get(key)
            if place is None:
                continue
            rows.append(self._row(bisect_left(self._order, place)))
            if self._column >= 0 and not self._timer.isActive() and self._rank(self.source.record(key)) != place[0]:
                self._timer.start()
        for first, final in _spans(sorted(rows)):
            self.dataChanged.emit(self.index(first, 0), self.index(final, last))

    def _retell(self) -> None:
        self.headerDataChanged.emit(Qt.Horizontal, 0, len(self.columns) - 1)
        if self._keys:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._keys) - 1, len(self.columns) - 1))


def _spans(rows: list[int]) -> list[tuple[int, int]]:
    """Return runs of neighbouring rows as (first, last)."""
    out: list[tuple[int, int]] = []
    for row in rows:
        if out and row <= out[-1][1] + 1:
            out[-1] = (out[-1][0], row)
        else:
            out.append((row, row))
    return out

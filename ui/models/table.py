"""The one table model: columns are declared, rows are keyed, changes are told cell range by range.

Numbers stay numbers in the model (`RAW` role, used for sorting); the column's `format` makes the
text when a cell is painted. A batch of changes becomes one `dataChanged`, never a reset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt

from ui.text import WORDS, tr
from ui.theme.style import colour, signed_colour

RAW = Qt.UserRole
RECORD = Qt.UserRole + 1
KEY = Qt.UserRole + 2

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
        Name of a special delegate ("name", "spark", "bar") or "".
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


class TableModel(QAbstractTableModel):
    """Rows of records (any object with attributes), each under a key."""

    def __init__(self, columns: Sequence[Column], parent: QObject | None = None, limit: int = 0) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self.limit = limit
        self._records: list[Any] = []
        self._keys: list[Any] = []
        self._places: dict[Any, int] = {}
        WORDS.changed.connect(self._retell)

    # --- what a view asks ------------------------------------------------------------------------

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._records)

    def columnCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: int, role: int = Qt.DisplayRole) -> Any:
        if orientation != Qt.Horizontal or not 0 <= section < len(self.columns):
            return None
        if role == Qt.DisplayRole:
            return tr(self.columns[section].label)
        if role == Qt.TextAlignmentRole:
            return self.columns[section].align
        return None

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        if not index.isValid():
            return None
        record, column = self._records[index.row()], self.columns[index.column()]
        if role == Qt.DisplayRole:
            return column.format(getattr(record, column.key), record)
        if role == Qt.TextAlignmentRole:
            return column.align
        if role == Qt.ForegroundRole:
            return self._colour(column, record)
        if role == RAW:
            return getattr(record, column.key)
        if role == RECORD:
            return record
        if role == KEY:
            return self._keys[index.row()]
        if role == Qt.ToolTipRole and column.tip is not None:
            return column.tip(record)
        return None

    @staticmethod
    def _colour(column: Column, record: Any) -> Any:
        if column.tone is not None:
            return colour(column.tone(record))
        if column.sign is not None:
            value = column.sign(record)
            return None if value != value else signed_colour(value)
        return None

    # --- what an owner does ------------------------------------------------------------------------

    @property
    def records(self) -> list[Any]:
        """The records, in insertion order (read only)."""
        return self._records

    def record(self, key: Any) -> Any:
        """Return the record under `key`, None when there is none."""
        place = self._places.get(key)
        return None if place is None else self._records[place]

    def row_of(self, key: Any) -> int:
        """Return the row of `key`, −1 when there is none."""
        return self._places.get(key, -1)

    def upsert(self, items: Iterable[tuple[Any, Any]]) -> None:
        """Put records under their keys: known keys change in place, new ones are appended at once."""
        changed: list[int] = []
        fresh: dict[Any, Any] = {}
        for key, record in items:
            place = self._places.get(key)
            if place is None:
                fresh[key] = record
            else:
                self._records[place] = record
                changed.append(place)
        if changed:
            self._tell(min(changed), max(changed))
        if fresh:
            first = len(self._records)
            self.beginInsertRows(QModelIndex(), first, first + len(fresh) - 1)
            for key, record in fresh.items():
                self._places[key] = len(self._records)
                self._keys.append(key)
                self._records.append(record)
            self.endInsertRows()
            if self.limit and len(self._records) > self.limit:
                self._drop_oldest(len(self._records) - self.limit)

    def touch(self, keys: Iterable[Any]) -> None:
        """Say that the records under `keys` were changed in place."""
        rows = [self._places[key] for key in keys if key in self._places]
        if rows:
            self._tell(min(rows), max(rows))

    def remove(self, keys: Iterable[Any]) -> None:
        """Take records away."""
        for key in list(keys):
            place = self._places.get(key)
            if place is None:
                continue
            self.beginRemoveRows(QModelIndex(), place, place)
            del self._records[place], self._keys[place]
            self._number()
            self.endRemoveRows()

    def clear(self) -> None:
        """Take all records away."""
        if not self._records:
            return
        self.beginResetModel()
        self._records.clear()
        self._keys.clear()
        self._places.clear()
        self.endResetModel()

    def replace(self, items: Sequence[tuple[Any, Any]]) -> None:
        """Show exactly `items` (a new list of results, not a tick)."""
        self.beginResetModel()
        self._records = [record for _, record in items]
        self._keys = [key for key, _ in items]
        self._number()
        self.endResetModel()

    def _drop_oldest(self, count: int) -> None:
        self.beginRemoveRows(QModelIndex(), 0, count - 1)
        del self._records[:count], self._keys[:count]
        self._number()
        self.endRemoveRows()

    def _number(self) -> None:
        self._places = {key: i for i, key in enumerate(self._keys)}

    def _tell(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns) - 1))

    def _retell(self) -> None:
        self.headerDataChanged.emit(Qt.Horizontal, 0, len(self.columns) - 1)
        if self._records:
            self._tell(0, len(self._records) - 1)


class FilterProxy(QSortFilterProxyModel):
    """Sorts by the raw values, filters by a predicate over records."""

    def __init__(self, source: TableModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._accept: Callable[[Any], bool] | None = None
        self.setSourceModel(source)
        self.setSortRole(RAW)
        self.setDynamicSortFilter(True)

    def set_filter(self, accept: Callable[[Any], bool] | None) -> None:
        """Show the records that `accept` says yes to; None shows all."""
        self._accept = accept
        self.invalidateFilter()

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        return self._accept is None or self._accept(self.sourceModel().records[row])

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        a, b = left.data(RAW), right.data(RAW)
        if a is None or a != a:
            return not (b is None or b != b)
        if b is None or b != b:
            return False
        try:
            return bool(a < b)
        except TypeError:
            return str(a) < str(b)

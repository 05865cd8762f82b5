"""Records under keys, in the order they came: what a batch changed is told once, by key.

A `TableModel` (ui/models/table.py) shows them sorted and filtered; nothing here knows of rows or views.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal


class Records(QObject):
    """Keyed records (any object with attributes) with the columns that show them.

    Parameters
    ----------
    columns : sequence of Column
    limit : int
        The oldest record goes when there are more; 0 keeps all.

    Signals
    -------
    added(list of keys), changed(list of keys), removed(list of keys)
    reset() : everything is different.
    counted() : the number of records changed; after any of the others.
    """

    added = pyqtSignal(object)
    changed = pyqtSignal(object)
    removed = pyqtSignal(object)
    reset = pyqtSignal()
    counted = pyqtSignal()

    def __init__(self, columns: Sequence[Any], parent: QObject | None = None, limit: int = 0) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self.limit = limit
        self._records: dict[Any, Any] = {}

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self._records)

    @property
    def records(self) -> list[Any]:
        """The records, oldest first."""
        return list(self._records.values())

    @property
    def keys(self) -> list[Any]:
        """The keys, oldest first."""
        return list(self._records)

    def record(self, key: Any) -> Any:
        """Return the record under `key`, None when there is none."""
        return self._records.get(key)

    def upsert(self, items: Iterable[tuple[Any, Any]]) -> None:
        """Put records under their keys: known keys change in place, new ones are appended."""
        changed, fresh = [], []
        for key, record in items:
            (changed if key in self._records else fresh).append(key)
            self._records[key] = record
        if changed:
            self.changed.emit(changed)
        if not fresh:
            return
        fresh = list(dict.fromkeys(fresh))
        self.added.emit(fresh)
        if self.limit and len(self._records) > self.limit:
            oldest = self.keys[: len(self._records) - self.limit]
            self.remove(oldest)
            return
        self.counted.emit()

    def touch(self, keys: Iterable[Any]) -> None:
        """Say that the records under `keys` were changed in place."""
        known = [key for key in keys if key in self._records]
        if known:
            self.changed.emit(known)

    def remove(self, keys: Iterable[Any]) -> None:
        """Take records away."""
        known = [key for key in keys if key in self._records]
        if not known:
            return
        for key in known:
            del self._records[key]
        self.removed.emit(known)
        self.counted.emit()

    def clear(self) -> None:
        """Take all records away."""
        if self._records:
            self.replace(())

    def replace(self, items: Sequence[tuple[Any, Any]]) -> None:
        """Hold exactly `items` (a new list of results, not a tick)."""
        self._records = dict(items)
        self.reset.emit()
        self.counted.emit()

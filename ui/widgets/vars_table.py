"""`self.vars`: the numbers of a strategy, with what reads each."""

from __future__ import annotations

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from ui.text import on_language, tr
from ui.theme.style import colour

VARIABLES_MAX = 1_000


class VarsTable(QTableWidget):
    """Index, value, used by; a variable the text reads and the table lacks is added with 0.

    Signals
    -------
    changed() : the person edited a value.
    """

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self.setObjectName("varsTable")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.setShowGrid(False)
        head = self.horizontalHeader()
        head.setSectionResizeMode(0, QHeaderView.Fixed)
        head.resizeSection(0, 92)
        head.setSectionResizeMode(1, QHeaderView.Stretch)
        head.setSectionResizeMode(2, QHeaderView.Fixed)
        head.resizeSection(2, 84)
        self._values: list[float] = []
        self._own = 0  # values the strategy brought or the person typed; what follows is there only while a text reads it
        self._used: dict[str, set[int]] = {}
        self._filling = False
        self.itemChanged.connect(self._edited)
        on_language(self, self._fill)
        self._fill()

    def values(self) -> tuple[float, ...]:
        """Return the values by index."""
        return tuple(self._values)[: self._length()]

    def show_values(self, values: tuple[float, ...]) -> None:
        """Show another strategy's values."""
        self._values = list(values)
        self._own = len(values)
        self._used = {}
        self._fill()

    def show_used(self, used: dict[str, set[int]]) -> None:
        """Tell which side reads which index; missing ones get a row."""
        self._used = used
        length = self._length()
        del self._values[length:]
        self._values += [0.0] * (length - len(self._values))
        self._fill()

    def _length(self) -> int:
        most = max((index for indices in self._used.values() for index in indices), default=-1)
        return max(self._own, most + 1 if most < VARIABLES_MAX else 0)

    def _fill(self) -> None:
        self._filling = True
        self.setHorizontalHeaderLabels([tr("ui.vars.index"), tr("ui.vars.value"), tr("ui.vars.used")])
        self.setRowCount(len(self._values))
        for row, value in enumerate(self._values):
            name = QTableWidgetItem(f"self.vars[{row}]")
            name.setFlags(Qt.ItemIsEnabled)
            name.setForeground(colour("muted"))
            number = QTableWidgetItem(f"{value:g}")
            number.setTextAlignment(int(Qt.AlignRight | Qt.AlignVCenter))
            sides = [tr(f"ui.side.{side}") for side in ("buy", "sell") if row in self._used.get(side, set())]
            used = QTableWidgetItem("·".join(sides) if sides else tr("ui.vars.unused"))
            used.setFlags(Qt.ItemIsEnabled)
            used.setForeground(colour("text" if sides else "faint"))
            used.setTextAlignment(Qt.AlignCenter)
            for column, item in enumerate((name, number, used)):
                self.setItem(row, column, item)
        self._filling = False

    def _edited(self, item: QTableWidgetItem) -> None:
        if self._filling or item.column() != 1:
            return
        try:
            value = float(item.text().replace(",", ""))
        except ValueError:
            value = float("nan")
        if value != value or abs(value) == float("inf"):
            self._fill()
            return
        self._values[item.row()] = value
        self._own = max(self._own, item.row() + 1)
        self._fill()
        self.changed.emit()

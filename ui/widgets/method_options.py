"""The choice of a search method and its options, made from `METHODS` and the typed fields of each method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QGridLayout, QLabel, QLineEdit, QSpinBox, QWidget

from backtester.optimisers import METHODS, Entry, entries, optimiser
from ui.text import bind, has, on_language, tr, word
from ui.widgets.panel import muted

SPIN_MAX = 2**31 - 1
COLUMNS = 2


class MethodOptions(QWidget):
    """A list of methods and, below it, the fields of the chosen one; what was typed stays when the method changes.

    Parameters
    ----------
    usual : mapping
        Values that the settings say, by option; they take the place of the methods' defaults.
    """

    chosen = pyqtSignal(str)

    def __init__(self, usual: Mapping[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("researchMethodOptions")
        self._usual = dict(usual)
        self._typed: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}
        self.fields: dict[str, QWidget] = {}
        self.method = QComboBox()
        self.method.setObjectName("researchMethod")
        self.method.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.method.setMinimumContentsLength(4)
        for name in METHODS:
            self.method.addItem(name, name)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(4)
        for column in range(COLUMNS):
            self._grid.setColumnStretch(column, 1)
        self._grid.addWidget(muted("ui.research.method"), 0, 0, 1, COLUMNS)
        bind(self.method, "setAccessibleName", "ui.research.method")
        self._grid.addWidget(self.method, 1, 0, 1, COLUMNS)
        self.method.currentIndexChanged.connect(lambda _: self._build())
        on_language(self, self._words)
        self._words()
        self._build()

    def name(self) -> str:
        """Return the chosen method."""
        return str(self.method.currentData())

    def form(self) -> str:
        """Return what the method searches: "grid" or "list" ranges, or condition "lines"."""
        return optimiser(self.name()).form

    def values(self) -> tuple[tuple[str, Any], ...]:
        """Return the options of the chosen method as they are typed."""
        return tuple((name, _value(widget)) for name, widget in self.fields.items())

    def set_value(self, name: str, value: Any) -> None:
        """Type a value into an option of the chosen method."""
        _show(self.fields[name], value)

    def _build(self) -> None:
        # What nobody touched is the last method's default, not a wish.
        self._typed.update({name: value for name, value in self.values() if value != self._shown[name]})
        while self._grid.count() > 2:
            item = self._grid.takeAt(2)
            if item is not None and item.widget() is not None:
                item.widget().hide()
                item.widget().deleteLater()
        self.fields = {}
        for place, one in enumerate(entries(optimiser(self.name()).Options)):
            widget = _field(one)
            widget.setObjectName(f"option_{one.name}")
            usual = one.read(self._usual.get(one.name, one.default))
            _show(widget, one.read(self._typed.get(one.name, usual)))
            self._shown[one.name] = usual
            label = _label(one.name, widget)
            row = 2 + place // COLUMNS * 2
            self._grid.addWidget(label, row, place % COLUMNS)
            self._grid.addWidget(widget, row + 1, place % COLUMNS)
            self.fields[one.name] = widget
        self.chosen.emit(self.name())

    def _words(self) -> None:
        for place in range(self.method.count()):
            name = self.method.itemData(place)
            self.method.setItemText(place, word("method", name))
            tip = f"method.{name}.tip"
            self.method.setItemData(place, tr(tip) if has(tip) else name, Qt.ToolTipRole)
        for name, widget in self.fields.items():
            if isinstance(widget, QComboBox):
                for place in range(widget.count()):
                    widget.setItemText(place, _choice(name, widget.itemData(place)))


def _choice(name: str, value: str) -> str:
    """Return the word of one choice of an option; a proper name (a sampler, a sequence) is its own."""
    code = f"option.{name}.{value}"
    return tr(code) if has(code) else value


def _label(name: str, widget: QWidget) -> QLabel:
    """Return the label of an option and give both their tip; an option without words is called by its name."""
    code = f"option.{name}"
    if not has(code):
        label = muted()
        label.setText(name)
        widget.setAccessibleName(name)
        return label
    label = muted(code)
    bind(widget, "setAccessibleName", code)
    if has(f"{code}.tip"):
        for one in (label, widget):
            bind(one, "setToolTip", f"{code}.tip")
    return label


def _field(one: Entry) -> QWidget:
    if one.kind is bool:
        return QCheckBox()
    if one.kind is str and one.choices:
        combo = QComboBox()
        combo.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        combo.setMinimumContentsLength(4)
        for value in one.choices:
            combo.addItem(_choice(one.name, value), value)
        return combo
    if one.kind is str:
        return QLineEdit()
    spin: QSpinBox | QDoubleSpinBox
    if one.kind is int:
        spin = QSpinBox()
        spin.setRange(int(max(one.low, -SPIN_MAX)), int(min(one.high, SPIN_MAX)))
        spin.setGroupSeparatorShown(True)
    else:
        spin = QDoubleSpinBox()
        spin.setDecimals(3)
        spin.setRange(one.low, one.high)
        spin.setSingleStep((one.high - one.low) / 20)
    spin.setAlignment(Qt.AlignRight)
    return spin


def _value(widget: QWidget) -> Any:
    if isinstance(widget, QCheckBox):
        return widget.isChecked()
    if isinstance(widget, QComboBox):
        return widget.currentData()
    if isinstance(widget, QLineEdit):
        return widget.text().strip()
    assert isinstance(widget, QSpinBox | QDoubleSpinBox)
    return widget.value()


def _show(widget: QWidget, value: Any) -> None:
    if isinstance(widget, QCheckBox):
        widget.setChecked(value)
    elif isinstance(widget, QComboBox):
        widget.setCurrentIndex(widget.findData(value))
    elif isinstance(widget, QLineEdit):
        widget.setText(value)
    else:
        assert isinstance(widget, QSpinBox | QDoubleSpinBox)
        widget.setValue(value)

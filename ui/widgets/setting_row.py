"""One setting in the form: title, the editor its type asks for, unit, when it applies, reset, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QLineEdit, QSpinBox, QToolButton, QWidget

from ui.text import bind, language, on_language, tr, word
from ui.theme import icons
from ui.theme.style import THEME, theme
from ui.widgets.panel import repolish
from utility.settings_file import Field

TITLE_WIDTH = 250
EDITOR_WIDTH = 180


class SettingRow(QWidget):
    """The form row of one Field.

    Signals
    -------
    changed(path, value) : the person changed it.
    """

    changed = pyqtSignal(str, object)

    def __init__(self, info: Field, value: Any, offered: Sequence[str] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.info = info
        self.offered: tuple[str, ...] = info.choices or tuple(offered)
        self.setObjectName(f"setting_{info.path}")
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 3, 10, 3)
        row.setSpacing(10)
        self.title = QLabel()
        self.title.setFixedWidth(TITLE_WIDTH)
        self.title.setWordWrap(True)
        self.editor = self._make_editor()
        self.editor.setFixedWidth(EDITOR_WIDTH)
        self.editor.setObjectName(f"editor_{info.path}")
        self.editor.setAccessibleName(info.path)
        self.title.setBuddy(self.editor)
        self.unit = QLabel()
        self.unit.setProperty("role", "muted")
        self.unit.setFixedWidth(44)
        self.bounds = QLabel()
        self.bounds.setProperty("role", "faint")
        self.bounds.setFixedWidth(190)
        self.apply = QLabel()
        self.apply.setProperty("role", "faint")
        self.apply.setFixedWidth(96)
        self.reset = QToolButton()
        self.reset.setProperty("kind", "flat")
        self.reset.setObjectName(f"reset_{info.path}")
        bind(self.reset, "setToolTip", "ui.settings.reset_one")
        bind(self.reset, "setAccessibleName", "ui.settings.reset_one")
        keep = self.reset.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self.reset.setSizePolicy(keep)
        self.reset.clicked.connect(lambda: self.changed.emit(self.info.path, self.info.default))
        self.error = QLabel()
        self.error.setProperty("role", "error")
        self.error.setWordWrap(True)
        for widget in (self.title, self.editor, self.unit, self.bounds, self.apply, self.reset):
            row.addWidget(widget, 0, Qt.AlignVCenter)
        row.addWidget(self.error, 1, Qt.AlignVCenter)
        on_language(self, self._words)
        THEME.changed.connect(self._icons)
        self.show_value(value)
        self._words()
        self._icons()

    def _make_editor(self) -> QWidget:
        info = self.info
        if info.type is bool:
            box = QCheckBox()
            box.toggled.connect(lambda on: self.changed.emit(info.path, on))
            return box
        if self.offered or info.source:
            combo = QComboBox()
            combo.activated.connect(lambda _: self.changed.emit(info.path, combo.currentData()))
            return combo
        if info.type is int:
            spin = QSpinBox()
            low = int(info.low) if info.low is not None else -(2**31)
            spin.setRange(low, int(info.high) if info.high is not None else 2**31 - 1)
            spin.setGroupSeparatorShown(True)
            spin.setAlignment(Qt.AlignRight)
            spin.setKeyboardTracking(False)
            spin.valueChanged.connect(lambda value: self.changed.emit(info.path, value))
            return spin
        if info.type is float:
            number = QDoubleSpinBox()
            number.setDecimals(2)
            low = float(info.low) if info.low is not None else -1e15
            number.setRange(low + (0.01 if info.low_open else 0.0), float(info.high) if info.high is not None else 1e15)
            number.setGroupSeparatorShown(True)
            number.setAlignment(Qt.AlignRight)
            number.setKeyboardTracking(False)
            number.valueChanged.connect(lambda value: self.changed.emit(info.path, value))
            return number
        line = QLineEdit()
        line.editingFinished.connect(lambda: self.changed.emit(info.path, line.text()))
        return line

    def value(self) -> Any:
        """Return what the editor shows."""
        if isinstance(self.editor, QCheckBox):
            return self.editor.isChecked()
        if isinstance(self.editor, QComboBox):
            return self.editor.currentData()
        if isinstance(self.editor, QSpinBox | QDoubleSpinBox):
            return self.editor.value()
        return self.editor.text()

    def show_value(self, value: Any) -> None:
        """Show `value` without saying that it changed."""
        blocked = self.editor.blockSignals(True)
        if isinstance(self.editor, QCheckBox):
            self.editor.setChecked(bool(value))
        elif isinstance(self.editor, QComboBox):
            if self.editor.findData(value) < 0:
                self._fill(value)
            self.editor.setCurrentIndex(self.editor.findData(value))
        elif isinstance(self.editor, QSpinBox | QDoubleSpinBox):
            self.editor.setValue(value)
        else:
            self.editor.setText(str(value))
        self.editor.blockSignals(blocked)
        self.reset.setVisible(value != self.info.default)
        self.show_error("")

    def offer(self, values: Sequence[str]) -> None:
        """Offer other choices; what is chosen stays, also when it is none of them any more."""
        if tuple(values) == self.offered:
            return
        value, self.offered = self.value(), tuple(values)
        blocked = self.editor.blockSignals(True)
        self._fill(value)
        self.editor.setCurrentIndex(self.editor.findData(value))
        self.editor.blockSignals(blocked)

    def _fill(self, value: Any) -> None:
        """Put the offered choices, and what is set, into the combo."""
        self.editor.clear()
        for choice in dict.fromkeys((*self.offered, value)):
            self.editor.addItem(self._word(choice), choice)

    def _word(self, choice: str) -> str:
        if not choice:
            return tr("ui.settings.none")
        return word("ui.venue" if self.info.source == "venues" else "ui.choice", choice)

    def show_error(self, text: str) -> None:
        """Say what is wrong beside the field; "" takes it away."""
        self.error.setText(text)
        self.editor.setProperty("bad", bool(text))
        repolish(self.editor)

    def matches(self, text: str) -> bool:
        """Tell whether the row fits a search."""
        wanted = text.lower()
        return any(wanted in candidate.lower() for candidate in (self.info.path, self.info.ko, self.info.en))

    def _words(self) -> None:
        info = self.info
        self.title.setText(info.title(language()))
        self.title.setToolTip(info.path)
        self.unit.setText(word("ui.unit", info.unit) if info.unit else "")
        low = f"{info.low:,g}" if info.low is not None and abs(info.low) < 1e6 else f"{info.low:,.0f}" if info.low is not None else ""
        high = f"{info.high:,.0f}" if info.high is not None else ""
        if low and high:
            self.bounds.setText(tr("ui.settings.between", low=low, high=high))
        elif low:
            self.bounds.setText(tr("ui.settings.above" if info.low_open else "ui.settings.from", low=low))
        elif isinstance(self.editor, QLineEdit) and info.path.endswith("_time"):
            self.bounds.setText(tr("ui.settings.hhmmss"))
        else:
            self.bounds.setText("")
        self.apply.setText(tr(f"ui.settings.apply_{info.apply}"))
        if isinstance(self.editor, QComboBox):
            for place in range(self.editor.count()):
                self.editor.setItemText(place, self._word(self.editor.itemData(place)))

    def _icons(self) -> None:
        self.reset.setIcon(icons.icon("reset", theme().muted, size=14))

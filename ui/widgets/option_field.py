"""The field of one option: made from its kind and bounds, empty where the command decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QDate, QEvent, QObject, Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QCalendarWidget,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QToolButton,
    QToolTip,
    QWidget,
    QWidgetAction,
)

from ui.models.command_options import Option, split_many
from ui.text import bind, has, tr, word
from ui.theme import fonts
from ui.theme.style import theme
from ui.widgets.panel import repolish

WRITTEN = ("--html", "--pdf", "--out", "--csv")
"""Options whose file is written, not read."""
TEXTS = {"--ranges": "ui.research.ranges_hint"}
"""Options whose file is a text a person writes in the form, with the hint that stands in the empty field."""
AREA_HEIGHT = 118
"""Of a text that is written in the form: seven lines."""
WORDS = {
    "--market": "ui.market",
    "--interval": "ui.interval",
    "--fill": "ui.fill",
    "--source": "ui.source",
    "--ranges-form": "ui.range_form",
    "--method": "method",
    "--objective": "ui.objective",
    "--by": "ui.metric",
    "--on": "ui.days",
    "--zone": "ui.zone",
}
"""Options whose choices are words of another place of the catalogue."""


def choice_word(option: Option, value: str) -> str:
    """Return the word of a choice; a proper name is its own."""
    name = option.name.lstrip("-")
    for prefix in (WORDS.get(option.name, ""), f"option.{option.dest}", f"ui.choice.{name}"):
        if prefix and has(f"{prefix}.{value}"):
            said = word(prefix, value)
            return f"{value} · {said}" if option.name == "--objective" else said
    return value


class Field(QWidget):
    """What a form holds of an option: `get` gives what is passed to the command (None: nothing), `put` types a value."""

    changed = pyqtSignal()

    def __init__(self, option: Option, inner: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.option, self.inner = option, inner
        self.usual: Any = option.default
        self.path = ""
        """Of the command, where its form says it: the same option may mean another thing elsewhere."""
        inner.setObjectName(f"option_{option.name.lstrip('-').replace('-', '_')}")
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(4)
        self.row.addWidget(inner, 1)
        self.setFocusProxy(inner)

    def get(self) -> Any:
        """Return True, a text or a list of texts; None where the command is to decide."""
        raise NotImplementedError

    def put(self, value: Any) -> None:
        """Type a value; None empties the field."""
        raise NotImplementedError

    def settle(self, usual: Any) -> None:
        """Take another default; a value that was the last default becomes the new one."""
        untouched = self.is_usual()
        self.usual = usual
        if untouched:
            self.put(usual)

    def is_usual(self) -> bool:
        """Tell whether the field says what the command would do by itself."""
        return self.get() is None

    def wrong(self) -> str:
        """Return the code of what is wrong with the value, or empty."""
        return ""

    def say(self) -> None:
        """Write words in the language of the moment."""

    def _mark(self) -> None:
        bad = bool(self.wrong())
        if bool(self.inner.property("bad")) != bad:
            self.inner.setProperty("bad", bad)
            repolish(self.inner)
        self.changed.emit()


class FlagField(Field):
    """A check mark."""

    def __init__(self, option: Option) -> None:
        self.box = QCheckBox()
        super().__init__(option, self.box)
        self.box.toggled.connect(lambda _: self.changed.emit())

    def get(self) -> Any:
        return True if self.box.isChecked() else None

    def put(self, value: Any) -> None:
        self.box.setChecked(bool(value))


class ChoiceField(Field):
    """A list; with an empty first line where nothing need be chosen, editable where other values are taken, too."""

    def __init__(self, option: Option) -> None:
        self.combo = QComboBox()
        # The longest choice must not decide how wide the form is: what does not fit is shown by the list and the tooltip.
        self.combo.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumContentsLength(4)
        self.combo.setEditable(option.is_open)
        self.combo.setInsertPolicy(QComboBox.NoInsert)
        self.labels: dict[str, str] = {}
        super().__init__(option, self.combo)
        self.offer([(value, "") for value in option.choices])
        self.combo.currentTextChanged.connect(lambda _: self._mark())

    def offer(self, values: Sequence[tuple[str, str]]) -> None:
        """Offer values with their labels ("" is the word of the value), keeping the choice where it still exists."""
        keep = self.value()
        empty = [] if self.option.required or self.option.default is not None else [("", "")]
        self.labels = dict(values)
        self.combo.blockSignals(True)
        self.combo.clear()
        for value, _ in [*empty, *values]:
            self.combo.addItem(value, value)
        self.say()
        self.put(keep or self.usual)
        self.combo.blockSignals(False)
        if self.value() != keep:
            self._mark()

    def _empty(self) -> str:
        name = self.option.name.lstrip("-")
        codes = (f"ui.option.{self.path.replace(' ', '.')}.{name}.empty", f"ui.option.{name}.empty")
        return tr(next((code for code in codes if has(code)), "ui.form.usual"))

    def value(self) -> str:
        """Return the chosen value, or what was typed."""
        place, typed = self.combo.currentIndex(), self.combo.currentText().strip()
        if self.combo.isEditable() and (place < 0 or typed != self.combo.itemText(place)):
            return typed
        return str(self.combo.itemData(place) or "") if place >= 0 else ""

    def get(self) -> Any:
        value = self.value()
        return None if not value or value == self.usual else value

    def put(self, value: Any) -> None:
        place = self.combo.findData(value or "")
        if place < 0 and self.combo.isEditable():
            self.combo.setCurrentIndex(-1)
            self.combo.setEditText(str(value or ""))
        else:
            self.combo.setCurrentIndex(place if place >= 0 else 0 if self.combo.count() else -1)
        self._from_the_start()

    def _from_the_start(self) -> None:
        # A text longer than its place is read from its beginning.
        line = self.combo.lineEdit()
        if line is not None:
            line.setCursorPosition(0)

    def say(self) -> None:
        for place in range(self.combo.count()):
            value = self.combo.itemData(place)
            text = self.labels.get(value) or (choice_word(self.option, value) if value else self._empty())
            self.combo.setItemText(place, text)
            tip = f"{WORDS.get(self.option.name, '')}.{value}.tip"
            self.combo.setItemData(place, tr(tip) if has(tip) else text, Qt.ToolTipRole)
        self._from_the_start()


class LineField(Field):
    """A line: numbers, days, codes. Several values stand apart, quotes keep one together."""

    def __init__(self, option: Option) -> None:
        self.line = QLineEdit()
        self.line.setClearButtonEnabled(option.kind not in ("int", "float"))
        super().__init__(option, self.line)
        self.line.textChanged.connect(lambda _: self._mark())
        self.put(option.default)
        self.say()

    def get(self) -> Any:
        text = self.line.text().strip()
        if self.option.many:
            return split_many(text) or None
        return None if not text or text == _shown(self.usual) else text.replace(",", "") if self._is_number() else text

    def put(self, value: Any) -> None:
        if isinstance(value, list | tuple):
            value = " ".join(f'"{one}"' if " " in str(one) else str(one) for one in value)
        self.line.setText(_shown(value))

    def wrong(self) -> str:
        text = self.line.text().strip()
        return "ui.form.bad_number" if text and self._is_number() and self.option.read(text.replace(",", "")) is None else ""

    def say(self) -> None:
        kind = self.option.metavar if self.option.kind in ("clock", "day") else ""
        hint = {"day": "YYYY-MM-DD", "clock": kind}.get(self.option.kind, "")
        name = self.option.name.lstrip("-")
        codes = (f"ui.option.{self.path.replace(' ', '.')}.{name}.hint", f"ui.option.{name}.hint")
        said = next((tr(code) for code in codes if has(code)), "")
        self.line.setPlaceholderText(said or hint or ("" if self.option.required else tr("ui.form.usual")))

    def _is_number(self) -> bool:
        return self.option.kind in ("int", "float") and not self.option.many


class DayField(LineField):
    """A day typed or taken from a calendar."""

    def __init__(self, option: Option) -> None:
        super().__init__(option)
        button = QToolButton()
        button.setObjectName("calendarButton")
        button.setText("▾")
        button.setPopupMode(QToolButton.InstantPopup)
        bind(button, "setToolTip", "ui.form.calendar")
        bind(button, "setAccessibleName", "ui.form.calendar")
        menu = QMenu(button)
        self.calendar = QCalendarWidget()
        holder = QWidgetAction(menu)
        holder.setDefaultWidget(self.calendar)
        menu.addAction(holder)
        button.setMenu(menu)
        self.calendar.clicked.connect(lambda day: (self.line.setText(day.toString("yyyy-MM-dd")), menu.hide()))
        menu.aboutToShow.connect(self._open)
        self.row.addWidget(button)

    def _open(self) -> None:
        day = QDate.fromString(self.line.text()[:10], "yyyy-MM-dd")
        if day.isValid():
            self.calendar.setSelectedDate(day)


class FileField(LineField):
    """A path typed or chosen, whole in the tip; several where the option takes several."""

    def __init__(self, option: Option) -> None:
        super().__init__(option)
        self.line.installEventFilter(self)
        button = QToolButton()
        button.setObjectName("browseButton")
        button.setText("…")
        bind(button, "setToolTip", "ui.form.browse")
        bind(button, "setAccessibleName", "ui.form.browse")
        button.clicked.connect(self.browse)
        self.row.addWidget(button)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.line and event.type() == QEvent.ToolTip and self.line.text():
            QToolTip.showText(event.globalPos(), self.line.text(), self.line)  # type: ignore[attr-defined]
            return True
        return bool(super().eventFilter(watched, event))

    def browse(self) -> None:
        """Let a person choose; what is cancelled changes nothing."""
        here = str(Path(self.line.text() or ".").parent)
        if self.option.kind == "folder":
            chosen = [QFileDialog.getExistingDirectory(self, "", here)]
        elif self.option.name in WRITTEN:
            chosen = [QFileDialog.getSaveFileName(self, "", self.line.text() or here)[0]]
        elif self.option.many:
            chosen = QFileDialog.getOpenFileNames(self, "", here)[0]
        else:
            chosen = [QFileDialog.getOpenFileName(self, "", here)[0]]
        if any(chosen):
            self.put(chosen if self.option.many else chosen[0])


class TextField(Field):
    """A text that the command reads from a file; `files` says where it was written."""

    def __init__(self, option: Option) -> None:
        self.area = QPlainTextEdit()
        self.area.setFont(fonts.code_font(theme().font_px))
        self.area.setLineWrapMode(QPlainTextEdit.NoWrap)
        self.area.setFixedHeight(AREA_HEIGHT)
        self.hint = TEXTS[option.name]
        super().__init__(option, self.area)
        self.area.textChanged.connect(self.changed.emit)
        self.say()

    def get(self) -> Any:
        return self.area.toPlainText().strip() or None

    def put(self, value: Any) -> None:
        self.area.setPlainText(str(value or ""))

    def say(self) -> None:
        self.area.setPlaceholderText(tr(self.hint))


def make_field(option: Option) -> Field:
    """Return the field of an option."""
    if option.kind == "flag":
        return FlagField(option)
    if option.name in TEXTS:
        return TextField(option)
    if option.kind == "choice":
        return ChoiceField(option)
    if option.kind in ("file", "folder") or option.name in WRITTEN:
        return FileField(option)
    return DayField(option) if option.kind == "day" else LineField(option)


def _shown(value: Any) -> str:
    if value is None or value is False:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)

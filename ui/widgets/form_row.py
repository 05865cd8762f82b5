"""One row of a form: the label, the field, and below them what is wrong with its value."""

from __future__ import annotations

from typing import Any

from PyQt5.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from ui.text import bind
from ui.widgets.option_field import Field, FlagField, TextField
from ui.widgets.panel import muted

LABEL_WIDTH = 104
WRONG_MAX = 240
"""Characters of a complaint that stand below its field."""


class FormRow(QWidget):
    """A field with its words. A check mark carries its label itself, a text has it above.

    A row is a widget of its own, so that a hidden one leaves no gap behind.
    """

    def __init__(self, field: Field, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self.label = muted()
        self.label.setWordWrap(True)
        self.wrong = QLabel()
        self.wrong.setObjectName("fieldWrong")
        self.wrong.setProperty("role", "error")
        self.wrong.setWordWrap(True)
        self.wrong.hide()
        self.code = ""
        self.about: Any = None
        """The value that was wrong."""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        if isinstance(field, FlagField):
            self.label.hide()
            column.addWidget(field)
        elif isinstance(field, TextField):
            column.addWidget(self.label)
            column.addWidget(field)
        else:
            self.label.setFixedWidth(LABEL_WIDTH)
            row = QHBoxLayout()
            row.setSpacing(8)
            row.addWidget(self.label)
            row.addWidget(field, 1)
            column.addLayout(row)
        column.addWidget(self.wrong)

    def say(self, text: str, tip: str) -> None:
        """Write label and tip in the language of the moment."""
        self.label.setText(text)
        self.label.setToolTip(tip)
        self.field.inner.setAccessibleName(text)
        self.field.inner.setToolTip(tip)
        if isinstance(self.field, FlagField):
            self.field.box.setText(text)
        self.field.say()
        self._make_room()

    def resizeEvent(self, event: Any) -> None:
        super().resizeEvent(event)
        self._make_room()

    def _make_room(self) -> None:
        """Give a label of two lines its height: what scrolls asks its contents for one height, not for that at a width."""
        if not self.label.isHidden():
            wide = LABEL_WIDTH if self.label.maximumWidth() == LABEL_WIDTH else max(self.width(), LABEL_WIDTH)
            self.label.setMinimumHeight(self.label.heightForWidth(wide))

    def complain(self, code: str, /, **fields: Any) -> None:
        """Say what is wrong; an empty code takes it back."""
        self.code, self.about = code, self.field.get()
        self.wrong.setVisible(bool(code))
        if code:
            bind(self, "show_wrong", code, **fields)

    def show_wrong(self, text: str) -> None:
        """Show what is wrong; a sentence that lists everything there is goes on in the tip."""
        is_long = len(text) > WRONG_MAX
        self.wrong.setText(text[:WRONG_MAX].rsplit(" ", 1)[0] + " …" if is_long else text)
        self.wrong.setToolTip(text if is_long else "")

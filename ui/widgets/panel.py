"""A framed panel: a heading, tools at its right, a body."""

from __future__ import annotations

from typing import Any

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from ui.text import bind


class Panel(QFrame):
    """A panel whose heading is the sentence of `code`; "" leaves the heading out."""

    def __init__(self, code: str, body: QWidget | None = None, parent: QWidget | None = None, **fields: Any) -> None:
        super().__init__(parent)
        self.setProperty("panel", True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(1, 1, 1, 1)
        self._column.setSpacing(0)
        self.head = QFrame()
        self.head.setObjectName("panelHead")
        self.head.setFixedHeight(28)
        self.tools = QHBoxLayout(self.head)
        self.tools.setContentsMargins(8, 0, 6, 0)
        self.tools.setSpacing(4)
        self.title = QLabel()
        self.title.setProperty("role", "title")
        self.title.setTextFormat(Qt.PlainText)
        self.tools.addWidget(self.title)
        self.tools.addStretch(1)
        self._column.addWidget(self.head)
        if code:
            bind(self.title, "setText", code, **fields)
        else:
            self.head.hide()
        if body is not None:
            self.set_body(body)

    def set_body(self, body: QWidget) -> None:
        """Put `body` under the heading."""
        self._column.addWidget(body, 1)

    def add_tool(self, widget: QWidget) -> None:
        """Put `widget` at the heading's right."""
        widget.setSizePolicy(QSizePolicy.Fixed, QSizePolicy.Fixed)
        self.tools.addWidget(widget)


def muted(code: str = "", /, **fields: Any) -> QLabel:
    """Return a label in the muted colour."""
    return _label("muted", code, fields)


def faint(code: str = "", /, **fields: Any) -> QLabel:
    """Return a label in the faint colour."""
    return _label("faint", code, fields)


def _label(role: str, code: str, fields: dict[str, Any]) -> QLabel:
    label = QLabel()
    label.setProperty("role", role)
    label.setTextFormat(Qt.PlainText)
    if code:
        bind(label, "setText", code, **fields)
    return label


def repolish(widget: QWidget) -> None:
    """Make the style sheet see a changed dynamic property."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)

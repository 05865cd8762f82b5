"""A line under the top bar: what just began or went wrong, with one thing to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt5.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from ui.text import bind
from ui.theme import icons
from ui.theme.style import THEME, theme
from ui.widgets.panel import repolish


class Notice(QFrame):
    """Hidden until something is told; a newer line replaces an older one of the same or lower weight."""

    LEVELS = ("info", "warn", "error")

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.level = "info"
        self.code = ""
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.button = QPushButton()
        self.button.setObjectName("noticeAction")
        self.button.setProperty("kind", "small")
        self.button.clicked.connect(self._act)
        self.close_button = QToolButton()
        self.close_button.setProperty("kind", "flat")
        self.close_button.setObjectName("noticeClose")
        bind(self.close_button, "setToolTip", "ui.notice.close")
        bind(self.close_button, "setAccessibleName", "ui.notice.close")
        self.close_button.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 4, 6, 4)
        row.addWidget(self.text, 1)
        row.addWidget(self.button)
        row.addWidget(self.close_button)
        self._do: Callable[[], Any] | None = None
        THEME.changed.connect(self._restyle)
        self._restyle()
        self.hide()

    def _restyle(self) -> None:
        self.close_button.setIcon(icons.icon("cancel", theme().muted))

    def tell(
        self, code: str, fields: dict[str, Any] | None = None, level: str = "info", action: str = "", do: Callable[[], Any] | None = None
    ) -> None:
        """Show the sentence of `code`; `action` is the code of the button's word, `do` what it does."""
        if self.isVisible() and self.LEVELS.index(level) < self.LEVELS.index(self.level):
            return
        self.code, self.level, self._do = code, level, do
        bind(self.text, "setText", code, **(fields or {}))
        self.button.setVisible(bool(action))
        if action:
            bind(self.button, "setText", action)
        self.setProperty("level", level)
        repolish(self)
        self.show()

    def dismiss(self) -> None:
        """Take the line away."""
        self.hide()
        self.code, self.level = "", "info"

    def _act(self) -> None:
        do = self._do
        self.dismiss()
        if do is not None:
            do()

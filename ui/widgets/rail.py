"""The rail at the window's left: a button a tab."""

from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QButtonGroup, QFrame, QToolButton, QVBoxLayout, QWidget

from ui.text import bind
from ui.theme import icons
from ui.theme.style import THEME, theme

WIDTH = 62


class Rail(QFrame):
    """Buttons under each other, one of them checked.

    Signals
    -------
    chosen(str) : the name of a tab.
    """

    chosen = pyqtSignal(str)

    def __init__(self, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(WIDTH)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 6)
        column.setSpacing(2)
        self.buttons: dict[str, QToolButton] = {}
        group = QButtonGroup(self)
        for name in names:
            button = QToolButton()
            button.setObjectName("railButton")
            button.setCheckable(True)
            button.setToolButtonStyle(Qt.ToolButtonTextUnderIcon)
            button.setFixedSize(WIDTH, 56)
            bind(button, "setText", f"ui.page.{name}")
            bind(button, "setToolTip", f"ui.action.page_{name}.tip")
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))
            group.addButton(button)
            column.addWidget(button)
            self.buttons[name] = button
        column.addStretch(1)
        THEME.changed.connect(self._restyle)
        self._restyle()

    def _restyle(self) -> None:
        for name, button in self.buttons.items():
            button.setIcon(icons.icon(name, theme().muted, theme().accent, 20))

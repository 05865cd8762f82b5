"""The kill switch: always in sight, four levels, asks once, says what it did."""

from __future__ import annotations

from PyQt5.QtCore import pyqtSignal
from PyQt5.QtWidgets import QMenu, QMessageBox, QToolButton, QWidget

from ui.text import bind, on_language, tr
from ui.theme import icons
from ui.theme.style import THEME, theme

LEVELS = ("entries", "cancel", "flatten", "freeze")


class KillSwitch(QToolButton):
    """A red button whose menu has the four levels and the way back.

    Signals
    -------
    pulled(level) : after the person said yes.
    rearm_asked() : after the person said yes.
    """

    pulled = pyqtSignal(str)
    rearm_asked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("killSwitch")
        self.setProperty("kind", "danger")
        self.setPopupMode(QToolButton.MenuButtonPopup)
        self.setToolButtonStyle(2)  # Qt.ToolButtonTextBesideIcon
        bind(self, "setText", "ui.kill.button")
        bind(self, "setToolTip", "ui.kill.tip")
        bind(self, "setAccessibleName", "ui.kill.tip")
        self.levels = QMenu(self)
        for level in LEVELS:
            action = self.levels.addAction("")
            action.setObjectName(f"kill_{level}")
            bind(action, "setText", f"ui.kill.{level}")
            action.triggered.connect(lambda _=False, level=level: self.ask(level))
        self.levels.addSeparator()
        rearm = self.levels.addAction("")
        rearm.setObjectName("kill_rearm")
        bind(rearm, "setText", "ui.kill.rearm")
        rearm.triggered.connect(self.ask_rearm)
        self.setMenu(self.levels)
        self.clicked.connect(lambda: self.ask("flatten"))
        THEME.changed.connect(self._restyle)
        on_language(self, self._restyle)
        self._restyle()

    def _restyle(self) -> None:
        self.setIcon(icons.icon("kill", theme().danger))

    def ask(self, level: str) -> None:
        """Pull the switch at `level` after one question; "entries" and "cancel" lose nothing and are not asked."""
        if level in ("flatten", "freeze") and not self._sure(f"ui.kill.sure_{level}"):
            return
        self.pulled.emit(level)

    def ask_rearm(self) -> None:
        """Let trading go on, after one question."""
        if self._sure("ui.kill.sure_rearm"):
            self.rearm_asked.emit()

    def _sure(self, code: str) -> bool:
        box = QMessageBox(self.window())
        box.setObjectName("killQuestion")
        box.setWindowTitle(tr("ui.kill.button"))
        box.setIcon(QMessageBox.Warning)
        box.setText(tr(code))
        yes = box.addButton(tr("ui.kill.yes"), QMessageBox.AcceptRole)
        no = box.addButton(tr("ui.kill.no"), QMessageBox.RejectRole)
        box.setDefaultButton(no)
        box.setEscapeButton(no)
        box.exec_()
        return box.clickedButton() is yes

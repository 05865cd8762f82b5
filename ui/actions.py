"""Every action, declared once: id, icon, keys; its words are ``ui.action.<id>`` and ``ui.action.<id>.tip``.

Menus, tool bars and the command box place actions by id. Old STOM's keys are kept where it had any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PyQt5.QtCore import QObject, Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QAction, QWidget

from ui.text import bind
from ui.theme import icons
from ui.theme.style import THEME, theme


@dataclass(frozen=True)
class ActionSpec:
    """One action.

    Parameters
    ----------
    id : str
    icon : str
        Name in ui/theme/icons.py, "" for none.
    keys : str
        Key sequence, "" for none.
    page : str
        Page on which its keys act; "" everywhere in the window.
    """

    id: str
    icon: str = ""
    keys: str = ""
    page: str = ""


ACTIONS = (
    ActionSpec("page_live", "live", "Ctrl+1"),
    ActionSpec("page_strategy", "strategy", "Ctrl+2"),
    ActionSpec("page_research", "research", "Ctrl+3"),
    ActionSpec("page_log", "log", "Ctrl+4"),
    ActionSpec("page_settings", "settings", "Ctrl+5"),
    ActionSpec("start_stop", "start", "Alt+S"),
    ActionSpec("stop_all", "kill", "Ctrl+Shift+F12"),
    ActionSpec("arm_order", "lock", "Ctrl+Shift+Space", "live"),
    ActionSpec("command_box", "command", "Ctrl+K"),
    ActionSpec("language", "language", "Ctrl+Shift+L"),
    ActionSpec("cancel_order", "cancel", "Ctrl+Del", "live"),
    ActionSpec("cancel_all", "clear", "", "live"),
    ActionSpec("follow_chart", "follow", "Alt+C", "live"),
    ActionSpec("load_strategy", "import", "F1", "strategy"),
    ActionSpec("new_strategy", "new", "Ctrl+N", "strategy"),
    ActionSpec("save_strategy", "save", "F4", "strategy"),
    ActionSpec("rename_strategy", "rename", "F2", "strategy"),
    ActionSpec("diff_strategy", "diff", "F3", "strategy"),
    ActionSpec("apply_live", "apply", "Ctrl+Return", "strategy"),
    ActionSpec("backtest_this", "backtest", "Ctrl+B", "strategy"),
    ActionSpec("enlarge_editor", "", "Esc", "strategy"),
    ActionSpec("run_backtest", "backtest", "Alt+Return", "research"),
    ActionSpec("run_search", "ga", "Alt+Shift+Return", "research"),
    ActionSpec("stop_research", "stop", "Alt+X", "research"),
    ActionSpec("clear_log", "clear", "", "log"),
    ActionSpec("search_settings", "search", "Ctrl+F", "settings"),
    ActionSpec("reset_settings", "reset", "", "settings"),
)
BY_ID = {spec.id: spec for spec in ACTIONS}


class Actions(QObject):
    """The window's QActions by id; `on` says what they do."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.all: dict[str, QAction] = {}
        for spec in ACTIONS:
            action = QAction(window)
            action.setObjectName(f"action_{spec.id}")
            bind(action, "setText", f"ui.action.{spec.id}")
            bind(action, "setToolTip", f"ui.action.{spec.id}.tip")
            bind(action, "setStatusTip", f"ui.action.{spec.id}.tip")
            if spec.keys:
                action.setShortcut(QKeySequence(spec.keys))
                action.setShortcutContext(Qt.WindowShortcut)
            self.all[spec.id] = action
            window.addAction(action)
        self.restyle()
        THEME.changed.connect(self.restyle)

    def __getitem__(self, name: str) -> QAction:
        return self.all[name]

    def on(self, name: str, do: Callable[[], object]) -> None:
        """Let action `name` call `do`."""
        self.all[name].triggered.connect(lambda _checked=False: do())

    def for_page(self, page: str) -> None:
        """Enable the keys of `page` and of the whole window, no others."""
        for spec in ACTIONS:
            self.all[spec.id].setEnabled(spec.page in ("", page))

    def restyle(self) -> None:
        """Paint the icons in the theme's colours."""
        for spec in ACTIONS:
            if spec.icon:
                self.all[spec.id].setIcon(icons.icon(spec.icon, theme().muted, theme().text))

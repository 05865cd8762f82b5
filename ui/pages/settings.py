"""The Settings tab, generated from the structs of domain/settings.py: nothing here names a setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from domain.errors import SettingError
from domain.settings import Settings
from ui.text import bind, on_language, tr, word
from ui.widgets.panel import Panel
from ui.widgets.setting_row import SettingRow
from utility import settings_file


def group_of(path: str) -> str:
    """Return the group a path belongs to: everything before its last dot."""
    return path.rpartition(".")[0]


Sources = Mapping[str, Callable[[str], Sequence[str]]]
"""Name of a setting's source (`Field.source`) → the choices of a group of settings."""


class SettingsPage(QWidget):
    """Form of all settings; a change is checked, saved at once and announced.

    Parameters
    ----------
    settings : Settings
    file : Path
        Where they are saved.
    sources : mapping
        What the running program knows of choices.

    Signals
    -------
    changed(Settings, str) : the new settings and the path that changed.
    """

    changed = pyqtSignal(object, str)

    def __init__(self, settings: Settings, file: Path, sources: Sources, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("settingsPage")
        self.settings = settings
        self.file = file
        self.sources = sources
        self.rows: dict[str, SettingRow] = {}
        self.headings: dict[str, QLabel] = {}
        self.groups = QListWidget()
        self.groups.setObjectName("settingGroups")
        self.groups.setFixedWidth(210)
        body = QWidget()
        self.form = QVBoxLayout(body)
        self.form.setContentsMargins(6, 6, 6, 12)
        self.form.setSpacing(1)
        for info in settings_file.fields():
            group = group_of(info.path)
            if group not in self.headings:
                heading = QLabel()
                heading.setProperty("role", "title")
                heading.setContentsMargins(10, 12, 0, 4)
                self.headings[group] = heading
                self.form.addWidget(heading)
                item = QListWidgetItem()
                item.setData(Qt.UserRole, group)
                self.groups.addItem(item)
            offered = sources[info.source](info.path.partition(".")[0]) if info.source else ()
            row = SettingRow(info, settings_file.get(settings, info.path), offered)
            row.changed.connect(self.change)
            self.rows[info.path] = row
            self.form.addWidget(row)
        self.nothing = QLabel()
        self.nothing.setAlignment(Qt.AlignCenter)
        self.nothing.setProperty("role", "muted")
        self.nothing.hide()
        self.form.addWidget(self.nothing)
        self.form.addStretch(1)
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setWidget(body)
        panel = Panel("ui.panel.settings", self.scroll)
        self.search = QLineEdit()
        self.search.setObjectName("settingSearch")
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(260)
        bind(self.search, "setPlaceholderText", "ui.settings.search")
        self.search.textChanged.connect(self._search)
        panel.add_tool(self.search)
        self.reset_button = QPushButton()
        self.reset_button.setObjectName("settingsReset")
        self.reset_button.setProperty("kind", "small")
        bind(self.reset_button, "setText", "ui.action.reset_settings")
        self.reset_button.clicked.connect(self.ask_reset)
        panel.add_tool(self.reset_button)
        across = QHBoxLayout(self)
        across.setContentsMargins(6, 6, 6, 6)
        across.setSpacing(6)
        across.addWidget(Panel("ui.panel.groups", self.groups))
        across.addWidget(panel, 1)
        self.groups.currentItemChanged.connect(self._go)
        on_language(self, self._words)
        self._words()

    def change(self, path: str, value: Any) -> None:
        """Check one change, save it and say so; what is wrong is shown beside the field and nothing is saved."""
        row = self.rows[path]
        try:
            settings = settings_file.change(self.settings, path, value)
            settings_file.save(settings, self.file)
        except SettingError as error:
            row.show_error(tr(error.code, **error.fields))
            return
        except OSError as error:
            row.show_error(tr("ui.settings.not_saved", reason=error.strerror or str(error)))
            return
        self.settings = settings
        row.show_value(settings_file.get(settings, path))
        self.changed.emit(settings, path)

    def offer(self) -> None:
        """Read again what may be chosen: a strategy was saved or renamed."""
        for path, row in self.rows.items():
            if row.info.source:
                row.offer(self.sources[row.info.source](path.partition(".")[0]))

    def ask_reset(self) -> None:
        """Set everything back to its default after one question."""
        box = QMessageBox(QMessageBox.Question, tr("ui.action.reset_settings"), tr("ui.settings.sure_reset"), parent=self.window())
        yes = box.addButton(tr("ui.settings.yes_reset"), QMessageBox.AcceptRole)
        box.addButton(tr("ui.kill.no"), QMessageBox.RejectRole)
        box.exec_()
        if box.clickedButton() is yes:
            self.reset_all()

    def reset_all(self) -> None:
        """Set every setting back to its default."""
        for path, row in self.rows.items():
            if settings_file.get(self.settings, path) != row.info.default:
                self.change(path, row.info.default)

    def _words(self) -> None:
        for group, heading in self.headings.items():
            heading.setText(word("ui.group", group))
        for place in range(self.groups.count()):
            item = self.groups.item(place)
            item.setText(word("ui.group", item.data(Qt.UserRole)))
        self.nothing.setText(tr("ui.settings.nothing"))

    def _go(self, item: QListWidgetItem | None, before: QListWidgetItem | None) -> None:
        if item is None:
            return
        heading = self.headings[item.data(Qt.UserRole)]
        self.scroll.verticalScrollBar().setValue(max(heading.y() - 8, 0))

    def _search(self, text: str) -> None:
        shown_groups = set()
        for path, row in self.rows.items():
            shown = not text.strip() or row.matches(text.strip()) or text.strip().lower() in word("ui.group", group_of(path)).lower()
            row.setVisible(shown)
            if shown:
                shown_groups.add(group_of(path))
        for group, heading in self.headings.items():
            heading.setVisible(group in shown_groups)
        self.nothing.setVisible(not shown_groups)

"""Ctrl+K: type a part of a name, a code, 초성 or an action, press Enter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PyQt5.QtCore import QEvent, Qt
from PyQt5.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from ui.text import tr

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
SHOWN_MAX = 12


@dataclass(frozen=True)
class Entry:
    """Something the box can do: `words` are searched, the first is shown."""

    words: tuple[str, ...]
    hint: str
    do: Callable[[], Any]


def initials(text: str) -> str:
    """Return the 초성 of Hangul syllables; other characters stay."""
    return "".join(INITIALS[(ord(ch) - 0xAC00) // 588] if "가" <= ch <= "힣" else ch for ch in text)


def rank(query: str, words: tuple[str, ...]) -> int:
    """Return how well `query` fits: 0 exact, 1 beginning, 2 part, 3 초성, −1 not at all."""
    wanted = query.lower().replace(" ", "")
    best = -1
    for text in words:
        plain = text.lower().replace(" ", "")
        score = 0 if plain == wanted else 1 if plain.startswith(wanted) else 2 if wanted in plain else -1
        if score < 0 and any(ch in INITIALS for ch in wanted) and _mixed(wanted, plain):
            score = 3
        if score >= 0 and (best < 0 or score < best):
            best = score
    return best


def _mixed(wanted: str, plain: str) -> bool:
    first = initials(plain)
    for start in range(len(plain) - len(wanted) + 1):
        if all(ch == plain[start + i] or ch == first[start + i] for i, ch in enumerate(wanted)):
            return True
    return False


class CommandBox(QDialog):
    """The box; it closes itself after the choice."""

    def __init__(self, entries: list[Entry], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.Popup | Qt.FramelessWindowHint)
        self.setObjectName("commandBox")
        self.entries = entries
        self.line = QLineEdit()
        self.line.setPlaceholderText(tr("ui.command.hint"))
        self.line.textChanged.connect(self._search)
        self.line.installEventFilter(self)
        self.list = QListWidget()
        self.list.itemActivated.connect(lambda _: self.choose())
        self.list.itemClicked.connect(lambda _: self.choose())
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.addWidget(self.line)
        column.addWidget(self.list)
        self.resize(460, 340)
        self._search("")

    def _search(self, text: str) -> None:
        ranked = []
        for place, entry in enumerate(self.entries):
            score = rank(text, entry.words) if text else 1
            if score >= 0:
                ranked.append((score, place, entry))
        self.list.clear()
        for _, _, entry in sorted(ranked, key=lambda one: one[:2])[:SHOWN_MAX]:
            item = QListWidgetItem(f"{entry.words[0]}    {entry.hint}")
            item.setData(Qt.UserRole, entry)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def choose(self) -> None:
        """Do the current entry."""
        item = self.list.currentItem()
        self.accept()
        if item is not None:
            item.data(Qt.UserRole).do()

    def eventFilter(self, watched: Any, event: QEvent) -> bool:
        if event.type() == QEvent.KeyPress and event.key() in (Qt.Key_Down, Qt.Key_Up):
            step = 1 if event.key() == Qt.Key_Down else -1
            self.list.setCurrentRow(max(0, min(self.list.count() - 1, self.list.currentRow() + step)))
            return True
        if event.type() == QEvent.KeyPress and event.key() in (Qt.Key_Return, Qt.Key_Enter):
            self.choose()
            return True
        return False

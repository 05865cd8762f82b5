"""Badges: small coloured words that are always in sight (PAPER, LIVE, MADE, READY …)."""

from __future__ import annotations

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel, QWidget

from ui.text import bind
from ui.theme.style import THEME, theme


class Badge(QLabel):
    """A word in a coloured frame; `solid` fills it."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAlignment(Qt.AlignCenter)
        self._tone, self._solid = "muted", False
        self._said = ("", "", False, "")
        self.setFixedHeight(24)
        THEME.changed.connect(self._paint)

    def show_word(self, code: str, tone: str, solid: bool = False, tip: str = "") -> None:
        """Show the sentence of `code` in the token colour `tone`; `tip` is a code too."""
        said = code, tone, solid, tip
        if said == self._said:
            return
        self._said = said
        bind(self, "setText", code)
        bind(self, "setToolTip", tip or code)
        self._tone, self._solid = tone, solid
        self._paint()

    def _paint(self) -> None:
        tint = getattr(theme(), self._tone)
        ground = tint if self._solid else "transparent"
        text = "#0b0e13" if self._solid and self._tone in ("warn", "ok", "accent", "made") else "#ffffff" if self._solid else tint
        self.setStyleSheet(
            f"QLabel {{ color: {text}; background: {ground}; border: 1px solid {tint}; border-radius: 3px; padding: 1px 7px;"
            f" font-size: {theme().font_px - 1}px; font-weight: bold; }}"
        )


class Lamp(QLabel):
    """A dot and a word: a process or a connection, green, amber, red or grey."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setTextFormat(Qt.RichText)
        self.words, self.tone = "", "faint"
        THEME.changed.connect(self._paint)

    def show_state(self, words: str, tone: str) -> None:
        """Show `words` beside a dot in the token colour `tone`."""
        if (words, tone) != (self.words, self.tone):
            self.words, self.tone = words, tone
            self._paint()

    def _paint(self) -> None:
        t = theme()
        self.setText(f'<span style="color:{getattr(t, self.tone)}">●</span> <span style="color:{t.muted}">{self.words}</span>')

"""The strategy editor: QScintilla with the language's own colours, completion in both languages, errors underlined.

Parsing never happens here: `edited` is emitted after a pause, a worker answers, `show_problems` paints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from PyQt5.Qsci import QsciLexerCustom, QsciScintilla
from PyQt5.QtCore import Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QColor, QFont
from PyQt5.QtWidgets import QWidget

from ui.theme import fonts
from ui.theme.style import THEME, theme
from ui.widgets.code_words import STYLES, WordList, style_spans

PAUSE_MS = 350
SQUIGGLE = 8
_TAIL_WORD = re.compile(r"[^\W\d]\w*$")
_SEPARATOR = " · "


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a text: where (1-based, in characters) and the sentence."""

    line: int
    column: int
    text: str
    hint: str = ""


class StrategyLexer(QsciLexerCustom):
    """Colours by role: factors, look-backs, position, flags, `self.vars`."""

    def __init__(self, parent: QsciScintilla) -> None:
        super().__init__(parent)
        self.words = WordList()
        self.restyle()

    def language(self) -> str:
        return "STOM"

    def description(self, style: int) -> str:
        return STYLES[style] if 0 <= style < len(STYLES) else ""

    def restyle(self) -> None:
        """Take the theme's colours."""
        t = theme()
        dark = QColor(t.panel).lightness() < 128
        tint = {
            "default": t.text,
            "comment": t.faint,
            "string": "#9ccc65" if dark else "#3d7a1d",
            "number": "#f0b429" if dark else "#9a6700",
            "keyword": "#c792ea" if dark else "#7c3aad",
            "factor": "#56c8d8" if dark else "#0b7285",
            "function": "#82aaff" if dark else "#2557b8",
            "position": "#ffb37a" if dark else "#b4521b",
            "flag": t.up,
            "helper": t.muted,
            "vars": "#f5d76e" if dark else "#8a6d00",
            "operator": t.muted,
            "unknown": t.text,
        }
        font = fonts.code_font(t.font_px + 1)
        self.setDefaultFont(font)
        self.setDefaultPaper(QColor(t.panel))
        self.setDefaultColor(QColor(t.text))
        for number, name in enumerate(STYLES):
            own = QFont(font)
            own.setBold(name == "flag")
            self.setFont(own, number)
            self.setColor(QColor(tint[name]), number)
            self.setPaper(QColor(t.panel), number)

    def styleText(self, start: int, end: int) -> None:
        # A strategy is a page or two: styling all of it costs less than finding a safe place to begin.
        self.startStyling(0)
        for length, style in style_spans(self.parent().text(), self.words.styles):
            self.setStyling(length, STYLES.index(style))


class CodeEditor(QsciScintilla):
    """One text.

    Signals
    -------
    edited() : the text has changed and the person paused.
    enlarge_asked() : Esc was pressed.
    """

    edited = pyqtSignal()
    enlarge_asked = pyqtSignal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(name)
        self.setUtf8(True)
        self.setEolMode(QsciScintilla.EolUnix)
        self.setIndentationsUseTabs(False)
        self.setTabWidth(4)
        self.setAutoIndent(True)
        self.setBackspaceUnindents(True)
        self.setBraceMatching(QsciScintilla.SloppyBraceMatch)
        self.setCaretLineVisible(True)
        self.setFrameShape(self.NoFrame)
        self.setWrapMode(QsciScintilla.WrapWord)
        self.setWrapIndentMode(QsciScintilla.WrapIndentSame)
        self.setScrollWidth(1)
        self.setScrollWidthTracking(True)
        self.lexer_ = StrategyLexer(self)
        self.setLexer(self.lexer_)
        self.SendScintilla(self.SCI_SETSCROLLWIDTHTRACKING, 1)
        self.indicatorDefine(QsciScintilla.SquiggleIndicator, SQUIGGLE)
        self.setIndicatorDrawUnder(True, SQUIGGLE)
        self.SendScintilla(self.SCI_AUTOCSETSEPARATOR, ord("\n"))
        self.SendScintilla(self.SCI_AUTOCSETIGNORECASE, 1)
        self.SendScintilla(self.SCI_AUTOCSETMAXHEIGHT, 10)
        self.SendScintilla(self.SCI_AUTOCSETDROPRESTOFWORD, 0)
        self.SendScintilla(self.SCI_AUTOCSETORDER, 1)
        self.SendScintilla(self.SCI_CLEARCMDKEY, Qt.Key_Escape)
        self.SCN_CHARADDED.connect(self._char_added)
        self.SCN_AUTOCSELECTION.connect(self._completion_chosen)
        self.textChanged.connect(self._changed)
        self.problems: tuple[Problem, ...] = ()
        self._offered: dict[str, str] = {}
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self.edited)
        THEME.changed.connect(self.restyle)
        self.restyle()

    def restyle(self) -> None:
        """Take the theme's colours."""
        t = theme()
        self.lexer_.restyle()
        self.setPaper(QColor(t.panel))
        self.setColor(QColor(t.text))
        self.setCaretForegroundColor(QColor(t.text))
        self.setCaretLineBackgroundColor(QColor(t.raised))
        self.setSelectionBackgroundColor(QColor(t.selected))
        self.resetSelectionForegroundColor()
        self.setMarginType(0, QsciScintilla.NumberMargin)
        self.setMarginsFont(fonts.code_font(t.font_px - 1))
        self.setMarginsForegroundColor(QColor(t.faint))
        self.setMarginsBackgroundColor(QColor(t.panel))
        self.setMarginWidth(0, "0000")
        self.setMarginWidth(1, 4)
        self.setMatchedBraceBackgroundColor(QColor(t.selected))
        self.setMatchedBraceForegroundColor(QColor(t.warn))
        self.setUnmatchedBraceForegroundColor(QColor(t.danger))
        self.setUnmatchedBraceBackgroundColor(QColor(t.panel))
        self.setIndicatorForegroundColor(QColor(t.danger), SQUIGGLE)
        self.recolor()

    # --- text ---------------------------------------------------------------------------------------

    def set_text(self, text: str) -> None:
        """Show another text; it is checked at once."""
        self.setText(text)
        self.setModified(False)
        self._pause.stop()
        self.edited.emit()

    def set_words(self, words: WordList) -> None:
        """Take the vocabulary."""
        self.lexer_.words = words
        self.recolor()

    def insert_word(self, word: str) -> None:
        """Insert a word at the caret."""
        self.insert(word)
        line, column = self.getCursorPosition()
        self.setCursorPosition(line, column + len(word))
        self.setFocus()

    def _changed(self) -> None:
        self._pause.start()

    # --- problems -----------------------------------------------------------------------------------

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        """Underline what is wrong; an empty tuple takes all lines away."""
        self.problems = problems
        last = self.lines() - 1
        self.clearIndicatorRange(0, 0, last, self.lineLength(last), SQUIGGLE)
        for problem in problems:
            line = min(max(problem.line - 1, 0), last)
            text = self.text(line)
            first = min(max(problem.column - 1, 0), max(len(text.rstrip()) - 1, 0))
            found = re.match(r"\w+", text[first:])
            end = first + (found.end() if found else 1)
            # QScintilla counts columns in characters here, Scintilla in bytes underneath.
            self.fillIndicatorRange(line, first, line, min(end, len(text)), SQUIGGLE)

    def go_to(self, problem: Problem) -> None:
        """Put the caret on a problem."""
        self.setCursorPosition(max(problem.line - 1, 0), max(problem.column - 1, 0))
        self.ensureLineVisible(max(problem.line - 1, 0))
        self.setFocus()

    # --- completion -----------------------------------------------------------------------------------

    def _prefix(self) -> str:
        line, column = self.getCursorPosition()
        found = _TAIL_WORD.search(self.text(line)[:column])
        return found.group() if found else ""

    def _char_added(self, code: int) -> None:
        if chr(code).isalnum() or chr(code) == "_":
            self.complete(1 if code > 127 else 2)

    def complete(self, least: int = 0) -> None:
        """Offer the words that begin with what stands before the caret, each with its other name."""
        prefix = self._prefix()
        if len(prefix) < max(least, 1):
            return
        lower = prefix.lower()
        offered = [entry for entry in self.lexer_.words.entries if entry[0].lower().startswith(lower)]
        if not offered or (len(offered) == 1 and offered[0][0] == prefix):
            self.SendScintilla(self.SCI_AUTOCCANCEL)
            return
        shown = {f"{name}{_SEPARATOR}{other}" if other else name: insert for name, insert, other, _ in offered}
        self._offered = shown
        self.SendScintilla(self.SCI_AUTOCSHOW, len(prefix.encode()), "\n".join(sorted(shown)).encode())

    def _completion_chosen(self, chosen: Any, position: int, *rest: Any) -> None:
        text = chosen.decode() if isinstance(chosen, bytes | bytearray) else str(chosen)
        insert = self._offered.get(text)
        self.SendScintilla(self.SCI_AUTOCCANCEL)
        if insert is None:
            return
        if "\n" in insert:  # a snippet: its lines stand as deep as the one it is put into
            line, _ = self.getCursorPosition()
            before = self.text(line)
            depth = before[: len(before) - len(before.lstrip(" "))]
            insert = insert.rstrip("\n").replace("\n", "\n" + depth)
        end = self.SendScintilla(self.SCI_GETCURRENTPOS)
        self.SendScintilla(self.SCI_SETSEL, position, end)
        self.replaceSelectedText(insert)

    def keyPressEvent(self, event: Any) -> None:
        if event.key() == Qt.Key_Escape and not self.isListActive():
            self.enlarge_asked.emit()
            return
        if event.key() == Qt.Key_Space and event.modifiers() & Qt.ControlModifier and not event.modifiers() & Qt.ShiftModifier:
            self.complete()
            return
        super().keyPressEvent(event)

"""Checks strategy texts in a thread of its own, newest request first; answers by signal.

The language and the library's formulas are opened here, at the first request, so that opening the window never waits for them.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from pathlib import Path

from PyQt5.QtCore import QObject, pyqtSignal

from domain.errors import DataError
from ui.widgets.code_words import WordList, load_words


@dataclass(frozen=True)
class ParseRequest:
    """One text to check."""

    number: int
    side: str
    text: str
    market: str
    interval_s: int


@dataclass(frozen=True)
class Found:
    """One error as the language states it: position, code and fields; the view makes the sentence."""

    line: int
    column: int
    code: str
    fields: dict[str, object]


@dataclass(frozen=True)
class ParseAnswer:
    """What the check found; nothing when the text is good."""

    request: ParseRequest
    found: tuple[Found, ...]


class ParseWorker(QObject):
    """The thread; it holds this object, which is nobody's child, because a check may outlast the window.

    Signals
    -------
    answered(ParseAnswer)
    words_ready(str, WordList) : side and vocabulary.
    """

    answered = pyqtSignal(object)
    words_ready = pyqtSignal(str, object)

    def __init__(self, library: Path) -> None:
        super().__init__()
        self._library = library
        self._queue: queue.Queue[ParseRequest | tuple[str, str, int] | None] = queue.Queue(maxsize=64)
        self._thread = threading.Thread(target=self._run, name="parse", daemon=True)
        self._newest: dict[str, int] = {}
        self._number = 0
        self._thread.start()

    def check(self, side: str, text: str, market: str, interval_s: int) -> None:
        """Ask for a check; older requests of the same side are dropped."""
        self._number += 1
        self._newest[side] = self._number
        self._queue.put(ParseRequest(self._number, side, text, market, interval_s))

    def want_words(self, side: str, market: str, interval_s: int) -> None:
        """Ask for the vocabulary of a side."""
        self._queue.put((side, market, interval_s))

    def stop(self) -> None:
        """End the thread after what it is doing; of what ends from now on nobody hears."""
        self.blockSignals(True)
        self._queue.put(None)
        self._thread.join(2.0)

    def _run(self) -> None:
        while True:
            request = self._queue.get()
            if request is None:
                return
            if isinstance(request, tuple):
                side, market, interval_s = request
                words: WordList = load_words(side, market, interval_s, self._library)
                self.words_ready.emit(side, words)
            elif request.number == self._newest.get(request.side):
                self.answered.emit(check(request, self._library))


def check(request: ParseRequest, library: Path) -> ParseAnswer:
    """Check one text against the language and the formulas of a library's file, and return what is wrong with it."""
    from strategy.language import StrategyErrors
    from trading.texts import read_text
    from trading.venues import market as find_market

    try:
        read_text(library, find_market(request.market), request.interval_s, request.text, request.side)
    except DataError as error:  # the library cannot be read: said where the text stands, and the next check asks again
        return ParseAnswer(request, (Found(1, 1, error.code, dict(error.fields)),))
    except StrategyErrors as errors:
        found = tuple(Found(error.line, error.column, error.code, dict(error.fields)) for error in errors.errors)
        return ParseAnswer(request, found)
    return ParseAnswer(request, ())

"""Checks strategy texts in a thread of its own, newest request first; answers by signal.

The language is imported here, at the first request, so that opening the window never waits for it.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

from PyQt5.QtCore import QObject, pyqtSignal

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
    """The thread.

    Signals
    -------
    answered(ParseAnswer)
    words_ready(str, WordList) : side and vocabulary.
    """

    answered = pyqtSignal(object)
    words_ready = pyqtSignal(str, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
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
        """End the thread after what it is doing."""
        self._queue.put(None)
        self._thread.join(2.0)

    def _run(self) -> None:
        while True:
            request = self._queue.get()
            if request is None:
                return
            if isinstance(request, tuple):
                side, market, interval_s = request
                words: WordList = load_words(side, market, interval_s)
                self.words_ready.emit(side, words)
            elif request.number == self._newest.get(request.side):
                self.answered.emit(check(request))


def check(request: ParseRequest) -> ParseAnswer:
    """Check one text and return what is wrong with it."""
    from strategy.language import StrategyErrors, parse
    from trading.venues import market as find_market

    try:
        parse(request.text, request.side, find_market(request.market), request.interval_s)
    except StrategyErrors as errors:
        found = tuple(Found(error.line, error.column, error.code, dict(error.fields)) for error in errors.errors)
        return ParseAnswer(request, found)
    return ParseAnswer(request, ())

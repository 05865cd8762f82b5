"""Words on the screen in the language of the moment, switched without a restart.

`tr` gives the sentence of a code; `bind` also remembers where it went, so that `set_language` can
write it again. Nothing in `ui/` holds a visible literal.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from PyQt5 import sip
from PyQt5.QtCore import QObject, pyqtSignal

from utility.text import LANGUAGES, sentence
from utility.text import has as _has


class Words(QObject):
    """The language of the window; `changed` is emitted after every bound text was written again."""

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.language = "ko"
        self._bound: dict[tuple[int, str], tuple[weakref.ref[Any], str, str, dict[str, Any]]] = {}
        self._gone: list[tuple[int, str]] = []

    def bind(self, target: Any, method: str, code: str, fields: dict[str, Any]) -> None:
        self._forget_gone()
        key = (id(target), method)
        # The collector runs in the middle of anything, an iteration over the bound ones included: it only leaves a note.
        self._bound[key] = (weakref.ref(target, lambda _ref, key=key: self._gone.append(key)), method, code, fields)
        getattr(target, method)(sentence(code, self.language, **fields))

    def set_language(self, language: str) -> None:
        if language not in LANGUAGES or language == self.language:
            return
        self.language = language
        self._forget_gone()
        for key, (ref, method, code, fields) in list(self._bound.items()):
            target = ref()
            if target is None or (isinstance(target, sip.simplewrapper) and sip.isdeleted(target)):
                self._bound.pop(key, None)
                continue
            getattr(target, method)(sentence(code, language, **fields))
        self.changed.emit()

    def _forget_gone(self) -> None:
        while self._gone:
            key = self._gone.pop()
            known = self._bound.get(key)
            if known is not None and known[0]() is None:  # its number may be another's by now
                del self._bound[key]


class Said:
    """A word inside a sentence that is said anew when the window's language changes.

    Parameters
    ----------
    say : callable () -> str
    """

    def __init__(self, say: Callable[[], str]) -> None:
        self._say = say

    def __str__(self) -> str:
        return self._say()

    def __format__(self, spec: str) -> str:
        return format(self._say(), spec)


WORDS = Words()


def language() -> str:
    """Return the language of the window."""
    return WORDS.language


def set_language(name: str) -> None:
    """Switch the window to `name` ("ko" or "en"); unknown names change nothing."""
    WORDS.set_language(name)


def tr(code: str, /, **fields: Any) -> str:
    """Return the sentence of `code` in the window's language."""
    return sentence(code, WORDS.language, **fields)


def has(code: str) -> bool:
    """Tell whether the window's language has a sentence of `code`."""
    return _has(code, WORDS.language)


def word(prefix: str, value: str) -> str:
    """Return the word of an enum value, ``<prefix>.<value>``; the value itself when it has none."""
    code = f"{prefix}.{value}"
    return sentence(code, WORDS.language) if has(code) else value


def bind(target: Any, method: str, code: str, /, **fields: Any) -> None:
    """Call ``target.method(sentence)`` now and after each switch of language.

    Binding the same target and method again replaces the earlier code.
    """
    WORDS.bind(target, method, code, fields)


def on_language(owner: QObject, callback: Callable[[], None]) -> None:
    """Call `callback`, a method of the QObject `owner`, after each switch of language.

    PyQt lets go of a bound method when its object is deleted, so nothing has to be undone.
    """
    WORDS.changed.connect(callback)

"""Log records as a person reads them: the commonest events and every alarm with a sentence; anything else as it was written.

The files keep the raw text, and the Log tab its tooltip.
"""

from __future__ import annotations

import ast
from functools import lru_cache
from string import Formatter

from utility.alarm_words import fields_of, spoken
from utility.text import catalogue, has, sentence

EVENT = "event="
AREA = "ui.event"
_WORDS = {"rule": "ui.rule"}
"""Fields whose values are codes, and where their words are."""
_FAILURES = ("failed", "strategy_refused", "close_failed")
"""Events that carry an error: its code and its fields say it better than any frame around them."""


@lru_cache(maxsize=8_192)
def said(text: str, language: str) -> str:
    """Return what the Log tab shows of a record's text."""
    line, _, _ = text.partition("\n")  # a traceback follows: that is for the tooltip
    if not line.startswith(EVENT):
        return spoken(line, language) or text
    name, _, rest = line.removeprefix(EVENT).partition(" ")
    fields = fields_of(rest)
    if name in _FAILURES:
        return _failure(rest, language) or text
    code = f"{AREA}.{name}"
    if not has(code, language) or not blanks(code, language) <= fields.keys():
        return text  # another process says something else under this name
    return sentence(code, language, **{key: _word(key, value, language) for key, value in fields.items()}).rstrip()


def blanks(code: str, language: str) -> set[str]:
    """Return the fields that the sentence of `code` asks for."""
    return {name for _, name, _, _ in Formatter().parse(catalogue(language)[code]) if name}


def _failure(rest: str, language: str) -> str:
    """Return the sentence of ``code=… fields={…}``; nothing when it has none."""
    code, _, written = rest.removeprefix("code=").partition(" fields=")
    if not has(code, language):
        return ""
    try:
        fields = ast.literal_eval(written or "{}")
    except (ValueError, SyntaxError):
        return ""
    if not isinstance(fields, dict) or not blanks(code, language) <= fields.keys():
        return ""
    return sentence(code, language, **{str(key): value for key, value in fields.items()})


def _word(key: str, value: str, language: str) -> str:
    if key == "process":
        role = value.split(".")[1] if "." in value else value
        code = f"ui.process.{role}"
        return f"{sentence(code, language)} ({value})" if has(code, language) else value
    code = f"{_WORDS.get(key)}.{value}"
    return sentence(code, language) if key in _WORDS and has(code, language) else value

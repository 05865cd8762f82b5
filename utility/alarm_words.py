"""Alarms as they travel in log records, `alarm=CODE name=value …`, and as a person reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from utility.text import has, sentence

MARK = "alarm="
_FIELD = re.compile(r"(\w+)=(.*?)(?= \w+=|$)")
_NAMES = {"pulled": "kill.name", "state": "live.state", "cause": "cause"}
"""Fields whose values are codes, and where their words are."""


def write(code: str, fields: Mapping[str, Any]) -> str:
    """Return the text of an alarm's log record."""
    return " ".join([f"{MARK}{code}", *(f"{name}={value}" for name, value in fields.items())])


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of `name=value name=value …`; a value may hold spaces."""
    return dict(_FIELD.findall(text))


def spoken(text: str, language: str) -> str | None:
    """Return the sentence of a log record that is an alarm; None when it is none, or no sentence is known."""
    if not text.startswith(MARK):
        return None
    code, _, rest = text.removeprefix(MARK).partition(" ")
    if not has(code, language):
        return None
    fields = {name: _word(name, value, language) for name, value in fields_of(rest).items()}
    return sentence(code, language, **fields).rstrip()


def _word(name: str, value: str, language: str) -> str:
    code = f"{_NAMES.get(name, name)}.{value}"
    return sentence(code, language) if name in _NAMES and has(code, language) else value

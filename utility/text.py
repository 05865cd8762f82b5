"""Sentences for codes, in the user's language.

Code and processes speak in codes and fields; the window and the command line ask here for the
sentence. The catalogue is every JSON file under ``utility/locale/<language>/``, one file an area,
each an object of code → template with ``{field}`` blanks. A code without a template is shown as
it is, with its fields, so that nothing is ever hidden by a missing translation.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("ko", "en")
_LOCALE = Path(__file__).parent / "locale"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return code → template of `language`, all areas joined; a code defined twice is an error."""
    joined: dict[str, str] = {}
    for path in sorted((_LOCALE / language).glob("*.json")):
        for code, template in json.loads(path.read_text("utf-8")).items():
            if code in joined:
                raise ValueError(f"{path.name}: {code} is defined twice")
            joined[code] = template
    return joined


def sentence(code: str, language: str, /, **fields: Any) -> str:
    """Return the sentence of `code` in `language` with its blanks filled."""
    template = catalogue(language).get(code)
    if template is None:
        template = catalogue("en").get(code)
    if template is None:
        return " ".join([code, *(f"{key}={value}" for key, value in fields.items())])
    fields = {name: _word(name, value, language) for name, value in fields.items()}
    try:
        return template.format(**fields)
    except (KeyError, IndexError, ValueError, AttributeError):
        return " ".join([template, *(f"{key}={value}" for key, value in fields.items())])


REASONS = ("reason", "cause", "detail", "expected")
"""Fields in which the system's or a library's own words travel."""
_AT = r"(?: - at `(?P<place>[^`]*)`)?"
SHAPES = (
    (re.compile(r"JSON is malformed: .*\(byte (?P<byte>\d+)\)"), "reason.json"),
    (re.compile(r"Object contains unknown field `(?P<name>[^`]*)`" + _AT), "reason.unknown_field"),
    (re.compile(r"Object missing required field `(?P<name>[^`]*)`" + _AT), "reason.missing_field"),
    (re.compile(r"Expected `array` of length (?P<wanted>\d+), got (?P<got>\d+)" + _AT), "reason.wrong_length"),
    (re.compile(r"Expected `[^`]*` <= (?P<limit>\S+)" + _AT), "reason.at_most"),
    (re.compile(r"Expected `[^`]*` >= (?P<limit>\S+)" + _AT), "reason.at_least"),
    (re.compile(r"Expected `[^`]*` > (?P<limit>\S+)" + _AT), "reason.above"),
    (re.compile(r"Number out of range" + _AT), "reason.out_of_range"),
    (re.compile(r"(?P<mark>'.') was never closed"), "reason.never_closed"),
    (re.compile(r"unmatched (?P<mark>'.')"), "reason.unmatched"),
    (re.compile(r"closing parenthesis (?P<mark>'.') does not match opening parenthesis (?P<other>'.').*"), "reason.other_bracket"),
    (re.compile(r"unterminated (?:triple-quoted |f-)?string literal \(detected at line (?P<line>\d+)\)"), "reason.open_string"),
    (re.compile(r"expected an indented block after .* on line (?P<line>\d+)"), "reason.no_block"),
    (re.compile(r"invalid (?:non-printable )?character (?P<mark>.*)"), "reason.character"),
    (re.compile(r".*Maybe you meant '==' .*"), "reason.two_equals"),
    (re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`" + _AT), "reason.wrong_type"),
)
"""What the JSON reader and Python's parser complain of, with the parts that a sentence needs; ``$`` is the whole of a file."""


NAMED = {"source": "source", "kind": "kind", "part": "part", "market": "ui.market", "found": "ui.market", "interval": "ui.interval"}
"""Field whose value is a word of ours → where its name stands in the catalogue (``source.made``); ``{market.code}`` is the word itself."""
LISTED = {"stored": ("ui.market", "source", "kind"), "kinds": ("kind",), "markets": ("ui.market",)}
"""The same of fields that hold several, with marks between them."""
_ONE = re.compile(r"[A-Za-z0-9_-]+")


class _Name(str):
    """The name of a word of ours; `code` is the word, which a sentence about commands needs."""

    code: str


def _word(name: str, value: Any, language: str) -> Any:
    """Return a field as it is said: a word of ours by its name, a reason by ``reason.<text>`` (the system speaks English only)."""
    words = catalogue(language)
    if name in NAMED and isinstance(value, str):
        told = _Name(words.get(f"{NAMED[name]}.{value}", value))
        told.code = value
        return told
    if name in LISTED and isinstance(value, str):
        return _ONE.sub(lambda one: next((words[at] for kind in LISTED[name] if (at := f"{kind}.{one[0]}") in words), one[0]), value)
    if name not in REASONS or not isinstance(value, str):
        return value
    for shape, code in SHAPES:
        found = shape.fullmatch(value)
        if found is not None:
            return catalogue(language)[code].format(**found.groupdict("$"))
    return catalogue(language).get(f"reason.{value}", value)


def named(name: str, value: str, language: str) -> str:
    """Return a word of ours (a source, a kind of data) as it is said outside a sentence."""
    return str(_word(name, value, language))


def has(code: str, language: str) -> bool:
    """Tell whether `language` has its own template of `code`."""
    return code in catalogue(language)

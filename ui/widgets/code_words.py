"""What the editor knows of the language: its words by role and language, from the one vocabulary.

The vocabulary is built off the GUI thread (its first import takes a while); until it is there the
recorded columns alone are known.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field
from pathlib import Path

from domain.errors import DataError
from domain.formulas import Formula
from domain.instruments import Market

TOKEN = re.compile(
    r"(?P<comment>#[^\n]*)"
    r"|(?P<string>'[^'\n]*'?|\"[^\"\n]*\"?)"
    r"|(?P<number>\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<vars>self\.vars\[\d*\]?)"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<operator>[-+*/%<>=!&|^~]+)"
)
STYLES = (
    "default",
    "comment",
    "string",
    "number",
    "keyword",
    "factor",
    "function",
    "position",
    "flag",
    "helper",
    "vars",
    "operator",
    "unknown",
)
KEYWORDS = frozenset(keyword.kwlist) - {"True", "False", "None"}
CONSTANTS = frozenset({"True", "False", "None"})
_ROLE_STYLE = {
    "column": "factor",
    "lag": "function",
    "derived": "factor",
    "derived_lag": "function",
    "count": "factor",
    "window": "function",
    "position": "position",
    "side": "position",
    "text": "factor",
    "flag": "flag",
    "helper": "helper",
    "series": "factor",
    "series_lag": "function",
    "function": "function",
}


@dataclass(frozen=True)
class WordList:
    """Words of one side, market and interval.

    `entries` are (name, what is inserted, counterpart in the other language, style); `styles` maps a word to its style.
    """

    entries: tuple[tuple[str, str, str, str], ...] = ()
    styles: dict[str, str] = field(default_factory=dict)


def load_words(side: str, market_code: str, interval_s: int, library: Path) -> WordList:
    """Return the words of the language and the formulas of a library's file (call it in a worker; imports the strategy package)."""
    from strategy.catalogue import completions, vocabulary
    from strategy.formula import readable
    from strategy.snippets import snippets
    from trading.venues import market as find_market

    market = find_market(market_code)
    words = vocabulary(side, market, interval_s).words
    by_meaning: dict[tuple[str, str], dict[str, str]] = {}
    for word in words.values():
        window = word.window.en if word.window is not None else ""
        by_meaning.setdefault((word.role.value, word.key + window), {}).setdefault(word.language, word.name)
    entries, styles = [], {}
    for one in completions(side, market, interval_s):
        word = words[one.name]
        window = word.window.en if word.window is not None else ""
        both = by_meaning[(word.role.value, word.key + window)]
        other = both.get("en" if one.language == "ko" else "ko", "")
        style = _ROLE_STYLE.get(one.role, "factor")
        entries.append((one.name, one.insert, other, style))
        styles[one.name] = style
    for snippet in snippets(side, market):
        for language, second in (("ko", "en"), ("en", "ko")):
            entries.append((snippet.name(language), snippet.text(language, market, interval_s), snippet.name(second), "keyword"))
    for formula in _formulas(market, interval_s, library):
        for name in readable(formula):
            entries.append((name, f"{name}(0)", "", "function"))
            styles[name] = "function"
    return WordList(tuple(entries), styles)


def _formulas(market: Market, interval_s: int, library: Path) -> tuple[Formula, ...]:
    """Return the user's formulas; none where the library cannot be read, which the check of the text says."""
    from trading.texts import known_formulas

    try:
        return known_formulas(library, market, interval_s)
    except DataError:
        return ()


def style_spans(text: str, styles: dict[str, str]) -> list[tuple[int, str]]:
    """Return (length in UTF-8 bytes, style) spans that cover `text` from its start."""
    spans: list[tuple[int, str]] = []
    at = 0
    for found in TOKEN.finditer(text):
        if found.start() > at:
            spans.append((len(text[at : found.start()].encode()), "default"))
        kind, word = found.lastgroup or "default", found.group()
        if kind == "word":
            kind = "keyword" if word in KEYWORDS else "number" if word in CONSTANTS else styles.get(word, "default")
        spans.append((len(word.encode()), kind))
        at = found.end()
    if at < len(text):
        spans.append((len(text[at:].encode()), "default"))
    return spans

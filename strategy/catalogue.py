"""The vocabulary: every name a text may use, in both languages, by market and interval."""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from domain.instruments import Market
from domain.records import POSITION_FIELDS
from strategy.catalogue_windows import WINDOWS, WindowFunction
from strategy.factor import CONSTANTS, column_key, column_of, derived_for, recorded
from strategy.learned import INTERVAL_S, NAMES, learned_key
from strategy.nodes import Kind
from strategy.series import ANALYSERS, INDICATORS
from strategy.v3 import FUNCTIONS, function


class Role(StrEnum):
    """What a name is."""

    COLUMN = "column"
    LAG = "lag"
    DERIVED = "derived"
    DERIVED_LAG = "derived_lag"
    COUNT = "count"
    POSITION = "position"
    SIDE = "side"
    TEXT = "text"
    WINDOW = "window"
    FLAG = "flag"
    HELPER = "helper"
    SERIES = "series"
    SERIES_LAG = "series_lag"
    FUNCTION = "function"


POSITION_NAMES = {
    "수익률": "return_pct",
    "수익금": "pnl",
    "최고수익률": "max_return_pct",
    "최저수익률": "min_return_pct",
    "보유시간": "holding_time",
    "보유시간초": "holding_seconds",
    "매수틱번호": "entry_row",
    "매입가": "entry_price",
    "매수가": "entry_price",
    "매입금액": "entry_cost",
    "보유수량": "position_qty",
    "매수시간": "entry_time",
    "분할매수횟수": "scale_in_count",
    "분할매도횟수": "scale_out_count",
    "레버리지": "leverage",
    "매수수량": "order_qty",
    "매도수량": "order_qty",
}
"""Korean name → field of the position vector; 매수가 is V3's name of 매입가."""

SPOT_FLAGS = {"buy": {"매수": "buy", "buy": "buy"}, "sell": {"매도": "sell", "sell": "sell"}}
FUTURES_FLAGS = {
    "buy": {"BUY_LONG": "open_long", "open_long": "open_long", "SELL_SHORT": "open_short", "open_short": "open_short"},
    "sell": {"SELL_LONG": "close_long", "close_long": "close_long", "BUY_SHORT": "close_short", "close_short": "close_short"},
}
FORCE = {"강제청산": "force_exit", "force_exit": "force_exit"}

HELPERS = ("ready", "now", "now_utc", "timedelta_sec", "round", "abs", "min", "max", "int", "float", "sum", "len")
MATH_ARITY = {
    "sqrt": 1,
    "log": 1,
    "log10": 1,
    "log2": 1,
    "log1p": 1,
    "exp": 1,
    "expm1": 1,
    "sin": 1,
    "cos": 1,
    "tan": 1,
    "asin": 1,
    "acos": 1,
    "atan": 1,
    "atan2": 2,
    "degrees": 1,
    "radians": 1,
    "floor": 1,
    "ceil": 1,
    "trunc": 1,
    "fabs": 1,
    "hypot": 2,
    "copysign": 2,
    "fmod": 2,
}
MATH_CONSTANTS = {"pi": 3.141592653589793, "e": 2.718281828459045}
NP_TO_MATH = {
    "sqrt": "sqrt",
    "log": "log",
    "log10": "log10",
    "log2": "log2",
    "log1p": "log1p",
    "exp": "exp",
    "expm1": "expm1",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "degrees": "degrees",
    "radians": "radians",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "fabs": "fabs",
    "hypot": "hypot",
    "abs": "abs",
    "absolute": "abs",
    "round": "round",
    "maximum": "max",
    "minimum": "min",
    "sign": "sign",
}


@dataclass(frozen=True)
class Word:
    """A name and what it means.

    `key` is the column, field, flag or function behind it; `window` the function of a look-back.
    """

    name: str
    role: Role
    key: str = ""
    kind: Kind = Kind.NUMBER
    window: WindowFunction | None = None
    unit: str = ""
    language: str = "ko"


@dataclass(frozen=True)
class Vocabulary:
    """The words of one side, market and interval, and the names that other places have."""

    words: dict[str, Word]
    other_interval: dict[str, str] = field(default_factory=dict)
    other_market: frozenset[str] = frozenset()
    other_side: frozenset[str] = frozenset()

    def near(self, name: str) -> str:
        """Return the known name most like `name`, "" when none is near; Hangul is compared by its letters."""
        spelled = {unicodedata.normalize("NFD", word): word for word in (*self.words, "True", "False")}
        best = difflib.get_close_matches(unicodedata.normalize("NFD", name), spelled, n=1, cutoff=0.72)
        if not best:
            lower = {word.lower(): word for word in self.words}
            return lower.get(name.lower(), "")
        return spelled[best[0]]


def is_futures(market: Market) -> bool:
    """Tell whether a market has long and short positions."""
    return market.code.endswith("futures")


def has_column(name: str, market: Market, interval_s: int) -> bool:
    """Tell whether `name` means a recorded column of a market at an interval."""
    try:
        column_key(name, market.kind, interval_s)
    except KeyError:
        return False
    return True


def _put(words: dict[str, Word], word: Word) -> None:
    words.setdefault(unicodedata.normalize("NFKC", word.name), word)


def _columns(words: dict[str, Word], market: Market, interval_s: int) -> None:
    for one in recorded(market.kind, interval_s).values():
        kind = one.kind
        for name, language in ((one.ko, "ko"), (one.key, "en"), (one.neutral, "en")):
            if name:
                lag = f"{name}N" if language == "ko" else f"{name}_ago"
                _put(words, Word(name, Role.COLUMN, one.key, kind, None, one.unit, language))
                _put(words, Word(lag, Role.LAG, one.key, kind, None, one.unit, language))


def _derived(words: dict[str, Word], market: Market, interval_s: int) -> None:
    for one in derived_for(market, interval_s).values():
        if not all(name in CONSTANTS or has_column(column_of(name)[0], market, interval_s) for name in one.parameters):
            continue
        for name, language in ((one.ko, "ko"), (one.key, "en")):
            lag = f"{name}N" if language == "ko" else f"{name}_ago"
            _put(words, Word(name, Role.DERIVED, one.key, one.kind, None, one.unit, language))
            _put(words, Word(lag, Role.DERIVED_LAG, one.key, one.kind, None, one.unit, language))


def _windows(words: dict[str, Word], market: Market, interval_s: int) -> None:
    per = "초당" if interval_s == 1 else "분당"
    for one in WINDOWS:
        if has_column(one.column, market, interval_s):
            key = column_key(one.column, market.kind, interval_s)
            for name, language in ((one.ko.format(per=per), "ko"), (one.en, "en")):
                _put(words, Word(name, Role.WINDOW, key, Kind.NUMBER, one, "", language))


def _indicators(words: dict[str, Word], interval_s: int) -> None:
    if interval_s == 1:
        for ko, en in (names for one in ANALYSERS for names in one.outputs):
            _put(words, Word(ko, Role.SERIES, en, Kind.NUMBER, None, "", "ko"))
            _put(words, Word(en, Role.SERIES, en, Kind.NUMBER, None, "", "en"))
        return
    for ko, en in (names for one in INDICATORS for names in one.outputs):
        for name, lag, language in ((ko, f"{ko}_N", "ko"), (en, f"{en}_ago", "en")):
            _put(words, Word(name, Role.SERIES, en, Kind.NUMBER, None, "", language))
            _put(words, Word(lag, Role.SERIES_LAG, en, Kind.NUMBER, None, "", language))


def _functions(words: dict[str, Word], side: str) -> None:
    for one in FUNCTIONS:
        if one.side in ("", side):
            for name, language in ((one.ko, "ko"), (one.en, "en")):
                _put(words, Word(name, Role.FUNCTION, one.en, one.kind, None, "", language))


def _build(side: str, market: Market, interval_s: int) -> dict[str, Word]:
    words: dict[str, Word] = {}
    _columns(words, market, interval_s)
    _derived(words, market, interval_s)
    _windows(words, market, interval_s)
    _indicators(words, interval_s)
    _functions(words, side)
    for name, language in (("데이터길이", "ko"), ("row_count", "en")):
        _put(words, Word(name, Role.COUNT, "row_count", Kind.NUMBER, None, "count", language))
    for name, key, language in (("종목코드", "code", "ko"), ("code", "code", "en"), ("종목명", "name", "ko"), ("name", "name", "en")):
        _put(words, Word(name, Role.TEXT, key, Kind.NUMBER, None, "text", language))
    for name, language in (("경과틱수", "ko"), ("rows_since", "en")):
        _put(words, Word(name, Role.HELPER, "rows_since", Kind.NUMBER, None, "count", language))
    for name in HELPERS:
        _put(words, Word(name, Role.HELPER, name, Kind.NUMBER, None, "", "en"))
    futures = is_futures(market)
    for ko, key in POSITION_NAMES.items():
        if key == "leverage" and not futures:
            continue
        kind = Kind.TIME if key == "entry_time" else Kind.NUMBER
        for name, language in ((ko, "ko"), (key, "en")):
            _put(words, Word(name, Role.POSITION, key, kind, None, "", language))
    if futures:
        for name, language in (("포지션", "ko"), ("position_side", "en")):
            _put(words, Word(name, Role.SIDE, "position_side", Kind.NUMBER, None, "text", language))
    flags = (FUTURES_FLAGS if futures else SPOT_FLAGS).get(side, {})
    for name, key in {**flags, **(FORCE if side == "sell" else {})}.items():
        _put(words, Word(name, Role.FLAG, key, Kind.BOOL, None, "", "en" if name.isascii() else "ko"))
    for ko, en in (names for both in NAMES.values() for names in both if interval_s == INTERVAL_S):
        _put(words, Word(ko, Role.COLUMN, learned_key(en, market), Kind.NUMBER, None, "", "ko"))
        _put(words, Word(en, Role.COLUMN, learned_key(en, market), Kind.NUMBER, None, "", "en"))
    assert all(key in POSITION_FIELDS for key in POSITION_NAMES.values())
    return words


@cache
def vocabulary(side: str, market: Market, interval_s: int, others: tuple[Market, ...] = ()) -> Vocabulary:
    """Return the words of a side ("buy", "sell", "mark") on a market at an interval.

    Parameters
    ----------
    others : tuple of Market
        Markets whose names are known for the message "not on this market".
    """
    words = _build(side, market, interval_s)
    there = {**_build(side, market, 1), **_build(side, market, 60)}
    translated = {}
    for name in set(there) - set(words):
        swapped = name.replace("분당", "초당") if interval_s == 1 else name.replace("초당", "분당")
        if swapped == name:
            swapped = name.replace("_1m", "_1s") if interval_s == 1 else name.replace("_1s", "_1m")
        translated[name] = swapped if swapped in words else ""
    elsewhere: set[str] = set()
    for other in others:
        elsewhere |= set(_build(side, other, interval_s))
    opposite = _build("sell" if side == "buy" else "buy", market, interval_s)
    return Vocabulary(words, translated, frozenset(elsewhere - set(words)), frozenset(set(opposite) - set(words)))


def refresh() -> None:
    """Forget the built vocabularies (after a factor was added)."""
    vocabulary.cache_clear()


@dataclass(frozen=True)
class Completion:
    """One entry of the editor's completion list."""

    name: str
    insert: str
    role: str
    unit: str
    language: str


def completions(side: str, market: Market, interval_s: int) -> list[Completion]:
    """Return what an editor offers, both languages, sorted by name."""
    out = []
    for name, word in vocabulary(side, market, interval_s).words.items():
        tail = {Role.WINDOW: "(30)", Role.LAG: "(1)", Role.DERIVED_LAG: "(1)", Role.SERIES_LAG: "(1)"}.get(word.role, "")
        if word.role is Role.FUNCTION:
            tail = function(word.key).example
        if word.role is Role.HELPER:
            tail = "()" if word.key.startswith("now") else "("
        out.append(Completion(name, name + tail, word.role.value, word.unit, word.language))
    return sorted(out, key=lambda one: one.name)

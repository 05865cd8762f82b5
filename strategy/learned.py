"""The scores of one-minute rows that are learned from earlier days (strategy-language 14.4): their names and their settings.

What they are is in decision 45; strategy/learning.py works them out. A text reads one as a column of its rows. The column's key
holds the settings' hash, and through it a program's digest does: other settings are other columns.
"""

from __future__ import annotations

import ast
import hashlib
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache

from domain.errors import InputError
from domain.instruments import Market
from domain.records import row_schema
from strategy.analyser_settings import FAMILIES, family

INTERVAL_S = 60
NAMES = {
    "pattern": (("패턴점수", "pattern_score"), ("패턴신뢰도", "pattern_confidence")),
    "price_level": (("가격대점수", "price_level_score"), ("가격대신뢰도", "price_level_confidence")),
    "volume_spike": (("거래량점수", "volume_spike_score"), ("거래량신뢰도", "volume_spike_confidence")),
    "volatility": (("변동성점수", "volatility_score"), ("변동성신뢰도", "volatility_confidence")),
}
"""Analyser → Korean and English name of its score (−100 … 100) and of its confidence (0 … 1)."""
BASE = ("bar_open", "bar_high", "bar_low", "last_price", "value_1m")
"""Columns that all of it is worked out from."""
TABLE: dict[str, tuple[float, float, float]] = {
    # Rows after an event that are looked at, and the move in % that is an outcome of 100; least events; rows or % of its own.
    "pattern_period": (10, 10, 10),
    "pattern_threshold": (1.0, 0.6, 0.6),
    "pattern_samples": (10, 10, 10),
    "pattern_rows": (5, 5, 5),
    "price_level_period": (10, 10, 10),
    "price_level_threshold": (1.0, 0.6, 0.6),
    "price_level_samples": (10, 10, 10),
    "price_level_nodes": (20, 20, 20),
    "price_level_width": (0.2, 0.1, 0.1),
    "price_level_tolerance": (0.3, 0.2, 0.2),
    "volume_spike_period": (10, 10, 10),
    "volume_spike_threshold": (1.0, 0.6, 0.6),
    "volume_spike_samples": (20, 20, 20),
    "volume_spike_mean": (20, 20, 20),
    "volume_spike_ratio": (3.0, 3.0, 3.0),
    "volatility_period": (10, 10, 10),
    "volatility_threshold": (1.0, 0.6, 0.6),
    "volatility_samples": (20, 20, 20),
    "volatility_atr": (14, 14, 14),
    "volatility_step": (0.05, 0.03, 0.03),
}
"""Key → value on Korean stocks, on markets in won, and on those in dollars."""
RULE = "1"
"""Changes when what is learned, or how a row reads it, changes; part of the hash."""


def settings(market: Market) -> dict[str, float]:
    """Return the settings of a market's family."""
    place = FAMILIES.index(family(market))
    return {key: float(values[place]) for key, values in TABLE.items()}


@cache
def settings_hash(market: Market) -> str:
    """Return a short digest of a market's settings and of the rule; scores carry it."""
    text = ";".join([RULE, *(f"{key}={value!r}" for key, value in sorted(settings(market).items()))])
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def learned_key(name: str, market: Market) -> str:
    """Return the column key of an English name on a market."""
    return f"{name}-{settings_hash(market)}"


def is_learned(key: str) -> bool:
    """Tell whether a column key is one of a learned score."""
    return "-" in key


def in_order(keys: Collection[str], kind: str, interval_s: int) -> list[str]:
    """Return column keys as they are laid out: those of the rows in stored order, then those of learned scores."""
    return [*(key for key in row_schema(kind, interval_s).keys if key in keys), *sorted(key for key in keys if is_learned(key))]


def english(key: str) -> str:
    """Return the English name behind a column key."""
    return key.partition("-")[0]


def place_of(key: str) -> tuple[str, int]:
    """Return the analyser behind a column key, and 0 for its score or 1 for its confidence."""
    return next((analyser, k) for analyser, names in NAMES.items() for k, (_, en) in enumerate(names) if en == english(key))


def refuse_learned(texts: Iterable[str]) -> None:
    """Refuse texts of live trading that read learned scores: its hosts have no records of earlier days.

    Raises
    ------
    InputError
        ``live.learned`` with the names.
    """
    known = {name for both in NAMES.values() for names in both for name in names}
    found: dict[str, None] = {}
    for text in texts:
        try:
            tree = ast.parse(unicodedata.normalize("NFKC", text).strip())
        except SyntaxError:
            continue  # whoever reads the text says so
        found |= dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in known)
    if found:
        raise InputError("live.learned", names=", ".join(found))

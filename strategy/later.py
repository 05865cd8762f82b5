"""Names of the language that are known and not built yet; a text that uses one is told so, plainly."""

from __future__ import annotations

_ANALYSERS = [
    "패턴점수",
    "pattern_score",
    "패턴신뢰도",
    "pattern_confidence",
    "가격대점수",
    "price_level_score",
    "가격대신뢰도",
    "price_level_confidence",
    "거래량점수",
    "volume_spike_score",
    "거래량신뢰도",
    "volume_spike_confidence",
    "변동성점수",
    "volatility_score",
    "변동성신뢰도",
    "volatility_confidence",
]

LATER: frozenset[str] = frozenset(_ANALYSERS)
"""The learned scores of minutes of 14.4."""

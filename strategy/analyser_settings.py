"""The analysers' parameters (strategy-language 14.4): one table, by family of markets; what they do is in decision 45.

A buy text changes one as it sets an indicator: ``self.indicator['MS_threshold'] = 0.2``. Values are part of a program's digest.
"""

from __future__ import annotations

import hashlib

from domain.instruments import Market

FAMILIES = ("stock", "krw", "usdt")
TABLE: dict[str, tuple[float, float, float]] = {
    # How much stronger one side must be; rows of ten that a side must rest; per cent of a hunt, of a pump.
    "MS_threshold": (0.1, 0.1, 0.1),
    "MS_layering": (3.0, 3.0, 3.0),
    "MS_spoofing": (0.5, 0.5, 0.5),
    "MS_iceberg": (3.0, 3.0, 3.0),
    "MS_hunt": (0.3, 0.2, 0.2),
    "MS_pump": (2.0, 1.5, 1.5),
    "MS_volatility": (0.5, 0.3, 0.3),
    "MS_depth": (500.0, 5e8, 350_000.0),  # in the unit of 당일거래대금: 5e8 KRW on both Korean families
    "RISK_volatility": (0.5, 0.3, 0.3),
    "RISK_trend": (1.0, 0.6, 0.6),
    "RISK_momentum": (1.0, 0.6, 0.6),
    "RISK_value": (5.0, 5.0, 5.0),
}
"""Key → value on Korean stocks, on markets in won, and on those in dollars."""


def family(market: Market) -> str:
    """Return the family of a market."""
    return "stock" if market.kind == "stock" else "krw" if market.currency == "KRW" else "usdt"


def defaults(market: Market) -> dict[str, float]:
    """Return the parameters of a market where no text changes them; `MS_depth` is in its currency."""
    column = FAMILIES.index(family(market))
    found = {key: values[column] for key, values in TABLE.items()}
    return {**found, "MS_depth": found["MS_depth"] * market.value_unit, "RISK_angle": market.angle_change}


def settings_hash(market: Market) -> str:
    """Return a short digest of a market's parameters, for what keeps scores beside them."""
    text = ";".join(f"{key}={value!r}" for key, value in sorted(defaults(market).items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

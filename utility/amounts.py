"""Amounts and quantities as a person reads them, in the window and on the command line; machines get every digit."""

from __future__ import annotations

WHOLE = ("KRW",)
"""Currencies without a smaller unit."""


def money_text(value: float, currency: str) -> str:
    """Return an amount in its currency's unit: ``-6,408`` of KRW, ``-4.61`` of USDT."""
    text = f"{value:,.{0 if currency in WHOLE else 2}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def quantity_text(value: float) -> str:
    """Return a price or quantity with at most eight decimals and none that is 0."""
    text = f"{value:,.8f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def is_number(text: str) -> bool:
    """Return whether a text reads as a number, NaN and infinity among them."""
    try:
        float(text)
    except ValueError:
        return False
    return True

"""What the figures of a run are counted in, said once for reports and the window."""

from __future__ import annotations

from utility.amounts import money_text
from utility.text import has, sentence

COUNTS = ("tc", "pc", "mc", "mh")
PERCENT = ("wr", "ap", "tp", "cagr", "mdd")
MONEY = ("tg", "seed", "mdd_amount")
HELD = "ah"


def figure_text(key: str, value: float, currency: str, interval_s: int, language: str) -> str:
    """Return a stored figure with its unit: ``-21,055,342원``, ``35.30%``, ``177 초``; plain where it has none.

    Parameters
    ----------
    key : str
        Of the figure (`backtester.metrics.METRIC_KEYS`, and others that a run stores).
    interval_s : int
        Of the run's rows: holding times are counted in seconds where it is 1, in minutes else.
    """
    if key in MONEY:
        return money(value, currency, language)
    if key in PERCENT:
        return f"{value:,.2f}%"
    if key == HELD:
        return sentence("report.seconds" if interval_s == 1 else "report.minutes", language, value=f"{value:,.1f}")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if key in COUNTS else f"{value:,.2f}"


def money(value: float, currency: str, language: str) -> str:
    """Return an amount with its currency: ``1,000,000원``, ``₩1,000,000``, ``12.50 USDT``."""
    text = money_text(value, currency)
    if currency == "KRW":
        return f"{text}원" if language == "ko" else f"{'-' if text.startswith('-') else ''}₩{text.removeprefix('-')}"
    return f"{text} {currency}"


def named(prefix: str, value: str, language: str) -> str:
    """Return the word of a code, ``<prefix>.<value>`` of the catalogue; the code itself when it has none."""
    code = f"{prefix}.{value}"
    return sentence(code, language) if has(code, language) else value

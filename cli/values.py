"""Numbers and dates as people write them on a command line: read strictly, with the limits named in the refusal."""

from __future__ import annotations

import argparse
import datetime as dt
import math
import re
from collections.abc import Callable
from typing import Any

from cli.words import say
from domain.settings import AMOUNT_MAX

SEED_MAX = 2**63 - 1
DURATION_S_MAX = 31 * 86_400.0
SPEED_MAX = 100_000.0
LATENCY_ROWS_MAX = 100_000
LATENCY_MS_MAX = 86_400_000

_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""What `float` reads besides (``1_0``, ``１２``, ``nan``) is a slip more often than a wish."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0}


def described(read: Callable[[str], Any], kind: str, **more: Any) -> Any:
    """Return a reader that says what it reads (kind, bounds), so that a form can offer the right field (cli/declared.py)."""
    read.form = {"kind": kind, **more}  # type: ignore[attr-defined]
    return read


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`, both included."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text.strip()) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(say("cli.whole", value=text, low=low, high=high))
        return int(text)

    return described(read, "int", low=low, high=high)  # type: ignore[no-any-return]


def number(low: float, high: float, *, low_open: bool = False) -> Callable[[str], float]:
    """Return a reader of finite numbers from `low` (itself not, when `low_open`) to `high`."""

    def read(text: str) -> float:
        value = _float(text)
        # A NaN fails every comparison, so it is refused here, too.
        if not low <= value <= high or (low_open and value == low):
            code = "cli.number_above" if low_open else "cli.number"
            raise argparse.ArgumentTypeError(say(code, value=text, low=_plain(low), high=_plain(high)))
        return value

    return described(read, "float", low=low, high=high, low_open=low_open)  # type: ignore[no-any-return]


amount = number(0.0, AMOUNT_MAX, low_open=True)
"""Reads an amount of currency: above 0, at most AMOUNT_MAX."""


def speed(text: str) -> float:
    """Return the speed of a replay; 0 stands for ``max``."""
    if text == "max":
        return 0.0
    try:
        return number(0.0, SPEED_MAX, low_open=True)(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(say("cli.speed", value=text, high=_plain(SPEED_MAX))) from None


def duration(text: str) -> float:
    """Return ``60s``, ``10m``, ``2h`` or a plain number as seconds."""
    unit = _UNITS.get(text[-1:])
    seconds = _float(text[:-1] if unit else text) * (unit or 1.0)
    if not 0.0 < seconds <= DURATION_S_MAX:
        raise argparse.ArgumentTypeError(say("cli.duration", value=text))
    return seconds


def latency(text: str) -> tuple[int, int]:
    """Return a delay of fills as (rows, milliseconds): ``3`` is rows, ``500ms`` and ``1.5s`` are time."""
    text = text.strip()
    number, unit = (text[:-2], 1.0) if text.endswith("ms") else (text[:-1], 1_000.0) if text.endswith("s") else (text, 0.0)
    if unit == 0.0 and _WHOLE.fullmatch(number) and 0 <= int(number) <= LATENCY_ROWS_MAX:
        return int(number), 0
    value = _float(number) * unit
    if unit and 0.0 <= value <= LATENCY_MS_MAX and value == int(value):
        return 0, int(value)
    raise argparse.ArgumentTypeError(say("cli.latency", value=text, rows=LATENCY_ROWS_MAX))


def day(text: str) -> dt.date:
    """Return a date that exists, written YYYY-MM-DD."""
    try:
        if len(text) != 10:
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(say("cli.day", value=text)) from None


described(day, "day")


def _float(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text.strip()) else math.nan


def _plain(value: float) -> str:
    return f"{value:,.12g}" if abs(value) < 1e6 else f"{value:,.0f}"

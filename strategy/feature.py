"""What a program asks its host to keep beside the columns: features by row, and slots of the state vector."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

from strategy.arithmetic import Arithmetic, Stop
from strategy.nodes import Expr, TextTest


@dataclass(frozen=True)
class Feature:
    """A per-row derived array shared by all call sites that need it.

    Parameters
    ----------
    kind : {"sum", "max", "min", "levels_max", "levels_min", "series"}
        sum: exact running sum in units of 10^-decimals, for any window. max, min: extreme of the last
        `window` rows. levels_*: extremes of the last 2, 4, 8 … rows, for windows that change by row.
        series: the outputs of a series and what it keeps.
    key : str
        Recorded column, or key of a series.
    decimals : int
        Decimals of the column (sum).
    window : Expr or None
        Length, of constants and ``self.vars`` only (max, min).
    settings : tuple of Expr
        Of a series, of constants and ``self.vars`` only.
    """

    kind: str
    key: str
    decimals: int = 0
    window: Expr | None = None
    settings: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class Preset:
    """A slot of the state vector that is constant for a symbol: a text test, or its price step."""

    test: TextTest | None = None

    def value(self, code: str, name: str, price_step: float) -> float:
        """Return the slot's value for an instrument."""
        if self.test is None:
            return price_step
        subject = unicodedata.normalize("NFC", code if self.test.subject == "code" else name)
        if self.test.operator == "contains":
            return 1.0 if self.test.texts[0] in subject else 0.0
        return 1.0 if subject in self.test.texts else 0.0


def setting_value(arithmetic: Arithmetic, expr: Expr) -> float:
    """Return a setting of a series; an arithmetic error turns the series off."""
    try:
        return arithmetic.value(expr)
    except Stop:
        return math.nan


def window_length(arithmetic: Arithmetic, expr: Expr, least: int = 1) -> int:
    """Return a window of constants and variables as rows, clipped to [least, 10^9]; an arithmetic error gives `least`."""
    try:
        value = arithmetic.value(expr)
    except Stop:
        return least
    if not math.isfinite(value):
        return least
    return int(max(min(value, 1e9), float(least)))

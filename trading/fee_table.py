"""Fees and taxes of one's own, by date and by symbol, read from a file that a person keeps.

One line each: ``DATE RATE TAX [CODE …]``; DATE as 2024-01-02, RATE a fraction per side, TAX a fraction of sales; ``#`` begins a remark.
A line with codes holds for these alone (funds without tax, an account with its own rate), one without for all the others.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from domain.errors import InputError

HALF = 0.5
"""No fee takes as much of an amount."""


@dataclass(frozen=True)
class FeeLine:
    """Rates from a day on: fractions per side and of sales; `codes` empty = every symbol that has no line of its own."""

    day: int
    rate: float
    tax: float
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeeTable:
    """Dated rates that stand in the place of the market's own."""

    lines: tuple[FeeLine, ...]

    def rates(self, day: int, code: str) -> tuple[float, float] | None:
        """Return (rate, tax) of a symbol on a day YYYYMMDD; None where the file says nothing and the market's rule stands.

        A line with the code wins over one without; before the first line without codes its rates hold, as in the market's own table.
        """
        named = [line for line in self.lines if code in line.codes and line.day <= day]
        if named:
            best = max(named, key=lambda line: line.day)
            return best.rate, best.tax
        general = sorted((line for line in self.lines if not line.codes), key=lambda line: line.day)
        if not general:
            return None
        best = next((line for line in reversed(general) if line.day <= day), general[0])
        return best.rate, best.tax

    def as_lists(self) -> list[list[Any]]:
        """Return the table as a passport keeps it; `of_lists` reads it back."""
        return [[line.day, line.rate, line.tax, list(line.codes)] for line in self.lines]

    @classmethod
    def of_lists(cls, lists: list[list[Any]]) -> FeeTable:
        """Return the table that `as_lists` wrote."""
        lines = []
        for day, rate, tax, codes in lists:
            lines.append(FeeLine(int(day), float(rate), float(tax), tuple(codes)))
        return cls(tuple(lines))


def parse_fee_table(text: str) -> FeeTable:
    """Return the table of a file's text.

    Raises
    ------
    InputError
        ``fees.line`` with the line: not a date and two rates between 0 and 0.5, or said before; ``fees.empty``.
    """
    lines: list[FeeLine] = []
    seen: set[tuple[int, str]] = set()
    for number, raw in enumerate(text.splitlines(), start=1):
        words = raw.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            day = int(dt.date.fromisoformat(words[0]).strftime("%Y%m%d"))
            rate, tax = float(words[1]), float(words[2])
        except (ValueError, IndexError):
            raise InputError("fees.line", line=number, text=raw.strip()) from None
        line = FeeLine(day, rate, tax, tuple(words[3:]))
        keys = {(day, code) for code in line.codes or ("",)}
        if not (0.0 <= rate < HALF and 0.0 <= tax < HALF) or keys & seen:
            raise InputError("fees.line", line=number, text=raw.strip())
        seen |= keys
        lines.append(line)
    if not lines:
        raise InputError("fees.empty")
    return FeeTable(tuple(lines))

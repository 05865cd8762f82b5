"""Leverage and funding of a run on a futures market: what a person says of them, and the arrays that the loop takes.

The arithmetic is `trading/margin.py`; what is assumed stands in docs/decisions/0054-futures-money-and-halts.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.instruments import Market
from domain.intervals import day_unit
from strategy.catalogue import is_futures
from trading.margin import DEFAULT_RANGES, DEFAULT_TIERS, LEVERAGE_MAX
from utility.text_file import read_text

BY_RANGE = "by-range"
"""The named choice: the ranges of workstation 5.6."""
HOURS = (0, 8, 16)
"""Times of a funding rate that is one number, on the market's clock."""
RATE_MAX = 0.05
"""No funding takes as much of a position at one time."""
RANGE_COLUMNS = ("day_high", "day_low")
"""What 저가대비고가등락율 is made of."""
Terms = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class FundingLine:
    """A rate at a moment (YYYYMMDDhhmmss on the market's clock); `codes` empty = every symbol without a line of its own."""

    time: int
    rate: float
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Futures:
    """Terms of a futures position.

    Parameters
    ----------
    leverage : float
        Of every position; 1 = all of it is paid.
    ranges : tuple of (float, float, int)
        저가대비고가등락율 from (included), to (not included), leverage; they go before `leverage`, beyond all of them it is 1.
    rate : float, optional
        Funding every eight hours, a fraction of the position's value; positive: longs pay shorts.
    lines : tuple of FundingLine
        Dated rates instead of it.
    """

    leverage: float = 1.0
    ranges: tuple[tuple[float, float, int], ...] = ()
    rate: float | None = None
    lines: tuple[FundingLine, ...] = ()

    @property
    def has_funding(self) -> bool:
        return self.rate is not None or bool(self.lines)

    def leverage_text(self) -> str:
        """Return the leverage as `parse_leverage` reads it."""
        return ",".join(f"{a:g}-{b:g}:{c:g}" for a, b, c in self.ranges) if self.ranges else f"{self.leverage:g}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as a passport keeps it; `futures_of` reads it back."""
        lines = [[line.time, line.rate, list(line.codes)] for line in self.lines]
        return {"leverage": self.leverage, "ranges": [list(one) for one in self.ranges], "rate": self.rate, "lines": lines}

    def dated(self, code: str, days: Sequence[int]) -> list[tuple[int, float]]:
        """Return (YYYYMMDDhhmmss, rate) of a symbol, rising in time; `days` are those of the rows."""
        if self.rate is not None:
            return [(day * 1_000_000 + hour * 10_000, self.rate) for day in days for hour in HOURS]
        own = [line for line in self.lines if code in line.codes] or [line for line in self.lines if not line.codes]
        return sorted((line.time, line.rate) for line in own)


def futures_of(kept: Mapping[str, Any] | None) -> Futures | None:
    """Return what `Futures.as_dict` wrote."""
    if kept is None:
        return None
    ranges = tuple((float(a), float(b), int(c)) for a, b, c in kept["ranges"])
    lines = tuple(FundingLine(int(time), float(rate), tuple(codes)) for time, rate, codes in kept["lines"])
    return Futures(float(kept["leverage"]), ranges, None if kept["rate"] is None else float(kept["rate"]), lines)


def parse_futures(leverage: str | None, funding: str | None, market: Market) -> Futures | None:
    """Return what ``--leverage`` and ``--funding`` say; None where neither is given.

    Raises
    ------
    InputError
        ``futures.only`` with the option's name: the market has no futures; ``futures.leverage``; those of `parse_funding`.
    """
    for option, text in (("--leverage", leverage), ("--funding", funding)):
        if text is not None and not is_futures(market):
            raise InputError("futures.only", option=option, market=market.code)
    if leverage is None and funding is None:
        return None
    fixed, ranges = (1.0, ()) if leverage is None else parse_leverage(leverage)
    rate, lines = (None, ()) if funding is None else parse_funding(funding, market)
    return Futures(fixed, ranges, rate, lines)


def parse_leverage(text: str) -> tuple[float, tuple[tuple[float, float, int], ...]]:
    """Return (fixed leverage, ranges) of ``5``, ``0-5:1,5-10:2`` or ``by-range``; InputError ``futures.leverage``."""
    if text == BY_RANGE:
        return 1.0, DEFAULT_RANGES
    wrong = InputError("futures.leverage", value=text, most=LEVERAGE_MAX, name=BY_RANGE)
    try:
        if ":" not in text:
            fixed, ranges = int(text), []
        else:
            fixed, ranges = 1, []
            for part in text.split(","):
                span, _, times = part.partition(":")
                low, _, high = span.partition("-")
                ranges.append((float(low), float(high), int(times)))
    except ValueError:
        raise wrong from None
    edges = [edge for low, high, _ in ranges for edge in (low, high)]
    rises = all(low < high for low, high, _ in ranges) and edges == sorted(edges) and all(np.isfinite(edges))
    if not rises or not all(1 <= one <= LEVERAGE_MAX for one in (fixed, *(times for _, _, times in ranges))):
        raise wrong
    return float(fixed), tuple(ranges)


def parse_funding(text: str, market: Market) -> tuple[float | None, tuple[FundingLine, ...]]:
    """Return (rate of every eight hours, none) of a number, or (None, lines) of the file of that name.

    A line of the file is ``TIME RATE [CODE …]``, TIME in ISO 8601 with its zone; ``#`` begins a remark.

    Raises
    ------
    InputError
        ``futures.rate``: neither a number below 0.05 nor a file; ``futures.line``; ``futures.empty``; ``file.unreadable``.
    """
    try:
        rate = float(text)
    except ValueError:
        if not Path(text).is_file():
            raise InputError("futures.rate", value=text, most=RATE_MAX) from None
        return None, parse_funding_lines(read_text(text), market)
    if not abs(rate) <= RATE_MAX:
        raise InputError("futures.rate", value=text, most=RATE_MAX)
    return rate, ()


def parse_funding_lines(text: str, market: Market) -> tuple[FundingLine, ...]:
    """Return the lines of a funding file's text; see `parse_funding`."""
    lines: list[FundingLine] = []
    seen: set[tuple[int, str]] = set()
    for number, raw in enumerate(text.splitlines(), start=1):
        words = raw.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        wrong = InputError("futures.line", line=number, text=raw.strip())
        try:
            moment, rate = dt.datetime.fromisoformat(words[0]), float(words[1])
        except (ValueError, IndexError):
            raise wrong from None
        if moment.tzinfo is None or not abs(rate) <= RATE_MAX:
            raise wrong
        time = int(moment.astimezone(ZoneInfo(market.zone)).strftime("%Y%m%d%H%M%S"))
        keys = {(time, code) for code in words[2:] or ("",)}
        if keys & seen:
            raise wrong
        seen |= keys
        lines.append(FundingLine(time, rate, tuple(words[2:])))
    if not lines:
        raise InputError("futures.empty")
    return tuple(lines)


def terms_of(
    futures: Futures | None,
    codes: Sequence[str],
    row_time: NDArray[np.int64],
    interval_s: int,
    day_range: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Terms:
    """Return what the loop takes: leverage, ranges, tiers, funding times, rates and where those of each symbol begin.

    Parameters
    ----------
    row_time : ndarray of int64, shape (rows,)
        Times are given in its form, and rates of every eight hours on its days.
    day_range : tuple of two ndarray of float64, shape (rows,)
        고가 and 저가.

    Returns
    -------
    tuple
        고가, 저가, (1,) leverage, (n, 3) ranges, (tiers, 2), int64 row times, float64 rates, int64 (symbols + 1) starts.
        Leverage 0: nobody asked for one, every position is paid whole.
    """
    known = Futures(leverage=0.0) if futures is None else futures
    dates = np.unique(np.asarray(row_time) // day_unit(interval_s)).tolist() if known.rate is not None else []
    each = [known.dated(code, dates) if known.has_funding else [] for code in codes]
    flat = [one for lines in each for one in lines]
    scale = 1 if interval_s == 1 else 100
    return (
        *day_range,
        np.array([known.leverage]),
        np.array(known.ranges, dtype=np.float64).reshape(-1, 3),
        np.array(DEFAULT_TIERS, dtype=np.float64),
        np.array([-(-time // scale) for time, _ in flat], dtype=np.int64),
        np.array([rate for _, rate in flat], dtype=np.float64),
        np.concatenate([[0], np.cumsum([len(lines) for lines in each])]).astype(np.int64),
    )

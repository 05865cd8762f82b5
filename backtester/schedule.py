"""When a queued job is due: once, at a time of certain days, and what a day like ``today-30d`` in its words means then."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import InputError

ZONE = "Asia/Seoul"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SETS = {"daily": frozenset(range(7)), "weekdays": frozenset(range(5))}
_TODAY = re.compile(r"today(?:-(\d{1,5})d)?")


@dataclass(frozen=True)
class Schedule:
    """A time of day on certain weekdays of a zone; written ``06:30:00 mon,fri Asia/Seoul``."""

    at: dt.time
    days: frozenset[int]
    zone: str = ZONE

    def text(self) -> str:
        """Return the form that `read` takes."""
        known = next((name for name, days in SETS.items() if days == self.days), None)
        return f"{self.at:%H:%M:%S} {known or ','.join(WEEKDAYS[day] for day in sorted(self.days))} {self.zone}"

    def after(self, now_ns: int) -> int:
        """Return the first due moment later than `now_ns`, both in nanoseconds UTC.

        A time that the zone leaves out (clocks put forward) is taken as the zone reads it, an hour on.
        """
        zone = ZoneInfo(self.zone)
        day = dt.datetime.fromtimestamp(now_ns // 10**9, zone).date() - dt.timedelta(days=1)
        for _ in range(10):
            if day.weekday() in self.days:
                moment = int(dt.datetime.combine(day, self.at, zone).timestamp()) * 10**9
                if moment > now_ns:
                    return moment
            day += dt.timedelta(days=1)
        raise AssertionError("a week has every weekday")


def read(text: str) -> Schedule | None:
    """Return the schedule of its text, None for "" (once)."""
    if not text:
        return None
    at, days, zone = text.split(" ")
    return parse(at, days, zone)


def parse(at: str, on: str = "daily", zone: str = ZONE) -> Schedule:
    """Read what people write.

    Parameters
    ----------
    at : str
        ``HH:MM`` or ``HH:MM:SS``.
    on : str
        ``daily``, ``weekdays``, or weekdays by commas: ``mon,wed``.
    zone : str
        An IANA zone.

    Raises
    ------
    InputError
        ``batch.at``, ``batch.on`` or ``batch.zone``.
    """
    try:
        clock = dt.time.fromisoformat(at)
        if clock.tzinfo is not None or clock.microsecond:
            raise ValueError
    except ValueError:
        raise InputError("batch.at", value=at) from None
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InputError("batch.zone", value=zone) from None
    parts = [part.strip().lower() for part in on.split(",") if part.strip()]
    days: set[int] = set()
    for part in parts:
        if part not in SETS and part not in WEEKDAYS:
            raise InputError("batch.on", value=part, days=", ".join((*SETS, *WEEKDAYS)))
        days |= SETS.get(part) or {WEEKDAYS.index(part)}
    if not days:
        raise InputError("batch.on", value=on, days=", ".join((*SETS, *WEEKDAYS)))
    return Schedule(clock, frozenset(days), zone)


def dated(words: Sequence[str], now_ns: int, zone: str) -> list[str]:
    """Return words with ``today`` and ``today-30d`` written as dates of a zone."""
    today = dt.datetime.fromtimestamp(now_ns // 10**9, ZoneInfo(zone)).date()
    out = []
    for word in words:
        found = _TODAY.fullmatch(word)
        out.append(word if found is None else (today - dt.timedelta(days=int(found.group(1) or 0))).isoformat())
    return out

"""Queued commands and their times as a person reads them. No Qt widgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from ui.text import has, tr, word

ZONE = "Asia/Seoul"
KINDS = {"backtest": "backtest", "verdict": "verdict", "find": "find"}
PLAIN = {"--market": "ui.market", "--interval": "ui.interval", "--source": "ui.source", "--method": "method", "--fill": "ui.fill"}
"""Options whose value says by itself what it is of, with the words of their values."""
NAMED = ("--strategy", "--objective")
"""Options whose value is a name that needs no word before it."""
TEXTS = ("--ranges", "--buy", "--sell", "--order-settings", "--rows-since", "--out", "--html", "--pdf", "--csv")
"""Options whose value is a file."""


def schedule_text(schedule: str) -> str:
    """Return ``06:30:00 weekdays Asia/Seoul`` as words; the zone only where it is not Seoul's. "" is once."""
    if not schedule:
        return tr("ui.batch.once")
    at, days, zone = schedule.split(" ")
    clock = at.removesuffix(":00")
    said = word("ui.days", days) if has(f"ui.days.{days}") else ", ".join(word("ui.day", day) for day in days.split(","))
    if zone == ZONE:
        return tr("ui.schedule", days=said, at=clock)
    return tr("ui.schedule.zone", days=said, at=clock, zone=word("ui.zone", zone))


def command_text(words: Sequence[str]) -> str:
    """Return the words of a command as a person says them: what is done, with which strategy, on what, and how."""
    name, rest = _command(list(words))
    parts = [name]
    place = 0
    while place < len(rest):
        option, equals, value = rest[place].partition("=")
        if option.startswith("--") and not equals and place + 1 < len(rest) and not rest[place + 1].startswith("--"):
            place += 1
            value, equals = rest[place], "="
        parts.append(_part(option, value, bool(equals)))
        place += 1
    return " · ".join(part for part in parts if part)


def _command(words: list[str]) -> tuple[str, list[str]]:
    if not words:
        return "", []
    first = words[0]
    if first == "optimise":
        walks = any(one.startswith("--walk-forward") for one in words)
        return tr("ui.kind.walk" if walks else "ui.kind.search"), words[1:]
    if first in KINDS:
        return tr(f"ui.kind.{KINDS[first]}"), words[1:]
    both = "_".join(words[:2])
    if has(f"ui.command.{both}"):
        return tr(f"ui.command.{both}"), words[2:]
    return (tr(f"ui.command.{first}") if has(f"ui.command.{first}") else first), words[1:]


def _part(option: str, value: str, has_value: bool) -> str:
    if not option.startswith("--"):
        return "" if option == "--" else option
    if has_value and option in PLAIN:
        return word(PLAIN[option], value)
    if has_value and option in NAMED:
        return value
    name = option.lstrip("-")
    label = tr(f"ui.option.{name}") if has(f"ui.option.{name}") else tr(f"option.{name}") if has(f"option.{name}") else name
    if not has_value:
        return label
    return f"{label} {PurePath(value).name if option in TEXTS else value}"

"""What a command takes, as `stom.py forms` tells it, and the words that values in a form become. No Qt."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

OWN = {
    "--data-dir": "ui.form.own.data_dir",
    "--lang": "ui.form.own.lang",
    "--log-level": "ui.form.own.log_level",
    "--json": "ui.form.own.json",
    "--quiet": "ui.form.own.json",
    "--progress": "ui.form.own.json",
}
"""Options that the window gives by itself, each with the sentence why."""


@dataclass(frozen=True)
class Option:
    """One option of a command (`cli/declared.py` says what each field means)."""

    name: str
    dest: str
    kind: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    is_open: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    default: Any = None
    many: bool = False
    repeats: bool = False
    required: bool = False
    positional: bool = False
    const: str | None = None
    to: str = ""
    usual: Mapping[str, Any] = field(default_factory=dict)
    group: int | None = None

    def default_for(self, chosen: str) -> Any:
        """Return the default where the option it belongs to is `chosen`."""
        return self.usual.get(chosen, self.default) if self.usual else self.default

    def fits(self, chosen: str) -> bool:
        """Tell whether the option means something where the option it belongs to is `chosen`."""
        return not self.to or chosen in self.usual

    def read(self, text: str) -> int | float | None:
        """Return the number a text says; None when it is none, or out of bounds."""
        try:
            value = int(text) if self.kind == "int" else float(text)
        except ValueError:
            return None
        low = float("-inf") if self.low is None else self.low
        high = float("inf") if self.high is None else self.high
        return value if low <= value <= high and not (self.low_open and value == low) else None


Forms = Mapping[str, tuple[Option, ...]]


def decode(body: Mapping[str, Any]) -> dict[str, tuple[Option, ...]]:
    """Return the options by command of what ``forms --json`` printed; fields that are not known here are left out."""
    known = {one.name for one in fields(Option)}

    def one(told: Mapping[str, Any]) -> Option:
        kept = {key: value for key, value in told.items() if key in known}
        return Option(**{**kept, "choices": tuple(kept.get("choices", ()))})

    return {path: tuple(one(told) for told in options) for path, options in body["forms"].items()}


def words(path: str, options: tuple[Option, ...], values: Mapping[str, Any]) -> list[str]:
    """Return the words after ``stom.py`` for a command with values from a form.

    Parameters
    ----------
    path : str
        Command and action, ``data make``.
    values : mapping
        By option name: True for a flag, text, or a list of texts; None, False, "" and an empty list say nothing.
    """
    out, last = path.split(), []
    for one in options:
        value = values.get(one.name)
        if value is None or value is False or value == "" or value == []:
            continue
        if one.positional:
            last += value if isinstance(value, list) else [value]
        elif value is True:
            out.append(one.name)
        else:
            # With the sign of equality a value that begins with a dash stays a value.
            out += [f"{one.name}={text}" for text in (value if isinstance(value, list) else [value])]
    return [*out, *(["--", *last] if any(text.startswith("-") for text in last) else last)]


def split_many(text: str) -> list[str]:
    """Return the values of a field that takes several: words apart, quotes keep one together."""
    try:
        return shlex.split(text, posix=True)
    except ValueError:  # a quote that is not closed yet
        return text.split()

"""What a start means before it is started: how many sets, how many evaluations, and about how long by what was measured last."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backtester.optimisers import Space, entries, make, optimiser
from backtester.ranges import parse_ranges
from domain.errors import StomError
from ui.research.session import Task

DATA = ("--market", "--interval", "--source", "--from", "--to", "--symbols")
"""Options that say how many rows a command goes over."""
KEPT = 500


@dataclass(frozen=True)
class Size:
    """How much a search is.

    Parameters
    ----------
    sets : int
        Combinations of the ranges; 0 where there are none (condition lines).
    evaluations : int
        That the method means to ask for, at most.
    """

    sets: int = 0
    evaluations: int = 1


def size_of(values: Mapping[str, Any], text: str, method: str, form: str, usual: Mapping[str, Any]) -> Size | None:
    """Return how much a search means; None while there are no ranges, or an option cannot be read.

    Parameters
    ----------
    values : mapping
        Of the form, by option.
    text, form : str
        Range text and how it is read; "" is the method's own.
    usual : mapping
        Values of the method's options that the settings say, by name.

    Raises
    ------
    InputError
        The ranges are written and cannot be meant: reversed, empty, or no ranges at all (`parse_ranges`).
    """
    kind = optimiser(method)
    if kind.form == "lines" or not text.strip():
        return None
    ranges = parse_ranges(text, form or kind.form)
    try:
        given = dict(usual)
        for one in entries(kind.Options):
            value = values.get("--" + one.name.replace("_", "-"))
            if value is not None:
                given[one.name] = value if one.kind in (str, bool) else one.kind(value)
        length = max(ranges) + 1
        lists = tuple(ranges[k].values if k in ranges else (0.0,) for k in range(length))
        best = []
        for k, values_of in enumerate(lists):
            own = ranges[k].best if k in ranges else 0.0
            best.append(values_of.index(own) if own in values_of else -1)
        space = Space(lists, tuple(best))
        known = {one.name for one in entries(kind.Options)}
        given = {name: value for name, value in given.items() if name in known}
        total = make(method, space, given).total if space.count < 10**9 or kind.form == "list" else space.count
        most = int(given.get("trials") or 0)
        return Size(space.count, min(total, most) if most else total)
    except (StomError, ValueError, OverflowError):
        return None


class Paces:
    """Seconds that commands took, by command and data, in one small file of the caches.

    A search keeps three figures: seconds before and after it, seconds an evaluation, and how many windows it had.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "cache" / "paces.json"

    def _read(self) -> dict[str, list[float]]:
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def learn(self, task: Task) -> None:
        """Take what a finished command measured."""
        result = task.result
        # What a person waits for: the start of the command is part of it.
        wall = task.seconds or float(result.get("wall_seconds") or 0.0)
        each = 0.0
        computed = int(result.get("evaluations") or 0) - int(result.get("cached") or 0)
        if task.path == "optimise" and computed <= 0:
            return  # answered from the store: nothing was measured
        if computed > 0:
            each = float(result.get("search_seconds") or 0.0) / computed
            wall = max(wall - float(result.get("search_seconds") or 0.0), 0.0)
        times = float(len((result.get("walk_forward") or {}).get("windows", ())) or 1)
        kept = self._read()
        for key in _keys(task.path, task.values):
            kept.pop(key, None)
            kept[key] = [wall, each, times]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".tmp")
        new.write_text(json.dumps(dict(list(kept.items())[-KEPT:])), "utf-8")
        os.replace(new, self.path)

    def seconds(self, path: str, values: Mapping[str, Any], evaluations: int) -> tuple[float, bool] | None:
        """Return about how long a command takes, and whether it was measured on just this data; None when it never was."""
        kept = self._read()
        for place, key in enumerate(_keys(path, values)):
            if key in kept:
                wall, each, times = kept[key]
                return wall + each * times * (evaluations if path == "optimise" else 0), place == 0
        return None


def _keys(path: str, values: Mapping[str, Any]) -> list[str]:
    """Return the key of command and data, then that of the command on the same market and interval."""
    exact = "|".join(f"{name}={values.get(name) or ''}" for name in (*DATA, "--strategy", "subject", "number"))
    walks = values.get("--walk-forward") or ""
    return [f"{path}|{walks}|{exact}", f"{path}|{walks}|{values.get('--market') or ''}|{values.get('--interval') or ''}"]

"""What a person asks of the research tab, and the command line it becomes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from domain.errors import InputError

BACKTEST = "backtest"
FILLS = ("sweep", "last")
FORMS = ("grid", "list")
"""How a range text is written: [start, stop, step], or a list of values (GA)."""
LINES = "lines"
"""What a method searches that takes condition lists instead of a range text."""
_HEADS = {"매수": "buy", "buy": "buy", "매도": "sell", "sell": "sell"}


@dataclass(frozen=True)
class ResearchRequest:
    """One run; empty fields take the command's defaults."""

    kind: str  # BACKTEST, or a method of `backtester.optimisers`
    market: str
    interval: str
    strategy: str
    from_day: str = ""
    to_day: str = ""
    symbols: str = ""
    source: str = ""
    betting: float = 0.0
    fees: str = ""
    fill: str = "sweep"
    latency: int = 0
    objective: str = "TG"
    ranges_file: str = ""
    ranges_form: str = "grid"
    lines_files: tuple[str, str] | None = None
    options: tuple[tuple[str, Any], ...] = ()
    extra: tuple[str, ...] = field(default=())

    def arguments(self, data_dir: str, language: str) -> list[str]:
        """Return the words after ``stom.py``."""
        out = ["backtest"] if self.kind == BACKTEST else ["optimise", "--method", self.kind]
        out += ["--market", self.market, "--interval", self.interval]
        if self.lines_files is None:
            out += ["--strategy", self.strategy]
        else:
            out += ["--buy", self.lines_files[0], "--sell", self.lines_files[1]]
        for name, value in (("--from", self.from_day), ("--to", self.to_day), ("--source", self.source), ("--fees", self.fees)):
            if value:
                out += [name, value]
        if self.symbols.strip():
            out += ["--symbols", ",".join(word for word in re.split(r"[\s,]+", self.symbols.strip()) if word)]
        if self.betting > 0:
            out += ["--betting", f"{self.betting:.10g}"]
        out += ["--fill", self.fill, "--latency", str(self.latency)]
        if self.kind != BACKTEST:
            out += ["--objective", self.objective]
            if self.lines_files is None:
                out += ["--ranges", self.ranges_file, "--ranges-form", self.ranges_form]
            for name, value in self.options:
                word = "--" + name.replace("_", "-")
                if isinstance(value, bool):
                    out += [word] if value else []
                else:
                    out += [word, f"{value:.10g}" if isinstance(value, float) else str(value)]
        return [*out, *self.extra, "--data-dir", data_dir, "--lang", language, "--json", "--progress", "json"]


def propose_ranges(variables: tuple[float, ...], used: tuple[int, ...]) -> str:
    """Return a range text around the values of a strategy: five steps each, its own value as best."""
    lines = []
    for index in used:
        value = variables[index] if index < len(variables) else 0.0
        step = max(abs(value) * 0.2, 1.0) if float(value).is_integer() else round(max(abs(value) * 0.2, 0.01), 2)
        if float(value).is_integer():
            step = float(round(step))
        low, high = value - 2 * step, value + 2 * step
        if value > 0:
            low = max(low, step)
        lines.append(f"self.vars[{index}] = [[{low:g}, {high:g}, {step:g}], {value:g}]")
    return "\n".join(lines)


def grid_size(text: str, form: str) -> int:
    """Return how many sets a range text has; InputError names the bad line."""
    from backtester.ranges import parse_ranges

    return math.prod(len(one.values) for one in parse_ranges(text, form).values())


def split_lines(text: str) -> tuple[str, str]:
    """Return the buy and the sell list of a text with the headings ``# 매수`` and ``# 매도`` (``# buy``, ``# sell``).

    Raises
    ------
    InputError
        ``ui.research.no_lists`` when a heading is missing.
    """
    lists: dict[str, list[str]] = {}
    now = ""
    for line in text.splitlines():
        found = _HEADS.get(line.strip().lstrip("# ").lower()) if line.strip().startswith("#") else None
        if found is not None:
            now = found
            lists.setdefault(now, [])
        elif now:
            lists[now].append(line)
    if len(lists) < 2:
        raise InputError("ui.research.no_lists")
    return "\n".join(lists["buy"]) + "\n", "\n".join(lists["sell"]) + "\n"

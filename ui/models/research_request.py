"""What a person asks of the research tab, and the command line it becomes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

OBJECTIVES = ("TG", "TP", "TPI", "CAGR", "GM", "PM", "G2M", "P2M", "GAM", "PAM", "GWM", "PWM", "GTM", "PTM")
FILLS = ("sweep", "last")
FORMS = ("grid", "list")
"""How a range text is written: [start, stop, step], or a list of values (GA)."""


@dataclass(frozen=True)
class ResearchRequest:
    """One run; empty fields take the command's defaults."""

    kind: str  # backtest, grid, ga
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
    population: int = 0
    generations: int = 0
    seed: int = 1
    extra: tuple[str, ...] = field(default=())

    def arguments(self, data_dir: str, language: str) -> list[str]:
        """Return the words after ``stom.py``."""
        out = ["backtest"] if self.kind == "backtest" else ["optimise", "--method", self.kind]
        out += ["--market", self.market, "--interval", self.interval, "--strategy", self.strategy]
        for name, value in (("--from", self.from_day), ("--to", self.to_day), ("--source", self.source), ("--fees", self.fees)):
            if value:
                out += [name, value]
        if self.symbols.strip():
            out += ["--symbols", ",".join(word for word in re.split(r"[\s,]+", self.symbols.strip()) if word)]
        if self.betting > 0:
            out += ["--betting", f"{self.betting:.10g}"]
        out += ["--fill", self.fill, "--latency", str(self.latency)]
        if self.kind != "backtest":
            out += ["--objective", self.objective, "--ranges", self.ranges_file, "--seed", str(self.seed)]
        if self.kind == "ga":
            out += ["--population", str(self.population), "--generations", str(self.generations)]
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


def as_lists(text: str) -> str:
    """Return a [start, stop, step] range text as the value lists a GA takes; InputError names the bad line."""
    from backtester.ranges import parse_ranges

    lines = []
    for one in parse_ranges(text, "grid").values():
        values = ", ".join(f"{value:g}" for value in one.values)
        lines.append(f"self.vars[{one.index}] = [[{values}], {one.best:g}]")
    return "\n".join(lines)


def grid_size(text: str) -> int:
    """Return how many sets a grid over a range text has; InputError names the bad line."""
    from backtester.ranges import parse_ranges

    return math.prod(len(one.values) for one in parse_ranges(text, "grid").values())

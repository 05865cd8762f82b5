"""What the kill rig must show: the table by role, and the bars it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

ROLES = ("receiver", "strategy", "trader")


@dataclass(frozen=True)
class Bars:
    """What a run has to reach; each is a line of the report when it does not."""

    ready_p50_s: float = 4.0
    ready_p99_s: float = 10.0
    orders_per_intent: int = 1
    moments: float = 2.0 / 3.0
    """Share of the trader's kills with an order at work on the book and another in doubt."""
    fills_per_kill: float = 1.0
    """Idle processes would prove nothing."""


@dataclass
class Kill:
    """One kill and the way back.

    Parameters
    ----------
    killed_s : float
        Machine time of the signal.
    at_work, in_doubt : int
        Orders of the ledger when it was sent.
    ready_s : float
        Seconds until the process said Ready; infinite when it never did.
    cpu_s : float
        Processor seconds of the new process until then.
    stages : list of (name, seconds, processor seconds)
        Each since the one before; the first begins with the kill.
    """

    role: str
    killed_s: float
    at_work: int = 0
    in_doubt: int = 0
    ready_s: float = float("inf")
    cpu_s: float = 0.0
    stages: list[tuple[str, float, float]] = field(default_factory=list)

    def back(self, died_s: float, started_s: float, ready_s: float, stamps: Sequence[Sequence[Any]]) -> None:
        """Note that it is ready again: found dead, started, and what it stamped itself."""
        self.ready_s = ready_s - self.killed_s
        way = [("noticed", died_s, 0.0), ("started", started_s, 0.0), *((str(name), float(at), float(cpu)) for name, at, cpu in stamps)]
        at_before, cpu_before = self.killed_s, 0.0
        for name, at, cpu in [*way, ("heard", ready_s, float(stamps[-1][2]) if stamps else 0.0)]:
            self.stages.append((name, at - at_before, cpu - cpu_before))
            at_before, cpu_before = at, cpu
        self.cpu_s = cpu_before


def share(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of the values lie (nearest rank, so p99 of thirty is the greatest)."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else float("inf")


def table(kills: Sequence[Kill]) -> dict[str, Any]:
    """Return the figures by role: ready times, processor time, moments, and the median of each stage."""
    out: dict[str, Any] = {}
    for role in ROLES:
        mine = [kill for kill in kills if kill.role == role]
        if not mine:
            continue
        names = list(dict.fromkeys(name for kill in mine for name, _, _ in kill.stages))
        out[role] = {
            "kills": len(mine),
            "ready_p50_s": round(share([kill.ready_s for kill in mine], 0.5), 2),
            "ready_p99_s": round(share([kill.ready_s for kill in mine], 0.99), 2),
            "cpu_p50_s": round(share([kill.cpu_s for kill in mine], 0.5), 2),
            "at_work": sum(kill.at_work > 0 for kill in mine),
            "in_doubt": sum(kill.in_doubt > 0 for kill in mine),
            "both": sum(kill.at_work > 0 and kill.in_doubt > 0 for kill in mine),
            "stages": {name: _stage(mine, name) for name in names},
        }
    return out


def _stage(kills: Sequence[Kill], wanted: str) -> tuple[float, float]:
    """Return the medians of seconds and processor seconds of a stage."""
    found = [(seconds, cpu) for kill in kills for name, seconds, cpu in kill.stages if name == wanted]
    return round(share([one[0] for one in found], 0.5), 3), round(share([one[1] for one in found], 0.5), 3)


def missed(kills: Sequence[Kill], asked: int, found: dict[str, Any], bars: Bars) -> list[str]:
    """Return a line for each bar that was not reached.

    Parameters
    ----------
    kills : sequence of Kill
    asked : int
        Kills of each role.
    found : dict
        ``orders_per_intent_max``, ``venue_fills``, ``problems``, ``settled``, ``alarms``, ``faults_fired``.
    bars : Bars
    """
    out = [line for role in ROLES for line in _missed_times(role, [kill.ready_s for kill in kills if kill.role == role], asked, bars)]
    out += _missed_moments([kill for kill in kills if kill.role == "trader"], asked, bars)
    if found["orders_per_intent_max"] > bars.orders_per_intent:
        out.append(f"venue orders of one intent: {found['orders_per_intent_max']}, bar {bars.orders_per_intent}")
    if found["venue_fills"] < bars.fills_per_kill * len(kills):
        out.append(f"fills at the venue: {found['venue_fills']}, bar {bars.fills_per_kill * len(kills):g}")
    out += [f"ledger and truth differ: {problem}" for problem in found["problems"]]
    if not found["settled"]:
        out.append("something stayed open or in doubt after the faults were lifted")
    if found["alarms"].get("process.crash_loop"):
        out.append("the crash-loop halt came, which this rig raises")
    out += [f"no fault fired: {name}" for name, count in found["faults_fired"].items() if not count]
    return out if found["faults_fired"] else [*out, "no fault was armed"]


def _missed_times(role: str, times: list[float], asked: int, bars: Bars) -> list[str]:
    out = [] if len(times) == asked else [f"{role}: killed {len(times)} times, not {asked}"]
    if float("inf") in times:
        out.append(f"{role}: never ready again after {times.count(float('inf'))} of its kills")
    for name, part, bar in (("p50", 0.5, bars.ready_p50_s), ("p99", 0.99, bars.ready_p99_s)):
        if times and share(times, part) > bar:
            out.append(f"{role}: ready {name} {share(times, part):.2f} s, bar {bar:g} s")
    return out


def _missed_moments(kills: list[Kill], asked: int, bars: Bars) -> list[str]:
    least = bars.moments * asked
    counts = {
        "an order at work": sum(kill.at_work > 0 for kill in kills),
        "an order in doubt": sum(kill.in_doubt > 0 for kill in kills),
        "both at once": sum(kill.at_work > 0 and kill.in_doubt > 0 for kill in kills),
    }
    return [f"trader: {count} kills with {name}, bar {least:g} of {asked}" for name, count in counts.items() if count < least]


def lines(found: dict[str, Any]) -> list[str]:
    """Return a run's report as lines of text."""
    load, out = found["load"], []
    out.append(f"{found['market']}, seed {found['seed']}, load average {load['mean']} (greatest {load['max']})")
    out.append(f"{'role':10}{'kills':>6}{'p50 s':>8}{'p99 s':>8}{'cpu s':>8}{'at work':>9}{'in doubt':>10}{'both':>6}")
    for role, row in found["table"].items():
        out.append(
            f"{role:10}{row['kills']:6}{row['ready_p50_s']:8.2f}{row['ready_p99_s']:8.2f}{row['cpu_p50_s']:8.2f}"
            f"{row['at_work']:9}{row['in_doubt']:10}{row['both']:6}"
        )
    out.append("stages, median seconds (processor seconds):")
    for role, row in found["table"].items():
        stages = (f"{name} {seconds:.2f} ({cpu:.2f})" for name, (seconds, cpu) in row["stages"].items())
        out.append(f"  {role}: " + ", ".join(stages))
    out.append(f"venue orders {found['venue_orders']}, fills {found['venue_fills']}, most of one intent {found['orders_per_intent_max']}")
    out.append("faults fired: " + ", ".join(f"{name} {count}" for name, count in found["faults_fired"].items()))
    out += [f"MISSED {line}" for line in found["missed"]] or ["every bar was reached"]
    return out

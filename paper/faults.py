"""Fault rules of the paper exchange: what goes wrong, where, how often; and how often it did.

A rule names a place, an optional match, an action with parameters, a probability, a count and a seed.
The same rules with the same traffic fire in the same places. Nothing here has a socket: the server
asks which rule fires and carries it out.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from domain.errors import InputError

PLACES: dict[str, frozenset[str]] = {
    "request": frozenset(
        {"drop", "delay", "status", "refuse", "disconnect", "late_accept", "rate_limit", "ban", "clock_offset", "maintenance"}
    ),
    "response": frozenset(
        {"drop", "delay", "status", "truncate", "garbage", "accept_then_timeout", "accept_then_error", "hide_order", "disconnect"}
    ),
    "public": frozenset({"drop", "delay", "duplicate", "reorder", "alter", "garbage", "disconnect", "half_open"}),
    "private": frozenset({"drop", "delay", "duplicate", "reorder", "alter", "garbage", "disconnect", "half_open"}),
    "connect": frozenset({"refuse", "delay", "disconnect"}),
}
"""Place → actions that make sense there."""


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule.

    Parameters
    ----------
    where : str
        request, response, public, private (stream messages) or connect (upgrades).
    match : dict
        `method`, `path` (prefix) and `contains` (text in query, body or frame); all must hold.
    params : dict
        `ms` (delay, hold, hide), `status`, `body`, `find` and `replace`, `retry_after_s`.
    count : int
        How often it may fire; 0 = without end.
    """

    where: str
    action: str
    match: dict[str, str] = {}
    params: dict[str, Any] = {}
    probability: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0
    count: Annotated[int, Meta(ge=0)] = 0
    seed: int = 1


class _Armed:
    def __init__(self, number: int, rule: FaultRule) -> None:
        self.number = number
        self.rule = rule
        self.random = random.Random(rule.seed)
        self.seen = 0
        self.fired = 0

    def fires(self, subject: dict[str, str]) -> bool:
        rule = self.rule
        if rule.count and self.fired >= rule.count:
            return False
        for name, wanted in rule.match.items():
            text = subject.get(name, "")
            if not (text.startswith(wanted) if name == "path" else wanted in text if name == "contains" else text == wanted):
                return False
        self.seen += 1
        if rule.probability < 1.0 and self.random.random() >= rule.probability:
            return False
        self.fired += 1
        return True


class Faults:
    """The armed rules; the first one that fires at a place wins."""

    def __init__(self, rules: list[FaultRule] | None = None) -> None:
        self._armed: list[_Armed] = []
        self._next = 1
        for rule in rules or []:
            self.add(rule)

    def add(self, rule: FaultRule) -> int:
        """Arm a rule and return its number; InputError when the action does not exist at that place."""
        if rule.action not in PLACES.get(rule.where, frozenset()):
            raise InputError("exchange.fault_unknown", where=rule.where, action=rule.action)
        if set(rule.match) - {"method", "path", "contains"}:
            raise InputError("exchange.fault_match", names=", ".join(sorted(set(rule.match) - {"method", "path", "contains"})))
        self._armed.append(_Armed(self._next, rule))
        self._next += 1
        return self._next - 1

    def clear(self, number: int | None = None) -> None:
        """Disarm one rule, or all."""
        self._armed = [armed for armed in self._armed if number is not None and armed.number != number]

    def pick(self, where: str, *, method: str = "", path: str = "", contains: str = "") -> FaultRule | None:
        """Return the rule that fires on this subject, None for none."""
        if not self._armed:
            return None
        subject = {"method": method, "path": path, "contains": contains}
        for armed in self._armed:
            if armed.rule.where == where and armed.fires(subject):
                return armed.rule
        return None

    def any_at(self, where: str) -> bool:
        """Tell whether a rule waits at a place."""
        return any(armed.rule.where == where for armed in self._armed)

    def listing(self) -> list[dict[str, Any]]:
        """Return all rules with how often they were asked and fired."""
        return [{"id": armed.number, **msgspec.to_builtins(armed.rule), "seen": armed.seen, "fired": armed.fired} for armed in self._armed]


def read_rules(path: Path) -> list[FaultRule]:
    """Return the rules of a JSON file: a list, or an object with `rules`.

    Raises
    ------
    InputError
        The file cannot be read, or is no list of rules; the message names the field.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("exchange.faults_unreadable", path=str(path), reason=error.strerror or "") from error
    return parse_rules(data, str(path))


def parse_rules(data: bytes, origin: str) -> list[FaultRule]:
    """Return the rules of JSON text; InputError names where it is wrong."""
    try:
        raw = msgspec.json.decode(data)
        if isinstance(raw, dict):
            raw = raw.get("rules", [raw])
        rules = msgspec.convert(raw, list[FaultRule])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError("exchange.faults_damaged", path=origin, reason=str(error)) from None
    checker = Faults()
    for rule in rules:
        checker.add(rule)
    return rules

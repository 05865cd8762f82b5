"""What has to be in order before a person may arm (reliability P32): local things first, then the venue's own word.

Nothing here decides alone: each check says what it found, and `passes` whether all that must hold does.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import msgspec

from domain.arming import SKEW_MS_MAX, KeyFacts
from domain.errors import DataError, StomError
from domain.ports import Clock, Credentials, Venue
from domain.process_config import LiveOptions
from domain.settings import Processes, Risk, Settings
from storage.ledger import ledger_path
from trading.kill_switch import NONE, latch_path, read_latch
from trading.ledger_check import verify_account
from trading.venues import market as find_market
from utility.hosts import is_loopback
from utility.paths import DataDir

DISK_MIN = 2 << 30
DAY_NS = 86_400 * 1_000_000_000


@dataclass(frozen=True)
class Check:
    """One line of the preflight: ``arm.check.<name>`` says it with `fields`; `ok` None = nobody can tell, the person must know."""

    name: str
    ok: bool | None
    fields: dict[str, Any] = field(default_factory=dict)


def passes(checks: list[Check]) -> bool:
    """Tell whether nothing failed."""
    return all(check.ok is not False for check in checks)


def local_checks(data: DataDir, settings: Settings, venue: Venue, options: LiveOptions) -> list[Check]:
    """Return the checks that need no key: disk, addresses, settings, no switch of the paper exchange."""
    hosts = [urlsplit(url) for url in (venue.live.rest, venue.live.ws_public, venue.live.ws_private)]
    names = sorted({parts.hostname or "" for parts in hosts})
    is_real = not venue.live.is_paper and all(parts.scheme in ("https", "wss") and _is_remote(parts.hostname or "") for parts in hosts)
    strange = paper_switches(options)
    return [
        _disk(data),
        Check("hosts", is_real, {"hosts": ", ".join(names)}),
        Check("paper_only", not strange, {"names": ", ".join(strange) or "–"}),
        Check("strategy", options.strategy is not None, {"name": "–" if options.strategy is None else options.strategy.name}),
        *settings_checks(settings),
    ]


def _disk(data: DataDir) -> Check:
    try:
        data.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data.root) as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(data.root).free
    except OSError as error:
        return Check("writable", False, {"path": str(data.root), "reason": error.strerror or str(error)})
    return Check("disk", free >= DISK_MIN, {"free_gb": round(free / 1e9, 1), "least_gb": round(DISK_MIN / 1e9, 1)})


def _is_remote(host: str) -> bool:
    if not host or is_loopback(host):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host
    return False  # a venue is called by its name: TLS proves nothing about a bare number


def paper_switches(options: LiveOptions) -> list[str]:
    """Return what was asked for that only a paper exchange can do (reliability 9)."""
    found = {
        "--replay": options.replay is not None,
        "--faults": bool(options.faults),
        "--cash": options.cash != 0.0,
        "--seed": options.seed != 0,
        "--rate-factor": options.rate_factor != 1.0,
        "--settle": options.settle_window_s != 0.0,
    }
    return [name for name, is_set in found.items() if is_set]


def settings_checks(settings: Settings) -> list[Check]:
    """Return whether the limits fit together, and which of them are looser than those the product ships with."""
    risk = settings.risk
    ordered = risk.max_order_pct <= risk.max_position_pct <= risk.max_gross_pct <= 100.0
    losses = risk.day_loss_reduce_pct <= risk.day_loss_halt_pct
    rig = settings.processes.restarts_per_10min > Processes().restarts_per_10min
    return [
        Check("limits", ordered and losses, _limits(risk)),
        Check("restarts", not rig, {"value": settings.processes.restarts_per_10min, "most": Processes().restarts_per_10min}),
        Check("looser", None if (names := looser(risk)) else True, {"names": ", ".join(names) or "–"}),
    ]


def _limits(risk: Risk) -> dict[str, Any]:
    names = ("max_order_pct", "max_position_pct", "max_gross_pct", "day_loss_reduce_pct", "day_loss_halt_pct")
    return {name: getattr(risk, name) for name in names}


def looser(risk: Risk) -> list[str]:
    """Return the limits that let more through than the defaults do, as ``name value (default)``."""
    shipped = msgspec.structs.asdict(Risk())
    found = []
    for name, default in shipped.items():
        value = getattr(risk, name)
        # 0 stands for the market's own value, which is the default of both that may be 0.
        if value > default and (default or value):
            found.append(f"risk.{name} {value:g} ({default:g})")
    return found


def account_name(venue: str, facts: KeyFacts, credentials: Credentials) -> str:
    """Return the account's id: the venue and the last four characters of what names it there."""
    return f"{venue}-{last_four(facts, credentials).lower()}"


def last_four(facts: KeyFacts, credentials: Credentials) -> str:
    """Return what a person has to type: the end of the account's number, or of the key where the venue has no numbers."""
    return (facts.account or credentials.key())[-4:].rjust(4, "0")


def inspect(venue: Venue, credentials: Credentials, clock: Clock) -> KeyFacts:
    """Ask the venue about a key: signed reads, no order; the one signed question that needs no arming.

    Raises
    ------
    StomError
        ``arm.cannot_ask`` for a venue whose adapter has no such question; what the venue or the network refused.
    """
    ask: Callable[..., KeyFacts] | None = venue.inspect
    if ask is None:
        raise StomError("arm.cannot_ask", venue=venue.code)
    return ask(venue.live, credentials, clock)


def key_checks(facts: KeyFacts, utc_ns: int) -> list[Check]:
    """Return what the venue says of the key, judged."""
    lasts = not facts.expires_ns or facts.expires_ns > utc_ns
    days = (facts.expires_ns - utc_ns) // DAY_NS if facts.expires_ns else None
    return [
        Check("trade", facts.can_trade),
        Check("withdraw", None if facts.can_withdraw is None else not facts.can_withdraw),
        Check("key_life", lasts if facts.expires_ns else None, {"days": "–" if days is None else days}),
        Check("ip", True if facts.ip_bound else None),
        Check("clock", abs(facts.skew_ms) <= SKEW_MS_MAX, {"skew_ms": round(facts.skew_ms), "most_ms": round(SKEW_MS_MAX)}),
    ]


def account_checks(data: DataDir, account: str, market_code: str) -> list[Check]:
    """Return whether the account's ledger follows from itself and its kill switch is not pulled."""
    folder = data.account(account)
    latch = read_latch(latch_path(folder))
    pulled = latch is not None and latch.level != NONE
    checks = [Check("latch", not pulled, {"level": "–" if latch is None else latch.level, "path": str(latch_path(folder))})]
    if not ledger_path(folder).exists():
        return [*checks, Check("ledger", True, {"problems": 0, "path": str(ledger_path(folder))})]
    try:
        problems = len(verify_account(folder, find_market(market_code)))
    except DataError:
        problems = 1
    return [*checks, Check("ledger", problems == 0, {"problems": problems, "path": str(ledger_path(folder))})]


def cash_of(facts: KeyFacts, currency: str) -> Decimal:
    """Return the free amount of a currency."""
    return sum((one.free for one in facts.balances if one.asset == currency), Decimal(0))

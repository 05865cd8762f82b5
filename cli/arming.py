"""Arming from the command line: deliberate, on a terminal, narrow, and only when everything is in order (P32).

A person sees what would be traded, with which key on which account, under which limits and until when, and
types the end of the account's number. Nothing else arms: no environment, no file, no pipe, no replay.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hmac
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from cli import terminal
from cli.output import language
from domain.arming import KeyFacts
from domain.errors import InputError, RefusedError, StomError
from domain.instruments import NS
from domain.order_settings import titles
from domain.ports import Credentials, Venue
from domain.process_config import LiveOptions
from domain.settings import Settings
from trading import arming, preflight
from trading.preflight import Check
from trading.ruling import OVERRULE_LEAST, Ruling, ruling_of
from trading.venues import market as find_market
from trading.venues import venue as find_venue
from utility.clock import SystemClock
from utility.order_settings_file import changed
from utility.paths import DataDir
from utility.secrets import Vault
from utility.text import sentence

TRIES = 3


def check_person(codes: Sequence[str]) -> None:
    """Refuse unless a person sits at a terminal and means one market.

    Raises
    ------
    RefusedError
        ``arm.no_terminal``, ``arm.one_market``.
    """
    if not terminal.is_there():
        raise RefusedError("arm.no_terminal")
    if len(codes) != 1:
        raise RefusedError("arm.one_market")


def confirm(args: argparse.Namespace, options: LiveOptions, data: DataDir, settings: Settings) -> arming.Grant:
    """Run the preflight, show what would be traded, ask, and return the grant.

    Raises
    ------
    RefusedError
        ``arm.failed`` (with the checks that did), ``arm.venue``, ``arm.no_verdict``, ``arm.wrong_number``, and what the vault says.
        Nothing was started.
    """
    tongue, clock = language(args), SystemClock()
    venue = find_venue(settings.market(options.market).venue)
    _say(sentence("arm.head", tongue, venue=venue.code, market=options.market))
    _report(preflight.local_checks(data, settings, venue, options), tongue)
    credentials = _keys(data, venue, tongue)
    try:
        facts = preflight.inspect(venue, credentials, clock)
    except RefusedError:
        raise
    except StomError as error:
        raise RefusedError("arm.venue", venue=venue.code, cause=sentence(error.code, tongue, **error.fields)) from error
    account = preflight.account_name(venue.code, facts, credentials)
    _report([*preflight.key_checks(facts, clock.utc_ns()), *preflight.account_checks(data, account, options.market)], tongue)
    market = find_market(options.market)
    ruling = _ruled(ruling_of(data, options, market), tongue)
    grant = arming.grant(account, credentials, options, settings, market, ruling, clock.utc_ns(), clock.mono_ns())
    _show(venue, facts, grant, options, settings, tongue)
    wanted = preflight.last_four(facts, credentials)
    typed = terminal.ask(sentence("arm.type_account" if facts.account else "arm.type_key", tongue, venue=venue.code))
    if not hmac.compare_digest(typed.encode(), wanted.encode()):
        raise RefusedError("arm.wrong_number")
    _say(sentence("arm.armed", tongue, account=account, until=_when(grant.expires_ns, options.market)))
    return grant


def _ruled(ruling: Ruling, tongue: str) -> Ruling:
    """Show what the court said of the rule; where it did not pass, ask for the sentence that overrules it (`arming.grant` wants one)."""
    _say(sentence(f"arm.verdict_{ruling.result or 'none'}", tongue, number=ruling.number, said=ruling.said.get(tongue, "")))
    if ruling.passes:
        return ruling
    return replace(ruling, overrule=terminal.ask(sentence("arm.overrule", tongue, least=OVERRULE_LEAST)).strip())


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _report(checks: list[Check], tongue: str) -> None:
    """Print each check; refuse when one failed, naming all that did."""
    for check in checks:
        mark = sentence({True: "arm.ok", False: "arm.bad", None: "arm.unknown"}[check.ok], tongue)
        _say(f"  {mark}  {_words(check, tongue)}")
    if not preflight.passes(checks):
        failed = [_words(check, tongue) for check in checks if check.ok is False]
        names = ", ".join(check.name for check in checks if check.ok is False)
        raise RefusedError("arm.failed", checks=" / ".join(failed), names=names)


def _words(check: Check, tongue: str) -> str:
    state = {True: "ok", False: "bad", None: "unknown"}[check.ok]
    return sentence(f"arm.check.{check.name}.{state}", tongue, **check.fields)


def _keys(data: DataDir, venue: Venue, tongue: str) -> Credentials:
    """Return the venue's key pair from the vault; the password is typed, never taken from anywhere else."""
    vault = Vault(data.vault)
    if not vault.exists():
        raise RefusedError("arm.no_vault", venue=venue.code)
    for left in range(TRIES - 1, -1, -1):
        try:
            pairs = vault.load(terminal.ask_secret(sentence("vault.password", tongue)))
            break
        except InputError as error:
            if not left:
                raise RefusedError(error.code, **error.fields) from error
            _say(sentence(error.code, tongue, **error.fields))
            time.sleep(1.0)  # the vault itself waits longer each time
    if venue.code not in pairs:
        raise RefusedError("arm.no_key", venue=venue.code, known=", ".join(sorted(pairs)) or "–")
    return pairs[venue.code]


def _show(venue: Venue, facts: KeyFacts, grant: arming.Grant, options: LiveOptions, settings: Settings, tongue: str) -> None:
    """Print what would be traded."""
    market, risk, strategy, own = find_market(options.market), settings.risk, options.strategy, settings.market(options.market).strategy
    assert strategy is not None
    largest = risk.max_order_krw if market.currency == "KRW" else risk.max_order_usdt
    fields = {
        "venue": venue.code,
        "host": venue.live.rest.split("://", 1)[-1].split("/", 1)[0],
        "account": grant.account,
        "cash": f"{preflight.cash_of(facts, market.currency):,.2f}",
        "currency": market.currency,
        "strategy": strategy.name,
        "version": strategy.version,
        "interval": f"{options.interval_s}s" if options.interval_s < 60 else "1m",
        "symbols": ", ".join(options.codes) or sentence("arm.first_symbols", tongue, count=settings.market(options.market).symbols),
        "betting": f"{strategy.betting:,.2f}",
        "positions": own.max_positions,
        "order_pct": f"{risk.max_order_pct:g}",
        "order_amount": f"{largest:,.0f}",
        "position_pct": f"{risk.max_position_pct:g}",
        "gross_pct": f"{risk.max_gross_pct:g}",
        "orders_s": f"{risk.orders_per_s:g}",
        "entries": risk.entries_per_day,
        "reduce_pct": f"{risk.day_loss_reduce_pct:g}",
        "halt_pct": f"{risk.day_loss_halt_pct:g}",
        "stop_loss": _stop(own.stop_loss_pct, "-", tongue),
        "stop_gain": _stop(own.stop_gain_pct, "+", tongue),
        "until": _when(grant.expires_ns, options.market),
    }
    _say(sentence("arm.summary", tongue, **fields))
    if strategy.orders is not None:
        names, changes = titles(tongue), changed(strategy.orders, market)
        told = ", ".join(f"{names[path]} {value}" for path, value in changes.items()) or sentence("arm.orders_plain", tongue)
        _say(sentence("arm.orders", tongue, changes=told))


def _stop(pct: float, sign: str, tongue: str) -> str:
    """Return where an account's stop stands, in percent of what the account is worth; 0 = there is none."""
    return f"{sign}{pct:g}%" if pct else sentence("arm.no_stop", tongue)


def _when(utc_ns: int, market: str) -> str:
    zone = ZoneInfo(find_market(market).zone)
    return dt.datetime.fromtimestamp(utc_ns // NS, zone).strftime("%Y-%m-%d %H:%M %Z")

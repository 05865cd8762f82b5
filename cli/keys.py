"""`stom.py keys`: venue keys in the encrypted vault. Typed at a terminal, never given as arguments, never shown."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cli import terminal
from cli.output import language
from cli.parser import add_common
from domain.errors import InputError, RefusedError
from trading.venues import VENUES
from utility.paths import DataDir
from utility.secrets import KeyPair, Vault
from utility.text import sentence

PASSWORD_MIN = 8


def add_parsers(subparsers: Any) -> None:
    """Add `keys set | list | remove`."""
    parser = subparsers.add_parser("keys")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run in (("set", run_set), ("list", run_list), ("remove", run_remove)):
        action = actions.add_parser(name)
        if name != "list":
            action.add_argument("--venue", choices=tuple(VENUES), required=True)
        add_common(action)
        action.set_defaults(run=run, show=show)


def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say which venues have a key."""
    sys.stdout.write(sentence("keys.stored", language(args), venues=", ".join(result["venues"]) or "–") + "\n")


def run_set(args: argparse.Namespace) -> dict[str, Any]:
    """Ask for a key pair and seal it; a first vault gets its password here."""
    vault, password, pairs, tongue = _opened(args)
    key = terminal.ask_secret(sentence("keys.ask_key", tongue, venue=args.venue))
    secret = terminal.ask_secret(sentence("keys.ask_secret", tongue, venue=args.venue))
    if not key or not secret:
        raise InputError("keys.empty")
    vault.save(password, {**pairs, args.venue: KeyPair(key, secret)})
    return {"venues": sorted({*pairs, args.venue})}


def run_list(args: argparse.Namespace) -> dict[str, Any]:
    """Return the venues that have a key."""
    if not Vault(DataDir(args.data_dir).vault).exists():
        return {"venues": []}
    return {"venues": sorted(_opened(args)[2])}


def run_remove(args: argparse.Namespace) -> dict[str, Any]:
    """Forget a venue's key."""
    vault, password, pairs, _ = _opened(args)
    if args.venue not in pairs:
        raise InputError("keys.none", venue=args.venue)
    left = {name: pair for name, pair in pairs.items() if name != args.venue}
    vault.save(password, left)
    return {"venues": sorted(left)}


def _opened(args: argparse.Namespace) -> tuple[Vault, str, dict[str, KeyPair], str]:
    """Return the vault with its password and what is in it; a new one's password is typed twice."""
    tongue = language(args)
    if not terminal.is_there():
        raise RefusedError("keys.no_terminal")
    vault = Vault(DataDir(args.data_dir).vault)
    if vault.exists():
        password = terminal.ask_secret(sentence("vault.password", tongue))
        return vault, password, vault.load(password), tongue
    password = terminal.ask_secret(sentence("vault.new_password", tongue, least=PASSWORD_MIN))
    if len(password) < PASSWORD_MIN:
        raise InputError("vault.password_short", least=PASSWORD_MIN)
    if terminal.ask_secret(sentence("vault.again", tongue)) != password:
        raise InputError("vault.differs")
    return vault, password, {}, tongue

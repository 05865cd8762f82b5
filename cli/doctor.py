"""`stom.py doctor`: what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cli.parser import add_common


def add_parsers(subparsers: Any) -> None:
    """Add the family's parser."""
    parser = subparsers.add_parser("doctor")
    add_common(parser)
    parser.set_defaults(run=run, show=show)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return every check with its result; the data directory is the one the command was given."""
    from tools.doctor import checks
    from utility.paths import DataDir

    found = checks(str(DataDir(args.data_dir).root))
    vault = DataDir(args.data_dir).vault
    found.append(
        {"name": "keys", "ok": True, "detail": "vault present" if vault.exists() else "no keys stored (paper needs none)", "fix": ""}
    )
    return {"checks": found, "ok": all(one["ok"] for one in found)}


def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print one line a check, and the mend below it."""
    for one in result["checks"]:
        sys.stdout.write(f"{'ok  ' if one['ok'] else 'FAIL'}  {one['name']:<24} {one['detail']}\n")
        if not one["ok"] and one["fix"]:
            sys.stdout.write(f"      → {one['fix']}\n")

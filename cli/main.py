"""The table of commands, the options that all of them take, and the exit status.

A family is a module with ``add_parsers(subparsers)``; each of its parsers sets ``run``, a function
of the parsed arguments that returns the result: a dict (printed as one JSON object with ``--json``,
else by the parser's ``show``) or None. Families are imported only when one of their commands is
named, so that `stom.py live` does not pay for the optimisers.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from cli.output import emit, report_error
from domain.errors import StomError

FAMILIES: dict[str, tuple[str, ...]] = {
    "cli.live": ("live",),
    "cli.research": ("backtest", "optimise", "find"),
    "cli.data": ("data",),
    "cli.strategy": ("strategy",),
    "cli.exchange": ("exchange",),
    "cli.ledger": ("orders", "fills", "positions", "account", "kill", "verify"),
    "cli.settings": ("settings",),
    "cli.doctor": ("doctor",),
}
COMMANDS = {command: module for module, commands in FAMILIES.items() for command in commands}


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes: data directory, language, log level, JSON, quiet."""
    parser.add_argument("--data-dir", default=None, help="where everything is written (default: _database/)")
    parser.add_argument("--lang", choices=("ko", "en"), default=None, help="language of messages")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default=None)
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress on standard error")


class Parser(argparse.ArgumentParser):
    """argparse with the exit status of the contract and the common options in every command."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\n")


def build_parser(command: str | None) -> Parser:
    """Return the parser, with the family of `command` loaded (all families when it is None)."""
    parser = Parser(prog="stom.py", description="STOM: System Trading Optimization Manager")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    modules = [COMMANDS[command]] if command in COMMANDS else list(FAMILIES)
    for name in modules:
        importlib.import_module(name).add_parsers(subparsers)
    return parser


def run_command(argv: Sequence[str]) -> int:
    """Run one command and return its exit status (command-line contract)."""
    command = next((word for word in argv if not word.startswith("-")), None)
    parser = build_parser(command)
    args = parser.parse_args(list(argv))
    if not hasattr(args, "run"):
        parser.print_help(sys.stderr)
        return 2
    try:
        result = args.run(args)
    except StomError as error:
        return report_error(args, error)
    except KeyboardInterrupt:
        return 130
    if isinstance(result, int):
        return result
    emit(args, result)
    return 0

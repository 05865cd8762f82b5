"""The table of commands, the options that all of them take, and the exit status.

A family is a module with ``add_parsers(subparsers)``; each of its parsers sets ``run``, a function
of the parsed arguments that returns the result: a dict (printed as one JSON object with ``--json``,
else by the parser's ``show``) or None. Families are imported only when one of their commands is
named, so that `stom.py live` does not pay for the optimisers.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

from cli.interrupt import prompt
from cli.output import emit, language, of_system, report_error
from cli.parser import Parser
from cli.words import settle
from domain.errors import InputError, StomError
from utility.paths import DataDir
from utility.text import sentence

FAMILIES: dict[str, tuple[str, ...]] = {
    "cli.live": ("live",),
    "cli.research": ("backtest",),
    "cli.find": ("find",),
    "cli.optimise": ("optimise",),
    "cli.runs": ("runs", "rerun", "report", "compare"),
    "cli.verdict": ("verdict",),
    "cli.batch": ("batch",),
    "cli.data": ("data",),
    "cli.strategy": ("strategy",),
    "cli.exchange": ("exchange",),
    "cli.ledger": ("orders", "fills", "positions", "account", "kill", "verify"),
    "cli.realised": ("realised",),
    "cli.forms": ("forms",),
    "cli.settings": ("settings",),
    "cli.keys": ("keys",),
    "cli.status": ("status",),
    "cli.doctor": ("doctor",),
}
ONLY_READ = frozenset(
    (
        *("orders", "fills", "positions", "account", "kill", "verify", "status", "data list", "data verify", "data export"),
        *("strategy list", "strategy show", "strategy history", "strategy diff", "strategy export", "exchange truth"),
        *("settings get", "settings list", "settings export", "keys list"),
        *("realised", "batch list", "batch results", "batch edit", "batch remove", "batch run"),
        *("backtest", "optimise", "find", "runs", "rerun", "report", "compare", "verdict", "strategy guard"),
    )
)
"""Commands that find nothing in a data directory that is not there; the kill switch, too, has nobody to stop in it."""
RESEARCH = frozenset(("backtest", "optimise", "find", "rerun", "verdict", "report", "compare"))
"""Commands that leave either a whole result or nothing, whenever they are ended."""
WITH_VALUE = ("--data-dir", "--lang", "--log-level")
COMMANDS = {command: module for module, commands in FAMILIES.items() for command in commands}


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
    settle(argv)
    argv = command_first(argv)
    parser = build_parser(argv[0] if argv else None)
    try:
        args = parser.parse_args(argv)
    except SystemExit as left:  # argparse has said what there was to say
        return int(left.code or 0)
    if not hasattr(args, "run"):
        parser.print_help(sys.stderr)
        return 2
    try:
        check_data_dir(args)
        with prompt(lambda: _say_stopped(args)) if args.command in RESEARCH else contextlib.nullcontext():
            result = args.run(args)
        if isinstance(result, int):
            return result
        emit(args, result)
    except StomError as error:
        return report_error(args, error)
    except BrokenPipeError:
        # Whoever read the output has gone (`| head`): what is left is said to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return report_error(args, of_system(error, DataDir(getattr(args, "data_dir", None)).root))
    except KeyboardInterrupt:
        if args.command in RESEARCH:
            _say_stopped(args)
        return 130
    return 0


def _say_stopped(args: argparse.Namespace) -> None:
    sys.stderr.write("\n" + sentence("cli.stopped", language(args)) + "\n")
    sys.stderr.flush()


def check_data_dir(args: argparse.Namespace) -> None:
    """Refuse a data directory that is no folder; one that is not there, where a command only reads it.

    "All fine" about a folder with a slip in its name would be a lie. The default one may be missing: nobody wrote yet.
    """
    if getattr(args, "data_dir", None) is None:
        return
    root = DataDir(args.data_dir).root
    if root.exists() and not root.is_dir():
        raise InputError("cli.data_dir_file", path=str(root))
    words = f"{args.command} {getattr(args, 'action', None) or ''}".strip()
    if words in ONLY_READ and not root.exists():
        raise InputError("cli.no_data_dir", path=str(root))


def command_first(argv: Sequence[str]) -> list[str]:
    """Return the words with the options that stand before the command behind it: argparse wants them there."""
    for place, word in enumerate(argv):
        if word in COMMANDS:
            return [*argv[place:], *argv[:place]]
        if not (word.startswith("-") or (place and argv[place - 1] in WITH_VALUE)):
            break
    return list(argv)

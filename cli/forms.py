"""`stom.py forms`: what the commands of research take, as data. The window builds its forms from the answer."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from cli.declared import described
from cli.main import FAMILIES, build_parser
from cli.parser import Parser, add_common

SHOWN = ("cli.research", "cli.find", "cli.optimise", "cli.runs", "cli.verdict", "cli.batch", "cli.data", "cli.realised")
"""Families whose commands have a form in the window's research tab."""
COMMANDS = tuple(command for family in SHOWN for command in FAMILIES[family])


def add_parsers(subparsers: Any) -> None:
    """Add the `forms` command."""
    parser = subparsers.add_parser("forms")
    parser.add_argument("commands", nargs="*", choices=[*COMMANDS, []], metavar="COMMAND")
    add_common(parser)
    parser.set_defaults(run=run_forms, show=show_forms)


def run_forms(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of each command; of a family with actions one entry an action, ``data make``."""
    return {"forms": {path: described(parser) for path, parser in leaves(args.commands or COMMANDS)}}


def leaves(commands: Any = COMMANDS) -> list[tuple[str, Parser]]:
    """Return the parsers of commands and of their actions, by their words."""
    found: list[tuple[str, Parser]] = []

    def walk(path: str, parser: Any) -> None:
        below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        for action in below:
            for name, one in action.choices.items():
                walk(f"{path} {name}", one)
        if not below:
            found.append((path, parser))

    for command in commands:
        tree = build_parser(command)
        walk(command, tree._subparsers._group_actions[0].choices[command])  # type: ignore[union-attr,index]
    return found


def show_forms(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a line an option."""
    for path, options in result["forms"].items():
        sys.stdout.write(path + "\n")
        for one in options:
            allowed = ", ".join(one["choices"]) or (f"{one['low']} … {one['high']}" if one["low"] is not None else "")
            sys.stdout.write(f"  {one['name']:<18} {one['kind']:<8} {allowed}\n")

"""argparse with the contract's exit status, help from the catalogue, and answers that name what was meant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from cli.words import chosen, hint, say
from utility.text import has

EMPTY_MAY_BE = frozenset({"value", "note", "reason", "limits", "key", "secret"})
"""Arguments that may be empty; anywhere else an empty word is a variable of a script that was not set."""


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes: data directory, language, log level, JSON, quiet."""
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--lang", choices=("ko", "en"), default=None)
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default=None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true")


class Once(argparse.Action):
    """Keeps one value; a second one is refused, where it would silently replace the first."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None) -> None:
        first = getattr(namespace, self.dest)
        if first is not self.default:
            raise argparse.ArgumentError(self, say("cli.once", first=first, second=values))
        setattr(namespace, self.dest, values)


class _Subparsers(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Gives each command its line of help from the catalogue."""

    def add_parser(self, name: str, **kwargs: Any) -> Any:
        text = _help_of(self._prog_prefix, name)
        kwargs.setdefault("help", text)
        kwargs.setdefault("description", text)
        return super().add_parser(name, **kwargs)


class Parser(argparse.ArgumentParser):
    """One command.

    An argument's help is the sentence ``help.<command>.<argument>``, else ``help.<argument>``. Options are
    spelled out: ``--arm`` must not mean ``--armed``.
    """

    speaks_json = False
    """Whether the words being parsed hold ``--json``; a subparser does not see all of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self.register("action", "parsers", _Subparsers)

    def _add_action(self, action: argparse.Action) -> argparse.Action:
        if action.help is None:
            action.help = _help_of(self.prog, action.option_strings[0] if action.option_strings else action.dest)
        if action.metavar is None and action.option_strings and action.choices is None:
            action.metavar = action.option_strings[0].lstrip("-").upper()
        return super()._add_action(action)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(one) for one in action.choices]
            text = say("cli.choice", value=value, choices=", ".join(names)) + hint(str(value), names)
            raise argparse.ArgumentError(action, text)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        if arg_string == "" and action.dest not in EMPTY_MAY_BE and not isinstance(action, argparse._SubParsersAction):
            raise argparse.ArgumentError(action, say("cli.empty"))
        return super()._get_value(action, arg_string)  # type: ignore[misc]

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        """Return the arguments; an unknown one ends the program and names the nearest known one."""
        Parser.speaks_json = "--json" in (sys.argv[1:] if args is None else args)
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            known = sorted(set(_options(self)))
            self.error(say("argparse.unrecognized") % " ".join(rest) + hint(rest[0].partition("=")[0], known))
        return found

    def error(self, message: str) -> Any:
        """End with status 2: usage and sentence on standard error, with ``--json`` the sentence on standard output, too."""
        if Parser.speaks_json:
            body = {"error": {"code": "cli.arguments", "message": message}}
            sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
            sys.stdout.flush()
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\n")


def _help_of(prog: str, name: str) -> str | None:
    words = prog.split()[1:]
    for code in (".".join(["help", *words, name]), f"help.{name}"):
        if has(code, chosen()):
            return say(code).replace("%", "%%")
    return None


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """Return every option of a parser and of those below it."""
    found: list[str] = []
    for action in parser._actions:
        found += action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found += _options(below)
    return found

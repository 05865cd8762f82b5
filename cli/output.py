"""How a command speaks: results on standard output, everything else on standard error."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from cli.words import chosen
from domain.errors import DataError, InputError, StomError, StrategyError
from utility.text import has, sentence

_FOREIGN = re.compile(r"'(?P<path>[^']+)'.*\[errno (?P<number>\d+)\]")
"""What pyarrow says of a file: the name and the number stand in its text alone."""


@contextlib.contextmanager
def naming_file(path: str | None) -> Iterator[None]:
    """Put the file before what is found wrong in its lines; files may be many on one command line."""
    try:
        yield
    except InputError as error:
        if path is not None and "path" not in error.fields:
            error.fields["in_file"] = path
        raise


def language(args: argparse.Namespace) -> str:
    """Return the language of messages: ``--lang``, else what the command settled on."""
    return getattr(args, "lang", None) or chosen()


def emit(args: argparse.Namespace, result: dict[str, Any] | None) -> None:
    """Print a result: one JSON object with ``--json``, else by the parser's `show`, else key by key."""
    if result is None:
        return
    if getattr(args, "json", False):
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        sys.stdout.flush()
        return
    show = getattr(args, "show", None)
    if show is not None:
        show(args, result)
        return
    for key, value in result.items():
        sys.stdout.write(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}\n")
    sys.stdout.flush()


def refusals_said(refusals: dict[str, int], code: str) -> str:
    """Return refusals by limit as words, the most frequent first; what has no word (a venue's own code) stays as it is."""
    return ", ".join(
        f"{sentence(f'ui.rule.{rule}', code) if has(f'ui.rule.{rule}', code) else rule} {count:,}"
        for rule, count in sorted(refusals.items(), key=lambda item: (-item[1], item[0]))
    )


def report_error(args: argparse.Namespace, error: StomError) -> int:
    """Print an error in the user's language on standard error and return its exit status."""
    fields = dict(error.fields)
    if isinstance(error, StrategyError):
        fields |= {"line": error.line, "column": error.column}
    place = fields.pop("in_file", "") or place_of(args, fields)
    text = (f"{place}: " if place else "") + sentence(error.code, language(args), **fields)
    if has(f"{error.code}.typed", language(args)):  # what to type next; the window, which shows the same sentence, has forms for it
        text += " " + sentence(f"{error.code}.typed", language(args), **fields)
    fields |= {"path": place} if place else {}
    if getattr(args, "json", False):
        body = {"error": {"code": error.code, "message": text, **{k: str(v) for k, v in fields.items()}}}
        sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
        sys.stdout.flush()
    sys.stderr.write(text + "\n")
    return error.exit_status


def place_of(args: argparse.Namespace, fields: dict[str, Any]) -> str:
    """Return where a text with an error is from: its file, of a stored strategy the side; of a rows-since file its line's name, too."""
    side = fields.get("side")
    if side in ("buy", "sell"):
        return str(getattr(args, side, None) or sentence(f"strategy.side_{side}", language(args)))
    return f"{args.rows_since}, {side}" if side and getattr(args, "rows_since", None) else ""


def console() -> Any:
    """Return rich's console on standard output; where nobody looks, tables are not cut to a terminal's width."""
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 240)


def of_system(error: OSError, place: Path) -> StomError:
    """Return what the system refused as an error of ours: which path (the data directory where it says none), and why."""
    if error.filename is None and (found := _FOREIGN.search(str(error))):
        return DataError("cli.system", path=found["path"], reason=os.strerror(int(found["number"])))
    path = error.filename if isinstance(error.filename, str) else str(place)
    return DataError("cli.system", path=path, reason=error.strerror or str(error))

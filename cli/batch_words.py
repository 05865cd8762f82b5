"""Words of queued commands: checked before they are stored, varied, changed in bulk, and dated when they run."""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from functools import cache

from backtester.schedule import ZONE, dated
from cli.main import COMMANDS, build_parser
from domain.errors import InputError
from trading.venues import market, markets

QUEUED = ("backtest", "optimise", "find", "verdict", "report", "compare", "rerun", "data")
"""Commands that end by themselves and decide nothing about money."""
OWN = ("--data-dir", "--lang", "--json", "--quiet", "--progress", "--log-level", "--yes")
"""Options that belong to the runner; `--yes` is said by none: a study past the limit is a decision of a person at a terminal."""
VARIED_MAX = 10_000


parser_of = cache(build_parser)
"""The parser of a command; a matrix asks the same one ten thousand times."""


def checked(words: Sequence[str]) -> list[str]:
    """Return the words of a command that can be queued.

    Raises
    ------
    InputError
        ``batch.words_missing``, ``batch.command``, ``batch.own_option``; ``batch.refused`` when the command's parser
        does not take them (it has said why on standard error).
    """
    if not words:
        raise InputError("batch.words_missing")
    if words[0] not in QUEUED or words[0] not in COMMANDS:
        raise InputError("batch.command", command=words[0], commands=", ".join(QUEUED))
    for word in words:
        if word.partition("=")[0] in OWN and word != "--yes":
            raise InputError("batch.own_option", option=word)
    try:
        args: argparse.Namespace = parser_of(words[0]).parse_args(list(words))
    except SystemExit as left:
        raise InputError("batch.refused", words=" ".join(words)) from left
    if not hasattr(args, "run"):
        raise InputError("batch.refused", words=" ".join(words))
    return list(words)


def expand(words: Sequence[str], varied: Sequence[str]) -> list[list[str]]:
    """Return the words with every combination of ``OPTION=A|B|C``, options without their dashes, the last varying fastest."""
    choices: list[list[str]] = []
    for part in varied:
        name, equals, values = part.partition("=")
        if not equals or not name.strip("- ") or not all(values.split("|")):
            raise InputError("batch.vary", part=part)
        option = "--" + name.strip("- ")
        choices.append([f"{option}={value}" for value in values.split("|")])
    count = math.prod(len(one) for one in choices)
    if count > VARIED_MAX:
        raise InputError("batch.too_many", count=count, most=VARIED_MAX)
    return [[*words, *chosen] for chosen in itertools.product(*choices)]


def with_option(words: Sequence[str], part: str) -> list[str]:
    """Return the words with an option set to another value: ``OPTION=VALUE``; without a value it is taken out."""
    name, equals, value = part.partition("=")
    option = "--" + name.strip("- ")
    if not equals or option == "--":
        raise InputError("batch.change", part=part)
    out: list[str] = []
    skip = False
    for place, word in enumerate(words):
        if skip:
            skip = False
            continue
        if word == option:
            skip = place + 1 < len(words) and not words[place + 1].startswith("--")
            continue
        if word.startswith(option + "="):
            continue
        out.append(word)
    return [*out, f"{option}={value}"] if value else out


def words_at(words: Sequence[str], now_ns: int) -> list[str]:
    """Return the words with ``today`` and ``today-30d`` as dates of the market they name, Korean dates when they name none."""
    zone = ZONE
    for word, following in zip(words, [*words[1:], ""], strict=True):
        code = following if word == "--market" else word.removeprefix("--market=") if word.startswith("--market=") else ""
        if code in markets():
            zone = market(code).zone
    split = [piece for word in words for piece in (word.split("=", 1) if word.startswith(("--from=", "--to=")) else [word])]
    return dated(split, now_ns, zone)

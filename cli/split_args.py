"""How a study's days are divided, from its words: train, validation and test parts, or windows that move forward."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

from backtester.verdict.splits import WEEK
from cli.words import say
from domain.errors import InputError

WEEKS_MAX = 5_200
VALID_DAYS = WEEK
WALK_TRAIN_DAYS, WALK_TEST_DAYS = 12 * WEEK, 4 * WEEK
"""Lengths of a walk-forward that names none: three months to search, one to trade (services 7.5)."""
_SPAN = re.compile(r"([0-9]{1,6})([wd]?)")


def weeks(least_days: int) -> Callable[[str], int]:
    """Return a reader of ``N`` weeks, or ``Nd`` days, as days of at least `least_days`."""

    def read(text: str) -> int:
        found = _SPAN.fullmatch(text.strip())
        days = -1 if found is None else int(found[1]) * (1 if found[2] == "d" else WEEK)
        if not least_days <= days <= WEEKS_MAX * WEEK:
            raise argparse.ArgumentTypeError(say("cli.weeks", value=text, most=WEEKS_MAX))
        return days

    return read


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add the options that `plan_of` reads."""
    parser.add_argument("--split", choices=("none", "v", "vc"), default="none")
    parser.add_argument("--train-weeks", type=weeks(0), default=None, metavar="N|Nd")
    parser.add_argument("--valid-weeks", type=weeks(1), default=None, metavar="N|Nd")
    parser.add_argument("--test-weeks", type=weeks(0), default=None, metavar="N|Nd")
    parser.add_argument("--fold-weights", action="store_true")
    parser.add_argument("--walk-forward", nargs="?", const="rolling", choices=("rolling", "anchored"), default=None)


def plan_of(args: argparse.Namespace, embargo_days: int) -> dict[str, Any]:
    """Return the parts as a study's plan keeps them, lengths in calendar days.

    Raises
    ------
    InputError
        ``split.walk_vc``, ``split.no_validation``: words that do not go together.
    """
    walks = args.walk_forward is not None
    if walks and args.split == "vc":
        raise InputError("split.walk_vc")
    if args.split == "none" and (args.valid_weeks is not None or args.fold_weights):
        raise InputError("split.no_validation", option="--valid-weeks" if args.valid_weeks is not None else "--fold-weights")
    out = {
        "split": args.split,
        "train_days": args.train_weeks or (WALK_TRAIN_DAYS if walks else 0),
        "valid_days": 0 if args.split == "none" else args.valid_weeks or VALID_DAYS,
        "test_days": args.test_weeks or (WALK_TEST_DAYS if walks else 0),
        "fold_weights": args.fold_weights,
    }
    return {**out, "walk_forward": args.walk_forward, "embargo_days": embargo_days} if walks else out

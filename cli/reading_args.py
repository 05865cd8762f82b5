"""How texts are read, from the words of a command: ``--strict``, ``--never-zero``, ``--warm-up-zero``."""

from __future__ import annotations

import argparse

from domain.reading import Reading


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the options that `reading_of` takes."""
    for name in ("strict", "never-zero", "warm-up-zero"):
        parser.add_argument(f"--{name}", action="store_true")


def reading_of(args: argparse.Namespace) -> Reading:
    """Return how texts are read."""
    return Reading(strict=args.strict, never_zero=args.never_zero, warm_up_zero=args.warm_up_zero)

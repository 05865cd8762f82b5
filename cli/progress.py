"""Progress of long work on standard error: a bar for people, JSON lines for programs, or nothing."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from cli.words import say

EVERY_S = 0.2


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Add ``--progress``."""
    parser.add_argument("--progress", choices=("bar", "json", "none"), default="bar")


class Reporter:
    """Tells how far work is; a bar only where a person looks (a terminal, without ``--quiet``)."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._json = args.progress == "json"
        self._bar = args.progress == "bar" and sys.stderr.isatty() and not args.quiet
        self._watch: Callable[[dict[str, Any]], None] | None = getattr(args, "watch", None)  # whoever runs the command from within
        self._last = 0.0
        self._width = 0

    def note(self, text: str, **fields: Any) -> None:
        """Say what begins."""
        if self._watch is not None:
            self._watch({"note": text, **fields})
        if self._json:
            sys.stderr.write(msgspec.json.encode({"note": text, **fields}).decode() + "\n")
            sys.stderr.flush()

    def tell(self, done: int, total: float, rate: float, left_s: float, best: float | None, note: str = "") -> None:
        """Say how far it is; at most five times a second, and always at the end."""
        now = time.monotonic()
        if now - self._last < EVERY_S and done < total:
            return
        self._last = now
        body = {"done": done, "total": total, "rate": rate, "left_s": left_s, "best": best, "note": note}
        if self._watch is not None:
            self._watch(body)
        if self._json:
            sys.stderr.write(msgspec.json.encode(body).decode() + "\n")
        elif self._bar:
            filled = int(24 * done / total) if total else 0
            score = "" if best is None else say("cli.progress_best", best=best)
            fields = {"bar": f"{'#' * filled}{'.' * (24 - filled)}", "done": done, "total": total, "rate": rate, "left_s": left_s}
            line = say("cli.progress" if total else "cli.progress_open", **fields, best=score)
            sys.stderr.write("\r" + line.ljust(self._width))
            self._width = len(line)
        sys.stderr.flush()

    def close(self) -> None:
        """End the bar's line."""
        if self._bar and self._width:
            sys.stderr.write("\n")
            sys.stderr.flush()

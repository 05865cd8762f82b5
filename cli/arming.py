"""Arming from the command line: deliberate, on a terminal, narrow, and only when everything is in order (P32)."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from cli.output import language
from domain.errors import RefusedError
from domain.settings import Settings
from trading.venues import venue as find_venue
from utility.paths import DataDir
from utility.text import sentence

DISK_MIN = 2 << 30


def confirm(args: argparse.Namespace, codes: Sequence[str], data: DataDir, settings: Settings) -> None:
    """Refuse unless a person at a terminal may arm these markets.

    Raises
    ------
    RefusedError
        ``arm.no_terminal``, ``arm.one_market``, ``arm.disk``, ``arm.no_vault``, ``arm.later``.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RefusedError("arm.no_terminal")
    if len(codes) != 1:
        raise RefusedError("arm.one_market")
    data.root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(data.root).free
    if free < DISK_MIN:
        raise RefusedError("arm.disk", free_gb=round(free / 1e9, 1))
    venue = find_venue(settings.market(codes[0]).venue)
    if not data.vault.exists():
        raise RefusedError("arm.no_vault", venue=venue.code)
    # A venue's clock, the rights of its key and the token that binds account, limits and build are checked by
    # the desktop's arming dialog of a later version; until they are, nothing is armed.
    sys.stderr.write(sentence("arm.checks", language(args), venue=venue.code) + "\n")
    raise RefusedError("arm.later", venue=venue.code)

"""What is running: one digest of our own source, compared by every process that meets another (reliability P14)."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path

from domain.version import VERSION

PACKAGES = ("domain", "utility", "stock", "coin", "strategy", "storage", "trading", "paper")
"""What a set of processes that trade together is made of; window and research tools may differ."""
RESEARCH = (*PACKAGES, "backtester")
"""What decides the figures of a back-test."""
_ROOT = Path(__file__).resolve().parent.parent


@cache
def build(packages: tuple[str, ...] = PACKAGES) -> str:
    """Return ``<version>+<12 hex digits over every source file of `packages`>``; those that trade when none are named."""
    root = _ROOT
    digest = hashlib.sha256()
    for package in packages:
        for folder, folders, files in os.walk(root / package):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(files):
                if name.endswith(".py"):
                    path = Path(folder, name)
                    digest.update(path.relative_to(root).as_posix().encode() + b"\0")
                    digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return f"{VERSION}+{digest.hexdigest()[:12]}"


@cache
def lock_digest() -> str:
    """Return the SHA-256 of ``requirements/lock.txt`` (line ends do not count); empty where the file is not there.

    `tools/bootstrap.py` computes the same: it must run before anything of the product can be imported.
    """
    try:
        text = (_ROOT / "requirements" / "lock.txt").read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(text.replace(b"\r\n", b"\n")).hexdigest()

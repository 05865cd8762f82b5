"""Compiled modules that the tests of one session share: a text is compiled once, not once in every data directory.

What is shared is what the compiler made, under the digest of everything that went into it (strategy/cache.py). A directory still has
its own copy, sealed under its own key, and a module that was fetched says, as it would without, that it was not there before.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from strategy import cache
from utility.paths import DataDir

Load = Callable[..., ModuleType]


def sharing(load: Load, store: Path) -> Load:
    """Return `strategy.cache.load` with a store behind it that other tests and workers fill as well."""

    @functools.wraps(load)
    def fetch(name: str, source_text: str, cache_dir: Path, mac_key: bytes, depends: Iterable[str] = ()) -> ModuleType:
        depends = tuple(depends)
        digest = cache.digest_of(source_text, (*depends, *cache._imports(source_text)))
        home = cache_dir / f"{name}-{digest[:40]}"
        kept = store / home.name
        fetched = not home.exists() and kept.is_dir()
        if fetched:
            _copy(kept, home, mac_key)
        module = load(name, source_text, cache_dir, mac_key, depends)
        if fetched:
            module.__dict__["from_cache"] = False
        elif not kept.is_dir():
            _copy(home, kept, mac_key)
        return module

    return fetch


def _copy(source: Path, target: Path, mac_key: bytes) -> None:
    """Copy a module's directory and seal it under a key; whoever else was first is as good."""
    half = target.parent / f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}"
    shutil.copytree(source, half)
    cache._seal(half, mac_key)
    with contextlib.suppress(OSError):
        half.rename(target)
    shutil.rmtree(half, ignore_errors=True)


def lend(store: Path, root: Path) -> None:
    """Put what processes of earlier tests compiled into a data directory, sealed under its own key."""
    key = DataDir(root).mac_key()
    steps = DataDir(root).cache / "steps"
    steps.mkdir(parents=True, exist_ok=True)
    for kept in _modules(store):
        _copy(kept, steps / kept.name, key)


def collect(root: Path, store: Path) -> None:
    """Keep what the processes of a test compiled in its data directory."""
    key = DataDir(root).mac_key()
    for made in _modules(DataDir(root).cache / "steps"):
        if not (store / made.name).exists() and cache.authentic(made, key, (made / "module.py").read_text("utf-8")):
            _copy(made, store / made.name, key)


def _modules(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if not one.name.startswith(".")] if folder.is_dir() else []

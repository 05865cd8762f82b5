"""What all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import environment

# Before anything imports Numba: a bare `pytest` keeps machine code where the runner does, under a digest of all our sources. Beside
# the sources, Numba looks at each file alone and goes on calling machine code of what has changed in another.
environment.prepare()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place of compiled modules, one for all workers of a session."""
    base = tmp_path_factory.getbasetemp()
    store = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    (store / "processes").mkdir(parents=True, exist_ok=True)
    return store


@pytest.fixture(scope="session", autouse=True)
def compiled_once(compiled: Path) -> Iterator[None]:
    """Let a session compile each text once; where nothing of the compiler was imported there is nothing to share."""
    if "strategy.cache" not in sys.modules:
        yield
        return
    from strategy import cache
    from tests.kernels import sharing

    plain, cache.load = cache.load, sharing(cache.load, compiled)
    yield
    cache.load = plain


@pytest.fixture
def lend(compiled: Path) -> Iterator[Callable[[Path], Path]]:
    """Return a function for a data directory of processes that a test starts: they find what those of other tests have compiled."""
    from tests import kernels

    roots: list[Path] = []

    def to(root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        kernels.lend(compiled / "processes", root)
        roots.append(root)
        return root

    yield to
    for root in roots:
        kernels.collect(root, compiled / "processes")

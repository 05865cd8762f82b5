"""What all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let a session compile each text once; where nothing of the compiler was imported there is nothing to share."""
    if "strategy.cache" not in sys.modules:
        yield
        return
    from strategy import cache
    from tests.kernels import sharing

    base = tmp_path_factory.getbasetemp()
    store = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    store.mkdir(exist_ok=True)
    plain, cache.load = cache.load, sharing(cache.load, store)
    yield
    cache.load = plain

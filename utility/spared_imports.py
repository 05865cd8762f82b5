"""Libraries that others import only to ask whether they are there; a process that restarts in a second has no time for them.

Each takes up to a third of a second of a process's start, and nothing of what our processes do uses it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _Absent(importlib.abc.MetaPathFinder):
    """Says that one library is not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
        """Refuse the library; leave every other to the finders behind."""
        if fullname == self._name:
            raise ModuleNotFoundError(fullname, name=fullname)


@contextmanager
def absent(name: str) -> Iterator[None]:
    """Let whoever imports `name` meanwhile find that it is not installed; what is loaded already stays."""
    finder = _Absent(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def spare_linear_algebra() -> None:
    """Load Numba's array functions without SciPy's linear algebra.

    Numba imports it there only to learn whether `np.cov` can be compiled, which no kernel uses. Its own
    functions of linear algebra ask again when they are compiled, so they are not affected.
    """
    if "numba.np.arraymath" in sys.modules:
        return
    linalg: Any = importlib.import_module("numba.np.linalg")

    def refuse() -> None:
        raise ImportError

    ensure = linalg.ensure_blas
    linalg.ensure_blas = refuse
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        linalg.ensure_blas = ensure


def spare_pandas() -> None:
    """Let pyarrow believe that there is no pandas, for the rest of this process: `to_pandas` is not for processes that trade.

    It asks once when an array is made and once when one is read.
    """
    if "pandas" in sys.modules:
        return
    arrow, numpy = importlib.import_module("pyarrow"), importlib.import_module("numpy")
    with absent("pandas"):
        arrow.array(numpy.zeros(1)).to_numpy()

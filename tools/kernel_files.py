"""Numba's own cache files, read with doubt: one that a power cut left half is compiled again instead of ending every start.

Standard library only: it waits for Numba to be imported by whoever needs it.
"""

import importlib.abc
import importlib.util
import sys

MODULE = "numba.core.caching"
DAMAGE = (
    *(EOFError, ValueError, TypeError, AttributeError, ImportError, LookupError, ArithmeticError),
    *(AssertionError, MemoryError, SystemError),
)
"""What reading half a file can end in, beside the error of its format. Not OSError: Numba knows what to do about files that have gone."""


class _Finder(importlib.abc.MetaPathFinder):
    """Changes MODULE once, when it is imported."""

    def find_spec(self, fullname, path, target=None):
        """Return the module's own spec, its loader made to call `_doubt` afterwards; None for every other module."""
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                _doubt(module)

            spec.loader.exec_module = exec_module
        return spec


def doubt_kernel_files():
    """See to it that a cache file which cannot be read counts as one that is not there; once a process, before Numba is imported."""
    if MODULE not in sys.modules and not any(isinstance(one, _Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _doubt(module):
    files = module.IndexDataCacheFile
    for name, nothing in (("_load_index", dict), ("_load_data", lambda: None)):
        setattr(files, name, _or_nothing(getattr(files, name), nothing, (*DAMAGE, module.pickle.UnpicklingError)))


def _or_nothing(read, nothing, damage):
    def load(*args):
        try:
            return read(*args)
        except damage:
            return nothing()

    return load

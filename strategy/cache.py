"""Compiled modules on disk, authenticated before Numba may open them.

Numba's cache files are pickles: whoever can write one runs code in whoever loads it. So each module
has a directory of its own, named by the digest of its text and of everything that is compiled into it,
with a manifest that holds the SHA-256 of each file and an HMAC over them all. What does not match is
thrown away and compiled again.

How Numba's cache works across processes, and what a module text must therefore look like:

- A function may call any other compiled function that is a *global* of its module, whether defined
  there or imported; the callee's code is linked into the caller's cache entry and is not compiled
  again on load. Numba does not notice a changed callee of another file: such files are named in
  `depends` and take part in the digest.
- A compiled function must not be passed as an *argument*: its type is identified by the process that
  made it, so the entry is never found again. A loop around a step goes into the step's own module.
- Global numbers, tuples and arrays are frozen into the code.
- Decorate with ``@njit(...)`` without ``cache=True`` (which would put the files under NUMBA_CACHE_DIR);
  `load` gives every function of the module its cache in the module's directory.
- A module function ``warm()`` calls each function once with the types production uses. It runs
  inside `load`; what is compiled after that is kept in memory only, so that the sealed files do
  not change.
"""

# Numba's cache classes are internal to it and have no types; the version is locked, and a test reads a cache back.
# mypy: disable-error-code="attr-defined,list-item,unused-ignore"
from __future__ import annotations

import gc
import hashlib
import hmac
import importlib
import importlib.util
import json
import os
import platform
import re
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.dispatcher import Dispatcher

from utility.paths import DataDir
from utility.spared_imports import spare_linear_algebra

MANIFEST = "manifest.json"
COMPILE_RECURSION = 20_000
BASE_DEPENDS = ("strategy.kernels", "strategy.feature_kernels", "strategy.borrow")
"""Modules whose functions are compiled into every step."""
_FROM = re.compile(rb"^from ((?:strategy|trading|backtester|utility|domain)\.[\w.]+) import", re.MULTILINE)


def mac_key(path: Path) -> bytes:
    """Return the key of the manifests: the data directory's `mac.key`, made on first use (0600)."""
    return DataDir(path.parent).mac_key()


def digest_of(source_text: str, depends: Iterable[str] = ()) -> str:
    """Return the name of a module text: SHA-256 of it, of the files compiled into it, and of compiler and machine."""
    whole = hashlib.sha256()
    for part in (
        source_text,
        f"{sys.version_info[:3]} {numba.__version__} {llvmlite.__version__} {np.__version__}",
        f"{platform.system()} {platform.machine()} {numba.core.registry.cpu_target.target_context.codegen().magic_tuple()}",
    ):
        whole.update(part.encode() + b"\0")
    for name, data in sorted(compiled_in({*BASE_DEPENDS, *depends}).items()):
        whole.update(name.encode() + b"\0" + data + b"\0")
    return whole.hexdigest()


def compiled_in(names: Iterable[str]) -> dict[str, bytes]:
    """Return the files of these modules, and of those that their compiled functions take functions or constants from."""
    found: dict[str, bytes] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(name)
        found[name] = Path(spec.origin).read_bytes()
        if b"njit" in found[name]:
            waiting += [one.decode() for one in _FROM.findall(found[name])]
    return found


def load(name: str, source_text: str, cache_dir: Path, mac_key: bytes, depends: Iterable[str] = ()) -> ModuleType:
    """Return the module of a text, from the disk when an authentic one is there, else compiled and kept.

    Parameters
    ----------
    name : str
        Short word for file names and tracebacks (``step``, ``engine``); part of the directory's name.
    source_text : str
        Module text; its optional ``warm()`` decides what is compiled and kept.
    cache_dir : Path
        ``cache/steps`` of the data directory; made when missing.
    mac_key : bytes
        From `mac_key`.
    depends : iterable of str
        Dotted names of modules whose functions are compiled into this one.

    Returns
    -------
    module
        With ``from_cache`` (bool) added. It is not entered in ``sys.modules`` under its short name.
    """
    spare_linear_algebra()
    digest = digest_of(source_text, (*depends, *_imports(source_text)))
    home = cache_dir / f"{name}-{digest[:40]}"
    if home.is_dir() and not authentic(home, mac_key, source_text):
        shutil.rmtree(home)
    cached = home.is_dir()
    folder = home if cached else cache_dir / f".{name}-{digest[:40]}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        if not cached:
            folder.mkdir(parents=True)
            (folder / "module.py").write_text(source_text, "utf-8")
        module = _import(f"_stom_{name}_{digest[:40]}", folder, source_text, digest)
        module.__dict__["from_cache"] = cached
        if not cached:
            _seal(folder, mac_key)
    except BaseException:  # a full disk, an interrupt: what is half made would stay for ever
        if not cached:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if not cached:
        try:
            folder.rename(home)
        except OSError:
            shutil.rmtree(folder)  # another process was first; its files are as good
    return module


def _imports(source_text: str) -> set[str]:
    """Return the modules of ours that a text imports functions from."""
    import ast

    ours = ("strategy.", "trading.", "backtester.", "utility.", "domain.")
    tree = ast.parse(source_text)
    return {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(ours)}


def _import(name: str, folder: Path, source_text: str, stamp: str) -> ModuleType:
    """Run a module's text, give its functions their cache in `folder`, warm it, and close the cache."""
    path = folder / "module.py"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # Numba finds the globals of a function through its module
    exec(compile(source_text, str(path), "exec"), module.__dict__)
    own = [one for one in module.__dict__.values() if isinstance(one, Dispatcher) and one.py_func.__module__ == name]
    kind = _cache_class(folder, stamp)
    for dispatcher in own:
        dispatcher._cache = kind(dispatcher.py_func)
    warm = module.__dict__.get("warm")
    if warm is not None:
        with _deep_recursion(), _without_collecting():
            warm()
    for dispatcher in own:
        dispatcher._cache.disable()
    return module


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Let a compilation, which makes millions of small objects and no garbage to speak of, not be searched for some time and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Let Numba follow a long text: it goes from each `if` to the one before by a call of its own."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, COMPILE_RECURSION))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _cache_class(folder: Path, stamp: str) -> Any:
    """Return a Numba function cache whose files lie in `folder`."""

    class Locator(_CacheLocator):  # type: ignore[misc]
        def __init__(self, py_func: Any) -> None:
            self._line = py_func.__code__.co_firstlineno

        def get_cache_path(self) -> str:
            return str(folder)

        def get_source_stamp(self) -> str:
            return stamp

        def get_disambiguator(self) -> str:
            return str(self._line)

        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> Any:
            return cls(py_func)

    class Implementation(CompileResultCacheImpl):  # type: ignore[misc]
        _locator_classes = [Locator]

    class DirectoryCache(FunctionCache):  # type: ignore[misc]
        _impl_class = Implementation

    return DirectoryCache


# --- the manifest ----------------------------------------------------------------------------------


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(one for one in folder.rglob("*") if one.name != MANIFEST and (one.is_file() or one.is_symlink()))
    return {one.relative_to(folder).as_posix(): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def _mac(folder_name: str, sums: dict[str, str], key: bytes) -> str:
    body = json.dumps([folder_name, sums], sort_keys=True).encode()
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def _plain_name(folder: Path) -> str:
    """Return the final name of a folder that may still have its temporary one."""
    return folder.name.removeprefix(".").split(".")[0]


def _seal(folder: Path, key: bytes) -> None:
    sums = _sums(folder)
    text = json.dumps({"files": sums, "mac": _mac(_plain_name(folder), sums, key)}, indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(text, "utf-8")


def authentic(folder: Path, key: bytes, source_text: str) -> bool:
    """Tell whether every file of a module's directory is what was sealed under `key`, and its text is `source_text`."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        sums = _sums(folder)
        expected = _mac(_plain_name(folder), sums, key)
        same = manifest["files"] == sums and hmac.compare_digest(str(manifest["mac"]), expected)
        return same and (folder / "module.py").read_text("utf-8") == source_text
    except (OSError, ValueError, KeyError, TypeError):
        return False

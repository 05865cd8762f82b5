"""Which imports ended and which did not: a mark stands while one runs, a record of the segments that it counts on is kept after.

``imports/<name>.unfinished`` is written before the first row and goes when all is stored and recorded; a process that dies leaves it.
``imports/<name>.ended`` names the files that were taken in and the segments that hold their rows: where one of those is gone (put
aside because it was damaged, or deleted), the files are to be imported again.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import RefusedError
from storage.segments import sync_directory, write_synced
from utility.lock import FileLock

FOLDER = "imports"
_TOLD = 4
OPEN, ENDED = ".unfinished", ".ended"


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an import.

    Parameters
    ----------
    files : dict of str to str
        SHA-256 → name of the files whose rows it brings.
    symbols : list of str, optional
        Those that were chosen; all when None.
    segments : dict of str to str
        Of one that ended: path below ``ticks/`` without its ending → `key_of` the import that wrote it.
    """

    name: str
    files: dict[str, str]
    symbols: list[str] | None = None
    segments: dict[str, str] = {}

    def covers(self, other: Import) -> bool:
        """Tell whether this one asked for every symbol that `other` asked for."""
        return self.symbols is None or (other.symbols is not None and set(other.symbols) <= set(self.symbols))


class Running:
    """The mark of an import that is under way; other processes see by the lock that it lives."""

    def __init__(self, root: Path, files: dict[str, str], symbols: Sequence[str] | None) -> None:
        self.told = Import(name=f"{time.time_ns()}-{secrets.token_hex(4)}", files=files, symbols=None if symbols is None else list(symbols))
        self._root = root
        self._lock = FileLock(root / FOLDER / f"{self.told.name}.lock").acquire()
        _write(root, OPEN, self.told)

    def end(self) -> None:
        """Take the mark away: all is stored, or nothing was."""
        mark_path(self._root, self.told.name).unlink(missing_ok=True)

    def release(self) -> None:
        """Let go; a mark that still stands says from now on that the import did not end."""
        _let_go(self._lock)


def mark_path(root: Path, name: str) -> Path:
    """Return where the mark of an unfinished import is."""
    return root / FOLDER / f"{name}{OPEN}"


def key_of(origin: dict[str, Any]) -> str:
    """Return what tells the import of a segment from others: its name, of older versions its session, or ""."""
    return str(origin.get("import") or origin.get("session") or "")


def is_open(root: Path, origin: dict[str, Any]) -> bool:
    """Tell whether a segment is of an import that did not end (or runs)."""
    name = str(origin.get("import", ""))
    return bool(name) and mark_path(root, name).exists()


def unfinished(root: Path) -> list[Import]:
    """Return the imports that died or were stopped, oldest first; those that other processes run now are left out."""
    found = []
    for path in sorted((root / FOLDER).glob(f"*{OPEN}")):
        lock = FileLock(path.with_suffix(".lock"))
        try:
            lock.acquire()
        except RefusedError:
            continue
        if path.exists():
            found.append(_read(path) or Import(name=path.stem, files={}))
        _let_go(lock)
    return found


def ended(root: Path) -> list[Import]:
    """Return the records of imports that ended; what cannot be read is left out."""
    return [one for path in sorted((root / FOLDER).glob(f"*{ENDED}")) if (one := _read(path)) is not None]


def torn(root: Path) -> list[tuple[Import, list[str]]]:
    """Return (import that ended, its segments that are gone) of every one that is not whole any more."""
    found = []
    for one in ended(root):
        gone = [path for path in one.segments if not (root / "ticks" / f"{path}.json").exists()]
        if gone:
            found.append((one, gone))
    return found


def problems(root: Path) -> list[dict[str, Any]]:
    """Return the imports that are not whole, as `data verify` and `data list` tell them.

    Returns
    -------
    list of dict
        ``problem`` (unfinished_import, incomplete_import), ``import``, ``files`` (names) and ``file``, the mark or record.
    """
    found = [("unfinished_import", one, OPEN) for one in unfinished(root)] + [("incomplete_import", one, ENDED) for one, _ in torn(root)]
    return [
        {"problem": problem, "import": one.name, "files": sorted(one.files.values()), "file": f"{FOLDER}/{one.name}{ending}"}
        for problem, one, ending in found
    ]


def names_of(problem: dict[str, Any]) -> str:
    """Return the files of one of `problems` as a sentence names them: the first few."""
    files = problem["files"]
    return ", ".join(files[:_TOLD]) + (" …" if len(files) > _TOLD else "")


def keep(root: Path, told: Import) -> None:
    """Write the record of an import that ended."""
    _write(root, ENDED, told)


def settle(root: Path, done: Import, marks: Iterable[Import], broken: Iterable[Import]) -> None:
    """Take the files that `done` brought whole out of the marks of dead imports and the records of broken ones."""
    for ending, found in ((OPEN, marks), (ENDED, broken)):
        for one in found:
            left = {digest: name for digest, name in one.files.items() if digest not in done.files}
            if not done.covers(one):
                continue
            if left:
                _write(root, ending, msgspec.structs.replace(one, files=left))
            else:
                (root / FOLDER / f"{one.name}{ending}").unlink(missing_ok=True)


def _let_go(lock: FileLock) -> None:
    with contextlib.suppress(OSError):  # a system that keeps what is open; the next who looks takes it away
        lock.path.unlink(missing_ok=True)
    lock.release()


def _write(root: Path, ending: str, told: Import) -> None:
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_synced(folder / f"{told.name}{ending}", msgspec.json.encode(told))
    sync_directory(folder)


def _read(path: Path) -> Import | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Import)
    except (OSError, msgspec.MsgspecError):
        return None

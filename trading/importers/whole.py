"""Which files are in the store whole, and which are to be read again because their import died or a segment of theirs is gone.

Rows of candles, exported rows and databases are completed: what is stored already is known (trading/importers/known.py). Events
have one order of arrival, so an import of them is taken back before it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from storage import imports
from storage.imports import Import, Running, key_of
from storage.quarantine import origins
from storage.segments import Manifest
from storage.ticks import TickStore
from trading.importers.events import SOURCE
from trading.importers.report import FileTally


@dataclass
class Stored:
    """What the store says of files, by SHA-256."""

    codes: dict[str, frozenset[str]] = field(default_factory=dict)
    """Files that are in the store → symbols that came from them, of torn ones those whose import was not hurt."""
    torn: set[str] = field(default_factory=set)
    dead: list[Import] = field(default_factory=list)
    broken: list[Import] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    """Keys of imports that did not end or lost a segment."""

    def fit_to_repeat(self, store: TickStore, market: str, digests: set[str]) -> set[str]:
        """Return those of the torn files of events that can be repeated: all files of a damaged stream are needed at once."""
        dead = {one.name for one in self.dead}
        refused: set[str] = set()
        for _, manifest in _of_stream(store, market, self.bad - dead, digests & self.torn):
            named = {one["sha256"] for one in manifest.info.origin["files"]}
            if not named <= digests:
                refused |= named & digests
        return (digests & self.torn) - refused

    def take_back(self, store: TickStore, market: str, digests: set[str]) -> None:
        """Delete what hurt imports of these files of events stored."""
        store.lock(market, SOURCE)
        for path, manifest in list(_of_stream(store, market, self.bad, digests)):
            if manifest.info.kind != "gap":
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def _of_stream(store: TickStore, market: str, keys: Collection[str], digests: Collection[str]) -> Iterable[tuple[Path, Manifest]]:
    for path, manifest in store.manifests(market, SOURCE):
        origin = manifest.info.origin
        if "session" in origin and key_of(origin) in keys and any(one["sha256"] in digests for one in origin.get("files", [])):
            yield path, manifest


def judge(store: TickStore) -> Stored:
    """Return what is stored of which files."""
    out = Stored(dead=imports.unfinished(store.root))
    hurt = imports.torn(store.root)
    out.broken = [one for one, _ in hurt]
    out.bad = {one.name for one in out.dead} | {one.segments[path] for one, gone in hurt for path in gone}
    out.torn = {digest for one in (*out.dead, *out.broken) for digest in one.files}
    recorded = {digest for one in imports.ended(store.root) for digest in one.files}
    nameless = {one.name for one in out.dead if not one.files}
    for market in store.markets():
        for origin in origins(store.folder / market / SOURCE):
            # Stores of older versions have no record; what was put aside tells itself where it came from.
            lost = {one["sha256"] for one in origin.get("files", [])} - recorded
            if origin.get("what") == "import" and lost:
                out.torn |= lost
                out.bad.add(key_of(origin))
    for market in store.markets():
        for _, manifest in store.manifests(market, SOURCE) if SOURCE in store.sources(market) else ():
            origin = manifest.info.origin
            for one in origin.get("files", []):
                digest = one["sha256"]
                if key_of(origin) in nameless:
                    out.torn.add(digest)
                is_hurt = digest in out.torn and key_of(origin) in out.bad
                out.codes[digest] = out.codes.get(digest, frozenset()) | (frozenset() if is_hurt else manifest.codes.keys())
    for digest in recorded | out.torn:
        out.codes.setdefault(digest, frozenset())
    return out


def record_end(store: TickStore, told: Import, tallies: dict[str, FileTally], stored: Stored, relied: set[Path]) -> None:
    """Keep which segments hold the rows of the files (by SHA-256) of an import that ended, and settle what it has mended."""
    files = {digest: name for digest, name in told.files.items() if digest in tallies}
    kept = {digest: name for digest, name in files.items() if tallies[digest].rows_stored + tallies[digest].rows_known}
    segments = {}
    for market in store.markets():
        for path, manifest in store.manifests(market, SOURCE) if SOURCE in store.sources(market) else ():
            origin = manifest.info.origin
            if path in relied or any(one["sha256"] in kept for one in origin.get("files", [])):
                segments[path.relative_to(store.folder).with_suffix("").as_posix()] = key_of(origin)
    if kept:
        imports.keep(store.root, msgspec.structs.replace(told, files=kept, segments=segments))
    imports.settle(store.root, msgspec.structs.replace(told, files=files), stored.dead, stored.broken)


@contextmanager
def marked(
    store: TickStore, files: dict[str, str], symbols: Sequence[str] | None, on_stopped: Callable[[int, int], None] | None
) -> Iterator[Running | None]:
    """Hold the mark of an import of files (SHA-256 → name) and let go of the store's locks after; None without files.

    What ends without `Running.end` leaves its mark where it stored something; a person who stopped it is told what that is.
    """
    running = Running(store.root, files, symbols) if files else None
    try:
        yield running
    except BaseException as error:
        if running:
            rows, events = saved(store, running.told.name)
            if not rows and not events and not any(store.folder.glob(f"*/{SOURCE}/*/*/*.part")):
                running.end()
            if isinstance(error, KeyboardInterrupt) and on_stopped is not None:
                on_stopped(rows, events)
        raise
    finally:
        store.unlock()
        if running:
            running.release()


def saved(store: TickStore, name: str) -> tuple[int, int]:
    """Return (rows, trades and book records) that the import `name` has stored."""
    rows = events = 0
    for market in store.markets():
        for _, manifest in store.manifests(market, SOURCE) if SOURCE in store.sources(market) else ():
            if manifest.info.origin.get("import") == name:
                rows += manifest.rows if "/" in manifest.info.schema else 0
                events += manifest.rows if manifest.info.schema == "event" else 0
    return rows, events

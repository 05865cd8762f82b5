"""The tick store: who has recorded what, written, read in arrival order, recovered, verified.

``ticks/<market>/<source>/<kind>/<day>/<first seq>-r<revision>.parquet`` with its manifest beside it; an open
segment is ``.part``. The listing of the directory is the catalogue. One process writes a (market, source)
at a time and holds its lock. Files never change; readers take the highest revision of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import DataError, InputError
from domain.instruments import Instrument, Market
from domain.records import EVENT_DTYPE, FIRST, LAST, LEVEL, SNAPSHOT, TOTAL, RowSchema
from storage.imports import is_open
from storage.merging import merge
from storage.overlaps import doubled_rows
from storage.quarantine import listed, put_aside
from storage.segment_checks import check_file, holes
from storage.segment_writer import SegmentWriter, day_of
from storage.segments import (
    GAP_DTYPE,
    Manifest,
    Part,
    SegmentInfo,
    file_sha256,
    from_table,
    is_manifest,
    read_manifest,
    seal_part,
)
from utility.lock import FileLock

__all__ = ["KINDS", "ROW_KINDS", "SegmentWriter", "TickStore", "day_of"]

KINDS = ("trade", "depth", "row1s", "row1m", "gap")
ROW_KINDS = {1: "row1s", 60: "row1m"}
INTERVAL_WORDS = {"row1s": "1s", "row1m": "1m"}
"""Kind of rows → the interval as a person names it."""
STORED_TOLD = 8
"""Datasets that a refusal names."""
BATCH = 65_536


class TickStore:
    """The store of one data directory.

    Parameters
    ----------
    root : Path
        The data directory; the archive lies in its ``ticks/``.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.folder = self.root / "ticks"
        self._locks: dict[tuple[str, str], FileLock] = {}

    # --- writing --------------------------------------------------------------------------------

    def lock(self, market: str, source: str) -> FileLock:
        """Take the right to write (market, source) until `unlock`; RefusedError ``store.locked`` when another process has it."""
        lock = self._locks.get((market, source))
        if lock is None:
            lock = FileLock(self.folder / market / source / "lock", "store.locked").acquire()
            self._locks[market, source] = lock
        return lock

    def unlock(self) -> None:
        """Let every lock of this object go."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()

    def writer(
        self,
        market: Market,
        source: str,
        kind: str,
        schema_or_dtype: RowSchema | np.dtype[np.void],
        instruments: Sequence[Instrument],
        origin: dict[str, Any],
    ) -> SegmentWriter:
        """Return a writer of one kind; the (market, source) is locked by this object from now on.

        Parameters
        ----------
        kind : {"trade", "depth", "row1s", "row1m", "gap"}
        schema_or_dtype : RowSchema, EVENT_DTYPE or GAP_DTYPE
        instruments : sequence of Instrument
            The table behind the rows' `instrument` index.
        origin : dict
            ``what`` and whatever tells where the data came from; JSON.
        """
        if kind not in KINDS:
            raise InputError("store.unknown_kind", kind=kind)
        self.lock(market.code, source)
        if isinstance(schema_or_dtype, RowSchema):
            schema = f"{schema_or_dtype.kind}/{schema_or_dtype.interval_s}"
        else:
            schema = "event" if schema_or_dtype == EVENT_DTYPE else "gap"
        info = SegmentInfo(market=market.code, source=source, kind=kind, day=0, schema=schema, origin=origin)
        return SegmentWriter(self.folder / market.code / source / kind, info, instruments, market.day_offset_s())

    def next_seq(self, market: str, source: str) -> int:
        """Return the arrival number that follows everything stored of (market, source)."""
        return 1 + max((manifest.last_seq for _, manifest in self.manifests(market, source) if manifest.info.kind != "gap"), default=0)

    # --- the catalogue -----------------------------------------------------------------------------

    def markets(self) -> list[str]:
        """Return the markets that have any data."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir()) if self.folder.is_dir() else []

    def sources(self, market: str) -> list[str]:
        """Return the sources of `market`: recorded, made, then runs, newest first; a reader without a wish takes the first."""
        folder = self.folder / market
        found = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        named = [name for name in ("recorded", "made") if name in found]
        runs = [name for name in found if name.startswith("run") and name[3:].isdigit()]
        return named + sorted(runs, key=lambda name: -int(name[3:]))

    def choose_source(self, market: str, source: str | None, kind: str | None = None) -> str:
        """Return `source`, or the first that holds `kind` (any when None).

        Raises
        ------
        InputError
            ``store.no_data``: nothing of this market, source and kind is stored; ``store.no_data_quarantined`` when
            there was, and it is put aside because it was damaged.
        """
        for name in [source] if source else self.sources(market):
            if any(True for _ in self.manifests(market, name, kind)):
                return name
        refused = self.no_data(market, source, kind)
        aside = [one["file"] for one in self.quarantined(market, source) if kind in (None, one["kind"])]
        if aside:
            raise InputError("store.no_data_quarantined", **refused.fields, files=", ".join(aside))
        raise refused

    def no_data(self, market: str, source: str | None, kind: str | None) -> InputError:
        """Return the refusal ``store.no_data``, which tells what there is instead."""
        stored = []
        for one in self.markets():
            for name in self.sources(one):
                kinds = [INTERVAL_WORDS.get(each, each) for each in KINDS if any((self.folder / one / name / each).glob("*/*.json"))]
                if kinds:
                    stored.append(f"{one} {name} ({' '.join(kinds)})")
        told = ", ".join(stored[:STORED_TOLD]) + (" …" if len(stored) > STORED_TOLD else "")
        fields = {"market": market, "source": source or "–", "kind": INTERVAL_WORDS.get(kind or "–", kind or "–")}
        return InputError("store.no_data", **fields, stored=told or "–")

    def quarantined(self, market: str | None = None, source: str | None = None) -> list[dict[str, Any]]:
        """Return the segments that were put aside because they were damaged (storage/quarantine.py)."""
        found: list[dict[str, Any]] = []
        for one in self.markets() if market is None else [market]:
            for name in self.sources(one) if source is None else [source]:
                found += listed(self.folder / one / name, self.root)
        return found

    def manifests(self, market: str, source: str, kind: str | None = None) -> Iterator[tuple[Path, Manifest]]:
        """Yield (Parquet path, manifest) of the highest revisions, by day, then first sequence."""
        folder = self.folder / market / source
        found: dict[tuple[str, str, int], tuple[int, Path]] = {}
        for one in KINDS if kind is None else (kind,):
            for path in (folder / one).glob("*/*.json"):
                first, _, revision = path.stem.partition("-r")
                key = (path.parent.name, one, int(first))
                if key not in found or found[key][0] < int(revision):
                    found[key] = (int(revision), path)
        for key in sorted(found, key=lambda item: (item[0], item[2], item[1])):
            path = found[key][1]
            yield path.with_suffix(".parquet"), read_manifest(path)

    def instruments(self, market: str, source: str) -> list[Instrument]:
        """Return every instrument seen in (market, source), in order of first appearance; the newest statement of each stands."""
        table: dict[str, Instrument] = {}
        for _, manifest in self.manifests(market, source):
            for instrument in manifest.instruments:
                table[instrument.code] = instrument
        return list(table.values())

    def datasets(self) -> list[dict[str, Any]]:
        """Return one entry per (market, source, kind, symbol): what `data list` shows; `rows` as readers see them, each time once."""
        out: dict[tuple[str, str, str, str], dict[str, Any]] = {}
        for market in self.markets():
            for source in self.sources(market):
                days: dict[tuple[str, int], list[tuple[Path, Manifest]]] = {}
                for path, manifest in self.manifests(market, source):
                    kind = manifest.info.kind
                    if kind == "gap":
                        continue
                    days.setdefault((kind, manifest.info.day), []).append((path, manifest))
                    steps = {instrument.code: instrument for instrument in manifest.instruments}
                    for code, span in manifest.codes.items():
                        if code not in steps:
                            continue
                        entry = out.setdefault(
                            (market, source, kind, code),
                            {
                                "market": market,
                                "source": source,
                                "symbol": code,
                                "interval": INTERVAL_WORDS.get(kind, kind),
                                "from": span.first,
                                "to": span.last,
                                "rows": 0,
                                "price_step": 0.0,
                                "qty_step": 0.0,
                                "origins": [],
                            },
                        )
                        # 0 is no time: a segment of undated snapshots says nothing about when.
                        entry["from"] = min(filter(None, (entry["from"], span.first)), default=0)
                        entry["to"] = max(entry["to"], span.last)
                        entry["rows"] += span.rows
                        what = str(manifest.info.origin.get("what", ""))
                        entry["origins"] = sorted({*entry["origins"], what})
                        entry["price_step"] = steps[code].price_step
                        entry["qty_step"] = steps[code].qty_step / 1e8
                for (kind, _), files in days.items():
                    for code, twice in doubled_rows(files).items() if kind in INTERVAL_WORDS else ():
                        out[market, source, kind, code]["rows"] -= twice
        return [out[key] for key in sorted(out)]

    # --- reading ------------------------------------------------------------------------------------

    def read_events(
        self, market: str, source: str, from_day: int | None = None, to_day: int | None = None, codes: Sequence[str] | None = None
    ) -> Iterator[np.ndarray]:
        """Yield trades and depth of (market, source) in arrival order as EVENT_DTYPE.

        Parameters
        ----------
        from_day, to_day : int, optional
            Days YYYYMMDD, both included; all when None.
        codes : sequence of str, optional
            Only these; events of all instruments (marks) stay.

        Yields
        ------
        ndarray of EVENT_DTYPE
            `instrument` is the position in `instruments(market, source)`. A book message is never split.
        """
        table = self.instruments(market, source)
        index = {instrument.code: k for k, instrument in enumerate(table)}
        wanted = None if codes is None else np.isin(np.arange(-1, len(table)), [-1] + [index[code] for code in codes if code in index])
        days: dict[int, list[tuple[Path, Manifest]]] = {}
        for kind in ("trade", "depth"):
            for path, manifest in self.manifests(market, source, kind):
                day = manifest.info.day
                if (from_day is None or day >= from_day) and (to_day is None or day <= to_day):
                    days.setdefault(day, []).append((path, manifest))
        rest = np.empty(0, EVENT_DTYPE)
        for day in sorted(days):
            chains = [_chain([one for one in days[day] if one[1].info.kind == kind], index) for kind in ("trade", "depth")]
            for chunk in merge(chains, "seq"):
                if wanted is not None:
                    chunk = chunk[wanted[chunk["instrument"] + 1]]
                whole, rest = _whole_messages(np.concatenate((rest, chunk)) if len(rest) else chunk)
                if len(whole):
                    yield whole
        if len(rest):
            yield rest

    def read_rows(
        self, market: str, source: str, interval_s: int, codes: Sequence[str] | None = None
    ) -> Iterator[tuple[Manifest, np.ndarray]]:
        """Yield (manifest, rows) of each segment; `instrument` is the position in `instruments(market, source)`."""
        index = {instrument.code: k for k, instrument in enumerate(self.instruments(market, source))}
        for path, manifest in self.manifests(market, source, ROW_KINDS[interval_s]):
            if codes is not None and not set(codes) & set(manifest.codes):
                continue
            for rows in _batches(path, manifest, index):
                yield manifest, rows

    def read_gaps(self, market: str, source: str) -> np.ndarray:
        """Return the gap ledger of (market, source) as GAP_DTYPE."""
        index = {instrument.code: k for k, instrument in enumerate(self.instruments(market, source))}
        parts = [rows for path, manifest in self.manifests(market, source, "gap") for rows in _batches(path, manifest, index)]
        return np.concatenate(parts) if parts else np.empty(0, GAP_DTYPE)

    # --- recovery and verification --------------------------------------------------------------------

    def recover(self, markets: dict[str, Market] | None = None) -> list[Manifest]:
        """Seal what a kill or a quick stop left; a torn one also opens a gap in the ledger.

        Sources that another living process is writing are left alone.

        Parameters
        ----------
        markets : dict of code to Market, optional
            Needed to write the gap ledger's day by the market's clock; without it UTC is taken.
        """
        sealed: list[Manifest] = []
        for market in self.markets():
            for source in self.sources(market):
                parts = sorted((self.folder / market / source).glob("*/*/*.part"))
                leftovers = [path for path in (self.folder / market / source).glob("*/*/*.tmp")]
                if not parts and not leftovers:
                    continue
                mine = (market, source) in self._locks
                lock = None if mine else FileLock(self.folder / market / source / "lock", "store.locked")
                try:
                    if lock is not None:
                        lock.acquire()
                except Exception as error:
                    if getattr(error, "code", "") == "store.locked":
                        continue
                    raise
                try:
                    for path in leftovers:
                        path.unlink(missing_ok=True)
                    torn = [self._recover_part(path, sealed) for path in parts]
                    self._note_gaps(market, source, [one for one in torn if one is not None], markets or {})
                finally:
                    if lock is not None:
                        lock.release()
        return sealed

    def _recover_part(self, path: Path, sealed: list[Manifest]) -> Manifest | None:
        """Seal one `.part`; return its manifest when rows may be missing after it."""
        whole = Part(path).ended
        manifest = seal_part(path)
        if manifest is None:
            return None
        sealed.append(manifest)
        # An import that died is told of as a whole, and its repeat brings the rest.
        return None if whole or is_open(self.root, manifest.info.origin) else manifest

    def _note_gaps(self, market: str, source: str, torn: list[Manifest], markets: dict[str, Market]) -> None:
        if not torn:
            return
        rows = np.zeros(len(torn), GAP_DTYPE)
        for row, manifest in zip(rows, torn, strict=True):
            row["from_seq"], row["from_ns"] = manifest.last_seq, manifest.last_ns
            row["exchange_ns"] = manifest.last_ns
            row["instrument"] = -1
            row["stream"], row["cause"], row["state"] = manifest.info.kind.encode(), b"killed", b"marked"
        offset = markets[market].day_offset_s() if market in markets else 0
        self.append_gaps(market, source, rows, offset)

    def append_gaps(self, market: str, source: str, rows: np.ndarray, offset_s: int, instruments: Sequence[Instrument] = ()) -> None:
        """Write entries of the gap ledger, sealed at once; their `seq` continues the ledger's."""
        first = 1 + max((manifest.last_seq for _, manifest in self.manifests(market, source, "gap")), default=0)
        rows = rows.copy()
        rows["seq"] = np.arange(first, first + len(rows))
        info = SegmentInfo(market=market, source=source, kind="gap", day=0, schema="gap", origin={"what": "ledger"})
        writer = SegmentWriter(self.folder / market / source / "gap", info, instruments, offset_s)
        try:
            writer.append(rows)
            writer.seal()
        finally:
            writer.let_go()

    def verify(self, quarantine: bool = True) -> list[dict[str, Any]]:
        """Check every sealed file: checksum, rows, order, sequences; return the problems.

        A file that is not what its manifest says is moved to ``quarantine/`` beside it and its range becomes
        a gap (unless `quarantine` is False). What was put aside before is named every time, as ``quarantined``:
        its rows are missing until they are imported again.
        """
        problems: list[dict[str, Any]] = []
        for market in self.markets():
            for source in self.sources(market):
                problems += [{**one, "problem": "quarantined"} for one in self.quarantined(market, source)]
                problems += self._verify_manifests(market, source, quarantine)
                spans: dict[str, list[Manifest]] = {}
                for path, manifest in list(self.manifests(market, source)):
                    problem = check_file(path, manifest)
                    if problem is not None:
                        problems.append({"market": market, "source": source, "file": str(path.relative_to(self.root)), **problem})
                        if quarantine and problem["problem"] in ("missing", "checksum", "unreadable"):
                            self._quarantine(market, source, path, manifest)
                    origin = manifest.info.origin
                    if manifest.info.kind in ("trade", "depth") and "session" in origin and not is_open(self.root, origin):
                        spans.setdefault(origin["session"], []).append(manifest)
                torn = {int(row["from_seq"]) for row in self.read_gaps(market, source)}
                problems += [{"market": market, "source": source, **hole} for hole in holes(spans, torn)]
        return problems

    def _verify_manifests(self, market: str, source: str, quarantine: bool) -> list[dict[str, Any]]:
        """Return the segments whose manifest is missing or no manifest; without one nobody knows what a file holds."""
        problems = []
        for path in sorted((self.folder / market / source).glob("*/*/*.*")):
            if not path.exists():
                continue  # went with its manifest
            if path.suffix == ".parquet" and not path.with_suffix(".json").exists():
                if any(path.parent.glob("*.part")):
                    continue  # somebody is sealing it: the manifest is written last
                problem = "no_manifest"
            elif path.suffix == ".json" and not is_manifest(path):
                problem = "manifest"
            else:
                continue
            problems.append({"market": market, "source": source, "file": str(path.relative_to(self.root)), "problem": problem})
            if quarantine:
                put_aside(path.with_suffix(".parquet"))
        return problems

    def _quarantine(self, market: str, source: str, path: Path, manifest: Manifest) -> None:
        put_aside(path)
        row = np.zeros(1, GAP_DTYPE)
        row["from_seq"], row["to_seq"] = manifest.first_seq, manifest.last_seq
        row["from_ns"], row["to_ns"], row["exchange_ns"] = manifest.first_ns, manifest.last_ns, manifest.first_ns
        row["instrument"] = -1
        row["stream"], row["cause"], row["state"] = manifest.info.kind.encode(), b"damaged", b"marked"
        self.append_gaps(market, source, row, 0)


# --- helpers ------------------------------------------------------------------------------------------


def _batches(path: Path, manifest: Manifest, index: dict[str, int]) -> Iterator[np.ndarray]:
    _check_whole(path, manifest)
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                yield from_table(pa.Table.from_batches([batch]), manifest.info, index)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DataError("store.unreadable", path=str(path), reason=str(error)) from error


_whole: set[tuple[str, str, int, int]] = set()


def _check_whole(path: Path, manifest: Manifest) -> None:
    """Raise DataError ``store.damaged`` when a file is not what was written: a flipped bit may still read as a number.

    A file is hashed once a process, and again when it has changed.
    """
    try:
        status = path.stat()
        key = (str(path), manifest.sha256, status.st_size, status.st_mtime_ns)
        if key in _whole:
            return
        if file_sha256(path) != manifest.sha256:
            raise DataError("store.damaged", path=str(path))
    except OSError as error:
        raise DataError("store.unreadable", path=str(path), reason=error.strerror or str(error)) from error
    _whole.add(key)


def _chain(files: list[tuple[Path, Manifest]], index: dict[str, int]) -> Iterator[np.ndarray]:
    for path, manifest in sorted(files, key=lambda one: one[1].first_seq):
        yield from _batches(path, manifest, index)


def _whole_messages(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split events behind the last one that ends a message (a LAST record, or anything that is no book record)."""
    is_book = np.isin(events["kind"], (LEVEL, SNAPSHOT, TOTAL))
    ends = np.flatnonzero(~is_book | ((events["flags"] & LAST) > 0))
    if not len(ends):
        return events[:0], events
    cut = int(ends[-1]) + 1
    starts = np.flatnonzero((events["flags"][cut:] & FIRST) > 0)
    assert len(starts) <= 1 or cut == len(events)
    return events[:cut], events[cut:]

"""Rows as memory-mapped columns, built from the store on first use; safe to delete.

``columns/<market>/<source>/<kind>/<digest>/<key>.npy``, all symbols of the dataset sorted by code, then row
time. A key is built when it is first asked for, so a strategy of eight columns costs eight files; the
digest is that of the segments' hashes, so new data is another directory. A file that is not whole (a full disk, a power cut)
is built again.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.instruments import Instrument
from domain.records import ROW_NO_BOOK, row_schema
from storage.column_sums import keep_sum
from storage.segments import Manifest
from storage.ticks import ROW_KINDS, TickStore

_UNKNOWN = ".unknown.npy"
CODES_TOLD = 8
"""Symbols that a refusal names, those of a similar name where there are any."""

CLOCKS = ("seq", "exchange_ns")
"""Keys beside those of the row schema: arrival number and venue clock of the row's event, int64."""
BLOCK_DTYPE = np.dtype([("symbol", "<i4"), ("day", "<i4"), ("lo", "<i8"), ("hi", "<i8")])


@dataclass(frozen=True)
class RowSet:
    """Rows of several symbols and days as columns.

    Parameters
    ----------
    codes : tuple of str
        Sorted; a block's `symbol` is a position here.
    columns : dict of str to float64 (n,), of CLOCKS int64
        Read-only, memory-mapped. They hold the whole dataset: what was asked for is what `blocks` names.
    row_time : int64 (n,)
    blocks : ndarray of BLOCK_DTYPE
        One symbol-day each, rows lo … hi − 1, `day` as YYYYMMDD, sorted by symbol, then day.
    qty_decimals : int64 (symbols,)
        Decimals of an order quantity.
    has_book : bool
        Every row of the blocks has a book; without it only ``--fill last`` can trade.
    digest : str
        Of the dataset, the selection not included.
    window_rows : int
        Where the columns are larger than memory: they are `FarColumn`, and so many rows of all of them may be mapped at
        a time. 0: mapped whole.
    folder : str
        Where the column files are; empty where the columns come from elsewhere.
    """

    market: str
    interval_s: int
    source: str
    codes: tuple[str, ...]
    columns: dict[str, NDArray[np.float64]]
    row_time: NDArray[np.int64]
    blocks: NDArray[np.void]
    qty_decimals: NDArray[np.int64]
    has_book: bool
    digest: str
    instruments: tuple[Instrument, ...] = ()
    unknown: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    """Of columns with NaN, the number of them before each row, shape (n + 1,)."""
    window_rows: int = 0
    folder: str = ""

    @property
    def rows(self) -> int:
        """Rows in the blocks."""
        return int((self.blocks["hi"] - self.blocks["lo"]).sum())

    def refuse_unknown(self, keys: Sequence[str]) -> None:
        """Raise InputError ``store.unknown_values`` when a row of the blocks has no value in one of these columns."""
        for key in keys:
            if key not in self.unknown:
                continue
            counts = self.unknown[key]
            for symbol, day, lo, hi in self.blocks.tolist():
                count = int(counts[hi] - counts[lo])
                if count:
                    where = {"market": self.market, "source": self.source, "symbol": self.codes[symbol], "day": day}
                    raise InputError("store.unknown_values", column=key, count=count, **where)


class FarColumn:
    """A float64 column on disk that maps what is read of it and nothing else; as an array it is mapped whole.

    Parameters
    ----------
    path : Path
        A ``.npy`` file of one dimension.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            self.shape: tuple[int, ...] = read(file)[0]
            self._begin = file.tell()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            low, high, step = key.indices(len(self))
            if step == 1 and high > low:
                return np.memmap(self.path, np.float64, "r", self._begin + 8 * low, (high - low,))
        elif isinstance(key, (int, np.integer)):
            key = int(key) + (len(self) if key < 0 else 0)
            return self[key : key + 1][0]
        return np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = np.load(self.path, mmap_mode="r")
        return np.array(whole, dtype=dtype) if copy else np.asarray(whole, dtype=dtype)


class _Index(msgspec.Struct):
    """What a built dataset holds."""

    codes: list[str]
    instruments: list[Instrument]
    rows: int


def open_rows(
    store: TickStore,
    market: str,
    interval_s: int,
    source: str | None = None,
    codes: Sequence[str] | None = None,
    from_time: int | None = None,
    to_time: int | None = None,
    keys: Sequence[str] | None = None,
    memory: int = 0,
) -> RowSet:
    """Return stored rows as memory-mapped columns.

    Parameters
    ----------
    market : str
        Its code.
    interval_s : {1, 60}
    source : str, optional
        The first of recorded, made, newest run that has such rows when None.
    codes : sequence of str, optional
        Only these symbols.
    from_time, to_time : int, optional
        Row times, both included; a date (YYYYMMDD) means its whole day.
    keys : sequence of str, optional
        Columns to map, of the row schema or CLOCKS; all of the schema when None.
    memory : int
        Bytes that the mapped rows may take; where they need more they are mapped a window at a time. 0: no bound.

    Raises
    ------
    InputError
        ``store.no_data``, ``store.unknown_symbol``, ``store.unknown_column``.
    DataError
        A segment cannot be read.
    """
    source = store.choose_source(market, source, ROW_KINDS[interval_s])
    manifests = [manifest for _, manifest in store.manifests(market, source, ROW_KINDS[interval_s])]
    schema = row_schema(manifests[0].info.schema.partition("/")[0], interval_s)
    wanted = list(schema.keys if keys is None else keys)
    for key in wanted:
        if key not in schema.keys and key not in CLOCKS:
            raise InputError("store.unknown_column", column=key, interval=interval_s)
    digest = dataset_digest(manifests)
    folder = store.root / "columns" / market / source / ROW_KINDS[interval_s] / digest[:32]
    index = _build(store, market, source, interval_s, folder, wanted)
    chosen = index.codes if codes is None else sorted(set(codes))
    for code in chosen:
        if code not in index.codes:
            near = difflib.get_close_matches(code, index.codes, CODES_TOLD, 0.4) or index.codes[:CODES_TOLD]
            known = ", ".join(near) + (" …" if len(near) < len(index.codes) else "")
            raise InputError("store.unknown_symbol", symbol=code, market=market, source=source, known=known)
    row_time = map_column(folder / "row_time.npy")
    blocks = _select(np.load(folder / "blocks.npy"), row_time, index.codes, chosen, *span(interval_s, from_time, to_time))
    no_book = map_column(folder / "no_book.npy")
    has_book = not any(int(no_book[hi] - no_book[lo]) for lo, hi in zip(blocks["lo"].tolist(), blocks["hi"].tolist(), strict=True))
    instruments = {one.code: one for one in index.instruments}
    row_bytes = 8 * max(len(wanted), 1)
    is_far = bool(memory) and int((blocks["hi"] - blocks["lo"]).sum()) * row_bytes > memory
    return RowSet(
        market=market,
        interval_s=interval_s,
        source=source,
        codes=tuple(chosen),
        columns={key: map_column(folder / f"{key}.npy", is_far) for key in wanted},
        row_time=row_time,
        blocks=blocks,
        qty_decimals=np.array([instruments[code].qty_decimals for code in chosen], np.int64),
        has_book=has_book,
        digest=digest,
        instruments=tuple(instruments[code] for code in chosen),
        unknown={key: np.load(path, mmap_mode="r") for key in wanted if (path := folder / f"{key}{_UNKNOWN}").exists()},
        # Half, because the window before may still be mapped by a thread that has just finished with it.
        window_rows=max(memory // row_bytes // 2, 1) if is_far else 0,
        folder=str(folder),
    )


def map_column(path: Path, is_far: bool = False) -> Any:
    """Return a column file as a mapped array, or as one that is mapped a piece at a time.

    A file is mapped once however many runs of the process read it: what is mapped twice counts twice as the process's memory.
    """
    if is_far:
        return FarColumn(path)
    about = path.stat()
    key = (str(path), about.st_ino, about.st_mtime_ns, about.st_size)
    kept = _MAPPED.get(key)
    if kept is None:
        kept = _MAPPED[key] = np.load(path, mmap_mode="r")
    return kept


_MAPPED: WeakValueDictionary[tuple[str, int, int, int], Any] = WeakValueDictionary()


def dataset_digest(manifests: Sequence[Manifest]) -> str:
    """Return the SHA-256 of the segments' hashes in their order."""
    text = "\n".join(f"{one.info.day} {one.first_seq} {one.revision} {one.sha256}" for one in manifests)
    return hashlib.sha256(text.encode()).hexdigest()


def days_digest(store: TickStore, market: str, source: str, interval_s: int, first_day: int, last_day: int) -> str:
    """Return the SHA-256 of the segments of these days (YYYYMMDD, both included): other days may come or go."""
    manifests = [one for _, one in store.manifests(market, source, ROW_KINDS[interval_s]) if first_day <= one.info.day <= last_day]
    return dataset_digest(manifests)


def span(interval_s: int, from_time: int | None, to_time: int | None) -> tuple[int, int]:
    """Return (first, last) row time of a selection; a date (YYYYMMDD) means its whole day, None no bound."""
    digits = 1_000_000 if interval_s == 1 else 10_000
    low = 0 if from_time is None else from_time * digits if from_time < 100_000_000 else from_time
    high = 10**15 if to_time is None else to_time * digits + digits - 1 if to_time < 100_000_000 else to_time
    return low, high


def _select(blocks: np.ndarray, row_time: np.ndarray, codes: list[str], chosen: Sequence[str], low: int, high: int) -> NDArray[np.void]:
    """Return the blocks of the chosen codes cut to the span, symbols renumbered."""
    place = {codes.index(code): k for k, code in enumerate(chosen)}
    out = []
    for symbol, day, lo, hi in blocks.tolist():
        if symbol not in place:
            continue
        times = row_time[lo:hi]
        first, last = lo, hi
        if times[0] < low:
            first = lo + int(np.searchsorted(times, low, side="left"))
        if times[-1] > high:
            last = lo + int(np.searchsorted(times, high, side="right"))
        if last > first:
            out.append((place[symbol], day, first, last))
    return np.array(out, BLOCK_DTYPE)


# --- building -------------------------------------------------------------------------------------


def _build(store: TickStore, market: str, source: str, interval_s: int, folder: Path, keys: Sequence[str]) -> _Index:
    """Make the columns that are missing; return the dataset's index."""
    head = folder / "index.json"
    built = _read_index(head)
    missing = [key for key in keys if built is None or not _is_whole(folder, key, built.rows)]
    if built is not None and not missing:
        return built
    folder.mkdir(parents=True, exist_ok=True)
    table = store.instruments(market, source)
    schema = row_schema(next(iter(store.manifests(market, source, ROW_KINDS[interval_s])))[1].info.schema.partition("/")[0], interval_s)
    places = [schema.index(key) for key in missing if key not in CLOCKS]
    clocks: dict[str, list[np.ndarray]] = {key: [] for key in missing if key in CLOCKS}
    idents: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for _, rows in store.read_rows(market, source, interval_s):
        ident = np.empty((4, len(rows)), np.int64)
        ident[0], ident[1], ident[2], ident[3] = rows["instrument"], rows["row_time"], rows["seq"], rows["flags"]
        idents.append(ident)
        values.append(np.ascontiguousarray(rows["values"][:, places].T))
        for key, parts in clocks.items():
            parts.append(rows[key].copy())
    who, when, seq, flags = np.concatenate(idents, axis=1)
    rank = np.argsort(np.argsort([one.code for one in table]))
    who = rank[who]
    order = np.lexsort((seq, when, who))
    # Of two rows of one symbol and time (an import over another) the one stored last stands.
    keep = np.ones(len(order), bool)
    keep[:-1] = (np.diff(who[order]) != 0) | (np.diff(when[order]) != 0)
    order = order[keep]
    for k, key in enumerate(key for key in missing if key not in CLOCKS):
        column = np.concatenate([part[k] for part in values])[order]
        missing_values = np.isnan(column)
        if missing_values.any():
            _save(folder / f"{key}{_UNKNOWN}", np.concatenate(([0], np.cumsum(missing_values))))
        _save(folder / f"{key}.npy", column)
    for key, parts in clocks.items():
        _save(folder / f"{key}.npy", np.concatenate(parts)[order])
    used = np.unique(who)
    by_rank = {int(rank[k]): one for k, one in enumerate(table)}
    instruments = [by_rank[k] for k in used.tolist()]
    index = _Index(codes=[one.code for one in instruments], instruments=instruments, rows=len(order))
    if built is None:
        symbol = np.searchsorted(used, who[order]).astype(np.int32)
        times = when[order]
        day = (times // (1_000_000 if interval_s == 1 else 10_000)).astype(np.int32)
        starts = np.flatnonzero(np.concatenate(([True], (np.diff(symbol) != 0) | (np.diff(day) != 0))))
        blocks = np.zeros(len(starts), BLOCK_DTYPE)
        blocks["symbol"], blocks["day"] = symbol[starts], day[starts]
        blocks["lo"], blocks["hi"] = starts, np.append(starts[1:], len(order))
        _save(folder / "row_time.npy", times)
        _save(folder / "blocks.npy", blocks)
        _save(folder / "no_book.npy", np.concatenate(([0], np.cumsum((flags[order] & ROW_NO_BOOK) != 0))))
        temporary = head.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(msgspec.json.encode(index))
        os.replace(temporary, head)
        _forget_others(folder)
    return index


def _read_index(head: Path) -> _Index | None:
    """Return the index of a built dataset; None when it, or a column that every reader needs, is missing or not whole."""
    try:
        index = msgspec.json.decode(head.read_bytes(), type=_Index)
        blocks = np.load(head.parent / "blocks.npy")
    except (OSError, ValueError, EOFError, msgspec.MsgspecError):
        return None
    fits = blocks.dtype == BLOCK_DTYPE and len(blocks) and int(blocks["hi"][-1]) == index.rows
    needed = (("row_time", index.rows), ("no_book", index.rows + 1))
    return index if fits and all(_is_file_of(name, head.parent, count) for name, count in needed) else None


def _is_whole(folder: Path, key: str, rows: int) -> bool:
    """Tell whether a column is there with all its rows, and what counts its unknown values, where there is such a file."""
    unknown = f"{key}{_UNKNOWN}".removesuffix(".npy")
    return _is_file_of(key, folder, rows) and (not (folder / f"{unknown}.npy").exists() or _is_file_of(unknown, folder, rows + 1))


def _is_file_of(name: str, folder: Path, count: int) -> bool:
    """Tell by its head and its size, which costs next to nothing, whether a file holds `count` numbers of eight bytes."""
    heads = _heads(count)
    try:
        with open(folder / f"{name}.npy", "rb") as file:
            return file.read(len(heads[0])) in heads and os.fstat(file.fileno()).st_size == len(heads[0]) + 8 * count
    except OSError:
        return False


@cache
def _heads(count: int) -> tuple[bytes, ...]:
    """Return the head of a file of `count` numbers, for float64 and for int64."""
    found = []
    for kind in ("<f8", "<i8"):
        head = BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": kind, "fortran_order": False, "shape": (count,)})
        found.append(head.getvalue())
    return tuple(found)


def _save(path: Path, array: np.ndarray) -> None:
    keep_sum(path, array)
    save_column(path, array)


def save_column(path: Path, array: np.ndarray) -> None:
    """Write an array so that a reader sees the whole of it or nothing."""
    temporary = path.with_suffix(f".{os.getpid()}")
    with open(temporary, "wb") as file:
        np.save(file, np.ascontiguousarray(array))
    os.replace(temporary, path)


def _forget_others(folder: Path) -> None:
    """Delete the columns of the dataset's earlier states; a system that cannot while they are mapped keeps them."""
    for other in folder.parent.iterdir():
        if other != folder and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)


def cache_bytes(root: Path) -> dict[str, Any]:
    """Return what the cache holds: files and bytes."""
    files = [path for path in (root / "columns").rglob("*.npy")]
    return {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}

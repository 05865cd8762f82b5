"""Segments of the tick store: an append-only `.part` of checksummed blocks, sealed into one Parquet file.

A block is a head (magic, kind, length, rows, first and last sequence, schema id, CRC32) and a payload in the
declared dtype. A process killed at any instant leaves a prefix of whole blocks and at most one torn one;
`read_part` keeps the prefix. Sealing writes Parquet, syncs it, renames it, writes the manifest beside it,
syncs the directory and only then deletes the `.part`, so that every moment has one truth (reliability 6).
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import DataError
from domain.instruments import Instrument
from domain.records import EVENT_DTYPE, row_schema

BLOCK_ROWS = 4096
FLUSH_S = 0.25
SYNC_S = 5.0
ROW_GROUP = 65_536

GAP_DTYPE = np.dtype(
    [
        ("seq", "<i8"),
        ("exchange_ns", "<i8"),  # when it was noted, venue clock
        ("from_seq", "<i8"),
        ("to_seq", "<i8"),  # 0 = not known
        ("from_ns", "<i8"),
        ("to_ns", "<i8"),
        ("instrument", "<i4"),  # −1 = all
        ("stream", "S16"),
        ("cause", "S24"),
        ("state", "S12"),  # detected, backfilled, marked
    ]
)
"""A row of the gap ledger (reliability 6.7)."""

_HEAD = struct.Struct("<4sIIIqqII")  # magic, kind, bytes, rows, first and last sequence, schema, CRC
_MAGIC = b"STB1"
_INFO, _INSTRUMENTS, _ROWS, _END = range(4)

_TEXT_FIELDS = ("stream", "cause", "state")
_EVENT_FIELDS = ("seq", "exchange_ns", "received_ns", "kind", "flags", "side", "price", "qty", "first_id", "last_id")
_ROW_FIELDS = ("row_time", "exchange_ns", "received_ns", "seq", "flags")


class SegmentInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment is; its first block, and part of its manifest.

    Parameters
    ----------
    kind : str
        trade, depth, row1s, row1m or gap.
    schema : str
        ``event``, ``gap``, or ``<stock|coin>/<interval_s>`` of rows.
    origin : dict
        Where the data came from: ``what`` (receiver, import, made …), file names and hashes, run.
    """

    market: str
    source: str
    kind: str
    day: int
    schema: str
    origin: dict[str, Any]

    def dtype(self) -> np.dtype[np.void]:
        """Return the declared dtype of the blocks' rows."""
        if self.schema == "event":
            return EVENT_DTYPE
        if self.schema == "gap":
            return GAP_DTYPE
        kind, _, interval = self.schema.partition("/")
        return row_schema(kind, int(interval)).dtype()


class CodeSpan(msgspec.Struct, frozen=True):
    """Rows of one code in a segment; times as `row_time` for rows, venue clock in ns for events; 0 = none is known."""

    rows: int
    first: int
    last: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The `.json` beside a sealed file."""

    info: SegmentInfo
    file: str
    rows: int
    first_seq: int
    last_seq: int
    first_ns: int
    last_ns: int
    sha256: str
    revision: int
    state: str  # sealed, or recovered after a kill
    instruments: list[Instrument]
    codes: dict[str, CodeSpan]


def schema_id(dtype: np.dtype[np.void]) -> int:
    """Return a number that changes when a field of `dtype` changes."""
    return zlib.crc32(repr(dtype.descr).encode())


def _block(kind: int, payload: bytes, count: int, first: int, last: int, schema: int) -> bytes:
    head = _HEAD.pack(_MAGIC, kind, len(payload), count, first, last, schema, 0)
    crc = zlib.crc32(payload, zlib.crc32(head))
    return _HEAD.pack(_MAGIC, kind, len(payload), count, first, last, schema, crc) + payload


class PartWriter:
    """The open `.part` of one segment; one writer, buffered by rows and time.

    Parameters
    ----------
    path : Path
        Must not exist yet.
    """

    def __init__(self, path: Path, info: SegmentInfo, instruments: list[Instrument]) -> None:
        self.path = path
        self.info = info
        self._dtype = info.dtype()
        self._schema = schema_id(self._dtype)
        self._buffer: list[np.ndarray] = []
        self._buffered = 0
        self._oldest = 0.0
        self._synced = time.monotonic()
        self._dirty = False
        self.rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = open(path, "xb", buffering=0)  # noqa: SIM115 - kept open until the segment ends
        self._put(_block(_INFO, msgspec.json.encode(info), 0, 0, 0, self._schema))
        self.set_instruments(instruments)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            # The system names a file only when it opens one; whoever is told of a full disk must know which.
            error.filename = str(self.path)
            raise
        self._dirty = True

    def set_instruments(self, instruments: list[Instrument]) -> None:
        """State the table behind the `instrument` index of the rows that follow; it only ever grows."""
        self.flush()
        self._put(_block(_INSTRUMENTS, msgspec.json.encode(instruments), len(instruments), 0, 0, self._schema))

    def append(self, rows: np.ndarray) -> None:
        """Add rows (a copy is kept until they are handed to the system)."""
        if not self._buffered:
            self._oldest = time.monotonic()
        self._buffer.append(rows.copy())
        self._buffered += len(rows)
        self.rows += len(rows)
        if self._buffered >= BLOCK_ROWS or time.monotonic() - self._oldest >= FLUSH_S:
            self.flush()

    @property
    def buffered(self) -> int:
        """Rows that a kill of this process would lose now."""
        return self._buffered

    def flush(self) -> None:
        """Hand what is buffered to the operating system, in blocks of at most 4,096 rows; sync when due."""
        if self._buffered:
            rows = self._buffer[0] if len(self._buffer) == 1 else np.concatenate(self._buffer)
            self._buffer, self._buffered = [], 0
            for start in range(0, len(rows), BLOCK_ROWS):
                part = rows[start : start + BLOCK_ROWS]
                self._put(_block(_ROWS, part.tobytes(), len(part), int(part["seq"][0]), int(part["seq"][-1]), self._schema))
        if self._dirty and time.monotonic() - self._synced >= SYNC_S:
            self.sync()

    def sync(self) -> None:
        """Make what was handed over survive a loss of power."""
        if self._dirty:
            os.fsync(self._file.fileno())
            self._dirty = False
        self._synced = time.monotonic()

    def finish(self) -> None:
        """Write the end mark, sync and close: recovery will find nothing missing."""
        self.flush()
        self._put(_block(_END, b"", 0, 0, 0, self._schema))
        self.sync()
        self._file.close()

    def release(self) -> None:
        """Let the file go as it is, without a further byte: recovery takes what is whole in it."""
        self._buffer, self._buffered = [], 0
        self._file.close()

    def discard(self) -> None:
        """Delete the file: what it held is not wanted."""
        self.release()
        self.path.unlink(missing_ok=True)


class Part:
    """The valid prefix of a `.part`.

    Attributes
    ----------
    info : SegmentInfo or None
        None when not even the first block is whole.
    ended : bool
        The end mark is there: the writer closed it on purpose.
    valid_bytes, total_bytes : int
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.info: SegmentInfo | None = None
        self.instruments: list[Instrument] = []
        self.ended = False
        self.valid_bytes = 0
        self.total_bytes = path.stat().st_size
        for _ in self.blocks():
            pass

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the rows block by block until the end or the first block that is not whole."""
        dtype: np.dtype[np.void] | None = None
        wanted = 0
        position = 0
        with open(self.path, "rb") as file:
            while True:
                head = file.read(_HEAD.size)
                if len(head) < _HEAD.size:
                    break
                magic, kind, length, count, first, last, schema, crc = _HEAD.unpack(head)
                if magic != _MAGIC or length > self.total_bytes - position:
                    break
                payload = file.read(length)
                bare = _HEAD.pack(magic, kind, length, count, first, last, schema, 0)
                if len(payload) < length or zlib.crc32(payload, zlib.crc32(bare)) != crc:
                    break
                if kind == _INFO:
                    self.info = msgspec.json.decode(payload, type=SegmentInfo)
                    dtype = self.info.dtype()
                    wanted = schema_id(dtype)
                if dtype is None or schema != wanted:
                    break
                position += _HEAD.size + length
                self.valid_bytes = position
                if kind == _INSTRUMENTS:
                    self.instruments = msgspec.json.decode(payload, type=list[Instrument])
                elif kind == _END:
                    self.ended = True
                elif kind == _ROWS:
                    yield np.frombuffer(payload, dtype)


# --- Parquet ------------------------------------------------------------------------------------


def to_table(rows: np.ndarray, info: SegmentInfo, codes: list[str]) -> pa.Table:
    """Return rows of a segment as an Arrow table: identity and clocks, then the columns by name."""
    index = rows["instrument"].astype(np.int32)
    known = pa.array(index, mask=index < 0)
    arrays: dict[str, Any] = {"code": pa.DictionaryArray.from_arrays(known, pa.array(codes, pa.string()))}
    if info.schema == "event":
        arrays |= {name: np.ascontiguousarray(rows[name]) for name in _EVENT_FIELDS}
    elif info.schema == "gap":
        arrays |= {
            name: [value.decode() for value in rows[name].tolist()] if name in _TEXT_FIELDS else np.ascontiguousarray(rows[name])
            for name in GAP_DTYPE.names or ()
            if name != "instrument"
        }
    else:
        kind, _, interval = info.schema.partition("/")
        arrays |= {name: np.ascontiguousarray(rows[name]) for name in _ROW_FIELDS}
        columns = np.ascontiguousarray(rows["values"].T)
        arrays |= {key: columns[k] for k, key in enumerate(row_schema(kind, int(interval)).keys)}
    return pa.table(arrays)


def from_table(table: pa.Table, info: SegmentInfo, index: dict[str, int]) -> np.ndarray:
    """Return an Arrow table of a segment as rows of its dtype; codes become positions in `index`."""
    out = np.zeros(table.num_rows, info.dtype())
    codes = table.column("code").combine_chunks()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.chunk(0) if codes.num_chunks else pa.array([], pa.dictionary(pa.int32(), pa.string()))
    if not pa.types.is_dictionary(codes.type):
        codes = codes.dictionary_encode()
    positions = np.array([index[code] for code in codes.dictionary.to_pylist()] or [0], np.int32)
    raw = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    out["instrument"] = np.where(raw < 0, -1, positions[raw])
    names = table.column_names
    if info.schema in ("event", "gap"):
        for name in info.dtype().names or ():
            if name in names:
                values = table.column(name).to_numpy() if name not in _TEXT_FIELDS else table.column(name).to_pylist()
                out[name] = [text.encode() for text in values] if name in _TEXT_FIELDS else values
        return out
    kind, _, interval = info.schema.partition("/")
    for name in _ROW_FIELDS:
        out[name] = table.column(name).to_numpy()
    for k, key in enumerate(row_schema(kind, int(interval)).keys):
        out["values"][:, k] = table.column(key).to_numpy()
    return out


def sync_directory(path: Path) -> None:
    """Make renames in a directory survive a loss of power (systems that cannot open one do it by themselves)."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_synced(path: Path, data: bytes) -> None:
    """Write a small file so that it is either the old one or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class _Spans:
    """Rows, first and last time per code while a segment is sealed."""

    def __init__(self, time_field: str) -> None:
        self._field = time_field
        self._found: dict[int, tuple[int, int, int]] = {}

    def add(self, rows: np.ndarray) -> None:
        times, who = rows[self._field], rows["instrument"]
        for i in np.unique(who).tolist():
            mine = times[who == i]
            count, first, last = self._found.get(i, (0, 0, 0))
            # A snapshot that the venue did not date has time 0: it is counted, and is no moment of 1970.
            dated = mine[mine > 0]
            if len(dated):
                low = int(dated.min())
                first, last = low if first == 0 else min(first, low), max(last, int(dated.max()))
            self._found[i] = (count + len(mine), first, last)

    def by_code(self, codes: list[str]) -> dict[str, CodeSpan]:
        return {codes[i] if i >= 0 else "": CodeSpan(*span) for i, span in sorted(self._found.items())}


def seal_part(path: Path, revision: int = 0) -> Manifest | None:
    """Turn a closed or recovered `.part` into a Parquet file with its manifest, and delete it.

    Returns
    -------
    Manifest or None
        None when the part holds no row; it is deleted all the same.

    Raises
    ------
    DataError
        ``store.unwritable``: the disk is full or refuses; the `.part` stays.
    """
    part = Part(path)
    info = part.info
    if info is None:
        path.unlink()
        return None
    codes = [instrument.code for instrument in part.instruments]
    spans = _Spans("row_time" if "/" in info.schema else "exchange_ns")
    rows, first_seq, last_seq = 0, 0, 0
    first_ns, last_ns = 2**63 - 1, -(2**63)
    temporary = path.with_suffix(".parquet.tmp")
    writer: pq.ParquetWriter | None = None
    try:
        held: list[np.ndarray] = []
        for block in _gathered(part, held):
            table = to_table(block, info, codes)
            if writer is None:
                writer = pq.ParquetWriter(temporary, table.schema, compression="zstd", use_dictionary=["code"])
                first_seq = int(block["seq"][0])
            writer.write_table(table, row_group_size=ROW_GROUP)
            spans.add(block)
            rows += len(block)
            last_seq = int(block["seq"][-1])
            first_ns = min(first_ns, int(block["exchange_ns"].min()))
            last_ns = max(last_ns, int(block["exchange_ns"].max()))
        if writer is None:
            path.unlink()
            sync_directory(path.parent)
            return None
        writer.close()
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        final = path.with_name(f"{first_seq}-r{revision}.parquet")
        manifest = Manifest(
            info=info,
            file=final.name,
            rows=rows,
            first_seq=first_seq,
            last_seq=last_seq,
            first_ns=first_ns,
            last_ns=last_ns,
            sha256=file_sha256(temporary),
            revision=revision,
            state="sealed" if part.ended else "recovered",
            instruments=part.instruments,
            codes=spans.by_code(codes),
        )
        os.replace(temporary, final)
        write_synced(final.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        sync_directory(path.parent)
    except OSError as error:
        raise DataError("store.unwritable", path=str(path), reason=error.strerror or str(error)) from error
    path.unlink()
    sync_directory(path.parent)
    return manifest


def _gathered(part: Part, held: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield a part's blocks joined to row groups."""
    count = 0
    for block in part.blocks():
        held.append(block)
        count += len(block)
        if count >= ROW_GROUP:
            yield np.concatenate(held)
            held.clear()
            count = 0
    if held:
        yield np.concatenate(held)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest at `path`; DataError ``store.manifest`` when it is not one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise DataError("store.manifest", path=str(path), reason=str(error)) from error


def is_manifest(path: Path) -> bool:
    """Tell whether the file at `path` can be read as a manifest."""
    try:
        read_manifest(path)
    except DataError:
        return False
    return True

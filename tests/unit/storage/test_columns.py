"""The column cache: sorted by symbol, day and time; only what is asked for is built; safe to delete."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.errors import InputError
from domain.instruments import Instrument
from domain.records import ROW_NO_BOOK, row_schema
from storage.columns import open_rows
from storage.ticks import TickStore

SCHEMA = row_schema("coin", 1)


def store_rows(root: Path, seq: int, lines: list[tuple[str, int, float]], flags: int = 0) -> TickStore:
    """Store rows of (code, row_time, last_price)."""
    store = TickStore(root)
    names = sorted({code for code, _, _ in lines})
    rows = np.zeros(len(lines), SCHEMA.dtype())
    for k, (code, when, price) in enumerate(lines):
        rows[k]["row_time"], rows[k]["instrument"], rows[k]["seq"], rows[k]["flags"] = when, names.index(code), seq + k, flags
        rows[k]["values"][SCHEMA.index("last_price")] = price
        rows[k]["values"][SCHEMA.index("bid1")] = price - 1
    table = [Instrument(instrument_id=f"upbit:{name}", code=name, name=name) for name in names]
    writer = store.writer(UPBIT, "made", "row1s", SCHEMA, table, {"what": "test"})
    writer.append(rows)
    writer.seal()
    store.unlock()
    return store


LINES = [
    ("B", 20260105000001, 10.0),
    ("A", 20260105000001, 20.0),
    ("B", 20260105000002, 11.0),
    ("A", 20260106000000, 21.0),
    ("B", 20260106000000, 12.0),
    ("B", 20260106000005, 13.0),
]


def test_blocks_are_symbol_days_and_columns_follow_them(tmp_path: Path) -> None:
    rows = open_rows(store_rows(tmp_path, 1, LINES), "upbit", 1, keys=["last_price"])
    assert rows.codes == ("A", "B")
    assert rows.blocks.tolist() == [(0, 20260105, 0, 1), (0, 20260106, 1, 2), (1, 20260105, 2, 4), (1, 20260106, 4, 6)]
    assert rows.columns["last_price"].tolist() == [20.0, 21.0, 10.0, 11.0, 12.0, 13.0]
    assert (rows.source, rows.rows, rows.has_book, rows.qty_decimals.tolist()) == ("made", 6, True, [8, 8])
    assert not rows.columns["last_price"].flags.writeable
    assert list(rows.columns) == ["last_price"]
    built = {path.name for path in tmp_path.glob("columns/**/*.npy")}
    assert built == {"row_time.npy", "blocks.npy", "no_book.npy", "last_price.npy"}


def test_symbols_and_times_select(tmp_path: Path) -> None:
    store = store_rows(tmp_path, 1, LINES)
    rows = open_rows(store, "upbit", 1, codes=["B"], from_time=20260105000002, to_time=20260106)
    assert [(day, hi - lo) for _, day, lo, hi in rows.blocks.tolist()] == [(20260105, 1), (20260106, 2)]
    lo, hi = int(rows.blocks["lo"][0]), int(rows.blocks["hi"][0])
    assert rows.columns["bid1"][lo:hi].tolist() == [10.0]
    assert rows.codes == ("B",)
    assert open_rows(store, "upbit", 1, to_time=20260105).rows == 3
    assert open_rows(store, "upbit", 1, from_time=20260107).rows == 0


def test_a_later_import_of_the_same_row_stands_and_the_digest_changes(tmp_path: Path) -> None:
    store = store_rows(tmp_path, 1, LINES)
    before = open_rows(store, "upbit", 1)
    store_rows(tmp_path, 100, [("B", 20260105000002, 99.0)], ROW_NO_BOOK)
    after = open_rows(store, "upbit", 1)
    assert (after.rows, before.digest == after.digest) == (6, False)
    assert after.columns["last_price"].tolist() == [20.0, 21.0, 10.0, 99.0, 12.0, 13.0]
    assert not after.has_book
    assert open_rows(store, "upbit", 1, codes=["A"]).has_book


def test_a_deleted_cache_is_built_again_equal(tmp_path: Path) -> None:
    store = store_rows(tmp_path, 1, LINES)
    first = {key: column.copy() for key, column in open_rows(store, "upbit", 1).columns.items()}
    shutil.rmtree(tmp_path / "columns")
    second = open_rows(store, "upbit", 1).columns
    assert all((first[key] == second[key]).all() for key in SCHEMA.keys)


def test_a_cache_file_that_is_cut_or_damaged_is_built_again(tmp_path: Path) -> None:
    store = store_rows(tmp_path, 1, LINES)
    first = open_rows(store, "upbit", 1)
    whole = {key: column.copy() for key, column in first.columns.items()}
    digest, blocks = first.digest, first.blocks.copy()
    del first
    folder = next((tmp_path / "columns").rglob("index.json")).parent
    for name in ("index.json", "row_time.npy", "blocks.npy", "no_book.npy", "last_price.npy", "bid1.npy"):
        path = folder / name
        good = path.read_bytes()
        for bad in (b"", good[: len(good) // 2], good[:-1], b"\0" * len(good)):
            path.write_bytes(bad)
            again = open_rows(store, "upbit", 1)
            assert again.digest == digest
            assert (again.blocks == blocks).all()
            assert all((whole[key] == again.columns[key]).all() for key in SCHEMA.keys), (name, len(bad))
            assert path.read_bytes() == good


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        ({"codes": ["C"]}, "store.unknown_symbol"),
        ({"keys": ["bar_open"]}, "store.unknown_column"),
        ({"source": "run9"}, "store.no_data"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, ask: dict[str, object], code: str) -> None:
    store = store_rows(tmp_path, 1, LINES)
    with pytest.raises(InputError) as caught:
        open_rows(store, "upbit", 1, **ask)  # type: ignore[arg-type]
    assert caught.value.code == code

"""Cached columns that went wrong on the disk are found and built again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from storage.column_sums import check_columns
from storage.columns import open_rows
from tests.unit.storage.test_columns import store_rows

LINES = [("KRW-A", 20260105000001 + k, 10.0 + k) for k in range(6)]


@pytest.mark.parametrize("name", ["last_price", "row_time", "blocks", "no_book"])
def test_a_damaged_column_of_the_same_length_is_told_and_built_again(tmp_path: Path, name: str) -> None:
    store = store_rows(tmp_path, 1, LINES)
    before = np.array(open_rows(store, "upbit", 1, keys=("last_price",)).columns["last_price"])
    assert check_columns(tmp_path, forget=True) == []
    path = next((tmp_path / "columns").rglob(f"{name}.npy"))
    data = path.read_bytes()
    path.write_bytes(data[:128] + b"\xff" * (len(data) - 128))
    assert [one["file"] for one in check_columns(tmp_path, forget=False)] == [str(path.relative_to(tmp_path))]
    assert [one["problem"] for one in check_columns(tmp_path, forget=True)] == ["column"]
    rows = open_rows(store, "upbit", 1, keys=("last_price",))
    assert np.array_equal(rows.columns["last_price"], before)
    assert (rows.rows, check_columns(tmp_path, forget=True)) == (len(LINES), [])


def test_a_damaged_count_of_unknown_values_takes_its_column_with_it(tmp_path: Path) -> None:
    store = store_rows(tmp_path, 1, [(code, when, float("nan") if k == 2 else price) for k, (code, when, price) in enumerate(LINES)])
    open_rows(store, "upbit", 1)
    path = next((tmp_path / "columns").rglob("*.unknown.npy"))
    data = path.read_bytes()
    path.write_bytes(data[:128] + b"\xff" * (len(data) - 128))
    assert len(check_columns(tmp_path, forget=True)) == 1
    key = path.name.removesuffix(".unknown.npy")
    assert int(open_rows(store, "upbit", 1, keys=(key,)).unknown[key][-1]) == 1


def test_a_column_of_an_older_version_is_no_problem_and_is_built_anew(tmp_path: Path) -> None:
    store = store_rows(tmp_path, 1, LINES)
    open_rows(store, "upbit", 1, keys=("last_price",))
    for path in (tmp_path / "columns").rglob("*.sum"):
        path.unlink()
    assert check_columns(tmp_path, forget=True) == []
    assert not list((tmp_path / "columns").rglob("*.npy"))
    assert open_rows(store, "upbit", 1, keys=("last_price",)).rows == len(LINES)

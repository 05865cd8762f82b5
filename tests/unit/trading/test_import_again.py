"""A file that is imported a second time: what was refused is refused still, what is stored is known, gaps are gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.ticks import TickStore
from tests.unit.trading.test_importers import SNAPSHOT, depth, run, trade, write
from trading.importers.remembered import UNTOLD

NAMES = ("rows_in", "rows_rejected", "reasons", "gaps", "gap_list")


@pytest.fixture
def torn(tmp_path: Path) -> Path:
    lines = [
        SNAPSHOT,
        trade(0.0, 1, "100.50", "0.1"),
        trade(0.3, 2, "-1", "0.1"),
        "no line of this kind",
        depth(0.1, 11, 11, [["99.00", "3"]], []),
        depth(1.1, 14, 15, [["99.00", "4"]], []),
    ]
    (tmp_path / "in").mkdir()
    return write(tmp_path / "in" / "x.gz", lines)


def test_a_second_import_says_the_same_of_refused_rows_and_gaps(tmp_path: Path, torn: Path) -> None:
    store = tmp_path / "s"
    tried = run(store, torn, dry_run=True)
    first = run(store, torn)
    assert (first["rows_rejected"], first["gaps"], tried["reasons"]) == (2, 1, first["reasons"])
    for again in (run(store, torn), run(store, torn, dry_run=True)):
        assert {name: again[name] for name in NAMES} == {name: first[name] for name in NAMES}
        assert (again["rows_stored"], again["rows_known"]) == (0, first["rows_stored"])
        assert again["files"][0]["first_at"] == first["files"][0]["first_at"]
        assert again["files"][0]["family"] == "again"


def test_a_copy_beside_it_and_a_new_file_are_told_apart(tmp_path: Path, torn: Path) -> None:
    (torn.parent / "y.gz").write_bytes(torn.read_bytes())
    first = run(tmp_path / "s", torn.parent)
    one, copy = first["files"]
    assert (one["rows_stored"], copy["family"], copy["rows_known"]) == (4, "again", 4)
    assert (one["reasons"], first["gaps"]) == (copy["reasons"], 1)
    write(torn.parent / "z.gz", [trade(9.0, 9, "100.50", "0.1"), "neither"], 1_767_571_210_000)
    more = run(tmp_path / "s", torn.parent)
    assert [(each["rows_stored"], each["rows_known"], each["rows_rejected"]) for each in more["files"]] == [(0, 4, 2), (0, 4, 2), (1, 0, 1)]


def test_without_a_record_nothing_is_claimed_of_refusals(tmp_path: Path, torn: Path) -> None:
    store = TickStore(tmp_path / "s")
    run(tmp_path / "s", torn)
    for path in (store.root / "imports").iterdir():
        path.write_text("{", "utf-8")
    again = run(tmp_path / "s", torn)["files"][0]
    assert (again["note"], again["rows_in"], again["rows_known"], again["reasons"]) == (UNTOLD, 6, 6, {})

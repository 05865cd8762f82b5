"""A file that is imported a second time: what was refused is refused still, what is stored is known, gaps are gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.data_export import export_rows
from storage.columns import open_rows
from storage.ticks import TickStore
from tests.unit.trading import test_stom_database as database
from tests.unit.trading.test_importers import SNAPSHOT, T0_MS, depth, run, trade, write
from trading.importers.remembered import UNTOLD
from trading.importers.stom_rows import DatabaseImport

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


HEADING = "symbol,open_time,open,high,low,close,volume"


def of_two(path: Path) -> Path:
    """Write candles of KRW-A and KRW-B, one of each and one line wrong."""
    lines = [f"KRW-{code},{T0_MS + k * 60_000},1,1,{low},1,5" for k in range(3) for code, low in (("A", 2 if k == 1 else 1), ("B", 1))]
    path.write_text("\n".join([HEADING, *lines, "half a line", *[line.replace("1,5", "1,-5") for line in lines[-1:]]]), "utf-8")
    return path


def of_two_recorded(path: Path) -> Path:
    other = [trade(0.2 + k, k + 7, "9.50", "0.1") | {"stream": "othusdt@trade"} for k in range(2)]
    for one in other:
        one["data"]["s"] = "OTHUSDT"
    return write(path, [trade(0.0, 1, "100.50", "0.1"), other[0], trade(0.4, 2, "-1", "0.1"), "neither", other[1]])


def stored(root: Path, market: str, interval_s: int) -> list[tuple[str, int]]:
    rows = open_rows(TickStore(root), market, interval_s)
    return sorted((rows.codes[int(one["symbol"])], int(one["hi"] - one["lo"])) for one in rows.blocks)


@pytest.mark.parametrize("rest", ["B", None])
def test_symbols_that_were_left_out_are_read_when_they_are_wanted(tmp_path: Path, rest: str | None) -> None:
    path, store = of_two(tmp_path / "two.csv"), tmp_path / "s"
    first = run(store, path, symbols=["KRW-A"])
    assert (first["rows_in"], first["rows_stored"]) == (8, 2)
    assert first["reasons"] == {"columns_few": 1, "high_low": 1, "not_chosen": 3, "volume": 1}
    assert run(store, path, symbols=["KRW-A"])["files"][0]["family"] == "again"
    tried = run(store, path, symbols=rest and ["KRW-B"], dry_run=True)
    second = run(store, path, symbols=rest and ["KRW-B"])
    assert (second["rows_stored"], second["rows_known"]) == (tried["rows_stored"], tried["rows_known"]) == (3, 2)
    assert second["reasons"] == {"columns_few": 1, "high_low": 1, "volume": 1}
    assert second["files"][0]["first_at"] == {"columns_few": [8], "high_low": [4], "volume": [9]}
    assert [code for code, _ in stored(store, "upbit", 60)] == ["KRW-A", "KRW-B"]
    third = run(store, path)
    assert (third["files"][0]["family"], third["rows_known"], third["reasons"]) == ("again", 5, second["reasons"])


def test_the_rest_of_a_recording(tmp_path: Path) -> None:
    path, store = of_two_recorded(tmp_path / "two.gz"), tmp_path / "s"
    first = run(store, path, symbols=["ABCUSDT"], market="binance")
    assert (first["rows_stored"], first["reasons"]["not_chosen"]) == (1, 2)
    second = run(store, path, market="binance")
    assert (second["rows_in"], second["rows_stored"], second["rows_known"], second["rows_rejected"]) == (5, 2, 1, 2)
    assert {one["symbol"]: one["rows"] for one in TickStore(store).datasets() if one["interval"] == "trade"} == {"ABCUSDT": 1, "OTHUSDT": 2}


def test_the_rest_of_exported_rows_and_of_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = database.write(tmp_path / "a.db", {code: database.table("coin", 60) for code in ("KRW-A", "KRW-B")})
    store = tmp_path / "s"
    assert run(store, base, symbols=["KRW-A"])["rows_stored"] == 5

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseImport, "_day", dies)
        with pytest.raises(KeyboardInterrupt):
            run(store, base)
    assert stored(store, "upbit", 60) == [("KRW-A", 5)]  # what the import before had stored is not taken back
    second = run(store, base)
    assert (second["rows_stored"], second["rows_known"], second["rows_rejected"]) == (5, 5, 0)
    out = tmp_path / "rows.csv"
    assert export_rows(TickStore(store), "upbit", 60, None, None, None, None, out, "en")["rows"] == 10
    fresh = tmp_path / "t"
    assert run(fresh, out, symbols=["KRW-B"])["reasons"] == {"not_chosen": 5}
    last = run(fresh, out)
    assert (last["rows_stored"], last["rows_known"], stored(fresh, "upbit", 60)) == (5, 5, [("KRW-A", 5), ("KRW-B", 5)])

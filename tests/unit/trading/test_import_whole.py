"""An import that was killed, or has lost a segment, is completed by the same import: no row twice, none lost."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from cli.data_export import export_rows
from storage import imports, segment_writer
from storage.ticks import TickStore
from tests.unit.trading import test_stom_database as database
from tests.unit.trading.test_importers import SNAPSHOT, T0_MS, depth, run, trade, write
from trading.importers import whole
from trading.venues import markets

DAY_MS = 86_400_000
HEADING = "symbol,open_time,open,high,low,close,volume"


class Dead(BaseException):
    """What nobody expects: the process is gone."""


def candles(path: Path, codes: str = "AB", days: int = 4, each: int = 3) -> Path:
    lines = [
        f"KRW-{code},{T0_MS + day * DAY_MS + k * 60_000},1,{k + 2},1,{k + 1},5"
        for code in codes
        for day in range(days)
        for k in range(each)
    ]
    path.write_text("\n".join([HEADING, *lines]), "utf-8")
    return path


def recorded(path: Path, days: int = 4) -> Path:
    lines: list[Any] = []
    for day in range(days):
        at = day * 86_400.0
        lines += [SNAPSHOT | {"lastUpdateId": 10 + day * 10}] if not day else []
        lines += [trade(at + k, 10 * day + k, "100.50", "0.1") for k in range(3)]
        lines += [depth(at + 3.5, 11 + day, 11 + day, [["99.00", str(day + 3)]], [])]
    return write(path, lines)


def exported(root: Path, market: str, interval_s: int) -> list[list[str]]:
    out = root.parent / f"{root.name}.csv"
    export_rows(TickStore(root), market, interval_s, None, None, None, None, out, "en")
    with open(out, encoding="utf-8") as file:
        return list(csv.reader(file))


def counts(root: Path) -> dict[tuple[str, str], int]:
    return {(one["symbol"], one["interval"]): one["rows"] for one in TickStore(root).datasets()}


def dies_after(monkeypatch: pytest.MonkeyPatch, segments: int, root: Path, *sources: Path, death: type[BaseException] = Dead) -> None:
    """Import and die when so many segments are sealed."""
    sealed = 0
    seal = segment_writer.seal_part

    def dying(path: Path) -> Any:
        nonlocal sealed
        if sealed == segments:
            raise death
        sealed += 1
        return seal(path)

    with monkeypatch.context() as patch:
        patch.setattr(segment_writer, "seal_part", dying)
        with pytest.raises(death):
            run(root, *sources)


def files_of(kind: str, folder: Path) -> tuple[Path, str, int]:
    if kind == "recording":
        return recorded(folder / "x.gz"), "binance", 1
    if kind == "database":
        tables = {code: database.table("coin", 60) for code in ("KRW-A", "KRW-B")}
        return database.write(folder / "a.db", tables), "upbit", 60
    path = candles(folder / "a.csv", days=9)
    if kind == "rows":
        run(folder / "made", path)
        exported(folder / "made", "upbit", 60)
        return folder / "made.csv", "upbit", 60
    return path, "upbit", 60


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("kind", ["bars", "rows", "recording"])
def test_a_killed_import_is_told_and_completed_by_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, verified: bool
) -> None:
    path, market, interval_s = files_of(kind, tmp_path)
    run(tmp_path / "once", path)
    root = tmp_path / "s"
    for segments in (2, 1):  # the second time the repeat dies, too
        dies_after(monkeypatch, segments, root, path)
        assert {one["problem"] for one in imports.problems(root)} == {"unfinished_import"}
        if verified:
            store = TickStore(root)
            store.recover(markets())
            assert store.verify() == []
    report = run(root, path)
    assert report["rows_in"] == report["rows_stored"] + report["rows_known"]
    assert report["rows_stored"] > 0
    assert imports.problems(root) == TickStore(root).verify() == []
    assert counts(root) == counts(tmp_path / "once")
    assert exported(root, market, interval_s) == exported(tmp_path / "once", market, interval_s)
    again = run(root, path)
    assert (again["rows_stored"], again["files"][0]["family"]) == (0, "again")
    assert not list((root / "ticks").rglob("*.part"))
    assert [one.suffix for one in (root / "imports").glob("*.lock")] == []


@pytest.mark.parametrize("how", ["halved", "manifest", "gone"])
@pytest.mark.parametrize("kind", ["bars", "rows", "database", "recording"])
def test_a_lost_segment_is_brought_back_by_the_same_import(tmp_path: Path, kind: str, how: str) -> None:
    path, market, interval_s = files_of(kind, tmp_path)
    root = tmp_path / "s"
    run(root, path)
    before, rows = counts(root), exported(root, market, interval_s)
    name = "row1m" if interval_s == 60 else "row1s"
    segment = sorted((root / "ticks").glob(f"*/recorded/{name}/*/*.parquet"))[-1]
    if how == "halved":
        segment.write_bytes(segment.read_bytes()[: segment.stat().st_size // 2])
    elif how == "manifest":
        segment.with_suffix(".json").write_text("{", "utf-8")
    else:
        segment.with_suffix(".json").unlink()
        segment.unlink()
    assert (TickStore(root).verify() != []) == (how != "gone")
    assert [one["problem"] for one in imports.problems(root)] == ["incomplete_import"]
    report = run(root, path)
    assert report["rows_stored"] > 0
    assert (counts(root), exported(root, market, interval_s)) == (before, rows)
    assert imports.problems(root) == []
    assert run(root, path)["files"][0]["family"] == "again"


def test_a_store_without_records_is_repaired_by_what_was_put_aside(tmp_path: Path) -> None:
    root, path = tmp_path / "s", candles(tmp_path / "a.csv")
    run(root, path)
    before = counts(root)
    for one in (root / "imports").iterdir():
        one.unlink()
    assert run(root, path)["files"][0]["family"] == "again"
    segment = min((root / "ticks").rglob("row1m/*/*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-9])
    assert len(TickStore(root).verify()) == 1
    report = run(root, path)
    assert (report["rows_stored"], report["rows_known"], counts(root)) == (6, 18, before)
    assert run(root, path)["files"][0]["family"] == "again"


def test_one_file_of_many_completes_its_own_rows_and_the_others_stay_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "s"
    (tmp_path / "in").mkdir()
    for code in "AB":
        candles(tmp_path / "in" / f"{code}.csv", code)
    dies_after(monkeypatch, 1, root, tmp_path / "in")
    report = run(root, tmp_path / "in" / "A.csv")
    assert (report["rows_stored"] + report["rows_known"], counts(root)["KRW-A", "1m"]) == (12, 12)
    assert [one["files"] for one in imports.problems(root)] == [["B.csv"]]
    assert run(root, tmp_path / "in")["rows_known"] >= 12
    assert (imports.problems(root), counts(root)["KRW-B", "1m"]) == ([], 12)


def test_a_chosen_symbol_does_not_complete_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, path = tmp_path / "s", candles(tmp_path / "a.csv")
    dies_after(monkeypatch, 1, root, path)
    run(root, path, symbols=["KRW-A"])
    assert [one["problem"] for one in imports.problems(root)] == ["unfinished_import"]
    run(root, path)
    assert (imports.problems(root), counts(root)) == ([], {("KRW-A", "1m"): 12, ("KRW-B", "1m"): 12})


def test_a_damaged_stream_of_several_files_is_repeated_from_all_of_them(tmp_path: Path) -> None:
    root = tmp_path / "s"
    (tmp_path / "in").mkdir()
    one = write(tmp_path / "in" / "a.gz", [trade(0.0, 1, "100.50", "0.1"), trade(2.0, 2, "100.50", "0.1")])
    write(tmp_path / "in" / "b.gz", [trade(5.0, 3, "100.50", "0.1"), trade(7.0, 4, "100.50", "0.1")], T0_MS + 5_000)
    run(root, tmp_path / "in")
    before = counts(root)
    segment = next((root / "ticks").glob("*/recorded/trade/*/*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-9])
    TickStore(root).verify()
    alone = run(root, one)
    assert (alone["rows_stored"], alone["reasons"], alone["files"][0]["note"]) == (0, {"together": 2}, "import.together")
    assert run(root, tmp_path / "in")["rows_stored"] == 4
    assert (counts(root), imports.problems(root)) == (before, [])


def test_a_row_of_another_file_that_is_lost_is_asked_of_either(tmp_path: Path) -> None:
    root = tmp_path / "s"
    run(root, candles(tmp_path / "part.csv", days=2))
    whole_file = candles(tmp_path / "whole.csv")
    report = run(root, whole_file)
    assert (report["rows_stored"], report["rows_known"], sum(counts(root).values())) == (12, 12, 24)
    segment = min((root / "ticks").rglob("row1m/*/*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-9])
    TickStore(root).verify()
    assert (run(root, whole_file)["rows_stored"], sum(counts(root).values())) == (6, 24)


def test_files_that_overlap_are_counted_once(tmp_path: Path) -> None:
    root, long = tmp_path / "s", candles(tmp_path / "long.csv", days=2, each=9)
    lines = long.read_text("utf-8").splitlines()
    short, other = tmp_path / "short.csv", tmp_path / "other.csv"
    short.write_text("\n".join(lines[:15]), "utf-8")  # ends within the second day of KRW-A
    other.write_text("\n".join([lines[0], *[line[:-1] + "7" for line in lines[1:5]]]), "utf-8")  # other volumes: they replace
    assert run(root, short)["rows_stored"] == 14
    assert sum(counts(root).values()) == 14
    report = run(root, long)
    assert (report["rows_stored"], report["rows_known"], sum(counts(root).values())) == (22, 14, 36)
    assert (run(root, other)["rows_stored"], counts(root)) == (4, {("KRW-A", "1m"): 18, ("KRW-B", "1m"): 18})
    assert len(exported(root, "upbit", 60)) == 1 + 36


def test_a_person_who_stops_is_told_what_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    path, root = candles(tmp_path / "a.csv"), tmp_path / "s"
    monkeypatch.setattr(whole, "saved", lambda *_, real=whole.saved: told.append(real(*_)) or told[-1])
    dies_after(monkeypatch, 2, root, path, death=KeyboardInterrupt)
    assert told == [(12, 0)]
    assert [one["problem"] for one in imports.problems(root)] == ["unfinished_import"]


def test_an_import_that_runs_elsewhere_is_not_called_dead(tmp_path: Path) -> None:
    running = imports.Running(tmp_path, {"aa": "a.csv"}, None)
    assert imports.problems(tmp_path) == []
    running.release()
    assert [one["files"] for one in imports.problems(tmp_path)] == [["a.csv"]]


def test_a_file_repeated_alone_leaves_the_universe_of_the_whole_import(tmp_path: Path) -> None:
    root = tmp_path / "s"
    (tmp_path / "in").mkdir()
    codes = [chr(ord("A") + k) for k in range(12)]
    for code in codes:
        candles(tmp_path / "in" / f"{code}.csv", code, days=2)
    run(root, tmp_path / "in")
    before = exported(root, "upbit", 60)
    segment = min((root / "ticks").rglob("row1m/*/*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-9])
    TickStore(root).verify()
    report = run(root, tmp_path / "in" / "L.csv")
    assert (report["rows_stored"], report["rows_known"]) == (3, 3)  # the whole day is left as it stands
    run(root, tmp_path / "in")
    assert (len(exported(root, "upbit", 60)), imports.problems(root)) == (len(before), [])

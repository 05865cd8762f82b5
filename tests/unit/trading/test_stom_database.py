"""STOM's databases: every layout, the universe, what a generation lacks, and databases that cannot be taken."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cli.main import run_command
from domain.errors import InputError
from domain.records import row_schema
from storage.columns import open_rows
from storage.ticks import TickStore
from trading.importers import import_files, stom_rows
from trading.importers.stom_db import ADDED_IN_V3, DROPPED_IN_V3, NEVER_STORED
from trading.importers.stom_rows import peaks

PER = {1: "초당", 60: "분당"}


def names_of(kind: str, interval_s: int, generation: str) -> list[str]:
    added = [word.format(PER[interval_s]) for word in ADDED_IN_V3]
    absent = {*NEVER_STORED, *(added if generation == "v1" else DROPPED_IN_V3)}
    return [column.ko for column in row_schema(kind, interval_s).columns if column.ko not in absent]


def row_times(interval_s: int, count: int, day: int = 20240102) -> list[int]:
    seconds = [9 * 3600 + k * interval_s for k in range(count)]
    whole = [day * 1_000_000 + s // 3600 * 10_000 + s // 60 % 60 * 100 + s % 60 for s in seconds]
    return whole if interval_s == 1 else [one // 100 for one in whole]


def values(names: list[str], count: int, price: float = 10_000.0) -> list[list[Any]]:
    """Return rows whose price rises by a step; everything else tells its column and row."""
    out = []
    for k in range(count):
        row: dict[str, Any] = {name: float(100 * i + k) for i, name in enumerate(names)}
        row |= {"현재가": price + 10 * k, "시가": price, "고가": price + 10 * k, "저가": price}
        row |= {name: 2.0 for name in names if name in ("초당매수수량", "분당매수수량")}
        row |= {name: 1.0 for name in names if name in ("초당매도수량", "분당매도수량")}
        row["관심종목"] = 0
        out.append([row[name] for name in names])
    return out


Table = tuple[list[str], list[int], list[list[Any]]]


def write(path: Path, tables: dict[str, Table], universe: Sequence[tuple[int, str]] = (), is_indexed: bool = True) -> Path:
    link = sqlite3.connect(path)
    for code, (names, times, rows) in tables.items():
        columns = ", ".join(f'"{name}"' for name in names)
        link.execute(f'CREATE TABLE "{code}" ("index" INTEGER, {columns})')
        if is_indexed:
            link.execute(f'CREATE INDEX "ix_{code}_index" ON "{code}" ("index")')
        marks = ", ".join("?" * (len(names) + 1))
        link.executemany(f'INSERT INTO "{code}" VALUES ({marks})', [(when, *row) for when, row in zip(times, rows, strict=True)])
    if universe:
        link.execute('CREATE TABLE moneytop ("index" INTEGER, "거래대금순위" TEXT)')
        link.executemany("INSERT INTO moneytop VALUES (?, ?)", universe)
    link.commit()
    link.close()
    return path


def table(kind: str, interval_s: int, generation: str = "v1", count: int = 5, **more: Any) -> tuple[list[str], list[int], list[list[Any]]]:
    names = names_of(kind, interval_s, generation)
    return names, row_times(interval_s, count, **more), values(names, count)


def take(root: Path, path: Path, **more: Any) -> dict[str, Any]:
    return import_files(TickStore(root), [path], **more).as_dict()


@pytest.mark.parametrize("generation", ["v1", "v3"])
@pytest.mark.parametrize("interval_s", [1, 60])
@pytest.mark.parametrize(
    ("kind", "code", "market"), [("stock", "005930", "krx"), ("coin", "KRW-BTC", "upbit"), ("coin", "BTCUSDT", "binance-futures")]
)
def test_every_layout_comes_back_as_it_stands(tmp_path: Path, kind: str, code: str, market: str, interval_s: int, generation: str) -> None:
    names, times, rows = table(kind, interval_s, generation)
    path = write(tmp_path / "day.db", {code: (names, times, rows)}, [(times[0], "X;Y"), (times[2], f"X;{code}")])
    report = take(tmp_path / "store", path)
    word = "tick" if interval_s == 1 else "min"
    assert report["files"][0]["family"] == f"stom {generation} {kind} {word}"
    assert (report["rows_in"], report["rows_stored"], report["rows_rejected"]) == (5, 5, 0)
    stored = open_rows(TickStore(tmp_path / "store"), market, interval_s)
    assert stored.row_time.tolist() == times
    schema = row_schema(kind, interval_s)
    for column in schema.columns:
        if column.ko in names and column.ko != "관심종목":
            np.testing.assert_array_equal(stored.columns[column.key], [row[names.index(column.ko)] for row in rows])
    assert stored.columns["in_universe"].tolist() == [0, 0, 1, 1, 1]  # the list counts until the next one
    per = "1s" if interval_s == 1 else "1m"
    if generation == "v1":
        unit = 1e6 if kind == "stock" else 1.0
        assert stored.columns[f"buy_value_{per}"][1] == pytest.approx(2 * 10_010 / unit)
        assert stored.columns["range_pct"][4] == pytest.approx(0.4)
        assert stored.columns["peak_sell_price"].tolist() == [10_000 + 10 * k for k in range(5)]
    np.testing.assert_allclose(
        stored.columns["net_buy_value"], stored.columns[f"buy_value_{per}"] - stored.columns[f"sell_value_{per}"], atol=1e-4
    )
    assert take(tmp_path / "store", path)["files"][0]["family"] == "again"


def test_peaks_move_when_another_price_has_strictly_more() -> None:
    price, amount = np.array([1.0, 2.0, 1.0, 2.0, 2.0, 3.0]), np.array([5.0, 5.0, 1.0, 1.0, 4.0, 0.0])
    top, at = peaks(price, amount)
    assert top.tolist() == [5, 5, 6, 6, 10, 10]
    assert at.tolist() == [1, 1, 1, 1, 2, 2]


def test_a_back_test_refuses_columns_that_v3_never_stored(tmp_path: Path) -> None:
    path = write(tmp_path / "v3.db", {"005930": table("stock", 1, "v3")})
    take(tmp_path / "store", path)
    rows = open_rows(TickStore(tmp_path / "store"), "krx", 1)
    assert np.isnan(rows.columns["turnover_rate"]).all()
    assert not np.isnan(rows.columns["near_round_figure"]).any()
    rows.refuse_unknown(("last_price", "near_round_figure"))
    with pytest.raises(InputError) as refused:
        rows.refuse_unknown(("turnover_rate",))
    assert refused.value.code == "store.unknown_values"
    assert (refused.value.fields["symbol"], refused.value.fields["count"]) == ("005930", 5)


def test_bad_rows_are_counted_and_the_rest_is_sorted(tmp_path: Path) -> None:
    names, times, rows = table("coin", 1, count=10)
    price = names.index("현재가")
    rows[1][price] = None
    rows[2][names.index("매수잔량1")] = "many"
    rows[3][price] = 0
    rows[4][names.index("고가")] = 1
    times[6] = times[5]
    times[7], times[8] = times[8], times[7]
    times[9] = 20240102256199
    report = take(tmp_path / "store", write(tmp_path / "a.db", {"KRW-BTC": (names, times, rows)}, is_indexed=False))
    assert report["reasons"] == {"duplicate": 1, "high_low": 1, "number": 2, "price": 1, "row_time": 1}
    assert report["rows_stored"] == 4
    assert "out of order" in report["files"][0]["note"]
    stored = open_rows(TickStore(tmp_path / "store"), "upbit", 1)
    assert (np.diff(stored.row_time) > 0).all()
    assert TickStore(tmp_path / "store").verify() == []


def test_tables_that_cannot_be_taken_are_named(tmp_path: Path) -> None:
    names, times, rows = table("coin", 60)
    short = [name for name in names if name not in ("매도호가3", "당일거래대금")]
    cut = [[row[names.index(name)] for name in short] for row in rows]
    path = write(tmp_path / "a.db", {"KRW-BTC": (names, times, rows), "KRW-ETH": (short, times, cut), "AAPL": (names, times, rows)})
    report = take(tmp_path / "store", path)
    assert report["reasons"] == {"missing_columns": 5, "other_market": 5}
    assert "KRW-ETH: 당일거래대금, 매도호가3" in report["files"][0]["note"]
    assert report["files"][0]["symbols"] == ["KRW-BTC"]


def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.db", {"KRW-BTC": table("coin", 1)})
    report = take(tmp_path / "store", path, dry_run=True)
    assert report["rows_stored"] == 5
    assert not (tmp_path / "store" / "ticks").exists()


def test_days_and_gaps(tmp_path: Path) -> None:
    names, times, rows = table("coin", 1, count=6)
    times = times[:3] + [one + 3_000 for one in times[3:]]  # half an hour of silence
    second = table("coin", 1, count=4, day=20240103)
    path = write(tmp_path / "back.db", {"KRW-BTC": (names, times + second[1], rows + second[2])})
    report = take(tmp_path / "store", path)
    assert report["rows_stored"] == 10
    assert [gap["cause"] for gap in report["gap_list"]] == ["missing_bars"]
    assert len(list((tmp_path / "store" / "ticks" / "upbit" / "recorded" / "row1s").iterdir())) == 2


def test_a_master_database_after_its_days_brings_only_what_is_new(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first, second = table("coin", 1), table("coin", 1, day=20240103)
    take(store, write(tmp_path / "day.db", {"KRW-BTC": first}))
    master = write(tmp_path / "back.db", {"KRW-BTC": (first[0], first[1] + second[1], first[2] + second[2])})
    report = take(store, master)
    assert (report["rows_known"], report["reasons"]) == (5, {})
    assert report["rows_stored"] == 5
    assert open_rows(TickStore(store), "upbit", 1).rows == 10
    assert take(store, master)["files"][0]["family"] == "again"


def test_damaged_busy_and_foreign_databases_leave_the_store_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    good = write(tmp_path / "good.db", {"KRW-BTC": table("coin", 1, count=400)})
    take(store, good)
    before = sorted(path.name for path in store.rglob("*.parquet"))

    damaged = tmp_path / "damaged.db"
    data = bytearray(write(tmp_path / "b.db", {"KRW-ETH": table("coin", 1, count=900)}).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 6000] = b"\xff" * 6000
    damaged.write_bytes(data)
    short = tmp_path / "short.db"
    short.write_bytes(good.read_bytes()[: 5 * 4096])
    for path in (damaged, short):
        with pytest.raises(InputError, match=r"import\.database_damaged"):
            take(store, path)

    busy = write(tmp_path / "busy.db", {"KRW-XRP": table("coin", 1)})
    link = sqlite3.connect(busy, isolation_level=None)
    link.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(InputError, match=r"import\.database_busy"):
            take(store, busy)
    finally:
        link.close()

    other = tmp_path / "other.db"
    link = sqlite3.connect(other)
    link.execute("CREATE TABLE orders (id INTEGER)")
    link.commit()
    link.close()
    with pytest.raises(InputError, match=r"import\.database_no_rows"):
        take(store, other)
    assert sorted(path.name for path in store.rglob("*.parquet")) == before
    assert not list(store.rglob("*.part"))


def test_a_failure_in_the_middle_takes_everything_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store"
    first, second = table("coin", 1), table("coin", 1, day=20240103)
    path = write(tmp_path / "back.db", {"KRW-BTC": (first[0], first[1] + second[1], first[2] + second[2])})
    whole = stom_rows.DatabaseImport._day

    def dies(self: Any, database: Any, market: Any, interval_s: int, tables: Any, day: int, origin: Any) -> None:
        whole(self, database, market, interval_s, tables, day, origin)
        if day == 20240103:
            raise KeyboardInterrupt

    monkeypatch.setattr(stom_rows.DatabaseImport, "_day", dies)
    with pytest.raises(KeyboardInterrupt):
        take(store, path)
    assert not list(store.rglob("*.parquet"))
    # A kill has no time for that: what it left is taken back by the next import.
    monkeypatch.setattr(stom_rows, "take_back", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        take(store, path)
    assert list(store.rglob("*.parquet"))
    monkeypatch.undo()
    assert take(store, path)["rows_stored"] == 10
    assert open_rows(TickStore(store), "upbit", 1).rows == 10
    assert take(store, path)["files"][0]["family"] == "again"


def test_the_command_says_what_came_and_what_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.db", {"005930": table("stock", 1)})
    assert run_command(["data", "import", str(path), "--data-dir", str(tmp_path / "store"), "--json", "--quiet"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert {"files", "rows_in", "rows_stored", "rows_rejected", "reasons", "gaps"} <= set(out)
    assert run_command(["data", "list", "--data-dir", str(tmp_path / "store"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["datasets"][0]["origins"] == ["import"]


@pytest.mark.parametrize("command", ["backtest", "find", "optimise"])
def test_a_run_over_values_that_nobody_recorded_is_refused_by_name(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from strategy import cache

    take(tmp_path / "store", write(tmp_path / "v3.db", {"005930": table("stock", 1, "v3")}))
    (tmp_path / "buy.txt").write_text("매수 = 회전율 > self.vars[0]\n", "utf-8")
    (tmp_path / "sell.txt").write_text("매도 = 수익률 > 1\n", "utf-8")
    (tmp_path / "ranges.txt").write_text("self.vars[0] = [[1, 3, 1], 1]\n", "utf-8")
    monkeypatch.setattr(cache, "load", lambda *_, **__: ModuleType("nothing is run"))
    words = ["--market", "krx", "--buy", str(tmp_path / "buy.txt"), "--sell", str(tmp_path / "sell.txt"), "--json", "--quiet"]
    more = {
        "backtest": ["--set", "0=1"],
        "find": ["--set", "0=1"],
        "optimise": ["--ranges", str(tmp_path / "ranges.txt"), "--method", "grid"],
    }
    if command == "find":
        del words[4:6]
    assert run_command([command, *words, *more[command], "--data-dir", str(tmp_path / "store")]) == 2
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert error["code"] == "store.unknown_values"
    assert "turnover_rate" in error["message"]

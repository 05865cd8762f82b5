"""Tables of best quotes and of depth changes, as Binance's public archives have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage.columns import open_rows
from storage.ticks import TickStore
from trading.importers import import_files

T0_MS = 1_767_571_200_000


def quotes(path: Path, bad: bool = False) -> Path:
    lines = ["update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"]
    lines += [f"{100 + k},{99.5 + k / 10:.1f},1.5,{100.5 + k / 10:.1f},2.25,{T0_MS + 1000 * k},{T0_MS + 1000 * k + 3}" for k in range(6)]
    if bad:
        lines += [f"200,0,1,100,1,{T0_MS + 9000},{T0_MS + 9000}", f"201,99,x,100,1,{T0_MS + 9000},{T0_MS + 9000}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def trades(path: Path) -> Path:
    lines = ["id,price,qty,quote_qty,time,is_buyer_maker"]
    lines += [f"{k + 1},{100 + k / 10:.1f},0.5,50,{T0_MS + 1000 * k + 50},{str(k % 2 == 0).lower()}" for k in range(6)]
    path.write_text("\n".join(lines) + "\n")
    return path


def depth(folder: Path) -> tuple[Path, Path]:
    heading = "symbol,timestamp,trans_id,first_update_id,last_update_id,side,update_type,price,qty,pu"
    snap = [f"ABCUSDT,{T0_MS - 1000},1,0,10,{side},snap,{price},{qty},0" for side, price, qty in (("b", 99.5, 3), ("a", 100.5, 4))]
    first = [f"ABCUSDT,{T0_MS + 100},2,9,12,b,set,99.0,7,8", f"ABCUSDT,{T0_MS + 100},2,9,12,a,set,101.0,8,8"]
    second = [f"ABCUSDT,{T0_MS + 1100},3,13,14,b,set,99.5,0,12"]
    paths = folder / "ABCUSDT_T_DEPTH_2026-01-05_depth_snap.csv", folder / "ABCUSDT_T_DEPTH_2026-01-05_depth_update.csv"
    paths[0].write_text("\n".join([heading, *snap]) + "\n")
    paths[1].write_text("\n".join([heading, *first, *second]) + "\n")
    return paths


def take(store: Path, *paths: Path, **more: Any) -> dict[str, Any]:
    return import_files(TickStore(store), list(paths), **more).as_dict()


def test_best_quotes_make_rows_with_a_book_of_one_level(tmp_path: Path) -> None:
    book, tape = quotes(tmp_path / "ABCUSDT-bookTicker-2026-01-05.csv"), trades(tmp_path / "ABCUSDT-trades-2026-01-05.csv")
    report = take(tmp_path / "store", book, tape, market="binance-futures")
    assert [one["family"] for one in report["files"]] == ["best quotes", "tape"]
    assert (report["rows_in"], report["rows_stored"]) == (12, 12)
    rows = open_rows(TickStore(tmp_path / "store"), "binance-futures", 1)
    assert rows.has_book
    assert (rows.columns["bid_size1"] == 1.5).all()
    assert (rows.columns["ask2"] == 0).all()
    assert np.all(rows.columns["ask1"] > rows.columns["bid1"])


def test_impossible_quotes_are_counted(tmp_path: Path) -> None:
    report = take(tmp_path / "store", quotes(tmp_path / "ABCUSDT-bookTicker-2026-01-05.csv", bad=True))
    assert report["reasons"] == {"number": 1, "price": 1}
    assert report["rows_stored"] == 6


def test_depth_changes_follow_their_snapshot_and_say_more_than_quotes(tmp_path: Path) -> None:
    snap, update = depth(tmp_path)
    best, tape = quotes(tmp_path / "ABCUSDT-bookTicker-2026-01-05.csv"), trades(tmp_path / "ABCUSDT-trades-2026-01-05.csv")
    report = take(tmp_path / "store", snap, update, best, tape, market="binance-futures")
    assert report["reasons"] == {"book_ticker": 6}
    assert (report["rows_in"], report["rows_stored"], report["gaps"]) == (17, 11, 0)
    rows = open_rows(TickStore(tmp_path / "store"), "binance-futures", 1)
    assert rows.columns["bid1"].tolist()[:1] == [99.5]
    assert rows.columns["bid_size2"][0] == 7
    assert rows.columns["bid1"][-1] == 99.0  # the best level was taken away


def test_a_missing_change_is_a_gap(tmp_path: Path) -> None:
    snap, update = depth(tmp_path)
    lines = update.read_text().splitlines()
    lines[-1] = lines[-1].replace(",13,14,", ",15,16,").replace(",0,12", ",0,14")
    update.write_text("\n".join(lines) + "\n")
    report = take(tmp_path / "store", snap, update, trades(tmp_path / "ABCUSDT-trades-2026-01-05.csv"), market="binance-futures")
    assert [gap["cause"] for gap in report["gap_list"]] == ["update_ids"]


def test_sums_by_percent_are_no_book(tmp_path: Path) -> None:
    path = tmp_path / "ABCUSDT-bookDepth-2026-01-05.csv"
    path.write_text("timestamp,percentage,depth,notional\n2026-01-05 00:00:00,-1,10,1000\n")
    assert take(tmp_path / "store", path)["reasons"] == {"depth_bands": 1}


@pytest.mark.parametrize("name", ["XUSDT-bookTicker.csv", "T_DEPTH.csv"])
def test_an_empty_table_is_no_fault(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    heading = quotes(tmp_path / "q.csv") if "book" in name else depth(tmp_path)[1]
    path.write_text(heading.read_text().splitlines()[0] + "\n")
    assert take(tmp_path / "store", path, symbols=["XUSDT"])["rows_in"] == 0

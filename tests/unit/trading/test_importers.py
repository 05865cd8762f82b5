"""Importers on small files: archives by shape, broken lines, mixed folders, gaps, aggregates."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import InputError
from domain.records import AGGREGATE, NO_BOOK, TRADE
from storage.columns import open_rows
from storage.ticks import TickStore
from trading.importers import import_files

T0_MS = 1_767_571_200_000


def depth(second: float, first: int, last: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
    body = {"e": "depthUpdate", "E": T0_MS + int(second * 1000), "s": "ABCUSDT", "U": first, "u": last, "b": bids, "a": asks}
    return {"stream": "abcusdt@depth@100ms", "data": body}


def trade(second: float, ident: int, price: str, qty: str, maker: bool = False, event: str = "trade") -> dict[str, Any]:
    body: dict[str, Any] = {"e": event, "E": T0_MS, "s": "ABCUSDT", "t": ident, "p": price, "q": qty, "m": maker}
    body["T"] = T0_MS + int(second * 1000)
    if event == "aggTrade":
        body = body | {"a": ident, "f": ident, "l": ident}
    return {"stream": f"abcusdt@{event}", "data": body}


SNAPSHOT: dict[str, Any] = {"lastUpdateId": 10, "bids": [["99.50", "1.250"], ["99.00", "2"]], "asks": [["100.50", "1"]]}


def text_of(line: dict[str, Any], ms: int) -> str:
    return f"{ms * 1_000_000} {json.dumps(line, separators=(',', ':'))}"


def write(path: Path, lines: list[Any], from_ms: int = T0_MS) -> Path:
    texts = [line if isinstance(line, str) else text_of(line, from_ms + k) for k, line in enumerate(lines)]
    path.write_bytes(gzip.compress("\n".join(texts).encode()))
    return path


def run(store: Path, *sources: Path, **more: Any) -> dict[str, Any]:
    return import_files(TickStore(store), list(sources), **more).as_dict()


def test_a_recording_with_broken_lines_keeps_the_rest_and_counts_them(tmp_path: Path) -> None:
    lines: list[Any] = [
        SNAPSHOT,
        depth(0.1, 11, 11, [["99.00", "3"]], []),
        trade(0.2, 1, "100.50", "0.1"),
        '1767571200500000000 {"stream":"abcusdt@trade","data":{"e":"trade","s":"ABCUSDT"',
        "no line of this kind",
        trade(0.3, 2, "-1", "0.1"),
        trade(0.3, 2, "NaN", "0.1"),
        trade(0.3, 2, "100.50", "0"),
        trade(0.3, 1, "100.50", "0.1"),
        {"stream": "abcusdt@bookTicker", "data": {"u": 1, "s": "ABCUSDT", "b": "1", "B": "1", "a": "2", "A": "1"}},
        depth(1.1, 12, 12, [["99.00", "4"]], []),
    ]
    report = run(tmp_path / "s", write(tmp_path / "x.gz", lines))
    assert (report["rows_in"], report["rows_stored"]) == (11, 4)
    assert report["reasons"] == {"book_ticker": 1, "duplicate": 1, "malformed": 2, "price": 2, "qty": 1}
    rows = open_rows(TickStore(tmp_path / "s"), "binance", 1)
    assert rows.row_time.tolist() == [20260105000001]
    assert rows.columns["bid_size2"].tolist() == [4.0]


def test_a_gap_in_a_recording_is_counted_marked_and_has_no_rows(tmp_path: Path) -> None:
    lines = [
        SNAPSHOT,
        trade(0.0, 1, "100.50", "0.1"),
        depth(0.1, 11, 11, [["99.00", "3"]], []),
        depth(1.1, 14, 15, [["99.00", "4"]], []),
        depth(2.1, 16, 16, [["99.00", "5"]], []),
        SNAPSHOT | {"lastUpdateId": 15},
        depth(3.1, 17, 17, [["99.00", "6"]], []),
    ]
    report = run(tmp_path / "s", write(tmp_path / "x.gz", lines))
    assert (report["gaps"], report["gap_list"][0]["cause"], report["gap_list"][0]["symbol"]) == (1, "update_ids", "ABCUSDT")
    store = TickStore(tmp_path / "s")
    assert open_rows(store, "binance", 1).row_time.tolist() == [20260105000000, 20260105000003]
    assert [gap["cause"] for gap in store.read_gaps("binance", "recorded")] == [b"update_ids"]


def test_files_of_one_import_are_one_stream_whatever_their_order(tmp_path: Path) -> None:
    first = write(tmp_path / "b.gz", [SNAPSHOT, trade(0.0, 1, "100.50", "0.1"), depth(0.1, 11, 11, [["99.00", "3"]], [])])
    second = write(tmp_path / "a.gz", [depth(1.1, 12, 12, [["99.00", "4"]], [])], T0_MS + 1000)
    report = run(tmp_path / "s", second, first)
    assert (report["rows_made"], report["gaps"]) == ({"1s": 2, "1m": 0}, 0)
    alone = run(tmp_path / "t", second)
    assert (alone["rows_made"], [gap["cause"] for gap in alone["gap_list"]]) == ({"1s": 0, "1m": 0}, ["no_snapshot"])


def test_aggregates_beside_single_trades_are_ignored_even_before_the_first(tmp_path: Path) -> None:
    aggregate = trade(0.0, 7, "100.50", "5", event="aggTrade")
    lines = [SNAPSHOT, aggregate, trade(0.0, 1, "100.50", "0.1"), depth(0.1, 11, 11, [["99.00", "3"]], [])]
    report = run(tmp_path / "s", write(tmp_path / "x.gz", lines))
    assert report["reasons"] == {"aggregate": 1}
    assert open_rows(TickStore(tmp_path / "s"), "binance", 1).columns["buy_volume_1s"].tolist() == [0.1]


def test_other_currencies_and_other_symbols_are_refused_by_name(tmp_path: Path) -> None:
    foreign = json.loads(json.dumps(trade(0.0, 1, "1.0", "1")).replace("ABCUSDT", "ABCBTC").replace("abcusdt", "abcbtc"))
    path = write(tmp_path / "x.gz", [SNAPSHOT | {}, trade(0.0, 1, "100.50", "0.1"), foreign])
    report = run(tmp_path / "s", path)
    assert report["reasons"] == {"malformed": 1, "other_quote": 1}  # a snapshot that does not say of which of two symbols
    assert run(tmp_path / "t", path, symbols=["XYZUSDT"])["reasons"]["not_chosen"] == 1


@pytest.mark.parametrize("kind", ["trades", "aggTrades", "klines"])
def test_archives_without_headings_are_told_by_their_shape(tmp_path: Path, kind: str) -> None:
    text = {
        "trades": "5,100.5,0.25,25.125,1767571200100,false,true\n6,100.25,1,100.25,1767571201100,true,true\n",
        "aggTrades": "5,100.5,0.25,5,6,1767571200100000,False,True\n6,100.25,1,7,7,1767571201100000,True,True\n",
        "klines": "1767571200000,100.5,101,100,100.25,1.25,1767571259999,125.4,2,0.25,25.1,0\n"
        "1767571260000,100.5,101,100,100.25,1,1767571319999,100,2,1,100,0\n",
    }[kind]
    archive = tmp_path / f"ABCUSDT-{kind}-2026-01-05.zip"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr(f"ABCUSDT-{kind}-2026-01-05.csv", text)
    archive.write_bytes(buffer.getvalue())
    report = run(tmp_path / "s", archive)
    assert (report["rows_in"], report["rows_stored"]) == (2, 2)
    store = TickStore(tmp_path / "s")
    rows = open_rows(store, "binance", 60 if kind == "klines" else 1)
    assert rows.codes == ("ABCUSDT",)
    if kind != "klines":
        assert rows.row_time.tolist() == [20260105000000, 20260105000001]
        assert rows.columns["buy_volume_1s"].tolist() == [0.25, 0.0]
        assert rows.columns["sell_volume_1s"].tolist() == [0.0, 1.0]
        events = np.concatenate(list(store.read_events("binance", "recorded")))
        assert (events["kind"] == TRADE).all()
        assert set(events["flags"].tolist()) == {NO_BOOK | (AGGREGATE if kind == "aggTrades" else 0)}
        assert (rows.instruments[0].price_step, rows.instruments[0].qty_decimals) == (0.01, 2)


def test_one_bad_file_of_a_folder_is_told_and_the_rest_imported(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "x.gz", [SNAPSHOT, trade(0.0, 1, "100.50", "0.1"), depth(0.1, 11, 11, [["99.00", "3"]], [])])
    (folder / "bars.csv").write_text("open_time,open,high,low,close,volume\n1767571200000,1,1,1,1,1\n1767571260000,1,1,1,1,1\n")
    (folder / "torn.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 5000)[:-20])
    report = run(tmp_path / "s", folder)
    assert report["rows_in"] == report["rows_stored"] + report["rows_rejected"]
    assert report["rows_stored"] == 3
    assert report["reasons"]["symbol_needed"] == 2
    with pytest.raises(InputError) as caught:
        run(tmp_path / "t", folder / "bars.csv")
    assert caught.value.code == "import.symbol_needed"


def test_a_recording_of_another_market_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gz", [SNAPSHOT, trade(0.0, 1, "100.50", "0.1"), depth(0.1, 11, 11, [["99.00", "3"]], [])])
    with pytest.raises(InputError) as caught:
        run(tmp_path / "s", path, market="upbit")
    assert (caught.value.code, caught.value.fields["found"]) == ("import.other_market", "binance")


def test_ten_thousand_mutated_lines_are_all_accounted_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    good = [SNAPSHOT]
    good += [trade(k / 10, k + 1, "100.50", "0.1") for k in range(20)]
    good += [depth(k / 10, 11 + k, 11 + k, [["99.00", "3"]], []) for k in range(20)]
    texts = [text_of(line, T0_MS + k).encode() for k, line in enumerate(good)]
    lines = list(texts)
    for _ in range(10_000):
        line = bytearray(texts[int(rng.integers(len(texts)))])
        for _ in range(int(rng.integers(1, 4))):
            line[int(rng.integers(len(line)))] = int(rng.integers(32, 127))
        lines.append(bytes(line))
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    report = run(tmp_path / "s", path)
    assert report["rows_in"] == len(lines) == report["rows_stored"] + report["rows_rejected"]
    assert report["rows_stored"] >= 20
    assert TickStore(tmp_path / "s").verify() == []

"""Rows of real recordings equal a slow implementation of the rules that reads the files itself."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.records import LAST, ROW_NO_BOOK, TRADE, row_schema
from storage.columns import open_rows
from storage.ticks import TickStore
from tests.recorded import RECORDED
from tests.slow_rows import SlowRows, binance_rows, upbit_rows
from trading.importers import MARKETS, import_files
from trading.rows import RowBuilder

pytestmark = pytest.mark.skipif(RECORDED is None, reason="the recorded market data is not beside the repository")
ROOT = RECORDED or Path(".")
SPOT = [ROOT / "binance/spot_raw" / f"{symbol}usdt_2024080{day}.gz" for symbol in ("btc", "eth") for day in (8, 9)]
FUTURES = [ROOT / "binance/usdm_raw/ethusdt_20240808.gz"]
UPBIT = ROOT / "upbit/ws_raw/UPBIT-d78752.0.gz"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[TickStore, dict[str, dict[str, Any]]]:
    store = TickStore(tmp_path_factory.mktemp("store"))
    return store, {name: import_files(store, paths).as_dict() for name, paths in (("spot", SPOT), ("futures", FUTURES), ("upbit", [UPBIT]))}


def assert_equal_rows(store: TickStore, market: str, interval_s: int, slow: SlowRows) -> int:
    rows = open_rows(store, market, interval_s)
    schema = row_schema(MARKETS[market].kind, interval_s)
    expected: dict[str, list[tuple[int, dict[str, float]]]] = {}
    for code, label, values in slow.rows:
        expected.setdefault(code, []).append((label, values))
    assert set(rows.codes) == set(expected)
    for symbol, code in enumerate(rows.codes):
        mine = rows.blocks[rows.blocks["symbol"] == symbol]
        lo, hi = int(mine["lo"].min()), int(mine["hi"].max())
        assert rows.row_time[lo:hi].tolist() == [label for label, _ in expected[code]]
        for key in schema.keys:
            want = np.array([values[key] for _, values in expected[code]])
            got = np.asarray(rows.columns[key][lo:hi])
            differ = np.flatnonzero(got != want)
            assert not len(differ), f"{code} {rows.row_time[lo + differ[0]]} {key}: {got[differ[0]]!r}, by the rules {want[differ[0]]!r}"
    return len(slow.rows)


@pytest.mark.parametrize("interval_s", [1, 60])
def test_binance_spot_rows_across_midnight(imported: tuple[TickStore, Any], interval_s: int) -> None:
    slow = binance_rows(SPOT, interval_s)
    count = assert_equal_rows(imported[0], "binance", interval_s, slow)
    assert count == (1302 if interval_s == 1 else 22)
    assert {label // (1_000_000 if interval_s == 1 else 10_000) for _, label, _ in slow.rows} == {20240808, 20240809}


@pytest.mark.parametrize("interval_s", [1, 60])
def test_binance_futures_rows(imported: tuple[TickStore, Any], interval_s: int) -> None:
    assert assert_equal_rows(imported[0], "binance-futures", interval_s, binance_rows(FUTURES, interval_s)) > 0


@pytest.mark.parametrize("interval_s", [1, 60])
def test_upbit_rows(imported: tuple[TickStore, Any], interval_s: int) -> None:
    assert assert_equal_rows(imported[0], "upbit", interval_s, upbit_rows(UPBIT, interval_s)) == (502 if interval_s == 1 else 6)


@pytest.mark.parametrize("market", ["binance", "binance-futures"])
def test_the_rebuilt_book_never_crosses_and_keeps_its_sequence(imported: tuple[TickStore, Any], market: str) -> None:
    store = imported[0]
    builder = RowBuilder(MARKETS[market], 1, store.instruments(market, "recorded"))
    looked = 0
    update_id = dict.fromkeys(range(len(builder.instruments)), 0)
    for events in store.read_events(market, "recorded"):
        ends = np.flatnonzero((events["flags"] & LAST) > 0) + 1
        edges = [0, *ends.tolist()]
        for lo, hi in zip(edges[:-1], edges[1:], strict=True):
            builder.push(events[lo:hi])
            who = int(events["instrument"][hi - 1])
            if builder.book_is_valid(who):
                assert not builder.is_crossed(who)
                assert builder.last_update_id(who) >= update_id[who]
                update_id[who] = builder.last_update_id(who)
                looked += 1
        builder.push(events[edges[-1] :])
    counters = builder.counters()
    assert counters["gaps"] == 0
    assert looked > 6_000
    assert all(builder.book_is_valid(who) for who in update_id)


def test_the_last_book_is_the_one_the_messages_add_up_to(imported: tuple[TickStore, Any]) -> None:
    store = imported[0]
    slow = binance_rows(SPOT[:2], 1)
    builder = RowBuilder(MARKETS["binance"], 1, store.instruments("binance", "recorded"))
    for events in store.read_events("binance", "recorded", codes=["BTCUSDT"]):
        builder.push(events)
    who = [instrument.code for instrument in builder.instruments].index("BTCUSDT")
    asks, bids = builder.book(who, 20_000)
    want = slow.symbols["BTCUSDT"]
    assert {price: round(qty / 1e8, 8) for price, qty in asks} == want.asks
    assert {price: round(qty / 1e8, 8) for price, qty in bids} == want.bids
    assert want.crossed == 0


def test_every_line_is_accounted_for(imported: tuple[TickStore, dict[str, dict[str, Any]]]) -> None:
    for report in imported[1].values():
        assert report["rows_in"] == report["rows_stored"] + report["rows_rejected"]
        assert report["rows_rejected"] == sum(report["reasons"].values())
    with gzip.open(SPOT[0], "rt") as file:
        lines = [json.loads(line.partition(" ")[2]) for line in file]
    kept = [line for line in lines if "bookTicker" not in line.get("stream", "")]
    first = imported[1]["spot"]["files"][0]
    assert (first["rows_in"], first["rows_stored"]) == (len(lines), len(kept))


def test_instrument_steps_come_from_the_first_snapshot(imported: tuple[TickStore, Any]) -> None:
    found = {one.code: one for one in imported[0].instruments("binance", "recorded")}
    assert (found["BTCUSDT"].price_step, found["BTCUSDT"].qty_step, found["BTCUSDT"].qty_decimals) == (0.01, 1000, 5)


def test_stored_events_make_the_same_rows_again(imported: tuple[TickStore, Any]) -> None:
    store = imported[0]
    builder = RowBuilder(MARKETS["upbit"], 1, store.instruments("upbit", "recorded"))
    made = np.concatenate([builder.push(events) for events in store.read_events("upbit", "recorded")])
    stored = np.concatenate([rows for _, rows in store.read_rows("upbit", "recorded", 1)])
    assert made.tobytes() == stored.tobytes()


def test_a_second_import_of_the_same_file_stores_nothing(imported: tuple[TickStore, Any]) -> None:
    again = import_files(imported[0], [UPBIT]).as_dict()
    assert again["rows_stored"] == 0
    assert (again["rows_in"], again["rows_known"], again["rows_rejected"]) == (1736, 1620, 116)
    assert again["reasons"] == imported[1]["upbit"]["reasons"]


def test_a_tape_makes_rows_at_trades_and_says_it_has_no_book(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    report = import_files(store, [ROOT / "upbit/ticks/upbit_ticks_20260512.parquet"]).as_dict()
    assert report["rows_in"] == 46_971 == report["rows_stored"] + report["rows_rejected"]
    assert set(report["reasons"]) == {"time_back"}
    rows = open_rows(store, "upbit", 1, codes=["KRW-BTC"])
    assert not rows.has_book
    lo, hi = int(rows.blocks["lo"][0]), int(rows.blocks["hi"][0])
    assert not np.asarray(rows.columns["ask1"][lo:hi]).any()
    events = np.concatenate(list(store.read_events("upbit", "recorded", codes=["KRW-BTC"])))
    trades = events[events["kind"] == TRADE]
    seconds = trades["exchange_ns"] // 10**9
    opened = np.flatnonzero(np.diff(np.maximum.accumulate(seconds), prepend=0) > 0)
    assert len(opened) == hi - lo
    amounts = np.add.accumulate(trades["price"] * (trades["qty"] / 1e8))
    assert np.rint(amounts[opened] * 1e4).tolist() == np.rint(rows.columns["day_value"][lo:hi] * 1e4).tolist()
    flags = np.concatenate([found["flags"] for _, found in store.read_rows("upbit", "recorded", 1)])
    assert (flags & ROW_NO_BOOK).all()

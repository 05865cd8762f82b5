"""`stom.py data …`: made data by seed, export and import back, list, verify, bad input by name."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from cli.main import run_command
from coin.markets import UPBIT
from domain.instruments import NS, Instrument
from domain.records import EVENT_DTYPE, FIRST, LAST, SNAPSHOT, row_schema
from storage.columns import open_rows
from storage.segments import PartWriter
from storage.ticks import TickStore
from utility.text import LANGUAGES, catalogue, sentence


def run(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, Any]:
    assert run_command(["data", *words, "--json", "--quiet"]) == status
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def where(root: Path) -> tuple[str, str]:
    return "--data-dir", str(root)


def make(capsys: pytest.CaptureFixture[str], root: Path, *more: str, market: str = "upbit", seed: int = 4) -> dict[str, Any]:
    words = ("--symbols", "2", "--days", "0.004", "--seed", str(seed), *more)
    return run(capsys, "make", "--market", market, *words, "--data-dir", str(root))


@pytest.mark.parametrize("market", ["upbit", "binance", "binance-futures", "krx"])
def test_made_rows_are_the_same_for_a_seed_and_differ_by_seed(capsys: pytest.CaptureFixture[str], tmp_path: Path, market: str) -> None:
    first = make(capsys, tmp_path / "a", market=market)
    again = make(capsys, tmp_path / "b", market=market)
    other = make(capsys, tmp_path / "a", market=market, seed=5)
    assert first["sha256"] == again["sha256"] != other["sha256"]
    assert first["rows"] == first["rows_1s"] + first["rows_1m"] > 150
    listed = run(capsys, "list", "--data-dir", str(tmp_path / "a"))
    assert sum(one["rows"] for one in listed["datasets"]) == other["rows"]  # the second replaced the first
    assert all(one["price_step"] > 0 and one["qty_step"] > 0 for one in listed["datasets"])
    assert run(capsys, "verify", "--data-dir", str(tmp_path / "a"))["ok"]


def test_events_are_stored_on_request_and_make_the_rows_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from trading.rows import RowBuilder

    made = make(capsys, tmp_path, "--events")
    store = TickStore(tmp_path)
    builder = RowBuilder(UPBIT, 1, store.instruments("upbit", "made"))
    rows = np.concatenate([builder.push(events) for events in store.read_events("upbit", "made")])
    stored = np.concatenate([found for _, found in store.read_rows("upbit", "made", 1)])
    assert rows.tobytes() == stored.tobytes()
    assert made["events"] == builder.counters()["events"]


@pytest.mark.parametrize("at", ["making", "swap"])
def test_an_interrupt_leaves_what_was_made_before(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    make(capsys, tmp_path, "--events")
    before = {path: path.read_bytes() for path in (tmp_path / "ticks").rglob("*") if path.is_file() and path.name != "lock"}
    calls = 0

    def interrupt(*_words: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    if at == "making":
        monkeypatch.setattr("cli.progress.Reporter.tell", interrupt)
    else:
        rename = Path.rename
        monkeypatch.setattr(Path, "rename", lambda path, target: (interrupt(), rename(path, target))[1])
    words = ["--market", "upbit", "--symbols", "2", "--days", "0.004", "--seed", "9", "--data-dir", str(tmp_path)]
    assert run_command(["data", "make", *words, "--lang", "en"]) == 130
    assert "what was made before" in capsys.readouterr().err
    after = {path: path.read_bytes() for path in (tmp_path / "ticks").rglob("*") if path.is_file() and path.name != "lock"}
    assert calls >= 3
    assert after == before


def test_a_full_disk_leaves_no_half_made_data_and_names_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = PartWriter.finish, []

    class Full:
        """A file on a disk that takes no further byte."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, _data: Any) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    def finish(part: PartWriter) -> None:
        written.append(part.path)
        part._file = Full(part._file)  # type: ignore[assignment]
        real(part)

    monkeypatch.setattr(PartWriter, "finish", finish)
    words = ("make", "--market", "upbit", "--symbols", "2", "--hours", "0.01", "--events", *where(tmp_path), "--lang", "en")
    error = run(capsys, *words, status=4)["error"]
    assert (error["code"], error["path"]) == ("cli.system", str(written[0]))
    left = [path.name for path in (tmp_path / "ticks").rglob("*") if path.is_file()]
    assert left == ["lock"]


def test_a_snapshot_without_a_time_is_not_of_1970(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    events = np.zeros(3, EVENT_DTYPE)
    events["seq"], events["kind"] = (1, 2, 3), SNAPSHOT
    events["flags"] = FIRST | LAST
    events["exchange_ns"] = (0, 1_767_571_200 * NS, 1_767_571_201 * NS)
    instrument = Instrument(instrument_id="upbit:KRW-A", code="KRW-A", name="KRW-A", price_step=1.0)
    writer = TickStore(tmp_path).writer(UPBIT, "recorded", "depth", EVENT_DTYPE, [instrument], {"what": "test"})
    writer.append(events)
    writer.seal()
    assert run_command(["data", "list", *where(tmp_path), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "1970" not in shown
    assert "2026-01-05 00:00:00Z" in shown
    (entry,) = run(capsys, "list", *where(tmp_path))["events"]
    assert (entry["from"], entry["rows"]) == (1_767_571_200 * NS, 3)


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "import.empty", "empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "import.empty", "empty"),
        ("가격을 적은 글\n둘째 줄\n".encode("cp949"), "file.not_utf8", "CP949"),
    ],
)
def test_an_empty_file_and_one_of_another_encoding_are_refused_by_what_they_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, code: str, words: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    error = run(capsys, "import", str(path), *where(tmp_path / "s"), "--lang", "en", status=2)["error"]
    assert error["code"] == code
    assert words in error["message"]
    # In a folder the others are imported, and this one is told by name, in words.
    (tmp_path / "KRW-A.csv").write_text("open_time,open,high,low,close,volume\n1767571200000,1,1,1,1,1\n1767571260000,1,1,1,1,1\n")
    report = run(capsys, "import", str(tmp_path / "rows.csv"), str(tmp_path / "KRW-A.csv"), *where(tmp_path / "s"))
    assert (report["rows_stored"], report["files"][0]["note"]) == (2, code)
    assert run_command(["data", "import", str(tmp_path), *where(tmp_path / "s"), "--quiet", "--lang", "en"]) == 0
    told = capsys.readouterr().out
    assert "import." not in told
    assert "not UTF-8" in told if code == "file.not_utf8" else "(no content)" in told


def test_what_is_not_stored_is_refused_with_what_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make(capsys, tmp_path)
    words = ("export", "--interval", "1s", "--out", str(tmp_path / "x.csv"), *where(tmp_path), "--lang", "ko")
    error = run(capsys, *words, "--market", "binance", status=2)["error"]
    assert (error["code"], error["stored"], error["kind"]) == ("store.no_data", "upbit made (1s 1m)", "1s")
    assert "data list" in error["message"]
    assert "바이낸스 현물" in error["message"]
    assert "업비트 KRW 가상(made) (1초 행 1분 행)" in error["message"]
    shown = sentence("store.no_data", "ko", **error)  # what the window says: forms have no command lines
    assert "data " not in shown
    assert error["message"].startswith(shown)
    error = run(capsys, *words, "--market", "upbit", "--symbol", "KRW-BTX", status=2)["error"]
    assert error["code"] == "store.unknown_symbol"
    assert "KRW-BTC" in error["known"]
    assert error["known"] in error["message"]


def test_sentences_of_the_store_fit_the_window_and_name_markets() -> None:
    families = ("store.", "data.", "download.", "import.")
    shared = [code for code in catalogue("ko") if code.startswith(families) and not code.endswith(".typed")]
    assert [code for code in shared for tongue in LANGUAGES if "`data" in catalogue(tongue)[code]] == []
    for tongue, name in (("ko", "업비트 KRW"), ("en", "Upbit KRW")):
        told = sentence("download.symbol", tongue, market="upbit", symbol="KRW-X")
        assert name in told
        assert "--market upbit`" in sentence("store.unknown_symbol.typed", tongue, market="upbit")
        assert "{" not in sentence("kill.nobody_sells", tongue, market="upbit", account="a", remaining="b")


def test_one_word_for_a_market() -> None:
    assert [code for code, said in catalogue("ko").items() if "마켓" in said] == []


def test_a_heading_without_rows_is_nothing_imported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "KRW-A.csv"
    path.write_text("open_time,open,high,low,close,volume\n")
    assert run_command(["data", "import", str(path), *where(tmp_path / "s"), "--lang", "en", "--quiet"]) == 2
    assert "KRW-A.csv could be imported: no rows" in capsys.readouterr().err


@pytest.mark.parametrize(("ending", "names"), [("rows.parquet", "en"), ("rows.csv", "en"), ("rows.csv", "ko"), ("folder", "ko")])
@pytest.mark.parametrize("market", ["upbit", "krx"])
def test_exported_rows_come_back_identical(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ending: str, names: str, market: str
) -> None:
    make(capsys, tmp_path / "a", market=market)
    for interval, seconds in (("1s", 1), ("1m", 60)):
        out = tmp_path / interval / ending
        told = run(
            capsys,
            "export",
            "--market",
            market,
            "--interval",
            interval,
            "--out",
            str(out),
            "--names",
            names,
            "--data-dir",
            str(tmp_path / "a"),
        )
        report = run(capsys, "import", str(out), "--market", market, "--data-dir", str(tmp_path / "b"))
        assert report["rows_in"] == report["rows_stored"] == told["rows"]
        before = open_rows(TickStore(tmp_path / "a"), market, seconds)
        after = open_rows(TickStore(tmp_path / "b"), market, seconds)
        assert (before.codes, before.blocks.tolist()) == (after.codes, after.blocks.tolist())
        assert (np.asarray(before.row_time) == np.asarray(after.row_time)).all()
        for key in before.columns:
            assert np.asarray(before.columns[key]).tobytes() == np.asarray(after.columns[key]).tobytes(), key
        assert (after.source, after.has_book) == ("recorded", True)


def test_an_export_is_sorted_and_headed_as_the_contract_says(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make(capsys, tmp_path)
    out = tmp_path / "rows.parquet"
    run(capsys, "export", "--market", "upbit", "--interval", "1s", "--out", str(out), "--data-dir", str(tmp_path))
    table = pq.read_table(out)
    assert table.column_names == ["code", "row_time", *row_schema("coin", 1).keys]
    pairs = list(zip(table.column("code").to_pylist(), table.column("row_time").to_pylist(), strict=True))
    assert pairs == sorted(pairs)
    assert {str(kind) for kind in table.schema.types[2:]} == {"double"}


def test_bars_become_minute_rows_by_the_rule(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "any_name.csv"
    path.write_text(
        "open_time,open,high,low,close,volume,quote_volume,taker_buy_volume,taker_buy_quote_volume\n"
        "1767571200000,100,105,99,104,10,1020.5,4,410.25\n"
        "1767571260000,104,106,103,103,6,625.5,6,625.5\n"
        "1767571260000,104,106,103,103,6,625.5,6,625.5\n"
        "1767657600000,103,103,103,103,0,0,0,0\n"
        "1767657660000,103,abc,103,103,1,103,0,0\n"
        "1767657720000,103,102,103,103,1,103,0,0\n"
    )
    report = run(capsys, "import", str(path), "--market", "binance", "--symbol", "ABCUSDT", "--data-dir", str(tmp_path / "s"))
    assert (report["rows_in"], report["rows_stored"]) == (6, 3)
    assert report["reasons"] == {"duplicate": 1, "high": 1, "high_low": 1}
    assert report["gaps"] == 1
    rows = open_rows(TickStore(tmp_path / "s"), "binance", 60)
    assert rows.row_time.tolist() == [202601050000, 202601050001, 202601060000]
    column = {key: np.asarray(values).tolist() for key, values in rows.columns.items()}
    assert column["last_price"] == [104.0, 103.0, 103.0]
    assert (column["day_open"], column["day_high"], column["day_low"]) == (
        [100.0, 100.0, 103.0],
        [105.0, 106.0, 103.0],
        [99.0, 99.0, 103.0],
    )
    assert (column["value_1m"], column["day_value"]) == ([1020.5, 625.5, 0.0], [1020.5, 1646.0, 0.0])
    assert (column["buy_volume_1m"], column["sell_volume_1m"]) == ([4.0, 6.0, 0.0], [6.0, 0.0, 0.0])
    assert (column["buy_value_1m"], column["sell_value_1m"]) == ([410.25, 625.5, 0.0], [610.25, 0.0, 0.0])
    assert column["trade_strength"] == [66.67, 166.67, 500.0]
    assert column["change_pct"] == [4.0, 3.0, 0.0]
    assert column["ask1"] == [0.0] * 3
    assert not rows.has_book


def test_half_of_the_volume_is_bought_when_the_taker_is_not_known(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "005930.csv"
    path.write_text(
        "timestamp,open,high,low,close,volume\n"
        "2025-05-12 09:00:00,55200,55300,55100,55100,454037\n"
        "2025-05-12 09:01:00,55200,55300,55100,55300,31\n"
    )
    run(capsys, "import", str(path), "--data-dir", str(tmp_path / "s"))
    rows = open_rows(TickStore(tmp_path / "s"), "krx", 60)
    assert rows.row_time.tolist() == [202505120900, 202505120901]
    assert rows.columns["buy_volume_1m"].tolist() == [227018.0, 15.0]
    assert rows.columns["sell_volume_1m"].tolist() == [227019.0, 16.0]
    assert rows.columns["value_1m"].tolist() == [25017.0, 2.0]  # 당일거래대금 in whole millions, then its difference
    assert rows.columns["day_value"].tolist() == [25017.0, 25019.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("ticker,date,foreign_net\n1,2024-01-02,5\n", "unknown_columns"), ("what is this\nfile\n", "unknown_format")],
)
def test_a_file_nothing_can_read_is_refused_with_status_two_and_its_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "some.csv"
    path.write_text(text)
    report = run(capsys, "import", str(path), "--data-dir", str(tmp_path / "s"), status=2)
    assert set(report["reasons"]) == {reason}
    assert report["rows_in"] == report["rows_rejected"] > 0
    assert not (tmp_path / "s" / "ticks").exists()


def test_five_minute_bars_are_refused_for_what_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "KRW-A.csv"
    lines = [f"{1767571200000 + 300_000 * k},1,1,1,1,1" for k in range(5)]
    path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(lines) + "\n")
    report = run(capsys, "import", str(path), "--data-dir", str(tmp_path / "s"), status=2)
    assert report["reasons"] == {"interval_5m": 5}


def test_bad_arguments_name_the_field(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    root = ("--data-dir", str(tmp_path / "s"))
    (tmp_path / "s").mkdir()
    told = run(capsys, "import", str(tmp_path / "nowhere"), *root, status=2)
    assert told["error"]["code"] == "import.no_file"
    bars = tmp_path / "bars.csv"
    bars.write_text("open_time,open,high,low,close,volume\n1767571200000,1,1,1,1,1\n1767571260000,1,1,1,1,1\n")
    assert run(capsys, "import", str(bars), *root, status=2)["error"]["code"] == "import.symbol_needed"
    assert run(capsys, "import", str(bars), "--map", "time", *root, status=2)["error"]["code"] == "import.bad_map"
    assert "--symbols" in run(capsys, "make", "--market", "upbit", "--symbols", "0", *root, status=2)["error"]["message"]
    assert (
        run(capsys, "export", "--market", "upbit", "--interval", "1s", "--out", "x.parquet", *root, status=2)["error"]["code"]
        == "store.no_data"
    )
    packed = tmp_path / "KRW-A.csv.gz"
    packed.write_bytes(gzip.compress(bars.read_bytes())[:-12])
    assert run(capsys, "import", str(packed), *root, status=2)["error"]["code"] in ("import.table", "import.damaged")


def test_a_dry_run_stores_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "KRW-A.csv"
    path.write_text("open_time,open,high,low,close,volume\n1767571200000,1,1,1,1,1\n1767571260000,1,1,1,1,1\n")
    report = run(capsys, "import", str(path), "--dry-run", "--data-dir", str(tmp_path / "s"))
    assert (report["rows_stored"], report["dry_run"], report["rows_made"]) == (2, True, {"1m": 2})
    assert not (tmp_path / "s" / "ticks").exists()
    named = tmp_path / "odd.csv"
    named.write_text("Moment;,O,H,L,C,V\n1767571200000,1,1,1,1,1\n1767571260000,1,1,1,1,1\n")
    mapping = "time=Moment;,open=O,high=H,low=L,close=C,volume=V"
    report = run(capsys, "import", str(named), "--map", mapping, "--symbol", "KRW-A", "--dry-run", "--data-dir", str(tmp_path / "s"))
    assert report["rows_stored"] == 2


def test_a_damaged_store_is_told_with_status_four(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make(capsys, tmp_path)
    victim = sorted(tmp_path.glob("ticks/upbit/made/row1s/*/*.parquet"))[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 1
    victim.write_bytes(bytes(data))
    told = run(capsys, "verify", "--data-dir", str(tmp_path), status=4)
    assert [one["problem"] for one in told["problems"]] == ["checksum"]
    # It is named every time, until a person has imported it again and deleted it.
    for _ in range(2):
        after = run(capsys, "verify", "--data-dir", str(tmp_path), status=4)
        assert [one["cause"] for one in after["gaps"]] == ["damaged"]
        assert [one["problem"] for one in after["problems"]] == ["quarantined"]
        assert after["problems"][0]["file"].startswith(f"{victim.parent.relative_to(tmp_path)}/quarantine/{victim.name}.")
    listed = run(capsys, "list", "--data-dir", str(tmp_path))
    assert [one["file"] for one in listed["quarantined"]] == [after["problems"][0]["file"]]
    error = run(capsys, "export", "--market", "upbit", "--interval", "1s", "--out", str(tmp_path / "x.csv"), *where(tmp_path), status=2)
    assert error["error"]["code"] == "store.no_data_quarantined"
    assert victim.name in error["error"]["message"]
    shutil.rmtree(victim.parent / "quarantine")
    assert run(capsys, "verify", "--data-dir", str(tmp_path))["problems"] == []


def test_rows_of_a_damaged_file_are_refused_before_they_are_believed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    make(capsys, tmp_path)
    victim = sorted(tmp_path.glob("ticks/upbit/made/row1s/*/*.parquet"))[0]
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 1
    victim.write_bytes(bytes(data))
    error = run(capsys, "export", "--market", "upbit", "--interval", "1s", "--out", str(tmp_path / "x.csv"), *where(tmp_path), status=4)
    assert (error["error"]["code"], error["error"]["path"]) == ("store.damaged", str(victim))


@pytest.mark.parametrize("harm", ["no_manifest", "manifest"])
def test_a_segment_without_its_manifest_is_a_problem(capsys: pytest.CaptureFixture[str], tmp_path: Path, harm: str) -> None:
    make(capsys, tmp_path)
    manifest = sorted(tmp_path.glob("ticks/upbit/made/row1s/*/*.json"))[0]
    manifest.unlink() if harm == "no_manifest" else manifest.write_text("{")
    told = run(capsys, "verify", "--data-dir", str(tmp_path), status=4)
    assert [one["problem"] for one in told["problems"]] == [harm]
    assert [one["problem"] for one in run(capsys, "verify", "--data-dir", str(tmp_path), status=4)["problems"]] == ["quarantined"]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_people_get_sentences(capsys: pytest.CaptureFixture[str], tmp_path: Path, language: str) -> None:
    words = ["--data-dir", str(tmp_path), "--lang", language, "--quiet"]
    assert run_command(["data", "list", *words]) == 0
    assert "data.list" not in capsys.readouterr().out
    path = tmp_path / "KRW-A.csv"
    path.write_text("open_time,open,high,low,close,volume\n1767571200000,1,1,1,1,1\n1767571260000,1,1,1,1,1\n1767571260000,1,1,1,1,1\n")
    assert run_command(["data", "import", str(path), *words]) == 0
    assert run_command(["data", "list", *words]) == 0
    assert run_command(["data", "verify", *words]) == 0
    text = capsys.readouterr().out
    assert "import.reason" not in text
    assert "data.import" not in text
    assert "data.column" not in text
    assert "KRW-A" in text
    assert run_command(["data", "make", "--market", "upbit", "--symbols", "2", "--hours", "0.01", *words]) == 0
    made = capsys.readouterr().out
    assert "symbols: KRW-" in made
    assert "[" not in made


CANDLES = "timestamp,symbol,open,high,low,close,volume\n"


def test_impossible_prices_are_refused_by_line_and_reason(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = ["1,2,-1,1", "1,2,1,1", "nan,2,1,1", "1,inf,1,1", "1,2,1,1e400", "0,2,1,1"]
    body = [f"2026-01-05T00:0{k}:00Z,BTCUSDT,{row},5\n" for k, row in enumerate(rows)]
    path.write_text(CANDLES + "\n" + "".join(body))  # the empty line is a line, too
    report = run(capsys, "import", str(path), "--data-dir", str(tmp_path / "s"))
    assert (report["rows_stored"], report["rows_rejected"]) == (1, 5)
    assert report["files"][0]["first_at"] == {"close": [7], "high": [6], "open": [5], "price": [3, 8]}
    assert run_command(["data", "import", str(path), "--dry-run", "--data-dir", str(tmp_path / "t"), "--lang", "en"]) == 0
    assert "impossible price 2 at line 3, 8" in capsys.readouterr().out
    tape = tmp_path / "trades.csv"
    tape.write_text("timestamp,market,price,volume\n1767571200000,KRW-A,-5,1\n1767571201000,KRW-A,5,1\n1767571202000,KRW-A,5,-1\n")
    report = run(capsys, "import", str(tape), "--data-dir", str(tmp_path / "s"))
    assert (report["rows_stored"], report["files"][0]["first_at"]) == (1, {"price": [2], "qty": [4]})


def test_rows_that_the_store_has_are_known_and_not_rejected(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    made, data, out = str(tmp_path / "made"), str(tmp_path / "s"), tmp_path / "rows.csv"
    run(capsys, "make", "--market", "binance", "--symbols", "1", "--hours", "0.05", "--data-dir", made)
    run(capsys, "export", "--market", "binance", "--interval", "1m", "--out", str(out), "--data-dir", made)
    lines = out.read_text("utf-8").splitlines()
    first, again, dearer = (tmp_path / name for name in ("first.csv", "again.csv", "dearer.csv"))
    first.write_text("\n".join(lines[:-1]) + "\n", "utf-8")
    again.write_text("\n".join(lines) + "\n", "utf-8")
    assert run(capsys, "import", str(first), "--data-dir", data)["rows_known"] == 0
    same = run(capsys, "import", str(first), "--data-dir", data)
    assert (same["rows_in"], same["rows_stored"], same["rows_known"], same["rows_rejected"]) == (len(lines) - 2, 0, len(lines) - 2, 0)
    more = run(capsys, "import", str(again), "--data-dir", data)
    assert (more["rows_stored"], more["rows_known"]) == (1, len(lines) - 2)
    assert run(capsys, "list", "--data-dir", data)["datasets"][0]["rows"] == len(lines) - 1
    names, fields = lines[0].replace('"', "").split(","), lines[1].split(",")
    fields[names.index("bid1")] = "-1"
    dearer.write_text(lines[0] + "\n" + ",".join(fields) + "\n", "utf-8")
    wrong = run(capsys, "import", str(dearer), "--data-dir", data, status=2)
    assert wrong["files"][0]["first_at"] == {"price": [2]}

"""CSV files as they lie about: a damaged line costs that line, and the habits of other programs cost nothing."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from domain.errors import InputError
from storage.ticks import TickStore
from trading.importers import _symbol_of_table, csv_lines, import_files
from trading.importers.tables import numbers, times_ns
from utility.text import has

T0_MS = 1_767_571_200_000
HEADING = "open_time,open,high,low,close,volume"
ROWS = [f"{T0_MS + k * 60_000},100,101,99,100.5,{k + 1}" for k in range(6)]


def brought(tmp_path: Path, content: str | bytes, name: str = "KRW-A.csv", **more: Any) -> dict[str, Any]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_files(TickStore(tmp_path / "s"), [path], **more).as_dict()


def table(*rows: str, end: str = "\n") -> str:
    return end.join([HEADING, *rows]) + end


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (ROWS[2].rpartition(",")[0], "columns_few"),
        (ROWS[2] + ",7", "columns_many"),
        (ROWS[2].replace(",101", ',"101'), "quote"),
        (ROWS[2].replace(",101", ",1\0001"), "nul"),
        (ROWS[2].encode() + b"\xff", "encoding"),
    ],
)
def test_a_damaged_line_is_refused_with_its_place_and_the_others_are_stored(tmp_path: Path, line: str | bytes, reason: str) -> None:
    before, after = table(*ROWS[:2]), "\r\n\n" + "\n".join([ROWS[3], ROWS[4].replace("101", "98"), ROWS[5]])
    told = brought(tmp_path, before.encode() + (line.encode() if isinstance(line, str) else line) + after.encode())
    assert (told["rows_in"], told["rows_stored"], told["reasons"]) == (6, 4, {reason: 1, "high_low": 1})
    assert told["files"][0]["first_at"] == {reason: [4], "high_low": [7]}  # the empty line is counted, the row is not moved by it
    assert all(has("import.reason." + reason, tongue) for tongue in ("ko", "en"))


def test_a_half_line_at_the_end_of_a_file_is_refused_alone(tmp_path: Path) -> None:
    told = brought(tmp_path, table(*ROWS)[:-12])
    assert (told["rows_in"], told["rows_stored"], told["reasons"]) == (6, 5, {"columns_few": 1})


@pytest.mark.parametrize(
    "content",
    [
        table(*ROWS, end="\r\n"),
        "\ufeff" + table(*ROWS),
        table(*ROWS).replace("100.5", '"100.5"'),
        table(*ROWS).replace(",", ";"),
        table(*ROWS).replace(",", "\t"),
        "\n\n" + table(*ROWS),
    ],
)
def test_line_ends_marks_and_separators_of_other_programs(tmp_path: Path, content: str) -> None:
    told = brought(tmp_path, content)
    assert (told["rows_in"], told["rows_stored"]) == (6, 6)


def test_unnamed_archives_with_a_mark_at_the_head(tmp_path: Path) -> None:
    lines = [f"{T0_MS + k * 60_000},1,1,1,1,5,{T0_MS + k * 60_000 + 59_999},5,1,2,2,0" for k in range(3)]
    told = brought(tmp_path, "\ufeff" + "\r\n".join(lines), "ABCUSDT-1m-2026-01.csv")
    assert (told["rows_in"], told["rows_stored"]) == (3, 3)


def test_a_table_of_a_korean_program_in_cp949(tmp_path: Path) -> None:
    text = "체결시간,시가,고가,저가,현재가,거래량,종목명\n202601050900,1,1,1,1,1,가나\n2026/01/05 09:01,1,1,1,1,1,다라\n"
    told = brought(tmp_path, text.encode("cp949"), "005930.csv", market="krx")
    assert (told["rows_stored"], told["rows_rejected"]) == (2, 0)


def test_a_name_that_comes_twice_and_a_table_of_bad_lines_alone(tmp_path: Path) -> None:
    assert csv_lines.heading_fields('a,"b,c", a,a', ",") == ["a", "b,c", "a#2", "a#3"]
    told = brought(tmp_path, table("1,2", "3"))
    assert (told["rows_in"], told["reasons"]) == (2, {"columns_few": 2})


def test_lines_are_the_same_however_they_fall_into_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*ROWS[:2], ROWS[2] + ",1", *ROWS[3:]]
    for size in (7, 50, 1 << 20):
        monkeypatch.setattr(csv_lines, "_BLOCK_BYTES", size)
        (folder := tmp_path / str(size)).mkdir()
        told = brought(folder, table(*rows))
        assert (told["rows_stored"], told["files"][0]["first_at"]) == (5, {"columns_many": [4]})
    monkeypatch.setattr(csv_lines, "_LINE_BYTES_MAX", 1 << 10)
    monkeypatch.setattr(csv_lines, "_BLOCK_BYTES", 1 << 10)
    with pytest.raises(InputError, match=r"import\.long_line"):
        brought(tmp_path, HEADING + "\n" + "9" * 10_000)


def test_times_are_read_by_what_most_are_and_exactly() -> None:
    first = 1_767_571_200_000_000_001
    times, bad = times_ns(pa.chunked_array([["?", str(first), str(first + 2), "x", None]]), None)
    assert (times[1:3].tolist(), bad.tolist()) == ([first, first + 2], [True, False, False, True, True])
    stamps, wrong = times_ns(pa.chunked_array([["20260105000000", "202601050001", "2026.01.05 00:02"]]), None)
    assert not wrong.any()
    assert np.diff(stamps).tolist() == [60 * 10**9, 60 * 10**9]


@pytest.mark.parametrize(
    ("column", "bad"),
    [
        (pa.array([dt.date(2026, 1, 5), None]), [False, True]),
        (pa.array([dt.datetime(2026, 1, 5), dt.datetime(9999, 1, 1)], pa.timestamp("s")), [False, True]),
        (pa.array(["2026-01-05", "9999-01-01"]).dictionary_encode(), [False, True]),
        (pa.array([b"2026-01-05 00:00", b"\xff"], pa.binary()), [True, True]),
        (pa.array(["2026-01-05", ""], pa.large_string()), [False, True]),
        (pa.array([[1], [2]]), [True, True]),
    ],
)
def test_times_in_any_type_of_a_parquet_file(column: pa.Array, bad: list[bool]) -> None:
    times, wrong = times_ns(pa.chunked_array([column]), None)
    assert wrong.tolist() == bad
    assert [int(one) // 10**9 for one in times[~wrong]] == [T0_MS // 1000] * bad.count(False)


def test_numbers_in_any_type_of_a_parquet_file() -> None:
    columns = [pa.array(["1.5", "x"]).dictionary_encode(), pa.array([Decimal("1.5"), None]), pa.array(["1.5", None], pa.large_string())]
    for column in columns:
        values, bad = numbers(pa.chunked_array([column]))
        assert (values[0], bad.tolist()) == (1.5, [False, True])


def test_numbers_with_marks_between_thousands_and_codes_as_programs_write_them(tmp_path: Path) -> None:
    heading = "종목코드,일시,시가,고가,저가,종가,거래량\n"
    rows = [
        f'{code},2026-01-05 09:0{k},"1,000","1,010",990,"1,005.5","12,345,678"' for k, code in enumerate(("A005930", "005930.KS", "005930"))
    ]
    told = brought(tmp_path, heading + "\n".join(rows), "candles.csv")
    assert (told["rows_stored"], told["files"][0]["symbols"]) == (3, ["005930"])
    short = "\n".join(rows[1:]).replace("005930.KS", "5930").replace("005930", "5930")
    (tmp_path / "b").mkdir()
    other = brought(tmp_path / "b", heading + short, "candles.csv", market="krx")
    assert other["files"][0]["symbols"] == ["005930"]
    # Where a semicolon stands between columns, a comma may be the decimal one: no number is better than a wrong one.
    (tmp_path / "c").mkdir()
    foreign = brought(tmp_path / "c", table(*ROWS).replace(",", ";").replace("100.5", "1,005"))
    assert foreign["reasons"] == {"close": 6}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_stamps_of_any_zone_are_instants(unit: str) -> None:
    at = dt.datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("Asia/Seoul"))
    for zone, stamp in (("Asia/Seoul", at), ("UTC", at), (None, at.astimezone(dt.UTC).replace(tzinfo=None))):
        times, wrong = times_ns(pa.chunked_array([pa.array([stamp, None], pa.timestamp(unit, zone))]), None)
        assert (times[0], wrong.tolist()) == (1_767_571_200_000_000_000, [False, True])


def test_a_file_of_another_symbol_is_not_the_chosen_ones(tmp_path: Path) -> None:
    """A folder of candles and `--symbol`: what a file's name tells is believed."""
    head = "time,open,high,low,close,volume,value\n"
    for code, price in (("KRW-BTC", 150_000_000), ("KRW-ETH", 5_000_000)):
        lines = [f"2026-01-05T00:0{k}:00Z,{price},{price},{price},{price},1,{price}" for k in range(3)]
        (tmp_path / f"{code}_1m.csv").write_text(head + "\n".join(lines) + "\n", "utf-8")
    for name, chosen, wanted in (
        ("KRW-ETH_1m.csv", "KRW-BTC", "KRW-ETH"),
        ("rows.csv", "KRW-BTC", "KRW-BTC"),
        ("BTCUSDT.csv", "KRW-BTC", "KRW-BTC"),
    ):
        assert _symbol_of_table(tmp_path / name, (chosen,)) == wanted
    store = TickStore(tmp_path / "ticks")
    import_files(store, [tmp_path / "KRW-BTC_1m.csv", tmp_path / "KRW-ETH_1m.csv"], market="upbit", symbols=("KRW-BTC",))
    assert {code for _, manifest in store.manifests("upbit", "recorded") for code in manifest.codes} == {"KRW-BTC"}

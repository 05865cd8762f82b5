"""The tick store: segments by day, sources, reading in order, revisions, verification, quarantine, locks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from coin.markets import UPBIT
from domain.errors import InputError, RefusedError
from domain.instruments import NS, Instrument
from domain.records import EVENT_DTYPE, FIRST, LAST, SNAPSHOT, TRADE, row_schema
from stock.markets import KRX
from storage.segments import Manifest, read_manifest
from storage.ticks import TickStore

T0 = 1_767_571_200 * NS  # 2026-01-05 UTC
ROOT = Path(__file__).resolve().parents[3]


def codes(*names: str) -> list[Instrument]:
    return [Instrument(instrument_id=f"upbit:{name}", code=name, name=name) for name in names]


def trades(first_seq: int, seconds: list[float], instrument: int = 0) -> np.ndarray:
    events = np.zeros(len(seconds), EVENT_DTYPE)
    events["seq"] = np.arange(first_seq, first_seq + len(seconds))
    events["exchange_ns"] = [T0 + round(second * NS) for second in seconds]
    events["kind"], events["price"], events["qty"], events["instrument"] = TRADE, 100.25, 12345678, instrument
    return events


def book(first_seq: int, second: float, levels: int, instrument: int = 0) -> np.ndarray:
    events = trades(first_seq, [second] * levels, instrument)
    events["kind"] = SNAPSHOT
    events["flags"][0] |= FIRST
    events["flags"][-1] |= LAST
    return events


def test_events_come_back_as_they_were_merged_by_number_across_days(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    table = codes("KRW-A", "KRW-B")
    trade = store.writer(UPBIT, "recorded", "trade", EVENT_DTYPE, table, {"what": "test", "session": "s"})
    depth = store.writer(UPBIT, "recorded", "depth", EVENT_DTYPE, table, {"what": "test", "session": "s"})
    trade.append(trades(1, [1.0, 2.0]))
    depth.append(book(3, 3.0, 4, 1))
    trade.append(trades(7, [86_400.5, 86_399.0], 1))  # a late event of the day before stays where it arrived
    depth.append(book(9, 86_401.0, 3))
    want = np.concatenate([trades(1, [1.0, 2.0]), book(3, 3.0, 4, 1), trades(7, [86_400.5, 86_399.0], 1), book(9, 86_401.0, 3)])
    for writer in (trade, depth):
        writer.seal()
    got = np.concatenate(list(store.read_events("upbit", "recorded")))
    assert got.tobytes() == want.tobytes()
    assert sorted(path.parent.name for path in tmp_path.glob("ticks/upbit/recorded/trade/*/*.parquet")) == ["2026-01-05", "2026-01-06"]
    second_day = np.concatenate(list(store.read_events("upbit", "recorded", 20260106, 20260106)))
    assert second_day["seq"].tolist() == [7, 8, 9, 10, 11]
    only_b = np.concatenate(list(store.read_events("upbit", "recorded", codes=["KRW-B"])))
    assert set(only_b["instrument"].tolist()) == {1}
    assert store.next_seq("upbit", "recorded") == 12
    assert store.verify() == []


def test_a_stock_day_is_the_day_in_seoul(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    writer = store.writer(KRX, "recorded", "trade", EVENT_DTYPE, codes("005930"), {"what": "test"})
    writer.append(trades(1, [15 * 3600 - 1.0, 15 * 3600 + 1.0]))
    assert [manifest.info.day for manifest in writer.seal()] == [20260105, 20260106]


def test_a_quick_close_leaves_parts_that_recover_without_a_gap(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    writer = store.writer(UPBIT, "run3", "trade", EVENT_DTYPE, codes("KRW-A"), {"what": "test"})
    writer.append(trades(1, [1.0, 2.0]))
    assert writer.buffered == 2
    writer.close()
    store.unlock()
    again = TickStore(tmp_path)
    assert [manifest.state for manifest in again.recover()] == ["sealed"]
    assert not len(again.read_gaps("upbit", "run3"))
    assert len(np.concatenate(list(again.read_events("upbit", "run3")))) == 2


def test_instruments_may_grow_while_a_segment_is_open(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    writer = store.writer(UPBIT, "recorded", "trade", EVENT_DTYPE, codes("KRW-A"), {"what": "test"})
    writer.append(trades(1, [1.0]))
    writer.add_instruments(codes("KRW-B"))
    writer.append(trades(2, [2.0], 1))
    (manifest,) = writer.seal()
    assert {code: span.rows for code, span in manifest.codes.items()} == {"KRW-A": 1, "KRW-B": 1}


def test_sources_are_ordered_and_never_mixed(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    for source in ("run2", "made", "run10"):
        writer = store.writer(UPBIT, source, "trade", EVENT_DTYPE, codes("KRW-A"), {"what": "test"})
        writer.append(trades(1, [1.0]))
        writer.close()
    with pytest.raises(InputError) as caught:
        store.choose_source("upbit", None)
    assert caught.value.code == "store.no_data"  # nothing is sealed yet
    store.unlock()
    TickStore(tmp_path).recover()
    assert store.sources("upbit") == ["made", "run10", "run2"]
    assert store.choose_source("upbit", None) == "made"
    assert store.choose_source("upbit", "run2") == "run2"


def test_a_higher_revision_stands_for_the_lower(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    writer = store.writer(UPBIT, "recorded", "trade", EVENT_DTYPE, codes("KRW-A"), {"what": "test"})
    writer.append(trades(1, [1.0, 2.0]))
    (manifest,) = writer.seal()
    path, _ = next(store.manifests("upbit", "recorded", "trade"))
    corrected = path.with_name("1-r1.parquet")
    corrected.write_bytes(path.read_bytes())
    corrected.with_suffix(".json").write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, revision=1, file=corrected.name)))
    found = list(store.manifests("upbit", "recorded", "trade"))
    assert [(one.name, stated.revision) for one, stated in found] == [("1-r1.parquet", 1)]


def _stored(tmp_path: Path) -> tuple[TickStore, Path, Manifest]:
    store = TickStore(tmp_path)
    writer = store.writer(UPBIT, "recorded", "trade", EVENT_DTYPE, codes("KRW-A"), {"what": "test", "session": "s"})
    writer.append(trades(1, [1.0, 2.0, 3.0]))
    writer.seal()
    path, manifest = next(store.manifests("upbit", "recorded", "trade"))
    return store, path, manifest


def test_one_changed_bit_is_found_and_the_file_put_aside_as_a_gap(tmp_path: Path) -> None:
    store, path, _ = _stored(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))
    (problem,) = store.verify()
    assert problem["problem"] == "checksum"
    assert not path.exists()
    assert list(path.parent.glob("quarantine/*.parquet.*"))
    (gap,) = store.read_gaps("upbit", "recorded")
    assert (int(gap["from_seq"]), int(gap["to_seq"]), gap["cause"]) == (1, 3, b"damaged")
    (problem,) = store.verify()
    assert (problem["problem"], problem["rows"], problem["codes"]) == ("quarantined", 3, ["KRW-A"])
    assert path.name in problem["file"]
    assert store.quarantined() == store.quarantined("upbit", "recorded") == [{k: v for k, v in problem.items() if k != "problem"}]
    with pytest.raises(InputError) as caught:
        store.choose_source("upbit", "recorded", "trade")
    assert caught.value.code == "store.no_data_quarantined"
    assert path.name in caught.value.fields["files"]


def test_a_missing_file_and_records_missing_without_a_mark_are_problems(tmp_path: Path) -> None:
    store, path, manifest = _stored(tmp_path)
    writer = store.writer(UPBIT, "recorded", "depth", EVENT_DTYPE, codes("KRW-A"), {"what": "test", "session": "s"})
    writer.append(book(6, 4.0, 2))  # 4 and 5 were never stored
    writer.seal()
    problems = store.verify(quarantine=False)
    assert [(one["problem"], one["missing"]) for one in problems] == [("unmarked_gap", 2)]
    path.unlink()
    assert [one["problem"] for one in store.verify(quarantine=False)] == ["missing", "unmarked_gap"]
    assert read_manifest(path.with_suffix(".json")) == manifest


def test_a_second_process_cannot_write_the_same_source(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    store.lock("upbit", "recorded")
    text = (
        "import sys; from pathlib import Path; from storage.ticks import TickStore; from domain.errors import RefusedError\n"
        "try:\n    TickStore(Path(sys.argv[1])).lock('upbit', 'recorded')\n"
        "except RefusedError as error:\n    print(error.code, error.fields['pid'])\n"
    )
    done = subprocess.run([sys.executable, "-c", text, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "store.locked"
    store.unlock()
    TickStore(tmp_path).lock("upbit", "recorded")


def test_recover_leaves_what_another_process_is_writing(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    writer = store.writer(UPBIT, "recorded", "trade", EVENT_DTYPE, codes("KRW-A"), {"what": "test"})
    writer.append(trades(1, [1.0]))
    writer.flush()
    assert TickStore(tmp_path).recover() == []
    writer.seal()
    assert len(list(store.manifests("upbit", "recorded"))) == 1


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        TickStore(tmp_path).writer(UPBIT, "recorded", "quotes", EVENT_DTYPE, [], {})
    assert caught.value.code == "store.unknown_kind"


def test_rows_lie_in_the_day_of_their_label_and_datasets_tell_their_span(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    schema = row_schema("coin", 60)
    rows = np.zeros(3, schema.dtype())
    rows["row_time"], rows["seq"], rows["exchange_ns"] = (202601052359, 202601060000, 202601060001), (1, 2, 3), T0
    writer = store.writer(UPBIT, "made", "row1m", schema, [replace_step(codes("KRW-A")[0])], {"what": "test"})
    writer.append(rows)
    assert [manifest.info.day for manifest in writer.seal()] == [20260105, 20260106]
    (entry,) = store.datasets()
    assert (entry["interval"], entry["from"], entry["to"], entry["rows"]) == ("1m", 202601052359, 202601060001, 3)
    assert (entry["price_step"], entry["qty_step"]) == (0.5, 0.001)
    back = np.concatenate([found for _, found in store.read_rows("upbit", "made", 60)])
    assert back.tobytes() == rows.tobytes()


def replace_step(instrument: Instrument) -> Instrument:
    return msgspec.structs.replace(instrument, price_step=0.5, qty_step=100_000)


def test_held_locks_are_an_error_with_the_holder(tmp_path: Path) -> None:
    store = TickStore(tmp_path)
    store.lock("upbit", "recorded")
    with pytest.raises(RefusedError) as caught:
        TickStore(tmp_path).lock("upbit", "recorded")
    assert caught.value.code == "store.locked"

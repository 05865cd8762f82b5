"""A volume that is full: what cannot be written is counted and told, nothing else stops (reliability, fault 34)."""

from __future__ import annotations

import errno
import logging
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.messages import Command
from domain.records import row_schema
from paper.truth import TruthLedger, read_truth
from storage import segments
from storage.ticks import TickStore
from tests.doubles.trader_rig import Rig
from tests.unit.paper.flow import COIN, trade
from tests.unit.trading.test_trader import rest
from trading.children import Child, Restarts
from trading.recorder import TickRecorder
from utility.log import LogFiles


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path).ready()


class Disk:
    """Lets writes through or refuses them, as `is_full` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        put = segments.PartWriter._put

        def maybe(part: segments.PartWriter, data: bytes) -> None:
            if self.is_full:
                raise self.error()
            put(part, data)

        monkeypatch.setattr(segments.PartWriter, "_put", maybe)
        monkeypatch.setattr("trading.recorder.has_room", lambda folder: not self.is_full)

    @staticmethod
    def error() -> OSError:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def events(first: int, count: int) -> np.ndarray:
    out = np.concatenate([trade(100.0, 1.0, 1, first + k) for k in range(count)])
    out["seq"] = np.arange(first, first + count)
    return out


def test_a_recording_drops_counts_and_goes_on_with_a_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, lock, store = Disk(monkeypatch), threading.Lock(), TickStore(tmp_path)
    recorder = TickRecorder(store, UPBIT, "run1", 1, [COIN], {"what": "test"}, 1.0)
    rows = np.zeros(3, row_schema("coin", 1).dtype())
    rows["row_time"] = 20260921000001
    for step in range(10):  # ten seconds, the disk is full in the middle
        disk.is_full = 3 <= step < 7
        recorder.events(events(1 + 10 * step, 10))
        rows["seq"] = np.arange(3 * step + 1, 3 * step + 4)
        recorder.rows(rows.copy())
        recorder.tick(float(step + 1), lock)
        counted = recorder.counters()
        assert counted["events"] + counted["lost_events"] + counted["waiting_events"] == 10 * (step + 1)
    recorder.close()
    counted = recorder.counters()
    assert 40 <= counted["lost_events"] < 100
    assert counted["rows"] + counted["lost_rows"] == 30
    store.recover({"upbit": UPBIT})
    table = np.concatenate(list(store.read_events("upbit", "run1", 20260921, None)))
    assert len(table) == counted["events"], "what is said to be stored is there"
    mark = next(gap for gap in store.read_gaps("upbit", "run1") if gap["cause"] == b"disk_full")
    assert (int(mark["from_seq"]), int(mark["to_seq"])) == (31, 70)
    said = [record.getMessage().split()[0] for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == ["alarm=recorder.full", "alarm=recorder.resumed"]


def test_the_exchanges_record_waits_for_room(tmp_path: Path) -> None:
    ledger = TruthLedger(tmp_path / "truth.jsonl")
    file, room = ledger._file, [10]
    assert file is not None

    class Full:
        def write(self, data: bytes) -> int:
            if not room[0]:
                raise Disk.error()
            took = file.write(data[: room[0]])  # a full disk takes a part of the last line
            room[0] -= took
            return took

        def close(self) -> None:
            file.close()

    ledger._file = Full()  # type: ignore[assignment]
    for k in range(5):
        ledger.write("fill", k)
    room[0] = 10_000
    ledger.write("fill", 5)
    ledger.close()
    assert [line["market_ns"] for line in read_truth(tmp_path / "truth.jsonl")] == [0, 1, 2, 3, 4, 5]


def test_a_process_that_found_no_room_is_no_crash_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Config:
        data_dir = str(tmp_path)

    child = Child("upbit.trader", "trader", "trader", Config(), failure="ledger.write_failed")  # type: ignore[arg-type]
    restarts = Restarts(1, lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr("trading.children.has_room", lambda folder: False)
        assert all(restarts.on_death(child, float(k)) for k in range(20))
    assert restarts.on_death(child, 21.0)
    assert not restarts.on_death(child, 22.0)


def test_log_files_never_fail_their_caller(tmp_path: Path) -> None:
    class Full:
        def write(self, text: str) -> None:
            raise Disk.error()

        flush = close = lambda self: self.write("")

    files = LogFiles(tmp_path)
    files._open["main"] = ("20260921", Full())  # type: ignore[assignment]
    files.flush()
    files.close()
    assert files.lost == 2


def test_a_full_disk_halts_until_there_is_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen, told once, cancels and a kill switch still work; the next start comes when the volume takes a write (P34)."""
    key, there = rest(rig), [False]
    monkeypatch.setattr("trading.unwritable.has_room", lambda folder: there[0])
    monkeypatch.setattr("trading.kill_switch.write_latch", full)
    rig.trader.desk.ledger._connection.execute("PRAGMA query_only = ON")
    rig.run(rig.trader.on_intent(rig.intent("KRW-BBB"), rig.now))
    for _ in range(30):
        rig.advance(1.0)
    assert rig.stopped == ""
    assert rig.trader.desk.account_state().trading_state == "halted"
    assert [alarm.code for alarm in rig.alarms].count("ledger.write_failed") == 1
    rig.run(rig.trader.on_command(Command(name="kill", args={"level": "cancel"}), rig.now))
    rig.advance(1.0)
    assert key in [order.client_order_id for order in rig.cancelled]
    there[0] = True
    rig.advance(2.0)
    assert rig.stopped == "ledger.write_failed"


def full(*_: object) -> None:
    raise Disk.error()


def test_a_kill_switch_that_cannot_be_written_works_in_the_trader_that_runs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("trading.kill_switch.write_latch", full)
        rig.run(rig.trader.on_command(Command(name="kill", args={"level": "entries"}), rig.now))
        rig.run(rig.trader.on_command(Command(name="rearm"), rig.now))
        assert rig.enter().rule == "state", "what opens has to be on the disk"
    rig.run(rig.trader.on_command(Command(name="rearm"), rig.now))
    assert rig.enter().accepted

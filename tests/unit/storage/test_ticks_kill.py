"""kill -9 at random moments: nothing handed to the system is lost, nothing torn is read."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.records import EVENT_DTYPE
from storage.ticks import TickStore

ROOT = Path(__file__).resolve().parents[3]
WRITER = """
import sys
import numpy as np
from pathlib import Path
from coin.markets import UPBIT
from domain.instruments import Instrument
from domain.records import EVENT_DTYPE, TRADE
from storage.ticks import TickStore

root, seed = Path(sys.argv[1]), int(sys.argv[2])
store = TickStore(root)
store.lock("upbit", "recorded")
store.recover()
seq = store.next_seq("upbit", "recorded")
one = Instrument(instrument_id="upbit:KRW-A", code="KRW-A", name="A")
writer = store.writer(UPBIT, "recorded", "trade", EVENT_DTYPE, [one], {"what": "test"})
rng = np.random.default_rng(seed)
print("ready", seq, flush=True)
while True:
    count = int(rng.integers(1, 700))
    events = np.zeros(count, EVENT_DTYPE)
    events["seq"] = np.arange(seq, seq + count)
    events["kind"] = TRADE
    events["exchange_ns"] = events["received_ns"] = 1_767_571_200_000_000_000 + events["seq"] * 1_000
    events["price"] = events["seq"] * 0.5
    events["qty"] = events["seq"] * 7
    writer.append(events)
    seq += count
    if rng.random() < 0.3:
        writer.flush()
        print("flushed", seq - 1, flush=True)
"""


def run_and_kill(root: Path, seed: int, after: int) -> tuple[int, int]:
    """Run the writer until it has flushed `after` times, kill it at once; return (first seq, last seq it said was flushed)."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    first = int(process.stdout.readline().split()[1])
    last = first - 1
    for _ in range(after):
        last = int(process.stdout.readline().split()[1])
    process.send_signal(signal.SIGKILL)
    for line in process.stdout:  # what it still said before it died
        if line.endswith("\n"):
            last = int(line.split()[1])
    process.wait(10)
    process.stdout.close()
    return first, last


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_writer_loses_nothing_that_was_flushed_and_nothing_torn_is_read(tmp_path: Path) -> None:
    rng = random.Random(11)
    promised: list[tuple[int, int]] = []
    for kill in range(5):
        promised.append(run_and_kill(tmp_path, kill, rng.randint(1, 60)))
        if kill == 2:  # the disk may also have torn the last block in the middle
            part = next(tmp_path.glob("ticks/upbit/recorded/trade/*/*.part"))
            with open(part, "ab") as file:
                file.write(b"STB1" + bytes(rng.randrange(256) for _ in range(rng.randint(1, 5000))))
    store = TickStore(tmp_path)
    sealed = store.recover({"upbit": UPBIT})
    assert [manifest.state for manifest in sealed] == ["recovered"]
    assert not list(tmp_path.glob("ticks/**/*.part"))
    events = np.concatenate(list(store.read_events("upbit", "recorded")))
    assert (np.diff(events["seq"]) > 0).all()
    assert events["price"].tolist() == (events["seq"] * 0.5).tolist()
    assert events["qty"].tolist() == (events["seq"] * 7).tolist()
    stored = set(events["seq"].tolist())
    for first, last in promised:
        assert stored >= set(range(first, last + 1)), "a flushed record is missing"
    gaps = store.read_gaps("upbit", "recorded")
    assert len(gaps) == 5
    assert set(gaps["cause"].tolist()) == {b"killed"}
    assert store.verify() == []


def test_a_part_cut_anywhere_gives_its_whole_blocks(tmp_path: Path) -> None:
    from domain.instruments import Instrument
    from storage.segments import Part

    store = TickStore(tmp_path)
    one = Instrument(instrument_id="upbit:KRW-A", code="KRW-A", name="A")
    writer = store.writer(UPBIT, "recorded", "depth", EVENT_DTYPE, [one], {"what": "test"})
    ends = []
    for k in range(4):
        events = np.zeros(50, EVENT_DTYPE)
        events["seq"] = np.arange(1 + 50 * k, 51 + 50 * k)
        events["exchange_ns"] = 1_767_571_200_000_000_000
        writer.append(events)
        writer.flush()
        ends.append(next(tmp_path.glob("ticks/**/*.part")).stat().st_size)
    writer.close()
    store.unlock()
    path = next(tmp_path.glob("ticks/**/*.part"))
    whole = path.read_bytes()
    rng = random.Random(5)
    for _ in range(60):
        cut = rng.randrange(len(whole))
        path.write_bytes(whole[:cut])
        rows = sum(len(block) for block in Part(path).blocks())
        assert rows == 50 * sum(end <= cut for end in ends)
    for _ in range(200):
        at = rng.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(damaged))
        blocks = list(Part(path).blocks())
        found = np.concatenate(blocks)["seq"].tolist() if blocks else []
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= 50 * sum(end <= at for end in ends)

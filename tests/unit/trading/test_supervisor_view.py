"""What main does until its children have answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.messages import Snapshot, SnapshotDone
from domain.settings import Settings
from trading.supervisor import SNAPSHOT_RETRY_S, Supervisor, _View
from utility.paths import DataDir


class DeafTrader:
    """The `orders` socket of a trader that is still opening its account."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[Any] = []

    def send(self, message: Any) -> bool:
        self.asked += isinstance(message, Snapshot)
        return True

    def receive(self) -> Iterator[Any]:
        answers, self.answers = self.answers, []
        return iter(answers)

    def close(self) -> None:
        pass


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(DataDir(tmp_path), Settings())
    yield made
    made.close()


def test_the_traders_picture_is_asked_for_until_it_came(supervisor: Supervisor) -> None:
    trader = DeafTrader()
    supervisor._views["upbit"] = _View(orders=trader, snapshot_due_s=10.0)  # type: ignore[arg-type]
    supervisor._read_view("upbit", 9.9)
    assert trader.asked == 0
    supervisor._read_view("upbit", 10.0)
    supervisor._read_view("upbit", 10.1)
    assert trader.asked == 1
    supervisor._read_view("upbit", 10.0 + SNAPSHOT_RETRY_S)
    assert trader.asked == 2
    trader.answers = [SnapshotDone(outbox_seq=0)]
    supervisor._read_view("upbit", 11.2)
    supervisor._read_view("upbit", 30.0)
    assert trader.asked == 2
    assert [type(message) for _, message in supervisor._heard] == [SnapshotDone]

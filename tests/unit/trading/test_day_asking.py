"""The venue's day is asked for until it is told, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from domain.errors import Unreachable
from domain.ports import DayBar
from trading import day_asking
from trading.day_asking import DayAsking

BAR = DayBar("A", 20_000, 1.0, 2.0, 0.5, 9.0, last_id=3)


class Venue:
    """Fails so often, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.asked = failures, error, 0

    def day_bars(self, codes: Sequence[str]) -> list[DayBar]:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error
        assert codes == ("A",)
        return [BAR]


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5.0
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("error", [Unreachable("venue.unreachable"), RuntimeError("the client has been closed")])
def test_failures_are_said_and_asked_again_until_the_answer(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(day_asking, "FIRST_PAUSE_S", 0.01)
    told: list[Any] = []
    venue: Any = Venue(4, error)
    asking = DayAsking("upbit", lambda: ("A",), lambda bars: bool(told.append(bars)) or True)
    with caplog.at_level(logging.INFO, "trading.day_asking"):
        asking.ask(venue)
        until(lambda: bool(told))
        time.sleep(0.05)
    asking.close()
    assert told == [[BAR]]
    assert venue.asked == 5
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.WARNING, logging.ERROR, logging.ERROR, logging.INFO]


def test_what_is_still_lacking_is_not_asked_for_all_the_time() -> None:
    told: list[Any] = []
    done = threading.Event()
    venue: Any = Venue(0, RuntimeError())
    asking = DayAsking("upbit", lambda: ("A",), lambda bars: bool(told.append(bars)) or done.set() or False)
    asking.ask(venue)
    assert done.wait(5.0)
    for _ in range(20):
        asking.ask_again(venue)
        time.sleep(0.005)
    assert venue.asked == 1
    asking.ask(venue)  # a connection began: at once
    until(lambda: venue.asked == 2)
    asking.close()


def test_nothing_is_asked_after_the_end() -> None:
    venue: Any = Venue(0, RuntimeError())
    asking = DayAsking("upbit", lambda: ("A",), lambda bars: True)
    asking.close()
    asking.ask(venue)
    time.sleep(0.05)
    assert venue.asked == 0

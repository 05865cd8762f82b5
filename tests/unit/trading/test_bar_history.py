"""Bars from before the rows: asked in a thread, only for where the person stopped, and a venue that refuses hurts nobody."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from domain.errors import Unreachable
from domain.instruments import NS, Instrument
from domain.messages import Bars
from trading.bar_history import MINUTES_S, SECONDS_S, BarHistory

A = Instrument(instrument_id="upbit:KRW-A", code="KRW-A", name="A")
B = Instrument(instrument_id="upbit:KRW-B", code="KRW-B", name="B")
NOW_NS = 1_767_571_234 * NS


class SlowFeed:
    """A venue that answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int, int]] = []
        self.gate = threading.Event()
        self.error: Exception | None = None

    def history(self, instrument: Instrument, interval_s: int, start_ns: int, end_ns: int) -> np.ndarray:
        self.asked.append((instrument.code, interval_s, start_ns, end_ns))
        self.gate.wait(5)
        if self.error is not None:
            raise self.error
        return np.arange(14.0).reshape(2, 7)


class Told:
    def __init__(self) -> None:
        self.bars: list[Bars] = []
        self.came = threading.Condition()

    def take(self, bars: Bars) -> None:
        with self.came:
            self.bars.append(bars)
            self.came.notify_all()

    def wait(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.bars) >= count, 5)


@pytest.fixture
def feed() -> Any:
    return SlowFeed()


def test_seconds_begin_at_a_whole_quarter_and_minutes_follow(feed: Any) -> None:
    told = Told()
    history = BarHistory("upbit", 1, told.take)
    feed.gate.set()
    history.ask(feed, 3, A, NOW_NS)
    told.wait(2)
    history.close()
    assert [(bars.instrument, bars.interval_s, len(bars.data)) for bars in told.bars] == [(3, 1, 112), (3, 60, 112)]
    (_, one, seconds_ns, end_ns), (_, sixty, minutes_ns, _) = feed.asked
    assert (one, sixty, end_ns) == (1, 60, NOW_NS)
    assert seconds_ns % (SECONDS_S * NS) == 0
    assert SECONDS_S <= (NOW_NS - seconds_ns) / NS < 2 * SECONDS_S
    assert MINUTES_S <= (NOW_NS - minutes_ns) / NS < MINUTES_S + 60


def test_only_the_instrument_where_the_person_stopped_is_told(feed: Any) -> None:
    told = Told()
    history = BarHistory("upbit", 60, told.take)
    history.ask(feed, 0, A, NOW_NS)
    while not feed.asked:
        threading.Event().wait(0.01)
    history.ask(feed, 1, B, NOW_NS)
    feed.gate.set()
    told.wait(1)
    history.close()
    assert [bars.instrument for bars in told.bars] == [1]
    assert [code for code, *_ in feed.asked] == ["KRW-A", "KRW-B"]


@pytest.mark.parametrize("error", [Unreachable("venue.unreachable", host="h", cause="c"), RuntimeError("closed")])
def test_a_venue_that_fails_is_asked_again_next_time(feed: Any, error: Exception) -> None:
    told = Told()
    history = BarHistory("upbit", 60, told.take)
    feed.error = error
    feed.gate.set()
    history.ask(feed, 0, A, NOW_NS)
    while not feed.asked:
        threading.Event().wait(0.01)
    feed.error = None
    history.ask(feed, 1, B, NOW_NS)
    told.wait(1)
    history.close()
    assert told.bars[-1].instrument == 1

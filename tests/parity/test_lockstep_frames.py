"""A replay in lock-step over real sockets: the feed's rows are the recording's rows, one step each.

The receiver here is the real feed adapter and the real row builder; the bus is replaced by calls.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coin.markets import BINANCE, UPBIT
from domain.instruments import Market
from domain.messages import Message, ReplayEnd, StepDone, StepEnd, StepNext, StepWait
from domain.ports import EventBatch, FeedNotice
from domain.process_config import ExchangeOptions
from domain.records import TRADE
from paper.assembly import House, open_recording
from paper.replay import LockStep, Survey, messages_of
from paper.source import ArraySource, EventSource
from tests.contract.venue_kit import Keys, WallClock
from tests.doubles.loops import LoopThread
from tests.recorded import RECORDED
from trading import venues
from trading.rows import RowBuilder
from utility.paths import DataDir


class Replay:
    """An exchange in lock-step in a thread, a feed, and the answers of receiver and trader."""

    def __init__(self, market: Market, source: EventSource, speed: float = 0.0) -> None:
        self.market, self.source = market, source
        self.house = House(market.code, source.instruments, ExchangeOptions(seed=1, rate_factor=50.0))
        self.survey = Survey(source, 1)
        self.builder = RowBuilder(market, 1, list(source.instruments))
        self.rows: list[np.ndarray] = []
        self.rows_at_step: list[int] = []
        self.steps: list[StepEnd] = []
        self.trades: list[np.ndarray] = []
        self.frames: dict[str, int] = {}
        self.waits = 0
        self.on_step: Any = None
        self._pending: StepEnd | None = None
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.speed = speed
        self._thread = LoopThread()

    async def _start(self) -> int:
        port = await self.house.server.start()
        self.play = LockStep(self.house.server, self.source, 1, self.survey, self.speed, self._from_exchange)
        self.play.start()
        self._work = asyncio.create_task(self.play.run())
        return port

    async def _stop(self) -> None:
        self._work.cancel()
        await self.house.server.close()

    def _from_exchange(self, role: str, message: Message) -> None:
        if isinstance(message, StepEnd):
            with self._lock:
                self._pending = message
            self._barrier()
        elif isinstance(message, StepWait):
            self.waits += 1
            self._done(message.n)
        elif isinstance(message, ReplayEnd) and role == "receiver":
            self.over.set()
        else:
            assert isinstance(message, (StepNext, ReplayEnd))

    def sink(self, item: EventBatch | FeedNotice) -> None:
        if not isinstance(item, EventBatch):
            return
        with self._lock:
            if len(item.events):
                rows = self.builder.push(item.events)
                if len(rows):
                    self.rows.append(rows)
                self.trades.append(item.events[item.events["kind"] == TRADE].copy())
            if item.connection:
                self.frames[item.connection] = item.frames
        self._barrier()

    def _barrier(self) -> None:
        with self._lock:
            step = self._pending
            if step is None or any(self.frames.get(number, 0) < count for number, count in step.frames.items()):
                return
            self._pending = None
            self.steps.append(step)
            self.rows_at_step.append(sum(map(len, self.rows)))
        if self.on_step is not None:
            self.on_step(step)
        else:
            self._done(step.n)

    def _done(self, n: int, private: dict[str, int] | None = None) -> None:
        self._thread.loop.call_soon_threadsafe(self.play.take, "trader", StepDone(n=n, private_frames=private or {}))

    def run(self, seconds: float = 100.0) -> None:
        self.port = self._thread.start(self._start())
        feed = venues.venue(self.market.code).make_feed(venues.venue(self.market.code).paper_endpoint("127.0.0.1", self.port), WallClock())
        try:
            offered = {one.code: one for one in feed.instruments()}
            feed.start(self.sink)
            feed.subscribe([offered[one.code] for one in self.source.instruments])
            assert self.over.wait(seconds)
        finally:
            feed.close()
            self._thread.end(self._stop())


def check(replay: Replay) -> None:
    """Steps, rows and trades that came over the wire are those of the recording."""
    expected = RowBuilder(replay.market, 1, list(replay.source.instruments))
    wanted = [expected.push(message.copy()) for message in messages_of(replay.source)]
    want = np.concatenate([rows for rows in wanted if len(rows)])
    got = np.concatenate(replay.rows)
    assert len(got) == len(want) == replay.survey.rows
    for name in ("row_time", "exchange_ns", "instrument"):
        assert np.array_equal(got[name], want[name]), name
    assert np.array_equal(got["values"], want["values"], equal_nan=True)
    assert [step.n for step in replay.steps] == list(range(1, len(replay.steps) + 1))
    assert replay.rows_at_step[:-1] == list(range(1, len(want) + 1))  # each step ends with its one row
    assert replay.steps[-1].last
    sent = [m for m in messages_of(replay.source) if m["kind"][0] == TRADE]
    heard = np.concatenate(replay.trades)
    assert [(m["first_id"][0], m["price"][0], m["qty"][0], m["side"][0], m["exchange_ns"][0]) for m in sent] == [
        (t["first_id"], t["price"], t["qty"], t["side"], t["exchange_ns"]) for t in heard
    ]
    closing = Counter(code for step in replay.steps for code in step.closing)
    days = {(int(row["instrument"]), int(row["row_time"]) // 1_000_000) for row in want}
    assert closing == Counter(replay.source.instruments[i].code for i, _ in days)


@pytest.mark.skipif(RECORDED is None, reason="the recorded data are not here")
def test_the_upbit_recording(tmp_path: Path) -> None:
    assert RECORDED is not None
    source = open_recording(UPBIT, DataDir(tmp_path), str(RECORDED / "upbit/ws_raw/UPBIT-d78752.0.gz"))
    replay = Replay(UPBIT, source)
    replay.run()
    check(replay)
    assert replay.survey.rows > 400


@pytest.mark.slow
@pytest.mark.skipif(RECORDED is None, reason="the recorded data are not here")
def test_a_binance_recording(tmp_path: Path) -> None:
    assert RECORDED is not None
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in ("ethusdt_20240808.gz", "ethusdt_20240809.gz"):
        shutil.copy(RECORDED / "binance/spot_raw" / name, folder / name)
    source = open_recording(BINANCE, DataDir(tmp_path / "data"), str(folder))
    replay = Replay(BINANCE, source)
    started = time.monotonic()
    replay.run()
    check(replay)
    assert time.monotonic() - started < 60.0
    assert {step.closing for step in replay.steps if step.closing} == {("ETHUSDT",)}
    assert sum(1 for step in replay.steps if step.closing) == 2  # once a UTC day


@pytest.mark.parametrize("market", [UPBIT, BINANCE], ids=lambda market: market.code)
def test_a_made_minute(market: Market) -> None:
    from paper.made import MadeMarket

    made = MadeMarket(market, market.made_codes[:3], 11, 1_790_000_000_000_000_000)
    source = ArraySource(market, made.instruments, made.advance(1_790_000_060_000_000_000))
    replay = Replay(market, source)
    replay.run()
    check(replay)
    assert replay.survey.rows > 150


def test_a_step_waits_for_the_private_frames_it_was_not_told_of() -> None:
    from paper.made import MadeMarket

    made = MadeMarket(UPBIT, UPBIT.made_codes[:1], 11, 1_790_000_000_000_000_000)
    source = ArraySource(UPBIT, made.instruments, made.advance(1_790_000_012_000_000_000))
    replay = Replay(UPBIT, source)
    broker: Any = None
    counted: dict[str, int] = {}

    def listen(update: Any) -> None:
        if type(update).__name__ == "BrokerFrame":
            counted[update.connection] = update.frames

    def on_step(step: StepEnd) -> None:
        def answer() -> None:
            nonlocal broker
            venue = venues.venue("upbit")
            if broker is None:
                keys = Keys(replay.house.key, replay.house.secret)
                broker = venue.make_broker(venue.paper_endpoint("127.0.0.1", replay.port), keys, WallClock())
                broker.start(listen)
                time.sleep(0.5)
            if step.n == 3:
                from tests.contract.venue_kit import make_order

                price = int(source.instruments and replay.builder.book(0, 1)[0][0][0] * 1.02) // 1_000 * 1_000
                broker.place(make_order("upbit:KRW-BTC", "lockstep-1", qty=10_000_000, price=price))
            replay._done(step.n, dict(counted))

        threading.Thread(target=answer).start()

    replay.on_step = on_step
    original = replay._from_exchange

    def from_exchange(role: str, message: Message) -> None:
        if isinstance(message, StepWait):
            replay.waits += 1
            threading.Timer(0.05, lambda: replay._done(message.n, dict(counted))).start()
            return
        original(role, message)

    replay._from_exchange = from_exchange  # type: ignore[method-assign]
    try:
        replay.run()
    finally:
        if broker is not None:
            broker.close()
    truth = replay.house.core.truth.lines
    fills = [line for line in truth if line["event"] == "fill"]
    assert fills
    # The fills carry the market time of the step in which the order came, whatever the wall clock said.
    row_ns = {step.market_ns for step in replay.steps if step.n in (3, 4)}
    assert {fill["market_ns"] for fill in fills} <= row_ns
    check(replay)

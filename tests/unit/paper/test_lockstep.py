"""The words of lock-step: who is told what, and who is told again (architecture 3.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.messages import Heartbeat, Message, ReplayEnd, StepDone, StepEnd, StepFills, StepHeard, StepNext, StepWait
from paper import replay
from paper.replay import LockStep, Survey
from paper.source import ArraySource
from tests.unit.paper.flow import COIN, exchange, picture, trade

ASKS, BIDS = [(101.0, 1.0)], [(100.0, 1.0)]
SECONDS = 3


class StubServer:
    """What LockStep needs of the server, without a socket."""

    def __init__(self) -> None:
        self.core = exchange()
        self.activity = 0
        self.public = {"1": 0}
        self.private: dict[str, int] = {}

    def publish(self, message: np.ndarray) -> None:
        self.core.apply(message)
        self.public["1"] += 1

    def timed(self) -> None:
        pass

    def flush_private(self) -> None:
        pass

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def frames_sent(self, is_private: bool) -> dict[str, int]:
        return dict(self.private if is_private else self.public)


def recording() -> ArraySource:
    parts = [trade(100.5, 1.0, 1, 1)]
    for second in range(SECONDS):
        parts.append(picture(ASKS, [(100.0, 1.0 + second)], 1_000 * second + 500))
    return ArraySource(UPBIT, [COIN], np.concatenate(parts))


def play(
    script: Callable[[LockStep, StubServer, asyncio.Queue[tuple[str, Message]]], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "SETTLE_S", 0.01)

    async def run() -> None:
        server, said = StubServer(), asyncio.Queue[tuple[str, Message]]()
        source = recording()
        step: Any = LockStep(server, source, 1, Survey(source, 1), 0.0, lambda role, message: said.put_nowait((role, message)))  # type: ignore[arg-type]
        task = asyncio.create_task(step.run())
        step.start()
        try:
            await asyncio.wait_for(script(step, server, said), 10)
        finally:
            task.cancel()

    asyncio.run(run())


def done(n: int, **frames: int) -> StepDone:
    return StepDone(n=n, private_frames=frames)


def test_each_step_names_its_frames_and_the_last_row_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(step: LockStep, server: StubServer, said: asyncio.Queue[tuple[str, Message]]) -> None:
        ends = []
        for n in range(1, SECONDS + 2):
            role, end = await said.get()
            assert (role, type(end)) == ("receiver", StepEnd)
            assert isinstance(end, StepEnd)
            ends.append(end)
            step.take("trader", done(n))
            assert await said.get() == ("trader", StepNext(n=n))
        assert [end.frames["1"] for end in ends] == [2, 3, 4, 4]
        assert [end.closing for end in ends] == [(), (), ("KRW-XRP",), ()]
        assert [end.last for end in ends] == [False, False, False, True]
        assert [await said.get() for _ in range(3)] == [(role, ReplayEnd(n=SECONDS + 1)) for role in ("receiver", "trader", "main")]

    play(script, monkeypatch)


def test_it_waits_for_private_frames_and_not_for_onlookers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(step: LockStep, server: StubServer, said: asyncio.Queue[tuple[str, Message]]) -> None:
        await said.get()
        server.private = {"2": 3}
        step.take("trader", done(1))
        assert await said.get() == ("trader", StepWait(n=1, private_frames={"2": 3}))
        step.take("trader", StepDone(n=1, private_frames={"2": 2}))
        assert isinstance((await said.get())[1], StepWait)
        server.private = {"2": 3, "9": 50}
        step.take("trader", StepDone(n=1, private_frames={"2": 3}))
        assert await said.get() == ("trader", StepNext(n=1))
        assert step.waits == 2

    play(script, monkeypatch)


def test_a_restarted_process_is_given_the_step_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(step: LockStep, server: StubServer, said: asyncio.Queue[tuple[str, Message]]) -> None:
        await said.get()
        step.take("trader", done(1))
        await said.get()
        _, second = await said.get()
        assert isinstance(second, StepEnd)
        step.take("trader", done(1))  # a trader that died before it heard that step 1 was over
        assert await said.get() == ("trader", StepNext(n=1))
        server.public = {"7": 0}  # a receiver that came back on another connection
        step.take("receiver", Heartbeat())
        role, again = await said.get()
        assert isinstance(again, StepEnd)
        assert (role, again.n, again.frames, again.market_ns) == ("receiver", 2, {"7": 0}, second.market_ns)

    play(script, monkeypatch)


def test_rows_wait_until_fills_on_the_way_to_them_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.paper.flow import placed

    monkeypatch.setattr(replay, "ASK_AGAIN_S", 0.02)

    async def script(step: LockStep, server: StubServer, said: asyncio.Queue[tuple[str, Message]]) -> None:
        await said.get()
        order = placed(server.core, 1, 60.0, 100.5)
        server.core.apply(trade(100.0, 1.0, -1, 700))
        assert order.cum_qty
        server.private = {"2": 5}
        step.take("trader", StepDone(n=1, private_frames={"2": 5}))
        assert await said.get() == ("trader", StepNext(n=1))
        asked = ("trader", StepFills(n=2, private_frames={"2": 5}))
        assert await said.get() == asked
        assert await said.get() == asked  # a trader that was killed has forgotten the first
        step.take("trader", StepHeard(n=2, private_frames={"2": 4}))
        assert await said.get() == asked
        step.take("trader", StepHeard(n=2, private_frames={"2": 5}))
        while not isinstance(end := (await said.get())[1], StepEnd):
            assert isinstance(end, StepFills)
        assert end.n == 2

    play(script, monkeypatch)


def test_within_a_step_an_order_meets_the_rows_book(monkeypatch: pytest.MonkeyPatch) -> None:
    from domain.orders import TimeInForce
    from tests.unit.paper.flow import placed, units

    async def script(step: LockStep, server: StubServer, said: asyncio.Queue[tuple[str, Message]]) -> None:
        await said.get()
        first = placed(server.core, 1, 60.0, 101.0, TimeInForce.IOC)
        assert (first.cum_qty, first.fills[0].exchange_ns) == (units(1.0), server.core.market_ns)
        step.take("trader", done(1))
        await said.get()
        await said.get()
        assert placed(server.core, 1, 60.0, 101.0, TimeInForce.IOC).cum_qty == units(1.0)  # the next step's book is whole again

    play(script, monkeypatch)

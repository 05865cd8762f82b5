"""A recording in lock-step (architecture 3.4): frames out, step by step, each one answered before the next.

A step ends with the frame at which the row rule emits a row; the exchange runs the receiver's own
`RowBuilder` over the events to know it. Where resting orders were filled on the way, trader and strategy hear of it before they are
given the row, so that nothing depends on which socket was faster. Speed N only delays the release of a step. Nothing here has a
socket of the bus: messages go in by `take`, out by the `send` that was handed in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from domain.messages import Heartbeat, Message, ReplayEnd, StepDone, StepEnd, StepFills, StepHeard, StepNext, StepWait
from domain.records import PREV_CLOSE, SNAPSHOT
from paper.server import PaperServer
from paper.source import EventSource, split_messages
from trading.rows import RowBuilder

LOG = logging.getLogger(__name__)
STEP_LEVELS = 5_000
ASK_AGAIN_S = 0.5
"""A trader that was killed has forgotten what it was asked."""
SETTLE_S = 0.5
"""How long no subscriber may have asked for anything before the first frame: whoever fetched a book has joined it by then."""

Send = Callable[[str, Message], None]
"""(role, message): ``receiver``, ``trader`` or ``main``."""


def messages_of(source: EventSource) -> Iterator[np.ndarray]:
    """Yield the messages of a recording in order."""
    for block in source.blocks():
        yield from split_messages(block)


class Survey:
    """What has to be known before a replay begins: where each instrument's days end.

    Attributes
    ----------
    rows : int
    closing : set of int
        Ordinals (0-based, in the order of emission) of rows that are the last of an instrument's day or
        of the data.
    first_ns, last_ns : int
        Venue time of the first and last event.
    """

    def __init__(self, source: EventSource, interval_s: int) -> None:
        builder = RowBuilder(source.market, interval_s, list(source.instruments))
        day_unit = 1_000_000 if interval_s == 1 else 10_000
        last: dict[tuple[int, int], int] = {}
        self.rows = 0
        self.first_ns = self.last_ns = 0
        for block in source.blocks():
            moments = block["exchange_ns"]
            known = moments[moments > 0]
            if len(known):
                self.first_ns = self.first_ns or int(known[0])
                self.last_ns = max(self.last_ns, int(known.max()))
            rows = builder.push(block)
            for instrument, row_time in zip(rows["instrument"].tolist(), rows["row_time"].tolist(), strict=True):
                last[instrument, row_time // day_unit] = self.rows
                self.rows += 1
        self.closing = set(last.values())


class LockStep:
    """Plays a recording once.

    Parameters
    ----------
    speed : float
        Steps are released at N times their own pace; 0 = as fast as they are answered.
    """

    def __init__(self, server: PaperServer, source: EventSource, interval_s: int, survey: Survey, speed: float, send: Send) -> None:
        self.server = server
        self.core = server.core
        self.source = source
        self.survey = survey
        self.speed = speed
        self.n = 0
        self.is_over = False
        self.waits = 0
        self._send = send
        self._builder = RowBuilder(source.market, interval_s, list(source.instruments))
        self._inbox: asyncio.Queue[tuple[str, Message]] = asyncio.Queue()
        self._started = asyncio.Event()
        self._ordinal = 0
        self._begin_s = 0.0
        self._sent: StepEnd | None = None
        self._fills_told = 0

    def start(self) -> None:
        """Let the replay begin once its subscribers are there."""
        self._started.set()

    def take(self, role: str, message: Message) -> None:
        """Take a message of the `steps` channel."""
        self._inbox.put_nowait((role, message))

    async def run(self) -> None:
        """Play until the end."""
        messages = self._prime()
        await self._started.wait()
        await self._wait_for_subscribers()
        self._begin_s = time.monotonic()
        for message in messages:
            self.server.publish(message)
            self.server.timed()
            rows = self._builder.push(message)
            if len(rows):
                await self._step(rows)
            elif self.source.is_delta and message["kind"][0] == SNAPSHOT:
                await self.server.drain()  # the recording has a hole here: clients fetch the book anew
                await self._wait_for_subscribers()
        await self._step(self._builder.close(), is_last=True)
        self.is_over = True
        for role in ("receiver", "trader", "main"):
            self._send(role, ReplayEnd(n=self.n))
        LOG.info("event=replay_over steps=%d waits=%d", self.n, self.waits)
        while True:  # who comes late is told how it ended
            role, message = await self._inbox.get()
            self._late(role, message)

    def _prime(self) -> Iterator[np.ndarray]:
        """Take what stands before the first frame (books that clients fetch, previous closes); return the rest."""
        messages = messages_of(self.source)
        for message in messages:
            if not (self.source.is_delta and message["kind"][0] == SNAPSHOT) and message["kind"][0] != PREV_CLOSE:
                return chain((message,), messages)
            self.core.apply(message)
            self._builder.push(message)
        return messages

    async def _wait_for_subscribers(self) -> None:
        """Wait for a public subscriber, and until nobody has asked for anything for a while."""
        while True:
            requests, connections = self.server.activity, len(self.server.frames_sent(False))
            await asyncio.sleep(SETTLE_S)
            if connections and self.server.activity == requests and len(self.server.frames_sent(False)) == connections:
                return

    async def _step(self, rows: np.ndarray, is_last: bool = False) -> None:
        self.n += 1
        closing = []
        for instrument in rows["instrument"].tolist():
            if self._ordinal in self.survey.closing:
                closing.append(self.source.instruments[instrument].code)
            self._ordinal += 1
        with_row = set(rows["instrument"].tolist())
        self.core.begin_step(with_row, self._row_book)
        self.core.fill_on_rows(rows)
        self.server.flush_private()
        await self.server.drain()
        await self._tell_fills()
        await self._release()
        self._sent = StepEnd(
            n=self.n, market_ns=self.core.market_ns, frames=self.server.frames_sent(False), closing=tuple(closing), last=is_last
        )
        self._send("receiver", self._sent)
        while not self._is_done(*await self._inbox.get()):
            pass
        self.core.end_step()

    async def _tell_fills(self) -> None:
        """Let the trader and the strategy hear what resting orders were filled before they see the rows of the step."""
        if self.core.resting_fills == self._fills_told:
            return
        self._fills_told = self.core.resting_fills
        while True:
            sent = self.server.frames_sent(True)
            self._send("trader", StepFills(n=self.n, private_frames=sent))
            with contextlib.suppress(asyncio.TimeoutError):
                role, message = await asyncio.wait_for(self._inbox.get(), ASK_AGAIN_S)
                if not isinstance(message, StepHeard):
                    self._late(role, message)
                elif message.n == self.n and not _is_behind(message.private_frames, sent):
                    return

    def _row_book(self, instrument: int) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
        """Return (asks, bids) of the row's book, corrected as the row was."""
        asks, bids = self._builder.book(instrument, STEP_LEVELS)
        return [(price, int(size)) for price, size in asks.tolist()], [(price, int(size)) for price, size in bids.tolist()]

    async def _release(self) -> None:
        if self.speed <= 0:
            return
        due_s = self._begin_s + (self.core.market_ns - self.survey.first_ns) / 1e9 / self.speed
        wait = due_s - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)

    def _is_done(self, role: str, message: Message) -> bool:
        if not isinstance(message, StepDone) or message.n != self.n:
            self._late(role, message)
            return False
        sent = self.server.frames_sent(True)
        if _is_behind(message.private_frames, sent):
            self.waits += 1
            self._send(role, StepWait(n=self.n, private_frames=sent))
            return False
        self._send(role, StepNext(n=self.n))
        return True

    def _late(self, role: str, message: Message) -> None:
        """Answer who begins again: a receiver is given the running step once more, an old step is over."""
        if isinstance(message, Heartbeat) and role == "receiver" and self._sent is not None:
            frames = self.server.frames_sent(False)
            self._send("receiver", ReplayEnd(n=self.n) if self.is_over else _with_frames(self._sent, frames))
        elif isinstance(message, StepDone) and (message.n < self.n or self.is_over):
            self._send(role, StepNext(n=message.n))


def _is_behind(handled: dict[str, int], sent: dict[str, int]) -> bool:
    """Tell whether private frames are still on their way.

    A private socket that is not the trader's (somebody looks on) is not waited for once the trader's own is known.
    """
    named = {number: count for number, count in sent.items() if number in handled}
    return any(handled.get(number, 0) < count for number, count in (named or sent).items())


def _with_frames(step: StepEnd, frames: dict[str, int]) -> StepEnd:
    return StepEnd(n=step.n, market_ns=step.market_ns, frames=frames, closing=step.closing, last=step.last)

"""Free running: a made market, or a recording, by the wall clock times a speed.

No lock-step here: matching is in real time with queue and impact, and a run promises no equal hash.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from domain.records import SNAPSHOT
from paper.made import MadeMarket
from paper.server import PaperServer
from paper.source import EventSource, split_messages

TICK_S = 0.02
AHEAD_NS = 50_000_000
"""So long before its moment the market's next stretch is made, so that making it delays nothing."""
_MS = 1_000_000


async def run_made(server: PaperServer, market: MadeMarket, speed: float, preroll_ns: int, ready: Callable[[], None] | None = None) -> None:
    """Let a made market happen until cancelled; its first `preroll_ns` at once, then `ready` is called.

    The market is made in stretches of 200 ms; each message leaves at its own moment, as a venue's do: a
    clump of a hundred frames would measure nothing but itself.
    """
    start_ns = market.time_ns
    _apply(server, market, start_ns + preroll_ns)
    if ready is not None:
        ready()
    begin_ns, begin_s = start_ns + preroll_ns, time.monotonic()
    made: deque[tuple[int, np.ndarray]] = deque()
    while True:
        now_ns = begin_ns + int((time.monotonic() - begin_s) * speed * 1e9)
        if market.time_ns < now_ns + AHEAD_NS:
            events = _wire_times(market.advance(now_ns + AHEAD_NS))
            made.extend((int(message["exchange_ns"][-1]), message) for message in split_messages(events))
        while made and made[0][0] <= now_ns:
            server.publish(made.popleft()[1])
        server.core.market_ns = max(server.core.market_ns, min(now_ns, market.time_ns))
        server.timed()
        wait_s = (made[0][0] - now_ns) / 1e9 / speed if made else TICK_S
        await asyncio.sleep(min(max(wait_s, 0.0), TICK_S))


def _apply(server: PaperServer, market: MadeMarket, until_ns: int) -> None:
    """Let what nobody saw happen; where every book message is a whole book, only the newest of an instrument counts."""
    books: dict[int, np.ndarray] = {}
    while market.time_ns < until_ns:
        before = market.time_ns
        for message in split_messages(_wire_times(market.advance(until_ns))):
            if message["kind"][0] == SNAPSHOT and not market.is_delta:
                books[int(message["instrument"][0])] = message
            else:
                server.core.apply(message)
        if market.time_ns == before:
            break
    for message in books.values():
        server.core.apply(message)


def _wire_times(events: np.ndarray) -> np.ndarray:
    events["exchange_ns"] -= events["exchange_ns"] % _MS
    return events


def _messages(source: EventSource) -> Iterator[np.ndarray]:
    for block in source.blocks():
        yield from split_messages(block)


async def run_recording(server: PaperServer, source: EventSource, speed: float) -> int:
    """Play a recording once by its own times (speed 0 = as fast as sockets take it); return the messages sent."""
    first_ns, begin_s, sent = 0, time.monotonic(), 0
    for message in _messages(source):
        if not first_ns and source.is_delta and message["kind"][0] == SNAPSHOT:
            server.core.apply(message)  # what clients fetch when they connect
            continue
        moment = int(message["exchange_ns"][-1])
        if not first_ns and moment:
            first_ns = moment
        if speed and moment > first_ns:
            wait = (moment - first_ns) / 1e9 / speed - (time.monotonic() - begin_s)
            if wait > 0.0:
                await asyncio.sleep(wait)
        server.publish(message)
        server.timed()
        sent += 1
        if sent % 200 == 0:
            await server.drain()
    await server.drain()
    return sent

"""A paper exchange in a thread, for tests that talk to it over real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from domain.process_config import ExchangeOptions
from paper.assembly import House, made_market
from paper.pace import run_made
from tests.doubles.loops import LoopThread
from trading import venues

SECRET = "paper-secret-0123456789abcdef0123456789abcdef"
START_NS = 1_790_000_000_000_000_000
PREROLL_NS = 90 * 1_000_000_000


class PaperRig:
    """One exchange, its port, and a way to do things in its loop."""

    def __init__(self, venue: str, options: ExchangeOptions, speed: float) -> None:
        market = venues.market(venues.venue(venue).market)
        self.made = made_market(market, options)
        self.house = House(venue, self.made.instruments, options)
        self.speed = speed
        self.port = 0
        self._ready = threading.Event()
        self._thread = LoopThread()

    async def _start(self) -> int:
        port = await self.house.server.start()
        self._work = asyncio.create_task(run_made(self.house.server, self.made, self.speed, PREROLL_NS, self._ready.set))
        return port

    async def _stop(self) -> None:
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)
        await self.house.server.close()

    def start(self) -> None:
        self.port = self._thread.start(self._start())
        assert self._ready.wait(60)

    def close(self) -> None:
        self._thread.end(self._stop())

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, function: Callable[[], Any]) -> Any:
        """Run a function in the exchange's loop."""
        return self._thread.do(function)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call a control endpoint with the token."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/_paper/{path}", data, {"X-Stom-Control": self.house.token}, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())


@contextmanager
def paper_exchange(venue: str, *, speed: float = 1.0, **options: Any) -> Iterator[PaperRig]:
    """Run an exchange over a seeded made market."""
    values: dict[str, Any] = {"seed": 7, "symbols": 3, "start_ns": START_NS, "key": "paper-key", "secret": SECRET}
    rig = PaperRig(venue, ExchangeOptions(**(values | options)), speed)
    rig.start()
    try:
        yield rig
    finally:
        rig.close()


def wait_for(check: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Poll until `check` gives something true; fail past the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = check()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError("not in time")

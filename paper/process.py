"""The exchange of a run as a process: `stom.py worker exchange`.

Two loops that share nothing but messages: the bus loop every child has, and the server's event loop in
a thread of its own. What passes between them goes through `call_soon_threadsafe` and a queue.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import threading
from collections import deque
from typing import Any

from domain.errors import InputError, StomError
from domain.messages import Command, ControlMessage, Message, StepsMessage
from domain.process_config import ExchangeOptions, ProcessConfig
from paper.assembly import PREROLL_NS, House, fault_rules, made_market, stored_recording
from paper.made import MadeMarket
from paper.pace import run_made
from paper.replay import LockStep, Survey
from paper.row_queue import RowQueue
from paper.source import RecordedSource
from trading.process import ChildProcess
from trading.venues import market as find_market
from utility.bus import Router

LOG = logging.getLogger(__name__)


class ExchangeProcess(ChildProcess):
    """One venue's paper exchange."""

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        self.options = config.exchange or ExchangeOptions()
        self.steps: Router[StepsMessage] | None = None
        self.house: House
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lockstep: LockStep | None = None
        self._outgoing: deque[tuple[str, Message]] = deque()
        self._listening = threading.Event()
        self._trouble: Exception | None = None
        self._detail: dict[str, Any] = {}

    def open(self) -> dict[str, str]:
        market = find_market(self.config.market)
        source: MadeMarket | RecordedSource
        if self.options.replay is not None:
            source = stored_recording(market, self.options.replay.store or self.config.data_dir, self.options.replay)
        else:
            source = made_market(market, self.options)
        instance = f"{self.config.run}-{self.config.generation}-{secrets.token_hex(4)}"
        self.house = House(self.config.venue, source.instruments, self.options, instance)
        addresses: dict[str, str] = {}
        if isinstance(source, RecordedSource):
            survey = Survey(source, self.config.interval_s)
            self.house.core.market_ns = survey.first_ns
            if self.options.replay.resting == "rows":  # type: ignore[union-attr]
                self.house.core.row_queue = RowQueue(market, self.config.interval_s)
            self.steps = self.bus.router(StepsMessage)
            addresses["steps"] = self.steps.address
            self._lockstep = LockStep(self.house.server, source, self.config.interval_s, survey, self.options.replay.speed, self._send)  # type: ignore[union-attr]
            self._detail = {"rows": survey.rows, "first_ns": survey.first_ns, "last_ns": survey.last_ns, "has_book": source.has_book}
            self._detail["tape"] = ",".join(source.tape)
        else:
            self._detail = {"seed": source.seed, "has_book": True}
        self._thread = threading.Thread(target=self._serve, args=(source,), name="exchange-server", daemon=True)
        self._thread.start()
        return addresses

    # --- the server's thread ---------------------------------------------------------------------------

    def _serve(self, source: MadeMarket | RecordedSource) -> None:
        try:
            asyncio.run(self._run(source))
        except Exception as error:
            LOG.critical("event=server_crashed", exc_info=True)
            self._trouble = error
        self.wake.ring()

    async def _run(self, source: MadeMarket | RecordedSource) -> None:
        self._loop = asyncio.get_running_loop()
        self.port = await self.house.server.start(self.options.port)
        self._stop = asyncio.Event()
        if self._lockstep is not None:
            work = asyncio.create_task(self._lockstep.run())
        else:
            assert isinstance(source, MadeMarket)
            work = asyncio.create_task(run_made(self.house.server, source, self.options.speed, PREROLL_NS, self._listening.set))
        if self._lockstep is not None:
            self._listening.set()
        self.wake.ring()
        stop = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, stop):
            task.cancel()
        await self.house.server.close()
        if work in done and not work.cancelled() and work.exception() is not None:
            raise work.exception()  # type: ignore[misc]

    def _send(self, role: str, message: Message) -> None:
        self._outgoing.append((role, message))
        self.wake.ring()

    # --- the bus loop ------------------------------------------------------------------------------------

    def on_wake(self) -> None:
        if self._trouble is not None:
            raise self._trouble
        self._say_ready()
        self._flush()

    def on_tick(self, now_s: float) -> None:
        self._say_ready()
        self._flush()

    def _say_ready(self) -> None:
        if self.is_ready or not self._listening.is_set():
            return
        self.ready(**self.house.addresses(self.port), instance=self.house.instance, control_token=self.house.token, **self._detail)

    def _flush(self) -> None:
        while self._outgoing:
            role, message = self._outgoing[0]
            if role == "main":
                sent = self.control.send(_control(message))
            else:
                assert self.steps is not None
                sent = self.steps.send(f"{self.config.market}.{role}", message)
            if not sent:
                return  # not there yet, or again: tried at the next tick
            self._outgoing.popleft()

    def on_input(self, endpoint: Any) -> None:
        if endpoint is not self.steps or self._lockstep is None or self._loop is None:
            return
        for peer, message in self.steps.receive():
            role = peer.split("#", 1)[0].rsplit(".", 1)[-1]
            self._loop.call_soon_threadsafe(self._lockstep.take, role, message)

    def on_command(self, command: Command) -> dict[str, Any]:
        if command.name == "start":
            if self._lockstep is not None:
                self._call(self._lockstep.start)
            return {}
        if command.name == "stats":
            state = self._ask(self.house.server.state)
            if self._lockstep is not None:
                state |= {"step": self._lockstep.n, "waits": self._lockstep.waits, "is_over": self._lockstep.is_over}
            return state
        if command.name == "fault":
            return self._fault(command.args)
        return super().on_command(command)

    def _fault(self, args: dict[str, Any]) -> dict[str, Any]:
        """add (rules), clear (id or all), list."""
        faults = self.house.server.faults
        if "add" in args:
            rules = fault_rules(args["add"])
            return {"ids": self._ask(lambda: [faults.add(rule) for rule in rules])}
        if "clear" in args:
            number = args["clear"]
            self._ask(lambda: faults.clear(number if isinstance(number, int) and number > 0 else None))
        return {"faults": self._ask(faults.listing)}

    def _call(self, function: Any) -> None:
        if self._loop is None:
            raise InputError("process.not_ready", name=self.config.name)
        self._loop.call_soon_threadsafe(function)

    def _ask(self, function: Any) -> Any:
        """Run a function in the server's loop and return its result."""
        answer: dict[str, Any] = {}
        done = threading.Event()

        def run() -> None:
            try:
                answer["result"] = function()
            except StomError as error:
                answer["error"] = error
            finally:
                done.set()

        self._call(run)
        if not done.wait(2.0):
            raise StomError("exchange.busy")
        if "error" in answer:
            raise answer["error"]
        return answer["result"]

    def counters(self) -> dict[str, float]:
        if not self._listening.is_set():
            return {}
        server = self.house.server
        step = self._lockstep.n if self._lockstep is not None else 0
        return {"frames": server.frames_public, "requests": server.requests, "steps": step}

    def close(self) -> None:
        if self._loop is not None and self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(1.5)
        if hasattr(self, "house"):
            self.house.core.truth.close()


def _control(message: Message) -> ControlMessage:
    return message  # type: ignore[return-value]


def main(config: ProcessConfig) -> int:
    """Run the exchange, behind those that trade: a real venue would not share their processor."""
    if hasattr(os, "nice"):
        os.nice(5)
    return ExchangeProcess(config).run()

"""The receiver's shell: a feed's threads, the publisher, the recorder, and lock-step with the exchange.

A frame is handled in the thread that read it, under one lock: a hop to another thread would cost more
than the work. The loop does everything that is not urgent.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from domain.errors import DataError, InputError, StomError, VenueError
from domain.instruments import Instrument
from domain.messages import Addresses, Bars, Command, Message, ReplayEnd, ReplayMessage, ReplayRequest, Rows, StepEnd, StepsMessage
from domain.ports import DayBar, Endpoint, EventBatch, Feed, FeedNotice
from domain.process_config import ProcessConfig
from trading import rows
from trading.bar_history import BarHistory
from trading.day_asking import DayAsking
from trading.latency import Spans
from trading.process import ChildProcess
from trading.receiver import Receiver
from trading.recorder import open_recorder
from trading.venues import load_all
from trading.venues import market as find_market
from trading.venues import venue as find_venue
from utility.bus import HEARTBEAT_S, Dealer, Publisher, Router
from utility.clock import SystemClock
from utility.sequence import VIEW
from utility.spared_imports import spare_pandas

log = logging.getLogger(__name__)

SCREEN_S = 0.1
SAY_AGAIN_S = 1.0


class ReceiverProcess(ChildProcess):
    """One market's receiver as a process."""

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        self.market = find_market(config.market)
        self.venue = find_venue(config.venue)
        self.clock = SystemClock()
        self.core: Receiver | None = None
        self.feed: Feed | None = None
        self.recorder: Any = None
        self.steps: Dealer[StepsMessage] | None = None
        self.publisher: Publisher
        self.replay: Router[ReplayMessage]
        self._lock = threading.Lock()
        self._trouble: list[BaseException] = []
        self._spans = Spans()
        self._read_ns = 0
        self._tape: frozenset[str] = frozenset()
        self._bar_history = BarHistory(self.market.code, config.interval_s, self._tell_bars)
        self._bars: deque[Bars] = deque()
        self._day_asking = DayAsking(self.market.code, self._begin_days, self._take_days)
        self._beat_s = self._screen_s = self._again_s = 0.0

    def open(self) -> dict[str, str]:
        preload()  # compiled or fetched from the cache now, not at the first frame
        self.publisher = self.bus.publisher(self.config.generation)
        self.replay = self.bus.router(ReplayMessage)
        return {"market": self.publisher.address, "replay": self.replay.address}

    def on_addresses(self, addresses: Addresses) -> None:
        words = addresses.addresses
        endpoint = self.venue.live
        if self.config.is_paper:
            endpoint = Endpoint(rest=words["rest"], ws_public=words["ws_public"], ws_private=words.get("ws_private", words["ws_public"]))
        steps = words.get("steps", "")
        if self.config.lockstep and steps:
            key = addresses.server_keys["exchange"]
            if self.steps is None:
                self.steps = self.bus.dealer(StepsMessage, self.config.name, steps, key)
            else:
                self.steps.connect(steps, key)
        self._tape = frozenset(code for code in words.get("tape", "").split(",") if code)
        self._connect(endpoint)
        if not self.is_ready:
            core = self.core
            assert core is not None
            self.ready(instruments=[instrument.code for instrument in core.instruments], state=core.state)

    def _connect(self, endpoint: Endpoint) -> None:
        if self.feed is not None:
            self.feed.close()
        feed = self.venue.make_feed(endpoint, self.clock)
        chosen = self._choose(feed)
        self.stamp("instruments")
        if self.core is None or chosen != list(self.core.instruments):
            self._begin(chosen)
        self.feed = feed
        feed.start(self._sink)
        feed.subscribe(chosen)

    def _choose(self, feed: Feed) -> list[Instrument]:
        """Return the instruments to watch; once chosen they stay, whatever trades most when a connection is made again."""
        offered, config = feed.instruments(), self.config
        if self.core is not None:
            by_code = {instrument.code: instrument for instrument in offered if instrument.tradable}
            known = [by_code[old.code] for old in self.core.instruments if old.code in by_code]
            if len(known) == len(self.core.instruments):
                return known
        values: dict[str, float] = {}
        if not config.is_paper and not config.codes and len(offered) > config.symbols:
            try:
                values = feed.day_values()
            except StomError as error:
                log.warning("event=no_day_values code=%s", error.code)
        return choose(offered, config, self.market.made_codes, values)

    def _begin(self, instruments: Sequence[Instrument]) -> None:
        config = self.config
        first_seq = 1
        today = None
        if config.source:
            self.recorder, today, first_seq = open_recorder(config, self.market, list(instruments))
            self.stamp("recorder")
        core = Receiver(
            self.market,
            config.interval_s,
            instruments,
            self._publish,
            self.recorder,
            config.generation,
            lockstep=config.lockstep,
            first_seq=first_seq,
            tape=self._tape,
            asks_days=not config.lockstep,
        )
        core.begin()
        if today is not None and not config.lockstep:
            count = 0
            for events in today:
                core.backfill(events)
                count += len(events)
            if count:
                core.missing_before("receiver_restarted")
            log.info("event=backfilled events=%d", count)
            self.stamp("backfilled")
        with self._lock:
            self.core = core

    # --- in the feed's threads --------------------------------------------------------------------------

    def _sink(self, item: EventBatch | FeedNotice) -> None:
        core = self.core
        assert core is not None
        try:
            with self._lock:
                if isinstance(item, EventBatch):
                    self._read_ns = item.read_ns
                    core.on_batch(item)
                else:
                    core.on_notice(item)
                    if item.code == "subscribed":
                        self._ask_days()
        except Exception as error:
            self._trouble.append(error)
            self.wake.ring()
            raise

    def _ask_days(self) -> None:
        if self.feed is not None and not self.config.lockstep:
            self._day_asking.ask(self.feed)

    # --- in the thread that asks for the venue's day ------------------------------------------------------

    def _begin_days(self) -> Sequence[str]:
        assert self.core is not None
        with self._lock:
            return self.core.begin_days(self.clock.utc_ns())

    def _take_days(self, bars: Sequence[DayBar]) -> bool:
        assert self.core is not None
        with self._lock:
            return self.core.take_days(bars, self.clock.utc_ns())

    # --- out ------------------------------------------------------------------------------------------------

    def _publish(self, stream: bytes, message: Message) -> int:
        seq = self.publisher.publish(stream, message)
        if self._read_ns and isinstance(message, Rows):
            self._spans.add("published", self.clock.mono_ns() - self._read_ns)
        return seq

    # --- in the loop --------------------------------------------------------------------------------------

    def on_wake(self) -> None:
        if self._trouble:
            raise self._trouble[0]
        while self._bars:
            with self._lock:
                self.publisher.publish(VIEW, self._bars.popleft())

    def on_input(self, endpoint: Any) -> None:
        if endpoint is self.replay:
            for peer, message in self.replay.receive():
                if isinstance(message, ReplayRequest):
                    self._answer(peer, message)
        elif endpoint is self.steps and self.core is not None:
            assert self.steps is not None
            for step in self.steps.receive():
                if isinstance(step, StepEnd):
                    with self._lock:
                        self.core.on_step_end(step)
                elif isinstance(step, ReplayEnd):
                    log.info("event=replay_end step=%d", step.n)

    def _answer(self, peer: str, request: ReplayRequest) -> None:
        if request.what == "today":
            if self.core is None:
                return  # asked again
            with self._lock:
                page = self.core.today(request)
        else:
            page = self.publisher.answer(request)
        self.replay.send(peer, page)

    def on_tick(self, now_s: float) -> None:
        if now_s >= self._beat_s:
            self._beat_s = now_s + HEARTBEAT_S
            self.publisher.beat()
        core = self.core
        if core is None:
            return
        if now_s >= self._screen_s:
            self._screen_s = now_s + SCREEN_S
            with self._lock:
                core.screen()
        if now_s >= self._again_s:
            self._again_s = now_s + SAY_AGAIN_S
            with self._lock:
                core.say_again()
                core.history.tidy()
                lacks_days = core.lacks_days
            if lacks_days and self.feed is not None:
                self._day_asking.ask_again(self.feed)
        if self.recorder is not None:
            self.recorder.tick(now_s, self._lock)

    def on_command(self, command: Command) -> dict[str, Any] | None:
        core = self.core
        if core is None:
            raise InputError("process.not_ready", name=self.config.name)
        if command.name == "watch":
            with self._lock:
                index = core.watch(str(command.args["code"]))
            # A replay's exchange gives its recording step by step; a chart of it begins with the first row.
            if self.feed is not None and not self.config.lockstep:
                self._bar_history.ask(self.feed, index, core.instruments[index], core.clock.now_ns or self.clock.utc_ns())
            return {}
        if command.name == "stats":
            with self._lock:
                stats = core.stats()
                stats["recorded"] = {} if self.recorder is None else self.recorder.counters()
                stats["hops_us"] = self._spans.summary()
                if command.args.get("reset"):
                    self._spans.reset()
            return stats | {"denied": self.bus.denied, "malformed": self.replay.codec.malformed}
        return super().on_command(command)

    def _tell_bars(self, bars: Bars) -> None:
        self._bars.append(bars)
        self.wake.ring()

    def counters(self) -> dict[str, float]:
        core = self.core
        if core is None:
            return {}
        return {"frames": core.frames_in, "events": core.events_in, "rows": core.rows_out, "gaps": core.gaps, "steps": core.steps}

    def close(self) -> None:
        self._bar_history.close()
        self._day_asking.close()
        if self.feed is not None:
            self.feed.close()
        if self.recorder is not None:
            with self._lock:
                self.recorder.close()


def choose(
    offered: Sequence[Instrument], config: ProcessConfig, preferred: Sequence[str], values: Mapping[str, float] = MappingProxyType({})
) -> list[Instrument]:
    """Return the instruments to watch, in the order in which they are numbered.

    Parameters
    ----------
    offered : sequence of Instrument
        What the venue trades.
    config : ProcessConfig
        `codes` names them; without it the venue's own choice stands when it is small enough, else the
        first `symbols`: those that traded most, of the rest those of `preferred` before the others.
    values : mapping of str to float
        What each code traded in 24 hours, in quote currency.

    Raises
    ------
    InputError
        ``receiver.unknown_code`` when a named one is not offered.
    DataError
        ``receiver.no_instruments``.
    """
    tradable = [instrument for instrument in offered if instrument.tradable]
    by_code = {instrument.code: instrument for instrument in tradable}
    if config.codes:
        missing = [code for code in config.codes if code not in by_code]
        if missing:
            raise InputError("receiver.unknown_code", name=", ".join(missing))
        return [by_code[code] for code in config.codes]
    if not tradable:
        raise DataError("receiver.no_instruments", venue=config.venue)
    if config.is_paper:
        return sorted(tradable, key=lambda instrument: instrument.code)
    rank = {code: place for place, code in enumerate(preferred)}
    tradable.sort(key=lambda one: (-values.get(one.code, 0.0), rank.get(one.code, len(rank)), one.code))
    return tradable[: config.symbols]


def preload() -> None:
    """Load what a receiver needs, whatever its market."""
    spare_pandas()
    rows.warm()
    load_all("feed")


def main(config: ProcessConfig) -> int:
    """Run the receiver."""
    sys.setswitchinterval(0.0005)  # a frame must not wait five milliseconds for the loop's thread
    try:
        return ReceiverProcess(config).run()
    except VenueError as error:
        log.error("event=venue code=%s", error.code)
        return error.exit_status

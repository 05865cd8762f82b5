"""What every child process does alike: hello, heartbeats, commands, log records, and what happens when main dies.

A child is `stom.py worker ROLE`; its configuration came over standard input, which stays open: its
end means that the parent died. The role adds its sockets and its core. Everything runs in one loop;
a role whose data comes from other threads rings `wake`.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from domain.errors import DataError, StomError
from domain.messages import (
    Addresses,
    Command,
    CommandResult,
    ControlMessage,
    Failed,
    Heartbeat,
    Hello,
    Ready,
    StopNow,
)
from domain.process_config import ProcessConfig
from utility import alarm_words
from utility.build import build
from utility.bus import Bus, Dealer, Keys
from utility.log import QueueHandler, install
from utility.secrets import hide
from utility.spared_imports import spare_linear_algebra

log = logging.getLogger(__name__)

TICK_MS = 50
MAIN_SILENT_S = 2.0
FULL = (errno.ENOSPC, errno.EDQUOT)
SCHEMA = 1
"""Version of what processes say to each other."""


class ChildProcess:
    """A process of one role. Subclasses fill the hooks; each is called from the one loop.

    Parameters
    ----------
    config : ProcessConfig
    """

    def __init__(self, config: ProcessConfig) -> None:
        self.config = config
        self.is_ready = False
        self.stamps: list[tuple[str, float, float]] = []
        self.stamp("imported")
        _hide_keys(config)
        self.bus = Bus(Keys(config.public_key, config.secret_key), config.allowed)
        self.wake = self.bus.wake()
        self.control: Dealer[ControlMessage] = self.bus.dealer(ControlMessage, config.name, config.control, config.server_keys["main"])
        self.heartbeat_s = config.settings.processes.heartbeat_ms / 1_000
        self.is_orphan = False
        self.exit_status = 0
        self._handler = QueueHandler(self.wake.ring)
        self._main_heard_s = time.monotonic()
        self._orphan_since_s = 0.0
        self._pipe_ended = False
        self._detail: dict[str, Any] = {}
        self._stopping = False
        self._beat_due_s = 0.0

    # --- hooks ----------------------------------------------------------------------------------

    def open(self) -> dict[str, str]:
        """Bind sockets and return their addresses by channel."""
        return {}

    def on_addresses(self, addresses: Addresses) -> None:
        """Others may be reached, for the first time or elsewhere than before."""

    def on_input(self, endpoint: Any) -> None:
        """One of the role's endpoints has input."""

    def on_wake(self) -> None:
        """Another thread rang."""

    def on_tick(self, now_s: float) -> None:
        """Called at least every TICK_MS."""

    def patience_ms(self) -> int:
        """Return how long the loop may wait for input."""
        return TICK_MS

    def on_command(self, command: Command) -> dict[str, Any] | None:
        """Obey a command and return the answer's fields, None when it is answered later; a StomError becomes a refusal."""
        raise StomError("process.unknown_command", name=command.name)

    def on_orphan(self) -> None:
        """Main is gone."""

    def on_adopted(self) -> None:
        """A main is here again."""

    def counters(self) -> dict[str, float]:
        """Numbers for the heartbeat."""
        return {}

    def close(self) -> None:
        """Write out and close what the role opened; at most one and a half seconds."""

    def stamp(self, name: str) -> None:
        """Note the moment at which a part of the way to READY was done: name, machine time, processor time of this process."""
        if not self.is_ready:
            self.stamps.append((name, time.monotonic(), time.process_time()))

    # --- words to main ----------------------------------------------------------------------------

    def ready(self, **detail: Any) -> None:
        """Say that this process may be used."""
        gc.collect()
        gc.freeze()  # what is loaded stays: a collection during trading looks at the rest only
        self.stamp("ready")
        self.is_ready = True
        self._detail = detail = detail | {"stamps": self.stamps}
        self.control.send(Ready(detail=detail))

    def fail(self, error: StomError) -> None:
        """Say why this process cannot go on, and end it."""
        log.error("event=failed code=%s fields=%s", error.code, error.fields)
        self.control.send(Failed(code=error.code, fields={key: str(value) for key, value in error.fields.items()}))
        self.stop(error.exit_status)

    def stop(self, status: int = 0) -> None:
        """End the loop after this round."""
        self._stopping = True
        self.exit_status = status

    # --- the loop -----------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until told to stop; return the exit status."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl+C is main's business
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        install(self._handler, self.config.settings.general.log_level)
        threading.excepthook = _thread_died
        self._watch_pipe()
        spare_linear_algebra()
        try:
            self._live()
        except StomError as error:
            self.fail(error)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                self.fail(DataError("process.no_room", path=error.filename or self.config.data_dir, reason=error.strerror or str(error)))
            else:
                log.critical("event=crashed", exc_info=True)
                self.control.send(Failed(code="process.crashed", fields={"error": f"{type(error).__name__}: {error}"}))
                self.exit_status = 1
        finally:
            self._end()
        return self.exit_status

    def _live(self) -> None:
        addresses = self.open()
        self.stamp("opened")
        self._main_heard_s = time.monotonic()  # opening may have taken long; silence counts from now
        self._say_hello(addresses)
        while not self._stopping:
            self._round()

    def _round(self) -> None:
        for endpoint in self.bus.poll(self.patience_ms()):
            if endpoint is self.wake:
                self.wake.clear()
                self.on_wake()
            elif endpoint is self.control:
                for message in self.control.receive():
                    self._on_control(message)
            else:
                self.on_input(endpoint)
        now = time.monotonic()
        self.on_tick(now)
        self._housekeeping(now)

    def _housekeeping(self, now: float) -> None:
        self._send_logs()
        if now >= self._beat_due_s:
            self._beat_due_s = now + self.heartbeat_s
            self.control.send(Heartbeat(counters=self.counters()))
        gone = self._pipe_ended or now - self._main_heard_s > MAIN_SILENT_S
        if gone and not self.is_orphan:
            self.is_orphan, self._orphan_since_s = True, now
            log.warning("event=main_gone pipe_ended=%s", self._pipe_ended)
            self.on_orphan()
        if self.is_orphan and self.config.is_paper and now - self._orphan_since_s > self.config.settings.processes.unadopted_s:
            log.warning("event=unadopted")
            self.stop()

    def _on_control(self, message: ControlMessage) -> None:
        self._main_heard_s = time.monotonic()
        if self.is_orphan:
            self.is_orphan, self._pipe_ended = False, False
            log.warning("event=adopted")
            self._say_hello(self._addresses)
            if self.is_ready:
                self.control.send(Ready(detail=self._detail | {"adopted": True}))
            self.on_adopted()
        if isinstance(message, Command):
            self._obey(message)
        elif isinstance(message, Addresses):
            self.stamp("addressed")
            self.on_addresses(message)
        elif isinstance(message, StopNow):
            log.info("event=stop reason=%s", message.reason)
            self.stop()

    def _obey(self, command: Command) -> None:
        try:
            fields = self.on_command(command)
        except StomError as error:
            texts = {key: str(value) for key, value in error.fields.items()}
            self.control.send(CommandResult(id=command.id, ok=False, code=error.code, fields=texts))
            return
        if fields is not None:
            self.control.send(CommandResult(id=command.id, ok=True, fields=fields))

    def _say_hello(self, addresses: dict[str, str]) -> None:
        self._addresses = addresses
        config = self.config
        self.control.send(Hello(role=config.role, market=config.market, pid=os.getpid(), build=build(), schema=SCHEMA, addresses=addresses))

    def _send_logs(self) -> None:
        queue = self._handler.queue
        while queue:
            if not self.control.send(queue[0]):
                return
            queue.popleft()

    def _watch_pipe(self) -> None:
        def read() -> None:
            try:
                while os.read(0, 4096):
                    pass
            except OSError:
                pass
            self._pipe_ended = True
            self.wake.ring()

        threading.Thread(target=read, name="parent-pipe", daemon=True).start()

    def _end(self) -> None:
        try:
            self.close()
        except StomError as error:
            log.error("%s", alarm_words.write(error.code, error.fields))
        self._send_logs()
        sys.stdout.flush()
        self.bus.close()


def _hide_keys(config: ProcessConfig) -> None:
    """Let no log line of this process hold what came over the start pipe."""
    exchange = config.exchange
    hide(config.secret_key, config.venue_key, config.venue_secret, *(() if exchange is None else (exchange.key, exchange.secret)))


def _thread_died(args: threading.ExceptHookArgs) -> None:
    # Standard error knows no filter.
    name = "" if args.thread is None else args.thread.name
    log.critical("event=thread_died thread=%s", name, exc_info=args.exc_value)

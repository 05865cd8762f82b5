"""The main process's engine room: starts, watches, restarts and stops the processes of its markets.

Single-threaded, without Qt: the window's bridge thread and `stom.py live` both loop on `poll` and have no
other door. It holds `run/lock`, binds `control`, writes the run file and the log files.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from domain.errors import InputError, StomError
from domain.messages import Command, CommandResult, ControlMessage, Heartbeat, LogRecord, Message, ReplayEnd
from domain.orders import Intent
from domain.process_config import LiveOptions, StrategyText
from domain.settings import Settings
from storage.ledger_verify import check_readable
from trading import run_file
from trading.arming import Grant
from trading.children import Child
from trading.market_run import MarketRun
from trading.market_view import MarketView, place_of
from trading.spare import Spare
from trading.viewer_desk import ViewerDesk
from utility import alarm_words
from utility.build import build
from utility.bus import Bus, Keys, Router, make_keys
from utility.lock import FileLock
from utility.log import FileHandler, LogFiles, install, to_stderr
from utility.paths import DataDir
from utility.room import has_room
from utility.sequence import ROWS, VIEW

log = logging.getLogger(__name__)

STOP_S = 1.5
RETRY_S = 1.0
Heard = list[tuple[str, Message]]


class Supervisor:
    """Owner of a data directory's run.

    Parameters
    ----------
    data_dir : DataDir
    settings : Settings
    view : bool
        Whether the screen's stream (events, books) is read too.
    log_level : str
        Of this process's own records.

    Raises
    ------
    RefusedError
        ``run.locked`` when another main process has the directory.
    """

    is_viewer = False
    is_over = False

    def __init__(self, data_dir: DataDir, settings: Settings, *, view: bool = True, log_level: str = "") -> None:
        self.data_dir = data_dir
        self.settings = settings
        self._view = view
        self._lock = FileLock(data_dir.lock, "run.locked").acquire()
        self.files = LogFiles(data_dir.logs)
        install(FileHandler(self.files), log_level or settings.general.log_level)
        left = self._left_behind()
        if left is None:
            self.keys, self.viewer = make_keys(), make_keys()
            self.run = data_dir.new_run()
        else:
            self.keys, self.viewer = Keys(left.public_key, left.secret_key), Keys(left.viewer_public, left.viewer_secret)
            self.run = left.run
        self.bus = Bus(self.keys, {self.viewer.public: "viewer"})
        self.control: Router[ControlMessage] = self.bus.router(ControlMessage, _port(left.control) if left else 0)
        self.spare = Spare(data_dir.root, is_on=settings.processes.spare)
        self.markets: dict[str, MarketRun] = {}
        self._views: dict[str, MarketView] = {}
        self._viewers = ViewerDesk(self, self.control.send)
        self._heard: Heard = []
        self._next_id = 0
        self._beat_due_s = 0.0
        self._measure_due_s = 0.0
        self._saved: tuple[tuple[str, int], ...] = ()
        self._save_due_s = 0.0
        self._lost = 0
        if left is not None:
            self._adopt(left)
        self._save()
        log.info("event=main_started run=%d build=%s adopted=%s", self.run, build(), left is not None)

    # --- commands ------------------------------------------------------------------------------------

    def start_market(self, options: LiveOptions, grant: Grant | None = None) -> MarketRun:
        """Start the processes of a market; they come up while `poll` is called.

        Raises
        ------
        InputError
            ``market.running``; ``market.times``: the strategy's day ends before it begins.
        RefusedError
            ``arm.no_token``: only a person's grant starts the venue itself.
        DataError
            The account's ledger is damaged: nothing is started, a person has to mend it first.
        """
        if options.market in self.markets:
            raise InputError("market.running", market=options.market)
        strategy = options.strategy
        if strategy is not None and strategy.start_s >= strategy.end_s:
            raise InputError("market.times", market=options.market, start=_clock(strategy.start_s), end=_clock(strategy.end_s))
        run = MarketRun(
            options,
            self.settings,
            self.data_dir,
            self.run,
            (self.control.address, self.keys.public),
            self.viewer.public,
            self.control.send,
            lambda message: self._hear(options.market, message),
            start=self.spare.launch,
            grant=grant,
        )
        check_readable(self.data_dir.account(run.account))
        self._admit(run)
        run.start()
        self._save()
        return run

    def stop_market(self, code: str) -> None:
        """Stop a market's processes in order; two seconds at most."""
        run = self._market(code)
        deadline = time.monotonic() + STOP_S
        while not run.stop_next() and time.monotonic() < deadline:
            self._turn(20)
        run.kill_all()
        run.wait(1.0)
        self._views.pop(code).close()
        del self.markets[code]
        self._save_due_s = 0.0
        self._save_if_changed()

    def kill(self, level: str, actor: str = "person", reason: str = "") -> None:
        """Pull the kill switch of every account: the latch file first, then the traders are told."""
        from trading.kill_switch import Latch, write_latch

        for run in self.markets.values():
            try:
                write_latch(self.data_dir.account(run.account), Latch(level=level, actor=actor, reason=reason, utc_ns=time.time_ns()))
            except OSError as error:  # the trader itself is told all the same, and says what that is worth
                log.critical("event=latch_unwritable account=%s reason=%s", run.account, error)
            self.command(run.code, "trader", "kill", level=level, actor=actor, reason=reason)

    def command(self, code: str, slot: str, name: str, /, **args: Any) -> int:
        """Send a command to a process of a market; the CommandResult with the returned id comes from `poll`."""
        run = self._market(code)
        self._next_id += 1
        slot = run.active_slot if slot == "strategy" else slot
        child = run.children.get(slot)
        if child is None or not self.control.send(child.name, Command(name=name, args=args, id=self._next_id)):
            raise StomError("process.not_there", name=f"{code}.{slot}")
        return self._next_id

    def change_strategy(self, code: str, strategy: StrategyText) -> None:
        """Bring a new strategy to a running market; the old one runs until the new one is warm."""
        self._market(code).change_strategy(strategy)

    def submit(self, code: str, intent: Intent) -> None:
        """Send a manual intent to the market's trader until it is acknowledged."""
        self._market(code)
        self._views[code].submit(intent)

    def poll(self, timeout_ms: int) -> Heard:
        """Do what is due, wait for input at most so long, and return what was heard as (market, message)."""
        self._turn(timeout_ms)
        heard, self._heard = self._heard, []
        return heard

    def close(self) -> None:
        """Stop every market and let the directory go."""
        for code in list(self.markets):
            self.stop_market(code)
        self.spare.close()
        run_file.remove(self.data_dir, self.run)
        self._drain_control()
        self.bus.close()
        to_stderr("warning")  # a late record would open its file again
        self.files.close()
        self._lock.release()

    def children(self) -> list[Child]:
        """Return every child, for tables of processes; memory and processor time as last measured."""
        return [child for run in self.markets.values() for child in run.children.values()]

    def measure(self) -> None:
        """Read memory and processor time of every child now."""
        for child in self.children():
            child.measure()

    # --- one turn ------------------------------------------------------------------------------------

    def _turn(self, timeout_ms: int) -> None:
        self.bus.poll(timeout_ms)
        now = time.monotonic()
        self._drain_control()
        for code, run in list(self.markets.items()):
            run.wire()
            run.watch(now)
            self._read_view(code, run, now)
        self.spare.tend(now, is_quiet=bool(self.markets) and all(run.is_quiet() for run in self.markets.values()))
        self._save_if_changed()
        if now >= self._beat_due_s:
            self._beat_due_s = now + self.settings.processes.heartbeat_ms / 1_000
            for child in self.children():
                self.control.send(child.name, Heartbeat())  # an adopted one answers it with its hello
            self.files.flush()
            self._watch_logs()
        if now >= self._measure_due_s:
            self._measure_due_s = now + 2.0
            self.measure()

    def _drain_control(self) -> None:
        for peer, message in self.control.receive():
            code, _, slot = peer.partition(".")
            run = self.markets.get(code)
            if isinstance(message, LogRecord):
                self.files.write(peer, message)
                if message.level >= logging.WARNING:
                    self._hear(code, message)
                if run is not None and slot in run.children:
                    run.children[slot].heard_s = time.monotonic()
                continue
            if peer.startswith("viewer"):
                self._viewers.on_message(peer, message)
                continue
            if run is None:
                continue
            if isinstance(message, Heartbeat) and slot in run.children:
                run.children[slot].counters = message.counters
            if isinstance(message, ReplayEnd):
                run.ended_n = message.n
            run.on_message(slot, message)
            if isinstance(message, Heartbeat) or (isinstance(message, CommandResult) and self._viewers.answers(message)):
                continue
            self._hear(code, message)

    def _hear(self, code: str, message: Message) -> None:
        self._heard.append((code, message))
        self._viewers.tell(code, message)

    def _read_view(self, code: str, run: MarketRun, now: float) -> None:
        view = self._views[code]
        view.connect(place_of(run, "receiver", "market"), place_of(run, "trader", "orders"))
        self._heard += [(code, message) for message in view.read(now)]

    # --- the run file ---------------------------------------------------------------------------------

    def _left_behind(self) -> run_file.RunFile | None:
        left = run_file.newest(self.data_dir)
        if left is None:
            return None
        alive = [entry for market in left.markets for entry in market.children if run_file.is_alive(entry.pid)]
        if not alive or left.build != build():
            run_file.remove(self.data_dir, left.run)
            return None
        return left

    def _adopt(self, left: run_file.RunFile) -> None:
        for entry in left.markets:
            run = MarketRun(
                entry.options,
                self.settings,
                self.data_dir,
                left.run,
                (self.control.address, self.keys.public),
                self.viewer.public,
                self.control.send,
                lambda message, code=entry.options.market: self._hear(code, message),  # type: ignore[misc]
                keys=entry.keys,
                account=entry.account,
                start=self.spare.launch,
            )
            run.is_started = True
            self._admit(run)
            now = time.monotonic()
            for child in entry.children:
                run.generations[child.slot] = child.generation
                config = run.with_keys(child.config)
                adopted = Child(child.name, child.role, child.slot, config, pid=child.pid, started_s=now, heard_s=now)
                run.children[child.slot] = adopted
                if child.role == "strategy":
                    run.active_slot = child.slot

    def _admit(self, run: MarketRun) -> None:
        self.markets[run.code] = run
        streams, what = ((ROWS, VIEW), "day") if self._view else ((ROWS,), "all")
        self._views[run.code] = MarketView(self.bus, "main", streams, what)
        for slot, keys in run.keys.items():
            self.bus.allow(keys.public, f"{run.code}.{slot}")

    def _save_if_changed(self) -> None:
        there = tuple((child.name, child.pid) for child in self.children() if not child.is_stopping)
        if there == self._saved or time.monotonic() < self._save_due_s:
            return
        try:
            self._save()
            self._saved = there
        except OSError as error:  # who runs goes on; an heir of this process would find the list as it was
            self._save_due_s = time.monotonic() + RETRY_S
            self._alarm("run_file.unwritable", path=error.filename or self.data_dir.run, reason=error.strerror or error)

    def _alarm(self, code: str, **fields: object) -> None:
        """Tell every listener what befell this process itself."""
        record = LogRecord(level=logging.ERROR, logger=__name__, created=time.time(), text=alarm_words.write(code, fields))
        for market in self.markets:
            self._hear(market, record)

    def _watch_logs(self) -> None:
        """Say once that lines of the log files are being lost, and how many when they are written again."""
        lost = self.files.lost
        if lost and not self._lost:
            self._alarm("log.lost", path=self.data_dir.logs)
        elif lost and lost == self._lost and has_room(self.data_dir.logs):
            self._alarm("log.resumed", path=self.data_dir.logs, lines=lost)
            lost = self.files.lost = 0
        self._lost = lost

    def _save(self) -> None:
        content = run_file.RunFile(
            run=self.run,
            pid=_own_pid(),
            build=build(),
            control=self.control.address,
            public_key=self.keys.public,
            secret_key=self.keys.secret,
            viewer_public=self.viewer.public,
            viewer_secret=self.viewer.secret,
        )
        for run in self.markets.values():
            keys = {slot: (pair.public, pair.secret) for slot, pair in run.keys.items()}
            market = run_file.MarketEntry(options=run.options, account=run.account, keys=keys)
            for child in run.children.values():
                if child.role != "compile" and not child.is_stopping:
                    market.children.append(
                        run_file.ChildEntry(
                            name=child.name,
                            role=child.role,
                            slot=child.slot,
                            pid=child.pid,
                            generation=child.config.generation,
                            config=run_file.without_keys(child.config),
                        )
                    )
            content.markets.append(market)
        run_file.save(self.data_dir, content)

    def _market(self, code: str) -> MarketRun:
        run = self.markets.get(code)
        if run is None:
            raise InputError("market.not_running", market=code)
        return run


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def _own_pid() -> int:
    import os

    return os.getpid()


def _clock(seconds: int) -> str:
    return f"{seconds // 3_600:02}{seconds // 60 % 60:02}{seconds % 60:02}"

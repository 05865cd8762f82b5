"""One market of a running main process: which processes it has, what each is told, in which order.

exchange → receiver and trader → strategy → start. All are launched at once, so that their imports
overlap; each is told where the others are when those are ready. A restarted process says hello
again, and whoever needs it is told its new address: start and recovery are this one path.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from domain.errors import RefusedError
from domain.messages import Addresses, Command, CommandResult, Failed, Hello, Message, Ready, StopNow
from domain.process_config import LiveOptions, ProcessConfig, StrategyText
from domain.settings import Settings
from trading.arming import Grant
from trading.children import Child, Restarts, is_interpreter_of
from trading.kill_switch import ENTRIES, Latch, write_latch
from trading.launch import Process, launch
from trading.process import SCHEMA
from trading.run_config import exchange_options, paper_keys
from trading.venues import market as find_market
from trading.venues import venue as find_venue
from utility.build import build
from utility.bus import Keys, make_keys
from utility.paths import DataDir
from utility.secrets import hide

log = logging.getLogger(__name__)

SLOTS = ("exchange", "receiver", "trader", "strategy.a", "strategy.b", "compile")
"""Every key pair a market may need; a second strategy host is warmed beside the first (architecture 3.2.5)."""
Send = Callable[[str, Message], bool]

REPLAY_SILENT_S = 20.0
PERMANENT = ("ledger.damaged", "ledger.foreign", "ledger.newer")
"""Failures that a person has to mend before another start can help."""


class MarketRun:
    """The processes of one market.

    Parameters
    ----------
    options : LiveOptions
    settings : Settings
    data_dir : DataDir
    run : int
        Number of the run.
    control : (address, public key)
        Of main.
    viewer : str
        Public key of the run's viewer; it may read what main may read.
    send : callable (process name, message) -> bool
        On `control`.
    notify : callable (message)
        What the window or the terminal should know.
    grant : Grant, optional
        A person's leave to trade at the venue itself; without it everything is paper.

    Raises
    ------
    RefusedError
        ``arm.no_token``: the venue itself is asked for, and nobody has armed it.
    """

    def __init__(
        self,
        options: LiveOptions,
        settings: Settings,
        data_dir: DataDir,
        run: int,
        control: tuple[str, str],
        viewer: str,
        send: Send,
        notify: Callable[[Message], None],
        keys: dict[str, tuple[str, str]] | None = None,
        account: str = "",
        start: Callable[[ProcessConfig], Process] | None = None,
        grant: Grant | None = None,
    ) -> None:
        if options.is_paper == (grant is not None) and keys is None:  # keys: an armed run that is adopted keeps its token
            raise RefusedError("arm.no_token")
        self.options = options
        self.start_process = start
        self.settings = settings
        self.data_dir = data_dir
        self.run = run
        self.market = find_market(options.market)
        self.group = settings.market(options.market)
        self.venue = find_venue(self.group.venue)
        self.code = options.market
        self.control = control
        self.viewer = viewer
        self.send = send
        self.notify = notify
        self.keys = {slot: Keys(*pair) for slot, pair in keys.items()} if keys else {slot: make_keys() for slot in SLOTS}
        self.grant = grant
        self.account = account or (grant.account if grant else options.account) or self._account_name()
        self.token = grant.token(self.code, self.venue.code, run) if grant else None
        self.paper_keys = paper_keys(self.keys["exchange"].secret)
        hide(*self.paper_keys)
        self.children: dict[str, Child] = {}
        self.generations: dict[str, int] = {}
        self.restarts = Restarts(settings.processes.restarts_per_10min, self._launch)
        self.active_slot = "strategy.a"
        self.is_started = False
        self.is_stopping = False
        self.is_halted = False
        self.halt_reason = ""
        self.ended_n = -1
        self._swap_id = -1  # of the `yield` under way
        self._next_id = 1_000_000

    def _account_name(self) -> str:
        if self.options.replay is not None:
            return f"{self.venue.code}-run{self.run}"
        return f"{self.venue.code}-paper"

    @property
    def is_lockstep(self) -> bool:
        return self.options.replay is not None

    @property
    def source(self) -> str:
        """The store's source of what this run receives."""
        return f"run{self.run}" if self.options.is_paper else "recorded"

    # --- starting ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Launch the processes."""
        if self.options.is_paper:
            self._add("exchange", "exchange")
        self._add("receiver", "receiver")
        self._add("trader", "trader")
        if self.options.strategy is not None:
            if self.is_lockstep:
                self._add("compile", "compile")  # a replay is not hurried: it begins on the compiled step
            else:
                self._add("strategy", "strategy.a")
                self._add("compile", "compile")

    def _add(self, role: str, slot: str, **changes: Any) -> Child:
        name = f"{self.code}.{slot}"
        child = Child(name, role, slot, self._config(role, slot, **changes))
        self.children[slot] = child
        self._launch(child)
        return child

    def _config(self, role: str, slot: str, **changes: Any) -> ProcessConfig:
        options, keys = self.options, self.keys[slot]
        allowed = {pair.public: f"{self.code}.{name}" for name, pair in self.keys.items()}
        allowed |= {self.control[1]: "main", self.viewer: "viewer"}
        strategy = options.strategy
        if role not in ("strategy", "compile"):
            strategy = None
        config = ProcessConfig(
            role=role,
            name=f"{self.code}.{slot}",
            market=self.code,
            venue=self.venue.code,
            build=build(),
            schema=SCHEMA,
            public_key=keys.public,
            secret_key=keys.secret,
            control=self.control[0],
            data_dir=str(self.data_dir.root),
            account=self.account,
            run=self.run,
            allowed=allowed,
            server_keys={"main": self.control[1]} | {name: self.keys[name].public for name in ("exchange", "receiver", "trader")},
            is_paper=options.is_paper,
            lockstep=self.is_lockstep,
            has_strategy=options.strategy is not None,
            interval_s=options.interval_s,
            source=self.source if self.settings.data.record else "",
            codes=options.codes,
            symbols=self.group.symbols,
            max_positions=self.group.strategy.max_positions,
            settle_window_s=options.settle_window_s,
            strategy=strategy,
            settings=self.settings,
        )
        if role == "exchange":
            config = msgspec.structs.replace(
                config, exchange=exchange_options(self.options, self.settings, self.data_dir.truth(self.venue.code, self.run))
            )
        config = self.with_keys(config)
        return msgspec.structs.replace(config, **changes) if changes else config

    def _launch(self, child: Child) -> None:
        child.let_go()
        generation = self.generations.get(child.slot, 0) + 1
        self.generations[child.slot] = generation
        child.config = msgspec.structs.replace(child.config, generation=generation)
        child.hello, child.is_ready, child.told, child.failure = None, False, (), ""
        child.process = (self.start_process or launch)(child.config)
        child.pid = child.process.pid
        child.started_s = child.heard_s = _now()
        log.info("event=launched process=%s pid=%d generation=%d", child.name, child.pid, generation)

    def with_keys(self, config: ProcessConfig) -> ProcessConfig:
        """Return a configuration with the account's keys, as its process may get it."""
        key, secret = self.paper_keys if self.grant is None else (self.grant.credentials.key(), self.grant.credentials.secret())
        if config.exchange is not None:
            config = msgspec.structs.replace(config, exchange=msgspec.structs.replace(config.exchange, key=key, secret=secret))
        if config.role == "trader" and (config.is_paper or self.grant is not None):
            config = msgspec.structs.replace(config, venue_key=key, venue_secret=secret, arming=self.token)
        return config

    # --- what the children say ------------------------------------------------------------------------

    def on_message(self, slot: str, message: Message) -> None:
        """Handle a child's message on `control`."""
        child = self.children.get(slot)
        if child is None:
            return
        child.heard_s = _now()
        if isinstance(message, Hello):
            self._on_hello(child, message)
        elif isinstance(message, Ready):
            child.is_ready, child.ready_s, child.failed_starts = True, child.heard_s, 0
            child.detail = dict(message.detail)
            log.info("event=ready process=%s after_s=%.2f", child.name, child.heard_s - child.started_s)
            if child.role == "strategy":
                self._on_strategy_ready(child)
            elif child.role == "trader" and self.is_halted:
                self.send(child.name, Command(name="halt", args={"reason": self.halt_reason}))  # a new one knows nothing of it
        elif isinstance(message, Failed):
            child.failure, child.failure_fields = message.code, dict(message.fields)
        elif isinstance(message, CommandResult) and message.id == self._swap_id:
            self._on_yielded(message)

    def _on_hello(self, child: Child, hello: Hello) -> None:
        if hello.build != child.config.build or hello.schema != SCHEMA:
            log.critical("event=mixed_builds process=%s build=%s ours=%s", child.name, hello.build, child.config.build)
            self.notify(Failed(code="process.mixed_builds", fields={"name": child.name, "build": hello.build}))
            child.is_stopping = True
            child.kill()
            return
        child.hello = hello
        child.told = ()
        child.pid = hello.pid

    def _on_strategy_ready(self, child: Child) -> None:
        old = self.children.get(self.active_slot)
        if child.slot == self.active_slot or old is None or not old.is_ready or not old.is_running():
            self.active_slot = child.slot
            self._start_trading(child, {})
            for other in list(self.children.values()):
                if other.role == "strategy" and other is not child and is_interpreter_of(other, child):
                    self.retire(other)  # the compiled step was ready before the interpreter
                elif other.role == "strategy" and other.is_ready and is_interpreter_of(child, other):
                    self._ask_to_yield(child)  # it died before it could hand over
            return
        if is_interpreter_of(child, old):
            self.retire(child)
            return
        self._ask_to_yield(old)

    def _ask_to_yield(self, old: Child) -> None:
        """Let a host stop between two rows and say where; the other one goes on behind that row."""
        self._next_id += 1
        self._swap_id = self._next_id
        self.send(old.name, Command(name="yield", id=self._swap_id))

    def _on_yielded(self, result: CommandResult) -> None:
        self._swap_id = -1
        old = self.children.get(self.active_slot)
        new = next((c for c in self.children.values() if c.role == "strategy" and c.slot != self.active_slot), None)
        if old is None:
            return
        if new is None:
            old.kill()  # its heir died meanwhile and it has let rows pass: it begins anew
            return
        self.active_slot = new.slot
        self._start_trading(new, result.fields if result.ok else {})
        self.retire(old)

    def _start_trading(self, child: Child, fields: dict[str, Any]) -> None:
        self.send(child.name, Command(name="start", args=fields))
        if not self.is_started:
            self.is_started = True
            for slot in ("trader", "exchange"):
                if slot in self.children:
                    self.send(self.children[slot].name, Command(name="start"))
        self.notify(Ready(detail={"process": child.name, "compiled": child.detail.get("compiled", False)}))

    def retire(self, child: Child) -> None:
        """End a process that is no longer needed, without mending it."""
        child.is_stopping = True
        self.send(child.name, StopNow(reason="retired"))

    # --- wiring --------------------------------------------------------------------------------------

    def wire(self) -> None:
        """Tell every child where the others are, as soon as it may know and when it changed."""
        for child in self.children.values():
            if child.hello is None or child.is_stopping:
                continue
            addresses = self._needs(child.role)
            if addresses is None:
                continue
            told = tuple(sorted(addresses.items())) + tuple(self._generations_of(child.role))
            if told != child.told and self.send(child.name, Addresses(addresses=addresses, server_keys=child.config.server_keys)):
                child.told = told
        if not self.is_started and self.options.strategy is None and self._all_ready("exchange", "receiver", "trader"):
            self.is_started = True
            for slot in ("trader", "exchange"):
                if slot in self.children:
                    self.send(self.children[slot].name, Command(name="start"))

    def is_quiet(self) -> bool:
        """Tell whether this market trades and nothing of it is being started; a replay ends by itself and needs no spare."""
        return self.is_started and not self.is_lockstep and all(child.is_ready for child in self.children.values())

    def _generations_of(self, role: str) -> list[int]:
        watched = {"receiver": ("exchange",), "trader": ("exchange", "receiver"), "strategy": ("receiver", "trader")}
        return [self.generations.get(slot, 0) for slot in watched.get(role, ())]

    def _all_ready(self, *slots: str) -> bool:
        return all(self.children[slot].is_ready for slot in slots if slot in self.children)

    def _needs(self, role: str) -> dict[str, str] | None:
        if role in ("exchange", "compile"):
            return {}
        receiver, trader = self.children.get("receiver"), self.children.get("trader")
        if receiver is None or trader is None:
            return None  # stopping
        venue: dict[str, str] = {}
        exchange = self.children.get("exchange")
        if exchange is not None:
            if exchange.hello is None or not exchange.is_ready:
                return None
            words = {key: str(value) for key, value in exchange.detail.items()}
            venue = {key: words[key] for key in ("rest", "ws_public", "ws_private", "instance", "tape") if key in words}
            venue["steps"] = exchange.hello.addresses.get("steps", "")
        if role == "receiver":
            return venue
        if receiver.hello is None:
            return None
        market = {key: receiver.hello.addresses[key] for key in ("market", "replay")}
        if role == "trader":
            return venue | market
        if not receiver.is_ready or trader.hello is None or not trader.is_ready:
            return None
        return market | {"orders": trader.hello.addresses["orders"]}

    # --- watching ------------------------------------------------------------------------------------

    def watch(self, now_s: float) -> None:
        """Find the dead and the hung; start again what may be."""
        for child in list(self.children.values()):
            if child.is_stopping:
                if not child.is_running():
                    self._remove(child)
                continue
            if child.due_s:
                self.restarts.on_time(child, now_s)
                continue
            if not child.is_running():
                self._on_death(child, now_s)
            elif child.role != "compile" and child.has_hung(now_s, self._patience_s()):
                log.error("event=hung process=%s silent_s=%.2f", child.name, now_s - child.heard_s)
                child.kill()

    def _patience_s(self) -> float:
        """Return how long a child may be silent: a replay waits for the slowest anyway, and a death would end it."""
        missed_s = self.settings.processes.missed_s
        return max(missed_s, REPLAY_SILENT_S) if self.is_lockstep else missed_s

    def _on_death(self, child: Child, now_s: float) -> None:
        status = child.process.poll() if child.process is not None else None
        if child.role == "compile":
            self._remove(child)
            self._on_compiled(status == 0)
            return
        log.error("event=died process=%s status=%s failure=%s", child.name, status, child.failure)
        self.notify(Failed(code="process.died", fields={"name": child.name, "status": status, "failure": child.failure}))
        child.hello, child.is_ready = None, False
        if (status in (2, 3) and child.failure) or child.failure in PERMANENT:
            # Refused for what it was given, or for what it found: another start would be refused again.
            self._halt("process.refused", child, status or 1)
            return
        if self.is_lockstep and child.role in ("exchange", "receiver"):
            # Their place in the recording is gone with them; a replay with a hole would be no proof of anything.
            self._halt("replay.process_lost", child, 4 if status is not None and status < 0 else 1)  # killed, or our own fault
            return
        if child.role == "strategy" and child.slot != self.active_slot:
            self._remove(child)  # the heir died before it took over; the old one goes on
            return
        if not self.restarts.on_death(child, now_s):
            self._halt("process.crash_loop", child, status if status == 4 else 1)

    def _halt(self, code: str, child: Child, status: int = 1) -> None:
        log.critical("event=halted market=%s code=%s process=%s", self.code, code, child.name)
        self.is_halted, self.halt_reason = True, code
        child.is_stopping = True
        for other in list(self.children.values()):
            if other.role == "strategy" and other is not child:
                self.retire(other)
        trader = self.children.get("trader")
        if trader is not None and trader is not child:
            self.send(trader.name, Command(name="halt", args={"reason": code}))
        elif code == "process.crash_loop":
            self._latch(code)  # there is no trader to be halted: the next one begins without entries until a person re-arms it
        ours = {"name": child.name, "failure": child.failure, "failure_fields": child.failure_fields}  # both may have a name
        fields = {**child.failure_fields, **ours, "market": self.code, "status": status}
        self.notify(Failed(code=code, fields=fields))

    def _latch(self, reason: str) -> None:
        latch = Latch(level=ENTRIES, actor="supervisor", reason=reason, utc_ns=time.time_ns())
        with suppress(OSError):  # on a full disk no trader could start either
            write_latch(self.data_dir.account(self.account), latch)

    def _on_compiled(self, is_done: bool) -> None:
        strategy = self.options.strategy
        if strategy is None or self.is_stopping or self.is_halted:
            return
        if not is_done:
            log.error("event=compile_failed market=%s", self.code)
            self.notify(Failed(code="process.compile_failed", fields={"market": self.code}))
        if "strategy.a" not in self.children and "strategy.b" not in self.children:
            self._add("strategy", "strategy.a", strategy=msgspec.structs.replace(strategy, use_compiled=is_done))
        elif is_done:
            self._add("strategy", self._free_slot(), strategy=msgspec.structs.replace(strategy, use_compiled=True))

    def _free_slot(self) -> str:
        return "strategy.b" if self.active_slot == "strategy.a" else "strategy.a"

    def change_strategy(self, strategy: StrategyText) -> None:
        """Bring a new text: compiled first, then warmed beside the running one, then it takes over.

        Raises
        ------
        RefusedError
            ``arm.bound``: a person armed this run for the strategy it has.
        """
        if not self.options.is_paper:
            raise RefusedError("arm.bound", market=self.code)
        self.options = msgspec.structs.replace(self.options, strategy=strategy)
        running = self.children.pop("compile", None)
        if running is not None:
            running.kill()
        self._add("compile", "compile")

    # --- stopping ------------------------------------------------------------------------------------

    def stop_next(self) -> bool:
        """Ask the next process in order to stop; return whether all are gone."""
        self.is_stopping = True
        for child in list(self.children.values()):
            if not child.is_running():
                self._remove(child)
        for roles in (("strategy", "compile"), ("trader",), ("receiver",), ("exchange",)):
            found = [child for child in self.children.values() if child.role in roles]
            for child in found:
                if not child.is_stopping:
                    child.is_stopping = True
                    # Before its hello a child is still loading: it hears nothing yet and has nothing to put away.
                    is_deaf = child.role == "compile" or (child.hello is None and child.process is not None)
                    if is_deaf or not self.send(child.name, StopNow(reason="stop")):
                        child.kill()
            if found:
                return False
        return True

    def _remove(self, child: Child) -> None:
        child.let_go()
        del self.children[child.slot]

    def kill_all(self) -> None:
        """End what did not stop in time."""
        for child in self.children.values():
            log.warning("event=killed process=%s", child.name)
            child.kill()

    def wait(self, seconds: float) -> None:
        """Wait for killed processes, so that none is left as a zombie."""
        for child in self.children.values():
            if child.process is not None:
                try:
                    child.process.wait(seconds)
                except subprocess.TimeoutExpired:
                    log.error("event=not_dead process=%s", child.name)
            child.let_go()


def _now() -> float:
    from trading.children import now_s

    return now_s()

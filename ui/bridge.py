"""Where the supervisor meets Qt: one thread owns it, and hands conflated batches over at most 15 times a second.

Nothing else in `ui/` touches a socket. A batch is only sent when the window has taken the one before,
so a busy window makes batches larger, never more numerous; what is a state is kept as its newest value,
what is an event (a row, a fill, a closed trade) is kept whole.
"""

from __future__ import annotations

import functools
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PyQt5.QtCore import QObject, pyqtSignal

from domain import messages as m
from domain.errors import InputError, StomError

log = logging.getLogger(__name__)

BATCH_S = 1 / 15
"""Half of what architecture 2.9 allows: a screen of prices reads no better at thirty, and painting is what the loop does most."""
HEALTH_S = 0.5
AGAIN_S = 0.5
STATS_S = 3.0
POLL_MS = 10
PACE_S = 1 / 30
"""Once every process is up, input is gathered so long before it is read: a turn costs more than what it reads."""
EVENTS_BYTES_MAX = 64 * 4_000


@dataclass(frozen=True)
class Health:
    """One child process as the window shows it."""

    market: str
    name: str
    role: str
    is_ready: bool
    is_running: bool
    failure: str
    restarts: int
    rss_mb: float
    heard_age_s: float
    counters: dict[str, float]


@dataclass
class Conflated:
    """What was heard of one market since the last batch."""

    states: dict[tuple[Any, ...], m.Message] = field(default_factory=dict)
    rows: dict[int, list[m.Rows]] = field(default_factory=dict)
    events: list[m.Events] = field(default_factory=list)
    kept: list[m.Message] = field(default_factory=list)

    def add(self, message: m.Message) -> None:
        """Take one message."""
        if isinstance(message, m.Rows):
            self.rows.setdefault(message.interval_s, []).append(message)
        elif isinstance(message, m.Events):
            self.events.append(message)
        elif isinstance(message, m.BookView):
            self.states[("book", message.instrument)] = message
        elif isinstance(message, m.LiveBar):
            self.states[("bar", message.instrument)] = message
        elif isinstance(message, m.AccountState):
            self.states[("account", message.account)] = message
        elif isinstance(message, m.FeedState):
            self.states[("feed",)] = message
        elif isinstance(message, m.OrderUpdate):
            self.states[("order", message.order.client_order_id)] = message
        elif isinstance(message, m.InstrumentTable):
            self.states[("instruments",)] = message
        elif not isinstance(message, m.Heartbeat | m.Barrier):
            self.kept.append(message)

    def batch(self, market: str) -> list[m.Message]:
        """Return everything in an order a model can take: instruments, rows, states, events."""
        out: list[m.Message] = []
        table = self.states.pop(("instruments",), None)
        if table is not None:
            out.append(table)
        for interval_s, parts in self.rows.items():
            data = b"".join(part.data for part in parts)
            out.append(m.Rows(market=market, interval_s=interval_s, count=sum(part.count for part in parts), data=data))
        if self.events:
            data = b"".join(part.data for part in self.events)[-EVENTS_BYTES_MAX:]
            out.append(m.Events(market=market, count=len(data) // 64, data=data))
        return [*out, *self.kept, *self.states.values()]


class Bridge(QObject):
    """The window's only door to markets.

    Parameters
    ----------
    make : callable () -> Supervisor or Viewer
        Called in the bridge's thread, because what it makes belongs to one thread; again when a joined run is over.

    Signals
    -------
    batch(dict) : market code → list of messages.
    health(list) : Health of every child, twice a second.
    found(dict, bool) : markets that run already, code → SeenMarket, before `up`; whether another process owns the run.
    lost() : the run that was joined is over; `up` follows when this window has the directory to itself.
    up() : the supervisor stands.
    down(StomError) : it could not be made; nothing will come.
    failed(str, StomError) : a request failed; the word of the request and why.
    done(str, object) : a request was carried out; its word and its result.
    stats(str, dict) : market code and what its trader counts, every few seconds.
    profit_ready(object) : the compiled money arithmetic, loaded off the GUI thread.
    """

    batch = pyqtSignal(object)
    health = pyqtSignal(object)
    found = pyqtSignal(object, bool)
    lost = pyqtSignal()
    up = pyqtSignal()
    down = pyqtSignal(object)
    failed = pyqtSignal(str, object)
    done = pyqtSignal(str, object)
    stats = pyqtSignal(str, object)
    profit_ready = pyqtSignal(object)

    def __init__(self, make: Callable[[], Any], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._make = make
        self._asks: queue.Queue[tuple[str, Callable[[Any], Any]]] = queue.Queue(maxsize=1_000)
        self._stop = threading.Event()
        self._taken = threading.Event()
        self._taken.set()
        self._thread = threading.Thread(target=self._run, name="bridge", daemon=True)
        self.messages = 0
        self.batches = 0

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Stop every market and end the thread; False when that took longer than `timeout_s`."""
        self._stop.set()
        self._taken.set()
        self.ask("stop_all", lambda supervisor: None)  # ends a wait for requests
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self.disconnect()  # what was said and not yet heard would find a window that is gone
        return not self._thread.is_alive()

    def is_alive(self) -> bool:
        """Tell whether the bridge still hears."""
        return self._thread.is_alive()

    def taken(self) -> None:
        """The window has applied the last batch; the next one may come."""
        self._taken.set()

    # --- requests (any thread; answered by `done` or `failed`) --------------------------------------------

    def ask(self, what: str, do: Callable[[Any], Any]) -> None:
        """Call ``do(supervisor)`` in the bridge's thread."""
        try:
            self._asks.put_nowait((what, do))
        except queue.Full:
            self.failed.emit(what, InputError("ui.busy"))

    def start_market(self, options: Any) -> None:
        """Start the processes of a market (LiveOptions)."""
        self.ask("start", lambda s: s.start_market(options) and options.market)

    def stop_market(self, code: str) -> None:
        """Stop a market's processes in order."""
        self.ask("stop", lambda s: (s.stop_market(code), code)[1])

    def change_strategy(self, code: str, strategy: Any) -> None:
        """Bring a strategy to a running market."""
        self.ask("strategy", lambda s: (s.change_strategy(code, strategy), strategy.name)[1])

    def submit(self, code: str, intent: Any) -> None:
        """Send a manual intent."""
        self.ask("submit", lambda s: (s.submit(code, intent), intent)[1])

    def cancel(self, code: str, client_order_id: str) -> None:
        """Ask the trader to cancel one order."""
        self.ask("cancel", lambda s: s.command(code, "trader", "cancel", client_order_id=client_order_id))

    def kill(self, level: str) -> None:
        """Pull the kill switch of every account."""
        self.ask("kill", lambda s: (s.kill(level), level)[1])

    def rearm(self, code: str) -> None:
        """Let an account trade again."""
        self.ask("rearm", lambda s: s.command(code, "trader", "rearm", actor="window"))

    def watch(self, code: str, symbol: str) -> None:
        """Tell the receiver which instrument is on show (its bare code)."""
        self.ask("watch", lambda s: s.command(code, "receiver", "watch", code=symbol))

    def apply_settings(self, settings: Any) -> None:
        """Give changed settings to the supervisor and the risk limits to running traders."""

        def do(supervisor: Any) -> None:
            import msgspec

            supervisor.settings = settings
            for code in list(supervisor.markets):
                supervisor.command(code, "trader", "risk", settings=msgspec.to_builtins(settings.risk))

        self.ask("settings", do)

    # --- the thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        supervisor = self._begin()
        if supervisor is None:
            return
        pending: dict[str, Conflated] = {}
        batch_due = health_due = stats_due = 0.0
        asked: set[int] = set()
        loaded: set[str] = set()
        while not self._stop.is_set():
            self._answer(supervisor, PACE_S if self._is_settled(supervisor) else 0.0)
            try:
                heard = supervisor.poll(POLL_MS)
            except StomError as error:
                log.error("event=poll_failed code=%s", error.code)
                self.failed.emit("poll", error)
                continue
            if supervisor.is_over:
                supervisor.close()
                self.lost.emit()
                supervisor = self._begin(patient=True)
                if supervisor is None:
                    return
                loaded.clear()
            for market, message in heard:
                self.messages += 1
                if isinstance(message, m.CommandResult) and message.id in asked:
                    asked.discard(message.id)
                    if message.ok:
                        self.stats.emit(market, message.fields)
                    continue
                pending.setdefault(market, Conflated()).add(message)
            now = time.monotonic()
            if pending and now >= batch_due and self._taken.is_set():
                self._taken.clear()
                self.batches += 1
                self.batch.emit({market: found.batch(market) for market, found in pending.items()})
                pending, batch_due = {}, now + BATCH_S
            if now >= stats_due:
                stats_due = now + STATS_S
                asked |= self._ask_stats(supervisor)
            if now >= health_due:
                health_due = now + HEALTH_S
                self._tell_health(supervisor, now)
                self._load_profit(supervisor, loaded)
        supervisor.close()

    def _begin(self, patient: bool = False) -> Any:
        """Return the supervisor, or a viewer of the run that somebody else owns; None when neither can be had.

        `patient` waits for an owner that is still leaving.
        """
        while not self._stop.is_set():
            try:
                supervisor = self._make()
            except StomError as error:
                if patient and error.code in ("run.locked", "viewer.no_answer") and not self._stop.wait(AGAIN_S):
                    continue
                self.down.emit(error)
                return None
            except OSError as error:
                self.down.emit(StomError("ui.bridge.os", reason=str(error)))
                return None
            if supervisor.markets:
                from trading.viewer import seen_market

                self.found.emit({code: seen_market(run) for code, run in supervisor.markets.items()}, supervisor.is_viewer)
            self.up.emit()
            return supervisor
        return None

    @staticmethod
    def _is_settled(supervisor: Any) -> bool:
        """Tell whether nobody waits for an address or an answer of main: while processes come up every turn counts."""
        children = supervisor.children()
        return bool(children) and all(child.is_ready for child in children)

    def _answer(self, supervisor: Any, pace_s: float) -> None:
        """Carry out what was asked; wait so long for the first request when there is none."""
        while True:
            try:
                what, do = self._asks.get(timeout=pace_s) if pace_s else self._asks.get_nowait()
            except queue.Empty:
                return
            pace_s = 0.0
            try:
                self.done.emit(what, do(supervisor))
            except StomError as error:
                log.warning("event=request_failed what=%s code=%s", what, error.code)
                self.failed.emit(what, error)
            except OSError as error:
                self.failed.emit(what, StomError("ui.bridge.os", reason=str(error)))

    @staticmethod
    def _ask_stats(supervisor: Any) -> set[int]:
        asked = set()
        for code in list(supervisor.markets):
            try:
                asked.add(supervisor.command(code, "trader", "stats"))
            except StomError:
                continue  # not up yet: nothing to count
        return asked

    def _tell_health(self, supervisor: Any, now: float) -> None:
        found = []
        for child in supervisor.children():
            market = child.name.partition(".")[0]
            age = now - child.heard_s if child.heard_s else float("inf")
            found.append(
                Health(
                    market,
                    child.name,
                    child.role,
                    child.is_ready,
                    child.is_running(),
                    child.failure,
                    child.restarts,
                    child.rss_mb,
                    age,
                    dict(child.counters),
                )
            )
        self.health.emit(found)

    def _load_profit(self, supervisor: Any, loaded: set[str]) -> None:
        for code in list(supervisor.markets):
            if code not in loaded:
                loaded.add(code)
                # Numba takes seconds to load: in this thread processes would miss main's heartbeat, in the window's it would stall.
                threading.Thread(target=self._bind_profit, args=(code, supervisor.markets[code].market), name="profit", daemon=True).start()

    def _bind_profit(self, code: str, market: Any) -> None:
        import datetime as dt

        from trading.positions import market_params, profit_at

        bound = functools.partial(profit_at, market_params(market, dt.datetime.now(dt.UTC).date()))
        bound(1.0, 0.0, 1.0, 1)  # compiled or read from the cache now, not at the first position
        self.profit_ready.emit((code, bound))

"""The strategy host's shell: two ways in, one way out, no key, no file, no venue, and a seal.

Rows come from the receiver, acknowledgements and fills from the trader. Before the seal it loads the
step, reads today's rows with signals held back, takes its positions, and calls everything once. After
it nothing is loaded: another text, or the compiled step, is another host (architecture 3.2).
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from pathlib import Path
from typing import Any

from domain.errors import InvariantError, StomError
from domain.messages import (
    Addresses,
    Barrier,
    CancelOrder,
    Command,
    CommandResult,
    DayRecord,
    FillUpdate,
    InstrumentTable,
    IntentAck,
    MarketMessage,
    OrdersMessage,
    OrderUpdate,
    OutboxAck,
    PositionState,
    ReplayPage,
    ReplayRequest,
    RoundTripState,
    Rows,
    Snapshot,
    SnapshotDone,
    SubmitIntent,
)
from domain.orders import TERMINAL, Fill, Intent, OrderStatus
from domain.process_config import ProcessConfig
from strategy.interpreter import Interpreter
from trading import managed_codes, matching, numbers, position_vars, positions, sizing
from trading.latency import Spans
from trading.process import ChildProcess
from trading.rehearsal import rehearse
from trading.strategy_host import StrategyHost
from trading.texts import program_of
from trading.venues import market as find_market
from utility.bus import Dealer, Subscriber
from utility.codec import Codec
from utility.seal import seal
from utility.sequence import ROWS, Hole

log = logging.getLogger(__name__)

RETRY_S = 0.5
PAGE_RETRY_S = 1.0
MEMORY_MAX = 3 << 30
FILES_MAX = 256


class StrategyProcess(ChildProcess):
    """One strategy host as a process."""

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        if config.strategy is None:
            raise InvariantError("strategy.missing")
        self.market = find_market(config.market)
        self.text = config.strategy
        self.stamp("sockets")
        program = program_of(self.text, self.market, config.interval_s)
        program.check_variables(self.text.variables or (0.0,) * program.n_vars)
        module = None
        if self.text.use_compiled:
            module = load_step(program, Path(config.data_dir))
        step = module if module is not None else Interpreter(program)
        self.host = StrategyHost(
            self.market, self.text, program, step, module, config.account, lockstep=config.lockstep, send=self._send_out
        )
        self.stamp("step")
        self.rows_in: Subscriber[MarketMessage] | None = None
        self.orders: Dealer[OrdersMessage] | None = None
        self._pages: Codec[MarketMessage] = Codec(MarketMessage)
        self._page: ReplayRequest | None = None
        self._page_due_s = 0.0
        self._today: list[Rows] = []
        self._market = self._orders_at = ("", "")
        self._cut_seq = 0
        self._epoch = 0
        self._unacked: dict[str, tuple[Intent, float]] = {}
        self._cancels: dict[str, tuple[CancelOrder, float]] = {}
        self._trips: dict[int, RoundTripState] = {}  # closed today before this host began
        self._fills: list[Fill] = []
        self._repeated: set[str] = set()
        self._barrier: tuple[Barrier, float] | None = None
        self._is_caught_up = False
        self._has_snapshot = False
        self._snapshot_due_s = 0.0
        self._live_orders: set[str] = set()
        self._outbox_seq = 0
        self._ack_due = False
        self._yield_id: int | None = None  # the command to stop between two rows
        self._is_yielded = False
        self.is_sealed = False
        self._held: list[Any] = []
        self._resume_seq = -1
        self._resume_outbox = 0
        self._is_starting = False
        self._handled_seq = 0
        self._spans = Spans()
        self._came_ns = 0

    def open(self) -> dict[str, str]:
        preload()
        return {}

    # --- connecting ---------------------------------------------------------------------------------------

    def on_addresses(self, addresses: Addresses) -> None:
        words, keys = addresses.addresses, addresses.server_keys
        if "market" not in words:
            return
        market, replay = (words["market"], keys["receiver"]), (words["replay"], keys["receiver"])
        name = self.config.name
        if self.rows_in is None:
            self.rows_in = self.bus.subscriber(MarketMessage, [ROWS], name, market, replay, is_held=True)
            self.rows_in.on_page = self._on_page
            self._page = ReplayRequest(what="today")
        elif market != self._market:
            self.rows_in.connect(market, replay)
        self._market = market
        orders = (words["orders"], keys["trader"])
        if self.orders is None:
            self.orders = self.bus.dealer(OrdersMessage, name, *orders)
        elif orders != self._orders_at:
            self.orders.connect(*orders)
            self._outbox_seq = 0
            self._ask_snapshot()
            self._unacked = {key: (intent, 0.0) for key, (intent, _) in self._unacked.items()}
            self._cancels = {key: (wish, 0.0) for key, (wish, _) in self._cancels.items()}
        self._orders_at = orders

    def _ask_snapshot(self) -> None:
        assert self.orders is not None
        self._live_orders.clear()
        self._snapshot_due_s = time.monotonic() + PAGE_RETRY_S
        self.orders.send(Snapshot(what="all" if self.is_ready or self.text.orders is None else "day"))

    # --- today's rows ---------------------------------------------------------------------------------------

    def _on_page(self, page: ReplayPage) -> None:
        request = self._page
        if request is None or (request.to_seq and page.cut_seq != request.to_seq):
            return  # an answer that came twice
        for data in page.frames:
            message = self._pages.decode(data)
            if isinstance(message, InstrumentTable):
                self.host.on_instruments(message)
                self._ask_snapshot()  # positions can be taken now; the rows wait for them
            elif isinstance(message, Rows):
                self._today.append(message)
        if page.next_seq:
            self._page = ReplayRequest(what="today", from_seq=page.next_seq, to_seq=page.cut_seq)
            self._page_due_s = 0.0
            return
        self.stamp("rows")
        self._page = None
        self._epoch, self._cut_seq = page.epoch, page.cut_seq
        self._is_caught_up = True

    # --- rows and orders --------------------------------------------------------------------------------------

    def on_input(self, endpoint: Any) -> None:
        if endpoint is self.rows_in:
            self._read_rows()
        elif endpoint is self.orders:
            self._read_orders()

    def _read_rows(self) -> None:
        assert self.rows_in is not None
        self._came_ns = time.monotonic_ns()
        for item in self.rows_in.receive(time.monotonic()):
            if self._yield_id is not None:
                continue  # the heir's
            self._count(item)
            if not self.is_ready or self._resume_seq == -1 or self._is_starting:
                self._held.append((self._handled_seq, item))
                continue
            self._take(item)

    def _count(self, item: Any) -> None:
        self._handled_seq += 1
        if isinstance(item, Hole):
            self._handled_seq = 0 if item.epoch_changed else item.to_seq
            if item.epoch_changed:
                assert self.rows_in is not None
                self._epoch = self.rows_in.sequencer(ROWS).epoch

    def _take(self, item: Any) -> None:
        if isinstance(item, Rows):
            self._barrier = None
            self.host.on_rows(item)
        elif isinstance(item, Barrier):
            self._barrier = None
            self.host.on_barrier(item)
        elif isinstance(item, InstrumentTable):
            self.host.on_instruments(item)
        elif isinstance(item, Hole):
            log.warning("event=rows_missing from=%d to=%d epoch_changed=%s", item.from_seq, item.to_seq, item.epoch_changed)

    def _read_orders(self) -> None:
        assert self.orders is not None
        for message in self.orders.receive():
            if self._is_yielded:
                continue  # acknowledging would say that the one who trades has handled it
            if not self._is_next(message):
                continue
            if not self.is_ready:
                self._note_past(message)
            if isinstance(message, IntentAck):
                self._on_ack(message)
            elif isinstance(message, OrderUpdate):
                self._on_order(message)
            elif isinstance(message, FillUpdate):
                self.host.on_fill(message)
            elif isinstance(message, PositionState):
                self.host.on_position(message)
            elif isinstance(message, SnapshotDone):
                self._outbox_seq = message.outbox_seq
                self.stamp("positions")
                self._has_snapshot, self._snapshot_due_s = True, 0.0
                self._cancels = {key: wish for key, wish in self._cancels.items() if key.rsplit("-", 1)[0] in self._live_orders}
                self.host.on_snapshot_done(message, self._live_orders, set(self._unacked))
        if self._ack_due:
            self._ack_due = False
            self.orders.send(OutboxAck(seq=self._outbox_seq))
        self._yield()
        self._take_over()

    def _note_past(self, message: Any) -> None:
        """Keep what was traded today until the rows of today have been read."""
        if isinstance(message, DayRecord):
            self._trips |= {trip.seq: trip for trip in message.trips}
            self._fills += message.fills
        elif isinstance(message, RoundTripState):
            self._trips[message.seq] = message
        elif isinstance(message, FillUpdate):
            self._fills.append(message.fill)

    def _on_ack(self, ack: IntentAck) -> None:
        self._unacked.pop(ack.intent_id, None)
        self.host.on_ack(ack)
        if ack.accepted and ack.intent_id in self._repeated:
            # The first copy may have been judged, sent and ended before we listened: ask how things stand.
            self._repeated.discard(ack.intent_id)
            self._ask_snapshot()

    def _on_order(self, message: OrderUpdate) -> None:
        order = message.order
        if message.outbox_seq == 0:
            self._live_orders.add(order.intent_id)
        if order.status in TERMINAL or order.status is OrderStatus.PENDING_CANCEL:
            self._cancels.pop(order.client_order_id, None)  # the trader has it in its journal now
        self.host.on_order(message)

    def _is_next(self, message: Any) -> bool:
        """Tell whether a message is to be handled; a hole in the outbox asks for the whole picture."""
        seq = int(getattr(message, "outbox_seq", 0))
        if seq == 0 or isinstance(message, SnapshotDone):
            return True
        if not self._has_snapshot:
            return False  # included in the snapshot that is on its way
        self._ack_due = True
        if seq <= self._outbox_seq:
            return False
        if seq > self._outbox_seq + 1:
            log.warning("event=outbox_hole from=%d to=%d", self._outbox_seq + 1, seq - 1)
            self._ask_snapshot()
        self._outbox_seq = seq
        return True

    def _send_out(self, item: Intent | CancelOrder | Barrier) -> None:
        assert self.orders is not None
        if isinstance(item, CancelOrder):
            self._cancels[item.client_order_id] = (item, time.monotonic() + RETRY_S)
            self.orders.send(item)
        elif isinstance(item, Intent):
            self._unacked[item.intent_id] = (item, time.monotonic() + RETRY_S)
            self.orders.send(SubmitIntent(intent=item))
            if item.read_ns:
                self._spans.add("rows_came", self._came_ns - item.read_ns)
                self._spans.add("sent", time.monotonic_ns() - item.read_ns)
        else:
            self._barrier = (item, time.monotonic() + RETRY_S)
            self.orders.send(item)

    # --- the loop ---------------------------------------------------------------------------------------------

    def on_tick(self, now_s: float) -> None:
        if self.rows_in is not None:
            self._read_rows()  # holes are repaired here, also when nothing comes
            if self._page is not None and now_s >= self._page_due_s:
                self._page_due_s = now_s + PAGE_RETRY_S
                self.rows_in.ask(self._page)
        if self._snapshot_due_s and now_s >= self._snapshot_due_s:
            self._ask_snapshot()
        if not self.is_ready and self._is_caught_up and self._has_snapshot:
            self._warm_and_seal(now_s)
        self._send_again(now_s)
        self._yield()
        self._take_over()

    def _send_again(self, now_s: float) -> None:
        if self.orders is None:
            return
        for key, (intent, due) in list(self._unacked.items()):
            if now_s >= due:
                self._unacked[key] = (intent, now_s + RETRY_S)
                self._repeated.add(key)
                self.orders.send(SubmitIntent(intent=intent))
        for key, (wish, due) in self._cancels.items():
            if now_s >= due:
                self._cancels[key] = (wish, now_s + RETRY_S)
                self.orders.send(wish)
        if self._barrier is not None and now_s >= self._barrier[1]:
            self._barrier = (self._barrier[0], now_s + RETRY_S)
            self.orders.send(self._barrier[0])

    def _warm_and_seal(self, now_s: float) -> None:
        """Read today's rows with signals held back, call once everything that will be called, close the door."""
        assert self.rows_in is not None
        for message in self._today:
            self.host.on_rows(message)
        self._today.clear()
        if self.text.orders is not None:
            self.host.remember((self._trips[seq] for seq in sorted(self._trips)), self._fills)
        self._trips.clear()
        self._fills.clear()
        rehearse(self.host)
        self._handled_seq = self._cut_seq
        self.rows_in.sequencer(ROWS).begin(self._epoch, self._cut_seq + 1, now_s)
        self.ready(
            compiled=self.host.module is not None, rows=self.host.rows, symbols=len(self.host.symbols), digest=self.host.program.digest
        )
        self._send_logs()
        if not self.is_sealed:
            limit_memory()
            self.is_sealed = True
            seal()

    # --- commands ---------------------------------------------------------------------------------------------

    def on_command(self, command: Command) -> dict[str, Any] | None:
        if command.name == "start":
            args = command.args
            self._start(int(args.get("seq", self._cut_seq)), int(args.get("epoch", self._epoch)), int(args.get("outbox", 0)))
            return {}
        if command.name == "yield":
            self._yield_id = command.id
            self._yield()
            return None
        if command.name == "halt":
            self.host.disabled = str(command.args.get("reason", "halted"))
            return {}
        if command.name == "stats":
            stats = self.host.stats() | {"hops_us": self._spans.summary()}
            if command.args.get("reset"):
                self._spans.reset()
            if self.rows_in is not None:
                order = self.rows_in.sequencer(ROWS)
                stats |= {"holes": order.holes, "missed": order.missed, "recovered": order.recovered, "last_seq": self._handled_seq}
                stats["malformed"] = self.rows_in.codec.malformed
            return stats
        return super().on_command(command)

    def _yield(self) -> None:
        """Stop between two rows, as soon as the trader has taken every intent; in lock-step, as soon as each has ended.

        An intent still on its way would reach the trader beside the heir's, in no order, and a step of a
        replay could end between them.
        """
        if self._yield_id is None or self._is_yielded or self._unacked or self._cancels:
            return
        if self.host.is_exchanging() or (self.host.is_lockstep and self.host.waiting):
            return
        self._is_yielded = True
        self.host.is_live = False
        self.host.disabled = self.host.disabled or "yielded"
        place = {"seq": self._handled_seq, "epoch": self._epoch, "outbox": self._outbox_seq}
        self.control.send(CommandResult(id=self._yield_id, ok=True, fields=place))

    def _start(self, seq: int, epoch: int, outbox: int) -> None:
        """Signals count for rows behind `seq`, from when all is known that the trader said up to `outbox`."""
        self._resume_seq = max(seq if epoch == self._epoch else self._cut_seq, 0)
        self._resume_outbox = outbox
        self._is_starting = True
        self._take_over()

    def _take_over(self) -> None:
        """Go through the rows that were held; those up to where the one before stopped only build the table."""
        if not self._is_starting or self._outbox_seq < self._resume_outbox:
            return
        self._is_starting = False
        held, self._held = self._held, []
        for number, item in held:
            self.host.is_live = number > self._resume_seq
            self._take(item)
        self.host.is_live = True
        self.host.clear_strays()
        self.host.go_on()

    def counters(self) -> dict[str, float]:
        host = self.host
        return {"rows": host.rows, "signals": host.signals, "intents": host.intents, "errors": host.step_errors}


def load_step(program: Any, data_dir: Path) -> Any:
    """Return the compiled step of a program from the authenticated cache."""
    from strategy import cache, compiler
    from utility.paths import DataDir

    places = DataDir(data_dir)
    return cache.load("step", compiler.source(program), places.cache / "steps", cache.mac_key(places.mac_key_file))


def preload() -> None:
    """Load what a strategy host needs, whatever its text."""
    for module in (numbers, matching, positions, position_vars, sizing, managed_codes):
        module.warm()
    for name in ("strategy.cache", "strategy.compiler", "strategy.kernels"):
        importlib.import_module(name)


def main(config: ProcessConfig) -> int:
    """Run a strategy host."""
    try:
        process = StrategyProcess(config)
    except StomError as error:
        log.error("event=strategy_refused code=%s fields=%s", error.code, error.fields)
        return error.exit_status
    status = process.run()
    if process.is_sealed:
        # An interpreter that shuts down opens and imports things; a sealed one has nothing left to write.
        os._exit(status)
    return status


def limit_memory() -> None:
    """Bound memory and open files of a host, where the system can (P22)."""
    try:
        import resource
    except ImportError:
        return
    used = Path("/proc/self/statm")
    mapped = int(used.read_text().split()[0]) * resource.getpagesize() if used.exists() else 1 << 30
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_MAX, mapped + MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))

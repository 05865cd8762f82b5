"""The trader's shell: the ledger's one writer, the private stream, the venue's answers, the `orders` socket.

The core decides and journals; this file moves bytes. Answers come from the broker's threads into one
queue and are applied in batches, each in one transaction. What it says in lock-step is in trading/trader_steps.py.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import deque
from typing import Any

from domain.errors import InputError, RefusedError, StomError, VenueError
from domain.messages import (
    Addresses,
    Barrier,
    Command,
    CommandResult,
    IntentAck,
    MarketMessage,
    Message,
    OrdersMessage,
    OutboxAck,
    ReplayPage,
    ReplayRequest,
    Rows,
    Snapshot,
    StepsMessage,
    SubmitIntent,
)
from domain.orders import Intent
from domain.ports import AccountSnapshot, Broker, BrokerFrame, BrokerOutcome, BrokerUpdate, Endpoint
from domain.process_config import ProcessConfig
from storage.ledger import Ledger
from trading import arming, judge, ladder, matching, numbers, positions
from trading.desk import Options
from trading.effects import Alarm, Cancel, Effect, Emit, Moment, Place, Query, Stop, TakeSnapshot
from trading.latency import Latency
from trading.listeners import Listeners
from trading.process import ChildProcess
from trading.risk import READY
from trading.trader import Trader
from trading.trader_steps import TraderSteps
from trading.venues import load_all
from trading.venues import market as find_market
from trading.venues import venue as find_venue
from utility import alarm_words, crash_points
from utility.build import build
from utility.bus import Router, Subscriber
from utility.clock import SystemClock
from utility.codec import Codec
from utility.paths import DataDir
from utility.secrets import KeyPair
from utility.sequence import ROWS, Hole

log = logging.getLogger(__name__)

TIMER_S = 0.05
GROUP_NS = 3_000_000
"""What the venue says within so long after a commit shares the next one: an intent would wait behind each."""
TABLE_RETRY_S = 0.5
LAST_S = 1.0
"""How long a trader that ends waits for its last cancels."""
CRASHED = 137
"""Status of a trader that died at a crash point: as if it had been killed."""


class TraderProcess(ChildProcess, TraderSteps):
    """One account's trader as a process."""

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        self.market = find_market(config.market)
        self.venue = find_venue(config.venue)
        self.clock = SystemClock()
        self.latency = Latency()
        self.orders: Router[OrdersMessage]
        self.listeners: Listeners
        self.core: Trader | None = None
        self.broker: Broker | None = None
        self.rows_in: Subscriber[MarketMessage] | None = None
        self._begin_steps()
        self._updates: deque[BrokerUpdate | AccountSnapshot | VenueError] = deque()
        self._senders: dict[str, str] = {}
        self._pages: Codec[MarketMessage] = Codec(MarketMessage)
        self._market_at = ("", "")
        self._endpoint: Endpoint | None = None
        self._marks: dict[str, int] = {}
        self._table_due_s = 0.0
        self._has_table = False
        self._timer_s = 0.0
        self._applied_ns = 0

    def open(self) -> dict[str, str]:
        preload()
        self.orders = self.bus.router(OrdersMessage)
        self.listeners = Listeners(self.orders)
        return {"orders": self.orders.address}

    # --- connecting -------------------------------------------------------------------------------------

    def on_addresses(self, addresses: Addresses) -> None:
        words, keys = addresses.addresses, addresses.server_keys
        endpoint = self.venue.live
        if self.config.is_paper:
            endpoint = Endpoint(rest=words["rest"], ws_public=words["ws_public"], ws_private=words["ws_private"])
        if self.config.lockstep and self.steps is None and words.get("steps"):
            self.steps = self.bus.dealer(StepsMessage, self.config.name, words["steps"], keys["exchange"])
        market, replay = (words["market"], keys["receiver"]), (words["replay"], keys["receiver"])
        if self.rows_in is None:
            self.rows_in = self.bus.subscriber(MarketMessage, [ROWS], self.config.name, market, replay, is_held=True)
            self.rows_in.on_page = self._on_table
        elif market != self._market_at:
            self.rows_in.connect(market, replay)
        self._market_at = market
        if self.core is None:
            self._begin(endpoint, words.get("instance", ""))
        elif endpoint != self._endpoint:
            log.warning("event=venue_moved")
            self.stop(1)  # another exchange is another truth: the next start reads it
        self._endpoint = endpoint

    def _begin(self, endpoint: Endpoint, instance: str) -> None:
        config, now = self.config, self._now()
        ledger = Ledger(DataDir(config.data_dir).account(config.account), config.account, build(), now.utc_ns, now.mono_ns)
        self.stamp("ledger")
        token = None if config.is_paper else arming.judge(config, ledger, now)
        own = config.settings.market(config.market).strategy
        options = Options(
            interval_s=config.interval_s,
            max_positions=config.max_positions,
            stops=(own.stop_loss_pct, own.stop_gain_pct),
            lockstep=config.lockstep,
            armed=True,
            was_armed=True,
            armed_until_ns=0 if token is None else token.expires_mono_ns,
            armed_until_utc=0 if token is None else token.expires_ns,
            armed_strategy="" if token is None else token.strategy,
            settle_window_s=config.settle_window_s,
            venue_instance=instance,
        )
        core = Trader(config.account, self.market, self.venue.capabilities, ledger, config.settings.risk, options)
        credentials = KeyPair(config.venue_key, config.venue_secret)
        broker = self.venue.make_broker(endpoint, credentials, self.clock, armed=self._is_armed)
        self.stamp("core")
        core.set_instruments(broker.instruments())
        self.stamp("instruments")
        self._marks = {"fills": ledger.fill_seq, "trips": ledger.trip_seq, "outbox": ledger.outbox_seq}
        self.core, self.broker = core, broker
        self._do(core.start(self._now()))
        broker.start(self._sink)

    def _is_armed(self) -> bool:
        return self.core is not None and self.core.desk.options.armed

    def _on_table(self, page: ReplayPage) -> None:
        """Take the instruments, then the rows that follow."""
        core, rows_in = self.core, self.rows_in
        if self._has_table or core is None or rows_in is None:
            return
        self._has_table = True
        for data in page.frames:
            message = self._pages.decode(data)
            if message is not None and not isinstance(message, Rows):
                self._do(core.on_market(message, self._now()))  # type: ignore[arg-type]
        rows_in.sequencer(ROWS).begin(page.epoch, page.cut_seq + 1, time.monotonic())

    # --- from the broker's threads -----------------------------------------------------------------------

    def _sink(self, update: BrokerUpdate) -> None:
        self._updates.append(update)
        self.wake.ring()

    def _take_snapshot(self, wanted: TakeSnapshot) -> None:
        broker = self.broker
        assert broker is not None

        def read() -> None:
            found: AccountSnapshot | VenueError
            try:
                found = broker.snapshot(wanted.fills_since_ns, wanted.known)
            except VenueError as error:
                found = error
            self._updates.append(found)
            self.wake.ring()

        threading.Thread(target=read, name="snapshot", daemon=True).start()

    def on_wake(self) -> None:
        core = self.core
        if core is None:
            return
        if not self.config.lockstep:
            self._read_orders()  # an intent does not wait behind the commit of what the venue said
            if self.clock.mono_ns() - self._applied_ns < GROUP_NS:
                return  # `on_tick` comes back for it
        self._take_updates(core)

    def _take_updates(self, core: Trader) -> None:
        batch: list[BrokerUpdate] = []
        while self._updates:
            update = self._updates.popleft()
            if isinstance(update, AccountSnapshot | VenueError):
                self._apply(batch)
                batch = []
                self.stamp("snapshot")
                self._do(core.on_snapshot(update, self._now()))
                continue
            if isinstance(update, BrokerOutcome) and update.sent_ns:
                self.latency.on_sent(update.client_order_id, update.sent_ns)
            batch.append(update)
        if batch:
            self._apply(batch)
            self._applied_ns = self.clock.mono_ns()
        self._go_on()

    def _apply(self, batch: list[BrokerUpdate]) -> None:
        core = self.core
        if not batch or core is None:
            return
        self._do(core.on_brokers(batch, self._now()))
        for update in batch:
            if isinstance(update, BrokerFrame):
                self._frames[update.connection] = update.frames

    # --- from the bus ---------------------------------------------------------------------------------------

    def on_input(self, endpoint: Any) -> None:
        if endpoint is self.orders:
            self._read_orders()
        elif endpoint is self.rows_in:
            self._read_rows()
        elif endpoint is self.steps:
            self._read_steps()

    def _read_orders(self) -> None:
        core = self.core
        intents: list[Intent] = []
        for peer, message in self.orders.receive():
            if core is None:
                continue  # sent again by whoever waits for an answer
            if isinstance(message, SubmitIntent):
                self._senders[message.intent.intent_id] = peer
                intents.append(message.intent)
                continue
            self._judge(intents)
            intents = []
            if isinstance(message, Snapshot):
                self.listeners.joined(peer, core.desk.ledger.outbox_seq)
                for effect in core.picture(message.what):
                    if isinstance(effect, Emit):
                        self.orders.send(peer, effect.message)
            elif isinstance(message, OutboxAck):
                floor = self.listeners.acknowledge(peer, message.seq)
                self._do(core.on_message(OutboxAck(seq=floor), self._now()))
            elif isinstance(message, Barrier):
                self._strategy_step = max(self._strategy_step, message.n)
            else:
                self._do(core.on_message(message, self._now()))
        self._judge(intents)
        self._go_on()

    def _judge(self, intents: list[Intent]) -> None:
        core = self.core
        if not intents or core is None:
            return
        now = self._now()
        effects = core.on_intents(intents, now)
        commit_ns, done_ns = core.desk.ledger.commit_ns, self.clock.mono_ns()
        for intent in intents:
            self.latency.on_intent(intent.intent_id, intent.read_ns, now.mono_ns, commit_ns, done_ns)
        self._do(effects)

    def _read_rows(self) -> None:
        core, rows_in = self.core, self.rows_in
        if core is None or rows_in is None:
            return
        if not self.config.lockstep:
            self._read_orders()  # of a row and an intent that are both here the intent goes first
        for item in rows_in.receive(time.monotonic()):
            if isinstance(item, Hole):
                log.warning("event=rows_missing from=%d to=%d epoch_changed=%s", item.from_seq, item.to_seq, item.epoch_changed)
                continue
            if isinstance(item, Barrier):
                self._step = max(self._step, item.n)
                if not self.config.has_strategy:
                    self._strategy_step = self._step
            self._do(core.on_market(item, self._now()))  # type: ignore[arg-type]
        self._go_on()

    # --- effects ------------------------------------------------------------------------------------------------

    def _do(self, effects: list[Effect]) -> None:
        core, broker = self.core, self.broker
        assert core is not None
        for effect in effects:
            if isinstance(effect, Emit):
                self._emit(effect.message)
            elif isinstance(effect, Place):
                self._place(effect)
            elif isinstance(effect, Cancel) and broker is not None:
                broker.cancel(effect.order)
            elif isinstance(effect, Query) and broker is not None:
                broker.query(effect.order)
            elif isinstance(effect, TakeSnapshot):
                self._take_snapshot(effect)
            elif isinstance(effect, Alarm):
                log.log(effect.level, "%s", alarm_words.write(effect.code, effect.fields))
            elif isinstance(effect, Stop):
                self.fail(StomError(effect.code, **effect.fields))
        if not self.is_ready and core.desk.readiness == READY:
            self.ready(account=self.config.account, epoch=core.desk.ledger.epoch, ledger_path=str(core.desk.ledger.path), **self._marks)

    def _place(self, effect: Place) -> None:
        core, broker = self.core, self.broker
        assert core is not None
        assert broker is not None
        reason = core.may_send(effect.order, self._now())
        if reason:
            outcome = BrokerOutcome(client_order_id=effect.order.client_order_id, kind="not_sent", code=reason)
            self._updates.append(outcome)
            self.wake.ring()
            return
        broker.place(effect.order)

    def _emit(self, message: Message) -> None:
        if isinstance(message, CommandResult):
            self.control.send(message)
            return
        if isinstance(message, IntentAck):
            peer = self._senders.pop(message.intent_id, "")
            if peer:
                self.orders.send(peer, message)
            return
        seq = int(getattr(message, "outbox_seq", 0))
        if seq:
            self._needed_seq = seq
        self.listeners.tell(message, seq)

    # --- the loop ---------------------------------------------------------------------------------------------------

    def patience_ms(self) -> int:
        return min(super().patience_ms(), GROUP_NS // 1_000_000) if self._updates else super().patience_ms()

    def on_tick(self, now_s: float) -> None:
        core = self.core
        if core is None:
            return
        if self._updates and not self.config.lockstep and self.clock.mono_ns() - self._applied_ns >= GROUP_NS:
            self._take_updates(core)
        if self.rows_in is not None:
            if not self._has_table and now_s >= self._table_due_s:
                self._table_due_s = now_s + TABLE_RETRY_S
                self.rows_in.ask(ReplayRequest(what="today", from_seq=-1))
            self._read_rows()
        if now_s >= self._timer_s:
            self._timer_s = now_s + TIMER_S
            self._do(core.on_timer(self._now()))
            self.listeners.tell_again(now_s, core.desk.ledger.outbox_seq, core.outbox_since)
            self._go_on()

    def on_command(self, command: Command) -> dict[str, Any]:
        core = self.core
        if core is None:
            raise StomError("process.not_ready", name=self.config.name)
        if command.name == "start":
            return {}
        if command.name == "crash_at":
            return self._crash_at(str(command.args.get("point", "")))
        if command.name == "stats":
            if command.args.get("reset"):
                self.latency.reset()
            return (
                core.stats()
                | self.latency.summary()
                | {"denied": self.bus.denied, "malformed": self.orders.codec.malformed}
                | self._money()
            )
        fields: dict[str, Any] = {}
        rest: list[Effect] = []
        for effect in core.on_command(command, self._now()):
            if isinstance(effect, Emit) and isinstance(effect.message, CommandResult):
                if not effect.message.ok:
                    self._do(rest)
                    raise StomError(effect.message.code, **effect.message.fields)
                fields = effect.message.fields
            else:
                rest.append(effect)
        self._do(rest)
        return fields

    def _crash_at(self, point: str) -> dict[str, Any]:
        """Let this process be killed where a fault rig wants it to be."""
        if not self.config.is_paper:
            raise RefusedError("process.paper_only", name="crash_at")
        if point not in crash_points.CRASH_POINTS:
            raise InputError("process.unknown_command", name=f"crash_at {point}")
        crash_points.arm(point, lambda: os._exit(CRASHED))
        return {"point": point}

    def _money(self) -> dict[str, Any]:
        assert self.core is not None
        desk = self.core.desk
        return {"equity": desk.equity(), "realised": desk.account.realised, "unrealised": desk.unrealised(), "marks": self._marks}

    def on_orphan(self) -> None:
        self._main(False)

    def on_adopted(self) -> None:
        self._main(True)

    def _main(self, is_alive: bool) -> None:
        if self.core is not None:
            effects = self.core.on_command(Command(name="main", args={"alive": is_alive}), self._now())
            self._do([one for one in effects if not (isinstance(one, Emit) and isinstance(one.message, CommandResult))])

    def counters(self) -> dict[str, float]:
        core = self.core
        if core is None:
            return {}
        return {"live": len(core.desk.orders.live_orders()), "in_doubt": len(core.desk.orders.in_doubt()), "step": self._done_step}

    def close(self) -> None:
        if self.broker is not None:
            self._take_back()
            self.broker.close()
        if self.core is not None:
            self.core.close(self._now())

    def _take_back(self) -> None:
        """Leave nothing of a strategy in the venue's book: when this process is gone nobody looks after it."""
        core = self.core
        if core is None or core.desk.readiness != READY or core.desk.failure is not None:
            return
        self._do(core.standing.retire(self._now()))
        end_s = time.monotonic() + LAST_S
        while core.standing.is_left() and time.monotonic() < end_s:
            time.sleep(0.01)
            self._take_updates(core)
        if core.standing.is_left():
            log.error("event=orders_left client_order_ids=%s", [order.client_order_id for order in core.desk.orders.live_orders()])

    def _now(self) -> Moment:
        return Moment(self.clock.mono_ns(), self.clock.utc_ns())


def preload() -> None:
    """Load what a trader needs, whatever its account."""
    for module in (numbers, matching, positions, judge, ladder):
        module.warm()
    load_all("broker")


def main(config: ProcessConfig) -> int:
    """Run a trader."""
    sys.setswitchinterval(0.0005)
    return TraderProcess(config).run()

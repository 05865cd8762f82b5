"""The trader core: intents, the venue's answers, market data, time and commands in; effects out.

It touches no socket and reads no clock: `trading/trader_process.py` feeds it and carries out what it
returns. An order is among the effects only after the transaction that journals it is durable.
Calls come from one thread, one after the other: that is the serial section of reliability P25.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from domain.errors import StomError, VenueError
from domain.instruments import NS, Capabilities, Instrument, Market
from domain.messages import (
    Barrier,
    CancelOrder,
    Command,
    CommandResult,
    FeedState,
    GapMark,
    InstrumentTable,
    Message,
    OrdersMessage,
    OrderUpdate,
    OutboxAck,
    Rows,
    Snapshot,
    SnapshotDone,
    SubmitIntent,
)
from domain.orders import Action, Fill, Intent, Order, OrderKind, OrderStatus
from domain.ports import AccountSnapshot, BrokerFrame, BrokerOutcome, BrokerQuery, BrokerState, BrokerUpdate
from domain.settings import Risk
from storage.ledger import Ledger, LedgerFailure
from trading import judge as risk_checks
from trading import ladder, positions
from trading.account import market_day
from trading.account_stop import AccountStop
from trading.arming import disarm, is_armed
from trading.desk import Desk, Options
from trading.doubt import Doubts, takes_exposure
from trading.effects import Alarm, Cancel, Effect, Emit, Moment
from trading.flatten import KillActions
from trading.gateway import Gateway, day_loss_pct
from trading.kill_switch import CANCEL, ENTRIES, FLATTEN, FREEZE, LEVELS, NONE, Latch
from trading.market_intake import MarketIntake
from trading.reconcile import Reconciler
from trading.risk import ACTIVE, HALTED, READY, REDUCING, limits
from trading.standing import Standing
from trading.statements import day_record, external_order, position_state
from trading.unwritable import Unwritable
from utility.crash_points import reach

GAP_NS = 5 * NS
"""A loop that stood still for longer was stopped or suspended: reconcile before the next send (P8)."""
MAINTAIN_NS = 5 * NS
WATCH_NS = NS // 50
"""Free-running, rows look after day and loss at most so often: with a hundred symbols they come every few milliseconds."""
RISK_DELAY_NS = 10 * NS
"""Changed limits take effect after this (P26)."""

_decode_outbox = msgspec.json.Decoder(OrdersMessage)
MarketInput = InstrumentTable | Rows | FeedState | GapMark | Barrier


class Trader:
    """One account's trader.

    Parameters
    ----------
    account, market : str, Market
        Account id and rule book.
    capabilities : Capabilities
        Of the venue.
    ledger : Ledger
        Open with a fresh epoch; this trader is its only writer.
    risk : Risk
        Limits.
    options : Options
        How it runs.

    Notes
    -----
    Life: `start` → (shell connects the private stream; `on_broker(BrokerState("connected"))`) →
    TakeSnapshot → `on_snapshot` → READY. The shell calls `on_timer` at least ten times a second.
    """

    def __init__(
        self, account: str, market: Market, capabilities: Capabilities, ledger: Ledger, risk: Risk, options: Options | None = None
    ) -> None:
        for part in (risk_checks, ladder, positions):
            part.warm()  # nothing is compiled or loaded between a signal and its order
        self.desk = Desk(account, market, capabilities, ledger, risk, options or Options())
        self.gateway = Gateway(self.desk)
        self.doubts = Doubts(self.desk)
        self.reconciler = Reconciler(self.desk, self.doubts)
        self.standing = Standing(self.desk, self.gateway, self.doubts)
        self.kill, self.stop = KillActions(self.desk, self.gateway), AccountStop(self.desk, self.gateway)
        self._waiting: list[Intent] = []
        self._timer_ns = self._timer_utc = 0
        self._maintain_ns = 0
        self._watched_ns = 0
        self._risk_due: tuple[int, Risk] | None = None
        self._intake = MarketIntake(self.desk)
        self._unwritable = Unwritable(self.desk)

    # --- start -------------------------------------------------------------------------------------------

    def set_instruments(self, instruments: Iterable[Instrument]) -> None:
        """Make the venue's instruments known: steps, minimums, assets."""
        known = list(instruments)
        self.desk.account.add_instruments(known)
        for instrument in known:
            self.desk.positions.add(instrument)

    def start(self, now: Moment) -> list[Effect]:
        """Begin as after a crash, because every start may be one (reliability 5)."""
        reach("epoch_begun")
        self.desk.begin(now)
        self._timer_ns, self._timer_utc = now
        instruments = list(self.desk.account.instruments.values())
        self.reconciler.start()
        for instrument in instruments:
            self.desk.positions.add(instrument)
        self.kill.adopt()
        self._enter_day()
        self.desk.want_state()
        return self.desk.finish("start", "recon")

    # --- intents -----------------------------------------------------------------------------------------

    def on_intent(self, intent: Intent, now: Moment) -> list[Effect]:
        """Judge an intent: an acknowledgement, and the order when it was approved."""
        return self.on_intents((intent,), now)

    def on_intents(self, intents: Sequence[Intent], now: Moment) -> list[Effect]:
        """Judge intents in the order given, in one transaction (group commit, reliability 4.1).

        In lock-step an intent waits until the rows of its step have been seen, so that what the checks
        read does not depend on which socket was faster.
        """
        desk = self.desk
        desk.begin(now)
        for intent in intents:
            if self._is_early(intent):
                self._waiting.append(intent)
            else:
                self._judge(intent)
        return desk.finish("intent", "strategy")

    def _judge(self, intent: Intent) -> None:
        desk = self.desk
        ack = self.gateway.refuse(intent, "journal") if "journal" in desk.causes else self.gateway.answer(intent)
        desk.tell(ack)

    def _is_early(self, intent: Intent) -> bool:
        if not self.desk.options.lockstep or not intent.row_ns:
            return False
        quote = self.desk.account.quotes.get(intent.instrument_id)
        return quote is not None and quote.exchange_ns < intent.row_ns

    def may_send(self, order: Order, now: Moment) -> str:
        """Ask right before the first byte: lock, epoch, latch, armed, loop gap (reliability 4.3).

        Returns
        -------
        str
            Empty when the order may leave, else a code starting with ``send.``; give it back through
            `on_broker(BrokerOutcome(kind="not_sent", code=...))`.
        """
        desk = self.desk
        if not desk.ledger.is_owner():
            return "send.not_owner"
        if not is_armed(desk.options, takes_exposure(order)):
            return "send.not_armed"
        if not desk.options.lockstep and now.mono_ns - max(self._timer_ns, desk.now.mono_ns) > GAP_NS:
            return "send.stood_still"
        level = desk.kill.level()
        protective = order.action in (Action.FLATTEN, Action.STOP)
        if level == FREEZE or (level == FLATTEN and not protective) or (level in (ENTRIES, CANCEL) and takes_exposure(order)):
            return "send.latch"
        reach("before_bytes")
        return ""

    # --- the venue -----------------------------------------------------------------------------------------

    def on_broker(self, update: BrokerUpdate, now: Moment) -> list[Effect]:
        """Apply one update of the Broker; whatever path delivers it, it counts once."""
        return self.on_brokers((update,), now)

    def on_brokers(self, updates: Sequence[BrokerUpdate], now: Moment) -> list[Effect]:
        """Apply updates in the order given, in one transaction."""
        desk = self.desk
        desk.begin(now)
        if "journal" in desk.causes:
            return []  # the next start reads all of it from the venue
        kind = "outcome"
        for update in updates:
            if isinstance(update, BrokerFrame):
                continue
            kind = "fill" if isinstance(update, Fill) else kind
            self._take(update)
        self._watch_loss()
        return desk.finish(kind, "venue")

    def _take(self, update: BrokerUpdate) -> None:
        if isinstance(update, BrokerOutcome):
            self.doubts.outcome(update)
        elif isinstance(update, BrokerQuery):
            self.doubts.query(update)
            if not update.failed:
                self.reconciler.answered(update.client_order_id)
        elif isinstance(update, BrokerState):
            self.reconciler.stream(update.code == "connected")
        elif isinstance(update, BrokerFrame):
            return
        elif self.reconciler.is_buffering:
            self.reconciler.buffer.append(update)
        else:
            self.reconciler.apply(update)

    def on_snapshot(self, snapshot: AccountSnapshot | VenueError, now: Moment) -> list[Effect]:
        """Apply the answer to TakeSnapshot."""
        self.desk.begin(now)
        if isinstance(snapshot, VenueError):
            self.reconciler.failed(snapshot)
        else:
            self.reconciler.cut(snapshot)
            self._enter_day()
        return self.desk.finish("snapshot", "recon")

    # --- market data -----------------------------------------------------------------------------------------

    def on_market(self, message: MarketInput, now: Moment) -> list[Effect]:
        """Take rows, gaps and the feed's state; judge the intents that waited for them."""
        desk = self.desk
        desk.begin(now)
        if isinstance(message, InstrumentTable):
            self.set_instruments(message.instruments)
            self._intake.table = tuple(instrument.instrument_id for instrument in message.instruments)
        elif isinstance(message, Rows):
            self._intake.rows(message)
            self.stop.on_rows(message, self._intake, self._enter_day)
        elif isinstance(message, FeedState):
            connected = message.state == "connected" or desk.options.lockstep
            desk.open_symbol("", "feed") if connected else desk.close_symbol("", "feed")
        elif isinstance(message, GapMark):
            self._intake.gap(message)
        elif isinstance(message, Barrier):
            desk.market_ns = max(desk.market_ns, message.market_ns)
        waiting, self._waiting = self._waiting, []
        for intent in waiting:
            if isinstance(message, Barrier) or not self._is_early(intent):
                self._judge(intent)
            else:
                self._waiting.append(intent)
        if desk.options.lockstep or not isinstance(message, Rows) or not 0 <= now.mono_ns - self._watched_ns < WATCH_NS:
            self._watched_ns = now.mono_ns
            self._enter_day()
            self._watch_loss()
            if desk.positions.views():
                desk.want_state()  # prices moved, and with them equity and the open profit
        return desk.finish("intent" if waiting else "market", "market")

    def _enter_day(self) -> None:
        """Start the day's counters, once a trading day (P36)."""
        desk = self.desk
        if desk.options.lockstep and not desk.market_ns:
            return  # a replay's day is the recording's, not today
        day = desk.trading_day()
        if day > desk.counters.day and desk.counters.enter_day(day, desk.ledger.count_entries(day, desk.options.interval_s)):
            with suppress(LedgerFailure):  # the handle knows; the commit of this call tells it
                desk.ledger.keep_head(desk.now.utc_ns)
            stored = desk.cursors.get("day_base", "").partition(":")
            desk.day_base = float(stored[2]) if stored[0] == str(day) and stored[2] else 0.0
            trips = desk.ledger.trips_of(day, desk.options.interval_s, int(desk.cursors.get("generation_trip", "0")))
            desk.account.realised = sum(float(row.trip["pnl"][0]) for row in trips)
        priced = all(desk.account.price(view.instrument_id) > 0.0 for view in desk.positions.views())
        if not desk.day_base and desk.readiness == READY and priced:
            desk.day_base = desk.equity()
            desk.cursors["day_base"] = f"{day}:{desk.day_base!r}"
            desk.ledger.cursor("day_base", desk.cursors["day_base"])
            if desk.causes.get("loss", (ACTIVE, ""))[0] == REDUCING:
                desk.set_cause("loss", ACTIVE)

    def _watch_loss(self) -> None:
        """Act on the day's loss without waiting for a strategy (P31)."""
        desk = self.desk
        if not desk.day_base or desk.readiness != READY:
            return
        if any(desk.account.price(view.instrument_id) <= 0.0 for view in desk.positions.views()):
            return
        loss = day_loss_pct(desk.day_base, desk.equity())
        now = desk.causes.get("loss", (ACTIVE, ""))[0]
        if loss >= desk.risk.day_loss_halt_pct and now < HALTED:
            desk.set_cause("loss", HALTED, f"{desk.risk.day_loss_halt_pct}")
        elif loss >= desk.risk.day_loss_reduce_pct and now < REDUCING:
            desk.set_cause("loss", REDUCING, f"{desk.risk.day_loss_reduce_pct}")

    # --- time --------------------------------------------------------------------------------------------------

    def on_timer(self, now: Moment) -> list[Effect]:
        """Do what is due: latch, questions, attempts, cuts, upkeep."""
        desk = self.desk
        desk.begin(now)
        if desk.failure is not None:
            return self._unwritable.tick(now)
        self._notice_pause(now)
        self._watch_arming(now)
        self.kill.tick()
        self.standing.tick()
        self.doubts.tick()
        self.reconciler.tick()
        self._enter_day()
        self._watch_loss()
        self.stop.tick()
        if self._risk_due is not None and now.mono_ns >= self._risk_due[0]:
            self._apply_risk(self._risk_due[1])
        renewed = self.doubts.renewed
        return desk.finish("attempt" if renewed else "timer", "trader") + self._maintain(now)

    def _watch_arming(self, now: Moment) -> None:
        """End the arming of a live account when its time is over, by either clock."""
        options = self.desk.options
        if options.armed and options.armed_until_ns and (now.mono_ns >= options.armed_until_ns or now.utc_ns >= options.armed_until_utc):
            disarm(self.desk, "expired")

    def _notice_pause(self, now: Moment) -> None:
        """Find out that the process was stopped or the machine slept."""
        paused = now.mono_ns - self._timer_ns > GAP_NS
        slept = (now.utc_ns - self._timer_utc) - (now.mono_ns - self._timer_ns) > GAP_NS
        self._timer_ns, self._timer_utc = now
        if (paused or slept) and not self.desk.options.lockstep:
            self.reconciler.distrust("suspended")

    def _maintain(self, now: Moment) -> list[Effect]:
        if now.mono_ns < self._maintain_ns:
            return []
        self._maintain_ns = now.mono_ns + MAINTAIN_NS
        self.desk.counters.prune(self.desk.limit_ns())
        try:
            self.desk.ledger.maintain()
        except LedgerFailure as failure:
            self.desk.begin(now)  # what was collected has left
            return self.desk.unwritable(failure)
        return []

    # --- messages and commands -----------------------------------------------------------------------------------

    def on_message(self, message: Message, now: Moment) -> list[Effect]:
        """Take a message of the `orders` socket: an intent, a cancel, an acknowledgement, a question."""
        if isinstance(message, SubmitIntent):
            return self.on_intent(message.intent, now)
        if isinstance(message, CancelOrder):
            return self.on_cancel(message.client_order_id, now)
        if isinstance(message, OutboxAck):
            self.desk.outbox_acked = max(self.desk.outbox_acked, message.seq)
            self.desk.ledger.acknowledge(message.seq)
            return []
        if isinstance(message, Snapshot):
            return self.picture(message.what)
        return []

    def on_cancel(self, client_order_id: str, now: Moment) -> list[Effect]:
        """Cancel one order; allowed in every state, also when the journal cannot be written."""
        desk = self.desk
        desk.begin(now)
        order = desk.orders.get(client_order_id)
        if order is None:
            return [Alarm("order.unknown", {"client_order_id": client_order_id}, 30)]
        if "journal" in desk.causes:
            return [Cancel(order)]
        self.gateway.cancel(order, "asked")
        self.doubts.settle(desk.orders.get(client_order_id) or order)
        return desk.finish("cancel", "trader")

    def picture(self, what: str = "all") -> list[Effect]:
        """Return everything that a listener needs to begin: live orders, positions, account, end mark; for "day" the day's record too."""
        desk = self.desk
        out: list[Effect] = [Emit(OrderUpdate(outbox_seq=0, order=order)) for order in desk.orders.live_orders()]
        out += [
            Emit(OrderUpdate(outbox_seq=0, order=external_order(statement, desk.account_id)))
            for statement in desk.account.external.values()
        ]
        out += [Emit(position_state(view, desk.owners.get(view.instrument_id, ""))) for view in desk.positions.views()]
        if what == "day":
            out.append(Emit(day_record(desk.ledger, desk.trading_day(), desk.options.interval_s, desk.cursors)))
        return [*out, Emit(desk.account_state()), Emit(SnapshotDone(outbox_seq=desk.ledger.outbox_seq))]

    def outbox_since(self, seq: int) -> list[Message]:
        """Return the durable messages after `seq`, for a listener that saw a hole."""
        return [_decode_outbox.decode(data) for data in self.desk.ledger.outbox_since(seq)]

    def on_command(self, command: Command, now: Moment) -> list[Effect]:
        """Carry out a person's command and answer it.

        Names: ``start``, ``stop`` (entries only), ``halt`` (reason; lifted by ``rearm``), ``kill`` (level,
        actor, reason), ``rearm`` (actor), ``cancel`` (client_order_id), ``main`` (alive),
        ``disarm`` (nothing arms but a start with a token), ``acknowledge`` (instrument_id), ``risk`` (settings), ``stats``.
        """
        self.desk.begin(now)
        try:
            fields = self._command(command)
        except (StomError, KeyError, ValueError, msgspec.ValidationError) as error:
            code = error.code if isinstance(error, StomError) else "command.bad"
            given = error.fields if isinstance(error, StomError) else {"reason": str(error)}
            return [*self.desk.finish("command", "person"), Emit(CommandResult(id=command.id, ok=False, code=code, fields=given))]
        if command.name == "cancel":
            effects = self.on_cancel(str(command.args["client_order_id"]), now)
        else:
            effects = self.desk.finish("command", "person")
        return [*effects, Emit(CommandResult(id=command.id, ok=True, fields=fields))]

    def _command(self, command: Command) -> dict[str, Any]:
        desk, args = self.desk, command.args
        if command.name in ("kill", "rearm"):
            level = NONE if command.name == "rearm" else str(args["level"])
            if level not in LEVELS or (command.name == "kill" and level == NONE):
                raise ValueError(f"level {level}")
            desk.kill.pull(
                Latch(level=level, actor=str(args.get("actor", "window")), reason=str(args.get("reason", "")), utc_ns=desk.now.utc_ns)
            )
            self.kill.tick()
            return {"level": level, "cancelled": self.kill.cancelled, "remaining": self.kill.remaining()}
        if command.name in ("start", "stop"):
            desk.set_cause("stopped", ACTIVE if command.name == "start" else REDUCING)
        elif command.name == "halt":
            desk.set_cause("halt", HALTED, str(args.get("reason", "")))
        elif command.name == "main":
            desk.set_cause("main", ACTIVE if args["alive"] else REDUCING, "" if args["alive"] else "main process gone")
        elif command.name == "disarm":
            disarm(desk, str(args.get("actor", "person")))
        elif command.name == "acknowledge":
            self._acknowledge(str(args["instrument_id"]))
        elif command.name == "risk":
            risk = msgspec.convert(args["settings"], Risk)
            self._risk_due = (desk.now.mono_ns + RISK_DELAY_NS, risk)
            if desk.options.armed_until_ns:
                disarm(desk, "limits")  # a person armed it with the limits that were shown
            desk.ledger.note("risk", {"settings": msgspec.to_builtins(risk), "actor": str(args.get("actor", ""))})
        elif command.name == "stats":
            return self.stats()
        elif command.name != "cancel":
            raise ValueError(f"command {command.name}")
        return {}

    def _acknowledge(self, instrument_id: str) -> None:
        desk = self.desk
        for reason in ("difference", "overfill", "resurrected"):
            desk.open_symbol(instrument_id, reason)
        desk.ledger.acknowledge_adjustments(instrument_id)
        desk.ledger.note("acknowledged", {"instrument_id": instrument_id})

    def _apply_risk(self, risk: Risk) -> None:
        desk = self.desk
        self._risk_due = None
        desk.risk = risk
        staleness = not desk.options.lockstep
        desk.limits = limits(risk, desk.market, desk.options.max_positions, desk.capabilities, staleness=staleness)

    # --- what the shell asks --------------------------------------------------------------------------------------

    def unsettled(self) -> int:
        """Return how many things of this step are still open: 0 lets a lock-step go on.

        Counted are requests without an answer, orders that cannot rest and have not ended, owed
        fills, intents that wait for rows, a cut under way.
        """
        desk = self.desk
        resting = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
        waiting = sum(
            1
            for order in desk.orders.live_orders()
            if not (order.status in resting and order.kind is OrderKind.LIMIT and order.time_in_force.value in ("gtc", "post_only"))
        )
        return waiting + len(desk.orders.owed) + len(self._waiting) + int(self.reconciler.is_reading)

    def stats(self) -> dict[str, Any]:
        """Return counts for the command line and for tests."""
        desk = self.desk
        return {
            "refusals": dict(desk.counters.refusals),
            "counts": dict(desk.orders.counts),
            "seen": dict(desk.counters.seen),
            "states": {f"{state.value}+{event.value}": count for (state, event), count in desk.orders.rows_hit.items()},
            "in_doubt": len(desk.orders.in_doubt()),
            "live": len(desk.orders.live_orders()),
            "past_levels": sum(int(row) for row in (len(prices) > 5 for prices in desk.fill_prices.values())),
            "day": market_day(desk.market, desk.market_ns or desk.now.utc_ns),
            "epoch": desk.ledger.epoch,
            "outbox": desk.ledger.outbox_seq,
        }

    def close(self, now: Moment) -> None:
        """Flush the ledger; nothing is written that a start would need."""
        self.desk.ledger.close(now.utc_ns)

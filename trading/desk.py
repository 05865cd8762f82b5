"""The trader's state and its pen: what is known, and how a change is journalled and told.

Every part of the trader core (gateway, doubt, reconciliation, kill switch) works on one Desk. A call
into the core begins with `begin`, collects effects, and ends with `finish`, which commits the
ledger first and lets orders out only when that succeeded (reliability 4.3).
"""

from __future__ import annotations

import msgspec

from domain.instruments import NS, QTY_UNIT, Capabilities, Instrument, Market
from domain.messages import AccountState, FillUpdate, Message, OrderUpdate, RoundTripState
from domain.orders import TERMINAL, Fill, Order, OrderKind, TimeInForce, qty_text
from domain.ports import BrokerOrder
from domain.settings import Risk
from storage.ledger import Ledger, LedgerFailure, decimal_text
from trading import valuation
from trading.account import Account, market_day, row_time_of
from trading.counters import Counters
from trading.effects import Alarm, Cancel, Effect, Emit, Moment, Place
from trading.kill_switch import KillSwitch, Latch
from trading.oms import CHANGED, Applied, Number, OrderBook, number_of
from trading.positions import PositionBook, PositionView
from trading.risk import ACTIVE, FROZEN, HALTED, READY, REDUCING, STARTING, limits
from trading.statements import external_order, position_state
from utility.crash_points import reach

READINESS_WORDS = ("starting", "reconciling", "degraded", "ready")
STATE_WORDS = ("active", "reducing", "halted", "halted")
LEVELS_OF_A_ROW = 5
OWN, EXTERNAL = "own", "external"

_encode = msgspec.json.Encoder().encode


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How this trader runs, beside the account and the settings.

    Parameters
    ----------
    interval_s : int
        1 or 60: row times of positions.
    max_positions, stops : int, tuple of two float
        최대매수종목수; 손실중지 and 수익중지 in %, 0 = none.
    lockstep : bool
        A replay: limits count in market time, staleness and periodic reads are off.
    armed : bool
        Paper is always armed; a live account is while its token lasts.
    was_armed : bool
        It was in this process: exits and cancels stay open when a token ends.
    armed_until_ns, armed_until_utc : int
        Monotonic and UTC; 0 = no end (paper).
    armed_strategy : str
        ``<name>/<version>`` of the one strategy that may enter; "" = any.
    settle_window_s : float
        0 = the venue's (reliability 3).
    venue_instance : str
        Names a paper exchange's life. Another one than the ledger remembers means that what the old
        one held is gone; "" for a real venue.
    """

    interval_s: int = 1
    max_positions: int = 10
    stops: tuple[float, float] = (0.0, 0.0)
    lockstep: bool = False
    armed: bool = True
    was_armed: bool = False
    armed_until_ns: int = 0
    armed_until_utc: int = 0
    armed_strategy: str = ""
    settle_window_s: float = 0.0
    venue_instance: str = ""


class Desk:
    """State of one account's trader.

    Parameters
    ----------
    account_id : str
    market : Market
    capabilities : Capabilities
    ledger : Ledger
        Open, with a fresh epoch.
    risk : Risk
        Settings of the gateway.
    options : Options
    """

    def __init__(self, account_id: str, market: Market, capabilities: Capabilities, ledger: Ledger, risk: Risk, options: Options) -> None:
        self.account_id = account_id
        self.market = market
        self.capabilities = capabilities
        self.ledger = ledger
        self.options = options
        self.risk = risk
        self.limits = limits(risk, market, options.max_positions, capabilities, staleness=not options.lockstep)
        self.orders = OrderBook(self._find_order, ledger.has_fill, capabilities.execution_ids)
        self.positions = PositionBook(market, options.interval_s, shorts=capabilities.leverage)
        self.account = Account(market)
        self.counters = Counters()
        self.readiness = STARTING
        self.causes: dict[str, tuple[int, str]] = {}
        self.closed: dict[str, set[str]] = {}
        self.owners: dict[str, str] = {}
        self.deadlines: dict[str, int] = {}
        self.touched: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.fill_prices: dict[str, set[str]] = {}
        self.market_ns = 0
        self.day_base = 0.0
        self.outbox_acked = 0
        self.now = Moment(0, 0)
        self.failure: LedgerFailure | None = None  # the journal's, from its first one on
        self._effects: list[Effect] = []
        self._places: list[Place] = []
        self._state_due, self._state_wanted = 0, False
        self._load()

    def _load(self) -> None:
        state = self.ledger.load()
        latch = state.latch
        self.kill = KillSwitch(
            self.ledger.folder, None if latch is None else Latch(level=latch[0], actor=latch[1], reason=latch[2], utc_ns=latch[3])
        )
        self.cursors = state.cursors
        self.adjustments = state.adjustments[int(self.cursors.get("generation_adjustment", "0")) :]
        for row in state.orders:
            if row.order.status in TERMINAL and self._is_gone(row.order):
                continue
            self.orders.add(row.order)
            self.deadlines[row.order.client_order_id] = row.deadline_ns
        for name, text in self.cursors.items():
            if name.startswith("instrument:"):
                # Steps and base asset decide when a position is flat, so they are known before fills are replayed.
                instrument = msgspec.json.decode(text, type=Instrument)
                self.account.add_instruments((instrument,))
                self.positions.add(instrument)
        first = int(self.cursors.get("generation_fill", "0"))
        for done in state.fills[first:]:
            if done.owner == OWN:
                self.positions.apply(done.fill, done.row_time, done.entry_row_time, done.rule, done.past_levels)
                self.fill_prices.setdefault(done.fill.client_order_id, set()).add(decimal_text(done.fill.price))
        self.generation_fills = [done.fill for done in state.fills[first:]]
        self.owners = state.owners

    def _find_order(self, client_order_id: str, number: Number) -> Order | None:
        row = self.ledger.find_order(client_order_id, *number)
        if row is None or (row.order.client_order_id != client_order_id and self._is_gone(row.order)):
            return None
        return row.order

    def _is_gone(self, order: Order) -> bool:
        """Tell whether an order belongs to an earlier paper exchange, whose numbers start again."""
        return order.created_ns < int(self.cursors.get("generation_ns", "0"))

    # --- one call into the core ----------------------------------------------------------------------

    def begin(self, now: Moment) -> None:
        """Start a call."""
        self.now = now
        self._effects = []
        self._places = []

    def finish(self, kind: str, source: str) -> list[Effect]:
        """Commit, then hand out what is to be done: orders first, then cancels, then the news.

        When the commit fails no order leaves, cancels do and trading is halted (P34, unwritable.py).
        """
        if kind in ("intent", "outcome", "fill", "snapshot"):
            reach(f"{kind}_before_commit")
        try:
            self.ledger.commit(kind, source, self.now.mono_ns, self.now.utc_ns)
        except LedgerFailure as failure:
            return self.unwritable(failure)
        if kind in ("intent", "outcome", "fill", "snapshot", "cancel", "attempt"):
            reach(f"{kind}_after_commit")
        if not self._places:
            self._pace()  # the picture of the account waits until the order is out
        return [*self._places, *self._effects]

    def unwritable(self, failure: LedgerFailure) -> list[Effect]:
        """Freeze: what was to be placed is forgotten, cancels leave, a person is told once."""
        for place in self._places:
            self.orders.remove(place.order.client_order_id)
        kept: list[Effect] = [effect for effect in self._effects if isinstance(effect, Cancel)]
        if self.failure is not None:
            return kept
        self.causes["journal"], self.failure = (FROZEN, failure.code), failure
        return [*kept, Alarm(failure.code, failure.fields, 50), Emit(self.account_state())]

    def do(self, effect: Effect) -> None:
        """Add an effect; a Place waits for the commit."""
        if isinstance(effect, Place):
            self._places.append(effect)
            self.sent[effect.order.client_order_id] = self.now.mono_ns
        else:
            self._effects.append(effect)

    def tell(self, message: Message) -> None:
        """Add a message."""
        self._effects.append(Emit(message))

    def alarm(self, code: str, level: int = 40, **fields: object) -> None:
        """Tell a person and the journal."""
        self.ledger.note(code, dict(fields))
        self._effects.append(Alarm(code, dict(fields), level))

    # --- states --------------------------------------------------------------------------------------

    @property
    def trading_state(self) -> int:
        """The most restrictive of all causes."""
        return max((level for level, _ in self.causes.values()), default=ACTIVE)

    def set_cause(self, name: str, level: int, reason: str = "") -> None:
        """Restrict trading for a named cause; ACTIVE lifts it."""
        before = self.causes.get(name)
        if level == ACTIVE:
            if before is not None:
                del self.causes[name]
                self.alarm("trader.cause_lifted", 20, cause=name)
        elif before != (level, reason):
            self.causes[name] = (level, reason)
            if before is None or before[0] != level:
                self.alarm("trader.restricted", 50 if level >= HALTED else 30, cause=name, state=STATE_WORDS[level], reason=reason)
        else:
            return
        self._state_wanted = True
        self._state_due = 0

    def set_readiness(self, readiness: int) -> None:
        """Change how far the account may be used."""
        if readiness != self.readiness:
            self.readiness = readiness
            self.ledger.note("readiness", {"state": READINESS_WORDS[readiness]})
            self._state_wanted = True
            self._state_due = 0

    def close_symbol(self, instrument_id: str, reason: str) -> None:
        """Close a symbol to entries for a reason."""
        self.closed.setdefault(instrument_id, set()).add(reason)

    def open_symbol(self, instrument_id: str, reason: str) -> None:
        """Lift one reason."""
        reasons = self.closed.get(instrument_id)
        if reasons is not None:
            reasons.discard(reason)
            if not reasons:
                del self.closed[instrument_id]

    def limit_ns(self) -> int:
        """Return the clock in which limits a second are counted."""
        return self.market_ns if self.options.lockstep else self.now.mono_ns

    def settle_ns(self) -> int:
        """Return the settle window (reliability 3)."""
        return int((self.options.settle_window_s or self.capabilities.settle_window_s) * NS)

    def trading_day(self) -> int:
        """Return the market's day of market time, or of the clock before any market data."""
        return market_day(self.market, self.market_ns or self.now.utc_ns)

    # --- orders --------------------------------------------------------------------------------------

    def submit(self, order: Order, strategy: str) -> None:
        """Journal an order as SUBMITTED and let it out after the commit."""
        self.orders.add(order)
        self._remember_instrument(order.instrument_id)
        self.deadlines[order.client_order_id] = self.now.utc_ns + self.settle_ns()
        if order.side > 0 or self.capabilities.leverage:
            self.owners.setdefault(order.instrument_id, strategy)
        self.keep(order)
        self.do(Place(order))

    def _remember_instrument(self, identifier: str) -> None:
        instrument = self.account.instruments[identifier]
        text = msgspec.json.encode(instrument).decode()
        name = f"instrument:{identifier}"
        if self.cursors.get(name) != text:
            self.cursors[name] = text
            self.ledger.cursor(name, text)

    def keep(self, order: Order) -> None:
        """Journal an order as it is, its reservation, and tell everyone."""
        self.touched[order.client_order_id] = self.now.mono_ns
        self.ledger.order(order, self.deadlines.get(order.client_order_id, 0))
        key = {"client_order_id": order.client_order_id}
        if order.status in TERMINAL:
            self.ledger.delete("reservations", key)
            self.deadlines.pop(order.client_order_id, None)
            self.open_symbol(order.instrument_id, f"doubt {order.client_order_id}")
        else:
            price = float(order.price) if order.price is not None else self.account.price(order.instrument_id)
            row = key | {"instrument_id": order.instrument_id, "side": order.side, "qty": qty_text(order.leaves_qty)}
            self.ledger.write("reservations", row | {"amount": f"{order.leaves_qty / QTY_UNIT * price:.8f}"})
            if order.in_doubt:
                self.close_symbol(order.instrument_id, f"doubt {order.client_order_id}")
            else:
                self.open_symbol(order.instrument_id, f"doubt {order.client_order_id}")
        message = OrderUpdate(outbox_seq=self.ledger.outbox_seq + 1, order=order)
        self.ledger.post(_encode(message))
        self.tell(message)
        self._state_wanted = True

    def took(self, applied: Applied | None) -> Order | None:
        """Journal what a piece of evidence changed; return the order when it changed."""
        if applied is None:
            return None
        order = applied.order
        if applied.alarm:
            self.alarm(applied.alarm, 40, client_order_id=order.client_order_id, state=order.status.value, cum_qty=qty_text(order.cum_qty))
            if applied.alarm == "order.overfill":
                self.close_symbol(order.instrument_id, "overfill")
            elif applied.alarm == "order.resurrected":
                self.close_symbol(order.instrument_id, "resurrected")
        if applied.outcome != CHANGED:
            return None
        self.keep(order)
        return order

    def keep_external(self, statement: BrokerOrder) -> None:
        """Count and show an order that is not ours; it is never cancelled by us except by the kill switch."""
        known = self.account.external.get(number_of(statement))
        if known == statement or (known is None and statement.status in TERMINAL and not statement.cum_qty):
            return
        self.account.note_external(statement)
        self.keep_venue_order(statement, EXTERNAL)
        if known is None and statement.status not in TERMINAL:
            self.alarm("order.external", 30, venue_order_id=statement.venue_order_id, instrument_id=statement.instrument_id)
            self.tell(OrderUpdate(outbox_seq=0, order=external_order(statement, self.account_id)))

    def keep_venue_order(self, statement: BrokerOrder, owner: str) -> None:
        """Journal what the venue says it holds."""
        self.ledger.write(
            "venue_orders",
            {
                "venue_order_id": statement.venue_order_id,
                "trading_day": str(self.trading_day()),
                "client_order_id": statement.client_order_id,
                "owner": owner,
                "instrument_id": statement.instrument_id,
                "side": statement.side,
                "qty": qty_text(statement.qty),
                "cum_qty": qty_text(statement.cum_qty),
                "cum_amount": decimal_text(statement.cum_amount),
                "price": None if statement.price is None else decimal_text(statement.price),
                "state": statement.status.value,
                "updated_ns": self.now.utc_ns,
            },
        )

    # --- fills ---------------------------------------------------------------------------------------

    def take_fill(self, fill: Fill) -> Order | None:
        """Apply an execution once: order, account, position, ledger and news in one transaction.

        Returns
        -------
        Order or None
            The order as it now is when the fill was new and ours. An execution of somebody else moves
            cash and holdings only. One whose owner may still turn out to be an order of ours that has
            no venue number yet waits in `orders.orphans`.
        """
        life = self.options.venue_instance
        if life and not fill.fill_key.startswith(f"{life}/"):
            # Another paper exchange counts its executions from one again.
            fill = msgspec.structs.replace(fill, fill_key=f"{life}/{fill.fill_key}")
        applied = self.orders.fill(fill, self.now.utc_ns)
        if applied is None:
            if not self.orders.knows_fill(fill.fill_key) and not self._may_be_ours(fill.instrument_id):
                self.take_external_fills(number_of(fill))
            return None
        if applied.outcome == "duplicate":
            return None
        order = applied.order
        self.account.fill(fill)
        self._book(fill, order)
        self.took(applied._replace(outcome=CHANGED))
        self.took(self.orders.settle_owed(order.client_order_id, self.now.utc_ns))
        return self.orders.get(order.client_order_id)

    def take_external_fills(self, number: Number) -> None:
        """Book executions that belong to nobody here."""
        for fill in self.orders.orphans.pop(number, []):
            if self.ledger.has_fill(fill.fill_key):
                continue
            self.orders.add_fill_key(fill.fill_key)
            self.account.fill(fill)
            self.ledger.fill(fill, EXTERNAL, row_time_of(self.market, fill.exchange_ns, self.options.interval_s))

    def _may_be_ours(self, instrument_id: str) -> bool:
        return any(not order.venue_order_id for order in self.orders.live_orders(instrument_id))

    def claim_orphans(self, order: Order) -> None:
        """Apply executions that came before the order had its venue number."""
        for fill in self.orders.orphans.pop(number_of(order), []) if order.venue_order_id else []:
            self.take_fill(msgspec.structs.replace(fill, client_order_id=order.client_order_id))

    def row_time(self, fill: Fill, order: Order) -> int:
        """Return the row time of the step a fill fell in.

        In lock-step an order that cannot rest fills in the step of its signal; any other by the
        venue's clock.
        """
        at_once = order.kind is OrderKind.MARKET or order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        if self.options.lockstep and at_once and order.row_time:
            return order.row_time
        return max(order.row_time, row_time_of(self.market, fill.exchange_ns, self.options.interval_s))

    def _book(self, fill: Fill, order: Order) -> None:
        prices = self.fill_prices.setdefault(order.client_order_id, set())
        prices.add(decimal_text(fill.price))
        past = fill.side < 0 and len(prices) > LEVELS_OF_A_ROW
        row_time = self.row_time(fill, order)
        known = msgspec.structs.replace(fill, client_order_id=order.client_order_id)
        view, trip = self.positions.apply(known, row_time, order.row_time, order.rule, past)
        self.ledger.fill(known, OWN, row_time, order.row_time, order.rule, order.label, past)
        owner = self.owners.get(order.instrument_id, "")
        state = position_state(view, owner)
        self.keep_position(view, owner)
        message = FillUpdate(outbox_seq=self.ledger.outbox_seq + 1, fill=known, position=state)
        self.ledger.post(_encode(message))
        self.tell(message)
        self._state_wanted, self._state_due = True, 0  # cash and position change together on the screen
        if trip is not None:
            self.ledger.round_trip(order.instrument_id, order.label, owner, trip)
            self.account.realised += float(trip["pnl"][0])
            code = order.instrument_id.split(":", 1)[-1]
            self.tell(RoundTripState(seq=self.ledger.trip_seq, code=code, label=order.label, data=trip.tobytes()))
        if not view.qty:
            self.owners.pop(order.instrument_id, None)

    def keep_position(self, view: PositionView, owner: str) -> None:
        """Journal a position."""
        self.ledger.write(
            "positions",
            {
                "instrument_id": view.instrument_id,
                "side": view.sign,
                "qty": qty_text(view.qty),
                "entry_price": view.entry_price,
                "entry_cost": view.entry_cost,
                "entry_time": view.entry_time,
                "entry_row_time": view.entry_row_time,
                "realised": view.realised,
                "owner": owner,
                "updated_ns": self.now.utc_ns,
            },
        )

    # --- the account for the screen --------------------------------------------------------------------

    def want_state(self) -> None:
        """Ask for an AccountState soon."""
        self._state_wanted = True

    def _pace(self) -> None:
        """Tell the account's state at most five times a second, unless a state changed or something was filled."""
        if self._state_wanted and self.now.mono_ns >= self._state_due:
            self._state_wanted = False
            self._state_due = self.now.mono_ns + NS // 5
            self._effects.append(Emit(self.account_state()))

    def unrealised(self) -> float:
        """Return the open profit at the newest prices, after fees."""
        return valuation.unrealised(self.account, self.positions, self.trading_day())

    def equity(self) -> float:
        """Return the account's worth at the newest prices, the cost of leaving taken off."""
        return valuation.equity(self.account, self.positions, self.trading_day())

    def account_state(self) -> AccountState:
        """Return cash, equity, readiness and counts as they are now."""
        live = self.orders.live_orders()
        reasons = sorted(self.causes.items(), key=lambda item: -item[1][0])
        return AccountState(
            account=self.account_id,
            market=self.market.code,
            currency=self.market.currency,
            state=READINESS_WORDS[self.readiness],
            trading_state=STATE_WORDS[self.trading_state],
            reason=" ".join(f"{name}:{reason}" if reason else name for name, (_, reason) in reasons),
            balances=self.account.balances(),
            cash=float(self.account.cash_total()),
            equity=self.equity(),
            realised=self.account.realised,
            unrealised=self.unrealised(),
            in_doubt=sum(order.in_doubt for order in live),
            open_orders=len(live) + self.account.external_open(),
            refusals=dict(self.counters.refusals),
            epoch=self.ledger.epoch,
            day_base=self.day_base,
        )

    @property
    def is_ready(self) -> bool:
        """Whether entries could be allowed."""
        return self.readiness == READY and self.trading_state < REDUCING

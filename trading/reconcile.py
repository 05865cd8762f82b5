"""Equal to the venue: at every start, after every doubt, and now and then (reliability 5).

A start after a crash and a clean start are this one path. The venue's statements are buffered while
the cut is read, then drained through the same keyed apply as everything else, so whatever was lost,
doubled or late ends in the same state.
"""

from __future__ import annotations

import re
from decimal import Decimal

from domain.errors import VenueError
from domain.instruments import NS, QTY_UNIT, Balance
from domain.messages import Message
from domain.orders import Fill, Order, OrderEvent
from domain.ports import AccountSnapshot, BrokerBalances, BrokerOrder
from storage.ledger import decimal_text
from trading.account import ZERO
from trading.desk import EXTERNAL, OWN, Desk
from trading.doubt import Doubts
from trading.effects import TakeSnapshot
from trading.oms import PENDING, Number, number_of
from trading.positions import PositionBook
from trading.risk import ACTIVE, DEGRADED, HALTED, READY, RECONCILING, REDUCING, STARTING
from trading.statements import position_state

OVERLAP_NS = 600 * NS
"""Fills are read from this long before the newest one known."""
FRESH_NS = 3 * NS
"""What changed more recently than this before a periodic cut is left to the stream."""
QUERY_WAIT_NS = 3 * NS
"""How long READY waits for the answers about single orders; what is unanswered stays in doubt."""
CHECK_S, REREAD_S, LATE_S = 30.0, 5.0, 30.0
RETRY_S = (1.0, 2.0, 4.0, 8.0, 10.0)
SIGHTINGS = 3
SKEW_NS = 2 * NS

OUR_ID = re.compile(r"[a-z2-7]{26}-[0-9]{1,3}")
"""The form of our client ids: a venue order that bears one and is not in the ledger is a malfunction (P28)."""

Held = BrokerOrder | Fill | BrokerBalances


class Reconciler:
    """Drives STARTING → RECONCILING → READY, and the checks while running.

    Parameters
    ----------
    desk : Desk
    doubts : Doubts
    """

    def __init__(self, desk: Desk, doubts: Doubts) -> None:
        self.desk = desk
        self.doubts = doubts
        self.buffer: list[Held] = []
        self.failures = 0
        self.connected = False
        self.report: dict[str, int] = {}
        self._cut_asked_ns = 0
        self._cut_asked_utc = 0
        self._again = False
        self._next_cut_ns = 0
        self._asking: set[str] = set()
        self._asking_until = 0
        self._differences: dict[str, tuple[Decimal, int]] = {}
        self._stated: dict[str, Decimal] = {}

    @property
    def is_buffering(self) -> bool:
        """Whether statements wait until the cut is there."""
        return self.desk.readiness in (STARTING, RECONCILING) and not self._asking_until

    @property
    def is_reading(self) -> bool:
        """Whether a cut is under way."""
        return self._cut_asked_ns > 0

    # --- start -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Doubt every request whose outcome this process did not see; wait for the private stream."""
        desk = self.desk
        for name, value in (("market", desk.market.code), ("currency", desk.market.currency), ("interval_s", str(desk.options.interval_s))):
            if desk.cursors.get(name) != value:
                desk.ledger.cursor(name, value)
                desk.cursors[name] = value
        if self._new_generation():
            return
        self._restore_totals()
        for order in desk.orders.live_orders():
            if order.status in PENDING and not order.in_doubt:
                desk.took(desk.orders.event(order.client_order_id, OrderEvent.AMBIGUOUS, desk.now.utc_ns))
            elif order.in_doubt:
                desk.close_symbol(order.instrument_id, f"doubt {order.client_order_id}")
        for adjustment in desk.adjustments:
            if not adjustment.acknowledged and adjustment.instrument_id:
                desk.close_symbol(adjustment.instrument_id, "difference")
        desk.set_readiness(RECONCILING)

    def _new_generation(self) -> bool:
        """Begin anew on another paper exchange: what the old one held went with it. True when it is so."""
        desk, instance = self.desk, self.desk.options.venue_instance
        known = desk.cursors.get("venue_instance", "")
        if instance and known != instance:
            desk.ledger.cursor("venue_instance", instance)
        if not instance or not known or known == instance:
            return False
        for order in desk.orders.live_orders():
            if order.status in PENDING:
                desk.took(desk.orders.event(order.client_order_id, OrderEvent.ABSENT, desk.now.utc_ns, "venue_gone"))
            else:
                desk.took(desk.orders.event(order.client_order_id, OrderEvent.EXPIRED, desk.now.utc_ns, "venue_gone"))
        for view in desk.positions.views():
            desk.ledger.delete("positions", {"instrument_id": view.instrument_id})
        for row in list(desk.cursors):
            if row.startswith("opening:"):
                desk.ledger.delete("cursors", {"name": row})
                del desk.cursors[row]
        for name in ("opened", "day_base"):
            desk.cursors.pop(name, None)
            desk.ledger.delete("cursors", {"name": name})
        desk.positions = PositionBook(desk.market, desk.options.interval_s, shorts=desk.capabilities.leverage)
        desk.generation_fills, desk.adjustments, desk.owners = [], [], {}
        desk.day_base, desk.account.realised = 0.0, 0.0
        desk.ledger.cursor("generation_adjustment", str(desk.ledger.adjustment_seq))
        for name, value in (
            ("generation_ns", desk.now.utc_ns),
            ("generation_fill", desk.ledger.fill_seq),
            ("generation_trip", desk.ledger.trip_seq),
        ):
            desk.ledger.cursor(name, str(value))
            desk.cursors[name] = str(value)
        desk.orders.forget_numbers()
        desk.alarm("trader.paper_renewed", 30, venue_instance=instance)
        desk.set_readiness(RECONCILING)
        return True

    def _restore_totals(self) -> None:
        """Rebuild cash and holdings: what was there at the opening, every fill since, every adjustment."""
        desk = self.desk
        for name, value in desk.cursors.items():
            if name.startswith("opening:"):
                desk.account.totals[name[8:]] = Decimal(value)
        if "opened" not in desk.cursors:
            return
        for fill in desk.generation_fills:
            desk.account.fill(fill)
        for adjustment in desk.adjustments:
            desk.account.move(adjustment.asset, adjustment.stated - adjustment.expected)

    def stream(self, connected: bool) -> None:
        """Note that the private stream stands or fell; it is read and buffered before the cut begins."""
        desk = self.desk
        if connected == self.connected:
            return
        self.connected = connected
        if not connected:
            if desk.readiness == READY:
                desk.set_readiness(DEGRADED)
            desk.set_cause("stream", REDUCING, "private stream lost")
            return
        desk.set_cause("stream", ACTIVE)
        if desk.readiness in (READY, DEGRADED):
            desk.set_readiness(RECONCILING)
        self.ask_cut()

    def distrust(self, reason: str) -> None:
        """Reconcile before the next send (suspend, clock step, alarm)."""
        if self.desk.readiness in (READY, DEGRADED):
            self.desk.set_readiness(RECONCILING)
            self.desk.alarm("trader.reconciling", 30, reason=reason)
        self._asking_until = 0
        self.ask_cut()

    # --- the cut ----------------------------------------------------------------------------------------

    def ask_cut(self) -> None:
        """Ask for one cut, unless one is under way."""
        desk = self.desk
        if self.is_reading:
            self._again = True  # what is being read began before the reason to read
            return
        self._again = False
        self._cut_asked_ns = desk.now.mono_ns
        self._cut_asked_utc = desk.now.utc_ns
        since = 0
        if not desk.options.lockstep:
            # In a replay the venue's clock and that of the fills are not one: everything is read.
            since = max((fill.exchange_ns for fill in desk.generation_fills), default=0)
            since = max(since, int(desk.cursors.get("fills_ns", "0")))
        known = {order.venue_order_id: order.cum_qty for order in desk.orders.orders.values() if order.venue_order_id and order.cum_qty}
        desk.do(TakeSnapshot(max(since - OVERLAP_NS, 0), known))

    def failed(self, error: VenueError) -> None:
        """Count a cut that could not be read; all pages or nothing."""
        desk = self.desk
        self._cut_asked_ns = 0
        self.failures += 1
        self._next_cut_ns = desk.now.mono_ns + int(RETRY_S[min(self.failures - 1, len(RETRY_S) - 1)] * NS)
        desk.alarm("trader.snapshot_failed", 30, reason=error.code, failures=self.failures)
        if self.failures >= 5:
            desk.set_cause("reconcile", HALTED, error.code)
        elif self.failures >= 2:
            desk.set_cause("reconcile", REDUCING, error.code)

    def cut(self, snapshot: AccountSnapshot) -> None:
        """Apply the venue's truth, drain what was buffered, ask about what it does not list."""
        desk = self.desk
        if not self.is_reading:
            return
        started, started_utc = self._cut_asked_ns, self._cut_asked_utc
        self._cut_asked_ns = 0
        self.failures = 0
        desk.set_cause("reconcile", ACTIVE)
        self.doubts.cut_utc_ns = started_utc
        self._check_clock(snapshot.venue_ns, started_utc)
        listed: set[str] = set()
        for statement in snapshot.open_orders:
            desk.keep_venue_order(statement, OWN if self.is_ours(statement) else EXTERNAL)
        for fill in sorted(snapshot.fills, key=lambda one: (one.exchange_ns, one.fill_key)):
            desk.take_fill(fill)
        for statement in snapshot.open_orders:
            order = self.statement(statement)
            if order is not None:
                listed.add(order.client_order_id)
        self._drop_external(snapshot)
        held, self.buffer = self.buffer, []
        for item in held:
            self.apply(item)
        restarting = desk.readiness in (STARTING, RECONCILING)
        unlisted = self._unlisted(listed, started, restarting)
        for order in unlisted:
            self.doubts.ask_now(order)
        for number in list(desk.orders.orphans):
            self._settle_orphans(number)
        for identifier in list(desk.closed):
            desk.open_symbol(identifier, "resurrected")
        self._stated = {balance.asset: balance.free + balance.locked for balance in snapshot.balances}
        desk.ledger.cursor("fills_ns", str(snapshot.venue_ns))
        desk.cursors["fills_ns"] = str(snapshot.venue_ns)
        self.report = {"fills": len(snapshot.fills), "open": len(snapshot.open_orders), "asked": len(unlisted), "buffered": len(held)}
        if self._again:
            self.ask_cut()
        elif restarting:
            self._asking = {order.client_order_id for order in unlisted}
            self._asking_until = desk.now.mono_ns + QUERY_WAIT_NS
            self.advance()
        else:
            self._compare(snapshot.balances)
        self._next_cut_ns = max(self._next_cut_ns, desk.now.mono_ns + int(CHECK_S * NS)) if not self._differences else self._next_cut_ns

    def _unlisted(self, listed: set[str], started: int, restarting: bool) -> list[Order]:
        desk = self.desk
        return [
            order
            for order in desk.orders.live_orders()
            if order.client_order_id not in listed
            and order.client_order_id not in self.doubts.retries
            and (restarting or started - desk.touched.get(order.client_order_id, 0) > FRESH_NS)
        ]

    def _drop_external(self, snapshot: AccountSnapshot) -> None:
        """Forget orders of others that are not open any more."""
        there = {number_of(statement) for statement in snapshot.open_orders}
        for number in [number for number in self.desk.account.external if number not in there]:
            del self.desk.account.external[number]

    def _settle_orphans(self, number: Number) -> None:
        desk = self.desk
        order = desk.orders.get("", number)
        if order is not None:
            desk.claim_orphans(order)
            return
        waiting = desk.orders.orphans[number]
        asked = {one.instrument_id for one in desk.orders.in_doubt()}
        if not any(fill.instrument_id in asked for fill in waiting):
            desk.take_external_fills(number)

    def _check_clock(self, venue_ns: int, started_utc: int) -> None:
        """Turn entries off while the venue's clock and ours differ by more than 2 s (P36)."""
        desk = self.desk
        if desk.options.lockstep or not venue_ns:
            return
        # The venue's stamp lies somewhere inside the time that the cut took.
        skew = max(started_utc - venue_ns, venue_ns - desk.now.utc_ns, 0)
        desk.set_cause("clock", REDUCING if skew > SKEW_NS else ACTIVE, "skew" if skew > SKEW_NS else "")

    def is_ours(self, statement: BrokerOrder) -> bool:
        """Tell whether an order is in our ledger."""
        return self.desk.orders.get(statement.client_order_id, number_of(statement)) is not None

    def statement(self, statement: BrokerOrder) -> Order | None:
        """Apply what the venue says about an order; return it when it is ours."""
        desk = self.desk
        order = desk.orders.get(statement.client_order_id, number_of(statement))
        if order is None:
            if OUR_ID.fullmatch(statement.client_order_id) and statement.client_order_id not in self._superseded():
                desk.set_cause("forged", HALTED, statement.client_order_id)
            desk.keep_external(statement)
            return None
        proven = desk.orders.missing_fill(statement, order, desk.market.currency)
        if proven is not None:
            desk.take_fill(proven)
        for applied in desk.orders.stated(statement, desk.now.utc_ns, desk.now.mono_ns):
            desk.took(applied)
        current = desk.orders.get(order.client_order_id) or order
        desk.claim_orphans(current)
        current = desk.orders.get(order.client_order_id) or current
        self.doubts.settle(current)
        return current

    def _superseded(self) -> set[str]:
        """Return client ids of earlier attempts: proven unsent, so seeing one is an alarm but no forgery."""
        return {f"{order.intent_id}-{attempt}" for order in self.desk.orders.orders.values() for attempt in range(1, order.attempt)}

    def apply(self, item: Held) -> None:
        """Apply one buffered or live statement."""
        if isinstance(item, BrokerOrder):
            self.statement(item)
        elif isinstance(item, Fill):
            order = self.desk.take_fill(item)
            if order is not None:
                self.doubts.settle(order)
        elif item.complete:
            self._stated = {balance.asset: balance.free + balance.locked for balance in item.balances}

    # --- ready ------------------------------------------------------------------------------------------

    def answered(self, client_order_id: str) -> None:
        """Note the answer about a single order."""
        self._asking.discard(client_order_id)
        self.advance()

    def advance(self) -> None:
        """Become READY when everything was answered, or waited for long enough."""
        desk = self.desk
        if desk.readiness != RECONCILING or not self._asking_until:
            return
        if self._asking and desk.now.mono_ns < self._asking_until:
            return
        self._asking.clear()
        self._asking_until = 0
        self._compare(tuple(Balance(asset=asset, free=amount, locked=ZERO) for asset, amount in self._stated.items()))
        desk.set_readiness(READY if self.connected else DEGRADED)
        self._next_cut_ns = desk.now.mono_ns + int((REREAD_S if self._differences else CHECK_S) * NS)
        for order in desk.orders.in_doubt():
            self.doubts.watch(order.client_order_id)
        for message in self.picture():
            desk.tell(message)
        desk.alarm("trader.ready", 20, epoch=desk.ledger.epoch, in_doubt=len(desk.orders.in_doubt()), **self.report)
        desk.want_state()

    def picture(self) -> list[Message]:
        """Return every position, for those who listen."""
        desk = self.desk
        return [position_state(view, desk.owners.get(view.instrument_id, "")) for view in desk.positions.views()]

    # --- balances ---------------------------------------------------------------------------------------

    def _compare(self, balances: tuple[Balance, ...]) -> None:
        """Compare holdings with the venue's word; a difference must persist before it counts (reliability 5.11)."""
        desk = self.desk
        stated = {balance.asset: balance.free + balance.locked for balance in balances}
        if "opened" not in desk.cursors:
            self._open_account(stated)
            return
        busy = {order.instrument_id for order in desk.orders.live_orders()}
        quiet_cash = not busy and not desk.orders.owed
        seen: set[str] = set()
        for identifier, instrument in desk.account.instruments.items():
            asset = desk.account.base_asset(identifier)
            if asset in seen or identifier in busy:
                seen.add(asset)
                continue
            seen.add(asset)
            expected, there = desk.account.totals.get(asset, ZERO), stated.get(asset, ZERO)
            step = Decimal(max(instrument.qty_step, 1)) / QTY_UNIT
            self._difference(asset, identifier, expected, there, step)
        for asset in sorted((set(stated) | set(desk.account.totals)) - seen):
            expected, there = desk.account.totals.get(asset, ZERO), stated.get(asset, ZERO)
            if quiet_cash and expected != there:
                self._adjust(asset, "", expected, there, "cash")

    def _open_account(self, stated: dict[str, Decimal]) -> None:
        desk = self.desk
        for asset, amount in stated.items():
            # Fills of this generation that the opening statement already contains are not to be booked twice.
            desk.ledger.cursor(f"opening:{asset}", decimal_text(amount - self._booked(asset)))
            desk.account.totals[asset] = amount
        desk.ledger.cursor("opened", str(desk.now.utc_ns))
        desk.cursors["opened"] = str(desk.now.utc_ns)

    def _booked(self, asset: str) -> Decimal:
        return self.desk.account.totals.get(asset, ZERO)

    def _difference(self, asset: str, identifier: str, expected: Decimal, there: Decimal, step: Decimal) -> None:
        gap = there - expected
        if gap == ZERO:
            self._differences.pop(asset, None)
            return
        if abs(gap) < step:
            self._adjust(asset, "", expected, there, "rounding")
            return
        before, times = self._differences.get(asset, (gap, 0))
        times = times + 1 if before == gap else 1
        if times < SIGHTINGS:
            self._differences[asset] = (gap, times)
            self._next_cut_ns = self.desk.now.mono_ns + int(REREAD_S * NS)
            return
        self._differences.pop(asset, None)
        self._adjust(asset, identifier, expected, there, "difference")
        self.desk.close_symbol(identifier, "difference")
        self.desk.alarm("trader.difference", 40, instrument_id=identifier, expected=decimal_text(expected), stated=decimal_text(there))

    def _adjust(self, asset: str, identifier: str, expected: Decimal, there: Decimal, cause: str) -> None:
        desk = self.desk
        desk.ledger.adjustment_seq += 1
        desk.ledger.write(
            "adjustments",
            {
                "seq": desk.ledger.adjustment_seq,
                "asset": asset,
                "instrument_id": identifier,
                "expected": decimal_text(expected),
                "stated": decimal_text(there),
                "average_price": repr(desk.account.price(identifier)),
                "cause": cause,
                "acknowledged": int(cause != "difference"),
                "utc_ns": desk.now.utc_ns,
            },
        )
        desk.account.totals[asset] = there

    # --- while running ------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Ask for the periodic cut, for one that somebody needs, and go on after one that failed."""
        desk, now = self.desk, self.desk.now.mono_ns
        self.advance()
        if self.is_reading:
            if now - self._cut_asked_ns > int(LATE_S * NS):
                self.failed(VenueError("trader.snapshot_late"))
            return
        if not self.connected and desk.readiness not in (DEGRADED,):
            return
        if self.failures and now >= self._next_cut_ns:
            self.ask_cut()
        elif self.doubts.wants_cut:
            self.doubts.wants_cut = False
            self.ask_cut()
        elif not desk.options.lockstep and desk.readiness in (READY, DEGRADED) and now >= self._next_cut_ns:
            self.ask_cut()

"""A trader core without sockets beside a small venue that knows the truth and can misbehave.

The venue matches at once at the last price (it is a model for the trader's bookkeeping, not an
exchange) and keeps its own ledger: what it did is compared with what the trader believes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np

from coin.markets import UPBIT
from domain.instruments import NS, QTY_UNIT, Balance, Capabilities, Instrument
from domain.messages import FillUpdate, InstrumentTable, IntentAck, Rows
from domain.orders import Action, Fill, Intent, Order, OrderKind, OrderStatus, TimeInForce, make_intent_id
from domain.ports import AccountSnapshot, BrokerBalances, BrokerOrder, BrokerOutcome, BrokerQuery, BrokerState
from domain.records import row_schema
from domain.settings import Risk
from storage.ledger import Ledger
from trading.desk import Options
from trading.effects import Alarm, Cancel, Effect, Emit, Moment, Place, Query, Stop, TakeSnapshot
from trading.trader import Trader

START_UTC = 1_772_409_600 * NS  # 2026-03-02 00:00 UTC
ACCOUNT = "upbit-paper"


def instrument(code: str) -> Instrument:
    return Instrument(instrument_id=f"upbit:{code}", code=code, name=code, base=code.split("-")[1], quote="KRW", min_notional=5000.0)


INSTRUMENTS = tuple(instrument(code) for code in ("KRW-AAA", "KRW-BBB", "KRW-CCC"))


@dataclass
class VenueOrder:
    order: Order
    number: str
    status: OrderStatus = OrderStatus.ACCEPTED
    cum: int = 0
    amount: Decimal = Decimal(0)
    fills: list[Fill] = field(default_factory=list)


class ModelVenue:
    """Truth: orders by client id, fills, balances."""

    def __init__(self, cash: str = "100000000") -> None:
        self.orders: dict[str, VenueOrder] = {}
        self.fills: list[Fill] = []
        self.totals: dict[str, Decimal] = {"KRW": Decimal(cash)}
        self.price: dict[str, Decimal] = {i.instrument_id: Decimal(100) for i in INSTRUMENTS}
        self.fee = Decimal("0.0005")
        self.ns = START_UTC
        self.parts = 1
        self.fee_in_base = False
        self.fill_share = 1.0
        self.max_total: dict[str, int] = {}

    def place(self, order: Order) -> list[object]:
        """Accept and match; return what the private stream says, in its true order."""
        if order.client_order_id in self.orders:
            return []
        number = f"v{len(self.orders) + 1}"
        held = self.orders[order.client_order_id] = VenueOrder(order, number)
        said: list[object] = [self.state(held)]
        want = int(order.qty * self.fill_share)
        if order.time_in_force is TimeInForce.GTC:
            return said
        for part in range(self.parts):
            qty = want // self.parts if part < self.parts - 1 else want - want // self.parts * (self.parts - 1)
            if qty > 0:
                said.append(self.fill(held, qty))
        held.status = OrderStatus.FILLED if held.cum == order.qty else OrderStatus.CANCELED
        said.append(self.state(held))
        return said

    def fill(self, held: VenueOrder, qty: int) -> Fill:
        order, price = held.order, self.price[held.order.instrument_id]
        self.ns += 1
        amount = price * qty / QTY_UNIT
        base = order.instrument_id.split("-")[1]
        in_base = self.fee_in_base and order.side > 0
        fee_asset = base if in_base else "KRW"
        fill = Fill(
            fill_key=f"{held.number}:{len(held.fills) + 1}",
            client_order_id=order.client_order_id,
            venue_order_id=held.number,
            instrument_id=order.instrument_id,
            side=order.side,
            qty=qty,
            price=price,
            fee=Decimal(qty) / QTY_UNIT * self.fee if in_base else amount * self.fee,
            fee_asset=fee_asset,
            exchange_ns=self.ns,
        )
        held.fills.append(fill)
        held.cum += qty
        held.amount += amount
        self.fills.append(fill)
        sign = 1 if order.side > 0 else -1
        self.totals[base] = self.totals.get(base, Decimal(0)) + sign * Decimal(qty) / QTY_UNIT
        self.totals["KRW"] -= sign * amount
        self.totals[fee_asset] -= fill.fee
        return fill

    def cancel(self, client_order_id: str) -> list[object]:
        held = self.orders.get(client_order_id)
        if held is None or held.status not in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
            return []
        held.status = OrderStatus.CANCELED
        return [self.state(held)]

    def state(self, held: VenueOrder) -> BrokerOrder:
        return BrokerOrder(
            client_order_id=held.order.client_order_id,
            venue_order_id=held.number,
            instrument_id=held.order.instrument_id,
            side=held.order.side,
            status=held.status,
            qty=held.order.qty,
            cum_qty=held.cum,
            cum_amount=held.amount,
            price=held.order.price,
            exchange_ns=self.ns,
        )

    def query(self, client_order_id: str) -> BrokerQuery:
        held = self.orders.get(client_order_id)
        if held is None:
            return BrokerQuery(client_order_id=client_order_id, found=False)
        return BrokerQuery(client_order_id=client_order_id, found=True, order=self.state(held), fills=tuple(held.fills))

    def snapshot(self) -> AccountSnapshot:
        open_orders = [o for o in self.orders.values() if o.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)]
        return AccountSnapshot(
            balances=self.balances().balances,
            open_orders=tuple(self.state(o) for o in open_orders),
            fills=tuple(self.fills),
            venue_ns=0,
        )

    def balances(self) -> BrokerBalances:
        found = tuple(Balance(asset=asset, free=amount, locked=Decimal(0)) for asset, amount in self.totals.items())
        return BrokerBalances(balances=found, complete=True)


class Rig:
    """A trader, its ledger on disk, a venue, a clock, and the wires between them.

    `wire(order)` decides what happens to a request: "ok", "lost" (never arrives), "silent" (arrives,
    no answer), "timeout" (arrives, in doubt), "not_sent", "transient", "rejected".
    """

    def __init__(
        self,
        folder: Path,
        *,
        risk: Risk | None = None,
        venue: ModelVenue | None = None,
        start_utc: int = START_UTC,
        **options: object,
    ) -> None:
        self.folder = folder
        self.risk = risk or Risk(orders_per_s=1000, intents_per_s=1000, orders_per_min=60000, intents_per_min=60000)
        self.venue = venue or ModelVenue()
        self.options = {"settle_window_s": 5.0, "max_positions": 10} | options
        self.mono = 1_000 * NS
        self.offset = start_utc - self.mono
        self.wire = lambda order: "ok"
        self.mangle = lambda said: said
        self.queue: list[object] = []
        self.acks: dict[str, IntentAck] = {}
        self.alarms: list[Alarm] = []
        self.messages: list[object] = []
        self.placed: list[Order] = []
        self.cancelled: list[Order] = []
        self.blocked: list[tuple[Order, str]] = []
        self.stopped = ""
        self.numbers = 0
        self.auto_query = True
        self.fresh = True
        self.trader: Trader
        self.open()

    @property
    def now(self) -> Moment:
        return Moment(self.mono, self.mono + self.offset)

    def open(self) -> None:
        ledger = Ledger(self.folder, ACCOUNT, "build", self.now.utc_ns, self.mono)
        self.trader = Trader(ACCOUNT, UPBIT, Capabilities(), ledger, self.risk, Options(**self.options))  # type: ignore[arg-type]
        self.trader.set_instruments(INSTRUMENTS)
        self.run(self.trader.start(self.now))
        self.tick()

    def connect(self) -> None:
        self.run(self.trader.on_broker(BrokerState(code="connected"), self.now))
        self.settle()

    def ready(self) -> Rig:
        self.connect()
        return self

    def crash(self) -> None:
        """End the process without a word and start again on the same files."""
        self.trader.desk.ledger._connection.close()
        self.trader.desk.ledger._lock.release()
        self.mangle, self.wire = (lambda said: said), (lambda order: "ok")
        self.queue.clear()
        self.open()

    def market(self, prices: dict[str, float], depth: float = 1e9) -> None:
        schema = row_schema("coin", 1)
        self.run(self.trader.on_market(InstrumentTable(market="upbit", instruments=INSTRUMENTS), self.now))
        rows = np.zeros(len(prices), schema.dtype())
        for i, (name, price) in enumerate(prices.items()):
            rows[i]["instrument"] = [one.instrument_id for one in INSTRUMENTS].index(name)
            rows[i]["exchange_ns"] = self.now.utc_ns
            rows[i]["values"][schema.index("last_price")] = price
            rows[i]["values"][schema.index("ask_total_size")] = depth
            rows[i]["values"][schema.index("bid_total_size")] = depth
        self.run(self.trader.on_market(Rows(market="upbit", interval_s=1, count=len(rows), data=rows.tobytes()), self.now))

    def intent(
        self, code: str = "KRW-AAA", action: Action = Action.ENTRY, qty: float = 100.0, side: int = 0, step: int = 0, **changes: object
    ) -> Intent:
        self.numbers += 1
        identifier = f"upbit:{code}"
        price = float(self.venue.price[identifier])
        row = 20260302000000 + self.numbers
        fields: dict[str, object] = {
            "intent_id": make_intent_id(ACCOUNT, "s", "v1", code, row, action.value, step),
            "account": ACCOUNT,
            "strategy": "s",
            "version": "v1",
            "instrument_id": identifier,
            "action": action,
            "side": side or (1 if action is Action.ENTRY else -1),
            "qty": int(qty * QTY_UNIT),
            "reference_price": price,
            "row_time": row,
        }
        return Intent(**(fields | changes))  # type: ignore[arg-type]

    def send(self, intent: Intent) -> IntentAck:
        self.run(self.trader.on_intent(intent, self.now))
        return self.acks[intent.intent_id]

    def enter(self, code: str = "KRW-AAA", qty: float = 100.0) -> IntentAck:
        ack = self.send(self.intent(code, qty=qty))
        self.settle()
        return ack

    def leave(self, code: str = "KRW-AAA", qty: float = 100.0) -> IntentAck:
        ack = self.send(self.intent(code, Action.EXIT, qty=qty))
        self.settle()
        return ack

    def tick(self) -> None:
        """Let the feed say the venue's prices once more."""
        self.market({i.instrument_id: float(self.venue.price[i.instrument_id]) for i in INSTRUMENTS})

    # --- wires -------------------------------------------------------------------------------------------

    def run(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.act(effect)

    def act(self, effect: Effect) -> None:
        if isinstance(effect, Place):
            self._place(effect.order)
        elif isinstance(effect, Cancel):
            self.cancelled.append(effect.order)
            self.queue += self.mangle(self.venue.cancel(effect.order.client_order_id))
        elif isinstance(effect, Query):
            if self.auto_query:
                self.queue.append(self.venue.query(effect.order.client_order_id))
        elif isinstance(effect, TakeSnapshot):
            self.queue.append("snapshot")
        elif isinstance(effect, Alarm):
            self.alarms.append(effect)
        elif isinstance(effect, Stop):
            self.stopped = effect.code
        elif isinstance(effect, Emit):
            self.messages.append(effect.message)
            if isinstance(effect.message, IntentAck):
                self.acks[effect.message.intent_id] = effect.message

    def _place(self, order: Order) -> None:
        # The journal must know the order before the venue can.
        assert self.trader.desk.ledger._connection.execute(
            "SELECT 1 FROM orders WHERE client_order_id = ? AND state = 'submitted'", (order.client_order_id,)
        ).fetchone()
        reason = self.trader.may_send(order, self.now)
        if reason:
            self.blocked.append((order, reason))
            self.queue.append(BrokerOutcome(client_order_id=order.client_order_id, kind="not_sent", code=reason))
            return
        self.placed.append(order)
        fate = self.wire(order)
        key = order.client_order_id
        if fate in ("not_sent", "transient", "rejected"):
            self.queue.append(BrokerOutcome(client_order_id=key, kind=fate, code=f"test.{fate}"))
        elif fate == "lost":
            self.queue.append(BrokerOutcome(client_order_id=key, kind="in_doubt", code="timeout"))
        else:
            said = self.venue.place(order)
            number = self.venue.orders[key].number
            if fate == "timeout":
                self.queue.append(BrokerOutcome(client_order_id=key, kind="in_doubt", code="timeout"))
            elif fate == "ok":
                self.queue.append(BrokerOutcome(client_order_id=key, kind="accepted", venue_order_id=number, sent_ns=self.mono))
            self.queue += self.mangle(said)

    def settle(self, most: int = 10_000) -> None:
        """Deliver everything that is on the wires."""
        for _ in range(most):
            if not self.queue:
                return
            item = self.queue.pop(0)
            if item == "snapshot":
                self.run(self.trader.on_snapshot(self.venue.snapshot(), self.now))
            else:
                self.run(self.trader.on_broker(item, self.now))  # type: ignore[arg-type]
        raise AssertionError("the wires never became quiet")

    def advance(self, seconds: float, step: float = 0.1) -> None:
        """Let time pass: timers run, answers arrive."""
        for _ in range(max(round(seconds / step), 1)):
            self.mono += int(step * NS)
            if self.fresh:
                self.tick()
            self.run(self.trader.on_timer(self.now))
            self.settle()

    # --- truth -------------------------------------------------------------------------------------------

    def position(self, code: str = "KRW-AAA") -> int:
        return self.trader.desk.positions.view(f"upbit:{code}").qty

    def agrees(self) -> None:
        """Check that the ledger equals the venue's truth (quiescence)."""
        desk = self.trader.desk
        truth = {fill.fill_key: fill for fill in self.venue.fills}
        rows = desk.ledger.load().fills
        assert {row.fill.fill_key for row in rows} == set(truth)
        assert len(rows) == len(truth)
        for asset, amount in self.venue.totals.items():
            assert desk.account.totals.get(asset, Decimal(0)) == amount, asset
        for key, held in self.venue.orders.items():
            order = desk.orders.get(key)
            if order is None:
                continue
            assert order.cum_qty == held.cum
            assert order.venue_order_id == held.number
            assert order.status is held.status, (key, order.status, held.status)
        intents: dict[str, int] = {}
        for key in self.venue.orders:
            intents[key[:26]] = intents.get(key[:26], 0) + 1
        assert max(intents.values(), default=0) <= 1, "an intent has two venue orders"

    def fills_told(self) -> list[Fill]:
        return [message.fill for message in self.messages if isinstance(message, FillUpdate)]


__all__ = ["ACCOUNT", "INSTRUMENTS", "Action", "ModelVenue", "OrderKind", "Rig"]

"""A strategy host's rehearsal: every road it will take after the seal is taken once before it.

After the seal nothing can be compiled, imported or opened, so whatever is done for the first time then
ends the process. A second host of the same kind is led through a day with an instrument that does not
exist: rows, both signals, acknowledgements, fills, a refusal, a barrier, a snapshot, an error.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import numpy as np
from msgspec.structs import replace

from domain.instruments import NS, QTY_UNIT, Instrument
from domain.messages import (
    Barrier,
    CancelOrder,
    CommandResult,
    FillUpdate,
    Heartbeat,
    InstrumentTable,
    IntentAck,
    OrderUpdate,
    OutboxAck,
    PositionState,
    Rows,
    Snapshot,
    SnapshotDone,
    SubmitIntent,
)
from domain.orders import Fill, Intent, Order, OrderStatus, TimeInForce
from trading.resting import Plan
from trading.strategy_host import StrategyHost
from utility.codec import encode

log = logging.getLogger(__name__)

DAY = {1: 20260105000000, 60: 202601050000}
NAME = Instrument(instrument_id="rehearsal:X", code="X", name="X", price_step=1.0, qty_decimals=8)


class _Always:
    """A step that signals on every row, after the real one has run on it."""

    def __init__(self, step: Any) -> None:
        self._step = step

    def buy(self, *arguments: Any) -> int:
        self._step.buy(*arguments)
        return 1

    def sell(self, *arguments: Any) -> int:
        self._step.sell(*arguments)
        return 1

    def mark(self, *arguments: Any) -> int:
        return int(self._step.mark(*arguments))


class _Broken(_Always):
    """A step that fails."""

    def buy(self, *arguments: Any) -> int:
        raise ArithmeticError("rehearsal")


def rehearse(host: StrategyHost) -> int:
    """Lead a copy of `host` through a day; return the number of intents it made (at least two)."""
    made: list[Intent | CancelOrder | Barrier] = []
    copy = StrategyHost(
        host.market,
        host.text,
        host.program,
        _Always(host.step),
        host.module,
        host.account,
        lockstep=True,
        send=made.append,
    )
    copy.warmup, copy.end_s = 1, 86_400
    copy.on_instruments(InstrumentTable(market=host.market.code, instruments=(NAME,)))
    copy.on_snapshot_done(SnapshotDone(outbox_seq=0), set(), set())
    copy.is_live = True
    row = answered = 0
    for outcome in ("refused", "rests", "filled", "filled", "filled"):
        copy.on_rows(_row(copy, row))
        row += 1
        intents = [one for one in made if isinstance(one, Intent)]
        if len(intents) > answered:
            answered = len(intents)
            encode(SubmitIntent(intent=intents[-1]))
            _answer(copy, intents[-1], outcome)
    copy.on_barrier(Barrier(n=1, market_ns=NS, closing=(0,)))
    for message in (Snapshot(), OutboxAck(seq=1), Heartbeat(counters={"rows": 1.0}), CommandResult(id=1, ok=True, fields=copy.stats())):
        encode(message)
    for one in made:
        if isinstance(one, Barrier | CancelOrder):
            encode(one)
    logging.disable(logging.CRITICAL)
    copy.step = _Broken(host.step)
    copy.on_position(_flat())
    copy.on_rows(_row(copy, row))
    logging.disable(logging.NOTSET)
    log.info("event=rehearsed intents=%d value=%.1f", len(made), 1.0)
    return sum(isinstance(one, Intent) for one in made)


def _row(host: StrategyHost, number: int) -> Rows:
    rows = np.zeros(1, host.dtype)
    rows["row_time"] = DAY[host.program.interval_s] + number
    rows["exchange_ns"] = 1_767_571_200 * NS + number * host.program.interval_s * NS
    rows["values"] = 1.0
    # Deep enough for any betting: the whole quantity has to fit in the first level.
    rows["values"][:, host._c_ask_sizes] = rows["values"][:, host._c_bid_sizes] = 1e9
    return Rows(market=host.market.code, interval_s=host.program.interval_s, count=1, data=rows.tobytes())


def _answer(host: StrategyHost, intent: Intent, outcome: str) -> None:
    if outcome == "refused":
        host.on_ack(IntentAck(intent_id=intent.intent_id, accepted=False, rule="rehearsal", limit=1.0, observed=2.0))
        return
    host.on_ack(IntentAck(intent_id=intent.intent_id, accepted=True))
    name = f"{intent.intent_id}-1"
    order = Order(
        client_order_id=name,
        intent_id=intent.intent_id,
        account=intent.account,
        instrument_id=intent.instrument_id,
        side=intent.side,
        qty=intent.qty,
        kind=intent.kind,
        time_in_force=TimeInForce.IOC if intent.price is None else TimeInForce.GTC,
        price=intent.price,
        status=OrderStatus.FILLED,
        cum_qty=intent.qty,
    )
    if outcome == "rests" and intent.price is not None and host.managed is not None:
        _move(host, order)
        return
    fill = Fill(
        fill_key=name,
        client_order_id=name,
        venue_order_id="1",
        instrument_id=intent.instrument_id,
        side=intent.side,
        qty=intent.qty,
        price=Decimal(1),
        fee=Decimal(0),
        fee_asset="",
        exchange_ns=1,
    )
    held = intent.qty if intent.side > 0 else 0
    position = PositionState(
        instrument_id=intent.instrument_id,
        qty=held,
        entry_price=1.0,
        entry_cost=float(intent.qty / QTY_UNIT),
        entry_time=intent.row_time,
        entry_row_time=intent.row_time,
        realised=0.0,
        owner=intent.strategy,
    )
    host.on_fill(FillUpdate(outbox_seq=1, fill=fill, position=position))
    host.on_order(OrderUpdate(outbox_seq=2, order=order))


def _move(host: StrategyHost, order: Order) -> None:
    """Let a limit order rest, be taken back and be placed anew."""
    symbol = host.by_id[order.instrument_id]
    host.on_order(OrderUpdate(outbox_seq=1, order=replace(order, status=OrderStatus.ACCEPTED, cum_qty=0)))
    assert host.managed is not None
    host.managed.limits.take_back(symbol, Plan(price=float(order.price or 0), is_replacement=True))
    for status in (OrderStatus.PENDING_CANCEL, OrderStatus.CANCELED):
        host.on_order(OrderUpdate(outbox_seq=2, order=replace(order, status=status, cum_qty=0)))


def _flat() -> PositionState:
    return PositionState(
        instrument_id=NAME.instrument_id, qty=0, entry_price=0.0, entry_cost=0.0, entry_time=0, entry_row_time=0, realised=0.0
    )

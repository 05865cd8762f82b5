"""The strategy host core: what acts on a row, what waits, what is passed on, and what a restart may not do twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.instruments import NS, Instrument
from domain.messages import (
    Barrier,
    FillUpdate,
    InstrumentTable,
    IntentAck,
    OrderUpdate,
    PositionState,
    Rows,
    SnapshotDone,
)
from domain.orders import Action, Fill, Intent, Order, OrderKind, OrderStatus, TimeInForce
from domain.process_config import StrategyText
from strategy.interpreter import Interpreter
from strategy.program import build
from trading.rehearsal import rehearse
from trading.strategy_host import StrategyHost

BUY = "if 현재가 < self.vars[1]:\n    매수 = False\n"
SELL = "if 보유시간 >= 2:\n    매도 = True\nelif 수익률 >= 50:\n    매도 = True\n    강제청산 = True\n"
DAY = 20260105000000
A = Instrument(instrument_id="upbit:KRW-A", code="KRW-A", name="A")
B = Instrument(instrument_id="upbit:KRW-B", code="KRW-B", name="B")


class Table:
    """A host and the trader's side of its conversation."""

    def __init__(self, *, lockstep: bool = True, step: Any = None, **text: Any) -> None:
        self.sent: list[Any] = []
        words = {"name": "s", "version": "1", "buy": BUY, "sell": SELL, "variables": (1.0, 0.0), "betting": 1_000.0} | text
        chosen = StrategyText(**words)
        program = build(chosen.buy, chosen.sell, UPBIT, 1)
        self.host = StrategyHost(
            UPBIT, chosen, program, step or Interpreter(program), None, "upbit-paper", lockstep=lockstep, send=self.sent.append
        )
        self.host.on_instruments(InstrumentTable(market="upbit", instruments=(A, B)))
        self.host.is_live = True

    def row(self, second: int, price: float = 100.0, index: int = 0, *, depth: float = 1e6, universe: float = 1.0, day: int = DAY) -> None:
        host = self.host
        rows = np.zeros(1, host.dtype)
        rows["row_time"], rows["instrument"] = day + second, index
        rows["exchange_ns"] = second * NS
        values = rows["values"][0]
        values[host._c_last], values[host.universe_column] = price, universe
        values[host._c_asks], values[host._c_bids] = price + np.arange(1, 6), price - np.arange(1, 6)
        values[host._c_ask_sizes] = values[host._c_bid_sizes] = depth
        host.on_rows(Rows(market="upbit", interval_s=1, count=1, data=rows.tobytes()))

    def intents(self) -> list[Intent]:
        return [one for one in self.sent if isinstance(one, Intent)]

    def barriers(self) -> list[int]:
        return [one.n for one in self.sent if isinstance(one, Barrier)]

    def fill(self, intent: Intent, *, order_first: bool = False, owner: str = "s") -> None:
        name = f"{intent.intent_id}-1"
        held = intent.qty if intent.side > 0 else 0
        position = PositionState(
            instrument_id=intent.instrument_id, qty=held, entry_price=100.0, entry_cost=1_000.0, entry_time=intent.row_time,
            entry_row_time=intent.row_time, realised=0.0, owner=owner,
        )  # fmt: skip
        fill = Fill(
            fill_key=name, client_order_id=name, venue_order_id="1", instrument_id=intent.instrument_id, side=intent.side, qty=intent.qty,
            price=Decimal(100), fee=Decimal(0), fee_asset="KRW", exchange_ns=1,
        )  # fmt: skip
        order = Order(
            client_order_id=name, intent_id=intent.intent_id, account=intent.account, instrument_id=intent.instrument_id, side=intent.side,
            qty=intent.qty, kind=OrderKind.MARKET, time_in_force=TimeInForce.IOC, price=None, status=OrderStatus.FILLED, cum_qty=intent.qty,
        )  # fmt: skip
        self.host.on_ack(IntentAck(intent_id=intent.intent_id, accepted=True))
        steps = [lambda: self.host.on_fill(FillUpdate(outbox_seq=1, fill=fill, position=position))]
        steps.append(lambda: self.host.on_order(OrderUpdate(outbox_seq=2, order=order)))
        for step in reversed(steps) if order_first else steps:
            step()


def test_entry_is_sized_and_waits_until_its_order_has_ended() -> None:
    table = Table()
    table.row(1)
    (intent,) = table.intents()
    assert (intent.action, intent.side, intent.qty, intent.row_time) == (Action.ENTRY, 1, 10 * 10**8, DAY + 1)
    table.row(2)
    assert len(table.intents()) == 1  # pending: no second signal
    table.fill(intent)
    assert table.host.waiting == {}
    assert table.host.symbols[0].qty == intent.qty


def test_exit_follows_position_variables_and_names_its_rule() -> None:
    table = Table()
    table.row(1)
    table.fill(table.intents()[0])
    table.row(2)
    assert len(table.intents()) == 1  # held one second
    table.row(3)
    out = table.intents()[-1]
    assert (out.action, out.side, out.rule, out.label, out.force) == (Action.EXIT, -1, 1, "if 보유시간 >= 2:", False)


def test_forced_exit_needs_no_depth() -> None:
    table = Table()
    table.row(1)
    table.fill(table.intents()[0])
    table.row(2, 200.0, depth=0.0)
    assert table.intents()[-1].force
    assert type(table.intents()[-1].force) is bool


@pytest.mark.parametrize("depth", [0.0, 2.0])
def test_signal_that_does_not_fit_the_book_is_not_sent(depth: float) -> None:
    table = Table()
    table.row(1, depth=depth)  # three levels of 2 are 6, ten are wanted
    assert table.intents() == []
    assert (table.host.signals, table.host.unfit) == (1, 1)


def test_entry_needs_the_universe_the_exit_does_not() -> None:
    table = Table()
    table.row(1, universe=0.0)
    assert table.intents() == []
    table.row(2)
    table.fill(table.intents()[0])
    table.row(4, universe=0.0)
    assert table.intents()[-1].action is Action.EXIT


def test_warm_up_and_start_time_hold_the_codes_back() -> None:
    table = Table(variables=(3.0, 0.0), start_s=4)
    for second in (1, 2, 3):
        table.row(second)
    assert table.intents() == []  # third row is warm, but before the start
    table.row(4)
    assert len(table.intents()) == 1


def test_free_running_entries_stop_before_the_day_ends_and_positions_are_closed() -> None:
    table = Table(lockstep=False)
    table.row(235_949)
    table.fill(table.intents()[0])
    table.row(235_950)
    out = table.intents()[-1]
    assert (out.action, out.force, out.rule) == (Action.EXIT, True, 0)
    table.fill(out)
    table.row(235_951)
    assert len(table.intents()) == 2


def test_barrier_waits_for_fills_then_closes_what_closes_then_passes_on() -> None:
    table = Table()
    table.row(1)
    entry = table.intents()[0]
    table.host.on_barrier(Barrier(n=1, market_ns=NS, closing=(0,)))
    assert table.barriers() == []
    table.fill(entry, order_first=True)  # the order's end may come before its fill
    closing = table.intents()[-1]
    assert (closing.action, closing.rule, closing.step, closing.force) == (Action.EXIT, 0, 1, True)
    assert closing.intent_id != entry.intent_id
    assert table.barriers() == []
    table.fill(closing)
    assert table.barriers() == [1]


def test_refused_intent_frees_the_symbol_and_the_barrier() -> None:
    table = Table()
    table.row(1)
    table.host.on_barrier(Barrier(n=7, market_ns=NS))
    table.host.on_ack(IntentAck(intent_id=table.intents()[0].intent_id, accepted=False, rule="cash"))
    assert table.barriers() == [7]
    table.row(2)
    assert len(table.intents()) == 2


def test_same_row_again_gives_the_same_id_and_no_act_on_its_own_entry() -> None:
    first = Table()
    first.row(5)
    again = Table()
    again.row(5)
    assert first.intents()[0].intent_id == again.intents()[0].intent_id
    # The host came back after the fill: the position was opened on the row that is given again.
    late = Table()
    late.host.on_position(
        PositionState(
            instrument_id=A.instrument_id,
            qty=10,
            entry_price=1.0,
            entry_cost=1.0,
            entry_time=DAY + 5,
            entry_row_time=DAY + 5,
            realised=0.0,
            owner="s",
        )  # fmt: skip
    )
    late.row(5, 1_000.0)
    assert late.intents() == []


def test_held_back_rows_build_the_table_and_send_nothing() -> None:
    table = Table()
    table.host.is_live = False
    table.row(1)
    table.host.on_barrier(Barrier(n=1, market_ns=NS))
    assert table.sent == []
    table.host.is_live = True
    table.row(2)
    assert table.host.symbols[0].table.count == 2
    assert len(table.intents()) == 1


def test_position_of_a_person_is_not_sold() -> None:
    table = Table()
    table.row(1)
    table.fill(table.intents()[0], owner="manual")
    table.row(9, 1_000.0)
    assert len(table.intents()) == 1


def test_snapshot_flattens_what_it_does_not_name_and_frees_what_is_over() -> None:
    table = Table()
    table.row(1)
    table.fill(table.intents()[0])
    table.row(1, index=1)
    waiting = table.intents()[-1].intent_id
    table.host.on_snapshot_done(SnapshotDone(outbox_seq=9), set(), {waiting})
    assert table.host.symbols[0].qty == 0
    assert waiting in table.host.waiting  # not yet acknowledged: it is being sent again
    table.host.on_snapshot_done(SnapshotDone(outbox_seq=9), set(), set())
    assert table.host.waiting == {}


def test_new_day_begins_with_an_empty_table() -> None:
    table = Table(variables=(2.0, 0.0))
    table.row(1)
    table.row(2)
    table.host.on_ack(IntentAck(intent_id=table.intents()[0].intent_id, accepted=False))
    table.row(1, day=20260106000000)
    assert table.host.symbols[0].table.count == 1
    assert len(table.intents()) == 1  # the warm-up counts anew


def test_rows_that_come_twice_are_counted_and_dropped() -> None:
    table = Table()
    table.row(5)
    table.row(5)
    table.row(4)
    assert table.host.stale_rows == 2
    assert len(table.intents()) == 1


class _Raises:
    def buy(self, *arguments: Any) -> int:
        raise ValueError("broken")

    def sell(self, *arguments: Any) -> int:
        raise ValueError("broken")


def test_five_errors_disable_the_strategy_and_the_process_lives(caplog: pytest.LogCaptureFixture) -> None:
    table = Table(step=_Raises())
    for second in range(1, 8):
        table.row(second)
    assert table.host.disabled == "errors"
    assert table.host.rows == 7
    assert table.sent == []


def test_row_with_a_value_that_is_no_number_is_refused() -> None:
    table = Table()
    table.row(1, float("nan"))
    assert table.host.step_errors == 1
    table.row(2)
    assert len(table.intents()) == 1


def test_rehearsal_takes_every_road_and_leaves_the_host_alone() -> None:
    table = Table()
    assert rehearse(table.host) >= 3
    assert table.sent == []
    assert table.host.rows == 0

"""The rules of order management one by one, with numbers of the specification."""

from __future__ import annotations

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.order_settings import Entry, Exit, OrderSettings, Weights
from stock.markets import KRX
from trading.holding import Holding
from trading.ladder import ladder_table
from trading.order_rules import (
    ENTRY,
    EXIT,
    MEMORY,
    RATIOS,
    STOP_MONEY,
    add_is_due,
    cancel_is_due,
    entry_is_open,
    entry_may_leave,
    exit_may_leave,
    exit_units,
    forget,
    limit_price,
    note_close,
    note_fill,
    replace_is_due,
    replace_price,
    rules_vector,
    step_is_due,
    step_share,
    stop_is_hit,
    weight,
    weights_vector,
)

DAY = 20260105
KRX_LADDER, UPBIT_LADDER = np.array(ladder_table(KRX)), np.array(ladder_table(UPBIT))


def rules(entry: Entry | None = None, leave: Exit | None = None) -> np.ndarray:
    return rules_vector(OrderSettings(entry=entry or Entry(), exit=leave or Exit()), UPBIT)


def memory() -> np.ndarray:
    out = np.zeros(MEMORY)
    forget(out)
    return out


def test_shares_of_the_steps() -> None:
    assert RATIOS[1, 5].tolist() == [0.5161, 0.2581, 0.1290, 0.0645, 0.0323]
    assert RATIOS[2, 3, :3].tolist() == [0.1429, 0.2857, 0.5714]
    assert np.allclose(RATIOS[:, 1:].sum(axis=2), 1.0, atol=2e-4)
    side = rules(Entry(splits=2, split_method="rising"))[ENTRY]
    assert [step_share(side, done) for done in range(3)] == pytest.approx([0.3333, 0.6667, 0.0])


def test_what_keeps_the_buy_code_from_running() -> None:
    def is_open(entry: Entry, price: float = 1000.0, seconds: int = 0, *, listed: bool = False, stock: bool = False) -> bool:
        vector = rules_vector(OrderSettings(entry=entry), KRX if stock else UPBIT)
        return bool(entry_is_open(vector, listed, seconds, price, KRX_LADDER if stock else UPBIT_LADDER, DAY))

    assert is_open(Entry(), listed=True)
    assert not is_open(Entry(ban_blacklist=True), listed=True)
    assert [is_open(Entry(ban_cheap=True), price) for price in (200.0, 200.1)] == [False, True]
    noon = Entry(ban_time=True, ban_from="120000", ban_to="130000")
    assert [is_open(noon, seconds=s) for s in (43_199, 43_200, 46_799, 46_800)] == [True, False, False, True]
    night = Entry(ban_time=True, ban_from="230000", ban_to="010000")
    assert [is_open(night, seconds=s) for s in (0, 3_600, 82_799, 82_800)] == [False, True, True, False]
    five = Entry(ban_round=True)
    assert [is_open(five, price, stock=True) for price in (19_990.0, 20_000.0, 20_250.0, 20_300.0)] == [True, False, False, True]


def test_counts_and_intervals_refuse_an_entry() -> None:
    kept = memory()
    note_fill(kept, 100)
    note_close(kept, 100, -1.0)
    assert entry_may_leave(rules(), kept, 100, 0)
    assert not entry_may_leave(rules(Entry(ban_trades=True, ban_trades_count=1)), kept, 100, 0)
    assert not entry_may_leave(rules(Entry(ban_stops=True, ban_stops_count=1)), kept, 100, 0)
    assert entry_may_leave(rules(Entry(ban_stops=True, ban_stops_count=2)), kept, 100, 0)
    assert [entry_may_leave(rules(Entry(ban_interval=True)), kept, s, 0) for s in (104, 105)] == [False, True]
    assert [entry_may_leave(rules(Entry(ban_stop_interval=True)), kept, s, 0) for s in (399, 400)] == [False, True]
    assert [entry_may_leave(rules(Entry(splits=2)), memory(), 0, done) for done in (1, 2)] == [True, False]


def test_sell_bans() -> None:
    def may(leave: Exit, entries: int = 1, seconds: int = 500, price: float = 1.0) -> bool:
        kept = memory()
        note_fill(kept, 400)
        vector = rules_vector(OrderSettings(exit=leave), KRX)
        return bool(exit_may_leave(vector, kept, seconds, entries, price, KRX_LADDER, DAY))

    assert may(Exit())
    assert [may(Exit(ban_entries=True), entries) for entries in (2, 3)] == [False, True]
    assert [may(Exit(ban_interval=True), seconds=s) for s in (699, 700)] == [False, True]
    assert [may(Exit(ban_round=True), price=p) for p in (19_940.0, 19_950.0, 20_000.0, 20_050.0)] == [True, False, False, True]


def test_steps_by_return() -> None:
    down = rules(Entry(splits=3, split_down=True, split_up=False, split_from_last=False))
    assert [add_is_due(down, pct, 100.0, 100.0, 1) for pct in (-0.5, -0.51)] == [False, True]
    last = rules(Entry(splits=3, split_up_pct=1.0))
    assert [add_is_due(last, 0.0, price, 100.0, 1) for price in (101.0, 101.1, 99.0)] == [False, True, False]
    assert add_is_due(last, 0.0, 98.9, 100.0, -1)
    leave = rules(leave=Exit(splits=3, split_down=True))
    assert [step_is_due(leave, pct, done) for pct, done in ((2.1, 0), (2.1, 1), (4.1, 1), (-0.6, 0), (-0.6, 1))] == [
        True, False, True, True, False,
    ]  # fmt: skip
    side = leave[EXIT]
    assert [exit_units(side, done, 100, 40) for done in range(3)] == [40, 40, 100]
    assert exit_units(side, 0, 30, 40) == 30


def test_stops_and_the_unit_of_money() -> None:
    both = Exit(stop_rate=True, stop_money=True)
    assert [stop_is_hit(rules(leave=both), pct, pnl) for pct, pnl in ((-4.99, -99.0), (-5.0, 0.0), (0.0, -100.0))] == [False, True, True]
    assert not stop_is_hit(rules(), -100.0, -1e12)
    assert rules_vector(OrderSettings(exit=both), KRX)[EXIT, STOP_MONEY] == 1_000_000.0


def test_weights_in_five_bands() -> None:
    vector = weights_vector(OrderSettings(weights=Weights(by="day_range", factors=(1.0, 2.0, 3.0, 4.0, 5.0))))
    assert [weight(vector, v) for v in (4.9, 5.0, 12.0, 19.0, 20.0)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert weight(weights_vector(OrderSettings()), 99.0) == 1.0


def test_limit_prices_are_mirrored_for_shorts_and_go_through_bands() -> None:
    side = rules_vector(OrderSettings(entry=Entry(order="limit", limit_ticks=-2)), KRX)[ENTRY]
    quotes = (20_000.0, 20_050.0, 20_000.0, KRX_LADDER, DAY, 0.0)
    assert limit_price(side, False, 1, *quotes) == 19_980.0  # two steps below the bid, of the lower band
    assert limit_price(side, False, -1, *quotes) == 20_150.0  # two above the ask
    assert limit_price(side, False, 1, 20_000.0, 20_050.0, 0.0, KRX_LADDER, DAY, 0.0) == 0.0


def test_resting_orders_are_cancelled_and_moved() -> None:
    entry = rules(Entry(cancel_late=True, cancel_outside=True, replaces=1, replace_away=2, replace_ticks=1))[ENTRY]
    assert [cancel_is_due(entry, False, waited, inside, True) for waited, inside in ((29, True), (30, True), (0, False))] == [
        False, True, True,
    ]  # fmt: skip
    leave = rules(leave=Exit(cancel_inside=True))[EXIT]
    assert [cancel_is_due(leave, True, 0, True, before) for before in (True, False)] == [False, True]
    step = (UPBIT_LADDER, DAY, 1.0)
    assert [replace_is_due(entry, True, 0, 100.0, last, *step) for last in (101.0, 102.0)] == [False, True]
    assert [replace_is_due(entry, False, 0, 100.0, last, *step) for last in (99.0, 98.0)] == [False, True]
    assert not replace_is_due(entry, True, 1, 100.0, 110.0, *step)
    assert (replace_price(entry, True, 110.0, *step), replace_price(entry, False, 110.0, *step)) == (109.0, 111.0)


def test_a_holding_counts_orders_and_not_fills() -> None:
    unit = 100_000_000
    holding = Holding()
    for order, qty, price in (("a-1", 1, 10.0), ("a-1", 1, 12.0), ("b-1", 2, 20.0)):
        holding.take(order, qty * unit, price, is_entry=True)
    assert (holding.entries, holding.held, holding.entry_raw, holding.open_raw) == (2, 4 * unit, 62.0, 62.0)
    holding.take("c-1", unit, 30.0, is_entry=False)
    holding.take("c-1", unit, 28.0, is_entry=False)
    assert (holding.exits, holding.held, holding.exit_raw, holding.open_raw) == (1, 2 * unit, 58.0, 31.0)
    holding.take("d-1", unit, 40.0, is_entry=True)
    assert (holding.entries, holding.open_raw, holding.entry_raw, holding.bought) == (3, 71.0, 102.0, 5 * unit)

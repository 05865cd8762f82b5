"""Every check: passes, holds at its limit, refuses one unit beyond."""

from __future__ import annotations

import numpy as np
import pytest

from coin.markets import BINANCE, UPBIT
from domain.instruments import Market
from domain.orders import Decision
from domain.settings import Risk
from trading.judge import CHECKS, PASSED, decide, judge
from trading.judge import ask as ask_check
from trading.risk import (
    DEGRADED,
    ENTRY,
    EXIT,
    FACT,
    FACT_FIELDS,
    FROZEN,
    HALTED,
    LIMIT,
    PROTECTIVE,
    READY,
    RECONCILING,
    REDUCING,
    limits,
    new_facts,
)

ONE = 10**8


def make_facts(**changes: float) -> np.ndarray:
    facts = new_facts()
    values = {
        "purpose": ENTRY,
        "readiness": READY,
        "armed": 1,
        "session_open": 1,
        "reference_price": 100.0,
        "fresh_price": 100.0,
        "limit_price": 100.0,
        "qty_step": 1,
        "depth_qty": 1e15,
        "sellable_qty": 1e15,
        "cash": 1e8,
        "share_room": -1.0,
        "fee_rate": 0.0,
        "equity": 1e8,
    }
    for name, value in (values | changes).items():
        facts[FACT[name]] = value
    return facts


def ask(qty: int = 1_000 * ONE, bounds: dict[str, float] | None = None, **changes: float) -> Decision:
    vector = limits(Risk(), UPBIT, 10)
    for name, value in (bounds or {}).items():
        vector[LIMIT[name]] = value
    return decide(qty, make_facts(**changes), vector)


def test_every_field_is_read_by_a_check_or_given_by_name() -> None:
    assert len(FACT) == len(FACT_FIELDS) == len(set(FACT_FIELDS))
    assert len({check.name for check in CHECKS}) == len(CHECKS)


def test_ordinary_entry_passes() -> None:
    assert ask() == Decision(approved=True, qty=1_000 * ONE)


@pytest.mark.parametrize(
    ("name", "fact", "at", "beyond"),
    [
        ("stale", "quote_age_s", 2.0, np.nextafter(2.0, 3.0)),
        ("repeat", "same_1s", 2, 3),
        ("repeat", "same_60s", 9, 10),
        ("rate_intents", "intents_1s", 1, 2),
        ("rate_intents", "intents_60s", 59, 60),
        ("rate_orders", "orders_1s", 3, 4),
        ("rate_orders", "orders_60s", 139, 140),
        ("entries_day", "entries_day", 199, 200),
        ("open_orders", "open_orders", 19, 20),
        ("max_positions", "position_count", 9, 10),
        ("loss", "day_loss_pct", np.nextafter(2.0, 0.0), 2.0),
        ("symbol", "symbol_closed", 0, 1),
        ("self_trade", "crossing", 0, 1),
        ("session", "session_open", 1, 0),
        ("armed", "armed", 1, 0),
        ("tick", "off_tick", 0, 1),
    ],
)
def test_limit_holds_and_one_beyond_is_refused(name: str, fact: str, at: float, beyond: float) -> None:
    assert ask(**{fact: at}).approved
    refused = ask(**{fact: beyond})
    assert (refused.approved, refused.rule, refused.qty) == (False, name, 0)


def test_held_symbol_adds_no_position() -> None:
    assert ask(position_count=10, holds_symbol=1).approved


@pytest.mark.parametrize(("name", "limit"), [("max_order", 100_000.0), ("gross", 100_000.0)])
def test_amount_limits_on_the_unit(name: str, limit: float) -> None:
    bounds = {"max_order": limit} if name == "max_order" else {"max_gross_pct": limit / 1e8 * 100}
    assert ask(1_000 * ONE, bounds).approved
    refused = ask(1_000 * ONE + 1, bounds)
    assert (refused.approved, refused.rule, refused.limit) == (False, name, pytest.approx(limit))
    assert refused.observed > limit


def test_two_percent_of_equity_on_the_unit() -> None:
    assert ask(1_000 * ONE, equity=5_000_000.0).approved
    assert ask(1_000 * ONE + 1, equity=5_000_000.0).rule == "max_order_pct"


def test_depth_on_the_unit() -> None:
    assert ask(1_000 * ONE, depth_qty=5_000.0 * ONE).approved
    assert ask(1_000 * ONE + 1, depth_qty=5_000.0 * ONE).rule == "depth"
    assert ask(depth_qty=0.0).rule == "depth"
    assert ask(depth_qty=-1.0).approved, "a recording without a book has no depth to compare with"


def test_min_notional_on_the_unit() -> None:
    assert ask(50 * ONE, min_notional=5_000.0).approved
    assert ask(50 * ONE - 1, min_notional=5_000.0).rule == "min_notional"


def test_collar_on_the_cent() -> None:
    assert ask(limit_price=105.0).approved
    assert ask(limit_price=105.01).rule == "collar"
    assert ask(reference_price=105.0, limit_price=105.0).approved
    assert ask(reference_price=105.01, limit_price=105.01).rule == "collar"
    assert ask(fresh_price=0.0).rule == "collar"


def test_lot_floors_and_refuses_below_one() -> None:
    assert ask(10 * ONE + 7, qty_step=ONE) == Decision(approved=True, qty=10 * ONE)
    assert ask(ONE - 1, qty_step=ONE).rule == "lot"
    assert ask(10 * ONE, min_qty=10 * ONE + 1).rule == "lot"


def test_cash_reduces_to_what_it_pays_for_with_the_fee() -> None:
    decision = ask(1_000 * ONE, cash=50_000.0, fee_rate=0.0005)
    assert decision.approved
    assert decision.rule == "cash"
    assert decision.qty / ONE * 100 * 1.0005 <= 50_000.0 < (decision.qty + 2) / ONE * 100 * 1.0005
    assert ask(cash=1.0, min_notional=5_000.0) == Decision(approved=False, rule="cash", limit=1.0, observed=100_000.0)


def test_position_limit_reduces_to_what_fits() -> None:
    decision = ask(1_000 * ONE, symbol_exposure=9_950_000.0)
    assert (decision.approved, decision.qty, decision.rule) == (True, 500 * ONE, "position")
    assert ask(symbol_exposure=10_000_000.0).approved is False


def test_exits_pass_every_check_that_is_about_entries() -> None:
    closed = {
        "symbol_closed": 1, "quote_age_s": 99, "same_1s": 99, "intents_1s": 99, "orders_1s": 99, "entries_day": 999, "open_orders": 99,
        "crossing": 1, "cash": 0, "gross_exposure": 1e12, "position_count": 99, "day_loss_pct": 50, "fresh_price": 0, "depth_qty": 0,
    }  # fmt: skip
    assert ask(purpose=EXIT, **closed).approved


def test_exit_is_capped_by_what_can_be_sold() -> None:
    decision = ask(1_000 * ONE, purpose=EXIT, sellable_qty=400 * ONE)
    assert (decision.approved, decision.qty, decision.rule) == (True, 400 * ONE, "sellable")
    assert ask(purpose=EXIT, sellable_qty=0).rule == "sellable"


@pytest.mark.parametrize(
    ("state", "entry", "leave", "protect"),
    [(0, True, True, True), (REDUCING, False, True, True), (HALTED, False, False, True), (FROZEN, False, False, False)],
)
def test_trading_states_let_through_what_they_should(state: int, entry: bool, leave: bool, protect: bool) -> None:
    assert ask(trading_state=state).approved == entry
    assert ask(trading_state=state, purpose=EXIT).approved == leave
    assert ask(trading_state=state, purpose=PROTECTIVE).approved == protect


def test_readiness_blocks_entries_first() -> None:
    assert ask(readiness=DEGRADED).rule == "state"
    assert ask(readiness=DEGRADED, purpose=EXIT).approved
    assert ask(readiness=RECONCILING, purpose=EXIT).rule == "state"


def test_nan_never_passes() -> None:
    for name in FACT_FIELDS:
        if name != "qty":
            assert ask(**{name: float("nan")}).rule == "decode", name


@pytest.mark.parametrize("market", [UPBIT, BINANCE], ids=["upbit", "binance"])
def test_the_defaults_let_the_newcomers_orders_through(market: Market) -> None:
    facts = make_facts(equity=market.paper_cash, cash=market.paper_cash, fee_rate=0.001, limit_price=105.0)
    qty = int(market.default_betting / 100.0 * ONE)
    assert decide(qty, facts, limits(Risk(), market, 10)) == Decision(approved=True, qty=qty)


def test_position_limit_lets_ten_newcomer_positions_stand() -> None:
    assert ask(10_000 * ONE, equity=1e8, gross_exposure=9 * 1e6, symbol_exposure=0, limit_price=105.0, position_count=9).approved


def test_every_check_is_asked_by_its_place() -> None:
    facts, bounds = make_facts(), limits(Risk(), UPBIT, 10)
    facts[FACT["qty"]] = ONE
    facts[FACT["purpose"]] = EXIT
    rng = np.random.default_rng(1)
    for _ in range(50):
        facts[3:] = rng.random(len(facts) - 3) * 10.0 * ONE
        for place, check in enumerate(CHECKS):
            assert ask_check(place, facts, bounds) == check.function(facts, bounds), check.name


def test_a_share_of_the_account_lets_the_part_through_that_fits() -> None:
    assert ask(share_room=100_000.0) == Decision(approved=True, qty=1_000 * ONE)
    made = ask(share_room=50_000.0)
    assert (made.approved, made.qty, made.rule) == (True, 500 * ONE, "share")
    assert ask(share_room=0.0).rule == "share"
    assert judge(1_000 * ONE, make_facts(), limits(Risk(), UPBIT, 10))[:2] == (1_000 * ONE, PASSED)

"""The gateway's checks in their order, and its word on an order: as numbers for compiled loops, as a Decision for the trader."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from domain.errors import InvariantError
from domain.orders import Decision
from trading.risk import (
    ENTRY,
    FACT,
    LIMIT_FIELDS,
    UNIT,
    Vector,
    Verdict,
    check_armed,
    check_cash,
    check_collar,
    check_depth,
    check_entries_day,
    check_gross,
    check_loss,
    check_lot,
    check_max_order,
    check_max_order_pct,
    check_max_positions,
    check_min_notional,
    check_open_orders,
    check_position,
    check_rate_intents,
    check_rate_orders,
    check_repeat,
    check_self_trade,
    check_sellable,
    check_session,
    check_share,
    check_stale,
    check_state,
    check_symbol,
    check_tick,
    new_facts,
    stop_is_crossed,
)

_purpose, _qty, _ref, _step = FACT["purpose"], FACT["qty"], FACT["reference_price"], FACT["qty_step"]
_min_qty, _min_notional = FACT["min_qty"], FACT["min_notional"]


@dataclass(frozen=True)
class Check:
    """One rule: its name in answers and counts, its function, and whether exits pass through it too."""

    name: str
    function: Callable[[Vector, Vector], Verdict]
    exits: bool = False


CHECKS: tuple[Check, ...] = (
    Check("state", check_state, exits=True),
    Check("armed", check_armed, exits=True),
    Check("session", check_session, exits=True),
    Check("symbol", check_symbol),
    Check("stale", check_stale),
    Check("lot", check_lot, exits=True),
    Check("tick", check_tick, exits=True),
    Check("collar", check_collar),
    Check("min_notional", check_min_notional, exits=True),
    Check("max_order", check_max_order),
    Check("max_order_pct", check_max_order_pct),
    Check("depth", check_depth),
    Check("repeat", check_repeat),
    Check("rate_intents", check_rate_intents),
    Check("rate_orders", check_rate_orders),
    Check("entries_day", check_entries_day),
    Check("open_orders", check_open_orders),
    Check("self_trade", check_self_trade),
    Check("sellable", check_sellable, exits=True),
    Check("cash", check_cash),
    Check("share", check_share),
    Check("position", check_position),
    Check("gross", check_gross),
    Check("max_positions", check_max_positions),
    Check("loss", check_loss),
)
"""In the order of the gateway; the first refusal ends it. `sellable` is about exits alone."""

_EXIT_ONLY = frozenset({"sellable"})
PLACE = {check.name: k for k, check in enumerate(CHECKS)}
_FOR_ENTRY = np.array([check.name not in _EXIT_ONLY for check in CHECKS])
_FOR_EXIT = np.array([check.exits for check in CHECKS])
LOT = PLACE["lot"]
PASSED = -1
"""Place of the rule when nothing refused or reduced an order."""


@njit(cache=True, nogil=True)
def ask(k: int, f: Vector, m: Vector) -> Verdict:  # noqa: C901 - one line a check, in the order of CHECKS; a compiled loop takes no list of functions
    """Ask check `k` of CHECKS."""
    if k == 0:
        return check_state(f, m)
    if k == 1:
        return check_armed(f, m)
    if k == 2:
        return check_session(f, m)
    if k == 3:
        return check_symbol(f, m)
    if k == 4:
        return check_stale(f, m)
    if k == 5:
        return check_lot(f, m)
    if k == 6:
        return check_tick(f, m)
    if k == 7:
        return check_collar(f, m)
    if k == 8:
        return check_min_notional(f, m)
    if k == 9:
        return check_max_order(f, m)
    if k == 10:
        return check_max_order_pct(f, m)
    if k == 11:
        return check_depth(f, m)
    if k == 12:
        return check_repeat(f, m)
    if k == 13:
        return check_rate_intents(f, m)
    if k == 14:
        return check_rate_orders(f, m)
    if k == 15:
        return check_entries_day(f, m)
    if k == 16:
        return check_open_orders(f, m)
    if k == 17:
        return check_self_trade(f, m)
    if k == 18:
        return check_sellable(f, m)
    if k == 19:
        return check_cash(f, m)
    if k == 20:
        return check_share(f, m)
    if k == 21:
        return check_position(f, m)
    if k == 22:
        return check_gross(f, m)
    if k == 23:
        return check_max_positions(f, m)
    return check_loss(f, m)


@njit(cache=True, nogil=True)
def judge(qty: int, f: Vector, m: Vector) -> tuple[int, int, float, float]:
    """Lead an order past the checks in their order; `decide` in numbers, for loops.

    Parameters
    ----------
    qty : int
        Wanted, units of 1e-8; put into the facts here.
    f, m : ndarray of float64
        FACTS and LIMITS.

    Returns
    -------
    allowed : int
        Units that may leave; 0 = refused.
    rule : int
        Place in CHECKS of the rule that refused or reduced it last, PASSED when none did.
    limit, observed : float
        Of that rule.
    """
    step = max(int(f[_step]), 1)
    allowed = qty // step * step
    if allowed <= 0:
        return 0, LOT, step / UNIT, qty / UNIT
    f[_qty] = allowed
    rule, limit, observed = PASSED, 0.0, 0.0
    chosen = _FOR_ENTRY if f[_purpose] == ENTRY else _FOR_EXIT
    for k in range(len(chosen)):
        if not chosen[k]:
            continue
        through, its_limit, its_observed = ask(k, f, m)
        if through >= f[_qty]:
            continue
        reduced = int(through) // step * step
        least = max(step, int(f[_min_qty]))
        if reduced < least or reduced / UNIT * f[_ref] < f[_min_notional]:
            return 0, k, its_limit, its_observed
        allowed = reduced
        f[_qty] = allowed
        rule, limit, observed = k, its_limit, its_observed
    return allowed, rule, limit, observed


def decide(qty: int, facts: Vector, bounds: Vector) -> Decision:
    """Return the gateway's word on an order of `qty` units.

    Parameters
    ----------
    qty : int
        Wanted, units of 1e-8; put into the facts here.
    facts, bounds : ndarray of float64
        FACTS and LIMITS. A NaN that is needed is refused with rule ``decode``.

    Returns
    -------
    Decision
        Approved with `qty`, approved with less (then `rule` names what reduced it), or refused.
    """
    # A sum is NaN when a part is, also where infinities of both signs meet; no fact is infinite.
    if math.isnan(facts.sum()) or math.isnan(bounds.sum()):
        return Decision(approved=False, rule="decode")
    allowed, place, limit, observed = judge(qty, facts, bounds)
    rule = "" if place == PASSED else CHECKS[place].name
    if allowed <= 0:
        return Decision(approved=False, rule=rule, limit=limit, observed=observed)
    if allowed > qty:
        raise InvariantError("risk.grew", qty=qty, allowed=allowed)
    return Decision(approved=True, qty=allowed, rule=rule, limit=limit, observed=observed)


def warm() -> None:
    """Compile everything here with the types production uses."""
    facts, bounds = new_facts(), np.ones(len(LIMIT_FIELDS))
    for check in CHECKS:
        check.function(facts + 1.0, bounds)
    judge(1, facts, bounds)
    stop_is_crossed(1.0, 1.0, 1.0, 1.0)

"""The risk gateway: compiled pure checks in a fixed order (reliability 8), each with a name.

A check reads two vectors, FACTS (what is) and LIMITS (what may be), and returns how much of the
order it lets through. Live, paper and back-test hand it the same vectors, so a limit means one thing.
A new check is one function and its two lines in trading/judge.py, which asks them in their order.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.instruments import Capabilities, Market
from domain.settings import Risk

ACTIVE, REDUCING, HALTED, FROZEN = 0, 1, 2, 3
"""Trading states by severity; FROZEN is HALTED with cancels alone (journal unwritable, kill level freeze)."""

STARTING, RECONCILING, DEGRADED, READY = 0, 1, 2, 3
"""Readiness of the account."""

ENTRY, EXIT, PROTECTIVE = 0, 1, 2
"""What an order does: takes exposure, gives it back, or gives it back under the kill switch, a stop or a forced close."""

FACT_FIELDS = (
    "purpose",
    "trading_state",
    "readiness",
    "armed",
    "session_open",
    "symbol_closed",  # 1 = an order in doubt, a gap, a difference or a halt closes it to entries
    "quote_age_s",
    "qty",  # units of 1e-8
    "reference_price",
    "fresh_price",
    "limit_price",  # worst price this order can pay; equals reference_price for a market exit
    "off_tick",
    "qty_step",
    "min_qty",
    "min_notional",
    "max_notional",
    "depth_qty",  # shown on the other side, units
    "same_1s",
    "same_60s",
    "intents_1s",
    "intents_60s",
    "orders_1s",
    "orders_60s",
    "entries_day",
    "open_orders",
    "crossing",
    "sellable_qty",
    "cash",  # free for new entries, after reservations
    "share_room",  # what the strategy's share of the equity still allows; −1 = the account has one owner
    "fee_rate",
    "equity",
    "symbol_exposure",  # worst case of this instrument before the order
    "gross_exposure",  # worst case of all before the order
    "position_count",
    "holds_symbol",
    "day_loss_pct",
)
LIMIT_FIELDS = (
    "max_quote_age_s",
    "collar_pct",
    "max_order",
    "max_order_pct",
    "max_depth_pct",
    "same_1s",
    "same_60s",
    "intents_per_s",
    "intents_per_min",
    "orders_per_s",
    "orders_per_min",
    "entries_per_day",
    "max_open_orders",
    "max_position_pct",
    "max_gross_pct",
    "max_positions",
    "day_loss_reduce_pct",
)
FACT = {name: i for i, name in enumerate(FACT_FIELDS)}
LIMIT = {name: i for i, name in enumerate(LIMIT_FIELDS)}

SAME_1S = 3
SAME_60S = 10
"""Admitted orders of one strategy, symbol, side, price and quantity before it counts as a malfunction (P28)."""

ENTRY_SHARE = 0.7
"""Share of each order-rate budget that entries may use; the rest is kept for exits and cancels (P7)."""

UNIT = 1e8
_EPS = 1e-9
Vector = NDArray[np.float64]

_purpose, _state, _ready, _armed = FACT["purpose"], FACT["trading_state"], FACT["readiness"], FACT["armed"]
_session, _closed, _age = FACT["session_open"], FACT["symbol_closed"], FACT["quote_age_s"]
_qty, _ref, _fresh, _limit = FACT["qty"], FACT["reference_price"], FACT["fresh_price"], FACT["limit_price"]
_off_tick, _step, _min_qty = FACT["off_tick"], FACT["qty_step"], FACT["min_qty"]
_min_notional, _max_notional, _depth = FACT["min_notional"], FACT["max_notional"], FACT["depth_qty"]
_same_1s, _same_60s = FACT["same_1s"], FACT["same_60s"]
_intents_1s, _intents_60s, _orders_1s, _orders_60s = FACT["intents_1s"], FACT["intents_60s"], FACT["orders_1s"], FACT["orders_60s"]
_entries_day, _open_orders, _crossing, _sellable = FACT["entries_day"], FACT["open_orders"], FACT["crossing"], FACT["sellable_qty"]
_share = FACT["share_room"]
_cash, _fee, _equity = FACT["cash"], FACT["fee_rate"], FACT["equity"]
_symbol_exposure, _gross, _count, _holds = FACT["symbol_exposure"], FACT["gross_exposure"], FACT["position_count"], FACT["holds_symbol"]
_loss = FACT["day_loss_pct"]
_l_age, _l_collar, _l_order, _l_order_pct = LIMIT["max_quote_age_s"], LIMIT["collar_pct"], LIMIT["max_order"], LIMIT["max_order_pct"]
_l_depth, _l_same_1s, _l_same_60s = LIMIT["max_depth_pct"], LIMIT["same_1s"], LIMIT["same_60s"]
_l_intents_s, _l_intents_m = LIMIT["intents_per_s"], LIMIT["intents_per_min"]
_l_orders_s, _l_orders_m, _l_entries = LIMIT["orders_per_s"], LIMIT["orders_per_min"], LIMIT["entries_per_day"]
_l_open, _l_position, _l_gross = LIMIT["max_open_orders"], LIMIT["max_position_pct"], LIMIT["max_gross_pct"]
_l_count, _l_loss = LIMIT["max_positions"], LIMIT["day_loss_reduce_pct"]

Verdict = tuple[float, float, float]
"""(quantity let through in units, the limit, what was observed)."""


@njit(cache=True, nogil=True)
def check_state(f: Vector, m: Vector) -> Verdict:
    """READY and ACTIVE for entries; up to REDUCING for exits; protective orders until FROZEN."""
    allowed = ACTIVE if f[_purpose] == ENTRY else REDUCING if f[_purpose] == EXIT else HALTED
    ready = READY if f[_purpose] == ENTRY else DEGRADED
    if f[_ready] < ready:
        return 0.0, float(ready), f[_ready]
    return (f[_qty] if f[_state] <= allowed else 0.0), float(allowed), f[_state]


@njit(cache=True, nogil=True)
def check_armed(f: Vector, m: Vector) -> Verdict:
    """A live account trades only while it is armed; a paper account always is."""
    return (f[_qty] if f[_armed] != 0.0 else 0.0), 1.0, f[_armed]


@njit(cache=True, nogil=True)
def check_session(f: Vector, m: Vector) -> Verdict:
    """The market is open."""
    return (f[_qty] if f[_session] != 0.0 else 0.0), 1.0, f[_session]


@njit(cache=True, nogil=True)
def check_symbol(f: Vector, m: Vector) -> Verdict:
    """Nothing closes the symbol to entries."""
    return (f[_qty] if f[_closed] == 0.0 else 0.0), 0.0, f[_closed]


@njit(cache=True, nogil=True)
def check_stale(f: Vector, m: Vector) -> Verdict:
    """The quote behind the entry is fresh (P17)."""
    return (f[_qty] if f[_age] <= m[_l_age] else 0.0), m[_l_age], f[_age]


@njit(cache=True, nogil=True)
def check_collar(f: Vector, m: Vector) -> Verdict:
    """Reference and worst price lie within the collar around the fresh price (P26)."""
    if not f[_fresh] > 0.0 or not f[_ref] > 0.0:
        return 0.0, m[_l_collar], 100.0
    away = max(abs(f[_ref] - f[_fresh]) / f[_fresh], abs(f[_limit] - f[_ref]) / f[_ref]) * 100.0
    return (f[_qty] if away <= m[_l_collar] + _EPS else 0.0), m[_l_collar], away


@njit(cache=True, nogil=True)
def check_tick(f: Vector, m: Vector) -> Verdict:
    """A given price stands on the price ladder."""
    return (f[_qty] if f[_off_tick] == 0.0 else 0.0), 0.0, f[_off_tick]


@njit(cache=True, nogil=True)
def check_lot(f: Vector, m: Vector) -> Verdict:
    """At least one lot and the venue's smallest quantity."""
    least = max(f[_step], f[_min_qty], 1.0)
    return (f[_qty] if f[_qty] >= least else 0.0), least / UNIT, f[_qty] / UNIT


@njit(cache=True, nogil=True)
def check_min_notional(f: Vector, m: Vector) -> Verdict:
    """The venue's smallest amount."""
    amount = f[_qty] / UNIT * f[_ref]
    return (f[_qty] if amount >= f[_min_notional] - _EPS else 0.0), f[_min_notional], amount


@njit(cache=True, nogil=True)
def check_max_order(f: Vector, m: Vector) -> Verdict:
    """Largest amount of one order: in currency, and the venue's own."""
    limit = m[_l_order]
    if f[_max_notional] > 0.0:
        limit = min(limit, f[_max_notional])
    amount = f[_qty] / UNIT * f[_ref]
    return (f[_qty] if amount <= limit + _EPS else 0.0), limit, amount


@njit(cache=True, nogil=True)
def check_max_order_pct(f: Vector, m: Vector) -> Verdict:
    """Largest amount of one order, of equity."""
    limit = f[_equity] * m[_l_order_pct] / 100.0
    amount = f[_qty] / UNIT * f[_ref]
    return (f[_qty] if amount <= limit + _EPS else 0.0), limit, amount


@njit(cache=True, nogil=True)
def check_depth(f: Vector, m: Vector) -> Verdict:
    """A small part of what the book shows; unknown depth (a recording without a book) is no limit."""
    if f[_depth] < 0.0:
        return f[_qty], m[_l_depth], 0.0
    share = f[_qty] / f[_depth] * 100.0 if f[_depth] > 0.0 else 100.0
    # Compared in units: a percentage would round the last one away.
    return (f[_qty] if f[_qty] * 100.0 <= f[_depth] * m[_l_depth] else 0.0), m[_l_depth], share


@njit(cache=True, nogil=True)
def check_repeat(f: Vector, m: Vector) -> Verdict:
    """The same order again and again is a malfunction."""
    if f[_same_1s] + 1.0 > m[_l_same_1s]:
        return 0.0, m[_l_same_1s], f[_same_1s] + 1.0
    return (f[_qty] if f[_same_60s] + 1.0 <= m[_l_same_60s] else 0.0), m[_l_same_60s], f[_same_60s] + 1.0


@njit(cache=True, nogil=True)
def check_rate_intents(f: Vector, m: Vector) -> Verdict:
    """Intents of one strategy a second and a minute (P24)."""
    if f[_intents_1s] + 1.0 > m[_l_intents_s]:
        return 0.0, m[_l_intents_s], f[_intents_1s] + 1.0
    return (f[_qty] if f[_intents_60s] + 1.0 <= m[_l_intents_m] else 0.0), m[_l_intents_m], f[_intents_60s] + 1.0


@njit(cache=True, nogil=True)
def check_rate_orders(f: Vector, m: Vector) -> Verdict:
    """Orders of the account a second and a minute, less the share kept for exits (P7, P27)."""
    per_s = max(np.ceil(m[_l_orders_s] * ENTRY_SHARE), 1.0)
    per_min = max(np.ceil(m[_l_orders_m] * ENTRY_SHARE), 1.0)
    if f[_orders_1s] + 1.0 > per_s:
        return 0.0, per_s, f[_orders_1s] + 1.0
    return (f[_qty] if f[_orders_60s] + 1.0 <= per_min else 0.0), per_min, f[_orders_60s] + 1.0


@njit(cache=True, nogil=True)
def check_entries_day(f: Vector, m: Vector) -> Verdict:
    """Entries of the account in a trading day."""
    return (f[_qty] if f[_entries_day] + 1.0 <= m[_l_entries] else 0.0), m[_l_entries], f[_entries_day] + 1.0


@njit(cache=True, nogil=True)
def check_open_orders(f: Vector, m: Vector) -> Verdict:
    """Orders that may still fill, in doubt and external ones included."""
    return (f[_qty] if f[_open_orders] + 1.0 <= m[_l_open] else 0.0), m[_l_open], f[_open_orders] + 1.0


@njit(cache=True, nogil=True)
def check_self_trade(f: Vector, m: Vector) -> Verdict:
    """The entry would not meet an order of our own."""
    return (f[_qty] if f[_crossing] == 0.0 else 0.0), 0.0, f[_crossing]


@njit(cache=True, nogil=True)
def check_sellable(f: Vector, m: Vector) -> Verdict:
    """No more than is held and not already on its way out."""
    return min(f[_qty], max(f[_sellable], 0.0)), f[_sellable] / UNIT, f[_qty] / UNIT


@njit(cache=True, nogil=True)
def check_cash(f: Vector, m: Vector) -> Verdict:
    """Free cash pays the worst price and the fee; a part that it pays for goes through."""
    price = f[_limit] * (1.0 + f[_fee])
    need = f[_qty] / UNIT * price
    if need <= f[_cash] + _EPS:
        return f[_qty], f[_cash], need
    return max(np.floor(f[_cash] / price * UNIT), 0.0), f[_cash], need


@njit(cache=True, nogil=True)
def check_share(f: Vector, m: Vector) -> Verdict:
    """The strategy's share of the account pays the worst price and the fee; a part that fits goes through."""
    price = f[_limit] * (1.0 + f[_fee])
    need = f[_qty] / UNIT * price
    if f[_share] < 0.0 or need <= f[_share] + _EPS:
        return f[_qty], f[_share], need
    return np.floor(f[_share] / price * UNIT), f[_share], need


@njit(cache=True, nogil=True)
def check_position(f: Vector, m: Vector) -> Verdict:
    """Worst case of the symbol after the order, as a share of equity; a part that fits goes through."""
    limit = f[_equity] * m[_l_position] / 100.0
    after = f[_symbol_exposure] + f[_qty] / UNIT * f[_limit]
    if after <= limit + _EPS:
        return f[_qty], limit, after
    return max(np.floor((limit - f[_symbol_exposure]) / f[_limit] * UNIT), 0.0), limit, after


@njit(cache=True, nogil=True)
def check_gross(f: Vector, m: Vector) -> Verdict:
    """Worst case of all symbols after the order, as a share of equity (P25)."""
    limit = f[_equity] * m[_l_gross] / 100.0
    after = f[_gross] + f[_qty] / UNIT * f[_limit]
    return (f[_qty] if after <= limit + _EPS else 0.0), limit, after


@njit(cache=True, nogil=True)
def check_max_positions(f: Vector, m: Vector) -> Verdict:
    """Number of symbols held or being bought."""
    after = f[_count] if f[_holds] != 0.0 else f[_count] + 1.0
    return (f[_qty] if after <= m[_l_count] else 0.0), m[_l_count], after


@njit(cache=True, nogil=True)
def check_loss(f: Vector, m: Vector) -> Verdict:
    """Loss of the trading day (P31)."""
    return (f[_qty] if f[_loss] < m[_l_loss] else 0.0), m[_l_loss], f[_loss]


@njit(cache=True, nogil=True)
def stop_is_crossed(base: float, worth: float, loss_pct: float, gain_pct: float) -> bool:
    """Tell whether 손실중지 or 수익중지 sends an account out until the next day (workstation 5.5).

    Parameters
    ----------
    base, worth : float
        Equity at the day's beginning and now; their difference is what was realised today and what is open.
    loss_pct, gain_pct : float
        In % of `worth`; 0 = none.
    """
    gain = worth - base
    if loss_pct > 0.0 and gain <= -loss_pct / 100.0 * worth:
        return True
    return gain_pct > 0.0 and gain >= gain_pct / 100.0 * worth


def new_facts() -> Vector:
    """Return a FACTS vector of zeros."""
    return np.zeros(len(FACT_FIELDS))


def limits(risk: Risk, market: Market, max_positions: int, capabilities: Capabilities | None = None, staleness: bool = True) -> Vector:
    """Return the LIMITS vector of the settings.

    Parameters
    ----------
    risk : Risk
        Settings; 0 in `collar_pct` and `max_quote_age_s` means the market's and the venue's value.
    market : Market
        Chooses the currency of the largest order and the default collar.
    max_positions : int
        최대매수종목수.
    capabilities : Capabilities, optional
        Gives the default of the oldest quote.
    staleness : bool
        False in a replay, where the age of a quote on the wall clock means nothing (architecture 3.4).
    """
    out = np.zeros(len(LIMIT_FIELDS))
    age = risk.max_quote_age_s or (capabilities or Capabilities()).max_quote_age_s
    values = {
        "max_quote_age_s": age if staleness else np.inf,
        "collar_pct": risk.collar_pct or market.collar_pct,
        "max_order": risk.max_order_krw if market.currency == "KRW" else risk.max_order_usdt,
        "max_order_pct": risk.max_order_pct,
        "max_depth_pct": risk.max_depth_pct,
        "same_1s": SAME_1S,
        "same_60s": SAME_60S,
        "intents_per_s": risk.intents_per_s,
        "intents_per_min": risk.intents_per_min,
        "orders_per_s": risk.orders_per_s,
        "orders_per_min": risk.orders_per_min,
        "entries_per_day": risk.entries_per_day,
        "max_open_orders": risk.max_open_orders,
        "max_position_pct": risk.max_position_pct,
        "max_gross_pct": risk.max_gross_pct,
        "max_positions": max_positions,
        "day_loss_reduce_pct": risk.day_loss_reduce_pct,
    }
    for name, value in values.items():
        out[LIMIT[name]] = value
    return out

"""One account that the symbols and strategies of a back-test share: cash, positions, reservations, rates and the gateway's checks.

Compiled, and asked by the loop in the order of rows (docs/decisions/0052). What may leave is decided by `trading/judge.py`, the same checks
as live, from facts gathered here as `trading/gateway.py` gathers them. A *slot* is one symbol of one strategy. The account is a tuple of
arrays; an account that is off (`no_account`) lets everything through and is not written.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return,unused-ignore"
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.instruments import Instrument, Market
from domain.settings import Risk
from trading.judge import CHECKS, PASSED, PLACE, judge
from trading.ladder import DOWN, UP, on_step, table_step
from trading.numbers import UNIT_F, round_to
from trading.positions import AMOUNT_DECIMALS, FEE, INTEGER_MONEY, profit
from trading.risk import ACTIVE, ENTRY, FACT, HALTED, LIMIT, READY, REDUCING, limits, new_facts, stop_is_crossed

MONEY, WHOLE, SLOTS, PRICES, OPEN, RINGS, SAME_WHEN, SAME_WHAT, LIMITS, FACTS, REFUSED, CLOCK, DEPTHS, SHARES, POINTS, SYMBOLS = range(16)
"""Places in the tuple."""
CASH, DAY_BASE, HALT_PCT, STOP_LOSS_PCT, STOP_GAIN_PCT = range(5)
(
    IS_ON,
    DAY,
    LOSS_STATE,
    IS_STUCK,
    ENTRIES,
    NOW,
    OPEN_COUNT,
    OFFSET_S,
    OPEN_S,
    CLOSE_S,
    POINT_COUNT,
    SYMBOL_COUNT,
    HALT_NS,
    HALT_RULE,
    IS_OUT,
    OUT_DAYS,
) = range(16)
QTY, COST, PAID, GOT, RETURNED, RESERVED, RESERVED_PRICE, LEVERAGE = range(8)
STEP, MIN_QTY, MIN_NOTIONAL, MAX_NOTIONAL = range(4)
POINT_ROW, POINT_CASH, POINT_EQUITY, POINT_OPEN = range(4)
SAME_KEPT = 64
NS = 1_000_000_000
MINUTE = 60 * NS
_REPEAT, _LOSS = PLACE["repeat"], PLACE["loss"]
_OPTIONS: Any = {"cache": True, "nogil": True, "error_model": "numpy"}
Account = tuple[NDArray[Any], ...]

_F_PURPOSE, _F_STATE, _F_READY, _F_ARMED, _F_SESSION = (
    FACT[name] for name in ("purpose", "trading_state", "readiness", "armed", "session_open")
)
_F_REF, _F_FRESH, _F_LIMIT = (FACT[name] for name in ("reference_price", "fresh_price", "limit_price"))
_F_STEP, _F_MIN_QTY, _F_MIN_NOTIONAL, _F_MAX_NOTIONAL = (FACT[name] for name in ("qty_step", "min_qty", "min_notional", "max_notional"))
_F_DEPTH, _F_SAME_1S, _F_SAME_60S = (FACT[name] for name in ("depth_qty", "same_1s", "same_60s"))
_F_INTENTS_1S, _F_INTENTS_60S, _F_ORDERS_1S, _F_ORDERS_60S = (
    FACT[name] for name in ("intents_1s", "intents_60s", "orders_1s", "orders_60s")
)
_F_ENTRIES, _F_OPEN, _F_CASH, _F_SHARE, _F_FEE, _F_EQUITY = (
    FACT[name] for name in ("entries_day", "open_orders", "cash", "share_room", "fee_rate", "equity")
)
_F_SYMBOL, _F_GROSS, _F_COUNT, _F_HOLDS, _F_LOSS = (
    FACT[name] for name in ("symbol_exposure", "gross_exposure", "position_count", "holds_symbol", "day_loss_pct")
)
_L_COLLAR, _L_LOSS = LIMIT["collar_pct"], LIMIT["day_loss_reduce_pct"]


def new_account(
    market: Market,
    instruments: Sequence[Instrument],
    risk: Risk,
    max_positions: int,
    cash: float,
    shares: Sequence[float],
    clock: NDArray[np.int64],
    depths: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    points: int,
    stops: tuple[float, float] = (0.0, 0.0),
) -> Account:
    """Return an account.

    Parameters
    ----------
    instruments : sequence of Instrument
        Of the symbols, by position.
    risk, max_positions
        Limits, as live takes them.
    cash : float
        At the start, in the market's currency.
    shares : sequence of float
        Of the equity, one a strategy; 0 = a strategy that may use all of it.
    clock : ndarray of int64, shape (rows,)
        Venue clock of each row's event in ns, UTC.
    depths : tuple of two ndarray of float64, shape (rows,), optional
        매도총잔량, 매수총잔량; None = no book, and no limit on depth.
    points : int
        Room for the points of the equity curve; more are counted and not kept.
    stops : tuple of two float
        손실중지, 수익중지 in % of what the account is worth; 0 = none.
    """
    count, strategies = len(instruments), len(shares)
    bounds = limits(risk, market, max_positions, staleness=False)
    whole = np.zeros(16, dtype=np.int64)
    whole[[IS_ON, OFFSET_S, OPEN_S, CLOSE_S]] = 1, market.day_offset_s(), market.session_start_s, market.session_end_s
    whole[SYMBOL_COUNT] = count
    room = int(max(risk.orders_per_min, risk.intents_per_min)) + 2
    symbols = np.array(
        [(one.qty_step, one.min_qty, max(one.min_notional, market.min_notional), one.max_notional) for one in instruments], dtype=np.float64
    )
    facts = new_facts()
    facts[[_F_PURPOSE, _F_READY, _F_ARMED]] = ENTRY, READY, 1.0
    none = np.zeros(0)
    return (
        np.array([cash, 0.0, risk.day_loss_halt_pct, *stops]),
        whole,
        np.zeros((count * strategies, 8)),
        np.zeros(count),
        np.zeros(count * strategies, dtype=np.int64),
        np.zeros((1 + strategies, room + 1), dtype=np.int64),
        np.zeros((count * strategies, SAME_KEPT + 1), dtype=np.int64),
        np.zeros((count * strategies, SAME_KEPT, 2)),
        bounds,
        facts,
        np.zeros((strategies, len(CHECKS)), dtype=np.int64),
        np.array(clock, dtype=np.int64),
        np.stack(depths) if depths is not None else np.stack([none, none]),
        np.array(shares, dtype=np.float64),
        np.zeros((points, 4)),
        symbols.reshape(count, 4),
    )


def no_account() -> Account:
    """Return an account that is off."""
    whole, line, table = np.zeros(16, dtype=np.int64), np.zeros(1), np.zeros((1, 1))
    numbers, lines = np.zeros(1, dtype=np.int64), np.zeros((1, 1), dtype=np.int64)
    return (
        line, whole, table, line, numbers, lines, lines, np.zeros((1, 1, 1)), line, line, lines, numbers, table, line, table, table,
    )  # fmt: skip


@njit(**_OPTIONS)
def is_shared(account):
    """Tell whether the account is on."""
    return account[WHOLE][IS_ON] != 0


# --- what it is worth ------------------------------------------------------------------------------


@njit(**_OPTIONS)
def entry_fee(params, cost):
    """Return the fee of entering for `cost`, as `positions.profit` takes it."""
    if params[INTEGER_MONEY] != 0.0:
        return float(np.int64(cost) * np.int64(params[FEE]) // 10_000_000 * 10)
    return cost * params[FEE]


@njit(**_OPTIONS)
def equity(account, params):
    """Return cash and what every open position would bring at the newest prices, the cost of leaving taken off."""
    slots, prices, whole = account[SLOTS], account[PRICES], account[WHOLE]
    total = account[MONEY][CASH]
    for k in range(whole[OPEN_COUNT]):
        slot = account[OPEN][k]
        qty = slots[slot, QTY]
        if qty == 0.0:
            continue
        price = prices[slot % whole[SYMBOL_COUNT]]
        worth = round_to(slots[slot, GOT] + abs(qty) / UNIT_F * price, int(params[AMOUNT_DECIMALS]))
        total += slots[slot, PAID] - slots[slot, RETURNED] + profit(params, slots[slot, COST], worth, 1 if qty > 0.0 else -1)[0]
    return total


@njit(**_OPTIONS)
def note_halt(account, rule):
    """Remember when and why nothing more may leave: the first time counts, it is for good."""
    whole = account[WHOLE]
    if whole[HALT_NS] == 0:
        whole[HALT_NS], whole[HALT_RULE] = whole[NOW], rule


@njit(**_OPTIONS)
def watch_loss(account, params):
    """Restrict trading when the day's loss asks for it: no entries, then no plain exits either (reliability P31)."""
    money, whole = account[MONEY], account[WHOLE]
    if money[DAY_BASE] <= 0.0:
        return
    loss = max((money[DAY_BASE] - equity(account, params)) / money[DAY_BASE] * 100.0, 0.0)
    if loss >= money[HALT_PCT]:
        if whole[LOSS_STATE] != HALTED:
            note_halt(account, _LOSS)
        whole[LOSS_STATE] = HALTED
    elif loss >= account[LIMITS][_L_LOSS] and whole[LOSS_STATE] < REDUCING:
        whole[LOSS_STATE] = REDUCING


@njit(**_OPTIONS)
def watch_stops(account, params):
    """Send everybody out until the next day when the day's profit, open and realised, crosses 손실중지 or 수익중지 (workstation 5.5)."""
    money, whole = account[MONEY], account[WHOLE]
    if whole[IS_OUT] != 0 or money[STOP_LOSS_PCT] + money[STOP_GAIN_PCT] == 0.0:
        return
    if stop_is_crossed(money[DAY_BASE], equity(account, params), money[STOP_LOSS_PCT], money[STOP_GAIN_PCT]):
        whole[IS_OUT] = 1
        whole[OUT_DAYS] += 1


@njit(**_OPTIONS)
def must_leave(account):
    """Tell whether 손실중지 or 수익중지 was crossed today: no entries, and every position leaves on its symbol's next row."""
    return account[WHOLE][IS_OUT] != 0


@njit(**_OPTIONS)
def on_row(account, row, symbol, price, day, params):
    """Take the newest price and the clock of a row; begin a day; look after the day's loss."""
    whole = account[WHOLE]
    if day != whole[DAY]:
        whole[DAY], whole[ENTRIES], whole[IS_OUT] = day, 0, 0
        account[MONEY][DAY_BASE] = account[MONEY][CASH]  # nothing is held over night
        if whole[LOSS_STATE] == REDUCING:
            whole[LOSS_STATE] = ACTIVE
    whole[NOW] = max(whole[NOW], account[CLOCK][row])
    if price > 0.0:
        account[PRICES][symbol] = price
    if whole[OPEN_COUNT] > 0:
        watch_loss(account, params)
    watch_stops(account, params)  # also with nothing open: what was just realised may have crossed


@njit(**_OPTIONS)
def note_point(account, row, params):
    """Write a point of the equity curve."""
    whole, points = account[WHOLE], account[POINTS]
    if whole[POINT_COUNT] < len(points):
        point = points[whole[POINT_COUNT]]
        point[POINT_ROW], point[POINT_CASH], point[POINT_EQUITY] = row, account[MONEY][CASH], equity(account, params)
        held = 0
        for k in range(whole[OPEN_COUNT]):
            held += account[SLOTS][account[OPEN][k], QTY] != 0.0
        point[POINT_OPEN] = held
    whole[POINT_COUNT] += 1


# --- rates -------------------------------------------------------------------------------------------


@njit(**_OPTIONS)
def ring_add(ring, now):
    """Note a moment."""
    room = len(ring) - 1
    ring[1 + ring[0] % room] = now
    ring[0] += 1


@njit(**_OPTIONS)
def ring_count(ring, now, span):
    """Return how many moments lie within the last `span` ns, as far as the ring reaches."""
    room, found = len(ring) - 1, 0
    for k in range(min(ring[0], room)):
        if ring[1 + (ring[0] - 1 - k) % room] <= now - span:
            break
        found += 1
    return found


@njit(**_OPTIONS)
def same_count(account, slot, price, units, span):
    """Return how many entries of the slot within `span` had this price and quantity."""
    when, what, now = account[SAME_WHEN][slot], account[SAME_WHAT][slot], account[WHOLE][NOW]
    found = 0
    for k in range(min(when[0], SAME_KEPT)):
        place = (when[0] - 1 - k) % SAME_KEPT
        if when[1 + place] <= now - span:
            break
        found += what[place, 0] == price and what[place, 1] == units
    return found


# --- may it leave --------------------------------------------------------------------------------------


@njit(**_OPTIONS)
def worst_price(account, reference, sign, table, day, own_step):
    """Return what a market entry may cost at worst: the reference moved by the collar, on the ladder."""
    worst = reference * (1.0 + sign * account[LIMITS][_L_COLLAR] / 100.0)
    step = own_step if own_step > 0.0 else table_step(table, day, worst)
    return on_step(worst, step, DOWN if sign > 0 else UP)


@njit(**_OPTIONS)
def gather(account, slot, row, units, sign, reference, limit, leverage, params):
    """Fill the facts of an entry; see `trading.gateway.Gateway._gather`."""
    f, whole, slots, prices = account[FACTS], account[WHOLE], account[SLOTS], account[PRICES]
    count = whole[SYMBOL_COUNT]
    symbol, strategy, now = slot % count, slot // count, whole[NOW]
    fee = params[FEE] / 1e6 if params[INTEGER_MONEY] != 0.0 else params[FEE]
    reserved, gross, here, taken, used, orders, holds = 0.0, 0.0, 0.0, 0, 0.0, 0, False
    for k in range(whole[OPEN_COUNT]):
        other = account[OPEN][k]
        place = other % count
        on_way = slots[other, RESERVED] / UNIT_F
        amount = (abs(slots[other, QTY]) / UNIT_F + on_way) * prices[place]
        amount += on_way * max(slots[other, RESERVED_PRICE] - prices[place], 0.0)
        held_cash = on_way * slots[other, RESERVED_PRICE] * (1.0 + fee) / slots[other, LEVERAGE]
        reserved += held_cash
        orders += slots[other, RESERVED] > 0.0
        gross += amount
        if place == symbol:
            here += amount
            holds = True
        if other // count == strategy:
            used += slots[other, PAID] - slots[other, RETURNED] + held_cash
        is_first = True
        for j in range(k):
            is_first = is_first and account[OPEN][j] % count != place
        taken += is_first
    worth = equity(account, params)
    base = account[MONEY][DAY_BASE]
    second = (now // NS + whole[OFFSET_S]) % 86_400
    f[_F_STATE] = max(whole[LOSS_STATE], HALTED if whole[IS_STUCK] != 0 else REDUCING if whole[IS_OUT] != 0 else ACTIVE)
    f[_F_SESSION] = whole[OPEN_S] <= second < whole[CLOSE_S]
    f[_F_REF] = f[_F_FRESH] = reference
    f[_F_LIMIT] = limit
    f[_F_STEP], f[_F_MIN_QTY] = account[SYMBOLS][symbol, STEP], account[SYMBOLS][symbol, MIN_QTY]
    f[_F_MIN_NOTIONAL], f[_F_MAX_NOTIONAL] = account[SYMBOLS][symbol, MIN_NOTIONAL], account[SYMBOLS][symbol, MAX_NOTIONAL]
    depths = account[DEPTHS]
    f[_F_DEPTH] = depths[0 if sign > 0 else 1, row] * UNIT_F if depths.shape[1] > 0 else -1.0
    f[_F_SAME_1S], f[_F_SAME_60S] = (
        same_count(account, slot, reference, sign * units, NS),
        same_count(account, slot, reference, sign * units, MINUTE),
    )
    rings = account[RINGS]
    f[_F_INTENTS_1S], f[_F_INTENTS_60S] = ring_count(rings[1 + strategy], now, NS), ring_count(rings[1 + strategy], now, MINUTE)
    f[_F_ORDERS_1S], f[_F_ORDERS_60S] = ring_count(rings[0], now, NS), ring_count(rings[0], now, MINUTE)
    f[_F_ENTRIES], f[_F_OPEN] = whole[ENTRIES], orders
    f[_F_CASH] = (account[MONEY][CASH] - reserved) * leverage
    share = account[SHARES][strategy]
    f[_F_SHARE] = max(share * worth - used, 0.0) * leverage if share > 0.0 else -1.0
    f[_F_FEE], f[_F_EQUITY] = fee, worth
    f[_F_SYMBOL], f[_F_GROSS], f[_F_COUNT], f[_F_HOLDS] = here, gross, taken, holds
    f[_F_LOSS] = max((base - worth) / base * 100.0, 0.0) if base > 0.0 else 0.0


@njit(**_OPTIONS)
def ask_entry(account, slot, row, units, sign, reference, limit, leverage, params):
    """Return how many units of an entry the account lets through, and count what it said.

    Parameters
    ----------
    slot : int
        strategy · symbols + symbol.
    row : int
        Of the signal.
    units, sign : int
        Wanted, units of 1e-8; +1 long, −1 short.
    reference, limit : float
        현재가 of the signal and the worst price of the order.
    leverage : float
        Of the position; 1 = all of it is paid.
    """
    whole = account[WHOLE]
    strategy = slot // whole[SYMBOL_COUNT]
    gather(account, slot, row, units, sign, reference, limit, leverage, params)
    allowed, rule, _, _ = judge(units, account[FACTS], account[LIMITS])
    if rule != PASSED:
        account[REFUSED][strategy, rule] += 1
    if allowed <= 0:
        if rule == _REPEAT:
            note_halt(account, rule)
            whole[IS_STUCK] = 1  # a malfunction halts the account until a person looks (P28)
        return 0
    now = whole[NOW]
    ring_add(account[RINGS][0], now)
    ring_add(account[RINGS][1 + strategy], now)  # a refused one takes nothing from the cap (P24)
    when = account[SAME_WHEN][slot]
    place = when[0] % SAME_KEPT
    when[1 + place] = now
    account[SAME_WHAT][slot, place, 0], account[SAME_WHAT][slot, place, 1] = reference, sign * units
    when[0] += 1
    whole[ENTRIES] += 1
    return allowed


@njit(**_OPTIONS)
def may_exit(account, forced):
    """Tell whether an exit may leave, and count it: a halted account lets only forced ones out."""
    whole = account[WHOLE]
    if not forced and (whole[LOSS_STATE] >= HALTED or whole[IS_STUCK] != 0):
        return False
    ring_add(account[RINGS][0], whole[NOW])
    return True


# --- what happened ---------------------------------------------------------------------------------------


@njit(**_OPTIONS)
def open_slot(account, slot, leverage):
    """Put a slot on the list of those that hold or wait."""
    whole, slots = account[WHOLE], account[SLOTS]
    for k in range(whole[OPEN_COUNT]):
        if account[OPEN][k] == slot:
            return
    slots[slot, :] = 0.0
    slots[slot, LEVERAGE] = leverage
    account[OPEN][whole[OPEN_COUNT]] = slot
    whole[OPEN_COUNT] += 1


@njit(**_OPTIONS)
def close_slot(account, slot):
    """Take a slot that neither holds nor waits off the list."""
    whole, slots = account[WHOLE], account[SLOTS]
    if slots[slot, QTY] != 0.0 or slots[slot, RESERVED] != 0.0:
        return
    for k in range(whole[OPEN_COUNT]):
        if account[OPEN][k] == slot:
            for j in range(k, whole[OPEN_COUNT] - 1):
                account[OPEN][j] = account[OPEN][j + 1]
            whole[OPEN_COUNT] -= 1
            break
    slots[slot, :] = 0.0


@njit(**_OPTIONS)
def reserve(account, slot, units, price, leverage):
    """Keep the money of an entry that is under way, at its worst price; 0 units: it has ended."""
    open_slot(account, slot, leverage)
    account[SLOTS][slot, RESERVED], account[SLOTS][slot, RESERVED_PRICE] = units, price
    close_slot(account, slot)


@njit(**_OPTIONS)
def entered(account, slot, row, sign, held, entry_raw, leverage, params):
    """Book an entry: `held` units now, `entry_raw` the unrounded cost of all entries since the position was opened."""
    open_slot(account, slot, leverage)
    one = account[SLOTS][slot]
    cost = round_to(entry_raw, int(params[AMOUNT_DECIMALS]))
    paid = cost / one[LEVERAGE] + entry_fee(params, cost)
    account[MONEY][CASH] -= paid - one[PAID]
    one[QTY], one[COST], one[PAID] = sign * held, cost, paid
    note_point(account, row, params)


@njit(**_OPTIONS)
def left_part(account, slot, row, held, bought, exit_raw, params):
    """Book a partial exit: `held` units are left of `bought`, `exit_raw` is the unrounded amount of all exits so far.

    Its part of what was paid comes back with its profit; `flat` settles the rounding.
    """
    one = account[SLOTS][slot]
    decimals, sign = int(params[AMOUNT_DECIMALS]), 1 if one[QTY] > 0.0 else -1
    sold = (bought - held) / bought
    back = one[PAID] * sold + profit(params, round_to(one[COST] * sold, decimals), round_to(exit_raw, decimals), sign)[0]
    account[MONEY][CASH] += back - one[RETURNED]
    one[QTY], one[GOT], one[RETURNED] = sign * held, exit_raw, back
    note_point(account, row, params)


@njit(**_OPTIONS)
def funded(account, row, cost, params):
    """Book what a position pays for funding (negative: receives)."""
    account[MONEY][CASH] -= cost
    note_point(account, row, params)


@njit(**_OPTIONS)
def flat(account, slot, row, pnl, params):
    """Book the end of a position with its net profit."""
    one = account[SLOTS][slot]
    account[MONEY][CASH] += one[PAID] - one[RETURNED] + pnl
    one[QTY], one[COST], one[PAID], one[GOT], one[RETURNED] = 0.0, 0.0, 0.0, 0.0, 0.0
    close_slot(account, slot)
    note_point(account, row, params)


def warm() -> None:
    """Compile everything here with the types production uses."""
    account, params = no_account(), np.array([0.0, 0.0005, 0.0, 8.0, 4.0])
    table = np.array([[20230125.0, 0.0, 1.0]])
    is_shared(account)
    on_row(account, 0, 0, 1.0, 20260105, params)
    worst_price(account_for_warming(), 1.0, 1, table, 20260105, 0.0)


def account_for_warming() -> Account:
    """Return a small account that is on."""
    from coin.markets import UPBIT

    one = Instrument(instrument_id="upbit:A", code="A", name="A")
    return new_account(UPBIT, [one], Risk(), 1, 1.0, (0.0,), np.zeros(1, dtype=np.int64), None, 1)

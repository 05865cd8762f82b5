"""The rules of order management, compiled: may this leave now, how much, is it due, at what price.

Pure functions over numbers, called by the engine's order-managed loop (backtester/managed.py) and by the live strategy host
(trading/order_desk.py): no other place decides such a thing. Settings come as a vector (`rules_vector`), one row for entries and
one for exits; what is switched off holds a number that never lets its rule act, so that no function asks twice.
What was traded in a symbol today is a `memory` vector. Sources: workstation 5.1–5.4, strategy-language 10; what they leave open is in
docs/decisions/0051-order-settings-in-the-loop.md.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return,unused-ignore"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.instruments import Market
from domain.order_settings import BASES, MEASURES, METHODS, SPLITS_MAX, Entry, Exit, OrderSettings, clock
from trading.ladder import moved_price, near_border
from trading.numbers import round_to

ENTRY, EXIT = 0, 1
"""Rows of the vector."""

(
    IS_LIMIT, SPLITS, METHOD, BY_SIGNAL, DOWN_PCT, UP_PCT, FROM_LAST, BASE, TICKS, LEVELS, CANCEL_LIST, CANCEL_SIGNAL, CANCEL_S,
    BAN_ROUND, BAN_FROM, BAN_TO, BAN_S, REPLACES, REPLACE_AWAY, REPLACE_TICKS,
    BAN_LISTED, BAN_PRICE, STOPS_MAX, TRADES_MAX, BAN_STOP_S,
    STOP_PCT, STOP_MONEY, ENTRIES_MIN,
) = range(28)  # fmt: skip
RULES = 28
MEASURE, EDGE, FACTOR = 0, 1, 5
WEIGHTS = 10
TRADES, STOPS, LAST_S, LAST_STOP_S = range(4)
MEMORY = 4
"""Trades and losing trades closed today, seconds of the day of the last fill and of the last losing close; −inf = none yet."""
LAST, ASK1, BID1 = range(len(BASES))
ANGLE_ROWS = 30
SPLIT_RULE, STOP_RULE, LIQUIDATION_RULE, ACCOUNT_RULE = 100, 200, 300, 400
"""Numbers of exits that no condition of the text made (strategy-language 2.2)."""

_FALLING = {
    1: (100.0,),
    2: (66.67, 33.33),
    3: (57.14, 28.57, 14.29),
    4: (53.33, 26.67, 13.33, 6.67),
    5: (51.61, 25.81, 12.90, 6.45, 3.23),
}
_EVEN = {1: (100.0,), 2: (50.0,) * 2, 3: (33.33,) * 3, 4: (25.0,) * 4, 5: (20.0,) * 5}


def _ratios() -> NDArray[np.float64]:
    out = np.zeros((len(METHODS), SPLITS_MAX + 1, SPLITS_MAX))
    for n in range(1, SPLITS_MAX + 1):
        for place, shares in enumerate((_EVEN[n], _FALLING[n], _FALLING[n][::-1])):
            out[place, n, :n] = np.array(shares) / 100.0
    return out


RATIOS = _ratios()
"""Part of the amount at step k of n, shape (methods, n, k): strategy-language 10.6."""
_OPTIONS: Any = {"cache": True, "nogil": True, "error_model": "numpy"}


def rules_vector(settings: OrderSettings, market: Market) -> NDArray[np.float64]:
    """Return the settings as the compiled rules read them, shape (2, RULES)."""
    entry, leave = settings.entry, settings.exit
    out = np.stack([_common(entry), _common(leave)])
    out[ENTRY, FROM_LAST] = entry.split_from_last
    out[ENTRY, CANCEL_LIST], out[EXIT, CANCEL_LIST] = entry.cancel_outside, leave.cancel_inside
    out[ENTRY, BAN_LISTED] = entry.ban_blacklist
    out[ENTRY, BAN_PRICE] = 200.0 if entry.ban_cheap else -np.inf
    out[ENTRY, STOPS_MAX] = entry.ban_stops_count if entry.ban_stops else np.inf
    out[ENTRY, TRADES_MAX] = entry.ban_trades_count if entry.ban_trades else np.inf
    out[ENTRY, BAN_STOP_S] = entry.ban_stop_interval_s if entry.ban_stop_interval else 0.0
    out[EXIT, STOP_PCT] = leave.stop_rate_pct if leave.stop_rate else np.inf
    unit = 10_000.0 if market.kind == "stock" else 1.0  # 만원
    out[EXIT, STOP_MONEY] = leave.stop_money_amount * unit if leave.stop_money else np.inf
    out[EXIT, ENTRIES_MIN] = leave.ban_entries_count if leave.ban_entries else 0.0
    return out


def _common(side: Entry | Exit) -> NDArray[np.float64]:
    """Return what both sides have."""
    row = np.zeros(RULES)
    row[IS_LIMIT], row[SPLITS], row[METHOD] = side.order == "limit", side.splits, METHODS.index(side.split_method)
    row[BY_SIGNAL] = side.split_by_signal
    row[DOWN_PCT] = side.split_down_pct if side.split_down else np.inf
    row[UP_PCT] = side.split_up_pct if side.split_up else np.inf
    row[BASE], row[TICKS], row[LEVELS] = BASES.index(side.limit_base), side.limit_ticks, side.levels
    row[CANCEL_SIGNAL] = side.cancel_on_signal
    row[CANCEL_S] = side.cancel_s if side.cancel_late else np.inf
    row[BAN_ROUND] = side.ban_round_ticks if side.ban_round else -1.0
    row[BAN_FROM], row[BAN_TO] = (clock(side.ban_from), clock(side.ban_to)) if side.ban_time else (-1.0, -1.0)
    row[BAN_S] = side.ban_interval_s if side.ban_interval else 0.0
    row[REPLACES], row[REPLACE_AWAY], row[REPLACE_TICKS] = side.replaces, side.replace_away, side.replace_ticks
    return row


def weights_vector(settings: OrderSettings) -> NDArray[np.float64]:
    """Return 비중조절 as the compiled rules read it: mode, four edges, five factors."""
    weights = settings.weights
    return np.array([MEASURES.index(weights.by), *weights.edges, *weights.factors], dtype=np.float64)


@njit(**_OPTIONS)
def forget(memory):
    """Begin a day."""
    memory[TRADES] = memory[STOPS] = 0.0
    memory[LAST_S] = memory[LAST_STOP_S] = -np.inf


@njit(**_OPTIONS)
def note_fill(memory, seconds):
    """Remember that the symbol traded at `seconds` of the day."""
    memory[LAST_S] = seconds


@njit(**_OPTIONS)
def note_close(memory, seconds, pnl):
    """Remember a closed position: one trade, a losing one (손절) when its net profit is below 0."""
    memory[TRADES] += 1.0
    if pnl < 0.0:
        memory[STOPS] += 1.0
        memory[LAST_STOP_S] = seconds


# --- may it leave -------------------------------------------------------------------------------------


@njit(**_OPTIONS)
def in_ban_time(side, seconds):
    """Tell whether a time of day lies in the banned window [from, to); a window past midnight goes round it."""
    start, end = side[BAN_FROM], side[BAN_TO]
    if start < 0.0:
        return False
    return start <= seconds < end if start < end else seconds >= start or seconds < end


@njit(**_OPTIONS)
def entry_is_open(rules, is_listed, seconds, price, table, day):
    """Tell whether the buy code runs at all: blacklist, banned time, cheap price, round figure (strategy-language 10.1).

    Parameters
    ----------
    rules : ndarray of float64, shape (2, RULES)
    is_listed : bool
        The symbol is on the blacklist.
    seconds : int
        Of the day.
    price : float
        현재가.
    table, day
        Price ladder and YYYYMMDD.
    """
    side = rules[ENTRY]
    if is_listed and side[BAN_LISTED] != 0.0:
        return False
    if price <= side[BAN_PRICE] or in_ban_time(side, seconds):
        return False
    return not (side[BAN_ROUND] >= 0.0 and near_border(price, int(side[BAN_ROUND]), True, table, day))


@njit(**_OPTIONS)
def entry_may_leave(rules, memory, seconds, entries):
    """Tell whether an entry may be ordered: trades, losing trades, both intervals, steps done (workstation 5.1, checks 1, 2, 4, 5, 6).

    Parameters
    ----------
    memory : ndarray of float64, shape (MEMORY,)
    seconds : int
        Of the day.
    entries : int
        Steps already done of the open position; 0 when there is none.
    """
    side = rules[ENTRY]
    if entries == 0 and (memory[TRADES] >= side[TRADES_MAX] or memory[STOPS] >= side[STOPS_MAX]):
        return False
    if seconds - memory[LAST_S] < side[BAN_S] or seconds - memory[LAST_STOP_S] < side[BAN_STOP_S]:
        return False
    return entries < side[SPLITS]


@njit(**_OPTIONS)
def exit_may_leave(rules, memory, seconds, entries, price, table, day):
    """Tell whether an exit that nothing forces may be ordered."""
    side = rules[EXIT]
    if entries <= side[ENTRIES_MIN] or seconds - memory[LAST_S] < side[BAN_S] or in_ban_time(side, seconds):
        return False
    return not (side[BAN_ROUND] >= 0.0 and near_border(price, int(side[BAN_ROUND]), False, table, day))


# --- how much ------------------------------------------------------------------------------------------


@njit(**_OPTIONS)
def step_share(side, done):
    """Return the part of the amount that step `done` + 1 takes; 0 past the last one."""
    n = int(side[SPLITS])
    return RATIOS[int(side[METHOD]), n, done] if 0 <= done < n else 0.0


@njit(**_OPTIONS)
def weight(weights, value):
    """Return what 비중조절 makes of the amount at a measure's value."""
    if weights[MEASURE] == 0.0:
        return 1.0
    for k in range(4):
        if value < weights[EDGE + k]:
            return weights[FACTOR + k]
    return weights[FACTOR + 4]


@njit(**_OPTIONS)
def day_range(high, low):
    """Return 저가대비고가등락율, (고가 / 저가 − 1) · 100; 0 without a low."""
    return (high / low - 1.0) * 100.0 if low > 0.0 else 0.0


@njit(**_OPTIONS)
def exit_units(side, done, held, wanted):
    """Return the units that exit step `done` + 1 sells: `wanted` at most what is held; the last step sells the rest."""
    return held if done + 1 >= int(side[SPLITS]) else min(held, wanted)


# --- is it due -----------------------------------------------------------------------------------------


@njit(**_OPTIONS)
def add_is_due(rules, return_pct, price, base, sign):
    """Tell whether a split entry is due by return (10.4 C).

    The return is 수익률, or measured from `base`, 현재가 of the last entry's signal, and rounded as 수익률 is.
    """
    side = rules[ENTRY]
    if side[DOWN_PCT] == np.inf and side[UP_PCT] == np.inf:
        return False
    change = return_pct
    if side[FROM_LAST] != 0.0:
        change = round_to(sign * (price / base - 1.0) * 100.0, 2) if base > 0.0 else 0.0
    return change < -side[DOWN_PCT] or change > side[UP_PCT]


@njit(**_OPTIONS)
def step_is_due(rules, return_pct, done):
    """Tell whether exit step `done` + 1 is due by return: its threshold is that often as far (10.4 C′)."""
    side = rules[EXIT]
    return return_pct < -side[DOWN_PCT] * (done + 1) or return_pct > side[UP_PCT] * (done + 1)


@njit(**_OPTIONS)
def stop_is_hit(rules, return_pct, pnl):
    """Tell whether 손절수익률청산 or 손절수익금청산 closes the position."""
    return return_pct <= -rules[EXIT, STOP_PCT] or pnl <= -rules[EXIT, STOP_MONEY]


# --- limit orders ----------------------------------------------------------------------------------------


@njit(**_OPTIONS)
def limit_price(side, is_exit, sign, last, ask1, bid1, table, day, own_step):
    """Return base ± ticks of a limit order; 0 when the base has no price.

    Parameters
    ----------
    side : ndarray of float64
        Row of the rules.
    sign : int
        +1 long, −1 short; of a short position both base side and ticks are mirrored (10.2).
    """
    base = int(side[BASE])
    if sign < 0 and base != LAST:
        base = ASK1 if base == BID1 else BID1
    price = last if base == LAST else ask1 if base == ASK1 else bid1
    if not price > 0.0:
        return 0.0
    return moved_price(price, sign * int(side[TICKS]), table, day, own_step)


@njit(**_OPTIONS)
def is_buying(is_exit, sign):
    """Tell whether an order buys: an entry of a long position or an exit of a short one."""
    return (sign < 0) if is_exit else (sign > 0)


@njit(**_OPTIONS)
def cancel_is_due(side, is_exit, waited_s, is_inside, was_inside):
    """Tell whether a resting order is cancelled on this row: by time, 관심이탈 (entry) or 관심진입 (exit)."""
    if waited_s >= side[CANCEL_S]:
        return True
    if side[CANCEL_LIST] == 0.0:
        return False
    return (is_inside and not was_inside) if is_exit else not is_inside


@njit(**_OPTIONS)
def replace_is_due(side, buying, replaced, price, last, table, day, own_step):
    """Tell whether a resting order moves: the price went 정정호가차이 steps or more away from it."""
    if replaced >= side[REPLACES]:
        return False
    away = int(side[REPLACE_AWAY])
    if buying:
        return last >= moved_price(price, away, table, day, own_step)
    return last <= moved_price(price, -away, table, day, own_step)


@njit(**_OPTIONS)
def replace_price(side, buying, last, table, day, own_step):
    """Return the new price of a moved order: 현재가 ∓ 정정호가 steps."""
    ticks = int(side[REPLACE_TICKS])
    return moved_price(last, -ticks if buying else ticks, table, day, own_step)


@njit(**_OPTIONS)
def limit_is_passed(buying, price, low, high):
    """Tell whether a resting order is filled: the row's lowest (highest) price is strictly past it (workstation 8.4)."""
    return low < price if buying else high > price


# --- the position after a partial exit ---------------------------------------------------------------


@njit(**_OPTIONS)
def cost_left(open_raw, held, sold, decimals):
    """Return what the units still held cost: unrounded, and rounded to money (매입금액)."""
    raw = open_raw * ((held - sold) / held)
    return raw, round_to(raw, decimals)


def warm() -> None:
    """Compile everything here with the types production uses."""
    rules, weights, memory, table = np.ones((2, RULES)), np.ones(WEIGHTS), np.ones(MEMORY), np.zeros((1, 3))
    forget(memory)
    note_fill(memory, 1)
    note_close(memory, 1, 1.0)
    entry_is_open(rules, False, 1, 1.0, table, 20260105)
    entry_may_leave(rules, memory, 1, 1)
    exit_may_leave(rules, memory, 1, 1, 1.0, table, 20260105)
    step_share(rules[0], 0)
    weight(weights, 1.0)
    day_range(1.0, 1.0)
    exit_units(rules[0], 0, 1, 1)
    add_is_due(rules, 1.0, 1.0, 1.0, 1)
    step_is_due(rules, 1.0, 0)
    stop_is_hit(rules, 1.0, 1.0)
    limit_price(rules[0], False, 1, 1.0, 1.0, 1.0, table, 20260105, 1.0)
    is_buying(False, 1)
    cancel_is_due(rules[0], False, 1.0, True, True)
    replace_is_due(rules[0], True, 0, 1.0, 1.0, table, 20260105, 1.0)
    replace_price(rules[0], True, 1.0, table, 20260105, 1.0)
    limit_is_passed(True, 1.0, 1.0, 1.0)
    cost_left(1.0, 2, 1, 4)

"""What a lane of the order-managed loop remembers, and how fills, orders and closed trades are written into it.

A lane is a symbol's day. `market_fill`, `limit_fill` and `account_lets` are the places where another fill model and a shared
account come in.
"""

# mypy: disable-error-code="no-untyped-call,no-any-return,unused-ignore"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from backtester.kernel import EXIT
from backtester.outcome import OUT_FIELDS, put_trade
from backtester.pointer import number_at
from backtester.pricing import BOOK_ASK, BOOK_BID, LEVELS, price_order
from strategy.kernels import window_angle
from trading.fills import queue
from trading.margin import first_after, is_liquidated, leverage_at, maintenance
from trading.numbers import UNIT_F, round_to
from trading.order_rules import (
    ANGLE_ROWS,
    MEASURE,
    MEMORY,
    WEIGHTS,
    cost_left,
    day_range,
    is_buying,
    limit_is_passed,
    note_fill,
    weight,
)
from trading.position_vars import ENTRY_COST, LEVERAGE, POSITION_SIZE, enlarge_position, open_position, shrink_position
from trading.positions import AMOUNT_DECIMALS, PARAMS_SIZE, profit
from trading.shared_account import ask_entry, is_shared, reserve, worst_price

(
    HELD, BOUGHT, SIGN, ENTRIES, EXITS, ENTRY_ROW, ENTRY_SECONDS, PENDING, IS_RESTING, UNITS, DUE_ROW, SINCE, REPLACED, RULE,
    IS_FORCED, SIGNAL_ROW, PENDING_SIGN, PAST, READY, PARTS, NEXT_FUNDING,
) = range(21)  # fmt: skip
QUEUE = 21  # then the state of the order's place in the queue (trading/fills/queue.py)
LANE_WHOLE = QUEUE + queue.STATE
ENTRY_RAW, EXIT_RAW, OPEN_RAW, BASE_PRICE, PRICE, AMOUNT, PENDING_AMOUNT, LEVER, PENDING_LEVER, FUNDED = range(10)
LANE_MONEY = 10
DAY_HIGHS, DAY_LOWS, FIXED, RANGES, TIERS, FUNDING_TIMES, FUNDING_RATES, FUNDING_STARTS = range(8)
"""Places in the terms of a futures market, from `backtester.futures.terms_of`."""
_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "cache": True}


def no_terms(column: NDArray[np.float64]) -> tuple[NDArray[Any], ...]:
    """Return the terms of a run without leverage and funding; `column` stands where nothing is read."""
    none = np.zeros(0)
    return column, column, np.zeros(1), np.zeros((0, 3)), np.zeros((1, 2)), np.zeros(0, dtype=np.int64), none, np.zeros(2, dtype=np.int64)


@njit(**_OPTIONS)
def market_fill(book, last_price, row, buying, levels, units, fill_last, prices, sizes):  # type: ignore[no-untyped-def]
    """Decide the fill of a market order on a row: (whole quantity fits, unrounded amount of the whole)."""
    return price_order(book, last_price, row, buying, levels, units, fill_last, prices, sizes)


@njit(**_OPTIONS)
def limit_fill(lane, money, is_exit, low, high):  # type: ignore[no-untyped-def]
    """Decide whether the resting order of a lane is filled, whole, on a row with these extremes."""
    return limit_is_passed(is_buying(is_exit, lane[PENDING_SIGN]), money[PRICE], low, high)


@njit(**_OPTIONS)
def step_units_of(decimals):  # type: ignore[no-untyped-def]
    """Return the quantity step of so many decimals, in units of 1e-8."""
    step = 1
    for _ in range(8 - decimals):
        step *= 10
    return step


@njit(**_OPTIONS)
def side_of_book(book, row, buying, prices, sizes):  # type: ignore[no-untyped-def]
    """Read the five levels of one side."""
    first = BOOK_BID if buying else BOOK_ASK
    for level in range(LEVELS):
        prices[level], sizes[level] = number_at(book[first + level], row), number_at(book[first + LEVELS + level], row)


@njit(**_OPTIONS)
def rest_in_queue(lane, money, is_exit, book, row, room):  # type: ignore[no-untyped-def]
    """Give the resting order of a lane its place behind what the row's book shows at its price; `room` as of `queue_fill`."""
    buying = is_buying(is_exit, lane[PENDING_SIGN])
    prices, sizes = room[:LEVELS], room[LEVELS : 2 * LEVELS]
    side_of_book(book, row, buying, prices, sizes)
    queue.place(lane[QUEUE : QUEUE + queue.STATE], prices, sizes, 1 if buying else -1, money[PRICE], lane[UNITS])


@njit(**_OPTIONS)
def queue_fill(lane, money, is_exit, book, row, low, high, bought, sold, step, room):  # type: ignore[no-untyped-def]
    """Return the units of a lane's resting order that a row fills, a whole number of steps; `room` (20,) is to work in."""
    buying = is_buying(is_exit, lane[PENDING_SIGN])
    old_prices, old_sizes = room[:LEVELS], room[LEVELS : 2 * LEVELS]
    prices, sizes = room[2 * LEVELS : 3 * LEVELS], room[3 * LEVELS : 4 * LEVELS]
    side_of_book(book, row - 1, buying, old_prices, old_sizes)
    side_of_book(book, row, buying, prices, sizes)
    state = lane[QUEUE : QUEUE + queue.STATE]
    sign, extreme, against = (1, low, sold) if buying else (-1, high, bought)
    filled = queue.on_row(state, old_prices, old_sizes, prices, sizes, sign, money[PRICE], extreme, against, queue.CANCEL_SHARE)
    whole = filled // step * step
    state[queue.LEFT] += filled - whole
    return whole


@njit(**_OPTIONS)
def account_lets(  # type: ignore[no-untyped-def]
    account, slot, row, units, sign, price, at, rests, at_once, book, levels, fill_last, prices, sizes, ladder, day, own_step, params,
    lever,
):  # fmt: skip
    """Return how many of the units of an entry may be ordered, and reserve their money; all of them, where symbols share no account.

    As in live a market order that the row's book cannot fill, or not within the collar, is not even asked for.
    """
    if not is_shared(account):
        return units
    limit = at
    if not rests:
        limit = worst_price(account, price, sign, ladder, day, own_step)
        if at_once:
            whole, raw = market_fill(book, price, row, sign > 0, levels, units, fill_last, prices, sizes)
            if not whole or sign * raw > sign * (units / UNIT_F * limit):
                return units - units
    allowed = ask_entry(account, slot, row, units, sign, price, limit, lever, params)
    if allowed > 0:
        reserve(account, slot, allowed, limit, lever)
    return allowed


@njit(**_OPTIONS)
def day_weight(weights, measures, i, lo, coefficient):  # type: ignore[no-untyped-def]
    """Return 비중조절 on a row; `measures` are the columns its measure is made of."""
    mode = int(weights[MEASURE])
    if mode == 0:
        return 1.0
    if mode == 1:
        return weight(weights, day_range(measures[0][lo + i], measures[1][lo + i]))
    if mode <= 3:
        return weight(weights, window_angle(measures[0], lo + i, lo, lo - lo + ANGLE_ROWS, coefficient))
    return weight(weights, measures[0][lo + i])


@njit(**_OPTIONS)
def entry_leverage(terms, row):  # type: ignore[no-untyped-def]
    """Return the leverage of an entry on a row; 1 where nobody asked for one."""
    if terms[FIXED][0] == 0.0:
        return 1.0
    return leverage_at(terms[RANGES], terms[FIXED][0], round_to(day_range(terms[DAY_HIGHS][row], terms[DAY_LOWS][row]), 2))


@njit(**_OPTIONS)
def is_seized(lane, money, position, params, tiers, price):  # type: ignore[no-untyped-def]
    """Tell whether the exchange closes a lane's position at this price: by the guard, or because the maintenance margin is reached."""
    lever, cost = money[LEVER], position[ENTRY_COST]
    if lever <= 1.0:
        return False
    mark = round_to(price * (lane[HELD] / UNIT_F), int(params[AMOUNT_DECIMALS]))
    _, return_pct = profit(params, cost, mark, lane[SIGN])
    return is_liquidated(return_pct, lever) or cost / lever + lane[SIGN] * (mark - cost) <= maintenance(tiers, mark)


@njit(**_OPTIONS)
def await_funding(lane, terms, symbol, row_time):  # type: ignore[no-untyped-def]
    """Note the first funding time after the row on which a position was opened."""
    starts = terms[FUNDING_STARTS]
    lane[NEXT_FUNDING] = first_after(terms[FUNDING_TIMES], starts[symbol], starts[symbol + 1], row_time)


@njit(**_OPTIONS)
def pay_funding(lane, money, terms, symbol, row_time, price):  # type: ignore[no-untyped-def]
    """Return what a lane's position pays for the funding times that its rows have reached, and note it."""
    times, rates, past = terms[FUNDING_TIMES], terms[FUNDING_RATES], terms[FUNDING_STARTS][symbol + 1]
    cost = 0.0
    while lane[NEXT_FUNDING] < past and times[lane[NEXT_FUNDING]] <= row_time:
        cost += lane[SIGN] * rates[lane[NEXT_FUNDING]] * (lane[HELD] / UNIT_F * price)
        lane[NEXT_FUNDING] += 1
    money[FUNDED] += cost
    return cost


@njit(**_OPTIONS)
def take_in(lane, money, position, params, memory, units, amount, i, seconds, row_time, last_price):  # type: ignore[no-untyped-def]
    """Book an entry that was filled on row `i`; `last_price` is 현재가 of its signal."""
    if lane[HELD] == 0:
        lane[HELD], lane[BOUGHT], lane[SIGN], lane[ENTRIES], lane[EXITS], lane[PAST] = units, units, lane[PENDING_SIGN], 1, 0, 0
        lane[ENTRY_ROW], lane[ENTRY_SECONDS] = i, seconds
        money[ENTRY_RAW], money[EXIT_RAW], money[OPEN_RAW], money[AMOUNT] = amount, 0.0, amount, money[PENDING_AMOUNT]
        open_position(position, params, lane[SIGN], units, amount, lane[SIGNAL_ROW], row_time)
        money[FUNDED], money[LEVER] = 0.0, money[PENDING_LEVER]
        position[LEVERAGE] = money[LEVER]
    else:
        lane[HELD] += units
        lane[BOUGHT] += units
        lane[ENTRIES] += 1
        money[ENTRY_RAW] += amount
        money[OPEN_RAW] += amount
        enlarge_position(position, params, lane[HELD], money[OPEN_RAW], lane[SIGNAL_ROW])
    money[BASE_PRICE] = last_price
    note_fill(memory, seconds)


@njit(**_OPTIONS)
def let_out(lane, money, position, params, memory, units, amount, whole, rule, seconds):  # type: ignore[no-untyped-def]
    """Book an exit; tell whether the position is flat now."""
    money[EXIT_RAW] += amount
    lane[RULE] = rule
    if not whole:
        lane[PAST] = 1
    note_fill(memory, seconds)
    if units >= lane[HELD]:
        lane[HELD] = 0
        return True
    money[OPEN_RAW], cost = cost_left(money[OPEN_RAW], lane[HELD], units, int(params[AMOUNT_DECIMALS]))
    lane[HELD] -= units
    lane[EXITS] += 1
    shrink_position(position, lane[HELD], cost)
    return False


@njit(**_OPTIONS)
def write_trade(out, count, set_no, block, lo, i, lane, money, params):  # type: ignore[no-untyped-def]
    """Write the trade of a lane that is flat now; return its net profit."""
    return put_trade(
        out, count, set_no, block, lo + lane[ENTRY_ROW], lo + i, lane[SIGN], lane[BOUGHT], money[ENTRY_RAW], money[EXIT_RAW],
        money[FUNDED], lane[RULE], lane[PAST] != 0, params,
    )  # fmt: skip


@njit(**_OPTIONS)
def put_order(lane, money, kind, rests, units, sign, price, due_row, signal_row, seconds, rule, amount, lever):  # type: ignore[no-untyped-def]
    """Remember an order that waits for its row or rests in the book."""
    lane[PENDING], lane[IS_RESTING], lane[UNITS], lane[PENDING_SIGN] = kind, rests, units, sign
    lane[DUE_ROW], lane[SIGNAL_ROW], lane[SINCE], lane[REPLACED], lane[IS_FORCED] = due_row, signal_row, seconds, 0, 0
    lane[PARTS] = 0
    money[PRICE], money[PENDING_AMOUNT], money[PENDING_LEVER] = price, amount, lever
    if kind == EXIT:
        lane[RULE] = rule


def warm() -> None:
    """Compile everything here with the types production uses."""
    lane, money, memory = np.zeros(LANE_WHOLE, dtype=np.int64), np.zeros(LANE_MONEY), np.zeros(MEMORY)
    position, params, column = np.zeros(POSITION_SIZE), np.zeros(PARAMS_SIZE), np.zeros(1)
    market_fill(np.zeros(20, dtype=np.int64), 1.0, 0, True, 5, 0, False, np.zeros(5), np.zeros(5, dtype=np.int64))
    limit_fill(lane, money, True, 1.0, 1.0)
    day_weight(np.zeros(WEIGHTS), (column, column), 0, 0, 1.0)
    put_order(lane, money, 1, True, 1, 1, 1.0, 0, 0, 0, 0, 1.0, 1.0)
    take_in(lane, money, position, params, memory, 1, 1.0, 0, 0, 20260105000000, 1.0)
    let_out(lane, money, position, params, memory, 1, 1.0, True, 0, 0)
    write_trade(np.zeros((1, OUT_FIELDS)), 0, 0, 0, 0, 0, lane, money, params)
    terms = no_terms(column)
    entry_leverage(terms, 0)
    is_seized(lane, money, position, params, np.zeros((1, 2)), 1.0)
    await_funding(lane, terms, 0, 1)
    pay_funding(lane, money, terms, 0, 1, 1.0)

"""The compiled loop over rows: one text for all markets, intervals and strategies.

The part below the LOOP line is joined, as text, to the functions of a strategy
(`strategy.compiler.functions`), so that Numba compiles the steps into the loop and can keep the result on
disk: a loop that received the steps as arguments could not be cached. Above the line stand stand-ins
with the same signatures, so that this file can be read, checked and compiled by itself.

Order of things on a row: strategy-language 10.1 and workstation 8.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from backtester.bands import ROOM_SHARE, followed_band, hold_bounds, seen_band

USES_ORDER_QTY = USES_RETURNS = USES_HOLDING = False
HAS_MARKS = False
N_COLUMNS, N_FEATURES, N_VARIABLES, N_PRESETS, N_KEPT = 1, 0, 1, 1, 0
SKIPS_ENTRY, SKIPS_HOLD, HAS_EXIT_ROWS = False, False, False
FOLLOWS, FOLLOWS_MAX, FOLLOWS_MIN = False, False, False
N_TERMS, N_BUILT, NEEDS = 0, 0, (False,)
N_ABREAST, LANES, HAS_ABREAST = 0, 1, False
HOLDS_DAYS = False


@njit(nogil=True)
def buy(inputs: Any, sums: Any, extremes: Any, i: int, lo: int, variables: Any, position: Any, state: Any) -> int:
    """Stand-in: never buys."""
    return 0


@njit(nogil=True)
def sell(inputs: Any, sums: Any, extremes: Any, i: int, lo: int, variables: Any, position: Any, state: Any) -> int:
    """Stand-in: never sells."""
    return 0


@njit(nogil=True)
def mark(inputs: Any, sums: Any, extremes: Any, i: int, lo: int, variables: Any, position: Any, state: Any) -> int:
    """Stand-in for the conditions of 경과틱수; gives the number of arithmetic errors."""
    return 0


@njit(nogil=True)
def make_sums(rows: int) -> Any:
    """Stand-in: running sums of up to `rows` rows, one entry more."""
    return np.zeros((1, rows + 1), dtype=np.int64)


@njit(nogil=True)
def make_extremes(rows: int) -> Any:
    """Stand-in: window extremes."""
    return np.zeros((1, rows), dtype=np.float64)


@njit(nogil=True)
def make_scratch(rows: int) -> Any:
    """Stand-in: what `fill_features` needs between calls."""
    return np.zeros((1, 3), dtype=np.int64)


@njit(nogil=True)
def fill_features(windows: Any, inputs: Any, sums: Any, extremes: Any, scratch: Any, lo: int, i0: int, i1: int) -> None:
    """Stand-in: no features."""


@njit(nogil=True)
def borrow_inputs(inputs: Any) -> Any:
    """Stand-in: the columns without owners."""
    return inputs


@njit(nogil=True)
def slice_inputs(inputs: Any, lo: int, hi: int) -> Any:
    """Stand-in: the columns of one symbol-day."""
    return (inputs[0][lo:hi],)


@njit(nogil=True)
def flag_rows(
    t: int, build: bool, inputs: Any, sums: Any, extremes: Any, i0: int, i1: int, variables: Any, position: Any, state: Any, out: Any
) -> None:
    """Stand-in: no condition."""


@njit(nogil=True)
def fill_abreast(windows: Any, columns: Any, blocks: Any, b: int, extremes: Any, side: Any, tile: Any, i0: int, i1: int) -> None:
    """Stand-in: no series of several days at once."""


# === LOOP ===
from backtester.delay import due_row  # noqa: E402
from backtester.outcome import (  # noqa: E402, F401 - the fields of a trade are known by this module's name
    OUT_BLOCK,
    OUT_ENTRY,
    OUT_ENTRY_RAW,
    OUT_EXIT,
    OUT_EXIT_RAW,
    OUT_FIELDS,
    OUT_PAST,
    OUT_PNL,
    OUT_RETURN,
    OUT_RULE,
    OUT_SET,
    OUT_SIGN,
    OUT_UNITS,
    put_trade,
)
from backtester.pointer import address_of, fetch, number_at  # noqa: E402
from backtester.pricing import BOOK_ASK, BOOK_BID, price_order  # noqa: E402
from backtester.skip import (  # noqa: E402
    LINE,
    LINE_STEP,
    NEVER,
    SPAN,
    WORDS,
    fetch_marked,
    merge,
    next_exit,
    next_flagged_exit,
    next_set,
    price_band,
    price_line,
    return_at,
    time_bound,
    widened,
)
from strategy.abreast import make_tile  # noqa: E402
from strategy.borrow import borrow  # noqa: E402
from trading.numbers import UNIT_F, day_seconds  # noqa: E402
from trading.position_vars import (  # noqa: E402
    FORCE_EXIT,
    MAX_RETURN_PCT,
    MIN_RETURN_PCT,
    ORDER_QTY,
    POSITION_QTY,
    POSITION_SIZE,
    clear_position,
    open_position,
    update_holding,
    update_returns,
)
from trading.positions import INTEGER_MONEY, PARAMS_SIZE  # noqa: E402
from trading.sizing import quantity  # noqa: E402

# In this loop `min`, `max` and `int` are written out: Numba compiles its own functions for them anew in every module.
CHUNK = 2048  # rows whose features are built just before they are read, so that columns are still in cache
NONE, ENTRY, EXIT = 0, 1, 2
BETTING, ENTRY_LEVELS, EXIT_LEVELS, LATENCY, FILL_LAST, INTERVAL, AUCTION_GATE, DELAY_MS, LEVEL_SHARE, REACH = range(10)
OPTIONS = 10
BLOCK_LO, BLOCK_HI, BLOCK_BEGIN, BLOCK_PARAMS, BLOCK_DECIMALS, BLOCK_SYMBOL = range(6)
BLOCK_FIELDS = 6
ERRORS = 0
WORK_TAGS = 9  # place in `work` of what says which pieces are there; zero before a call


@njit(_nrt=False, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def more_features(windows, cols, sums, extremes, scratch, ready, upto):  # type: ignore[no-untyped-def]
    """Continue the features over rows `ready` … upto−1."""
    fill_features(windows, cols, sums, extremes, scratch, ready - ready, ready, upto)
    for e in range(len(extremes) - N_BUILT - N_KEPT, len(extremes) - N_BUILT):
        kept = extremes[e]
        for row in range(ready, upto):
            kept[row] = np.nan  # nobody has asked for it yet (kept.py)
    return upto


@njit(_nrt=False, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
def run_blocks(  # type: ignore[no-untyped-def]  # noqa: C901 - one state machine; every road of 10.1 is here and nowhere else
    inputs, book, last, universe, row_time,
    blocks, block_nos, params, row_params, states, variables, windows, rebuild, warmups, set_nos, ids, slots, options, work, out, counters,
):  # fmt: skip
    """Run every parameter set over every block, block by block, so that a block stays in cache for all sets.

    Parameters
    ----------
    inputs : tuple of ndarray of float64, shape (rows,)
        The program's columns.
    book : ndarray of int64, shape (20,)
        Addresses of the book columns: asks, ask sizes, bids, bid sizes, best first.
    last, universe, row_time : ndarray, shape (rows,)
        현재가, 관심종목, row time.
    blocks : ndarray of int64, shape (blocks, BLOCK_FIELDS)
        First row, row after the last, first row that runs code, row of `params`, quantity decimals, row of `states`.
    block_nos, set_nos : ndarray of int64
        Numbers written into `out`.
    params : ndarray of float64, shape (m, PARAMS_SIZE)
    row_params : ndarray of int64, shape (rows,)
        Row of `params` of each row where a block is all of a symbol's daily bars; else not looked at.
    states : ndarray of float64, shape (symbols, at least 1)
        State vector at the start of a day.
    variables, windows, rebuild, warmups : ndarray, shape (sets, …)
        `self.vars`, window of each feature, whether those differ from the set before (sets with equal
        windows stand together and share the features), rows a day needs before code runs.
    ids : ndarray of int64, shape (sets, conditions)
        Equal where sets share a condition of the plan.
    slots : ndarray of int64, shape (3, conditions)
        First slot of each condition's bytes; how many it has; and which condition of an entry is asked first, second ….
    options : ndarray of float64
        BETTING … REACH; LEVEL_SHARE is of the order-managed loop, REACH of this one.
    work : tuple of ndarray
        From `make_work`.
    out : ndarray of float64, shape (room, OUT_FIELDS)
        Receives the trades.
    counters : ndarray of int64
        ERRORS: rows on which a code ended in an arithmetic error.

    Returns
    -------
    int
        Number of trades; more than ``len(out)`` means that the rest was not kept.
    """
    betting, entry_levels, exit_levels = options[BETTING], np.int64(options[ENTRY_LEVELS]), np.int64(options[EXIT_LEVELS])
    latency, fill_last, interval_s = np.int64(options[LATENCY]), options[FILL_LAST] != 0.0, np.int64(options[INTERVAL])
    auction_gate, delay_ms, reach = options[AUCTION_GATE] != 0.0, np.int64(options[DELAY_MS]), np.int64(options[REACH])
    at_once = latency == 0 and delay_ms == 0
    sums, extremes, scratch = borrow(work[0]), borrow(work[1]), borrow(work[2])
    position, state, prices, sizes = borrow(work[3]), borrow(work[4]), borrow(work[5]), borrow(work[6])
    flags, flag_words, tags = borrow(work[7]), borrow(work[8]), borrow(work[9])
    marks, mark_words, bounds, line = borrow(work[10]), borrow(work[11]), borrow(work[12]), borrow(work[13])
    side, tile = borrow(work[14]), borrow(work[15])
    tile[0, 0] = 0.0  # no days stand in `side`
    ids, slots = borrow(ids), borrow(slots)
    columns = borrow_inputs(inputs)
    last, universe, row_time, book = borrow(last), borrow(universe), borrow(row_time), borrow(book)
    blocks, block_nos, params, states = borrow(blocks), borrow(block_nos), borrow(params), borrow(states)
    variables, windows, rebuild, warmups = borrow(variables), borrow(windows), borrow(rebuild), borrow(warmups)
    set_nos, out, counters = borrow(set_nos), borrow(out), borrow(counters)
    zero = len(blocks) - len(blocks)  # not a literal, which would be a type of its own and a second compilation
    count, group = zero, zero
    for b in range(len(blocks)):
        lo, hi, begin = blocks[b, BLOCK_LO], blocks[b, BLOCK_HI], blocks[b, BLOCK_BEGIN]
        n = hi - lo
        cols = slice_inputs(columns, lo, hi)
        day_last, day_universe, day_time = last[lo:hi], universe[lo:hi], row_time[lo:hi]
        day_params = params[blocks[b, BLOCK_PARAMS]]
        decimals = blocks[b, BLOCK_DECIMALS]
        day_state = states[blocks[b, BLOCK_SYMBOL]]
        ready = zero  # features of rows before it are there
        stamp = (block_nos[b] + 1) << 32
        for s in range(len(variables)):
            if rebuild[s]:
                ready = zero
            group += rebuild[s] != 0 or s == 0
            vector = variables[s]
            first = begin if begin > warmups[s] - 1 else warmups[s] - 1
            clear_position(position)
            for k in range(len(state)):
                state[k] = day_state[k]
            holding = False
            forced = False
            waiting = -1  # row on which the order that waits is priced; −1: none waits
            units, sign, rule = 0, 1, 0
            signal_row, entry_row, entry_seconds = 0, 0, 0
            entry_raw = 0.0
            low, high, until = np.inf, -np.inf, zero
            top, bottom, follows = -np.inf, np.inf, False  # of prices since the entry; whether they are kept
            marked = -1  # piece whose conditions of an entry are joined in `marks`
            if SKIPS_HOLD:
                bounds[0], bounds[1], bounds[2] = np.inf, -np.inf, np.inf
                hold_bounds(vector, position, bounds)
            i = 0 if HAS_MARKS else first
            while i < n:
                if ((SKIPS_ENTRY and not holding) or (SKIPS_HOLD and holding)) and waiting < 0:
                    # One road for both, so that what a plan needs is compiled once.
                    end_of_search = n - 1 if holding else n
                    while i < end_of_search:
                        piece = i // SPAN
                        i0 = piece * SPAN
                        i1 = i0 + SPAN if i0 + SPAN < n else n
                        k, k_end = zero, zero
                        if holding:
                            if HAS_EXIT_ROWS:
                                k, k_end = zero + N_TERMS, zero + N_TERMS + 1
                        elif piece != marked:
                            k_end = zero + N_TERMS
                            marked = piece
                            for word in range(WORDS):
                                mark_words[word] = -1
                        slot, is_new = zero, k < k_end and not holding
                        while k < k_end:
                            t = slots[2, k]
                            slot = slots[0, t] + ids[s, t] % slots[1, t]
                            if tags[slot, piece] != stamp + ids[s, t] + 1:
                                build = False
                                if NEEDS[t]:
                                    if ready < i1:
                                        if reach >= 0 and ready < i0 - reach:
                                            if ready == 0:
                                                # A day's running sums begin after its first row: differences do not hang on where.
                                                for f in range(len(sums) // 3 * 2, len(sums)):
                                                    sums[f, 0] = sums[f, 1] = 0
                                            ready = i0 - reach
                                        if HAS_ABREAST:
                                            fill_abreast(windows[s], columns, blocks, b, extremes, side, tile, ready, i1)
                                        ready = more_features(windows[s], cols, sums, extremes, scratch, ready, i1)
                                    build = tags[0, piece] != group
                                    tags[0, piece] = group
                                flag_rows(t, build, cols, sums, extremes, i0, i1, vector, position, state, flags[slot])
                                tags[slot, piece] = stamp + ids[s, t] + 1
                            k += 1
                            if not holding and not merge(mark_words, flag_words[slot], piece * WORDS):
                                is_new = False
                                break
                        if is_new:  # what an entry reads first comes from memory while the rows before it are run
                            fetch_marked(mark_words, address_of(universe), address_of(row_time), lo + i0)
                            if not fill_last:
                                fetch_marked(mark_words, book[BOOK_ASK], book[BOOK_BID], lo + i0)
                        if holding:
                            end = i1 if i1 < n else n - 1
                            start = i
                            if HAS_EXIT_ROWS:
                                i = next_flagged_exit(flags[slot], day_last, day_time, i, end, low, high, until)
                            else:
                                i = next_exit(day_last, day_time, i, end, low, high, until)
                            if FOLLOWS and follows:
                                top, bottom = widened(day_last, start, i, top, bottom)
                            if i < end:
                                if (
                                    FOLLOWS
                                    and follows
                                    and (until == NEVER or day_time[i] < until)
                                    and not (HAS_EXIT_ROWS and flags[slot][i] != 0)
                                ):
                                    # The row may only have moved the highest or lowest price, and what hangs on them.
                                    top, bottom = max(top, day_last[i]), min(bottom, day_last[i])
                                    low, high = followed_band(vector, position, bounds, line, top, bottom, ROOM_SHARE)
                                    if not low < day_last[i] < high:
                                        low, high = followed_band(vector, position, bounds, line, top, bottom, 0.0)
                                    if low < day_last[i] < high:
                                        i += 1
                                        continue
                                break
                        else:
                            i = i0 + next_set(marks, mark_words, i - i0)
                            if i < i0 + SPAN:
                                break
                    if i >= n:
                        break
                    first_level = BOOK_BID if holding == (sign > 0) else BOOK_ASK
                    fetch(book[first_level], lo + i)  # the code will mostly want to trade here
                elif not HAS_MARKS and waiting > i:
                    i = waiting if waiting < n else n - 1
                if i >= ready:
                    upto = ready + CHUNK if ready + CHUNK > i else i + 1
                    upto = upto if upto < n else n
                    if HAS_ABREAST:
                        fill_abreast(windows[s], columns, blocks, b, extremes, side, tile, ready, upto)
                    ready = more_features(windows[s], cols, sums, extremes, scratch, ready, upto)
                if HAS_MARKS:
                    counters[ERRORS] += mark(cols, sums, extremes, i, zero, vector, position, state)
                    if i < first:
                        i += 1
                        continue
                act = NONE
                if waiting >= 0:
                    if i == waiting:
                        act = EXIT if holding else ENTRY
                elif auction_gate and number_at(book[BOOK_ASK + 9], lo + i) == 0.0 and number_at(book[BOOK_BID + 9], lo + i) == 0.0:
                    act = NONE  # no code while the fifth levels are empty (VI, auction)
                elif holding:
                    if HOLDS_DAYS:
                        day_params = params[row_params[lo + i]]
                    if FOLLOWS and follows:
                        top, bottom = max(top, day_last[i]), min(bottom, day_last[i])
                        best, worst = (top, bottom) if sign > 0 else (bottom, top)
                        if FOLLOWS_MAX:
                            position[MAX_RETURN_PCT] = return_at(position, day_params, best)
                        if FOLLOWS_MIN:
                            position[MIN_RETURN_PCT] = return_at(position, day_params, worst)
                    if USES_RETURNS:
                        update_returns(position, day_params, day_last[i])
                    if USES_HOLDING:
                        update_holding(position, day_seconds(day_time[i], interval_s) - entry_seconds, interval_s)
                    position[ORDER_QTY] = position[POSITION_QTY]
                    position[FORCE_EXIT] = 0.0
                    result = sell(cols, sums, extremes, i, zero, vector, position, state)
                    if result > 0:
                        rule, forced = result, position[FORCE_EXIT] != 0.0
                        act = EXIT
                    elif result < 0:
                        counters[ERRORS] += 1
                    if SKIPS_HOLD and FOLLOWS:
                        low, high = (np.inf, -np.inf) if follows else seen_band(vector, position, bounds, line)
                elif day_universe[i] != 0.0:
                    if USES_ORDER_QTY:
                        position[ORDER_QTY] = quantity(betting, day_last[i], decimals) / UNIT_F
                    result = buy(cols, sums, extremes, i, zero, vector, position, state)
                    if result > 0:
                        units = quantity(betting, day_last[i], decimals)
                        sign = 1 if result == 1 else -1
                        signal_row = i
                        act = ENTRY if units > 0 else NONE
                    elif result < 0:
                        counters[ERRORS] += 1
                if act != NONE and not at_once and waiting != i:
                    # Past the day's end an entry is dropped and an exit becomes the close on the last row.
                    waiting, act = due_row(day_time, i, n, latency, delay_ms, interval_s), NONE
                elif waiting == i:
                    waiting = -1
                if HOLDS_DAYS:
                    day_params = params[row_params[lo + i]]
                if act == ENTRY:
                    whole, amount = price_order(book, day_last[i], lo + i, sign > 0, entry_levels, units, fill_last, prices, sizes)
                    if whole:
                        entry_raw = amount
                        holding = True
                        forced = False
                        entry_row = i
                        entry_seconds = day_seconds(day_time[i], interval_s)
                        open_position(position, day_params, sign, units, entry_raw, signal_row, day_time[i])
                        if SKIPS_HOLD:
                            price_line(position, day_params, line)
                            if FOLLOWS:
                                low, high, top, bottom = np.inf, -np.inf, -np.inf, np.inf  # until a row has been seen
                                # Where 수익률 never falls as the price rises, two prices tell all that was. Won fees are cut: it may.
                                follows = line[LINE_STEP] != 0.0 and day_params[INTEGER_MONEY] == 0.0 and not (auction_gate or HOLDS_DAYS)
                            else:
                                low, high = price_band(line, bounds[0], bounds[1])
                            until = time_bound(day_time[i], entry_seconds, bounds[2], interval_s)
                if holding and (act == EXIT or i == n - 1):
                    whole, exit_raw = price_order(book, day_last[i], lo + i, sign < 0, exit_levels, units, fill_last, prices, sizes)
                    if act != EXIT or not (whole or forced):
                        rule = 0  # what is open after the codes of the last row is closed on it
                    if whole or (act == EXIT and forced) or i == n - 1:
                        put_trade(
                            out, count, set_nos[s], block_nos[b], lo + entry_row, lo + i, sign, units, entry_raw, exit_raw, 0.0, rule,
                            not whole, day_params,
                        )  # fmt: skip
                        count += 1
                        holding = False
                        clear_position(position)
                i += 1
    return count


def make_work(rows, n_state, n_slots=1):  # type: ignore[no-untyped-def]
    """Return the arrays that a thread needs for blocks of up to `rows` rows; made in Python, nothing to compile."""
    plain = make_extremes.py_func(rows)
    extremes = np.concatenate([plain, np.full((N_KEPT + N_BUILT, rows), np.nan)]) if N_KEPT + N_BUILT else plain
    pieces = -(-rows // SPAN)
    flags = np.zeros((n_slots, pieces * SPAN), dtype=np.uint8)
    marks = np.zeros(SPAN, dtype=np.uint8)
    return (
        make_sums.py_func(rows), extremes, make_scratch.py_func(rows), np.zeros(POSITION_SIZE), np.zeros(n_state),
        np.zeros(5), np.zeros(5, dtype=np.int64), flags, flags.view(np.int64), np.zeros((n_slots, pieces), dtype=np.int64),
        marks, marks.view(np.int64), np.zeros(3), np.zeros(LINE),
        np.zeros((max(N_ABREAST * LANES, 1), rows if HAS_ABREAST else 1)), make_tile(),
    )  # fmt: skip


def warm() -> None:
    """Compile the loop with the types production uses; runs when the module is loaded."""
    column = np.ones(1)
    column.flags.writeable = False
    stamp = np.array([20260105000000], dtype=np.int64)
    stamp.flags.writeable = False
    book = np.zeros(20, dtype=np.int64)
    blocks = np.zeros((1, BLOCK_FIELDS), dtype=np.int64)
    numbers = np.zeros(1, dtype=np.int64)
    windows = np.ones((1, N_FEATURES), dtype=np.int64)
    run_blocks(
        (column,) * N_COLUMNS, book, column, column, stamp, blocks, numbers, np.zeros((1, PARAMS_SIZE)),
        numbers, np.zeros((1, N_PRESETS)), np.ones((1, N_VARIABLES)), windows, numbers, numbers + 1, numbers,
        np.zeros((1, N_TERMS + 1), dtype=np.int64), np.ones((3, N_TERMS + 1), dtype=np.int64), np.ones(OPTIONS),
        make_work(1, N_PRESETS, N_TERMS + 2),
        np.zeros((1, OUT_FIELDS)), numbers,
    )  # fmt: skip

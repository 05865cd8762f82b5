"""The compiled loop of the back-finder: where did a buy text say yes, and what followed.

Like kernel.py the part below the LOOP line is joined to the functions of a strategy. What a text sees of a row is what
a back-test shows it; what followed is read here alone, after the text has spoken, so that no text can look ahead.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from backtester.kernel import (
    HAS_MARKS,
    N_COLUMNS,
    N_FEATURES,
    N_PRESETS,
    N_VARIABLES,
    USES_ORDER_QTY,
    borrow_inputs,
    buy,
    fill_features,
    make_extremes,
    make_scratch,
    make_sums,
    mark,
    slice_inputs,
)

# === LOOP ===
from strategy.borrow import borrow
from trading.numbers import UNIT_F
from trading.position_vars import ORDER_QTY, POSITION_SIZE, clear_position
from trading.sizing import quantity

CHUNK = 2048
HIT_ROW, HIT_SIDE, HIT_BEST, HIT_WORST, HIT_END, HIT_AFTER = range(6)
HIT_FIELDS = 6  # then the values of the text's own attributes
SEEN, HELD, ERRORS, REACHED, BASE_REACHED = range(5)
SUM_END, SUM_BEST = range(2)


@njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def look_ahead(last, n, ahead, high, low, high_after, low_after):  # type: ignore[no-untyped-def]
    """Fill the highest and lowest of the `ahead` rows after each row, and how many rows on each of them comes first.

    Rows whose future does not reach so far within the day are left as they are.
    """
    up, down = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    up_first, up_last, down_first, down_last = 0, 0, 0, 0
    # From the day's end: the queues hold later rows, the best one last; of equals the earlier one stands.
    for i in range(n - 2, -1, -1):
        k = i + 1
        while up_last > up_first and last[up[up_last - 1]] <= last[k]:
            up_last -= 1
        up[up_last] = k
        up_last += 1
        while down_last > down_first and last[down[down_last - 1]] >= last[k]:
            down_last -= 1
        down[down_last] = k
        down_last += 1
        if up[up_first] > i + ahead:
            up_first += 1
        if down[down_first] > i + ahead:
            down_first += 1
        if i + ahead < n:
            high[i], high_after[i] = last[up[up_first]], up[up_first] - i
            low[i], low_after[i] = last[down[down_first]], down[down_first] - i


@njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)
def find_blocks(  # type: ignore[no-untyped-def]  # noqa: C901 - one walk over a day; a loop cut in pieces compiles to copies
    inputs, last, universe, closed, blocks, states, vector, windows, warmup, numbers, slots, work, out, counters, totals,
):  # fmt: skip
    """Call the buy text on every row of every block as a flat position sees it, and note what followed where it said yes.

    Parameters
    ----------
    inputs, last, universe, blocks, states, vector, windows, warmup
        As `kernel.run_blocks` takes them, for one parameter set.
    closed : tuple of ndarray
        Sizes of the fifth ask and bid; where both are 0 no code runs. Empty arrays: there is no such rule.
    numbers : ndarray of float64
        Rows ahead, least rise in % (−inf: none), betting.
    slots : ndarray of int64
        Slots of the state vector that are noted with a hit.
    out : ndarray of float64, shape (room, HIT_FIELDS + len(slots))
    counters, totals : ndarray
        SEEN rows with a whole future, HELD of them on which the text said yes, REACHED and BASE_REACHED those of HELD and of
        SEEN that rose enough; sums of what followed all rows seen.

    Returns
    -------
    int
        Hits; more than ``len(out)`` means that the rest was not kept.
    """
    ahead, rise, betting = int(numbers[0]), numbers[1], numbers[2]
    sums, extremes, scratch = borrow(work[0]), borrow(work[1]), borrow(work[2])
    position, state = borrow(work[3]), borrow(work[4])
    high, low, high_after, low_after = work[5], work[6], work[7], work[8]
    columns = borrow_inputs(inputs)
    gated = len(closed[0]) > 0
    zero = len(blocks) - len(blocks)
    count = zero
    for b in range(len(blocks)):
        lo, hi, begin = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        n = hi - lo
        cols = slice_inputs(columns, lo, hi)
        day_last, day_universe = last[lo:hi], universe[lo:hi]
        look_ahead(day_last, n, ahead, high, low, high_after, low_after)
        for k in range(len(state)):
            state[k] = states[blocks[b, 5], k]
        clear_position(position)
        first = max(begin, warmup - 1)
        ready = zero
        for i in range(0 if HAS_MARKS else first, n):
            if i >= ready:
                upto = min(max(ready + CHUNK, i + 1), n)
                fill_features(windows, cols, sums, extremes, scratch, zero, ready, upto)
                ready = upto
            if HAS_MARKS:
                counters[ERRORS] += mark(cols, sums, extremes, i, zero, vector, position, state)
                if i < first:
                    continue
            if gated and closed[0][lo + i] == 0.0 and closed[1][lo + i] == 0.0:
                continue
            whole = i + ahead < n
            if whole:
                best = (high[i] / day_last[i] - 1.0) * 100.0
                counters[SEEN] += 1
                totals[SUM_END] += (day_last[i + ahead] / day_last[i] - 1.0) * 100.0
                totals[SUM_BEST] += best
                if best > rise:
                    counters[BASE_REACHED] += 1
            if day_universe[i] == 0.0:
                continue
            if USES_ORDER_QTY:
                position[ORDER_QTY] = quantity(betting, day_last[i], blocks[b, 4]) / UNIT_F
            # The text runs also where its future is not whole: its attributes live on.
            result = buy(cols, sums, extremes, i, zero, vector, position, state)
            if result < 0:
                counters[ERRORS] += 1
            if result <= 0 or not whole:
                continue
            counters[HELD] += 1
            up, down = (high[i] / day_last[i] - 1.0) * 100.0, (low[i] / day_last[i] - 1.0) * 100.0
            end = (day_last[i + ahead] / day_last[i] - 1.0) * 100.0
            sign = 1.0 if result == 1 else -1.0
            good, bad = (up, down) if result == 1 else (-down, -up)
            if not good > rise:
                continue
            counters[REACHED] += 1
            if count < len(out):
                out[count, HIT_ROW], out[count, HIT_SIDE] = lo + i, sign
                out[count, HIT_BEST], out[count, HIT_WORST], out[count, HIT_END] = good, bad, sign * end
                out[count, HIT_AFTER] = high_after[i] if result == 1 else low_after[i]
                for k in range(len(slots)):
                    out[count, HIT_FIELDS + k] = state[slots[k]]
            count += 1
    return count


def make_work(rows, n_state):  # type: ignore[no-untyped-def]
    """Return the arrays that a call needs for blocks of up to `rows` rows."""
    return (
        make_sums.py_func(rows), make_extremes.py_func(rows), make_scratch.py_func(rows), np.zeros(POSITION_SIZE), np.zeros(n_state),
        np.zeros(rows), np.zeros(rows), np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64),
    )  # fmt: skip


def warm() -> None:
    """Compile the loop with the types production uses; runs when the module is loaded."""
    column = np.ones(1)
    column.flags.writeable = False
    find_blocks(
        (column,) * N_COLUMNS, column, column, (column, column), np.zeros((1, 6), dtype=np.int64), np.zeros((1, N_PRESETS)),
        np.ones(N_VARIABLES), np.ones(N_FEATURES, dtype=np.int64), 1, np.ones(3), np.zeros(0, dtype=np.int64), make_work(1, N_PRESETS),
        np.zeros((1, HIT_FIELDS)), np.zeros(5, dtype=np.int64), np.zeros(2),
    )  # fmt: skip

"""The compiled loop with order management: split entries and exits, limit orders, bans, stops, weights.

It stands beside kernel.py and is joined to a strategy in the same way, below it: `backtester.engine.module_text` puts the
functions of the strategy, the loop of kernel.py (whose helpers this one uses) and the part below the LOOP line here into one text.
Every rule is a function of trading/order_rules.py; this file is the order in which they are asked
(docs/decisions/0051). With settings that change nothing the trades are those of kernel.py.

A *group* of lanes, symbols' days, runs together in the order of row times; what a lane remembers stands in arrays. Where symbols
do not see each other a group is one lane, whose rows may be skipped as in kernel.py.
"""

# long: one state machine and the names it uses; it is joined to a strategy as one text
from __future__ import annotations

import numpy as np
from numba import njit

from backtester.kernel import (
    AUCTION_GATE,
    BETTING,
    BLOCK_BEGIN,
    BLOCK_DECIMALS,
    BLOCK_FIELDS,
    BLOCK_HI,
    BLOCK_LO,
    BLOCK_PARAMS,
    BLOCK_SYMBOL,
    BOOK_ASK,
    BOOK_BID,
    CHUNK,
    DELAY_MS,
    ENTRY,
    ERRORS,
    EXIT,
    FILL_LAST,
    HAS_MARKS,
    INTERVAL,
    LATENCY,
    LEVEL_SHARE,
    N_BUILT,
    N_COLUMNS,
    N_FEATURES,
    N_KEPT,
    N_PRESETS,
    N_TERMS,
    N_VARIABLES,
    NEEDS,
    NONE,
    OPTIONS,
    OUT_FIELDS,
    SKIPS_ENTRY,
    borrow_inputs,
    buy,
    due_row,
    flag_rows,
    make_extremes,
    make_scratch,
    make_sums,
    mark,
    more_features,
    sell,
    slice_inputs,
)
from backtester.pointer import number_at
from backtester.skip import SPAN, WORDS, merge, next_set
from strategy.borrow import borrow
from trading.numbers import UNIT_F, day_seconds
from trading.position_vars import FORCE_EXIT, ORDER_QTY, POSITION_SIZE, clear_position, update_holding, update_returns
from trading.positions import PARAMS_SIZE
from trading.sizing import quantity

__all__ = ["make_managed_work", "run_managed", "warm"]

# === LOOP ===
from backtester.halting import no_halts
from backtester.lanes import (
    AMOUNT,
    BASE_PRICE,
    BOUGHT,
    DUE_ROW,
    ENTRIES,
    ENTRY_RAW,
    ENTRY_SECONDS,
    EXIT_RAW,
    EXITS,
    FIXED,
    FUNDED,
    FUNDING_RATES,
    HELD,
    IS_FORCED,
    IS_RESTING,
    LANE_MONEY,
    LANE_WHOLE,
    LEVER,
    PARTS,
    PENDING,
    PENDING_LEVER,
    PENDING_SIGN,
    PRICE,
    READY,
    REPLACED,
    RULE,
    SIGN,
    SIGNAL_ROW,
    SINCE,
    TIERS,
    UNITS,
    account_lets,
    await_funding,
    day_weight,
    entry_leverage,
    is_seized,
    let_out,
    limit_fill,
    market_fill,
    no_terms,
    pay_funding,
    put_order,
    queue_fill,
    rest_in_queue,
    step_units_of,
    take_in,
    write_trade,
)
from backtester.pricing import price_part
from trading.order_rules import (
    ACCOUNT_RULE,
    BY_SIGNAL,
    CANCEL_SIGNAL,
    IS_LIMIT,
    LEVELS,
    LIQUIDATION_RULE,
    MEMORY,
    RULES,
    SPLIT_RULE,
    SPLITS,
    STOP_RULE,
    WEIGHTS,
    add_is_due,
    cancel_is_due,
    entry_is_open,
    entry_may_leave,
    exit_may_leave,
    exit_units,
    forget,
    is_buying,
    limit_price,
    note_close,
    replace_is_due,
    replace_price,
    step_is_due,
    step_share,
    stop_is_hit,
)
from trading.order_rules import ENTRY as ENTRY_SIDE
from trading.order_rules import EXIT as EXIT_SIDE
from trading.position_vars import ENTRY_PRICE, POSITION_SIDE, RETURN_PCT, SCALE_IN_COUNT, SCALE_OUT_COUNT
from trading.position_vars import PNL as POSITION_PNL
from trading.shared_account import (
    RESERVED,
    RESERVED_PRICE,
    SLOTS,
    entered,
    flat,
    funded,
    is_shared,
    left_part,
    may_exit,
    must_leave,
    no_account,
    on_row,
    reserve,
)

GROUP_FIRST, GROUP_PAST, GROUP_TURNS = range(3)
GROUP_FIELDS = 3  # first member, member after the last, first turn (of groups of one lane nobody reads the turns)
FACT_STEP, FACT_NOTIONAL, FACT_LISTED = range(3)
FACTS = 3  # of a symbol: its own price step, least value of an order, whether it is on the blacklist


@njit(_nrt=False, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
def run_managed(  # type: ignore[no-untyped-def]  # noqa: C901 - one state machine, as run_blocks
    inputs, book, last, universe, row_time, quotes, spans, measures, shown, ladder, halts, terms, groups, members, turns,
    blocks, facts, params, row_params, states, variables, windows, rebuild, warmups, set_nos, ids, slots, options, rules, weights,
    coefficient, traded, account, base, first_turn, past_turn, work, out, counters,
):  # fmt: skip
    """Run every parameter set over every group of symbol-days.

    Parameters
    ----------
    inputs, book, last, universe, row_time, params, row_params, states, variables, windows, rebuild, warmups, set_nos, ids, slots, options
        As of `kernel.run_blocks`.
    quotes : tuple of two ndarray of float64, shape (rows,)
        매도호가1 and 매수호가1 as recorded, from which limit prices are counted.
    spans : tuple of two ndarray of float64, shape (rows,)
        Lowest and highest price of each row: 분봉저가, 분봉고가; 현재가 twice where rows are seconds.
    measures : tuple of two ndarray of float64, shape (rows,)
        What 비중조절 weighs by.
    shown : ndarray of int64, shape (20,)
        Addresses of the recorded book, which no slippage moved: the queue of resting orders is counted in it.
    ladder : ndarray of float64, shape (n, 3)
        From `trading.ladder.ladder_table`.
    halts : tuple of ndarray
        Rows on which nothing trades and price limits of the blocks, from `backtester.halting.halts_of`; `no_halts()`: none.
    terms : tuple of ndarray
        Leverage and funding, from `backtester.futures.terms_of`.
    groups : ndarray of int64, shape (groups, GROUP_FIELDS)
    members : ndarray of int64
        Numbers of blocks, those of a group together.
    turns : ndarray of int64, shape (rows of groups with several lanes, 2)
        Lane within its group and row within its day, in the order in which rows are met.
    blocks : ndarray of int64, shape (blocks, BLOCK_FIELDS)
    facts : ndarray of float64, shape (symbols, FACTS)
    rules : ndarray of float64, shape (2, RULES)
    weights : ndarray of float64, shape (WEIGHTS,)
    coefficient : float
        Of the angle that 비중조절 weighs by.
    traded : tuple of two ndarray of float64, shape (rows,)
        매수수량 and 매도수량 of each row, for the queue of resting orders; empty: their prices must be passed, and fill them whole.
    account : tuple of ndarray
        What the lanes of a group share, from `trading.shared_account`; `no_account()`: nothing.
    base : int
        Slot of symbol 0 in the account.
    first_turn, past_turn : int
        Turns of each group to run; the first call of a group begins with turn 0, later ones go on with the same `work`. past_turn −1: all.
    work : tuple of ndarray
        From `make_managed_work`.
    out, counters
        As of `kernel.run_blocks`.

    Returns
    -------
    int
        Number of trades; more than ``len(out)`` means that the rest was not kept.
    """
    betting, latency, fill_last = options[BETTING], int(options[LATENCY]), options[FILL_LAST] != 0.0
    interval_s, auction_gate, delay_ms = int(options[INTERVAL]), options[AUCTION_GATE] != 0.0, int(options[DELAY_MS])
    at_once, level_share = latency == 0 and delay_ms == 0, options[LEVEL_SHARE]
    in_parts = level_share > 0.0
    asks_book = at_once and not in_parts  # whether the row's book holds the whole
    lane_sums, lane_extremes, lane_scratch = borrow(work[0]), borrow(work[1]), borrow(work[2])
    positions, lane_states, prices, sizes = borrow(work[3]), borrow(work[4]), borrow(work[5]), borrow(work[6])
    flags, flag_words, tags = borrow(work[7]), borrow(work[8]), borrow(work[9])
    marks, mark_words = borrow(work[10]), borrow(work[11])
    lanes, moneys, memories = borrow(work[12]), borrow(work[13]), borrow(work[14])
    ids, slots = borrow(ids), borrow(slots)
    columns = borrow_inputs(inputs)
    last, universe, row_time, book = borrow(last), borrow(universe), borrow(row_time), borrow(book)
    ask1, bid1 = borrow(quotes[0]), borrow(quotes[1])
    lows, highs = borrow(spans[0]), borrow(spans[1])
    bought_rows, sold_rows, queued = borrow(traded[0]), borrow(traded[1]), len(traded[0]) > 0
    measured, ladder = (borrow(measures[0]), borrow(measures[1])), borrow(ladder)
    groups, members, turns, facts = borrow(groups), borrow(members), borrow(turns), borrow(facts)
    blocks, params, states = borrow(blocks), borrow(params), borrow(states)
    halted, bounds, can_halt = borrow(halts[0]), borrow(halts[1]), len(halts[0]) > 0
    terms = (
        borrow(terms[0]), borrow(terms[1]), borrow(terms[2]), borrow(terms[3]),
        borrow(terms[4]), borrow(terms[5]), borrow(terms[6]), borrow(terms[7]),
    )  # fmt: skip
    levered, pays_funding = terms[FIXED][0] != 0.0, len(terms[FUNDING_RATES]) > 0
    floor, ceiling, lever = 0.0, np.inf, 1.0
    variables, windows, rebuild, warmups = borrow(variables), borrow(windows), borrow(rebuild), borrow(warmups)
    set_nos, out, counters = borrow(set_nos), borrow(out), borrow(counters)
    rules, weights, shared = borrow(rules), borrow(weights), is_shared(account)
    entry_rules, exit_rules = rules[ENTRY_SIDE], rules[EXIT_SIDE]
    entry_rests, exit_rests = entry_rules[IS_LIMIT] != 0.0, exit_rules[IS_LIMIT] != 0.0
    entry_levels, exit_levels = int(entry_rules[LEVELS]), int(exit_rules[LEVELS])
    entry_splits, exit_splits = int(entry_rules[SPLITS]), int(exit_rules[SPLITS])
    day_unit = 1_000_000 if interval_s == 1 else 10_000
    zero = len(blocks) - len(blocks)  # not a literal, which would be a type of its own and a second compilation
    count, stamp_group = zero, zero
    for g in range(len(groups)):
        m0, m1 = groups[g, GROUP_FIRST], groups[g, GROUP_PAST]
        single = m1 - m0 == 1 and not shared
        steps = zero
        for m in range(m0, m1):
            steps += blocks[members[m], BLOCK_HI] - blocks[members[m], BLOCK_LO]
            if first_turn == 0:
                lanes[m - m0, READY] = 0
        if past_turn >= 0:
            steps = past_turn
        for s in range(len(variables)):
            stamp_group += rebuild[s] != 0 or s == 0
            vector = variables[s]
            for m in range(m0, m1 if first_turn == 0 else m0):
                ready_rows = lanes[m - m0, READY]
                lanes[m - m0, :] = 0
                lanes[m - m0, READY] = 0 if rebuild[s] else ready_rows
                clear_position(positions[m - m0])
                forget(memories[m - m0])
                for k in range(lane_states.shape[1]):
                    lane_states[m - m0, k] = states[blocks[members[m], BLOCK_SYMBOL], k]
            loaded = zero - 1
            ln = zero
            b = members[m0]
            lo, n, first = blocks[b, BLOCK_LO], zero, zero
            stamp, marked = (b + 1) << 32, zero - 1
            k = zero + first_turn
            while k < steps:
                i = k
                if not single:
                    ln, i = turns[groups[g, GROUP_TURNS] + k, 0], turns[groups[g, GROUP_TURNS] + k, 1]
                if ln != loaded:
                    b = members[m0 + ln]
                    lo, n = blocks[b, BLOCK_LO], blocks[b, BLOCK_HI] - blocks[b, BLOCK_LO]
                    first = max(blocks[b, BLOCK_BEGIN], warmups[s] - 1)
                    cols, day_time = slice_inputs(columns, lo, lo + n), row_time[lo : lo + n]
                    sums, extremes, scratch = lane_sums[ln], lane_extremes[ln], lane_scratch[ln]
                    position, state, lane = positions[ln], lane_states[ln], lanes[ln]
                    money, memory, day_params = moneys[ln], memories[ln], params[blocks[b, BLOCK_PARAMS]]
                    decimals, own = blocks[b, BLOCK_DECIMALS], facts[blocks[b, BLOCK_SYMBOL]]
                    own_step, least, is_listed = own[FACT_STEP], own[FACT_NOTIONAL], own[FACT_LISTED] != 0.0
                    day = row_time[lo] // day_unit
                    if can_halt:
                        floor, ceiling = bounds[b, 0], bounds[b, 1]
                    loaded = ln
                    if single and not HAS_MARKS and first > 0:
                        k = first
                        continue
                if SKIPS_ENTRY and single and lane[HELD] == 0 and lane[PENDING] == NONE:
                    while i < n:
                        piece = i // SPAN
                        if piece != marked:
                            for w in range(WORDS):
                                mark_words[w] = -1
                            for w in range(N_TERMS):
                                t = slots[2, w]
                                slot = slots[0, t] + ids[s, t] % slots[1, t]
                                if tags[slot, piece] != stamp + ids[s, t] + 1:
                                    i0, i1 = piece * SPAN, min((piece + 1) * SPAN, n)
                                    build = False
                                    if NEEDS[t]:
                                        if lane[READY] < i1:
                                            lane[READY] = more_features(windows[s], cols, sums, extremes, scratch, lane[READY], i1)
                                        build = tags[0, piece] != stamp_group
                                        tags[0, piece] = stamp_group
                                    flag_rows(t, build, cols, sums, extremes, i0, i1, vector, position, state, flags[slot])
                                    tags[slot, piece] = stamp + ids[s, t] + 1
                                if not merge(mark_words, flag_words[slot], piece * WORDS):
                                    break
                            marked = piece
                        i = piece * SPAN + next_set(marks, mark_words, i - piece * SPAN)
                        if i < (piece + 1) * SPAN:
                            break
                    if i >= n:
                        break
                    k = i
                k += 1
                if i >= lane[READY]:
                    lane[READY] = more_features(
                        windows[s], cols, sums, extremes, scratch, lane[READY], min(max(lane[READY] + CHUNK, i + 1), n)
                    )
                if HAS_MARKS:
                    counters[ERRORS] += mark(cols, sums, extremes, i, zero, vector, position, state)
                row = lo + i
                price, slot = last[row], base + blocks[b, BLOCK_SYMBOL]
                if shared:
                    on_row(account, row, blocks[b, BLOCK_SYMBOL], price, day, day_params)
                if i < first:
                    continue
                seconds = day_seconds(row_time[row], interval_s)
                act, rule, forced, units, at_limit = NONE, zero, False, zero, 0.0
                quiet, ended, was_held = False, False, lane[HELD] > 0
                is_halted = can_halt and halted[row] != 0
                if pays_funding and was_held:
                    cost = pay_funding(lane, money, terms, blocks[b, BLOCK_SYMBOL], row_time[row], price)
                    if shared and cost != 0.0:
                        funded(account, row, cost, day_params)

                # --- the order that is under way ---
                if lane[PENDING] != NONE:
                    is_exit = lane[PENDING] == EXIT
                    side = exit_rules if is_exit else entry_rules
                    filled = zero
                    if lane[IS_RESTING] != 0 and i > lane[DUE_ROW] and not is_halted:
                        if queued:
                            filled = queue_fill(
                                lane, money, is_exit, shown, row, lows[row], highs[row], bought_rows[row], sold_rows[row],
                                step_units_of(decimals), prices,
                            )  # fmt: skip
                        elif limit_fill(lane, money, is_exit, lows[row], highs[row]):
                            filled = lane[UNITS]
                    if lane[IS_RESTING] == 0 or i <= lane[DUE_ROW]:
                        quiet = True
                        if lane[IS_RESTING] == 0 and i == lane[DUE_ROW]:
                            act, units, rule, forced = lane[PENDING], lane[UNITS], lane[RULE], lane[IS_FORCED] != 0
                            lane[PENDING] = NONE
                    elif filled > 0:
                        act, units, rule, at_limit, quiet = lane[PENDING], filled, lane[RULE], money[PRICE], True
                        lane[UNITS] -= filled
                        if lane[UNITS] <= 0:
                            lane[PENDING] = NONE
                    elif (shared and not is_exit and must_leave(account)) or cancel_is_due(
                        side, is_exit, seconds - lane[SINCE], universe[row] != 0.0, i == 0 or universe[row - 1] != 0.0
                    ):
                        lane[PENDING], ended = NONE, True
                    else:
                        buying = is_buying(is_exit, lane[PENDING_SIGN])
                        if replace_is_due(side, buying, lane[REPLACED], money[PRICE], price, ladder, day, own_step):
                            money[PRICE] = min(max(replace_price(side, buying, price, ladder, day, own_step), floor), ceiling)
                            lane[REPLACED] += 1
                            lane[SINCE], lane[DUE_ROW] = seconds, due_row(day_time, i, n, latency, delay_ms, interval_s)
                            ended = True

                is_free = act == NONE or (in_parts and act == EXIT and at_limit == 0.0)  # an exit in parts takes rows: nobody waits for it
                if levered and was_held and is_free and is_seized(lane, money, position, day_params, terms[TIERS], price):
                    lane[PENDING] = NONE
                    act, units, rule, forced, quiet = EXIT, lane[HELD], zero + LIQUIDATION_RULE, True, True

                # --- the codes ---
                if quiet or (auction_gate and number_at(book[BOOK_ASK + 9], row) == 0.0 and number_at(book[BOOK_BID + 9], row) == 0.0):
                    pass
                elif was_held:
                    update_returns(position, day_params, price)
                    update_holding(position, seconds - lane[ENTRY_SECONDS], interval_s)
                    position[FORCE_EXIT] = 0.0
                    step_units = lane[HELD]
                    if exit_splits > 1:
                        share = money[AMOUNT] * step_share(exit_rules, lane[EXITS])
                        step_units = exit_units(exit_rules, lane[EXITS], lane[HELD], quantity(share, position[ENTRY_PRICE], decimals))
                    position[ORDER_QTY] = step_units / UNIT_F
                    leaves = False
                    if shared and must_leave(account):
                        leaves, forced, rule = True, True, zero + ACCOUNT_RULE
                    elif stop_is_hit(rules, position[RETURN_PCT], position[POSITION_PNL]):
                        leaves, forced, rule = True, True, zero + STOP_RULE
                    else:
                        result = sell(cols, sums, extremes, i, zero, vector, position, state)
                        if result < 0:
                            counters[ERRORS] += 1  # what leaves by price asks no code
                        if result > 0 and position[FORCE_EXIT] != 0.0:
                            leaves, forced, rule = True, True, result
                        elif lane[PENDING] != EXIT:
                            if result > 0 and (exit_splits == 1 or exit_rules[BY_SIGNAL] != 0.0):
                                leaves, rule = True, result
                            elif exit_splits > 1 and step_is_due(rules, position[RETURN_PCT], lane[EXITS]):
                                leaves, rule = True, zero + SPLIT_RULE
                            leaves = leaves and exit_may_leave(rules, memory, seconds, lane[ENTRIES], price, ladder, day)
                            if leaves and step_units < lane[HELD]:
                                leaves = step_units > 0 and step_units / UNIT_F * price >= least
                        if result > 0 and not leaves and lane[PENDING] == ENTRY and entry_rules[CANCEL_SIGNAL] != 0.0:
                            lane[PENDING], ended = NONE, True
                    waits = leaves and is_halted and at_once and (forced or not exit_rests)  # asked again on the next row
                    if leaves and shared and not waits:
                        fits = forced or exit_rests or not at_once or in_parts
                        if not fits:
                            fits, _ = market_fill(book, price, row, lane[SIGN] < 0, exit_levels, step_units, fill_last, prices, sizes)
                        leaves = fits and may_exit(account, forced)
                    if waits:
                        pass
                    elif leaves:
                        units = lane[HELD] if forced else step_units
                        if forced or not exit_rests:
                            if at_once:
                                lane[PENDING] = NONE
                                lane[PARTS] = 0
                                act = EXIT
                            else:
                                due = due_row(day_time, i, n, latency, delay_ms, interval_s)
                                put_order(lane, money, EXIT, 0, units, lane[SIGN], 0.0, due, i, seconds, rule, 0.0, 1.0)
                                lane[IS_FORCED] = forced
                        else:
                            at = limit_price(exit_rules, True, lane[SIGN], price, ask1[row], bid1[row], ladder, day, own_step)
                            if at > 0.0:
                                at = min(max(at, floor), ceiling)
                                due = due_row(day_time, i, n, latency, delay_ms, interval_s)
                                put_order(lane, money, EXIT, 1, units, lane[SIGN], at, due, i, seconds, rule, 0.0, 1.0)
                    elif lane[PENDING] == EXIT:
                        if exit_rules[CANCEL_SIGNAL] != 0.0 and entry_is_open(rules, is_listed, seconds, price, ladder, day):
                            result = buy(cols, sums, extremes, i, zero, vector, position, state)
                            if result < 0:
                                counters[ERRORS] += 1
                            elif result == (1 if lane[SIGN] > 0 else 2):
                                lane[PENDING] = NONE
                    elif lane[PENDING] == NONE and not ended and lane[ENTRIES] < entry_splits:
                        adds = False
                        if entry_is_open(rules, is_listed, seconds, price, ladder, day):
                            share = money[AMOUNT] * step_share(entry_rules, lane[ENTRIES])
                            units = quantity(share, position[ENTRY_PRICE], decimals)
                            position[ORDER_QTY] = units / UNIT_F
                            adds = add_is_due(rules, position[RETURN_PCT], price, money[BASE_PRICE], lane[SIGN])
                            if not adds and entry_rules[BY_SIGNAL] != 0.0:
                                result = buy(cols, sums, extremes, i, zero, vector, position, state)
                                if result < 0:
                                    counters[ERRORS] += 1
                                adds = result == (1 if lane[SIGN] > 0 else 2)
                        if adds and entry_may_leave(rules, memory, seconds, lane[ENTRIES]):
                            at = price
                            if entry_rests:
                                at = limit_price(entry_rules, False, lane[SIGN], price, ask1[row], bid1[row], ladder, day, own_step)
                                at = min(max(at, floor), ceiling) if at > 0.0 else at
                            elif is_halted and at_once:
                                at = 0.0
                            units = units if at > 0.0 and units / UNIT_F * at >= least else zero
                            if units > 0:
                                units = account_lets(
                                    account, slot, row, units, lane[SIGN], price, at, entry_rests, asks_book, book, entry_levels,
                                    fill_last, prices, sizes, ladder, day, own_step, day_params, money[LEVER],
                                )  # fmt: skip
                            if units > 0:
                                due = due_row(day_time, i, n, latency, delay_ms, interval_s)
                                put_order(
                                    lane,
                                    money,
                                    ENTRY,
                                    entry_rests,
                                    units,
                                    lane[SIGN],
                                    at,
                                    due,
                                    i,
                                    seconds,
                                    rule,
                                    money[AMOUNT],
                                    money[LEVER],
                                )
                                if not entry_rests and at_once:
                                    lane[PENDING] = NONE
                                    act = ENTRY
                elif lane[PENDING] == ENTRY:
                    if entry_rules[CANCEL_SIGNAL] != 0.0 and not ended:
                        position[POSITION_SIDE] = lane[PENDING_SIGN]
                        result = sell(cols, sums, extremes, i, zero, vector, position, state)
                        clear_position(position)
                        if result < 0:
                            counters[ERRORS] += 1
                        elif result > 0:
                            lane[PENDING] = NONE
                elif not ended and universe[row] != 0.0 and entry_is_open(rules, is_listed, seconds, price, ladder, day):
                    if levered:
                        lever = entry_leverage(terms, row)
                    amount = betting * day_weight(weights, measured, i, lo, coefficient) * lever
                    units = quantity(amount * step_share(entry_rules, 0), price, decimals)
                    position[ORDER_QTY] = units / UNIT_F
                    result = buy(cols, sums, extremes, i, zero, vector, position, state)
                    if result < 0:
                        counters[ERRORS] += 1
                    elif result > 0 and units > 0 and entry_may_leave(rules, memory, seconds, 0):
                        sign = 1 if result == 1 else -1
                        at = price
                        if entry_rests:
                            at = limit_price(entry_rules, False, sign, price, ask1[row], bid1[row], ladder, day, own_step)
                            at = min(max(at, floor), ceiling) if at > 0.0 else at
                        elif is_halted and at_once:
                            at = 0.0
                        units = units if at > 0.0 and units / UNIT_F * at >= least else zero
                        if units > 0:
                            units = account_lets(
                                account, slot, row, units, sign, price, at, entry_rests, asks_book, book, entry_levels,
                                fill_last, prices, sizes, ladder, day, own_step, day_params, lever,
                            )  # fmt: skip
                        if units > 0:
                            due = due_row(day_time, i, n, latency, delay_ms, interval_s)
                            put_order(lane, money, ENTRY, entry_rests, units, sign, at, due, i, seconds, rule, amount, lever)
                            if not entry_rests and at_once:
                                lane[PENDING] = NONE
                                act = ENTRY

                # --- fills ---
                if act == ENTRY:
                    whole, raw = True, at_limit * (units / UNIT_F)
                    if at_limit == 0.0 and in_parts:  # what is not filled at once is dropped
                        worst, step = account[SLOTS][slot, RESERVED_PRICE] if shared else 0.0, step_units_of(decimals)
                        units, raw = price_part(
                            book, row, lane[PENDING_SIGN] > 0, entry_levels, units, worst, level_share, step, prices, sizes
                        )  # fmt: skip
                        whole = units > 0 and not is_halted and units / UNIT_F * floor <= raw <= units / UNIT_F * ceiling
                    elif at_limit == 0.0:
                        whole, raw = market_fill(book, price, row, lane[PENDING_SIGN] > 0, entry_levels, units, fill_last, prices, sizes)
                        if shared and not at_once:  # the collar's limit, which the order carries
                            side_sign = lane[PENDING_SIGN]
                            whole = whole and side_sign * raw <= side_sign * (units / UNIT_F * account[SLOTS][slot, RESERVED_PRICE])
                        whole = whole and not is_halted and units / UNIT_F * floor <= raw <= units / UNIT_F * ceiling
                    if whole:
                        is_new = lane[HELD] == 0
                        signal_price = last[lo + lane[SIGNAL_ROW]]
                        take_in(lane, money, position, day_params, memory, units, raw, i, seconds, row_time[row], signal_price)
                        if pays_funding and is_new:
                            await_funding(lane, terms, blocks[b, BLOCK_SYMBOL], row_time[row])
                        if at_limit > 0.0:
                            if lane[PARTS] > 0:  # a further part of one order is no further entry
                                lane[ENTRIES] -= 1
                                position[SCALE_IN_COUNT] -= 1.0
                            lane[PARTS] += 1
                        if shared:
                            entered(account, slot, row, lane[SIGN], lane[HELD], money[ENTRY_RAW], money[LEVER], day_params)
                closed = False
                if act == EXIT:
                    whole, raw, trades = True, at_limit * (units / UNIT_F), True
                    wanted = units
                    if at_limit == 0.0 and in_parts and i < n - 1 and rule != LIQUIDATION_RULE:
                        units, raw = price_part(
                            book, row, lane[SIGN] < 0, exit_levels, units, 0.0, level_share, step_units_of(decimals), prices, sizes
                        )  # fmt: skip
                        trades = units > 0 and not is_halted and units / UNIT_F * floor <= raw <= units / UNIT_F * ceiling
                        if not trades or units < wanted:  # the rest goes on with the symbol's next row
                            lane[PENDING], lane[IS_RESTING], lane[DUE_ROW] = EXIT, 0, i + 1
                            lane[UNITS], lane[RULE], lane[IS_FORCED] = wanted - (units if trades else zero), rule, forced
                    elif at_limit == 0.0:
                        forced = forced or in_parts
                        whole, raw = market_fill(book, price, row, lane[SIGN] < 0, exit_levels, units, fill_last, prices, sizes)
                        trades = not is_halted and units / UNIT_F * floor <= raw <= units / UNIT_F * ceiling
                    if trades and (whole or forced):
                        closed = let_out(lane, money, position, day_params, memory, units, raw, whole, rule, seconds)
                        if (at_limit > 0.0 or in_parts) and not closed:
                            if lane[PARTS] > 0:
                                lane[EXITS] -= 1
                                position[SCALE_OUT_COUNT] -= 1.0
                            lane[PARTS] += 1
                        if shared and not closed:
                            left_part(account, slot, row, lane[HELD], lane[BOUGHT], money[EXIT_RAW], day_params)
                if queued and lane[PENDING] != NONE and lane[IS_RESTING] != 0 and i == lane[DUE_ROW]:
                    rest_in_queue(lane, money, lane[PENDING] == EXIT, shown, row, prices)
                if i == n - 1:
                    lane[PENDING] = NONE
                    if lane[HELD] > 0:
                        units = lane[HELD]
                        if shared:
                            may_exit(account, True)
                        whole, raw = market_fill(book, price, row, lane[SIGN] < 0, exit_levels, units, fill_last, prices, sizes)
                        closed = let_out(lane, money, position, day_params, memory, units, raw, whole, zero, seconds)
                if closed:
                    pnl = write_trade(out, count, set_nos[s], b, lo, i, lane, money, day_params)
                    note_close(memory, seconds, pnl)
                    count += 1
                    clear_position(position)
                    if shared:
                        flat(account, slot, row, pnl + money[FUNDED], day_params)
                if shared and account[SLOTS][slot, RESERVED] > 0.0:
                    if lane[PENDING] != ENTRY:
                        reserve(account, slot, 0, 0.0, 1.0)
                    elif lane[IS_RESTING] != 0:
                        reserve(account, slot, lane[UNITS], money[PRICE], money[PENDING_LEVER])
    return count


def make_managed_work(rows, n_state, n_slots=1, n_lanes=1):  # type: ignore[no-untyped-def]
    """Return the arrays that a thread needs for groups of up to `n_lanes` blocks of up to `rows` rows."""
    plain = make_extremes.py_func(rows)
    extremes = np.concatenate([plain, np.full((N_KEPT + N_BUILT, rows), np.nan)]) if N_KEPT + N_BUILT else plain
    pieces = -(-rows // SPAN)
    flags = np.zeros((n_slots, pieces * SPAN), dtype=np.uint8)
    marks = np.zeros(SPAN, dtype=np.uint8)
    sums, scratch = make_sums.py_func(rows), make_scratch.py_func(rows)
    return (
        np.stack([sums] * n_lanes), np.stack([extremes] * n_lanes), np.stack([scratch] * n_lanes),
        np.zeros((n_lanes, POSITION_SIZE)), np.zeros((n_lanes, n_state)), np.zeros(20), np.zeros(5, dtype=np.int64),
        flags, flags.view(np.int64), np.zeros((n_slots, pieces), dtype=np.int64), marks, marks.view(np.int64),
        np.zeros((n_lanes, LANE_WHOLE), dtype=np.int64), np.zeros((n_lanes, LANE_MONEY)), np.zeros((n_lanes, MEMORY)),
    )  # fmt: skip


def warm() -> None:
    """Compile the loop with the types production uses; runs when the module is loaded."""
    column = np.ones(1)
    column.flags.writeable = False
    stamp = np.array([20260105000000], dtype=np.int64)
    stamp.flags.writeable = False
    pair, book = (column, column), np.zeros(20, dtype=np.int64)
    blocks = np.zeros((1, BLOCK_FIELDS), dtype=np.int64)
    numbers = np.zeros(1, dtype=np.int64)
    windows = np.ones((1, N_FEATURES), dtype=np.int64)
    run_managed(
        (column,) * N_COLUMNS, book, column, column, stamp, pair, pair, pair, book, np.zeros((1, 3)), no_halts(),
        no_terms(column),
        np.array([[0, 1, 0]]), numbers, np.zeros((1, 2), dtype=np.int64), blocks, np.zeros((1, FACTS)), np.zeros((1, PARAMS_SIZE)),
        numbers, np.zeros((1, N_PRESETS)), np.ones((1, N_VARIABLES)), windows, numbers, numbers + 1, numbers,
        np.zeros((1, N_TERMS + 1), dtype=np.int64), np.ones((3, N_TERMS + 1), dtype=np.int64), np.ones(OPTIONS),
        np.ones((2, RULES)), np.zeros(WEIGHTS), 1.0, pair, no_account(), 0, 0, -1, make_managed_work(1, N_PRESETS, N_TERMS + 2),
        np.zeros((1, OUT_FIELDS)), numbers,
    )  # fmt: skip

"""Events to rows, compiled: the rules of strategy-language 1.1 as one state machine.

Numbers in comments are items of 1.1; arguments that recur are explained in `trading/row_columns.py`. The
machine works through a batch and stops early when one of its arrays is full; the caller
(`trading/rows.py`) grows it and calls again from where it stopped.
"""

from __future__ import annotations

from numba import njit

from domain.records import AGGREGATE, DAY, FIRST, INVALID, LAST, LEVEL, NO_BOOK, NO_ROW, PREV_CLOSE, SNAPSHOT, TOTAL, TRADE
from trading import row_state as rs
from trading.book import settle
from trading.book_messages import (
    BACK_NS,
    DELTA,
    DROP,
    IDLE,
    PICTURE,
    WAIT,
    append_level,
    apply_level,
    begin_message,
    clear,
    forget_pending,
    is_true_price,
    join_pending,
    lose_book,
)
from trading.ladder import is_on_step
from trading.row_columns import DAY_S, NS, day_label, emit, minute_label, peak_add, second_label, venue_time
from trading.row_day import add_amount, apply_day, take_day, widen

_njit = njit(cache=True, nogil=True)


@_njit
def start_session(s, i, day, ns, clocks, has_book, keys, qtys, work, n):  # type: ignore[no-untyped-def]
    """Begin a day (4); the open minute of the day before is emitted first, with its last book (3)."""
    curves, cfg = work[2], work[3]
    # Whole is a day whose beginning was received: there was a day before it, and the connection stood.
    s.day_known = 1 if cfg[rs.C_AWAIT_DAY] == 0 or (s.day >= 0 and s.valid) else 0
    if s.day >= 0:
        if cfg[rs.C_INTERVAL] == 60 and s.minute >= 0 and s.traded and (s.valid or not has_book):
            label = minute_label(s.minute)
            n = emit(s, i, label, s.book_ns, clocks, has_book, keys, qtys, work, n)
        if s.traded:
            s.before_price = s.last_price
            if cfg[rs.C_STOCK]:
                s.prev_day_volume = (s.buy_qty + s.sell_qty) / 1e8
                s.prev_day_value = s.amount
                running = 0
                for k in range(1440):
                    running = max(running, curves[i, 0, k])
                    curves[i, 1, k] = running
                    curves[i, 0, k] = 0
    s.day = day
    s.day_label = day_label(day)
    s.first_ns = ns
    s.traded = 0
    s.minute = -1
    s.bar_traded = 0
    s.buy_qty = 0
    s.sell_qty = 0
    s.bar_buy_qty = 0
    s.bar_sell_qty = 0
    s.reference = s.coming_close if s.coming_day == day else s.before_price
    s.amount = 0.0
    s.row_value = -1.0
    s.bar_buy_amount = 0.0
    s.bar_sell_amount = 0.0
    s.buy_amount = 0.0
    s.sell_amount = 0.0
    s.peak_buy = 0.0
    s.peak_buy_price = 0.0
    s.peak_sell = 0.0
    s.peak_sell_price = 0.0
    s.seeded = 0.0
    if s.told_day == day:  # the answer was here before the first event
        apply_day(s, cfg, work[4])
    return n


@_njit
def _row_event(s, i, ns, clocks, has_book, keys, qtys, work, n):  # type: ignore[no-untyped-def]
    """Handle a row event (2, 3): a book event, or a trade of a tape."""
    cfg = work[3]
    second = ns // NS + cfg[rs.C_OFFSET_S]
    if second // DAY_S != s.day:
        return n  # an earlier day's book: it changes the book and has no row
    if not s.day_known:
        return n  # what the venue's day was before us is still being asked
    if cfg[rs.C_INTERVAL] == 1:
        if s.traded and second > s.row_second:
            # Korean stocks need the fifth bid of the published book.
            if has_book and cfg[rs.C_STOCK] and s.n_bid < 5:
                return n
            s.row_second = second
            label = second_label(second)
            n = emit(s, i, label, ns, clocks, has_book, keys, qtys, work, n)
        return n
    minute = second // 60
    if s.minute < 0:
        s.minute = minute
    elif minute > s.minute:
        if s.traded:
            label = minute_label(s.minute)
            n = emit(s, i, label, ns, clocks, has_book, keys, qtys, work, n)
        s.minute = minute
    return n


# --- trades -------------------------------------------------------------------------------------


@_njit
def _refuse_trade(s, e, cfg):  # type: ignore[no-untyped-def]
    """Return the counter that a trade which must not count belongs to, −1 for one that counts (7, P20)."""
    if not is_true_price(e.price):
        return rs.N_PRICE
    if e.qty <= 0:
        return rs.N_QTY
    if e.flags & AGGREGATE:
        if s.single:
            return rs.N_AGGREGATE
    else:
        s.single = 1
    if e.first_id > 0 and e.first_id <= s.last_trade_id:
        return rs.N_DUPLICATES
    if not is_on_step(e.price, s.price_step):
        return rs.N_OFF_STEP
    if e.exchange_ns < s.max_trade_ns - BACK_NS:
        return rs.N_BACK
    if (e.exchange_ns // NS + cfg[rs.C_OFFSET_S]) // DAY_S < s.day:
        return rs.N_OLD_DAY
    return -1


@_njit
def _add_trade(s, i, e, peaks, curves, cfg):  # type: ignore[no-untyped-def]
    """Add a trade that counts to the session's and the bar's statistics."""
    price = e.price
    side: int = e.side
    if side == 0:  # tick rule (11)
        if s.tick_price == 0.0 or price > s.tick_price:
            side = 1
        elif price < s.tick_price:
            side = -1
        else:
            side = s.last_side
    s.last_side = side
    s.tick_price = price
    if e.first_id > 0:
        s.last_trade_id = e.first_id
    s.max_trade_ns = max(s.max_trade_ns, e.exchange_ns)
    s.last_trade_ns = e.exchange_ns
    s.last_price = price
    if not s.traded:
        s.traded = 1
        s.day_open = price
        s.day_high = price
        s.day_low = price
        if s.reference == 0.0:
            s.reference = price
        widen(s)
    else:
        s.day_high = max(s.day_high, price)
        s.day_low = min(s.day_low, price)
    if not s.bar_traded:
        s.bar_traded = 1
        s.bar_open = price
        s.bar_high = price
        s.bar_low = price
    else:
        s.bar_high = max(s.bar_high, price)
        s.bar_low = min(s.bar_low, price)
    amount = price * (e.qty / 1e8)
    add_amount(s, e, amount)
    if side > 0:
        s.buy_qty += e.qty
        s.bar_buy_qty += e.qty
        s.bar_buy_amount += amount
        s.buy_amount += amount
        level = peak_add(peaks, cfg, 2 * i + 1, s.day, price, amount)
        if level > s.peak_buy:
            s.peak_buy = level
            s.peak_buy_price = price
    else:
        s.sell_qty += e.qty
        s.bar_sell_qty += e.qty
        s.bar_sell_amount += amount
        s.sell_amount += amount
        level = peak_add(peaks, cfg, 2 * i, s.day, price, amount)
        if level > s.peak_sell:
            s.peak_sell = level
            s.peak_sell_price = price
    if cfg[rs.C_STOCK]:
        curves[i, 0, (e.exchange_ns // NS + cfg[rs.C_OFFSET_S]) // 60 % 1440] = s.buy_qty + s.sell_qty


@_njit
def number(e, cfg):  # type: ignore[no-untyped-def]
    """Return the event's arrival number, giving it the next one when it has none."""
    if e.seq <= 0:
        e.seq = cfg[rs.C_SEQ] + 1
    cfg[rs.C_SEQ] = e.seq
    return e.seq


@_njit
def run(events, start, read_ns, verdicts, state, keys, qtys, pending, peaks, colmap, ladder, curves, cfg, flt, ints, floats):  # type: ignore[no-untyped-def]  # noqa: C901
    """Work through `events` from number `start`.

    An event that counts and has no `seq` is given the next one in place; `verdicts` (uint8) names the
    counter of one that does not (position in `row_state.COUNTERS`), else 0.

    Returns
    -------
    (int, int, int)
        Number of the first event not handled, rows written, and why it stopped (`row_state.DONE` …).
    """
    n = 0
    count = state.shape[0]
    room = keys.shape[2]
    work = (colmap, ladder, curves, cfg, flt, ints, floats)
    for at in range(start, events.shape[0]):
        e = events[at]
        if n + 2 > ints.shape[0]:
            return at, n, rs.MORE_ROWS
        i = e.instrument
        if i < 0 or i >= count:
            if i == -1 and e.kind == INVALID:
                for k in range(count):
                    lose_book(state[k], cfg)
            else:
                cfg[rs.N_UNKNOWN] += 1
                verdicts[at] = rs.N_UNKNOWN - rs.C_COUNTERS
                cfg[rs.N_EVENTS] += 1
                continue
            cfg[rs.N_EVENTS] += 1
            number(e, cfg)
            continue
        s = state[i]
        kind = e.kind
        flags = e.flags
        ns = e.exchange_ns
        if kind == TRADE:
            if 2 * cfg[rs.C_PEAKS] >= peaks.shape[0]:
                return at, n, rs.MORE_PEAKS
            cfg[rs.N_EVENTS] += 1
            why = _refuse_trade(s, e, cfg)
            if why >= 0:
                cfg[why] += 1
                verdicts[at] = why - rs.C_COUNTERS
                continue
            clocks = (e.received_ns, number(e, cfg), read_ns)
            cfg[rs.N_TRADES] += 1
            if count > cfg[rs.C_UNIVERSE] and ns >= cfg[rs.C_LIST_NS]:
                venue_time(state, cfg, flt, ns)
            day = (ns // NS + cfg[rs.C_OFFSET_S]) // DAY_S
            tape = flags & NO_BOOK != 0
            if day > s.day:
                n = start_session(s, i, day, ns, clocks, not tape, keys[i], qtys[i], work, n)
            _add_trade(s, i, e, peaks, curves, cfg)
            if tape:
                s.book_ns = ns
                n = _row_event(s, i, ns, clocks, False, keys[i], qtys[i], work, n)
            continue
        if kind in (LEVEL, SNAPSHOT, TOTAL):
            if max(s.n_ask, s.n_bid) + 1 >= room:
                return at, n, rs.MORE_LEVELS
            if cfg[rs.C_PENDING] >= pending.shape[0]:
                if pending.shape[0] < rs.PENDING_LIMIT:
                    return at, n, rs.MORE_PENDING
                forget_pending(pending, cfg)
            if flags & LAST and s.mode == PICTURE and max(s.n_ask, s.n_bid) + cfg[rs.C_PENDING] + 1 >= room:
                return at, n, rs.MORE_LEVELS
            cfg[rs.N_EVENTS] += 1
            if flags & FIRST:
                s.mode = begin_message(s, e, cfg)
            elif s.mode == IDLE:
                cfg[rs.N_MALFORMED] += 1
                verdicts[at] = rs.N_MALFORMED - rs.C_COUNTERS
                continue
            if s.mode == DROP:
                verdicts[at] = s.drop_why - rs.C_COUNTERS
                if flags & LAST:
                    s.mode = IDLE
                continue
            clocks = (e.received_ns, number(e, cfg), read_ns)
            if flags & FIRST:
                day = (ns // NS + cfg[rs.C_OFFSET_S]) // DAY_S
                if count > cfg[rs.C_UNIVERSE] and ns >= cfg[rs.C_LIST_NS]:
                    venue_time(state, cfg, flt, ns)
                if day > s.day:
                    n = start_session(s, i, day, ns, clocks, True, keys[i], qtys[i], work, n)
                if s.mode == PICTURE:
                    clear(s)
            if s.mode == WAIT:
                pending[cfg[rs.C_PENDING]] = events[at]
                cfg[rs.C_PENDING] += 1
            elif s.mode == DELTA and kind == LEVEL:
                if s.valid:
                    apply_level(s, e, keys[i], qtys[i], cfg)
            elif s.mode == PICTURE:
                if kind == TOTAL:
                    if not (e.price >= 0.0 and e.price < 1e15):
                        cfg[rs.N_QTY] += 1
                    else:
                        s.has_total = 1
                        if e.side > 0:
                            s.bid_total = e.price
                        else:
                            s.ask_total = e.price
                elif kind == SNAPSHOT:
                    append_level(s, e, keys[i], qtys[i], cfg)
            if flags & LAST:
                mode = s.mode
                s.mode = IDLE
                if mode == WAIT:
                    continue
                if mode == PICTURE:
                    s.n_ask = settle(keys[i, 0], qtys[i, 0], s.n_ask)
                    s.n_bid = settle(keys[i, 1], qtys[i, 1], s.n_bid)
                    s.valid = 1
                    s.had_book = 1
                    s.joined = 0
                    s.last_u = e.last_id
                    if cfg[rs.C_PENDING] > 0:
                        join_pending(s, i, pending, keys[i], qtys[i], cfg)
                else:
                    s.last_u = e.last_id
                s.corrected = 0
                if flags & NO_ROW == 0:
                    cfg[rs.N_BOOKS] += 1
                    s.max_book_ns = max(s.max_book_ns, ns)
                    if s.valid:
                        s.book_ns = ns
                        n = _row_event(s, i, ns, clocks, True, keys[i], qtys[i], work, n)
            continue
        cfg[rs.N_EVENTS] += 1
        if kind == PREV_CLOSE:
            if not is_true_price(e.price):
                cfg[rs.N_PRICE] += 1
                verdicts[at] = rs.N_PRICE - rs.C_COUNTERS
                continue
            number(e, cfg)
            day = (ns // NS + cfg[rs.C_OFFSET_S]) // DAY_S
            if day > s.day:
                s.coming_day = day
                s.coming_close = e.price
            elif day == s.day:
                s.coming_day = day
                s.coming_close = e.price
                s.reference = e.price
        elif kind == DAY:
            number(e, cfg)
            take_day(s, e, cfg, flt)
        elif kind == INVALID:
            s.mode = IDLE
            lose_book(s, cfg)
            number(e, cfg)
        else:
            cfg[rs.N_MALFORMED] += 1
            verdicts[at] = rs.N_MALFORMED - rs.C_COUNTERS
    return events.shape[0], n, rs.DONE

"""The values of a row, compiled: prices, flow, money, the corrected book, a Korean stock's columns.

Numbers in comments are items of strategy-language 1.1. All rounding is rint(x·10^d)/10^d in float64 (item
10). Arguments that recur here and in `trading/row_machine.py`: `s` the record of the instrument, `i` its
number, `cfg` configuration and counters (`row_state.C_*`, `N_*`), `flt` (strength cap, value unit), `clocks`
(receive time, arrival number, monotonic read time), `work` (column map, ladder, curves, cfg, flt, and two
views of the rows being written), `n` rows written so far.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from domain.records import ROW_GAP, ROW_NO_BOOK
from trading import row_state as rs
from trading.book import best
from trading.ladder import near_border, on_step, table_step

_njit = njit(cache=True, nogil=True)

NS = 1_000_000_000
DAY_S = 86_400
LIST_NS = 10 * NS
HEAD = 6
"""64-bit words before a row's values: time, three clocks, arrival number, instrument and flags."""


@_njit
def round2(x: float) -> float:
    return np.rint(x * 1e2) / 1e2  # type: ignore[no-any-return]


@_njit
def round4(x: float) -> float:
    return np.rint(x * 1e4) / 1e4  # type: ignore[no-any-return]


@_njit
def round6(x: float) -> float:
    return np.rint(x * 1e6) / 1e6  # type: ignore[no-any-return]


@_njit
def day_label(day: int) -> int:
    """Return days since 1970 as YYYYMMDD."""
    z = day + 719_468
    era = z // 146_097
    doe = z - era * 146_097
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    d = doy - (153 * mp + 2) // 5 + 1
    m = mp + 3 if mp < 10 else mp - 9
    y = yoe + era * 400 + (1 if m <= 2 else 0)
    return y * 10_000 + m * 100 + d


@_njit
def second_label(second: int) -> int:
    """Return seconds since 1970 on the market's clock as YYYYMMDDhhmmss."""
    day = second // DAY_S
    rest = second - day * DAY_S
    return day_label(day) * 1_000_000 + rest // 3600 * 10_000 + rest // 60 % 60 * 100 + rest % 60


@_njit
def minute_label(minute: int) -> int:
    """Return minutes since 1970 on the market's clock as YYYYMMDDhhmm."""
    day = minute // 1440
    rest = minute - day * 1440
    return day_label(day) * 10_000 + rest // 60 * 100 + rest % 60


# --- peaks ------------------------------------------------------------------------------------


@_njit
def peak_slot(peaks, owner, price):  # type: ignore[no-untyped-def]
    mask = peaks.shape[0] - 1
    scaled = price * 1e8 if price < 1e9 else price
    bits = np.uint64(np.int64(scaled)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(owner) * np.uint64(0xC2B2AE3D27D4EB4F)
    at = np.int64((bits ^ (bits >> np.uint64(29))) & np.uint64(mask))
    while peaks[at].owner >= 0 and (peaks[at].owner != owner or peaks[at].price != price):
        at = (at + 1) & mask
    return at


@_njit
def peak_add(peaks, cfg, owner, day, price, amount):  # type: ignore[no-untyped-def]
    """Add a trade's amount to its price level and return the level's amount of the day."""
    slot = peaks[peak_slot(peaks, owner, price)]
    if slot.owner < 0:
        slot.owner = owner
        slot.price = price
        slot.day = day
        slot.amount = 0.0
        cfg[rs.C_PEAKS] += 1
    elif slot.day != day:
        slot.day = day
        slot.amount = 0.0
    slot.amount += amount
    return slot.amount


@_njit
def rehash(old, new, state):  # type: ignore[no-untyped-def]
    """Move the levels of today's sessions from `old` to the empty table `new`; return how many."""
    kept = 0
    for k in range(old.shape[0]):
        if old[k].owner >= 0 and old[k].day == state[old[k].owner // 2].day:
            at = peak_slot(new, old[k].owner, old[k].price)
            new[at].owner = old[k].owner
            new[at].price = old[k].price
            new[at].day = old[k].day
            new[at].amount = old[k].amount
            kept += 1
    return kept


# --- the universe (12) --------------------------------------------------------------------------


@_njit
def day_value(s, cfg, flt):  # type: ignore[no-untyped-def]
    """Return 당일거래대금 as a row says it."""
    if cfg[rs.C_STOCK]:
        return np.trunc(s.amount / flt[1])
    return round4(s.amount)


@_njit
def venue_time(state, cfg, flt, ns):  # type: ignore[no-untyped-def]
    """Form the traded-value list at each whole ten seconds, from the trades before it."""
    local = ns + cfg[rs.C_OFFSET_S] * NS
    day = local // (DAY_S * NS)
    if day != cfg[rs.C_LIST_DAY]:
        if day < cfg[rs.C_LIST_DAY]:
            return
        cfg[rs.C_LIST_DAY] = day
        for k in range(state.shape[0]):
            state[k].in_universe = 1
    else:
        count = state.shape[0]
        values = np.zeros(count)
        who = np.zeros(count, np.int64)
        for k in range(count):
            values[state[k].code_rank] = -day_value(state[k], cfg, flt) if state[k].day == day else 0.0
            who[state[k].code_rank] = k
            state[k].in_universe = 0
        order = np.argsort(values, kind="mergesort")
        for k in range(cfg[rs.C_UNIVERSE]):
            state[who[order[k]]].in_universe = 1
    cfg[rs.C_LIST_NS] = (local // LIST_NS + 1) * LIST_NS - cfg[rs.C_OFFSET_S] * NS


# --- rows ---------------------------------------------------------------------------------------


@_njit
def _stock_columns(s, v, i, label_day, cfg, flt, ladder, curves):  # type: ignore[no-untyped-def]
    """Fill the columns of a Korean stock (3.5, 4.2, 4.3)."""
    unit = flt[1]
    volume = (s.buy_qty + s.sell_qty) / 1e8
    if s.prev_day_value > 0.0:
        v[rs.S_VALUE_CHANGE] = v[rs.S_DAY_VALUE] - np.trunc(s.prev_day_value / unit)
    if s.prev_day_volume > 0.0:
        v[rs.S_VOLUME_RATIO] = round2(volume / s.prev_day_volume * 100)
    if s.listed_shares > 0.0:
        v[rs.S_TURNOVER] = round2(volume / s.listed_shares * 100)
        v[rs.S_MARKET_CAP] = np.trunc(s.last_price * s.listed_shares / 1e8)
    second = s.row_second if cfg[rs.C_INTERVAL] == 1 else s.minute * 60
    before = curves[i, 1, second // 60 % 1440]
    if before > 0:
        v[rs.S_SAME_TIME] = round2(volume / (before / 1e8) * 100)
    v[rs.S_VI_TIME] = second_label(s.first_ns // NS + cfg[rs.C_OFFSET_S] - 3600)
    upper = np.floor(s.day_open * 11.0 / 10.0)
    upper = on_step(upper, table_step(ladder, label_day, upper), 1)
    v[rs.S_VI_PRICE] = upper
    v[rs.S_VI_STEP] = table_step(ladder, label_day, upper)
    if near_border(s.last_price, 5, True, ladder, label_day):
        v[rs.S_ROUND] = 1.0


@_njit
def _book_columns(s, v, keys, qtys, cfg):  # type: ignore[no-untyped-def]
    """Fill the book's columns, corrected when the last trade is not older than the book (9)."""
    depth = max(cfg[rs.C_TOTAL_LEVELS], 5)
    prices = np.zeros(depth)
    sizes = np.zeros(depth, np.int64)
    corrected = s.last_trade_ns >= s.book_ns
    s.corrected = 1 if corrected else 0
    book5 = 0
    for side in range(2):
        limit = np.inf
        if corrected:
            limit = s.last_price if side == 1 else -s.last_price
        count = s.n_bid if side == 1 else s.n_ask
        found = best(keys[side], qtys[side], count, limit, depth, prices, sizes)
        first = rs.S_BID if side == 1 else rs.S_ASK
        first_size = rs.S_BID_SIZE if side == 1 else rs.S_ASK_SIZE
        total = 0
        for k in range(found):
            total += sizes[k]
            if k < 5:
                v[first + k] = prices[k]
                v[first_size + k] = sizes[k] / 1e8
                book5 += sizes[k]
        if s.has_total:
            v[rs.S_BID_TOTAL if side == 1 else rs.S_ASK_TOTAL] = s.bid_total if side == 1 else s.ask_total
        else:
            v[rs.S_BID_TOTAL if side == 1 else rs.S_ASK_TOTAL] = total / 1e8
    v[rs.S_BOOK5] = book5 / 1e8


@_njit
def _money(s, v, cfg, flt):  # type: ignore[no-untyped-def]
    """Fill the money scalars of 14.1 in the unit of 당일거래대금."""
    if cfg[rs.C_STOCK]:
        unit = flt[1]
        v[rs.S_BUY_VALUE] = round6(s.bar_buy_amount / unit)
        v[rs.S_SELL_VALUE] = round6(s.bar_sell_amount / unit)
        v[rs.S_DAY_BUY] = round6(s.buy_amount / unit)
        v[rs.S_DAY_SELL] = round6(s.sell_amount / unit)
        v[rs.S_PEAK_BUY] = round6(s.peak_buy / unit)
        v[rs.S_PEAK_SELL] = round6(s.peak_sell / unit)
        v[rs.S_NET_BUY] = round6(v[rs.S_BUY_VALUE] - v[rs.S_SELL_VALUE])
    else:
        v[rs.S_BUY_VALUE] = round4(s.bar_buy_amount)
        v[rs.S_SELL_VALUE] = round4(s.bar_sell_amount)
        v[rs.S_DAY_BUY] = round4(s.buy_amount)
        v[rs.S_DAY_SELL] = round4(s.sell_amount)
        v[rs.S_PEAK_BUY] = round4(s.peak_buy)
        v[rs.S_PEAK_SELL] = round4(s.peak_sell)
        v[rs.S_NET_BUY] = round4(v[rs.S_BUY_VALUE] - v[rs.S_SELL_VALUE])
    v[rs.S_PEAK_BUY_PRICE] = s.peak_buy_price
    v[rs.S_PEAK_SELL_PRICE] = s.peak_sell_price


@_njit
def emit(s, i, label, exchange_ns, clocks, has_book, keys, qtys, work, n):  # type: ignore[no-untyped-def]
    """Write a row of instrument `i` and open the next bar; return n + 1."""
    colmap, ladder, curves, cfg, flt, ints, floats = work
    v = np.zeros(rs.S_NET_BUY + 1)
    v[rs.S_LAST] = s.last_price
    v[rs.S_OPEN] = s.day_open
    v[rs.S_HIGH] = s.day_high
    v[rs.S_LOW] = s.day_low
    if s.reference > 0.0:
        v[rs.S_CHANGE] = round2((s.last_price / s.reference - 1) * 100)
    value = day_value(s, cfg, flt)
    v[rs.S_DAY_VALUE] = value
    cap = flt[0]
    strength = cap
    if s.sell_qty > 0:
        strength = min(round2((s.buy_qty / 1e8) / (s.sell_qty / 1e8) * 100), cap)
    v[rs.S_STRENGTH] = strength
    v[rs.S_BUY_VOLUME] = s.bar_buy_qty / 1e8
    v[rs.S_SELL_VOLUME] = s.bar_sell_qty / 1e8
    v[rs.S_BAR_OPEN] = s.bar_open if s.bar_traded else s.last_price
    v[rs.S_BAR_HIGH] = s.bar_high if s.bar_traded else s.last_price
    v[rs.S_BAR_LOW] = s.bar_low if s.bar_traded else s.last_price
    if s.row_value >= 0.0:
        v[rs.S_VALUE] = round4(value - s.row_value)
    elif cfg[rs.C_INTERVAL] != 1:  # what was received, never a whole day that the venue told (6)
        v[rs.S_VALUE] = value if s.seeded == 0.0 else round4(value - s.seeded)
    v[rs.S_MID_RANGE] = round2((s.last_price / ((s.day_high + s.day_low) / 2) - 1) * 100)
    v[rs.S_RANGE] = round2((s.day_high / s.day_low - 1) * 100)
    v[rs.S_UNIVERSE] = s.in_universe
    _money(s, v, cfg, flt)
    if has_book:
        _book_columns(s, v, keys, qtys, cfg)
    if cfg[rs.C_STOCK]:
        _stock_columns(s, v, i, s.day_label, cfg, flt, ladder, curves)
    ints[n, 0] = label
    ints[n, 1] = exchange_ns
    ints[n, 2] = clocks[0]
    ints[n, 3] = clocks[2]
    ints[n, 4] = clocks[1]
    flags = (0 if has_book else ROW_NO_BOOK) | (ROW_GAP if s.gap else 0)
    ints[n, 5] = i | (flags << 32)
    for k in range(colmap.shape[0]):
        floats[n, HEAD + k] = v[colmap[k]]
    s.row_value = value
    s.bar_traded = 0
    s.bar_buy_qty = 0
    s.bar_sell_qty = 0
    s.bar_buy_amount = 0.0
    s.bar_sell_amount = 0.0
    s.gap = 0
    cfg[rs.N_ROWS] += 1
    return n + 1

"""What a venue says of its running day, taken into the state of a row builder that began in the middle of it (compiled).

Open, high, low and traded amount of strategy-language 3.2 are those of the venue's day. A recording has only
its trades (1.1 item 4); a live run asks the venue, and has no row of an instrument until the answer came
(decision 22). `s` is the record of the instrument, see `trading/row_state.py`.
"""

from __future__ import annotations

from numba import njit

from domain.records import FIRST, LAST
from trading import row_state as rs
from trading.row_columns import DAY_S, NS, day_value

_njit = njit(cache=True, nogil=True)


@_njit
def take_day(s, e, cfg, flt):  # type: ignore[no-untyped-def]
    """Take one of the four records of DAY; the last one makes them count, if they are of the session's day or a later one."""
    if e.flags & FIRST:
        s.told_day = (e.exchange_ns // NS + cfg[rs.C_OFFSET_S]) // DAY_S
        s.told_ns = e.exchange_ns
        s.told_id = e.last_id
        s.told_open = e.price
    elif e.flags & LAST:
        s.told_value = e.price
        if s.told_day == s.day:
            apply_day(s, cfg, flt)
    elif e.side > 0:
        s.told_high = e.price
    else:
        s.told_low = e.price


@_njit
def apply_day(s, cfg, flt):  # type: ignore[no-untyped-def]
    """Let the venue's figures of this session's day count.

    The amount never falls: where the venue states less than the trades received, they are newer than its
    answer. What a row says of its own second or minute is left alone: the amount of the last row moves along.
    """
    s.day_known = 1
    if s.told_value > s.amount:
        before = day_value(s, cfg, flt)
        s.seeded += s.told_value - s.amount
        s.amount = s.told_value
        if s.row_value >= 0.0:
            s.row_value += day_value(s, cfg, flt) - before
    else:  # nothing was added, so nothing that comes late is in it
        s.told_id = 0
        s.told_ns = 0
    if s.traded:
        widen(s)


@_njit
def widen(s):  # type: ignore[no-untyped-def]
    """Let open, high and low of the session be the venue's, where they are known, its own trades included."""
    if s.told_day != s.day or s.told_open <= 0.0:
        return
    if s.coming_day != s.day and s.before_price == 0.0:
        s.reference = s.told_open  # no close is known: the first trade of the day (1.1 item 4)
    s.day_open = s.told_open
    s.day_high = max(s.day_high, s.told_high)
    s.day_low = min(s.day_low, s.told_low)


@_njit
def add_amount(s, e, amount):  # type: ignore[no-untyped-def]
    """Add a trade's amount to the day's, unless the venue's figure holds it already (the answer overtook the stream)."""
    is_in = False
    if s.told_day == s.day:
        is_in = e.first_id <= s.told_id if s.told_id > 0 and e.first_id > 0 else e.exchange_ns <= s.told_ns
    if not is_in:
        s.amount += amount
        return
    s.seeded -= amount
    if s.row_value >= amount:
        s.row_value -= amount

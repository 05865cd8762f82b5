"""Book messages, compiled: snapshots, deltas, the chain of update ids, deltas that wait for a snapshot.

The rules are item 8 of strategy-language 1.1. `s` is the record of the instrument, `e` an event.
"""

from __future__ import annotations

from numba import njit

from domain.records import CHAINED, FIRST, LAST, SNAPSHOT
from trading import row_state as rs
from trading.book import set_level
from trading.ladder import is_on_step

_njit = njit(cache=True, nogil=True)

BACK_NS = 1_000_000_000
"""How far a venue's clock may step back within an instrument's trades or books (P20)."""

IDLE, DELTA, PICTURE, DROP, WAIT = range(5)
"""What is being done with a message: nothing, applied, taken as a new book, dropped, kept for a snapshot."""


@_njit
def is_true_price(price):  # type: ignore[no-untyped-def]
    return price > 0.0 and price < 1e15  # false for NaN and infinity as well


@_njit
def lose_book(s, cfg):  # type: ignore[no-untyped-def]
    """Note that the book is not to be trusted until the next snapshot."""
    if s.valid:
        s.valid = 0
        s.gap = 1
        s.gaps += 1
        cfg[rs.N_GAPS] += 1


@_njit
def _link(s, e, cfg):  # type: ignore[no-untyped-def]
    """Return what to do with a delta whose first record is `e`: DELTA, DROP, or WAIT after a gap (8)."""
    if e.flags & CHAINED:
        if not s.joined:
            if e.last_id < s.last_u:
                return DROP
            if e.first_id <= s.last_u:
                s.joined = 1
                return DELTA
        elif e.qty == s.last_u:
            return DELTA
        elif e.last_id <= s.last_u:
            return DROP
    elif e.last_id <= s.last_u:
        return DROP
    elif e.first_id <= s.last_u + 1:
        return DELTA
    lose_book(s, cfg)
    return WAIT


@_njit
def apply_level(s, e, keys, qtys, cfg):  # type: ignore[no-untyped-def]
    """Apply one LEVEL record to a valid book; a record that cannot be true is counted and left out."""
    if e.side == 0:
        return
    if not is_true_price(e.price):
        cfg[rs.N_PRICE] += 1
        lose_book(s, cfg)
        return
    if e.qty < 0:
        cfg[rs.N_QTY] += 1
        lose_book(s, cfg)
        return
    if not is_on_step(e.price, s.price_step):
        cfg[rs.N_OFF_STEP] += 1
        return
    if e.side > 0:
        s.n_bid = set_level(keys[1], qtys[1], s.n_bid, e.price, e.qty)
    else:
        s.n_ask = set_level(keys[0], qtys[0], s.n_ask, -e.price, e.qty)


@_njit
def append_level(s, e, keys, qtys, cfg):  # type: ignore[no-untyped-def]
    """Append one SNAPSHOT record; `settle` sorts the sides at the message's end."""
    if e.side == 0 or e.qty == 0:
        return
    if not is_true_price(e.price):
        cfg[rs.N_PRICE] += 1
    elif e.qty < 0:
        cfg[rs.N_QTY] += 1
    elif not is_on_step(e.price, s.price_step):
        cfg[rs.N_OFF_STEP] += 1
    elif e.side > 0:
        keys[1, s.n_bid] = e.price
        qtys[1, s.n_bid] = e.qty
        s.n_bid += 1
    else:
        keys[0, s.n_ask] = -e.price
        qtys[0, s.n_ask] = e.qty
        s.n_ask += 1


@_njit
def join_pending(s, i, pending, keys, qtys, cfg):  # type: ignore[no-untyped-def]
    """Apply, without a row, the deltas that waited for this snapshot; keep other books' deltas."""
    kept = 0
    mode = IDLE
    for k in range(cfg[rs.C_PENDING]):
        e = pending[k]
        if e.instrument != i:
            if kept != k:
                pending[kept] = pending[k]
            kept += 1
            continue
        if e.flags & FIRST:
            mode = _link(s, e, cfg) if s.valid else WAIT
            if mode == DROP:
                cfg[rs.N_OLD] += 1
        if mode == DELTA:
            if s.valid:
                apply_level(s, e, keys, qtys, cfg)
            if e.flags & LAST:
                s.last_u = e.last_id
                s.max_book_ns = max(s.max_book_ns, e.exchange_ns)
        elif mode == WAIT:
            if kept != k:
                pending[kept] = pending[k]
            kept += 1
    cfg[rs.C_PENDING] = kept


@_njit
def begin_message(s, e, cfg):  # type: ignore[no-untyped-def]
    """Return the mode in which a book message that starts with `e` is handled.

    A picture with an update id is put in its place by that id: venues state no clock in it, and a feed that has
    just begun knows none, however far the stored events of before went.
    """
    is_numbered = e.kind == SNAPSHOT and e.last_id > 0
    if e.exchange_ns < s.max_book_ns - BACK_NS and not is_numbered:
        cfg[rs.N_BACK] += 1
        s.drop_why = rs.N_BACK
        return DROP
    if e.kind == SNAPSHOT:
        return PICTURE
    if not s.valid:
        return WAIT
    mode = _link(s, e, cfg)
    if mode == DROP:
        cfg[rs.N_OLD] += 1
        s.drop_why = rs.N_OLD
    return mode


@_njit
def clear(s):  # type: ignore[no-untyped-def]
    s.n_ask = 0
    s.n_bid = 0
    s.has_total = 0
    s.ask_total = 0.0
    s.bid_total = 0.0


@_njit
def forget_pending(pending, cfg):  # type: ignore[no-untyped-def]
    """Drop the older half of the waiting deltas: their books will be found incomplete and wait on."""
    half = cfg[rs.C_PENDING] // 2
    for k in range(half, cfg[rs.C_PENDING]):
        pending[k - half] = pending[k]
    cfg[rs.C_PENDING] -= half

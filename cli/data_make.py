"""Seeded made data into the store, through the same row builder as everything else."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import InputError
from domain.instruments import NS, Market
from domain.records import EVENT_DTYPE, PREV_CLOSE, TRADE
from paper.made import MadeMarket
from paper.made_facts import made_codes
from storage.ticks import KINDS, ROW_KINDS, SegmentWriter, TickStore
from trading.rows import RowBuilder

SOURCE = "made"
ASIDE = "making"
"""Folder beside the kinds of rows in which a run makes its own; no reader looks into it."""
MOST_SYMBOLS, MOST_DAYS = 1000, 400
_SPAN_NS = 60 * NS


def _bounds(market: Market, start: str, days: float) -> tuple[int, int]:
    """Return (start, end) in UTC ns: `days` days of the market from 0:00 of `start` on; krx counts trading days."""
    try:
        day = dt.date.fromisoformat(start)
    except ValueError:
        raise InputError("data.bad_date", text=start) from None
    offset = market.day_offset_s()

    def midnight(one: dt.date) -> int:
        return int(dt.datetime(one.year, one.month, one.day, tzinfo=dt.UTC).timestamp()) - offset

    first = day
    whole = int(days)
    while True:
        is_open = market.kind == "coin" or day.weekday() < 5
        if is_open and whole == 0:
            break
        whole -= is_open
        day += dt.timedelta(days=1)
    length = market.session_end_s - market.session_start_s
    rest = days - int(days)
    end = midnight(day) + (int(market.session_start_s + rest * length) if rest else 0)
    return midnight(first) * NS, end * NS


def make_data(
    store: TickStore,
    market: Market,
    symbols: int,
    days: float,
    seed: int,
    start: str,
    events: bool,
    tell: Callable[[int, int, float, float, float | None, str], None],
) -> dict[str, Any]:
    """Make rows of both intervals (and events) and return their number and hash.

    They are made aside and take the place of what was made before only when all of them are there, so that an
    interrupt, a full disk or a kill leaves what was there.

    The hash is the SHA-256 over the one-second, then over the one-minute rows: time, code number and
    values of each in the order of emission. Same market, symbols, days, seed and start: same hash.

    Raises
    ------
    InputError
        ``data.make_range``: nothing, or more than anybody can store, was asked for.
    RefusedError
        ``store.locked``: another process writes made data of this market.
    """
    if not 1 <= symbols <= MOST_SYMBOLS or not 0 < days <= MOST_DAYS:
        raise InputError("data.make_range", symbols=symbols, days=days, most_symbols=MOST_SYMBOLS, most_days=MOST_DAYS)
    first_ns, end_ns = _bounds(market, start, days)
    made = MadeMarket(market, made_codes(market, symbols), seed, first_ns)
    builders = {interval_s: RowBuilder(market, interval_s, made.instruments) for interval_s in ROW_KINDS}
    store.lock(market.code, SOURCE)
    writers: dict[str, SegmentWriter] = {}
    aside = TickStore(store.folder / market.code / SOURCE / ASIDE)
    try:
        shutil.rmtree(aside.root, ignore_errors=True)  # what a killed run left
        origin = {"what": "made", "seed": seed, "symbols": symbols, "days": days, "start": start, "session": secrets.token_hex(8)}
        for interval_s, kind in ROW_KINDS.items():
            writers[kind] = aside.writer(market, SOURCE, kind, builders[interval_s].schema, made.instruments, origin)
        for kind in ("trade", "depth") if events else ():
            writers[kind] = aside.writer(market, SOURCE, kind, EVENT_DTYPE, made.instruments, origin)
        hashes = {interval_s: hashlib.sha256() for interval_s in ROW_KINDS}
        rows, count = dict.fromkeys(ROW_KINDS, 0), 0
        begun = time.monotonic()
        while made.time_ns < end_ns:
            batch = made.advance(min(made.time_ns + _SPAN_NS, end_ns))
            count += len(batch)
            for interval_s, builder in builders.items():
                found = builder.push(batch)
                rows[interval_s] += len(found)
                _hash(hashes[interval_s], found)
                writers[ROW_KINDS[interval_s]].append(found)
            if events:
                is_trade = (batch["kind"] == TRADE) | (batch["kind"] == PREV_CLOSE)
                writers["trade"].append(batch[is_trade])
                writers["depth"].append(batch[~is_trade])
            share = min(max((made.time_ns - first_ns) / (end_ns - first_ns), 1e-9), 1.0)
            spent = time.monotonic() - begun
            tell(rows[1], int(rows[1] / share), rows[1] / max(spent, 1e-6), spent * (1 - share) / share, None, "")
        for writer in writers.values():
            writer.seal()
        _swap(aside, store, market)
    finally:
        # Sealed by now, or not wanted: on a full disk nothing more could be written, and the next line must be reached.
        for writer in writers.values():
            writer.discard()
        aside.unlock()
        shutil.rmtree(aside.root, ignore_errors=True)
        store.unlock()
    digest = hashlib.sha256(hashes[1].digest() + hashes[60].digest()).hexdigest()
    return {
        "market": market.code,
        "source": SOURCE,
        "symbols": [one.code for one in made.instruments],
        "rows": rows[1] + rows[60],
        "rows_1s": rows[1],
        "rows_1m": rows[60],
        "events": count if events else 0,
        "sha256": digest,
    }


def _hash(digest: Any, rows: np.ndarray) -> None:
    if len(rows):
        digest.update(rows["row_time"].tobytes())
        digest.update(rows["instrument"].tobytes())
        digest.update(np.ascontiguousarray(rows["values"]).tobytes())


def _swap(aside: TickStore, store: TickStore, market: Market) -> None:
    """Put what was made in the place of what was made before: renames alone, the slow deleting comes after."""
    old, new = store.folder / market.code / SOURCE, aside.folder / market.code / SOURCE
    gone = aside.root / "gone"
    gone.mkdir()
    steps = [(old / kind, gone / kind) for kind in KINDS] + [(new / kind, old / kind) for kind in KINDS]
    done: list[tuple[Path, Path]] = []
    try:
        for there, here in steps:
            if there.is_dir():
                there.rename(here)
                done.append((there, here))
    except BaseException:  # an interrupt, too
        for there, here in reversed(done):
            here.rename(there)
        raise

"""A downloaded day into the store: candles become rows, trades become events and rows; whole or not at all.

The segments of one day and all its symbols are one session. The kind that proves the session is sealed last; what a kill
leaves of an unproven one is deleted at the next start, because the pages are still in their spools.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from domain.instruments import NS, Instrument, Market
from domain.records import CANDLE_DTYPE, EVENT_DTYPE, NO_BOOK, PREV_CLOSE, TRADE, row_schema
from storage.segments import GAP_DTYPE, Part
from storage.ticks import TickStore
from trading.bars import Bars, bar_rows, mark_universe
from trading.importers.covered import STORED_AS, WHAT, DayStock
from trading.importers.events import SOURCE, import_events
from trading.importers.report import FileTally, ImportReport
from trading.importers.tables import decimals_in
from trading.rows import RowBuilder

SILENT_S = 600
"""So long a hole between candles of a venue without empty ones is a gap; a shorter one is a market where nobody traded."""
VOLUME_MAX = 9e10


class DayStore:
    """Commits days of one download.

    Attributes
    ----------
    rows : int
        Rows of strategies stored so far.
    events : int
    reasons : Counter of str
        Rows refused, by reason.
    gaps : list of dict
    """

    def __init__(self, store: TickStore, market: Market, kind: str, *, has_empty_candles: bool, has_running_ids: bool) -> None:
        self._store, self._market, self._kind = store, market, kind
        self._empty, self._ids = has_empty_candles, has_running_ids
        self.rows = self.events = 0
        self.reasons: Counter[str] = Counter()
        self.gaps: list[dict[str, Any]] = []

    def sweep(self) -> None:
        """Delete what a kill left of a day half written."""
        folder = self._store.folder / self._market.code / SOURCE
        for path in folder.glob("*/*/*.part"):
            info = Part(path).info
            if info is not None and info.origin.get("what") == WHAT:
                path.unlink(missing_ok=True)
        self._store.recover({self._market.code: self._market})
        sessions: dict[str, tuple[dict[str, Any], list[Path], Counter[str]]] = {}
        for path, manifest in self._store.manifests(self._market.code, SOURCE):
            origin = manifest.info.origin
            if origin.get("what") != WHAT:
                continue
            _, files, proven = sessions.setdefault(origin["session"], (origin, [], Counter()))
            files.append(path)
            if manifest.info.kind == STORED_AS[origin["kind"]]:
                proven.update({code: span.rows for code, span in manifest.codes.items()})
        for origin, files, proven in sessions.values():
            if any(proven[code] < count for code, (_, _, count) in origin["spans"].items()):
                for path in files:
                    path.with_suffix(".json").unlink(missing_ok=True)
                    path.unlink(missing_ok=True)

    def put(self, day: int, found: dict[Instrument, np.ndarray], span: tuple[int, int], closes: dict[str, float]) -> None:
        """Store one day.

        Parameters
        ----------
        day : int
            YYYYMMDD on the market's clock.
        found : dict of Instrument to ndarray
            Every answer of the span, in any order.
        span : (int, int)
            What was asked for, UTC ns.
        closes : dict of code to float
            Close of the day before, 0 = not known.
        """
        stock = DayStock(self._store, self._market.code, SOURCE, day)
        empty = [one for one, pages in found.items() if not len(pages)]
        full = {_of_day(one, pages): pages for one, pages in found.items() if len(pages)}
        if full and self._kind in ("1s", "1m"):
            self._put_candles(full, span, closes, stock)
        elif full:
            self._put_trades(full, span, closes, stock)
        self._note([(one, "nothing_there", span) for one in empty])

    # --- candles ----------------------------------------------------------------------------------

    def _put_candles(self, found: dict[Instrument, np.ndarray], span: tuple[int, int], closes: dict[str, float], stock: DayStock) -> None:
        instruments = list(found)
        interval_s = 1 if self._kind == "1s" else 60
        seq = self._store.next_seq(self._market.code, SOURCE)
        parts, claims = [], {}
        for k, (one, pages) in enumerate(found.items()):
            candles = self._good(pages)
            self._note([(one, "missing_candles", hole) for hole in self._holes(candles, interval_s, span)])
            if self._kind == "1s":
                candles = candles[candles["volume"] > 0]  # a second without a trade makes no row, as on a tape
            if len(candles):
                parts.append(bar_rows(self._market, _bars(candles, interval_s, closes.get(one.code, 0.0)), k, seq))
        schema = row_schema(self._market.kind, interval_s)
        rows = np.concatenate(parts) if parts else np.empty(0, schema.dtype())
        mark_universe(self._market, rows, [one.code for one in instruments], interval_s)
        keep = np.ones(len(rows), bool)
        for k, one in enumerate(instruments):
            mine = rows["instrument"] == k
            stored, _ = stock.row_times(STORED_AS[self._kind], one.code)
            keep[mine] = ~np.isin(rows["row_time"][mine], stored)
            claims[one.code] = (*span, int((mine & keep).sum()))
        rows = rows[keep]
        rows = rows[np.argsort(rows["row_time"], kind="stable")]
        rows["seq"] = self._store.next_seq(self._market.code, SOURCE) + np.arange(len(rows))
        if not len(rows):  # everything was stored by another way, and none of it is asked again
            self._note([(one, "nothing_new", span) for one in instruments])
            return
        origin = {"what": WHAT, "kind": self._kind, "session": secrets.token_hex(8), "spans": claims, "files": []}
        writer = self._store.writer(self._market, SOURCE, STORED_AS[self._kind], schema, instruments, origin)
        writer.append(rows)
        writer.seal()
        self.rows += len(rows)

    def _good(self, pages: np.ndarray) -> np.ndarray:
        """Return the candles that can be, oldest first, none twice; the others are counted."""
        pages = pages[np.argsort(pages["open_ns"], kind="stable")]
        twice = np.ones(len(pages), bool)
        twice[np.unique(pages["open_ns"], return_index=True)[1]] = False
        prices = np.column_stack([pages[name] for name in ("open", "high", "low", "close")])
        with np.errstate(invalid="ignore"):
            price = ~((prices > 0) & (prices < 1e15)).all(axis=1)
            shape = (pages["high"] < prices.max(axis=1)) | (pages["low"] > prices.min(axis=1))
            volume = ~((pages["volume"] >= 0) & (pages["volume"] < VOLUME_MAX)) | ~(pages["value"] >= 0)
        refused = np.zeros(len(pages), bool)
        for reason, mask in (("duplicate", twice), ("price", price), ("high_low", shape), ("volume", volume)):
            if (mask & ~refused).any():
                self.reasons[reason] += int((mask & ~refused).sum())
            refused |= mask
        return pages[~refused]

    def _holes(self, candles: np.ndarray, interval_s: int, span: tuple[int, int]) -> list[tuple[int, int]]:
        """Return (start of the first missing candle, start of the last) of every hole, the ends of the day included."""
        step = interval_s * NS
        longest = step if self._empty else (SILENT_S + interval_s) * NS
        edges = np.concatenate(([span[0] - step], candles["open_ns"], [span[1] // step * step]))
        return [(int(edges[k]) + step, int(edges[k + 1]) - step) for k in np.flatnonzero(np.diff(edges) > longest).tolist()]

    # --- trades -----------------------------------------------------------------------------------

    def _put_trades(self, found: dict[Instrument, np.ndarray], span: tuple[int, int], closes: dict[str, float], stock: DayStock) -> None:
        instruments = list(found)
        parts = []
        for k, (one, pages) in enumerate(found.items()):
            events = pages[np.unique(pages["first_id"], return_index=True)[1]]
            if self._ids:
                self._mark_ids(one, events)
            close = closes.get(one.code, 0.0)
            before = np.zeros(1 if close > 0 else 0, EVENT_DTYPE)
            before["kind"], before["price"], before["exchange_ns"] = PREV_CLOSE, close, span[0]
            events["flags"] = NO_BOOK
            events = np.concatenate((before, events))
            events["instrument"] = k
            events["received_ns"] = np.maximum.accumulate(events["exchange_ns"])
            parts.append(events)
        events = np.concatenate(parts)
        events = events[np.argsort(events["received_ns"], kind="stable")]
        judge = RowBuilder(self._market, 1, instruments)
        judge.push(events.copy())
        ids = {k: stock.trade_ids(one.code) for k, one in enumerate(instruments)}

        def untold(trades: np.ndarray) -> np.ndarray:
            """Return the mask of trades that are not stored; the previous close is, where any trade is."""
            keep = np.ones(len(trades), bool)
            for k, stored_ids in ids.items():
                mine = trades["instrument"] == k
                known = np.isin(trades["first_id"][mine], stored_ids) | ((trades["kind"][mine] == PREV_CLOSE) & (len(stored_ids) > 0))
                keep[mine] = ~known
            return keep

        accepted = events[judge.verdicts == 0]
        good = np.bincount(accepted["instrument"][untold(accepted)], minlength=len(instruments))
        claims = {one.code: (*span, int(good[k])) for k, one in enumerate(instruments)}
        stored = {(kind, k): stock.row_times(kind, one.code)[0] for kind in ("row1s", "row1m") for k, one in enumerate(instruments)}

        def fresh(kind: str, rows: np.ndarray) -> np.ndarray:
            if kind == "trade":
                trades: np.ndarray = rows[untold(rows)]
                return trades
            keep = np.ones(len(rows), bool)
            for k in range(len(instruments)):
                mine = rows["instrument"] == k
                keep[mine] = ~np.isin(rows["row_time"][mine], stored[kind, k])
            self.rows += int(keep.sum())
            return rows[keep]

        report = ImportReport()
        tape = _Day(events, FileTally(f"{self._market.code} {self._kind}"))
        origin = {"what": WHAT, "kind": self._kind, "spans": claims, "files": []}
        import_events(self._store, self._market, [tape], instruments, {}, set(), set(), report, origin, fresh=fresh)
        self.reasons += tape.tally.reasons
        self.events += int(good.sum())
        self.gaps += report.gaps

    def _mark_ids(self, one: Instrument, events: np.ndarray) -> None:
        """Note the holes in the venue's numbers: trades that it does not tell any more."""
        when = events["exchange_ns"]
        holes = np.flatnonzero(np.diff(events["first_id"]) > 1).tolist()
        self._note([(one, "missing_trades", (int(when[k]), int(when[k + 1]))) for k in holes])

    # --- gaps -------------------------------------------------------------------------------------

    def _note(self, found: list[tuple[Instrument, str, tuple[int, int]]]) -> None:
        """Say gaps and write those into the ledger that are not in it."""
        if not found:
            return
        code = self._market.code
        self.gaps += [
            {"market": code, "symbol": one.code, "cause": cause, "from_ns": first, "to_ns": last, "state": "marked"}
            for one, cause, (first, last) in found
            if cause != "nothing_new"
        ]
        table = self._store.instruments(code, SOURCE)
        ledger = self._store.read_gaps(code, SOURCE)
        known = {(table[int(row["instrument"])].code, row["cause"].decode(), int(row["from_ns"]), int(row["to_ns"])) for row in ledger}
        found = sorted((one for one in found if (one[0].code, one[1], *one[2]) not in known), key=lambda one: one[2])
        if not found:
            return
        instruments = list({one.code: one for one, _, _ in found}.values())
        place = {one.code: k for k, one in enumerate(instruments)}
        rows = np.zeros(len(found), GAP_DTYPE)
        for row, (one, cause, (first, last)) in zip(rows, found, strict=True):
            row["instrument"], row["from_ns"], row["to_ns"], row["exchange_ns"] = place[one.code], first, last, first
            row["stream"] = self._kind.encode()
            row["cause"], row["state"] = cause.encode(), b"marked"
        self._store.append_gaps(code, SOURCE, rows, self._market.day_offset_s(), instruments)


class _Day:
    """A day's trades as a file of events (trading/importers/events.py)."""

    def __init__(self, events: np.ndarray, tally: FileTally) -> None:
        self.path = Path(tally.path)
        self.tally = tally
        self.first_ns = int(events["received_ns"][0])
        self._events = events

    def chunks(self, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]) -> Iterator[np.ndarray]:
        self.tally.rows_in = int((self._events["kind"] == TRADE).sum())
        for lo in range(0, len(self._events), 65_536):
            yield self._events[lo : lo + 65_536].copy()


def _of_day(one: Instrument, pages: np.ndarray) -> Instrument:
    """Return the instrument with the price step of that day: a venue states today's only, and prices of the past may be finer."""
    if not one.price_step:
        return one
    names = ("open", "high", "low", "close") if pages.dtype == CANDLE_DTYPE else ("price",)
    prices = np.concatenate([pages[name] for name in names])
    prices = prices[np.isfinite(prices) & (prices > 0) & (prices < 1e15)]
    steps = prices / one.price_step
    if len(prices) and (np.abs(steps - np.rint(steps)) > 1e-6 * np.maximum(1.0, steps)).any():
        return msgspec.structs.replace(one, price_step=min(one.price_step, 10.0 ** -decimals_in(prices)))
    return one


def _bars(candles: np.ndarray, interval_s: int, previous_close: float) -> Bars:
    volume = np.rint(candles["volume"] * 1e8).astype(np.int64)
    told = bool(len(candles)) and bool(np.isfinite(candles["taker"]).all() and np.isfinite(candles["taker_value"]).all())
    column = {name: np.ascontiguousarray(candles[name]) for name in CANDLE_DTYPE.names or ()}
    return Bars(
        column["open_ns"],
        column["open"],
        column["high"],
        column["low"],
        column["close"],
        volume,
        column["value"],
        np.minimum(np.rint(column["taker"] * 1e8).astype(np.int64), volume) if told else None,
        column["taker_value"] if told else None,
        previous_close,
        interval_s,
    )

"""History from a venue into the store: asked page by page, kept in spools, stored day by day.

What is stored is not asked again, whatever ended the last attempt. The venue's limits are those of the client that
trades (utility/public_rest.py); what it refuses for haste is asked again when it said, what it does not answer a few
times more. A day that still runs is asked for up to now; the next time its rest is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from domain.errors import DataError, InputError, InvariantError, RateLimited, StomError, Unreachable
from domain.instruments import DAY_S, NS, Instrument, Market
from domain.ports import History
from domain.records import CANDLE_DTYPE, EVENT_DTYPE
from storage.ticks import TickStore, day_of
from trading.importers.covered import STORED_AS, DayStock, is_covered, spans
from trading.importers.downloaded import DayStore
from trading.importers.events import SOURCE
from trading.importers.spool import Spool

T = TypeVar("T")

ATTEMPTS = 5
"""So often a page is asked for before a venue that does not answer is given up."""
PATIENCE_S = 900.0
"""A ban that is longer ends the download."""
SETTLED_S = 2
"""A venue has told what is older."""
GLANCE_S = 0.1
"""So often a wish to stop is looked at."""


class Stopped(Exception):
    """The wish to stop was met."""


@dataclass
class Downloaded:
    """Result of a download.

    Parameters
    ----------
    resumed : bool
        A part of what was asked for was there already.
    kept_out : list of str
        ``<code> <day>`` that hold rows with a book: candles would push them aside, so they stay as they are.
    days_stored, days_empty, days_there : int
        Days of a symbol that are stored now, that the venue has nothing for, that were there before.
    stopped : bool
        Ended by a wish; what was heard is kept.
    """

    market: str
    kind: str
    rows: int = 0
    events: int = 0
    requests: int = 0
    resumed: bool = False
    days_stored: int = 0
    days_empty: int = 0
    days_there: int = 0
    kept_out: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    waited_s: float = 0.0
    stopped: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of the command-line contract."""
        return {
            "market": self.market,
            "interval": self.kind,
            "source": SOURCE,
            "rows": self.rows,
            "events": self.events,
            "requests": self.requests,
            "resumed": self.resumed,
            "days_stored": self.days_stored,
            "days_empty": self.days_empty,
            "days_there": self.days_there,
            "kept_out": self.kept_out,
            "rows_rejected": sum(self.reasons.values()),
            "reasons": self.reasons,
            "gaps": len(self.gaps),
            "gap_list": self.gaps,
            "waited_s": round(self.waited_s, 3),
            "stopped": self.stopped,
        }


class Download:
    """One download.

    Parameters
    ----------
    store : TickStore
    market : Market
    history : History
    codes : sequence of str
    kind : {"1s", "1m", "trades", "aggtrades"}
    first_day, last_day : int
        Days since 1970 on the market's clock, both included.
    now_ns : int
        The moment of the start; nothing after it is asked for.
    tell : callable (done, total, rate, left_s), optional
        Market time in seconds, of all symbols.
    note : callable (code, fields), optional
        Hears of a wait that a venue asked for.
    stop : threading.Event, optional
    """

    def __init__(
        self,
        store: TickStore,
        market: Market,
        history: History,
        codes: Sequence[str],
        kind: str,
        first_day: int,
        last_day: int,
        now_ns: int,
        tell: Callable[[int, float, float, float], None] | None = None,
        note: Callable[..., None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._store, self._market, self._history = store, market, history
        self._codes, self._kind = list(dict.fromkeys(codes)), kind
        self._now_ns = now_ns
        self._days = range(first_day, last_day + 1)
        self._tell, self._note = tell or (lambda *_: None), note or (lambda *_, **__: None)
        self._stop = stop or threading.Event()
        self._length_s = 60 if kind == "1m" else 1
        self._began = time.monotonic()
        self._done_s = self._asked_s = 0.0
        self._total_s = 0.0
        self.result = Downloaded(market.code, kind)

    def run(self) -> Downloaded:
        """Ask and store; return what became of it.

        Raises
        ------
        InputError
            ``download.kind``, ``download.reach``, ``download.future``, ``download.symbol``.
        VenueError, DataError
            The venue does not answer, bans us for long, or says what cannot be read; everything heard so far is kept.
        RefusedError
            ``store.locked``.
        """
        self._check()
        self._store.lock(self._market.code, SOURCE)
        days = DayStore(
            self._store,
            self._market,
            self._kind,
            has_empty_candles=self._history.has_empty_candles,
            has_running_ids=self._history.has_running_ids,
        )
        try:
            days.sweep()
            self._all_days(days)
        except Stopped:
            self.result.stopped = True
        finally:
            self.result.rows, self.result.events, self.result.gaps = days.rows, days.events, days.gaps
            self.result.reasons, self.result.requests = dict(days.reasons), self._history.requests
            self._store.unlock()
        return self.result

    # --- what is wanted ---------------------------------------------------------------------------

    def _check(self) -> None:
        if self._kind not in self._history.kinds:
            raise InputError("download.kind", market=self._market.code, kind=self._kind, kinds=", ".join(self._history.kinds))
        first, _ = self._span(self._days[0])
        if first >= self._now_ns:
            raise InputError("download.future", day=day_of(first, self._market.day_offset_s()))
        reach_s = self._history.reach_s(self._kind)
        if first < self._now_ns - reach_s * NS - DAY_S * NS:
            raise InputError("download.reach", kind=self._kind, market=self._market.code, days=f"{reach_s / DAY_S:g}")

    def _span(self, day: int) -> tuple[int, int]:
        """Return [start, end) of a day in UTC ns, cut to whole candles before now."""
        start_s = day * DAY_S - self._market.day_offset_s()
        # What happened just now may not be told yet, and nobody asks for it again.
        end_s = min(start_s + DAY_S, (self._now_ns // NS - SETTLED_S) // self._length_s * self._length_s)
        return start_s * NS, end_s * NS

    def _all_days(self, days: DayStore) -> None:
        self._check_listed(listed := {one.code: one for one in self._ask(self._history.instruments)})
        covered = spans(self._store, self._market.code, SOURCE, self._kind)
        wanted: list[tuple[tuple[int, int], list[str]]] = []
        for day in self._days:
            first, end = self._span(day)
            if end <= first:
                break
            there = [code for code in self._codes if is_covered(covered, code, first, end)]
            self.result.days_there += len(there)
            wanted.append(((first, end), [code for code in self._codes if code not in there]))
        self.result.resumed = self.result.days_there > 0
        self._total_s = sum((end - first) / NS * len(codes) for (first, end), codes in wanted)
        closes: dict[str, tuple[int, float]] = {}
        for (first, end), codes in wanted:
            self._one_day(days, first, end, [listed[code] for code in codes], closes)

    def _check_listed(self, listed: dict[str, Instrument]) -> None:
        for code in self._codes:
            if code not in listed:
                raise InputError("download.symbol", symbol=code, market=self._market.code)

    def _one_day(self, days: DayStore, first: int, end: int, wanted: list[Instrument], closes: dict[str, tuple[int, float]]) -> None:
        label = day_of(first, self._market.day_offset_s())
        stock = DayStock(self._store, self._market.code, SOURCE, label)
        found: dict[Instrument, np.ndarray] = {}
        before: dict[str, float] = {}
        spools: list[Spool] = []
        for one in wanted:
            kinds = (STORED_AS[self._kind],) if self._kind in ("1s", "1m") else ("row1s", "row1m")
            if any(stock.row_times(kind, one.code)[1] for kind in kinds):
                self.result.kept_out.append(f"{one.code} {label}")
                self._advance((end - first) / NS)
                continue
            spool = self._fetch(one.code, label, first, end)
            spools.append(spool)
            pages = found[one] = spool.everything
            if not len(pages):
                continue
            known = closes.get(one.code)
            before[one.code] = known[1] if known and known[0] == first else self._ask(self._history.close_before, one.code, first)
            closes[one.code] = end, _last_price(pages)
        if found:
            days.put(label, found, (first, end), before)
            self.result.days_stored += sum(len(pages) > 0 for pages in found.values())
            self.result.days_empty += sum(len(pages) == 0 for pages in found.values())
        if end - first == DAY_S * NS:  # of a day that runs, what was heard is the beginning of the next answer
            for spool in spools:
                spool.remove()

    # --- asking -----------------------------------------------------------------------------------

    def _fetch(self, code: str, label: int, first: int, end: int) -> Spool:
        folder = self._store.root / "downloads" / self._market.code / self._kind / str(label)
        spool = Spool(folder, code, first // NS, end // NS, CANDLE_DTYPE if self._kind in ("1s", "1m") else EVENT_DTYPE)
        self.result.resumed |= spool.was_there
        told = self._heard_s(spool.everything, first, end)
        self._advance(told)
        while not spool.is_whole:
            page, is_all = self._ask(self._history.page, self._kind, code, spool.begin_s * NS, spool.until_s * NS, spool.held)
            spool.add(page, is_all)
            so_far = self._heard_s(spool.everything, first, end)
            self._advance(so_far - told, asked=True)
            told = so_far
        self._advance((end - first) / NS - told, asked=told > 0)
        return spool

    def _heard_s(self, held: np.ndarray, first: int, end: int) -> float:
        """Return the market time between the first and the last thing heard: pages come in either direction."""
        if not len(held):
            return 0.0
        when = held["open_ns" if held.dtype == CANDLE_DTYPE else "exchange_ns"]
        return float(min(when.max() - when.min(), end - first) / NS)

    def _advance(self, seconds: float, asked: bool = False) -> None:
        self._done_s += seconds
        self._asked_s += seconds if asked else 0.0
        rate = self._asked_s / max(time.monotonic() - self._began, 1e-6)
        left = (self._total_s - self._done_s) / rate if rate > 0 else 0.0
        self._tell(int(self._done_s), self._total_s, rate, left)

    def _ask(self, call: Callable[..., T], *args: Any) -> T:
        """Return the answer of one request; waits as the venue asks, and stops at the wish of a person."""
        failures = 0
        while True:
            try:
                return self._in_thread(call, *args)
            except RateLimited as error:
                if error.retry_after_s > PATIENCE_S:
                    raise
                self._note("download.waiting", seconds=error.retry_after_s)
                self._wait(error.retry_after_s)
            except (Unreachable, DataError) as error:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                self._note("download.again", reason=error.code, fields=error.fields, attempt=failures + 1, attempts=ATTEMPTS)
                self._wait(0.5 * 2**failures)

    def _wait(self, seconds: float) -> None:
        self.result.waited_s += seconds
        if self._stop.wait(seconds):
            raise Stopped

    def _in_thread(self, call: Callable[..., T], *args: Any) -> T:
        """Call where it may block, and look at the wish to stop meanwhile; a request that nobody waits for ends by itself."""
        if self._stop.is_set():
            raise Stopped
        answers: list[T] = []
        errors: list[StomError] = []
        heard = threading.Event()

        def work() -> None:
            try:
                answers.append(call(*args))
            except StomError as error:  # for the thread that asked; anything else is a fault of ours and told as one
                errors.append(error)
            finally:
                heard.set()

        threading.Thread(target=work, name="download", daemon=True).start()
        while not heard.wait(GLANCE_S):
            if self._stop.is_set():
                raise Stopped
        if errors:
            raise errors[0]
        if not answers:
            raise InvariantError("download.thread")
        return answers[0]


def _last_price(held: np.ndarray) -> float:
    if held.dtype == CANDLE_DTYPE:
        return float(held["close"][int(np.argmax(held["open_ns"]))])
    return float(held["price"][int(np.argmax(held["first_id"]))])

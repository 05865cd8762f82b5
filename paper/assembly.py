"""Put an exchange together: market, instruments, account, dialect, faults, truth, source.

One road for `stom.py exchange`, the exchange process of a run, and tests.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from domain.errors import InputError
from domain.exchange import DialectSettings
from domain.instruments import NS, Instrument, Market
from domain.process_config import ExchangeOptions, ReplayOptions
from paper.exchange import Exchange
from paper.faults import FaultRule, Faults
from paper.made import MadeMarket
from paper.made_facts import made_codes
from paper.server import PaperServer
from paper.source import RecordedSource
from paper.truth import TruthLedger
from storage.ticks import TickStore, day_of
from trading import venues
from trading.importers import files_under, import_files
from trading.importers.events import SOURCE
from utility.paths import DataDir

MADE_MAX = 1_000
"""Named and numbered codes a made market may be asked for."""
PREROLL_NS = 900 * NS
"""How much of a made market has happened before anybody looks: candles, trades and books exist, and a chart is full."""


def made_market(market: Market, options: ExchangeOptions) -> MadeMarket:
    """Return the made market of the options, not yet advanced."""
    codes = options.codes or made_codes(market, options.symbols)
    start_ns = options.start_ns or time.time_ns() - PREROLL_NS
    seed = options.seed or secrets.randbelow(2**31 - 1) + 1
    return MadeMarket(market, codes, seed, start_ns)


def stored_recording(market: Market, data_dir: str, replay: ReplayOptions) -> RecordedSource:
    """Return a source of the tick store as a recording; InputError when it holds no events."""
    store = TickStore(data_dir)
    check_recording(market, data_dir, replay)
    instruments = store.instruments(market.code, replay.source)
    codes = replay.codes or tuple(instrument.code for instrument in instruments)
    days = [day_of(ns, market.day_offset_s()) if ns else None for ns in (replay.from_ns, replay.to_ns)]

    def read() -> Iterator[np.ndarray]:
        # From a day's first event on: books of deltas need what came before the time range.
        return store.read_events(market.code, replay.source, days[0], days[1], codes)

    return RecordedSource(market, instruments, read, codes, replay.from_ns, replay.to_ns)


def check_made(market: Market, codes: Sequence[str]) -> None:
    """Raise InputError ``exchange.not_made`` for codes that no made market has: a typing error is no new coin."""
    known = made_codes(market, MADE_MAX)
    unknown = [code for code in codes if code not in known]
    if unknown:
        raise InputError(
            "exchange.not_made", market=market.code, codes=", ".join(unknown), known=", ".join(known[: len(market.made_codes)])
        )


def check_recording(market: Market, data_dir: str, replay: ReplayOptions) -> None:
    """Raise InputError unless a source holds trades or books (``no_events``), and all of the chosen symbols (``not_recorded``)."""
    store = TickStore(data_dir)
    events = [manifest for kind in ("trade", "depth") for _, manifest in store.manifests(market.code, replay.source, kind)]
    missing = sorted(set(replay.codes) - {instrument.code for manifest in events for instrument in manifest.instruments})
    if not events:
        raise InputError("exchange.no_events", market=market.code, source=replay.source)
    if missing:
        raise InputError("exchange.not_recorded", market=market.code, source=replay.source, codes=", ".join(missing))


def locate_recording(market: Market, data: DataDir, where: str) -> ReplayOptions:
    """Return where the store of what `--replay` names is: a source of the data directory, or recorded files.

    Files are imported first (each set of files once, into ``cache/replay/``), so that a replay and
    `data import` read them by the same code.

    Raises
    ------
    InputError
        Nothing that can be replayed is there; ``exchange.no_path`` when it is neither a file, a folder nor a source.
    """
    path = Path(where)
    if not path.exists():
        sources = TickStore(data.root).sources(market.code)
        if where not in sources:
            raise InputError("exchange.no_path", path=where, market=market.code, sources=", ".join(sources) or "–")
        return ReplayOptions(source=where, store=str(data.root))
    files = files_under([path])
    stamp = "\n".join(f"{file.resolve()} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    folder = data.cache / "replay" / hashlib.sha256(f"{market.code}\n{stamp}".encode()).hexdigest()[:24]
    store = TickStore(folder)
    if SOURCE not in store.sources(market.code):
        import_files(store, files, market.code)
    if not any(True for kind in ("trade", "depth") for _ in store.manifests(market.code, SOURCE, kind)):
        raise InputError("exchange.no_recording", path=where, market=market.code)
    return ReplayOptions(source=SOURCE, store=str(folder))


def open_recording(market: Market, data: DataDir, where: str) -> RecordedSource:
    """Return what `--replay` names as a recording; InputError as `locate_recording` and `stored_recording`."""
    found = locate_recording(market, data, where)
    return stored_recording(market, found.store, found)


def fault_rules(rules: Sequence[dict[str, object]]) -> list[FaultRule]:
    """Return rules that came as plain objects; InputError when one is none."""
    try:
        return msgspec.convert(list(rules), list[FaultRule])
    except msgspec.ValidationError as error:
        raise InputError("exchange.faults_damaged", path="options", reason=str(error)) from None


class House:
    """One paper exchange, ready to listen.

    Attributes
    ----------
    key, secret, token : str
        The paper account's key pair; the token of the control endpoints.
    instance : str
        Names this life; drawn when empty.
    """

    def __init__(self, venue_code: str, instruments: Sequence[Instrument], options: ExchangeOptions, instance: str = "") -> None:
        venue = venues.venue(venue_code)
        self.venue = venue
        self.market = venues.market(venue.market)
        self.key = options.key or secrets.token_hex(20)
        self.secret = options.secret or secrets.token_hex(20)
        self.token = secrets.token_urlsafe(24)
        cash = Decimal(repr(options.cash or self.market.paper_cash)).normalize()
        self.core = Exchange(
            self.market,
            instruments,
            {self.market.currency: Decimal(format(cash, "f"))},
            TruthLedger(Path(options.truth_path) if options.truth_path else None),
            seed=options.seed,
            settings=DialectSettings(key=self.key, secret=self.secret, rate_factor=options.rate_factor),
        )
        self.dialect = venue.make_dialect(self.core)
        self.server = PaperServer(self.core, self.dialect, Faults(fault_rules(options.faults)), self.token)
        self.instance = instance or secrets.token_hex(8)
        self.core.start(venue=venue_code, codes=[instrument.code for instrument in instruments], instance=self.instance)

    def addresses(self, port: int) -> dict[str, str]:
        """Return the dialect's addresses on loopback."""
        return self.dialect.addresses("127.0.0.1", port)

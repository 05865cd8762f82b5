"""The shapes that adapters fill. Mode is composition: paper and live differ only in what is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import numpy as np

from domain.arming import KeyFacts
from domain.exchange import Dialect, ExchangeCore
from domain.instruments import Balance, Instrument
from domain.orders import Fill, Order, OrderStatus


class Clock(Protocol):
    """Time, injected."""

    def utc_ns(self) -> int:
        """Return wall-clock nanoseconds UTC."""
        ...

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds; for intervals, time-outs and latency."""
        ...


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a venue is: the only difference between paper and live.

    Parameters
    ----------
    rest, ws_public, ws_private : str
        Base addresses. `is_paper` is derived: all three are loopback.
    """

    rest: str
    ws_public: str
    ws_private: str
    is_paper: bool = True


class EventBatch(msgspec.Struct, frozen=True):
    """What a Feed hands over for one frame.

    Parameters
    ----------
    events : ndarray of EVENT_DTYPE
        In the frame's order; may be empty (heartbeat, control answers).
    connection : str
        The connection number of the upgrade answer's header, "" when the venue sends none.
    frames : int
        Frames handled on that connection so far, this one included.
    read_ns : int
        Monotonic clock when the frame's last byte was read.
    """

    events: np.ndarray
    connection: str = ""
    frames: int = 0
    read_ns: int = 0


class FeedNotice(msgspec.Struct, frozen=True):
    """A change of a feed's state: connected, reconnecting, gap, rejected."""

    code: str
    connection: str = ""
    fields: dict[str, Any] = {}


class DayBar(msgspec.Struct, frozen=True):
    """What a venue says of the day of an instrument, at some moment of it.

    Parameters
    ----------
    day : int
        Days since 1970 on the market's clock: the last day on which it traded, or today.
    open, high, low : float
        Prices; 0 while nothing traded on `day`.
    value : float
        Traded amount of `day` in quote currency.
    last_ns : int
        Venue clock of the last trade in these figures; 0 = not told.
    last_id : int
        Its id; 0 = not told. One of the two is told, or nothing traded.
    """

    code: str
    day: int
    open: float
    high: float
    low: float
    value: float
    last_ns: int = 0
    last_id: int = 0


class Feed(Protocol):
    """Public data of a venue: reconnects by itself, never blocks, marks what it missed.

    The sink is called from the feed's own thread, in arrival order, one call per frame.
    """

    def instruments(self) -> list[Instrument]:
        """Return the tradable instruments; raise VenueError."""
        ...

    def day_values(self) -> dict[str, float]:
        """Return what was traded in the last 24 hours, in quote currency, by code; raise VenueError or DataError."""
        ...

    def day_bars(self, codes: Sequence[str]) -> list[DayBar]:
        """Return the venue's figures of the running day (blocking; codes it does not know are left out); raise VenueError or DataError."""
        ...

    def start(self, sink: Callable[[EventBatch | FeedNotice], None]) -> None: ...

    def subscribe(self, instruments: Sequence[Instrument]) -> None:
        """Receive trades and books of exactly these; index i of events is position i here."""
        ...

    def history(self, instrument: Instrument, interval_s: int, start_ns: int, end_ns: int) -> np.ndarray:
        """Return bars (time_ns, open, high, low, close, volume, value) as float64, shape (n, 7), oldest first."""
        ...

    def close(self) -> None: ...


class History(Protocol):
    """What a venue tells of the past, page by page; nothing is remembered between two pages, so that anybody may go on.

    Attributes
    ----------
    kinds : tuple of str
        Of 1s, 1m, trades, aggtrades: what can be asked for.
    has_empty_candles : bool
        A candle stands for every interval; without it one without a trade is left out.
    has_running_ids : bool
        The ids of trades rise by one: a hole in them is a missing trade.
    requests : int
        Requests sent so far.
    """

    kinds: tuple[str, ...]
    has_empty_candles: bool
    has_running_ids: bool

    @property
    def requests(self) -> int: ...

    def instruments(self) -> list[Instrument]:
        """Return what the venue trades; raise VenueError or DataError. Limits that the answer states are kept from then on."""
        ...

    def reach_s(self, kind: str) -> float:
        """Return how far back the venue tells `kind`, in seconds; infinite when it states no end."""
        ...

    def page(self, kind: str, code: str, start_ns: int, end_ns: int, held: np.ndarray) -> tuple[np.ndarray, bool]:
        """Return (what is new, is that all) of [start_ns, end_ns), asked with one request, two for the first page of trades.

        `held` is what earlier pages gave, in the order they came: CANDLE_DTYPE, or EVENT_DTYPE of trades (`instrument` 0,
        `first_id` the venue's number). New is what lies in the span and is not held, oldest first. Raise VenueError or DataError.
        """
        ...

    def close_before(self, code: str, day_ns: int) -> float:
        """Return the close of the last day before the one that begins at `day_ns`, 0 for none; raise VenueError or DataError."""
        ...

    def close(self) -> None: ...


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue states it."""

    client_order_id: str
    venue_order_id: str
    instrument_id: str
    side: int
    status: OrderStatus
    qty: int
    cum_qty: int
    cum_amount: Decimal
    price: Decimal | None
    exchange_ns: int
    reason: str = ""
    source: str = "stream"  # rest, stream, query, recon


class BrokerOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer to a place or cancel proves (reliability 3).

    `kind`: accepted, rejected, not_sent, transient (429, token: a new attempt may follow), exists
    (duplicate client id), in_doubt. For a cancel: cancel_accepted, cancel_rejected, in_doubt; one that was
    provably not sent is a cancel_rejected, too: a failed cancel never says what the order is.
    `about` tells which of the two was asked.
    """

    client_order_id: str
    kind: str
    venue_order_id: str = ""
    code: str = ""
    retry_after_s: float = 0.0
    sent_ns: int = 0  # monotonic clock when the first byte was written; 0 = nothing was written
    about: str = "place"  # place, cancel


class BrokerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `query`: found with its order and fills, or proven unknown to the venue, or failed."""

    client_order_id: str
    found: bool
    failed: bool = False
    order: BrokerOrder | None = None
    fills: tuple[Fill, ...] = ()


class BrokerBalances(msgspec.Struct, frozen=True, kw_only=True):
    """Balances as the venue stated them; `complete` when all assets are listed."""

    balances: tuple[Balance, ...]
    complete: bool


class BrokerState(msgspec.Struct, frozen=True, kw_only=True):
    """State of the private stream: connected, lost; `connection` is its number in lock-step."""

    code: str
    connection: str = ""


class BrokerFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One private frame was handled; sent after what it held, so that lock-step can count."""

    connection: str
    frames: int


BrokerUpdate = BrokerOrder | BrokerOutcome | BrokerQuery | BrokerBalances | BrokerState | BrokerFrame | Fill


class AccountSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's truth in one stable cut; all pages or VenueError."""

    balances: tuple[Balance, ...]
    open_orders: tuple[BrokerOrder, ...]
    fills: tuple[Fill, ...]
    venue_ns: int


class Broker(Protocol):
    """Orders and account. Never blocks: place, cancel and query return at once, and each answer
    arrives through the sink with its id. The sink is called from the broker's own threads."""

    def start(self, sink: Callable[[BrokerUpdate], None]) -> None:
        """Connect the private stream; BrokerState tells when it stands."""
        ...

    def instruments(self) -> list[Instrument]: ...

    def snapshot(self, fills_since_ns: int, known: Mapping[str, int] | None = None) -> AccountSnapshot:
        """Return the venue's truth (blocking; start and after any doubt); raise VenueError.

        `known` tells by venue order id how much of an order (units of 1e-8) the caller has the fills of: where
        the venue states no more, they may be left out. Venues tell fills order by order, at a request each.
        """
        ...

    def place(self, order: Order) -> None: ...

    def cancel(self, order: Order) -> None: ...

    def query(self, order: Order) -> None: ...

    def close(self) -> None: ...


class Credentials(Protocol):
    """An API key pair; prints as ``***`` and is only opened where a request is signed."""

    def key(self) -> str: ...

    def secret(self) -> str: ...


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `trading/venues.py`: a venue as seen by the composition root.

    Parameters
    ----------
    market : str
        Code of the Market it serves.
    capabilities : Capabilities
    live : Endpoint
    paper_endpoint : callable (host, port) -> Endpoint
        The same three addresses on the paper exchange.
    make_feed : callable (endpoint, clock) -> Feed
    make_broker : callable (endpoint, credentials, clock, armed=never) -> Broker
        `armed() -> bool` is asked before each order of an endpoint that is not paper; nothing signed
        leaves a live client that nobody armed.
    make_dialect : callable (core) -> Dialect
        The far side of the same wire, used by the paper exchange only.
    inspect : callable (endpoint, credentials, clock) -> KeyFacts, optional
        What the venue says of a key, by signed reads alone; asked before arming. Without it the venue cannot be armed.
    """

    code: str
    market: str
    capabilities: Any
    live: Endpoint
    paper_endpoint: Callable[[str, int], Endpoint]
    make_feed: Callable[[Endpoint, Clock], Feed]
    make_broker: Callable[..., Broker]
    make_dialect: Callable[[ExchangeCore], Dialect]
    inspect: Callable[[Endpoint, Credentials, Clock], KeyFacts] | None = None

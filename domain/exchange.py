"""The words of the far side: what a paper exchange's core and the dialect of a venue say to each other.

The core knows accounts, books, orders and fills; the dialect knows one venue's paths, signatures,
names and error texts. Neither knows a socket: requests, answers and frames are values here. `coin/`
and `stock/` write dialects against these Protocols, `paper/` fills them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from domain.instruments import Instrument, Market
from domain.orders import OrderKind, OrderStatus, TimeInForce

Frame = bytes | str
"""One WebSocket data frame: binary or text."""


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, or the upgrade request of a socket.

    Parameters
    ----------
    query : str
        As transmitted, still percent-encoded.
    headers : dict
        Names in lower case.
    wall_ns : int
        The exchange's own clock, UTC; signatures are checked against it in every mode.
    """

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}
    body: bytes = b""
    wall_ns: int = 0


class WireAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is written back."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}
    content_type: str = "application/json; charset=utf-8"


class SelfTrade(StrEnum):
    """What happens when an order meets another one of the same account; the taker's word counts."""

    NONE = "none"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_BOTH = "cancel_both"
    DECREMENT = "decrement"


class CoreRefusal(Exception):
    """The core refuses an order: insufficient_funds, duplicate_client_id, would_take, not_found, closed, no_liquidity, self_trade."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class HouseRules(msgspec.Struct, frozen=True, kw_only=True):
    """How a venue's house books money; the dialect states them.

    Parameters
    ----------
    fee_reserved_on_buy : bool
        A buy reserves and pays its fee in quote, on top (Upbit); else the fee is taken of what is
        received, or in `fee_asset` while the account holds enough of it (Binance).
    fee_asset_price : Decimal
        Quote currency per unit of `fee_asset`.
    fee_asset_balance : Decimal
        What a new paper account is given of it.
    client_id_once : bool
        A client id is spent for ever by the first request that carried it, even a refused one.
    leftover_is_cancel : bool
        The end of a market order, or of the rest of an IOC, is called cancel; else expire.
    """

    fee_reserved_on_buy: bool = False
    fee_asset: str = ""
    fee_asset_price: Decimal = Decimal(0)
    fee_asset_balance: Decimal = Decimal(0)
    client_id_once: bool = False
    leftover_is_cancel: bool = False


class PaperOrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An order as a dialect hands it over: syntax, steps and minimums are already checked.

    Parameters
    ----------
    qty : int
        Units of 1e-8; 0 when `funds` says how much quote currency to spend (or, selling, to receive).
    best : bool
        A limit order at the best opposing price.
    venue_type : str
        The venue's own word for the kind, to be said again in answers.
    """

    instrument: int
    side: int
    kind: OrderKind
    time_in_force: TimeInForce = TimeInForce.GTC
    price: Decimal | None = None
    qty: int = 0
    funds: Decimal | None = None
    client_id: str = ""
    self_trade: SelfTrade = SelfTrade.NONE
    best: bool = False
    venue_type: str = ""
    answer_id: str = ""


class PaperFill(msgspec.Struct, frozen=True, kw_only=True):
    """An execution. `no_book` marks one at the last price of a recording that has no book."""

    number: int
    uuid: str
    order: int
    instrument: int
    side: int
    price: Decimal
    qty: int
    amount: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    exchange_ns: int
    no_book: bool = False


class PaperOrder(msgspec.Struct, kw_only=True):
    """An order's life at the venue; `status` is ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED or EXPIRED."""

    number: int
    uuid: str
    client_id: str
    instrument: int
    side: int
    kind: OrderKind
    time_in_force: TimeInForce
    price: Decimal | None
    qty: int
    funds: Decimal | None
    self_trade: SelfTrade
    venue_type: str
    created_ns: int
    updated_ns: int
    status: OrderStatus = OrderStatus.ACCEPTED
    reason: str = ""
    cum_qty: int = 0
    cum_amount: Decimal = Decimal(0)
    paid_fee: Decimal = Decimal(0)
    reserved_fee: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)
    prevented_qty: int = 0
    prevented_locked: Decimal = Decimal(0)
    fills: list[PaperFill] = []
    cancel_id: str = ""
    ahead: int = 0
    """Size that stands before us at our price, in units: the queue position."""

    @property
    def is_open(self) -> bool:
        return self.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)

    @property
    def leaves_qty(self) -> int:
        """Quantity still resting, in units; 0 once the order has ended."""
        return max(self.qty - self.cum_qty - self.prevented_qty, 0) if self.is_open else 0


class PaperBalance(msgspec.Struct, kw_only=True):
    """Free and locked amount of one asset, and the mean price at which it was bought."""

    asset: str
    free: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)


class PaperUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """One private event, as it was when it happened.

    `what`: new, fill, done, canceled, expired, prevented (with `order`), or balances.
    """

    what: str
    order: PaperOrder | None = None
    fill: PaperFill | None = None
    balances: tuple[PaperBalance, ...] = ()
    market_ns: int = 0
    number: int = 0


class PublicTrade(NamedTuple):
    """One public trade: side +1 = the buyer was the aggressor; qty in units of 1e-8."""

    number: int
    price: float
    qty: int
    side: int
    exchange_ns: int


class Candle(NamedTuple):
    """One candle: `start_ns` of its interval, prices, base and quote volume, trades, taker buys, time of the last trade."""

    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    value: float
    trades: int
    buy_volume: float
    buy_value: float
    last_ns: int
    first_id: int = 0
    last_id: int = 0


class DayStatistics(NamedTuple):
    """Statistics of a UTC day or of the last 24 hours; NaN prices while nothing traded."""

    open: float
    high: float
    low: float
    last: float
    last_qty: float
    volume: float
    value: float
    buy_volume: float
    trades: int
    first_id: int
    last_id: int
    last_ns: int
    previous_close: float


Level = tuple[float, int]
"""Price and size in units of 1e-8."""


class DialectSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialect is given besides the core: the paper key pair and its limits.

    `rate_factor` multiplies every rate limit; load rigs raise it by setting.
    """

    key: str = ""
    secret: str = ""
    rate_factor: float = 1.0

    def __repr__(self) -> str:
        return "DialectSettings(key='***')"


class ExchangeCore(Protocol):
    """What a dialect may ask of the exchange. Index i names an instrument everywhere."""

    market: Market
    settings: DialectSettings

    @property
    def instruments(self) -> Sequence[Instrument]: ...

    @property
    def market_ns(self) -> int:
        """Market time: the greatest venue time handled."""
        ...

    def adopt(self, rules: HouseRules) -> None: ...

    def index(self, code: str) -> int | None: ...

    def book(self, index: int, depth: int) -> tuple[list[Level], list[Level]]:
        """Return (asks, bids) of the external flow, best first; own orders do not show in it."""
        ...

    def book_time(self, index: int) -> tuple[int, int]:
        """Return (venue time in ns, last update id) of the book; (0, 0) while there is none."""
        ...

    def totals(self, index: int) -> tuple[float, float]:
        """Return total size of asks and bids as published."""
        ...

    def snapshot_id(self, index: int) -> int: ...

    def trades(self, index: int, limit: int) -> list[PublicTrade]:
        """Return the newest trades, oldest first."""
        ...

    def candles(self, index: int, interval_s: int, end_ns: int, count: int) -> list[Candle]:
        """Return the newest `count` candles that start before `end_ns`, oldest first; none without a trade."""
        ...

    def day(self, index: int) -> DayStatistics: ...

    def previous_close(self, index: int) -> tuple[int, float]:
        """Return (start in ns of the UTC day that it closed, price) as last stated; (0, NaN) when nobody did."""
        ...

    def last_24h(self, index: int) -> DayStatistics: ...

    def price_step(self, index: int, price: Decimal) -> Decimal:
        """Return the price step at `price`; 0 = any price."""
        ...

    def fee_rate(self) -> Decimal: ...

    def balances(self) -> Mapping[str, PaperBalance]: ...

    def spend(self, client_id: str) -> bool:
        """Spend a client id for ever; False when it was spent before."""
        ...

    def check(self, request: PaperOrderRequest) -> None:
        """Raise CoreRefusal where `place` would."""
        ...

    def place(self, request: PaperOrderRequest) -> PaperOrder: ...

    def cancel(self, number: int, cancel_id: str = "") -> PaperOrder:
        """Cancel; CoreRefusal("not_found" or "closed")."""
        ...

    def order(self, number: int) -> PaperOrder | None: ...

    def order_by_uuid(self, uuid: str) -> PaperOrder | None: ...

    def order_by_client_id(self, client_id: str) -> PaperOrder | None:
        """Return the newest order with that id."""
        ...

    def orders(self) -> Sequence[PaperOrder]:
        """Return all orders, oldest first, but for those that a fault hides."""
        ...

    def fills(self) -> Sequence[PaperFill]: ...


class Session(Protocol):
    """One WebSocket connection of a client."""

    is_private: bool

    def receive(self, frame: Frame, wall_ns: int) -> list[Frame]:
        """Handle a client's frame and return the answers, snapshots included."""
        ...

    def public(self, events: np.ndarray) -> list[Frame]:
        """Return the frames of one public message (EVENT_DTYPE) for this subscriber."""
        ...

    def private(self, update: PaperUpdate) -> list[Frame]: ...

    def timed(self, market_ns: int) -> list[Frame]:
        """Return what is due by market time: candles, tickers, partial books."""
        ...

    def close(self) -> None: ...


class Refusal(NamedTuple):
    """An upgrade that was refused."""

    answer: WireAnswer


class Liveness(NamedTuple):
    """How the venue looks after its sockets, in seconds; 0 = it does not.

    `ping_s`: the server pings so often, and closes when no pong came for `pong_s`. `idle_s`: it closes
    a connection on which neither side said anything for so long.
    """

    ping_s: float = 0.0
    pong_s: float = 0.0
    idle_s: float = 0.0


class Dialect(Protocol):
    """One venue's wire, seen from the venue."""

    liveness: Liveness

    def rest(self, request: WireRequest) -> WireAnswer:
        """Answer a request; never raises for what a client sends."""
        ...

    def open(self, request: WireRequest) -> Session | Refusal:
        """Accept or refuse a WebSocket upgrade."""
        ...

    def addresses(self, host: str, port: int) -> dict[str, str]:
        """Return `rest`, `ws_public` and `ws_private`."""
        ...

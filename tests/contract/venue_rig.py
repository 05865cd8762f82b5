"""The far side for the venue suite: real sockets, a made market that moves when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from domain.instruments import QTY_UNIT
from domain.process_config import ExchangeOptions
from paper.assembly import House, made_market
from paper.faults import FaultRule
from paper.pace import _apply, _wire_times
from paper.source import split_messages
from tests.contract.venue_kit import Keys, WallClock
from tests.doubles.loops import LoopThread
from trading import venues

T = TypeVar("T")
NS = 1_000_000_000
START_NS = 1_790_000_000 * NS
PREROLL_NS = 20 * NS


class VenueRig:
    """One venue's paper exchange in a thread of its own.

    Attributes
    ----------
    codes : tuple of str
        The made instruments.
    """

    def __init__(
        self, venue_code: str, codes: tuple[str, ...] = (), *, rate_factor: float = 50.0, cash: float = 0.0, start_ns: int = START_NS
    ) -> None:
        self.venue = venues.venue(venue_code)
        self.market = venues.market(self.venue.market)
        self.codes = codes or self.market.made_codes[:2]
        options = ExchangeOptions(codes=self.codes, seed=7, start_ns=start_ns, rate_factor=rate_factor, cash=cash)
        self._start_ns = start_ns
        self._made = made_market(self.market, options)
        self.instruments = self._made.instruments
        self.house = House(venue_code, self._made.instruments, options)
        self._thread = LoopThread()
        self.port = 0

    def __enter__(self) -> VenueRig:
        self.port = self._thread.start(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.end(self.house.server.close())

    # --- clients ----------------------------------------------------------------------------------

    def broker(self, key: str | None = None, secret: str | None = None) -> Any:
        keys = Keys(key or self.house.key, secret or self.house.secret)
        return self.venue.make_broker(self.venue.paper_endpoint("127.0.0.1", self.port), keys, WallClock())

    def feed(self) -> Any:
        return self.venue.make_feed(self.venue.paper_endpoint("127.0.0.1", self.port), WallClock())

    def identifier(self, number: int = 0) -> str:
        return f"{self.market.code}:{self.codes[number]}"

    # --- the far side -----------------------------------------------------------------------------

    def do(self, call: Callable[[], T]) -> T:
        """Run a call in the exchange's thread and return its result."""
        return self._thread.do(call)

    def advance(self, seconds: float) -> None:
        """Let market time pass; every message goes out on the sockets."""

        def step() -> None:
            until = self._made.time_ns + int(seconds * NS)
            while self._made.time_ns < until:
                before = self._made.time_ns
                for message in split_messages(_wire_times(self._made.advance(until))):
                    self.house.server.publish(message)
                if self._made.time_ns == before:
                    break

        self.do(step)

    def best(self, side: int, number: int = 0) -> tuple[Decimal, int]:
        """Return price and size at the top: side +1 the best bid, −1 the best ask."""
        asks, bids = self.do(lambda: self.house.core.book(number, 1))
        price, qty = (bids if side > 0 else asks)[0][:2]
        return Decimal(str(price)), int(qty)

    def step(self, price: Decimal, number: int = 0) -> Decimal:
        return Decimal(str(self.do(lambda: self.house.core.price_step(number, price))))

    def fault(self, where: str, action: str, **fields: Any) -> int:
        return self.do(lambda: self.house.server.faults.add(FaultRule(where=where, action=action, **fields)))

    def heal(self) -> None:
        """Remove every fault rule."""
        self.do(lambda: self.house.server.faults.clear(None))

    def sockets(self, *, private: bool) -> list[Any]:
        """Return the server's connections of one kind, oldest first."""
        return self.do(lambda: [c for c in self.house.server.connections.values() if c.session.is_private is private])

    def cut(self, *, private: bool) -> None:
        """Drop the TCP connection of every private (or public) socket."""
        for connection in self.sockets(private=private):
            self._thread.loop.call_soon_threadsafe(connection.cut)

    def set_balance(self, asset: str, free: Decimal) -> None:
        def put() -> None:
            self.house.core.account.of(asset).free = free

        self.do(put)

    def orders(self) -> list[Any]:
        return self.do(lambda: list(self.house.core.orders()))

    def lots(self, money: float, price: Decimal, number: int = 0) -> int:
        """Return the quantity that `money` buys, floored to the instrument's step."""
        step = self.instruments[number].qty_step
        return int(Decimal(money) / price * QTY_UNIT) // step * step

    # --- the exchange's thread ----------------------------------------------------------------------

    async def _start(self) -> int:
        _apply(self.house.server, self._made, self._start_ns + PREROLL_NS)
        return await self.house.server.start()

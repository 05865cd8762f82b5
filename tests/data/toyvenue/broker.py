"""The toy venue's orders and account."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.instruments import Instrument, bare_code
from domain.orders import Order
from domain.ports import AccountSnapshot, BrokerQuery, BrokerUpdate, Clock, Credentials, Endpoint
from tests.data.toyvenue import LIMITS, LIVE, wire
from tests.data.toyvenue.feed import load_instruments
from utility.hosts import HostGuard
from utility.http_answer import Answer
from utility.http_pool import Build
from utility.order_desk import OrderDesk, PrivateStream
from utility.public_rest import PublicRest


class ToyBroker:
    def __init__(self, endpoint: Endpoint, credentials: Credentials, clock: Clock, armed: Callable[[], bool]) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        self._guard = HostGuard.of(endpoint, LIVE)
        self._desk = OrderDesk(endpoint, self._guard, LIMITS, clock, armed, lambda limiter, errand, answer: None, name="toy")
        self._stream = PrivateStream(
            self._desk,
            name="toy-private",
            on_open=lambda send: None,
            read=lambda frame: wire.read_private(frame, clock.utc_ns()),
            bad_message=wire.BAD_MESSAGE,
            headers=lambda: self._signed("GET", "/private", b""),
        )

    def start(self, sink: Callable[[BrokerUpdate], None]) -> None:
        self._desk.start(sink)
        self._stream.start()

    def instruments(self) -> list[Instrument]:
        rest = PublicRest(self._endpoint.rest, self._guard, LIMITS)
        try:
            return load_instruments(rest)
        finally:
            rest.close()

    def place(self, order: Order) -> None:
        def make() -> Build:
            body = wire.order_body(order, bare_code(order.instrument_id))
            return lambda: self._request("POST", "/order", body)

        def done(answer: Answer) -> None:
            verdict, stated = wire.verdict(answer, "place")
            self._desk.outcome(order, verdict, answer, "place")
            if stated is not None:
                self._desk.emit(wire.broker_order(stated, "rest"))

        self._desk.place(order, "all", make, done)

    def cancel(self, order: Order) -> None:
        target = f"/order?id={order.client_order_id}"
        self._desk.urgent("exit", "all", lambda: self._request("DELETE", target), lambda answer: self._cancelled(order, answer))

    def query(self, order: Order) -> None:
        target = f"/order?id={order.client_order_id}"
        self._desk.urgent("read", "all", lambda: self._request("GET", target), lambda answer: self._queried(order, answer))

    def snapshot(self, fills_since_ns: int, known: Mapping[str, int] | None = None) -> AccountSnapshot:
        account = self._desk.read("all", lambda: self._request("GET", "/account"), wire.account_decoder.decode, wire.read_error)
        now = self._clock.utc_ns()
        fills = [wire.fill_of(order, fill, now) for order in account.orders for fill in order.fills]
        return AccountSnapshot(
            balances=wire.balances(account.money),
            open_orders=tuple(
                wire.broker_order(order, "recon") for order in account.orders if order.state in ("accepted", "partially_filled")
            ),
            fills=tuple(fill for fill in fills if fill.exchange_ns >= fills_since_ns),
            venue_ns=account.ms * wire.MS,
        )

    def close(self) -> None:
        self._stream.close()
        self._desk.close()

    def _signed(self, method: str, target: str, body: bytes) -> list[str]:
        return wire.signed_headers(self._credentials.key(), self._credentials.secret(), method, target, body)

    def _request(self, method: str, target: str, body: bytes = b"") -> tuple[str, bytes]:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._desk.pool.host_header}", *self._signed(method, target, body)]
        return method, "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body

    def _cancelled(self, order: Order, answer: Answer) -> None:
        verdict, stated = wire.verdict(answer, "cancel")
        self._desk.outcome(order, verdict, answer, "cancel")
        if stated is not None:
            self._desk.emit(wire.broker_order(stated, "rest"))

    def _queried(self, order: Order, answer: Answer) -> None:
        verdict, stated = wire.verdict(answer, "place")
        if verdict.code == "toy.not_found":
            self._desk.emit(BrokerQuery(client_order_id=order.client_order_id, found=False))
        elif stated is None:
            self._desk.query_failed(order)
        else:
            fills = tuple(wire.fill_of(stated, fill, self._clock.utc_ns()) for fill in stated.fills)
            found = wire.broker_order(stated, "query")
            self._desk.emit(BrokerQuery(client_order_id=order.client_order_id, found=True, order=found, fills=fills))

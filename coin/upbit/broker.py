"""Upbit: orders and account. Never blocks, except `snapshot` and `instruments`.

Source: protocols/upbit.md 2, 4, 5, 8 to 10.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from coin.upbit import wire
from coin.upbit.rest import load_instruments
from domain.arming import KeyFacts
from domain.errors import OutcomeUnknown
from domain.instruments import QTY_UNIT, Instrument, bare_code
from domain.orders import Fill, Order
from domain.ports import AccountSnapshot, BrokerOrder, BrokerQuery, BrokerUpdate, Clock, Credentials, Endpoint
from utility.courier import Errand
from utility.hosts import HostGuard
from utility.http_answer import Answer
from utility.http_pool import Build
from utility.order_desk import OrderDesk, PrivateStream, never
from utility.rate_limit import Limit, RateLimiter

log = logging.getLogger(__name__)

OPEN_PAGE = 100
CLOSED_PAGE = 1000
CUTS_MAX = 5
NS = 1_000_000_000
CLOCK_ASKS = 12
CLOCK_ROOM_MS = 200.0
_KST = dt.timezone(dt.timedelta(hours=9))
_GROUPS = frozenset({"default", "order"})


def heard(limiter: RateLimiter, errand: Errand, answer: Answer) -> None:
    """Read ``Remaining-Req: group=default; min=1800; sec=29``: what is left in this second."""
    text = answer.headers.get("remaining-req", "")
    if not text:
        return
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    group, left = parts.get("group", ""), parts.get("sec", "")
    if group in _GROUPS and left.isdecimal():
        limiter.left(group, float(left))


class UpbitBroker:
    """Broker of an Upbit account (domain/ports.py)."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        clock: Clock,
        *,
        live: Endpoint,
        limits: dict[str, Limit],
        armed: Callable[[], bool] = never,
    ) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        guard = HostGuard.of(endpoint, live)
        self._guard = guard
        self._desk = OrderDesk(endpoint, guard, limits, clock, armed, heard, name="upbit")
        self._host = self._desk.pool.host_header
        self._path = "/" + endpoint.rest.split("://", 1)[-1].partition("/")[2].strip("/")
        self._stream = PrivateStream(
            self._desk,
            name="upbit-private",
            on_open=self._subscribe,
            read=self._read_private,
            bad_message=wire.BAD_MESSAGE,
            headers=self._token_header,
        )

    # --- Broker -----------------------------------------------------------------------------------

    def start(self, sink: Callable[[BrokerUpdate], None]) -> None:
        self._desk.start(sink)
        self._stream.start()

    def instruments(self) -> list[Instrument]:
        return load_instruments(self._endpoint, self._guard)

    def place(self, order: Order) -> None:
        def make() -> Build:
            params = wire.order_params(order, bare_code(order.instrument_id))
            return lambda: self._request("POST", "/orders", params)

        def done(answer: Answer) -> None:
            verdict, row = wire.place_verdict(answer)
            self._desk.outcome(order, verdict, answer, "place")
            if row is not None:
                self._desk.emit(self._ours(wire.broker_order(row, "rest"), order))

        self._desk.place(order, "order", make, done)

    def cancel(self, order: Order) -> None:
        # An order of somebody else on this account often has no identifier; its uuid always names it.
        own = order.client_order_id
        params = [("identifier", own)] if own else [("uuid", order.venue_order_id)]

        def done(answer: Answer) -> None:
            verdict, _ = wire.cancel_verdict(answer)  # the answer shows the order as it was: no state to take from it
            self._desk.outcome(order, verdict, answer, "cancel")

        self._desk.urgent("exit", "default", lambda: self._request("DELETE", "/order", params), done)

    def query(self, order: Order) -> None:
        params = [("identifier", order.client_order_id)]
        self._desk.urgent("read", "default", lambda: self._request("GET", "/order", params), lambda answer: self._queried(order, answer))

    def snapshot(self, fills_since_ns: int, known: Mapping[str, int] | None = None) -> AccountSnapshot:
        for _ in range(CUTS_MAX):
            before = self._listed(fills_since_ns)
            accounts, venue_ns = self._accounts()
            unknown = [row for row in before.values() if row.executed_volume * QTY_UNIT > (known or {}).get(row.uuid, 0)]
            fills = [fill for row in unknown for fill in self._fills(row)]
            after = self._listed(fills_since_ns)
            if _progress(before) == _progress(after):
                opened = tuple(wire.broker_order(row, "recon") for row in after.values() if row.state in ("wait", "watch"))
                return AccountSnapshot(
                    balances=wire.balances(accounts),
                    open_orders=opened,
                    fills=tuple(sorted(fills, key=lambda fill: fill.exchange_ns)),
                    venue_ns=venue_ns,
                )
        raise OutcomeUnknown("venue.snapshot_unstable", attempts=CUTS_MAX)

    def inspect(self) -> KeyFacts:
        """Return what the venue says of the key: signed reads, asked before anybody arms (protocols/upbit.md 5).

        Upbit gives an account no number, and says of a key its end, not its rights: what it says about
        trading and withdrawing is nothing, and a person has to know.
        """
        self._desk.allow_reads()
        keys = self._desk.read("default", lambda: self._request("GET", "/api_keys"), wire.keys_decoder.decode, wire.read_error)
        ours = [row for row in keys if row.access_key == self._credentials.key()]
        accounts, skew_ms = self._clock_bounds()
        return KeyFacts(
            account="",
            can_trade=None,
            can_withdraw=None,
            expires_ns=wire.time_ns(ours[0].expire_at) if ours else 0,
            skew_ms=skew_ms,
            balances=wire.balances(accounts),
        )

    def _clock_bounds(self) -> tuple[list[wire.AccountRow], float]:
        """Return the accounts and the venue's clock less ours, in ms.

        The ``Date`` header has whole seconds; several of them, a tenth of a second apart, leave little room.
        """
        low, high = -math.inf, math.inf
        for _ in range(CLOCK_ASKS):
            before_ns = self._clock.utc_ns()
            accounts, venue_ns = self._accounts(dated=True)
            after_ns = self._clock.utc_ns()
            low, high = max(low, (venue_ns - after_ns) / 1e6), min(high, (venue_ns + NS - before_ns) / 1e6)
            if high - low <= CLOCK_ROOM_MS:
                break
            time.sleep(0.1)
        if low > high:
            raise OutcomeUnknown("venue.clock_unsteady")
        return accounts, (low + high) / 2

    def close(self) -> None:
        self._stream.close()
        self._desk.close()

    # --- requests ---------------------------------------------------------------------------------

    def _request(self, method: str, path: str, params: Sequence[tuple[str, str]] = ()) -> tuple[str, bytes]:
        """Return a whole request with a fresh token."""
        text = wire.query_text(params)
        token = wire.token(self._credentials.key(), self._credentials.secret(), text)
        head = f"Host: {self._host}\r\nAuthorization: Bearer {token}\r\nAccept: application/json\r\nUser-Agent: stom\r\n"
        if method == "POST":
            body = msgspec.json.encode(dict(params))
            kind = f"Content-Type: application/json; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            return method, f"POST {self._path}{path} HTTP/1.1\r\n{head}{kind}\r\n".encode() + body
        query = f"?{wire.query_url(params)}" if params else ""
        return method, f"{method} {self._path}{path}{query} HTTP/1.1\r\n{head}\r\n".encode()

    def _get(self, path: str, params: Sequence[tuple[str, str]], decode: Callable[[bytes], object]) -> object:
        return self._desk.read("default", lambda: self._request("GET", path, params), decode, wire.read_error)

    # --- query --------------------------------------------------------------------------------------

    def _queried(self, order: Order, answer: Answer) -> None:
        name = wire.read_error(answer)
        if answer.status == 404 and name in ("upbit.order_not_found", "upbit.404"):
            self._desk.emit(BrokerQuery(client_order_id=order.client_order_id, found=False))
            return
        if answer.status != 200:
            self._desk.query_failed(order)
            return
        try:
            row = wire.order_decoder.decode(answer.body)
            stated = self._ours(wire.broker_order(row, "query"), order)
            fills = wire.order_fills(row, self._clock.utc_ns())
        except wire.BAD_MESSAGE:
            self._desk.query_failed(order)
            return
        if row.trades_count > len(row.trades):
            self._desk.query_failed(order)  # a part of the fills proves nothing about the rest
            return
        ours = tuple(msgspec.structs.replace(fill, client_order_id=order.client_order_id) for fill in fills)
        self._desk.emit(BrokerQuery(client_order_id=order.client_order_id, found=True, order=stated, fills=ours))

    @staticmethod
    def _ours(stated: BrokerOrder, order: Order) -> BrokerOrder:
        """Give an answer about one order that order's id: some answers leave the identifier out."""
        return stated if stated.client_order_id else msgspec.structs.replace(stated, client_order_id=order.client_order_id)

    # --- snapshot -----------------------------------------------------------------------------------

    def _listed(self, since_ns: int) -> dict[str, wire.OrderRow]:
        """Return all open orders, and those closed that were made since, by uuid; all pages or an error."""
        rows: dict[str, wire.OrderRow] = {}
        # Closed first: an order that closes between the two reads is then missing in one of the two cuts, never in both.
        for row in self._closed(since_ns):
            rows[row.uuid] = row
        page = 1
        while True:
            params = [("states[]", "wait"), ("states[]", "watch"), ("page", str(page)), ("limit", str(OPEN_PAGE)), ("order_by", "asc")]
            part = self._orders("/orders/open", params)
            rows.update((row.uuid, row) for row in part)
            if len(part) < OPEN_PAGE:
                return rows
            page += 1

    def _closed(self, since_ns: int) -> list[wire.OrderRow]:
        rows: dict[str, wire.OrderRow] = {}
        start = dt.datetime.fromtimestamp(since_ns // 1_000_000_000, _KST).isoformat()
        while True:
            params = [("states[]", "done"), ("states[]", "cancel"), ("start_time", start), ("limit", str(CLOSED_PAGE)), ("order_by", "asc")]
            part = self._orders("/orders/closed", params)
            fresh = [row for row in part if row.uuid not in rows]
            rows.update((row.uuid, row) for row in part)
            if len(part) < CLOSED_PAGE:
                return list(rows.values())
            if not fresh:
                raise OutcomeUnknown("venue.page_too_small", start_time=start)
            start = part[-1].created_at

    def _orders(self, path: str, params: Sequence[tuple[str, str]]) -> list[wire.OrderRow]:
        def decode(body: bytes) -> list[wire.OrderRow]:
            rows = wire.orders_decoder.decode(body)
            for row in rows:
                wire.check_order(row)
            return rows

        rows = self._get(path, params, decode)
        assert isinstance(rows, list)
        return rows

    def _fills(self, row: wire.OrderRow) -> list[Fill]:
        def decode(body: bytes) -> list[Fill]:
            full = wire.order_decoder.decode(body)
            if full.trades_count > len(full.trades):
                raise ValueError("fills are missing")
            return wire.order_fills(full, self._clock.utc_ns())

        fills = self._get("/order", [("uuid", row.uuid)], decode)
        assert isinstance(fills, list)
        return fills

    def _accounts(self, dated: bool = False) -> tuple[list[wire.AccountRow], int]:
        answer = self._desk.read_once("default", lambda: self._request("GET", "/accounts"), wire.read_error)
        try:
            rows = wire.accounts_decoder.decode(answer.body)
            wire.balances(rows)
        except wire.BAD_MESSAGE as error:
            raise OutcomeUnknown("venue.unreadable") from error
        stated_ns = date_ns(answer)
        if dated and not stated_ns:
            raise OutcomeUnknown("venue.clock_unknown")
        return rows, stated_ns or self._clock.utc_ns()

    # --- private stream -------------------------------------------------------------------------------

    def _token_header(self) -> list[str]:
        return [f"Authorization: Bearer {wire.token(self._credentials.key(), self._credentials.secret())}"]

    def _subscribe(self, send: Callable[[str], bool]) -> None:
        send('[{"ticket":"stom-private"},{"type":"myOrder"},{"type":"myAsset"}]')

    def _read_private(self, frame: bytes) -> Sequence[BrokerUpdate]:
        message = wire.read_private(frame, self._clock.utc_ns())
        if message.error:
            log.error("event=private_stream_error code=%s", message.error)
        return message.updates


def _progress(rows: dict[str, wire.OrderRow]) -> dict[str, tuple[str, object]]:
    return {uuid: (row.state, row.executed_volume) for uuid, row in rows.items()}


def date_ns(answer: Answer) -> int:
    """Return the ``Date`` header as nanoseconds UTC, 0 without one: the venue has no time endpoint."""
    text = answer.headers.get("date", "")
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp()) * 1_000_000_000
    except (TypeError, ValueError):
        return 0

"""What every broker over REST and a private stream does alike, whatever the venue.

The desk owns the connections, the limiter and the sink; a venue's broker adds requests, words and
numbers. It knows when an order may leave at all (paper, or armed), which lane it takes, what an answer
of the transport proves, and that each private frame is counted after what it held.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from domain.errors import OutcomeUnknown, RateLimited, Refused, RefusedError, Unreachable, VenueError
from domain.orders import Action, Order
from domain.ports import BrokerFrame, BrokerOutcome, BrokerQuery, BrokerState, BrokerUpdate, Clock, Endpoint
from utility.courier import Courier, Errand
from utility.crash_points import reach
from utility.hosts import HostGuard
from utility.http_answer import NOT_SENT, Answer, Verdict
from utility.http_pool import Build, HttpPool
from utility.rate_limit import Limit, RateLimiter
from utility.retry import retry
from utility.websocket import WebSocketLink

log = logging.getLogger(__name__)

T = TypeVar("T")
Sink = Callable[[BrokerUpdate], None]
Armed = Callable[[], bool]

LANES = {"order": 4, "exit": 2, "read": 2}
ENTRY_PATIENCE_S = 2.0
URGENT_PATIENCE_S = 30.0
READ_PATIENCE_S = 10.0
_URGENT = frozenset({Action.EXIT, Action.FLATTEN, Action.STOP})


def never() -> bool:
    """Say that nobody armed this."""
    return False


class OrderDesk:
    """The venue-neutral half of a broker.

    Parameters
    ----------
    armed : callable
        Asked before each entry of a live account. Exits, cancels and reads of a live account need that
        it was true once in this process: arming may run out while a position is open (reliability P32).
    on_answer : callable (limiter, errand, answer)
        Reads the venue's limit headers.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        guard: HostGuard,
        limits: Mapping[str, Limit],
        clock: Clock,
        armed: Armed,
        on_answer: Callable[[RateLimiter, Errand, Answer], None],
        *,
        name: str,
    ) -> None:
        self.endpoint = endpoint
        self.guard = guard
        self.clock = clock
        self.limiter = RateLimiter(limits)
        self.pool = HttpPool(endpoint.rest, guard, LANES, name=name)
        if endpoint.is_paper:
            self.pool.after_bytes = _wrote
        self._heard_by_venue = on_answer
        self.courier = Courier(self.pool, self.limiter, on_answer=self._heard)
        self._armed = armed
        self._was_armed = False
        self._sink: Sink | None = None

    def start(self, sink: Sink) -> None:
        """Take the sink and open the connections."""
        self._sink = sink
        self.pool.warm()

    def emit(self, update: BrokerUpdate) -> None:
        """Hand an update to the sink."""
        if self._sink is not None:
            self._sink(update)

    def close(self) -> None:
        """Close everything; what waits is answered."""
        self.courier.close()
        self.pool.close()

    def allow_reads(self) -> None:
        """Let signed reads leave an account that nobody has armed: the preflight's questions, never an order."""
        self._was_armed = True

    # --- leave to send --------------------------------------------------------------------------

    def is_allowed(self, *, is_entry: bool = False) -> bool:
        """Tell whether a signed request may leave this process now."""
        if self.endpoint.is_paper:
            return True
        is_armed = self._armed()
        self._was_armed = self._was_armed or is_armed
        return is_armed if is_entry else self._was_armed

    def _heard(self, errand: Errand, answer: Answer) -> None:
        if answer.status == 429:
            self.limiter.silence(answer.retry_after(1.0), errand.group)
        elif answer.status == 418:
            self.limiter.silence(answer.retry_after(120.0))
        elif answer.status == 403:
            self.limiter.silence(answer.retry_after(300.0))
        self._heard_by_venue(self.limiter, errand, answer)

    # --- orders ---------------------------------------------------------------------------------

    def place(self, order: Order, group: str, make: Callable[[], Build], done: Callable[[Answer], None]) -> None:
        """Send an order; `done` hears the answer.

        `make` translates the order and returns what builds the request; a VenueError of it means that
        nothing was sent.
        """
        is_urgent = order.action in _URGENT
        lane = "exit" if is_urgent else "order"
        patience = URGENT_PATIENCE_S if is_urgent else ENTRY_PATIENCE_S
        errand = Errand(lane, group, 1.0, is_urgent, patience, _nothing, done)
        if not self.is_allowed(is_entry=not is_urgent):
            self.courier.refuse(errand, "venue.not_armed")
            return
        try:
            build = make()
        except VenueError as error:
            self.courier.refuse(errand, error.code)
            return
        self.courier.send(errand._replace(build=build))

    def urgent(self, lane: str, group: str, build: Build, done: Callable[[Answer], None], *, cost: float = 1.0) -> None:
        """Send a cancel or a query."""
        patience = URGENT_PATIENCE_S if lane == "exit" else READ_PATIENCE_S
        errand = Errand(lane, group, cost, True, patience, build, done)
        if self.is_allowed():
            self.courier.send(errand)
        else:
            self.courier.refuse(errand, "venue.not_armed")

    def outcome(self, order: Order, verdict: Verdict, answer: Answer, about: str) -> None:
        """Hand over what the answer to a place or cancel proves."""
        self.emit(
            BrokerOutcome(
                client_order_id=order.client_order_id,
                kind=verdict.kind,
                venue_order_id=verdict.venue_order_id,
                code=verdict.code,
                retry_after_s=verdict.retry_after_s,
                sent_ns=answer.sent_ns,
                about=about,
            )
        )

    def query_failed(self, order: Order) -> None:
        """Hand over that a query proved nothing."""
        self.emit(BrokerQuery(client_order_id=order.client_order_id, found=False, failed=True))

    # --- reads that may block ---------------------------------------------------------------------

    def read(self, group: str, build: Build, decode: Callable[[bytes], T], refusal: Callable[[Answer], str], *, cost: float = 1.0) -> T:
        """Return a decoded answer, asked up to three times.

        Raises
        ------
        Unreachable, RateLimited, Refused, OutcomeUnknown
            No answer; asked to wait; refused with the venue's code; an answer that cannot be read.
        RefusedError
            A live account that nobody armed.
        """
        return retry(lambda: decode_body(self.read_once(group, build, refusal, cost=cost), decode))

    def read_once(self, group: str, build: Build, refusal: Callable[[Answer], str], *, cost: float = 1.0) -> Answer:
        """Return a good answer of one attempt; raises as `read` does."""
        if not self.is_allowed():
            raise RefusedError("venue.not_armed")
        answer = self.courier.request(Errand("read", group, cost, False, READ_PATIENCE_S, build, _ignore))
        raise_for(answer, refusal)
        return answer


def raise_for(answer: Answer, refusal: Callable[[Answer], str]) -> None:
    """Raise the error of a read's answer; return when it is 2xx."""
    if answer.failure == NOT_SENT and answer.retry_after_s:
        raise RateLimited("venue.rate_limit_local", answer.retry_after_s)
    if answer.failure:
        raise Unreachable(answer.code or f"venue.{answer.failure}")
    if answer.status in (418, 429):
        raise RateLimited(f"venue.http_{answer.status}", answer.retry_after(1.0 if answer.status == 429 else 120.0))
    if answer.status >= 500:
        raise Unreachable(f"venue.http_{answer.status}")
    if not 200 <= answer.status < 300:
        raise Refused(refusal(answer) or f"venue.http_{answer.status}")


def decode_body(answer: Answer, decode: Callable[[bytes], T]) -> T:
    """Return the decoded body; OutcomeUnknown when it cannot be read."""
    try:
        return decode(answer.body)
    except (msgspec.DecodeError, UnicodeError, ValueError, OverflowError, ArithmeticError) as error:
        raise OutcomeUnknown("venue.unreadable") from error


def _wrote(lane: str, method: str) -> None:
    if method == "POST":  # the only request that makes an order: cancels are DELETE, reads GET
        reach("after_bytes")


def _ignore(answer: Answer) -> None:
    """Stand where a blocking read puts its own callback."""


def _nothing() -> tuple[str, bytes]:
    raise AssertionError("an errand without a request was sent")


class PrivateStream:
    """The private connection: frames → updates, each frame counted after what it held.

    Parameters
    ----------
    headers : callable, optional
        Header lines with a fresh token for each connect.
    on_open : callable (send)
        Subscribes.
    read : callable (frame) -> updates
        Raises one of `bad_message` when a frame cannot be read; then something may be lost, and the
        stream says "lost" and "connected", so that the trader reconciles.
    """

    def __init__(
        self,
        desk: OrderDesk,
        *,
        name: str,
        on_open: Callable[[Callable[[str], bool]], None],
        read: Callable[[bytes], Sequence[BrokerUpdate]],
        bad_message: tuple[type[Exception], ...],
        headers: Callable[[], Sequence[str]] | None = None,
        connects_at_open: bool = True,
    ) -> None:
        self._desk = desk
        self._subscribe = on_open
        self._read = read
        self._bad_message = bad_message
        self._connects_at_open = connects_at_open
        self._connection = ""
        self._is_up = False
        self.unreadable = 0
        self.link = WebSocketLink(
            lambda: desk.endpoint.ws_private,
            desk.guard,
            on_open=self._opened,
            on_frame=self._frame,
            on_lost=self._lost,
            headers=headers,
            name=name,
        )

    def start(self) -> None:
        """Connect in the background; a live account that nobody armed is not connected."""
        if self._desk.is_allowed():
            self.link.start()
        else:
            log.warning("event=private_stream_not_armed")
            self._desk.emit(BrokerState(code="lost"))

    def close(self) -> None:
        self.link.close()

    def up(self) -> None:
        """Say that the subscription stands; said twice, it is heard once."""
        if self._is_up:
            return
        self._is_up = True
        self._desk.emit(BrokerState(code="connected", connection=self._connection))

    def _opened(self, connection: str) -> None:
        self._connection = connection
        self._subscribe(self.link.send)
        if self._connects_at_open:
            self.up()

    def _frame(self, frame: bytes, connection: str, frames: int, read_ns: int) -> None:
        try:
            updates = self._read(frame)
        except self._bad_message as error:
            self.unreadable += 1
            log.error("event=unreadable_private_frame cause=%s bytes=%d", type(error).__name__, len(frame))
            self._is_up = False
            self._desk.emit(BrokerState(code="lost", connection=connection))
            self.up()
            updates = ()
        for update in updates:
            self._desk.emit(update)
        self._desk.emit(BrokerFrame(connection=connection, frames=frames))

    def _lost(self, cause: str) -> None:
        was_up, self._is_up = self._is_up, False
        if was_up:
            self._desk.emit(BrokerState(code="lost", connection=self._connection))

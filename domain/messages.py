"""Every message on the bus, frozen and tagged, and their unions by channel.

Many small records travel as ``data: bytes`` in a dtype of domain/records.py (`np.frombuffer`).
Processes send codes and fields, never sentences; the view makes the sentence.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from domain.instruments import Balance, Instrument
from domain.orders import Fill, Intent, Order


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages; the tag is the class name."""


# --- market: receiver → strategy, trader, window ----------------------------------------------


class InstrumentTable(Message, frozen=True):
    """The instruments behind the `instrument` index of events and rows; only ever grows."""

    market: str
    instruments: tuple[Instrument, ...]


class Rows(Message, frozen=True):
    """Rows of one market and interval in `RowSchema.dtype()`, oldest first."""

    market: str
    interval_s: int
    count: int
    data: bytes


class LiveBar(Message, frozen=True):
    """The forming bar of the instrument a chart shows, at most five times a second; never runs a strategy.

    It covers the present interval of the rows: what its row will tell once it is over.
    """

    market: str
    instrument: int
    interval_s: int
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    buy_volume: float
    sell_volume: float


class Bars(Message, frozen=True):
    """Finished bars of one instrument as its venue states them, for the part of a chart that is before the rows.

    `data` is float64 (n, 7): time_ns, open, high, low, close, volume, value; oldest first.
    """

    market: str
    instrument: int
    interval_s: int
    data: bytes


class Events(Message, frozen=True):
    """Public trades for the screen in EVENT_DTYPE; conflated, the recorder has them all."""

    market: str
    count: int
    data: bytes


class BookView(Message, frozen=True):
    """The book of one instrument for the screen, at most ten times a second."""

    market: str
    instrument: int
    exchange_ns: int
    asks: tuple[tuple[float, int], ...]
    bids: tuple[tuple[float, int], ...]
    ask_total: float
    bid_total: float


class GapMark(Message, frozen=True):
    """A hole in a stream: what lies between the sequences is not there."""

    market: str
    stream: str
    instrument: int  # −1 = all
    from_seq: int
    to_seq: int
    cause: str
    state: str  # detected, backfilled, marked


class FeedState(Message, frozen=True):
    """Connection state of a feed: connected, stale, reconnecting; and its counters."""

    market: str
    state: str
    frames: int
    events: int
    rows: int
    rejected: dict[str, int]
    duplicates: int
    gaps: int


class Barrier(Message, frozen=True):
    """End of lock-step number `n`, on `market` from the receiver and on `orders` from the strategy."""

    n: int
    market_ns: int
    closing: tuple[int, ...] = ()


# --- replay: a span of sequences, or today's rows ------------------------------------------------


class ReplayRequest(Message, frozen=True):
    """Ask for bus sequences [from_seq, to_seq] of the market stream, or for page `from_seq` of today's rows up to cut `to_seq`."""

    what: str  # "span" or "today"
    from_seq: int = 0
    to_seq: int = 0


class ReplayPage(Message, frozen=True):
    """A bounded answer; `next_seq` 0 means complete, −1 means no longer held."""

    first_seq: int
    next_seq: int
    frames: tuple[bytes, ...]
    what: str = "span"
    epoch: int = 0
    cut_seq: int = 0  # "today": the last bus sequence that the pages include; `next_seq` is then the next page's number


# --- orders: intents in; acknowledgements, states and fills out ------------------------------------


class SubmitIntent(Message, frozen=True):
    """Strategy or window → trader."""

    intent: Intent


class IntentAck(Message, frozen=True):
    """Trader → sender: recorded (not: sent), or refused with the rule that said so."""

    intent_id: str
    accepted: bool
    rule: str = ""
    limit: float = 0.0
    observed: float = 0.0


class CancelOrder(Message, frozen=True):
    """Window → trader."""

    client_order_id: str


class OrderUpdate(Message, frozen=True):
    """Trader → strategy, window: the order as it now is. Kept until acknowledged by `outbox_seq`."""

    outbox_seq: int
    order: Order


class FillUpdate(Message, frozen=True):
    """Trader → strategy, window: a durable fill, and the position after it."""

    outbox_seq: int
    fill: Fill
    position: PositionState


class PositionState(Message, frozen=True):
    """What is held of one instrument and what it cost."""

    instrument_id: str
    qty: int
    entry_price: float
    entry_cost: float
    entry_time: int  # row time of the first fill
    entry_row_time: int  # row time of the entry signal
    realised: float
    owner: str = ""
    exit_amount: float = 0.0  # what partial exits of the open position brought so far


class AccountState(Message, frozen=True):
    """Cash, equity and readiness of an account.

    Profits are net of fees, by `trading/positions.profit`.
    """

    account: str
    market: str
    currency: str
    state: str  # starting, reconciling, ready, degraded
    trading_state: str  # active, reducing, halted
    reason: str
    balances: tuple[Balance, ...]
    cash: float
    equity: float
    realised: float  # closed trades of the trading day
    unrealised: float  # what the open ones would have earned if they were closed at the newest prices
    in_doubt: int
    open_orders: int
    refusals: dict[str, int]
    epoch: int
    day_base: float = 0.0  # equity at the day's opening; 0 before it is known

    def day_profit(self) -> float:
        """Return what the account gained today, NaN before the day's opening equity is known."""
        return self.equity - self.day_base if self.day_base > 0.0 else float("nan")


class RoundTripState(Message, frozen=True):
    """A closed trade in ROUND_TRIP_DTYPE, with its code and label; `seq` numbers the account's trades."""

    seq: int
    code: str
    label: str
    data: bytes


class DayRecord(Message, frozen=True):
    """Trader → window: the newest fills and the closed trades of the trading day, for one that begins to watch."""

    fills: tuple[Fill, ...]
    trips: tuple[RoundTripState, ...]


class OutboxAck(Message, frozen=True):
    """Strategy, window → trader: everything up to `seq` was handled."""

    seq: int


class Snapshot(Message, frozen=True):
    """Ask the trader for all orders, positions and the account (after a start or a gap); "day" asks for a DayRecord too."""

    what: str = "all"


class SnapshotDone(Message, frozen=True):
    """End of the answer to Snapshot; `outbox_seq` is the last one it includes."""

    outbox_seq: int


# --- control: start-up, heartbeats, commands, logs, stop --------------------------------------------


class Hello(Message, frozen=True):
    """Child → main: who I am and where I listen."""

    role: str
    market: str
    pid: int
    build: str
    schema: int
    addresses: dict[str, str]


class Ready(Message, frozen=True):
    """Child → main: connected, warmed, reconciled; may be used."""

    detail: dict[str, Any] = {}


class Failed(Message, frozen=True):
    """Child → main: cannot start or go on; the code says what to do."""

    code: str
    fields: dict[str, Any] = {}


class Heartbeat(Message, frozen=True):
    """Child → main each 250 ms, and main → child."""

    counters: dict[str, float] = {}


class Command(Message, frozen=True):
    """Main → child: start, stop, strategy, halt, rearm, setting, stats, watch."""

    name: str
    args: dict[str, Any] = {}
    id: int = 0


class CommandResult(Message, frozen=True):
    """Child → main: the answer to a Command."""

    id: int
    ok: bool
    code: str = ""
    fields: dict[str, Any] = {}


class LogRecord(Message, frozen=True):
    """Child → main: a log record that passed the redaction filter."""

    level: int
    logger: str
    created: float
    text: str


class Relayed(Message, frozen=True):
    """Main → viewer: an encoded control message that a process of `market` sent to main."""

    market: str
    data: bytes


class Addresses(Message, frozen=True):
    """Main → child: where the others listen, and the public keys to expect there."""

    addresses: dict[str, str]
    server_keys: dict[str, str]


class StopNow(Message, frozen=True):
    """Main → child: stop in order, within two seconds."""

    reason: str = ""


# --- steps: lock-step of a replay (architecture 3.4) --------------------------------------------------


class StepEnd(Message, frozen=True):
    """Exchange → receiver: step `n` ended; `frames` counts the frames sent per connection number."""

    n: int
    market_ns: int
    frames: dict[str, int]
    closing: tuple[str, ...] = ()
    last: bool = False


class StepDone(Message, frozen=True):
    """Trader → exchange: everything of step `n` is handled; `private_frames` per connection number."""

    n: int
    private_frames: dict[str, int]


class StepFills(Message, frozen=True):
    """Exchange → trader: resting orders were filled on the way to step `n`; its rows wait until everybody knows."""

    n: int
    private_frames: dict[str, int]


class StepHeard(Message, frozen=True):
    """Trader → exchange: those fills are durable and the strategy has them; `private_frames` per connection number."""

    n: int
    private_frames: dict[str, int]


class StepWait(Message, frozen=True):
    """Exchange → trader: more private frames were sent than counted; wait for them."""

    n: int
    private_frames: dict[str, int]


class StepNext(Message, frozen=True):
    """Exchange → trader: step `n` is over, the next one begins."""

    n: int


class ReplayEnd(Message, frozen=True):
    """Exchange → receiver, trader, main: the recording is played out."""

    n: int


class Money(Message, frozen=True):
    """A named amount, for statements."""

    name: str
    amount: Decimal


MarketMessage = InstrumentTable | Rows | LiveBar | Bars | Events | BookView | GapMark | FeedState | Barrier | Heartbeat
ReplayMessage = ReplayRequest | ReplayPage
OrdersMessage = (
    SubmitIntent
    | IntentAck
    | CancelOrder
    | OrderUpdate
    | FillUpdate
    | PositionState
    | AccountState
    | RoundTripState
    | DayRecord
    | OutboxAck
    | Snapshot
    | SnapshotDone
    | Barrier
    | Heartbeat
)
ControlMessage = Hello | Ready | Failed | Heartbeat | Command | CommandResult | LogRecord | Relayed | Addresses | StopNow | ReplayEnd
StepsMessage = StepEnd | StepDone | StepFills | StepHeard | StepWait | StepNext | ReplayEnd | Heartbeat

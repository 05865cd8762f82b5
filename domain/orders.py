"""Intents, decisions, orders and fills, and the table of an order's life (reliability 2)."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from enum import StrEnum

import msgspec

from domain.instruments import QTY_UNIT


class OrderKind(StrEnum):
    """What is sent to the venue."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order may wait."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class Action(StrEnum):
    """What an intent is for; part of its identity."""

    ENTRY = "entry"
    EXIT = "exit"
    FLATTEN = "flatten"
    MANUAL = "manual"
    STOP = "stop"


class OrderStatus(StrEnum):
    """State of an order; `in_doubt` is a flag beside it."""

    INITIALIZED = "initialized"
    DENIED = "denied"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_REPLACE = "pending_replace"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class OrderEvent(StrEnum):
    """What can happen to an order."""

    DENIED = "denied"
    SUBMITTED = "submitted"
    NOT_SENT = "not_sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"
    PART_FILL = "part_fill"
    FILL = "fill"
    AMBIGUOUS = "ambiguous"
    CANCEL_REQUESTED = "cancel_requested"
    CANCEL_REJECTED = "cancel_rejected"
    REPLACE_REQUESTED = "replace_requested"
    REPLACED = "replaced"
    REPLACE_REJECTED = "replace_rejected"
    ABSENT = "absent"
    LATE_ACCEPT = "late_accept"
    LATE_FILL = "late_fill"


TERMINAL = frozenset({OrderStatus.DENIED, OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})

OPEN_BY_CUM = "open_by_cum"
"""Marker in TRANSITIONS: ACCEPTED when nothing is filled, else PARTIALLY_FILLED."""
SAME = "same"
"""Marker in TRANSITIONS: the state does not change."""
FILLED_BY_CUM = "filled_by_cum"
"""Marker in TRANSITIONS: FILLED when cum = qty, else the state does not change."""
RESURRECT = "resurrect"
"""Marker in TRANSITIONS: PARTIALLY_FILLED or FILLED by cum; the symbol closes to entries."""

_S, _E = OrderStatus, OrderEvent

TRANSITIONS: dict[tuple[OrderStatus, OrderEvent], OrderStatus | str] = {
    (_S.INITIALIZED, _E.DENIED): _S.DENIED,
    (_S.INITIALIZED, _E.SUBMITTED): _S.SUBMITTED,
    (_S.SUBMITTED, _E.NOT_SENT): _S.DENIED,
    (_S.SUBMITTED, _E.ACCEPTED): _S.ACCEPTED,
    (_S.SUBMITTED, _E.REJECTED): _S.REJECTED,
    (_S.SUBMITTED, _E.CANCELED): _S.CANCELED,
    (_S.SUBMITTED, _E.EXPIRED): _S.EXPIRED,
    (_S.SUBMITTED, _E.PART_FILL): _S.PARTIALLY_FILLED,
    (_S.SUBMITTED, _E.FILL): _S.FILLED,
    (_S.SUBMITTED, _E.AMBIGUOUS): SAME,
    (_S.SUBMITTED, _E.CANCEL_REQUESTED): _S.PENDING_CANCEL,
    (_S.SUBMITTED, _E.ABSENT): _S.REJECTED,
    (_S.SUBMITTED, _E.SUBMITTED): SAME,  # next attempt after a proven NOT_SENT
    (_S.PENDING_CANCEL, _E.CANCELED): _S.CANCELED,
    (_S.PENDING_CANCEL, _E.CANCEL_REJECTED): OPEN_BY_CUM,
    (_S.PENDING_CANCEL, _E.PART_FILL): SAME,
    (_S.PENDING_CANCEL, _E.FILL): _S.FILLED,
    (_S.PENDING_CANCEL, _E.EXPIRED): _S.EXPIRED,
    (_S.PENDING_CANCEL, _E.REJECTED): _S.REJECTED,
    (_S.PENDING_CANCEL, _E.ACCEPTED): SAME,
    (_S.PENDING_CANCEL, _E.AMBIGUOUS): SAME,
    (_S.PENDING_CANCEL, _E.CANCEL_REQUESTED): SAME,
    (_S.PENDING_CANCEL, _E.ABSENT): _S.REJECTED,
    (_S.PENDING_CANCEL, _E.NOT_SENT): _S.DENIED,  # the place itself never left; only while no venue number is bound
    (_S.PENDING_REPLACE, _E.REPLACED): OPEN_BY_CUM,
    (_S.PENDING_REPLACE, _E.REPLACE_REJECTED): OPEN_BY_CUM,
    (_S.PENDING_REPLACE, _E.PART_FILL): SAME,
    (_S.PENDING_REPLACE, _E.FILL): _S.FILLED,
    (_S.PENDING_REPLACE, _E.CANCELED): _S.CANCELED,
    (_S.PENDING_REPLACE, _E.EXPIRED): _S.EXPIRED,
    (_S.PENDING_REPLACE, _E.REJECTED): _S.REJECTED,
    (_S.PENDING_REPLACE, _E.CANCEL_REQUESTED): _S.PENDING_CANCEL,
    (_S.PENDING_REPLACE, _E.AMBIGUOUS): SAME,
    (_S.PENDING_REPLACE, _E.ABSENT): _S.REJECTED,
    (_S.CANCELED, _E.LATE_FILL): FILLED_BY_CUM,
    (_S.EXPIRED, _E.LATE_FILL): FILLED_BY_CUM,
    (_S.CANCELED, _E.LATE_ACCEPT): SAME,
    (_S.EXPIRED, _E.LATE_ACCEPT): SAME,
    (_S.REJECTED, _E.LATE_ACCEPT): _S.ACCEPTED,
    (_S.DENIED, _E.LATE_ACCEPT): _S.ACCEPTED,
    (_S.REJECTED, _E.LATE_FILL): RESURRECT,
    (_S.DENIED, _E.LATE_FILL): RESURRECT,
    (_S.FILLED, _E.LATE_FILL): SAME,  # overfill: applied, alarm
}
for _open in (_S.ACCEPTED, _S.PARTIALLY_FILLED):
    TRANSITIONS |= {
        (_open, _E.PART_FILL): _S.PARTIALLY_FILLED,
        (_open, _E.FILL): _S.FILLED,
        (_open, _E.CANCEL_REQUESTED): _S.PENDING_CANCEL,
        (_open, _E.REPLACE_REQUESTED): _S.PENDING_REPLACE,
        (_open, _E.CANCELED): _S.CANCELED,
        (_open, _E.EXPIRED): _S.EXPIRED,
    }
TRANSITIONS[(_S.ACCEPTED, _E.REJECTED)] = _S.REJECTED
# Open here, unknown to the venue after the settle window (reliability 5.9). What was filled existed, so it ends as cancelled.
TRANSITIONS[(_S.ACCEPTED, _E.ABSENT)] = _S.REJECTED
TRANSITIONS[(_S.PARTIALLY_FILLED, _E.ABSENT)] = _S.CANCELED


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A signal made concrete. `qty` is in units of 1e-8; the trader may only reduce or refuse it."""

    intent_id: str
    account: str
    strategy: str
    version: str
    instrument_id: str
    action: Action
    side: int  # +1 buy, −1 sell
    qty: int
    reference_price: float
    row_time: int
    row_ns: int = 0
    step: int = 0
    rule: int = 0
    label: str = ""
    force: bool = False
    kind: OrderKind = OrderKind.MARKET
    price: Decimal | None = None
    read_ns: int = 0  # monotonic clock at the frame's last byte; 0 = not from a frame


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The risk gateway's word on an intent."""

    approved: bool
    qty: int = 0
    rule: str = ""
    limit: float = 0.0
    observed: float = 0.0


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction at a venue; made only from an approved Decision."""

    client_order_id: str
    intent_id: str
    account: str
    instrument_id: str
    side: int
    qty: int
    kind: OrderKind
    time_in_force: TimeInForce
    price: Decimal | None
    attempt: int = 1
    action: Action = Action.ENTRY
    status: OrderStatus = OrderStatus.INITIALIZED
    in_doubt: bool = False
    cum_qty: int = 0
    cum_amount: Decimal = Decimal(0)
    venue_order_id: str = ""
    reason: str = ""
    created_ns: int = 0
    updated_ns: int = 0
    row_time: int = 0
    rule: int = 0
    label: str = ""

    @property
    def leaves_qty(self) -> int:
        """Quantity still open at the venue, in units of 1e-8; 0 when terminal."""
        return 0 if self.status in TERMINAL else max(self.qty - self.cum_qty, 0)


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """An execution of our order, whole or part, with its fee."""

    fill_key: str
    client_order_id: str
    venue_order_id: str
    instrument_id: str
    side: int
    qty: int
    price: Decimal
    fee: Decimal
    fee_asset: str
    exchange_ns: int
    received_ns: int = 0
    is_maker: bool = False


def make_intent_id(account: str, strategy: str, version: str, symbol: str, row_id: int, action: str, step: int) -> str:
    """Return the repeatable id of an intent: 26 base32 characters (architecture 3.1, reliability P1)."""
    text = "\x1f".join((account, strategy, version, symbol, str(row_id), action, str(step)))
    digest = hashlib.blake2b(text.encode(), digest_size=32).digest()
    return base64.b32encode(digest).decode().lower()[:26]


def make_client_order_id(intent_id: str, attempt: int) -> str:
    """Return ``<intent_id>-<attempt>``, at most 30 characters of [a-z0-9-]."""
    return f"{intent_id}-{attempt}"


def qty_text(units: int) -> str:
    """Return a quantity in units of 1e-8 as plain decimal text without trailing zeros."""
    text = f"{Decimal(units) / QTY_UNIT:.8f}".rstrip("0").rstrip(".")
    return text or "0"


def price_text(price: Decimal) -> str:
    """Return a decimal as plain text: no exponent, no trailing zeros."""
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def price_decimal(price: float) -> Decimal:
    """Return a price as exact decimal text with at most 8 decimals."""
    text = f"{price:.8f}"
    return Decimal(text.rstrip("0").rstrip("."))


def qty_units(text: str | Decimal) -> int:
    """Return decimal text as units of 1e-8, exactly; ValueError when it is finer than that."""
    scaled = Decimal(text) * QTY_UNIT
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"quantity finer than 1e-8: {text}")
    return units

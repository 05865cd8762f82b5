"""What the trader core asks its shell to do. The core itself touches no socket."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from domain.messages import Message
from domain.orders import Order


class Moment(NamedTuple):
    """Now: monotonic for intervals, UTC for stamps (architecture 3.4)."""

    mono_ns: int
    utc_ns: int


class Place(msgspec.Struct, frozen=True):
    """Send an order. It is in the ledger; ask `Trader.may_send(order)` right before the first byte."""

    order: Order


class Cancel(msgspec.Struct, frozen=True):
    """Ask the venue to cancel; safe to repeat."""

    order: Order


class Query(msgspec.Struct, frozen=True):
    """Ask the venue for an order by its id."""

    order: Order


class TakeSnapshot(msgspec.Struct, frozen=True):
    """Read the venue's truth in one stable cut and give it to `Trader.on_snapshot` (or the error)."""

    fills_since_ns: int
    known: dict[str, int] = {}


class Emit(msgspec.Struct, frozen=True):
    """Publish a message on `orders` (a CommandResult: on `control`)."""

    message: Message


class Alarm(msgspec.Struct, frozen=True):
    """Something a person should know; `level` as in logging (30 warning, 40 error, 50 critical)."""

    code: str
    fields: dict[str, Any] = {}
    level: int = 40


class Stop(msgspec.Struct, frozen=True):
    """The ledger could not be written: end this process; the next start reads the truth (P34)."""

    code: str
    fields: dict[str, Any] = {}


Effect = Place | Cancel | Query | TakeSnapshot | Emit | Alarm | Stop

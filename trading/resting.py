"""A limit order of the order settings while it is under way, and what is to follow when it has been taken back."""

from __future__ import annotations

from dataclasses import dataclass

from domain.orders import Action, Order, OrderKind, OrderStatus, TimeInForce

OPEN = frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})
REPLACED_STEP = 10
"""The k-th replacement of an order bears this step + k in its intent's id: a host that begins anew reads k from it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What leaves once the order in the way has ended.

    Parameters
    ----------
    units : int
        Wanted, in units of 1e-8; of a replacement nobody knows it yet: it is what is left.
    price : float
        Limit; 0 = at the market.
    """

    units: int = 0
    price: float = 0.0
    rule: int = 0
    label: str = ""
    is_forced: bool = False
    is_replacement: bool = False
    step: int = 0
    read_ns: int = 0


@dataclass(slots=True)
class Resting:
    """One order with its replacements, as the host sees it.

    Parameters
    ----------
    sign : int
        Of the position: +1 long, −1 short.
    root : str
        Intent id of the first of them: parts of all of them are one entry or one exit step.
    price : float
    since_s : int
        Second of the day of the order, or of its newest replacement.
    """

    action: Action
    sign: int
    root: str
    price: float
    since_s: int
    replaced: int = 0
    rule: int = 0
    label: str = ""
    is_leaving: bool = False
    plan: Plan | None = None
    left: int = 0  # units that were not filled when it ended


def can_rest(order: Order) -> bool:
    """Tell whether an order waits in the venue's book for a price."""
    return order.kind is OrderKind.LIMIT and order.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY)


def is_of_strategy(order: Order) -> bool:
    """Tell whether a resting order was asked for by a strategy: nobody but its host looks after it."""
    return can_rest(order) and bool(order.intent_id) and order.action in (Action.ENTRY, Action.EXIT)

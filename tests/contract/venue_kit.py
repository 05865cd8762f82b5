"""What the venue suites share: a clock, keys, orders, a sink that can be waited on, payload files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from domain.orders import Action, Order, OrderKind, TimeInForce
from domain.ports import BrokerUpdate

PAYLOADS = Path(__file__).resolve().parents[1] / "data" / "payloads"
T = TypeVar("T")


class WallClock:
    def utc_ns(self) -> int:
        return time.time_ns()

    def mono_ns(self) -> int:
        return time.monotonic_ns()


class Keys:
    """Credentials for a loopback server."""

    def __init__(self, key: str = "paper-key-0001", secret: str = "paper-secret-0001") -> None:
        self._pair = (key, secret)

    def key(self) -> str:
        return self._pair[0]

    def secret(self) -> str:
        return self._pair[1]


class Sink:
    """Collects updates and lets a test wait for one."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._changed = threading.Condition(threading.RLock())

    def __call__(self, item: Any) -> None:
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def __repr__(self) -> str:
        return f"Sink({len(self.items)})"

    def of(self, kind: type[T]) -> list[T]:
        with self._changed:
            return [item for item in self.items if isinstance(item, kind)]

    def wait(self, kind: type[T], accept: Callable[[T], bool] = lambda _: True, timeout_s: float = 8.0) -> T:
        """Return the first item of a kind that `accept` takes; fails when none comes in time."""

        def found() -> T | None:
            return next((item for item in self.items if isinstance(item, kind) and accept(item)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, timeout_s)
            item = found()
        assert item is not None, f"no {kind.__name__} in time; got {[short(item) for item in self.items[-12:]]}"
        return item


def short(item: Any) -> str:
    """Return an item without its events."""
    return f"{type(item).__name__} {item.connection} {item.frames}" if hasattr(item, "events") else repr(item)


def make_order(
    instrument_id: str,
    client_order_id: str = "aaaabbbbccccddddeeeeffff23-1",
    *,
    side: int = 1,
    qty: int = 210_000,
    kind: OrderKind = OrderKind.LIMIT,
    force: TimeInForce = TimeInForce.IOC,
    price: Decimal | None = Decimal("60000"),
    action: Action = Action.ENTRY,
) -> Order:
    return Order(
        client_order_id=client_order_id,
        intent_id=client_order_id.rpartition("-")[0],
        account="test",
        instrument_id=instrument_id,
        side=side,
        qty=qty,
        kind=kind,
        time_in_force=force,
        price=price,
        action=action,
    )


def payload(venue: str, name: str) -> Any:
    """Return a payload file of a venue."""
    return json.loads((PAYLOADS / venue / f"{name}.json").read_text("utf-8"))


def ignore(update: BrokerUpdate) -> None:
    """A sink for tests that look elsewhere."""

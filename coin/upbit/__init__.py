"""Upbit: the venue's facts. Feed, broker and dialect are imported when they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.arming import KeyFacts
from domain.instruments import Capabilities
from domain.ports import Broker, Clock, Credentials, Endpoint, Feed, Venue
from utility.rate_limit import Limit

LIVE = Endpoint(
    rest="https://api.upbit.com/v1",
    ws_public="wss://api.upbit.com/websocket/v1",
    ws_private="wss://api.upbit.com/websocket/v1/private",
    is_paper=False,
)

LIMITS = {"default": Limit(30.0, 1.0), "order": Limit(12.0, 1.0)}
"""Exchange groups, per account (protocols/upbit.md 9; the venue's answers narrow or widen them)."""


def paper_endpoint(host: str, port: int) -> Endpoint:
    """Return the paper exchange's addresses."""
    return Endpoint(
        rest=f"http://{host}:{port}/v1",
        ws_public=f"ws://{host}:{port}/websocket/v1",
        ws_private=f"ws://{host}:{port}/websocket/v1/private",
    )


def _feed(endpoint: Endpoint, clock: Clock) -> Feed:
    from coin.upbit.feed import UpbitFeed

    return UpbitFeed(endpoint, clock, live=LIVE)


def _broker(endpoint: Endpoint, credentials: Credentials, clock: Clock, armed: Callable[[], bool] | None = None) -> Broker:
    from coin.upbit.broker import UpbitBroker
    from utility.order_desk import never

    return UpbitBroker(endpoint, credentials, clock, live=LIVE, limits=LIMITS, armed=armed or never)


def _inspect(endpoint: Endpoint, credentials: Credentials, clock: Clock) -> KeyFacts:
    from coin.upbit.broker import UpbitBroker

    broker = UpbitBroker(endpoint, credentials, clock, live=LIVE, limits=LIMITS)
    try:
        return broker.inspect()
    finally:
        broker.close()


def _dialect(core: Any) -> Any:
    from coin.upbit.paper import UpbitDialect

    return UpbitDialect(core)


VENUE = Venue(
    code="upbit",
    market="upbit",
    capabilities=Capabilities(
        client_order_id_unique_forever=True,
        market_buy_by_amount=True,
        publishes_book_totals=True,
        settle_window_s=120.0,
    ),
    live=LIVE,
    paper_endpoint=paper_endpoint,
    make_feed=_feed,
    make_broker=_broker,
    make_dialect=_dialect,
    inspect=_inspect,
)

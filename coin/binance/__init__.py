"""Binance spot: the venue's facts. Feed, broker and dialect are imported when they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.arming import KeyFacts
from domain.instruments import Capabilities
from domain.ports import Broker, Clock, Credentials, Endpoint, Feed, Venue
from utility.rate_limit import Limit

LIVE = Endpoint(
    rest="https://api.binance.com",
    ws_public="wss://stream.binance.com:9443",
    ws_private="wss://ws-api.binance.com:443/ws-api/v3",
    is_paper=False,
)

PAST_FUTURES = Endpoint(
    rest="https://fapi.binance.com",
    ws_public="wss://fstream.binance.com",
    ws_private="wss://ws-fapi.binance.com/ws-fapi/v1",
    is_paper=False,
)
"""USD-M futures (protocols/binance.md 11); only their past is read here, unsigned."""

LIMITS = {"weight": Limit(6000.0, 60.0), "orders": Limit(50.0, 10.0)}
"""Until exchangeInfo says otherwise (protocols/binance.md 8)."""


def paper_endpoint(host: str, port: int) -> Endpoint:
    """Return the paper exchange's addresses."""
    return Endpoint(
        rest=f"http://{host}:{port}",
        ws_public=f"ws://{host}:{port}",
        ws_private=f"ws://{host}:{port}/ws-api/v3",
    )


def _feed(endpoint: Endpoint, clock: Clock) -> Feed:
    from coin.binance.feed import BinanceFeed

    return BinanceFeed(endpoint, clock, live=LIVE)


def _broker(endpoint: Endpoint, credentials: Credentials, clock: Clock, armed: Callable[[], bool] | None = None) -> Broker:
    from coin.binance.broker import BinanceBroker
    from utility.order_desk import never

    return BinanceBroker(endpoint, credentials, clock, live=LIVE, limits=LIMITS, armed=armed or never)


def _inspect(endpoint: Endpoint, credentials: Credentials, clock: Clock) -> KeyFacts:
    from coin.binance.broker import BinanceBroker

    broker = BinanceBroker(endpoint, credentials, clock, live=LIVE, limits=LIMITS)
    try:
        return broker.inspect()
    finally:
        broker.close()


def _dialect(core: Any) -> Any:
    from coin.binance.paper import BinanceDialect

    return BinanceDialect(core)


VENUE = Venue(
    code="binance",
    market="binance",
    capabilities=Capabilities(
        fee_in_third_asset=True,
        depth_is_delta=True,
        signed_query_time=True,
        settle_window_s=600.0,
    ),
    live=LIVE,
    paper_endpoint=paper_endpoint,
    make_feed=_feed,
    make_broker=_broker,
    make_dialect=_dialect,
    inspect=_inspect,
)

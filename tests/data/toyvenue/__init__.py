"""A third venue, made by following docs/adding-a-venue.md: nothing outside this folder knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.instruments import Capabilities
from domain.ports import Broker, Clock, Credentials, Endpoint, Feed, Venue
from utility.rate_limit import Limit

LIVE = Endpoint(rest="https://toy.example", ws_public="wss://toy.example/feed", ws_private="wss://toy.example/private", is_paper=False)
LIMITS = {"all": Limit(1000.0, 1.0)}


def paper_endpoint(host: str, port: int) -> Endpoint:
    return Endpoint(rest=f"http://{host}:{port}", ws_public=f"ws://{host}:{port}/feed", ws_private=f"ws://{host}:{port}/private")


def _feed(endpoint: Endpoint, clock: Clock) -> Feed:
    from tests.data.toyvenue.feed import ToyFeed

    return ToyFeed(endpoint, clock)


def _broker(endpoint: Endpoint, credentials: Credentials, clock: Clock, armed: Callable[[], bool] | None = None) -> Broker:
    from tests.data.toyvenue.broker import ToyBroker
    from utility.order_desk import never

    return ToyBroker(endpoint, credentials, clock, armed or never)


def _dialect(core: Any) -> Any:
    from tests.data.toyvenue.paper import ToyDialect

    return ToyDialect(core)


VENUE = Venue(
    code="toy",
    market="binance",
    capabilities=Capabilities(settle_window_s=30.0),
    live=LIVE,
    paper_endpoint=paper_endpoint,
    make_feed=_feed,
    make_broker=_broker,
    make_dialect=_dialect,
)

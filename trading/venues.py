"""The venues and the markets they serve, one line each; imported when they are asked for."""

from __future__ import annotations

import importlib
from functools import cache

from domain.errors import InputError
from domain.instruments import Market
from domain.ports import Endpoint, History, Venue

VENUES: dict[str, str] = {
    "upbit": "coin.upbit",
    "binance": "coin.binance",
}
"""Venue code → module whose VENUE describes it."""

MARKET_MODULES = ("stock.markets", "coin.markets")
"""Modules with a tuple MARKETS."""


HISTORIES: dict[str, tuple[str, str]] = {
    "upbit": ("coin.upbit.past", ""),
    "binance": ("coin.binance.past", "SPOT"),
    "binance-futures": ("coin.binance.past", "FUTURES"),
}
"""Market → (module whose open_history reads the past of its venue, name of the facts it is told)."""


def venue(code: str) -> Venue:
    """Return the venue `code`; InputError when there is none."""
    module = VENUES.get(code)
    if module is None:
        raise InputError("venue.unknown", venue=code, known=", ".join(VENUES))
    found: Venue = importlib.import_module(module).VENUE
    return found


def venues_of(market_code: str) -> tuple[str, ...]:
    """Return the codes of the venues that serve a market, in the order of the list."""
    return tuple(code for code in VENUES if venue(code).market == market_code)


def load_all(part: str) -> None:
    """Import one part (``feed``, ``broker``) of every venue, where there will be no time when it is asked for."""
    for module in VENUES.values():
        importlib.import_module(f"{module}.{part}")


def history(market_code: str, rest: str | None = None) -> History:
    """Return the past of a market at its venue, or at `rest`, the address of a paper exchange (loopback alone is let through).

    Raises
    ------
    InputError
        ``download.no_history``: no venue tells this market's past.
    """
    if market_code not in HISTORIES:
        raise InputError("download.no_history", market=market_code, markets=", ".join(HISTORIES))
    module, facts = HISTORIES[market_code]
    past = importlib.import_module(module)
    told = (getattr(past, facts),) if facts else ()
    endpoint = Endpoint(rest=rest, ws_public=rest, ws_private=rest) if rest else (told[0].live if told else past.LIVE)
    found: History = past.open_history(*told, endpoint)
    return found


@cache
def markets() -> dict[str, Market]:
    """Return every market by code."""
    return {market.code: market for module in MARKET_MODULES for market in importlib.import_module(module).MARKETS}


def market(code: str) -> Market:
    """Return the market `code`; InputError when there is none."""
    found = markets().get(code)
    if found is None:
        raise InputError("market.unknown", market=code, known=", ".join(markets()))
    return found

"""The codes of the markets, where a word of the command line or an old file chooses among them.

Facts of a market are in `stock/markets.py` and `coin/markets.py`; this is only the list of names,
which the command line needs before anything is imported. A test holds it equal to those modules.
"""

from __future__ import annotations

FIRST_MARKET = "upbit"
"""What a new data directory starts with (architecture 3.5)."""

STOCK_MARKETS = ("krx",)
COIN_MARKETS = ("upbit", "binance")
FUTURES_MARKETS = ("binance-futures",)
MARKET_CODES = STOCK_MARKETS + COIN_MARKETS + FUTURES_MARKETS

WINDOWS = {"": (), "stock": STOCK_MARKETS, "coin": COIN_MARKETS}
"""What `stom.py`, `stom.py stock` and `stom.py coin` start by themselves."""

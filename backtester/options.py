"""How a run fills, sizes and pays: what the command line, a passport and a stress set, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from backtester.books import FILLS, check_fill
from backtester.delay import DELAY_MS_MAX
from backtester.futures import Futures
from backtester.slippage import TICKS_MAX
from domain.errors import InputError
from domain.order_settings import OrderSettings
from trading.fee_table import FeeTable

ENTRY_LEVELS, EXIT_LEVELS = 3, 5
"""매수시장가잔량범위, 매도시장가잔량범위 of who names none."""
LEVEL_SHARE = 0.5
"""Share of each level that a market order takes in parts, of who names none."""


@dataclass(frozen=True)
class Options:
    """How a run fills and sizes.

    Parameters
    ----------
    betting : float
        Amount of quote currency per entry.
    entry_levels, exit_levels : int
        Book levels that an entry and an exit may use, 1 … 5.
    latency, delay_ms : int
        Rows between a signal and its fill; then the first row that begins so many milliseconds later (delay.py).
    fill : {"sweep", "best", "queue", "partial", "last"}
        Book sweep, the whole quantity at the best ask or bid, or at 현재가.
    level_share : float
        Of each level's size, what a market order takes with ``fill="partial"``; else 0.
    fees : (rate, tax) or FeeTable, optional
        Fractions, or a dated table of them, that replace the market's FeeRule.
    start, end : int, optional
        Time of day hhmmss: rows before `start` run no code, rows after `end` do not exist.
    slippage : int
        Price steps by which every fill is worse than the book says (slippage.py).
    slippage_model : str
        A model beside that, ``bps:5`` (slippage_models.py); empty = none.
    orders : OrderSettings, optional
        Order management: the loop of managed.py, whose own levels count; None: market orders, whole positions.
    futures, halts : leverage and funding; no fills in auctions, a VI, beyond price limits. With `orders` alone.
    """

    betting: float
    entry_levels: int = ENTRY_LEVELS
    exit_levels: int = EXIT_LEVELS
    latency: int = 0
    fill: str = "sweep"
    fees: tuple[float, float] | FeeTable | None = None
    start: int = 0
    end: int = 235959
    slippage: int = 0
    slippage_model: str = ""
    orders: OrderSettings | None = None
    futures: Futures | None = None
    halts: bool = False
    delay_ms: int = 0
    level_share: float = 0.0

    def __post_init__(self) -> None:
        if not self.betting > 0:
            raise InputError("backtest.betting", value=self.betting)
        if not (1 <= self.entry_levels <= 5 and 1 <= self.exit_levels <= 5):
            raise InputError("backtest.levels", entry=self.entry_levels, exit=self.exit_levels)
        if not 0 <= self.latency <= 1_000_000:
            raise InputError("backtest.latency", value=self.latency)
        if not 0 <= self.delay_ms <= DELAY_MS_MAX:
            raise InputError("backtest.delay", value=self.delay_ms, most=DELAY_MS_MAX)
        if self.fill not in FILLS:
            raise InputError("backtest.fill", value=self.fill)
        if not 0 <= self.start <= self.end <= 235959:
            raise InputError("backtest.times", start=self.start, end=self.end)
        if not 0 <= self.slippage <= TICKS_MAX:
            raise InputError("backtest.slippage", value=self.slippage, most=TICKS_MAX)
        check_fill(self)

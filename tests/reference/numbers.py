"""Rounding, amounts, profit and fees: strategy-language §1.1 item 10 and §4.4, workstation §8.4."""

from __future__ import annotations

import math
from dataclasses import dataclass

UNIT = 100_000_000
# Tax on sales in ppm by date of sale: the first day from which a rate holds (strategy-language §4.4).
KRX_TAX = ((0, 3000), (20190603, 2500), (20210101, 2300), (20230101, 2000), (20240101, 1800), (20250101, 1500), (20260101, 2000))
FEE = {"upbit": 0.0005, "binance": 0.001, "binance-futures": 0.0004}
UPBIT_STEPS = (
    (0.01, 0.0001),
    (1, 0.001),
    (10, 0.01),
    (100, 0.1),
    (1_000, 1),
    (10_000, 5),
    (100_000, 10),
    (500_000, 50),
    (1_000_000, 100),
    (2_000_000, 500),
)
# Since 2025-07-31 (protocols/upbit.md 7); prices below 100 won are not drawn.
UPBIT_STEPS_2025 = ((100, 0.1), (5_000, 1), (10_000, 5), (50_000, 10), (100_000, 50), (500_000, 100), (1_000_000, 500))
KRX_STEPS = ((2_000, 1), (5_000, 5), (20_000, 10), (50_000, 50), (200_000, 100), (500_000, 500))


def round_to(x: float, decimals: int) -> float:
    """Round as the specification does everywhere: rint(x·10^d)/10^d in float64, ties to even."""
    scale = 10.0**decimals
    return float(round(x * scale)) / scale


def krx_step(price: float) -> float:
    """Return the price step of KRX since 2023-01-25."""
    return float(next((step for below, step in KRX_STEPS if price < below), 1_000))


def krx_down(price: float, steps: int) -> float:
    """Return `price` lowered by so many steps, honouring the bands."""
    for _ in range(steps):
        price -= krx_step(price - 1)
    return price


@dataclass(frozen=True)
class Ladder:
    """Price steps: below a price, so much; the last one above all (strategy-language §4.1)."""

    bands: tuple[tuple[float, float], ...]
    last: float

    def step(self, price: float) -> float:
        return next((step for below, step in self.bands if price < below), self.last)

    def walk(self, price: float, steps: int) -> float:
        """Return the price so many steps up (or down), step by step, as the decimal it is; one between two steps goes to the nearest."""
        for _ in range(abs(steps)):
            step = self.step(price if steps > 0 else price - (1 if self.bands is KRX_STEPS else 0))
            price = round(round((price + step if steps > 0 else price - step) / step) * step, 8)
        return price


def ladder(market: str, price_step: float, day: int) -> Ladder:
    if market == "krx":
        return Ladder(KRX_STEPS, 1_000)
    if market == "upbit" and price_step == 0.0:
        return Ladder(UPBIT_STEPS if day < 20250731 else UPBIT_STEPS_2025, 1_000)
    return Ladder((), price_step)


@dataclass(frozen=True)
class Money:
    """How one market counts: amounts, prices of fills, profit."""

    market: str
    fees: tuple[float, float] | None = None

    @property
    def krx(self) -> bool:
        return self.market == "krx"

    def amount(self, value: float) -> float:
        return round_to(value, 0 if self.krx else 4)

    def price(self, amount: float, qty: float) -> float:
        return round_to(amount / qty, 2 if self.krx else 8)

    def units(self, betting: float, price: float, decimals: int) -> int:
        """Return the quantity that `betting` buys, in units of 1e-8."""
        scale = 10.0**decimals
        return round(math.floor(betting / price * scale) / scale * UNIT)

    def profit(self, bought: float, closed: float, short: bool, day: int) -> tuple[float, float]:
        """Return profit and per cent of a position entered for `bought` and closed for `closed`."""
        if self.krx:
            fee_ppm, tax_ppm = 150, next(ppm for since, ppm in reversed(KRX_TAX) if day >= since)
            if self.fees is not None:
                fee_ppm, tax_ppm = (round(rate * 1e6) for rate in self.fees)
            entry, exit_ = int(bought), int(closed)
            tax = exit_ * tax_ppm // 10**6
            fee = entry * fee_ppm // 10**7 * 10 + exit_ * fee_ppm // 10**7 * 10
            profit = float(exit_ - tax - fee - entry)
        else:
            rate = FEE[self.market] if self.fees is None else self.fees[0]
            gain = bought - closed if short else closed - bought
            profit = round_to((gain - bought * rate) - closed * rate, 4)
        return profit, round_to(profit / bought * 100, 2)


def sweep(levels: list[tuple[float, float]], units: int) -> tuple[int, float]:
    """Take `units` from levels of (price, size), best first; return what was filled and Σ price·quantity."""
    filled, amount = 0, 0.0
    for price, size in levels:
        if price == 0 or size == 0 or filled == units:
            continue
        taken = min(round(size * UNIT), units - filled)
        filled += taken
        amount += price * (taken / UNIT)
    return filled, amount

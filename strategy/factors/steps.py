"""Factors of the price ladder."""

from __future__ import annotations

import math
from typing import Any

from strategy.factor import factor


@factor(ko="호가단위", en="tick_size", unit="price")
def tick_size(last_price: float, row_time: float, interval_s: float, ladder: Any, price_step: float) -> float:
    """Return the price step at 현재가: the market's dated table, else the instrument's own step.

    `ladder` holds (first day YYYYMMDD, lower price, step) in order of day and price; days before the first table use it.
    """
    if len(ladder) == 0:
        return price_step
    day = math.floor(row_time / (1000000.0 if interval_s == 1.0 else 10000.0))
    start = ladder[0][0]
    for k in range(len(ladder)):
        if ladder[k][0] <= day:
            start = ladder[k][0]
    step = 0.0
    for k in range(len(ladder)):
        if ladder[k][0] == start and ladder[k][1] <= last_price:
            step = ladder[k][2]
    return step


@factor(ko="VI아래5호가", en="vi_minus_5_ticks", unit="price", kinds=("stock",))
def vi_minus_5_ticks(vi_price: float, row_time: float, interval_s: float, ladder: Any) -> float:
    """Return VI가격 lowered by five ticks; one tick down from p is p − tick(p − 1)."""
    if len(ladder) == 0:
        return 0.0
    day = math.floor(row_time / (1000000.0 if interval_s == 1.0 else 10000.0))
    start = ladder[0][0]
    for k in range(len(ladder)):
        if ladder[k][0] <= day:
            start = ladder[k][0]
    price = vi_price
    for _ in range(5):
        step = 0.0
        for k in range(len(ladder)):
            if ladder[k][0] == start and ladder[k][1] <= price - 1.0:
                step = ladder[k][2]
        price -= step
    return price

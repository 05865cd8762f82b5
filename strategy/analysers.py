"""The analysers of one-second rows (strategy-language 14.4; plain formulas in decision 45).

Written like strategy/oscillators.py: plain Python that Numba compiles where compiled code calls it. Each row is worked out
from the last ROWS rows of the day alone, so that a row after the other and all at once give the same.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

ROWS = 30
HALF = 10
LOW, MEDIUM, HIGH = 0.1, 0.5, 0.9
DETECTORS = 8.0


@register_jitable
def total(sizes: Any, i: int) -> float:
    """Return the size of the five levels of a side."""
    return sizes[0][i] + sizes[1][i] + sizes[2][i] + sizes[3][i] + sizes[4][i]


@register_jitable
def weighted(sizes: Any, i: int) -> float:
    """Return the size of a side, nearer levels counting more."""
    return 5.0 * sizes[0][i] + 4.0 * sizes[1][i] + 3.0 * sizes[2][i] + 2.0 * sizes[3][i] + sizes[4][i]


@register_jitable
def lean(bid: float, ask: float) -> float:
    """Return (bid − ask) / (bid + ask), 0 of nothing."""
    both = bid + ask
    return (bid - ask) / both if both > 0.0 else 0.0


@register_jitable
def share(part: float, whole: float, most: float) -> float:
    """Return part / whole between 0 and `most`, 0 of nothing."""
    return min(max(part / whole, 0.0), most) if whole > 0.0 else 0.0


@register_jitable
def leans(bids: Any, asks: Any, i0: int, i1: int) -> float:
    """Return the mean lean of the book over rows i0 … i1−1."""
    out = 0.0
    for i in range(i0, i1):
        out += lean(total(bids, i), total(asks, i))
    return out / (i1 - i0)


@register_jitable
def is_layered(sizes: Any, i: int, ratio: float) -> bool:
    """Tell whether the levels behind the best one hold `ratio` times its size on average, on each of the last three rows."""
    for row in range(i - 2, i + 1):
        best = sizes[0][row]
        if not (best > 0.0 and (total(sizes, row) - best) / 4.0 >= ratio * best):
            return False
    return True


@register_jitable
def is_spoofed(sizes: Any, against: Any, i: int, jump: float) -> bool:
    """Tell whether a side grew by a share from one row to the next and was gone again within three rows, hardly traded against."""
    for row in range(i - ROWS + 2, i - 2):
        before, there = total(sizes, row - 1), total(sizes, row)
        if before > 0.0 and there >= before * (1.0 + jump):
            traded = 0.0
            for later in range(row + 1, row + 4):
                traded += against[later]
                left = total(sizes, later)
                if left * (1.0 + jump) <= there and traded < 0.1 * (there - left):
                    return True
    return False


@register_jitable
def is_iceberg(prices: Any, sizes: Any, against: Any, i: int, ratio: float) -> bool:
    """Tell whether the best price held for ten rows while `ratio` times the size ever shown there was traded against it."""
    price, shown, traded = prices[0][i], 0.0, 0.0
    for row in range(i - HALF + 1, i + 1):
        if prices[0][row] != price:
            return False
        shown = max(shown, sizes[0][row])
        traded += against[row]
    return price > 0.0 and shown > 0.0 and traded >= ratio * shown


@register_jitable
def is_hunt(last: Any, i: int, percent: float) -> bool:
    """Tell whether the last ten rows went past an extreme of the twenty before by a share and the price is back within it."""
    low, high = last[i - ROWS + 1], last[i - ROWS + 1]
    for row in range(i - ROWS + 1, i - HALF + 1):
        low, high = min(low, last[row]), max(high, last[row])
    lowest, highest = last[i], last[i]
    for row in range(i - HALF + 1, i + 1):
        lowest, highest = min(lowest, last[row]), max(highest, last[row])
    below = lowest < low * (1.0 - percent / 100.0) and last[i] > low
    return below or (highest > high * (1.0 + percent / 100.0) and last[i] < high)


@register_jitable
def is_pump(last: Any, i: int, percent: float) -> bool:
    """Tell whether the price rose by a share within the rows and fell by it from there."""
    first, highest = last[i - ROWS + 1], last[i - ROWS + 1]
    for row in range(i - ROWS + 1, i + 1):
        highest = max(highest, last[row])
    return first > 0.0 and highest >= first * (1.0 + percent / 100.0) and last[i] <= highest * (1.0 - percent / 100.0)


@register_jitable
def deviation(last: Any, i: int) -> float:
    """Return the standard deviation of the last ROWS prices in per cent of their mean."""
    mean = 0.0
    for row in range(i - ROWS + 1, i + 1):
        mean += last[row]
    mean /= ROWS
    square = 0.0
    for row in range(i - ROWS + 1, i + 1):
        square += (last[row] - mean) * (last[row] - mean)
    return math.sqrt(square / ROWS) / mean * 100.0 if mean > 0.0 else 0.0


@register_jitable
def strength(sign: float, leaning: float, trend: float, ratio: float, near: float, best: float) -> float:
    """Return the strength of a side from what leans to the buyers; sign −1 is the sellers'."""
    out = 0.30 * (1.0 + sign * leaning) / 2.0 + 0.20 * (1.0 + sign * trend) / 2.0 + 0.20 * (1.0 + sign * ratio) / 2.0
    return out + 0.15 * (1.0 + sign * near) / 2.0 + 0.15 * best


@register_jitable
def depth_ratio(bid: float, ask: float) -> float:
    """Return ln(bid / ask) / ln 4 between −1 and 1; an empty side is the weakest."""
    if bid > 0.0 and ask > 0.0:
        return min(max(math.log(bid / ask) / math.log(4.0), -1.0), 1.0)
    return 1.0 if bid > 0.0 else -1.0 if ask > 0.0 else 0.0


@register_jitable
def fill_microstructure(
    last: Any, bought: Any, sold: Any,
    ask1: Any, ask2: Any, ask3: Any, ask4: Any, ask5: Any, bid1: Any, bid2: Any, bid3: Any, bid4: Any, bid5: Any,
    aq1: Any, aq2: Any, aq3: Any, aq4: Any, aq5: Any, bq1: Any, bq2: Any, bq3: Any, bq4: Any, bq5: Any,
    rows: Any, base: int, params: Any, lo: int, i0: int, i1: int,
) -> None:  # fmt: skip
    """Continue 시그널 (1 buy, −1 sell, 0 hold), 신뢰도 and 리스크; 0 until the day has ROWS rows."""
    signal, confidence, risk = rows[base], rows[base + 1], rows[base + 2]
    asks, bids = (aq1, aq2, aq3, aq4, aq5), (bq1, bq2, bq3, bq4, bq5)
    ask_prices, bid_prices = (ask1, ask2, ask3, ask4, ask5), (bid1, bid2, bid3, bid4, bid5)
    for i in range(i0, i1):
        signal[i], confidence[i], risk[i] = 0.0, 0.0, 0.0
        if i - lo < ROWS - 1:
            continue
        bid, ask = total(bids, i), total(asks, i)
        trend = leans(bids, asks, i - HALF + 1, i + 1) - leans(bids, asks, i - ROWS + 1, i - ROWS + HALF + 1)
        trend = min(max(trend, -1.0), 1.0)
        ratio, near = depth_ratio(bid, ask), lean(weighted(bids, i), weighted(asks, i))
        best_bid, best_ask = share(bq1[i], bid, 1.0), share(aq1[i], ask, 1.0)
        buyers = strength(1.0, lean(bid, ask), trend, ratio, near, best_bid)
        sellers = strength(-1.0, lean(bid, ask), trend, ratio, near, best_ask)
        if buyers > sellers + params[0]:
            signal[i] = 1.0
        elif sellers > buyers + params[0]:
            signal[i] = -1.0
        confidence[i] = min(abs(buyers - sellers), 1.0)
        found = 0.0
        found += is_layered(bids, i, params[1])
        found += is_layered(asks, i, params[1])
        found += is_spoofed(bids, sold, i, params[2])
        found += is_spoofed(asks, bought, i, params[2])
        found += is_iceberg(bid_prices, bids, sold, i, params[3])
        found += is_iceberg(ask_prices, asks, bought, i, params[3])
        found += is_hunt(last, i, params[4])
        found += is_pump(last, i, params[5])
        level = LOW if found < 0.25 * DETECTORS else MEDIUM if found < 0.5 * DETECTORS else HIGH
        depth = 0.0
        for k in range(5):
            depth += bid_prices[k][i] * bids[k][i] + ask_prices[k][i] * asks[k][i]
        thin = 1.0 - share(depth, params[7], 1.0)
        market = share(deviation(last, i), params[6], 1.0)
        risk[i] = 0.4 * market + 0.3 * (level + found / DETECTORS) / 2.0 + 0.3 * (thin + max(best_bid, best_ask)) / 2.0


@register_jitable
def fill_risk(
    last: Any, high: Any, low: Any, change: Any, traded: Any, power: Any, bought: Any, sold: Any,
    rows: Any, base: int, params: Any, lo: int, i0: int, i1: int,
) -> None:  # fmt: skip
    """Continue 리스크점수, 0 … 100; 0 until the day has ROWS rows."""
    score = rows[base]
    for i in range(i0, i1):
        score[i] = 0.0
        if i - lo < ROWS - 1:
            continue
        up, down, mean, value, buys, sells = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for row in range(i - 13, i + 1):
            step = last[row] - last[row - 1]
            up, down = up + max(step, 0.0), down + max(-step, 0.0)
        for row in range(i - ROWS + 1, i + 1):
            mean += last[row] / ROWS
            value += traded[row] / ROWS
            buys, sells = buys + bought[row], sells + sold[row]
        strength_index = up / (up + down) * 100.0 if up + down > 0.0 else 50.0
        points = 15.0 * min(max(abs(strength_index - 50.0) - 20.0, 0.0) / 20.0, 1.0)
        points += 15.0 * share(deviation(last, i), params[0], 1.0)
        away = abs(last[i] / mean - 1.0) * 100.0 if mean > 0.0 else 0.0
        points += 15.0 * share(away, params[1], 1.0)
        moved = abs(last[i] / last[i - HALF] - 1.0) * 100.0 if last[i - HALF] > 0.0 else 0.0
        points += 10.0 * share(moved, params[2], 1.0)
        points += 8.0 * share(share(traded[i], value, 1e9) - 1.0, params[3] - 1.0, 1.0)
        points += 12.0 * min(max(100.0 - power[i], 0.0) / 50.0, 1.0)
        points += 10.0 * min(max(share(sells, buys + sells, 1.0) - 0.5, 0.0) / 0.3, 1.0)
        points += 8.0 * share(last[i] - low[i], high[i] - low[i], 1.0)
        slope = math.atan2((change[i] - change[i - ROWS + 1]) * params[4], 1.0 * ROWS) * (180.0 / math.pi)
        points += 7.0 * min(abs(slope) / 45.0, 1.0)
        score[i] = min(points, 100.0)

"""The indicators of minute mode, a row at a time, equal to TA-Lib's over the day's rows.

Every function continues its outputs over rows i0 … i1−1 of the day that begins at row `lo`:
``fill_x(columns…, rows, base, params, lo, i0, i1)``. `rows` is `extremes`; its rows from `base` on are the
outputs in the order of `strategy/indicators.py`, then what the function keeps for itself. `params` are the
settings in the order of their keys. Before its first value an output is not a number.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from strategy.averages import TINY, fill_average, fill_ema
from strategy.series_sizes import QUEUE, SPARE


@register_jitable
def best_row(x: Any, rows: Any, spare: int, n: int, largest: bool, lo: int, i: int) -> int:
    """Add row i to a monotonic queue and return the row of the extreme of the last `n`, the latest of equals.

    ``rows[spare]`` holds the queue, the two below its head and tail after each row: amortised O(1).
    """
    queue, heads, tails = rows[spare], rows[spare + 1], rows[spare + 2]
    head = int(heads[i - 1]) if i > lo else 0
    tail = int(tails[i - 1]) if i > lo else 0
    while tail > head:
        last = x[int(queue[lo + tail - 1])]
        if (last > x[i]) if largest else (last < x[i]):
            break
        tail -= 1
    queue[lo + tail] = i
    tail += 1
    if int(queue[lo + head]) <= i - n:
        head += 1
    heads[i], tails[i] = head, tail
    return int(queue[lo + head])


# --- money flow ------------------------------------------------------------------------------------


@register_jitable
def fill_ad(close: Any, high: Any, low: Any, value: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue Chaikin's accumulation and distribution."""
    out = rows[base]
    for i in range(i0, i1):
        total = out[i - 1] if i > lo else 0.0
        width = high[i] - low[i]
        if width > 0.0:
            total += (((close[i] - low[i]) - (high[i] - close[i])) / width) * value[i]
        out[i] = total


@register_jitable
def fill_adosc(close: Any, high: Any, low: Any, value: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the oscillator of `fill_ad`: fast less slow exponential mean, both begun with the first value."""
    fast, slow = int(params[0]), int(params[1])
    first = lo + max(fast, slow) - 1
    out, ad, quick, late = rows[base], rows[base + 1], rows[base + 2], rows[base + 3]
    fill_ad(close, high, low, value, rows, base + 1, params, lo, i0, i1)
    k1, k2 = 2.0 / (fast + 1), 2.0 / (slow + 1)
    for i in range(i0, i1):
        quick[i] = k1 * ad[i] + (1.0 - k1) * quick[i - 1] if i > lo else ad[i]
        late[i] = k2 * ad[i] + (1.0 - k2) * late[i - 1] if i > lo else ad[i]
        out[i] = quick[i] - late[i] if i >= first else np.nan


@register_jitable
def fill_obv(close: Any, value: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue on-balance volume."""
    out = rows[base]
    for i in range(i0, i1):
        total = out[i - 1] if i > lo else value[i]
        if i > lo and close[i] > close[i - 1]:
            total += value[i]
        elif i > lo and close[i] < close[i - 1]:
            total -= value[i]
        out[i] = total


@register_jitable
def typical(close: Any, high: Any, low: Any, i: int) -> float:
    """Return the typical price of a bar."""
    return (high[i] + low[i] + close[i]) / 3.0


@register_jitable
def fill_mfi(close: Any, high: Any, low: Any, value: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the money flow index."""
    n = int(params[0])
    out, flow, up, down = rows[base], rows[base + 1], rows[base + 2], rows[base + 3]
    for i in range(i0, i1):
        flow[i] = up[i] = down[i] = 0.0
        out[i] = np.nan
        if i == lo:
            continue
        change = typical(close, high, low, i) - typical(close, high, low, i - 1)
        money = typical(close, high, low, i) * value[i]
        flow[i] = -money if change < 0.0 else money if change > 0.0 else 0.0
        gain, loss = up[i - 1], down[i - 1]
        if i - n > lo:
            gain -= max(flow[i - n], 0.0)
            loss -= max(-flow[i - n], 0.0)
        if flow[i] < 0.0:
            loss += money
        elif flow[i] > 0.0:
            gain += money
        up[i], down[i] = gain, loss
        if i - lo >= n:
            out[i] = 0.0 if gain + loss < 1.0 else 100.0 * (gain / (gain + loss))


# --- direction ---------------------------------------------------------------------------------------


@register_jitable
def true_range(close: Any, high: Any, low: Any, i: int) -> float:
    """Return the true range of bar i, which has one before it."""
    return max(max(high[i] - low[i], abs(high[i] - close[i - 1])), abs(low[i] - close[i - 1]))


@register_jitable
def fill_movement(close: Any, high: Any, low: Any, rows: Any, base: int, n: int, lo: int, i0: int, i1: int) -> None:
    """Continue Wilder's sums of down movement, up movement and true range in three rows from `base`; 0 before row 1."""
    minus, plus, ranges = rows[base], rows[base + 1], rows[base + 2]
    for i in range(i0, i1):
        minus[i] = plus[i] = ranges[i] = 0.0
        if i == lo:
            continue
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        fade = i - lo >= n  # the first n − 1 rows are only added up
        less = minus[i - 1] / n if fade else 0.0
        fewer = plus[i - 1] / n if fade else 0.0
        shorter = ranges[i - 1] / n if fade else 0.0
        minus[i] = minus[i - 1] - less
        plus[i] = plus[i - 1] - fewer
        ranges[i] = ranges[i - 1] - shorter + true_range(close, high, low, i)
        if down > 0.0 and up < down:
            minus[i] += down
        elif up > 0.0 and up > down:
            plus[i] += up


@register_jitable
def fill_di(close: Any, high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue −DI and +DI."""
    n = int(params[0])
    fill_movement(close, high, low, rows, base + 2, n, lo, i0, i1)
    ranges = rows[base + 4]
    for side in range(2):
        out, moves = rows[base + side], rows[base + 2 + side]
        for i in range(i0, i1):
            if i - lo < n:
                out[i] = np.nan
            elif n == 1:
                # Without smoothing the sums are the bar's own, and TA-Lib gives the plain fraction.
                up, down = high[i] - high[i - 1], low[i - 1] - low[i]
                width = true_range(close, high, low, i)
                moved = (down if down > 0.0 and up < down else 0.0) if side == 0 else (up if up > 0.0 and up > down else 0.0)
                out[i] = moved / width if abs(width) >= TINY else 0.0
            else:
                out[i] = 100.0 * (moves[i] / ranges[i]) if abs(ranges[i]) >= TINY else 0.0


@register_jitable
def fill_adxr(close: Any, high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the directional movement rating: the mean of ADX now and n − 1 rows ago."""
    n = int(params[0])
    out, adx, total = rows[base], rows[base + 1], rows[base + 2]
    fill_movement(close, high, low, rows, base + 3, n, lo, i0, i1)
    minus, plus, ranges = rows[base + 3], rows[base + 4], rows[base + 5]
    for i in range(i0, i1):
        row = i - lo
        adx[i] = out[i] = np.nan
        total[i] = total[i - 1] if row > n else 0.0
        dx = -1.0  # none
        if row >= n and abs(ranges[i]) >= TINY:
            down, up = 100.0 * (minus[i] / ranges[i]), 100.0 * (plus[i] / ranges[i])
            if abs(down + up) >= TINY:
                dx = 100.0 * (abs(down - up) / (down + up))
        if n <= row < 2 * n:
            total[i] += max(dx, 0.0)
        if row == 2 * n - 1:
            adx[i] = total[i] / n
        elif row >= 2 * n:
            adx[i] = (adx[i - 1] * (n - 1) + dx) / n if dx >= 0.0 else adx[i - 1]
        if row >= 3 * n - 2:
            out[i] = (adx[i] + adx[i - n + 1]) / 2.0


@register_jitable
def fill_aroon(high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue Aroon down and up: how lately the low and the high of the last n + 1 rows were."""
    n = int(params[0])
    factor = 100.0 / n
    down, up = rows[base], rows[base + 1]
    for i in range(i0, i1):
        lowest = best_row(low, rows, base + 2, n + 1, False, lo, i)
        highest = best_row(high, rows, base + 2 + QUEUE, n + 1, True, lo, i)
        down[i] = factor * (n - (i - lowest)) if i - lo >= n else np.nan
        up[i] = factor * (n - (i - highest)) if i - lo >= n else np.nan


@register_jitable
def fill_atr(close: Any, high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the average true range."""
    n = int(params[0])
    out, total = rows[base], rows[base + 1]
    for i in range(i0, i1):
        out[i] = np.nan
        total[i] = 0.0
        if i == lo:
            continue
        width = true_range(close, high, low, i)
        if i - lo <= n:
            total[i] = total[i - 1] + width
            if i - lo == n:
                out[i] = total[i] / n
        else:
            out[i] = (out[i - 1] * (n - 1) + width) / n


@register_jitable
def fill_sar(high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the parabolic stop and reverse; keeps stop, extreme point, factor and side for the next row."""
    most = params[1]
    start = min(params[0], most)
    out, stops, points, factors, sides = rows[base], rows[base + 1], rows[base + 2], rows[base + 3], rows[base + 4]
    for i in range(i0, i1):
        out[i] = np.nan
        stops[i] = points[i] = factors[i] = sides[i] = 0.0
        if i == lo:
            continue
        before = i - 1
        if i == lo + 1:
            up, down = high[i] - high[lo], low[lo] - low[i]
            is_long = not (down > 0.0 and up < down)
            point = high[i] if is_long else low[i]
            stop = low[lo] if is_long else high[lo]
            factor = start
            before = i
        else:
            is_long, point, stop, factor = sides[i - 1] > 0.0, points[i - 1], stops[i - 1], factors[i - 1]
        turned = low[i] <= stop if is_long else high[i] >= stop
        if turned:
            is_long = not is_long
            stop = min(min(point, low[before]), low[i]) if is_long else max(max(point, high[before]), high[i])
            out[i] = stop
            factor = start
            point = high[i] if is_long else low[i]
        else:
            out[i] = stop
            further = high[i] > point if is_long else low[i] < point
            if further:
                point = high[i] if is_long else low[i]
                factor = min(factor + start, most)
        stop = stop + factor * (point - stop)
        stop = min(min(stop, low[before]), low[i]) if is_long else max(max(stop, high[before]), high[i])
        stops[i], points[i], factors[i], sides[i] = stop, point, factor, 1.0 if is_long else -1.0


# --- averages and their differences --------------------------------------------------------------------


@register_jitable
def fill_difference(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int, percent: bool) -> None:
    """Continue fast less slow average, or that in per cent of the slow one."""
    fast, slow, kind = int(min(params[0], params[1])), int(max(params[0], params[1])), int(params[2])
    out, quick, late = rows[base], rows[base + 1], rows[base + 2]
    fill_average(close, rows, base + 1, base + 3, kind, fast, lo, i0, i1)
    fill_average(close, rows, base + 2, base + 3 + SPARE, kind, slow, lo, i0, i1)
    for i in range(i0, i1):
        if not percent:
            out[i] = quick[i] - late[i]
        else:
            out[i] = (quick[i] - late[i]) / late[i] * 100.0 if not abs(late[i]) < TINY else 0.0


@register_jitable
def fill_apo(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the absolute price oscillator."""
    fill_difference(close, rows, base, params, lo, i0, i1, False)


@register_jitable
def fill_ppo(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the percentage price oscillator."""
    fill_difference(close, rows, base, params, lo, i0, i1, True)


@register_jitable
def fill_macd(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue MACD, its signal and their difference; all begin with the signal."""
    fast, slow, n = int(min(params[0], params[1])), int(max(params[0], params[1])), int(params[2])
    line, signal, rest, whole = rows[base], rows[base + 1], rows[base + 2], rows[base + 5]
    quick, late = rows[base + 3], rows[base + 4]
    fill_ema(close, quick, fast, lo + slow - fast, i0, i1)  # begun late, so that both have their first value on one row
    fill_ema(close, late, slow, lo, i0, i1)
    for i in range(i0, i1):
        whole[i] = quick[i] - late[i]
    fill_ema(whole, signal, n, lo + slow - 1, i0, i1)
    first = lo + slow + n - 2
    for i in range(i0, i1):
        line[i] = whole[i] if i >= first else np.nan
        rest[i] = line[i] - signal[i]


@register_jitable
def fill_bbands(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue Bollinger's bands: an average and so many standard deviations above and below."""
    n, kind = int(params[0]), int(params[3])
    upper, middle, lower, squares, sums, same = rows[base], rows[base + 1], rows[base + 2], rows[base + 3], rows[base + 4], rows[base + 5]
    first = fill_average(close, rows, base + 1, base + 6, kind, n, lo, i0, i1)
    for i in range(i0, i1):
        # Sums of what the price is away from the day's first: small numbers, so little is lost. A flat window is exactly 0.
        away = close[i] - close[lo]
        square = away * away + (squares[i - 1] if i > lo else 0.0)
        total = away + (sums[i - 1] if i > lo else 0.0)
        same[i] = same[i - 1] + 1.0 if i > lo and close[i] == close[i - 1] else 1.0
        deviation = np.nan
        if i - lo >= n:
            gone = close[i - n] - close[lo]
            square -= gone * gone
            total -= gone
        if i >= first:
            mean = total / n
            deviation = 0.0 if same[i] >= n else math.sqrt(max(square / n - mean * mean, 0.0))
        squares[i], sums[i] = square, total
        upper[i] = middle[i] + deviation * params[1]
        lower[i] = middle[i] - deviation * params[2]


# --- momentum --------------------------------------------------------------------------------------------


@register_jitable
def fill_cci(close: Any, high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the commodity channel index; a mean deviation has no running form, so its n rows are gone through."""
    n = int(params[0])
    out, ring, same = rows[base], rows[base + 1], rows[base + 2]
    for i in range(i0, i1):
        ring[i] = typical(close, high, low, i)
        same[i] = same[i - 1] + 1.0 if i > lo and ring[i] == ring[i - 1] else 1.0
        out[i] = np.nan
        if i - lo < n - 1:
            continue
        if same[i] >= n:
            out[i] = 0.0  # a still price: nothing but rounding would be left
            continue
        turn = (i - lo + 1) % n  # the oldest row's place in TA-Lib's ring, which is added up from its place 0
        mean = 0.0
        for j in range(n):
            mean += ring[i - n + 1 + (j - turn) % n]
        mean /= n
        spread = 0.0
        for j in range(n):
            spread += abs(ring[i - n + 1 + (j - turn) % n] - mean)
        away = ring[i] - mean
        out[i] = away / (0.015 * (spread / n)) if away != 0.0 and spread != 0.0 else 0.0


@register_jitable
def fill_mom(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue momentum."""
    n = int(params[0])
    out = rows[base]
    for i in range(i0, i1):
        out[i] = close[i] - close[i - n] if i - lo >= n else np.nan


@register_jitable
def fill_roc(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the rate of change."""
    n = int(params[0])
    out = rows[base]
    for i in range(i0, i1):
        if i - lo < n:
            out[i] = np.nan
        else:
            out[i] = (close[i] / close[i - n] - 1.0) * 100.0 if close[i - n] != 0.0 else 0.0


@register_jitable
def fill_rsi(close: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the relative strength index."""
    n = int(params[0])
    out, gains, losses = rows[base], rows[base + 1], rows[base + 2]
    for i in range(i0, i1):
        out[i] = np.nan
        gains[i] = losses[i] = 0.0
        if i == lo:
            continue
        gain, loss = gains[i - 1], losses[i - 1]
        if i - lo > n:
            gain *= n - 1
            loss *= n - 1
        change = close[i] - close[i - 1]
        if change < 0.0:
            loss -= change
        else:
            gain += change
        if i - lo >= n:
            gain /= n
            loss /= n
            out[i] = 100.0 * (gain / (gain + loss)) if abs(gain + loss) >= TINY else 0.0
        gains[i], losses[i] = gain, loss


@register_jitable
def fill_raw_k(close: Any, high: Any, low: Any, rows: Any, out: int, spare: int, n: int, lo: int, i0: int, i1: int) -> None:
    """Continue where the close stands between the low and the high of the last `n` rows, in per cent."""
    raw = rows[out]
    for i in range(i0, i1):
        lowest = low[best_row(low, rows, spare, n, False, lo, i)]
        highest = high[best_row(high, rows, spare + QUEUE, n, True, lo, i)]
        width = (highest - lowest) / 100.0
        raw[i] = np.nan
        if i - lo >= n - 1:
            raw[i] = (close[i] - lowest) / width if width != 0.0 else 0.0


@register_jitable
def fill_stochs(close: Any, high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the slow stochastic; %K begins with %D."""
    n = int(params[0])
    k, d, raw, slow = rows[base], rows[base + 1], rows[base + 2], rows[base + 3]
    averages = base + 4 + 2 * QUEUE
    fill_raw_k(close, high, low, rows, base + 2, base + 4, n, lo, i0, i1)
    begin = fill_average(raw, rows, base + 3, averages, int(params[2]), int(params[1]), lo + n - 1, i0, i1)
    first = fill_average(slow, rows, base + 1, averages + SPARE, int(params[4]), int(params[3]), begin, i0, i1)
    for i in range(i0, i1):
        k[i] = slow[i] if i >= first else np.nan
        d[i] = d[i] if i >= first else np.nan


@register_jitable
def fill_stochf(close: Any, high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the fast stochastic; %K begins with %D."""
    n = int(params[0])
    k, raw = rows[base], rows[base + 2]
    fill_raw_k(close, high, low, rows, base + 2, base + 3, n, lo, i0, i1)
    first = fill_average(raw, rows, base + 1, base + 3 + 2 * QUEUE, int(params[2]), int(params[1]), lo + n - 1, i0, i1)
    for i in range(i0, i1):
        k[i] = raw[i] if i >= first else np.nan


@register_jitable
def fill_willr(close: Any, high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue Williams' %R."""
    n = int(params[0])
    out = rows[base]
    for i in range(i0, i1):
        lowest = low[best_row(low, rows, base + 1, n, False, lo, i)]
        highest = high[best_row(high, rows, base + 1 + QUEUE, n, True, lo, i)]
        width = (highest - lowest) / -100.0
        out[i] = np.nan
        if i - lo >= n - 1:
            out[i] = (highest - close[i]) / width if width != 0.0 else 0.0

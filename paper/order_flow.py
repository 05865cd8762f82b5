"""The made market's order flow, compiled: one instrument, one step of 200 ms.

The model, and where each stylised fact comes from:

- A fair value moves by a martingale whose variance is the product of a fast (4 min) and a slow (90 min)
  log-volatility and of the hour's profile: clustered volatility, fat tails, no memory in returns.
- Aggressive orders arrive self-excited (a Hawkes process, branching ratio 0.6) at a rate that shares
  the volatility's factor: volume goes with volatility, and comes in clusters.
- Their signs come from parent orders split into children with a power-law count: signs remember.
- They eat a real book of price levels; quotes follow the fair value, empty levels fill up again,
  filled ones are cancelled: spread and depth breathe, and prices move only because orders moved them.
- About every three minutes a burst begins with 20 to 40 s of one-sided, growing flow. Half of the
  bursts then run, half fail and give it back, so that seeing the build-up is no free money.

Nothing here knows of any strategy. Numbers are drawn from a generator of our own (splitmix64), so a
seed gives the same market on every system up to its libm.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from domain.records import FIRST, LAST, LEVEL, NO_ROW, PREV_CLOSE, SNAPSHOT, TOTAL, TRADE

STEP_NS = 200_000_000
FAST_S, FAST_AMP = 240.0, 0.60
SLOW_S, SLOW_AMP = 5400.0, 0.60
"""Time constants in seconds and standard deviations of the two log-volatility factors."""
GRID = 8192
HALF = GRID // 2
SNAPSHOT_LEVELS = 10
RESERVE = 4 * GRID
"""Records that one step of one instrument can need at most (a recentred book, twice)."""

# parameters of an instrument
P_STEP, P_DECIMALS, P_UNIT, P_LEVEL_QTY, P_QTY_STEP, P_RATE, P_SIGMA, P_LOW, P_HIGH, P_HALF_SPREAD, P_U_SHAPE = range(11)
P_SIZE = 11
# floating state
F_FAIR, F_FAST, F_SLOW, F_HAWKES, F_DRIFT, F_BIAS, F_BOOST = range(7)
F_SIZE = 7
# integer state
I_BID, I_ASK, I_BASE, I_TRADE_ID, I_UPDATE_ID, I_PHASE, I_PHASE_END, I_CHILDREN, I_SIGN, I_LAST, I_CHANGES, I_DIRECTION = range(12)
I_SIZE = 12

IDLE, BUILD, RUN, REST = range(4)

_njit = numba.njit(cache=True, nogil=True)


@_njit
def uniform(rng: np.ndarray) -> float:
    """Return the next number of the generator in (0, 1)."""
    rng[0] += np.uint64(0x9E3779B97F4A7C15)
    z = rng[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (np.float64(z >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@_njit
def normal(rng: np.ndarray) -> float:
    """Return a standard normal number (Box-Muller)."""
    radius = math.sqrt(-2.0 * math.log(uniform(rng)))
    return radius * math.cos(2.0 * math.pi * uniform(rng))


@_njit
def poisson(rng: np.ndarray, mean: float) -> int:
    """Return a Poisson number; `mean` is small here (Knuth's product)."""
    limit = math.exp(-min(mean, 20.0))
    count = 0
    product = uniform(rng)
    while product > limit and count < 64:
        count += 1
        product *= uniform(rng)
    return count


@_njit
def profile(second_of_day: float, u_shape: float) -> float:
    """Return the hour's factor of activity: a U over a stock session, a soft daily wave for coins."""
    if u_shape > 0.0:
        x = (second_of_day - 32_400.0) / 23_400.0
        x = min(max(x, 0.0), 1.0)
        return 0.55 + 1.6 * math.exp(-x * 9.0) + 0.9 * math.exp(-(1.0 - x) * 9.0)
    return 1.0 + 0.35 * math.cos(2.0 * math.pi * (second_of_day / 3600.0 - 14.5) / 24.0)


@_njit
def _touch(changed: np.ndarray, istate: np.ndarray, side: int, tick: int) -> None:
    n = istate[I_CHANGES]
    if n < changed.shape[0]:
        changed[n, 0] = side
        changed[n, 1] = tick
        istate[I_CHANGES] = n + 1


@_njit
def _target(p: np.ndarray, distance: int) -> float:
    """Return the level size that the crowd keeps at a distance from the touch: humped, then fading."""
    k = distance / p[P_UNIT]
    return p[P_LEVEL_QTY] * (0.55 + 0.9 * (k / 3.0) * math.exp(1.0 - k / 3.0))


@_njit
def _lots(p: np.ndarray, qty: float) -> int:
    """Return `qty` rounded to whole steps of at least one, in units."""
    step = p[P_QTY_STEP]
    return np.int64(max(math.floor(qty / step), 1.0)) * np.int64(step)


@_njit
def _next_bid(grid: np.ndarray, istate: np.ndarray) -> None:
    base = istate[I_BASE]
    k = istate[I_BID] - base
    while k >= 0 and grid[0, k] == 0:
        k -= 1
    istate[I_BID] = base + k


@_njit
def _next_ask(grid: np.ndarray, istate: np.ndarray) -> None:
    base = istate[I_BASE]
    k = istate[I_ASK] - base
    while k < GRID and grid[1, k] == 0:
        k += 1
    istate[I_ASK] = base + k


@_njit
def _add(p, rng, grid, istate, changed, side, tick, qty):  # type: ignore[no-untyped-def]
    """Rest `qty` at `tick`; one that would cross is placed one step short of the other side."""
    tick = min(tick, istate[I_ASK] - 1) if side == 0 else max(tick, istate[I_BID] + 1)
    k = tick - istate[I_BASE]
    if k < 0 or k >= GRID:
        return
    grid[side, k] += qty
    if side == 0 and tick > istate[I_BID]:
        istate[I_BID] = tick
    if side == 1 and tick < istate[I_ASK]:
        istate[I_ASK] = tick
    _touch(changed, istate, side, tick)


@_njit
def _remove(grid, istate, changed, side, tick, qty):  # type: ignore[no-untyped-def]
    k = tick - istate[I_BASE]
    left = grid[side, k] - qty
    grid[side, k] = left if left > 0 else 0
    _touch(changed, istate, side, tick)
    if grid[side, k] == 0:
        if side == 0 and tick == istate[I_BID]:
            _next_bid(grid, istate)
        elif side == 1 and tick == istate[I_ASK]:
            _next_ask(grid, istate)


@_njit
def _refill(p, grid, istate, changed, side, last):  # type: ignore[no-untyped-def]
    """Let the crowd return one unit beyond tick `last` when a side has run empty."""
    touch = istate[I_BID] if side == 0 else istate[I_ASK]
    if 0 <= touch - istate[I_BASE] < GRID:
        return
    back = last - np.int64(p[P_UNIT] + 1) if side == 0 else last + np.int64(p[P_UNIT] + 1)
    back = min(max(back, istate[I_BASE]), istate[I_BASE] + GRID - 1)
    grid[side, back - istate[I_BASE]] = _lots(p, p[P_LEVEL_QTY])
    _touch(changed, istate, side, back)
    if side == 0:
        istate[I_BID] = back
    else:
        istate[I_ASK] = back


@_njit
def fill_book(p, rng, grid, istate, centre):  # type: ignore[no-untyped-def]
    """Build a fresh book around tick `centre`."""
    grid[:, :] = 0
    istate[I_BASE] = centre - HALF
    unit = np.int64(p[P_UNIT])
    istate[I_BID] = centre - max(np.int64(p[P_HALF_SPREAD]), 1)
    istate[I_ASK] = centre + max(np.int64(p[P_HALF_SPREAD]), 1)
    for k in range(16):
        gap = k * unit + (np.int64(uniform(rng) * unit) if k > 0 else 0)
        size = _target(p, k * unit) * (0.6 + 0.8 * uniform(rng))
        grid[0, istate[I_BID] - gap - istate[I_BASE]] += _lots(p, size)
        size = _target(p, k * unit) * (0.6 + 0.8 * uniform(rng))
        grid[1, istate[I_ASK] + gap - istate[I_BASE]] += _lots(p, size)


@_njit
def _recentre(p, grid, istate, changed):  # type: ignore[no-untyped-def]
    """Move the window of price levels when the touch nears its edge; what falls far off is cancelled."""
    middle = (istate[I_BID] + istate[I_ASK]) // 2
    shift = middle - (istate[I_BASE] + HALF)
    if abs(shift) < 900:
        return
    reach = np.int64(20.0 * p[P_UNIT])
    for side in range(2):
        for k in range(GRID):
            tick = istate[I_BASE] + k
            if grid[side, k] > 0 and abs(tick - middle) > reach:
                grid[side, k] = 0
                _touch(changed, istate, side, tick)
    for side in range(2):
        if shift > 0:
            for k in range(GRID - shift):
                grid[side, k] = grid[side, k + shift]
            for k in range(max(GRID - shift, 0), GRID):
                grid[side, k] = 0
        else:
            for k in range(GRID - 1, -shift - 1, -1):
                grid[side, k] = grid[side, k + shift]
            for k in range(-shift):
                grid[side, k] = 0
    istate[I_BASE] += shift


@_njit
def price_of(p: np.ndarray, tick: int) -> float:
    """Return the price of a tick number, as the float64 nearest to its decimal text."""
    scale = 10.0 ** p[P_DECIMALS]
    return np.rint(tick * p[P_STEP] * scale) / scale


@_njit
def _write(buf, n, exchange_ns, instrument, kind, flags, side, price, qty, first_id, last_id):  # type: ignore[no-untyped-def]
    row = buf[n]
    row.exchange_ns = exchange_ns
    row.received_ns = exchange_ns + 1_500_000
    row.seq = 0
    row.first_id = first_id
    row.last_id = last_id
    row.price = price
    row.qty = qty
    row.instrument = instrument
    row.kind = kind
    row.flags = flags
    row.side = side
    row.pad = 0
    return n + 1


@_njit
def _market_order(p, rng, grid, istate, changed, buf, n, t, instrument, sign, qty):  # type: ignore[no-untyped-def]
    """Let an aggressive order eat up to six levels of the other side; one trade per level."""
    side = 1 if sign > 0 else 0
    left = qty
    for _ in range(6):
        tick = istate[I_ASK] if sign > 0 else istate[I_BID]
        k = tick - istate[I_BASE]
        if left <= 0 or k < 0 or k >= GRID:
            break
        take = min(left, grid[side, k])
        if take > 0:
            istate[I_TRADE_ID] += 1
            istate[I_LAST] = tick
            n = _write(buf, n, t, instrument, TRADE, 0, sign, price_of(p, tick), take, istate[I_TRADE_ID], istate[I_TRADE_ID])
            left -= take
        _remove(grid, istate, changed, side, tick, take)
        _refill(p, grid, istate, changed, side, tick)
    return n


@_njit
def _burst(rng, fstate, istate, now_s):  # type: ignore[no-untyped-def]
    """Walk the burst's phases: idle, build-up, run (or failure), rest."""
    if now_s < istate[I_PHASE_END]:
        return
    phase = istate[I_PHASE]
    if phase == IDLE:
        istate[I_PHASE] = BUILD
        istate[I_DIRECTION] = 1 if uniform(rng) < 0.65 else -1
        istate[I_PHASE_END] = now_s + 20 + np.int64(uniform(rng) * 20)
        fstate[F_BIAS] = 0.65 * istate[I_DIRECTION]
        fstate[F_BOOST] = 2.2
        fstate[F_DRIFT] = istate[I_DIRECTION] * 2.5e-5
    elif phase == BUILD:
        seconds = 10 + np.int64(uniform(rng) * 25)
        move = 0.0015 + 0.0045 * uniform(rng) ** 2
        succeeds = uniform(rng) < 0.5
        istate[I_PHASE] = RUN
        istate[I_PHASE_END] = now_s + seconds
        direction = istate[I_DIRECTION] if succeeds else -istate[I_DIRECTION]
        fstate[F_DRIFT] = direction * (move if succeeds else 0.4 * move) / seconds
        fstate[F_BIAS] = 0.75 * direction
        fstate[F_BOOST] = 4.5 if succeeds else 2.0
    elif phase == RUN:
        istate[I_PHASE] = REST
        istate[I_PHASE_END] = now_s + 15 + np.int64(uniform(rng) * 30)
        fstate[F_DRIFT] = 0.0
        fstate[F_BIAS] = 0.0
        fstate[F_BOOST] = 1.5
    else:
        istate[I_PHASE] = IDLE
        istate[I_PHASE_END] = now_s + 20 + np.int64(-95.0 * math.log(uniform(rng)))
        fstate[F_BOOST] = 1.0


@_njit
def _quotes(p, rng, grid, istate, changed, fair, activity):  # type: ignore[no-untyped-def]
    """Limit and cancel flow: quotes follow the fair value, levels drift to the size the crowd keeps."""
    half = p[P_HALF_SPREAD]
    unit = np.int64(p[P_UNIT])
    for side in range(2):
        sign = 1 if side == 0 else -1
        touch = istate[I_BID] if side == 0 else istate[I_ASK]
        edge = fair - sign * half
        room = sign * (edge - touch)
        if room >= 1.0 and uniform(rng) < 0.40 + 0.4 * min(room / (4.0 * unit + 1.0), 1.0):
            better = touch + sign * (1 + np.int64(uniform(rng) * room))
            _add(p, rng, grid, istate, changed, side, better, _lots(p, p[P_LEVEL_QTY] * (0.15 + 0.5 * uniform(rng))))
        elif sign * (fair - touch) < 0.4 * half - 0.5 and uniform(rng) < 0.8:
            # Whoever quotes on the wrong side of the fair value pulls out, level by level, fast.
            for _level in range(40):
                touch = istate[I_BID] if side == 0 else istate[I_ASK]
                if sign * (fair - touch) >= 0.7 * half - 0.5:
                    break
                _remove(grid, istate, changed, side, touch, grid[side, touch - istate[I_BASE]])
                _refill(p, grid, istate, changed, side, touch)
    for _ in range(poisson(rng, 1.0 * activity)):
        side = 0 if uniform(rng) < 0.5 else 1
        touch = istate[I_BID] if side == 0 else istate[I_ASK]
        level = min(np.int64(-3.2 * math.log(uniform(rng))), 15)
        gap = level * unit + (np.int64(uniform(rng) * unit) if level > 0 else 0)
        tick = touch - gap if side == 0 else touch + gap
        k = tick - istate[I_BASE]
        if tick < 1 or k < 0 or k >= GRID:
            continue
        here = grid[side, k]
        wanted = _target(p, gap) * math.exp(0.55 * normal(rng) - 0.15)
        if here < wanted:
            _add(p, rng, grid, istate, changed, side, tick, _lots(p, (wanted - here) * (0.2 + 0.6 * uniform(rng))))
        elif here > 0:
            _remove(grid, istate, changed, side, tick, _lots(p, (here - wanted) * (0.2 + 0.5 * uniform(rng))))
            _refill(p, grid, istate, changed, side, tick)


@_njit
def write_book(p, grid, istate, buf, n, t, instrument, depth, with_totals, flags_last, first_id, last_id):  # type: ignore[no-untyped-def]
    """Write the best `depth` levels of both sides as one snapshot, with its totals where the venue publishes them."""
    ask_total = 0
    bid_total = 0
    started = False
    for side in (1, 0):
        k = (istate[I_ASK] if side == 1 else istate[I_BID]) - istate[I_BASE]
        found = 0
        while found < depth and 0 <= k < GRID:
            qty = grid[side, k]
            if qty > 0:
                tick = istate[I_BASE] + k
                n = _write(
                    buf,
                    n,
                    t,
                    instrument,
                    SNAPSHOT,
                    0 if started else FIRST,
                    1 if side == 0 else -1,
                    price_of(p, tick),
                    qty,
                    first_id,
                    last_id,
                )
                started = True
                found += 1
                if side == 1:
                    ask_total += qty
                else:
                    bid_total += qty
            k += 1 if side == 1 else -1
    if not with_totals:
        buf[n - 1].flags |= LAST | flags_last
        return n
    n = _write(buf, n, t, instrument, TOTAL, 0, -1, ask_total / 1e8, 0, first_id, last_id)
    return _write(buf, n, t, instrument, TOTAL, LAST | flags_last, 1, bid_total / 1e8, 0, first_id, last_id)


@_njit
def _write_changes(p, grid, istate, changed, buf, n, t, instrument):  # type: ignore[no-untyped-def]
    """Write the changed levels as one delta; ids advance by one per change, as a venue's do."""
    count = istate[I_CHANGES]
    first_id = istate[I_UPDATE_ID] + 1
    istate[I_UPDATE_ID] += count
    last_id = istate[I_UPDATE_ID]
    for j in range(count):
        side, tick = changed[j, 0], changed[j, 1]
        k = tick - istate[I_BASE]
        qty = grid[side, k] if 0 <= k < GRID else 0
        flags = (FIRST if j == 0 else 0) | (LAST if j == count - 1 else 0)
        n = _write(buf, n, t, instrument, LEVEL, flags, 1 if side == 0 else -1, price_of(p, tick), qty, first_id, last_id)
    return n


@_njit
def _step(p, fstate, istate, grid, rng, changed, buf, n, t, slot_ns, instrument, second_of_day, now_s, is_delta):  # type: ignore[no-untyped-def]
    """Advance one instrument by one step; its events lie in [t, t + slot_ns)."""
    dt = STEP_NS * 1e-9
    _burst(rng, fstate, istate, now_s)
    fstate[F_FAST] += -fstate[F_FAST] * dt / FAST_S + FAST_AMP * math.sqrt(2.0 * dt / FAST_S) * normal(rng)
    fstate[F_SLOW] += -fstate[F_SLOW] * dt / SLOW_S + SLOW_AMP * math.sqrt(2.0 * dt / SLOW_S) * normal(rng)
    clustered = math.exp(fstate[F_FAST] + fstate[F_SLOW] - 0.5 * (FAST_AMP**2 + SLOW_AMP**2))
    activity = clustered * profile(second_of_day, p[P_U_SHAPE])
    fair = fstate[F_FAIR]
    fair *= math.exp(p[P_SIGMA] * math.sqrt(activity * dt) * normal(rng) + fstate[F_DRIFT] * dt)
    if fair < p[P_LOW]:
        fair = p[P_LOW] + 0.5 * (p[P_LOW] - fair)
    elif fair > p[P_HIGH]:
        fair = p[P_HIGH] - 0.5 * (fair - p[P_HIGH])
    fstate[F_FAIR] = fair

    istate[I_CHANGES] = 0
    _recentre(p, grid, istate, changed)
    rate = p[P_RATE] * activity * fstate[F_BOOST] + fstate[F_HAWKES]
    fstate[F_HAWKES] *= math.exp(-0.5 * dt)
    orders = poisson(rng, rate * dt)
    for j in range(orders):
        fstate[F_HAWKES] += 0.30
        middle = 0.5 * (istate[I_BID] + istate[I_ASK])
        if istate[I_CHILDREN] <= 0:
            pull = math.tanh((fair - middle) / (1.5 * p[P_UNIT] + 1.0))
            chance = 0.5 + 0.5 * max(min(0.62 * pull + fstate[F_BIAS], 0.97), -0.97)
            istate[I_SIGN] = 1 if uniform(rng) < chance else -1
            istate[I_CHILDREN] = np.int64(min(uniform(rng) ** (-1.0 / 1.5), 400.0))
        istate[I_CHILDREN] -= 1
        sign = istate[I_SIGN]
        if uniform(rng) < 0.22:
            sign = 1 if uniform(rng) < 0.5 + 0.35 * fstate[F_BIAS] else -1
        size = 0.035 * p[P_LEVEL_QTY] * math.exp(1.1 * normal(rng))
        if uniform(rng) < 0.015:
            size *= uniform(rng) ** (-1.0 / 1.4)
        size = min(size, 4.0 * p[P_LEVEL_QTY])
        at = t + slot_ns * (j + 1) // (orders + 2)
        n = _market_order(p, rng, grid, istate, changed, buf, n, at, instrument, sign, _lots(p, size))
    _quotes(p, rng, grid, istate, changed, fair, math.sqrt(activity * fstate[F_BOOST]))
    if istate[I_CHANGES] > 0:
        at = t + slot_ns - 1
        if is_delta:
            n = _write_changes(p, grid, istate, changed, buf, n, at, instrument)
        else:
            istate[I_UPDATE_ID] += 1
            n = write_book(p, grid, istate, buf, n, at, instrument, SNAPSHOT_LEVELS, True, 0, istate[I_UPDATE_ID], istate[I_UPDATE_ID])
    return n


@_njit
def open_day(p, istate, grid, buf, n, t, instrument, previous_close, is_delta):  # type: ignore[no-untyped-def]
    """Write the previous close and, where the venue sends deltas, the snapshot that they join."""
    n = _write(buf, n, t, instrument, PREV_CLOSE, 0, 0, previous_close, 0, 0, 0)
    if is_delta:
        n = write_book(p, grid, istate, buf, n, t, instrument, GRID, False, NO_ROW, istate[I_UPDATE_ID], istate[I_UPDATE_ID])
    return n


@_njit
def run(params, fstates, istates, grids, rngs, changed, buf, start_ns, end_ns, zone_s, is_delta):  # type: ignore[no-untyped-def]
    """Advance all instruments from `start_ns` to `end_ns`, as far as the buffer reaches.

    Returns
    -------
    (int, int)
        Records written, and the time reached (a whole step).
    """
    count = params.shape[0]
    slot = STEP_NS // count
    n = 0
    t = start_ns
    while t < end_ns and n + count * 512 + RESERVE < buf.shape[0]:
        now_s = t // 1_000_000_000
        second = (now_s + zone_s) % 86_400
        for s in range(count):
            n = _step(
                params[s], fstates[s], istates[s], grids[s], rngs[s], changed, buf, n, t + s * slot, slot, s, float(second), now_s, is_delta
            )
        t += STEP_NS
    return n, t

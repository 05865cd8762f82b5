"""The band of prices in which a held position is left alone, for sell texts whose bounds move with 최고수익률 and 최저수익률.

As `backtester/kernel.py`: what stands below the LOOP line is joined, as text, to the functions of a strategy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

FOLLOWS_MAX, FOLLOWS_MIN = False, False


@njit(nogil=True)
def hold_bounds(variables: Any, position: Any, bounds: Any) -> None:
    """Stand-in: no bounds."""


# === LOOP ===
from backtester.skip import LINE_ERROR, LINE_PRICE, LINE_RETURN, LINE_SLOPE, price_band  # noqa: E402
from trading.position_vars import MAX_RETURN_PCT, MIN_RETURN_PCT, POSITION_SIDE  # noqa: E402

ROOM_SHARE, ROOM_MAX = 0.25, 1e6
"""How far the extremes of a position may move before its band is made anew: of the way to a bound; per cent."""


@njit(_nrt=False, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def followed_band(variables, position, bounds, line, top, bottom, share):  # type: ignore[no-untyped-def]
    """Return (low, high) of a position whose highest and lowest price so far are `top` and `bottom`.

    The band is right as long as 최고수익률 rises, and 최저수익률 falls, by no more than a share of what lies between them and the bounds:
    else every new high would ask for a new band. They are taken from the line and its error; a bound is a straight line in
    them, so that the one that holds lies between those at both ends.
    """
    sign, error = position[POSITION_SIDE], line[LINE_ERROR]
    best, worst = (top, bottom) if sign > 0.0 else (bottom, top)
    most = line[LINE_RETURN] + (best - line[LINE_PRICE]) * line[LINE_SLOPE]
    least = line[LINE_RETURN] + (worst - line[LINE_PRICE]) * line[LINE_SLOPE]
    bounds[0], bounds[1], bounds[2] = np.inf, -np.inf, np.inf
    position[MAX_RETURN_PCT], position[MIN_RETURN_PCT] = most - error, least + error
    hold_bounds(variables, position, bounds)
    room = np.inf
    if FOLLOWS_MAX:
        room = min(room, most - bounds[1])
    if FOLLOWS_MIN:
        room = min(room, bounds[0] - least)
    room = min(max(room, 0.0), ROOM_MAX) * share + 8.0 * error  # twice what `price_band` takes off again
    position[MAX_RETURN_PCT], position[MIN_RETURN_PCT] = most + room, least - room
    hold_bounds(variables, position, bounds)
    up = min(bounds[0], most + room) if FOLLOWS_MAX else bounds[0]
    down = max(bounds[1], least - room) if FOLLOWS_MIN else bounds[1]
    return price_band(line, up, down)


@njit(_nrt=False, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def seen_band(variables, position, bounds, line):  # type: ignore[no-untyped-def]
    """Return (low, high) of a position whose 최고수익률 and 최저수익률 are known; a row that could move them lies outside."""
    bounds[0], bounds[1], bounds[2] = np.inf, -np.inf, np.inf
    hold_bounds(variables, position, bounds)
    up = min(bounds[0], position[MAX_RETURN_PCT]) if FOLLOWS_MAX else bounds[0]
    down = max(bounds[1], position[MIN_RETURN_PCT]) if FOLLOWS_MIN else bounds[1]
    return price_band(line, up, down)

"""Series of several days at once, for hosts that have the days.

Wilder's averages are a chain: each row's is the one before times n − 1, plus what is new, over n. Nothing shortens it without other
bits, and a processor waits some twenty cycles on each row. Days have nothing to do with each other, though: LANES of them are
walked side by side, and the waiting of one is the work of the others. The numbers are those of `strategy/oscillators.py`, bit for bit.

A function is ``x_abreast(columns…, blocks, b0, side, first, tile, params)``: it writes the output of the days in rows b0, b0 + 1 … of
`blocks` (first row of the column, row after the last) into the rows from `first` on of `side`.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategy.averages import TINY
from strategy.program import Program
from strategy.series import ABREAST

LANES = 16
TILE = 64
"""Rows of each day that are taken at a time: two tiles stay in the nearest cache."""
PRICES, RESULTS, GAINS, LOSSES = 1, TILE + 2, 2 * TILE + 2, 2 * TILE + 3
MEMORY = 2 * TILE + 4
"""Layout of the rows of `tile`: what the host remembers, prices (of the row before, then of TILE rows), results, two averages."""
_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "cache": True}


def make_tile() -> NDArray[np.float64]:
    """Return the memory of these functions."""
    return np.zeros((MEMORY, LANES))


@njit(**_OPTIONS)
def load_tile(column, blocks, b0, r0, tile):  # type: ignore[no-untyped-def]
    """Bring rows r0 … r0+TILE−1 of each day side by side, after the last row of the tile before; past a day's end stand zeros."""
    for k in range(LANES):
        tile[PRICES, k] = tile[PRICES + TILE, k]
        rows = 0
        if b0 + k < len(blocks):
            lo, hi = blocks[b0 + k, 0] + r0, blocks[b0 + k, 1]
            rows = min(max(hi - lo, 0), TILE)
            part = column[lo : lo + rows]
            for r in range(rows):
                tile[PRICES + 1 + r, k] = part[r]
        for r in range(rows, TILE):
            tile[PRICES + 1 + r, k] = 0.0


@njit(**_OPTIONS)
def store_tile(tile, blocks, b0, r0, first, side, begin):  # type: ignore[no-untyped-def]
    """Write the tile's results where each day has rows; not a number before row `begin` of the day."""
    for k in range(min(LANES, len(blocks) - b0)):
        part = side[first + k, r0 : min(r0 + TILE, blocks[b0 + k, 1] - blocks[b0 + k, 0])]
        for r in range(len(part)):
            part[r] = tile[RESULTS + r, k] if r0 + r >= begin else np.nan


@njit(**_OPTIONS)
def rsi_tile(tile, r0, n):  # type: ignore[no-untyped-def]
    """Continue `fill_rsi` over the rows of a tile."""
    gains, losses = tile[GAINS], tile[LOSSES]
    for r in range(1 if r0 == 0 else 0, TILE):  # a day's first row has none before it
        keep = float(n - 1) if r0 + r > n else 1.0
        parts = float(n) if r0 + r >= n else 1.0
        before, now, out = tile[PRICES + r], tile[PRICES + 1 + r], tile[RESULTS + r]
        for k in range(LANES):
            change = now[k] - before[k]
            fell = change < 0.0
            gain = (gains[k] * keep + (0.0 if fell else change)) / parts
            loss = (losses[k] * keep + (-change if fell else 0.0)) / parts
            gains[k], losses[k] = gain, loss
            both = gain + loss
            out[k] = 100.0 * (gain / both) if abs(both) >= TINY else 0.0


@njit(**_OPTIONS)
def rsi_abreast(close, blocks, b0, side, first, tile, params):  # type: ignore[no-untyped-def]
    """Write the relative strength index of the days from row b0 of `blocks`."""
    n, longest = int(params[0]), 0
    for k in range(min(LANES, len(blocks) - b0)):
        longest = max(longest, blocks[b0 + k, 1] - blocks[b0 + k, 0])
    tile[GAINS] = 0.0
    tile[LOSSES] = 0.0
    for r0 in range(0, longest, TILE):
        load_tile(close, blocks, b0, r0, tile)
        rsi_tile(tile, r0, n)
        store_tile(tile, blocks, b0, r0, first, side, n)


@njit(**_OPTIONS)
def take_lane(side, row, extremes, base, i0, i1):  # type: ignore[no-untyped-def]
    """Copy rows i0 … i1−1 of a day's output to where a step reads it."""
    source, target = side[row, i0:i1], extremes[base, i0:i1]
    for i in range(len(target)):
        target[i] = source[i]


_HEAD = """@njit(_nrt=False, nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def fill_abreast(windows, columns, blocks, b, extremes, side, tile, i0, i1):
"""
NO_ABREAST = f"{_HEAD}    pass\n\n\nN_ABREAST, LANES, HAS_ABREAST = 0, {LANES}, False\n"
"""For a strategy without such series."""


def abreast_text(program: Program) -> str:
    """Return the text of ``fill_abreast(windows, columns, blocks, b, extremes, side, tile, i0, i1)`` for the loop of a program.

    It makes the outputs of rows i0 … i1−1 of day b, those of the days beside it on the first call. Constants N_ABREAST, LANES and
    HAS_ABREAST.
    """
    fill: list[str] = []
    take: list[str] = []
    names: set[str] = set()
    for feature, (function, base, place) in program.series.items():
        if not function.abreast:
            continue
        names.add(function.abreast)
        row = len(take) // 2 * LANES
        taken = ", ".join(f"columns[{program.columns.index(key)}]" for key in program.series_columns(function))
        fill += [
            f"        if windows[{place}] == {ABREAST}:",
            f"            params = windows[{place + 1} : {place + 1 + len(feature.settings)}].view(np.float64)",
            f"            {function.abreast}({taken}, blocks, b - lane, side, zero + {row}, tile, params)",
        ]
        take += [
            f"    if windows[{place}] == {ABREAST}:",
            f"        take_lane(side, zero + {row} + lane, extremes, zero + {base}, i0, i1)",
        ]
    if not take:
        return NO_ABREAST
    head = f"from strategy.abreast import {', '.join(sorted(names))}, take_lane\n\n{_HEAD}"
    lines = ["    zero = i0 - i0", f"    lane = b % {LANES}", "    if tile[0, 0] != b - lane + 1:", "        tile[0, 0] = b - lane + 1"]
    return head + "\n".join([*lines, *fill, *take, "", "", f"N_ABREAST, LANES, HAS_ABREAST = {len(take) // 2}, {LANES}, True", ""])


def abreast_places(program: Program) -> tuple[slice, ...]:
    """Return where a parameter set's windows say how such a series is set."""
    found = [(place, len(feature.settings)) for feature, (function, _, place) in program.series.items() if function.abreast]
    return tuple(slice(place, place + 1 + settings) for place, settings in found)


def warm() -> None:
    """Compile everything here with the types production uses."""
    blocks, side = np.array([[0, 1]], dtype=np.int64), np.zeros((LANES, 1))
    rsi_abreast(np.ones(1), blocks, 0, side, 0, make_tile(), np.array([14.0]))
    take_lane(side, 0, np.zeros((1, 1)), 0, 0, 1)

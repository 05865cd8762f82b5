"""Runs over more rows than memory holds: a few symbol-days are mapped, evaluated and let go of, then the next few.

What leaves is what a run over rows mapped whole gives, to the bit: blocks are independent of each other, trades carry the
numbers of the whole run, and the trades of a set stand in the order of the blocks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtester import kernel
from backtester.books import moved_book
from backtester.executors.base import Stop, StoppedError
from backtester.halting import with_halts
from domain.intervals import day_unit

if TYPE_CHECKING:
    from backtester.engine import Engine, Prepared, Result

CHUNK_SECONDS = 30.0
"""A question over such rows takes about this long, because each reads all of them; a stop is heard between two windows."""


def stays_whole(prepared: Prepared) -> bool:
    """Tell whether rows depend on others far away in the files, so that they can be cut neither into windows nor into shards.

    A model of slippage looks at a symbol's earlier days; positions in daily bars are held from day to day; where an account's limits
    count, the symbols of a day take turns.
    """
    together = prepared.managed is not None and prepared.managed.by_day
    return bool(prepared.options.slippage_model) or prepared.holds_days or together


def windows(blocks: NDArray[np.int64], rows: int) -> Iterator[tuple[int, int]]:
    """Return (first block, block after the last) of spans of at most `rows` rows, or of one block that is longer."""
    first = 0
    while first < len(blocks):
        last = first + 1
        while last < len(blocks) and blocks[last, kernel.BLOCK_HI] - blocks[first, kernel.BLOCK_LO] <= rows:
            last += 1
        yield first, last
        first = last


def near(prepared: Prepared, first: int, last: int) -> tuple[Prepared, int]:
    """Return the run of blocks `first` … `last` − 1 with their rows mapped, and the row of the whole run where they begin."""
    blocks = prepared.blocks[first:last].copy()
    begin, end = int(blocks[:, kernel.BLOCK_LO].min()), int(blocks[:, kernel.BLOCK_HI].max())
    blocks[:, [kernel.BLOCK_LO, kernel.BLOCK_HI]] -= begin
    row_time = np.array(prepared.row_time[begin:end])
    row_time.flags.writeable = False  # as mapped columns are: one machine code serves both

    def cut(column: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.ascontiguousarray(np.asarray(column[begin:end], dtype=np.float64).view(np.ndarray))[:]
        out.flags.writeable = False
        return out

    # One file is mapped once, however many places of the run it stands in.
    mapped = {id(column): cut(column) for column in (*prepared.inputs, *prepared.book, prepared.last, prepared.universe)}
    book, last_price = tuple(mapped[id(column)] for column in prepared.book), mapped[id(prepared.last)]
    symbols = prepared.symbols[first:last]
    days = row_time[blocks[:, kernel.BLOCK_LO]] // day_unit(prepared.interval_s)
    steps = np.array(prepared.price_steps)[symbols]
    # Rows with a model of slippage stay whole (`stays_whole`): it is given none here.
    book = moved_book(book, last_price, None, blocks, symbols, days, steps, prepared.market, prepared.options)
    part = replace(
        prepared,
        inputs=tuple(mapped[id(column)] for column in prepared.inputs),
        book=book,
        last=last_price,
        universe=mapped[id(prepared.universe)],
        row_time=row_time,
        blocks=blocks,
        symbols=symbols,
        block_days=prepared.block_days[first:last],
        rows=int((blocks[:, kernel.BLOCK_HI] - blocks[:, kernel.BLOCK_LO]).sum()),
        window_rows=0,
        managed=None if prepared.managed is None else prepared.managed.over(cut),
    )
    return with_halts(part), begin


def place(raw: NDArray[np.float64], first_block: int, begin: int) -> None:
    """Number the trades of some blocks as the whole run does."""
    raw[:, kernel.OUT_BLOCK] += first_block
    raw[:, kernel.OUT_ENTRY] += begin
    raw[:, kernel.OUT_EXIT] += begin


def by_set(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the trades of parts of the rows, sets in ascending order and those of a set in the order of the parts."""
    raw = np.concatenate(parts)
    return raw[np.argsort(raw[:, kernel.OUT_SET], kind="stable")]


def run_far(engine: Engine, prepared: Prepared, vectors: NDArray[np.float64], stop: Stop) -> Result:
    """Return what `Engine.run` gives, window by window.

    Raises
    ------
    StoppedError
        `stop()` said so between two windows.
    """
    from backtester.engine import Result

    started, errors = time.perf_counter(), 0
    parts = []
    for first, last in windows(prepared.blocks, prepared.window_rows):
        if stop():
            raise StoppedError
        part, begin = near(prepared, first, last)
        result = engine.run(part, vectors)
        place(result.raw, first, begin)
        parts.append(result.raw)
        errors += result.errors
    return Result(by_set(parts) if len(parts) > 1 else parts[0], errors, time.perf_counter() - started)

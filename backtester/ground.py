"""What the sets of a search are evaluated on, and how that is told to another machine.

A ground is rows that are ready and code that is compiled. Its origin says in words where both come from, so that a node can
make the same ground for itself: the job, the rows as the store's columns, the days that count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtester import kernel
from backtester.engine import Engine, Prepared
from backtester.executors.base import Answer, Stop, StoppedError, never
from backtester.far import by_set, stays_whole
from backtester.metrics import METRIC_KEYS, Metrics
from storage.columns import RowSet

if TYPE_CHECKING:
    from backtester.job import Job


@dataclass(frozen=True)
class Origin:
    """Where a ground comes from.

    Parameters
    ----------
    job : Job
    rows : RowSet
        All rows of the job, days that do not count included.
    days : tuple of int
        YYYYMMDD of the days that count.
    """

    job: Job
    rows: RowSet
    days: tuple[int, ...]


@dataclass(frozen=True)
class Ground:
    """Compiled code, prepared rows and what makes figures of trades.

    Parameters
    ----------
    origin : Origin, optional
        None where only this process can evaluate.
    """

    engine: Engine
    prepared: Prepared
    metrics: Metrics
    origin: Origin | None = None

    def answer(self, vectors: NDArray[np.float64], trades: bool, stop: Stop = never) -> Answer:
        """Evaluate every row of `vectors` in this process; none of them when it was stopped."""
        try:
            result = self.engine.run(self.prepared, vectors, again=True, stop=stop)
        except StoppedError:
            nothing = np.zeros((0, kernel.OUT_FIELDS))
            return Answer(np.zeros((0, len(METRIC_KEYS))), nothing if trades else None, 0, 0.0)
        values = self.metrics.of(result.raw, len(vectors))
        return Answer(values, result.raw if trades else None, len(result.raw), result.seconds)


@dataclass(frozen=True)
class Shard:
    """Rows that belong on one node: consecutive symbol-days of the job's rows.

    Parameters
    ----------
    key : str
        Digest of data, place and days: two shards with one key are the same rows under the same numbers.
    rows : RowSet
        Its blocks, numbered from row 0, without columns and row times.
    begin, end : int
        Its first row in the column files and the row after its last.
    block : int
        Number of its first block in the prepared run.
    days : tuple of int
        Those of its days that count.
    """

    key: str
    rows: RowSet
    begin: int
    end: int
    block: int
    days: tuple[int, ...]


def shards(origin: Origin, prepared: Prepared, count: int) -> list[Shard]:
    """Cut a ground's rows into at most `count` shards of about equal length; those without a row that counts are left out.

    Rows that depend on others (`far.stays_whole`) are one shard.
    """
    count = 1 if stays_whole(prepared) else count
    rows = origin.rows
    bare = replace(rows, columns={}, row_time=np.zeros(0, np.int64), unknown={}, window_rows=0)
    blocks = rows.blocks
    ends = np.cumsum(blocks["hi"] - blocks["lo"])
    inner = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count, side="left") + 1
    cuts = sorted({0, *inner.tolist(), len(blocks)})
    starts = prepared.blocks[:, kernel.BLOCK_LO]
    out = []
    for first, last in zip(cuts[:-1], cuts[1:], strict=True):
        begin, end = int(blocks["lo"][first]), int(blocks["hi"][last - 1])
        low, high = np.searchsorted(starts, [begin, end]).tolist()
        if high == low:
            continue
        part = blocks[first:last].copy()
        part["lo"] -= begin
        part["hi"] -= begin
        days = origin.days if count == 1 else tuple(sorted(set(origin.days) & set(part["day"].tolist())))
        text = f"{rows.digest} {rows.market} {rows.source} {rows.interval_s} {rows.codes} {begin} {end} {low} {days} {part.tobytes().hex()}"
        out.append(
            Shard(
                key=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
                rows=replace(bare, blocks=part, has_book=prepared.has_book),
                begin=begin,
                end=end,
                block=low,
                days=days,
            )
        )
    return out


def joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the trades of several shards as one run gives them."""
    return by_set(parts) if len(parts) > 1 else parts[0]

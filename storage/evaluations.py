"""Which parameter sets any study has evaluated: a digest of context and set → the trial that holds its figures.

The context is all that decides a figure but the set itself: data, program, code, settings. When any of it changes
the digest changes, and what was kept is not found any more. The figures themselves stand once, in `trials`.
The table is bounded: where it is full, the entries of the oldest studies go; their trials stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, Text, delete, func, select
from sqlalchemy.dialects.sqlite import insert

EVALUATIONS_MAX = 1_000_000
"""Entries kept, about 60 bytes each."""
ASK_AT_ONCE = 900
"""Keys a question; SQLite takes 999 variables everywhere."""

metadata = MetaData()
evaluations = Table(
    "evaluations",
    metadata,
    Column("key", LargeBinary, primary_key=True),  # 16 bytes of BLAKE2b
    Column("study", Text, nullable=False),
    Column("number", Integer, nullable=False),
    sqlite_with_rowid=False,
)


def keys_of(context: bytes, vectors: NDArray[np.float64]) -> list[bytes]:
    """Return the digest of each parameter set in its context.

    Parameters
    ----------
    context : bytes
        Digest of data, program, code and settings, at most 64 bytes.
    vectors : ndarray of float64, shape (n, n_vars)
    """
    rows = np.ascontiguousarray(vectors, dtype="<f8") + 0.0  # a negative zero is a zero
    return [hashlib.blake2b(row.tobytes(), digest_size=16, key=context).digest() for row in rows]


def find(connection: Connection, trials: Table, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return key → stored metrics of the keys that some study has evaluated."""
    out: dict[bytes, bytes] = {}
    joined = evaluations.join(trials, (evaluations.c.study == trials.c.study) & (evaluations.c.number == trials.c.number))
    for start in range(0, len(keys), ASK_AT_ONCE):
        part = list(keys[start : start + ASK_AT_ONCE])
        query = select(evaluations.c.key, trials.c.metrics).select_from(joined).where(evaluations.c.key.in_(part))
        out.update((row[0], row[1]) for row in connection.execute(query))
    return out


def add(connection: Connection, study: str, first: int, keys: Sequence[bytes]) -> None:
    """Enter the trials `first` … of a study under their keys; a key that is there stays."""
    rows = [{"key": key, "study": study, "number": first + k} for k, key in enumerate(keys)]
    if rows:
        connection.execute(insert(evaluations).on_conflict_do_nothing(), rows)


def trim(connection: Connection, most: int = EVALUATIONS_MAX) -> None:
    """Take out the entries of whole studies, the oldest first, until there are at most `most`."""
    counts = connection.execute(select(evaluations.c.study, func.count()).group_by(evaluations.c.study)).all()
    total = sum(count for _, count in counts)
    if total <= most:
        return
    ages = {row[0]: row[1] for row in connection.exec_driver_sql("SELECT study, created_ns FROM studies")}
    for study, count in sorted(counts, key=lambda row: ages.get(row[0], 0)):
        if total <= most:
            return
        connection.execute(delete(evaluations).where(evaluations.c.study == study))
        total -= count

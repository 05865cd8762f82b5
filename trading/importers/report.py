"""What an import says at its end, and what it counts on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InvariantError

FIRST_TOLD = 5
"""Places of refused rows that are told, of each reason."""


TAKEN = "taken"
NOT_CHOSEN = "not_chosen"


@dataclass
class FileTally:
    """Counts of one file: rows in = rows stored + known + rejected, each rejection with its reason.

    A row is what the file has as its unit: a line of a recording, a trade of a tape, a bar. A known row is one that the
    store has already, from this file or from another.
    """

    path: str
    family: str = ""
    rows_in: int = 0
    rows_stored: int = 0
    rows_known: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows are rejected → how many; `read_as_bad` are those among them that the file's own reader refused."""
    read_as_bad: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[int]] = field(default_factory=dict)
    """Reason → the first such rows, counted from 0, where the reader knows them."""
    first_at: dict[str, list[int]] = field(default_factory=dict)
    """The same for a person: lines of a text, rows of a Parquet file, from 1."""
    headings: int = 0
    """Lines of a text before its first row."""
    unread: int = 0
    """Rows that were left out before the table was read, each with its reason."""
    file_rows: NDArray[np.int64] | None = None
    """Place in the file of each row of the table; None where they are the same."""
    symbols: list[str] = field(default_factory=list)
    taken: frozenset[str] = frozenset()
    """Symbols that were imported from this very file before: their rows are not read again (reason `TAKEN` until the end)."""
    is_torn: bool = False
    """It was imported before, but that import did not end or has lost rows since."""
    note: str = ""

    @property
    def rows_rejected(self) -> int:
        return sum(self.reasons.values())

    def refuse(self, reason: str, row: int) -> None:
        """Count a row, by its place in the file's table from 0, that the file's reader refuses."""
        self.reasons[reason] += 1
        self.read_as_bad[reason] += 1
        told = self.places.setdefault(reason, [])
        if len(told) < FIRST_TOLD:
            told.append(row if self.file_rows is None else int(self.file_rows[row]))

    def leave_out(self, bad: Sequence[tuple[int, str]], file_rows: NDArray[np.int64] | None) -> None:
        """Refuse the rows (place in the file, reason) that are no rows of the table, and remember where the others stand."""
        for row, reason in bad:
            self.refuse(reason, row)
        self.unread = self.rows_in = len(bad)
        self.file_rows = file_rows

    def refuse_each(self, reasons: np.ndarray) -> None:
        """Count the rows that have a reason in an array of one word a row; "" is a good row."""
        for row in np.flatnonzero(reasons != "").tolist():
            self.refuse(str(reasons[row]), row)

    def check(self) -> None:
        """Raise InvariantError when a row is unaccounted for."""
        if self.rows_in != self.rows_stored + self.rows_known + self.rows_rejected:
            counts = {"rows_in": self.rows_in, "stored": self.rows_stored, "known": self.rows_known, "rejected": self.rows_rejected}
            raise InvariantError("import.unbalanced", file=self.path, **counts)

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.path,
            "family": self.family,
            "rows_in": self.rows_in,
            "rows_stored": self.rows_stored,
            "rows_known": self.rows_known,
            "rows_rejected": self.rows_rejected,
            "reasons": dict(sorted(self.reasons.items())),
            "first_at": dict(sorted(self.first_at.items())),
            "symbols": self.symbols,
        } | ({"note": self.note} if self.note else {})


@dataclass
class ImportReport:
    """Result of `data import`."""

    files: list[FileTally] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    rows_made: Counter[str] = field(default_factory=Counter)
    """Rows of strategies made or taken over, by interval."""
    events: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Single levels left out of book messages that were stored, by reason."""
    dry_run: bool = False
    relied: set[Path] = field(default_factory=set)
    """Segments of other imports that hold the known rows."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of the command-line contract."""
        reasons: Counter[str] = Counter()
        for tally in self.files:
            tally.check()
            reasons += tally.reasons
        return {
            "files": [tally.as_dict() for tally in self.files],
            "rows_in": sum(tally.rows_in for tally in self.files),
            "rows_stored": sum(tally.rows_stored for tally in self.files),
            "rows_known": sum(tally.rows_known for tally in self.files),
            "rows_rejected": sum(reasons.values()),
            "reasons": dict(sorted(reasons.items())),
            "gaps": len(self.gaps),
            "gap_list": self.gaps,
            "rows_made": dict(self.rows_made),
            "events": self.events,
            "left_out": dict(self.left_out),
            "dry_run": self.dry_run,
        }

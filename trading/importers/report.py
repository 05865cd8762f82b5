"""What an import says at its end, and what it counts on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from domain.errors import InvariantError


@dataclass
class FileTally:
    """Counts of one file: rows in = rows stored + rejected, each rejection with its reason.

    A row is what the file has as its unit: a line of a recording, a trade of a tape, a bar.
    """

    path: str
    family: str = ""
    rows_in: int = 0
    rows_stored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    symbols: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def rows_rejected(self) -> int:
        return sum(self.reasons.values())

    def check(self) -> None:
        """Raise InvariantError when a row is unaccounted for."""
        if self.rows_in != self.rows_stored + self.rows_rejected:
            raise InvariantError(
                "import.unbalanced", file=self.path, rows_in=self.rows_in, stored=self.rows_stored, rejected=self.rows_rejected
            )

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.path,
            "family": self.family,
            "rows_in": self.rows_in,
            "rows_stored": self.rows_stored,
            "rows_rejected": self.rows_rejected,
            "reasons": dict(sorted(self.reasons.items())),
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
            "rows_rejected": sum(reasons.values()),
            "reasons": dict(sorted(reasons.items())),
            "gaps": len(self.gaps),
            "gap_list": self.gaps,
            "rows_made": dict(self.rows_made),
            "events": self.events,
            "left_out": dict(self.left_out),
            "dry_run": self.dry_run,
        }

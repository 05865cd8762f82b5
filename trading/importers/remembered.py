"""What became of a file's rows when it was imported: a file that comes a second time is answered with it, and not read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from storage.segments import write_synced
from storage.ticks import TickStore
from trading.importers.report import FileTally, ImportReport

UNTOLD = "import.untold"
"""Note on a file whose first import left no record (an older version's, or one that was killed): its refusals are not known."""


class Outcome(msgspec.Struct, frozen=True):
    """What an import said of one file; `gaps` are those of its symbols in the whole import, which joins files to one stream."""

    rows_in: int
    reasons: dict[str, int]
    first_at: dict[str, list[int]]
    symbols: list[str]
    gaps: list[dict[str, Any]]


def _path(store: TickStore, digest: str) -> Path:
    return store.root / "imports" / f"{digest}.json"


def outcome_of(tally: FileTally, gaps: Sequence[Mapping[str, Any]]) -> Outcome:
    """Return what is kept of a file; `gaps` are those of its import."""
    mine = [dict(one) for one in gaps if not tally.symbols or one["symbol"] in tally.symbols]
    return Outcome(tally.rows_in, dict(tally.reasons), tally.first_at, tally.symbols, mine)


def remember(store: TickStore, digest: str, outcome: Outcome) -> None:
    """Keep an outcome under the file's SHA-256."""
    path = _path(store, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_synced(path, msgspec.json.encode(outcome))


def recall(store: TickStore, digest: str) -> Outcome | None:
    """Return what was kept of a file; None when nothing was, or it cannot be read."""
    try:
        return msgspec.json.decode(_path(store, digest).read_bytes(), type=Outcome)
    except (OSError, msgspec.DecodeError):
        return None


def tell_again(tally: FileTally, outcome: Outcome | None, report: ImportReport) -> None:
    """Say of a file that was imported before what was said then: refused rows stay refused, the others are known, gaps are gaps."""
    if outcome is None:
        tally.note = UNTOLD
        tally.rows_known = tally.rows_in
        return
    tally.rows_in, tally.symbols, tally.first_at = outcome.rows_in, outcome.symbols, outcome.first_at
    tally.reasons = Counter(outcome.reasons)
    tally.rows_known = tally.rows_in - tally.rows_rejected
    told = {tuple(sorted(gap.items())) for gap in report.gaps}
    report.gaps += [gap for gap in outcome.gaps if tuple(sorted(gap.items())) not in told]

"""What became of a file's rows when it was imported: a file that comes a second time is answered with it, and not read again.

Only where symbols were left out the first time (`--symbol`) and are wanted now, the file is read for those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from storage.segments import write_synced
from storage.ticks import TickStore
from trading.importers.report import NOT_CHOSEN, TAKEN, FileTally, ImportReport

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


def is_wanted_again(outcome: Outcome | None, symbols: Sequence[str] | None, taken: frozenset[str]) -> bool:
    """Tell whether a file that was imported has rows of symbols that were left out and are chosen now."""
    return outcome is not None and bool(outcome.reasons.get(NOT_CHOSEN)) and (not symbols or not taken.issuperset(symbols))


def settle_taken(tally: FileTally, before: Outcome | None) -> None:
    """Say of rows that were not read again what was said of them before: stored ones are known, refused ones are refused still."""
    rows = tally.reasons.pop(TAKEN, 0)
    for kept in (tally.read_as_bad, tally.places, tally.first_at):
        kept.pop(TAKEN, None)
    if before is None:
        tally.rows_known += rows
        return
    refused = max(rows - (before.rows_in - sum(before.reasons.values())), 0)
    tally.rows_known += rows - refused
    # A reason without a symbol (a line that cannot be read) was counted anew; what is counted less than before is of the symbols taken.
    reasons = {reason: count for reason, count in before.reasons.items() if reason != NOT_CHOSEN}
    for anew in (tally.reasons.copy(), Counter[str]()):
        for reason, count in reasons.items():
            share = min(refused, max(count - anew[reason], 0))
            tally.reasons[reason] += share
            refused -= share
    tally.first_at = {reason: before.first_at[reason] for reason in reasons if reason in before.first_at} | tally.first_at


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

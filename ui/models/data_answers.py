"""What a command of the Data page answered, as lines of words: sums first, then each file, each reason and each hole. No Qt widgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from ui.models.studies import moment
from ui.text import tr, word

WORDED = {"market": "ui.market", "source": "ui.source", "interval": "ui.interval"}
"""Answers whose values have words."""
SKIPPED = ("files", "reasons", "gaps", "gap_list", "kept_out", "stopped", "resumed", "waited_s", "left_out", "dry_run", "rows_made")
"""Answers that stand in lines of their own below the sums, or that the line of the progress tells."""
GAPS_TOLD = 500
REASONS_TOLD = 6
"""In a sentence: the commonest."""


def answer_lines(path: str, result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (what, value) of a command's answer in the language of the moment; what is 0 and need not be known is left out."""
    return [*_sums(result), *_files(path, result), *_reasons("", result), *_rest(result), *_gaps(result)]


def reasons_text(reasons: Mapping[str, int], first_at: Mapping[str, list[int]] | None = None) -> str:
    """Return the commonest reasons with their counts and, of a file, where the first such rows stand."""
    largest = sorted(reasons.items(), key=lambda item: -item[1])
    said = [_reason(name, count, (first_at or {}).get(name, [])) for name, count in largest[:REASONS_TOLD]]
    return ", ".join(said) + (" …" if len(largest) > REASONS_TOLD else "")


def _reason(name: str, count: int, at: list[int]) -> str:
    where = tr("ui.answer.at", lines=", ".join(f"{line:,}" for line in at) + (" …" if count > len(at) else "")) if at else ""
    return tr("ui.answer.reason", reason=word("import.reason", name), count=f"{count:,}", where=where)


def _sums(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if result.get("dry_run"):
        yield tr("ui.answer.dry_run"), tr("data.import.dry")
    for key, value in result.items():
        if key in SKIPPED or value in (None, [], {}):
            continue
        if key in ("events", "rows_known", "days_empty", "days_there", "rows_rejected") and not value:
            continue
        yield word("ui.answer", key), word(WORDED[key], str(value)) if key in WORDED else _plain(value)
    for kind, count in (result.get("rows_made") or {}).items():
        yield tr("ui.answer.rows_made", interval=word("ui.interval", kind)), f"{count:,}"


def _files(path: str, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    files = result.get("files") or []
    if path != "data import":
        for one in files:
            yield tr("ui.answer.file"), str(one)
        return
    for one in files:
        family = word("import.family", one["family"] or "unknown")
        told = {"family": family, **{key: f"{one[key]:,}" for key in ("rows_in", "rows_stored", "rows_known", "rows_rejected")}}
        yield PurePath(one["file"]).name, tr("ui.answer.file_known" if one["rows_known"] else "ui.answer.file_rows", **told)
        yield from _reasons(PurePath(one["file"]).name, one)
        if "note" in one:
            yield PurePath(one["file"]).name, str(one["note"])


def _reasons(name: str, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not name and result.get("files"):
        return  # each file says its own
    for reason, count in sorted((result.get("reasons") or {}).items(), key=lambda item: -item[1]):
        yield tr("ui.answer.rejected", file=name).strip(), _reason(reason, count, (result.get("first_at") or {}).get(reason, []))


def _rest(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, count in (result.get("left_out") or {}).items():
        yield tr("ui.answer.left_out"), _reason(name, count, [])
    for what in result.get("kept_out") or []:
        yield tr("ui.answer.kept_out"), tr("download.kept_out", what=what)
    if result.get("waited_s"):
        yield tr("ui.answer.waited"), tr("ui.time.seconds", seconds=round(result["waited_s"]))


def _gaps(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = result.get("gap_list") or []
    if "gaps" in result:
        yield tr("ui.answer.gaps"), f"{result['gaps']:,}"
    for one in found[:GAPS_TOLD]:
        yield tr("ui.answer.gap", symbol=one["symbol"]), gap_text(one)
    if len(found) > GAPS_TOLD:
        yield tr("ui.answer.gaps"), tr("download.more_gaps", count=len(found) - GAPS_TOLD)


def gap_text(gap: Mapping[str, Any]) -> str:
    """Return the cause of a hole and, where they are known, its first and last moment (KST)."""
    cause = word("import.gap", str(gap["cause"]))
    times = [moment(gap[name]) for name in ("from_ns", "to_ns") if gap.get(name)]
    return f"{cause}: {' – '.join(times)}" if times else cause


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

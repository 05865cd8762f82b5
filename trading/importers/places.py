"""Lines and rows of a file as a person counts them."""

from __future__ import annotations

from pathlib import Path

from domain.errors import InputError
from trading.importers.files import open_binary, open_text
from trading.importers.report import FileTally
from trading.importers.tables import heading_of, is_parquet, parquet_rows


def first_at(path: Path, tally: FileTally) -> dict[str, list[int]]:
    """Return reason → where its first rows stand: lines of a text (empty ones counted), rows of a Parquet file; from 1."""
    if not tally.places or is_parquet(path):
        return {reason: [row + 1 for row in rows] for reason, rows in tally.places.items()}
    wanted = {row + tally.headings for rows in tally.places.values() for row in rows}
    lines: dict[int, int] = {}
    filled = 0
    with open_binary(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip(b"\r\n"):
                continue
            if filled in wanted:
                lines[filled] = number
                if len(lines) == len(wanted):
                    break
            filled += 1
    return {reason: [lines[row + tally.headings] for row in rows if row + tally.headings in lines] for reason, rows in tally.places.items()}


def count_rows(path: Path) -> int:
    """Return the rows of a file that is not taken: of a table without its heading, else the lines that can be read."""
    if is_parquet(path):
        return parquet_rows(path)
    names = heading_of(path)
    count = 0
    try:
        for _ in open_text(path):
            count += 1
    except InputError:
        return count
    # A heading has words; a table without one begins with numbers.
    return count - (1 if names and not any(name[:1].isdigit() or name.startswith("#") for name in names) else 0)

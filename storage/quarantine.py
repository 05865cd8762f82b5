"""Segments that were not what was written: put aside beside their place, and named until a person has dealt with them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from storage.segments import Manifest, sync_directory

FOLDER = "quarantine"


def put_aside(path: Path) -> None:
    """Move a segment (its Parquet file and its manifest, as far as they are there) into ``quarantine/`` beside it."""
    folder = path.parent / FOLDER
    folder.mkdir(exist_ok=True)
    token = secrets.token_hex(4)
    for one in (path, path.with_suffix(".json")):
        if one.exists():
            one.rename(folder / f"{one.name}.{token}")
    sync_directory(path.parent)


def listed(folder: Path, root: Path) -> Iterator[dict[str, Any]]:
    """Yield what is put aside below ``ticks/<market>/<source>``, by file.

    Parameters
    ----------
    folder : Path
        ``ticks/<market>/<source>``.
    root : Path
        The data directory; files are named relative to it.

    Yields
    ------
    dict
        ``market source kind day file`` and, as far as the manifest can still be read, ``rows codes from_ns to_ns``.
    """
    found: dict[tuple[Path, str, str], Path] = {}
    for path in sorted(folder.glob(f"*/*/{FOLDER}/*")):
        segment, _, token = path.name.rpartition(".")
        stem, _, kind = segment.rpartition(".")
        if kind == "parquet" or (path.parent, stem, token) not in found:
            found[path.parent, stem, token] = path
    for (place, stem, token), path in found.items():
        market, source, kind, day = place.parent.parts[-4:]
        entry: dict[str, Any] = {"market": market, "source": source, "kind": kind, "day": day, "file": str(path.relative_to(root))}
        yield entry | _facts(place / f"{stem}.json.{token}")


def origins(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield where the segments that are put aside below ``ticks/<market>/<source>`` came from, as far as their manifests can be read."""
    for path in sorted(folder.glob(f"*/*/{FOLDER}/*.json.*")):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=Manifest).info.origin
        except (OSError, msgspec.MsgspecError):
            continue


def _facts(path: Path) -> dict[str, Any]:
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError):
        return {}
    return {"rows": manifest.rows, "codes": sorted(manifest.codes), "from_ns": manifest.first_ns, "to_ns": manifest.last_ns}

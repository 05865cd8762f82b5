"""What is wrong with sealed segments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.segments import Manifest, file_sha256


def check_file(path: Path, manifest: Manifest) -> dict[str, Any] | None:
    """Return what is wrong with a sealed file, None when nothing is."""
    if not path.exists():
        return {"problem": "missing"}
    if file_sha256(path) != manifest.sha256:
        return {"problem": "checksum"}
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["seq"] + (["code", "row_time"] if "/" in manifest.info.schema else []))
    except (OSError, pa.ArrowException) as error:
        return {"problem": "unreadable", "reason": str(error)}
    seq = table.column("seq").to_numpy()
    if len(seq) != manifest.rows:
        return {"problem": "rows", "found": len(seq), "stated": manifest.rows}
    step = np.diff(seq)
    if (step < 0).any() or (manifest.info.schema == "event" and (step < 1).any()):
        return {"problem": "order", "at": int(seq[int(np.argmin(step)) + 1])}
    if (int(seq[0]), int(seq[-1])) != (manifest.first_seq, manifest.last_seq):
        return {"problem": "sequence", "found": [int(seq[0]), int(seq[-1])]}
    if "/" in manifest.info.schema:
        codes = table.column("code").combine_chunks().indices.to_numpy()
        times = table.column("row_time").to_numpy()
        order = np.lexsort((np.arange(len(times)), codes))
        same = np.diff(codes[order]) == 0
        back = same & (np.diff(times[order]) <= 0)
        if back.any():
            return {"problem": "row_order", "at": int(times[order][int(np.argmax(back)) + 1])}
    return None


def holes(spans: dict[str, list[Manifest]], torn: set[int]) -> list[dict[str, Any]]:
    """Return writer sessions whose trades and depth together do not hold every arrival number they should."""
    found = []
    for session, manifests in spans.items():
        first = min(one.first_seq for one in manifests)
        last = max(one.last_seq for one in manifests)
        missing = last - first + 1 - sum(one.rows for one in manifests)
        if missing and not any(first <= seq <= last for seq in torn):
            found.append({"problem": "unmarked_gap", "session": session, "from_seq": first, "to_seq": last, "missing": missing})
    return found

"""Checksums of cached columns: kept when a column is written, compared by `data verify`.

To open a column costs next to nothing and looks at its size alone; numbers that went wrong on the disk would be read as they are.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SUM = ".sum"
_UNKNOWN = ".unknown.npy"
_PIECE = 1 << 20


def keep_sum(path: Path, array: NDArray[Any]) -> None:
    """Write the checksum of what is about to stand at `path`; before it, so that no column is ever without."""
    temporary = path.with_suffix(f".sum{os.getpid()}")
    temporary.write_text(str(zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data)), "ascii")
    os.replace(temporary, path.with_suffix(_SUM))


def check_columns(root: Path, forget: bool) -> list[dict[str, Any]]:
    """Return the cached columns below the data directory `root` that are not what was written.

    Parameters
    ----------
    forget : bool
        Delete them, and those of older versions that have no checksum: the next reader builds them again from the rows.

    Returns
    -------
    list of dict
        ``problem`` (column), ``market``, ``source``, ``file`` relative to `root`.
    """
    found = []
    for path in sorted((root / "columns").glob("*/*/row*/*/*.npy")):
        is_right = _is_right(path)
        if is_right is False:
            market, source = path.relative_to(root / "columns").parts[:2]
            found.append({"problem": "column", "market": market, "source": source, "file": str(path.relative_to(root))})
        if forget and not is_right:
            _forget(path)
    return found


def _forget(path: Path) -> None:
    """Delete a column; of one that counts unknown values the values first: without it they would pass for known."""
    with contextlib.suppress(OSError):  # a system that keeps what is mapped
        if path.name.endswith(_UNKNOWN):
            path.with_name(path.name.removesuffix(_UNKNOWN) + ".npy").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _is_right(path: Path) -> bool | None:
    """Tell whether a file holds what its checksum says; None where there is none, or the column went meanwhile."""
    try:
        wanted = int(path.with_suffix(_SUM).read_text("ascii"))
        bytes_ = np.load(path, mmap_mode="r").view(np.uint8)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError):
        return False
    total = 0
    for low in range(0, len(bytes_), _PIECE):
        total = zlib.crc32(bytes_[low : low + _PIECE].data, total)
    return total == wanted

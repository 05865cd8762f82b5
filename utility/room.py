"""Whether a folder's volume takes a write again: asked by what had to stop writing because the disk was full."""

from __future__ import annotations

import os
from pathlib import Path

PROBE_BYTES = 1 << 20
PROBE_NAME = ".room"


def has_room(folder: Path, wanted: int = PROBE_BYTES) -> bool:
    """Write, sync and delete a file of `wanted` bytes; False when the system refuses.

    A quota or a remote volume can be full where free blocks are counted, so the answer is a write.
    """
    probe = folder / f"{PROBE_NAME}-{os.getpid()}"
    try:
        with probe.open("wb", buffering=0) as file:
            left = wanted
            while left > 0:
                left -= file.write(bytes(min(left, PROBE_BYTES)))
            os.fsync(file.fileno())
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True

"""How much memory this process may take: of what is free, and of what a limit on it leaves."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_ARENA = 64 * 2**20
_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def free_bytes() -> int:
    """Return the bytes of memory that could be taken now: the machine's, the container's or the process's, whichever is least."""
    found = [int(psutil.virtual_memory().available)]
    for limit, used in _LIMITS:
        try:
            found.append(int((_CGROUP / limit).read_text("ascii")) - int((_CGROUP / used).read_text("ascii")))
        except (OSError, ValueError):  # not there, or "max"
            continue
    try:
        import resource
    except ImportError:  # Windows
        return max(min(found), 0)
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY:
        # The C library sets address space aside for each thread that asks it for memory, whether it is used or not.
        found.append(space - psutil.Process().memory_info().vms - _ARENA * (os.cpu_count() or 1))
    return max(min(found), 0)


def budget(asked_mb: int = 0) -> int:
    """Return the bytes that mapped rows may take: what was asked for, else half of what is free."""
    return asked_mb * 2**20 if asked_mb else max(free_bytes() // 2, 2**26)

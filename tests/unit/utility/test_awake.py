"""Cores are kept awake by processes that give way to anything and end with their parent."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from utility.awake import Awake

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="this system has no idle class")


def _spinners(parent: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(parent).children() if "sched_setscheduler" in " ".join(child.cmdline())]


def test_one_a_core_of_the_lowest_class_until_closed() -> None:
    awake = Awake()
    awake.start()
    awake.start()
    try:
        found = _spinners(os.getpid())
        assert len(found) == len(os.sched_getaffinity(0))
        deadline = time.monotonic() + 10.0
        while any(os.sched_getscheduler(one.pid) != os.SCHED_IDLE for one in found):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        awake.close()
    assert not _spinners(os.getpid())


def test_they_end_with_a_parent_that_was_killed() -> None:
    text = "import time\nfrom utility.awake import Awake\nAwake().start()\nprint('on', flush=True)\ntime.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        found = _spinners(parent.pid)
        assert found
        parent.kill()
    _, alive = psutil.wait_procs(found, timeout=10.0)
    assert not alive

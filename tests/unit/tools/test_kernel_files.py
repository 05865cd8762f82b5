"""A cache file of Numba's that is cut is compiled again; without that, every later start would end in the same error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
from tools import environment
environment.prepare()
from storage.bar_kernel import join, warm
warm()
print(sum(join.stats.cache_hits.values()))
"""


def hits(folder: Path) -> str:
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=ROOT, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_cut_file_is_made_again(tmp_path: Path) -> None:
    assert hits(tmp_path) == "0"
    for ending in ("*.nbi", "*.nbc"):
        path = next(tmp_path.rglob(ending))
        good = path.read_bytes()
        path.write_bytes(good[: len(good) // 2])
        assert hits(tmp_path) == "0"
        assert len(path.read_bytes()) == len(good)
    assert hits(tmp_path) == "1"

"""What every example needs: the environment of the work tree, a place for data, and stom.py as a function."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools import bootstrap, environment  # noqa: E402 - found only through the line above

if not bootstrap.is_inside():
    bootstrap.enter(sys.argv)  # goes on in .venv and does not come back
environment.prepare()
sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


@contextlib.contextmanager
def data_dir() -> Iterator[Path]:
    """Yield the data directory: STOM_DATA_DIR, else a temporary one."""
    chosen = os.environ.get("STOM_DATA_DIR")
    if chosen:
        yield Path(chosen)
        return
    with tempfile.TemporaryDirectory(prefix="stom-example-") as folder:
        yield Path(folder)


def stom(data: Path, *words: str, statuses: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Run `stom.py WORDS --json` and return its one JSON object; what it says on standard error is shown."""
    command = [sys.executable, str(ROOT / "stom.py"), *words, "--json", "--quiet", "--data-dir", str(data)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    if done.returncode not in statuses:
        sys.exit(f"stom.py {' '.join(words)}: status {done.returncode}")
    return dict(json.loads(done.stdout))

"""Starting a child: a new interpreter on every system, told everything over its standard input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from domain.process_config import ProcessConfig

ROOT = Path(__file__).resolve().parent.parent


def launch(config: ProcessConfig) -> subprocess.Popen[bytes]:
    """Start `stom.py worker ROLE` and write its configuration line; the pipe stays open.

    Its end of file tells the child that this process died. Standard error goes where ours goes only
    when it is a file of ours; a child has nothing to say on a terminal.
    """
    command = [sys.executable, "-u", str(ROOT / "stom.py"), "worker", config.role]
    log_dir = Path(config.data_dir) / "log"
    log_dir.mkdir(parents=True, exist_ok=True)
    # What an interpreter says when it dies of its own hand (a fault in a library) must not be lost.
    with (log_dir / f"stderr-{config.name}.log").open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            cwd=ROOT,
            env=_environment(),
            start_new_session=os.name != "nt",
            creationflags=_windows_flags(),
        )
    assert process.stdin is not None
    try:
        process.stdin.write(msgspec.json.encode(config) + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it died at once; the supervisor sees that
    return process


def _environment() -> dict[str, str]:
    # Proxies and the like mean nothing to a child; what Numba and Qt need was prepared by stom.py.
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    kept["PYTHONUNBUFFERED"] = "1"
    # One thread a process for numeric libraries: the kernels of live trading are serial.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        kept.setdefault(name, "1")
    return kept


def _windows_flags() -> int:
    if os.name != "nt":
        return 0
    return int(getattr(subprocess, "CREATE_NO_WINDOW", 0)) | int(getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0))

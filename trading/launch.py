"""Starting a child: a new interpreter on every system, told everything over its standard input."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

import msgspec

from domain.process_config import ProcessConfig

ROOT = Path(__file__).resolve().parent.parent


class Process(Protocol):
    """What the supervisor knows of a child's process; `subprocess.Popen` is one."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """The start pipe, which stays open."""

    def poll(self) -> int | None:
        """Return the exit status, None while it runs; negative for a signal."""

    def kill(self) -> None:
        """End it now."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status when it has ended; subprocess.TimeoutExpired when that takes too long."""


def launch(config: ProcessConfig) -> subprocess.Popen[bytes]:
    """Start `stom.py worker ROLE` and write its configuration line; the pipe stays open.

    Its end of file tells the child that this process died. Standard error goes where ours goes only
    when it is a file of ours; a child has nothing to say on a terminal.
    """
    with open_errors(Path(config.data_dir), config.name) as errors:
        process = start(config.role, subprocess.PIPE, errors)
    assert process.stdin is not None
    tell(process.stdin, config)
    return process


def start(role: str, stdin: Any, errors: BinaryIO) -> subprocess.Popen[bytes]:
    """Start the interpreter of a role."""
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "stom.py"), "worker", role],
        stdin=stdin,
        stdout=errors,
        stderr=errors,
        cwd=ROOT,
        env=_environment(),
        start_new_session=os.name != "nt",
        creationflags=_windows_flags(),
    )


def tell(pipe: IO[bytes], config: ProcessConfig) -> None:
    """Write a process's configuration as one line."""
    try:
        pipe.write(msgspec.json.encode(config) + b"\n")
        pipe.flush()
    except BrokenPipeError:
        pass  # it died at once; the supervisor sees that


def open_errors(data_dir: Path, name: str) -> BinaryIO:
    """Open the file for what an interpreter says when it dies of its own hand (a fault in a library); that must not be lost."""
    log_dir = data_dir / "log"
    log_dir.mkdir(parents=True, exist_ok=True)
    return (log_dir / f"stderr-{name}.log").open("ab")


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

"""A sealed process computes, uses what it has, and ends at once when it reaches for anything else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from utility.seal import EXIT_STATUS, is_forbidden

ROOT = Path(__file__).resolve().parents[3]
HEAD = "import os, socket, json, numpy as np\nfrom utility.seal import seal\na, b = socket.socketpair()\nseal()\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", HEAD + code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/hostname')",
        "open('written.txt', 'w')",
        "import this_is_not_loaded",
        "import wave",
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket().bind(('127.0.0.1', 0))",
        "os.system('true')",
        "os.listdir('/')",
        "os.remove('x')",
        "eval('1+1')",
        "exec('x = 1')",
        "compile('1', 'x', 'eval')",
        "os.fork()",
        "__builtins__.__import__('ctypes').CDLL(None)",
    ],
)
def test_forbidden_deed_ends_the_process(code: str) -> None:
    done = run(f"try:\n    {code}\nexcept BaseException:\n    pass\nprint('still here')\n")
    assert done.returncode == EXIT_STATUS, done.stderr
    assert "still here" not in done.stdout
    assert "sealed process ended" in done.stderr


def test_sealed_process_still_computes_and_talks() -> None:
    done = run("a.send(b'x')\nassert b.recv(1) == b'x'\nassert np.arange(4).sum() == 6\nos.write(1, b'fine')\nos._exit(0)\n")
    assert (done.returncode, done.stdout) == (0, "fine")


def test_reading_a_clock_or_a_dictionary_is_no_event_of_ours() -> None:
    assert not is_forbidden("sys._getframe")
    assert is_forbidden("socket.connect")
    assert is_forbidden("os.rename")

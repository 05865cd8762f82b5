"""Ctrl+C while Python is inside one long step: the process ends, and says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEAF = """
import sys, time
from cli.interrupt import prompt, stopping
with prompt(lambda: print("stopped", flush=True)):
    print("begun", flush=True)
    if sys.argv[1] == "wish":
        with stopping() as wish:
            wish.wait(30)
            time.sleep(2.0)
        print("saved", flush=True)
    else:
        while True:  # deaf, as a library is that throws exceptions away
            try:
                time.sleep(30)
            except KeyboardInterrupt:
                pass
"""


@pytest.mark.skipif(os.name == "nt", reason="a console's Ctrl+C goes to the whole group there")
@pytest.mark.parametrize(("kind", "said", "status"), [("deaf", "stopped", 130), ("wish", "saved", 0)])
def test_a_long_step_does_not_outlive_ctrl_c_and_a_wish_is_left_alone(kind: str, said: str, status: int) -> None:
    root = str(Path(__file__).resolve().parents[3])
    words = [sys.executable, "-c", DEAF, kind]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root, env={**os.environ, "PYTHONPATH": root}) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert child.stdout.readline() == said + "\n"
        assert child.wait(10) == status
        assert time.monotonic() - began < 6.0

"""Studies that were ended from outside: nobody holds their lock, so they say what is stored and can be gone on with."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from storage import ended_studies
from storage.ended_studies import ENDED, lock_path, settle
from storage.studies import Studies
from utility.lock import FileLock

PASSPORT = {"plan": {"metrics": ["tg", "mdd"], "walk_forward": None}}
HOLDER = """
import pathlib, sys
from utility.lock import FileLock
FileLock(pathlib.Path(sys.argv[1])).acquire()
print('held', flush=True)
input()
"""


def begun(store: Studies, count: int, ago_s: float = 60.0) -> str:
    name = store.new_study("ga", PASSPORT, time.time_ns() - int(ago_s * 1e9))
    vectors, metrics = np.arange(2.0 * count).reshape(-1, 2), np.arange(2.0 * count).reshape(-1, 2)
    store.add_trials(name, 0, vectors, np.array([1.0, 9.0, 3.0][:count]), metrics)
    return name


def test_a_killed_study_says_what_is_stored_and_its_lock_goes(tmp_path: Path) -> None:
    store, locks = Studies(tmp_path / "library.db"), tmp_path / "run"
    name = begun(store, 3)
    words = [sys.executable, "-c", HOLDER, str(lock_path(locks, name))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "held"
        assert settle(store, locks) == []  # its process lives
        assert store.study(name).state == "running"
        process.kill()
    (one,) = settle(store, locks)
    assert (one.study, one.state, one.result["evaluations"]) == (name, ENDED, 3)
    assert one.result["best"] == {"vars": [2.0, 3.0], "score": 9.0, "metrics": {"tg": 2.0, "mdd": 3.0}}
    assert settle(store, locks) == []
    os.utime(lock_path(locks, name), (0, 0))  # a young file may be one that is just being taken
    settle(store, locks)
    assert not lock_path(locks, name).exists()


def test_what_is_just_begun_or_ended_by_itself_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, locks = Studies(tmp_path / "library.db"), tmp_path / "run"
    young, done = begun(store, 0, ago_s=0.0), begun(store, 2)
    store.set_state(done, "done", {"evaluations": 2}, 1)
    assert settle(store, locks) == []
    monkeypatch.setattr(ended_studies, "YOUNG_S", 0.0)
    with FileLock(lock_path(locks, young)):
        assert settle(store, locks) == []
        assert lock_path(locks, young).exists()
    (one,) = settle(store, locks)
    assert (one.study, one.result) == (young, {"evaluations": 0})
    assert not lock_path(locks, young).exists()
    assert store.study(done).state == "done"

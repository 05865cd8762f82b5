"""Two processes at one library, and a library on a disk that is full."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError, OperationalError

from storage import user_library
from storage.studies import Studies
from storage.user_library import trouble

BEGIN = """
import sys, time
from pathlib import Path
from storage.studies import Studies
studies = Studies(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    print(studies.new_study("random", {}, time.time_ns()), flush=True)
"""


def test_studies_begun_at_once_have_names_of_their_own(tmp_path: Path) -> None:
    library = tmp_path / "library.db"
    Studies(library)
    started = [
        subprocess.Popen([sys.executable, "-c", BEGIN, str(library)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in started:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    said = []
    for one in started:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in started:
        said += one.communicate(timeout=60)[0].split()
        assert one.returncode == 0
    assert len(said) == 50
    assert set(said) == {f"random-{k}" for k in range(1, 51)}
    assert len(Studies(library).studies()) == 50


def test_a_full_disk_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, error = tmp_path / "library.db", OperationalError("", None, Exception("disk I/O error"))
    assert trouble("studies.file_damaged", path, error).fields["cause"] == "disk I/O error"
    assert trouble("strategy.kept_unreadable", path, OSError(errno.ENOSPC, "No space left on device")).code == "studies.unreadable"
    monkeypatch.setattr(user_library, "FULL_BYTES", 2**62)
    told = trouble("strategy.kept_unreadable", path, error)
    assert (told.code, told.fields["cause"]) == ("studies.unreadable", "No space left on device")
    assert trouble("studies.file_damaged", path, DatabaseError("", None, Exception("malformed"))).code == "studies.file_damaged"

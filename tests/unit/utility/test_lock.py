"""A lock file that its holder takes away: nobody holds a lock that others cannot see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from domain.errors import RefusedError
from utility import lock
from utility.lock import FileLock


def test_a_file_taken_away_while_somebody_opens_it_is_locked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "study.lock"
    first = FileLock(path).acquire()
    plain, calls = lock._try_lock, []

    def late(descriptor: int) -> bool:
        if not calls:  # the holder ends just here
            path.unlink()
            first.release()
        calls.append(descriptor)
        return plain(descriptor)

    if os.name == "nt":
        pytest.skip("an open file cannot be taken away")
    monkeypatch.setattr(lock, "_try_lock", late)
    second = FileLock(path).acquire()
    assert path.exists()
    with pytest.raises(RefusedError):
        FileLock(path).acquire()
    second.release()
    FileLock(path).acquire().release()

"""What looks like a cut library and is none: another process takes its log in."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from domain.errors import DataError
from storage import user_library
from storage.user_library import open_library


def test_a_library_that_another_is_just_writing_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "library.db"
    engine = open_library(path)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a BLOB)"))
        connection.execute(text("INSERT INTO t VALUES (zeroblob(40000))"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-4096])  # its head has been written, its last page not yet
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        path.write_bytes(whole)

    monkeypatch.setattr(user_library.time, "sleep", wait)
    open_library(path)
    assert len(waits) == 1
    path.write_bytes(whole[:-4096])
    monkeypatch.setattr(user_library.time, "sleep", lambda seconds: None)
    with pytest.raises(DataError, match=r"studies\.file_damaged"):
        open_library(path)

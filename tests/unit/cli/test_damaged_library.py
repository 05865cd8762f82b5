"""A library file that was cut or damaged: a sentence and status 4, the file as it was, and all is well with it back in its place."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from cli.main import run_command
from storage.studies import Run, Studies
from storage.user_library import open_library

READERS = (("runs",), ("strategy", "list"), ("strategy", "formula", "list"), ("batch", "list"), ("optimise", "--resume", "ga-1"))


def library(root: Path) -> Path:
    """Make a library with a study of some size, and a run."""
    store = Studies(root / "library.db")
    name = store.new_study("ga", {"plan": {"method": "ga"}, "text": "x" * 2_000}, 1)
    count = 400
    rows = np.arange(count * 8, dtype=np.float64).reshape(count, 8)
    store.add_trials(name, 0, rows, rows[:, 0].copy(), rows)
    store.add_run(Run(1, "backtest", 1, {"buy": "y" * 3_000, "market": "upbit"}, {"tg": 1.0}, 0, "0" * 64, ""))
    return root / "library.db"


def ask(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, str]:
    status = run_command([*words, "--data-dir", str(root), "--lang", "en"])
    return status, capsys.readouterr().err


def test_a_cut_library_is_told_and_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = library(tmp_path)
    good = path.read_bytes()
    for part in range(1, 20):
        bad = good[: len(good) * part // 20]
        path.write_bytes(bad)
        for words in READERS:
            status, err = ask(capsys, tmp_path, *words)
            assert (status, "library.db" in err) == (4, True), (part, words, err)
        assert path.read_bytes() == bad
    path.write_bytes(good)
    assert ask(capsys, tmp_path, "runs")[0] == 0
    assert len(Studies(path).trials("ga-1")) == 400


def test_a_flipped_bit_is_an_answer_and_never_a_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = library(tmp_path / "good").read_bytes()
    rng = random.Random(11)
    seen = set()
    for number in range(40):
        root = tmp_path / "bad"
        root.mkdir()
        bad = bytearray(good)
        bad[rng.randrange(100, len(bad))] ^= 1 << rng.randrange(8)
        (root / "library.db").write_bytes(bytes(bad))
        for words in (("runs", "1"), ("batch", "list")):
            status, err = ask(capsys, root, *words)
            assert status in (0, 2, 4), (number, words)
            assert bool(err) == bool(status)
            seen.add(status)
        shutil.rmtree(root)
    assert 4 in seen


def test_json_that_is_none_any_more_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = library(tmp_path)
    with open_library(path).begin() as connection:
        connection.exec_driver_sql("UPDATE runs SET passport = '{\"buy\": '")
    status = run_command(["runs", "--data-dir", str(tmp_path), "--json"])
    assert (status, json.loads(capsys.readouterr().out)["error"]["code"]) == (4, "studies.file_damaged")

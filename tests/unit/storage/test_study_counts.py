"""How many trials a study has, however often it was gone on with, and of all windows of a walk-forward."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from storage.studies import Studies


def test_trials_are_counted_where_they_stand(tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")

    def add(name: str, first: int, count: int) -> None:
        store.add_trials(name, first, np.zeros((count, 2)), np.zeros(count), np.zeros((count, 3)), ())

    add("grid-1", 0, 5)
    add("grid-1", 5, 2)  # gone on with
    add("walk-1/1", 0, 3)
    add("walk-1/2", 0, 4)
    add("walk-10/1", 0, 9)
    assert store.trial_counts(["grid-1", "walk-1", "none"]) == {"grid-1": 7, "walk-1": 7, "none": 0}

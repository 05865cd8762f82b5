"""Studies whose process was ended from outside: seen by the lock that went with it, told as what is stored, and cleared up after.

A search that is killed leaves its study at ``running`` and its lock file where it stood. Whoever looks next finds nobody
behind it, writes what the stored trials say, and takes the file away; the study can be gone on with.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import DataError, RefusedError
from storage.studies import Studies, Study
from utility.lock import FileLock, is_locked

RUNNING, ENDED = "running", "ended"
YOUNG_S = 10.0
"""A study or a lock file of less is perhaps just being begun."""


def lock_path(folder: Path, study: str) -> Path:
    """Return the file that stands locked in `folder` while a study runs."""
    return folder / f"study-{study}.lock"


def settle(store: Studies, folder: Path) -> list[Study]:
    """Give studies that nobody runs any more the state ``ended`` with what is stored of them, and return them as they stand now.

    Parameters
    ----------
    store : Studies
    folder : Path
        Where locks are (`DataDir.run`); lock files that nobody holds are deleted.

    Raises
    ------
    DataError
        ``studies.unreadable``, ``studies.file_damaged``, ``studies.damaged``.
    """
    found = []
    for study in store.in_state(RUNNING):
        path = lock_path(folder, study.study)
        if is_locked(path) or (not path.exists() and time.time_ns() - study.updated_ns < YOUNG_S * 1e9):
            continue
        store.set_state(study.study, ENDED, study.result | _stored(store, study), study.updated_ns)
        found.append(store.study(study.study))
    for path in folder.glob("study-*.lock"):
        _clear(path)
    return found


def _stored(store: Studies, study: Study) -> dict[str, Any]:
    """Return what the trials say: how many there are and, of a search that is no walk-forward, the best."""
    told: dict[str, Any] = {"evaluations": store.trial_counts([study.study])[study.study]}
    with suppress(DataError, KeyError, ValueError):  # damage, or a plan of another version: told where the study itself is read
        trials = store.trials(study.study)
        if not len(trials):
            return told
        best = int(np.argmax(trials.scores))
        names = [str(one) for one in study.passport["plan"]["metrics"]]
        metrics = dict(zip(names, trials.metrics[best].tolist(), strict=True))
        told["best"] = {"vars": trials.vectors[best].tolist(), "score": float(trials.scores[best]), "metrics": metrics}
    return told


def _clear(path: Path) -> None:
    """Delete a lock file that nobody holds."""
    with suppress(OSError, RefusedError):
        if time.time() - path.stat().st_mtime < YOUNG_S or is_locked(path):
            return
        with FileLock(path) as lock:
            lock.path.unlink()

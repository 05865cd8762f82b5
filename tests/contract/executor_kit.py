"""What every executor must do, as functions of one: used by the suite and by the rig of a real cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from backtester.engine import Options
from backtester.executors import Answer, LocalExecutor
from backtester.ground import Ground, Origin
from backtester.job import Job, Loaded, load, run_one
from backtester.metrics import Limits, Metrics
from backtester.optimisers import Space, make
from backtester.study import Outcome, Search
from backtester.verdict.parts import restrict, run_days
from coin.markets import UPBIT
from storage.studies import Studies
from tests.research import HAND_TEXTS
from utility.paths import DataDir

SPACE = Space(((3.0, 5.0, 9.0, 14.0), tuple(float(k) for k in range(-10, 20)), (0.25, 0.5, 1.0, 1.5, 2.0)), (0, 0, 0))
STOP_SECONDS = 2.0
GROWTH_MB = 12.0


def job(**options: Any) -> Job:
    return Job(UPBIT, 1, HAND_TEXTS["buy"], HAND_TEXTS["sell"], Options(betting=1e6, **options))


def sets(count: int, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return SPACE.vectors(np.column_stack([rng.integers(0, len(values), count) for values in SPACE.values]))


def ground_of(loaded: Loaded, days: tuple[int, ...] | None = None) -> Ground:
    """Return the ground of a job, of some of its days where they are named."""
    prepared = loaded.prepared if days is None else restrict(loaded.prepared, days)[0]
    metrics = loaded.metrics if days is None else Metrics(prepared, loaded.engine.executor)
    return Ground(loaded.engine, prepared, metrics, Origin(loaded.job, loaded.rows, days or tuple(run_days(prepared).tolist())))


@dataclass
class Rig:
    """A job over stored rows, and what one thread says of it."""

    root: Path
    loaded: Loaded
    vectors: np.ndarray

    @classmethod
    def of(cls, root: Path, count: int = 60, **options: Any) -> Rig:
        return cls(root, load(job(**options), DataDir(root), LocalExecutor(1)), sets(count))

    def plain(self, days: tuple[int, ...] | None = None) -> Answer:
        ground = ground_of(self.loaded, days)
        result = ground.engine.run(ground.prepared, self.vectors)
        return Answer(ground.metrics.of(result.raw, len(self.vectors)), result.raw, len(result.raw), 0.0)


def same(got: Answer, wanted: Answer) -> None:
    """Figures and trades are equal to the bit, and in the same order."""
    assert got.metrics.tobytes() == wanted.metrics.tobytes()
    assert got.trades == wanted.trades > 0
    if got.raw is not None:
        np.testing.assert_array_equal(got.raw, wanted.raw)
        assert got.raw.tobytes() == np.asarray(wanted.raw).tobytes()


def gives_the_same(executor: Any, rig: Rig) -> None:
    """Figures alone, trades as well, again, and on some of the days."""
    wanted = rig.plain()
    ground = ground_of(rig.loaded)
    for trades in (False, True, False):
        got = executor.evaluate(ground, rig.vectors, trades)
        assert (got.raw is not None) == trades
        same(got, wanted)
    days = run_days(rig.loaded.prepared).tolist()
    some = (days[0], days[-1])
    same(executor.evaluate(ground_of(rig.loaded, some), rig.vectors, True), rig.plain(some))


def tells_a_cause(executor: Any, rig: Rig) -> None:
    """What goes wrong in the work is told with its cause, and the executor goes on."""
    ground = ground_of(rig.loaded)
    bad = rig.vectors[:, :1]  # a text that reads self.vars[2] has nothing to read
    with pytest.raises(Exception) as plain:  # noqa: PT011 - whatever the engine says
        ground.engine.run(ground.prepared, bad)
    with pytest.raises(Exception, match=str(plain.value)[:40].replace("(", ".").replace(")", ".")):
        executor.evaluate(ground, bad, False)
    same(executor.evaluate(ground, rig.vectors, False), rig.plain())


def stops(executor: Any, rig: Rig, folder: Path) -> None:
    """A search that is told to stop has stopped within two seconds, with what was finished stored."""
    loaded = load(rig.loaded.job, DataDir(rig.root), executor)
    search, store, study = search_of(loaded, folder, "random", {"trials": 100_000, "seed": 1}, WIDE)
    executor.evaluate(search.ground, rig.vectors[:4], False)  # nodes stand
    began = time.monotonic()
    outcome = search.run(lambda: time.monotonic() - began > 0.7, lambda progress: None)
    assert time.monotonic() - began < 0.7 + STOP_SECONDS
    assert outcome.state == "stopped"
    assert 0 < outcome.evaluations == len(store.trials(study)) < 100_000


def does_not_grow(executor: Any, rig: Rig, batches: int = 150) -> None:
    """Batch after batch, nothing stays behind."""
    ground, process = ground_of(rig.loaded), psutil.Process()
    for k in range(batches):
        executor.evaluate(ground, rig.vectors, k % 2 == 0)
        if k == batches // 3:
            early = process.memory_info().rss
    assert process.memory_info().rss - early < GROWTH_MB * 2**20


WIDE = Space((SPACE.values[0], tuple(k / 100 for k in range(-1000, 2000)), tuple(k / 100 for k in range(10, 300))), (0, 0, 0))


def search_of(loaded: Loaded, folder: Path, method: str, options: dict[str, Any], space: Space = SPACE) -> tuple[Search, Studies, str]:
    folder.mkdir(parents=True, exist_ok=True)
    store = Studies(folder / "library.db")
    study = store.new_study(method, {}, 1)
    ground = ground_of(loaded)
    search = Search(
        loaded.engine, ground.prepared, ground.metrics, make(method, space, options), "TG", Limits({}), store, study, origin=ground.origin
    )
    return search, store, study


def study_of(executor: Any, rig: Rig, folder: Path) -> tuple[Outcome, str]:
    """Run a whole search and its best set; return what was found and the hash of its trades."""
    loaded = load(rig.loaded.job, DataDir(rig.root), executor)
    search, _, _ = search_of(loaded, folder, "ga", {"population": 30, "generations": 4, "seed": 5})
    outcome = search.run(lambda: False, lambda progress: None)
    return outcome, run_one(loaded, outcome.best_vector).sha256

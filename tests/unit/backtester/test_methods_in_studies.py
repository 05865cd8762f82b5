"""Every method inside a study: stopped, killed, resumed, on one thread or two, nothing evaluated twice."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.metrics import METRIC_KEYS, Limits, Metrics
from backtester.optimisers import METHODS, Space, entries, make, optimiser
from backtester.study import Outcome, Search
from coin.markets import UPBIT
from storage.studies import Studies
from tests.research import hand_module, hand_steps, made_rows

LINE = tuple(float(x) for x in range(9))
SPACE = Space((LINE, LINE, (30.0, 5.0, 60.0, 10.0), (4.0,)), (0, 0, 0, 0))
LINES = Space(((30.0,), *((0.0, 1.0),) * 12), (0,) * 13, (tuple(range(1, 8)), tuple(range(8, 13))))
SMALL: dict[str, dict[str, Any]] = {
    "ga": {"population": 20, "generations": 6},
    "nsga2": {"population": 20, "generations": 6},
    "ga-stom": {"batch": 40},
    "cmaes": {"trials": 120},
    "conditions": {"buy_lines": 3, "sell_lines": 2, "trials": 120},
    "random": {"trials": 120},
    "quasi": {"trials": 120},
    "tpe": {"trials": 40, "batch": 8},
    "optuna": {"trials": 60, "sampler": "nsga2"},
}


class Cheap:
    """Engine and metrics of a made-up rule, and a record of what was evaluated."""

    def __init__(self) -> None:
        self.executor = LocalExecutor(1)
        self.evaluated: list[bytes] = []
        self.prepared = SimpleNamespace(window_rows=0, rows=1, options=SimpleNamespace(betting=1e6))

    def run(self, prepared: Any, vectors: np.ndarray, again: bool = False, stop: Any = None) -> Any:
        self.evaluated += [vector.tobytes() for vector in vectors]
        return SimpleNamespace(raw=vectors, seconds=1e-4)

    def of(self, raw: np.ndarray, count: int) -> np.ndarray:
        out = np.zeros((count, len(METRIC_KEYS)))
        away = np.abs(raw[:, :3] - [6, 2, 10])
        out[:, METRIC_KEYS.index("tc")] = 1 + raw[:, 0]
        out[:, METRIC_KEYS.index("tg")] = 300 - (away**2).sum(axis=1) + raw[:, -1]
        out[:, METRIC_KEYS.index("tp")] = out[:, METRIC_KEYS.index("tg")]
        out[:, METRIC_KEYS.index("mdd")] = raw[:, 1] + 1
        return out


def search(cheap: Cheap, store: Studies, study: str, method: str, context: bytes = b"") -> Search:
    space = LINES if method == "conditions" else SPACE
    own = {one.name for one in entries(optimiser(method).Options)}
    options = {"seed": 3} | SMALL.get(method, {})
    assert set(options) <= own
    return Search(cheap, cheap.prepared, cheap, make(method, space, options), "TG", Limits({}), store, study, context)  # type: ignore[arg-type]


def found(outcome: Outcome) -> tuple[object, ...]:
    return outcome.best_score, outcome.best_vector.tolist(), outcome.best_number, outcome.evaluations + outcome.resumed, outcome.front


class Killed(Exception):
    """Stands for kill -9: nothing after it runs."""


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_killed_study_ends_where_an_unbroken_one_does(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtester.study.FIRST_CHUNK", 7)
    monkeypatch.setattr(Search, "_chunk", lambda self: 7)  # a kill falls inside a batch
    store = Studies(tmp_path / "library.db")
    cheap = Cheap()
    whole = search(cheap, store, store.new_study(method, {}, 1), method).run(lambda: False, lambda p: None)
    assert whole.state == "done"
    assert len(cheap.evaluated) == len(set(cheap.evaluated)) == whole.evaluations

    study = store.new_study(method, {}, 2)
    calls = iter(range(10_000))
    stopped = search(Cheap(), store, study, method).run(lambda: next(calls) >= 2, lambda p: None)
    assert stopped.state == "stopped"
    assert 0 < stopped.evaluations < whole.evaluations

    second = search(Cheap(), store, study, method)
    second.recall(store.trials(study))

    def die(progress: object) -> None:
        if len(store.trials(study)) > stopped.evaluations + 7:
            raise Killed

    with pytest.raises(Killed):
        second.run(lambda: False, die)
    third = Cheap()
    last = search(third, Studies(tmp_path / "library.db"), study, method)
    last.recall(store.trials(study))
    done = last.run(lambda: False, lambda p: None)
    assert found(done) == found(whole)
    assert not {vector.tobytes() for vector in store.trials(study).vectors[: done.resumed]} & set(third.evaluated)
    first, again = store.trials(f"{method}-1"), store.trials(study)
    assert np.array_equal(first.vectors, again.vectors)
    assert np.array_equal(first.scores, again.scores)


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return hand_module()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_one_thread_and_two_end_alike_and_a_second_study_computes_nothing(method: str, tmp_path: Path, module: ModuleType) -> None:
    ends = []
    wide = Space(((3.0, 5.0, 9.0), (-50.0,), (1.0, 3.0, 5.0), (1.0, 1.5, 2.0), (60.0, 30.0, 90.0), (0.5,), (4.0,), (0.0,)), (0,) * 8)
    if method == "conditions":
        wide = Space(((3.0,), (-50.0,), *(((0.0, 1.0),) * 2), (60.0,), *(((0.0, 1.0),) * 3)), (0,) * 8, ((2, 3), (5, 6, 7)))
    options = {"seed": 3, **SMALL.get(method, {})}
    options |= {name: 30 for name in ("trials",) if name in options}
    options |= {"buy_lines": 1, "sell_lines": 2} if method == "conditions" else {}
    for workers in (1, 2):
        store = Studies(tmp_path / f"{workers}.db")
        executor = LocalExecutor(workers)
        engine = Engine(module, hand_steps(), executor)
        prepared = prepare(made_rows("upbit", 31, symbols=2, days=1, rows=100), engine.steps.columns, UPBIT, Options(betting=1e6))
        for turn in (1, 2):
            study = store.new_study(method, {}, turn)
            made = Search(
                engine, prepared, Metrics(prepared, executor), make(method, wide, options), "TG", Limits({}), store, study, b"context"
            )
            outcome = made.run(lambda: False, lambda p: None)
            trials = store.trials(study)
            assert outcome.cached == (0 if turn == 1 else outcome.evaluations)
            ends.append((found(outcome), trials.vectors.tobytes(), trials.metrics.tobytes()))
        executor.close()
    assert all(end == ends[0] for end in ends)


def test_the_front_holds_what_no_other_set_beats(tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")
    study = store.new_study("nsga2", {}, 1)
    outcome = search(Cheap(), store, study, "nsga2").run(lambda: False, lambda p: None)
    trials = store.trials(study)
    columns = [METRIC_KEYS.index(name) for name in ("tp", "mdd", "tc")]
    goals = trials.metrics[:, columns] * [1, -1, 1]
    beaten = [bool(((goals >= one).all(axis=1) & (goals > one).any(axis=1)).any()) for one in goals]
    expected = {tuple(goals[k]) for k in np.flatnonzero(~np.array(beaten))}
    assert outcome.front is not None
    got = [(one["goals"]["tp"], -one["goals"]["mdd"], one["goals"]["tc"]) for one in outcome.front]
    assert set(got) == expected
    assert len(got) == len(expected) > 3
    for one in outcome.front:
        assert trials.vectors[one["number"]].tolist() == one["vars"]
    assert outcome.result()["front"] == outcome.front


def test_a_wish_to_stop_is_heard_where_everything_is_known(tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")
    study = store.new_study("ga", {}, 1)
    search(Cheap(), store, study, "ga").run(lambda: False, lambda p: None)
    again = search(Cheap(), store, study, "ga")
    again.recall(store.trials(study))
    calls = iter(range(100))
    outcome = again.run(lambda: next(calls) >= 2, lambda p: None)
    assert (outcome.state, outcome.evaluations, next(calls)) == ("stopped", 0, 3)


def test_what_is_found_elsewhere_is_stored_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Studies(tmp_path / "library.db")
    search(Cheap(), store, store.new_study("random", {}, 1), "random", b"c").run(lambda: False, lambda p: None)
    sizes: list[int] = []
    monkeypatch.setattr(store, "add_trials", lambda *args: sizes.append(len(args[2])))
    cheap = Cheap()
    outcome = search(cheap, store, "random-2", "random", b"c").run(lambda: False, lambda p: None)
    assert (sizes, cheap.evaluated, outcome.cached) == ([outcome.evaluations], [], outcome.evaluations)

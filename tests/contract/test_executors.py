"""The contract of executors: threads, nodes, nodes that cannot see the data, shards, and nodes that are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtester.engine import needed_columns, prepare
from backtester.executors import LocalExecutor
from backtester.executors.nodes import NodesExecutor, setup_of
from backtester.ground import Ground, shards
from backtester.job import load
from backtester.metrics import Metrics
from domain.errors import InputError, RefusedError
from storage.columns import open_rows
from storage.ticks import TickStore
from tests.contract import executor_kit as kit
from tests.doubles.nodes import LosingCluster
from tests.research_cli import make_data
from utility.paths import DataDir

Make = Callable[[Path], Any]


def nodes(count: int, lose: dict[str, int] | None = None, is_blind: bool = False, shards: int = 0) -> Make:
    return lambda folder: NodesExecutor(LosingCluster(folder, count, lose, is_blind), 1, shards)


EXECUTORS: dict[str, Make] = {
    "one thread": lambda folder: LocalExecutor(1),
    "five threads": lambda folder: LocalExecutor(5),
    "one node": nodes(1),
    "three nodes": nodes(3),
    "nodes without the data directory": nodes(2, is_blind=True),
    "two shards on three nodes": nodes(3, shards=2),
    "five shards on two nodes": nodes(2, shards=5),
    "one of two nodes is lost": nodes(2, lose={"n0": 2}),
    "two of three nodes are lost, sharded": nodes(3, lose={"n1": 1, "n2": 3}, shards=3),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> kit.Rig:
    return kit.Rig.of(make_data(tmp_path_factory.mktemp("executors"), days=3))


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("node")


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest, node_folder: Path) -> Iterator[Any]:
    made = EXECUTORS[request.param](node_folder)
    yield made
    made.close()
    made.close()


def test_answers_do_not_depend_on_who_gives_them(executor: Any, rig: kit.Rig) -> None:
    kit.gives_the_same(executor, rig)
    if isinstance(executor, NodesExecutor):
        assert executor.lost == len(executor.cluster.dead)  # type: ignore[attr-defined]


def test_an_error_in_the_work_is_told_with_its_cause(executor: Any, rig: kit.Rig) -> None:
    kit.tells_a_cause(executor, rig)


def test_a_wish_to_stop_is_heard(executor: Any, rig: kit.Rig, tmp_path: Path) -> None:
    kit.stops(executor, rig, tmp_path)


@pytest.mark.parametrize("name", ["five threads", "three nodes", "two shards on three nodes"])
def test_batches_leave_nothing_behind(name: str, rig: kit.Rig, node_folder: Path) -> None:
    executor = EXECUTORS[name](node_folder)
    kit.does_not_grow(executor, rig)
    executor.close()


def test_a_search_ends_the_same_with_a_node_lost_in_the_middle(rig: kit.Rig, node_folder: Path, tmp_path: Path) -> None:
    local = LocalExecutor(2)
    wanted, trades = kit.study_of(local, rig, tmp_path / "local")
    executor = nodes(3, lose={"n0": 3})(node_folder)
    found, again = kit.study_of(executor, rig, tmp_path / "nodes")
    assert executor.cluster.dead == {"n0"}
    assert (found.best_number, found.best_score, found.evaluations) == (wanted.best_number, wanted.best_score, wanted.evaluations)
    assert found.best_vector.tobytes() == wanted.best_vector.tobytes()
    assert found.best_metrics.tobytes() == wanted.best_metrics.tobytes()
    assert again == trades


def test_what_every_node_needs_goes_to_it_once(rig: kit.Rig, node_folder: Path) -> None:
    executor = nodes(3, is_blind=True)(node_folder)
    ground = kit.ground_of(rig.loaded)
    for _ in range(3):
        executor.evaluate(ground, rig.vectors, False)
    cluster = executor.cluster
    assert set(cluster.fetched.values()) == {1}
    assert len(cluster.fetched) == 3
    assert all(cluster.calls[node, "stand"] == 2 for node in cluster.workers)  # unseen, then with the columns
    executor.close()


def test_the_person_is_told_when_no_node_is_left(rig: kit.Rig, node_folder: Path) -> None:
    executor = nodes(2, lose={"n0": 1, "n1": 2})(node_folder)
    with pytest.raises(RefusedError, match=r"executor\.no_nodes"):
        executor.evaluate(kit.ground_of(rig.loaded), rig.vectors, False)
    executor.close()


def test_a_refusal_of_the_person_comes_through_as_it_is(rig: kit.Rig, node_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise InputError("backtest.betting", value=-1)

    monkeypatch.setattr("backtester.worker.prepare", refuse)
    executor = nodes(2)(node_folder)
    with pytest.raises(InputError) as told:
        executor.evaluate(kit.ground_of(rig.loaded), rig.vectors, False)
    assert told.value.fields == {"value": -1}
    executor.close()


def test_a_node_of_another_version_is_refused(rig: kit.Rig, node_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = nodes(1)(node_folder)
    monkeypatch.setattr("backtester.executors.nodes.setup_of", lambda *asked: replace(setup_of(*asked), build="1.0+other"))
    with pytest.raises(RefusedError, match=r"executor\.other_build"):
        executor.evaluate(kit.ground_of(rig.loaded), rig.vectors, False)
    executor.close()


def test_nothing_but_columns_and_code_comes_to_a_node(rig: kit.Rig, node_folder: Path) -> None:
    executor = nodes(1)(node_folder)
    executor.evaluate(kit.ground_of(rig.loaded), rig.vectors[:3], False)
    executor.close()
    kinds = {path.relative_to(node_folder).parts[0] for path in node_folder.rglob("*") if path.is_file()}
    assert kinds == {"cache", "columns", "mac.key"}  # the key that this node alone signs its compiled steps with
    assert (node_folder / "mac.key").read_bytes() != (rig.root / "mac.key").read_bytes()


def test_shards_cover_every_block_once(rig: kit.Rig) -> None:
    ground = kit.ground_of(rig.loaded)
    for count in (1, 2, 4, 9, 50):
        cut = shards(ground.origin, ground.prepared, count)  # type: ignore[arg-type]
        assert count // 2 < len(cut) <= count or len(cut) == len(rig.loaded.rows.blocks)
        assert [one.begin for one in cut] == [0, *[one.end for one in cut[:-1]]]
        assert cut[-1].end == rig.loaded.rows.blocks["hi"][-1]
        assert [one.block for one in cut] == np.cumsum([0, *[len(one.rows.blocks) for one in cut[:-1]]]).tolist()


@pytest.mark.parametrize("options", [{}, {"slippage": 2}, {"fill": "last", "slippage": 1}, {"latency": 3}])
def test_rows_past_memory_give_the_same_window_by_window(rig: kit.Rig, options: dict[str, Any]) -> None:
    job = kit.job(**options)
    near = load(job, DataDir(rig.root), LocalExecutor(2))
    wanted = near.engine.run(near.prepared, rig.vectors)
    rows = open_rows(TickStore(rig.root), "upbit", 1, keys=needed_columns(near.engine.steps.columns), memory=2 * 8 * 26 * 300)
    prepared = prepare(rows, near.engine.steps.columns, job.market, job.options)
    assert 0 < prepared.window_rows < rows.rows / 4
    far = near.engine.run(prepared, rig.vectors)
    assert len(wanted.raw) > 0
    assert far.raw.tobytes() == wanted.raw.tobytes()
    figures = Metrics(prepared, LocalExecutor(1)).of(far.raw, len(rig.vectors))
    assert figures.tobytes() == near.metrics.of(wanted.raw, len(rig.vectors)).tobytes()


def test_a_stop_is_heard_between_two_windows(rig: kit.Rig) -> None:
    rows = open_rows(TickStore(rig.root), "upbit", 1, keys=needed_columns(rig.loaded.engine.steps.columns), memory=2 * 8 * 26 * 300)
    prepared = prepare(rows, rig.loaded.engine.steps.columns, rig.loaded.job.market, rig.loaded.job.options)
    ground = Ground(rig.loaded.engine, prepared, rig.loaded.metrics)
    answers = iter([False, True])
    assert len(LocalExecutor(1).evaluate(ground, rig.vectors, True, lambda: next(answers)).metrics) == 0

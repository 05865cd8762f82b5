"""Ranges, optimisers, and studies that are stopped, killed and resumed."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.job import parse_clock, parse_fees, parse_moment, parse_rows_since, parse_sets
from backtester.known import Known
from backtester.metrics import Limits, Metrics, named
from backtester.optimisers import Space, make
from backtester.ranges import parse_ranges, space_of
from backtester.study import Outcome, Search
from backtester.trades import round_trips
from coin.markets import UPBIT
from domain.errors import DataError, InputError
from stock.markets import KRX
from storage import evaluations
from storage.evaluations import keys_of
from storage.studies import Run, Studies
from tests.research import hand_module, hand_steps, made_rows
from trading.trades import trades_sha256
from utility.text import sentence

# --- ranges -------------------------------------------------------------------------------------


def test_grid_form_makes_steps() -> None:
    got = parse_ranges(
        "# 변수\nself.vars[0] = [[10, 30, 10], 20]\nself.vars[2] = [[1, 0, -0.25], 0.5]\nself.vars[1] = [[5, 5, 0], 5]\n", "grid"
    )
    assert {index: one.values for index, one in got.items()} == {0: (10, 20, 30), 2: (1, 0.75, 0.5, 0.25, 0), 1: (5,)}
    assert got[2].best == 0.5


def test_float_steps_reach_the_stop() -> None:
    values = parse_ranges("self.vars[1] = [[0.1, 0.7, 0.1], 0.3]", "grid")[1].values
    assert values == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def test_list_form_takes_three_numbers_as_they_are() -> None:
    assert parse_ranges("self.vars[3] = [[10, 30, 5], 5]", "list")[3].values == (10, 30, 5)


@pytest.mark.parametrize(
    ("text", "form", "code"),
    [
        ("self.vars[0] = [[1, 2], 1]", "grid", "range_three"),
        ("self.vars[0] = [[1, 5, -1], 1]", "grid", "range_step"),
        ("self.vars[0] = [[1, 5, 0], 1]", "grid", "range_step"),
        ("self.vars[0] = [1, 5, 1]", "grid", "range_form"),
        ("self.vars[0] = [[], 1]", "list", "range_no_values"),
        ("self.vars[-1] = [[1], 1]", "list", "range_form"),
        ("import os", "list", "range_form"),
        ("self.vars[0] = [[open('x')], 1]", "list", "range_number"),
        ("self.vars[99999999] = [[1, 2, 1], 1]", "grid", "range_index"),
        ("self.vars[0] = [[1e300, 2e300, 1e300], 1e300]", "grid", "range_number"),
        ("self.vars[0] = [[1], 1]\nself.vars[0] = [[2], 2]", "list", "range_twice"),
        ("self.vars[0] = [[1", "list", "range_syntax"),
        ("# nothing", "list", "range_empty"),
        ("self.vars[0] = [[0, 1, 0.000001], 0]", "grid", "range_many"),
    ],
)
def test_bad_ranges_are_refused(text: str, form: str, code: str) -> None:
    with pytest.raises(InputError, match=rf"optimise\.{code}"):
        parse_ranges(text, form)


def test_space_fills_what_is_not_searched() -> None:
    space = space_of("self.vars[2] = [[1, 2], 3]", "list", {1: 7.0}, 4, {0, 1, 2}, 30.0)
    assert space.values == ((30.0,), (7.0,), (1.0, 2.0), (0.0,))
    assert space.best == (0, 0, -1, 0)
    with pytest.raises(InputError, match=r"var_missing"):
        space_of("self.vars[2] = [[1, 2], 1]", "list", {}, 4, {1, 2}, 30.0)
    with pytest.raises(InputError, match=r"range_and_set"):
        space_of("self.vars[2] = [[1, 2], 1]", "list", {2: 1.0}, 4, {2}, 30.0)


# --- studies -------------------------------------------------------------------------------------

WIDE = Space(((3.0, 5.0, 9.0), (-50.0,), (1.0, 3.0, 5.0), (1.0, 1.5, 2.0), (30.0, 60.0, 90.0), (0.5, 1.0), (4.0,), (0.0,)), (0,) * 8)


class Killed(Exception):
    """Stands for kill -9: nothing after it runs."""


@pytest.fixture(scope="module")
def rig() -> tuple[Engine, object, Metrics]:
    executor = LocalExecutor(2)
    engine = Engine(hand_module(), hand_steps(), executor)
    prepared = prepare(made_rows("upbit", 31), engine.steps.columns, UPBIT, Options(betting=1e6))
    return engine, prepared, Metrics(prepared, executor)


OPTIONS = {"ga": {"seed": 2, "population": 20, "generations": 5}}


def search(rig: tuple[Engine, object, Metrics], store: Studies, study: str, method: str = "ga", context: bytes = b"") -> Search:
    engine, prepared, metrics = rig
    optimiser = make(method, WIDE, OPTIONS.get(method, {}))
    return Search(engine, prepared, metrics, optimiser, "TG", Limits({}), store, study, context)


def outcome_key(outcome: Outcome) -> tuple[object, ...]:
    return outcome.best_score, outcome.best_vector.tolist(), outcome.best_number, outcome.evaluations + outcome.resumed


@pytest.mark.parametrize("method", ["ga", "grid"])
def test_best_set_alone_gives_the_same_figures(rig: tuple[Engine, object, Metrics], tmp_path: Path, method: str) -> None:
    engine, prepared, metrics = rig
    store = Studies(tmp_path / "library.db")
    study = store.new_study(method, {}, 1)
    outcome = search(rig, store, study, method).run(lambda: False, lambda p: None)
    assert outcome.state == "done"
    alone = engine.run(prepared, outcome.best_vector[None, :])
    assert named(metrics.of(alone.raw, 1)[0]) == named(outcome.best_metrics)
    trials = store.trials(study)
    assert len(trials) == outcome.evaluations == len({vector.tobytes() for vector in trials.vectors})
    assert trials.scores.max() == outcome.best_score == outcome.best_metrics[7]
    if method == "grid":
        assert outcome.evaluations == WIDE.count


def test_stopped_and_killed_studies_end_where_an_uninterrupted_one_does(rig: tuple[Engine, object, Metrics], tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")
    whole = search(rig, store, store.new_study("ga", {}, 1)).run(lambda: False, lambda p: None)

    study = store.new_study("ga", {}, 2)
    calls = iter(range(1000))
    stopped = search(rig, store, study).run(lambda: next(calls) >= 3, lambda p: None)
    assert stopped.state == "stopped"
    assert 0 < stopped.evaluations < whole.evaluations

    again = search(rig, store, study)
    again.recall(store.trials(study))

    def die(progress: object) -> None:
        if len(store.trials(study)) > stopped.evaluations + 10:
            raise Killed

    with pytest.raises(Killed):
        again.run(lambda: False, die)

    last = search(rig, Studies(tmp_path / "library.db"), study)
    last.recall(store.trials(study))
    done = last.run(lambda: False, lambda p: None)
    assert outcome_key(done) == outcome_key(whole)
    assert done.resumed > stopped.evaluations
    first, second = store.trials("ga-1"), store.trials(study)
    assert np.array_equal(first.vectors, second.vectors)
    assert np.array_equal(first.scores, second.scores)
    assert np.array_equal(first.metrics, second.metrics)


def test_a_directory_that_was_copied_reads_its_own_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    trades = first / "runs" / "3" / "x.parquet"
    Studies(first / "library.db").add_run(Run(3, "backtest", 5, {}, {}, 2, "ab", str(trades)))
    shutil.copytree(first, second)
    assert Studies(second / "library.db").run(3).trades_path == str(second / "runs" / "3" / "x.parquet")
    with sqlite3.connect(second / "library.db") as connection:  # as versions before kept it
        connection.execute("UPDATE runs SET trades_path = ?", (str(trades),))
    assert Studies(second / "library.db").run(3).trades_path == str(second / "runs" / "3" / "x.parquet")


def test_store_keeps_runs_and_studies(tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")
    run = Run(3, "backtest", 5, {"market": "upbit"}, {"tg": 1.5}, 2, "ab", str(tmp_path / "runs" / "3" / "x.parquet"))
    store.add_run(run)
    assert store.run(3) == run == store.runs()[0]
    name = store.new_study("ga", {"a": [1, None]}, 7)
    assert (name, store.new_study("ga", {}, 8)) == ("ga-1", "ga-2")
    store.set_state(name, "stopped", {"best": 1}, 9)
    kept = Studies(tmp_path / "library.db").study(name)
    assert (kept.state, kept.passport, kept.result, kept.updated_ns) == ("stopped", {"a": [1, None]}, {"best": 1}, 9)
    assert [one.study for one in store.studies()] == ["ga-2", "ga-1"]
    assert len(store.trials(name)) == 0
    with pytest.raises(InputError, match=r"studies\.no_study"):
        store.study("no")
    with pytest.raises(InputError, match=r"studies\.no_run"):
        store.run(9)
    store.add_trials(name, 1, np.ones((1, 2)), np.ones(1), np.ones((1, 3)))
    with pytest.raises(DataError, match=r"studies\.damaged"):
        store.trials(name)


def test_a_file_that_is_no_library_is_said(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    path.write_text("not a database, but long enough to be read as one" * 100)
    with pytest.raises(DataError, match=r"studies\.file_damaged"):
        Studies(path)


def test_trades_of_equal_sets_hash_equal(rig: tuple[Engine, object, Metrics]) -> None:
    engine, prepared, _ = rig
    vectors = WIDE.vectors(np.zeros((2, 8), dtype=np.int64))
    raw = engine.run(prepared, vectors).raw
    one, two = (trades_sha256(prepared.codes, round_trips(prepared, raw[raw[:, 0] == k])) for k in (0, 1))
    assert one == two


# --- what people write ------------------------------------------------------------------------------


def test_moments_are_of_the_market_clock() -> None:
    assert parse_moment("2024-08-08", UPBIT, 1, last=False) == 20240808
    assert parse_moment("2024-08-08T09:00:00+09:00", UPBIT, 1, last=False) == 20240808000000
    assert parse_moment("2024-08-08T00:00:30+00:00", KRX, 60, last=False) == 202408080901
    assert parse_moment("2024-08-08T00:00:30+00:00", KRX, 60, last=True) == 202408080900
    for bad in ("2024-13-01", "2024-08-08T09:00:00", "now"):
        with pytest.raises(InputError, match=r"backtest\.moment"):
            parse_moment(bad, UPBIT, 1, last=False)


def test_small_forms() -> None:
    assert parse_clock("093000") == parse_clock("09:30") == parse_clock("09:30:00") == 93000
    assert parse_fees("0.0005") == (0.0005, 0.0)
    assert parse_fees("0.00015:0.0018") == (0.00015, 0.0018)
    assert parse_sets(["0=30", "12=-1.5"]) == {0: 30.0, 12: -1.5}
    assert parse_rows_since("# 이름\n강함 = 체결강도 >= 120\n\n") == (("강함", "체결강도 >= 120"),)
    for call, bad in ((parse_clock, "25:00"), (parse_fees, "x"), (parse_rows_since, "강함"), (parse_rows_since, "a == b")):
        with pytest.raises(InputError):
            call(bad)
    for nothing in ("", "# 이름\n\n"):
        with pytest.raises(InputError, match=r"backtest\.rows_since_empty"):
            parse_rows_since(nothing)
    for part in ("x=1", "1", "-1=2", "1=nan"):
        with pytest.raises(InputError, match=r"backtest\.set"):
            parse_sets([part])


def test_what_any_study_has_computed_is_not_computed_again(rig: tuple[Engine, object, Metrics], tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")
    first = search(rig, store, store.new_study("ga", {}, 1), context=b"a")
    one = first.run(lambda: False, lambda p: None)
    second = search(rig, store, store.new_study("ga", {}, 2), context=b"a")
    two = second.run(lambda: False, lambda p: None)
    assert (one.cached, two.cached, two.engine_seconds) == (0, one.evaluations, 0.0)
    assert outcome_key(one) == outcome_key(two)
    a, b = store.trials("ga-1"), store.trials("ga-2")
    assert np.array_equal(a.metrics, b.metrics)
    assert np.array_equal(a.scores, b.scores)
    other = search(rig, store, store.new_study("ga", {}, 3), context=b"b").run(lambda: False, lambda p: None)
    assert other.cached == 0
    alone = search(rig, store, store.new_study("ga", {}, 4)).run(lambda: False, lambda p: None)
    assert alone.cached == 0


def test_kept_evaluations_are_bounded_by_the_oldest_study(tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")
    vectors = np.arange(20.0).reshape(10, 2)
    keys = keys_of(b"c", vectors)
    for k in (1, 2):
        name = store.new_study("ga", {}, k)
        part = slice(5 * (k - 1), 5 * k)
        store.add_trials(name, 0, vectors[part], np.ones(5), np.ones((5, 3)) * k, keys[part])
    assert len(store.evaluated(keys, 3)) == 10
    assert not store.evaluated(keys, 4)
    with store._open(write=True) as connection:
        evaluations.trim(connection, 6)
    assert {place: row[0] for place, row in store.evaluated(keys, 3).items()} == dict.fromkeys(range(5, 10), 2.0)
    assert len(store.trials("ga-1")) == 5


def test_the_bound_on_trials_is_kept_and_reached_alike_by_a_resumed_study(rig: tuple[Engine, object, Metrics], tmp_path: Path) -> None:
    store = Studies(tmp_path / "library.db")
    study = store.new_study("ga", {}, 1)
    bounded = search(rig, store, study)
    bounded.most = 33
    outcome = bounded.run(lambda: False, lambda p: None)
    assert (outcome.state, outcome.evaluations, len(store.trials(study))) == ("done", 33, 33)
    again = search(rig, store, study)
    again.most = 33
    again.recall(store.trials(study))
    assert outcome_key(again.run(lambda: False, lambda p: None)) == outcome_key(outcome)


def test_a_library_cut_in_half_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    store = Studies(path)
    study = store.new_study("ga", {}, 1)
    store.add_trials(study, 0, np.arange(4000.0).reshape(1000, 4), np.ones(1000), np.ones((1000, 15)))
    with store._open(write=True) as connection:
        connection.exec_driver_sql("SELECT 1")
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    body = path.read_bytes()
    for name in ("library.db-wal", "library.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    path.write_bytes(body[: len(body) // 2])
    with pytest.raises(DataError) as found:
        Studies(path).trials(study)
    assert (found.value.code, found.value.exit_status) == ("studies.file_damaged", 4)
    for language in ("ko", "en"):
        assert str(path) in sentence(found.value.code, language, **found.value.fields)
    assert path.read_bytes() == body[: len(body) // 2]


def test_known_finds_what_was_added_across_merges() -> None:
    rng = np.random.default_rng(1)
    known, digests = Known(2), [rng.bytes(16) for _ in range(40_000)]
    for start in range(0, 40_000, 7_000):
        part = digests[start : start + 7_000]
        known.add(part, np.arange(start, start + len(part), dtype=float)[:, None] * [1, -1])
    places = known.find(digests[::-1])
    assert np.array_equal(places, np.arange(40_000)[::-1])
    assert np.array_equal(known.answers(places[:3]), [[39_999, -39_999], [39_998, -39_998], [39_997, -39_997]])
    assert (known.find([rng.bytes(16) for _ in range(50)]) == -1).all()

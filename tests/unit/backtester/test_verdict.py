"""The court from the command line over made rows: what is stored is what was shown, and each part is what it says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtester import kernel
from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.metrics import METRIC_KEYS, NO_TRADES, TC, TG, Metrics
from backtester.verdict.court import FAIL, PASS, UNPROVEN, judge, outcome, spoken
from backtester.verdict.parts import Part, daily_profit, restrict, run_days
from backtester.verdict.review import sample
from backtester.verdict.sensitivity import axis_of, influence, near, points_around, read_points
from coin.markets import UPBIT
from domain.settings import Verdict
from storage.studies import Studies
from tests.research import hand_module, hand_steps, made_rows
from tests.research_cli import SETS, call, make_data, told, words
from utility.text import LANGUAGES

# --- parts of a run ---------------------------------------------------------------------------------

TWO = np.array([[5.0, 0.1, 4.0, 0.8, 60.0, 0.6, 1e9, 1.0], [9.0, 0.2, 3.0, 0.4, 30.0, 0.5, 1e9, 1.0]])


def test_a_part_of_the_days_is_the_run_of_those_days_alone() -> None:
    rows = made_rows("upbit", 31, symbols=3, days=5, rows=120)
    prepared = prepare(rows, hand_steps().columns, UPBIT, Options(betting=1e6))
    executor = LocalExecutor(1)
    engine = Engine(hand_module(), hand_steps(), executor)
    whole = engine.run(prepared, TWO).raw
    days = run_days(prepared)
    assert days.tolist() == sorted({int(day) for day in rows.blocks["day"]})
    chosen = days[[0, 2, 4]].tolist()
    part = Part(prepared, chosen, executor)
    alone = engine.run(part.prepared, TWO).raw
    taken = part.take(whole)
    order = np.lexsort((alone[:, kernel.OUT_ENTRY], alone[:, kernel.OUT_SET]))
    other = np.lexsort((taken[:, kernel.OUT_ENTRY], taken[:, kernel.OUT_SET]))
    assert np.array_equal(alone[order], taken[other])
    assert np.array_equal(part.metrics(whole, 2), Metrics(part.prepared, executor).of(alone, 2))
    daily = daily_profit(prepared, whole, 2)
    assert daily.shape == (2, 5)
    values = Metrics(prepared, executor).of(whole, 2)
    assert daily.sum(axis=1) == pytest.approx(values[:, TG], abs=1e-3)
    assert np.array_equal(daily_profit(part.prepared, alone, 2), daily[:, [0, 2, 4]])
    nothing, numbers = restrict(prepared, [])
    assert (nothing.days, nothing.rows, set(numbers.tolist())) == (0, 0, {-1})


# --- neighbours -----------------------------------------------------------------------------------------


def test_a_variable_without_a_range_is_moved_by_shares_and_counts_stay_whole() -> None:
    assert axis_of(1, 2.0, None).values == (1.0, 1.6, 1.8, 2.0, 2.2, 2.4, 3.0)
    assert axis_of(0, 30.0, None).values == (15.0, 24.0, 27.0, 30.0, 33.0, 36.0, 45.0)
    assert min(axis_of(0, 2.0, None).values) == 1.0
    axis = near(axis_of(3, 5.0, [9, 1, 3, 5, 7]), 1)
    assert (axis.values, axis.place) == ((3.0, 5.0, 7.0), 1)


def hill(vectors: np.ndarray, width: float) -> np.ndarray:
    return 100.0 * np.exp(-(((vectors[:, 1] - 5.0) / width) ** 2))


@pytest.mark.parametrize(("width", "robust"), [(0.5, 0.0), (50.0, 1.0)])
def test_a_needle_is_told_from_a_plateau(width: float, robust: float) -> None:
    centre = np.array([30.0, 5.0, 2.0])
    points = points_around(centre, {1: (3.0, 4.0, 5.0, 6.0, 7.0), 2: None}, (1, 2), 50, 20.0, 1)
    assert np.array_equal(points.vectors[0], centre)
    assert len(np.unique(points.vectors, axis=0)) == len(points.vectors)
    values = np.zeros((len(points.vectors), len(METRIC_KEYS)))
    values[:, TC], values[:, TG] = 10, hill(points.vectors, width)
    got = read_points(points, values[:, TG], values)
    # Variable 2 changes nothing: its neighbours trade as the centre does and do not count.
    assert (got["neighbours"], got["robustness"], got["centre"]) == (2, robust, 100.0)
    assert got["variables"][0]["index"] == 1
    assert got["map"]["scores"][0][2] == pytest.approx(100.0)
    assert (len(got["map"]["ys"]), len(got["map"]["xs"])) == (7, 5)
    assert got["random"]["count"] == 50


def test_sets_without_trades_are_holes_in_the_map() -> None:
    points = points_around(np.array([5.0, 1.0]), {0: (3.0, 5.0), 1: (1.0, 2.0)}, (0, 1), 0, 20.0, 1)
    scores = np.full(len(points.vectors), NO_TRADES)
    scores[0] = 7.0
    got = read_points(points, scores, np.arange(len(scores))[:, None] * np.ones(len(METRIC_KEYS)))
    assert got["robustness"] == 0.0
    assert got["map"]["scores"] == [[None, 7.0], [None, None]]
    assert got["variables"][0]["swing"] is None


def test_influence_is_the_share_of_variance() -> None:
    vectors = np.array([[a, b] for a in range(4) for b in range(5)], dtype=float)
    assert influence(vectors, vectors[:, 0] * 3.0, 0) == pytest.approx(1.0)
    assert influence(vectors, vectors[:, 0] * 3.0, 1) == pytest.approx(0.0)
    assert influence(vectors, np.ones(20), 0) == 0.0


def test_the_sample_begins_with_the_own_set_and_holds_each_once() -> None:
    tried = np.arange(200.0).reshape(100, 2)
    got = sample(tried, tried[50], 20, 1)
    assert len(np.unique(got, axis=0)) == len(got) == 20
    assert np.array_equal(got[0], tried[50])
    assert len(sample(tried, np.array([-1.0, -1.0]), 1000, 1)) == 101


# --- the court -----------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "trades": 500, "days": 200, "profit": 1e6, "source": "recorded", "best_day_share": 0.1, "trials": 100, "sets": 100, "pbo": 0.1,
    "deflated_sharpe": 0.99, "paths_profitable": 1.0, "out_of_sample": {"profit": 5.0}, "efficiency": None, "robustness": 0.9,
    "stress": {"fees": 1.0, "latency": 1.0, "tick": 1.0}, "ruin": 0.0,
}  # fmt: skip


def test_a_rule_without_a_flaw_passes_in_both_languages() -> None:
    reasons = judge(GOOD, Verdict())
    assert (reasons, outcome(reasons)) == ([], PASS)
    for language in LANGUAGES:
        said = spoken(GOOD, reasons, language)
        assert "500" in said
        assert "0.99" in said
        assert "{" not in said


@pytest.mark.parametrize(
    ("change", "code", "result"),
    [
        ({"trades": 29}, "few_trades", FAIL),
        ({"days": 19}, "few_days", UNPROVEN),
        ({"source": "made"}, "made_data", UNPROVEN),
        ({"profit": 0.0, "best_day_share": None}, "no_profit", FAIL),
        ({"best_day_share": 0.51}, "one_day", FAIL),
        ({"pbo": 0.51}, "pbo", FAIL),
        ({"pbo": None}, "pbo_unknown", UNPROVEN),
        ({"deflated_sharpe": 0.949}, "dsr", FAIL),
        ({"deflated_sharpe": None}, "dsr_unknown", UNPROVEN),
        ({"out_of_sample": {"profit": 0.0}}, "out_of_sample", FAIL),
        ({"out_of_sample": None, "paths_profitable": None}, "out_of_sample_unknown", UNPROVEN),
        ({"paths_profitable": 0.4}, "paths", FAIL),
        ({"efficiency": 0.4}, "efficiency", FAIL),
        ({"stress": {"fees": 1.0, "latency": 1.0, "tick": -1.0}}, "stress", FAIL),
        ({"robustness": 0.4}, "isolated_peak", FAIL),
        ({"ruin": 0.06}, "ruin", FAIL),
    ],
)
def test_each_flaw_is_one_reason(change: dict[str, Any], code: str, result: str) -> None:
    figures = GOOD | change
    reasons = judge(figures, Verdict())
    assert [reason.code for reason in reasons] == [code]
    assert outcome(reasons) == result
    for language in LANGUAGES:
        said = spoken(figures, reasons, language)
        assert reasons[0].say(language) in said
        assert "verdict." not in said
        assert "{" not in said


def test_counts_are_spoken_as_counts() -> None:
    (reason,) = judge(GOOD | {"days": 1}, Verdict())
    assert reason.say("en") == "too few days of data: 1 (at least 20)"
    (reason,) = judge(GOOD | {"pbo": 1.0}, Verdict())
    assert reason.say("ko") == "과최적화 확률이 1.00입니다 (한도 0.50)"


def test_one_set_that_was_never_chosen_needs_no_unseen_days() -> None:
    alone = GOOD | {"trials": 1, "sets": 1, "pbo": None, "out_of_sample": None, "paths_profitable": None, "robustness": None}
    assert judge(alone, Verdict()) == []


def test_what_speaks_against_comes_first_and_limits_are_settings() -> None:
    figures = GOOD | {"days": 5, "pbo": 0.4}
    assert [reason.code for reason in judge(figures, Verdict(pbo_max=0.3))] == ["pbo", "few_days"]
    assert judge(figures, Verdict(min_days=5)) == []


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), days=12)


def verdict(data: Path, capsys: pytest.CaptureFixture[str], subject: str, *more: str) -> tuple[int, dict[str, Any]]:
    return call(capsys, "verdict", subject, "--data-dir", str(data), "--json", *more)


def test_a_study_is_judged_and_the_verdict_is_stored(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ("--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"))
    _, study = call(capsys, *words(data, "optimise", *grid))
    status, got = verdict(data, capsys, study["study"])
    assert status == 0
    assert got["vars"] == study["best"]["vars"]
    assert {key: got["metrics"][key] for key in METRIC_KEYS} == {key: study["best"]["metrics"][key] for key in METRIC_KEYS}
    chance = got["overfitting"]
    assert (chance["trials"], chance["sets"], chance["blocks"]) == (27, 27, 6)
    assert 0.0 <= chance["pbo"] <= 1.0
    assert chance["paths"]["count"] == 5
    assert 0.0 <= chance["deflated_sharpe"] <= chance["deflated_sharpe_independent"] <= 1.0
    assert chance["deflated_sharpe"] <= got["daily"]["psr"]
    around = got["sensitivity"]
    assert around["centre"] == pytest.approx(study["best"]["score"])
    assert {one["index"] for one in around["variables"]} == {0, 1, 2}
    assert len(around["map"]["scores"]) == len(around["map"]["ys"]) == 3
    assert got["stress"]["plain"]["profit"] == pytest.approx(got["profit"])
    for kind in ("fees", "latency", "tick", "all"):
        assert got["stress"][kind]["profit"] != got["profit"]
    assert got["stress"]["fees"]["profit"] < got["profit"]
    assert got["verdict"]["result"] != PASS
    assert "made_data" in {reason["code"] for reason in got["verdict"]["reasons"]}
    kept = Studies(data / "library.db").verdict_of(rule=got["rule"])
    assert kept is not None
    assert (kept.verdict, kept.result, kept.subject) == (got["number"], got["verdict"]["result"], f"study:{study['study']}")
    assert kept.body["verdict"]["sentence"] == got["verdict"]["sentence"]
    _, again = verdict(data, capsys, study["study"], "--workers", "1")
    same = {"number", "wall_seconds"}
    assert {k: v for k, v in again.items() if k not in same} == {k: v for k, v in got.items() if k not in same}
    _, other = verdict(data, capsys, study["study"], "--map", "0,2")
    assert (other["sensitivity"]["map"]["x"], other["sensitivity"]["map"]["y"]) == (0, 2)


def test_the_stress_is_the_back_test_with_those_options(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = call(capsys, *words(data, "backtest", *SETS))
    _, got = verdict(data, capsys, str(run["run"]))
    for kind, more in (("fees", ("--fees", "0.001")), ("latency", ("--latency", "500ms")), ("tick", ("--slippage", "1"))):
        _, alone = call(capsys, *words(data, "backtest", *SETS, *more))
        assert got["stress"][kind]["metrics"] == {key: alone["metrics"][key] for key in METRIC_KEYS}, kind
    assert got["subject"] == f"run:{run['run']}"
    assert got["vars"] == [5.0, 3.0, 1.0]


def test_a_run_alone_says_what_cannot_be_told(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_data(tmp_path)
    _, run = call(capsys, *words(tmp_path, "backtest", *SETS))
    status, out, _ = told(capsys, "verdict", str(run["run"]), "--data-dir", str(tmp_path))
    assert status == 0
    assert "Stored as verdict 1" in out
    _, got = verdict(tmp_path, capsys, str(run["run"]))
    assert (got["overfitting"]["trials"], got["overfitting"]["pbo"], got["overfitting"]["paths"]) == (1, None, None)
    codes = {reason["code"] for reason in got["verdict"]["reasons"]}
    assert {"few_days", "made_data"} <= codes
    assert not codes & {"pbo_unknown", "out_of_sample_unknown"}


@pytest.mark.parametrize(
    ("subject", "more", "status", "code"),
    [
        ("no-such", (), 2, "studies.no_study"),
        ("9999", (), 2, "studies.no_run"),
        ("1", ("--map", "1"), 2, "cli.arguments"),
    ],
)
def test_bad_words_are_refused(
    data: Path, capsys: pytest.CaptureFixture[str], subject: str, more: tuple[str, ...], status: int, code: str
) -> None:
    got, body = verdict(data, capsys, subject, *more)
    assert (got, body["error"]["code"]) == (status, code)


def test_every_answer_is_json_without_what_json_cannot_say(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = call(capsys, *words(data, "backtest", *SETS, "--to", "2024-01-05"))
    _, got = verdict(data, capsys, str(run["run"]))
    assert json.loads(json.dumps(got, allow_nan=False)) == got


def test_a_stopped_verdict_stores_nothing_and_the_study_is_told_all_the_same(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = ("--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"))
    _, study = call(capsys, *words(data, "optimise", *grid))
    store = Studies(data / "library.db")
    before = store.verdict_of(subject=f"study:{study['study']}")

    @contextmanager
    def stopping() -> Iterator[threading.Event]:
        wish = threading.Event()
        wish.set()
        yield wish

    monkeypatch.setattr("cli.verdict.stopping", stopping)
    status, body = verdict(data, capsys, study["study"])
    assert (status, body["error"]["code"]) == (3, "verdict.stopped")
    assert store.verdict_of(subject=f"study:{study['study']}") == before
    monkeypatch.setattr("cli.optimise.stopping", stopping)
    status, again = call(capsys, "optimise", "--data-dir", str(data), "--resume", study["study"], "--json")
    assert status == 0
    assert "verdict" not in again
    assert again["best"]["vars"] == study["best"]["vars"]

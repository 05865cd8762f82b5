"""Splits and walk-forward of `optimise`: scores as written, days that nobody saw stay unseen, a stopped walk goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtester.engine import Engine, Options, prepare
from backtester.executors import LocalExecutor
from backtester.metrics import MDD, NO_TRADES, OUT_OF_LIMITS, Limits, objective
from backtester.verdict.folds import Folds
from backtester.verdict.parts import Part, run_days
from backtester.verdict.splits import divide
from coin.markets import UPBIT
from storage.studies import Studies
from tests.research import HAND_TEXTS, hand_module, hand_steps, made_rows
from tests.research_cli import call, make_data, store_rows, words

SETS = np.array(
    [
        [5.0, 0.1, 4.0, 0.8, 60.0, 0.6, 1e9, 1.0],
        [9.0, 0.2, 3.0, 0.4, 30.0, 0.5, 1e9, 1.0],
        [9.0, -9.0, 1.0, 2.0, 90.0, 1.5, 1e9, 0.0],
        [5.0, 99.0, 1.0, 2.0, 90.0, 1.5, 1e9, 0.0],  # never trades
    ]
)


@pytest.mark.parametrize(("kind", "weighted"), [("v", False), ("vc", False), ("vc", True)])
@pytest.mark.parametrize("name", ["TG", "PM"])
def test_the_score_of_folds_is_the_sum_that_is_written(kind: str, weighted: bool, name: str) -> None:
    rows = made_rows("upbit", 51, symbols=3, days=8, rows=120)
    prepared = prepare(rows, hand_steps().columns, UPBIT, Options(betting=1e6))
    executor = LocalExecutor(1)
    engine = Engine(hand_module(), hand_steps(), executor)
    raw = engine.run(prepared, SETS).raw
    division = divide(run_days(prepared).tolist(), kind, train=4, valid=2)
    got = Folds(prepared, division, weighted, executor).scores(name, raw, len(SETS), Limits({}))
    n = len(division.folds)
    assert n == (3 if kind == "vc" else 1)
    for number in range(3):
        total = 0.0
        for i, fold in enumerate(division.folds):
            a, b = (
                float(objective(name, Part(prepared, days, executor).metrics(raw, len(SETS)), 1e6)[number]) / (1e6 if name == "TG" else 1.0)
                for days in (fold.train, fold.test)
            )
            w = 2 * (n - i) / n if weighted else 1.0
            total += (-1 if a < 0 and b < 0 else 1) * a * b * w
        assert got[number] == pytest.approx(total / n, rel=1e-12)
    assert got[3] == NO_TRADES
    train = Part(prepared, division.folds[0].train, executor).metrics(raw, len(SETS))
    tight = Limits({"mdd": (0.0, float(train[0, MDD]) / 2)})
    assert Folds(prepared, division, weighted, executor).scores(name, raw, len(SETS), tight)[0] == OUT_OF_LIMITS


# --- from the command line -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"), days=10)


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows, but for the last two days, which are others."""
    root = tmp_path_factory.mktemp("poisoned")
    rows = made_rows("upbit", 41, days=10)
    other = np.random.default_rng(1)
    for _, day, lo, hi in rows.blocks.tolist():
        if day >= 20240113:
            for key in ("trade_strength", "last_price"):
                rows.columns[key][lo:hi] = other.permutation(rows.columns[key][lo:hi])
    store_rows(root, rows)
    for name, text in HAND_TEXTS.items():
        (root / f"{name}.txt").write_text(text, "utf-8")
    return root


def optimise(root: Path, data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    grid = ("--method", "grid", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"))
    return call(capsys, *words(root, "optimise", *grid, *more))


WALK = ("--walk-forward", "--train-weeks", "4d", "--test-weeks", "2d")


def test_unseen_days_change_nothing_that_is_chosen(data: Path, poisoned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (("--test-weeks", "2d"), ("--test-weeks", "2d", "--split", "vc", "--valid-weeks", "2d", "--train-weeks", "6d")):
        _, one = optimise(data, data, capsys, *more)
        _, other = optimise(poisoned, data, capsys, *more)
        assert one["best"] == other["best"]
        assert one["out_of_sample"]["metrics"] != other["out_of_sample"]["metrics"]
        assert (one["out_of_sample"]["days"], one["out_of_sample"]["from"]) == (2, 20240113)
        assert one["overfitting"]["pbo"] == other["overfitting"]["pbo"]
    _, one = optimise(data, data, capsys, *WALK)
    _, other = optimise(poisoned, data, capsys, *WALK)
    pairs = list(zip(one["walk_forward"]["windows"], other["walk_forward"]["windows"], strict=True))
    assert len(pairs) == 3
    for a, b in pairs:
        assert (a["in"], a["out"]) == (b["in"], b["out"])
        assert a["in"][1] < a["out"][0]
        if a["in"][1] < 20240113:
            assert (a["vars"], a["score"], a["in_metrics"]) == (b["vars"], b["score"], b["in_metrics"])
    assert pairs[-1][0]["out_metrics"] != pairs[-1][1]["out_metrics"]


def test_the_joined_days_are_those_of_the_windows(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, got = optimise(data, data, capsys, *WALK)
    assert status == 0
    walked = got["walk_forward"]
    windows = walked["windows"]
    assert walked["profit"] == pytest.approx(sum(one["out_metrics"]["tg"] for one in windows), abs=0.01)
    assert walked["trades"] == sum(one["out_metrics"]["tc"] for one in windows)
    assert walked["days"] == len(walked["daily_profit"]) == len(set(walked["days_list"])) == 5  # the last window is cut by the end
    assert sum(walked["daily_profit"]) == pytest.approx(walked["profit"], abs=0.01)
    assert got["best"]["vars"] == windows[-1]["vars"]
    assert got["out_of_sample"]["profit"] == walked["profit"]
    # Each window's figures are those of a back-test of its days with its set.
    first = windows[0]
    sets = [word for index, value in enumerate(first["vars"]) for word in ("--set", f"{index}={value}")]
    texts = ("--from", "2024-01-10", "--to", "2024-01-11")
    _, alone = call(capsys, *words(data, "backtest", *sets, *texts))
    assert first["out"] == [20240110, 20240111]
    assert alone["metrics"]["tg"] == pytest.approx(first["out_metrics"]["tg"])
    assert alone["metrics"]["seed"] == first["out_metrics"]["seed"]


class StopAfter:
    """A wish to stop that comes after some questions."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_walk_that_was_stopped_goes_on_to_the_same_end(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = optimise(data, data, capsys, *WALK, "--no-cache")

    @contextmanager
    def stopping() -> Iterator[StopAfter]:
        yield StopAfter(4)

    with monkeypatch.context() as patched:
        patched.setattr("cli.optimise.stopping", stopping)
        _, part = optimise(data, data, capsys, *WALK, "--no-cache")
    assert part["state"] == "stopped"
    assert 0 < part["evaluations"] < whole["evaluations"]
    assert "verdict" not in part
    status, refused = call(capsys, "verdict", part["study"], "--data-dir", str(data), "--json")
    assert (status, refused["error"]["code"]) == (2, "verdict.unfinished")
    status, rest = call(capsys, "optimise", "--data-dir", str(data), "--resume", part["study"], "--json")
    assert status == 0
    assert rest["walk_forward"] == whole["walk_forward"]
    assert rest["best"] == whole["best"]
    assert rest["evaluations"] + rest["resumed"] == whole["evaluations"]
    kept = Studies(data / "library.db").verdict_of(subject=f"study:{part['study']}")
    assert kept is not None
    assert kept.result == rest["verdict"]["result"] != "pass"


def test_a_window_whose_best_hardly_trades_keeps_the_set_before(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backtester.verdict.walk.TRADES_LEAST", 10**9)
    _, got = optimise(data, data, capsys, *WALK)
    windows = got["walk_forward"]["windows"]
    assert [one["kept"] for one in windows] == [False, True, True]
    assert windows[1]["vars"] == windows[2]["vars"] == windows[0]["vars"]


def test_every_study_ends_with_the_contracts_keys(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, got = optimise(data, data, capsys)
    assert set(got["overfitting"]) >= {"pbo", "deflated_sharpe"}
    assert got["out_of_sample"] is None
    assert set(got["verdict"]["sentence"]) == {"ko", "en"}
    _, none = optimise(data, data, capsys, "--no-verdict")
    assert "verdict" not in none
    assert none["best"] == got["best"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--walk-forward", "--split", "vc"), "split.walk_vc"),
        (("--valid-weeks", "1"), "split.no_validation"),
        (("--walk-forward",), "split.no_window"),
        (("--test-weeks", "3"), "split.empty"),
        (("--test-weeks", "x"), "cli.arguments"),
    ],
)
def test_words_that_do_not_fit_are_refused(data: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], code: str) -> None:
    status, body = optimise(data, data, capsys, *more)
    assert (status, body["error"]["code"]) == (2, code)


def test_metrics_of_a_study_with_unseen_days_are_of_those_it_searched(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, got = optimise(data, data, capsys, "--test-weeks", "3d")
    sets = [word for index, value in enumerate(got["best"]["vars"]) for word in ("--set", f"{index}={value}")]
    _, alone = call(capsys, *words(data, "backtest", *sets, "--to", "2024-01-11"))
    assert alone["metrics"] == got["best"]["metrics"]
    _, whole = call(capsys, *words(data, "backtest", *sets))
    assert whole["trades_sha256"] == got["trades_sha256"]
    assert whole["trades"] == alone["trades"] + got["out_of_sample"]["trades"]


def test_a_study_of_conditions_is_judged_as_the_text_that_would_be_traded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_data(tmp_path, days=6)
    (root / "buy.txt").write_text("체결강도 < 100\n등락율 < 0\n초당거래대금 < 100000\n", "utf-8")
    (root / "sell.txt").write_text("수익률 >= 1\n보유시간 >= 60\n", "utf-8")
    more = ("--method", "conditions", "--buy-lines", "1", "--sell-lines", "1", *WALK[:1], "--train-weeks", "3d", "--test-weeks", "2d")
    status, got = call(capsys, *words(root, "optimise", *more))
    assert status == 0
    _, alone = call(capsys, "verdict", str(got["run"]), "--data-dir", str(root), "--json")
    kept = Studies(root / "library.db").verdict_of(subject=f"study:{got['study']}")
    assert kept is not None
    assert kept.rule == alone["rule"]
    assert kept.body["sensitivity"]["random"]["count"] == 0
    assert {one["index"] for one in kept.body["sensitivity"]["variables"]} == {1, 2, 3, 4, 5}

"""Objectives that a user writes: arithmetic over metrics, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backtester.metrics import METRIC_KEYS, NO_TRADES, OUT_OF_LIMITS, Limits, objective, scores
from domain.errors import InputError
from tests.research_cli import call, make_data, words

METRICS = np.random.default_rng(3).uniform(1.0, 50.0, size=(6, len(METRIC_KEYS)))
METRICS[:, METRIC_KEYS.index("tg")] -= 25.0


def column(key: str) -> np.ndarray:
    return METRICS[:, METRIC_KEYS.index(key)]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("tg / mdd_amount * wr", lambda: column("tg") / column("mdd_amount") * column("wr")),
        ("수익금합계 - 2 * 최대낙폭금액", lambda: column("tg") - 2 * column("mdd_amount")),
        ("0.5*TPI + GM", lambda: 0.5 * column("tpi") + objective("GM", METRICS, 1.0)),
        ("max(min(wr, 30), ap) ** 2", lambda: np.maximum(np.minimum(column("wr"), 30), column("ap")) ** 2),
        ("-abs(tg) + sqrt(tc) - log(atc)", lambda: -np.abs(column("tg")) + np.sqrt(column("tc")) - np.log(column("atc"))),
        ("7", lambda: np.full(6, 7.0)),
    ],
)
def test_a_formula_is_its_arithmetic(text: str, want: object) -> None:
    assert objective(text, METRICS, 1.0) == pytest.approx(want(), rel=1e-12)  # type: ignore[operator]
    assert objective(text.upper(), METRICS, 1.0) == pytest.approx(want(), rel=1e-12)  # type: ignore[operator]


def test_what_has_no_value_is_outside_and_what_never_trades_stays_so() -> None:
    rows = np.zeros((2, len(METRIC_KEYS)))
    rows[0, METRIC_KEYS.index("tc")] = 5
    assert objective("tg / mdd", rows, 1.0).tolist() == [OUT_OF_LIMITS, OUT_OF_LIMITS]
    assert objective("sqrt(tg - 1)", rows, 1.0)[0] == OUT_OF_LIMITS
    assert scores("tg / mdd", rows, 1.0, Limits({})).tolist() == [OUT_OF_LIMITS, NO_TRADES]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("tg.real", "formula"), ("__import__('os')", "formula"), ("tg if wr else tp", "formula"), ("tg +", "formula"),
        ("min(tg)", "formula"), ("(lambda: tg)()", "formula"), ("tg[0]", "formula"), ("'a' * tg", "formula"),
        ("true + tg", "formula_name"), ("tg + nothing", "formula_name"), ("nothing", "objective"), ("tg" + " + tg" * 200, "formula"),
        ("-" * 200 + "tg", "formula"), ("1e300 * tg", "formula"), ("", "formula"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str, code: str) -> None:
    with pytest.raises(InputError, match=rf"optimise\.{code}\b"):
        objective(text, METRICS, 1.0)


def test_a_study_by_a_users_formula_resumes_and_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_data(tmp_path)
    grid = ("--method", "grid", "--ranges-form", "list", "--ranges", str(tmp_path / "ranges.txt"))
    status, got = call(capsys, *words(tmp_path, "optimise", *grid, "--objective", "tg - 2 * 최대낙폭금액"))
    assert status == 0
    metrics = got["best"]["metrics"]
    assert got["best"]["score"] == pytest.approx(metrics["tg"] - 2 * metrics["mdd_amount"])
    status, again = call(capsys, "verdict", got["study"], "--data-dir", str(tmp_path), "--json")
    assert status == 0
    assert again["sensitivity"]["centre"] == pytest.approx(got["best"]["score"])
    status, body = call(capsys, *words(tmp_path, "optimise", *grid, "--objective", "tg +"))
    assert (status, body["error"]["code"]) == (2, "optimise.formula")

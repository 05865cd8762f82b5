"""Words of research: refusals beside their field, queued commands and times, scores in few characters, figures of a walk-forward."""

from __future__ import annotations

from typing import Any

import pytest

from ui import format as fmt
from ui.models.queue_words import command_text, schedule_text
from ui.models.refusals import place_of
from ui.models.verdict_figures import ASKED, figure_rows

FORM = ("--market", "--strategy", "--from", "--to", "--ranges", "--betting", "--valid-weeks", "number")


@pytest.mark.parametrize(
    ("code", "fields", "place"),
    [
        ("backtest.no_rows", {}, "--from"),
        ("strategy.kept_missing", {}, "--strategy"),
        ("optimise.range_many", {}, "--ranges"),
        ("split.no_validation", {"option": "--valid-weeks"}, "--valid-weeks"),
        ("cli.arguments", {"reason": "argument --betting: invalid"}, "--betting"),
        ("studies.no_run", {}, "number"),
        ("fees.empty", {}, ""),  # the form has no such field
        ("nobody.knows", {}, ""),
    ],
)
def test_a_refusal_finds_its_field(code: str, fields: dict[str, Any], place: str) -> None:
    assert place_of(code, fields, FORM) == place


def test_a_queued_command_is_told_in_words() -> None:
    words = [
        "optimise",
        "--market",
        "upbit",
        "--strategy=데모",
        "--method=ga",
        "--ranges=/a/b/c.txt",
        "--no-verdict",
        "--walk-forward=rolling",
    ]
    assert command_text(words) == "전진분석 · 업비트 KRW · 데모 · 유전 알고리즘 · 탐색 범위 c.txt · 판정 생략 · 전진 방식 rolling"
    assert command_text(["data", "make", "--market=binance", "--days=2"]) == "가상 시세 만들기 · 바이낸스 현물 · 날수 2"
    assert command_text([]) == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "한 번"),
        ("06:30:00 weekdays Asia/Seoul", "평일 (월–금) 06:30"),
        ("06:30:15 mon,fri UTC", "월, 금 06:30:15, 세계시 (UTC)"),
        ("09:00:00 daily Europe/Paris", "매일 09:00, Europe/Paris"),
    ],
)
def test_a_schedule_is_told_in_words(text: str, wanted: str) -> None:
    assert schedule_text(text) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(-23_423_213.52, ("-2,342만", "-23.4M")), (1.5, ("1.50", "1.50")), (float("nan"), ("–", "–"))],
)
def test_a_score_has_few_characters_in_either_language(value: float, wanted: tuple[str, str]) -> None:
    assert (fmt.short_number(value, "ko"), fmt.short_number(value, "en")) == wanted


def test_figures_of_a_walk_forward_are_those_the_court_judged() -> None:
    unseen = {"trades": 804, "days": 1, "profit": -5.0, "efficiency": None, "daily": {"psr": 0.5, "best_day_share": None}}
    body: dict[str, Any] = {
        "trades": 1622,
        "days": 2,
        "profit": -7.0,
        "daily": {"sharpe": 1.0, "psr": 0.1, "best_day_share": 0.9, "min_track_record_days": None},
        "overfitting": {"deflated_sharpe": None, "trials": 36, "pbo": None, "paths": None},
        "sensitivity": {"robustness": None, "random": {"share": None}},
        "monte_carlo": {"days": None},
        "out_of_sample": unseen,
        "limits": {"min_trades": 30, "min_days": 20, "dsr_min": 0.95},
        "verdict": {"reasons": [{"code": "few_days", "against": False}, {"code": "dsr", "against": True}]},
    }
    rows = {name: (value, state) for name, value, _, state in figure_rows(body)}
    assert rows["walk_trades"] == (804, "pass")
    assert rows["walk_days"] == (1, "unknown")
    assert rows["walk_dsr"] == (0.5, "fail")
    assert len(rows) == len(ASKED)
    body["out_of_sample"] = None
    assert {name: value for name, value, *_ in figure_rows(body)}["days"] == 2

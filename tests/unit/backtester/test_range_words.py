"""Ranges that are taken and hardly meant are told of with their line; what cannot be a range is quoted as it was written."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from backtester.ranges import parse_ranges
from cli.advice import warn
from coin.markets import UPBIT
from domain.errors import InputError
from strategy.program import build

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
PROGRAM = build("매수 = 이동평균(self.vars[1]) > self.vars[2]", "매도 = 현재가N(self.vars[2]) > 이동평균(self.vars[0])", UPBIT, 1)
REST = "self.vars[2] = [[3, 5, 9], 5]\n"


def lines_of(text: str, form: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    warn(argparse.Namespace(lang="ko"), PROGRAM, (), parse_ranges(text, form), {0: 30.0})
    return [line for line in capsys.readouterr().err.splitlines() if line]


@pytest.mark.parametrize(
    ("text", "form", "said"),
    [
        ("self.vars[1] = [[10, 20, 30], 25]", "list", ["2행: self.vars[1] 의 시작값(최적값) 25"]),
        ("self.vars[1] = [[10, 20, 30], 20]", "list", []),
        ("self.vars[1] = [[0, 20, 30], 20]", "list", ["매수 글 1행 6열의 구간이 범위의 작은 값에서 1행보다 짧습니다"]),
        (
            "self.vars[0] = [[0, 30], 30]",
            "list",
            ["매도 글 1행 27열의 구간이", "self.vars[0](평균값계산틱수)의 값 0 은(는)"],
        ),
        ("self.vars[1] = [[20, 20, 30], 20]", "list", ["같은 값이 두 번"]),
    ],
)
def test_what_is_odd_about_a_range_is_told_with_its_line(text: str, form: str, said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    told = lines_of(REST + text, form, capsys)
    told = [line for line in told if "모든 행에서" not in line and "찾을 것이" not in line]
    assert len(told) == len(said), told
    assert all(part in line for part, line in zip(said, told, strict=True)), told


def test_a_step_that_rounds_to_nothing_and_a_search_of_one_set_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = lines_of("self.vars[1] = [[10.001, 10.004, 0.001], 10.0]", "grid", capsys)
    assert any("간격 0.001 이(가) 너무 작아" in line for line in told), told
    told = lines_of("self.vars[1] = [[20, 20, 0], 20]\nself.vars[2] = [[5, 5, 0], 5]", "grid", capsys)
    assert any("찾을 것이 없습니다" in line for line in told), told
    told = lines_of("self.vars[1] = [[20, 20, 0], 20]\nself.vars[2] = [[-5, 5, 5], 5]", "grid", capsys)
    assert any("되돌아보기가 범위의 작은 값에서 -5" in line for line in told), told


@pytest.mark.parametrize(
    ("text", "form", "code", "quoted"),
    [
        ("self.vars[1] = [[1e400, 2], 2]", "list", "optimise.range_number", "1e400"),
        ("self.vars[1] = [[1, 2], -1e400]", "list", "optimise.range_number", "-1e400"),
        (f"self.vars[1] = [[{'9' * 500}, 2], 2]", "list", "optimise.range_number", "9" * 120 + "…"),
        ("self.vars[1] = [[], 30]", "list", "optimise.range_no_values", ""),
        ("self.vars[1] = [[], 30]", "grid", "optimise.range_no_values", ""),
    ],
)
def test_what_is_no_range_is_refused_as_it_was_written(text: str, form: str, code: str, quoted: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_ranges(f"# first\n{text}", form)
    assert (caught.value.code, caught.value.fields["line"], caught.value.fields.get("text", "")) == (code, 2, quoted)


def test_the_ranges_that_are_delivered_are_not_warned_of() -> None:
    found = sorted(EXAMPLES.rglob("*.ranges*")) + sorted(EXAMPLES.rglob("*ranges*.txt"))
    assert found
    for path in found:
        for form in ("grid", "list"):
            try:
                ranges = parse_ranges(path.read_text("utf-8"), form)
            except InputError:
                continue  # it is of the other form
            assert form == "list" or all(one.best in one.values and not one.merged for one in ranges.values()), path

"""The examples a user starts with are there, small, and say how they are run; `tools/check.py` runs each of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from backtester.ranges import parse_ranges
from storage.strategies import Strategies

FOLDER = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py"))


def test_the_programs_a_newcomer_looks_for_are_there() -> None:
    assert {"backtest", "genetic_search", "check_a_strategy", "pyupbit_on_paper", "rows_in_pandas", "live_on_paper"} <= set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_is_short_and_says_how_it_is_run(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    said = ast.get_docstring(ast.parse(text)) or ""
    assert f"python examples/{name}.py" in said
    assert len(text.splitlines()) <= 70
    assert "from common import" in text, "examples use STOM_DATA_DIR or a temporary directory, never the user's own data"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ranges.txt")), ids=lambda path: path.name)
def test_example_ranges_begin_with_the_strategys_own_numbers(path: Path, tmp_path: Path) -> None:
    *_, variables = Strategies(tmp_path / "library.db").texts(path.name.removesuffix(".ranges.txt"), "upbit")
    ranges = parse_ranges(path.read_text("utf-8"), "list")
    assert {index: one.best for index, one in ranges.items()} == {index: variables[index] for index in ranges}

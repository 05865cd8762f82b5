"""The examples a user starts with are there, small, and say how they are run; `tools/check.py` runs each of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

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

"""docs/adding-an-optimiser.md, followed to the letter: one file and one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import backtester.optimisers
from backtester.optimisers import METHODS, Space, make
from cli.main import build_parser
from tests.research_cli import call, make_data, words

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adding-an-optimiser.md"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page's file in a folder that counts as part of `backtester/optimisers/`, and its line in METHODS."""
    page = PAGE.read_text("utf-8")
    file = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    line = re.search(r'^    "(\w+)": \("([\w.]+)", "(\w+)"\),$', page, re.MULTILINE)
    assert file is not None
    assert line is not None
    (tmp_path / "tabu.py").write_text(file[1], "utf-8")
    monkeypatch.setattr(backtester.optimisers, "__path__", [*backtester.optimisers.__path__, str(tmp_path)])
    monkeypatch.setitem(METHODS, line[1], (line[2], line[3]))
    yield line[1]
    sys.modules.pop(line[2], None)


def test_it_asks_learns_and_ends(added: str) -> None:
    values = tuple(float(x) for x in range(9))
    made = make(added, Space((values, values), (0, 0)), {"steps": 15, "seed": 1})
    seen = []
    while len(vectors := made.ask(100)):
        scores = -((vectors - 6) ** 2).sum(axis=1)
        seen.append(scores.max())
        made.tell(vectors, scores)
    assert max(seen) == 0
    assert len(seen) == 15


def test_the_command_line_has_it_with_its_option(
    added: str, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build_parser("optimise").parse_args(["optimise", "--method", added, "--steps", "3"]).steps == 3
    data = make_data(tmp_path_factory.mktemp("data"))
    argv = words(data, "optimise", "--method", added, "--steps", "4", "--ranges-form", "list", "--ranges", str(data / "ranges.txt"))
    status, first = call(capsys, *argv, "--no-verdict")
    assert status == 0, first
    assert first["options"] == {"steps": 4, "seed": 1, "trials": 0, "only": "all"}
    _, again = call(capsys, *argv, "--no-verdict")
    assert (again["best"], again["cached"]) == (first["best"], first["evaluations"])
    status, refused = call(capsys, *argv, "--population", "5")
    assert (status, refused["error"]["code"]) == (2, "optimise.option_unknown")
    assert "--steps" in refused["error"]["message"]


def test_without_the_line_it_is_unknown() -> None:
    assert "tabu" not in METHODS
    assert np.all([module.startswith("backtester.optimisers.") for module, _ in METHODS.values()])

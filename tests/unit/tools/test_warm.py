"""Set-up compiles every listed module; one without `warm` would leave it undone at each start."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools import environment
from tools.warm import WARM_MODULES

ROOT = Path(environment.__file__).resolve().parents[1]


@pytest.mark.parametrize("name", WARM_MODULES)
def test_each_module_can_be_warmed(name: str) -> None:
    tree = ast.parse((ROOT / (name.replace(".", "/") + ".py")).read_text("utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "warm"]
    assert len(found) == 1
    assert not found[0].args.args

"""The house keeps its shape: names in one place, both languages complete, no way around the rules."""

from __future__ import annotations

import ast
import json
import re
import string
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "utility", "stock", "coin", "strategy", "storage", "trading", "backtester", "paper", "ui", "cli")
VENUE_WORDS = {"upbit", "binance", "binance-futures", "kis", "kiwoom"}
# Where a venue or market may be spelled: its folder, the list of venues, the settings' groups, the made facts.
MAY_NAME_VENUES = (
    "coin/",
    "stock/",
    "trading/venues.py",
    "domain/settings.py",
    "domain/market_codes.py",
    "paper/made_facts.py",
    "trading/importers",
)


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))] + [ROOT / "stom.py"]


def docstrings(tree: ast.AST) -> set[int]:
    """Return the ids of the string nodes that are docstrings or bare strings under an assignment."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
    return found


@pytest.mark.parametrize("path", [p for p in sources() if p.exists()], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_venue_is_named_only_where_it_lives(path: Path) -> None:
    relative = str(path.relative_to(ROOT)).replace("\\", "/")
    if relative.startswith(MAY_NAME_VENUES):
        return
    tree = ast.parse(path.read_text("utf-8"))
    quiet = docstrings(tree)
    named = [
        f"{relative}:{node.lineno} {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in quiet and node.value in VENUE_WORDS
    ]
    assert not named


@pytest.mark.parametrize("path", [p for p in sources() if p.exists()], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_pickle_and_no_swallowed_error(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in {"pickle", "cloudpickle", "dill", "shelve", "marshal"}
            assert not any(alias.name == "*" for alias in node.names)
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            pytest.fail(f"{path.name}:{node.lineno} a bare except")


def fields_of(template: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name}


def test_both_languages_have_every_sentence_with_the_same_blanks() -> None:
    ko_files = {path.name for path in (ROOT / "utility/locale/ko").glob("*.json")}
    en_files = {path.name for path in (ROOT / "utility/locale/en").glob("*.json")}
    assert ko_files == en_files
    for name in sorted(ko_files):
        ko = json.loads((ROOT / "utility/locale/ko" / name).read_text("utf-8"))
        en = json.loads((ROOT / "utility/locale/en" / name).read_text("utf-8"))
        assert sorted(ko) == sorted(en), name
        for code in ko:
            assert fields_of(ko[code]) == fields_of(en[code]), f"{name}: {code}"


def test_no_code_is_defined_in_two_areas() -> None:
    from utility.text import LANGUAGES, catalogue

    for language in LANGUAGES:
        catalogue(language)


def test_nothing_tracked_names_a_home_directory_or_a_registry() -> None:
    words = re.compile(r"/ho" + r"me/[a-z]|/ro" + r"ot/|py" + r"pi\.org|python" + r"hosted")
    for path in sources():
        if path.exists():
            assert not words.search(path.read_text("utf-8")), path


def test_the_list_of_market_codes_is_that_of_the_markets() -> None:
    from domain.market_codes import MARKET_CODES
    from trading.venues import markets

    assert set(MARKET_CODES) == set(markets())

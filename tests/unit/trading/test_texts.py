"""Texts are read with the library's formulas on every road; the source is searched for one that forgets."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from coin.markets import UPBIT
from domain.formulas import Formula
from domain.process_config import StrategyText
from storage.bundles import Bundle
from storage.formulas import Formulas
from storage.strategies import Strategies
from strategy.language import StrategyErrors
from trading.save_check import check_saved
from trading.texts import formulas_of, known_formulas, program_of, read_text, read_texts

ROOT = Path(__file__).resolve().parents[3]
BASE = Formula(name="바탕", market="upbit", interval_s=1, display="line", text="self.line = 현재가 - 시가\n", in_strategy=True)
GAP = Formula(name="간격", market="upbit", interval_s=1, display="line", text="self.line = 바탕(0) + 바탕(1)\n", in_strategy=True)
SHOWN = Formula(name="그림", market="upbit", interval_s=1, display="line", text="self.line = 현재가\n")
BUY, SELL = "매수 = False\nif 간격(0) > 0:\n    매수 = True\n", "if 보유시간 >= 5:\n    매도 = True\n"
PARSERS = {"parse": 5, "build": 99, "parse_finder": 4, "parse_lines": 5, "parse_condition": 4}
"""Reader of texts → how many positional arguments hold the formulas; `build` takes them by name alone."""
PACKAGES = ("trading", "backtester", "cli", "ui", "storage", "paper")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library.db"
    for one in (BASE, GAP, SHOWN):
        Formulas(path).save(one)
    return path


def forgetful(source: str) -> list[int]:
    """Return the lines on which texts are read without formulas."""
    tree = ast.parse(source)
    readers = {
        alias.asname or alias.name: PARSERS[alias.name]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("strategy.", "backtester.condition_lines"))
        for alias in node.names
        if alias.name in PARSERS
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in readers
        and len(node.args) < readers[node.func.id]
        and not any(word.arg == "formulas" for word in node.keywords)
        and not any(isinstance(one, ast.Starred) for one in node.args)
    ]


def test_no_road_reads_a_text_without_formulas() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for line in forgetful(path.read_text("utf-8"))
    }
    assert found == set()
    assert forgetful("from strategy.program import build\nbuild(a, b, market, 1)\nbuild(a, b, market, 1, formulas=own)\n") == [2]
    assert forgetful("from strategy.language import parse\nparse(a, 'buy', market, 1)\nparse(a, 'buy', market, 1, own)\n") == [2]


def test_a_text_is_read_with_the_formulas_of_its_market_and_interval(library: Path, tmp_path: Path) -> None:
    assert [one.name for one in known_formulas(library, UPBIT, 1)] == ["간격", "바탕"]
    read = read_texts(library, UPBIT, 1, BUY, SELL)
    assert [one.name for one in read.formulas] == ["간격", "바탕"]
    text = StrategyText(name="a", version="1", buy=BUY, sell=SELL, formulas=read.formulas)
    assert program_of(text, UPBIT, 1).digest == read.program.digest
    assert read_text(library, UPBIT, 1, BUY, "buy").nodes()
    with pytest.raises(StrategyErrors):
        read_text(library, UPBIT, 60, BUY, "buy")
    with pytest.raises(StrategyErrors):
        read_text(tmp_path / "none.db", UPBIT, 1, BUY, "buy")
    assert not (tmp_path / "none.db").exists()
    Formulas(library).delete(("바탕", "upbit", 1))
    with pytest.raises(StrategyErrors):
        read_text(library, UPBIT, 1, BUY, "buy")


def test_bars_of_more_than_a_minute_take_the_formulas_of_minutes(library: Path) -> None:
    Formulas(library).save(Formula(name="분", market="upbit", interval_s=60, display="line", text="self.line = 현재가\n", in_strategy=True))
    (one,) = formulas_of(library, UPBIT, 300, ("매수 = 분(0) > 1\n",))
    assert (one.name, one.interval_s) == ("분", 300)


def test_a_saved_text_that_names_a_formula_is_judged(library: Path) -> None:
    store = Strategies(library)
    version, _ = store.save(Bundle(name="가", buy=BUY, sell=SELL, markets=("upbit",), interval_s=1))
    assert check_saved(store, version)["ok"] is True

"""docs/adding-a-factor.md, followed to the letter: one file, both back ends, both languages."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import strategy.factors
from coin.markets import UPBIT
from stock.markets import KRX
from strategy import catalogue, factor
from strategy.catalogue import completions
from strategy.language import StrategyErrors, parse
from strategy.program import build
from tests.unit.strategy.steps import Both

PAGE = Path(__file__).resolve().parents[3] / "docs" / "adding-a-factor.md"


@pytest.fixture
def new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example of the page in a folder of its own that counts as part of `strategy/factors/`."""
    block = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    folder = tmp_path / "factors"
    folder.mkdir()
    (folder / "spread.py").write_text(textwrap.dedent(block[1]), "utf-8")
    monkeypatch.setattr(strategy.factors, "__path__", [*strategy.factors.__path__, str(folder)])
    catalogue.refresh()
    yield folder
    for key in ("spread", "price_change"):
        factor.derived().pop(key, None)
    sys.modules.pop("strategy.factors.spread", None)  # last: asking for the factors imports it again
    catalogue.refresh()


@pytest.mark.usefixtures("new_file")
def test_a_new_factor_works_in_both_languages_and_both_back_ends(tmp_path: Path) -> None:
    korean = "self.a = 호가차이\nself.b = 호가차이N(1)\nself.c = 가격변화\nself.d = 가격변화N(1)\n"
    english = "self.a = spread\nself.b = spread_ago(1)\nself.c = price_change\nself.d = price_change_ago(1)\n"
    assert build(korean, "", UPBIT, 1).digest == build(english, "", UPBIT, 1).digest
    both = Both(tmp_path, UPBIT, 1, korean, english)
    both.feed(
        {
            "last_price": np.array([100.0, 103.0, 101.0]),
            "ask1": np.array([101.0, 104.0, 0.0]),
            "bid1": np.array([99.0, 101.0, 100.0]),
        },
        [],
    )
    seen = [[both.attribute(both.run("buy", i)[1], name) for name in "abcd"] for i in range(3)]
    assert seen == [[2.0, 0.0, 100.0, 0.0], [3.0, 2.0, 3.0, 100.0], [0.0, 3.0, -2.0, 3.0]]
    assert both.program.lookback() == 3  # the row before, and one more behind it


@pytest.mark.usefixtures("new_file")
def test_it_is_offered_and_suggested() -> None:
    names = {one.name for one in completions("buy", KRX, 60)}
    assert {"호가차이", "spread", "호가차이N", "spread_ago"} <= names
    with pytest.raises(StrategyErrors) as caught:
        parse("x = 호가차아", "buy", UPBIT, 1)
    assert caught.value.fields["suggestion"] == "호가차이"


def test_without_the_file_the_name_does_not_exist() -> None:
    with pytest.raises(StrategyErrors):
        parse("x = 호가차이", "buy", UPBIT, 1)


def test_a_factor_that_reads_further_back_than_it_says_is_refused() -> None:
    with pytest.raises(ValueError, match="reads 2 rows back"):
        factor.factor(ko="가", en="a", unit="price", lookback=1)(lambda last_price_ago2: last_price_ago2)


def test_one_name_is_defined_once() -> None:
    def tick_size(last_price: float) -> float:
        return last_price

    with pytest.raises(ValueError, match="defined twice"):
        factor.factor(ko="호가단위", en="tick_size", unit="price")(tick_size)

"""Every snippet is a text by itself, the same in both languages, and none takes the name of a word."""

from __future__ import annotations

import pytest

from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from stock.markets import KRX
from strategy.catalogue import vocabulary
from strategy.program import build
from strategy.snippets import SNIPPETS, snippets


@pytest.mark.parametrize("market", [KRX, UPBIT, BINANCE, BINANCE_FUTURES], ids=lambda one: one.code)
@pytest.mark.parametrize("interval_s", [1, 60])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_snippet_runs_and_its_languages_agree(market: Market, interval_s: int, side: str) -> None:
    known = vocabulary(side, market, interval_s).words
    seen = set()
    for one in snippets(side, market):
        texts = [one.text(language, market, interval_s) for language in ("ko", "en")]
        programs = [build(text, "", market, interval_s) if side == "buy" else build("", text, market, interval_s) for text in texts]
        assert programs[0].digest == programs[1].digest
        assert not {one.ko, one.en} & (known.keys() | seen)
        seen |= {one.ko, one.en}
    assert len(seen) == 2 * len(snippets(side, market)) > 12


def test_all_rules_of_a_side_and_the_signal_are_one_text() -> None:
    for side in ("buy", "sell"):
        text = "".join(one.text("ko", BINANCE_FUTURES, 1) for one in snippets(side, BINANCE_FUTURES))
        program = build(text, "", BINANCE_FUTURES, 1) if side == "buy" else build("", text, BINANCE_FUTURES, 1)
        assert program.nodes
    assert len(SNIPPETS) == 22

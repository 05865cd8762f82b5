"""Nothing of the specification is missing: every name is parsed and laid out where the specification has it."""

from __future__ import annotations

import pytest

from strategy.language import StrategyErrors, parse
from strategy.program import build
from tests.unit.strategy.specification import MARKETS, WHOLE, Use, listed, pairs, uses
from trading.venues import market

_USES = tuple(uses())


def _refusals(code: str, interval_s: int, side: str, wanted: list[Use]) -> list[str]:
    """Return what is refused; names are tried together first, one by one where the whole is refused."""
    out = []
    for start in range(0, len(wanted), 25):
        part = wanted[start : start + 25]
        try:
            parse("".join(f"if {one.text}:\n    pass\n" for one in part), side, market(code), interval_s)
        except StrategyErrors:
            for one in part:
                try:
                    parse(f"if {one.text}:\n    pass\n", side, market(code), interval_s)
                except StrategyErrors as refused:
                    out.append(f"§{one.section} {one.text}: {refused.code}")
    return out


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("interval_s", [1, 60])
@pytest.mark.parametrize("code", MARKETS)
def test_every_name_is_accepted(code: str, interval_s: int, side: str) -> None:
    wanted = [one for one in _USES if code in one.markets and interval_s in one.intervals and side in one.sides]
    assert len(wanted) > 700
    assert _refusals(code, interval_s, side, wanted) == []


@pytest.mark.parametrize("code", MARKETS)
def test_both_names_are_one_node(code: str) -> None:
    def digest(text: str, interval_s: int) -> str:
        return build(f"if {text}:\n    self.a = 1\n", "", market(code), interval_s).digest

    for interval_s in (1, 60):
        names = pairs("recorded") + [one for one in pairs("position") if one[1] != "holding_seconds"]
        names += pairs("krx") if code == "krx" else []
        names += pairs("indicators") + pairs("bars") if interval_s == 60 else []
        for ko, en in names:
            assert digest(f"{ko} > 1", interval_s) == digest(f"{en} > 1", interval_s), ko


@pytest.mark.parametrize(("side", "codes", "text"), WHOLE)
def test_whole_texts_with_their_tails_build(side: str, codes: tuple[str, ...], text: str) -> None:
    for code in codes:
        for interval_s in (1, 60):
            build(text if side == "buy" else "", text if side == "sell" else "", market(code), interval_s)


def test_every_key_of_an_indicator_may_be_set() -> None:
    keys = listed("indicator keys")
    assert len(keys) == 35
    text = "".join(f"self.indicator['{key}'] = {1 if 'matype' in key else 5}\n" for key in keys)
    for code in MARKETS:
        assert len(parse(text, "buy", market(code), 60).indicators) == 35

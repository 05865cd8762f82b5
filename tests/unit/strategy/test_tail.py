"""The signal block: every historic form gives the step of the text without it, and what contradicts the flag is refused."""

from __future__ import annotations

import unicodedata

import pytest

from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from domain.instruments import Market
from stock.markets import KRX
from strategy.language import StrategyErrors, parse
from strategy.program import build
from utility.text import sentence

BODY = {
    "buy": "if 등락율 < 1:\n    매수 = False\nelif 체결강도 < 100:\n    매수 = False\n",
    "sell": "if 수익률 >= 3:\n    매도 = True\nelif 보유시간 > 60:\n    매도 = True\n    강제청산 = True\n",
}
FUTURES_BODY = {
    "buy": "if 등락율 < 1:\n    BUY_LONG = False\nelif 등락율 > -1:\n    SELL_SHORT = False\n",
    "sell": "if 수익률 >= 3:\n    SELL_LONG = True\nelif 수익률 < -1:\n    BUY_SHORT = True\n",
}
GUARDED = "(포지션 == 'LONG' and SELL_LONG) or (포지션 == 'SHORT' and BUY_SHORT)"

HISTORIC = [
    (UPBIT, "buy", "if 매수:\n    self.Buy(종목코드, 현재가, 매도호가1, 매수호가1, 매수수량, 데이터길이)\n"),
    (BINANCE, "buy", "if 매수:\n    self.Buy(종목코드, 현재가, 매도호가1, 매수호가1, 매수수량, 데이터길이)\n"),
    (KRX, "buy", "if 매수:\n    self.Buy(종목코드, 종목명, 매수수량, 현재가, 매도호가1, 매수호가1, 데이터길이)\n"),
    (UPBIT, "buy", "if 매수:\n    self.Buy()\n"),
    (UPBIT, "buy", "if 매수 == True:\n    self.Buy()\n"),
    (UPBIT, "buy", "if 매수 is True:\n    self.Buy()\n"),
    (UPBIT, "buy", "if (매수):  # 끝\n    self.Buy()  # 신호\n"),
    (UPBIT, "buy", "if buy: self.Buy()\n"),
    (UPBIT, "sell", "if 매도:\n    self.Sell(종목코드, 현재가, 매도호가1, 매수호가1, 매도수량, 강제청산)\n"),
    (KRX, "sell", "if 매도:\n    self.Sell(종목코드, 종목명, 매도수량, 현재가, 매도호가1, 매수호가1, 강제청산)\n"),
    (KRX, "sell", "if 매도:\n    self.Sell()\n"),
    (KRX, "sell", "if sell is True:\n    self.Sell()\n"),
    (
        BINANCE_FUTURES,
        "buy",
        "if BUY_LONG or SELL_SHORT:\n    self.Buy(BUY_LONG, 종목코드, 매수수량, 현재가, 매도호가1, 매수호가1, 데이터길이)\n",
    ),
    (BINANCE_FUTURES, "buy", "if SELL_SHORT or BUY_LONG is True:\n    self.Buy(BUY_LONG)\n"),
    (BINANCE_FUTURES, "buy", "if open_long or open_short:\n    self.Buy()\n"),
    (BINANCE_FUTURES, "buy", "if BUY_LONG:\n    self.Buy('BUY_LONG')\nelif SELL_SHORT:\n    self.Buy('SELL_SHORT')\n"),
    (BINANCE_FUTURES, "buy", "if BUY_LONG:\n    self.Buy(True)\nelif SELL_SHORT:\n    self.Buy(False)\n"),
    (BINANCE_FUTURES, "sell", f"if {GUARDED}:\n    self.Sell(종목코드, 현재가, 매도호가1, 매수호가1, 매도수량, 강제청산)\n"),
    (BINANCE_FUTURES, "sell", f"if {GUARDED}:\n    self.Sell()\n"),
    (BINANCE_FUTURES, "sell", "if (BUY_SHORT and 포지션 == 'SHORT') or (SELL_LONG and 포지션 == 'LONG'):\n    self.Sell()\n"),
    (BINANCE_FUTURES, "sell", "if position_side == 'LONG' and close_long or position_side == 'SHORT' and close_short:\n    self.Sell()\n"),
    (
        BINANCE_FUTURES,
        "sell",
        "if 포지션 == 'SHORT' and BUY_SHORT:\n    self.Sell()\nelif 포지션 == 'LONG' and SELL_LONG == True:\n    self.Sell()\n",
    ),
]


@pytest.mark.parametrize(("market", "side", "tail"), HISTORIC, ids=lambda one: getattr(one, "code", one))
def test_a_historic_tail_gives_the_step_of_the_text_without_it(market: Market, side: str, tail: str) -> None:
    body = (FUTURES_BODY if market is BINANCE_FUTURES else BODY)[side]
    texts = {"buy": "", "sell": ""}
    plain = build(**_named(texts | {side: body}), market=market, interval_s=1)
    for spelled in (body + tail, unicodedata.normalize("NFD", body + tail)):
        assert build(**_named(texts | {side: spelled}), market=market, interval_s=1).digest == plain.digest


def _named(texts: dict[str, str]) -> dict[str, str]:
    return {f"{side}_text": text for side, text in texts.items()}


CONTRADICTING = {
    (UPBIT, "buy"): """
        매수 == False; 매수 is False; not 매수; 매수 != True; 매수 is not True; 매수 != False
        매수 is not False; 매수 == 1; True == 매수; True; False; 1
        매수 and True; 매수 or True; 매수 and 매수; 매수 or 매수
        매수 == 매수; 매수 is None; 매수 == True == True; 매수 and 등락율 > 5; 등락율 > 5
        매수 if 등락율 else 매수; (x := 매수); 매수 and not 보유수량; 매수수량; 매도; 포지션 is None and 매수
    """,
    (UPBIT, "sell"): "매도 == False; not 매도; 강제청산; 매도 or 강제청산; 매도 and 강제청산; 수익률 > 1; 매수",
    (BINANCE_FUTURES, "buy"): """
        BUY_LONG; SELL_SHORT; BUY_LONG and SELL_SHORT; not BUY_LONG or SELL_SHORT; BUY_LONG or SELL_SHORT == False; BUY_LONG or BUY_LONG
        BUY_LONG or SELL_SHORT or BUY_LONG; 포지션 is None and (BUY_LONG or SELL_SHORT); not 포지션
    """,
    (BINANCE_FUTURES, "sell"): """
        SELL_LONG or BUY_SHORT; SELL_LONG; 포지션 == 'LONG'; 포지션 == 'LONG' and SELL_LONG; 포지션 == 'LONG' and SELL_LONG or BUY_SHORT
        포지션 == 'LONG' and BUY_SHORT or 포지션 == 'SHORT' and SELL_LONG
        (포지션 == 'LONG' or SELL_LONG) and (포지션 == 'SHORT' or BUY_SHORT)
        포지션 != 'SHORT' and SELL_LONG or 포지션 == 'SHORT' and BUY_SHORT
        포지션 == 'LONG' and not SELL_LONG or 포지션 == 'SHORT' and BUY_SHORT
    """,
}


@pytest.mark.parametrize(
    ("market", "side", "condition"),
    [(*key, one.strip()) for key, text in CONTRADICTING.items() for one in text.replace("\n", ";").split(";") if one.strip()],
    ids=lambda one: getattr(one, "code", one),
)
def test_a_condition_that_is_not_the_flag_is_refused_with_its_place_and_the_right_form(market: Market, side: str, condition: str) -> None:
    body = (FUTURES_BODY if market is BINANCE_FUTURES else BODY)[side]
    error = refuse(f"{body}if {condition}:\n    self.{'Buy' if side == 'buy' else 'Sell'}()\n", side, market)
    assert (error.code, error.line) == ("strategy.tail_condition", body.count("\n") + 1)
    assert error.column in (4, 5)  # 5: Python counts from inside the brackets
    shown = {language: sentence(error.fields["hint"], language, **error.fields) for language in ("ko", "en")}
    flag, english = {"buy": ("매수", "buy"), "sell": ("매도", "sell")}[side]
    if market is BINANCE_FUTURES:
        flag, english = {"buy": ("BUY_LONG", "open_long"), "sell": ("SELL_LONG", "close_long")}[side]
    assert flag in shown["ko"]
    assert english in shown["en"]


@pytest.mark.parametrize(
    ("market", "side", "tail", "code", "line"),
    [
        (UPBIT, "buy", "if 매수:\n    self.Buy()\n    self.Buy()", "tail_twice", 3),
        (UPBIT, "buy", "if 매수:\n    self.Buy()\nif 매수:\n    self.Buy()", "tail_twice", 1),
        (UPBIT, "buy", "if 매수:\n    self.Buy()\nelif 매수:\n    self.Buy()", "tail_condition", 3),
        (UPBIT, "buy", "if 매수:\n    self.Buy()\nelif 등락율 > 1:\n    self.Buy()", "tail_condition", 3),
        (UPBIT, "buy", "if 매수:\n    self.Sell()", "tail_side", 2),
        (UPBIT, "buy", "if 매수:\n    self.Buy(현재거)", "unknown_name", 2),
        (UPBIT, "buy", "if 매수:\n    self.Buy(현재가 + 1)", "tail_argument", 2),
        (UPBIT, "buy", "if 매수:\n    self.Buy(__import__)", "underscore", 2),
        (UPBIT, "buy", "if 매수:\n    self.Buy()\nelse:\n    매수 = True", "tail_place", 2),
        (UPBIT, "buy", "if 매수 == False:\n    매수 = False\n    self.Buy()", "tail_place", 3),
        (UPBIT, "buy", "self.Buy() if 매수 else self.Buy()", "tail_place", 1),
        (UPBIT, "buy", "매수 and self.Buy()", "tail_place", 1),
        (UPBIT, "buy", "if 매수:\n    self.Buy()\n매수 = False", "tail_place", 2),
        (BINANCE_FUTURES, "buy", "if SELL_SHORT:\n    self.Buy()\nelif BUY_LONG:\n    self.Buy()", "tail_condition", 1),
        (BINANCE_FUTURES, "buy", "if BUY_LONG:\n    self.Buy()\nif SELL_SHORT:\n    self.Buy()", "tail_twice", 1),
        (BINANCE_FUTURES, "buy", "if BUY_LONG:\n    self.Buy('SELL_SHORT')\nelif SELL_SHORT:\n    self.Buy()", "tail_contradicts", 2),
        (BINANCE_FUTURES, "buy", "if BUY_LONG:\n    self.Buy(True)\nelif SELL_SHORT:\n    self.Buy(True)", "tail_contradicts", 4),
        (BINANCE_FUTURES, "buy", "if BUY_LONG or SELL_SHORT:\n    self.Buy(SELL_SHORT)", "tail_contradicts", 2),
        (BINANCE_FUTURES, "buy", "if BUY_LONG or SELL_SHORT:\n    self.Buy(True)", "tail_contradicts", 2),
        (BINANCE_FUTURES, "buy", "if BUY_LONG or SELL_SHORT:\n    self.Buy('BUY_LONG')", "tail_contradicts", 2),
    ],
)
def test_what_the_tail_does_besides_is_refused(market: Market, side: str, tail: str, code: str, line: int) -> None:
    error = refuse(tail, side, market)
    assert (f"strategy.{code}", line) in [(one.code, one.line) for one in error.errors]
    for one in error.errors:
        for language in ("ko", "en"):
            assert str(one.line) in sentence(one.code, language, line=one.line, column=one.column, **one.fields)


def refuse(text: str, side: str, market: Market) -> StrategyErrors:
    with pytest.raises(StrategyErrors) as caught:
        parse(text, side, market, 1)
    return caught.value

"""The allow-list: 178 texts refused where they are wrong, 111 good ones not, and what the user is told."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from string import Formatter

import pytest

from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from stock.markets import KRX
from strategy.catalogue import completions
from strategy.language import StrategyErrors, parse
from strategy.limits import MAX_BYTES
from utility.text import catalogue, has, sentence

DATA = Path(__file__).resolve().parents[2] / "data" / "strategies"
MARKETS = {"upbit": UPBIT, "binance": BINANCE, "binance-futures": BINANCE_FUTURES, "krx": KRX}
HOSTILE = json.loads((DATA / "hostile.json").read_text("utf-8"))
GOOD = json.loads((DATA / "good.json").read_text("utf-8"))


def refuse(text: str, side: str = "buy", market: str = "upbit", interval: str = "1s") -> StrategyErrors:
    with pytest.raises(StrategyErrors) as caught:
        parse(text, side, MARKETS[market], 1 if interval == "1s" else 60)
    return caught.value


def test_there_are_a_hundred_of_each() -> None:
    assert len({(one["text"], one["side"], one["interval"]) for one in HOSTILE}) >= 100
    assert len({(one["text"], one["market"]) for one in GOOD}) >= 100


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case["code"])
def test_a_hostile_text_is_refused_with_its_line(case: dict[str, str]) -> None:
    error = refuse(case["text"], case["side"], case["market"], case["interval"])
    assert (case["code"], case["line"]) in [(one.code, one.line) for one in error.errors]
    assert all(one.column >= 1 for one in error.errors)


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["text"][:30])
def test_a_good_text_is_accepted(case: dict[str, str]) -> None:
    tree = parse(case["text"], case["side"], MARKETS[case["market"]], 1 if case["interval"] == "1s" else 60)
    assert tree.side == case["side"]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_refusal_has_a_sentence_that_its_fields_fill(language: str) -> None:
    for case in HOSTILE:
        for one in refuse(case["text"], case["side"], case["market"], case["interval"]).errors:
            assert has(one.code, language), one.code
            fields = {"line", "column", *one.fields}
            for code in (one.code, one.fields.get("hint")):
                if code:
                    blanks = {name for _, name, _, _ in Formatter().parse(catalogue(language)[code]) if name}
                    assert blanks <= fields, (code, blanks - fields)


def test_all_errors_are_collected_in_line_order() -> None:
    error = refuse("import os\nx = 체결강더\ny = 분당거래대금\n매수 = 현재가(1)\n")
    assert [(one.line, one.code) for one in error.errors] == [
        (1, "strategy.forbidden"),
        (2, "strategy.unknown_name"),
        (3, "strategy.wrong_interval"),
        (4, "strategy.not_function"),
    ]
    assert (error.code, error.line) == ("strategy.forbidden", 1)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("체결강더", "체결강도"),
        ("이동평귬(3)", "이동평균"),
        ("trade_strenght", "trade_strength"),
        ("lastprice", "last_price"),
        ("Fals", "False"),
    ],
)
def test_a_misspelling_is_answered_with_the_nearest_name(written: str, meant: str) -> None:
    assert refuse(f"x = {written}").fields["suggestion"] == meant


def test_a_name_of_the_other_interval_is_answered_with_ours() -> None:
    assert refuse("x = 분당매수수량").fields["suggestion"] == "초당매수수량"
    assert refuse("x = value_1s", interval="1m").fields["suggestion"] == "value_1m"


def test_columns_are_counted_in_characters() -> None:
    error = refuse("매수 = 현재가 > 1 and 체결강더 > 2")
    assert error.column == len("매수 = 현재가 > 1 and ") + 1


def test_a_text_past_the_limit_is_not_parsed() -> None:
    assert refuse("x = 1\n" * (MAX_BYTES // 6 + 1)).code == "strategy.too_long"


def test_korean_english_and_decomposed_are_one_tree() -> None:
    korean = "값 = 현재가N(3) - 최저현재가(self.vars[0], 1)\n매수 = 값 > 0 and 초당매수금액 > 0 and 매입가 == 0\n"
    english = "v = last_price_ago(pre=3) - lowest_price(n=self.vars[0], pre=1)\nbuy = v > 0 and buy_value > 0 and entry_price == 0\n"
    trees = [parse(text, "buy", UPBIT, 1).body for text in (korean, english, unicodedata.normalize("NFD", korean))]
    assert trees[0] == trees[1] == trees[2]


def test_old_tails_change_nothing() -> None:
    plain = parse("매수 = 등락율 > 1\n", "buy", UPBIT, 1)
    for tail in ("if 매수:\n    self.Buy()", "if 매수:\n    self.Buy(종목코드, 현재가, 매도호가1, 매수호가1, 매수수량, 데이터길이)"):
        assert parse(f"매수 = 등락율 > 1\n{tail}\n", "buy", UPBIT, 1).body == plain.body


def test_sell_rules_are_numbered_in_text_order_with_the_line_above_as_label() -> None:
    text = (
        "if 수익률 > 3:\n    매도 = True\nelif 수익률 < -1:\n    매도 = False\n    매도 = 등락율 < 0\n"
        "else:\n    매도 = True\n매도 = 매도 or 체결강도 < 50\n"
    )
    tree = parse(text, "sell", UPBIT, 1)
    assert tree.labels == ("if 수익률 > 3:", "elif 수익률 < -1:", "elif 수익률 < -1:", "매도 = 매도 or 체결강도 < 50")


def test_completion_offers_both_languages_and_nothing_unbuilt() -> None:
    names = {one.name for one in completions("buy", UPBIT, 1)}
    assert {"현재가", "last_price", "현재가N", "last_price_ago", "이동평균", "sma", "매수", "buy", "self.vars"} - names == {"self.vars"}
    assert "RSI" not in names
    assert "분당거래대금" not in names
    assert "전일비" in {one.name for one in completions("buy", KRX, 1)}


@pytest.mark.parametrize("separator", ["\u2028", "\x0c", "\x85", "\x0b", "\x1c"])
def test_lines_are_those_of_python_not_of_unicode(separator: str) -> None:
    error = refuse(f"# 설명{separator}계속\n매수 = 현재거 > 1\n")
    assert (error.code, error.line, error.column) == ("strategy.unknown_name", 2, 6)
    tree = parse(f"# 설명{separator}계속\nif 수익률 > 3:\n    매도 = True\n", "sell", UPBIT, 1)
    assert tree.labels == ("if 수익률 > 3:",)


def test_the_mark_that_notepad_writes_first_is_no_part_of_the_text() -> None:
    assert parse("\ufeff매수 = 등락율 > 1\n", "buy", UPBIT, 1) == parse("매수 = 등락율 > 1\n", "buy", UPBIT, 1)


@pytest.mark.parametrize(
    ("text", "hint", "suggestion"),
    [
        ("x = 현재가 − 1", "hint_look_alike", "-"),
        ("x = 현재가 × 2", "hint_look_alike", "*"),
        ("매수 = 등락율 ≥ 2", "hint_look_alike", ">="),
        ("매수 = 종목코드 == “KRW-BTC”", "hint_look_alike", '"'),
        ("x = 이동평균（30）", "hint_look_alike", "("),
        ("매\u200b수 = True", "hint_look_alike", "␡"),
        ("if 등락율 > 1\n    매수 = False", "hint_colon", None),
        ("x = (1 + 2", "hint_bracket", None),
        ("x = 1)", "hint_bracket", None),
        ("x = (1]", "hint_bracket", None),
        ("매수 = 종목코드 == 'KRW", "hint_quote", None),
        ("if 등락율:\n\t매수 = False\n        매수 = True", "hint_tabs", None),
        ("if 등락율:\n매수 = False", "hint_indent", None),
        ("x = 1\n  y = 2", "hint_indent", None),
        ("if 등락율 = 1:\n    매수 = False", "hint_two_equals", None),
    ],
)
def test_a_slip_of_the_pen_is_answered_with_what_to_write(text: str, hint: str, suggestion: str | None) -> None:
    error = refuse(text)
    assert (error.code, error.fields.get("hint")) == ("strategy.syntax", f"strategy.{hint}")
    assert error.fields.get("suggestion") == suggestion
    for language in ("ko", "en"):
        assert (suggestion or "") in sentence(f"strategy.{hint}", language, **error.fields)


def test_a_mark_that_turns_the_writing_is_refused_at_its_place() -> None:
    errors = refuse("매수 = True\nx = 1  # a\u202eb\n# \u200f\n").errors
    assert [(one.code, one.line, one.column, one.fields["character"]) for one in errors] == [
        ("strategy.bidi", 2, 11, "U+202E"),
        ("strategy.bidi", 3, 3, "U+200F"),
    ]


@pytest.mark.parametrize("text", ['매수 = "\\ud800" == 종목코드', '매수 = True\nif 종목코드 in ("A", "\\udfff"):\n    매수 = False'])
def test_half_a_character_is_no_text(text: str) -> None:
    found = refuse(text)
    assert [one.code for one in found.errors] == ["strategy.half_character"]
    assert found.errors[0].line == text.count("\n", 0, text.index("\\u")) + 1

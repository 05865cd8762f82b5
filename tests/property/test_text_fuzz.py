"""Mutated strategy texts: each is refused with a place inside the text, or becomes a module; never a crash, never a hang.

2,000 texts here; ``STOM_FUZZ=100000`` for the long form. The seeds are the good and hostile texts of the
checker's own tests; the mutations are a careless person's (cut, doubled, moved, look-alikes, other
encodings) and a hostile one's (huge numbers, deep nesting, thousands of lines).
"""

from __future__ import annotations

import ast
import json
import os
import random
import time
import unicodedata
from pathlib import Path

from coin.markets import BINANCE, BINANCE_FUTURES, UPBIT
from stock.markets import KRX
from strategy.catalogue import vocabulary
from strategy.compiler import source
from strategy.language import StrategyErrors
from strategy.limits import lines_of
from strategy.program import build
from utility.text import has

TOTAL = int(os.environ.get("STOM_FUZZ", "2000"))
ONE_S = 5.0
DATA = Path(__file__).resolve().parents[1] / "data" / "strategies"
GOOD, HOSTILE = (json.loads((DATA / f"{name}.json").read_text("utf-8")) for name in ("good", "hostile"))
SEEDS = GOOD * 3 + HOSTILE
MARKETS = {market.code: market for market in (UPBIT, BINANCE, KRX, BINANCE_FUTURES)}
NAMES = sorted(vocabulary("sell", UPBIT, 1).words)
PIECES = (
    *("(", ")", "[", "]", "{", "}", ":", ",", ".", "=", "==", " and ", " or ", "not ", " if ", " else ", "#", "'", '"', "\\", "'''"),
    *(
        "\n",
        "\n    ",
        "\t",
        "\r",
        "\r\n",
        "\x00",
        "\x0c",
        "\x85",
        "\u2028",
        "\ufeff",
        "\u200b",
        "\u202e",
        "\ud800",
        "\u2212",
        "×",
        "（",
        "“",
    ),
    *("가", "ㄱ", "é", "𝐱", "½", "²", "10**12", "1e308", "-1", "0", "0.1", "9" * 30, "0x" + "f" * 40, "1_000", "1j", "True", "None", "..."),
    *("self", "self.vars[0]", "self.vars[-1]", "self.vars[9999]", "self.a", "self._a", "self.Buy()", "self.Sell()", "__import__"),
    *("lambda: 0", "range(10**12)", "for i in range(9):\n    ", "elif ", "if 현재가:\n    ", "else:\n    ", "break\n", "continue\n"),
    *("pass\n", "매수 = True\n", "(x := 1)", "np.sign(", "sum([1, ", "max(", "이동평균(", "현재가N("),
)


def mutate(draw: random.Random, text: str) -> str:
    at, end = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
    kind = draw.randrange(12)
    if kind < 4:
        return text[:at] + draw.choice(PIECES) + text[at:]
    if kind == 4:
        return text[:at] + draw.choice(NAMES) + text[at:]
    if kind == 5:
        return text[:at] + text[end:]
    if kind == 6:
        return text[:end] + text[at:]
    if kind == 7:
        return text[:at] + draw.choice(PIECES) * draw.choice((2, 9, 60, 300)) + text[at:]
    if kind == 8:
        lines = text.split("\n")
        draw.shuffle(lines)
        return "\n".join(lines)
    if kind == 9:
        return unicodedata.normalize(draw.choice(("NFD", "NFC", "NFKD")), text)
    if kind == 10:
        return (text + "\n") * draw.choice((2, 20, 400))
    return text[:at] + draw.choice(SEEDS)["text"] + text[at:]


def test_no_text_crashes_or_holds_the_checker() -> None:
    draw = random.Random(11)
    accepted = refused = 0
    for _ in range(TOTAL):
        seed = draw.choice(SEEDS)
        text = seed["text"]
        for _ in range(draw.choice((0, 1, 1, 2, 8))):
            text = mutate(draw, text)[:70_000]
        texts = (text, "") if seed["side"] == "buy" else ("", text)
        started = time.process_time()
        try:
            market, interval_s = MARKETS[seed["market"]], 1 if seed["interval"] == "1s" else 60
            module = source(build(*texts, market, interval_s, (("a", "현재가 > 1"),)))
        except StrategyErrors as error:
            refused += 1
            for one in error.errors:
                assert has(one.code, "ko"), (one.code, text)
                assert has(one.code, "en"), (one.code, text)
                assert 1 <= one.line <= len(lines_of(text)) + 1, (one.code, one.line, text)
                assert one.column >= 1, (one.code, text)
        else:
            accepted += 1
            ast.parse(module)
        assert time.process_time() - started < ONE_S, text
    assert min(accepted, refused) > TOTAL // 20

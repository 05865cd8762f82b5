"""What constants close is left out of the loop's text, and nothing else."""

from __future__ import annotations

import pytest

from backtester.fold import constants_of, fold

TEXT = """
A, B = True, False
NAMES = (False,)
COUNT, C = 3, True

def one(x, needs):
    if A and x > 0:
        x += 1
    if B and x > 0:
        x += 10
    elif not A:
        x += 100
    else:
        x += 1000
    while x < 0:
        if B:
            x = 5
    x += 1 if B or not C else 2
    if (A or B) and not (B and x):
        x -= 1 if x > 0 and (C or x) else 7
    if needs[0] and (x > 2 or B):
        return -x
    return x
"""


def test_truths_are_found_by_name() -> None:
    assert constants_of(TEXT) == {"A": True, "B": False, "C": True}


@pytest.mark.parametrize("x", [-1, 0, 1, 3, 2000])
def test_the_folded_text_gives_the_same(x: int) -> None:
    folded = fold(TEXT, constants_of(TEXT))
    plain: dict[str, object] = {}
    short: dict[str, object] = {}
    exec(TEXT, plain)
    exec(folded, short)
    if x < 0:
        x = 0  # the loop would not end
    for needs in ((True,), (False,)):
        assert plain["one"](x, needs) == short["one"](x, needs)  # type: ignore[operator]


def test_no_closed_road_is_left() -> None:
    body = fold(TEXT, constants_of(TEXT)).split("def one")[1]
    assert not any(name in body for name in ("A", "B", "C"))
    assert "100\n" not in body
    assert "x = 5" not in body
    assert "pass" in body  # the loop whose only road is closed still is one

"""User formulas: one answer compiled and interpreted, live and in batch; what they may not do; charts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from coin.markets import UPBIT
from domain.formulas import Formula
from storage.formulas import Formulas
from strategy import cache
from strategy.compiler import source
from strategy.formula import for_strategies, parse_formula, parse_formulas
from strategy.formula_lines import lines
from strategy.language import StrategyErrors
from strategy.program import build
from strategy.table import SymbolTable


def formula(name: str, text: str, display: str = "line", **more: object) -> Formula:
    return Formula(name=name, market="upbit", interval_s=1, display=display, text=text, in_strategy=True, **more)  # type: ignore[arg-type]


GAP = formula("간격", "차이 = 현재가 - 이동평균(3)\nself.line = 차이 / 최고현재가(2) * 100\n")
HELD = formula("저점선", "self.check = 현재가 <= 최저현재가(4)\nif self.check:\n    self.line = 현재가\n", "condition_line")
BAND = formula("띠", "self.check = 간격(0) > 간격(1)\nself.up = 현재가 + 1\nself.down = 현재가 - 간격()\n", "band")
RISK = formula("나눗셈", "self.line = 1 / (현재가 - 101)\n")
ALL = (BAND, GAP, HELD, RISK)
PRICE = np.array([100.0, 101, 103, 102, 99, 98, 101, 104, 104, 103, 101, 97, 99, 100])
COLUMNS = {"last_price": PRICE}
BUY = (
    "self.a = 간격(0)\nself.b = 저점선(1)\nself.c = 띠(0)\nself.d = 띠_up(0)\nself.e = 띠_down(2)\nself.f = 나눗셈(0)\n매수 = 간격(0) > 0\n"
)
DAYS = (0, 8)


def by_hand() -> dict[str, np.ndarray]:
    """Return the columns of the formulas, row by row."""
    out = {name: np.full(len(PRICE), np.nan) for name in ("간격", "저점선", "띠", "up", "down", "나눗셈")}
    for lo, hi in ((0, 8), (8, 14)):
        day, carried = PRICE[lo:hi], np.nan
        for i, price in enumerate(day):
            mean = round(float(day[i - 2 : i + 1].mean()) * 1e8) / 1e8 if i >= 2 else 0.0
            if i >= 1:  # on the first row it divides by 0
                out["간격"][lo + i] = (price - mean) / day[i - 1 : i + 1].max() * 100
            carried = price if price <= (day[i - 3 : i + 1].min() if i >= 3 else 0.0) else carried
            out["저점선"][lo + i] = carried
            now, before = out["간격"][lo + i], out["간격"][lo + i - 1] if i else 0.0
            out["띠"][lo + i] = float(now > before)
            if now > before:
                out["up"][lo + i], out["down"][lo + i] = price + 1, price - now
            out["나눗셈"][lo + i] = 1 / (price - 101) if price != 101 else np.nan
    return out


def test_both_back_ends_live_and_batch_give_the_columns_worked_out_by_hand(tmp_path: Path) -> None:
    program = build(BUY, "", UPBIT, 1, formulas=ALL)
    assert [one.name for one in program.formulas].index("간격") < [one.name for one in program.formulas].index("띠")
    module = cache.load("step", source(program), tmp_path, b"k" * 32)
    wanted = by_hand()
    keys = [("간격", "line"), ("저점선", "line"), ("띠", "check"), ("띠", "up"), ("띠", "down"), ("나눗셈", "line")]
    inputs = tuple(COLUMNS[key] for key in program.columns)
    batch, sums, scratch = module.make_extremes(14), module.make_sums(14), module.make_scratch(14)
    windows = program.windows([0.0])
    for lo, hi in ((0, 8), (8, 14)):
        module.fill_features(windows, inputs, sums, batch, scratch, lo, lo, hi)
    for key, name in zip(keys, wanted, strict=True):
        np.testing.assert_allclose(batch[program.formula_rows[key]], wanted[name], rtol=1e-12, err_msg=name)
    for compiled in (None, module):
        table = SymbolTable(program, np.zeros(1), compiled)
        schema = np.zeros(60)
        for i, price in enumerate(PRICE):
            if i == 8:
                table.reset_day()
            schema[0] = price
            at = table.append(20260105000000 + i, schema)
            found = [table.extremes[program.formula_rows[key]][at] for key in keys]
            np.testing.assert_array_equal(found, [batch[program.formula_rows[key]][i] for key in keys])
    state = program.day_state("A")
    assert module.buy(inputs, sums, batch, 12, 8, np.zeros(1), np.zeros(17), state) in (0, 1)
    assert state[program.attribute_slot("b")] == wanted["저점선"][11]
    assert state[program.attribute_slot("e")] == pytest.approx(wanted["down"][10], nan_ok=True)


def test_charts_get_the_same_columns_and_marks_that_alternate() -> None:
    found = lines(BAND, UPBIT, COLUMNS, np.arange(14) + 20260105000000, DAYS, known=[GAP])
    wanted = by_hand()
    np.testing.assert_allclose(found["up"], wanted["up"])
    arrows = formula("매매", "self.buy = 현재가 >= 101\nself.sell = 현재가 < 101\n", "trade_arrows")
    marks = lines(arrows, UPBIT, COLUMNS, np.arange(14) + 20260105000000, DAYS)
    assert np.flatnonzero(marks["buy"]).tolist() == [1, 6, 8]
    assert np.flatnonzero(marks["sell"]).tolist() == [4, 11]


@pytest.mark.parametrize(
    ("display", "text", "code"),
    [
        ("line", "self.check = True\nself.line = 1\n", "strategy.formula_attribute"),
        ("line", "x = 1\n", "strategy.formula_missing"),
        ("line", "self.line = 수익률\n", "strategy.formula_reads"),
        ("line", "self.line = self.vars[1]\n", "strategy.formula_reads"),
        ("line", "self.line = 현재가\n매수 = True\nimport os\n", "strategy.forbidden"),
        ("circle", "self.line = 1\n", "strategy.formula_display"),
    ],
)
def test_what_a_formula_may_not_do_is_refused(display: str, text: str, code: str) -> None:
    with pytest.raises(StrategyErrors) as refused:
        parse_formula(formula("수식", text, display), UPBIT)
    assert code in [one.code for one in refused.value.errors]


def test_names_and_circles_are_refused() -> None:
    for name in ("현재가", "sma", "self", "1x", "a b"):
        with pytest.raises(StrategyErrors, match=r"formula_name"):
            parse_formula(formula(name, "self.line = 1\n"), UPBIT)
    one, two = formula("하나", "self.line = 둘(1)\n"), formula("둘", "self.line = 하나(0)\n")
    with pytest.raises(StrategyErrors, match=r"formula_cycle"):
        parse_formulas([one, two], UPBIT)
    with pytest.raises(StrategyErrors):
        build("매수 = 하나 > 1\n", "", UPBIT, 1, formulas=[formula("하나", "self.line = 1\n")])


def test_only_what_texts_name_goes_with_them() -> None:
    off = msgspec.structs.replace(RISK, in_strategy=False)
    assert [one.name for one in for_strategies([BAND, GAP, HELD, off], UPBIT, 1, ["매수 = 띠_up(1) > 나눗셈(0)"])] == ["간격", "띠"]
    assert for_strategies(ALL, UPBIT, 60, ["간격(0)"]) == ()


def test_formulas_are_kept_in_versions(tmp_path: Path) -> None:
    store = Formulas(tmp_path / "library.db")
    assert store.save(GAP) == (1, True)
    assert store.save(GAP) == (1, False)
    changed = msgspec.structs.replace(GAP, text="self.line = 1\n")
    assert store.save(changed) == (2, True)
    assert store.all("upbit") == [changed]
    assert store.all("krx") == []
    assert store.delete(("간격", "upbit", 1)) == 3
    assert store.all() == []
    assert [one is None for _, _, one in store.history(("간격", "upbit", 1))] == [True, False, False]
    assert store.save(GAP) == (4, True)

"""Back-finder texts as STOM wrote them: against a plain search, in both back ends' grammar, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtester.find_ahead import fill_future
from coin.markets import BINANCE_FUTURES, UPBIT
from storage.strategies import Strategies
from strategy.finder_text import is_finder, parse_finder
from strategy.language import StrategyErrors, parse
from strategy.nodes import SetFlag
from tests.research import MadeRows, made_rows
from tests.research_cli import call, store_rows
from utility.paths import DataDir

TEXT = """# 백파인더
탐색틱수 = 25
탐색등락율 = self.vars[1]
self.tickcols = ['등락율', '강도차이', '낙폭']
강도차이 = 체결강도 - 체결강도N(1)
if (future_max(탐색틱수) / 현재가 - 1) * 100 <= 탐색등락율:
    매수 = False
elif not 강도차이 > 0:
    매수 = False
if 매수:
    self.tickdata = [등락율, round(강도차이, 2), 미래최저현재가(탐색틱수)]
    self.tickq.put(self.tickdata)
"""


@pytest.fixture(scope="module")
def rows() -> MadeRows:
    return made_rows("upbit", 41, symbols=2)


def plainly(rows: MadeRows, rise: float, ahead: int) -> list[tuple[str, int, float, float, float]]:
    """Return hits with the text's own columns, one row after the other."""
    hits = []
    for symbol, _, lo, hi in rows.blocks.tolist():
        price, strength, change = (rows.columns[key][lo:hi] for key in ("last_price", "trade_strength", "change_pct"))
        for i in range(4, hi - lo - ahead):
            after = price[i + 1 : i + ahead + 1]
            if rows.columns["in_universe"][lo + i] and (after.max() / price[i] - 1) * 100 > rise and strength[i] - strength[i - 1] > 0:
                gap = round(float(strength[i] - strength[i - 1]), 2)
                hits.append((rows.codes[symbol], int(rows.row_time[lo + i]), float(change[i]), gap, float(after.min())))
    return sorted(hits, key=lambda one: (one[1], one[0]))


def test_a_finder_text_finds_what_a_plain_search_finds(tmp_path: Path, rows: MadeRows, capsys: pytest.CaptureFixture[str]) -> None:
    store_rows(tmp_path, rows)
    (tmp_path / "find.txt").write_text(TEXT, "utf-8")
    base = ("find", "--data-dir", str(tmp_path), "--market", "upbit", "--json", "--set", "0=5", "--set", "1=1.5")
    status, found = call(capsys, *base, "--buy", str(tmp_path / "find.txt"))
    wanted = plainly(rows, 1.5, 25)
    assert (status, found["hits"], found["ahead"], found["rise"]) == (0, len(wanted), 25, 1.5)
    assert len(wanted) > 20
    table = pq.read_table(found["path"])
    names = ("code", "row_time", "등락율", "강도차이", "낙폭")
    got = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    assert [one[:2] for one in got] == [one[:2] for one in wanted]
    np.testing.assert_allclose([one[2:] for one in got], [one[2:] for one in wanted], atol=0.0051)
    status, refused = call(capsys, *base, "--buy", str(tmp_path / "find.txt"), "--ahead", "9")
    assert (status, refused["error"]["code"]) == (2, "find.twice")
    # From the library: a back-finder has no sell text.
    from storage.bundles import Bundle

    Strategies(DataDir(tmp_path).user_library).save(
        Bundle(name="찾기", buy=TEXT, sell="", markets=("upbit",), interval_s=1, variables={}, note="")
    )
    status, again = call(capsys, *base, "--strategy", "찾기")
    assert (status, again["hits"]) == (0, len(wanted))
    status, refused = call(capsys, "backtest", *base[1:], "--strategy", "찾기+데모_돌파")
    assert (status, refused["error"]["code"]) == (2, "strategy.finder_only")


@pytest.mark.parametrize("is_max", [True, False])
@pytest.mark.parametrize("ahead", [0, 1, 3, 49, 50, 80])
def test_what_follows_stays_within_the_block(ahead: int, is_max: bool) -> None:
    last = np.round(np.random.default_rng(3).uniform(1, 9, 100))
    last.flags.writeable = False
    blocks = np.array([[0, 50], [50, 100]])
    out = np.zeros(100)
    fill_future(last, blocks, ahead, is_max, out)
    for lo, hi in blocks.tolist():
        for i in range(lo, hi):
            after = last[i + 1 : i + ahead + 1]
            known = i + ahead < hi and ahead > 0
            assert out[i] == ((after.max() if is_max else after.min()) if known else 0.0)


def test_only_finder_texts_know_what_follows() -> None:
    for text in ("매수 = future_max(3) > 1\n", "매수 = 미래최저현재가(3) > 1\n", "self.tickcols = ['a']\n"):
        for side in ("buy", "sell"):
            with pytest.raises(StrategyErrors) as refused:
                parse(text.replace("매수", "매수" if side == "buy" else "매도"), side, UPBIT, 1)
            assert refused.value.code == "strategy.finder_only"
    assert is_finder(TEXT)
    assert not is_finder("# self.tickcols\n매수 = True\n")


def test_both_names_are_one_node() -> None:
    other = TEXT.replace("future_max", "미래최고현재가").replace("미래최저현재가", "future_min")
    assert parse_finder(TEXT, UPBIT, 1).tree == parse_finder(other, UPBIT, 1).tree


def test_on_futures_only_upward_moves_are_looked_for() -> None:
    text = TEXT.replace("매수", "BUY_LONG")
    first = parse_finder(text, BINANCE_FUTURES, 60).tree.body[0]
    assert isinstance(first, SetFlag)
    assert first.name == "open_short"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("['등락율', '강도차이', '낙폭']", "['등락율', '등락율', '낙폭']", "strategy.finder_columns"),
        ("['등락율', '강도차이', '낙폭']", "등락율", "strategy.finder_columns"),
        ("[등락율, round(강도차이, 2), 미래최저현재가(탐색틱수)]", "[등락율]", "strategy.finder_data"),
        ("    self.tickdata = [등락율, round(강도차이, 2), 미래최저현재가(탐색틱수)]\n", "", "strategy.finder_form"),
        ("future_max(탐색틱수)", "future_max(강도차이)", "strategy.finder_ahead"),
        ("탐색틱수 = 25\n", "탐색틱수 = 25\n탐색틱수 = 26\n", "strategy.finder_ahead"),
        ("self.tickq.put(self.tickdata)", "self.tickq.put(1)", "strategy.attribute"),
    ],
)
def test_a_text_that_is_wrong_is_told_so(old: str, new: str, code: str) -> None:
    with pytest.raises(StrategyErrors) as refused:
        parse_finder(TEXT.replace(old, new), UPBIT, 1)
    assert code in [one.code for one in refused.value.errors]


def test_columns_and_values_may_stand_in_one_block() -> None:
    found = parse_finder("self.tickcols = ['a', 'b']\nself.tickdata = [현재가, 체결강도]\n", UPBIT, 1)
    assert found.columns == ("a", "b")

"""The library: versions, what a new one holds, bundles and STOM's own files."""

from __future__ import annotations

import sqlite3
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from coin.markets import BINANCE, UPBIT
from domain.errors import DataError, InputError
from stock.markets import KRX
from storage.bundles import Bundle, read_bundle, write_bundle
from storage.strategies import DEFAULT_ORDER, Strategies
from storage.strategy_files import read_file
from strategy.program import build

MINE = Bundle("나의_전략", "매수 = 현재가 > 시가\n", "매도 = 수익률 > 1\n", ("upbit",), 1, {0: 30.0, 3: 0.1}, "메모")


@pytest.fixture
def library(tmp_path: Path) -> Strategies:
    return Strategies(tmp_path / "library.db")


def test_a_new_library_holds_the_four_and_they_run_where_they_say(library: Strategies) -> None:
    assert {one.name for one in library.all()} == set(DEFAULT_ORDER)
    markets = {"upbit": UPBIT, "binance": BINANCE, "krx": KRX}
    for one in library.all():
        for code in one.bundle.markets:
            program = build(one.bundle.buy, one.bundle.sell, markets[code], one.bundle.interval_s)
            program.check_variables([one.bundle.variables[k] for k in range(program.n_vars)])


def test_the_demo_has_window_ten_and_r1_is_r1(library: Strategies) -> None:
    assert library.get("데모_돌파").bundle.variables[0] == 10
    r1 = library.get("기본_R1").bundle
    assert r1.variables == {0: 30, 1: 1, 2: 20, 3: 30, 4: 5, 5: 2, 6: 2, 7: -1, 8: 300, 9: 10}
    assert build(r1.buy, r1.sell, UPBIT, 1).labels[2] == "elif 보유시간 >= self.vars[8]:"


def test_a_save_is_a_version_and_an_equal_save_is_none(library: Strategies) -> None:
    first, new = library.save(MINE, 5)
    assert (first.version, new, first.utc_ns) == (1, True, 5)
    assert library.save(MINE) == (first, False)
    second, new = library.save(replace(MINE, buy="매수 = 현재가 > 고가\n"), 6)
    assert (second.version, new) == (2, True)
    assert [one.version for one in library.history("나의_전략")] == [2, 1]
    assert library.get("나의_전략", 1).bundle == MINE
    assert "-매수 = 현재가 > 시가" in library.diff("나의_전략", 1)
    assert library.diff("나의_전략", 2) == ""


def test_decomposed_names_are_the_same_name(library: Strategies) -> None:
    library.save(MINE)
    assert library.get(unicodedata.normalize("NFD", "나의_전략")).bundle == MINE


def test_texts_join_the_buy_of_one_with_the_sell_of_another(library: Strategies) -> None:
    library.save(MINE)
    name, buy, sell, variables = library.texts("나의_전략+기본_R1", "upbit")
    assert (name, buy) == ("나의_전략+기본_R1", MINE.buy)
    assert sell == library.get("기본_R1").bundle.sell
    assert (variables[3], variables[6]) == (0.1, 2.0)


@pytest.mark.parametrize(
    ("name", "market", "code"),
    [("없음", "upbit", "strategy.kept_missing"), ("나의_전략", "krx", "strategy.kept_market"), ("../x", "", "strategy.kept_name")],
)
def test_what_cannot_run_is_said(library: Strategies, name: str, market: str, code: str) -> None:
    library.save(MINE)
    with pytest.raises(InputError) as caught:
        library.texts(name, market)
    assert caught.value.code == code


def test_two_windows_may_save_at_once(tmp_path: Path) -> None:
    one, other = Strategies(tmp_path / "library.db"), Strategies(tmp_path / "library.db")
    one.save(MINE)
    other.save(replace(MINE, note="b"))
    assert [version.version for version in one.history("나의_전략")] == [2, 1]


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    path.write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(DataError):
        Strategies(path)
    assert path.read_bytes().startswith(b"not a database")


def test_a_bundle_reads_back_as_it_was() -> None:
    assert read_bundle(write_bundle(MINE), "x") == MINE


@pytest.mark.parametrize(
    "text",
    [
        "매수 = True\n",
        "# strategy: a\n",
        "# strategy: a b\n# --- buy\nx = 1\n",
        "# strategy: a\n# interval: 5s\n# --- buy\n",
        "# strategy: a\n# markets: nyse\n# --- buy\n",
        "# strategy: a\n# vars: 0=x\n# --- buy\n",
        "# strategy: a\n# vars: 0=1, 0=2\n# --- buy\n",
        "# strategy: a\n# vars: 0=nan\n# --- buy\n",
        "# strategy: a\n# --- buy\n# --- buy\n",
    ],
)
def test_a_damaged_bundle_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_bundle(text, "file.txt")


def test_the_strategies_of_a_stom_database_come_in(tmp_path: Path, library: Strategies) -> None:
    path = tmp_path / "strategy.db"
    connection = sqlite3.connect(path)
    connection.execute('create table coinbuy ("index" text, "전략코드" text)')
    connection.execute('create table coinoptibuy ("index" text, "전략코드" text, "변수값" text)')
    connection.execute('create table stocksell ("index" text, "전략코드" text)')
    connection.execute("insert into coinbuy values ('돌파 1', '매수 = 현재가 > 시가\r\nif 매수:\r\n    self.Buy()')")
    connection.execute("insert into coinoptibuy values ('최적', '매수 = 등락율 > self.vars[1]', '30;1.5')")
    connection.execute("insert into stocksell values ('손절', '매도 = 수익률 < -2')")
    connection.commit()
    connection.close()
    found = {one.name: one for one in read_file(path).bundles}
    assert set(found) == {"돌파_1", "최적", "손절"}
    assert found["최적"].variables == {0: 30.0, 1: 1.5}
    assert found["손절"].markets == ("krx",)
    for one in found.values():
        library.save(one)
    _, buy, sell, _ = library.texts("돌파_1+기본_R1", "upbit")
    build(buy, sell, UPBIT, 1)
    with pytest.raises(InputError) as caught:
        library.texts("돌파_1", "upbit")
    assert caught.value.code == "strategy.kept_empty"

"""Order settings in a file: English and Korean names, defaults of the market, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from coin.markets import BINANCE, UPBIT
from domain.errors import InputError
from domain.instruments import Market
from domain.order_settings import OrderSettings, defaults, metas, titles
from stock.markets import KRX
from utility.order_settings_file import changed, load_orders, orders_of, save_orders
from utility.text import catalogue, sentence

ENGLISH = '{"entry": {"splits": 3, "split_down": true}, "exit": {"stop_rate": true, "stop_rate_pct": 3}}'
KOREAN = '{"매수분할횟수": 3, "매수": 1}'


def test_korean_and_english_names_mean_the_same() -> None:
    korean = '{"매수분할횟수": 3, "매수분할하방": true, "매도손절수익률청산": true, "매도손절수익률": 3}'
    assert orders_of(ENGLISH, UPBIT) == orders_of(korean, UPBIT)
    assert changed(orders_of(ENGLISH, UPBIT), UPBIT) == {
        "entry.splits": 3,
        "entry.split_down": True,
        "exit.stop_rate": True,
        "exit.stop_rate_pct": 3.0,
    }


def test_a_file_keeps_what_the_market_has_by_default() -> None:
    assert orders_of("{}", KRX) == defaults(KRX) != defaults(UPBIT) == orders_of("{}", UPBIT) == OrderSettings()
    assert (defaults(KRX).entry.split_method, defaults(KRX).entry.ban_from) == ("falling", "120000")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    settings = orders_of(ENGLISH, UPBIT)
    save_orders(tmp_path / "orders.json", settings)
    assert load_orders(tmp_path / "orders.json", UPBIT) == settings


def test_every_setting_has_both_titles_and_none_twice() -> None:
    for language in ("ko", "en"):
        assert all(titles(language).values())
    korean = list(titles("ko").values())
    assert len(korean) == len(set(korean)) == len(list(metas()))


@pytest.mark.parametrize(
    ("market", "text", "code"),
    [
        (UPBIT, "[1]", "orders.not_json"),
        (UPBIT, "{", "orders.not_json"),
        (UPBIT, KOREAN, "orders.unknown"),
        (UPBIT, '{"entry": {"split": 3}}', "orders.unknown"),
        (UPBIT, '{"entry": {"매도분할횟수": 3}}', "orders.unknown"),
        (UPBIT, '{"entry": {"splits": 3}, "매수분할횟수": 3}', "orders.twice"),
        (UPBIT, '{"entry": {"splits": 6}}', "orders.wrong"),
        (UPBIT, '{"entry": {"splits": "3"}}', "orders.wrong"),
        (UPBIT, '{"entry": {"order": "best"}}', "orders.choice"),
        (UPBIT, '{"weights": {"edges": [1, 1, 2, 3]}}', "orders.edges"),
        (UPBIT, '{"weights": {"factors": [1, 1, 2, 3, -1]}}', "orders.factors"),
        (UPBIT, '{"entry": {"ban_time": true, "ban_to": "150000"}}', "orders.times"),
        (UPBIT, '{"entry": {"ban_round": true}}', "orders.lacking"),
        (UPBIT, '{"weights": {"by": "turnover"}}', "orders.lacking"),
        (BINANCE, '{"entry": {"ban_cheap": true}}', "orders.lacking"),
        (KRX, '{"entry": {"ban_cheap": true}}', "orders.lacking"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, market: Market, text: str, code: str) -> None:
    path = tmp_path / "orders.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        load_orders(path, market)
    assert caught.value.code == code
    for language in ("ko", "en"):
        assert code in catalogue(language)
        assert str(path) in sentence(code, language, **caught.value.fields)


def test_settings_are_plain_data_in_a_passport() -> None:
    settings = orders_of(ENGLISH, UPBIT)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(settings)), OrderSettings) == settings


def test_the_example_is_one() -> None:
    example = Path(__file__).resolve().parents[3] / "examples" / "order_settings.json"
    assert load_orders(example, UPBIT).entry.splits == 3
    assert example.read_text("utf-8").strip() in (example.parents[1] / "docs" / "research.md").read_text("utf-8")

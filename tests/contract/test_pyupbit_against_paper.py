"""pyupbit, unmodified but for its addresses, against the paper exchange (protocols/upbit.md 12)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import pyupbit
import requests
from pyupbit import request_api

from tests.contract.paper_rig import SECRET, PaperRig, paper_exchange, wait_for


class Redirect:
    """Stands in for the module `requests` inside pyupbit: another host, the same calls."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False

    def _url(self, url: str) -> str:
        assert url.startswith("https://api.upbit.com/")
        return url.replace("https://api.upbit.com", self._base, 1)

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        return self._session.get(self._url(url), timeout=10, **kwargs)

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        return self._session.post(self._url(url), timeout=10, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> requests.Response:
        return self._session.delete(self._url(url), timeout=10, **kwargs)

    def close(self) -> None:
        self._session.close()


@pytest.fixture(scope="module")
def rig() -> Iterator[PaperRig]:
    with paper_exchange("upbit", rate_factor=20.0) as rig:
        yield rig


@pytest.fixture
def client(rig: PaperRig, monkeypatch: pytest.MonkeyPatch) -> Iterator[pyupbit.Upbit]:
    redirect = Redirect(rig.base)
    monkeypatch.setattr(request_api, "requests", redirect)
    yield pyupbit.Upbit("paper-key", SECRET)
    redirect.close()


def test_market_list(client: pyupbit.Upbit) -> None:
    assert pyupbit.get_tickers(fiat="KRW") == ["KRW-BTC", "KRW-ETH", "KRW-XRP"]


def test_candles_are_frames_with_rising_times(client: pyupbit.Upbit) -> None:
    frame = pyupbit.get_ohlcv("KRW-BTC", interval="minute1", count=2)
    assert len(frame) == 2
    assert frame.index.is_monotonic_increasing
    assert (frame["high"] >= frame["low"]).all()
    assert (frame["volume"] > 0).all()


def test_book_is_sorted_and_price_is_within_reach(client: pyupbit.Upbit) -> None:
    book = pyupbit.get_orderbook("KRW-BTC")
    units = book["orderbook_units"]
    assert len(units) >= 10
    asks, bids = [u["ask_price"] for u in units], [u["bid_price"] for u in units]
    assert asks == sorted(asks)
    assert bids == sorted(bids, reverse=True)
    assert bids[0] < asks[0]
    assert abs(pyupbit.get_current_price("KRW-BTC") / asks[0] - 1) < 0.01


def test_balances_open_with_the_paper_cash(rig: PaperRig, client: pyupbit.Upbit) -> None:
    with paper_exchange("upbit") as fresh:
        redirect = Redirect(fresh.base)
        request_api.requests, kept = redirect, request_api.requests
        try:
            assert client.get_balance("KRW") == 100_000_000.0
            assert client.get_balance("KRW-BTC") == 0
        finally:
            request_api.requests = kept
            redirect.close()


def test_market_buy_ends_as_cancel_with_fills_and_fee(client: pyupbit.Upbit) -> None:
    before = client.get_balance("KRW")
    placed = client.buy_market_order("KRW-BTC", 1_000_000)
    order = client.get_individual_order(placed["uuid"])
    assert order["state"] == "cancel"
    funds = sum(float(trade["funds"]) for trade in order["trades"])
    assert 999_000 < funds <= 1_000_000
    assert math.isclose(float(order["paid_fee"]), funds * 0.0005, rel_tol=1e-9)
    assert math.isclose(client.get_balance("KRW"), before - funds - float(order["paid_fee"]), abs_tol=1e-4)
    assert math.isclose(client.get_balance("KRW-BTC"), float(order["executed_volume"]), abs_tol=1e-9)


def test_market_sell_pays_the_fee_out_of_the_proceeds(client: pyupbit.Upbit) -> None:
    client.buy_market_order("KRW-ETH", 500_000)
    held, cash = client.get_balance("KRW-ETH"), client.get_balance("KRW")
    placed = client.sell_market_order("KRW-ETH", f"{held:.8f}")
    order = client.get_individual_order(placed["uuid"])
    assert order["state"] == "done"
    funds = sum(float(trade["funds"]) for trade in order["trades"])
    assert math.isclose(client.get_balance("KRW"), cash + funds * 0.9995, abs_tol=1e-4)
    assert client.get_balance("KRW-ETH") == 0


def test_limit_order_rests_locks_money_and_is_cancelled(client: pyupbit.Upbit) -> None:
    low = math.floor(pyupbit.get_current_price("KRW-XRP") * 0.8)
    free = client.get_balance("KRW")
    placed = client.buy_limit_order("KRW-XRP", low, 100)
    assert placed["state"] == "wait"
    assert math.isclose(client.get_balance("KRW"), free - low * 100 * 1.0005, abs_tol=1e-4)
    assert [order["uuid"] for order in client.get_order("KRW-XRP")] == [placed["uuid"]]
    cancelled = client.cancel_order(placed["uuid"])
    assert cancelled["uuid"] == placed["uuid"]
    assert client.get_individual_order(placed["uuid"])["state"] == "cancel"
    assert math.isclose(client.get_balance("KRW"), free, abs_tol=1e-4)
    assert client.get_order("KRW-XRP") == []


@pytest.mark.parametrize(
    ("price", "volume", "name"),
    [
        (3_000, 1, "under_min_total_bid"),
        (2_900.5, 100, "invalid_price_bid"),
        (3_000, 1e-05, "validation_error"),
        (3_000, 100_000, "insufficient_funds_bid"),
    ],
)
def test_refusals_carry_the_venues_names(rig: PaperRig, client: pyupbit.Upbit, price: float, volume: float, name: str) -> None:
    # pyupbit prints and swallows the names it knows, and returns the others as data: ask what was said.
    answers: list[requests.Response] = []
    redirect = request_api.requests
    real = redirect.post

    def post(url: str, **kwargs: Any) -> requests.Response:
        answers.append(real(url, **kwargs))
        return answers[-1]

    redirect.post = post
    client.buy_limit_order("KRW-XRP", price, volume)
    assert answers[0].status_code == 400
    assert answers[0].json()["error"]["name"] == name


def test_chance_states_fee_and_minimum(client: pyupbit.Upbit) -> None:
    chance = client.get_chance("KRW-BTC")
    assert chance["bid_fee"] == "0.0005"
    assert chance["market"]["bid"]["min_total"] == "5000"
    assert chance["bid_account"]["currency"] == "KRW"


def test_a_wrong_secret_is_refused(rig: PaperRig, client: pyupbit.Upbit) -> None:
    wrong = pyupbit.Upbit("paper-key", "another-secret-0123456789abcdef0123456789")
    answer = request_api.requests.get("https://api.upbit.com/v1/accounts", headers=wrong._request_headers())
    assert answer.status_code == 401
    assert answer.json()["error"]["name"] == "jwt_verification"


def test_the_truth_holds_every_order_of_the_client(rig: PaperRig, client: pyupbit.Upbit) -> None:
    placed = client.buy_market_order("KRW-BTC", 10_000)
    truth = wait_for(lambda: rig.control("GET", "truth"))
    order = next(order for order in truth["orders"] if order["uuid"] == placed["uuid"])
    assert order["status"] == "canceled"
    assert [fill["order"] for fill in truth["fills"] if fill["order"] == order["number"]]

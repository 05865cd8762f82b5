"""Orders placed beside the trader, by hand or another program: the kill switch cancels them at the venue, too."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest

from domain.messages import Command
from domain.ports import BrokerOutcome
from domain.settings import Risk
from storage.ledger import Ledger
from tests.contract.paper_rig import wait_for
from tests.contract.venue_kit import Sink, make_order
from tests.contract.venue_rig import VenueRig
from trading.desk import Options
from trading.effects import Alarm, Cancel, Effect, Moment, Query, TakeSnapshot
from trading.risk import READY
from trading.trader import Trader
from trading.venues import VENUES


@pytest.fixture(scope="module", params=list(VENUES))
def rig(request: pytest.FixtureRequest) -> Iterator[VenueRig]:
    with VenueRig(request.param) as running:
        yield running


def place_by_hand(rig: VenueRig, client: httpx.Client) -> str:
    """Rest a buy two per cent below the best bid as somebody's own script would; return the venue's number."""
    best, _ = rig.best(1)
    price = best * Decimal("0.98")
    step = rig.step(price)
    price = price // step * step
    qty = Decimal(rig.lots(rig.market.min_notional * 2, price)) / 10**8
    base = f"http://127.0.0.1:{rig.port}"
    if rig.venue.code == "upbit":
        body = {"market": rig.codes[0], "side": "bid", "ord_type": "limit", "volume": f"{qty:f}", "price": f"{price:f}"}
        digest = hashlib.sha512("&".join(f"{key}={value}" for key, value in body.items()).encode()).hexdigest()
        claims = {"access_key": rig.house.key, "nonce": str(uuid.uuid4()), "query_hash": digest, "query_hash_alg": "SHA512"}
        token = jwt.encode(claims, rig.house.secret, "HS512")
        answer = client.post(f"{base}/v1/orders", json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["uuid"])
    params = {
        "symbol": rig.codes[0], "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": f"{qty:f}", "price": f"{price:f}",
        "timestamp": str(time.time_ns() // 1_000_000),
    }  # fmt: skip
    params["signature"] = hmac.new(rig.house.secret.encode(), urlencode(params).encode(), "sha256").hexdigest()
    answer = client.post(f"{base}/api/v3/order", params=params, headers={"X-MBX-APIKEY": rig.house.key})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["orderId"])


def number_at_venue(rig: VenueRig, order: Any) -> str:
    return str(order.uuid if rig.venue.code == "upbit" else order.number)


class Desk:
    """The trader's core over a real broker: what the shell does, without processes."""

    def __init__(self, rig: VenueRig, folder: Path) -> None:
        ledger = Ledger(folder, "outside", "test", time.time_ns(), time.monotonic_ns())
        self.broker, self.sink, self.heard = rig.broker(), Sink(), 0
        self.core = Trader("outside", rig.market, rig.venue.capabilities, ledger, Risk(), Options(settle_window_s=2.0))
        self.core.set_instruments(self.broker.instruments())
        self.alarms: list[str] = []
        self.run(self.core.start(self.now))
        self.broker.start(self.sink)

    @property
    def now(self) -> Moment:
        return Moment(time.monotonic_ns(), time.time_ns())

    def run(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Cancel):
                self.broker.cancel(effect.order)
            elif isinstance(effect, Query):
                self.broker.query(effect.order)
            elif isinstance(effect, TakeSnapshot):
                self.run(self.core.on_snapshot(self.broker.snapshot(effect.fills_since_ns), self.now))
            elif isinstance(effect, Alarm):
                self.alarms.append(effect.code)

    def turn(self) -> None:
        fresh = list(self.sink.items[self.heard :])
        self.heard += len(fresh)
        self.run(self.core.on_brokers(fresh, self.now))
        self.run(self.core.on_timer(self.now))

    def until(self, check: Any, seconds: float = 10.0) -> None:
        def turned() -> bool:
            self.turn()
            return bool(check())

        wait_for(turned, seconds)

    def close(self) -> None:
        self.broker.close()
        self.core.close(self.now)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # the venue's keys are 40 characters
@pytest.mark.parametrize("level", ["cancel", "flatten"])
@pytest.mark.parametrize("is_there_before", [True, False])
def test_kill_switch_cancels_what_somebody_placed_beside_us(rig: VenueRig, tmp_path: Path, level: str, is_there_before: bool) -> None:
    with httpx.Client(trust_env=False, timeout=10.0) as client:
        early = place_by_hand(rig, client) if is_there_before else ""
        desk = Desk(rig, tmp_path)
        try:
            desk.until(lambda: desk.core.desk.readiness == READY)
            number = early or place_by_hand(rig, client)
            external = desk.core.desk.account.external
            desk.until(lambda: any(venue_number == number for _, venue_number in external))
            assert next(order for order in rig.orders() if number_at_venue(rig, order) == number).is_open
            desk.run(desk.core.on_command(Command(name="kill", args={"level": level}), desk.now))
            desk.until(lambda: not external)
            assert not next(order for order in rig.orders() if number_at_venue(rig, order) == number).is_open
            assert "order.unknown_answer" not in desk.alarms
        finally:
            desk.close()


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_an_order_without_our_id_is_cancelled_by_the_venues_number(rig: VenueRig) -> None:
    with httpx.Client(trust_env=False, timeout=10.0) as client:
        number = place_by_hand(rig, client)
    broker, sink = rig.broker(), Sink()
    broker.start(sink)
    try:
        order = make_order(rig.identifier(), "")
        order = type(order)(**{name: getattr(order, name) for name in order.__struct_fields__} | {"venue_order_id": number})
        broker.cancel(order)
        assert sink.wait(BrokerOutcome, lambda one: one.about == "cancel").kind == "cancel_accepted"
        wait_for(lambda: not next(one for one in rig.orders() if number_at_venue(rig, one) == number).is_open)
    finally:
        broker.close()

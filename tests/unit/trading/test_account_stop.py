"""손실중지 and 수익중지 of live trading: everything leaves once, entries end, also after a crash, until the next day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.instruments import NS
from domain.messages import RoundTripState
from domain.orders import Action
from domain.records import ROUND_TRIP_DTYPE
from tests.doubles.trader_rig import Rig
from trading.account_stop import CAUSE
from trading.risk import stop_is_crossed

DAY_S = 86_400


def held(folder: Path, stops: tuple[float, float], **options: object) -> Rig:
    """Return a trader that holds two symbols."""
    rig = Rig(folder, stops=stops, **options).ready()
    rig.tick()
    assert rig.enter("KRW-AAA").accepted
    assert rig.enter("KRW-BBB").accepted
    assert len(rig.trader.desk.positions.views()) == 2
    return rig


def moved(rig: Rig, factor: float) -> None:
    """Let the price of one symbol move and the feed say so."""
    price = rig.venue.price["upbit:KRW-AAA"]
    rig.venue.price["upbit:KRW-AAA"] = type(price)(round(float(price) * factor))
    rig.mono += NS
    rig.tick()
    rig.settle()


@pytest.mark.parametrize(("stops", "factor"), [((0.002, 0.0), 0.6), ((0.0, 0.002), 1.6)])
def test_everything_leaves_once_and_nobody_enters_until_the_next_day(tmp_path: Path, stops: tuple[float, float], factor: float) -> None:
    rig = held(tmp_path, stops)
    before = len(rig.placed)
    moved(rig, factor)
    assert rig.trader.desk.positions.views() == []
    assert [order.action for order in rig.placed[before:]] == [Action.STOP, Action.STOP]
    trips = [message for message in rig.messages if isinstance(message, RoundTripState)]
    assert {trip.label for trip in trips} == {"계좌중지청산"}
    assert {int(np.frombuffer(trip.data, ROUND_TRIP_DTYPE)["exit_rule"][0]) for trip in trips} == {400}
    assert [alarm.code for alarm in rig.alarms].count("trader.account_stop") == 1
    assert rig.enter("KRW-AAA").rule == "state"
    moved(rig, 1.0 / factor)  # the price comes back: the day stays over
    assert rig.enter("KRW-AAA").rule == "state"
    rig.crash()
    rig.ready()
    rig.tick()
    assert rig.enter("KRW-BBB").rule == "state"
    assert len(rig.placed) == before + 2
    rig.mono += DAY_S * NS
    rig.tick()
    rig.settle()
    assert CAUSE not in rig.trader.desk.causes
    rig.agrees()


def test_what_no_row_takes_out_is_tried_again_and_a_replay_waits_for_rows(tmp_path: Path) -> None:
    rig = held(tmp_path, (0.002, 0.0))
    rig.wire = lambda order: "rejected"
    moved(rig, 0.6)
    assert len(rig.trader.desk.positions.views()) == 2
    rig.wire, rig.fresh = (lambda order: "ok"), False
    rig.advance(5.0)
    assert rig.trader.desk.positions.views() == []


@pytest.mark.parametrize("stops", [(0.0, 0.0), (50.0, 50.0)])
def test_what_is_not_crossed_changes_nothing(tmp_path: Path, stops: tuple[float, float]) -> None:
    rig = held(tmp_path, stops)
    moved(rig, 0.6)
    assert len(rig.trader.desk.positions.views()) == 2
    assert CAUSE not in rig.trader.desk.causes
    assert rig.enter("KRW-CCC").accepted


def test_the_rule() -> None:
    assert stop_is_crossed(100.0, 98.0, 2.0, 0.0)  # 2 % of what is left, 98, is less than the 2 that are gone
    assert not stop_is_crossed(100.0, 98.5, 2.0, 0.0)
    assert not stop_is_crossed(100.0, 102.0, 0.0, 2.0)  # 2 % of 102 is more than 2
    assert stop_is_crossed(100.0, 102.1, 0.0, 2.0)
    assert not stop_is_crossed(100.0, 1.0, 0.0, 2.0)
    assert not stop_is_crossed(100.0, float("nan"), 2.0, 2.0)

"""Which instruments a receiver watches when nobody named them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from coin.markets import UPBIT
from domain.errors import InputError, Unreachable
from domain.instruments import Instrument
from domain.process_config import ProcessConfig
from tests.unit.trading.test_rows import instruments
from trading.receiver_process import ReceiverProcess, choose

ALL = instruments(UPBIT, 6)
CODES = [one.code for one in ALL]


def config(**changes: Any) -> ProcessConfig:
    return SimpleNamespace(**({"codes": (), "symbols": 3, "is_paper": False, "venue": "upbit"} | changes))  # type: ignore[return-value]


def test_what_trades_most_is_watched() -> None:
    values = dict(zip(CODES, (5.0, 1.0, 9.0, 0.0, 7.0, 2.0), strict=True))
    assert [one.code for one in choose(ALL, config(), (), values)] == [CODES[2], CODES[4], CODES[0]]


def test_without_values_the_market_has_an_order_of_its_own() -> None:
    assert [one.code for one in choose(ALL, config(), (CODES[5], CODES[3]))] == [CODES[5], CODES[3], CODES[0]]


def test_named_ones_are_taken_as_they_are_named() -> None:
    assert [one.code for one in choose(ALL, config(codes=(CODES[4], CODES[1])), ())] == [CODES[4], CODES[1]]
    with pytest.raises(InputError, match="unknown_code"):
        choose(ALL, config(codes=("KRW-NONE",)), ())


class Offers:
    """A feed that tells what it is asked for."""

    def __init__(self, offered: list[Instrument], values: dict[str, float] | None) -> None:
        self.offered, self.values = offered, values

    def instruments(self) -> list[Instrument]:
        return self.offered

    def day_values(self) -> dict[str, float]:
        if self.values is None:
            raise Unreachable("venue.unreachable")
        return self.values


def receiver(core: Any = None) -> ReceiverProcess:
    made = ReceiverProcess.__new__(ReceiverProcess)
    made.config, made.market, made.core = config(), UPBIT, core
    return made


def test_the_choice_stays_when_the_connection_is_made_again() -> None:
    first = receiver()._choose(Offers(ALL, {CODES[3]: 2.0, CODES[1]: 1.0}))  # type: ignore[arg-type]
    assert [one.code for one in first][:2] == [CODES[3], CODES[1]]
    newer = [msgspec.structs.replace(one, name="renamed") for one in ALL]
    again = receiver(SimpleNamespace(instruments=first))._choose(Offers(newer, {CODES[5]: 9.0}))  # type: ignore[arg-type]
    assert [(one.code, one.name) for one in again] == [(one.code, "renamed") for one in first]
    gone = [one for one in ALL if one.code != CODES[3]]
    assert receiver(SimpleNamespace(instruments=first))._choose(Offers(gone, {CODES[5]: 9.0}))[0].code == CODES[5]  # type: ignore[arg-type]


def test_a_venue_that_does_not_tell_is_no_obstacle() -> None:
    assert len(receiver()._choose(Offers(ALL, None))) == 3  # type: ignore[arg-type]

"""What a venue says was traded in a day, by code: the order in which a receiver that may choose chooses."""

from __future__ import annotations

import pytest

from tests.contract.venue_rig import VenueRig


@pytest.mark.parametrize("code", ["upbit", "binance"])
def test_a_days_value_is_told_for_each_code(code: str) -> None:
    with VenueRig(code) as rig:
        feed = rig.feed()
        try:
            rig.advance(30.0)
            values = feed.day_values()
            true = {one: rig.do(lambda number=number: rig.house.core.last_24h(number).value) for number, one in enumerate(rig.codes)}
            assert values == pytest.approx(true)
            assert min(values.values()) > 0.0
        finally:
            feed.close()

"""What a run's exchange is told: a replay is not held back by limits that count the machine's seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.process_config import LiveOptions, ReplayOptions
from domain.settings import Settings
from trading.run_config import REPLAY_RATE_FACTOR, exchange_options


@pytest.mark.parametrize(("asked", "given"), [(1.0, REPLAY_RATE_FACTOR), (5e4, 5e4)])
def test_limits_are_out_of_a_replays_way(asked: float, given: float) -> None:
    options = LiveOptions(market="upbit", replay=ReplayOptions(source="made", store="data"), rate_factor=asked)
    assert exchange_options(options, Settings(), Path("truth")).rate_factor == given


def test_a_live_market_keeps_the_venues_limits() -> None:
    assert exchange_options(LiveOptions(market="upbit"), Settings(), Path("truth")).rate_factor == 1.0

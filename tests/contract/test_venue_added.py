"""docs/adding-a-venue.md, followed: a third venue in a folder of its own and one line, held to the same suite.

The tests are imported, not copied: what a new venue must do is what the others do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.test_day_bars import test_the_venue_tells_its_own_day  # noqa: F401 - pytest collects what is imported
from tests.contract.test_venue_contract import (  # noqa: F401 - pytest collects what is imported
    desk,
    stream,
    test_a_failed_read_is_an_error_and_no_empty_account,
    test_a_lost_connection_is_marked_and_its_trades_are_fetched,
    test_a_part_is_filled_and_the_rest_ends,
    test_a_price_off_the_grid_is_rejected,
    test_a_resting_order_is_cancelled,
    test_a_used_id_exists,
    test_a_wrong_signature_is_rejected,
    test_accepted_and_then_silence_is_in_doubt_and_found_once,
    test_an_answer_that_proves_nothing_is_in_doubt,
    test_an_exit_at_the_market_sells_what_was_bought,
    test_an_order_that_crosses_fills_and_every_road_tells_the_same,
    test_an_unknown_order_is_not_found_and_not_cancelled,
    test_every_open_order_is_in_the_snapshot,
    test_haste_is_transient_and_waited_for,
    test_history_is_oldest_first_and_whole,
    test_the_book_is_the_venue_s_book,
    test_the_private_stream_reconnects_and_goes_on,
    test_too_little_money_is_rejected,
)
from tests.contract.venue_rig import VenueRig
from trading import venues

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def rig() -> Iterator[VenueRig]:
    venues.VENUES["toy"] = "tests.data.toyvenue"  # the one line
    try:
        with VenueRig("toy") as running:
            yield running
    finally:
        del venues.VENUES["toy"]


def test_the_document_names_every_file_of_the_folder_and_every_name_that_it_uses() -> None:
    text = (ROOT / "docs" / "adding-a-venue.md").read_text("utf-8")
    for path in sorted((ROOT / "tests" / "data" / "toyvenue").glob("*.py")):
        assert f"`{path.name}`" in text, path.name
    used = set()
    for path in (ROOT / "tests" / "data" / "toyvenue").glob("*.py"):
        for line in re.findall(r"^from (?:utility|domain)\.[a-z_]+ import (.+)$", path.read_text("utf-8"), re.MULTILINE):
            used |= {name.strip() for name in line.strip("(").split(",") if name.strip()}
    known = {"OrderDesk", "PrivateStream", "FeedDesk", "EventBlock", "HostGuard", "PublicRest", "Limit", "Venue", "Endpoint"}
    helpers = used & known
    assert helpers == known
    assert all(f"`{name}`" in text for name in helpers)


def test_nothing_outside_its_folder_knows_the_third_venue() -> None:
    for package in ("domain", "utility", "coin", "stock", "trading", "paper", "backtester", "cli", "ui", "strategy", "storage"):
        for path in (ROOT / package).rglob("*.py"):
            assert "toyvenue" not in path.read_text("utf-8"), path

"""`data download` against the paper exchange: two days of each venue, faults, stops, and what is not asked again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from backtester.engine import Options, prepare
from coin.upbit.past import UpbitHistory
from domain.errors import InputError, RefusedError, Unreachable
from domain.instruments import DAY_S, NS
from domain.records import ROW_NO_BOOK, TRADE
from storage.columns import open_rows
from storage.ticks import TickStore
from tests.contract.venue_rig import VenueRig
from trading import venues
from trading.importers import download as downloads
from trading.importers.download import SETTLED_S, Download, Downloaded

DAY = 20_700
START_NS = (DAY * DAY_S + DAY_S - 420) * NS  # seven minutes before the day ends
LENGTH_S = 660


@pytest.fixture(scope="module", params=["upbit", "binance", "binance-futures"])
def rig(request: pytest.FixtureRequest) -> Iterator[VenueRig]:
    market = request.param
    with VenueRig("upbit" if market == "upbit" else "binance", start_ns=START_NS) as one:
        one.advance(LENGTH_S - 20)
        one.past = market  # type: ignore[attr-defined]
        if market == "binance-futures":  # the futures' wire is the spot's under another prefix
            spot = one.house.dialect.rest
            one.house.dialect.rest = lambda asked: spot(msgspec.structs.replace(asked, path=asked.path.replace("/fapi/v1", "/api/v3")))
        yield one


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "rig" in request.fixturenames:
        request.getfixturevalue("rig").heal()


def task(
    rig: Any, root: Path, kind: str = "1m", *, days: tuple[int, int] = (DAY, DAY + 1), codes: Any = None, early_s: int = 0, **more: Any
) -> Any:
    """Return a download whose `run` closes its connections."""
    market = venues.market(rig.past)
    path = "/v1" if rig.past == "upbit" else ""
    history = venues.history(rig.past, f"http://127.0.0.1:{rig.port}{path}")
    now = START_NS + (LENGTH_S - early_s + SETTLED_S) * NS
    if isinstance(history, UpbitHistory):
        history._today_ns = lambda: now
    one = Download(TickStore(root), market, history, codes or rig.codes, kind, *days, now, **more)

    class Closing:
        def run(self) -> Downloaded:
            try:
                return one.run()
            finally:
                history.close()

    return Closing()


def stored(root: Path, market: str, interval_s: int = 60) -> Any:
    return open_rows(TickStore(root), market, interval_s)


def test_two_days_come_once(rig: Any, tmp_path: Path) -> None:
    first = task(rig, tmp_path, early_s=120).run()
    assert (first.resumed, first.days_stored) == (False, 4)
    rows = stored(tmp_path, rig.past)
    assert rows.rows == first.rows == 2 * (LENGTH_S // 60 - 2)
    assert not rows.has_book
    assert len(np.unique(rows.blocks["day"])) == 2
    again = task(rig, tmp_path, days=(DAY, DAY)).run()
    # The day that is over is there: one request asks for the list of symbols (two at Upbit, with the price steps).
    assert (again.rows, again.resumed, again.days_there) == (0, True, 2)
    assert again.requests <= 2
    later = task(rig, tmp_path).run()
    assert later.rows == 4
    assert later.days_stored == 2
    assert task(rig, tmp_path).run().days_there == 4
    assert stored(tmp_path, rig.past).rows == first.rows + 4
    assert TickStore(tmp_path).verify() == []


def test_rows_say_what_the_candles_say(rig: Any, tmp_path: Path) -> None:
    task(rig, tmp_path, codes=rig.codes[:1]).run()
    rows = stored(tmp_path, rig.past)
    candles = rig.do(lambda: rig.house.core.candles(0, 60, START_NS + LENGTH_S * NS, 100))
    column = rows.columns
    for k, candle in enumerate(candles):
        row = {name: float(column[name][k]) for name in column}
        assert (row["bar_open"], row["bar_high"], row["bar_low"], row["last_price"]) == (candle.open, candle.high, candle.low, candle.close)
        assert row["buy_volume_1m"] + row["sell_volume_1m"] == pytest.approx(candle.volume, abs=2e-8)
        if rig.past != "upbit":
            assert row["buy_volume_1m"] == pytest.approx(candle.buy_volume, abs=2e-8)
    second_day = int(rows.blocks["lo"][1])
    # The day before is known on the second day, so its first row has a change.
    close = float(column["last_price"][second_day - 1])
    assert column["change_pct"][second_day] == pytest.approx((column["last_price"][second_day] / close - 1) * 100, abs=0.006)


def test_a_back_test_on_candles_demands_the_last_price(rig: Any, tmp_path: Path) -> None:
    task(rig, tmp_path, codes=rig.codes[:1]).run()
    rows = stored(tmp_path, rig.past)
    with pytest.raises(InputError) as refused:
        prepare(rows, (), venues.market(rig.past), Options(betting=1e6))
    assert refused.value.code == "backtest.no_book"


def test_seconds_and_trades(rig: Any, tmp_path: Path) -> None:
    if rig.past == "binance-futures":
        with pytest.raises(InputError, match=r"download\.kind"):
            task(rig, tmp_path, "1s").run()
        return
    seconds = task(rig, tmp_path / "a", "1s", codes=rig.codes[:1]).run()
    tape = rig.do(lambda: rig.house.core.trades(0, 2_000))
    rows = stored(tmp_path / "a", rig.past, 1)
    assert rows.rows == seconds.rows == len({trade.exchange_ns // NS for trade in tape if trade.exchange_ns < START_NS + LENGTH_S * NS})
    trades = task(rig, tmp_path / "b", "trades", codes=rig.codes[:1]).run()
    assert trades.events >= len(tape) - 2
    assert trades.rows > 0
    assert not trades.reasons
    made = stored(tmp_path / "b", rig.past, 1)
    assert made.rows == rows.rows
    np.testing.assert_array_equal(made.row_time, rows.row_time)
    np.testing.assert_allclose(made.columns["day_open"], rows.columns["day_open"])


def test_no_trade_of_a_running_day_is_stored_twice(rig: Any, tmp_path: Path) -> None:
    kind = "aggtrades" if "binance" in rig.past else "trades"
    first = task(rig, tmp_path, kind, codes=rig.codes[:1], early_s=100).run()
    second = task(rig, tmp_path, kind, codes=rig.codes[:1]).run()
    assert second.events > 0
    store = TickStore(tmp_path)
    events = np.concatenate(list(store.read_events(rig.past, "recorded")))
    ids = events["first_id"][events["kind"] == TRADE]
    assert len(np.unique(ids)) == len(ids)
    assert len(events) == first.events + second.events
    assert store.verify() == []
    at_once = task(rig, tmp_path / "other", kind, codes=rig.codes[:1]).run()
    assert at_once.events == first.events + second.events
    np.testing.assert_array_equal(stored(tmp_path, rig.past, 1).row_time, stored(tmp_path / "other", rig.past, 1).row_time)


def test_aggregates(rig: Any, tmp_path: Path) -> None:
    if rig.past == "upbit":
        return
    found = task(rig, tmp_path, "aggtrades", codes=rig.codes[:1]).run()
    assert found.events > 100
    assert not found.reasons
    again = task(rig, tmp_path, "aggtrades", codes=rig.codes[:1]).run()
    assert again.events == 0
    assert again.resumed
    assert stored(tmp_path, rig.past, 1).rows + stored(tmp_path, rig.past, 60).rows == found.rows


@pytest.mark.parametrize(
    ("where", "action", "params"),
    [
        ("request", "status", {"status": 503}),
        ("response", "truncate", {}),
        ("response", "garbage", {}),
        ("request", "disconnect", {}),
        ("request", "rate_limit", {"retry_after_s": 0.2}),
        ("request", "ban", {"retry_after_s": 0.2}),
    ],
)
def test_faults_cost_requests_and_no_rows(
    rig: Any, tmp_path: Path, where: str, action: str, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if rig.past == "binance-futures":
        return  # the client of spot
    monkeypatch.setattr(Download, "_wait", lambda self, seconds: time.sleep(min(seconds, 0.3)))
    path = "/v1/candles" if rig.past == "upbit" else f"/{'fapi/v1' if 'futures' in rig.past else 'api/v3'}/klines"
    rig.fault(where, action, match={"path": path}, params=params, count=2)
    found = task(rig, tmp_path, codes=rig.codes[:1]).run()
    assert found.rows == LENGTH_S // 60
    assert found.requests >= 3


def test_answers_in_the_wrong_order_and_twice(rig: Any, tmp_path: Path) -> None:
    whole = rig.house.dialect.rest

    def mixed(asked: Any) -> Any:
        answer = whole(asked)
        if answer.status == 200 and ("candles" in asked.path or "klines" in asked.path):
            rows = msgspec.json.decode(answer.body)
            answer = msgspec.structs.replace(answer, body=msgspec.json.encode([*rows[::2], *rows[1::2], *rows[:1]]))
        return answer

    rig.house.dialect.rest = mixed
    try:
        found = task(rig, tmp_path).run()
    finally:
        rig.house.dialect.rest = whole
    assert found.rows == stored(tmp_path, rig.past).rows == 2 * (LENGTH_S // 60)


def test_a_venue_that_is_gone_leaves_what_came(rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Download, "_wait", lambda self, seconds: None)
    task(rig, tmp_path, days=(DAY, DAY)).run()
    rig.fault("request", "status", params={"status": 503}, match={"path": "/"})
    broken = task(rig, tmp_path)
    with pytest.raises(Unreachable):
        broken.run()
    rig.heal()
    assert task(rig, tmp_path).run().days_there == 2


def test_a_wish_to_stop_is_met_and_the_pages_are_kept(rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = threading.Event()
    rig.fault("request", "delay", params={"ms": 3000}, match={"path": "/", "contains": rig.codes[1]})
    threading.Timer(0.7, wish.set).start()
    began = time.monotonic()
    stopped = task(rig, tmp_path, days=(DAY + 1, DAY + 1), stop=wish).run()
    assert stopped.stopped
    assert time.monotonic() - began < 2.0
    rig.heal()
    kept = [path for path in (tmp_path / "downloads").rglob("*") if path.is_file()]
    resumed = task(rig, tmp_path, days=(DAY + 1, DAY + 1)).run()
    assert resumed.resumed is bool(kept)
    assert resumed.rows == 2 * ((LENGTH_S - 420) // 60)
    assert not list((tmp_path / "downloads").rglob("*.spool"))


def test_a_kill_between_pages_and_between_files_loses_no_row(rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from storage import segment_writer

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segment_writer, "seal_part", die)
    with pytest.raises(KeyboardInterrupt):
        task(rig, tmp_path, days=(DAY, DAY)).run()
    monkeypatch.undo()
    assert list((tmp_path / "ticks").rglob("*.part"))
    again = task(rig, tmp_path, days=(DAY, DAY)).run()
    assert again.resumed
    assert again.requests <= 5
    assert again.rows == stored(tmp_path, rig.past).rows == 14
    assert TickStore(tmp_path).verify() == []


def test_a_damaged_day_is_asked_again(rig: Any, tmp_path: Path) -> None:
    task(rig, tmp_path, days=(DAY, DAY)).run()
    segment = next((tmp_path / "ticks").rglob("row1m/*/*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-40])
    assert TickStore(tmp_path).verify()
    assert task(rig, tmp_path, days=(DAY, DAY)).run().rows == 14


def test_a_day_with_a_book_stays_as_it_is(rig: Any, tmp_path: Path) -> None:
    task(rig, tmp_path, days=(DAY, DAY)).run()
    from domain.records import row_schema

    store, market = TickStore(tmp_path), venues.market(rig.past)
    rows = next(rows for _, rows in store.read_rows(market.code, "recorded", 60)).copy()
    rows["flags"] &= ~ROW_NO_BOOK
    rows["seq"] += 1000
    writer = store.writer(
        market, "recorded", "row1m", row_schema("coin", 60), store.instruments(market.code, "recorded"), {"what": "receiver"}
    )
    for name in list((tmp_path / "ticks").rglob("row1m/*/*")):
        name.unlink()
    writer.append(rows)
    writer.seal()
    store.unlock()
    found = task(rig, tmp_path, days=(DAY, DAY)).run()
    assert found.rows == 0
    assert len(found.kept_out) == 2


def test_holes_are_said(rig: Any, tmp_path: Path) -> None:
    found = task(rig, tmp_path, days=(DAY, DAY), codes=rig.codes[:1]).run()
    assert [one["cause"] for one in found.gaps] == ["missing_candles"]  # nothing traded before the market began
    assert found.gaps[0]["from_ns"] == DAY * DAY_S * NS
    assert found.gaps[0]["to_ns"] == START_NS - 60 * NS
    empty = task(rig, tmp_path, days=(DAY - 1, DAY - 1), codes=rig.codes[:1]).run()
    assert [one["cause"] for one in empty.gaps] == ["nothing_there"]
    assert (empty.rows, empty.days_stored, empty.days_empty) == (0, 0, 1)
    assert task(rig, tmp_path, days=(DAY - 1, DAY - 1), codes=rig.codes[:1]).run().days_there == 1


def test_what_cannot_be_asked_is_refused(rig: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"download\.symbol"):
        task(rig, tmp_path, codes=["NIX"]).run()
    with pytest.raises(InputError, match=r"download\.future"):
        task(rig, tmp_path, days=(DAY + 5, DAY + 6)).run()
    if rig.past != "binance":
        with pytest.raises(InputError, match=r"download\.reach"):
            task(rig, tmp_path, "trades" if rig.past == "upbit" else "aggtrades", days=(DAY - 20, DAY)).run()
    with pytest.raises(InputError, match=r"download\.no_history"):
        venues.history("krx")
    elsewhere = venues.history(rig.past, "http://example.com")
    with pytest.raises(RefusedError):
        elsewhere.instruments()
    elsewhere.close()


def test_a_long_ban_ends_it(rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PATIENCE_S", 0.05)
    rig.fault("request", "ban", params={"retry_after_s": 60}, match={"path": "/"})
    from domain.errors import RateLimited

    with pytest.raises(RateLimited):
        task(rig, tmp_path).run()


def test_of_a_running_day_only_the_rest_is_asked(rig: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    kind = type(venues.history(rig.past, "http://127.0.0.1:1"))
    whole = kind.page

    def page(self: Any, what: str, code: str, first: int, end: int, held: Any) -> Any:
        asked.append((first, end))
        return whole(self, what, code, first, end, held)

    monkeypatch.setattr(kind, "page", page)
    day = (DAY + 1, DAY + 1)
    midnight = (DAY + 1) * DAY_S
    for early_s in (180, 60, 0):
        task(rig, tmp_path, days=day, codes=rig.codes[:1], early_s=early_s).run()
    ends = [START_NS // NS + LENGTH_S - early_s for early_s in (180, 60, 0)]
    spans = [(midnight, ends[0]), (ends[0], ends[1]), (ends[1], ends[2])]
    assert list(dict.fromkeys((first // NS, end // NS) for first, end in asked)) == spans
    at_once = task(rig, tmp_path / "other", days=day, codes=rig.codes[:1]).run()
    assert at_once.rows == stored(tmp_path, rig.past).rows == 4
    for name in ("day_value", "last_price", "change_pct", "day_high"):
        np.testing.assert_array_equal(stored(tmp_path, rig.past).columns[name], stored(tmp_path / "other", rig.past).columns[name])

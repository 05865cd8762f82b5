"""Public frames → events: exact numbers, the venue's formats, refusals with a reason."""

from __future__ import annotations

import ast
import gzip
import json
from decimal import Decimal

import numpy as np
import pytest

from coin.binance import frames as binance
from coin.upbit import frames as upbit
from domain.instruments import Instrument
from domain.records import EVENT_DTYPE, FIRST, LAST, LEVEL, NO_ROW, PREV_CLOSE, SNAPSHOT, TOTAL, TRADE
from tests.recorded import RECORDED

DAY_MS = 86_400_000


def upbit_decoder() -> upbit.FrameDecoder:
    return upbit.FrameDecoder([Instrument(instrument_id=f"upbit:{code}", code=code, name=code) for code in ("KRW-BTC", "KRW-ETH")])


def binance_decoder() -> binance.FrameDecoder:
    return binance.FrameDecoder([Instrument(instrument_id="binance:BTCUSDT", code="BTCUSDT", name="BTCUSDT")])


def upbit_trade(volume: str = "0.0021", time_ms: int = 1_790_000_000_101, close: str = "100500000", number: int = 17, **more: str) -> bytes:
    fields = {"stream_type": '"REALTIME"', "ask_bid": '"BID"', "trade_price": "101000000", **more}
    rest = ",".join(f'"{key}":{value}' for key, value in fields.items())
    return (
        f'{{"type":"trade","code":"KRW-ETH","trade_timestamp":{time_ms},"trade_volume":{volume},'
        f'"prev_closing_price":{close},"sequential_id":{number},{rest}}}'
    ).encode()


# --- Upbit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0.0021", 210_000),
        ("8.428e-05", 8_428),
        ("1e-8", 1),
        ("1E+2", 10_000_000_000),
        ("22517998.13685248", 2_251_799_813_685_248),
        ("90071992.54740993", 9_007_199_254_740_993),
        ("1234567890.12345678", 123_456_789_012_345_678),
        ("3", 300_000_000),
    ],
)
def test_an_upbit_quantity_is_exactly_what_was_written(text: str, units: int) -> None:
    assert units == int(Decimal(text) * 10**8)
    event = upbit_decoder().decode(upbit_trade(text), 5)[-1]
    assert (event["kind"], event["qty"]) == (TRADE, units)


@pytest.mark.parametrize("text", ["1e-9", "0.123456789", "90071992.547409931"])
def test_an_upbit_quantity_finer_than_a_unit_is_refused(text: str) -> None:
    decoder = upbit_decoder()
    assert len(decoder.decode(upbit_trade(text), 5)) == 0
    assert decoder.rejected.total() == 1


def test_random_quantities_survive_in_trades_and_books() -> None:
    rng = np.random.default_rng(1)
    decoder = upbit_decoder()
    for digits in range(1, 18):
        for _ in range(20):
            units = int(rng.integers(1, 10**digits))
            text = format(Decimal(units) / 10**8, "f" if rng.random() < 0.5 else "E")
            book = (
                f'{{"type":"orderbook","code":"KRW-BTC","timestamp":1,"total_ask_size":1.5,"total_bid_size":2,'
                f'"orderbook_units":[{{"ask_price":2,"bid_price":1,"ask_size":{text},"bid_size":0.5}}]}}'
            ).encode()
            assert decoder.decode(upbit_trade(text, number=units), 1)[-1]["qty"] == units
            assert decoder.decode(book, 1)[0]["qty"] == units


def test_the_previous_close_comes_once_a_day_and_when_it_changes() -> None:
    decoder = upbit_decoder()
    time = 1_790_000_000_000

    def kinds(**fields: object) -> list[int]:
        return decoder.decode(upbit_trade(**fields), 1)["kind"].tolist()  # type: ignore[arg-type]

    assert kinds(time_ms=time) == [PREV_CLOSE, TRADE]
    assert kinds(time_ms=time + 1) == [TRADE]
    assert kinds(time_ms=time + DAY_MS) == [PREV_CLOSE, TRADE]
    assert kinds(time_ms=time + DAY_MS, close="100600000") == [PREV_CLOSE, TRADE]
    assert kinds(time_ms=time + DAY_MS, close="null") == [TRADE]
    assert kinds(time_ms=time + DAY_MS, close="0") == [TRADE]


def test_a_snapshot_trade_is_no_trade() -> None:
    decoder = upbit_decoder()
    assert len(decoder.decode(upbit_trade(stream_type='"SNAPSHOT"'), 1)) == 0
    assert (decoder.control, decoder.rejected.total()) == ("other", 0)


def test_an_upbit_trade_has_the_trade_s_time_side_and_number() -> None:
    event = upbit_decoder().decode(upbit_trade(ask_bid='"ASK"').decode(), 99)[-1]
    assert event["exchange_ns"] == 1_790_000_000_101_000_000
    assert (event["received_ns"], event["side"], event["first_id"], event["instrument"], event["price"]) == (99, -1, 17, 1, 101e6)


def test_an_upbit_book_is_levels_then_totals() -> None:
    frame = (
        b'{"type":"orderbook","code":"KRW-BTC","timestamp":1790000000130,"total_ask_size":4.2,"total_bid_size":3.9,"level":0,'
        b'"orderbook_units":[{"ask_price":101,"bid_price":100,"ask_size":0.31,"bid_size":0.12},{"ask_price":102,"bid_price":0,"ask_size":1,"bid_size":0}]}'
    )
    events = upbit_decoder().decode(frame, 7)
    assert events["kind"].tolist() == [SNAPSHOT] * 3 + [TOTAL] * 2
    assert events["side"].tolist() == [-1, -1, 1, -1, 1]
    assert events["price"].tolist() == [101.0, 102.0, 100.0, 4.2, 3.9]
    assert events["qty"].tolist() == [31_000_000, 100_000_000, 12_000_000, 0, 0]
    assert events["flags"].tolist() == [FIRST, 0, 0, 0, LAST]
    assert (events["exchange_ns"] == 1_790_000_000_130_000_000).all()


def test_default_and_simple_keys_say_the_same() -> None:
    long = (
        b'{"type":"orderbook","code":"KRW-BTC","timestamp":1,"total_ask_size":4,"total_bid_size":3,'
        b'"orderbook_units":[{"ask_price":2,"bid_price":1,"ask_size":5,"bid_size":6}]}'
    )
    short = b'{"cd":"KRW-BTC","tms":1,"tas":4,"tbs":3,"obu":[{"ap":2,"bp":1,"as":5,"bs":6}],"ty":"orderbook"}'
    assert upbit_decoder().decode(long, 1).tolist() == upbit_decoder().decode(short, 1).tolist()
    trade = (
        b'{"ty":"trade","cd":"KRW-ETH","ttms":1790000000101,"tp":101000000,"tv":0.0021,"ab":"BID","pcp":100500000,"sid":17,"st":"REALTIME"}'
    )
    assert upbit_decoder().decode(trade, 1).tolist() == upbit_decoder().decode(upbit_trade(), 1).tolist()


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (upbit_trade(trade_price="-1"), "price"),
        (upbit_trade(trade_price="1e300"), "price"),
        (upbit_trade("0"), "qty"),
        (upbit_trade("-3"), "qty"),
        (upbit_trade(ask_bid='"BOTH"'), "side"),
        (upbit_trade(trade_price='"1"'), "malformed"),
        (upbit_trade().replace(b"KRW-ETH", b"KRW-NON"), "unknown_symbol"),
        (b"", "malformed"),
        (b"{}", "malformed"),
        (b"[1,2]", "malformed"),
        (b'{"type":"trade"}', "malformed"),
        (b'{"a":' * 5000, "malformed"),
    ],
)
def test_an_upbit_frame_that_cannot_be_true_is_counted_by_reason(frame: bytes, reason: str) -> None:
    decoder = upbit_decoder()
    assert len(decoder.decode(frame, 1)) == 0
    assert dict(decoder.rejected) == {reason: 1}


# --- Binance ----------------------------------------------------------------------------------


def depth(bids: object = (), asks: object = (), first: int = 10, last: int = 12) -> bytes:
    data = {"e": "depthUpdate", "E": 1_723_161_255_208, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks}
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data}).encode()


def binance_trade(**fields: object) -> bytes:
    data = {"e": "trade", "E": 2, "s": "BTCUSDT", "t": 5, "p": "61837.63000000", "q": "0.02000000", "T": 1, "m": True, "M": True, **fields}
    return json.dumps({"stream": "btcusdt@trade", "data": data}).encode()


def test_a_binance_trade_is_sold_when_the_buyer_was_the_maker() -> None:
    event = binance_decoder().decode(binance_trade(), 9)[0]
    assert (event["kind"], event["side"], event["qty"], event["price"], event["first_id"]) == (TRADE, -1, 2_000_000, 61837.63, 5)
    assert event["exchange_ns"] == 1_000_000, "trade time, not event time"
    assert binance_decoder().decode(binance_trade(m=False), 9)[0]["side"] == 1


def test_a_trade_that_is_not_of_the_market_is_none() -> None:
    decoder = binance_decoder()
    assert len(decoder.decode(binance_trade(X="INSURANCE_FUND"), 1)) == 0
    assert decoder.rejected.total() == 0
    assert len(decoder.decode(binance_trade(X="MARKET"), 1)) == 1


def test_a_delta_keeps_its_ids_and_its_removals() -> None:
    events = binance_decoder().decode(depth([["100.00000000", "0.00000000"], ["99.5", "1.5"]], [["101.00000000", "2.00000000"]]), 3)
    assert (events["kind"] == LEVEL).all()
    assert events["side"].tolist() == [1, 1, -1]
    assert events["qty"].tolist() == [0, 150_000_000, 200_000_000]
    assert events["flags"].tolist() == [FIRST, 0, LAST]
    assert (events["first_id"] == 10).all()
    assert (events["last_id"] == 12).all()


def test_a_delta_without_levels_still_is_a_link_of_the_chain() -> None:
    events = binance_decoder().decode(depth(), 3)
    assert len(events) == 1
    assert (events[0]["side"], events[0]["flags"], events[0]["last_id"]) == (0, FIRST | LAST, 12)


def test_a_rest_snapshot_is_no_row() -> None:
    body = b'{"lastUpdateId":77,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"],["5","1"]]}'
    events = binance.snapshot_events(binance.parse_snapshot(body), 0, 11, 12)
    assert events["flags"].tolist() == [FIRST, 0, LAST | NO_ROW]
    assert (events["last_id"] == 77).all()
    assert (events["exchange_ns"] == 11).all()
    with pytest.raises(ValueError, match="empty"):
        binance.snapshot_events(binance.parse_snapshot(b'{"lastUpdateId":1,"bids":[],"asks":[]}'), 0, 1, 1)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (binance_trade(p="NaN"), "price"),
        (binance_trade(p="inf"), "price"),
        (binance_trade(p="0.00000000"), "price"),
        (binance_trade(q="0.00000000"), "qty"),
        (binance_trade(q="-1.00000000"), "qty"),
        (binance_trade(q="0.123456789"), "number"),
        (binance_trade(q="99999999999999.00000000"), "number"),
        (binance_trade(q=5), "malformed"),
        (binance_trade(t=2**63), "malformed"),
        (binance_trade(s="ETHUSDT"), "unknown_symbol"),
        (depth([["100", "1"]], first=13, last=12), "update_ids"),
        (depth([["NaN", "1"]]), "price"),
        (depth([["100", "-1"]]), "qty"),
        (depth([["100"]]), "malformed"),
        (b"\xff", "malformed"),
        (b"{}", "malformed"),
    ],
)
def test_a_binance_frame_that_cannot_be_true_is_counted_by_reason(frame: bytes, reason: str) -> None:
    decoder = binance_decoder()
    assert len(decoder.decode(frame, 1)) == 0
    assert dict(decoder.rejected) == {reason: 1}


@pytest.mark.parametrize(
    ("frame", "control"),
    [
        (b'{"result":null,"id":1}', "answer"),
        (b'{"code":2,"msg":"Invalid request"}', "error"),
        (b'{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}', "other"),
        (b'{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}}', "other"),
        (b'{"e":"serverShutdown","E":1770123456789}', "shutdown"),
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', "shutdown"),
    ],
)
def test_what_is_no_data_is_named(frame: bytes, control: str) -> None:
    decoder = binance_decoder()
    assert len(decoder.decode(frame, 1)) == 0
    assert (decoder.control, decoder.rejected.total()) == (control, 0)


# --- recordings -------------------------------------------------------------------------------


@pytest.mark.skipif(RECORDED is None, reason="recorded market data is not here")
def test_the_recorded_upbit_frames_are_read_to_the_last_digit() -> None:
    assert RECORDED is not None
    frames = []
    with gzip.open(RECORDED / "upbit" / "ws_raw" / "UPBIT-d78752.0.gz", "rt") as lines:
        for line in lines:
            _, _, text = line.partition(": ")
            if text.startswith("b'"):
                frames.append(ast.literal_eval(text.strip()))
    codes = sorted({json.loads(frame)["cd"] for frame in frames})
    decoder = upbit.FrameDecoder([Instrument(instrument_id=code, code=code, name=code) for code in codes])
    for frame in frames:
        events = decoder.decode(frame, 1)
        exact = json.loads(frame, parse_float=Decimal, parse_int=Decimal)
        if exact["ty"] == "trade":
            assert int(events[-1]["qty"]) == exact["tv"] * 10**8
        else:
            said = [unit["as"] for unit in exact["obu"]] + [unit["bs"] for unit in exact["obu"]]
            assert events["qty"][: len(said)].tolist() == [int(size * 10**8) for size in said]
    assert decoder.rejected.total() == 0
    assert len(frames) > 1700


@pytest.mark.skipif(RECORDED is None, reason="recorded market data is not here")
def test_the_recorded_binance_chain_has_no_break() -> None:
    assert RECORDED is not None
    decoder = binance_decoder()
    last, trades, deltas = 0, 0, 0
    with gzip.open(RECORDED / "binance" / "spot_raw" / "btcusdt_20240808.gz") as lines:
        for line in lines:
            events = decoder.decode(line.partition(b" ")[2].strip(), 1)
            if len(events) and events[0]["kind"] == LEVEL:
                assert not last or events[0]["first_id"] == last + 1
                last = int(events[-1]["last_id"])
                deltas += 1
            trades += bool(len(events)) and bool(events[0]["kind"] == TRADE)
    assert (trades, deltas) == (9_757, 3_451)
    assert dict(decoder.rejected) == {"malformed": 1}, "the REST snapshot among the frames is not a frame"


def test_slices_handed_out_are_never_written_again() -> None:
    decoder = binance_decoder()
    kept = [decoder.decode(binance_trade(t=number), number) for number in range(20_000)]
    assert [int(events[0]["first_id"]) for events in kept] == list(range(20_000))
    assert kept[0].dtype == EVENT_DTYPE

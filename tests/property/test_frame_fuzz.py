"""Mutated frames into every parser of outside bytes: a refusal with a reason, never a crash.

100,000 frames here; ``STOM_FUZZ=1000000`` for the long form. The seeds are frames as the venues document
them, in every format; the mutations are those of a broken wire (bits, cuts, splices) and of a
broken sender (numbers that cannot be true, other types, deep nesting, fields that vanish).
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable

import numpy as np
import pytest

from coin.binance import frames as binance_frames
from coin.binance import wire as binance_wire
from coin.upbit import frames as upbit_frames
from coin.upbit import wire as upbit_wire
from domain.instruments import Instrument
from domain.records import EVENT_DTYPE, TRADE
from tests.contract.venue_kit import payload
from utility.http_answer import Answer

TOTAL = int(os.environ.get("STOM_FUZZ", "100000"))
SECONDS = 25.0 * max(TOTAL / 100_000, 1.0)


def one(code: str) -> list[Instrument]:
    return [Instrument(instrument_id=code, code=code, name=code)]


UPBIT_FRAMES = [
    b'{"type":"trade","code":"KRW-BTC","timestamp":1790000000123,"trade_timestamp":1790000000101,"trade_price":101000000,"trade_volume":0.0021,'
    b'"ask_bid":"BID","prev_closing_price":100500000,"sequential_id":17900000001010000,"stream_type":"REALTIME"}',
    b'{"ty":"trade","cd":"KRW-BTC","tms":1617646620673,"ttms":1617646620000,"tp":41.4,"tv":8.428e-05,"ab":"ASK","pcp":40.1,"sid":1617646620000001,"st":"REALTIME"}',
    b'{"type":"orderbook","code":"KRW-BTC","timestamp":1790000000130,"total_ask_size":4.2,"total_bid_size":3.9,"orderbook_units":['
    b'{"ask_price":101001000,"bid_price":101000000,"ask_size":0.31,"bid_size":0.12},{"ask_price":101002000,"bid_price":100999000,"ask_size":1e-8,"bid_size":2}],"level":0}',
    b'{"ty":"orderbook","cd":"KRW-BTC","tms":1,"tas":3873697.94329493,"tbs":12103375.77710546,"obu":[{"ap":41.4,"bp":41.2,"as":9354.4915888,"bs":24347.90399112}],"st":"REALTIME"}',
    b'{"status":"UP"}',
    b'{"error":{"name":"WRONG_FORMAT","message":"x"}}',
]
BINANCE_FRAMES = [
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}',
    b'{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"0.001","q":"100","f":1,"l":2,"T":1,"m":false,"M":true}',
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,'
    b'"b":[["61737.63000000","0.00000000"],["61730.17000000","0.10000000"]],"a":[["61837.64000000","1.54698000"]]}}',
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]}}',
    b'{"result":null,"id":1}',
    b'{"code":2,"msg":"Invalid request"}',
    b'{"e":"serverShutdown","E":1770123456789}',
]
SNAPSHOT = b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],"asks":[["4.00000200","12.00000000"]]}'

NASTY = [
    b"NaN",
    b"Infinity",
    b"-1",
    b"0",
    b"1e308",
    b"1e999",
    b"-1e-400",
    b"99999999999999999999999999",
    b"9223372036854775808",
    b"1.123456789123",
    b"null",
    b"true",
    b'""',
    b'"NaN"',
    b'"-0.00000001"',
    b'"1e5"',
    b'"inf"',
    b'"9999999999999999.00000000"',
    b'"\xef\xbc\x91.00000000"',
    b'"\\ud800"',
    b"[]",
    b"{}",
    b"[[[[[[[[[[[[",
    b'{"a":' * 300,
    b'"' + b"9" * 5000 + b'"',
    b"9" * 5000,
    b'["1"]',
    b'["1","2","3"]',
    b"\xff\xfe",
    b"\x00",
]


def mutate(frame: bytes, rng: random.Random) -> bytes:
    data = bytearray(frame)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        kind = rng.randrange(8)
        at = rng.randrange(len(data) + 1)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            del data[at : at + rng.randrange(1, 12)]
        elif kind == 4:
            data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.randrange(40)]
        else:  # a value replaced by a nasty one
            colon = data.find(b":", at)
            if colon >= 0:
                end = min((i for i in (data.find(b",", colon), data.find(b"}", colon)) if i >= 0), default=len(data))
                data[colon + 1 : end] = rng.choice(NASTY)
    return bytes(data)


def check_events(events: np.ndarray) -> None:
    assert events.dtype == EVENT_DTYPE
    if len(events):
        assert np.isfinite(events["price"]).all()
        assert (events["price"] >= 0).all()
        assert (events["qty"] >= 0).all()
        assert (events["exchange_ns"] >= 0).all()
        trades = events[events["kind"] == TRADE]
        assert (trades["qty"] > 0).all()
        assert (trades["price"] > 0).all()


def public(decoder: binance_frames.FrameDecoder | upbit_frames.FrameDecoder) -> Callable[[bytes], object]:
    def parse(frame: bytes) -> object:
        before = decoder.rejected.total()
        events = decoder.decode(frame, 1)
        check_events(events)
        assert len(events) or decoder.control or decoder.rejected.total() == before + 1, "refused without a reason"
        return events

    return parse


def refusing(parse: Callable[[bytes], object], errors: tuple[type[Exception], ...]) -> Callable[[bytes], object]:
    def quiet(frame: bytes) -> object:
        try:
            return parse(frame)
        except errors:
            return None

    return quiet


def bodies(code: str, ask: str) -> list[bytes]:
    return [
        (case["text"] if "text" in case else json.dumps(case["body"])).encode() for case in payload(code, "answers") if case["ask"] == ask
    ]


def private(code: str) -> list[bytes]:
    return [(case.get("frame_text") or json.dumps(case["frame"])).encode() for case in payload(code, "private")]


def verdict_of(read: Callable[[Answer], object], rng: random.Random) -> Callable[[bytes], object]:
    return lambda body: read(Answer(status=rng.choice((200, 201, 400, 401, 404, 408, 418, 429, 500, 503)), body=body, headers={}))


def query_upbit(body: bytes) -> object:
    row = upbit_wire.order_decoder.decode(body)
    return upbit_wire.broker_order(row, "query"), upbit_wire.order_fills(row, 1)


def place_binance(answer: Answer) -> object:
    verdict, stated = binance_wire.place_verdict(answer)
    if stated is not None:
        binance_wire.broker_order(stated, "rest")
        try:
            binance_wire.answer_fills(stated, 1)
        except binance_wire.BAD_MESSAGE:
            return verdict
    return verdict


def parsers(rng: random.Random) -> dict[str, tuple[list[bytes], Callable[[bytes], object]]]:
    return {
        "upbit public": (UPBIT_FRAMES, public(upbit_frames.FrameDecoder(one("KRW-BTC")))),
        "binance public": (BINANCE_FRAMES, public(binance_frames.FrameDecoder(one("BTCUSDT")))),
        "binance snapshot": (
            [SNAPSHOT],
            refusing(
                lambda body: check_events(binance_frames.snapshot_events(binance_frames.parse_snapshot(body), 0, 1, 1)),
                binance_wire.BAD_MESSAGE,
            ),
        ),
        "upbit private": (private("upbit"), refusing(lambda frame: upbit_wire.read_private(frame, 1), upbit_wire.BAD_MESSAGE)),
        "binance private": (private("binance"), refusing(lambda frame: binance_wire.read_private(frame, 1), binance_wire.BAD_MESSAGE)),
        "upbit place": (bodies("upbit", "place"), verdict_of(upbit_wire.place_verdict, rng)),
        "upbit cancel": (bodies("upbit", "cancel"), verdict_of(upbit_wire.cancel_verdict, rng)),
        "upbit query": (bodies("upbit", "query"), refusing(query_upbit, upbit_wire.BAD_MESSAGE)),
        "binance place": (bodies("binance", "place"), verdict_of(place_binance, rng)),
        "binance cancel": (bodies("binance", "cancel"), verdict_of(binance_wire.cancel_verdict, rng)),
        "binance exchangeInfo": (
            [
                json.dumps(
                    {
                        "symbols": [
                            {
                                "symbol": "X",
                                "status": "TRADING",
                                "baseAsset": "X",
                                "quoteAsset": "USDT",
                                "filters": [
                                    {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
                                    {"filterType": "LOT_SIZE", "minQty": "0.1", "stepSize": "0.1"},
                                ],
                            }
                        ]
                    }
                ).encode()
            ],
            refusing(
                lambda body: [binance_wire.instrument(row) for row in binance_wire.exchange_info_decoder.decode(body).symbols],
                binance_wire.BAD_MESSAGE,
            ),
        ),
    }


NAMES = sorted(parsers(random.Random(0)))


@pytest.mark.parametrize("name", NAMES)
def test_no_mutated_frame_crashes_a_parser(name: str) -> None:
    rng = random.Random(f"{name}-2026")
    seeds, parse = parsers(rng)[name]
    for seed in seeds:
        parse(seed)
    deadline = time.monotonic() + SECONDS / len(NAMES)
    # The public decoders see most of what comes from outside.
    count = TOTAL * 3 // 10 if name.endswith("public") else TOTAL * 4 // 10 // (len(NAMES) - 2) + 1
    done = 0
    for done in range(1, count + 1):
        frame = mutate(rng.choice(seeds), rng)
        try:
            parse(frame)
        except Exception as error:
            raise AssertionError(f"{name}: {type(error).__name__}: {error} on {frame[:400]!r}") from error
        if done % 256 == 0 and time.monotonic() > deadline:
            break
    assert done >= min(count, 1000), "too slow to prove anything"

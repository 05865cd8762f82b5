"""Frames out of bytes: whole, in pieces, in fragments, with control frames between, and what no server may send."""

from __future__ import annotations

import contextlib
import os
import random

import pytest
from websocket import WebSocketPayloadException, WebSocketProtocolException

from utility.frames import BINARY, CLOSE, PING, TEXT, FrameReader


def frame(opcode: int, payload: bytes, *, is_final: bool = True) -> bytes:
    head = bytes([opcode | (0x80 if is_final else 0)])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65_536:
        return head + bytes([126]) + len(payload).to_bytes(2, "big") + payload
    return head + bytes([127]) + len(payload).to_bytes(8, "big") + payload


def drain(reader: FrameReader) -> None:
    while reader.next() is not None:
        continue


def read_all(stream: bytes, sizes: list[int]) -> list[tuple[int, bytes]]:
    reader = FrameReader(1 << 20)
    found: list[tuple[int, bytes]] = []
    for size in sizes:
        reader.feed(stream[:size])
        stream = stream[size:]
        while (message := reader.next()) is not None:
            found.append((message.opcode, message.data))
    assert not stream
    return found


SAID = [
    (TEXT, b"a"),
    (BINARY, b""),
    (TEXT, os.urandom(125)),
    (BINARY, os.urandom(126)),
    (PING, b"?"),
    (TEXT, os.urandom(70_000)),
    (CLOSE, b""),
]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 4_096, 1 << 20])
def test_every_split_of_the_bytes_gives_the_same_messages(step: int) -> None:
    stream = b"".join(frame(opcode, data) for opcode, data in SAID)
    sizes = [step] * (len(stream) // step) + ([len(stream) % step] if len(stream) % step else [])
    assert read_all(stream, sizes) == SAID


def test_fragments_are_joined_and_a_ping_between_them_comes_first() -> None:
    stream = (
        frame(TEXT, b"one ", is_final=False)
        + frame(PING, b"!")
        + frame(0, b"two ", is_final=False)
        + frame(0, b"three")
        + frame(TEXT, b"x")
    )
    assert read_all(stream, [len(stream)]) == [(PING, b"!"), (TEXT, b"one two three"), (TEXT, b"x")]


@pytest.mark.parametrize(
    "stream",
    [
        bytes([0xC1, 1, 65]),  # a reserved bit
        bytes([0x83, 0]),  # a reserved opcode
        bytes([0x81, 0x81, 0, 0, 0, 0, 65]),  # masked by a server
        bytes([0x89, 126, 0, 126]) + bytes(126),  # a long ping
        bytes([0x09, 0]),  # a ping in fragments
        frame(0, b"of nothing"),
        frame(TEXT, b"a", is_final=False) + frame(TEXT, b"b"),
    ],
)
def test_what_no_server_may_send_is_refused(stream: bytes) -> None:
    reader = FrameReader(1 << 20)
    reader.feed(stream)
    with pytest.raises(WebSocketProtocolException):
        drain(reader)


def test_a_message_past_the_bound_is_refused_before_it_is_there_also_in_fragments() -> None:
    reader = FrameReader(100)
    reader.feed(frame(TEXT, bytes(101))[:4])
    with pytest.raises(WebSocketPayloadException):
        reader.next()
    reader = FrameReader(100)
    reader.feed(frame(TEXT, bytes(60), is_final=False) + frame(0, bytes(60)))
    with pytest.raises(WebSocketPayloadException):
        reader.next()


def test_random_bytes_end_in_messages_or_a_refusal() -> None:
    rng = random.Random(3)
    for _ in range(3_000):
        reader = FrameReader(4_096)
        reader.feed(rng.randbytes(rng.randrange(1, 200)))
        with contextlib.suppress(WebSocketProtocolException, WebSocketPayloadException):
            drain(reader)

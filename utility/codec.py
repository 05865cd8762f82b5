"""Messages as bytes and back: MessagePack, one decoder a channel, nothing that can run code."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from domain.messages import Message

M = TypeVar("M")
_BAD = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, MemoryError)
_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Return a message as MessagePack."""
    return _encoder.encode(message)


class Codec(Generic[M]):
    """The one decoder of a channel; counts what it cannot read."""

    def __init__(self, union: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[M] = msgspec.msgpack.Decoder(union)
        self.malformed = 0

    def decode(self, data: bytes | memoryview) -> M | None:
        """Return the message, or None when the bytes are none of this channel's."""
        try:
            return self._decoder.decode(data)
        except _BAD:
            self.malformed += 1
            return None

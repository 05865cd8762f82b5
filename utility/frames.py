"""WebSocket frames out of bytes (RFC 6455): what a client reads, without a lock or an object for each part.

websocket-client takes a frame apart in some twenty calls; at hundreds of frames a second in a process with
other threads that is most of the time between a frame's last byte and its first event. Extensions are
not negotiated, so the reserved bits must be zero; a server's frames are never masked.
"""

from __future__ import annotations

from typing import NamedTuple

from websocket import WebSocketPayloadException, WebSocketProtocolException

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_CONTROL = 0x8
_CONTROL_BYTES_MAX = 125
_KNOWN = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))


class Message(NamedTuple):
    """One whole message: opcode of its first frame and its payload."""

    opcode: int
    data: bytes


class FrameReader:
    """Takes bytes in, gives whole messages out.

    Parameters
    ----------
    bytes_max : int
        Largest message, fragments joined; a larger one is refused before its bytes are kept.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._data = b""
        self._at = 0
        self._parts: list[bytes] = []
        self._opcode = 0
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        self._data = self._data[self._at :] + chunk if self._at < len(self._data) else chunk
        self._at = 0

    def next(self) -> Message | None:
        """Return the next whole message, control frames between fragments included; None until more bytes come.

        Raises
        ------
        WebSocketProtocolException
            A reserved bit or opcode, a masked frame, a control frame that is long or in fragments, a
            continuation of nothing. Nothing that follows can be trusted.
        WebSocketPayloadException
            A message larger than `bytes_max`.
        """
        while True:
            found = self._head()
            if found is None:
                return None
            first, start, end = found
            self._at = end
            payload = self._data[start:end]
            opcode = first & 0x0F
            if opcode & _CONTROL or (opcode and first >= 0x80 and not self._opcode):
                return Message(opcode, payload)
            whole = self._join(opcode, payload, first >= 0x80)
            if whole is not None:
                return whole

    def _head(self) -> tuple[int, int, int] | None:
        """Return (first byte, start and end of the payload) of the next frame once all of it is here."""
        data, at = self._data, self._at
        left = len(data) - at
        if left < 2:
            return None
        first, length = data[at], data[at + 1]
        opcode = first & 0x0F
        if first & 0x70 or opcode not in _KNOWN or length & 0x80:
            raise WebSocketProtocolException("reserved bit or opcode, or masked by a server")
        head = 2
        if length >= 126:
            head = 4 if length == 126 else 10
            if left < head:
                return None
            length = int.from_bytes(data[at + 2 : at + head], "big")
        if opcode & _CONTROL:
            if length > _CONTROL_BYTES_MAX or first < 0x80:
                raise WebSocketProtocolException("control frame long or in fragments")
        elif self._size + length > self._bytes_max:
            raise WebSocketPayloadException("message too large")
        start = at + head
        return (first, start, start + length) if left >= head + length else None

    def _join(self, opcode: int, payload: bytes, is_final: bool) -> Message | None:
        if (opcode == CONTINUATION) != bool(self._opcode):
            raise WebSocketProtocolException("fragments")
        self._opcode = opcode or self._opcode
        self._parts.append(payload)
        self._size += len(payload)
        if not is_final:
            return None
        whole = Message(self._opcode, b"".join(self._parts))
        self._parts, self._opcode, self._size = [], 0, 0
        return whole

"""Sequence numbers of a published stream: the frame, the ring of what was sent, and the reader that misses nothing.

Publish/subscribe loses silently: a burst past a queue's bound is gone, also at its tail. So each
frame says (stream, epoch, seq), a heartbeat repeats the last seq of every stream four times a
second, and a reader that sees a hole asks for it and holds later frames back until it is filled
or given up (reliability P16). Nothing here touches a socket.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

ROWS = b"r"
"""Stream of what must not be missed: rows, instruments, gap marks, barriers, feed states."""
VIEW = b"v"
"""Stream for the screen: events, books, the unfinished row. May skip."""
BEAT = b"h"
"""Heartbeats: payload is (stream, last seq) for every stream."""

_HEADER = struct.Struct("<cQQ")
_LAST = struct.Struct("<cQ")
HEADER_SIZE = _HEADER.size


class Frame(NamedTuple):
    """One frame taken apart."""

    stream: bytes
    epoch: int
    seq: int
    payload: bytes


class Hole(NamedTuple):
    """Sequences that are not there; `epoch_changed` when the publisher began anew."""

    stream: bytes
    from_seq: int
    to_seq: int
    epoch_changed: bool = False


def pack(stream: bytes, epoch: int, seq: int, payload: bytes) -> bytes:
    """Return a frame as bytes."""
    return _HEADER.pack(stream, epoch, seq) + payload


def unpack(data: bytes) -> Frame | None:
    """Return a frame taken apart; None when it is too short to be one."""
    if len(data) < HEADER_SIZE:
        return None
    stream, epoch, seq = _HEADER.unpack_from(data)
    return Frame(stream, epoch, seq, data[HEADER_SIZE:])


def pack_beat(epoch: int, number: int, last: dict[bytes, int]) -> bytes:
    """Return a heartbeat frame that repeats the last sequence of each stream."""
    return pack(BEAT, epoch, number, b"".join(_LAST.pack(stream, seq) for stream, seq in last.items()))


def unpack_beat(payload: bytes) -> dict[bytes, int] | None:
    """Return stream → last sequence; None when the payload is no heartbeat."""
    if len(payload) % _LAST.size:
        return None
    return {stream: seq for stream, seq in _LAST.iter_unpack(payload)}


class Ring:
    """The frames sent last, bounded in number and in bytes, for readers that missed some."""

    def __init__(self, frames_max: int, bytes_max: int) -> None:
        self._frames: deque[bytes] = deque()
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self.first_seq = 1

    def append(self, frame: bytes) -> None:
        """Keep one more frame, dropping the oldest past the bounds."""
        self._frames.append(frame)
        self._bytes += len(frame)
        while len(self._frames) > self._frames_max or self._bytes > self._bytes_max:
            self._bytes -= len(self._frames.popleft())
            self.first_seq += 1

    def span(self, from_seq: int, to_seq: int, frames_max: int = 2_000, bytes_max: int = 4 << 20) -> tuple[int, tuple[bytes, ...], int]:
        """Return (first sequence, frames, next sequence) of a bounded page.

        The next sequence is 0 when the span is complete; the first is past `from_seq` when the
        oldest of it is no longer held.
        """
        first = max(from_seq, self.first_seq)
        last = min(to_seq, self.first_seq + len(self._frames) - 1)
        page: list[bytes] = []
        size = 0
        for index in range(first - self.first_seq, last - self.first_seq + 1):
            frame = self._frames[index]
            if page and (len(page) >= frames_max or size + len(frame) > bytes_max):
                break
            page.append(frame)
            size += len(frame)
        following = first + len(page)
        return first, tuple(page), following if following <= last else 0


class Sequencer:
    """Puts one stream in order: delivers each sequence once, in order, with holes filled or told.

    Parameters
    ----------
    stream : bytes
    is_replayed : bool
        Whether holes can be asked for. Without it (the screen's stream) a hole is only told.
    retry_s : float
        After which an unanswered request is repeated.
    give_up_s : float
        After which a hole that nobody fills is told and passed over.
    held_max : int
        Frames held back behind a hole; past it the hole is told and passed over.
    is_held : bool
        Deliver nothing before `begin` says where (a reader that first takes what was before).
    """

    def __init__(
        self,
        stream: bytes,
        is_replayed: bool = True,
        retry_s: float = 0.25,
        give_up_s: float = 5.0,
        held_max: int = 50_000,
        is_held: bool = False,
    ) -> None:
        self.stream = stream
        self.epoch = 0
        self.next_seq = 0  # 0 = nothing was ever heard
        self.holes = 0
        self.missed = 0
        self.duplicates = 0
        self.recovered = 0
        self._is_replayed = is_replayed
        self._retry_s = retry_s
        self._give_up_s = give_up_s
        self._held_max = held_max
        self._is_held = is_held
        self._held: dict[int, bytes] = {}
        self._known_last = 0
        self._asked_s = 0.0
        self._since_s = 0.0
        self._out: deque[bytes | Hole] = deque()

    @property
    def is_waiting(self) -> bool:
        """Whether a hole stands open and later frames are held back."""
        return self._known_last >= self.next_seq > 0

    def begin(self, epoch: int, next_seq: int, now_s: float) -> None:
        """Take up the stream at `next_seq`, after a replay of what was before."""
        if epoch != self.epoch:
            self._held.clear()
            self._known_last = 0
        self._is_held = False
        self._since_s, self._asked_s = now_s, 0.0
        self.epoch, self.next_seq = epoch, next_seq
        self._held = {seq: payload for seq, payload in self._held.items() if seq >= next_seq}
        self._drain()

    def on_frame(self, frame: Frame, now_s: float) -> None:
        """Take a frame from the socket or from a replay page."""
        if not self._same_epoch(frame.epoch, frame.seq, now_s):
            return
        if self._is_held:
            self._held[frame.seq] = frame.payload
            self._known_last = max(self._known_last, frame.seq)
            return
        if frame.seq < self.next_seq or frame.seq in self._held:
            self.duplicates += 1
            return
        if frame.seq == self.next_seq:
            self._out.append(frame.payload)
            self.next_seq += 1
            if self._held:
                self._drain()
            return
        self._held[frame.seq] = frame.payload
        self._open_hole(frame.seq - 1, now_s)
        if not self._is_replayed or len(self._held) > self._held_max:
            self._pass_over()

    def on_beat(self, epoch: int, last_seq: int, now_s: float) -> None:
        """Take the last sequence of a heartbeat: what is behind it and not here was lost at the tail."""
        if not self._same_epoch(epoch, last_seq + 1, now_s) or self._is_held:
            return
        if last_seq >= self.next_seq:
            self._open_hole(last_seq, now_s)
            if not self._is_replayed:
                self._pass_over()

    def due(self, now_s: float) -> tuple[int, int] | None:
        """Return the span to ask for now, or None; gives an unfilled hole up after its time."""
        if not self.is_waiting:
            return None
        if now_s - self._since_s > self._give_up_s:
            self._pass_over()
            return None
        if now_s - self._asked_s < self._retry_s:
            return None
        self._asked_s = now_s
        return self.next_seq, self._hole_end()

    def not_held(self, next_held_seq: int) -> None:
        """The publisher no longer holds what comes before `next_held_seq`: tell the hole, go on behind it."""
        if self.is_waiting and next_held_seq > self.next_seq:
            self._tell(self.next_seq, next_held_seq - 1)
            self.next_seq = next_held_seq
            self._drain()

    def more_now(self) -> None:
        """A page came and the hole is still open: the next one may be asked for at once."""
        self._asked_s = 0.0

    def take(self) -> Iterator[bytes | Hole]:
        """Yield what is ready, in order."""
        while self._out:
            yield self._out.popleft()

    def _same_epoch(self, epoch: int, seq: int, now_s: float) -> bool:
        if epoch == self.epoch and (self.next_seq or self._is_held):
            return True
        if epoch < self.epoch:
            return False  # a message of the publisher that is gone
        is_new = self.epoch != 0 and not self._is_held
        self.epoch = epoch
        self._held.clear()
        self._known_last = 0
        if self._is_held:
            return True
        if is_new:
            # Begun anew: all of the new epoch is asked for, and what the old one still had is unknown.
            self.holes += 1
            self._out.append(Hole(self.stream, self.next_seq, 0, epoch_changed=True))
            self.next_seq = 1 if self._is_replayed else seq
        else:
            self.next_seq = seq
        self._since_s = now_s
        return True

    def _open_hole(self, last: int, now_s: float) -> None:
        if not self.is_waiting:
            self.holes += 1
            self._since_s = now_s
            self._asked_s = 0.0
        self._known_last = max(self._known_last, last)

    def _hole_end(self) -> int:
        later = [seq for seq in self._held if seq >= self.next_seq]
        return min(later) - 1 if later else self._known_last

    def _pass_over(self) -> None:
        while self.is_waiting:
            end = self._hole_end()
            self._tell(self.next_seq, end)
            self.next_seq = end + 1
            self._drain()

    def _tell(self, first: int, last: int) -> None:
        self.missed += last - first + 1
        self._out.append(Hole(self.stream, first, last))

    def _drain(self) -> None:
        while self._held:
            payload = self._held.pop(self.next_seq, None)
            if payload is None:
                return
            self._out.append(payload)
            self.next_seq += 1

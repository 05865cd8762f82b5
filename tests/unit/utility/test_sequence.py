"""Holes in a stream: found at a jump and at the tail, filled in order, or told."""

from __future__ import annotations

from utility.sequence import ROWS, Hole, Ring, Sequencer, pack, pack_beat, unpack, unpack_beat


def feed(sequencer: Sequencer, seqs: list[int], epoch: int = 1, now_s: float = 0.0) -> list[object]:
    for seq in seqs:
        frame = unpack(pack(ROWS, epoch, seq, b"%d" % seq))
        assert frame is not None
        sequencer.on_frame(frame, now_s)
    return list(sequencer.take())


def test_jump_holds_back_until_replay_fills_it() -> None:
    sequencer = Sequencer(ROWS)
    assert feed(sequencer, [5, 6]) == [b"5", b"6"]
    assert feed(sequencer, [9, 10]) == []
    assert sequencer.due(0.3) == (7, 8)
    assert sequencer.due(0.4) is None  # asked; the answer gets a moment
    assert feed(sequencer, [7, 8]) == [b"7", b"8", b"9", b"10"]
    assert (sequencer.holes, sequencer.missed) == (1, 0)


def test_tail_loss_is_seen_by_the_heartbeat() -> None:
    sequencer = Sequencer(ROWS)
    feed(sequencer, [1, 2])
    sequencer.on_beat(1, 6, 0.0)
    assert sequencer.is_waiting
    assert sequencer.due(0.3) == (3, 6)
    assert feed(sequencer, [3, 4, 5, 6]) == [b"3", b"4", b"5", b"6"]
    assert not sequencer.is_waiting


def test_hole_that_is_no_longer_held_is_told_and_passed() -> None:
    sequencer = Sequencer(ROWS)
    feed(sequencer, [1])
    feed(sequencer, [9])
    sequencer.not_held(7)
    assert list(sequencer.take()) == [Hole(ROWS, 2, 6)]
    assert sequencer.due(0.3) == (7, 8)
    assert feed(sequencer, [7, 8]) == [b"7", b"8", b"9"]


def test_unanswered_hole_is_given_up_after_its_time() -> None:
    sequencer = Sequencer(ROWS, give_up_s=5.0)
    feed(sequencer, [1, 4])
    assert sequencer.due(6.0) is None
    assert list(sequencer.take()) == [Hole(ROWS, 2, 3), b"4"]
    assert sequencer.missed == 2


def test_duplicates_are_counted_and_dropped() -> None:
    sequencer = Sequencer(ROWS)
    assert feed(sequencer, [1, 2, 2, 1, 3]) == [b"1", b"2", b"3"]
    assert sequencer.duplicates == 2


def test_new_epoch_is_told_and_read_from_its_first_frame() -> None:
    sequencer = Sequencer(ROWS)
    feed(sequencer, [1, 2, 3])
    assert feed(sequencer, [3], epoch=2) == [Hole(ROWS, 4, 0, epoch_changed=True)]
    assert sequencer.due(1.0) == (1, 2)
    assert feed(sequencer, [9], epoch=1) == []  # the dead publisher's
    assert feed(sequencer, [1, 2], epoch=2) == [b"1", b"2", b"3"]


def test_held_reader_begins_where_todays_rows_end() -> None:
    sequencer = Sequencer(ROWS, is_held=True)
    assert feed(sequencer, [4, 5, 7]) == []
    sequencer.begin(1, 5, 1.0)
    assert list(sequencer.take()) == [b"5"]
    assert sequencer.due(1.3) == (6, 6)


def test_screen_stream_tells_a_hole_and_goes_on() -> None:
    sequencer = Sequencer(ROWS, is_replayed=False)
    assert feed(sequencer, [1, 4]) == [b"1", Hole(ROWS, 2, 3), b"4"]


def test_ring_forgets_the_oldest_and_says_so() -> None:
    ring = Ring(frames_max=3, bytes_max=1_000)
    for seq in range(1, 6):
        ring.append(b"%d" % seq)
    assert ring.span(1, 9) == (3, (b"3", b"4", b"5"), 0)
    assert ring.span(3, 5, frames_max=2) == (3, (b"3", b"4"), 5)


def test_heartbeat_round_trip_and_garbage() -> None:
    frame = unpack(pack_beat(7, 1, {b"r": 3, b"v": 9}))
    assert frame is not None
    assert unpack_beat(frame.payload) == {b"r": 3, b"v": 9}
    assert unpack_beat(b"abc") is None
    assert unpack(b"r") is None

"""The bus over real sockets: who is let in, what is lost, what comes back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from domain.errors import RefusedError
from domain.messages import (
    Barrier,
    ControlMessage,
    Heartbeat,
    MarketMessage,
    ReplayMessage,
    ReplayRequest,
    StopNow,
)
from utility import bus as bus_module
from utility.bus import Bus, Keys, Publisher, Router, Subscriber, make_keys
from utility.sequence import ROWS, VIEW, Hole


def wait(check: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.005)
    return False


class Pair:
    """A publishing process and a reading one."""

    def __init__(self, ring_frames: int = 1_000) -> None:
        self.server_keys, self.client_keys = make_keys(), make_keys()
        self.server = Bus(self.server_keys, {self.client_keys.public: "reader"})
        self.client = Bus(self.client_keys)
        self.publisher: Publisher = self.server.publisher(epoch=1, ring_frames=ring_frames)
        self.replay: Router[ReplayMessage] = self.server.router(ReplayMessage)
        self.reader: Subscriber[MarketMessage] = self.client.subscriber(
            MarketMessage,
            [ROWS],
            "reader",
            (self.publisher.address, self.server_keys.public),
            (self.replay.address, self.server_keys.public),
        )
        self.got: list[object] = []
        # A subscription takes a moment to reach the publisher.
        assert wait(self._is_joined)

    def _is_joined(self) -> bool:
        self.publisher.beat()
        self.step()
        return self.reader.heard_ns > 0

    def step(self) -> None:
        for peer, message in self.replay.receive():
            assert isinstance(message, ReplayRequest)
            self.replay.send(peer, self.publisher.answer(message))
        self.got += list(self.reader.receive(time.monotonic()))

    def numbers(self) -> list[int]:
        return [item.n for item in self.got if isinstance(item, Barrier)]

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_burst_past_the_queue_loses_nothing_and_is_seen_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "QUEUE_MAX", 50)
    pair = Pair(ring_frames=100_000)
    try:
        # The reader stands still: kernel buffers and the queue fill up, the tail is dropped without a word.
        big = "x" * 2_000
        for n in range(1, 20_001):
            pair.publisher.publish(ROWS, Barrier(n=n, market_ns=len(big), closing=tuple(range(200))))
        silent_since = time.monotonic()
        assert wait(lambda: (pair.publisher.beat(), pair.step(), pair.reader.sequencer(ROWS).holes > 0)[-1], 2.0)
        assert time.monotonic() - silent_since <= 1.0
        assert wait(lambda: (pair.publisher.beat(), pair.step(), len(pair.got) >= 20_000)[-1], 20.0)
        assert pair.numbers() == list(range(1, 20_001))
        assert pair.reader.sequencer(ROWS).recovered > 0
    finally:
        pair.close()


def test_tail_loss_then_silence_is_filled(pair: Pair) -> None:
    pair.publisher.publish(ROWS, Barrier(n=1, market_ns=0))
    assert wait(lambda: (pair.step(), pair.numbers() == [1])[-1])
    # A frame that went into the ring but never to the reader.
    pair.publisher._last[ROWS] = 2
    from domain.messages import Message
    from utility.codec import encode
    from utility.sequence import pack

    lost: Message = Barrier(n=2, market_ns=0)
    pair.publisher.ring.append(pack(ROWS, 1, 2, encode(lost)))
    assert wait(lambda: (pair.publisher.beat(), pair.step(), pair.numbers() == [1, 2])[-1], 1.0)


def test_span_that_is_no_longer_held_is_told() -> None:
    pair = Pair(ring_frames=5)
    try:
        pair.publisher.publish(ROWS, Barrier(n=1, market_ns=0))
        assert wait(lambda: (pair.step(), pair.numbers() == [1])[-1])
        pair.publisher._last[ROWS] = 20
        pair.publisher.ring.first_seq = 17
        pair.publisher.ring._frames.clear()
        for n in range(17, 21):
            from utility.codec import encode
            from utility.sequence import pack

            pair.publisher.ring._frames.append(pack(ROWS, 1, n, encode(Barrier(n=n, market_ns=0))))
        assert wait(lambda: (pair.publisher.beat(), pair.step(), 20 in pair.numbers())[-1], 2.0)
        assert Hole(ROWS, 2, 16) in pair.got
        assert pair.numbers() == [1, 17, 18, 19, 20]
    finally:
        pair.close()


def test_unknown_key_is_denied_and_hears_nothing(pair: Pair) -> None:
    stranger = Bus(make_keys())
    try:
        reader: Subscriber[MarketMessage] = stranger.subscriber(
            MarketMessage, [ROWS, VIEW], "reader", (pair.publisher.address, pair.server_keys.public), None
        )
        assert wait(lambda: (pair.publisher.beat(), list(reader.receive(time.monotonic())), pair.server.denied > 0)[-1])
        for _ in range(20):
            pair.publisher.publish(ROWS, Barrier(n=1, market_ns=0))
            assert list(reader.receive(time.monotonic())) == []
            time.sleep(0.005)
        assert reader.heard_ns == 0
    finally:
        stranger.close()


def test_peer_without_curve_is_not_heard() -> None:
    keys = make_keys()
    server = Bus(keys, {})
    router: Router[ControlMessage] = server.router(ControlMessage)
    context = zmq.Context()
    plain = context.socket(zmq.DEALER)
    plain.linger = 0
    try:
        plain.connect(router.address)
        plain.send(b"\x81\xa4type\xa9Heartbeat")
        assert not wait(lambda: bool(list(router.receive())), 0.3)
    finally:
        plain.close(0)
        context.term()
        server.close()


def test_peer_may_speak_only_under_its_own_name() -> None:
    server_keys, trader, strategy = make_keys(), make_keys(), make_keys()
    server = Bus(server_keys, {trader.public: "trader", strategy.public: "strategy"})
    router: Router[ControlMessage] = server.router(ControlMessage)
    liar, honest = Bus(strategy), Bus(trader)
    try:
        false = liar.dealer(ControlMessage, "trader", router.address, server_keys.public)
        false.send(Heartbeat())
        assert wait(lambda: (list(router.receive()), router.misnamed == 1)[-1])
        true = honest.dealer(ControlMessage, "trader#2", router.address, server_keys.public)
        true.send(Heartbeat(counters={"a": 1.0}))
        heard: list[tuple[str, object]] = []
        assert wait(lambda: (heard.extend(router.receive()), bool(heard))[-1])
        assert heard == [("trader#2", Heartbeat(counters={"a": 1.0}))]
        assert router.send("trader#2", StopNow(reason="test"))
        assert not router.send("nobody", StopNow())
        assert router.unsent == 1
        answers: list[object] = []
        assert wait(lambda: (answers.extend(true.receive()), bool(answers))[-1])
        assert answers == [StopNow(reason="test")]
    finally:
        liar.close()
        honest.close()
        server.close()


def test_malformed_messages_are_counted_and_the_next_is_read() -> None:
    server_keys, client_keys = make_keys(), make_keys()
    server = Bus(server_keys, {client_keys.public: "child"})
    router: Router[ControlMessage] = server.router(ControlMessage)
    client = Bus(client_keys)
    try:
        dealer = client.dealer(ControlMessage, "child", router.address, server_keys.public)
        for junk in (b"", b"\xff" * 40, b"\x81\xa4type\xa5Wrong", b"\x91" * 5_000, b"\x81\xa4type\xa5Hello"):
            dealer.socket.send(junk)
        dealer.socket.send_multipart([b"a", b"b", b"c"])
        dealer.send(Heartbeat())
        heard: list[object] = []
        assert wait(lambda: (heard.extend(message for _, message in router.receive()), bool(heard))[-1])
        assert heard == [Heartbeat()]
        assert router.codec.malformed == 6
    finally:
        client.close()
        server.close()


def test_oversized_frame_closes_the_connection_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module, "FRAME_MAX", 100_000)
    server_keys, big_keys, small_keys = make_keys(), make_keys(), make_keys()
    server = Bus(server_keys, {big_keys.public: "big", small_keys.public: "small"})
    router: Router[ControlMessage] = server.router(ControlMessage)
    big, small = Bus(big_keys), Bus(small_keys)
    try:
        giant = big.dealer(ControlMessage, "big", router.address, server_keys.public)
        giant.send(Heartbeat(counters={"x" * 200_000: 1.0}))
        other = small.dealer(ControlMessage, "small", router.address, server_keys.public)
        other.send(Heartbeat())
        heard: list[str] = []
        assert wait(lambda: (heard.extend(peer for peer, _ in router.receive()), bool(heard))[-1])
        time.sleep(0.1)
        heard += [peer for peer, _ in router.receive()]
        assert heard == ["small"]
    finally:
        big.close()
        small.close()
        server.close()


def test_restarted_peer_takes_its_name_back() -> None:
    server_keys, keys = make_keys(), make_keys()
    server = Bus(server_keys, {keys.public: "child"})
    router: Router[ControlMessage] = server.router(ControlMessage)
    first, second = Bus(keys), Bus(keys)
    try:
        old = first.dealer(ControlMessage, "child", router.address, server_keys.public)
        old.send(Heartbeat())
        assert wait(lambda: bool(list(router.receive())))
        new = second.dealer(ControlMessage, "child", router.address, server_keys.public)
        new.send(Heartbeat())
        assert wait(lambda: bool(list(router.receive())))
        assert router.send("child", StopNow())
        got: list[object] = []
        assert wait(lambda: (got.extend(new.receive()), bool(got))[-1])
    finally:
        first.close()
        second.close()
        server.close()


def test_nothing_listens_off_loopback_and_no_foreign_address_is_dialled(pair: Pair) -> None:
    assert pair.publisher.address.startswith("tcp://127.0.0.1:")
    with pytest.raises(RefusedError) as refused:
        pair.client.dealer(ControlMessage, "reader", "tcp://192.0.2.1:5000", pair.server_keys.public)
    assert refused.value.code == "bus.not_loopback"


def test_library_without_curve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus_module.zmq, "has", lambda name: False)
    with pytest.raises(RefusedError) as refused:
        Bus(Keys("", ""))
    assert refused.value.code == "bus.no_curve"


def test_secret_key_is_not_printed() -> None:
    keys = make_keys()
    assert keys.secret not in repr(keys)


def test_wake_ends_a_poll_from_another_thread(pair: Pair) -> None:
    import threading

    wake = pair.client.wake()
    threading.Timer(0.02, wake.ring).start()
    started = time.monotonic()
    assert wait(lambda: wake in pair.client.poll(2_000), 2.0)
    assert time.monotonic() - started < 1.0
    wake.clear()
    assert wake not in pair.client.poll(0)


def test_garbage_on_the_raw_port_does_no_harm(pair: Pair) -> None:
    port = int(pair.replay.address.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n\r\n" * 100)
    pair.publisher.publish(ROWS, Barrier(n=1, market_ns=0))
    assert wait(lambda: (pair.step(), pair.numbers() == [1])[-1])

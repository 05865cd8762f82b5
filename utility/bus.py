# long: one file touches ZeroMQ, so all its sockets are here
"""The bus between our processes: the only file that touches ZeroMQ.

Every socket is TCP on 127.0.0.1 at a port the system chose, under CURVE. A process has one key
pair for the run; a socket that binds admits only the public keys on the allow-list, asked of our
own ZAP handler, and knows each peer by the name its key stands for. Frames above `FRAME_MAX` are
dropped by the library, malformed ones are counted here. Nothing blocks but `Bus.poll`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import zmq

from domain.errors import RefusedError, StomError
from domain.messages import Message, ReplayMessage, ReplayPage, ReplayRequest
from utility.codec import Codec, encode
from utility.sequence import BEAT, ROWS, Hole, Ring, Sequencer, pack, pack_beat, unpack, unpack_beat
from utility.wake import Wake

FRAME_MAX = 16 << 20
"""Largest frame in bytes that any socket takes; the library closes the connection of a larger one."""
QUEUE_MAX = 10_000
"""Messages queued for one slow peer; past it publish/subscribe drops (and the reader sees the hole)."""
HEARTBEAT_S = 0.25
_ZAP = "inproc://zeromq.zap.01"

M = TypeVar("M")


class Keys(NamedTuple):
    """A CURVE key pair in Z85 text; the secret never leaves its process but over the start pipe."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"Keys(public={self.public!r}, secret='***')"


def make_keys() -> Keys:
    """Return a new key pair; RefusedError where the library has no CURVE."""
    _require_curve()
    public, secret = zmq.curve_keypair()
    return Keys(public.decode(), secret.decode())


def _require_curve() -> None:
    if not zmq.has("curve"):
        raise RefusedError("bus.no_curve", zmq=zmq.zmq_version())


class _Doorman(threading.Thread):
    """Answers the library's question "may this key come in?" (ZAP, RFC 27): only keys on the list."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], names: dict[str, str]) -> None:
        super().__init__(name="bus-doorman", daemon=True)
        self.denied = 0
        self._names = names
        self._socket = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind(_ZAP)

    def run(self) -> None:
        from zmq.utils import z85

        while True:
            try:
                version, request, _domain, _address, _identity, mechanism, *credentials = self._socket.recv_multipart()
            except (zmq.ContextTerminated, zmq.ZMQError):
                self._socket.close(0)
                return
            except ValueError:
                self._socket.send_multipart([b"1.0", b"", b"400", b"", b"", b""])
                continue
            name = None
            if mechanism == b"CURVE" and len(credentials) == 1 and len(credentials[0]) == 32:
                name = self._names.get(z85.encode(credentials[0]).decode())
            if name is None:
                self.denied += 1
                self._socket.send_multipart([version, request, b"400", b"not on the list", b"", b""])
            else:
                self._socket.send_multipart([version, request, b"200", b"", name.encode(), b""])


class Bus:
    """The sockets of one process.

    Parameters
    ----------
    keys : Keys
        This process's pair.
    allowed : mapping of str to str
        Public key (Z85) → name of the process it belongs to, for the sockets that bind here.

    Raises
    ------
    RefusedError
        ``bus.no_curve`` when the library was built without CURVE: nothing is started.
    """

    def __init__(self, keys: Keys, allowed: Mapping[str, str] | None = None) -> None:
        _require_curve()
        self.keys = keys
        self._names = dict(allowed or {})
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._doorman = _Doorman(self._context, self._names)
        self._doorman.start()
        self._poller = zmq.Poller()
        self._endpoints: dict[Any, Any] = {}
        self._sockets: list[zmq.Socket[bytes]] = []

    @property
    def denied(self) -> int:
        """Connections refused because their key was not on the list."""
        return self._doorman.denied

    def allow(self, public: str, name: str) -> None:
        """Admit one more key."""
        self._names[public] = name

    def publisher(self, epoch: int = 0, ring_frames: int = 100_000, ring_bytes: int = 64 << 20) -> Publisher:
        """Bind a publisher.

        Parameters
        ----------
        epoch : int
            Number of this publisher's life, greater than any before it; 0 takes the wall clock.
        ring_frames, ring_bytes : int
            Bounds of what it holds for readers that missed some.
        """
        return Publisher(self._bound(zmq.PUB), Ring(ring_frames, ring_bytes), epoch or time.time_ns())

    def router(self, union: Any, port: int = 0) -> Router[Any]:
        """Bind a socket that many peers talk to; `port` 0 lets the system choose."""
        sock = self._bound(zmq.ROUTER, port)
        router: Router[Any] = Router(sock, Codec(union))
        self._register(sock, router)
        return router

    def dealer(self, union: Any, identity: str, address: str, server_key: str) -> Dealer[Any]:
        """Connect to a `router` under a name that belongs to this process's key."""
        dealer: Dealer[Any] = Dealer(self, identity, Codec(union))
        dealer.connect(address, server_key)
        return dealer

    def subscriber(
        self,
        union: Any,
        streams: Iterable[bytes],
        identity: str,
        market: tuple[str, str],
        replay: tuple[str, str] | None,
        is_held: bool = False,
    ) -> Subscriber[Any]:
        """Read streams of a publisher.

        Parameters
        ----------
        union : type
            Messages of the channel.
        streams : iterable of bytes
            `ROWS`, `VIEW`.
        identity : str
            Name under which replays are asked for.
        market, replay : (address, server key)
            Where the publisher and its replay socket are; without `replay` holes are only told.
        is_held : bool
            Deliver no ROWS before `sequencer(ROWS).begin` (a reader that first asks for today's rows).
        """
        return Subscriber(self, Codec(union), tuple(streams), identity, market, replay, is_held)

    def wake(self) -> Wake:
        """Return something that any thread may ring to end `poll`."""
        wake = Wake()
        self._register(wake.reader, wake)
        return wake

    def poll(self, timeout_ms: int) -> list[Any]:
        """Wait for input and return the endpoints that have some."""
        try:
            ready = self._poller.poll(max(timeout_ms, 0))
        except InterruptedError:
            return []
        return [self._endpoints[key] for key, _ in ready if key in self._endpoints]

    def close(self) -> None:
        """Close everything; what was not yet sent is given 200 ms."""
        for sock in self._sockets:
            sock.close(200)
        self._context.term()
        for endpoint in self._endpoints.values():
            if isinstance(endpoint, Wake):
                endpoint.close()
        self._endpoints.clear()

    def _bound(self, kind: int, port: int = 0) -> zmq.Socket[bytes]:
        sock = self._open(kind)
        sock.curve_server = True
        sock.curve_publickey = self.keys.public.encode()
        sock.curve_secretkey = self.keys.secret.encode()
        sock.zap_domain = b"stom"
        if kind == zmq.ROUTER:
            sock.setsockopt(zmq.ROUTER_MANDATORY, 1)
            # A restarted process takes its name back from its dead predecessor's half-open connection.
            sock.setsockopt(zmq.ROUTER_HANDOVER, 1)
        try:
            sock.bind(f"tcp://127.0.0.1:{port or '*'}")
        except zmq.ZMQError as error:
            raise StomError("bus.bind", port=port, reason=str(error)) from error
        return sock

    def _connected(self, kind: int, address: str, server_key: str, identity: str = "") -> zmq.Socket[bytes]:
        if not address.startswith("tcp://127.0.0.1:"):
            raise RefusedError("bus.not_loopback", address=address)
        sock = self._open(kind)
        sock.curve_serverkey = server_key.encode()
        sock.curve_publickey = self.keys.public.encode()
        sock.curve_secretkey = self.keys.secret.encode()
        sock.setsockopt(zmq.RECONNECT_IVL, 50)
        sock.setsockopt(zmq.RECONNECT_IVL_MAX, 1_000)
        if identity:
            sock.setsockopt(zmq.ROUTING_ID, identity.encode())
        sock.connect(address)
        return sock

    def _open(self, kind: int) -> zmq.Socket[bytes]:
        sock = self._context.socket(kind)
        sock.linger = 200
        sock.setsockopt(zmq.SNDHWM, QUEUE_MAX)
        sock.setsockopt(zmq.RCVHWM, QUEUE_MAX)
        sock.setsockopt(zmq.MAXMSGSIZE, FRAME_MAX)
        sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
        sock.setsockopt(zmq.HEARTBEAT_IVL, 1_000)
        sock.setsockopt(zmq.HEARTBEAT_TIMEOUT, 10_000)
        self._sockets.append(sock)
        return sock

    def _register(self, key: Any, endpoint: Any) -> None:
        self._endpoints[key] = endpoint
        self._poller.register(key, zmq.POLLIN)

    def _drop(self, sock: zmq.Socket[bytes]) -> None:
        if sock in self._endpoints:
            self._poller.unregister(sock)
            del self._endpoints[sock]
        self._sockets.remove(sock)
        sock.close(0)


def _address(sock: zmq.Socket[bytes]) -> str:
    return sock.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()  # type: ignore[union-attr]


class Publisher:
    """Publishes streams with sequence numbers; may be called from several threads."""

    def __init__(self, sock: zmq.Socket[bytes], ring: Ring, epoch: int) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._last: dict[bytes, int] = {}
        self._beats = 0
        self.ring = ring
        self.epoch = epoch
        self.address = _address(sock)

    def last_seq(self, stream: bytes) -> int:
        """Return the last sequence published on `stream`; 0 when none was."""
        return self._last.get(stream, 0)

    def publish(self, stream: bytes, message: Message) -> int:
        """Send a message and return its sequence; ROWS frames are kept for replay."""
        payload = encode(message)
        with self._lock:
            seq = self._last.get(stream, 0) + 1
            self._last[stream] = seq
            frame = pack(stream, self.epoch, seq, payload)
            if stream == ROWS:
                self.ring.append(frame)
            self._socket.send(frame, zmq.DONTWAIT)
        return seq

    def beat(self) -> None:
        """Send the heartbeat that repeats every stream's last sequence."""
        with self._lock:
            self._beats += 1
            self._socket.send(pack_beat(self.epoch, self._beats, self._last), zmq.DONTWAIT)

    def answer(self, request: ReplayRequest) -> ReplayPage:
        """Answer a request for a span of the ROWS stream."""
        with self._lock:
            first, frames, following = self.ring.span(max(request.from_seq, 1), request.to_seq)
        return ReplayPage(first_seq=first, next_seq=following if frames else -1, frames=frames)


class Subscriber(Generic[M]):
    """Reads streams in order; fills holes by replay, tells those it cannot fill."""

    def __init__(
        self,
        bus: Bus,
        codec: Codec[M],
        streams: tuple[bytes, ...],
        identity: str,
        market: tuple[str, str],
        replay: tuple[str, str] | None,
        is_held: bool = False,
    ) -> None:
        self._bus = bus
        self.codec = codec
        self._socket: zmq.Socket[bytes] | None = None
        self._streams = streams
        self._replay: Dealer[ReplayMessage] | None = None
        self._identity = identity
        self._sequencers = {
            stream: Sequencer(stream, stream == ROWS and replay is not None, is_held=is_held and stream == ROWS) for stream in streams
        }
        self.heard_ns = 0  # monotonic clock of the last frame of any kind
        self.on_page: Callable[[ReplayPage], None] | None = None
        self.connect(market, replay)

    def connect(self, market: tuple[str, str], replay: tuple[str, str] | None) -> None:
        """Connect, or connect anew after the publisher came back elsewhere."""
        if self._socket is not None:
            self._bus._drop(self._socket)
        self._socket = self._bus._connected(zmq.SUB, *market)
        for stream in (*self._streams, BEAT):
            self._socket.setsockopt(zmq.SUBSCRIBE, stream)
        self._bus._register(self._socket, self)
        if replay is not None:
            if self._replay is None:
                self._replay = self._bus.dealer(ReplayMessage, self._identity, *replay)
            else:
                self._replay.connect(*replay)
            self._bus._endpoints[self._replay.socket] = self

    def close(self) -> None:
        """Close its sockets."""
        if self._socket is not None:
            self._bus._drop(self._socket)
        if self._replay is not None:
            self._replay.close()

    def sequencer(self, stream: bytes) -> Sequencer:
        """Return the order-keeper of a stream (counters, `begin`)."""
        return self._sequencers[stream]

    def ask(self, request: ReplayRequest) -> bool:
        """Send a request of one's own ("today"); its pages go to `on_page`."""
        return self._replay is not None and self._replay.send(request)

    def receive(self, now_s: float) -> Iterator[M | Hole]:
        """Yield what has come, in order; call it when `poll` names this endpoint and at least every 100 ms."""
        self._read(now_s)
        for sequencer in self._sequencers.values():
            for item in sequencer.take():
                if isinstance(item, Hole):
                    yield item
                    continue
                message = self.codec.decode(item)
                if message is not None:
                    yield message
        self._repair(now_s)

    def _read(self, now_s: float) -> None:
        assert self._socket is not None
        for _ in range(2_000):  # a burst must not keep heartbeats and orders waiting
            try:
                data = self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                break
            self.heard_ns = time.monotonic_ns()
            frame = unpack(data)
            if frame is None:
                self.codec.malformed += 1
            elif frame.stream == BEAT:
                self._on_beat(frame.epoch, frame.payload, now_s)
            elif frame.stream in self._sequencers:
                self._sequencers[frame.stream].on_frame(frame, now_s)
        while self._replay is not None:
            page = self._replay.receive_one()
            if page is None:
                return
            if isinstance(page, ReplayPage):
                self._on_page(page, now_s)

    def _on_beat(self, epoch: int, payload: bytes, now_s: float) -> None:
        last = unpack_beat(payload)
        if last is None:
            self.codec.malformed += 1
            return
        for stream, sequencer in self._sequencers.items():
            sequencer.on_beat(epoch, last.get(stream, 0), now_s)

    def _on_page(self, page: ReplayPage, now_s: float) -> None:
        if self.on_page is not None and page.what == "today":
            self.on_page(page)
            return
        sequencer = self._sequencers.get(ROWS)
        if sequencer is None:
            return
        sequencer.not_held(page.first_seq)
        before = sequencer.next_seq
        for data in page.frames:
            frame = unpack(data)
            if frame is not None and frame.stream == ROWS:
                sequencer.on_frame(frame, now_s)
        sequencer.recovered += max(sequencer.next_seq - before, 0)
        sequencer.more_now()

    def _repair(self, now_s: float) -> None:
        if self._replay is None or ROWS not in self._sequencers:
            return
        span = self._sequencers[ROWS].due(now_s)
        if span is not None:
            self._replay.send(ReplayRequest(what="span", from_seq=span[0], to_seq=span[1]))


class Router(Generic[M]):
    """Many peers, each known by the name its key stands for."""

    def __init__(self, sock: zmq.Socket[bytes], codec: Codec[M]) -> None:
        self.socket = sock
        self.codec = codec
        self.address = _address(sock)
        self.misnamed = 0
        self.unsent = 0

    def receive(self) -> Iterator[tuple[str, M]]:
        """Yield (peer, message) for all that has come."""
        for _ in range(2_000):
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            if len(frames) != 2:
                self.codec.malformed += 1
                continue
            peer = frames[0].bytes.decode("ascii", "replace")
            name = str(frames[1].get("User-Id"))
            # A peer may speak only under its key's own name (or name#suffix for a second socket).
            if peer.split("#", 1)[0] != name:
                self.misnamed += 1
                continue
            message = self.codec.decode(frames[1].buffer)
            if message is not None:
                yield peer, message

    def send(self, peer: str, message: Message) -> bool:
        """Send to a peer; False when it is not there or its queue is full."""
        try:
            self.socket.send_multipart([peer.encode(), encode(message)], zmq.DONTWAIT)
        except zmq.ZMQError:
            self.unsent += 1
            return False
        return True


class Dealer(Generic[M]):
    """One peer of a `Router`; keeps its name when the router comes back elsewhere."""

    def __init__(self, bus: Bus, identity: str, codec: Codec[M]) -> None:
        self._bus = bus
        self._identity = identity
        self.codec = codec
        self._socket: zmq.Socket[bytes] | None = None

    @property
    def socket(self) -> zmq.Socket[bytes]:
        """The open socket."""
        assert self._socket is not None
        return self._socket

    def connect(self, address: str, server_key: str) -> None:
        """Connect, or connect anew elsewhere; what was queued for the old place is gone."""
        if self._socket is not None:
            self._bus._drop(self._socket)
        self._socket = self._bus._connected(zmq.DEALER, address, server_key, self._identity)
        self._bus._register(self._socket, self)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._bus._drop(self._socket)
            self._socket = None

    def receive_one(self) -> M | None:
        """Return the next message, or None when there is none."""
        while True:
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return None
            message = self.codec.decode(frames[-1])
            if message is not None:
                return message

    def receive(self) -> Iterator[M]:
        """Yield all that has come."""
        while (message := self.receive_one()) is not None:
            yield message

    def send(self, message: Message) -> bool:
        """Send; False when the queue is full."""
        try:
            self.socket.send(encode(message), zmq.DONTWAIT)
        except zmq.Again:
            return False
        return True

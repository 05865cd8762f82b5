"""The toy venue's public data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from domain.instruments import Instrument, instrument_id
from domain.ports import Clock, DayBar, Endpoint, EventBatch, FeedNotice
from tests.data.toyvenue import LIMITS, LIVE, wire
from utility.event_block import NO_EVENTS, EventBlock
from utility.feed_desk import FeedDesk
from utility.hosts import HostGuard
from utility.public_rest import PublicRest


def load_instruments(rest: PublicRest) -> list[Instrument]:
    rows = rest.get("/symbols", {}, wire.symbols_decoder.decode, "all")
    return [
        Instrument(
            instrument_id=instrument_id(wire.MARKET, row.code),
            code=row.code,
            name=row.code,
            base=row.base,
            quote=row.quote,
            price_step=row.tick,
            qty_step=row.step,
            min_notional=row.least,
        )
        for row in rows
    ]


class ToyFeed:
    def __init__(self, endpoint: Endpoint, clock: Clock) -> None:
        guard = HostGuard.of(endpoint, LIVE)
        self._rest = PublicRest(endpoint.rest, guard, LIMITS)
        self._desk = FeedDesk(
            "toy", guard, clock, lambda: endpoint.ws_public, on_open=self._opened, on_control=lambda word: self._desk.notice("ready")
        )

    def instruments(self) -> list[Instrument]:
        return load_instruments(self._rest)

    def day_values(self) -> dict[str, float]:
        return {}  # the venue does not tell: the market's own order of codes decides

    def day_bars(self, codes: Sequence[str]) -> list[DayBar]:
        return [DayBar(*row) for row in self._rest.get("/days", {"codes": ",".join(codes)}, wire.days_decoder.decode, "all")]

    def start(self, sink: Callable[[EventBatch | FeedNotice], None]) -> None:
        self._desk.start(sink)

    def subscribe(self, instruments: Sequence[Instrument]) -> None:
        self._desk.subscribe(instruments, wire.FrameDecoder(instruments))

    def history(self, instrument: Instrument, interval_s: int, start_ns: int, end_ns: int) -> np.ndarray:
        params = {"code": instrument.code, "s": str(interval_s), "from": str(start_ns), "to": str(end_ns)}
        return np.array(self._rest.get("/bars", params, wire.bars_decoder.decode, "all"), np.float64).reshape(-1, 7)

    def close(self) -> None:
        self._desk.close()
        self._rest.close()

    def _opened(self, send: Callable[[str], bool], is_again: bool) -> None:
        send(",".join(instrument.code for instrument in self._desk.instruments))
        if is_again:
            self._desk.fill_hole(self._missed)
        self._desk.notice("subscribed")

    def _missed(self, code: str, index: int, after_id: int, received_ns: int) -> tuple[np.ndarray, bool]:
        rows = self._rest.get("/trades", {"code": code, "after": str(after_id)}, wire.trades_decoder.decode, "all")
        block = EventBlock()
        parts = [wire.translate(row, index, received_ns, block) for row in rows]
        return (np.concatenate(parts) if parts else NO_EVENTS), True

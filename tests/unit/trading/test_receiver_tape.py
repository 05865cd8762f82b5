"""Rows of a recording that has no book: told to the receiver, because no wire can say it."""

from __future__ import annotations

import numpy as np
import pytest

from coin.markets import UPBIT
from domain.instruments import NS
from domain.messages import Rows
from domain.ports import EventBatch
from domain.records import EVENT_DTYPE, ROW_NO_BOOK, TRADE
from paper.made_facts import made_fact, made_instrument
from trading.receiver import Receiver

CODE = "KRW-BTC"


@pytest.mark.parametrize("tape", [frozenset(), frozenset({CODE})])
def test_trades_alone_make_rows_only_where_no_book_will_come(tape: frozenset[str]) -> None:
    heard = []
    instrument = made_instrument(UPBIT, CODE, made_fact(UPBIT, CODE))
    receiver = Receiver(UPBIT, 1, [instrument], lambda stream, message: heard.append(message) or len(heard), None, 1, tape=tape)
    events = np.zeros(3, EVENT_DTYPE)
    events["kind"], events["price"], events["qty"], events["side"] = TRADE, 150_000_000.0, 1_000_000, 1
    events["exchange_ns"] = 1_790_000_000 * NS + np.arange(3) * NS
    events["received_ns"], events["first_id"] = events["exchange_ns"], np.arange(1, 4)
    receiver.on_batch(EventBatch(connection="public-1", frames=3, read_ns=1, events=events))
    rows = [np.frombuffer(one.data, receiver.builder.dtype) for one in heard if isinstance(one, Rows)]
    if not tape:
        assert not rows
        return
    found = np.concatenate(rows)
    assert len(found) >= 2
    assert (found["flags"] & ROW_NO_BOOK).all()

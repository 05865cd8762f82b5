"""Any history can be rebuilt from its chain; any changed byte of it is seen."""

from __future__ import annotations

import sqlite3
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.orders import Action, Decision, Fill, Intent, OrderStatus, qty_text, qty_units
from storage.ledger import Ledger, decimal_text
from storage.ledger_verify import verify_file
from tests.unit.trading.test_oms import make_order

names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
units = st.integers(1, 10**17)
money = st.decimals(min_value=0, max_value=10**15, places=8, allow_nan=False)
floats = st.floats(allow_nan=False, allow_infinity=False)


def make_intent(number: int, label: str, qty: int, price: float) -> Intent:
    return Intent(
        intent_id=f"i{number}",
        account="upbit-paper",
        strategy="s",
        version="v",
        instrument_id="upbit:KRW-AAA",
        action=Action.ENTRY,
        side=1,
        qty=qty,
        reference_price=price,
        row_time=20260302000000,
        label=label,
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(names, units, money, floats, st.booleans()), min_size=1, max_size=12), st.data())
def test_random_history_is_rebuilt_and_every_byte_counts(steps: list[tuple[str, int, Decimal, float, bool]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory(prefix="stom-ledger-") as name:
        folder = Path(name)
        ledger = Ledger(folder, "upbit-paper", "b", 1, 1)
        for number, (text, qty, amount, number_float, ends) in enumerate(steps):
            ledger.intent(make_intent(number, text, qty, number_float), Decision(approved=True, qty=qty, observed=number_float), number)
            order = make_order(OrderStatus.FILLED, qty, intent_id=f"i{number}", client_order_id=f"i{number}-1", qty=qty, cum_amount=amount)
            ledger.order(order, number)
            ledger.cursor(text, text)
            if ends:
                ledger.delete("cursors", {"name": text})
            ledger.fill(
                Fill(
                    fill_key=f"{number}:{text}", client_order_id=f"i{number}-1", venue_order_id=text, instrument_id="upbit:KRW-AAA", side=1,
                    qty=qty, price=amount, fee=amount, fee_asset=text, exchange_ns=number,
                ),
                "own",
                number,
            )  # fmt: skip
            ledger.commit("step", "test", number, number)
        state = ledger.load()
        assert [row.fill.price for row in state.fills] == [step[2] for step in steps]
        assert [row.fill.qty for row in state.fills] == [step[1] for step in steps]
        ledger.close()
        assert verify_file(folder) == []
        seq = data.draw(st.integers(1, len(steps) + 1))
        connection = sqlite3.connect(folder / "ledger.db")
        payload = connection.execute("SELECT payload FROM events WHERE seq = ?", (seq,)).fetchone()[0]
        at = data.draw(st.integers(0, len(payload) - 1))
        other = "0" if payload[at] != "0" else "1"
        connection.execute("UPDATE events SET payload = ? WHERE seq = ?", (payload[:at] + other + payload[at + 1 :], seq))
        connection.commit()
        connection.close()
        assert [problem["code"] for problem in verify_file(folder)][0] == "verify.chain"


@given(st.integers(0, 2**62))
def test_quantity_text_reads_back_exactly(qty: int) -> None:
    assert qty_units(qty_text(qty)) == qty


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_money_text_is_plain_and_exact(value: Decimal) -> None:
    text = decimal_text(value)
    assert "E" not in text
    assert Decimal(text) == value

"""The tables of an account's ledger: journal, orders, fills and positions in one file (reliability 4).

They are SQLAlchemy Core so that SQLite and, later, a PostgreSQL mirror share one description.
Money and quantities are Decimal text; times are integer nanoseconds UTC; row times are the
market's clock (YYYYMMDDhhmmss or YYYYMMDDhhmm). `events` is the hash-chained history from which
every other table can be rebuilt.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint

APPLICATION_ID = 0x53544F4D
"""``STOM`` in ASCII: PRAGMA application_id of every ledger file."""

LEDGER_VERSION = 1
"""PRAGMA user_version of a current ledger: the number of its newest migration."""

metadata = MetaData()


def _text(name: str, **options: object) -> Column[str]:
    return Column(name, Text, nullable=False, **options)  # type: ignore[arg-type]


def _int(name: str, **options: object) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)  # type: ignore[arg-type]


epochs = Table(
    "epochs",
    metadata,
    Column("epoch", Integer, primary_key=True),
    _int("utc_ns"),
    _text("build"),
    _int("schema_version"),
    _int("pid"),
)
"""One row a start of a trader; a send from any but the newest epoch is refused (P8)."""

intents = Table(
    "intents",
    metadata,
    Column("intent_id", Text, primary_key=True),
    _text("account"),
    _text("strategy"),
    _text("version"),
    _text("instrument_id"),
    _text("action"),
    _int("side"),
    _text("qty"),
    _text("reference_price"),
    _text("kind"),
    Column("price", Text),
    _int("row_time"),
    _int("row_ns"),
    _int("step"),
    _int("rule_number"),
    _text("label"),
    _int("forced"),
    _text("decision"),  # approved, reduced, refused
    _text("allowed_qty"),
    _text("rule"),
    Column("limit_value", Float, nullable=False),
    Column("observed", Float, nullable=False),
    _int("epoch"),
    _int("utc_ns"),
    sqlite_with_rowid=False,
)
"""Every intent with the decision on it, refused ones too (P6)."""

orders = Table(
    "orders",
    metadata,
    Column("intent_id", Text, ForeignKey("intents.intent_id"), primary_key=True),
    _text("client_order_id", unique=True),
    _int("attempt"),
    _int("epoch"),
    _text("account"),
    _text("instrument_id"),
    _int("side"),
    _text("qty"),
    _text("kind"),
    _text("time_in_force"),
    Column("price", Text),
    _text("action"),
    _text("state"),
    _int("in_doubt"),
    _text("cum_qty"),
    _text("cum_amount"),
    _text("venue_order_id"),
    _text("reason"),
    _int("row_time"),
    _int("rule_number"),
    _text("label"),
    _text("watermark"),  # highest venue number seen before sending, for venues without client ids
    _int("deadline_ns"),  # UTC: before it nobody may conclude that the venue never got the order
    _int("created_ns"),
    _int("updated_ns"),
    sqlite_with_rowid=False,
)
"""One row an intent; a new attempt changes `attempt` and the client id, the old one stays in events."""

venue_orders = Table(
    "venue_orders",
    metadata,
    _text("instrument_id", primary_key=True),
    _text("venue_order_id", primary_key=True),
    _text("trading_day", primary_key=True),
    _text("client_order_id"),
    _text("owner"),  # own, external
    _int("side"),
    _text("qty"),
    _text("cum_qty"),
    _text("cum_amount"),
    Column("price", Text),
    _text("state"),
    _int("updated_ns"),
    sqlite_with_rowid=False,
)
"""What the venue says it holds for this account, whoever owns it: exposure is counted from here."""

fills = Table(
    "fills",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _text("fill_key", unique=True),
    _text("client_order_id"),
    _text("venue_order_id"),
    _text("instrument_id"),
    _int("side"),
    _text("qty"),
    _text("price"),
    _text("fee"),
    _text("fee_asset"),
    _int("exchange_ns"),
    _int("received_ns"),
    _int("is_maker"),
    _text("owner"),  # own, external
    _int("row_time"),
    _int("entry_row_time"),
    _int("rule_number"),
    _text("label"),
    _int("past_levels"),
    _int("epoch"),
)
"""Executions in the order in which they were applied; replaying them gives positions and round trips."""

positions = Table(
    "positions",
    metadata,
    Column("instrument_id", Text, primary_key=True),
    _int("side"),
    _text("qty"),
    Column("entry_price", Float, nullable=False),
    Column("entry_cost", Float, nullable=False),
    _int("entry_time"),
    _int("entry_row_time"),
    Column("realised", Float, nullable=False),
    _text("owner"),
    _int("updated_ns"),
    sqlite_with_rowid=False,
)

round_trips = Table(
    "round_trips",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _text("instrument_id"),
    _text("label"),
    _text("owner"),
    _int("side"),
    _int("entry_time"),
    _int("exit_time"),
    _int("holding_time"),
    *(
        Column(name, Float, nullable=False)
        for name in ("qty", "entry_price", "exit_price", "entry_amount", "exit_amount", "return_pct", "pnl")
    ),
    _int("exit_rule"),
    _int("past_levels"),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    _int("epoch"),
    _text("type"),
    _text("source"),
    _text("payload"),
    _int("mono_ns"),
    _int("utc_ns"),
)
"""Append-only; `hash` = BLAKE2b of the previous hash and this row, so one changed byte breaks the chain (P45)."""

reservations = Table(
    "reservations",
    metadata,
    Column("client_order_id", Text, primary_key=True),
    _text("instrument_id"),
    _int("side"),
    _text("qty"),
    _text("amount"),
    sqlite_with_rowid=False,
)
"""What live and in-doubt orders may still take; deleted when the order ends."""

stops = Table(
    "stops",
    metadata,
    Column("stop_id", Text, primary_key=True),
    _text("instrument_id"),
    _text("owner"),
    _text("qty"),
    _text("price"),
    _text("state"),
    _int("updated_ns"),
    UniqueConstraint("instrument_id", "owner", name="one_stop"),
)

latch = Table(
    "latch",
    metadata,
    Column("id", Integer, primary_key=True),
    _text("level"),
    _text("actor"),
    _text("reason"),
    _int("utc_ns"),
)
"""The kill switch as last journalled; the file beside the ledger may be newer."""

cursors = Table("cursors", metadata, Column("name", Text, primary_key=True), _text("value"), sqlite_with_rowid=False)

adjustments = Table(
    "adjustments",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _text("asset"),
    _text("instrument_id"),
    _text("expected"),
    _text("stated"),
    _text("average_price"),
    _text("cause"),
    _int("acknowledged"),
    _int("utc_ns"),
)
"""Differences between what fills say and what the venue holds; never a made-up trade (reliability 5.11)."""

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    _int("epoch"),
    Column("message", LargeBinary, nullable=False),
    _int("acked"),
)

# Every page that a transaction touches is written twice and synced while an order waits (docs/performance.md):
# no row ids beside text keys, no index that a start could do without, none on what an order does not have yet.
Index("orders_venue", orders.c.venue_order_id, sqlite_where=orders.c.venue_order_id != "")
Index("fills_order", fills.c.client_order_id)
Index("fills_venue_order", fills.c.venue_order_id)

"""Version 1 of the ledger: every table of storage/schema.py as it was first shipped.

The statements are written out, not derived from the metadata, because a migration must do the same
for ever. A test compares their outcome with the metadata of today.
"""

from __future__ import annotations

import sqlite3

STATEMENTS = (
    """
CREATE TABLE adjustments (
    seq INTEGER NOT NULL,
    asset TEXT NOT NULL,
    instrument_id TEXT NOT NULL,
    expected TEXT NOT NULL,
    stated TEXT NOT NULL,
    average_price TEXT NOT NULL,
    cause TEXT NOT NULL,
    acknowledged BIGINT NOT NULL,
    utc_ns BIGINT NOT NULL,
    PRIMARY KEY (seq)
)
    """,
    """
CREATE TABLE cursors (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
) WITHOUT ROWID
    """,
    """
CREATE TABLE epochs (
    epoch INTEGER NOT NULL,
    utc_ns BIGINT NOT NULL,
    build TEXT NOT NULL,
    schema_version BIGINT NOT NULL,
    pid BIGINT NOT NULL,
    PRIMARY KEY (epoch)
)
    """,
    """
CREATE TABLE events (
    seq INTEGER NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    epoch BIGINT NOT NULL,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    payload TEXT NOT NULL,
    mono_ns BIGINT NOT NULL,
    utc_ns BIGINT NOT NULL,
    PRIMARY KEY (seq)
)
    """,
    """
CREATE TABLE fills (
    seq INTEGER NOT NULL,
    fill_key TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    venue_order_id TEXT NOT NULL,
    instrument_id TEXT NOT NULL,
    side BIGINT NOT NULL,
    qty TEXT NOT NULL,
    price TEXT NOT NULL,
    fee TEXT NOT NULL,
    fee_asset TEXT NOT NULL,
    exchange_ns BIGINT NOT NULL,
    received_ns BIGINT NOT NULL,
    is_maker BIGINT NOT NULL,
    owner TEXT NOT NULL,
    row_time BIGINT NOT NULL,
    entry_row_time BIGINT NOT NULL,
    rule_number BIGINT NOT NULL,
    label TEXT NOT NULL,
    past_levels BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (seq),
    UNIQUE (fill_key)
)
    """,
    """
CREATE TABLE intents (
    intent_id TEXT NOT NULL,
    account TEXT NOT NULL,
    strategy TEXT NOT NULL,
    version TEXT NOT NULL,
    instrument_id TEXT NOT NULL,
    action TEXT NOT NULL,
    side BIGINT NOT NULL,
    qty TEXT NOT NULL,
    reference_price TEXT NOT NULL,
    kind TEXT NOT NULL,
    price TEXT,
    row_time BIGINT NOT NULL,
    row_ns BIGINT NOT NULL,
    step BIGINT NOT NULL,
    rule_number BIGINT NOT NULL,
    label TEXT NOT NULL,
    forced BIGINT NOT NULL,
    decision TEXT NOT NULL,
    allowed_qty TEXT NOT NULL,
    rule TEXT NOT NULL,
    limit_value FLOAT NOT NULL,
    observed FLOAT NOT NULL,
    epoch BIGINT NOT NULL,
    utc_ns BIGINT NOT NULL,
    PRIMARY KEY (intent_id)
) WITHOUT ROWID
    """,
    """
CREATE TABLE latch (
    id INTEGER NOT NULL,
    level TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    utc_ns BIGINT NOT NULL,
    PRIMARY KEY (id)
)
    """,
    """
CREATE TABLE outbox (
    seq INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    message BLOB NOT NULL,
    acked BIGINT NOT NULL,
    PRIMARY KEY (seq)
)
    """,
    """
CREATE TABLE positions (
    instrument_id TEXT NOT NULL,
    side BIGINT NOT NULL,
    qty TEXT NOT NULL,
    entry_price FLOAT NOT NULL,
    entry_cost FLOAT NOT NULL,
    entry_time BIGINT NOT NULL,
    entry_row_time BIGINT NOT NULL,
    realised FLOAT NOT NULL,
    owner TEXT NOT NULL,
    updated_ns BIGINT NOT NULL,
    PRIMARY KEY (instrument_id)
) WITHOUT ROWID
    """,
    """
CREATE TABLE reservations (
    client_order_id TEXT NOT NULL,
    instrument_id TEXT NOT NULL,
    side BIGINT NOT NULL,
    qty TEXT NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (client_order_id)
) WITHOUT ROWID
    """,
    """
CREATE TABLE round_trips (
    seq INTEGER NOT NULL,
    instrument_id TEXT NOT NULL,
    label TEXT NOT NULL,
    owner TEXT NOT NULL,
    side BIGINT NOT NULL,
    entry_time BIGINT NOT NULL,
    exit_time BIGINT NOT NULL,
    holding_time BIGINT NOT NULL,
    qty FLOAT NOT NULL,
    entry_price FLOAT NOT NULL,
    exit_price FLOAT NOT NULL,
    entry_amount FLOAT NOT NULL,
    exit_amount FLOAT NOT NULL,
    return_pct FLOAT NOT NULL,
    pnl FLOAT NOT NULL,
    exit_rule BIGINT NOT NULL,
    past_levels BIGINT NOT NULL,
    PRIMARY KEY (seq)
)
    """,
    """
CREATE TABLE stops (
    stop_id TEXT NOT NULL,
    instrument_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    qty TEXT NOT NULL,
    price TEXT NOT NULL,
    state TEXT NOT NULL,
    updated_ns BIGINT NOT NULL,
    PRIMARY KEY (stop_id),
    CONSTRAINT one_stop UNIQUE (instrument_id, owner)
)
    """,
    """
CREATE TABLE venue_orders (
    instrument_id TEXT NOT NULL,
    venue_order_id TEXT NOT NULL,
    trading_day TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    side BIGINT NOT NULL,
    qty TEXT NOT NULL,
    cum_qty TEXT NOT NULL,
    cum_amount TEXT NOT NULL,
    price TEXT,
    state TEXT NOT NULL,
    updated_ns BIGINT NOT NULL,
    PRIMARY KEY (instrument_id, venue_order_id, trading_day)
) WITHOUT ROWID
    """,
    """
CREATE TABLE orders (
    intent_id TEXT NOT NULL,
    client_order_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    account TEXT NOT NULL,
    instrument_id TEXT NOT NULL,
    side BIGINT NOT NULL,
    qty TEXT NOT NULL,
    kind TEXT NOT NULL,
    time_in_force TEXT NOT NULL,
    price TEXT,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    in_doubt BIGINT NOT NULL,
    cum_qty TEXT NOT NULL,
    cum_amount TEXT NOT NULL,
    venue_order_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    row_time BIGINT NOT NULL,
    rule_number BIGINT NOT NULL,
    label TEXT NOT NULL,
    watermark TEXT NOT NULL,
    deadline_ns BIGINT NOT NULL,
    created_ns BIGINT NOT NULL,
    updated_ns BIGINT NOT NULL,
    PRIMARY KEY (intent_id),
    FOREIGN KEY(intent_id) REFERENCES intents (intent_id),
    UNIQUE (client_order_id)
) WITHOUT ROWID
    """,
    "CREATE INDEX fills_order ON fills (client_order_id)",
    "CREATE INDEX fills_venue_order ON fills (venue_order_id)",
    "CREATE INDEX orders_venue ON orders (venue_order_id) WHERE venue_order_id != ''",
)


def migrate(connection: sqlite3.Connection) -> None:
    """Make the tables and indexes."""
    for statement in STATEMENTS:
        connection.execute(statement)

"""The ledger: one writer, nothing half, nothing changed unseen."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from coin.markets import UPBIT
from domain.errors import DataError, RefusedError
from storage import schema
from storage.ledger import MIGRATIONS, Ledger, LedgerFailure
from storage.ledger_verify import verify_file
from storage.migrations import upgrade
from tests.doubles.trader_rig import Rig
from trading.ledger_check import verify_account


def open_ledger(folder: Path, now: int = 1) -> Ledger:
    return Ledger(folder, "upbit-paper", "build", now, now)


def traded(folder: Path) -> Rig:
    rig = Rig(folder).ready()
    rig.enter()
    rig.leave()
    rig.enter("KRW-BBB")
    return rig


def tamper(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "ledger.db")
    assert connection.execute(statement).rowcount > 0, "the tampering must hit something"
    connection.commit()
    connection.close()


def test_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path, isolation_level=None)
    assert upgrade(connection, MIGRATIONS) == [1]
    assert upgrade(connection, MIGRATIONS) == []
    connection.close()
    engine = create_engine(f"sqlite:///{path}")
    found = inspect(engine)
    assert set(found.get_table_names()) == set(schema.metadata.tables)
    for table in schema.metadata.tables.values():
        columns = {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table.name)}
        wanted = {column.name: (str(column.type), bool(column.nullable)) for column in table.columns}
        assert columns == wanted, table.name
        assert found.get_pk_constraint(table.name)["constrained_columns"] == [column.name for column in table.primary_key]
        assert {index["name"] for index in found.get_indexes(table.name)} == {index.name for index in table.indexes}
    engine.dispose()


def test_migration_that_fails_leaves_the_old_version_and_its_copy(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    upgrade(connection, MIGRATIONS)

    def broken(one: sqlite3.Connection) -> None:
        one.execute("CREATE TABLE half (a INTEGER)")
        raise sqlite3.OperationalError("killed")

    with pytest.raises(sqlite3.OperationalError):
        upgrade(connection, (*MIGRATIONS, broken), tmp_path / "copy.db")
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone()[0] == 0
    assert (tmp_path / "copy.db").exists()
    connection.close()


def test_newer_file_is_left_alone(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DataError) as caught:
        open_ledger(tmp_path)
    assert caught.value.code == "ledger.newer"


def test_foreign_file_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    with pytest.raises(DataError) as caught:
        open_ledger(tmp_path)
    assert caught.value.code == "ledger.foreign"


def test_damaged_file_is_refused_and_kept(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    path = tmp_path / "ledger.db"
    data = bytearray(path.read_bytes())
    data[4096:12288] = b"\xff" * 8192
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        open_ledger(tmp_path)
    assert caught.value.code == "ledger.damaged"
    assert path.read_bytes() == bytes(data)


def test_second_trader_in_another_process_is_refused(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    code = (
        "import sys; from pathlib import Path; from storage.ledger import Ledger; from domain.errors import RefusedError\n"
        "try:\n    Ledger(Path(sys.argv[1]), 'upbit-paper', 'b', 1, 1)\nexcept RefusedError as error:\n    print(error.code)\n"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "ledger.locked"
    ledger.close()
    open_ledger(tmp_path).close()


def test_epoch_grows_with_each_start_and_fences_the_older(tmp_path: Path) -> None:
    first = open_ledger(tmp_path)
    assert (first.epoch, first.is_owner()) == (1, True)
    (tmp_path / "lock").unlink()  # somebody removed the lock file, so a second trader gets in
    second = open_ledger(tmp_path, 2)
    assert second.epoch == 2
    assert second.is_owner()
    assert not first.is_owner()
    first.failed = True
    first.close()
    second.close()


def test_in_process_lock_is_refused_too(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(RefusedError):
        open_ledger(tmp_path)
    ledger.close()


def test_failed_commit_leaves_nothing_and_shuts_the_handle(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    seq = ledger.event_seq
    ledger.cursor("a", "1")
    ledger.write("fills", {"seq": 1})  # not a whole row: the statement fails after the first one succeeded
    with pytest.raises(LedgerFailure):
        ledger.commit("test", "test", 1, 1)
    ledger.cursor("b", "1")
    with pytest.raises(LedgerFailure):
        ledger.commit("test", "test", 1, 1)
    ledger.close()
    again = open_ledger(tmp_path, 2)
    assert "a" not in again.load().cursors
    assert again.event_seq == seq + 1
    assert verify_file(tmp_path) == []
    again.close()


def test_lock_by_another_process_fails_the_commit_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ledger.cursor("a", "1")
    begun = time.monotonic()
    with pytest.raises(LedgerFailure):
        ledger.commit("test", "test", 1, 1)
    assert 1.0 < time.monotonic() - begun < 10.0
    other.execute("ROLLBACK")
    other.close()
    ledger.close()


def test_traded_ledger_follows_from_its_journal(tmp_path: Path) -> None:
    rig = traded(tmp_path)
    rig.trader.close(rig.now)
    assert verify_account(tmp_path, UPBIT) == []


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE events SET payload = replace(payload, '\"100\"', '\"101\"') WHERE seq = 4", "verify.chain"),
        ("DELETE FROM events WHERE seq = 4", "verify.chain"),
        ("UPDATE events SET seq = -seq WHERE seq = 4", "verify.chain"),
        ("UPDATE fills SET qty = '99' WHERE seq = 1", "verify.table"),
        ("UPDATE orders SET state = 'canceled'", "verify.table"),
        ("UPDATE positions SET qty = '7'", "verify.table"),
        ("DELETE FROM round_trips", "verify.table"),
        ("UPDATE intents SET observed = 1.5", "verify.table"),
        ("DELETE FROM events WHERE seq > 5", "verify.head"),
    ],
)
def test_tampering_is_seen(tmp_path: Path, statement: str, code: str) -> None:
    rig = traded(tmp_path)
    rig.trader.close(rig.now)
    tamper(tmp_path, statement)
    assert code in {problem["code"] for problem in verify_account(tmp_path, UPBIT)}


def test_outbox_survives_and_forgets_what_was_acknowledged(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    numbers = [ledger.post(b"m%d" % i) for i in range(5)]
    ledger.commit("test", "test", 1, 1)
    assert ledger.outbox_since(numbers[2]) == [b"m3", b"m4"]
    ledger.acknowledge(numbers[3])
    ledger.maintain(keep=0)
    ledger.close()
    again = open_ledger(tmp_path, 2)
    assert again.outbox_since(0) == [b"m4"]
    assert again.post(b"next") == numbers[-1] + 1
    again.close()


def test_outbox_numbers_never_restart_after_everything_was_pruned(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    last = [ledger.post(b"x") for _ in range(3)][-1]
    ledger.commit("test", "test", 1, 1)
    ledger.acknowledge(last)
    ledger.maintain(keep=0)
    ledger.close()
    again = open_ledger(tmp_path, 2)
    assert again.outbox_seq == last
    again.close()


def test_wal_is_moved_by_maintain_only(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    wal = tmp_path / "ledger.db-wal"
    for i in range(400):
        ledger.cursor(f"n{i}", "x" * 20_000)
        ledger.commit("test", "test", 1, 1)
    assert wal.stat().st_size > 4_096_000
    ledger.maintain()
    ledger._checkpoints.join()
    for _ in range(3):
        ledger.cursor("again", "1")
        ledger.commit("test", "test", 1, 1)
    grown = wal.stat().st_size
    for i in range(100):
        ledger.cursor(f"n{i}", "y" * 20_000)
        ledger.commit("test", "test", 1, 1)
    assert wal.stat().st_size == grown, "the log is used again from its beginning"
    ledger.close()

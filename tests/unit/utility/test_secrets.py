"""Keys do not show themselves, and what is at rest opens with the password and unchanged only."""

import base64
import copy
import io
import logging
import pickle
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from domain.errors import DataError, InputError, RefusedError, StomError
from utility import secrets as vaults
from utility.secrets import KeyPair, RedactionFilter, Secret, Vault, redact

CANARY = "cAnArY+9f8e7d6c/5b4a3928=="


def test_a_secret_prints_as_stars_and_refuses_to_leave() -> None:
    secret = Secret(CANARY)
    assert (repr(secret), str(secret), f"{[secret]}") == ("***", "***", "[***]")
    with pytest.raises(TypeError):
        format(secret, "")
    with pytest.raises(TypeError):
        f"{secret}"
    for leave in (pickle.dumps, copy.deepcopy, copy.copy):
        with pytest.raises(TypeError):
            leave(secret)
    assert secret == Secret(CANARY)
    assert secret != Secret(CANARY + "x")
    assert not hasattr(secret, "__dict__")


def test_a_key_pair_opens_only_when_asked() -> None:
    pair = KeyPair("key-0001-abcdef", CANARY)
    assert (pair.key(), pair.secret()) == ("key-0001-abcdef", CANARY)
    assert CANARY not in repr(pair)
    with pytest.raises(TypeError):
        pickle.dumps(pair)


@pytest.mark.parametrize(
    "form",
    [
        CANARY,
        quote(CANARY, safe=""),
        CANARY.encode().hex(),
        base64.b64encode(CANARY.encode()).decode(),
        base64.b64encode(b"x" + CANARY.encode() + b"yy").decode(),
        base64.b64encode(b"xy" + CANARY.encode() + b"y").decode(),
        base64.urlsafe_b64encode(CANARY.encode()).decode(),
    ],
)
def test_a_known_secret_is_masked_in_every_form(form: str) -> None:
    Secret(CANARY)
    masked = redact(f"before {form} after")
    for part in range(0, len(form) - 12):
        assert form[part : part + 12] not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer eyJhbGciOiJIUzUxMiJ9.e30.AAAAAAAA",
        "GET /api/v3/order?symbol=X&signature=0123456789abcdef0123",
        '{"apiKey": "0123456789abcdef0123"}',
        "X-MBX-APIKEY: 0123456789abcdef0123",
        "password=0123456789abcdef0123",
    ],
)
def test_unknown_tokens_are_masked_by_their_names(line: str) -> None:
    masked = redact(line)
    assert "0123456789abcdef0123" not in masked
    assert "eyJhbGci" not in masked
    assert "***" in masked


def test_the_filter_masks_message_arguments_and_traceback() -> None:
    Secret(CANARY)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactionFilter())
    log = logging.Logger("canary")
    log.addHandler(handler)
    log.info("key=%s", CANARY)
    try:
        raise ValueError(f"refused {CANARY}")
    except ValueError:
        log.exception("event=refused")
    log.info("%d", "not a number")
    text = stream.getvalue()
    assert CANARY not in text
    assert text.count("***") >= 2
    assert "ValueError" in text
    assert "unformattable log record" in text


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cheap Argon2id for tests that derive a key for each of hundreds of files; the costs stand in the header."""
    monkeypatch.setattr(vaults, "MEMORY_KIB", 32)
    monkeypatch.setattr(vaults, "ITERATIONS", 1)
    monkeypatch.setattr(vaults, "LANES", 1)


def test_the_costs_that_ship_are_those_of_the_promise(tmp_path: Path) -> None:
    assert vaults.MEMORY_KIB >= 64 * 1024
    assert vaults.ITERATIONS >= 3
    vault = Vault(tmp_path / "vault.bin")
    vault.save("열려라 참깨", {"upbit": KeyPair("key-1", CANARY)})
    assert stat.S_IMODE((tmp_path / "vault.bin").stat().st_mode) == 0o600
    data = (tmp_path / "vault.bin").read_bytes()
    assert CANARY.encode() not in data
    assert b"upbit" not in data
    opened = vault.load("열려라 참깨")
    assert opened["upbit"].secret() == CANARY
    assert list(tmp_path.iterdir()) == [tmp_path / "vault.bin"]


@pytest.mark.usefixtures("quick")
def test_each_flipped_byte_and_each_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "vault.bin"
    Vault(path).save("pw", {"binance": KeyPair("k" * 8, "s" * 8)})
    data = path.read_bytes()
    for i in range(len(data)):
        for bit in (0x01, 0x80):
            changed = bytearray(data)
            changed[i] ^= bit
            path.write_bytes(changed)
            with pytest.raises(StomError) as caught:
                Vault(path).load("pw")
            assert caught.value.code in ("vault.not_opened", "vault.damaged")
    for size in (0, 1, 40, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises((InputError, DataError)):
            Vault(path).load("pw")
    path.write_bytes(data)
    assert Vault(path).load("pw")["binance"].key() == "k" * 8


@pytest.mark.usefixtures("quick")
def test_wrong_passwords_are_refused_and_slowed_down(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.bin")
    vault.save("right", {})
    with pytest.raises(InputError, match=r"vault\.not_opened"):
        vault.load("wrong")
    with pytest.raises(RefusedError, match=r"vault\.wait"):
        vault.load("right")


@pytest.mark.usefixtures("quick")
def test_two_saves_share_no_salt_and_no_nonce(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.bin")
    vault.save("pw", {})
    first = (tmp_path / "vault.bin").read_bytes()
    vault.save("pw", {})
    second = (tmp_path / "vault.bin").read_bytes()
    assert first[20:48] != second[20:48]
    assert vault.load("pw") == {}
    assert Vault(tmp_path / "absent.bin").load("pw") == {}
    with pytest.raises(InputError, match="password_empty"):
        vault.save("", {})

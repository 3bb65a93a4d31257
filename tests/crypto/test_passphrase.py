import os

import anyio
import pytest
from cryptography.exceptions import UnsupportedAlgorithm

from amplify_federation._crypto import passphrase
from amplify_federation._crypto.envelope import open_header, seal
from amplify_federation._crypto.kdf import (
    ARGON2ID,
    NO_DERIVATION,
    SCRYPT,
    Derivation,
    KeyFunction,
)
from amplify_federation._crypto.keys import MasterKey
from amplify_federation._crypto.passphrase import PassphraseKey, derive, is_available
from amplify_federation.errors import ConfigurationError, SessionKeyError
from tests.concurrency import concurrently

CHEAP = Derivation(KeyFunction.ARGON2ID, (1, 8, 1), bytes(16))
CHEAP_SCRYPT = Derivation(KeyFunction.SCRYPT, (4, 8, 1), bytes(16))
SECRET = MasterKey(b"canary passphrase")


@pytest.fixture
def derived(monkeypatch):
    """Count derivations, and make them cheap."""
    calls = []
    real = passphrase.derive

    def cheap(secret, derivation):
        calls.append(derivation)
        easy = CHEAP if derivation.function is KeyFunction.ARGON2ID else CHEAP_SCRYPT
        return real(secret, easy.salted(derivation.salt))

    monkeypatch.setattr(passphrase, "derive", cheap)
    monkeypatch.setattr(passphrase, "is_available", lambda _: True)
    return calls


def test_argon2id_gives_32_bytes_that_depend_on_salt_and_passphrase():
    derivation = Derivation(KeyFunction.ARGON2ID, (2, 64, 1), b"somesalt12345678")
    first = derive(MasterKey(b"password"), derivation)
    assert first == derive(MasterKey(b"password"), derivation)
    assert first != derive(MasterKey(b"passwore"), derivation)
    assert first != derive(MasterKey(b"password"), derivation.salted(bytes(16)))
    assert len(first.reveal()) == 32


def test_scrypt_gives_32_bytes_that_depend_on_salt_and_passphrase():
    first = derive(SECRET, CHEAP_SCRYPT)
    assert len(first.reveal()) == 32
    assert first != derive(SECRET, CHEAP_SCRYPT.salted(bytes([1]) * 16))
    assert first != derive(MasterKey(b"other"), CHEAP_SCRYPT)


async def test_what_it_seals_another_of_the_same_passphrase_opens(derived):
    key = await PassphraseKey("canary").sealing_key()
    assert key.derivation.salted(bytes(16)) == ARGON2ID
    assert await PassphraseKey("canary").opening_keys(key.derivation) == (key.master,)
    assert await PassphraseKey("other").opening_keys(key.derivation) != (key.master,)


async def test_one_salt_is_derived_once_however_many_ask(derived):
    source = PassphraseKey("canary")
    await concurrently(*(source.opening_keys(ARGON2ID) for _ in range(20)))
    assert derived == [ARGON2ID]


async def test_new_records_take_the_salt_of_those_opened(derived):
    source = PassphraseKey("canary")
    opened = ARGON2ID.salted(bytes(range(16)))
    await source.opening_keys(opened)
    assert (await source.sealing_key()).derivation == opened
    assert derived == [opened]


async def test_new_records_do_not_take_weaker_parameters(derived):
    source = PassphraseKey("canary")
    await source.opening_keys(CHEAP)
    await source.opening_keys(SCRYPT)
    assert (await source.sealing_key()).derivation.salted(bytes(16)) == ARGON2ID


async def test_two_sources_choose_two_salts(derived):
    first, second = [await PassphraseKey("canary").sealing_key() for _ in range(2)]
    assert first.derivation.salt != second.derivation.salt


async def test_scrypt_serves_where_argon2id_is_missing(derived, monkeypatch):
    monkeypatch.setattr(passphrase, "is_available", lambda _: False)
    key = await PassphraseKey("canary").sealing_key()
    assert key.derivation.salted(bytes(16)) == SCRYPT


def test_a_missing_function_is_told_as_a_missing_key(monkeypatch):
    def missing(*_):
        raise UnsupportedAlgorithm("no")

    monkeypatch.setattr(passphrase, "_argon2id", missing)
    assert not is_available(ARGON2ID)
    assert is_available(SCRYPT)
    with pytest.raises(SessionKeyError, match="ARGON2ID") as caught:
        derive(SECRET, ARGON2ID)
    assert caught.value.__context__ is None
    assert "canary" not in repr([entry.frame.f_locals for entry in caught.traceback[1:]])


async def test_a_record_under_a_random_key_is_not_its(derived):
    assert await PassphraseKey("canary").opening_keys(NO_DERIVATION) == ()
    assert derived == []


@pytest.mark.parametrize(
    "absurd",
    [
        Derivation(KeyFunction.ARGON2ID, (2**32 - 1, 2**32 - 1, 2**32 - 1)),
        Derivation(KeyFunction.ARGON2ID, (3, 2**31, 4)),
        Derivation(KeyFunction.SCRYPT, (40, 8, 1)),
        Derivation(KeyFunction.SCRYPT, (17, 2**20, 2**20)),
    ],
)
async def test_absurd_parameters_are_never_derived(derived, absurd):
    assert await PassphraseKey("canary").opening_keys(absurd) == ()
    assert derived == []


@pytest.mark.parametrize("nothing", ["", None, b"bytes", 5])
def test_no_passphrase_is_refused(nothing):
    with pytest.raises(ConfigurationError):
        PassphraseKey(nothing)


async def test_any_text_is_a_passphrase(derived):
    for text in ("\0", "é", "\udcff", " "):
        assert await PassphraseKey(text).sealing_key()


async def test_a_child_of_a_fork_does_not_wait_for_a_lock_of_its_parent(derived, monkeypatch):
    source = PassphraseKey("canary")
    source._lock.acquire()  # a thread of the parent was deriving
    real = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: real + 1)
    with anyio.fail_after(30):
        assert await source.sealing_key()


async def test_the_header_of_a_record_says_how(derived):
    key = await PassphraseKey("canary").sealing_key()
    record = seal(b"payload", name="pool/name", key=key, salt=bytes(32))
    assert open_header(record).derivation == key.derivation

import threading
from base64 import b64encode

import keyring
import keyring.backend
import keyring.errors
import pytest

from amplify_federation._crypto import keyring as room
from amplify_federation._crypto.kdf import ARGON2ID, NO_DERIVATION
from amplify_federation._crypto.keyring import KeyringKey
from amplify_federation._crypto.keys import MasterKey
from amplify_federation.errors import (
    ConfigurationError,
    SessionKeyError,
    StoreUnavailableError,
)
from tests.concurrency import concurrently

KEY = bytes(range(32))


class Keyring(keyring.backend.KeyringBackend):
    priority = 1

    def __init__(self):
        super().__init__()
        self.entries = {}
        self.threads = []

    def get_password(self, service, username):
        self.threads.append(threading.current_thread())
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password


@pytest.fixture
def ring(monkeypatch, tmp_path):
    """A keyring in memory."""
    ring = Keyring()
    before = keyring.get_keyring()
    keyring.set_keyring(ring)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    yield ring
    keyring.set_keyring(before)


async def test_a_key_is_made_once_and_read_by_the_next(ring):
    made = await KeyringKey().sealing_key()
    assert await KeyringKey().opening_keys(NO_DERIVATION) == (made.master,)
    assert (await KeyringKey().sealing_key()) == made
    assert list(ring.entries) == [("amplify_federation", "master-key")]


async def test_only_the_key_is_stored(ring):
    made = await KeyringKey("mine").sealing_key()
    assert ring.entries == {
        ("amplify_federation", "mine"): b64encode(made.master.reveal()).decode()
    }


async def test_two_names_are_two_keys(ring):
    assert await KeyringKey("a").sealing_key() != await KeyringKey("b").sealing_key()


async def test_the_keyring_is_asked_in_a_worker_thread(ring):
    await KeyringKey().sealing_key()
    assert ring.threads
    assert threading.main_thread() not in ring.threads


async def test_many_tasks_make_one_key(ring):
    keys = await concurrently(*(KeyringKey().sealing_key() for _ in range(10)))
    assert len({key.master for key in keys}) == 1


async def test_no_key_opens_nothing_and_none_is_made(ring):
    with pytest.raises(SessionKeyError):
        await KeyringKey().opening_keys(NO_DERIVATION)
    assert await KeyringKey().opening_keys(ARGON2ID) == ()
    assert ring.entries == {}


async def test_a_keyring_that_keeps_nothing_is_found_out(ring, monkeypatch):
    monkeypatch.setattr(Keyring, "set_password", lambda *_: None)
    with pytest.raises(SessionKeyError, match="give back"):
        await KeyringKey().sealing_key()


async def test_an_entry_that_is_no_key_is_left_alone(ring):
    ring.set_password("amplify_federation", "master-key", "canary")
    with pytest.raises(ConfigurationError) as caught:
        await KeyringKey().sealing_key()
    assert "canary" not in str(caught.value)
    assert ring.entries == {("amplify_federation", "master-key"): "canary"}


async def test_a_keyring_that_hangs_is_given_up(ring, monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(Keyring, "get_password", lambda *_: end.wait(60) and None)
    try:
        with pytest.raises(StoreUnavailableError, match=r"0\.05 s"):
            await KeyringKey(timeout=0.05).opening_keys(NO_DERIVATION)
    finally:
        end.set()


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (keyring.errors.NoKeyringError("canary"), ConfigurationError),
        (keyring.errors.KeyringLocked("canary"), SessionKeyError),
        (keyring.errors.InitError("canary"), SessionKeyError),
        (RuntimeError("canary"), StoreUnavailableError),
    ],
)
async def test_what_a_keyring_raises_is_told_by_its_class_alone(ring, monkeypatch, raised, told):
    def fail(*_):
        raise raised

    monkeypatch.setattr(Keyring, "get_password", fail)
    with pytest.raises(told) as caught:
        await KeyringKey().opening_keys(NO_DERIVATION)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_a_missing_extra_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(room, "import_module", missing)
    with pytest.raises(ConfigurationError, match=r"amplify-federation\[keyring\]"):
        await KeyringKey().sealing_key()


async def test_a_key_kept_there_by_hand_is_taken(ring):
    ring.set_password("amplify_federation", "master-key", b64encode(KEY).decode())
    assert (await KeyringKey().sealing_key()).master == MasterKey(KEY)


async def test_the_keyring_is_asked_once(ring):
    source = KeyringKey("mine")
    made = await source.sealing_key()
    asked = len(ring.threads)
    assert await source.sealing_key() == made
    assert await source.opening_keys(NO_DERIVATION) == (made.master,)
    assert len(ring.threads) == asked
    assert repr(source) == "<KeyringKey mine>"

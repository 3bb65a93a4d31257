import logging

import pytest

from amplify_federation._crypto.envelope import open_header, seal
from amplify_federation._crypto.kdf import ARGON2ID
from amplify_federation._crypto.keys import KeyRing, MasterKey, RawKey, SealingKey
from amplify_federation.errors import (
    ConfigurationError,
    SessionFormatTooNewError,
    SessionKeyError,
    StoreConflictError,
    ValidationError,
)
from amplify_federation.stores import sealed as module
from amplify_federation.stores.memory import MemoryStore
from amplify_federation.stores.sealed import Sealed

KEY, OTHER = bytes(range(32)), bytes(32)
CANARY = b"canary-token"
NAME, ELSE = "us-west-2:pool/default", "us-west-2:pool/else"


@pytest.fixture
def backend():
    return MemoryStore()


@pytest.fixture
def store(backend):
    return Sealed(backend, key=KEY)


async def damage(backend, name=NAME, change=lambda data: data[:-1] + bytes([data[-1] ^ 1])):
    record = await backend.read(name)
    return await backend.compare_and_set(name, change(record.data), expected=record.version)


def frames_of(caught):
    """The locals of our frames, without those of the test."""
    return repr([entry.frame.f_locals for entry in caught.traceback[1:]])


async def test_the_backend_never_sees_plaintext(store, backend):
    await store.compare_and_set(NAME, CANARY, expected=None)
    assert CANARY not in (await backend.read(NAME)).data
    assert (await store.read(NAME)).data == CANARY
    assert "canary" not in repr(await store.read(NAME))


async def test_no_two_writes_share_a_salt(store, backend):
    """The nonce is fixed, so two records of one salt would be sealed under one key and nonce."""
    salts = set()
    for name in (NAME, NAME, ELSE):
        for handle in (store, Sealed(backend, key=KEY)):
            present = await backend.read(name)
            expected = present.version if present else None
            await handle.compare_and_set(name, CANARY, expected=expected)
            salts.add(open_header((await backend.read(name)).data).salt)
    assert len(salts) == 6


async def test_an_unchanged_record_is_not_opened_again(store, backend, monkeypatch):
    await store.compare_and_set(NAME, CANARY, expected=None)
    reader = Sealed(backend, key=KEY)
    first = await reader.read(NAME)
    monkeypatch.setattr(module, "open_record", lambda *_, **__: pytest.fail("opened again"))
    assert await reader.read(NAME) is first
    assert (await store.read(NAME)).data == CANARY  # and who wrote it knows it


async def test_a_deleted_record_does_not_stay_in_memory(store):
    version = await store.compare_and_set(NAME, CANARY, expected=None)
    await store.delete(NAME, expected=version)
    assert store._opened.get(NAME) is None


async def test_a_write_of_another_handle_is_seen(store, backend):
    version = await store.compare_and_set(NAME, b"one", expected=None)
    await Sealed(backend, key=KEY).compare_and_set(NAME, b"two", expected=version)
    assert (await store.read(NAME)).data == b"two"
    await Sealed(backend, key=KEY).delete(NAME, expected=None)
    assert await store.read(NAME) is None


async def test_a_damaged_record_counts_as_absent_and_is_logged_once(store, backend, caplog):
    await store.compare_and_set(NAME, CANARY, expected=None)
    version = await damage(backend)
    with caplog.at_level(logging.WARNING, "amplify_federation"):
        for _ in range(3):
            assert await store.read(NAME) is None
    (logged,) = caplog.records
    assert logged.name == "amplify_federation"
    assert logged.event == "session_set_aside"
    assert "canary" not in repr(vars(logged))
    assert (await backend.read(NAME)).version == version


async def test_a_damaged_record_is_replaced_by_the_next_write(store, backend):
    await store.compare_and_set(NAME, b"one", expected=None)
    await damage(backend)
    assert await store.read(NAME) is None
    version = await store.compare_and_set(NAME, b"two", expected=None)
    assert (await store.read(NAME)).data == b"two"
    with pytest.raises(StoreConflictError):
        await store.compare_and_set(NAME, b"three", expected=None)
    await store.compare_and_set(NAME, b"three", expected=version)


async def test_a_record_written_over_the_damaged_one_is_not_lost(store, backend):
    await store.compare_and_set(NAME, b"one", expected=None)
    damaged = await damage(backend)
    assert await store.read(NAME) is None
    sound = seal(b"two", name=NAME, key=SealingKey(MasterKey(KEY)), salt=bytes(32))
    await backend.compare_and_set(NAME, sound, expected=damaged)
    with pytest.raises(StoreConflictError):
        await store.compare_and_set(NAME, b"three", expected=None)
    assert (await store.read(NAME)).data == b"two"


async def test_a_damaged_record_can_be_deleted(store, backend):
    await store.compare_and_set(NAME, b"one", expected=None)
    await damage(backend)
    assert await store.read(NAME) is None
    await store.delete(NAME, expected=None)
    assert await backend.read(NAME) is None
    await store.compare_and_set(NAME, b"two", expected=None)


async def test_a_record_moved_to_another_name_counts_as_absent(store, backend):
    await store.compare_and_set(NAME, b"one", expected=None)
    await store.compare_and_set(ELSE, b"two", expected=None)
    moved = (await backend.read(ELSE)).data
    await damage(backend, change=lambda _: moved)
    assert await store.read(NAME) is None
    assert (await store.read(ELSE)).data == b"two"


class SettingAsideStore(MemoryStore):
    """A backend that can set aside."""

    def __init__(self):
        super().__init__()
        self.aside = []

    async def set_aside(self, name, *, expected):
        self.aside.append((name, expected))
        await self.delete(name, expected=expected)
        return "somewhere"


async def test_a_backend_that_can_sets_the_damaged_record_aside(caplog):
    backend = SettingAsideStore()
    store = Sealed(backend, key=KEY)
    await store.compare_and_set(NAME, CANARY, expected=None)
    version = await damage(backend)
    assert await store.read(NAME) is None
    assert backend.aside == [(NAME, version)]
    assert [record.set_aside_as for record in caplog.records] == ["somewhere"]
    await store.compare_and_set(NAME, b"two", expected=None)


async def test_a_wrong_key_is_told_and_touches_nothing(store, backend):
    await store.compare_and_set(NAME, CANARY, expected=None)
    before = await backend.read(NAME)
    wrong = Sealed(backend, key=OTHER)
    for _ in range(2):
        with pytest.raises(SessionKeyError):
            await wrong.read(NAME)
    with pytest.raises(StoreConflictError):
        await wrong.compare_and_set(NAME, b"two", expected=None)
    assert await backend.read(NAME) == before
    assert (await store.read(NAME)).data == CANARY


async def test_a_newer_format_is_told_and_touches_nothing(store, backend):
    header = b"AFEDSEAL\0\x02\0\x10"
    import zlib  # noqa: PLC0415 - a checksum by hand

    record = header + zlib.crc32(header + bytes(4)).to_bytes(4, "big") + b"new"
    await backend.compare_and_set(NAME, record, expected=None)
    with pytest.raises(SessionFormatTooNewError):
        await store.read(NAME)
    assert (await backend.read(NAME)).data == record


async def test_a_ring_opens_what_the_old_key_sealed_and_seals_with_the_new(store, backend):
    await store.compare_and_set(NAME, CANARY, expected=None)
    ring = Sealed(backend, key=KeyRing([OTHER, KEY]))
    assert (await ring.read(NAME)).data == CANARY
    assert await ring.reseal(NAME)
    assert not await ring.reseal(ELSE)
    assert (await Sealed(backend, key=OTHER).read(NAME)).data == CANARY
    with pytest.raises(SessionKeyError):
        await Sealed(backend, key=KEY).read(NAME)


class Strange(RawKey):
    """A source that claims to be a passphrase."""

    async def sealing_key(self):
        return SealingKey(MasterKey(KEY), ARGON2ID)


async def test_a_source_is_told_how_the_record_was_sealed(backend):
    await Sealed(backend, key=Strange(KEY)).compare_and_set(NAME, CANARY, expected=None)
    with pytest.raises(SessionKeyError):
        await Sealed(backend, key=KEY).read(NAME)


async def test_no_error_holds_the_payload(store, backend):
    await store.compare_and_set(NAME, b"one", expected=None)
    with pytest.raises(StoreConflictError) as conflict:
        await store.compare_and_set(NAME, CANARY, expected=None)
    with pytest.raises(ValidationError) as too_large:
        await store.compare_and_set(NAME, CANARY * 100_000, expected=None)
    with pytest.raises(ValidationError) as nameless:
        await store.compare_and_set("", CANARY, expected=None)
    for caught in (conflict, too_large, nameless):
        assert "canary" not in frames_of(caught)
        assert caught.value.__context__ is None


async def test_no_error_holds_the_key(backend):
    canary = b"canary-key-of-thirty-two-bytes!!"
    await Sealed(backend, key=KEY).compare_and_set(NAME, b"one", expected=None)
    with pytest.raises(SessionKeyError) as caught:
        await Sealed(backend, key=canary).read(NAME)
    assert "canary" not in frames_of(caught)


def test_a_malformed_key_is_refused_at_construction(backend):
    for key in (b"short", "text", None):
        with pytest.raises(ConfigurationError):
            Sealed(backend, key=key)


async def test_leases_are_the_backends(store, backend):
    async with store.lock(NAME, timeout=0):
        assert NAME in backend._leases

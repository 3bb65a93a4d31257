import copy
import pickle
from base64 import b64encode, urlsafe_b64encode

import pytest

from amplify_federation._crypto.kdf import ARGON2ID, NO_DERIVATION
from amplify_federation._crypto.key_files import EnvironmentKey, KeyFile
from amplify_federation._crypto.keyring import KeyringKey
from amplify_federation._crypto.keys import (
    KeyRing,
    MasterKey,
    RawKey,
    SealingKey,
    as_key_source,
    key_as_text,
    key_from_text,
)
from amplify_federation._crypto.passphrase import PassphraseKey
from amplify_federation.errors import ConfigurationError, SessionKeyError, StoreUnavailableError

CANARY = b"canary-key-of-thirty-two-bytes!!"


def test_a_key_never_shows():
    key = MasterKey(CANARY)
    sealing = SealingKey(key)
    for shown in (repr(key), str(key), f"{key}", repr(sealing), repr(sealing._asdict())):
        assert "canary" not in shown
    for source in (key, sealing, RawKey(CANARY), KeyRing([CANARY]), PassphraseKey("canary")):
        assert "canary" not in repr(source)
        assert "canary" not in repr(vars(source) if hasattr(source, "__dict__") else "")
        with pytest.raises(TypeError):
            pickle.dumps(source)
    assert copy.deepcopy(key) is copy.copy(key) is key


def test_keys_compare_by_their_bytes():
    assert MasterKey(CANARY) == MasterKey(CANARY)
    assert hash(MasterKey(CANARY)) == hash(MasterKey(CANARY))
    assert MasterKey(CANARY) != MasterKey(bytes(32))
    assert MasterKey(CANARY) != CANARY


@pytest.mark.parametrize("key", [b"", CANARY[:-1], CANARY + b"!", b64encode(CANARY)])
def test_a_key_of_another_size_is_refused_unshown(key):
    with pytest.raises(ConfigurationError) as caught:
        RawKey(key)
    assert "canary" not in str(caught.value)
    frames = [frame.frame.f_locals for frame in caught.traceback[2:]]
    assert "canary" not in repr(frames)


@pytest.mark.parametrize("key", [None, 5, "text", [CANARY], object()])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ConfigurationError, match=type(key).__name__):
        as_key_source(key)


def test_bytes_and_sources_are_taken():
    assert isinstance(as_key_source(CANARY), RawKey)
    assert isinstance(as_key_source(bytearray(CANARY)), RawKey)
    for source in (
        KeyFile("x"),
        EnvironmentKey(),
        PassphraseKey("x"),
        KeyringKey(),
        KeyRing([CANARY]),
    ):
        assert as_key_source(source) is source


async def test_a_raw_key_seals_and_opens_what_no_passphrase_sealed():
    source = RawKey(CANARY)
    assert await source.sealing_key() == SealingKey(MasterKey(CANARY))
    assert await source.opening_keys(NO_DERIVATION) == (MasterKey(CANARY),)
    assert await source.opening_keys(ARGON2ID) == ()


async def test_a_ring_seals_with_the_first_and_opens_with_any():
    ring = KeyRing([bytes(32), CANARY])
    assert await ring.sealing_key() == SealingKey(MasterKey(bytes(32)))
    assert await ring.opening_keys(NO_DERIVATION) == [MasterKey(bytes(32)), MasterKey(CANARY)]


async def test_a_ring_passes_over_a_source_without_a_key(tmp_path):
    ring = KeyRing([KeyFile(tmp_path / "new", create=True), CANARY])
    assert await ring.opening_keys(NO_DERIVATION) == [MasterKey(CANARY)]
    new = await ring.sealing_key()
    assert await ring.opening_keys(NO_DERIVATION) == [new.master, MasterKey(CANARY)]


async def test_a_ring_without_any_key_says_so(tmp_path):
    ring = KeyRing([KeyFile(tmp_path / "a"), KeyFile(tmp_path / "b")])
    with pytest.raises(SessionKeyError):
        await ring.opening_keys(NO_DERIVATION)
    assert await KeyRing([CANARY]).opening_keys(ARGON2ID) == []


def test_an_empty_ring_is_refused():
    with pytest.raises(ConfigurationError):
        KeyRing([])


@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
def test_a_key_is_read_in_either_alphabet(encode):
    key = bytes([251, 255, 191] * 10 + [0, 1])
    assert key_from_text(MasterKey(b" " + encode(key) + b"\r\n")) == MasterKey(key)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"?",
        b64encode(bytes(31)),
        b64encode(bytes(33)),
        b64encode(bytes(32))[:-1],
        b"\xff",
        b"A" * 43 + b"*",
    ],
)
def test_what_is_no_key_in_base64_is_none(text):
    assert key_from_text(MasterKey(text)) is None


def test_a_key_written_is_read():
    assert key_from_text(MasterKey(key_as_text(MasterKey(CANARY)))) == MasterKey(CANARY)


@pytest.mark.parametrize(
    "make",
    [lambda folder: KeyFile(folder / "key", create=True), lambda _: PassphraseKey("canary"),
     lambda _: KeyringKey()],
)  # fmt: skip
def test_a_key_that_no_thread_can_make_is_told_with_advice(make, tmp_path, run_without_threads):
    with pytest.raises(StoreUnavailableError, match="no further thread") as caught:
        run_without_threads(make(tmp_path).sealing_key)
    assert "`ulimit -u`" in caught.value.recovery_suggestion
    assert not list(tmp_path.iterdir())

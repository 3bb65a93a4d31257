import os
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amplify_federation._crypto.envelope import (
    HEADER_SIZE,
    MAX_PAYLOAD,
    MAX_RECORD,
    open_header,
    open_label,
    open_record,
    seal,
)
from amplify_federation._crypto.kdf import ARGON2ID, NO_DERIVATION, SCRYPT
from amplify_federation._crypto.keys import MasterKey, SealingKey
from amplify_federation.errors import (
    AuthError,
    SessionFileCorruptError,
    SessionFormatTooNewError,
    SessionKeyError,
    ValidationError,
)

KEY = MasterKey(bytes(range(32)))
SALT = bytes(range(32, 64))
NAME = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768/default"
CANARY = b"canary-secret-token"

keys = st.binary(min_size=32, max_size=32)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
derivations = st.sampled_from([NO_DERIVATION, ARGON2ID, SCRYPT])


def sealed(payload=CANARY, name=NAME, key=KEY, salt=SALT, derivation=NO_DERIVATION):
    return seal(payload, name=name, key=SealingKey(key, derivation), salt=salt)


@given(payload=st.binary(max_size=20_000), name=names, key=keys, salt=keys, derivation=derivations)
def test_a_sealed_payload_opens_to_itself(payload, name, key, salt, derivation):
    master = MasterKey(key)
    record = sealed(payload, name, master, salt, derivation)
    assert open_record(record, name=name, keys=[master]) == payload
    assert open_label(record, keys=[master]) == name
    assert open_header(record).derivation == derivation


@given(
    payload=st.binary(max_size=5000),
    name=names,
    where=st.integers(min_value=0),
    change=st.integers(min_value=1, max_value=255),
)
def test_any_change_of_any_byte_is_refused(payload, name, where, change):
    record = bytearray(sealed(payload, name))
    record[where % len(record)] ^= change
    with pytest.raises(AuthError):
        open_record(bytes(record), name=name, keys=[KEY])


def test_every_flipped_bit_is_known_as_damage():
    """All bits of header and label, one of each byte of the body; the long form flips all."""
    record = sealed()
    body = 8 * (HEADER_SIZE + open_header(record).label_size)
    step = 1 if os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS") else 9
    for position in (*range(body), *range(body, 8 * len(record), step)):
        damaged = bytearray(record)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(SessionFileCorruptError):
            open_record(bytes(damaged), name=NAME, keys=[KEY])


def test_every_truncation_is_known_as_damage():
    record = sealed()
    for size in range(len(record)):
        with pytest.raises(SessionFileCorruptError):
            open_record(record[:size], name=NAME, keys=[KEY])


@given(tail=st.binary(min_size=1, max_size=100))
def test_bytes_after_the_end_are_known_as_damage(tail):
    with pytest.raises(SessionFileCorruptError):
        open_record(sealed() + tail, name=NAME, keys=[KEY])


@given(junk=st.binary(max_size=5000))
def test_what_is_no_record_is_known_as_damage(junk):
    with pytest.raises(SessionFileCorruptError):
        open_record(junk, name=NAME, keys=[KEY])


@given(other=names.filter(lambda name: name != NAME))
def test_a_record_opens_under_its_own_name_only(other):
    with pytest.raises(SessionFileCorruptError):
        open_record(sealed(), name=other, keys=[KEY])


@given(other=keys.filter(lambda key: key != KEY.reveal()))
def test_a_wrong_key_is_told_from_damage(other):
    with pytest.raises(SessionKeyError):
        open_record(sealed(), name=NAME, keys=[MasterKey(other)])


def test_no_key_is_a_wrong_key():
    with pytest.raises(SessionKeyError):
        open_record(sealed(), name=NAME, keys=[])


def test_any_of_several_keys_opens():
    others = [MasterKey(bytes([n]) * 32) for n in range(3)]
    assert open_record(sealed(), name=NAME, keys=[*others, KEY]) == CANARY


def test_a_body_moved_to_another_record_is_refused():
    first, second = sealed(b"one", salt=bytes(32)), sealed(b"two", salt=bytes([1]) * 32)
    assert len(first) == len(second)
    with pytest.raises(SessionFileCorruptError):
        open_record(first[:HEADER_SIZE] + second[HEADER_SIZE:], name=NAME, keys=[KEY])


def test_a_label_moved_to_another_record_is_refused():
    first, second = sealed(salt=bytes(32)), sealed(salt=bytes([1]) * 32)
    end = HEADER_SIZE + open_header(first).label_size
    mixed = first[:HEADER_SIZE] + second[HEADER_SIZE:end] + first[end:]
    for opened in (open_label, lambda record, keys: open_record(record, name=NAME, keys=keys)):
        with pytest.raises(SessionFileCorruptError):
            opened(mixed, keys=[KEY])


def test_neither_payload_nor_name_nor_key_shows_in_the_record():
    record = sealed()
    for secret in (CANARY, NAME.encode(), b"us-west-2", KEY.reveal()):
        assert secret not in record


@pytest.mark.parametrize(("smaller", "larger"), [(0, 4092), (900, 2500), (4093, 8188)])
def test_tokens_do_not_show_through_the_size(smaller, larger):
    assert len(sealed(bytes(smaller))) == len(sealed(bytes(larger)))


def test_two_seals_of_one_payload_share_nothing_but_the_open_header():
    first, second = sealed(salt=bytes(32)), sealed(salt=bytes([1]) * 32)
    assert first[:12] == second[:12]
    assert first[48:112] != second[48:112]
    same = sum(a == b for a, b in zip(first[HEADER_SIZE:], second[HEADER_SIZE:], strict=True))
    assert same < len(first) / 64  # one in 256 by chance


def test_the_largest_payload_fits_and_a_larger_one_is_refused_without_showing_it():
    record = sealed(bytes(MAX_PAYLOAD))
    assert len(record) <= MAX_RECORD
    assert open_record(record, name=NAME, keys=[KEY]) == bytes(MAX_PAYLOAD)
    with pytest.raises(ValidationError) as caught:
        sealed(CANARY * MAX_PAYLOAD)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "\ud800", "é" * 513])
def test_a_name_that_cannot_be_bound_is_refused(name):
    with pytest.raises(ValidationError) as caught:
        sealed(name=name)
    frames = caught.traceback[2:]  # without those of the test
    assert frames
    assert not any("canary" in repr(frame.frame.f_locals) for frame in frames)
    with pytest.raises(ValidationError):
        open_record(sealed(), name=name, keys=[KEY])


@settings(max_examples=20)
@given(salts=st.lists(keys, min_size=2, max_size=2, unique=True))
def test_each_salt_gives_another_commitment(salts):
    first, second = (open_header(sealed(salt=salt)) for salt in salts)
    assert first.commitment != second.commitment


ZERO_KEY = MasterKey(bytes(32))
RECORD = seal(b"payload", name="pool/name", key=SealingKey(ZERO_KEY), salt=bytes(32))


def changed(offset, new, record=RECORD):
    """Change header bytes and make the checksum fit, as somebody with an editor would."""
    header = bytearray(record[:HEADER_SIZE])
    header[offset : offset + len(new)] = new
    header[12:16] = bytes(4)
    header[12:16] = struct.pack(">I", zlib.crc32(header))
    return bytes(header) + record[HEADER_SIZE:]


def test_the_layout_is_the_documented_one():
    header = open_header(RECORD)
    assert HEADER_SIZE == 122
    assert RECORD[:12] == b"AFEDSEAL" + b"\0\x01" + b"\0\x7a"
    assert RECORD[16:18] == b"\0\x01"
    assert RECORD[18:48] == bytes(30)
    assert RECORD[48:80] == bytes(32) == header.salt
    assert RECORD[80:112] == header.commitment
    label, body = struct.unpack(">II", RECORD[112:120])
    assert (label, body) == (header.label_size, header.body_size) == (64 + 16, 4096 + 16)
    assert len(RECORD) == HEADER_SIZE + label + body


@pytest.mark.parametrize("version", [2, 3, 255, 65535])
def test_a_newer_version_is_told_from_damage(version):
    with pytest.raises(SessionFormatTooNewError):
        open_header(changed(8, struct.pack(">H", version)))


def test_a_newer_version_may_have_another_header():
    header = b"AFEDSEAL" + struct.pack(">HHI", 2, 40, 0) + bytes(24)
    record = header[:12] + struct.pack(">I", zlib.crc32(header)) + header[16:] + b"whatever"
    with pytest.raises(SessionFormatTooNewError):
        open_header(record)


def test_a_newer_payload_schema_is_told_from_damage():
    with pytest.raises(SessionFormatTooNewError):
        open_header(changed(16, b"\0\x02"))


@pytest.mark.parametrize(
    ("offset", "new"),
    [
        (0, b"XFEDSEAL"),
        (8, b"\0\0"),  # version 0
        (10, b"\0\x79"),  # header size
        (10, b"\0\0"),
        (10, b"\xff\xff"),
        (16, b"\0\0"),  # schema 0
        (19, b"\x01"),  # reserved
        (112, b"\xff\xff\xff\xff"),  # label size
        (112, struct.pack(">II", 64 + 15, 4096 + 17)),
        (112, struct.pack(">II", 64 + 17, 4096 + 15)),
        (116, b"\0\0\0\0"),  # body size
        (120, b"\0\x01"),  # reserved
    ],
)
def test_an_unlawful_header_is_damage_even_if_its_checksum_fits(offset, new):
    with pytest.raises(SessionFileCorruptError):
        open_header(changed(offset, new))


@pytest.mark.parametrize("offset", [16, 48, 80, 112, 121])
def test_a_header_changed_without_its_checksum_is_damage(offset):
    record = bytearray(RECORD)
    record[offset] ^= 1
    with pytest.raises(SessionFileCorruptError):
        open_header(bytes(record))


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (1, (2**32 - 1, 65536, 4)),
        (1, (3, 2**32 - 1, 4)),
        (1, (3, 65536, 2**32 - 1)),
        (1, (0, 65536, 4)),
        (1, (3, 31, 4)),  # less than 8 KiB for each lane is unlawful
        (1, (17, 65536, 4)),
        (1, (3, 262145, 4)),
        (2, (63, 8, 1)),
        (2, (17, 2**30, 1)),
        (2, (17, 8, 2**30)),
        (2, (20, 32, 1)),  # each lawful, together 4 GiB
        (2, (0, 8, 1)),
        (3, (1, 1, 1)),
        (255, (0, 0, 0)),
        (0, (1, 0, 0)),
    ],
)
def test_absurd_derivations_are_refused_by_the_header_alone(function, parameters):
    record = changed(18, struct.pack(">BxIII16s", function, *parameters, bytes(16)))
    with pytest.raises(SessionFileCorruptError):
        open_header(record)


def test_a_random_key_has_no_salt_of_a_derivation():
    with pytest.raises(SessionFileCorruptError):
        open_header(changed(32, b"\x01"))


def test_a_header_that_was_rewritten_does_not_open():
    record = changed(18, struct.pack(">BxIII16s", 1, 3, 65536, 4, bytes(16)))
    assert open_header(record).derivation != NO_DERIVATION
    with pytest.raises(SessionFileCorruptError):
        open_record(record, name="pool/name", keys=[ZERO_KEY])

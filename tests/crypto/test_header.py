import struct
import zlib

import pytest

from amplify_federation._crypto.derivation import NO_DERIVATION
from amplify_federation._crypto.envelope import open_record, seal
from amplify_federation._crypto.header import HEADER_SIZE, open_header
from amplify_federation._crypto.keys.source import MasterKey, SealingKey
from amplify_federation.errors import SessionFileCorruptError, SessionFormatTooNewError

KEY = MasterKey(bytes(32))
RECORD = seal(b"payload", name="pool/name", key=SealingKey(KEY), salt=bytes(32))


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
        open_record(record, name="pool/name", keys=[KEY])

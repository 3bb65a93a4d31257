"""The header of a record: what it tells without a key. The layout is drawn in `envelope`. Pure.

This file must not know keys or payloads.
"""

import struct
import zlib
from typing import Final, NamedTuple, Never

from amplify_federation._crypto.derivation import (
    DERIVATION_SIZE,
    Derivation,
    unpack_derivation,
)
from amplify_federation.errors import SessionFileCorruptError, SessionFormatTooNewError

MAGIC: Final = b"AFEDSEAL"
VERSION: Final = 1
SCHEMA: Final = 1
BODY_BUCKET: Final = 4096  # bytes; nearly every session fits one
LABEL_BUCKET: Final = 64
TAG_SIZE: Final = 16
_PREFIX: Final = struct.Struct(">8sHHI")
_REST: Final = struct.Struct(f">H{DERIVATION_SIZE}s32s32sIIH")
HEADER_SIZE: Final = _PREFIX.size + _REST.size


class Header(NamedTuple):
    """What a record tells without a key, and the bytes that tell it."""

    derivation: Derivation
    salt: bytes
    commitment: bytes
    label_size: int
    body_size: int
    raw: bytes


def pack_header(
    derivation: Derivation, salt: bytes, commitment: bytes, sizes: tuple[int, int]
) -> bytes:
    label, body = sizes
    rest = _REST.pack(
        SCHEMA, derivation.pack(), salt, commitment, label + TAG_SIZE, body + TAG_SIZE, 0
    )
    blank = _PREFIX.pack(MAGIC, VERSION, HEADER_SIZE, 0) + rest
    return _PREFIX.pack(MAGIC, VERSION, HEADER_SIZE, _checksum(blank)) + rest


def open_header(record: bytes) -> Header:
    """Read the header of a record, and check all that can be checked without a key.

    Raises:
        SessionFormatTooNewError: a newer version of this package wrote it.
        SessionFileCorruptError: it is no record, or was truncated or altered.
    """
    if len(record) < _PREFIX.size:
        corrupt("it is truncated")
    magic, version, size, checksum = _PREFIX.unpack_from(record)
    if magic != MAGIC:
        corrupt("it does not begin as one")
    header = record[:size]
    if len(header) != size or size < _PREFIX.size or _checksum(header) != checksum:
        corrupt("its header is damaged")
    if version > VERSION:
        _too_new("version", version)
    if version != VERSION or size != HEADER_SIZE:
        corrupt("its header is not one of any version")
    return _checked_header(record, header)


def _checksum(header: bytes) -> int:
    return zlib.crc32(header[:12] + bytes(4) + header[16:])


def _checked_header(record: bytes, header: bytes) -> Header:
    schema, packed, salt, commitment, label, body, zero = _REST.unpack_from(header, _PREFIX.size)
    if schema > SCHEMA:
        _too_new("payload schema", schema)
    if schema != SCHEMA or zero or len(record) != HEADER_SIZE + label + body:
        corrupt("it is truncated, or its header is not lawful")
    if label < LABEL_BUCKET + TAG_SIZE or body < BODY_BUCKET + TAG_SIZE:
        corrupt("its header is not lawful")
    derivation = unpack_derivation(packed)
    if derivation is None:
        corrupt("it asks for an absurd key derivation")
    return Header(derivation, salt, commitment, label, body, header)


def corrupt(why: str) -> Never:
    """Raise `SessionFileCorruptError`."""
    message = f"This is not a session that can be read: {why}."
    raise SessionFileCorruptError(message)


def _too_new(what: str, found: int) -> Never:
    message = f"A newer amplify_federation wrote this session ({what} {found}); it was left alone."
    raise SessionFormatTooNewError(message)

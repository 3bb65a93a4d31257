"""The sealed record, byte by byte. Pure: keys and randomness are arguments.

Version 1. Integers are big-endian.

    offset  size  what
    0       8     magic "AFEDSEAL"
    8       2     version of this layout, 1
    10      2     size of the header, 122
    12      4     CRC-32 of the header, these four bytes taken as zero
    16      2     schema of the payload, 1
    18      30    derivation of the master key:
                    18  1   function: 0 none (random key), 1 Argon2id, 2 Scrypt
                    19  1   zero
                    20  12  three parameters of 4 bytes: Argon2id rounds, KiB, lanes;
                            Scrypt log2(N), r, p; none: zeros
                    32  16  salt of the derivation; none: zeros
    48      32    salt of this record, random at each write
    80      32    key commitment
    112     4     L, size of the sealed label
    116     4     B, size of the sealed body
    120     2     zero
    122     L     sealed label: the record's name, see below
    122+L   B     sealed body: the payload, see below
    The record ends there.

The first 16 bytes keep their meaning in every later version, to tell a newer record from a damaged
one.

HKDF-SHA-256 (RFC 5869) over the master key, with the record's salt and the info
"amplify_federation record 1", gives 96 bytes: the body's key, the label's key, the commitment.
Comparing the commitment first tells a wrong key from a damaged record, and leaves no ciphertext
that opens under two keys. Both seals are AES-256-GCM with a nonce of 12 zero bytes: each key seals
once.

Label: size of the name (2 bytes), the name in UTF-8, zeros up to a multiple of 64; associated
data: the header. It is read where names are not known: to rotate keys, and to list sessions.
Body: size of the payload (4 bytes), the payload, zeros up to the next power of two, 4 KiB at least,
so that the length of a token does not show; associated data: header, sealed label, name in UTF-8.
"""

import hmac
import struct
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple, Never

from amplify_federation._crypto.kdf import DERIVATION_SIZE, Derivation, unpack_derivation
from amplify_federation._crypto.keys import MasterKey, SealingKey
from amplify_federation.errors import (
    SessionFileCorruptError,
    SessionFormatTooNewError,
    SessionKeyError,
    ValidationError,
)

MAGIC: Final = b"AFEDSEAL"
VERSION: Final = 1
SCHEMA: Final = 1
BODY_BUCKET: Final = 4096  # bytes; nearly every session fits one
LABEL_BUCKET: Final = 64
TAG_SIZE: Final = 16
SALT_SIZE: Final = 32
MAX_PAYLOAD: Final = 1024 * 1024  # bytes; ten logins of 50,000 characters are half of it
MAX_RECORD: Final = 2 * MAX_PAYLOAD + 4096  # bytes; anything larger is refused unread
_MAX_NAME: Final = 1024  # bytes: 256 characters in UTF-8
_NONCE: Final = bytes(12)
_PREFIX: Final = struct.Struct(">8sHHI")
_REST: Final = struct.Struct(f">H{DERIVATION_SIZE}s32s32sIIH")
HEADER_SIZE: Final = _PREFIX.size + _REST.size


class Header(NamedTuple):
    """The header of a record, which needs no key, and its bytes."""

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
    """Read the header of a record, and check what can be checked without a key.

    Raises:
        SessionFormatTooNewError: a newer version of this package wrote the record.
        SessionFileCorruptError: these bytes are no record, or were truncated or altered.
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


def seal(payload: bytes, *, name: str, key: SealingKey, salt: bytes) -> bytes:
    """Seal a payload under a name. `salt` must be 32 fresh random bytes."""
    title = _encoded_name(name)
    if title is None or len(payload) > MAX_PAYLOAD:
        size = len(payload)
        del payload  # no frame of a traceback may hold it
        _refuse(title, size)
    label = _padded(struct.pack(">H", len(title)) + title, LABEL_BUCKET)
    size = max(BODY_BUCKET, 1 << (len(payload) + 4 - 1).bit_length())
    body = _padded(struct.pack(">I", len(payload)) + payload, size)
    body_key, label_key, commitment = _keys(key.master, salt)
    header = pack_header(key.derivation, salt, commitment, (len(label), len(body)))
    sealed_label = _cipher_seal(label_key, label, header)
    return header + sealed_label + _cipher_seal(body_key, body, header + sealed_label + title)


def open_record(
    record: bytes, *, name: str, keys: Iterable[MasterKey], header: Header | None = None
) -> bytes:
    """Return the payload of a record that was sealed under this name with one of these keys.

    `header` is the record's, if `open_header` has read it before.

    Raises:
        SessionKeyError: none of the keys sealed it.
        SessionFormatTooNewError: a newer version of this package wrote it.
        SessionFileCorruptError: it was truncated or altered, or belongs to another name.
    """
    if header is None:
        header = open_header(record)
    title = _encoded_name(name)
    if title is None:
        _refuse(None, 0)
    body_key, _ = _matching_keys(header, keys)
    start = HEADER_SIZE + header.label_size
    body = _cipher_open(body_key, record[start:], record[:start] + title)
    if body is None:
        corrupt("it was altered, or belongs to another session or pool")
    (size,) = struct.unpack_from(">I", body)
    return body[4 : 4 + size]


def open_label(record: bytes, *, keys: Iterable[MasterKey]) -> str:
    """Return the name under which a record was sealed. Raises as `open_record` does."""
    header = open_header(record)
    _, label_key = _matching_keys(header, keys)
    sealed = record[HEADER_SIZE : HEADER_SIZE + header.label_size]
    label = _cipher_open(label_key, sealed, header.raw)
    if label is None:
        corrupt("it was altered")
    (size,) = struct.unpack_from(">H", label)
    return label[2 : 2 + size].decode()


def _encoded_name(name: str) -> bytes | None:
    try:
        title = name.encode()
    except UnicodeEncodeError:
        return None
    return title if 0 < len(title) <= _MAX_NAME else None


def _refuse(title: bytes | None, size: int) -> Never:
    message = "A session name must be 1 to 256 characters that UTF-8 can express."
    if title is not None:
        message = f"A session of {size} bytes is too large; the limit is {MAX_PAYLOAD}."
    raise ValidationError(message)


def _padded(data: bytes, bucket: int) -> bytes:
    return data + bytes(-len(data) % bucket)


def _keys(master: MasterKey, salt: bytes) -> tuple[MasterKey, MasterKey, bytes]:
    # `cryptography` takes 15 ms, which a process without a stored session does not need to spend.
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as said
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - as said

    kdf = HKDF(SHA256(), length=96, salt=salt, info=b"amplify_federation record 1")
    output = MasterKey(kdf.derive(master.reveal()))
    return output.part(0, 32), output.part(32, 64), output.part(64, 96).reveal()


def _matching_keys(header: Header, keys: Iterable[MasterKey]) -> tuple[MasterKey, MasterKey]:
    for master in keys:
        body_key, label_key, commitment = _keys(master, header.salt)
        if hmac.compare_digest(commitment, header.commitment):
            return body_key, label_key
    message = "None of the keys given opens this session; it was left as it is."
    raise SessionKeyError(message)


def _cipher_seal(key: MasterKey, data: bytes, bound: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as in `_keys`

    return AESGCM(key.reveal()).encrypt(_NONCE, data, bound)


def _cipher_open(key: MasterKey, data: bytes, bound: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as in `_keys`
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as in `_keys`

    try:
        return AESGCM(key.reveal()).decrypt(_NONCE, data, bound)
    except InvalidTag:
        return None

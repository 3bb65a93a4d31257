"""Key derivation from a passphrase: the functions, their parameters and the limits of these.

The parameters are in the header of each record, where an attacker with access to the disk could
write others. They are checked here before any derivation, so that no record costs minutes or
gigabytes.
"""

import struct
from enum import IntEnum
from typing import Final, NamedTuple, Self

SALT_SIZE: Final = 16  # bytes; RFC 9106 section 3.1 recommends 16 for password hashing
_LAYOUT: Final = struct.Struct(">BxIII16s")
DERIVATION_SIZE: Final = _LAYOUT.size

_KIB: Final = 1024
_MAX_MEMORY_KIB: Final = 256 * _KIB  # four times the memory of `ARGON2ID`
_MAX_ROUNDS: Final = 16
_MAX_LANES: Final = 16
_SCRYPT_MAX_LOG2_N: Final = 20
_SCRYPT_MAX_BLOCK: Final = 32


class KeyFunction(IntEnum):
    """The function that made the master key."""

    NONE = 0  # the key is random bytes
    ARGON2ID = 1
    SCRYPT = 2


class Derivation(NamedTuple):
    """A function from passphrase to master key, with its parameters and salt.

    `ARGON2ID` (RFC 9106): rounds, memory in KiB, lanes. `SCRYPT` (RFC 7914): log2(N), r, p.
    `NONE`: three zeros and a salt of zeros.
    """

    function: KeyFunction = KeyFunction.NONE
    parameters: tuple[int, int, int] = (0, 0, 0)
    salt: bytes = bytes(SALT_SIZE)

    def salted(self, salt: bytes) -> Self:
        """Return the same function with another salt."""
        return self._replace(salt=salt)

    def pack(self) -> bytes:
        """Return the bytes for a record's header."""
        return _LAYOUT.pack(self.function, *self.parameters, self.salt)

    @property
    def memory_kib(self) -> int:
        """The memory that the derivation needs, in KiB."""
        if self.function is KeyFunction.SCRYPT:
            log2_n, block, _ = self.parameters
            return (block << log2_n) // 8  # 128 * r * N bytes
        return self.parameters[1]

    @property
    def is_sane(self) -> bool:
        """Whether the parameters are valid and cheap enough to be tried."""
        if len(self.salt) != SALT_SIZE:
            return False
        match self.function:
            case KeyFunction.NONE:
                return not any(self.parameters) and not any(self.salt)
            case KeyFunction.ARGON2ID:
                rounds, memory, lanes = self.parameters
                sane = 1 <= rounds <= _MAX_ROUNDS and 1 <= lanes <= _MAX_LANES
                return sane and 8 * lanes <= memory <= _MAX_MEMORY_KIB
            case KeyFunction.SCRYPT:
                log2_n, block, parallel = self.parameters
                sane = 1 <= log2_n <= _SCRYPT_MAX_LOG2_N and 1 <= block <= _SCRYPT_MAX_BLOCK
                return sane and 1 <= parallel <= 4 and self.memory_kib <= _MAX_MEMORY_KIB  # noqa: PLR2004 - each lane of Scrypt is a whole run more


def unpack_derivation(data: bytes) -> Derivation | None:
    """Read `Derivation.pack`'s bytes; `None` if no sane derivation has these."""
    if data == _NOTHING:
        return NO_DERIVATION  # the usual case
    function, first, second, third, salt = _LAYOUT.unpack(data)
    if data[1] or function > max(KeyFunction):
        return None
    derivation = Derivation(KeyFunction(function), (first, second, third), salt)
    return derivation if derivation.is_sane else None


NO_DERIVATION: Final = Derivation()
_NOTHING: Final = NO_DERIVATION.pack()
ARGON2ID: Final = Derivation(KeyFunction.ARGON2ID, (3, 64 * _KIB, 4))  # RFC 9106, second choice
SCRYPT: Final = Derivation(KeyFunction.SCRYPT, (17, 8, 1))  # OWASP, N = 2**17: 128 MiB

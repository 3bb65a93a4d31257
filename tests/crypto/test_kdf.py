import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._crypto.kdf import (
    ARGON2ID,
    DERIVATION_SIZE,
    NO_DERIVATION,
    SCRYPT,
    Derivation,
    KeyFunction,
    unpack_derivation,
)


@pytest.mark.parametrize("derivation", [NO_DERIVATION, ARGON2ID, SCRYPT])
def test_a_derivation_survives_its_header(derivation):
    assert unpack_derivation(derivation.pack()) == derivation


def test_the_preferred_parameters_are_the_promised_ones():
    assert ARGON2ID.function is KeyFunction.ARGON2ID
    assert ARGON2ID.parameters == (3, 65536, 4)
    assert ARGON2ID.memory_kib == 64 * 1024
    assert SCRYPT.memory_kib == 128 * 1024


@given(st.binary(min_size=DERIVATION_SIZE, max_size=DERIVATION_SIZE))
def test_what_is_read_from_any_bytes_is_affordable(data):
    derivation = unpack_derivation(data)
    assert derivation is None or (derivation.is_sane and derivation.memory_kib <= 256 * 1024)


@given(
    function=st.sampled_from([KeyFunction.ARGON2ID, KeyFunction.SCRYPT]),
    parameters=st.tuples(*[st.integers(0, 2**32 - 1)] * 3),
)
def test_sanity_is_decided_by_the_bounds_alone(function, parameters):
    derivation = Derivation(function, parameters, bytes(16))
    if derivation.is_sane:
        assert derivation.memory_kib <= 256 * 1024
        assert max(parameters[0], parameters[2]) <= 32
    assert (unpack_derivation(derivation.pack()) is not None) == derivation.is_sane


def test_a_salt_of_another_size_is_not_sane():
    assert not ARGON2ID.salted(b"short").is_sane
    assert not NO_DERIVATION.salted(bytes([1]) * 16).is_sane

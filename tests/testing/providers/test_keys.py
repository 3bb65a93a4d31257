import pytest

from amplify_federation.testing._providers.keys import (
    Jwt,
    SigningKey,
    decoded,
    encoded,
    signing_key,
)


def test_issuer_has_one_key_in_the_process_and_no_other_has_it():
    first, again, other = (signing_key(name) for name in ("a.test", "a.test", "b.test"))
    assert first is again
    assert first.jwk["n"] != other.jwk["n"]


def test_key_verifies_its_own_signature_alone():
    first, other = signing_key("a.test"), signing_key("b.test")
    jwt = Jwt.parse(first.sign({"sub": "alice"}))
    assert jwt.claims == {"sub": "alice"}
    assert jwt.header == {"alg": "RS256", "kid": first.jwk["kid"], "typ": "JWT"}
    assert first.verifies(jwt)
    assert not other.verifies(jwt)


def test_broken_signature_under_the_right_key_id_is_not_verified():
    key = signing_key("a.test")
    head, _, _ = key.sign({"sub": "alice"}).rpartition(".")
    assert not key.verifies(Jwt.parse(f"{head}.{encoded(b'x' * 256)}"))


def test_published_key_holds_nothing_private():
    jwk = SigningKey().jwk
    assert set(jwk) == {"kty", "n", "e", "kid", "alg", "use"}
    assert decoded(jwk["e"]) == b"\x01\x00\x01"
    assert len(decoded(jwk["n"])) == 256


@pytest.mark.parametrize("text", ["A", "AB==", "A B", "AB\n", "é", "-_=", "AC"])
def test_only_canonical_base64url_is_decoded(text):
    with pytest.raises(ValueError, match="base64url"):
        decoded(text)


def test_base64url_round_trips():
    for length in range(10):
        data = bytes(range(250, 250 + min(length, 6))) + b"\xff" * max(0, length - 6)
        assert decoded(encoded(data)) == data


def test_deeply_nested_token_is_no_jwt():
    nested = encoded(b"[" * 50_000)
    assert Jwt.parse(f"{nested}.{nested}.AA") is None


def test_repr_shows_no_signature():
    token = signing_key("a.test").sign({"sub": "alice"})
    assert token.rpartition(".")[2] not in repr(Jwt.parse(token))

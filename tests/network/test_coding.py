"""What of a coded body comes out."""

import gzip
import zlib

import pytest

from amplify_federation._cognito.answers import MAX_BODY
from amplify_federation._network.coding import UndecodableError, plain

BODY = b'{"IdentityId": "x"}'


@pytest.mark.parametrize("coding", [None, "", "identity", " Identity "])
def test_a_body_without_a_coding_is_itself(coding):
    assert plain(coding, BODY) == BODY


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), (" X-GZIP ", gzip.compress), ("deflate", zlib.compress)],
)
def test_a_coding_that_nobody_asked_for_is_undone(coding, pack):
    assert plain(coding, pack(BODY)) == BODY


def test_a_body_of_just_the_cap_is_taken():
    assert plain(None, b" " * MAX_BODY) == b" " * MAX_BODY
    assert plain("gzip", gzip.compress(b" " * MAX_BODY)) == b" " * MAX_BODY


def test_a_body_over_the_cap_is_none_before_and_after_decoding():
    assert plain(None, b" " * (MAX_BODY + 1)) is None
    assert plain("gzip", gzip.compress(b" " * (MAX_BODY + 1))) is None
    assert plain("gzip", b" " * (MAX_BODY + 1)) is None


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("br", BODY),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
        ("gzip", BODY),
        ("gzip", b""),
        ("gzip", gzip.compress(BODY)[:-1]),
        ("deflate", b"\xff" * 40),
    ],
)
def test_a_coding_that_cannot_be_undone_is_told_without_the_body(coding, body):
    with pytest.raises(UndecodableError, match="content coding") as caught:
        plain(coding, body)
    assert "IdentityId" not in str(caught.value)

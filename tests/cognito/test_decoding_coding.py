import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amplify_federation._cognito.decoding import MAX_BODY, UndecodableError, plain

DATA = b'{"IdentityId": "us-west-2:0"}'


@pytest.mark.parametrize("coding", [None, "", "identity", " Identity "])
def test_a_plain_body_stays_as_it_is(coding):
    assert plain(coding, DATA) == DATA


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(DATA, mtime=0)),
        ("GZIP", gzip.compress(DATA, mtime=0)),
        ("x-gzip", gzip.compress(DATA, mtime=0)),
        ("deflate", zlib.compress(DATA)),
    ],
)
def test_a_common_coding_is_undone(coding, body):
    assert plain(coding, body) == DATA


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress"])
def test_another_coding_is_refused(coding):
    with pytest.raises(UndecodableError, match="not asked for"):
        plain(coding, DATA)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "body",
    [b"", DATA, gzip.compress(DATA, mtime=0)[:-1], gzip.compress(DATA, mtime=0)[:9], b"\xff" * 40],
)
def test_a_broken_coding_is_refused_without_the_body(coding, body):
    with pytest.raises(UndecodableError, match="broken") as caught:
        plain(coding, body)
    assert caught.value.__context__ is None
    assert "IdentityId" not in str(caught.value)


@pytest.mark.parametrize(("size", "whole"), [(MAX_BODY, True), (MAX_BODY + 1, False)])
def test_the_cap_counts_before_and_after(size, whole):
    assert (plain(None, bytes(size)) is not None) is whole
    assert (plain("gzip", gzip.compress(bytes(size))) is not None) is whole
    assert plain("gzip", b" " * (MAX_BODY + 1)) is None


def test_a_bomb_is_not_inflated():
    bomb = gzip.compress(bytes(20_000_000))
    tracemalloc.start()
    try:
        assert plain("gzip", bomb) is None
        assert tracemalloc.get_traced_memory()[1] < 10 * MAX_BODY
    finally:
        tracemalloc.stop()


@given(st.sampled_from(["gzip", "deflate", "identity"]), st.binary())
def test_any_bytes_are_a_body_or_undecodable(coding, body):
    try:
        plain(coding, body)
    except UndecodableError:
        return

"""Records that version 1 wrote. Every later version must open them."""

import json
from pathlib import Path

import pytest

from amplify_federation._crypto.envelope import open_header, open_label, open_record
from amplify_federation._crypto.keys import RawKey
from amplify_federation._crypto.passphrase import PassphraseKey
from amplify_federation.errors import SessionKeyError

GOLDEN = Path(__file__).parent / "golden"
NAME = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768/default"
PAYLOAD = json.dumps({"generation": 7, "text": "söme pȧyload"}).encode()
RAW = RawKey(bytes(range(32)))
PASSPHRASE = PassphraseKey("correct horse battery staple")


async def opened(record, source):
    keys = await source.opening_keys(open_header(record).derivation)
    assert open_label(record, keys=keys) == NAME
    return open_record(record, name=NAME, keys=keys)


@pytest.mark.parametrize(
    ("kind", "source", "payload"),
    [
        ("key", RAW, PAYLOAD),
        ("empty", RAW, b""),
        ("large", RAW, PAYLOAD * 200),
        ("argon2id", PASSPHRASE, PAYLOAD),
        ("scrypt", PASSPHRASE, PAYLOAD),
    ],
)
async def test_a_record_of_version_1_opens(kind, source, payload):
    record = (GOLDEN / f"version1-{kind}.session").read_bytes()
    assert await opened(record, source) == payload


@pytest.mark.parametrize(("kind", "source"), [("key", PASSPHRASE), ("argon2id", RAW)])
async def test_a_record_of_version_1_wants_its_kind_of_key(kind, source):
    record = (GOLDEN / f"version1-{kind}.session").read_bytes()
    with pytest.raises(SessionKeyError):
        await opened(record, source)

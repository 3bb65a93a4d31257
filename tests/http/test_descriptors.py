"""A process that may open few files federates as many users as one that may open many."""

import json
import sys
from pathlib import Path

import anyio
import pytest

from amplify_federation import AuthProvider
from amplify_federation._http import descriptors
from amplify_federation.testing import FakeCognito

resource = pytest.importorskip("resource", reason="Windows bounds no descriptors")

CHILD = """
import asyncio, collections, json, resource, sys

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from amplify_federation import (
    AuthProvider, AuthSettings, EncryptedFileStore, FederatedUsers, IdentityPool, MemoryStore,
)

given = json.load(sys.stdin)
outcomes = collections.Counter()

async def counted(call):
    try:
        await call
    except Exception as error:
        outcomes[f"{type(error).__name__}: {error}"[:80]] += 1
    else:
        outcomes["federated"] += 1

async def main():
    store = EncryptedFileStore(given["folder"]) if given["folder"] else MemoryStore()
    pool = IdentityPool(given["pool"], endpoint_url=given["url"])
    async with FederatedUsers(pool, store=store, settings=AuthSettings(timeout=120.0)) as users:
        tokens = given["tokens"]
        for _ in range(2):
            async with asyncio.TaskGroup() as group:
                for number in range(given["users"]):
                    user, token = users.auth(f"user {number}"), tokens[number % len(tokens)]
                    call = user.federate_to_identity_pool(token, AuthProvider.GOOGLE)
                    group.create_task(counted(call))
                for token in tokens:
                    group.create_task(counted(users.session_for(token, AuthProvider.GOOGLE)))
        states = {type(users.auth(f"user {number}").state) for number in range(given["users"])}
        outcomes.update({f"state {each.__name__}": 1 for each in states})

asyncio.run(main())
print(json.dumps(outcomes))
"""


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # of the server; the child is what is tested
@pytest.mark.parametrize(("stored", "count"), [("memory", 900), ("folder", 150)])
async def test_a_cold_process_of_256_descriptors_federates_all_users_at_once(
    tmp_path, stored, count
):
    fake = FakeCognito()
    google = AuthProvider.GOOGLE
    given = {
        "pool": fake.create_identity_pool(providers={google: ["web"]}),
        "tokens": [fake.issue_token(google, f"b{number}", audience="web") for number in range(100)],
        "folder": str(tmp_path / "sessions") if stored == "folder" else "",
        "users": count,
    }  # fmt: skip
    async with fake.serve() as url:
        run = await anyio.run_process(
            [sys.executable, "-c", CHILD], input=json.dumps({**given, "url": url}).encode()
        )
    assert json.loads(run.stdout) == {"federated": 2 * (count + 100), "state Federated": 1}


def test_what_is_wanted_is_given_where_there_is_room(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1_000_000, 1_000_000))
    assert descriptors.within_descriptors(256, shares=4) == 256
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (resource.RLIM_INFINITY, 0))
    assert descriptors.within_descriptors(256, shares=4) == 256


def test_a_share_of_what_is_left_is_given_where_there_is_little(monkeypatch):
    opened = len(list(Path("/dev/fd").iterdir()))
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (opened + 32 + 40, 0))
    assert descriptors.within_descriptors(256, shares=4) in {9, 10, 11}
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (opened, 0))
    assert descriptors.within_descriptors(256, shares=4) == 1


@pytest.mark.parametrize(
    ("error", "given"), [(OSError(24, "too many open files"), 1), (FileNotFoundError(), 24)]
)
def test_a_count_that_cannot_be_made_gives_one_or_is_left_out(monkeypatch, error, given):
    def refused(_path):
        raise error

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (128, 128))
    monkeypatch.setattr(descriptors.os, "listdir", refused)
    assert descriptors.within_descriptors(256, shares=4) == given

"""A process that federates, renews and clears without end, in children that it kills.

Usage: killed_worker.py FOLDER BACKEND SEED. For each line on stdin a child works on the folder, is
killed at a random moment, and one line of JSON tells what it was about to write and had written.
Nothing here is imported by the package; it is a program for `test_kills.py`.
"""

# ruff: noqa: S311 -- chance decides when to kill; nothing here is a secret

import hashlib
import importlib
import json
import os
import pkgutil
import random
import signal
import sys
import time
from contextlib import AbstractAsyncContextManager

import anyio
import cryptography.hazmat.primitives.ciphers.aead
import filelock
import httpx
import trio

import amplify_federation
from amplify_federation import AuthProvider, EncryptedFileStore, FederatedAuth
from amplify_federation.testing import FakeCognito

KEY = bytes(range(32))
LONGEST = 0.06  # seconds that a child lives once it writes
_LOADED = (cryptography, filelock, trio)


def load_everything() -> None:
    """Load once, before the forks, what sessions load at first use: a child lives shortly."""
    for module in pkgutil.walk_packages(amplify_federation.__path__, "amplify_federation."):
        if module.name.startswith("amplify_federation._"):
            importlib.import_module(module.name)


def digest(data: bytes | None) -> str:
    return "-" if data is None else hashlib.sha256(data).hexdigest()


class Telling:
    """A store that tells beforehand what it will hold, and afterwards that it does."""

    def __init__(self, inner: EncryptedFileStore, pipe: int) -> None:
        self._inner = inner
        self._pipe = pipe

    def tell(self, *words: str) -> None:
        os.write(self._pipe, (" ".join(words) + "\n").encode())

    async def read(self, name):
        return await self._inner.read(name)

    async def compare_and_set(self, name, data, *, expected):
        self.tell("will", digest(data))
        version = await self._inner.compare_and_set(name, data, expected=expected)
        self.tell("did", digest(data))
        return version

    async def delete(self, name, *, expected):
        self.tell("will", "-")
        await self._inner.delete(name, expected=expected)
        self.tell("did", "-")

    def lock(self, name, *, timeout) -> AbstractAsyncContextManager[None]:
        return self._inner.lock(name, timeout=timeout)


async def work(folder: str, fake: FakeCognito, pool: str, tokens: list[str], pipe: int) -> None:
    store = Telling(EncryptedFileStore(folder, key=KEY), pipe)
    client = httpx.AsyncClient(transport=fake.transport)
    async with FederatedAuth(pool, store=store, http_client=client) as auth:
        while True:
            what = random.random()
            if what < 0.4:
                token = random.choice(tokens)
                await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
            elif what < 0.8:
                await auth.fetch_auth_session(force_refresh=True)
            else:
                await auth.clear_federation_to_identity_pool()


def child(folder: str, backend: str, fake: FakeCognito, pool: str, tokens: list[str], pipe: int):
    try:
        anyio.run(work, folder, fake, pool, tokens, pipe, backend=backend)
    except BaseException as error:  # noqa: BLE001  # told, for the test to fail on it
        os.write(pipe, f"failed {error!r}\n".encode())
    os._exit(1)


def main() -> None:
    folder, backend, seed = sys.argv[1:]
    random.seed(seed)
    load_everything()
    fake = FakeCognito()
    pool = fake.create_identity_pool()
    tokens = [fake.issue_token(AuthProvider.GOOGLE, user) for user in ("alice", "bob")]
    print(json.dumps({"pool": pool}), flush=True)
    for _ in sys.stdin:
        reading, writing = os.pipe()
        delay, child_seed = random.uniform(0, LONGEST), random.random()
        pid = os.fork()
        if not pid:
            os.close(reading)
            random.seed(child_seed)
            child(folder, backend, fake, pool, tokens, writing)
        os.close(writing)
        told = os.read(reading, 1)  # it is about to write now
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while piece := os.read(reading, 65_536):
            told += piece
        os.close(reading)
        print(json.dumps({"told": told.decode().splitlines()}), flush=True)


if __name__ == "__main__":
    main()

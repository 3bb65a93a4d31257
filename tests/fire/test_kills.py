"""kill -9 at random moments of federations, renewals and clears leaves the old state or the new.

The long form, `AMPLIFY_FEDERATION_LONG_TESTS=1`, kills 2,000 times.
"""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from amplify_federation import EncryptedFileStore, FederatedAuth

LONG = bool(os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS"))
KILLS = 1000 if LONG else 35
KEY = bytes(range(32))
WORKER = Path(__file__).with_name("killed_worker.py")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="needs fork, to kill many processes in little time"
)


class Victims:
    """The process whose children are killed."""

    def __init__(self, folder, backend, seed):
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), str(folder), backend, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def hear(self):
        return json.loads(self._process.stdout.readline())

    def kill_one(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.hear()["told"]


async def test_a_killed_process_leaves_the_old_session_or_the_new_one(tmp_path, anyio_backend_name):
    folder = tmp_path / "sessions"
    seed = random.SystemRandom().random()
    print("seed", seed)  # shown if the test fails
    last, kinds = "-", set()
    with Victims(folder, anyio_backend_name, seed) as victims:
        pool = victims.hear()["pool"]
        name = f"{pool}/default"
        for _ in range(KILLS):
            told = [line.split(" ", 1) for line in victims.kill_one()]
            assert [words for words in told if words[0] == "failed"] == []
            done = [words[1] for words in told if words[0] == "did"]
            begun = [words[1] for words in told if words[0] == "will"]
            last = done[-1] if done else last
            allowed = {last, begun[-1]} if len(begun) > len(done) else {last}
            store = EncryptedFileStore(folder, key=KEY)
            found = await store.read(name)
            last = "-" if found is None else hashlib.sha256(found.data).hexdigest()
            assert last in allowed
            if folder.exists():
                async with store.lock(name, timeout=0):  # the dead hold no lease
                    await collected(store)
                    assert [path for path in folder.iterdir() if path.suffix == ".tmp"] == []
            async with FederatedAuth(pool, store=store) as auth:
                kinds.add(type(auth.state).__name__)
    assert "Federated" in kinds


async def collected(store):
    """Write once, as the next process would: that collects what dead ones left."""
    version = await store.compare_and_set("the next process", b"data", expected=None)
    await store.delete("the next process", expected=version)

"""A process that federates, renews, clears, is cancelled and meets outages, again and again, grows
neither in memory nor in descriptors, tasks or files.

`AMPLIFY_FEDERATION_LONG_TESTS=1` makes an hour of it; `SOAK_SECONDS` another length.
"""

import gc
import logging
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest

from amplify_federation import (
    AuthError,
    AuthProvider,
    AuthSettings,
    EncryptedFileStore,
    FederatedAuth,
    FederatedUsers,
    IdentityPool,
    MemoryStore,
)
from amplify_federation.testing import FakeCognito, ManualClock
from tests.concurrency import PATIENCE

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc"),
]
GOOGLE = AuthProvider.GOOGLE
LONG = bool(os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "3600" if LONG else "6"))
SESSIONS, USERS, WORKERS = 6, 30, 8
EVERY = {"federate", "fetch", "force", "clear", "bearer", "cancelled"}
FILES = 3 * SESSIONS + 4  # records, leases and locks; the key and the names' secret with theirs
GROWTH = 3 * 2**20  # bytes of resident memory that are the allocator's, not ours


@pytest.fixture
def anyio_backend():
    return "asyncio"


def resident():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


class Life:
    """Calls at random on sessions in files and on bearers in memory."""

    def __init__(self, fake, clock, auths, users):
        self.fake, self.clock, self.auths, self.users = fake, clock, auths, users
        self.random = random.Random(11)  # noqa: S311  # a scenario that can be repeated
        # A fixed set, for the embedded Cognito remembers every token and record: half of them are
        # good for ever, the others for an hour of the clock that jumps.
        self.tokens = [
            fake.issue_token(GOOGLE, f"user-{number}", lifetime=1e9 if number % 2 else 3_600)
            for number in range(USERS)
        ]
        self.outcomes = Counter()

    async def act(self):
        chance = self.random
        auth = chance.choice(self.auths)
        token = chance.choice(self.tokens)
        actions = {
            "federate": lambda: auth.federate_to_identity_pool(token, GOOGLE),
            "fetch": auth.fetch_auth_session,
            "force": lambda: auth.fetch_auth_session(force_refresh=True),
            "clear": auth.clear_federation_to_identity_pool,
            "bearer": lambda: self.users.session_for(token, GOOGLE),
        }
        name = chance.choice(list(actions))
        patience = chance.choice((30.0, 30.0, 0.002))
        if chance.random() < 0.1:
            self.fake.fail_next(cut_connection=True)
        if chance.random() < 0.05:
            self.clock.advance(chance.choice((60, 1_000, 4_000)))
        try:
            with anyio.move_on_after(patience) as scope:
                await actions[name]()
        except AuthError as error:
            self.outcomes[type(error).__name__] += 1
        else:
            self.outcomes["cancelled" if scope.cancelled_caught else name] += 1

    async def live(self, seconds):
        """Act for so long, and on a machine that is busy until each thing happened once."""
        until = time.monotonic() + seconds
        while (late := time.monotonic() - until) < 0 or (
            late < PATIENCE and not set(self.outcomes) >= EVERY
        ):
            await self.act()
            self.fake.calls.clear()


async def test_a_long_life_leaves_nothing_behind(tmp_path, monkeypatch):
    # pytest keeps every record that a test logs, some 2 kB each, and every outage logs one.
    monkeypatch.setattr(logging.getLogger("amplify_federation"), "disabled", True)
    clock = ManualClock()
    fake = FakeCognito(clock=clock)
    settings = AuthSettings(clock=clock)
    async with fake.serve() as url:
        pool = IdentityPool(fake.create_identity_pool(), endpoint_url=url)
        auths = [
            FederatedAuth(
                pool,
                store=EncryptedFileStore(tmp_path / "state"),
                session_name=f"session-{number}",
                settings=settings,
            )
            for number in range(SESSIONS)
        ]
        users = FederatedUsers(pool, store=MemoryStore(), settings=settings, max_users=10)
        life = Life(fake, clock, auths, users)
        measured = []
        for share in (0.4, 0.6):
            async with anyio.create_task_group() as tasks:
                for _ in range(WORKERS):
                    tasks.start_soon(life.live, SECONDS * share)
            files = len(list((tmp_path / "state").rglob("*")))
            measured.append((resident(), descriptors(), len(anyio.get_running_tasks()), files))
        for auth in auths:
            await auth.aclose()
        await users.aclose()
    print("soak:", dict(life.outcomes), measured)
    (memory, opened, tasks, _), (memory_then, opened_then, tasks_then, files) = measured
    assert set(life.outcomes) >= EVERY
    assert memory_then - memory <= GROWTH
    assert "StoreUnavailableError" not in life.outcomes  # nothing is wrong with the disk
    assert opened_then <= opened + 2 * WORKERS  # kept connections, both ends, come and go
    assert tasks_then <= tasks + 2 * WORKERS  # and the tasks for them, the server's among them
    assert files <= FILES

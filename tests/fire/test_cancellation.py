"""A public call is cancelled at its k-th suspension, for every k: nothing is left half done.

asyncio cancels in two ways, by a scope and by its own `Task.cancel`, which no shield holds off.
"""

import asyncio
from functools import partial

import anyio
import pytest
import sniffio
import trio

from amplify_federation import EncryptedFileStore, Federated, SignedOut
from amplify_federation._files import lock
from amplify_federation._session import renewal
from tests.concurrency import PATIENCE
from tests.session.kit import HOUR, World, federate

KEY = bytes(range(32))
MOST = 300  # suspensions; a call has some dozens
OVER = HOUR - 5


class Steps:
    """A coroutine that is cancelled from inside when it suspends for the k-th time."""

    def __init__(self, coroutine, at):
        self._coroutine = coroutine
        self._at = at
        self.suspensions = 0
        self.cancel = None

    def __await__(self):
        step = partial(self._coroutine.send, None)
        while True:
            try:
                awaited = step()
            except StopIteration as done:
                return done.value
            self.suspensions += 1
            if self.suspensions == self._at:
                self.cancel()
            try:
                answer = yield awaited
            except BaseException as error:  # noqa: BLE001  # it goes on into the coroutine
                step = partial(self._coroutine.throw, error)
            else:
                step = partial(self._coroutine.send, answer)


async def by_scope(steps):
    with anyio.CancelScope() as scope:
        steps.cancel = scope.cancel
        await steps


async def by_task(steps):
    async def run():
        steps.cancel = asyncio.current_task().cancel
        return await steps

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def by_trio_scope(steps):
    with trio.CancelScope() as scope:
        steps.cancel = scope.cancel
        await steps


@pytest.fixture(
    params=[
        pytest.param(("asyncio", by_task), id="asyncio Task.cancel"),
        pytest.param(("asyncio", by_scope), id="asyncio scope"),
        pytest.param(("trio", by_trio_scope), id="trio scope"),
    ]
)
def way(request):
    return request.param


@pytest.fixture
def anyio_backend(way):
    return way[0]


@pytest.fixture
def cancelling(way):
    return way[1]


class FileWorld(World):
    """A world on the disk."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.store = self.another_store()
        self.complaints = []

    def another_store(self):
        return EncryptedFileStore(self.folder, key=KEY)

    async def assert_nothing_is_left(self, auth):
        """Look at the folder as another process would, at once."""
        async with self.another_store().lock(self.name, timeout=0):
            pass
        file = self.store._files._folder.file_of(self.name)
        held = lock.try_lock(lock.lock_of(file))
        assert held is not None
        held.release()
        assert [path.name for path in self.folder.iterdir() if path.suffix == ".tmp"] == []
        if auth is not None:
            async with self.auth(store=self.another_store()) as other:
                assert other.state == auth.state


async def at_each_suspension(tmp_path, cancelling, prepare, call, check):
    """Make the call again and again, cancelled one suspension later each time, until it ends."""
    complaints = []
    if sniffio.current_async_library() == "asyncio":
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    for at in range(1, MOST):
        world = FileWorld(tmp_path / str(at))
        with anyio.fail_after(PATIENCE):
            auth = world.auth()
            before = await prepare(world, auth)
            steps = Steps(call(world, auth), at)
            await cancelling(steps)
            await check(world, auth, before)
            await auth.aclose()
        assert complaints == []
        if steps.suspensions < at:
            assert at > 1  # it did suspend, so something was tried
            return
    pytest.fail("the call never ended")


async def federated(world, auth):
    return await federate(auth, world.token("alice"))


async def stale(world, auth):
    result = await federated(world, auth)
    world.clock.advance(OVER)
    return result


async def test_a_cancelled_federation_leaves_the_old_session_or_the_new_one(tmp_path, cancelling):
    seen = set()

    async def check(world, auth, before):
        await world.assert_nothing_is_left(auth)
        assert isinstance(auth.state, Federated)
        seen.add(auth.state.identity_id == before.identity_id)
        await federate(auth, world.token("carol"))

    await at_each_suspension(
        tmp_path,
        cancelling,
        federated,
        lambda world, auth: federate(auth, world.token("bob")),
        check,
    )
    assert seen == {True, False}


async def test_a_cancelled_first_federation_leaves_nothing_or_a_session(tmp_path, cancelling):
    async def prepare(world, auth):
        await auth.fetch_auth_session()
        await world.store._files.make()

    async def check(world, auth, before):
        await world.assert_nothing_is_left(auth)
        assert isinstance(auth.state, SignedOut | Federated)

    await at_each_suspension(
        tmp_path, cancelling, prepare, lambda world, auth: federate(auth, world.token()), check
    )


async def test_a_cancelled_renewal_leaves_the_old_credentials_or_the_new_ones(tmp_path, cancelling):
    seen = set()

    async def check(world, auth, before):
        await world.assert_nothing_is_left(auth)
        seen.add(auth.state.credentials == before.credentials)
        session = await auth.fetch_auth_session()
        assert session.credentials != before.credentials
        assert len(world.calls()) <= 4

    await at_each_suspension(
        tmp_path, cancelling, stale, lambda _, auth: auth.fetch_auth_session(), check
    )
    assert seen == {True, False}


async def test_followers_of_a_cancelled_renewal_are_served(tmp_path, cancelling):
    served = []

    async def call(world, auth):
        await auth.fetch_auth_session()

    async def check(world, auth, before):
        await world.assert_nothing_is_left(auth)

    async def with_followers(steps):
        async def following():
            session = await current[0].fetch_auth_session()
            served.append(session.credentials_result.error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancelling, steps)
            await anyio.lowlevel.checkpoint()
            for _ in range(3):
                tasks.start_soon(following)

    current = []

    async def prepare(world, auth):
        current[:] = [auth]
        return await stale(world, auth)

    await at_each_suspension(tmp_path, with_followers, prepare, call, check)
    assert served
    assert set(served) == {None}


async def test_a_cancelled_follower_disturbs_no_other(tmp_path, cancelling):
    async def check(world, auth, before):
        await world.assert_nothing_is_left(auth)
        assert auth.state.credentials != before.credentials

    async def behind_a_leader(steps):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leading)
            await anyio.lowlevel.checkpoint()
            await cancelling(steps)

    current = []

    async def leading():
        session = await current[0].fetch_auth_session()
        assert session.credentials_result.error is None

    async def prepare(world, auth):
        current[:] = [auth]
        return await stale(world, auth)

    await at_each_suspension(
        tmp_path, behind_a_leader, prepare, lambda _, auth: auth.fetch_auth_session(), check
    )


async def test_a_cancelled_clear_that_had_begun_to_write_has_cleared(tmp_path, cancelling):
    seen = set()

    async def check(world, auth, before):
        await world.assert_nothing_is_left(auth)
        seen.add(type(auth.state))
        await auth.clear_federation_to_identity_pool()
        assert isinstance(auth.state, SignedOut)

    await at_each_suspension(
        tmp_path,
        cancelling,
        federated,
        lambda _, auth: auth.clear_federation_to_identity_pool(),
        check,
    )
    assert SignedOut in seen


async def test_a_cancelled_listener_loses_no_event_of_another(tmp_path, cancelling):
    async def listen(world, auth):
        async with auth.events() as stream:
            await world.other.fetch_auth_session(force_refresh=True)  # another handle's renewal
            return (await anext(stream)).kind

    async def prepare(world, auth):
        world.other = world.auth(store=world.another_store())
        return await federated(world, auth)

    async def check(world, auth, before):
        async with auth.events() as stream:
            await auth.clear_federation_to_identity_pool()
            await auth.aclose()
            kinds = [event.kind async for event in stream]
        assert kinds[-1] == "federation_cleared"
        await world.other.aclose()
        await world.assert_nothing_is_left(None)

    await at_each_suspension(tmp_path, cancelling, prepare, listen, check)


async def test_a_cancelled_close_leaves_no_task_behind(tmp_path, cancelling, monkeypatch):
    monkeypatch.setattr(renewal, "PATIENCE", 0.0)

    async def prepare(world, auth):
        await auth.__aenter__()
        await federated(world, auth)
        world.clock.advance(HOUR - 200)
        await auth.fetch_auth_session()  # starts a renewal in the background
        return auth

    async def check(world, auth, before):
        await auth.aclose()
        await anyio.wait_all_tasks_blocked()
        assert auth._session.context.background._running == {}
        await world.assert_nothing_is_left(auth)

    await at_each_suspension(tmp_path, cancelling, prepare, lambda _, auth: auth.aclose(), check)

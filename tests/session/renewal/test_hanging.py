"""A server that hangs, and many callers who come one after another."""

import anyio

from amplify_federation import AuthProvider, CallTimeoutError
from tests.session.kit import GET_CREDENTIALS, HOUR, Door

TIMEOUT = 2.0  # seconds


async def test_callers_who_come_one_by_one_do_not_each_call_a_server_that_hangs(world):
    auth = world.auth(timeout=TIMEOUT)
    await auth.federate_to_identity_pool(world.token(), AuthProvider.GOOGLE)
    world.fake.advance(HOUR)
    door = world.wire.before[GET_CREDENTIALS] = Door()
    errors = []

    async def fetch():
        session = await auth.fetch_auth_session()
        errors.append(session.credentials_result.error)

    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        for _ in range(40):
            group.start_soon(fetch)
            await anyio.sleep(0.005)
    deadlines = (anyio.current_time() - began) / TIMEOUT
    assert len(errors) == 40
    assert all(isinstance(error, CallTimeoutError) for error in errors)
    assert door.guests <= 2 * deadlines + 2  # by deadlines, not one for each of the 40

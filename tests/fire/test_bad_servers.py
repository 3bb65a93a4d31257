"""A server that misbehaves: one typed error, in time, and the session as it was."""

import tracemalloc

import anyio
import pytest

from amplify_federation import AuthProvider, Federated, errors
from tests.fire.cases import (
    QUICK,
    SLOW,
    TOO_LARGE,
    Case,
    gzip_bomb,
)
from tests.fire.paths import open_descriptors
from tests.fire.secrecy import leaks_of
from tests.fire.server import BadServer

DEADLINE = 0.15  # seconds, where the deadline is what ends the call
GRACE = 5.0  # seconds beyond deadline + 10 % that a busy machine may take
MAX_COST = 8 * 1024 * 1024  # bytes of memory that an answer may cost


@pytest.fixture
def nothing_leaks():
    """Fail a test that leaves a descriptor open."""
    before = open_descriptors()
    yield
    assert open_descriptors() == before


async def refused(auth, previous) -> errors.AuthError:
    with pytest.raises(errors.AuthError) as caught:
        await auth.federate_to_identity_pool(previous.new_token, AuthProvider.GOOGLE)
    return caught.value


def check(error: errors.AuthError, case: Case, previous) -> None:
    allowed = case.error if isinstance(case.error, tuple) else (case.error,)
    assert type(error) in allowed, f"{case}: {type(error).__name__}: {error}"
    several = len(allowed) > 1
    assert error.retryable is (
        isinstance(error, errors.NetworkError) if several else case.retryable
    )
    assert leaks_of(error, previous.secrets) == []


async def prove(case: Case, way, previous, clock, **settings) -> None:
    """Federate and renew at the bad server; check the errors, and the session."""
    store = await previous.store()
    with BadServer(case.script) as server:
        async with way.auth(server.url, store=store, clock=clock, **settings) as auth:
            check(await refused(auth, previous), case, previous)
            assert isinstance(auth.state, Federated)
            session = await auth.fetch_auth_session(force_refresh=True)
            assert session.credentials == previous.result.credentials
            assert session.identity_id == previous.result.identity_id
            check(session.renewal_error, case, previous)
            assert await previous.is_untouched_in(store)


@pytest.mark.parametrize("case", QUICK, ids=str)
@pytest.mark.usefixtures("nothing_leaks")
async def test_a_bad_answer_is_one_typed_error_and_the_session_stays(
    way, case, previous, manual_clock
):
    await prove(case, way, previous, manual_clock)


@pytest.mark.usefixtures("nothing_leaks")
async def test_slow_servers_are_ended_by_the_deadline(way, previous, manual_clock):
    with anyio.fail_after(2 * DEADLINE * 1.1 + GRACE):
        async with anyio.create_task_group() as group:
            for case in SLOW:
                call = lambda case=case: prove(  # noqa: E731
                    case, way, previous, manual_clock, timeout=DEADLINE
                )
                group.start_soon(call)


@pytest.mark.parametrize("case", TOO_LARGE, ids=str)
@pytest.mark.usefixtures("nothing_leaks")
async def test_an_answer_without_measure_costs_little_memory(way, case, previous, manual_clock):
    gzip_bomb()  # the server's share
    store = await previous.store()
    with BadServer(case.script) as server:
        async with way.auth(server.url, store=store, clock=manual_clock) as auth:
            check(await refused(auth, previous), case, previous)  # loads what there is to load
            tracemalloc.start()
            try:
                before, _ = tracemalloc.get_traced_memory()
                error = await refused(auth, previous)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            check(error, case, previous)
            assert peak - before < MAX_COST
            assert await previous.is_untouched_in(store)

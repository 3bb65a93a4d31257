"""A canary token and canary credentials through every path of a session: nothing shows them.

Searched are errors with their chains, notes and tracebacks with locals, the records of every logger
at DEBUG (httpx and httpcore included), and what a program can print, copy or pickle.
"""

import copy
import logging
import pickle

import attrs
import httpx
import pytest

from amplify_federation import (
    AuthError,
    AuthProvider,
    AuthSettings,
    EncryptedFileStore,
    FederatedAuth,
    IdentityPool,
    MemoryStore,
    StoreUnavailableError,
)
from amplify_federation.testing import FakeCognito
from tests.concurrency import Gate, pending
from tests.fire.secrecy import leaks_of
from tests.session.kit import HOUR, GatedStore, World, federate
from tests.virtual_time import virtual_time

OVER = HOUR - 5
GOOGLE = AuthProvider.GOOGLE


class Canary:
    """The secrets of one world, and all that was shown."""

    def __init__(self, world: World):
        self.world = world
        self.secrets: list[str] = []

    def token(self, subject="alice", **arguments) -> str:
        token = self.world.token(subject, **arguments)
        self.secrets.append(token)
        return token

    def learn(self, credentials):
        self.secrets += [credentials.secret_access_key, credentials.session_token]

    def assert_silent(self, error: BaseException):
        assert leaks_of(error, tuple(self.secrets)) == []
        again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
        assert leaks_of(again, tuple(self.secrets)) == []

    def assert_unseen(self, text: str):
        assert not [secret for secret in self.secrets if secret in text]


@pytest.fixture
def canary():
    return Canary(World())


@pytest.fixture(autouse=True)
def everything_logged(caplog, canary):
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.get_records("call"):
        canary.assert_unseen(record.getMessage() + repr(vars(record)))


async def _bad_token(canary, auth):
    await federate(auth, canary.token(forged=True))


async def _oversized(canary, auth):
    token = canary.token() * 100
    canary.secrets.append(token)
    await federate(auth, token)


async def _wrong_provider(canary, auth):
    await federate(auth, canary.token(), "google")


async def _wrong_identity(canary, auth):
    await federate(auth, canary.token(), developer_provided_identity_id="nonsense")


async def _echoed(canary, auth):
    token = canary.token()
    canary.world.fake.fail_next("InvalidParameterException", message=f"Value '{token}' at 'logins'")
    await federate(auth, token)


async def _outage(canary, auth):
    canary.world.transport.cut = True
    await federate(auth, canary.token())


async def _service_fault(canary, auth):
    canary.world.fake.fail_next("InternalErrorException")
    await federate(auth, canary.token())


async def _foreign_page(canary, auth):
    canary.world.fake.fail_next(status=403)
    await federate(auth, canary.token())


async def _deadline(canary, auth):
    canary.world.transport.before["GetId"] = Gate()
    await federate(auth, canary.token())


async def _store_refuses(canary, auth):
    canary.world.store.failure = StoreUnavailableError("disk full")
    await federate(auth, canary.token())


async def _store_refuses_the_write(canary, auth):
    canary.world.store.write_failure = StoreUnavailableError("disk full")
    await federate(auth, canary.token())


async def _meanwhile(canary, auth, happen):
    """Let something happen while a federation waits for an answer; raise how that one ended."""
    gate = canary.world.transport.before["GetId"] = Gate()
    async with pending(federate(auth, canary.token()), at=gate, raises=AuthError) as call:
        await happen(call)
    raise call.errors[0]


async def _cleared_meanwhile(canary, auth):
    async def clear(call):
        await auth.clear_federation_to_identity_pool()
        await call.wait()

    await _meanwhile(canary, auth, clear)


async def _replaced_meanwhile(canary, auth):
    async def replace(_call):
        del canary.world.transport.before["GetId"]
        other = canary.world.auth(store=canary.world.store.inner)
        canary.learn((await federate(other, canary.token("bob"))).credentials)
        await other.aclose()

    await _meanwhile(canary, auth, replace)


async def _closed(canary, auth):
    await auth.aclose()
    await federate(auth, canary.token())


RAISING = [
    _bad_token, _oversized, _wrong_provider, _wrong_identity, _echoed, _outage, _service_fault,
    _foreign_page, _deadline, _store_refuses, _store_refuses_the_write, _cleared_meanwhile,
    _replaced_meanwhile, _closed,
]  # fmt: skip


@virtual_time
@pytest.mark.parametrize("path", RAISING, ids=lambda path: path.__name__.strip("_"))
async def test_no_error_of_a_federation_shows_a_secret(canary, path):
    canary.world.store = GatedStore(MemoryStore())
    auth = canary.world.auth(max_attempts=1, timeout=10.0)
    with pytest.raises(AuthError) as raised:
        await path(canary, auth)
    assert canary.secrets
    canary.assert_silent(raised.value)
    await auth.aclose()


FAULTS = {
    "service": {"code": "InternalErrorException"},
    "refused": {"code": "NotAuthorizedException", "message": "Token is inactive"},
    "pool": {"code": "InvalidIdentityPoolConfigurationException"},
    "page": {"status": 502},
    "cut": {"cut_connection": True},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("over", [True, False], ids=["over", "valid"])
async def test_no_error_of_a_renewal_shows_a_secret(canary, fault, over):
    async with canary.world.auth(max_attempts=1) as auth:
        canary.learn((await federate(auth, canary.token())).credentials)
        canary.world.clock.advance(OVER if over else 0)
        canary.world.fake.fail_next(**FAULTS[fault])
        session = await auth.fetch_auth_session(force_refresh=True)
        error = session.credentials_result.error if over else session.renewal_error
        assert error is not None
        canary.assert_silent(error)
        if over:
            with pytest.raises(AuthError) as raised:
                session.credentials  # noqa: B018  # reading raises
            canary.assert_silent(raised.value)


async def test_nothing_that_can_be_printed_copied_or_dumped_shows_a_secret(canary, tmp_path):
    store = EncryptedFileStore(tmp_path / "s")
    async with canary.world.auth(store=store) as auth, auth.events() as stream:
        result = await federate(auth, canary.token())
        canary.learn(result.credentials)
        session = await auth.fetch_auth_session()
        event = await anext(stream)
        things = (auth, auth.state, result, result.credentials, session, event, store, stream)
        for thing in things:
            for text in (repr(thing), str(thing), f"{thing}", f"{thing!r:s}"):
                canary.assert_unseen(text)
        for value in (auth.state, result, result.credentials, session, event):
            canary.assert_unseen(repr(attrs.asdict(value)))
            canary.assert_unseen(repr(attrs.astuple(value)))
            canary.assert_unseen(repr(copy.deepcopy(value)))
        for value in (auth.state, result, result.credentials, session):
            with pytest.raises(TypeError, match="Secrets are not pickled"):
                pickle.dumps(value)
        engine = auth._session
        seen = {id(None)}
        _walk(canary, engine, seen, 6)


def _walk(canary, thing, seen, depth):
    """Print whatever the engine holds, as a debugger or a crash report would."""
    if id(thing) in seen or depth == 0:
        return
    seen.add(id(thing))
    canary.assert_unseen(repr(thing))
    members = dict(getattr(thing, "__dict__", {}))
    for kind in type(thing).__mro__:
        slots = getattr(kind, "__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"_text", "__weakref__"} and hasattr(thing, name):
                members[name] = getattr(thing, name)
    for value in members.values():
        if type(value).__module__.startswith("amplify_federation") and not isinstance(
            value, EncryptedFileStore | FakeCognito
        ):
            _walk(canary, value, seen, depth - 1)


async def test_no_logger_shows_a_secret_over_real_http(canary):
    fake = FakeCognito()
    pool_id = fake.create_identity_pool()
    canary.world.fake = fake
    async with fake.serve() as url:
        pool = IdentityPool(pool_id, endpoint_url=url)
        async with httpx.AsyncClient() as client:
            for given in (client, None):
                async with FederatedAuth(
                    pool,
                    store=MemoryStore(),
                    http_client=given,
                    settings=AuthSettings(max_attempts=1),
                ) as auth:
                    canary.learn((await federate(auth, canary.token())).credentials)
                    fake.fail_next("InternalErrorException")
                    session = await auth.fetch_auth_session(force_refresh=True)
                    canary.assert_silent(session.renewal_error)
                    with pytest.raises(AuthError) as raised:
                        await federate(auth, canary.token("mallory", forged=True))
                    canary.assert_silent(raised.value)

"""Each error's advice, followed to its end: the situation is brought about, the advice done.

Advice that only says to wait, to look or to correct something has nothing to follow; those about
files, keys, proxies, certificates, event loops and Redis are followed beside what raises them.
"""

import pytest

from amplify_federation import (
    AuthProvider,
    CallTimeoutError,
    ExternalServiceError,
    Federated,
    FederatedAuth,
    InternalServiceError,
    InvalidAccountTypeError,
    InvalidIdentityPoolConfigurationError,
    InvalidStateError,
    LimitExceededError,
    NetworkError,
    NotAuthorizedError,
    ResourceConflictError,
    ResourceNotFoundError,
    SessionExpiredError,
    SignedOut,
    SignedOutError,
    StoreConflictError,
    TooManyRequestsError,
    UnknownServiceError,
    UserPoolTokens,
    ValidationError,
)
from tests.concurrency import Gate, pending
from tests.session.kit import HOUR, World, federate
from tests.virtual_time import virtual_time

FACEBOOK, GOOGLE = AuthProvider.FACEBOOK, AuthProvider.GOOGLE


@pytest.fixture
def world():
    return World()


async def refused(kind, call):
    with pytest.raises(kind) as caught:
        await call
    return caught.value.recovery_suggestion


async def test_signed_out_call_federate(world):
    async with world.auth() as auth:
        session = await auth.fetch_auth_session()
        with pytest.raises(SignedOutError) as caught:
            _ = session.credentials
        assert "`federate_to_identity_pool`" in caught.value.recovery_suggestion
        await federate(auth, world.token())
        assert (await auth.fetch_auth_session()).credentials


async def test_expired_get_a_new_token_and_federate_with_it(world):
    async with world.auth() as auth:
        await federate(auth, world.token(lifetime=HOUR))
        world.clock.advance(2 * HOUR)
        with pytest.raises(SessionExpiredError) as caught:
            _ = (await auth.fetch_auth_session()).credentials
        assert "new token" in caught.value.recovery_suggestion
        await federate(auth, world.token())
        assert (await auth.fetch_auth_session()).credentials


async def test_a_token_that_was_refused_is_replaced_by_a_new_one(world):
    async with world.auth() as auth:
        advice = await refused(NotAuthorizedError, federate(auth, world.token(forged=True)))
        assert "new token" in advice
        await federate(auth, world.token())


async def test_the_wrong_provider_pass_the_one_that_issued_the_token(world):
    async with world.auth() as auth:
        advice = await refused(
            NotAuthorizedError, federate(auth, world.token(), AuthProvider.APPLE)
        )
        assert advice.endswith("pass AuthProvider.GOOGLE as its provider.")
        await federate(auth, world.token(), GOOGLE)


async def test_a_provider_that_is_not_configured_is_added_to_the_pool(world):
    issuer = AuthProvider.oidc("https://issuer.example.com")
    token = world.fake.issue_token(issuer, "alice", audience="web")
    async with world.auth() as auth:
        advice = await refused(NotAuthorizedError, federate(auth, token, issuer))
        assert "Add this provider" in advice
        world.fake.update_identity_pool(world.pool_id, providers={issuer: ["web"]})
        await federate(auth, token, issuer)


async def test_guests_are_allowed_or_federate(world):
    async with world.guest_auth() as auth:
        session = await auth.fetch_auth_session()
        advice = session.credentials_result.error.recovery_suggestion
        assert "Allow guest access" in advice
        await federate(auth, world.token())
    world.allow_guests()
    async with world.guest_auth(session_name="guest") as auth:
        assert (await auth.fetch_auth_session()).credentials


async def test_a_login_of_another_identity_is_unlinked_or_federated_alone(world):
    facebook = world.token("bob", FACEBOOK)
    async with world.auth(session_name="bob") as bob:
        await federate(bob, facebook, FACEBOOK)
        await bob.link_login(world.token("bob"), GOOGLE)
    async with world.auth() as auth:
        await federate(auth, world.token("alice"))
        world.fake.fail_next("ResourceConflictException", message="linked elsewhere")
        advice = await refused(ResourceConflictError, auth.link_login(facebook, FACEBOOK))
        assert (
            advice == "Unlink the login from the other identity first, or federate with it alone."
        )
        async with world.auth(session_name="bob") as bob:
            await bob.unlink_login(FACEBOOK)
        await auth.link_login(facebook, FACEBOOK)
    async with world.auth(session_name="third") as third:
        await federate(third, facebook, FACEBOOK)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("TooManyRequestsException", TooManyRequestsError, "again later"),
        ("InternalErrorException", InternalServiceError, "again later"),
        ("ExternalServiceException", ExternalServiceError, "again later"),
        ("LimitExceededException", LimitExceededError, "then call again"),
        ("InvalidIdentityPoolConfigurationException", InvalidIdentityPoolConfigurationError, "Set"),
        ("ResourceNotFoundException", ResourceNotFoundError, "Check the identity pool id"),
    ],
)
async def test_what_passes_call_again(world, code, kind, words):
    async with world.auth(max_attempts=1) as auth:
        world.fake.fail_next(code, operation="GetId")
        assert words in await refused(kind, federate(auth, world.token()))
        await federate(auth, world.token())


async def test_a_page_in_the_place_of_cognito_is_gone_and_the_call_repeated(world):
    async with world.auth(max_attempts=1) as auth:
        world.fake.fail_next(status=403, operation="GetId")  # a proxy's page, without a code
        advice = await refused(UnknownServiceError, federate(auth, world.token()))
        assert "the endpoint and the proxies" in advice
        await federate(auth, world.token())


async def test_a_network_that_is_down_comes_back(world):
    async with world.auth(max_attempts=1) as auth:
        world.transport.cut = True
        assert "network" in await refused(NetworkError, federate(auth, world.token()))
        world.transport.cut = False
        await federate(auth, world.token())


@virtual_time
async def test_a_deadline_that_is_too_short_is_raised(world):
    world.fake.fail_next(delay=3, times=2)
    async with world.auth(timeout=2.0) as auth:
        advice = await refused(CallTimeoutError, federate(auth, world.token()))
        assert "raise `AuthSettings.timeout`" in advice
    world.fake.clear_faults()
    world.fake.fail_next(delay=3)
    async with world.auth(timeout=10.0) as auth:
        await federate(auth, world.token())


async def test_no_identity_pool_pass_its_id(world):
    from amplify_federation import IdentityPool  # noqa: PLC0415  # only here

    with pytest.raises(InvalidAccountTypeError) as caught:
        IdentityPool.from_amplify_config({"version": "1", "auth": {"user_pool_id": "x"}})
    assert "pass its id to `IdentityPool`" in caught.value.recovery_suggestion
    assert IdentityPool(world.pool_id).region


async def test_a_developer_login_is_given_its_identity(world):
    world.fake.update_identity_pool(
        world.pool_id, providers={AuthProvider.DEVELOPER: ["login.my.app"]}
    )
    identity, token = world.fake.issue_developer_token(world.pool_id, "alice")
    async with world.auth() as auth:
        with pytest.raises(ValidationError) as caught:
            await federate(auth, token, AuthProvider.DEVELOPER)
        assert "developer_provided_identity_id" in caught.value.message
        await federate(auth, token, AuthProvider.DEVELOPER, developer_provided_identity_id=identity)


class SignedIn:
    provider = AuthProvider.cognito_user_pool("us-west-2_Ab1Cd2Ef3")

    def __init__(self, token):
        self.token = token

    async def tokens(self):
        return UserPoolTokens(self.token) if self.token else None


async def test_an_active_user_pool_session_is_ended_first(world):
    world.fake.update_identity_pool(
        world.pool_id, providers={GOOGLE: ["google"], SignedIn.provider: ["app"]}
    )
    user_pool = SignedIn(world.fake.issue_token(SignedIn.provider, "alice", audience="app"))
    async with world.auth(user_pool=user_pool) as auth:
        token = world.token(audience="google")
        advice = await refused(InvalidStateError, federate(auth, token))
        assert advice == "Sign the user out of the user pool first."
        user_pool.token = None
        await federate(auth, token)


async def test_a_federated_user_is_cleared_before_the_user_pools(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        advice = await refused(InvalidStateError, auth.get_current_user())
        assert "`clear_federation_to_identity_pool`" in advice
        await auth.clear_federation_to_identity_pool()
        await refused(SignedOutError, auth.get_current_user())


async def test_linking_federates_first_and_the_last_login_is_cleared(world):
    async with world.auth() as auth:
        call = auth.link_login(world.token(provider=FACEBOOK), FACEBOOK)
        assert await refused(InvalidStateError, call) == "Call `federate_to_identity_pool` first."
        await federate(auth, world.token())
        await auth.link_login(world.token(provider=FACEBOOK), FACEBOOK)
        await auth.unlink_login(FACEBOOK)
        advice = await refused(InvalidStateError, auth.unlink_login(GOOGLE))
        assert advice == "Call `clear_federation_to_identity_pool` instead."
        await auth.clear_federation_to_identity_pool()
        assert auth.state == SignedOut()


async def test_a_session_that_remembers_no_token_federates_to_link(world):
    async with world.auth(remember_token=False) as auth:
        await federate(auth, world.token())
        call = auth.link_login(world.token(provider=FACEBOOK), FACEBOOK)
        advice = await refused(InvalidStateError, call)
        assert "`remember_token=True`" in advice
    async with world.auth() as auth:
        await federate(auth, world.token())
        await auth.link_login(world.token(provider=FACEBOOK), FACEBOOK)


async def test_a_replaced_session_federates_again_or_has_a_name_of_its_own(world):
    async with world.auth() as first, world.auth() as second:
        await federate(first, world.token("alice"))
        await second.fetch_auth_session()
        await federate(second, world.token("bob"))
        session = await first.fetch_auth_session(force_refresh=True)
        advice = session.credentials_result.error.recovery_suggestion
        assert advice == "Federate again, or use one session name for each user."
    async with world.auth(session_name="alice") as named:
        await federate(named, world.token("alice"))
        assert (await named.fetch_auth_session()).is_signed_in


async def test_a_federation_that_a_clear_overtook_is_made_again(world):
    gate = world.transport.before["GetId"] = Gate()
    async with world.auth() as auth:
        federation = refused(InvalidStateError, federate(auth, world.token()))
        async with pending(federation, at=gate) as call:
            await auth.clear_federation_to_identity_pool()
            await call.wait()
        assert call.result == "Federate again if the user signs in again."
        await federate(auth, world.token())
        assert isinstance(auth.state, Federated)


async def test_a_conflict_in_a_store_reads_again(world):
    store = world.store
    await store.compare_and_set("name", b"one", expected=None)
    advice = await refused(StoreConflictError, store.compare_and_set("name", b"two", expected=None))
    assert advice == "Read the record again and decide anew."
    found = await store.read("name")
    await store.compare_and_set("name", b"two", expected=found.version)


async def test_a_closed_session_is_made_anew(world):
    auth = world.auth()
    await auth.aclose()
    assert await refused(InvalidStateError, auth.fetch_auth_session()) == (
        "Make a new `FederatedAuth`."
    )
    assert isinstance(world.auth(), FederatedAuth)
    assert not (await world.auth().fetch_auth_session()).is_signed_in

import anyio
import pytest

from amplify_federation import (
    AuthEventKind,
    AuthProvider,
    CallTimeoutError,
    EncryptedFileStore,
    Expired,
    Federated,
    InternalServiceError,
    InvalidStateError,
    MemoryStore,
    NetworkError,
    NotAuthorizedError,
    ResourceConflictError,
    ResourceNotFoundError,
    SignedOut,
    StoreUnavailableError,
    ValidationError,
)
from tests.concurrency import Gate, pending
from tests.session.kit import (
    BOTH,
    GET_CREDENTIALS,
    GET_ID,
    HOUR,
    GatedStore,
    federate,
)
from tests.virtual_time import virtual_time

GOOGLE, FACEBOOK = AuthProvider.GOOGLE, AuthProvider.FACEBOOK


# Rule 1: arguments


@pytest.mark.parametrize(
    "token", ["", "  ", "x" * 50_001, None, 7, b"token", "line\nbreak"], ids=repr
)
async def test_a_token_out_of_limits_is_refused_before_anything_is_sent(world, token):
    async with world.auth() as auth:
        with pytest.raises(ValidationError):
            await federate(auth, token)
        assert world.calls() == []
        assert isinstance(auth.state, SignedOut)


@pytest.mark.parametrize("provider", ["accounts.google.com", None, 1])
async def test_a_provider_of_a_wrong_type_is_refused_before_anything_is_sent(world, provider):
    async with world.auth() as auth:
        with pytest.raises(ValidationError):
            await federate(auth, world.token(), provider)
        assert world.calls() == []


@pytest.mark.parametrize(
    "identity_id",
    ["", "nonsense", "eu-west-1:b4cd4809-7ab1-42e1-b044-07dab9eaa768", "us-west-2:XYZ", 5],
)
async def test_a_malformed_or_foreign_identity_id_is_refused_before_anything_is_sent(
    world, identity_id
):
    async with world.auth() as auth:
        with pytest.raises(ValidationError):
            await federate(auth, world.token(), developer_provided_identity_id=identity_id)
        assert world.calls() == []


async def test_a_developer_login_without_an_identity_id_is_refused(world):
    async with world.auth() as auth:
        with pytest.raises(ValidationError, match="developer_provided_identity_id"):
            await federate(auth, "some-token", AuthProvider.DEVELOPER)
        assert world.calls() == []


async def test_a_token_of_the_longest_length_is_sent(world):
    async with world.auth() as auth:
        with pytest.raises(NotAuthorizedError):
            await federate(auth, "x" * 50_000)
        assert world.calls() == [GET_ID]


# Rule 3: which calls


async def test_a_first_federation_asks_for_the_identity_and_then_for_its_credentials(world):
    token = world.token()
    async with world.auth() as auth:
        result = await federate(auth, token)
        assert world.calls() == BOTH
        assert [call.input.get("Logins") for call in world.fake.calls] == [
            {"accounts.google.com": token},
            {"accounts.google.com": token},
        ]
        assert world.last_input()["IdentityId"] == result.identity_id
        assert auth.state.identity_id == result.identity_id
        assert auth.state.credentials == result.credentials
        assert auth.state.logins == (GOOGLE,)


async def test_the_pools_role_goes_with_the_second_call(world):
    role = "arn:aws:iam::123456789012:role/reader"
    pool = world.pool(custom_role_arn=role)
    async with world.auth(pool) as auth:
        await federate(auth, world.token(claims={"cognito:roles": [role]}))
        assert "CustomRoleArn" not in world.fake.calls[0].input
        assert world.last_input()["CustomRoleArn"] == role


async def test_the_same_user_again_needs_no_new_identity(world):
    async with world.auth() as auth:
        first = await federate(auth, world.token())
        world.calls()
        world.clock.advance(60)
        second = await federate(auth, world.token())
        assert world.calls() == [GET_CREDENTIALS]
        assert second.identity_id == first.identity_id
        assert second.credentials != first.credentials


async def test_the_same_user_needs_no_new_identity_after_expiry(world):
    async with world.auth() as auth:
        first = await federate(auth, world.token())
        world.clock.advance(3 * HOUR)
        await auth.fetch_auth_session()
        assert isinstance(auth.state, Expired)
        world.calls()
        second = await federate(auth, world.token())
        assert world.calls() == [GET_CREDENTIALS]
        assert second.identity_id == first.identity_id


async def test_an_opaque_token_always_asks_for_its_identity(world):
    async with world.auth() as auth:
        await federate(auth, world.token(provider=FACEBOOK), FACEBOOK)
        await federate(auth, world.token(provider=FACEBOOK), FACEBOOK)
        assert world.calls() == BOTH + BOTH


async def test_another_user_of_the_same_provider_replaces_the_first(world):
    async with world.auth() as auth:
        first = await federate(auth, world.token("alice"))
        world.calls()
        second = await federate(auth, world.token("bob"))
        assert world.calls() == BOTH
        assert second.identity_id != first.identity_id
        assert auth.state.identity_id == second.identity_id


async def test_a_given_identity_id_skips_get_id(world):
    async with world.auth() as auth, world.auth(store=MemoryStore()) as other:
        known = (await federate(other, world.token())).identity_id
        world.calls()
        result = await federate(auth, world.token(), developer_provided_identity_id=known)
        assert world.calls() == [GET_CREDENTIALS]
        assert result.identity_id == known


async def test_a_developer_login_federates_with_the_backends_identity(world):
    world.fake.update_identity_pool(
        world.pool_id, providers={AuthProvider.DEVELOPER: ["login.example"], GOOGLE: ["c"]}
    )
    identity_id, token = world.fake.issue_developer_token(world.pool_id, "u-1")
    async with world.auth() as auth:
        result = await federate(
            auth, token, AuthProvider.DEVELOPER, developer_provided_identity_id=identity_id
        )
        assert world.calls() == [GET_CREDENTIALS]
        assert result.identity_id == identity_id


# Rule 4: the answer's identity


async def test_the_identity_of_the_answer_is_the_one_that_counts(world):
    world.allow_guests()
    async with world.auth(store=MemoryStore()) as before, world.guest_auth() as auth:
        mine = await federate(before, world.token())
        guest = await auth.fetch_auth_session()
        # This login has an identity already: Cognito merges the guest's into it.
        merged = await federate(
            auth, world.token(), developer_provided_identity_id=guest.identity_id
        )
        assert world.last_input()["IdentityId"] == guest.identity_id
        assert merged.identity_id == mine.identity_id != guest.identity_id
        issued = world.fake.read_session_token(merged.credentials.session_token)
        assert issued.identity_id == merged.identity_id == auth.state.identity_id


# Rule 5: a reused identity that is gone


async def test_a_reused_identity_that_cognito_forgot_is_asked_for_once_more(world):
    async with world.auth() as auth:
        first = await federate(auth, world.token())
        world.fake.delete_identity(first.identity_id)
        world.calls()
        second = await federate(auth, world.token())
        assert world.calls() == [GET_CREDENTIALS, *BOTH]
        assert second.identity_id != first.identity_id


@pytest.mark.parametrize(
    "message",
    [
        "Logins don't match. Please include at least one valid login.",
        "Access to Identity 'x' is forbidden.",
    ],
)
async def test_a_reused_identity_that_is_refused_to_the_login_is_asked_for_once_more(
    world, message
):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        world.fake.fail_next("NotAuthorizedException", message=message)
        await federate(auth, world.token())
        assert world.calls() == [GET_CREDENTIALS, *BOTH]


async def test_an_identity_that_is_lost_twice_is_an_error(world):
    async with world.auth() as auth:
        before = await federate(auth, world.token())
        world.calls()
        world.fake.fail_next("ResourceNotFoundException", operation=GET_CREDENTIALS, times=2)
        with pytest.raises(ResourceNotFoundError):
            await federate(auth, world.token())
        assert world.calls() == [GET_CREDENTIALS, *BOTH]
        assert auth.state.credentials == before.credentials


async def test_a_developer_provided_identity_is_never_replaced(world):
    gone = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"
    async with world.auth() as auth:
        with pytest.raises(ResourceNotFoundError):
            await federate(auth, world.token(), developer_provided_identity_id=gone)
        assert world.calls() == [GET_CREDENTIALS]


# Rule 6: transactional


@pytest.mark.parametrize("operation", BOTH)
async def test_a_refused_token_is_not_authorized_and_changes_nothing(world, operation):
    async with world.auth() as auth:
        before = await federate(auth, world.token())
        state, record = auth.state, await world.store.read(world.name)
        world.fake.fail_next(
            "NotAuthorizedException",
            operation=operation,
            message="Invalid login token. Token expired: 2 >= 1",
        )
        with pytest.raises(NotAuthorizedError):
            await federate(auth, world.token("bob"))
        assert auth.state is state
        assert await world.store.read(world.name) == record
        assert (await auth.fetch_auth_session()).credentials == before.credentials


async def test_an_outage_changes_nothing(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        state = auth.state
        world.transport.cut = True
        with pytest.raises(NetworkError):
            await federate(auth, world.token("bob"))
        assert auth.state is state


async def test_a_fault_of_the_service_is_tried_three_times_and_changes_nothing(world):
    async with world.auth() as auth:
        world.fake.fail_next("InternalErrorException", times=3)
        with pytest.raises(InternalServiceError):
            await federate(auth, world.token())
        assert world.calls() == [GET_ID] * 3
        assert isinstance(auth.state, SignedOut)


async def test_a_store_that_cannot_be_written_leaves_the_session_as_it_was(world):
    world.store = GatedStore(MemoryStore())
    async with world.auth() as auth:
        await federate(auth, world.token())
        state = auth.state
        world.clock.advance(10)
        world.store.failure = StoreUnavailableError("disk full")
        with pytest.raises(StoreUnavailableError):
            await federate(auth, world.token("bob"))
        assert auth.state is state
        world.store.failure = None
        assert (await auth.fetch_auth_session()).identity_id == state.identity_id


@pytest.mark.parametrize("operation", BOTH)
async def test_a_clear_overtakes_a_federation_at_the_network_at_once(world, operation):
    gate = world.transport.before[operation] = Gate()
    async with world.auth() as auth:
        federation = federate(auth, world.token())
        async with pending(federation, at=gate, raises=InvalidStateError) as call:
            await auth.clear_federation_to_identity_pool()
            assert isinstance(auth.state, SignedOut)
            await call.wait()  # Cognito has not answered
        assert "cleared" in call.errors[0].message
        assert isinstance(auth.state, SignedOut)
        assert await world.store.read(world.name) is None


async def test_a_clear_overtakes_federations_that_wait_in_line(world):
    gate = world.transport.before[GET_ID] = Gate()
    async with world.auth() as auth:
        federations = [federate(auth, world.token(user)) for user in ("a", "b", "c")]
        async with pending(*federations, at=gate, raises=InvalidStateError) as calls:
            await auth.clear_federation_to_identity_pool()
            await calls.wait()
        assert gate.waiters == 1
        await federate(auth, world.token())  # the queue is free again
        assert isinstance(auth.state, Federated)


@pytest.mark.parametrize("first", [True, False], ids=["signed out before", "federated before"])
async def test_a_clear_during_the_commit_is_not_undone_by_it(world, first):
    world.store = GatedStore(MemoryStore())
    async with world.auth() as auth:
        if not first:
            await federate(auth, world.token("before"))
        gate = world.store.before_write = Gate()
        federation = federate(auth, world.token())
        async with (
            pending(federation, at=gate, raises=InvalidStateError),
            pending(auth.clear_federation_to_identity_pool(), at=gate),
        ):
            pass
        assert isinstance(auth.state, SignedOut)
        async with world.auth(store=world.store.inner) as another:
            assert isinstance(another.state, SignedOut)


async def test_a_federation_elsewhere_during_ours_is_an_error_and_stays(world):
    async with world.auth() as auth, world.auth() as elsewhere:
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(federate(auth, world.token()), at=gate, raises=InvalidStateError):
            del world.transport.before[GET_CREDENTIALS]
            theirs = await federate(elsewhere, world.token("bob"))
        async with world.auth() as third:
            assert third.state.identity_id == theirs.identity_id


async def test_a_clear_elsewhere_during_ours_is_an_error_and_stays(world):
    async with world.auth() as auth, world.auth() as elsewhere:
        await federate(auth, world.token())
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(federate(auth, world.token()), at=gate, raises=InvalidStateError):
            world.clock.advance(1)
            await elsewhere.clear_federation_to_identity_pool()
        async with world.auth() as third:
            assert isinstance(third.state, SignedOut)


async def test_a_second_replacement_during_ours_is_an_error_and_stays(world):
    async with world.auth() as auth, world.auth() as elsewhere:
        await federate(auth, world.token("alice"))
        await federate(elsewhere, world.token("bob"))
        world.clock.advance(1)
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(federate(auth, world.token()), at=gate, raises=InvalidStateError):
            del world.transport.before[GET_CREDENTIALS]
            carol = await federate(elsewhere, world.token("carol"))
        async with world.auth() as third:
            assert third.state.identity_id == carol.identity_id


async def test_a_tombstone_that_is_collected_during_ours_is_no_clear(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        await auth.clear_federation_to_identity_pool()
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(federate(auth, world.token()), at=gate):
            await world.store.delete(world.name, expected=None)
        assert isinstance(auth.state, Federated)


async def test_a_sign_in_and_clear_elsewhere_during_ours_is_a_clear(world):
    async with world.auth() as auth, world.auth() as elsewhere:
        await federate(auth, world.token())
        await auth.clear_federation_to_identity_pool()
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(federate(auth, world.token()), at=gate, raises=InvalidStateError):
            del world.transport.before[GET_CREDENTIALS]
            await federate(elsewhere, world.token())
            await elsewhere.clear_federation_to_identity_pool()
        async with world.auth() as third:
            assert isinstance(third.state, SignedOut)


async def test_a_record_that_is_deleted_during_ours_is_a_clear(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        gate = world.transport.before[GET_CREDENTIALS] = Gate()
        async with pending(federate(auth, world.token()), at=gate, raises=InvalidStateError):
            await world.store.delete(world.name, expected=None)
        assert await world.store.read(world.name) is None


async def test_a_renewal_elsewhere_during_ours_is_no_hindrance(world):
    async with world.auth() as auth, world.auth() as elsewhere:
        await federate(auth, world.token("alice"))
        world.clock.advance(1)
        await elsewhere.fetch_auth_session()
        gate = world.transport.before[GET_ID] = Gate()
        async with pending(federate(auth, world.token("bob")), at=gate):
            await elsewhere.fetch_auth_session(force_refresh=True)
        assert isinstance(auth.state, Federated)
        async with world.auth() as third:
            assert third.state.identity_id == auth.state.identity_id


async def test_federations_are_served_in_order_of_call(world):
    gate = world.transport.before[GET_ID] = Gate()
    order = []
    async with world.auth() as auth:

        async def signing_in(user):
            result = await federate(auth, world.token(user))
            order.append(user)
            return result

        async with (
            pending(signing_in("first"), at=gate),
            pending(signing_in("second"), at=gate),
            pending(signing_in("third"), at=gate) as third,
        ):
            assert gate.waiters == 1
        assert order == ["first", "second", "third"]
        assert auth.state.identity_id == third.result.identity_id


async def test_a_cancelled_federation_does_not_block_the_next(world):
    gate = world.transport.before[GET_ID] = Gate()
    async with world.auth() as auth:
        async with pending(federate(auth, world.token("first")), at=gate) as call:
            call.cancel()
            await call.wait()
            del world.transport.before[GET_ID]
            result = await federate(auth, world.token("second"))
        assert auth.state.identity_id == result.identity_id


@virtual_time
async def test_a_federation_that_does_not_end_is_a_timeout_and_changes_nothing(world):
    world.transport.before[GET_ID] = Gate()
    async with world.auth() as auth:
        with pytest.raises(CallTimeoutError):
            await federate(auth, world.token())
        assert isinstance(auth.state, SignedOut)


@virtual_time
async def test_a_deadline_during_the_commit_leaves_what_the_caller_is_told(world):
    world.store = GatedStore(MemoryStore())
    async with world.auth(timeout=2.0) as auth:
        gate = world.store.after_write = Gate()
        async with pending(federate(auth, world.token()), at=gate) as call:
            await anyio.sleep(3)  # beyond the deadline of the call: that is the point
        assert auth.state.identity_id == call.result.identity_id


async def test_a_store_that_cannot_be_written_is_found_before_anything_is_sent(world):
    class ReadOnly(GatedStore):
        async def check_writable(self):
            raise StoreUnavailableError("read-only")

    auth = world.auth(store=ReadOnly(MemoryStore()))
    with pytest.raises(StoreUnavailableError):
        await federate(auth, world.token())
    assert world.calls() == []


# Rules 7 and 8


async def test_a_token_of_the_same_user_at_another_provider_is_asked_for_its_identity(world):
    async with world.auth() as auth:
        await federate(auth, world.token())
        world.calls()
        with pytest.raises(NotAuthorizedError):
            await federate(auth, world.token(), AuthProvider.APPLE)
        assert world.calls() == [GET_ID]


async def test_another_provider_starts_afresh_with_the_new_login_alone(world):
    async with world.auth() as auth:
        first = await federate(auth, world.token())
        world.calls()
        token = world.token("alice", FACEBOOK)
        second = await federate(auth, token, FACEBOOK)
        assert world.calls() == BOTH
        assert [call.input["Logins"] for call in world.fake.calls[-2:]] == [
            {"graph.facebook.com": token}
        ] * 2
        assert second.identity_id != first.identity_id
        assert auth.state.logins == (FACEBOOK,)


async def test_guest_credentials_are_replaced_and_not_merged(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        guest = await auth.fetch_auth_session()
        world.calls()
        result = await federate(auth, world.token())
        assert world.calls() == BOTH
        assert result.identity_id != guest.identity_id
        assert isinstance(auth.state, Federated)


async def test_a_guest_is_upgraded_by_its_identity_id(world):
    world.allow_guests()
    async with world.guest_auth() as auth:
        guest = await auth.fetch_auth_session()
        result = await federate(
            auth, world.token(), developer_provided_identity_id=guest.identity_id
        )
        assert result.identity_id == guest.identity_id


async def test_a_token_is_not_looked_into_before_it_is_sent(world):
    async with world.auth() as auth:
        with pytest.raises(NotAuthorizedError):
            await federate(auth, world.token(lifetime=-1000.0))
        assert world.calls() == [GET_ID]


# Storing


async def test_a_token_that_is_not_to_be_remembered_is_stored_nowhere(world, tmp_path):
    store = EncryptedFileStore(tmp_path / "s")
    token = world.token()
    async with world.auth(store=store, remember_token=False) as auth:
        await federate(auth, token)
        record = await store.read(world.name)
        assert token.encode() not in record.data
        assert auth.state.linked_logins[0].token is None


@pytest.fixture
async def auth(world):
    auth = world.auth()
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    return auth


async def test_a_further_login_is_linked_with_both_tokens(world, auth):
    before = auth.state.identity_id
    result = await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id == before
    assert auth.state.logins == (GOOGLE, FACEBOOK)
    assert set(world.fake.calls[-1].input["Logins"]) == {GOOGLE.login_key, FACEBOOK.login_key}


async def test_a_linked_login_leads_to_the_same_identity_afterwards(world, auth):
    linked = await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    other = world.auth(session_name="other device")
    result = await other.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id == linked.identity_id


async def test_a_login_of_another_identity_is_merged_and_the_answer_adopted(world, auth):
    before = auth.state.identity_id
    other = world.auth(session_name="other")
    strange = await other.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    result = await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id in {before, strange.identity_id}
    assert auth.state.identity_id == result.identity_id
    session = await auth.fetch_auth_session()
    assert session.identity_id == result.identity_id


async def test_a_second_login_of_one_provider_is_a_conflict_and_changes_nothing(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    before = auth.state
    with pytest.raises(ResourceConflictError):
        await auth.link_login(world.token("bob", FACEBOOK), FACEBOOK)
    assert auth.state == before


async def test_a_session_renews_with_the_logins_that_are_still_good(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK, lifetime=5 * HOUR), FACEBOOK)
    world.fake.advance(2 * HOUR)  # Google's token is over by its own `exp`
    world.fake.calls.clear()
    assert (await auth.fetch_auth_session()).is_signed_in
    assert [set(call.input["Logins"]) for call in world.fake.calls] == [{FACEBOOK.login_key}]


async def test_a_refused_login_among_good_ones_is_left_out_and_forgotten(world):
    auth = world.auth()
    await auth.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    await auth.link_login(world.token("alice", lifetime=5 * HOUR), GOOGLE)
    world.fake.advance(2 * HOUR)  # Facebook's opaque token is over, which only Cognito can tell
    world.fake.calls.clear()
    assert (await auth.fetch_auth_session()).is_signed_in
    assert [set(call.input["Logins"]) for call in world.fake.calls] == [
        {FACEBOOK.login_key, GOOGLE.login_key},
        {FACEBOOK.login_key},
        {GOOGLE.login_key},
    ]
    tokens = {login.provider: login.token for login in auth.state.linked_logins}
    assert tokens[FACEBOOK] is None
    assert tokens[GOOGLE] is not None


async def test_linking_needs_a_federated_session(world):
    auth = world.auth()
    with pytest.raises(InvalidStateError):
        await auth.link_login(world.token(), GOOGLE)
    assert world.fake.calls == []


async def test_linking_needs_a_token_that_proves_the_identity(world):
    auth = world.auth(remember_token=False)
    await auth.federate_to_identity_pool(world.token(), GOOGLE)
    world.fake.calls.clear()
    with pytest.raises(InvalidStateError, match="proves its identity"):
        await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert world.fake.calls == []


async def test_a_login_is_unlinked_at_cognito_and_here(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    identity_id = auth.state.identity_id
    await auth.unlink_login(FACEBOOK)
    assert auth.state.logins == (GOOGLE,)
    assert world.fake.calls[-1].operation == "UnlinkIdentity"
    other = world.auth(session_name="other")
    result = await other.federate_to_identity_pool(world.token("alice", FACEBOOK), FACEBOOK)
    assert result.identity_id != identity_id


@pytest.mark.parametrize("what", ["link", "unlink"])
async def test_a_clear_elsewhere_while_logins_change_is_an_error_and_stays(world, auth, what):
    if what == "unlink":
        await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
        work = auth.unlink_login(FACEBOOK)
    else:
        work = auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    operation = GET_CREDENTIALS if what == "link" else "UnlinkIdentity"
    gate = world.transport.before[operation] = Gate()
    async with world.auth() as elsewhere, pending(work, at=gate, raises=InvalidStateError):
        await elsewhere.clear_federation_to_identity_pool()
        assert not (await auth.fetch_auth_session(force_refresh=True)).is_signed_in
    async with world.auth() as third:
        assert isinstance(third.state, SignedOut)


async def test_a_handle_that_was_replaced_links_nothing(world, auth):
    async with world.auth() as elsewhere:
        await federate(elsewhere, world.token("bob"))
    world.calls()
    with pytest.raises(InvalidStateError):
        await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert world.calls() == []


async def test_a_newer_token_of_a_linked_login_takes_the_place_of_the_older(world, auth):
    for _ in range(2):
        await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    assert auth.state.logins == (GOOGLE, FACEBOOK)


async def test_the_last_login_cannot_be_unlinked(world, auth):
    world.fake.calls.clear()
    with pytest.raises(InvalidStateError) as caught:
        await auth.unlink_login(GOOGLE)
    assert "clear_federation_to_identity_pool" in caught.value.recovery_suggestion
    assert world.fake.calls == []
    assert isinstance(auth.state, Federated)


async def test_a_login_that_is_not_linked_cannot_be_unlinked(world, auth):
    with pytest.raises(InvalidStateError):
        await auth.unlink_login(FACEBOOK)


@pytest.mark.parametrize("provider", ["accounts.google.com", None])
async def test_what_is_no_provider_is_refused_before_anything_is_sent(world, auth, provider):
    world.fake.calls.clear()
    with pytest.raises(ValidationError):
        await auth.link_login(world.token(), provider)
    with pytest.raises(ValidationError):
        await auth.unlink_login(provider)
    assert world.fake.calls == []


async def test_linking_is_told_as_a_renewal_and_unlinking_not_at_all(world, auth):
    async with auth.events() as stream:
        await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
        await auth.unlink_login(FACEBOOK)
        await auth.clear_federation_to_identity_pool()
        kinds = [(await anext(stream)).kind for _ in range(2)]
    assert kinds == [AuthEventKind.CREDENTIALS_RENEWED, AuthEventKind.FEDERATION_CLEARED]


async def test_a_restart_finds_all_logins(world, auth):
    await auth.link_login(world.token("alice", FACEBOOK), FACEBOOK)
    async with world.auth() as again:
        assert again.state.logins == (GOOGLE, FACEBOOK)


async def test_reuse_by_a_linked_login_needs_no_get_id(world, auth):
    await auth.link_login(world.token("alice", AuthProvider.APPLE), AuthProvider.APPLE)
    world.fake.calls.clear()
    await auth.federate_to_identity_pool(
        world.token("alice", AuthProvider.APPLE), AuthProvider.APPLE
    )
    assert [call.operation for call in world.fake.calls] == [GET_CREDENTIALS]

import pytest

from amplify_federation import AuthProvider

GOOGLE, FACEBOOK, AMAZON = (
    provider.login_key
    for provider in (AuthProvider.GOOGLE, AuthProvider.FACEBOOK, AuthProvider.AMAZON)
)


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool(guest_access=True)


@pytest.fixture
def login(fake):
    """Logins for users written as `{GOOGLE: "alice"}`."""

    def make(**users):
        keys = {"google": GOOGLE, "facebook": FACEBOOK, "amazon": AMAZON}
        return {
            keys[name]: fake.issue_token(AuthProvider(keys[name]), user)
            for name, user in users.items()
        }

    return make


def assert_refused(reply, code, text):
    assert (reply.status, reply.code) == (400, code), reply.body
    assert text in reply.message


def test_every_guest_is_a_new_identity(call, pool):
    assert call.identity(pool) != call.identity(pool)


def test_one_user_has_different_identities_in_different_pools(call, fake, pool, login):
    other = fake.create_identity_pool(region="eu-west-1")
    mine, theirs = call.identity(pool, login(google="a")), call.identity(other, login(google="a"))
    assert mine.startswith("us-west-2:")
    assert theirs.startswith("eu-west-1:")


def test_new_login_given_with_a_known_one_is_linked(call, pool, login):
    alice = call.identity(pool, login(google="alice"))
    reply = call.credentials(alice, login(google="alice", facebook="al"))
    assert reply.body["IdentityId"] == alice
    assert call.identity(pool, login(facebook="al")) == alice


def test_get_id_with_two_logins_links_them(call, pool, login):
    alice = call.identity(pool, login(google="alice", facebook="al"))
    assert call.identity(pool, login(google="alice")) == alice
    assert call.identity(pool, login(facebook="al")) == alice


def test_guest_that_logs_in_keeps_its_identity(call, pool, login):
    guest = call.identity(pool)
    reply = call.credentials(guest, login(google="alice"))
    assert reply.body["IdentityId"] == guest
    assert call.identity(pool, login(google="alice")) == guest
    assert_refused(call.credentials(guest), "NotAuthorizedException", "forbidden")


def test_guest_that_logs_in_as_a_known_user_becomes_that_user(call, pool, login):
    alice, guest = call.identity(pool, login(google="alice")), call.identity(pool)
    assert call.credentials(guest, login(google="alice")).body["IdentityId"] == alice
    for logins in (None, login(google="alice")):
        assert_refused(call.credentials(guest, logins), "NotAuthorizedException", "forbidden")
    assert call.identity(pool, login(google="alice")) == alice


def test_guest_that_logs_in_as_two_known_users_becomes_the_elder(call, pool, login):
    google, facebook = login(google="alice"), login(facebook="al")
    elder, younger, guest = (
        call.identity(pool, facebook),
        call.identity(pool, google),
        call.identity(pool),
    )
    assert call.credentials(guest, google | facebook).body["IdentityId"] == elder
    assert_refused(call.credentials(younger, google), "NotAuthorizedException", "forbidden")


def test_identity_takes_in_the_owner_of_a_second_login(call, pool, login):
    alice, al = (
        call.identity(pool, login(google="alice")),
        call.identity(pool, login(facebook="al")),
    )
    both = login(google="alice", facebook="al")
    assert call.credentials(al, both).body["IdentityId"] == al
    assert call.identity(pool, login(google="alice")) == al
    assert_refused(call.credentials(alice, both), "NotAuthorizedException", "forbidden")


def test_get_id_with_logins_of_two_identities_merges_into_the_elder(call, pool, login):
    alice, al = (
        call.identity(pool, login(google="alice")),
        call.identity(pool, login(facebook="al")),
    )
    assert call.identity(pool, login(facebook="al", google="alice")) == alice
    assert_refused(
        call.credentials(al, login(facebook="al")), "NotAuthorizedException", "forbidden"
    )


def test_second_login_of_one_provider_is_a_conflict_and_changes_nothing(call, pool, login):
    alice = call.identity(pool, login(google="alice", facebook="al"))
    bob = call.identity(pool, login(google="bob"))
    for user in ("bob", "nobody yet"):
        mixed = login(facebook="al", google=user)
        for reply in (
            call.credentials(alice, mixed),
            call("GetId", IdentityPoolId=pool, Logins=mixed),
        ):
            assert_refused(reply, "ResourceConflictException", "already linked")
    assert call.identity(pool, login(google="bob")) == bob
    assert call.identity(pool, login(google="alice")) == alice


def test_login_of_somebody_else_does_not_match(call, pool, login):
    alice = call.identity(pool, login(google="alice"))
    call.identity(pool, login(google="bob"))
    for logins in (login(google="bob"), login(google="new"), login(facebook="al")):
        assert_refused(call.credentials(alice, logins), "NotAuthorizedException", "don't match")


def test_identity_without_its_login_is_forbidden(call, pool, login):
    alice = call.identity(pool, login(google="alice"))
    assert_refused(call.credentials(alice), "NotAuthorizedException", f"'{alice}' is forbidden")


def test_unlinked_login_is_a_new_user_next_time(call, pool, login):
    both = login(google="alice", facebook="al")
    alice = call.identity(pool, both)
    reply = call("UnlinkIdentity", IdentityId=alice, Logins=both, LoginsToRemove=[FACEBOOK])
    assert (reply.status, reply.body) == (200, {})
    assert call.credentials(alice, login(google="alice")).status == 200
    assert call.identity(pool, login(facebook="al")) != alice


def test_identity_that_lost_its_last_login_is_closed(call, pool, login):
    logins = login(google="alice")
    alice = call.identity(pool, logins)
    call("UnlinkIdentity", IdentityId=alice, Logins=logins, LoginsToRemove=[GOOGLE])
    for given in (None, logins):
        assert_refused(call.credentials(alice, given), "NotAuthorizedException", "forbidden")
    assert call.identity(pool, logins) != alice


def test_unlinking_needs_a_login_of_the_identity(call, pool, login):
    alice, guest = call.identity(pool, login(google="alice")), call.identity(pool)
    for identity in (alice, guest):
        reply = call(
            "UnlinkIdentity",
            IdentityId=identity,
            Logins=login(google="bob"),
            LoginsToRemove=[GOOGLE],
        )
        assert_refused(reply, "NotAuthorizedException", "don't match")


def test_provider_that_is_not_linked_cannot_be_unlinked_and_nothing_is(call, pool, login):
    both = login(google="alice", facebook="al")
    alice = call.identity(pool, both)
    reply = call("UnlinkIdentity", IdentityId=alice, Logins=both, LoginsToRemove=[GOOGLE, AMAZON])
    assert_refused(reply, "InvalidParameterException", AMAZON)
    assert call.identity(pool, login(google="alice")) == alice


def test_deleted_identity_is_not_found_and_its_login_is_new(call, fake, pool, login):
    logins = login(google="alice")
    alice = call.identity(pool, logins)
    fake.delete_identity(alice)
    fake.delete_identity(alice)
    assert_refused(call.credentials(alice, logins), "ResourceNotFoundException", alice)
    assert call.identity(pool, logins) != alice

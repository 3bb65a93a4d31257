"""What a session can be, and how little of its secrets a state shows."""

from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.state import Expired, Federated, SignedOut
from tests.model.samples import ALICE, grant, login

LOGINS = (login(), login(AuthProvider.FACEBOOK))


def test_a_federated_state_shows_its_identity_its_credentials_and_its_providers():
    state = Federated(grant(), LOGINS)
    assert state.identity_id == grant().identity_id
    assert state.credentials == grant().credentials
    assert state.logins == (AuthProvider.GOOGLE, AuthProvider.FACEBOOK)


def test_an_expired_state_shows_who_may_come_back():
    state = Expired(ALICE, LOGINS)
    assert state.identity_id == ALICE
    assert state.logins == (AuthProvider.GOOGLE, AuthProvider.FACEBOOK)


def test_a_login_without_its_token_is_the_same_login():
    bare = login(token="a.b.c").without_token()
    assert bare.token is None
    assert bare.provider == login().provider


def test_states_of_one_kind_with_the_same_values_are_equal():
    assert SignedOut() == SignedOut(None)
    assert Federated(grant(), LOGINS) == Federated(grant(), LOGINS)
    assert Federated(grant(), LOGINS) != Federated(grant(), LOGINS[:1])


def test_no_state_shows_a_token():
    logins = (login(token="made-up-token"),)
    for state in (Federated(grant(), logins), Expired(ALICE, logins)):
        assert "made-up" not in repr(state)


def test_each_state_has_the_name_that_events_have():
    states = (SignedOut(), Federated(grant(), LOGINS), Expired(ALICE, LOGINS))
    assert [state.name for state in states] == ["signed_out", "federated", "expired"]

import attrs
import pytest

from amplify_federation import (
    AuthEvent,
    AuthEventKind,
    AuthProvider,
    Expired,
    Federated,
    SignedOut,
)
from amplify_federation._model.machine import event_between
from amplify_federation._model.state import Login
from tests.model.samples import grant

LOGINS = (Login(AuthProvider.GOOGLE),)
OUT, GUEST = SignedOut(), SignedOut(grant())
IN, RENEWED, OVER = (
    Federated(grant(), LOGINS),
    Federated(grant(key_id="new"), LOGINS),
    Expired("id", LOGINS),
)


@pytest.mark.parametrize(
    ("before", "after", "same_federation", "kind"),
    [
        (OUT, OUT, True, None),
        (OUT, GUEST, True, None),
        (OUT, IN, True, AuthEventKind.FEDERATED),
        (OUT, OVER, True, AuthEventKind.SESSION_EXPIRED),
        (IN, IN, True, None),
        (IN, RENEWED, True, AuthEventKind.CREDENTIALS_RENEWED),
        (IN, IN, False, AuthEventKind.FEDERATED),
        (IN, RENEWED, False, AuthEventKind.FEDERATED),
        (IN, OVER, True, AuthEventKind.SESSION_EXPIRED),
        (IN, OUT, False, AuthEventKind.FEDERATION_CLEARED),
        (OVER, OVER, True, None),
        (OVER, IN, True, AuthEventKind.FEDERATED),
        (OVER, OUT, False, AuthEventKind.FEDERATION_CLEARED),
    ],
)
def test_a_change_is_told_as_what_it_is(before, after, same_federation, kind):
    expected = None if kind is None else AuthEvent(kind, after.name)
    assert event_between(before, after, same_federation=same_federation) == expected


def test_forgetting_a_refused_token_is_told_to_nobody():
    with_token = Federated(grant(), (Login(AuthProvider.GOOGLE, token=object()),))
    without = Federated(grant(), LOGINS)
    assert event_between(with_token, without, same_federation=True) is None


def test_an_event_says_what_happened_and_what_the_session_is_now():
    event = AuthEvent(AuthEventKind.FEDERATED, "federated")
    assert (event.kind, event.state) == ("federated", "federated")
    assert f"{event.kind}" == "federated"


def test_an_event_cannot_be_changed():
    event = AuthEvent(AuthEventKind.FEDERATED, "federated")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.state = "expired"

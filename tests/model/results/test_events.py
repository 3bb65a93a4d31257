import attrs
import pytest

from amplify_federation._model.results.events import AuthEvent, AuthEventKind


def test_an_event_says_what_happened_and_what_the_session_is_now():
    event = AuthEvent(AuthEventKind.FEDERATED, "federated")
    assert (event.kind, event.state) == ("federated", "federated")
    assert f"{event.kind}" == "federated"


def test_an_event_cannot_be_changed():
    event = AuthEvent(AuthEventKind.FEDERATED, "federated")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.state = "expired"

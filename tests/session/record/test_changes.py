"""Which event the change from one record to the next is."""

from datetime import UTC, datetime

import pytest

from amplify_federation import (
    AuthEvent,
    AuthEventKind,
    AuthProvider,
    AWSCredentials,
    Expired,
    Federated,
    SignedOut,
)
from amplify_federation._model.state import Grant, Login
from amplify_federation._session.record.changes import event_between, name_of
from amplify_federation._session.record.schema import SessionRecord


def grant(key="key"):
    return Grant(
        "id", AWSCredentials(key, "secret", "token", datetime(2030, 1, 1, tzinfo=UTC)), 0.0
    )


HELD = (Login(AuthProvider.GOOGLE),)
OUT, GUEST = SignedOut(), SignedOut(grant())
IN, RENEWED, OVER = Federated(grant(), HELD), Federated(grant("new"), HELD), Expired("id", HELD)


def record(state, federation_id="one"):
    return SessionRecord(state, 1, federation_id)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (record(OUT), record(OUT), None),
        (record(OUT), record(GUEST), None),
        (record(OUT), record(IN), AuthEventKind.FEDERATED),
        (record(OUT), record(OVER), AuthEventKind.SESSION_EXPIRED),
        (record(IN), record(IN), None),
        (record(IN), record(RENEWED), AuthEventKind.CREDENTIALS_RENEWED),
        (record(IN), record(IN, "two"), AuthEventKind.FEDERATED),
        (record(IN), record(RENEWED, "two"), AuthEventKind.FEDERATED),
        (record(IN), record(OVER), AuthEventKind.SESSION_EXPIRED),
        (record(IN), record(OUT, "two"), AuthEventKind.FEDERATION_CLEARED),
        (record(OVER), record(OVER), None),
        (record(OVER), record(IN), AuthEventKind.FEDERATED),
        (record(OVER), record(OUT, "two"), AuthEventKind.FEDERATION_CLEARED),
    ],
)
def test_a_change_is_told_as_what_it_is(before, after, kind):
    expected = None if kind is None else AuthEvent(kind, name_of(after.state))
    assert event_between(before, after) == expected


def test_forgetting_a_refused_token_is_told_to_nobody():
    login = Login(AuthProvider.GOOGLE, token=None)
    with_token = Federated(grant(), (Login(AuthProvider.GOOGLE, token=object()),))
    without = Federated(grant(), (login,))
    assert event_between(record(with_token), record(without)) is None


def test_each_state_has_its_public_name():
    assert [name_of(state) for state in (OUT, GUEST, IN, OVER)] == [
        "signed_out", "signed_out", "federated", "expired",
    ]  # fmt: skip

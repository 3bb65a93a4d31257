"""The machine: every event in every state, by the specification's table, and its picture.

`python -m tests.model.test_machine` prints the picture for the README.
"""

from pathlib import Path
from typing import get_args

import pytest
from attrs import evolve, fields

from amplify_federation._model.machine import (
    Cleared,
    CredentialsRenewed,
    Event,
    FederationSucceeded,
    GuestArrived,
    GuestForgotten,
    Lapsed,
    RefreshTokenRefused,
    RefreshTokenRotated,
    TokenRefused,
    advance,
)
from amplify_federation._model.providers import AuthProvider
from amplify_federation._model.state import Expired, Federated, SignedOut, State
from amplify_federation._model.values import Secret
from amplify_federation.errors import InvalidStateError
from tests.model.samples import ALICE, BOB, grant, login, refresh_grant

README = Path(__file__).parents[2] / "README.md"
LOGINS = (login(), login(AuthProvider.FACEBOOK))
STATES: tuple[State, ...] = (
    SignedOut(),
    Federated(grant(), LOGINS),
    Expired(ALICE, tuple(each.without_token() for each in LOGINS)),
)
EVENTS: dict[str, Event] = {
    "federation succeeded": FederationSucceeded(grant(key_id="ASIA2"), LOGINS),
    "credentials renewed": CredentialsRenewed(grant(key_id="ASIA2")),
    "token refused, credentials still good": TokenRefused(AuthProvider.GOOGLE),
    "refresh token replaced by the provider": RefreshTokenRotated(refresh_grant("new")),
    "refresh token refused": RefreshTokenRefused(AuthProvider.GOOGLE),
    "credentials over, and no token helps": Lapsed(),
    "guest arrived": GuestArrived(grant(key_id="ASIA2")),
    "guest forgotten": GuestForgotten(),
    "cleared": Cleared(),
}
UNLAWFUL = "unlawful"
# The table of the specification, row by row: signed out, federated, expired.
LAWFUL = {
    FederationSucceeded: ("Federated", "Federated", "Federated"),
    CredentialsRenewed: (UNLAWFUL, "Federated", UNLAWFUL),
    TokenRefused: (UNLAWFUL, "Federated", UNLAWFUL),
    RefreshTokenRotated: (UNLAWFUL, "Federated", "Expired"),
    RefreshTokenRefused: (UNLAWFUL, "Federated", "Expired"),
    Lapsed: (UNLAWFUL, "Expired", "Expired"),
    GuestArrived: ("SignedOut", UNLAWFUL, UNLAWFUL),
    GuestForgotten: ("SignedOut", UNLAWFUL, UNLAWFUL),
    Cleared: ("SignedOut", "SignedOut", "SignedOut"),
}


def outcome(state: State, event: Event) -> str:
    """Return the name of the next state, or `unlawful`."""
    try:
        return type(advance(state, event)).__name__
    except InvalidStateError:
        return UNLAWFUL


def render() -> str:
    """Return the grid as a markdown table."""
    names = [type(state).__name__ for state in STATES]
    lines = [f"| event | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for words, event in EVENTS.items():
        cells = [outcome(state, event) for state in STATES]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_grid_has_every_state_and_every_event():
    assert {type(state) for state in STATES} == set(get_args(State))
    assert {type(event) for event in EVENTS.values()} == set(get_args(Event)) == set(LAWFUL)


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_every_event_in_every_state_leads_where_the_table_says(state, event):
    assert outcome(state, event) == LAWFUL[type(event)][STATES.index(state)]


@pytest.mark.parametrize(
    ("state", "event"),
    [(s, e) for s in STATES for e in EVENTS.values() if outcome(s, e) == UNLAWFUL],
    ids=lambda value: type(value).__name__,
)
def test_an_unlawful_move_names_both_sides_and_changes_nothing(state, event):
    before = {name.name: getattr(state, name.name) for name in fields(type(state))}
    with pytest.raises(InvalidStateError) as caught:
        advance(state, event)
    assert type(event).__name__ in caught.value.message
    assert type(state).__name__ in caught.value.message
    assert {name: getattr(state, name) for name in before} == before


def test_a_federation_replaces_all_that_was_there():
    new = advance(Federated(grant(ALICE), (login(),)), FederationSucceeded(grant(BOB), ()))
    assert new == Federated(grant(BOB), ())


def test_a_federation_drops_a_guest():
    new = advance(SignedOut(grant(BOB)), FederationSucceeded(grant(ALICE), (login(),)))
    assert new == Federated(grant(ALICE), (login(),))


def test_a_renewal_keeps_the_logins_and_adopts_the_answers_identity():
    new = advance(Federated(grant(ALICE), (login(),)), CredentialsRenewed(grant(BOB)))
    assert isinstance(new, Federated)
    assert new.identity_id == BOB
    assert new.linked_logins == (login(),)


def test_a_refused_token_is_forgotten_and_the_other_logins_stay():
    logins = (login(AuthProvider.GOOGLE), login(AuthProvider.FACEBOOK))
    new = advance(Federated(grant(), logins), TokenRefused(AuthProvider.GOOGLE))
    assert isinstance(new, Federated)
    assert [each.token for each in new.linked_logins] == [None, Secret("token")]
    assert new.logins == (AuthProvider.GOOGLE, AuthProvider.FACEBOOK)
    assert new.credentials == grant().credentials


@pytest.mark.parametrize("state", STATES[1:], ids=lambda state: type(state).__name__)
def test_a_refresh_token_changes_at_its_own_login_alone(state):
    rotated = advance(state, RefreshTokenRotated(refresh_grant("new")))
    assert [each.refresh_grant for each in rotated.linked_logins] == [refresh_grant("new"), None]
    refused = advance(rotated, RefreshTokenRefused(AuthProvider.GOOGLE))
    assert refused == state


def test_a_lapse_keeps_the_refresh_grant():
    logins = (evolve(login(), refresh_grant=refresh_grant()),)
    new = advance(Federated(grant(ALICE), logins), Lapsed())
    assert [(each.token, each.refresh_grant) for each in new.linked_logins] == [
        (None, refresh_grant())
    ]


def test_a_lapse_keeps_identity_and_providers_and_no_secret():
    new = advance(Federated(grant(ALICE), (login(),)), Lapsed())
    assert new == Expired(ALICE, (login(token=None),))
    assert isinstance(new, Expired)
    assert new.logins == (AuthProvider.GOOGLE,)


def test_a_second_lapse_changes_nothing():
    state = Expired(ALICE, (login(token=None),))
    assert advance(state, Lapsed()) is state


def test_a_new_guest_replaces_the_old_one():
    assert advance(SignedOut(grant(ALICE)), GuestArrived(grant(BOB))) == SignedOut(grant(BOB))


def test_clearing_where_nobody_is_federated_keeps_the_guest():
    state = SignedOut(grant())
    assert advance(state, Cleared()) is state


@pytest.mark.parametrize("state", STATES[1:], ids=lambda state: type(state).__name__)
def test_clearing_a_federation_leaves_nothing(state):
    assert advance(state, Cleared()) == SignedOut(None)


def test_the_readme_shows_the_machines_own_grid():
    text = README.read_text(encoding="utf-8")
    if "<!-- state grid -->" not in text:
        pytest.skip("the README shows no state grid")
    assert f"<!-- state grid -->\n\n{render()}\n" in text


if __name__ == "__main__":
    print(render())

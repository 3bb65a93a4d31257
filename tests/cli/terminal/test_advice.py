import pytest

from amplify_federation import (
    CallTimeoutError,
    InvalidStateError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOutError,
    UnsafePermissionsError,
)
from amplify_federation.cli.terminal.advice import advice_for


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        (SignedOutError, "amplify-federation federate"),
        (SessionExpiredError, "amplify-federation federate"),
        (NotAuthorizedError, "amplify-federation federate"),
        (InvalidStateError, "amplify-federation session"),
        (CallTimeoutError, "amplify-federation doctor"),
    ],
)
def test_at_a_terminal_the_advice_names_a_command(kind, command):
    assert command in advice_for(kind("a message"))
    assert "`federate_to_identity_pool`" not in advice_for(kind("a message"))


def test_an_errors_own_special_advice_stands():
    error = NotAuthorizedError("a message", recovery_suggestion="Add the provider.")
    assert advice_for(error) == "Add the provider."
    assert advice_for(UnsafePermissionsError("a message")) == UnsafePermissionsError.recovery

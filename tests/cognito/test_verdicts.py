import pytest

from amplify_federation._cognito.verdicts import identity_is_lost, is_about_the_token
from amplify_federation.errors import (
    InvalidParameterError,
    NotAuthorizedError,
    NotAuthorizedReason,
    ResourceConflictError,
    ResourceNotFoundError,
)

R = NotAuthorizedReason


def refused(reason):
    error = NotAuthorizedError("said")
    error.reason = reason
    return error


def test_only_a_refusal_is_about_the_token():
    assert is_about_the_token(refused(R.TOKEN_EXPIRED))
    assert not is_about_the_token(refused(R.IDENTITY_MISMATCH))
    assert not is_about_the_token(InvalidParameterError("Token expired"))
    assert not is_about_the_token(ValueError())


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (refused(R.IDENTITY_MISMATCH), True),
        (ResourceNotFoundError("gone"), True),
        (refused(R.TOKEN_INACTIVE), False),
        (ResourceConflictError("linked elsewhere"), False),
        (ValueError(), False),
    ],
)
def test_an_identity_is_lost_if_cognito_does_not_give_it(error, lost):
    assert identity_is_lost(error) is lost

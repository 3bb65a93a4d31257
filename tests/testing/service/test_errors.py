from amplify_federation import FederatedAuth, NotAuthorizedError, NotAuthorizedReason
from amplify_federation.testing._service import errors


def test_refusal_has_a_code_and_may_have_a_message():
    assert errors.not_authorized("why").code == "NotAuthorizedException"
    assert errors.ServiceRefusal(errors.SERIALIZATION).message is None
    assert errors.no_pool("p").message == "IdentityPool 'p' not found."
    assert errors.no_identity("i").code == "ResourceNotFoundException"
    assert errors.forbidden("i").message == "Access to Identity 'i' is forbidden."


async def test_reasons_of_the_session_are_read_from_these_messages(
    federated_auth: FederatedAuth, fake_cognito
):
    from amplify_federation import AuthProvider  # noqa: PLC0415  # beside its use

    expected = {
        "Invalid login token. Token expired: 2 >= 1": NotAuthorizedReason.TOKEN_EXPIRED,
        errors.TOKEN_MALFORMED: NotAuthorizedReason.TOKEN_MALFORMED,
        errors.TOKEN_SIGNATURE: NotAuthorizedReason.TOKEN_SIGNATURE,
        errors.TOKEN_INACTIVE: NotAuthorizedReason.TOKEN_INACTIVE,
        errors.UNSUPPORTED_PROVIDER: NotAuthorizedReason.PROVIDER_NOT_CONFIGURED,
        errors.TOKEN_ISSUER: NotAuthorizedReason.WRONG_PROVIDER,
        errors.NO_GUESTS: NotAuthorizedReason.GUESTS_OFF,
        errors.LOGINS_DO_NOT_MATCH: NotAuthorizedReason.IDENTITY_MISMATCH,
    }
    seen = {}
    for message in expected:
        fake_cognito.fail_next("NotAuthorizedException", message=message, times=2)
        try:
            await federated_auth.federate_to_identity_pool("token", AuthProvider.GOOGLE)
        except NotAuthorizedError as error:
            seen[message] = error.reason
        fake_cognito.clear_faults()
    assert seen == expected

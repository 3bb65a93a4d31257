from amplify_federation import FederatedAuth, NotAuthorizedError, NotAuthorizedReason
from amplify_federation.testing._service import refusal


def test_refusal_has_a_code_and_may_have_a_message():
    assert refusal.not_authorized("why").code == "NotAuthorizedException"
    assert refusal.Refusal(refusal.SERIALIZATION).message is None
    assert refusal.no_pool("p").message == "IdentityPool 'p' not found."
    assert refusal.no_identity("i").code == "ResourceNotFoundException"
    assert refusal.forbidden("i").message == "Access to Identity 'i' is forbidden."


async def test_reasons_of_the_session_are_read_from_these_messages(
    federated_auth: FederatedAuth, fake_cognito
):
    from amplify_federation import AuthProvider  # noqa: PLC0415  # beside its use

    expected = {
        "Invalid login token. Token expired: 2 >= 1": NotAuthorizedReason.TOKEN_EXPIRED,
        refusal.TOKEN_MALFORMED: NotAuthorizedReason.TOKEN_MALFORMED,
        refusal.TOKEN_SIGNATURE: NotAuthorizedReason.TOKEN_SIGNATURE,
        refusal.TOKEN_INACTIVE: NotAuthorizedReason.TOKEN_INACTIVE,
        refusal.UNSUPPORTED_PROVIDER: NotAuthorizedReason.PROVIDER_NOT_CONFIGURED,
        refusal.TOKEN_ISSUER: NotAuthorizedReason.WRONG_PROVIDER,
        refusal.NO_GUESTS: NotAuthorizedReason.GUESTS_OFF,
        refusal.LOGINS_DO_NOT_MATCH: NotAuthorizedReason.IDENTITY_MISMATCH,
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

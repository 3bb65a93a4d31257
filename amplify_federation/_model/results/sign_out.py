"""What a sign-out says: what became of the refresh token at its provider."""

from enum import StrEnum

from attrs import field, frozen


class Revocation(StrEnum):
    """What became of a refresh token at its provider."""

    REVOKED = "revoked"
    NOT_OFFERED = "not_offered"
    NOTHING_TO_REVOKE = "nothing_to_revoke"
    FAILED = "failed"
    NOT_ASKED = "not_asked"


_ADVICE = {
    Revocation.NOT_OFFERED: (
        "The provider offers no revocation: to end the refresh token there, remove this "
        "application on the provider's page of connected applications."
    ),
    Revocation.FAILED: (
        "The session is forgotten here; to end the refresh token at the provider, remove this "
        "application on the provider's page of connected applications."
    ),
}


@frozen
class SignOutResult:
    """What a sign-out did beside forgetting the session, which it did in any case.

    `message` says it in one sentence; `recovery_suggestion` says what is left to do, or is `None`.
    """

    revocation: Revocation
    message: str
    recovery_suggestion: str | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "recovery_suggestion", _ADVICE.get(self.revocation))

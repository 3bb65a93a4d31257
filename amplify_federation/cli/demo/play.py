"""What the scenes of the demonstration share: the stage, and what was learned so far.

This file must not know the scenes.
"""

from attrs import define

from amplify_federation import AWSCredentials, FederationResult
from amplify_federation.cli.demo.stage import Stage
from amplify_federation.cli.terminal.showing import moment, name_of, shown_id


@define
class Play:
    """A story under way. Later scenes rely on what earlier ones left here."""

    stage: Stage
    token: str = ""
    first: FederationResult | None = None
    sealed: tuple[str, ...] = ()  # what must not be found in the file, nor on the screen

    def state(self) -> str:
        """Return the name of the session's state."""
        return name_of(self.stage.auth.state)

    def known(self) -> FederationResult:
        """Return what the first federation gave."""
        if self.first is None:  # pragma: no cover  # the federation comes before whatever asks
            raise AssertionError
        return self.first

    def is_silent(self, raw: bytes) -> bool:
        """Tell whether none of the secrets stands in these bytes."""
        return not any(secret.encode() in raw for secret in self.sealed)


def told(credentials: AWSCredentials | None) -> tuple[str, str]:
    """Return credentials as a scene shows them: without their secrets."""
    if credentials is None:
        return "credentials", "none"
    until = moment(credentials.expiration)
    return "credentials", f"{shown_id(credentials)} (secrets hidden), until {until}"

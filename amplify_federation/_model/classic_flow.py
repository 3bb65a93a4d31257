"""ClassicFlow: which role a session has in Cognito's classic flow, how narrowed, and how long.

Limits are those of STS's AssumeRoleWithWebIdentity (API reference of AWS STS).
"""

import json
import re

from attrs import asdict, field, frozen

from amplify_federation.errors import ConfigurationError

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[!-~]+", re.ASCII)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_DURATIONS = range(900, 43_201)  # seconds
_MAX_POLICY = 2_048  # characters
_MAX_ARN = 2_048  # characters


@frozen
class ClassicFlow:
    """The classic flow of an identity pool that allows it: a role of your choice, for your time.

    Instead of `GetCredentialsForIdentity` a session calls `GetOpenIdToken` and then STS's
    `AssumeRoleWithWebIdentity`, also unsigned. Guests keep the flow that they have.

    Args:
        role_arn: the role; it must trust the pool for `sts:AssumeRoleWithWebIdentity`.
        session_policy: an IAM policy as JSON, at most 2,048 characters: what the session may do is
            what the role and this policy both allow.
        duration: seconds, 900 to the role's own maximum, which is at most 43,200.
        session_name: the name of the session in CloudTrail, 2 to 64 characters.

    Raises:
        ConfigurationError: one of them is malformed.
    """

    role_arn: str
    session_policy: str | None = field(default=None, kw_only=True)
    duration: int = field(default=3_600, kw_only=True)
    session_name: str = field(default="amplify_federation", kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Check everything."""
        fault = _fault(self)
        if fault is not None:
            raise ConfigurationError(fault)


def _fault(given: ClassicFlow) -> str | None:
    values: dict[str, object] = asdict(given)  # whatever a caller gave
    role_arn, name, duration = (values[each] for each in ("role_arn", "session_name", "duration"))
    if (
        not isinstance(role_arn, str)
        or len(role_arn) > _MAX_ARN
        or not _ROLE_ARN.fullmatch(role_arn)
    ):
        return "`role_arn` must be the ARN of an IAM role."
    if not isinstance(name, str) or not _SESSION_NAME.fullmatch(name):
        return "`session_name` must be 2 to 64 letters, digits or characters of `+=,.@_-`."
    if isinstance(duration, bool) or not isinstance(duration, int) or duration not in _DURATIONS:
        return "`duration` must be 900 to 43200 whole seconds."
    if given.session_policy is not None and not _is_policy(given.session_policy):
        return "`session_policy` must be an IAM policy as JSON, of at most 2048 characters."
    return None


def _is_policy(policy: object) -> bool:
    if not isinstance(policy, str) or len(policy) > _MAX_POLICY:
        return False
    try:
        return isinstance(json.loads(policy), dict)
    except ValueError:
        return False

import re
from pathlib import Path

import pytest

from amplify_federation import (
    CallTimeoutError,
    InvalidStateError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOutError,
    UnsafePermissionsError,
    errors,
)
from amplify_federation.cli.exit_codes import MEANINGS, ExitCode, advice_for, exit_code_of

CODES = {
    "AuthError": 1,
    "ValidationError": 2,
    "ConfigurationError": 3, "InvalidAccountTypeError": 3,
    "SignedOutError": 4,
    "SessionExpiredError": 5,
    "ServiceError": 6, "NotAuthorizedError": 6, "ResourceNotFoundError": 6,
    "ResourceConflictError": 6, "InvalidParameterError": 6, "LimitExceededError": 6,
    "InvalidIdentityPoolConfigurationError": 6,
    "NetworkError": 7, "CallTimeoutError": 7,
    "TooManyRequestsError": 8, "ExternalServiceError": 8, "InternalServiceError": 8,
    "MalformedResponseError": 8, "UnknownServiceError": 8,
    "StoreError": 9, "SessionFileCorruptError": 9, "SessionKeyError": 9,
    "SessionFormatTooNewError": 9, "StoreConflictError": 9, "StoreLockedError": 9,
    "StoreUnavailableError": 9, "UnsafePermissionsError": 9,
    "InvalidStateError": 10,
}  # fmt: skip


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_an_error_ends_the_command_with_its_number(name, code):
    assert exit_code_of(getattr(errors, name)("a message")) == code


def test_every_error_has_a_number():
    def below(kind):
        return {kind.__name__}.union(*(below(child) for child in kind.__subclasses__()))

    own = {name for name in below(errors.AuthError) if hasattr(errors, name)}
    assert own == set(CODES)


def test_every_number_is_distinct_and_explained():
    assert set(MEANINGS) == set(ExitCode)
    assert len({int(code) for code in ExitCode}) == len(ExitCode)


def test_the_readme_has_the_same_table():
    folder = Path(__file__).parents[2] / "amplify_federation" / "cli"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    _, _, section = readme.partition("### Exit codes\n")
    table = re.findall(r"^\| (\d+) \| (.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert {int(code): meaning for code, meaning in table} == {
        int(code): meaning for code, meaning in MEANINGS.items()
    }


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

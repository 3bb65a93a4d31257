import re
from pathlib import Path

import pytest

from amplify_federation import (
    AuthProvider,
    CallTimeoutError,
    InvalidStateError,
    NotAuthorizedError,
    SessionExpiredError,
    SignedOutError,
    UnsafePermissionsError,
    errors,
)
from amplify_federation.cli.exit_codes import MEANINGS, ExitCode, advice_for, exit_code_of

GOOGLE = AuthProvider.GOOGLE
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


def named_in(advice):
    """Return the commands that an advice names, one for each way to sign in."""
    return re.findall(r"amplify-federation ((?:[\w-]+)(?: (?:--[\w-]+|NAME|FILE))*)", advice)


def sign_in_as_told(command, done, token, file):
    """Sign in by the command in what was printed, with a token of one's own."""
    (told,) = [each for each in named_in(done.stderr) if each.startswith("federate")]
    file.write_text(token)
    arguments = told.replace("NAME", "google").replace("FILE", str(file)).split()
    assert command(*arguments).code == 0
    assert command("credentials", "--format", "json").code == 0


def test_the_advice_to_who_is_signed_out_signs_in(command, token, tmp_path):
    done = command("credentials", "--format", "json")
    assert done.code == ExitCode.SIGNED_OUT
    assert "login" in named_in(done.stderr)
    sign_in_as_told(command, done, token, tmp_path / "token")


def test_the_advice_at_the_end_of_a_session_signs_in_again(command, fake, token, tmp_path):
    old = fake.issue_token(GOOGLE, "alice", lifetime=60)
    assert command("federate", "--provider", "google", "--token-file", "-", stdin=old).code == 0
    fake.advance(4_000)
    done = command("session", "--refresh")
    assert done.code == ExitCode.EXPIRED
    sign_in_as_told(command, done, fake.issue_token(GOOGLE, "alice"), tmp_path / "token")


def test_the_advice_on_a_refused_token_signs_in_with_a_new_one(command, fake, token, tmp_path):
    old = fake.issue_token(GOOGLE, "alice", lifetime=-3_600)
    done = command("federate", "--provider", "google", "--token-file", "-", stdin=old)
    assert done.code == ExitCode.REFUSED
    sign_in_as_told(command, done, token, tmp_path / "token")


@pytest.mark.parametrize("kind", [CallTimeoutError, InvalidStateError])
def test_a_command_that_advice_names_runs_and_says_how_it_stands(kind, signed_in):
    (told,) = named_in(advice_for(kind("a message")))
    done = signed_in(told)
    assert done.code == ExitCode.OK, done
    assert "federated" in done.stdout.lower()

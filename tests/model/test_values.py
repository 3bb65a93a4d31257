import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone

import attrs
import pytest

from amplify_federation import AuthSettings, IdentityPool, Record
from amplify_federation._model.auth_session import AuthResult
from amplify_federation._model.state import SignedOut
from amplify_federation._model.values import (
    AWSCredentials,
    Secret,
    SubjectDigest,
    as_secret,
    checked_secret,
)
from amplify_federation.errors import ValidationError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_secret_is_read_by_asking_and_no_other_way():
    secret = Secret("canary")
    assert secret.reveal() == "canary"
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!s:>20}", f"{[secret]}"):
        assert "[secure]" in shown
        assert "canary" not in shown


def test_secrets_compare_by_their_text():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != "a"


def test_secrets_that_are_no_unicode_compare_too():
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != Secret("a")


def test_copying_a_secret_makes_no_second_one():
    secret = Secret("canary")
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_a_secret_is_refused_with_what_to_do(protocol):
    with pytest.raises(TypeError, match="boto3_arguments") as caught:
        pickle.dumps(Secret("canary"), protocol)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", ["", None, b"canary", 1])
def test_a_secret_must_be_a_non_empty_string(value):
    with pytest.raises(ValidationError) as caught:
        checked_secret(as_secret(value))
    assert type(value).__name__ in caught.value.message
    assert "canary" not in caught.value.message


def test_a_secret_passes_as_it_is():
    secret = Secret("a")
    assert checked_secret(as_secret(secret)) is secret


def test_one_value_can_be_made_of_another():
    credentials = AWSCredentials("AKIA", "key", "token", NOON)
    later = attrs.evolve(credentials, expiration=NOON + timedelta(hours=1))
    assert later.secret_access_key == "key"
    assert later.expiration - NOON == timedelta(hours=1)


def test_credentials_give_their_secrets_by_property_only():
    credentials = AWSCredentials("AKIA", "canary-key", "canary-token", NOON)
    assert credentials.secret_access_key == "canary-key"
    assert credentials.session_token == "canary-token"
    assert "canary" not in repr(credentials)
    assert "canary" not in repr(attrs.asdict(credentials))
    with pytest.raises(TypeError):
        pickle.dumps(credentials)


def test_credentials_are_given_as_the_arguments_of_a_boto3_session():
    credentials = AWSCredentials("AKIA", "key", "token", NOON)
    assert credentials.boto3_arguments() == {
        "aws_access_key_id": "AKIA",
        "aws_secret_access_key": "key",
        "aws_session_token": "token",
    }


def test_credentials_are_equal_by_value_and_cannot_be_changed():
    one, other = (AWSCredentials("AKIA", "key", "token", NOON) for _ in range(2))
    assert one == other
    assert one != AWSCredentials("AKIA", "key", "other", NOON)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.access_key_id = "AKIB"


def test_an_expiration_of_another_zone_is_shown_in_utc():
    rome = NOON.astimezone(timezone(timedelta(hours=1)))
    credentials = AWSCredentials("AKIA", "key", "token", rome)
    assert credentials.expiration == NOON
    assert credentials.expiration.tzinfo is UTC


@pytest.mark.parametrize("expiration", [datetime(2026, 1, 1), 1_800_000_000.0, None])  # noqa: DTZ001  # naive is the point
def test_an_expiration_without_a_zone_is_refused(expiration):
    with pytest.raises(ValidationError, match="aware"):
        AWSCredentials("AKIA", "key", "token", expiration)


SHOWN_ALIKE = (
    SignedOut(), AuthResult("value"), AuthSettings(), Record("version", b"data"),
    IdentityPool("us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768"),
    AWSCredentials("AKIA", "key", "token", NOON), SubjectDigest(b"key", b"digest"),
)  # fmt: skip


@pytest.mark.parametrize("value", SHOWN_ALIKE, ids=lambda value: type(value).__name__)
def test_a_value_is_shown_compared_and_hashed_as_attrs_would_do_it(value):
    own = {each.name: attrs.field(repr=each.repr) for each in attrs.fields(type(value))}
    plain = attrs.make_class(type(value).__name__, own, init=False, slots=False)

    def twin() -> object:
        made = plain.__new__(plain)
        made.__dict__.update({name: getattr(value, name) for name in own})
        return made

    assert repr(value) == repr(twin())
    assert value == copy.copy(value)
    assert hash(value) == hash(copy.copy(value))
    assert value != twin()


def test_values_with_one_field_that_differs_are_not_equal():
    assert AuthSettings() != AuthSettings(timeout=1.0)
    assert len({AuthSettings(), AuthSettings(timeout=1.0), AuthSettings(timeout=1.0)}) == 2


def test_a_value_without_its_fields_yet_can_be_shown_by_a_traceback():
    assert repr(SignedOut.__new__(SignedOut)) == "SignedOut(guest=NOTHING)"

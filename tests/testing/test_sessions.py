from datetime import UTC, datetime, timedelta

import pytest

from amplify_federation import AuthSession, AWSCredentials, InvalidStateError
from amplify_federation.testing import make_session


def test_session_is_signed_in_and_good_for_an_hour():
    session = make_session()
    assert isinstance(session, AuthSession)
    assert session.is_signed_in
    assert session.identity_id.startswith("us-west-2:")
    assert session.identity_id != make_session().identity_id
    life = session.credentials.expiration - datetime.now(UTC)
    assert timedelta(minutes=55) < life <= timedelta(hours=1)
    assert session.renewal_error is None


def test_session_has_no_user_pool_access_like_any_federated_one():
    session = make_session()
    for result in (session.user_pool_tokens_result, session.user_sub_result):
        with pytest.raises(InvalidStateError, match="do not have User Pool access"):
            _ = result.value


def test_session_may_be_given_its_values():
    expiration = datetime(2030, 1, 1, tzinfo=UTC)
    assert make_session(expiration=expiration).credentials.expiration == expiration
    credentials = AWSCredentials("ASIAEXAMPLE", "secret", "token", expiration)
    session = make_session(identity_id="eu-west-1:0", credentials=credentials)
    assert (session.identity_id, session.credentials) == ("eu-west-1:0", credentials)

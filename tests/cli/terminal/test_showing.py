from datetime import UTC, datetime, timedelta, timezone

import pytest

from amplify_federation import AWSCredentials, Expired, SignedOut
from amplify_federation.cli.terminal.showing import (
    duration,
    moment,
    name_of,
    remaining,
    shown_id,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CREDENTIALS = AWSCredentials("ASIAIOSFODNN7EXAMPLE", "secret", "token", NOON)


def test_a_state_has_the_name_that_events_have():
    assert name_of(SignedOut()) == "signed_out"
    assert name_of(Expired("us-west-2:0", ())) == "expired"


def test_an_access_key_id_is_shown_short():
    assert shown_id(CREDENTIALS) == "ASIA...MPLE"


def test_a_time_is_shown_in_utc_as_aws_writes_it():
    assert moment(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-11-23T12:00:00Z"


def test_what_remains_is_shown():
    soon = remaining(CREDENTIALS, NOON - timedelta(minutes=59, seconds=30))
    assert soon == "good for 59 min (until 2026-11-23T12:00:00Z)"
    assert remaining(CREDENTIALS, NOON) == "over since 2026-11-23T12:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "5 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_a_duration_is_shown_in_the_units_that_matter(seconds, text):
    assert duration(seconds) == text

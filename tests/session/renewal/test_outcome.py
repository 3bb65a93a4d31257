"""How a renewal ended, in one word."""

import logging

import pytest

from amplify_federation import NetworkError, StoreLockedError
from amplify_federation._session.renewal.outcome import Outcome, log_renewal

CASES = [
    (Outcome(), "renewed", "INFO"),
    (Outcome(changed=True), "not_needed", "INFO"),
    (Outcome(StoreLockedError("held"), gave_way=True), "gave_way", "INFO"),
    (Outcome(NetworkError("secret words")), "NetworkError", "WARNING"),
]


@pytest.mark.parametrize(("outcome", "word", "level"), CASES)
def test_an_outcome_is_logged_by_its_word_and_never_by_a_message(caplog, outcome, word, level):
    caplog.set_level(logging.DEBUG, logger="amplify_federation")
    log_renewal(outcome, "pool/name", early=False, seconds=0.25)
    (record,) = caplog.records
    assert (record.levelname, record.outcome, record.session) == (level, word, "pool/name")
    assert (record.event, record.early, record.seconds) == ("renewal", False, 0.25)
    assert "secret words" not in record.getMessage() + repr(vars(record))

from amplify_federation import SessionExpiredError, StoreLockedError
from amplify_federation.cli.checks.finding import Verdict, from_error, note, ok, wrong
from amplify_federation.cli.terminal.exit_codes import ExitCode


def test_what_is_well_and_what_is_worth_knowing_end_with_0():
    assert ok("key", "there").exit_code is ExitCode.OK
    assert note("key", "odd", "look").exit_code is ExitCode.OK


def test_what_is_wrong_has_advice_and_a_number():
    finding = wrong("key", "gone", "bring it")
    assert (finding.verdict, finding.exit_code) == (Verdict.WRONG, ExitCode.FAULT)
    assert finding.advice == "bring it"


def test_an_error_becomes_a_finding_with_its_own_number_and_advice():
    assert from_error("lock", StoreLockedError("held")).exit_code is ExitCode.STORE
    assert "federate" in from_error("session", SessionExpiredError("over")).advice

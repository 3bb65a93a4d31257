"""One finding of `doctor`: what was looked at, what was found, and what to do.

This file must not know how anything is found or printed.
"""

from enum import StrEnum

from attrs import frozen

from amplify_federation import AuthError
from amplify_federation.cli.terminal.advice import advice_for
from amplify_federation.cli.terminal.exit_codes import ExitCode, exit_code_of


class Verdict(StrEnum):
    """How it stands."""

    OK = "ok"
    NOTE = "note"  # worth knowing; nothing has to be done
    WRONG = "wrong"


@frozen
class Finding:
    """What was found on a subject. No secret is ever in it."""

    subject: str
    verdict: Verdict
    found: str
    advice: str = ""
    exit_code: ExitCode = ExitCode.OK


def ok(subject: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(subject, Verdict.OK, found)


def note(subject: str, found: str, advice: str = "") -> Finding:
    """Return something worth knowing."""
    return Finding(subject, Verdict.NOTE, found, advice)


def wrong(subject: str, found: str, advice: str, exit_code: ExitCode = ExitCode.FAULT) -> Finding:
    """Return something that has to be mended."""
    return Finding(subject, Verdict.WRONG, found, advice, exit_code)


def from_error(subject: str, error: AuthError) -> Finding:
    """Return what an error says."""
    return wrong(subject, error.message, advice_for(error), exit_code_of(error))

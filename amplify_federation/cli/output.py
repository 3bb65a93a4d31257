"""Printing: results on stdout, errors and progress on stderr, JSON on request.

click leaves colours out where the output is no terminal.
"""

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from amplify_federation import AuthError, AWSCredentials
from amplify_federation.cli.exit_codes import advice_for, exit_code_of

_JSON = "amplify_federation.json"
F = TypeVar("F")


def _remember(context: click.Context, _parameter: click.Parameter, value: object) -> None:
    context.meta[_JSON] = bool(value)


json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,  # so that an error in a later option is printed as JSON, too
    expose_value=False,
    callback=_remember,
    help="Print JSON, errors too (on stderr).",
)


def wants_json() -> bool:
    """Whether this invocation was given `--json`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_JSON))


def print_json(document: Mapping[str, Any] | Iterable[Any]) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2))


def print_pairs(pairs: Iterable[tuple[str, str]], *, indent: str = "") -> None:
    """Print names and values in two columns; a value of several lines stays in its column."""
    rows = list(pairs)
    width = max((len(name) for name, _ in rows), default=0) + 2
    for name, value in rows:
        first, *rest = value.splitlines() or [""]
        click.echo(f"{indent}{click.style(name.ljust(width), fg='cyan')}{first}")
        for line in rest:
            click.echo(f"{indent}{' ' * width}{line}")


def print_error(error: AuthError) -> None:
    """Print an error on stderr, with its advice."""
    print_problem(
        type(error).__name__,
        error.message,
        advice=advice_for(error),
        exit_code=int(exit_code_of(error)),
    )


def print_problem(name: str, message: str, *, advice: str, exit_code: int) -> None:
    """Print an error of any kind on stderr."""
    if wants_json():
        document = {"error": name, "message": message, "advice": advice, "exit_code": exit_code}
        click.echo(json.dumps(document), err=True)
        return
    click.echo(wrapped(f"{click.style('Error:', fg='red', bold=True)} {message}"), err=True)
    click.echo(wrapped(advice, indent="  "), err=True)


@contextmanager
def printed_warnings(context: click.Context) -> Generator[None]:
    """Print the warnings that the package logs in this block on stderr, as `Warning: ...`.

    With `--json` nothing is printed: stderr carries the error then, and nothing else.
    """

    class Printer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not context.meta.get(_JSON):
                lead = click.style("Warning:", fg="yellow", bold=True)
                click.echo(wrapped(f"{lead} {record.getMessage()}"), err=True)

    logger, printer = logging.getLogger("amplify_federation"), Printer(logging.WARNING)
    logger.addHandler(printer)
    try:
        yield
    finally:
        logger.removeHandler(printer)


# A command stays on one line, so that it can be copied.
_COMMAND = re.compile(r"(amplify-federation|pip|chmod|chown|sudo|mv|rm|export) [\w'/-]")


def wrapped(text: str, *, indent: str = "") -> str:
    """Return prose broken between words at a terminal's width; elsewhere as it is."""
    if not sys.stderr.isatty() or _COMMAND.search(text):
        return indent + text
    # Most errors are read by programs. `shutil` takes 1.5 % of a start of `credentials`.
    from shutil import get_terminal_size  # noqa: PLC0415  # as said
    from textwrap import fill  # noqa: PLC0415  # as said

    return fill(
        text,
        get_terminal_size().columns - 1,
        initial_indent=indent,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def is_dumb() -> bool:
    """Whether the terminal knows no control sequences, as `TERM` says."""
    return os.environ.get("TERM") == "dumb"


DELAY = 1.0  # seconds before the first line of progress
_LOG_PAUSE = 10.0  # seconds between lines where stderr is no terminal


@contextmanager
def progress(doing: str, *, delay: float = DELAY) -> Generator[None]:
    """Print a line of progress if the block takes longer than `delay` seconds.

    On a terminal the line counts the seconds and is removed in the end; elsewhere it is repeated
    every 10 s. With `--json` nothing is printed: stderr carries the error then.
    """
    if wants_json():
        yield
        return
    over = threading.Event()
    # A thread, so that it needs no event loop and a blocked one cannot stop it.
    thread = threading.Thread(target=_tell, args=(doing, delay, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tell(doing: str, delay: float, over: threading.Event) -> None:
    waited = delay
    if over.wait(delay):
        return
    terminal = sys.stderr.isatty() and not is_dumb()
    while True:
        click.echo(
            f"\r{doing} ... {waited:.0f} s" if terminal else f"{doing} ...",
            nl=not terminal,
            err=True,
        )
        pause = 1.0 if terminal else _LOG_PAUSE
        if over.wait(pause):
            break
        waited += pause
    if terminal:
        click.echo("\r\x1b[K", nl=False, err=True)


_MINUTE, _HOUR = 60, 3600


def masked_key_id(credentials: AWSCredentials) -> str:
    """Return the access key id, which is no secret, short enough to compare by eye."""
    whole = credentials.access_key_id
    return f"{whole[:4]}...{whole[-4:]}"


def credentials_text(credentials: AWSCredentials) -> str:
    """Return credentials without their secrets, and how long they are valid."""
    return f"{masked_key_id(credentials)}, {remaining(credentials)}"


def utc_text(when: datetime) -> str:
    """Return a time in UTC as AWS writes it, to the second."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def remaining(credentials: AWSCredentials, now: datetime | None = None) -> str:
    """Return how long credentials are valid, in words."""
    left = (credentials.expiration - (now or datetime.now(UTC))).total_seconds()
    if left <= 0:
        return f"over since {utc_text(credentials.expiration)}"
    return f"good for {duration(left)} (until {utc_text(credentials.expiration)})"


def duration(seconds: float) -> str:
    """Return a duration in its largest unit, or in hours and minutes."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    hours, rest = divmod(whole, _HOUR)
    return f"{hours} h {rest // _MINUTE} min"

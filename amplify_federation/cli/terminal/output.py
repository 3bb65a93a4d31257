"""What is printed, and where: answers on stdout, trouble and progress on stderr.

click drops colours where the output is no terminal. This file must not know sessions.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import click

from amplify_federation import AuthError
from amplify_federation.cli.terminal.advice import advice_for
from amplify_federation.cli.terminal.exit_codes import exit_code_of

_JSON = "amplify_federation.json"
F = TypeVar("F")


def _remember(context: click.Context, _parameter: click.Parameter, value: object) -> None:
    context.meta[_JSON] = bool(value)


json_option = click.option(
    "--json",
    is_flag=True,
    is_eager=True,  # so that a mistake in what follows is told as JSON already
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
    """Print what went wrong on stderr, and what to do about it."""
    trouble(
        type(error).__name__,
        error.message,
        advice=advice_for(error),
        exit_code=int(exit_code_of(error)),
    )


def trouble(name: str, message: str, *, advice: str, exit_code: int) -> None:
    """Print trouble of any kind on stderr."""
    if wants_json():
        document = {"error": name, "message": message, "advice": advice, "exit_code": exit_code}
        click.echo(json.dumps(document), err=True)
        return
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {message}", err=True)
    click.echo(f"  {advice}", err=True)

"""`demo`: the main job from end to end, on this machine, in a few seconds."""

import textwrap
import time
from typing import Any

import anyio
import click

from amplify_federation.cli.demo_steps import Step
from amplify_federation.cli.exit_codes import ExitCode
from amplify_federation.cli.options import examples
from amplify_federation.cli.output import json_option, print_json, print_pairs, wants_json

_INTRODUCTION = """\
A user signs in with Google. Their token is exchanged for AWS credentials, which are stored, renewed
and used until the user signs out. Everything happens on this machine: no account, no network, and
nothing is left behind.
"""


@click.command(
    "demo",
    short_help="Show the whole life of a session, without AWS.",
    epilog=examples("amplify-federation demo", "amplify-federation demo --json"),
)
@json_option
def command() -> None:
    """Show the whole life of a session, on an embedded Cognito.

    Starts an embedded Cognito on a loopback port, and calls it over HTTP as AWS is called. A token
    like one of Google's is exchanged for credentials. They are stored in an encrypted file, where a
    second process finds them; renewed when they have expired; gone when the token has expired, too;
    there again with a new token; and cleared. Every step checks what it shows; exits with 0 if
    every check passed. Secrets are masked, and the temporary folder is removed.
    """
    began = time.perf_counter()
    steps = anyio.run(_run)
    elapsed = time.perf_counter() - began
    passed = all(step.passed for step in steps)
    if wants_json():
        print_json({"ok": passed, "seconds": round(elapsed, 2), "steps": _documents(steps)})
    else:
        _print_end(steps, elapsed)
    click.get_current_context().exit(int(ExitCode.OK if passed else ExitCode.FAULT))


async def _run() -> list[Step]:
    from amplify_federation.cli.demo_steps import run_steps  # noqa: PLC0415  # the test kit and httpx

    steps: list[Step] = []
    printing = not wants_json()
    if printing:
        click.echo(_INTRODUCTION)
    async for step in run_steps():
        steps.append(step)
        if printing:
            _print_step(len(steps), step)
    return steps


def _documents(steps: list[Step]) -> list[dict[str, Any]]:
    return [
        {
            "step": number,
            "title": step.title,
            "did": step.did or None,
            "calls": None if step.calls is None else list(step.calls),
            "state": step.state,
            "checks": dict(step.checks),
            **step.data,
        }
        for number, step in enumerate(steps, 1)
    ]


def _print_step(number: int, step: Step) -> None:
    click.echo(f"{click.style(f'{number:>2}', fg='yellow')}  {click.style(step.title, bold=True)}")
    click.echo(textwrap.fill(step.why, 92, initial_indent="    ", subsequent_indent="    "))
    if step.did:
        click.echo(f"    {click.style(step.did, fg='green')}")
    rows = list(step.facts)
    if step.calls is not None:
        rows.append(("calls", ", ".join(step.calls) or "none"))
    if step.state is not None:
        rows.append(("state", click.style(step.state, bold=True)))
    print_pairs(rows, indent="      ")
    for check, passed in step.checks:
        if not passed:
            click.echo(f"      {click.style('FAILED', fg='red', bold=True)}: {check}")
    click.echo()


def _print_end(steps: list[Step], elapsed: float) -> None:
    failed = sum(not passed for step in steps for _, passed in step.checks)
    if failed:
        click.secho(f"{failed} checks failed.", fg="red", bold=True)
        return
    calls = sum(len(step.calls or ()) for step in steps)
    click.echo(
        f"Every check passed: {len(steps)} steps, {calls} calls of Cognito, {elapsed:.1f} s."
    )
    click.echo("Next: amplify-federation --help, or the README for the few lines of Python.")

"""`demo`: the main job from end to end, on this machine, in a few seconds."""

import textwrap
import time
from typing import Any

import anyio
import click

from amplify_federation.cli.demo.scene import Scene
from amplify_federation.cli.terminal.exit_codes import ExitCode
from amplify_federation.cli.terminal.output import json_option, print_json, print_pairs, wants_json

_INTRODUCTION = """\
A user signs in with Google. Their token is traded for AWS credentials, which are kept, renewed,
lost and found again. Everything happens on this machine: no account, no network, no trace left.
"""


@click.command(
    "demo",
    short_help="Show the whole life of a session, without AWS.",
    epilog="\b\nExamples:\n  amplify-federation demo\n  amplify-federation demo --json",
)
@json_option
def command() -> None:
    """Show the whole life of a session, on an embedded Cognito.

    Starts a Cognito of its own on a loopback port, and works with it over HTTP as with AWS: a
    token of Google's shape is traded for credentials, they are kept in a sealed file that a second
    process finds, renewed when they are over, lost when the token is over, found again with a new
    token, and cleared. Every step checks what it shows; exits with 0 if all of it held. Secrets
    are masked, and the temporary folder is removed.
    """
    began = time.perf_counter()
    scenes = anyio.run(_played)
    elapsed = time.perf_counter() - began
    kept = all(scene.kept for scene in scenes)
    if wants_json():
        print_json({"ok": kept, "seconds": round(elapsed, 2), "steps": _documents(scenes)})
    else:
        _print_end(scenes, elapsed)
    click.get_current_context().exit(int(ExitCode.OK if kept else ExitCode.FAULT))


async def _played() -> list[Scene]:
    from amplify_federation.cli.demo.story import tell  # noqa: PLC0415  # the test kit and httpx

    scenes: list[Scene] = []
    aloud = not wants_json()
    if aloud:
        click.echo(_INTRODUCTION)
    async for scene in tell():
        scenes.append(scene)
        if aloud:
            _print_scene(len(scenes), scene)
    return scenes


def _documents(scenes: list[Scene]) -> list[dict[str, Any]]:
    return [
        {
            "step": number,
            "title": scene.title,
            "did": scene.did or None,
            "calls": None if scene.calls is None else list(scene.calls),
            "state": scene.state,
            "promises": dict(scene.promises),
            **scene.data,
        }
        for number, scene in enumerate(scenes, 1)
    ]


def _print_scene(number: int, scene: Scene) -> None:
    click.echo(f"{click.style(f'{number:>2}', fg='yellow')}  {click.style(scene.title, bold=True)}")
    click.echo(textwrap.fill(scene.why, 92, initial_indent="    ", subsequent_indent="    "))
    if scene.did:
        click.echo(f"    {click.style(scene.did, fg='green')}")
    rows = list(scene.facts)
    if scene.calls is not None:
        rows.append(("calls", ", ".join(scene.calls) or "none"))
    if scene.state is not None:
        rows.append(("state", click.style(scene.state, bold=True)))
    print_pairs(rows, indent="      ")
    for promise, held in scene.promises:
        if not held:
            click.echo(f"      {click.style('NOT SO', fg='red', bold=True)}: {promise}")
    click.echo()


def _print_end(scenes: list[Scene], elapsed: float) -> None:
    broken = sum(not held for scene in scenes for _, held in scene.promises)
    if broken:
        click.secho(f"{broken} of what was promised did not hold.", fg="red", bold=True)
        return
    calls = sum(len(scene.calls or ()) for scene in scenes)
    click.echo(f"All of it held: {len(scenes)} steps, {calls} calls of Cognito, {elapsed:.1f} s.")
    click.echo("Next: amplify-federation --help, or the README for the few lines of Python.")

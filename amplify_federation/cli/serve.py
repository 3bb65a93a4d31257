"""`serve`: the session's credentials for other programs, for as long as they run."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec

import anyio
import anyio.to_thread
import click

from amplify_federation import AWSCredentials, FederatedAuth
from amplify_federation.cli.credential_server import CredentialServer, serve_credentials
from amplify_federation.cli.credentials import fetch_for_tools
from amplify_federation.cli.exit_codes import ExitCode
from amplify_federation.cli.options import Target, target_options
from amplify_federation.cli.output import json_option, print_json, progress, wants_json

_NOT_FOUND = 127  # as shells have it
# What SDKs would prefer to the endpoint, so a program started here does not get it.
_PREFERRED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)


@click.command(
    "serve",
    short_help="Serve the credentials to AWS tools, renewed as needed.",
    context_settings={"allow_interspersed_args": False},  # what follows PROGRAM is its own
    epilog="\b\nExamples:\n"
    "  amplify-federation serve --pool ID -- aws s3 ls\n"
    "  amplify-federation serve --pool ID -- python game.py\n"
    "\b\n"
    "  For programs that are started elsewhere:\n"
    "    amplify-federation serve --pool ID > aws.env &\n"
    "    . ./aws.env",
)
@target_options
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port.  [default: a free one]"
)
@json_option
@click.argument("program", nargs=-1, type=click.UNPROCESSED)
def command(target: Target, *, port: int, program: Sequence[str]) -> None:
    """Serve the session's credentials on loopback, in the way that containers on AWS get theirs.

    Every AWS SDK and the AWS CLI ask there by themselves, and again when credentials end; they are
    renewed here. With a PROGRAM, runs it with the variables that point there, and ends with its
    exit code. Without, prints them as a shell's `export` lines, and serves until interrupted.

    Only who can read a private file gets credentials: it holds the random token that each request
    must carry. A web page gets nothing.
    """
    if find_spec("uvicorn") is None:
        message = "Serving needs uvicorn: pip install 'amplify-federation[cli]'"
        raise click.UsageError(message)
    child = _Child(program)
    # Before anything is served SIGTERM ends the command as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, child.on_end)
    try:
        code = anyio.run(lambda: _serve(target, port, child if program else None))
    except KeyboardInterrupt:
        code = int(ExitCode.OK)  # that is how a server is ended
    finally:
        signal.signal(signal.SIGTERM, before)
    click.get_current_context().exit(code)


class _Child:
    """The program that is given the credentials."""

    def __init__(self, program: Sequence[str]) -> None:
        self._program = list(program)
        self._process: subprocess.Popen[bytes] | None = None

    def on_end(self, number: int, frame: object) -> None:
        """Pass the wish to end on to the program; without one, interrupt the server."""
        del number, frame
        if self._process is not None:
            self._process.terminate()
        elif signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A script's background job: its shell has Ctrl-C ignored, and so would ours be.
            raise KeyboardInterrupt
        else:
            signal.raise_signal(signal.SIGINT)  # asyncio cancels the main task

    def run(self, server: CredentialServer) -> int:
        """Run it to its end; return its exit code as a shell has it."""
        kept = {name: value for name, value in os.environ.items() if name not in _PREFERRED}
        try:
            self._process = subprocess.Popen(  # noqa: S603  # what the user asked for, no shell
                self._program, env={**kept, **server.variables()}
            )
        except OSError as error:
            click.echo(f"{self._program[0]} cannot be run: {error.strerror}.", err=True)
            return _NOT_FOUND
        code = self._process.wait()
        # A signal's number is negative here; shells say 128 and the number.
        return code if code >= 0 else 128 - code


async def _serve(target: Target, port: int, child: _Child | None) -> int:
    async with target.open() as auth:
        with progress("Asking Cognito"):
            await _credentials(auth)  # whoever is not signed in hears of it now
        async with serve_credentials(lambda: _credentials(auth), port=port) as server:
            if child is not None:
                return await anyio.to_thread.run_sync(child.run, server)
            with _endings() as told_to_end:
                _announce(server)
                await told_to_end()
    return int(ExitCode.OK)


@contextmanager
def _endings() -> Generator[Callable[[], Awaitable[object]]]:
    """Give what waits for SIGTERM. A handler that raises may do so in a request, which is lost."""
    if sys.platform == "win32":  # no such signal comes
        yield anyio.sleep_forever
        return
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        yield signals.__anext__


async def _credentials(auth: FederatedAuth) -> AWSCredentials:
    return (await fetch_for_tools(auth, now=datetime.now(UTC))).credentials


def _announce(server: CredentialServer) -> None:
    if wants_json():
        print_json(server.variables())
    else:
        for name, value in server.variables().items():
            click.echo(f"export {name}={shlex.quote(value)}")
        click.echo("Serving; Ctrl-C ends it.", err=True)
    sys.stdout.flush()

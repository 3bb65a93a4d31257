"""`serve` and `exec`: the session's credentials for other programs, while they run."""

import os
import shlex
import signal
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Generator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec

import anyio
import click

from amplify_federation import AWSCredentials, FederatedAuth
from amplify_federation.cli.aws_config import files_preferred_to_servers, has_default_region
from amplify_federation.cli.credential_server import (
    CredentialServer,
    serve_credentials,
    write_private,
)
from amplify_federation.cli.credentials import fetch_for_tools
from amplify_federation.cli.exit_codes import ExitCode, code_of_program
from amplify_federation.cli.options import Target, port_option, session_command
from amplify_federation.cli.output import print_json, progress, wants_json

_TOKEN_VARIABLE = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
# SDKs prefer these to the endpoint, so a program that is started here does not get them.
_PREFERRED = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",  # the former name of the session token
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",  # with the next two: of a pod of Kubernetes, or a job of GitHub
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CREDENTIAL_FILE",  # of AWS's first tools, and of botocore still
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        _TOKEN_VARIABLE,
    }
)
# SDKs for Python read the second alone, most others the first.
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_BEARER_TOKENS = "AWS_BEARER_TOKEN_"  # AWS_BEARER_TOKEN_BEDROCK
# Secrets of this command, which a program that gets credentials does not need.
_SECRETS = frozenset(
    {
        "AMPLIFY_FEDERATION_KEY",
        "AMPLIFY_FEDERATION_TOKEN",
        "AMPLIFY_FEDERATION_STORE_URL",
        "AMPLIFY_FEDERATION_CLIENT_SECRET",
    }
)
# Those with which a terminal, a shell or a supervisor ends a process. Windows has fewer.
_END_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    if hasattr(signal, name)
)  # fmt: skip
_OF_TERMINALS = frozenset({"SIGINT", "SIGQUIT"})


@session_command(
    "serve",
    "amplify-federation serve --pool ID -- aws s3 ls",
    "amplify-federation serve --pool ID -- python game.py",
    "amplify-federation serve --pool ID --token-variable -- node game.js",
    "",
    "For programs that are started elsewhere:",
    "  amplify-federation serve --pool ID > aws.env &",
    "  . ./aws.env",
    interspersed=False,  # what follows PROGRAM is its own
)
@port_option("--port", "Port to serve on.")
@click.option(
    "--token-variable",
    is_flag=True,
    help=f"Set {_TOKEN_VARIABLE} too, for SDKs that read no token file, as JavaScript's "
    "`fromContainerMetadata`.",
)
@click.argument("program", nargs=-1, type=click.UNPROCESSED)
def command(target: Target, *, port: int, token_variable: bool, program: Sequence[str]) -> None:
    """Serve the session's credentials on loopback, in the way that containers on AWS get theirs.

    Every AWS SDK and the AWS CLI know this way, and ask again before the credentials expire; they
    are renewed here. With a PROGRAM, runs it with the variables that name the server, and exits
    with its code. Without, prints these variables as `export` lines for a shell, after an `unset`
    of those that AWS tools would prefer, and serves until interrupted. The region is the pool's, if
    neither environment nor default profile has one.

    The program gets neither the master key nor the provider's token. If a default profile in AWS's
    files has credentials, which AWS tools prefer to a server's, it gets a copy of that file without
    them.

    Each request must carry a random token, which is in a file that this user alone can read. A web
    page gets nothing.
    """
    _run_server(target, port, token_variable=token_variable, program=program)


@session_command(
    "exec",
    "amplify-federation exec -- aws s3 ls",
    "amplify-federation exec --session bob -- python game.py",
    interspersed=False,  # as above
)
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_command(target: Target, *, program: Sequence[str]) -> None:
    """Run a program with the session's credentials, renewed while it runs; exit with its code.

    The same as `serve -- PROGRAM`, whose help says more.
    """
    _run_server(target, 0, token_variable=False, program=program)


def _run_server(target: Target, port: int, *, token_variable: bool, program: Sequence[str]) -> None:
    if find_spec("uvicorn") is None:
        message = "Serving needs uvicorn: pip install 'amplify-federation[cli]'"
        raise click.UsageError(message)
    with _sigterm_as_interrupt():
        try:
            code = anyio.run(_serve, target, port, token_variable, program)
        except KeyboardInterrupt:
            if program or sys.platform != "win32":  # others get signals once they serve
                raise
            code = int(ExitCode.OK)  # so a server on Windows is ended
    click.get_current_context().exit(code)


async def _serve(target: Target, port: int, token_variable: bool, program: Sequence[str]) -> int:  # noqa: FBT001  # `anyio.run` passes no names
    async with target.open() as auth:
        with progress("Asking Cognito"):
            await _credentials(auth)  # an error now, if nobody is signed in
        # First, so that no signal ends the process and leaves the token's file.
        async with (
            _end_signals() as signals,
            serve_credentials(lambda: _credentials(auth), port=port) as server,
        ):
            variables = {**server.variables(), **_region(auth.pool.region)}
            if program:
                environment = _environment(
                    server, variables, program[0], token_variable=token_variable
                )
                return await _run(program, environment, signals)
            _announce(server, variables, token_variable=token_variable)
            await anext(signals)
    return int(ExitCode.OK)


def _region(of_the_pool: str) -> dict[str, str]:
    """Return the pool's region in AWS's variables, unless the user has chosen another."""
    if any(map(os.environ.get, _REGION_VARIABLES)) or has_default_region():
        return {}
    return dict.fromkeys(_REGION_VARIABLES, of_the_pool)


async def _credentials(auth: FederatedAuth) -> AWSCredentials:
    return (await fetch_for_tools(auth, now=datetime.now(UTC))).credentials


async def _run(
    program: Sequence[str], environment: Mapping[str, str], signals: AsyncIterator[signal.Signals]
) -> int:
    """Run a program to its end; return its exit code as a shell has it."""
    try:
        process = await anyio.open_process(
            list(program), stdin=None, stdout=None, stderr=None, env=environment
        )
    except OSError as error:
        click.echo(f"{program[0]} cannot be run: {error.strerror}.", err=True)
        return code_of_program(error)

    async def pass_on() -> None:
        async for number in signals:
            if not _sent_by_terminal(number):
                process.send_signal(number)

    code = 0
    async with process, anyio.create_task_group() as group:
        group.start_soon(pass_on)
        code = await process.wait()
        group.cancel_scope.cancel()
    # A signal's number is negative here; shells say 128 and the number.
    return code if code >= 0 else 128 - code


def _environment(
    server: CredentialServer, variables: Mapping[str, str], program: str, *, token_variable: bool
) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not _is_preferred(name) and name not in _SECRETS
    }
    token = {_TOKEN_VARIABLE: server.token} if token_variable else {}
    files: dict[str, str] = {}
    for variable, path, text in files_preferred_to_servers():
        own = server.token_file.with_name(variable)
        write_private(own, text)
        files[variable] = str(own)
        if not wants_json():
            fault = f"AWS tools prefer the default profile in {path} to this session"
            click.echo(f"{fault}: {program} gets a copy without its credentials.", err=True)
    return {**kept, **variables, **token, **files}


def _is_preferred(name: str) -> bool:
    return name in _PREFERRED or name.startswith(_BEARER_TOKENS)


def _sent_by_terminal(number: signal.Signals) -> bool:
    """Whether a key was pressed, which sends the signal to the program as well as to this process.

    The terminal does so if this process is in its foreground. An interactive program, which
    continues after Ctrl-C, must not get the signal twice.
    """
    if number.name not in _OF_TERMINALS:
        return False
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except OSError:  # none, as under a supervisor
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@asynccontextmanager
async def _end_signals() -> AsyncGenerator[AsyncIterator[signal.Signals]]:
    """Give the signals that end this command, as they come.

    A handler that raises could raise within a request, where the exception would be lost. A signal
    that was ignored when the command began stays ignored, as `nohup` and a script's background job
    want it.
    """
    before = {number: signal.getsignal(number) for number in _END_SIGNALS}
    heeded = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    if sys.platform == "win32":  # its event loop receives no signals; Ctrl-C raises there
        yield _never()
        return
    try:
        with anyio.open_signal_receiver(*heeded) as signals:
            yield aiter(signals)
    finally:
        for number in heeded:
            signal.signal(number, before[number])


async def _never() -> AsyncIterator[signal.Signals]:
    await anyio.sleep_forever()
    yield signal.SIGTERM  # never; it makes this a generator


@contextmanager
def _sigterm_as_interrupt() -> Generator[None]:
    """End the command on SIGTERM as on Ctrl-C, before anything is served."""

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A script's background job: its shell has Ctrl-C ignored, and so would ours be.
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)  # asyncio cancels the main task

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _announce(
    server: CredentialServer, variables: Mapping[str, str], *, token_variable: bool
) -> None:
    if wants_json():
        print_json(variables)
    else:
        hidden = [name for name in os.environ if _is_preferred(name)]
        if hidden:
            click.echo(f"unset {' '.join(hidden)}")
        for name, value in variables.items():
            click.echo(f"export {name}={shlex.quote(value)}")
        if token_variable:  # the shell reads it; nothing secret is printed
            click.echo(f'export {_TOKEN_VARIABLE}="$(cat {shlex.quote(str(server.token_file))})"')
        for _, path, _ in files_preferred_to_servers():
            fault = f"AWS tools prefer the default profile in {path} to these variables"
            click.echo(f"{fault}; give that profile another name.", err=True)
        click.echo("Serving; Ctrl-C ends it.", err=True)
    sys.stdout.flush()

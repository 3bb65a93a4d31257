"""The options of every command that works on a session: its pool, its name and its store."""

import functools
import os
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any, TypeVar

import click
from attrs import field, frozen
from click.shell_completion import CompletionItem

from amplify_federation import (
    AuthError,
    ConfigurationError,
    EncryptedFileStore,
    FederatedAuth,
    IdentityPool,
)
from amplify_federation.cli.output import json_option, progress

T = TypeVar("T")
C = TypeVar("C", bound=Callable[..., Any] | click.Command)
_POOL_VARIABLES = ("AMPLIFY_FEDERATION_POOL_ID", "AMPLIFY_FEDERATION_CONFIG")
_NO_POOL = f"Give --pool ID or --config FILE, or set {' or '.join(_POOL_VARIABLES)}."
_NO_HOME = "Give --store FOLDER, or set AMPLIFY_FEDERATION_HOME to a folder of this user."


@frozen
class Target:
    """The session that a command works on, as its options name it."""

    pool_id: str | None = None
    config: str | None = None
    session: str = "default"
    folder: str | None = None
    # Of a Redis, which `doctor` alone looks at; it may have a password.
    store_url: str | None = field(default=None, repr=False)

    def pool(self) -> IdentityPool:
        """Return the pool. Raises `ConfigurationError` or `InvalidAccountTypeError`."""
        if self.pool_id is not None and self.config is not None:
            message = "--pool and --config exclude each other; give one of the two."
            raise click.UsageError(message)
        named = [os.environ.get(name) or None for name in _POOL_VARIABLES]
        # An AWS profile names the environment's pool by its id; account, role and guests are there.
        if self.pool_id is not None and named != [self.pool_id, None]:
            return IdentityPool(self.pool_id)
        if self.config is not None:
            return IdentityPool.from_amplify_config(self.config)
        if not any(named):
            message = "No identity pool is named."
            raise ConfigurationError(message, recovery_suggestion=_NO_POOL)
        return IdentityPool.from_env()

    def store(self) -> EncryptedFileStore:
        """Return the store; it does no I/O before it is used.

        Raises `ConfigurationError` if no folder is named and this user has no home.
        """
        try:
            return EncryptedFileStore(self.folder)
        except ConfigurationError as error:
            if self.folder is not None:
                raise
            fault = error.message
        raise ConfigurationError(fault, recovery_suggestion=_NO_HOME)

    def open(self) -> FederatedAuth:
        """Return a `FederatedAuth` of the session, not yet entered."""
        return FederatedAuth(self.pool(), store=self.store(), session_name=self.session)


def _is_url(place: object) -> bool:
    return isinstance(place, str) and "://" in place


class _StorePlace(click.Path):
    """A folder, or the URL of a Redis for `doctor`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401  # click's
        if _is_url(value):
            if ctx is None or ctx.command.name != "doctor":
                self.fail("this command keeps sessions in a folder; `doctor` takes a URL.")
            return value
        return super().convert(value, param, ctx)


def _session_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Return a session's name; bytes that the locale does not decode are read as UTF-8."""
    try:
        has_bytes = any("\udc80" <= character <= "\udcff" for character in value)
        return os.fsencode(value).decode() if has_bytes else value
    except UnicodeDecodeError:
        message = "a session's name must be text in UTF-8."
    raise click.BadParameter(message)


def _session_names(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the names of the sessions in the folder that the present key opens."""
    folder = context.params.get("folder")
    target = Target(folder=None if _is_url(folder) else folder)
    try:
        names = run(lambda: target.store().names(), doing="Reading the names")
    except AuthError:  # completion has no place for an error; `list` prints it
        return []
    offers = sorted({name.partition("/")[2] for name in names if name is not None})
    return [CompletionItem(offer) for offer in offers if offer.startswith(incomplete)]


def examples(*lines: str) -> str:
    """Return a command's examples for the end of its help, their lines as they are given.

    An empty line begins a new paragraph.
    """
    # click leaves the lines of a paragraph that begins with \b as they are.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" if line else "\n\b" for line in lines)


def port_option(name: str, text: str) -> Callable[[C], C]:
    """Return an option for a port of this machine; 0, the default, is a free one."""
    return click.option(
        name,
        type=click.IntRange(0, 65535),
        default=0,
        metavar="PORT",
        help=f"{text}  [default: a free one]",
    )


store_option = click.option(
    "--store",
    "folder",
    metavar="FOLDER",
    type=_StorePlace(file_okay=False),
    help="Folder of the encrypted sessions.  [default: AMPLIFY_FEDERATION_HOME, else the user's "
    "state folder]",
)
_SESSION_OPTIONS = (
    click.option(
        "--pool", "pool_id", metavar="ID", help="Identity pool id, such as us-west-2:GUID."
    ),
    click.option(
        "--config",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="amplify_outputs.json or amplifyconfiguration.json, in place of --pool.",
    ),
    click.option(
        "--session",
        metavar="NAME",
        default="default",
        show_default=True,
        callback=_session_name,
        shell_complete=_session_names,
        help="Session name; one name is one user.",
    ),
    store_option,
)


def session_command(
    name: str, *lines: str, interspersed: bool = True
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a function the command of this name for one session, with the lines as examples.

    The function gets the session as `target`. In the help the options that name it come first, then
    the command's own, then `--json`. `interspersed`: whether options may follow an argument.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def with_target(
            *,
            pool_id: str | None,
            config: str | None,
            session: str,
            folder: str | None,
            **rest: Any,  # noqa: ANN401  # the command's own options
        ) -> None:
            path, url = (None, folder) if _is_url(folder) else (folder, None)
            function(target=Target(pool_id, config, session, path, url), **rest)

        command: click.Command = click.command(
            name,
            epilog=examples(*lines),
            context_settings={"allow_interspersed_args": interspersed},
        )(with_target)
        own, command.params = command.params, []
        for option in _SESSION_OPTIONS:
            option(command)
        command.params += own
        json_option(command)
        return command

    return decorate


def run(work: Callable[[], Awaitable[T]], *, doing: str | None) -> T:
    """Run asynchronous work to its end, with a line of progress if it takes long.

    `doing`: the text of that line; `None` if the work prints its own.
    """
    # anyio's own `run` imports modules for 30 ms, which each start by an AWS profile's
    # `credential_process` would cost. A stored session needs none of them.
    from asyncio import run as run_to_end  # noqa: PLC0415  # `--help` needs no loop

    async def main() -> T:
        return await work()

    with nullcontext() if doing is None else progress(doing):
        return run_to_end(main())

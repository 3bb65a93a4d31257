"""The command line: which commands there are, and how trouble ends the process.

A command's file is imported when the command is called. This file must not know sessions.
"""

import os
import sys
from importlib import import_module
from typing import Any

import click

from amplify_federation import AuthError
from amplify_federation.cli.exit_codes import MEANINGS, ExitCode, exit_code_of
from amplify_federation.cli.output import (
    is_dumb,
    print_error,
    print_problem,
    printed_warnings,
    wants_json,
)

# In the order of a first acquaintance; each with the module and the name of its command in it, and
# what the list of commands says of it, for which no command is imported.
_COMMANDS = {
    "demo": ("demo", "command", "Show the whole life of a session, without AWS."),
    "login": ("login", "command", "Sign in at your provider, with a browser or a code."),
    "whoami": ("whoami", "command", "Show the user, the identity and the role."),
    "exec": ("serve", "exec_command", "Run a program with the credentials."),
    "configure": (
        "configure",
        "command",
        "Write a profile with which AWS tools get the credentials.",
    ),
    "list": ("session", "list_command", "List the sessions of this machine."),
    "logout": ("session", "logout", "Forget the session, and end it at the provider."),
    "federate": ("federate", "command", "Trade a provider's token for AWS credentials."),
    "session": ("session", "command", "Show who is signed in, and for how long."),
    "credentials": ("credentials", "command", "Print the credentials, for AWS tools and scripts."),
    "clear": ("session", "clear", "Forget the session, on this machine."),
    "serve": ("serve", "command", "Serve the credentials to AWS tools, renewed as needed."),
    "doctor": ("doctor", "command", "Check configuration, files, key, lock, clock and network."),
    "fake-cognito": (
        "fake_cognito",
        "command",
        "Serve an embedded Cognito, without AWS.",
    ),
}
_EPILOG = "\b\nExit codes:\n" + "\n".join(
    f"  {int(code):>3}  {meaning}" for code, meaning in MEANINGS.items()
)


class Program(click.Group):
    """A group whose commands are loaded by name, and whose trouble is never a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"amplify_federation.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the arguments; for a name that is none, say which is alike."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415  # few misspell

            alike = get_close_matches(args[0], _COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(alike)}?" if alike else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's signature
        """Run the command; say what went wrong in words, and exit with its number."""
        if os.environ.get("NO_COLOR") or is_dumb():
            ctx.color = False
        try:
            with printed_warnings(ctx):
                return super().invoke(ctx)
        except click.UsageError as error:
            if not wants_json():
                raise
            advice = "See --help of the command."
            print_problem(
                "UsageError", error.format_message(), advice=advice, exit_code=error.exit_code
            )
            code = ExitCode.USAGE
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except AuthError as failure:
            print_error(failure)
            code = exit_code_of(failure)
        except KeyboardInterrupt:
            click.echo(err=True)
            code = ExitCode.INTERRUPTED
        except BrokenPipeError:
            # Who read us has gone. Python would complain once more while it flushes at exit.
            sys.stdout = None
            code = ExitCode.FAULT
        except OSError as fault:  # such as a full disk behind stdout; all others have own errors
            place = "" if fault.filename is None else f" {fault.filename}"
            message = f"The system did not read or write{place}: {fault.strerror or fault}."
            advice = "Check the disk, and where this command prints to."
            code = ExitCode.FAULT
            print_problem(type(fault).__name__, message, advice=advice, exit_code=int(code))
        except Exception as fault:  # noqa: BLE001  # the last net: a traceback helps no user
            _print_internal_error(fault)
            code = ExitCode.FAULT
        return ctx.exit(int(code))


def _print_internal_error(error: Exception) -> None:
    """Tell a fault of ours by its class and place: its text might hold what must not be shown."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place, trace = f"{code.co_qualname}, line {trace.tb_lineno}", trace.tb_next
    print_problem(
        type(error).__name__,
        f"This program has a fault: {type(error).__name__} in {place}.",
        advice="Please report it, with this line and the command you gave.",
        exit_code=int(ExitCode.FAULT),
    )


@click.group(cls=Program, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="amplify-federation", prog_name="amplify-federation")
def program() -> None:
    """Trade an identity provider's token for a user's AWS credentials, and keep them.

    A user signs in with Google, Facebook, Amazon, Apple or any OpenID Connect or SAML provider;
    an Amazon Cognito identity pool turns that provider's token into an identity and temporary AWS
    credentials. The session is kept, sealed, in a folder of this machine.

    \b
    See it at work, without AWS:
      amplify-federation demo
    Sign in, then use the credentials, which are renewed by themselves:
      amplify-federation login --pool ID --provider google --client-id ID
      amplify-federation exec --pool ID -- aws s3 ls

    Shell completion, for bash (zsh and fish alike):
      eval "$(_AMPLIFY_FEDERATION_COMPLETE=bash_source amplify-federation)"
    """  # noqa: D301  # \b is click's mark for lines that stay as they are

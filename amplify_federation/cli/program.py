"""The command line: its commands, and how an error ends the process.

A command's module is imported when the command is called.
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

# In the order in which a newcomer needs them. Each with its module, its name in the module, and its
# line in the list of commands, for which no module is imported.
_COMMANDS = {
    "demo": ("demo", "command", "Show the whole life of a session, without AWS."),
    "login": ("login", "command", "Sign in at your provider, with a browser or a code."),
    "whoami": ("whoami", "command", "Show the user, the identity and the role."),
    "exec": ("serve", "exec_command", "Run a program with the credentials."),
    "configure": ("configure", "command", "Write a profile with which AWS tools get credentials."),
    "list": ("session", "list_command", "List the sessions of this machine."),
    "logout": ("session", "logout", "Forget the session, and end it at the provider."),
    "federate": ("federate", "command", "Exchange a provider's token for AWS credentials."),
    "session": ("session", "command", "Show who is signed in, and for how long."),
    "credentials": ("credentials", "command", "Print the credentials, for AWS tools and scripts."),
    "clear": ("session", "clear", "Forget the session, on this machine."),
    "serve": ("serve", "command", "Serve the credentials to AWS tools, renewed as needed."),
    "doctor": ("doctor", "command", "Check configuration, files, key, lock, clock and network."),
    "fake-cognito": ("fake_cognito", "command", "Serve an embedded Cognito, without AWS."),
}
_EPILOG = "\b\nExit codes:\n" + "\n".join(
    f"  {int(code):>3}  {meaning}" for code, meaning in MEANINGS.items()
)


class Program(click.Group):
    """A group that imports a command when it is called, and prints no traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command and return it."""
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
        """Return the command of the arguments. The error for an unknown name has similar names."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches  # noqa: PLC0415  # for a misspelt name alone

            alike = get_close_matches(args[0], _COMMANDS, n=2)
            hint = f" Did you mean {' or '.join(alike)}?" if alike else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  # click's signature
        """Run the command; print an error in words, and exit with its code."""
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
            # The reader of stdout has gone; at exit Python would flush, and report it once more.
            sys.stdout = None
            code = ExitCode.FAULT
        except OSError as fault:  # such as of a full disk behind stdout
            place = "" if fault.filename is None else f" {fault.filename}"
            message = f"Reading or writing{place} failed: {fault.strerror or fault}."
            advice = "Check the disk, and the file that this command prints to."
            code = ExitCode.FAULT
            print_problem(type(fault).__name__, message, advice=advice, exit_code=int(code))
        except Exception as fault:  # noqa: BLE001  # a traceback is of no use to a user
            _print_internal_error(fault)
            code = ExitCode.FAULT
        return ctx.exit(int(code))


def _print_internal_error(error: Exception) -> None:
    """Print the class and the place of an unexpected error; its text might have a secret in it."""
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
    """Exchange an identity provider's token for a user's AWS credentials, and store them.

    A user signs in with Google, Facebook, Amazon, Apple or any OpenID Connect or SAML provider;
    an Amazon Cognito identity pool takes that provider's token, and returns an identity and
    temporary AWS credentials. The session is stored, encrypted, in a folder of this machine.

    \b
    Try it without AWS:
      amplify-federation demo
    Sign in, then use the credentials, which are renewed as needed:
      amplify-federation login --pool ID --provider google --client-id ID
      amplify-federation exec --pool ID -- aws s3 ls

    \b
    Shell completion in bash; in zsh and fish with their name in place of `bash`:
      eval "$(_AMPLIFY_FEDERATION_COMPLETE=bash_source amplify-federation)"
    """  # noqa: D301  # \b is click's mark for lines that stay as they are

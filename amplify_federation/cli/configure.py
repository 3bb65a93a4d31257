"""`configure`: a profile in the AWS config file whose `credential_process` is this command."""

import difflib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from amplify_federation import ConfigurationError
from amplify_federation.cli.aws_config import (
    BY_HAND,
    Edit,
    config_file,
    credentials_file,
    edited,
    parsed,
    read,
    write,
)
from amplify_federation.cli.options import Target, session_command
from amplify_federation.cli.output import print_json, wants_json

_NAME = re.compile(r"[\w.@+:/-]{1,100}", re.ASCII)
# What cannot stand in a line of the file.
_UNWRITABLE = (
    (re.compile(r"[\0-\x1f]"), "a line break or another control character"),
    (re.compile("[\ud800-\udfff]"), "bytes that are no text in UTF-8"),
    # AWS's SDKs for JavaScript and Go take it for a comment, within quotes too.
    (re.compile(r"\s[#;]"), "a blank before `#` or `;`, where a comment begins"),
)
_NEEDED = ("AMPLIFY_FEDERATION_KEY", "AMPLIFY_FEDERATION_KEY_FILE")
_ROLE = "AMPLIFY_FEDERATION_CUSTOM_ROLE_ARN"
_SECRET = re.compile(r"(?i)^([-+ ]?\s*[\w.-]*(?:secret|token|access_key)[\w.-]*\s*[=:]).*")


def _profile_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the profiles that are in the AWS config file."""
    with suppress(ConfigurationError):
        sections = parsed(read(config_file())).sections()
        names = [re.sub(r'^profile\s+"?([^"]*)"?$', r"\1", section) for section in sections]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return []


@session_command(
    "configure",
    "amplify-federation configure --pool ID --profile player",
    "amplify-federation configure --profile bob --session bob --yes",
    "",
    "Then, with every AWS tool:",
    "  aws s3 ls --profile player",
)
@click.option(
    "--profile",
    metavar="NAME",
    default="amplify-federation",
    show_default=True,
    shell_complete=_profile_names,
    help="Name of the profile; `default` is what AWS tools use without one.",
)
@click.option(
    "--region", metavar="REGION", help="AWS region of the profile.  [default: the pool's]"
)
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option(
    "--overwrite", is_flag=True, help="Change a profile that gets credentials in another way."
)
def command(  # the options of the command
    target: Target, *, profile: str, region: str | None, yes: bool, overwrite: bool
) -> None:
    """Write a profile into the AWS config file (AWS_CONFIG_FILE, else ~/.aws/config), with which
    every AWS tool and SDK gets this session's credentials.

    Shows the change, and asks before it is written. The rest of the file stays as it is, and a copy
    of the old file is kept beside it. A profile that gets credentials in another way is changed
    only with --overwrite, or if you say yes when asked about it.
    """  # noqa: D205  # click prints it all
    if not _NAME.fullmatch(profile):
        message = f"{profile!r} is no name for a profile: letters, digits and . @ + : / _ - alone."
        raise click.UsageError(message)
    pool = target.pool()
    path = config_file()
    before = read(path)
    process = process_line(_command(), _arguments(target, pool.identity_pool_id))
    edit = edited(before, profile, process, region or pool.region)
    if edit.text != before:
        _confirm(path, before, edit, profile, yes=yes, overwrite=overwrite)
    backup = write(path, before, edit.text) if edit.text != before else None
    _report(path, profile, backup, changed=edit.text != before)


def _confirm(
    path: Path, before: str, edit: Edit, profile: str, *, yes: bool, overwrite: bool
) -> None:
    if not wants_json():
        for line in _diff(path, before, edit.text):
            click.echo(line, err=True)
    if edit.conflicts and not overwrite:
        message = f"The profile {profile} gets its credentials by {', '.join(edit.conflicts)}."
        if yes or wants_json():
            message += " Give --overwrite to change it, or another --profile."
            raise click.UsageError(message)
        _ask(f"{message} Change it?")
    elif not yes:
        if wants_json():
            message = "Give --yes: with --json nothing is asked."
            raise click.UsageError(message)
        _ask(f"Write this to {path}?")


def _ask(question: str) -> None:
    """Ask, and end the command unless the answer is yes."""
    try:
        if click.confirm(question, err=True):
            return
    except click.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if sys.stdin is None or not sys.stdin.isatty():
            click.echo(err=True)
            message = "Standard input gives no answer; give --yes to write without being asked."
            raise click.UsageError(message) from None
        raise
    raise click.Abort


def _report(path: Path, profile: str, backup: Path | None, *, changed: bool) -> None:
    if wants_json():
        kept = None if backup is None else str(backup)
        print_json({"file": str(path), "profile": profile, "changed": changed, "backup": kept})
        return
    done = "Written to" if changed else "Already so in"
    click.echo(f"{done} {path}. Use it: aws --profile {shlex.quote(profile)} s3 ls")
    if backup is not None:
        click.echo(f"The file before: {backup}")
    for name in _NEEDED:
        if os.environ.get(name):
            click.echo(f"AWS tools need {name} in their environment, as it is here.", err=True)
    if os.environ.get(_ROLE):
        needed = f"{_ROLE} and AMPLIFY_FEDERATION_POOL_ID"
        click.echo(f"For that role AWS tools need {needed} in their environment.", err=True)
    with suppress(ConfigurationError):
        shared = credentials_file()
        if parsed(read(shared)).has_section(profile):
            click.echo(f"{shared} has [{profile}] too, which AWS tools prefer.", err=True)


def _command() -> list[str]:
    """Return the command line that starts this program from anywhere."""
    name = "amplify-federation.exe" if os.name == "nt" else "amplify-federation"
    beside = Path(sys.executable).absolute().parent / name
    if beside.is_file():
        return [str(beside)]
    # -P: no module may come from the folder in which an AWS tool is started.
    return [str(Path(sys.executable).absolute()), "-P", "-m", "amplify_federation.cli"]


def _arguments(target: Target, pool_id: str) -> list[str]:
    """Return arguments that name the session in any folder, and without variables."""
    config = target.config or (
        None if target.pool_id else os.environ.get("AMPLIFY_FEDERATION_CONFIG")
    )
    folder = target.folder or os.environ.get("AMPLIFY_FEDERATION_HOME")
    return [
        "credentials",
        *(["--config", str(Path(config).absolute())] if config else ["--pool", pool_id]),
        *(["--session", target.session] if target.session != "default" else []),
        *(["--store", str(Path(folder).absolute())] if folder else []),
    ]


def process_line(command: list[str], arguments: list[str], *, windows: bool | None = None) -> str:
    """Return the value of `credential_process`.

    botocore splits it as a shell would, other SDKs run it in one; the quotes are right for both.
    """
    words = [*command, *arguments]
    for pattern, fault in _UNWRITABLE:
        if any(map(pattern.search, words)):
            message = f"A path or a session's name has {fault}."
            raise ConfigurationError(message, recovery_suggestion=BY_HAND)
    if os.name == "nt" if windows is None else windows:
        return subprocess.list2cmdline(words)
    return shlex.join(words)


def _diff(path: Path, before: str, after: str) -> Iterator[str]:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(path), str(path), n=2, lineterm=""
    )
    for line in lines:
        colour = {"+": "green", "-": "red"}.get(line[:1])
        # A config file may hold keys.
        yield click.style(_SECRET.sub(r"\1 ...", line), fg=colour)

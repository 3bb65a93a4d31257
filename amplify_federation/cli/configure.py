"""`configure`: a profile in the AWS config file whose `credential_process` is this command.

The file belongs to its user: every line that is not of the profile stays as it is, the file before
is kept beside it, and what is written is read as AWS tools read it before it is put in place.
"""

import configparser
import difflib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from attrs import frozen
from click.shell_completion import CompletionItem

from amplify_federation import ConfigurationError
from amplify_federation.cli.options import Target, session_command
from amplify_federation.cli.output import print_json, wants_json

_NAME = re.compile(r"[\w.@+:/-]{1,100}", re.ASCII)
_HEADER = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"([\w.-]+)[ \t]*[=:]", re.ASCII)
_SECRET = re.compile(r"(?i)^([-+ ]?\s*[\w.-]*(?:secret|token|access_key)[\w.-]*\s*[=:]).*")
# What AWS tools take before `credential_process`, or what makes no sense beside it.
_CONFLICTING = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "credential_source",
        "login_session",
        "role_arn",
        "source_profile",
        "sso_account_id",
        "sso_region",
        "sso_role_name",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    }
)
_BY_HAND = "Write the profile by hand; `amplify-federation credentials --help` shows it."


def _profile_names(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the profiles that are in the AWS config file."""
    with suppress(ConfigurationError):
        sections = _parsed(_read(config_file())).sections()
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
@click.option("--region", help="AWS region of the profile.  [default: the pool's]")
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--overwrite", is_flag=True, help="Change a profile that gets credentials otherwise.")
def command(  # the options of the command
    target: Target, *, profile: str, region: str | None, yes: bool, overwrite: bool
) -> None:
    """Write a profile into the AWS config file (AWS_CONFIG_FILE, else ~/.aws/config), with which
    every AWS tool and SDK gets this session's credentials.

    Shows what changes, and asks. Nothing else in the file changes, and its content before is kept
    beside it. A profile that gets credentials in another way is changed with --overwrite, or if
    you say so when asked.
    """  # noqa: D205  # click prints it all
    if not _NAME.fullmatch(profile):
        message = f"{profile!r} is no name for a profile: letters, digits and . @ + : / _ - alone."
        raise click.UsageError(message)
    pool = target.pool()
    path = config_file()
    before = _read(path)
    process = process_line(_command(), _arguments(target, pool.identity_pool_id))
    edit = edited(before, profile, process, region or pool.region)
    if edit.text != before:
        _confirm(path, before, edit, profile, yes=yes, overwrite=overwrite)
    backup = write(path, before, edit.text) if edit.text != before else None
    _report(path, profile, backup, changed=edit.text != before)


def _confirm(
    path: Path, before: str, edit: "Edit", profile: str, *, yes: bool, overwrite: bool
) -> None:
    if not wants_json():
        for line in _diff(path, before, edit.text):
            click.echo(line, err=True)
    if edit.conflicts and not overwrite:
        message = f"The profile {profile} gets its credentials by {', '.join(edit.conflicts)}."
        if yes or wants_json():
            message += " Give --overwrite to change it, or another --profile."
            raise click.UsageError(message)
        click.confirm(f"{message} Change it?", abort=True, err=True)
    elif not yes:
        if wants_json():
            message = "Give --yes: with --json nothing is asked."
            raise click.UsageError(message)
        click.confirm(f"Write this to {path}?", abort=True, err=True)


def _report(path: Path, profile: str, backup: Path | None, *, changed: bool) -> None:
    if wants_json():
        kept = None if backup is None else str(backup)
        print_json({"file": str(path), "profile": profile, "changed": changed, "backup": kept})
        return
    done = "Written to" if changed else "Already so in"
    click.echo(f"{done} {path}. Use it: aws --profile {shlex.quote(profile)} s3 ls")
    if backup is not None:
        click.echo(f"The file before: {backup}")
    for name in ("AMPLIFY_FEDERATION_KEY", "AMPLIFY_FEDERATION_KEY_FILE"):
        if os.environ.get(name):
            click.echo(f"AWS tools need {name} in their environment, as it is here.", err=True)
    given = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    shared = Path(os.path.expanduser(given))  # noqa: PTH111  # pathlib's raises without a home
    with suppress(ConfigurationError):
        if _parsed(_read(shared)).has_section(profile):
            click.echo(f"{shared} has [{profile}] too, which AWS tools prefer.", err=True)


def config_file() -> Path:
    """Return the AWS config file; a link is followed to the file itself."""
    given = os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    path = os.path.expanduser(given)  # noqa: PTH111  # pathlib's raises without a home
    if path.startswith("~"):
        message = "This user has no home, so it is not known where the AWS config file is."
        raise ConfigurationError(message, recovery_suggestion="Set AWS_CONFIG_FILE.")
    return Path(os.path.realpath(path))


def _read(path: Path) -> str:
    """Return the text of a file, line endings as they are; nothing if there is none."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        fault = getattr(error, "strerror", None) or "it is not text in UTF-8"
    message = f"The file {path} cannot be read: {fault}."
    raise ConfigurationError(message, recovery_suggestion=_BY_HAND)


def _parsed(text: str) -> configparser.RawConfigParser:
    """Return the profiles, as botocore reads them."""
    parser = configparser.RawConfigParser(default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        fault = type(error).__name__  # the message has lines of the file
    else:
        return parser
    message = f"The AWS config file is not one that AWS tools read ({fault})."
    raise ConfigurationError(message, recovery_suggestion="Correct it first.")


def _command() -> list[str]:
    """Return the command line that starts this program from anywhere."""
    name = "amplify-federation.exe" if os.name == "nt" else "amplify-federation"
    beside = Path(sys.executable).absolute().parent / name
    if beside.is_file():
        return [str(beside)]
    # -P: the folder where an AWS tool is started must not be a place of modules.
    return [str(Path(sys.executable).absolute()), "-P", "-m", "amplify_federation.cli"]


def _arguments(target: Target, pool_id: str) -> list[str]:
    """Return what names the session wherever an AWS tool is started, and without variables."""
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

    botocore splits it as a shell would, other SDKs give it to one: quotes serve both.
    """
    words = [*command, *arguments]
    if any(ord(character) < ord(" ") for word in words for character in word):
        message = "A path or a session's name has a line break or another control character."
        raise ConfigurationError(message, recovery_suggestion=_BY_HAND)
    if os.name == "nt" if windows is None else windows:
        return subprocess.list2cmdline(words)
    return shlex.join(words)


@frozen
class Edit:
    """A file as it is to be, and the profile's other ways to credentials, which are taken out."""

    text: str
    conflicts: tuple[str, ...]


def edited(before: str, profile: str, process: str, region: str) -> Edit:
    """Return the file with the profile in it.

    Raises `ConfigurationError` for a file that is not understood as AWS tools do.
    """
    old = _parsed(before)
    lines = before.splitlines(keepends=True)
    end = "\r\n" if before.count("\r\n") * 2 > before.count("\n") else "\n"
    section = "default" if profile == "default" else f"profile {profile}"
    place = _place_of(lines, profile)
    conflicts: list[str] = []
    if place is None:
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += end
        gap = [end] if lines and lines[-1].strip() else []
        lines += [*gap, f"[{section}]{end}", f"region = {region}{end}"]
        lines.append(f"credential_process = {process}{end}")
    else:
        head, *rest = lines[place]
        if not head.endswith(("\n", "\r")):
            head += end
        kept, conflicts = _without_conflicts(rest, process)
        told = any(_option_of(line) == "region" for line in rest)
        added = [] if told else [f"region = {region}{end}"]
        if f"credential_process = {process}" not in (line.rstrip("\r\n") for line in kept):
            added.append(f"credential_process = {process}{end}")
        lines[place] = [head, *added, *kept]
    text = "".join(lines)
    _check(old, _parsed(text), section, process)
    return Edit(text, tuple(conflicts))


def _place_of(lines: list[str], profile: str) -> slice | None:
    wanted = {"default", "profile default"} if profile == "default" else set[str]()
    wanted |= {f"profile {profile}", f'profile "{profile}"', f"profile '{profile}'"}
    begin = None
    for number, line in enumerate(lines):
        if header := _HEADER.match(line):
            if begin is not None:
                return slice(begin, number)
            if " ".join(header[1].split()) in wanted:
                begin = number
    return None if begin is None else slice(begin, len(lines))


def _without_conflicts(lines: list[str], process: str) -> tuple[list[str], list[str]]:
    """Return the lines without other ways to credentials, and the names of these."""
    kept: list[str] = []
    conflicts: list[str] = []
    dropping = False  # the lines that go on from one that was dropped
    for line in lines:
        name = _option_of(line)
        if name is not None:
            value = line.partition("=")[2].strip()
            ours = name == "credential_process" and "amplify-federation" in value
            same = name == "credential_process" and value == process
            dropping = name in _CONFLICTING or (name == "credential_process" and not same)
            if dropping and not ours:
                conflicts.append(name)
        elif not line[:1].isspace() or not line.strip():
            dropping = False
        if not dropping:
            kept.append(line)
    return kept, conflicts


def _option_of(line: str) -> str | None:
    found = _OPTION.match(line)
    return None if found is None else found[1].lower()


def _check(
    old: configparser.RawConfigParser,
    new: configparser.RawConfigParser,
    section: str,
    process: str,
) -> None:
    """Raise unless AWS tools read the profile so, and every other section as before."""
    mine = [name for name in new.sections() if name not in old.sections()] or [
        name for name in new.sections() if dict(new[name]) != dict(old[name])
    ]
    others = [name for name in old.sections() if name not in mine]
    kept = all(dict(old[name]) == dict(new[name]) for name in others)
    written = any(new[name].get("credential_process") == process for name in mine or new.sections())
    if len(mine) > 1 or not kept or not written:
        message = f"[{section}] cannot be written into this file without changing more of it."
        raise ConfigurationError(message, recovery_suggestion=_BY_HAND)


def _diff(path: Path, before: str, after: str) -> Iterator[str]:
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(path), str(path), n=2, lineterm=""
    )
    for line in lines:
        colour = {"+": "green", "-": "red"}.get(line[:1])
        # A config file may hold keys.
        yield click.style(_SECRET.sub(r"\1 ...", line), fg=colour)


def write(path: Path, before: str, after: str) -> Path | None:
    """Write the file whole, in one step; return where its content before is kept.

    Raises `ConfigurationError` if it was changed meanwhile or cannot be written; then it is as it
    was.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        new = _beside(path, after, f"{path.name}.new-")
        try:
            backup = _beside(path, before, f"{path.name}.before-{stamp}-") if before else None
            if _read(path) != before:
                if backup is not None:
                    backup.unlink()
                message = f"The file {path} was changed meanwhile."
                raise ConfigurationError(message, recovery_suggestion="Run this again.")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        fault = error.strerror or type(error).__name__
    else:
        return backup
    message = f"The file {path} cannot be written: {fault}."
    raise ConfigurationError(message, recovery_suggestion=_BY_HAND)


def _beside(path: Path, text: str, prefix: str) -> Path:
    """Write a new file in the same folder, with the mode and the owner of the other."""
    handle, name = tempfile.mkstemp(prefix=prefix, dir=path.parent)  # mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
        if path.exists() and os.name != "nt":
            status = path.stat()
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            with suppress(OSError):  # root alone may, and for others it is theirs already
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
    return Path(name)

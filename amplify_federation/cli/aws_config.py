"""The config files of AWS tools: their profiles, read and edited as these tools read them.

The files belong to their user. Every line outside the profile stays as it is, the content before an
edit is kept beside the file, and an edit is read back as AWS tools read it before it is in place.
"""

import configparser
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from attrs import frozen

from amplify_federation import ConfigurationError

_HEADER = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"([\w.-]+)[ \t]*[=:]", re.ASCII)
_KEYS = frozenset({"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
# AWS tools prefer these to `credential_process`, or they make no sense beside it.
_CONFLICTING = _KEYS | frozenset(
    {
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
_DEFAULTS = frozenset({"default", "profile default", 'profile "default"', "profile 'default'"})
BY_HAND = "Write the profile by hand; `amplify-federation credentials --help` shows it."


def config_file() -> Path:
    """Return the AWS config file; a link is followed to the file itself."""
    return _file("AWS_CONFIG_FILE", "~/.aws/config")


def credentials_file() -> Path:
    """Return the AWS credentials file, whose profiles AWS tools take before the config file's."""
    return _file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")


def _file(variable: str, default: str) -> Path:
    path = os.path.expanduser(os.environ.get(variable) or default)  # noqa: PTH111  # pathlib's raises without a home
    if path.startswith("~"):
        message = "This user has no home, so it is not known where the AWS config file is."
        raise ConfigurationError(message, recovery_suggestion=f"Set {variable}.")
    return Path(os.path.realpath(path))


def read(path: Path) -> str:
    """Return the text of a file, line endings as they are; nothing if there is none."""
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        fault = getattr(error, "strerror", None) or "it is not text in UTF-8"
    message = f"The file {path} cannot be read: {fault}."
    raise ConfigurationError(message, recovery_suggestion=BY_HAND)


def parsed(text: str) -> configparser.RawConfigParser:
    """Return the profiles, as botocore reads them."""
    parser = configparser.RawConfigParser(default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        fault = type(error).__name__  # the message has lines of the file
        if number := getattr(error, "lineno", None):
            fault += f", line {number}"
    else:
        return parser
    message = f"The AWS config file is not one that AWS tools read ({fault})."
    raise ConfigurationError(message, recovery_suggestion="Correct it first.")


@frozen
class Edit:
    """The new text of a file, and the options for other credentials that it has no longer."""

    text: str
    conflicts: tuple[str, ...]


def edited(before: str, profile: str, process: str, region: str) -> Edit:
    """Return the file with the profile in it.

    Raises `ConfigurationError` for a file that is not understood as AWS tools do.
    """
    old = parsed(before)
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
        has_region = any(_option_of(line) == "region" for line in rest)
        added = [] if has_region else [f"region = {region}{end}"]
        if f"credential_process = {process}" not in (line.rstrip("\r\n") for line in kept):
            added.append(f"credential_process = {process}{end}")
        lines[place] = [head, *added, *kept]
    text = "".join(lines)
    _check(old, text, section, process)
    return Edit(text, tuple(conflicts))


def _place_of(lines: list[str], profile: str) -> slice | None:
    wanted = {f"profile {profile}", f'profile "{profile}"', f"profile '{profile}'"}
    if profile == "default":
        wanted = {*_DEFAULTS}
    return next((place for name, place in _sections(lines) if name in wanted), None)


def _sections(lines: list[str]) -> Iterator[tuple[str, slice]]:
    """Return each section's name, with single blanks in it, and its lines, the header first."""
    begins = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    for begin, end in pairwise([*begins, len(lines)]):
        name = lines[begin].partition("[")[2].partition("]")[0]
        yield " ".join(name.split()), slice(begin, end)


def files_preferred_to_servers() -> Iterator[tuple[str, Path, str]]:
    """Return the files from whose default profile AWS tools get credentials and ask no server.

    Each with the variable that names it, and its text without these credentials.
    """
    for variable, file in (
        ("AWS_CONFIG_FILE", config_file),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials_file),
    ):
        with suppress(ConfigurationError):  # an AWS tool says what is wrong with its file
            path = file()
            text = without_default_credentials(read(path))
            if text is not None:
                yield variable, path, text


def has_default_region() -> bool:
    """Whether AWS tools get a region from the default profile of the files."""
    for file in (config_file, credentials_file):
        with suppress(ConfigurationError):
            parser = parsed(read(file()))
            names = (name for name in parser.sections() if " ".join(name.split()) in _DEFAULTS)
            if any(parser.has_option(name, "region") for name in names):
                return True
    return False


def without_default_credentials(before: str) -> str | None:
    """Return a file from which AWS tools get no credentials without naming a profile.

    It is a copy without the default profile's ways to credentials, and without the other profiles
    that have keys. Returns `None` if there is none to take out of the default profile. Raises
    `ConfigurationError` for a file that AWS tools do not read.
    """
    if not _gives_credentials(before):
        return None
    lines = before.splitlines(keepends=True)
    kept: list[str] = []
    for name, place in _sections(lines):
        head, *rest = lines[place]
        if name in _DEFAULTS:
            own, _ = _without_conflicts(rest, "")
            kept += [head, *own] if not _gives_credentials("".join([head, *own])) else [head]
        elif _KEYS.isdisjoint(_option_of(line.lstrip()) for line in rest):
            kept += [head, *rest]
    return "".join(kept)


def _gives_credentials(text: str) -> bool:
    """Whether AWS tools get credentials from the default profile of a file."""
    parser = parsed(text)
    return any(
        not {*_CONFLICTING, "credential_process"}.isdisjoint(parser[name])
        for name in parser.sections()
        if " ".join(name.split()) in _DEFAULTS
    )


def _without_conflicts(lines: list[str], process: str) -> tuple[list[str], list[str]]:
    """Return the lines without the options for other credentials, and the names of these."""
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


def _check(old: configparser.RawConfigParser, text: str, section: str, process: str) -> None:
    """Raise unless AWS tools read the profile so, and every other section as before."""
    with suppress(ConfigurationError):  # a header that is indented, say, which is not found here
        new = parsed(text)
        mine = [name for name in new.sections() if name not in old.sections()] or [
            name for name in new.sections() if dict(new[name]) != dict(old[name])
        ]
        others = [name for name in old.sections() if name not in mine]
        kept = all(dict(old[name]) == dict(new[name]) for name in others)
        processes = [new[name].get("credential_process") for name in mine or new.sections()]
        if len(mine) <= 1 and kept and process in processes:
            return
    message = f"[{section}] cannot be written into this file without changing more of it."
    raise ConfigurationError(message, recovery_suggestion=BY_HAND)


def write(path: Path, before: str, after: str) -> Path | None:
    """Replace the file in one step; return the copy of the old one.

    Raises `ConfigurationError` if it was changed meanwhile or cannot be written; then it is as it
    was.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        new = _beside(path, after, f"{path.name}.new-")
        try:
            backup = _beside(path, before, f"{path.name}.before-{stamp}-") if before else None
            if read(path) != before:
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
    raise ConfigurationError(message, recovery_suggestion=BY_HAND)


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

"""Reading a provider's token from a file, stdin or the environment.

Text that cannot be a token is refused, with the mistake and its place, before anything is sent. No
part of it is shown.
"""

import codecs
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, cast

import click

from amplify_federation import AuthProvider

TOKEN_VARIABLE = "AMPLIFY_FEDERATION_TOKEN"
_ENOUGH = 200_000  # bytes; Cognito takes 50,000 characters, and the session refuses more
_SAML = ":saml-provider/"
_TOKEN_MEMBERS = ("id_token", "idToken", "IdToken", "access_token")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # PowerShell's `>`
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Mistakes in what comes with a token, or in place of it, and what to do.
_MISTAKES = (
    (re.compile(r"authorization\s*:", re.IGNORECASE),
     "is a whole Authorization header; give what follows `Bearer `"),
    (re.compile(r"bearer\s", re.IGNORECASE), "begins with `Bearer `; give what follows it"),
    (re.compile(r"[\"'`\u2018-\u201f]"), "begins with a quotation mark; remove it"),
    (re.compile(r"(export\s+)?\w*token=", re.IGNORECASE),
     "has a name and `=` in front; give what follows the `=`"),
    (re.compile(r"https?://", re.IGNORECASE),
     "is a URL; give the value of its parameter `id_token`"),
)  # fmt: skip


def read_token(token_file: str | None, provider: AuthProvider) -> str:
    """Return the token of a file, of stdin (`-`), or of the environment without either.

    Raises `click.UsageError` for what is no token.
    """
    if token_file is None:
        text, where = os.environ.get(TOKEN_VARIABLE, ""), f"The variable {TOKEN_VARIABLE}"
        if not text.strip():
            message = f"Give --token-file FILE (- for stdin), or set {TOKEN_VARIABLE}."
            raise click.UsageError(message)
    else:
        where = "Standard input" if token_file == "-" else f"The file {token_file}"
        text = _decoded(_content(token_file), where)
    token = text.lstrip("\ufeff").strip(" \t\r\n\v\f\0")
    if _SAML in provider.login_key:
        return _saml(token, where)
    return _checked(token, where)


def _content(token_file: str) -> bytes:
    if token_file == "-":
        if sys.stdin is None:  # closed, as by `<&-`
            message = "Standard input is closed; give the token there, or a file."
            raise click.UsageError(message)
        if sys.stdin.isatty():
            click.echo("Paste the token, then press Enter and Ctrl-D.", err=True)
        return sys.stdin.buffer.read(_ENOUGH)
    try:
        with Path(token_file).open("rb") as file:
            return file.read(_ENOUGH)
    except OSError as error:
        fault = f"The file {token_file} cannot be read: {error.strerror}."
    raise click.UsageError(fault)


def _decoded(raw: bytes, where: str) -> str:
    encoding = next((name for mark, name in _ENCODINGS if raw.startswith(mark)), "utf-8")
    if b"\0" in raw[:2] and encoding == "utf-8":
        encoding = "utf-16-be" if raw.startswith(b"\0") else "utf-16-le"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        pass
    raise _refused(where, "holds no token: it is not text in UTF-8 or UTF-16")


def _checked(token: str, where: str) -> str:
    if not token:
        raise _refused(where, "holds no token")
    if token.startswith(("{", "[")):
        raise _refused(where, _json_answer(token))
    for pattern, fault in _MISTAKES:
        if pattern.match(token):
            raise _refused(where, fault)
    if blank := re.search(r"\s", token):
        fault = f"has white space in the token, after character {blank.start()}"
        raise _refused(where, f"{fault}; a token is one line without spaces")
    if strange := re.search(r"[^!-~]", token):
        code = f"U+{ord(strange[0]):04X}"
        fault = f"has a character that is in no token: {code}, after character {strange.start()}"
        raise _refused(where, f"{fault}; copy the token again")
    return token


def _json_answer(text: str) -> str:
    """Return which member of a provider's JSON response is the token, in words."""
    try:
        answer: object = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    members = _members(answer)
    # What user pools answer has the tokens one level below.
    for prefix in ("", "AuthenticationResult."):
        section = _members(members.get(prefix.rstrip("."))) if prefix else members
        for name in _TOKEN_MEMBERS:
            if name in section:
                path = f"{prefix}{name}"
                return f"is JSON; give its `{path}` alone, as `jq -r .{path}` prints it"
    if "error" in members:
        return "is the provider's refusal in JSON, and no token; sign in there again"
    return "is JSON; give the token in it alone"


def _members(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _saml(token: str, where: str) -> str:
    """Return a SAML response in base64, on one line as Cognito takes it."""
    if token.startswith("<"):
        fault = "is a SAML response in XML; Cognito takes it in base64, as `base64 FILE` prints it"
        raise _refused(where, fault)
    if token.lower().startswith("samlresponse="):
        raise _refused(where, "begins with `SAMLResponse=`; give what follows it")
    if "%" in token:
        raise _refused(where, "is URL-encoded; decode it, as `urllib.parse.unquote` does")
    response = re.sub(r"\s+", "", token)  # `base64` and mail break it into lines of 76
    if not _BASE64.fullmatch(response):
        return _checked(response, where)
    return response


def _refused(where: str, fault: str) -> click.UsageError:
    return click.UsageError(f"{where} {fault}.")

"""Tokens as people have them. Each advice is followed, and the token is then taken."""

import base64
import json
import re
import sys
import textwrap
from urllib.parse import quote, unquote

import click
import pytest

from amplify_federation import AuthProvider
from amplify_federation.cli.tokens import read_token

ARN = "arn:aws:iam::123456789012:saml-provider/Corp"


def federate(command, stdin, provider="google", **env):
    return command("federate", "--provider", provider, "--token-file", "-", stdin=stdin, env=env)


@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),  # as PowerShell writes it
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
        lambda text: f"{text}\r\n".encode(),
        lambda text: f"\n\n \t{text}\n\n".encode(),
    ],
)
def test_a_token_is_read_in_any_encoding_and_with_any_line_ends(command, token, tmp_path, encoded):
    file = tmp_path / "token"
    file.write_bytes(encoded(token))
    done = command("federate", "--provider", "google", "--token-file", str(file))
    assert done.code == 0, done


def alone(text):
    return re.sub(r"\s", "", text)


def taken_from(path):
    def follow(text):
        value = json.loads(text)
        for name in path.split("."):
            value = value[name]
        return value

    return follow


MISTAKES = {
    "quotes": ('"{}"', "remove it", lambda text: text.strip('"')),
    "single quotes": ("'{}'", "remove it", lambda text: text.strip("'")),
    "typographic quotes": ("\u201c{}\u201d", "remove it", lambda text: text.strip("\u201c\u201d")),
    "bearer": ("Bearer {}", "what follows it", lambda text: text.removeprefix("Bearer ")),
    "lower bearer": ("bearer {}", "what follows it", lambda text: text.removeprefix("bearer ")),
    "header": (
        "Authorization: Bearer {}", "what follows `Bearer `", lambda text: text.split("Bearer ")[1],
    ),
    "assignment": ("ID_TOKEN={}", "what follows the `=`", lambda text: text.split("=")[1]),
    "export": ("export TOKEN={}", "what follows the `=`", lambda text: text.split("=")[1]),
    "answer": (
        json.dumps({"access_token": "x", "id_token": "{}"}).replace("{}", "%s"),
        "`jq -r .id_token`", taken_from("id_token"),
    ),
    "camel case": ('{"idToken":"%s"}', "`jq -r .idToken`", taken_from("idToken")),
    "user pool": (
        '{"AuthenticationResult": {"AccessToken": "x", "IdToken": "%s"}}',
        "`jq -r .AuthenticationResult.IdToken`", taken_from("AuthenticationResult.IdToken"),
    ),
    "redirect": (
        "https://app.example.com/#id_token={}", "its parameter `id_token`",
        lambda text: text.split("id_token=")[1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("source", ["stdin", "variable"])
def test_what_is_around_a_token_is_told_before_anything_is_sent(
    command, token, fake, mistake, source
):
    written, advice, follow = mistake
    text = written.replace("%s", token).replace("{}", token)
    if source == "stdin":
        done = federate(command, text)
    else:
        done = command("federate", "--provider", "google", env={"AMPLIFY_FEDERATION_TOKEN": text})
    assert done.code == 2, done
    assert advice in done.stderr
    assert fake.calls == []
    assert token not in done.everything
    assert federate(command, follow(text)).code == 0  # the advice, followed


@pytest.mark.parametrize(
    ("written", "said", "follow"),
    [
        (lambda token: textwrap.fill(token, 76), "white space in the token, after character 76",
         alone),
        (lambda token: f"{token[:9]}\u200b{token[9:]}", "U+200B, after character 9",
         lambda text: text.replace("\u200b", "")),
        (lambda token: f"{token} {token}", "one line without spaces",
         lambda text: text.split()[0]),
    ],
)  # fmt: skip
def test_what_is_inside_a_token_is_told_with_its_place(command, token, fake, written, said, follow):
    text = written(token)
    done = federate(command, text)
    assert (done.code, fake.calls) == (2, [])
    assert said in done.stderr
    assert federate(command, follow(text)).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "is JSON"),
        ('{"error": "invalid_grant"}', "sign in there again"),
        ('{"token_type": "Bearer"}', "give the token in it alone"),
        ("{broken", "give the token in it alone"),
        ("{" * 5, "is JSON"),
    ],
)
def test_json_without_a_token_is_told_as_such(command, fake, text, said):
    done = federate(command, text)
    assert (done.code, fake.calls) == (2, [])
    assert said in done.stderr


@pytest.mark.parametrize("stdin", [b"\xff\xfe\xff", b"\x80abc"])
def test_bytes_that_are_no_text_are_told(command, fake, stdin):
    done = federate(command, stdin)
    assert (done.code, fake.calls) == (2, [])
    assert "is not text" in done.stderr


def test_a_closed_stdin_is_told(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(click.UsageError, match="Standard input is closed"):
        read_token("-", AuthProvider.GOOGLE)


@pytest.fixture
def saml(fake):
    """A response of a SAML provider that the pool trusts, in base64, and what it is asked with."""
    provider = AuthProvider.saml(ARN)
    pool = fake.create_identity_pool([provider])
    return fake.issue_token(provider, "alice"), {"AMPLIFY_FEDERATION_POOL_ID": pool}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_saml_response_is_taken_in_lines_of_76_characters(command, saml, line_end):
    response, env = saml
    lines = base64.encodebytes(base64.b64decode(response)).decode().replace("\n", line_end)
    assert line_end in lines.strip()
    done = federate(command, lines, f"saml:{ARN}", **env)
    assert done.code == 0, done


@pytest.mark.parametrize(
    ("written", "said", "follow"),
    [
        (lambda text: base64.b64decode(text).decode(), "as `base64 FILE` prints it",
         lambda text: base64.encodebytes(text.encode()).decode()),
        (quote, "URL-encoded", unquote),
        (lambda text: f"SAMLResponse={text}", "SAMLResponse=",
         lambda text: text.removeprefix("SAMLResponse=")),
        (lambda text: f'"{text}"', "remove it", lambda text: text.strip('"')),
    ],
)  # fmt: skip
def test_a_saml_response_in_another_form_is_told(command, fake, saml, written, said, follow):
    response, env = saml
    text = written(response)
    done = federate(command, text, f"saml:{ARN}", **env)
    assert (done.code, fake.calls) == (2, [])
    assert said in done.stderr
    assert federate(command, follow(text), f"saml:{ARN}", **env).code == 0

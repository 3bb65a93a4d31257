"""A person signs in at an embedded provider, from a terminal and out again."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import anyio.to_thread
import pytest

from amplify_federation import AuthProvider, SignInPrompt
from tests.cli import person
from tests.cli.conftest import Command
from tests.cli.person import CLIENT, SigningIn, act, enter_code

pytest.importorskip("authlib", reason="needs Authlib: pip install 'amplify-federation[login]'")

GOOGLE = AuthProvider.GOOGLE
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
LOOPBACK = r"http://127\.0\.0\.1:\d+/\S*authorize\S*"


@pytest.fixture
def pool(fake):
    return fake.create_identity_pool({GOOGLE: [CLIENT]})


@pytest.fixture
def login(command, url):
    """The command, with what a sign-in needs in the environment."""

    class Login(Command):
        def variables(self):
            return {
                **super().variables(),
                "AMPLIFY_FEDERATION_PROVIDER": "google",
                "AMPLIFY_FEDERATION_CLIENT_ID": CLIENT,
                "AMPLIFY_FEDERATION_DISCOVERY_URL": (
                    f"{url}/accounts.google.com/.well-known/openid-configuration"
                ),
            }

    return Login(command.url, command.pool, command.folder)


@pytest.fixture
def sign_in(login, monkeypatch):
    """Run the command here, with a person who signs in when the browser opens.

    Return the result, and the page at the end. `late`: the time is over when the page has come.
    """
    scopes, move_on_after = [], anyio.move_on_after

    def remembered(seconds):
        scopes.append(move_on_after(seconds))
        return scopes[-1]

    def run(*arguments, late=False, **acting):
        with ThreadPoolExecutor() as pool:
            pages = []

            async def open_browser(prompt):
                pages.append(pool.submit(act, prompt.url, **acting))
                if late:
                    await anyio.to_thread.run_sync(pages[0].result)
                    scopes[0].deadline = anyio.current_time()
                return True

            monkeypatch.setattr(anyio, "move_on_after", remembered)
            monkeypatch.setattr(SignInPrompt, "open_browser", open_browser)
            done = login("login", "--timeout", "60", *arguments, env={"BROWSER": "true"})
        return done, *(page.result()[1] for page in pages)

    return run


def test_a_user_signs_in_by_page_and_the_session_is_there(login, fake, folder):
    with SigningIn(login, "--no-browser") as signing_in:
        asked = signing_in.until(LOOPBACK)
        redirect, page = act(asked)
        code, out, err = signing_in.end()
    assert code == 0, err
    assert "alice@example.com" in out
    assert "accounts.google.com" in out
    assert "You are signed in" in page.text
    assert login("session").code == 0
    known = login("whoami", "--no-network", "--json").json
    assert (known["user"], known["state"]) == ("alice@example.com", "federated")
    (secret,) = re.findall(r"[?&]code=([^&]+)", redirect)
    kept = b"".join(path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())
    for text in (out, err):
        assert secret not in text
        assert not JWT.search(text)
    assert secret.encode() not in kept
    assert not JWT.search(kept.decode("latin-1"))


@pytest.mark.skipif(not shutil.which("bash"), reason="closes stdout by a shell")
def test_a_user_signs_in_with_stdout_closed(login):
    command = f"exec {sys.executable} -m amplify_federation.cli login >&-"
    browser = {"BROWSER": f"{sys.executable} {person.__file__} %s"}
    done = subprocess.run(
        ["bash", "-c", command], env=login.environment(**browser), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert login("session").code == 0


@contextlib.contextmanager
def watched_command_lines(told):
    """Give the command lines of all processes that begin below this one in the block.

    `told`: files that are made when a command line is seen, with what tells it.
    """
    seen, over = set(), threading.Event()

    def processes():
        """Return the parent of each process."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                stat = (path / "stat").read_text()
                found[int(path.name)] = int(stat.rpartition(")")[2].split()[1])
        return found

    def watch():
        while not over.wait(0.02):
            parents, below, more = processes(), set(), {os.getpid()}
            while more:
                below |= more
                more = {pid for pid, parent in parents.items() if parent in more} - earlier
            for pid in below - {os.getpid()}:
                with contextlib.suppress(OSError):
                    line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
                    seen.add(tuple(line))
            for file, tells in told.items():
                if any(tells(line) for line in seen):
                    file.touch()
        seen.discard(own)

    earlier = frozenset(processes())
    # A child has its parent's command line until it runs a program.
    own = tuple(Path("/proc/self/cmdline").read_bytes().decode().split("\0")[:-1])

    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch)
        try:
            yield seen
        finally:
            over.set()
            watching.result()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
def test_no_secret_stands_in_a_command_line(login, fake, tmp_path):
    secret, command = tmp_path / "secret", [sys.executable, "-m", "amplify_federation.cli"]
    secret.write_text("the-client-secret")
    fake.set_up_provider(GOOGLE, client_secrets={CLIENT: "the-client-secret"})
    signing_in = ["login", "--client-secret-file", str(secret)]
    program = [sys.executable, "-m", "tests.cli.person"]
    serving = ["serve", "--token-variable", "--", *program]
    told = {
        tmp_path / "browser": lambda line: person.__file__ in line,
        tmp_path / "program": lambda line: line == tuple(program),
    }
    browser, until_seen = (
        {"TEST_UNTIL": str(file), "BROWSER": f"{sys.executable} {person.__file__} %s"}
        for file in told
    )
    with watched_command_lines(told) as lines:
        with SigningIn(login, *signing_in[1:], env=browser) as process:
            assert process.end()[0] == 0
        assert login.in_a_process(*serving, **until_seen).code == 0
    (browser,) = [line for line in lines if person.__file__ in line]
    assert lines >= {(*command, *signing_in), (*command, *serving), tuple(program)}
    words = {word for line in lines - {browser} for word in line}
    assert words <= {*command, *signing_in, *serving}
    assert browser[:-1] == (sys.executable, person.__file__)
    assert parse_qs(urlsplit(browser[-1]).query).keys() == {
        "access_type", "client_id", "code_challenge", "code_challenge_method", "nonce", "prompt",
        "redirect_uri", "response_type", "scope", "state",
    }  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="the browser is a shell's script")
def test_what_a_browser_prints_is_not_among_the_json(login, tmp_path):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho Opening\nexec {sys.executable} {person.__file__} "$1"\n')
    browser.chmod(0o755)
    with SigningIn(login, "--json", env={"BROWSER": f"{browser} %s"}) as signing_in:
        code, out, err = signing_in.end()
    assert (code, "Opening" in err) == (0, True), err
    assert json.loads(out)["state"] == "federated"


def test_a_user_signs_in_by_a_code_on_another_device(login, fake):
    fake.set_up_provider(GOOGLE, device_interval=0.05)
    with SigningIn(login, "--device", "--json") as signing_in:
        asked = json.loads(signing_in.until(r"\{.*\}"))["sign_in"]
        assert enter_code(asked["url"], asked["user_code"]).status_code == 200
        code, out, err = signing_in.end()
    assert code == 0, err
    assert json.loads(out)["user"] == "alice@example.com"
    assert json.loads(out)["renews_itself"] is True
    assert not JWT.search(out + err)


def test_options_stand_before_the_environment_and_a_file_behind(sign_in, login, fake, tmp_path):
    fake.set_up_provider(GOOGLE, client_secrets={CLIENT: "secret+%&"})
    secret = tmp_path / "secret"
    secret.write_text("secret+%&\n")
    done, _ = sign_in("--client-secret-file", str(secret), "--session", "bob", user="bob")
    assert done.code == 0, done
    assert "bob@example.com" in done.stdout
    assert "secret+%&" not in done.everything
    assert login("list", "--json").json["sessions"][0]["session"] == "bob"


@pytest.mark.parametrize(
    ("acting", "words"),
    [
        ({"decision": "deny"}, "allow what is asked"),
        ({"change": lambda uri: re.sub("state=[^&]+", "state=x", uri)}, "Close the browser"),
    ],
    ids=["consent denied", "another state"],
)
def test_a_refused_sign_in_says_what_to_do(sign_in, login, acting, words):
    done, page = sign_in(**acting)
    assert (done.code, done.stdout) == (6, ""), done
    assert words in done.stderr
    assert "You are not signed in" in page.text
    assert login("session").code == 4


def test_a_wrong_client_id_and_a_closed_browser_end_with_the_deadline(sign_in):
    done, page = sign_in("--client-id", "wrong", late=True)
    assert page.status_code >= 400
    assert (done.code, done.stdout) == (7, "")
    assert "check the client id" in done.stderr
    assert "register the redirect URI http://127.0.0.1:" in done.stderr
    assert "--timeout gives more" in done.stderr


def test_an_audience_that_the_pool_does_not_take_is_named(sign_in, fake):
    fake.set_up_provider(GOOGLE, clients={"another": ["http://127.0.0.1/"]})
    done, _ = sign_in("--client-id", "another")
    assert (done.code, done.stdout) == (6, "")
    assert "sign in with a client id that the pool has" in done.stderr


def test_a_provider_without_refresh_tokens_is_told(sign_in, login, fake):
    fake.set_up_provider(GOOGLE, refresh_tokens=False)
    done, _ = sign_in()
    assert done.code == 0
    assert "no refresh token" in done.stderr
    assert login("logout", "--json").json["revocation"] == "nothing_to_revoke"


def test_two_logins_on_one_port_are_told_apart(login):
    with SigningIn(login, "--no-browser") as first:
        page = first.until(LOOPBACK)
        port = re.search(r"127\.0\.0\.1%3A(\d+)", page)[1]
        done = login("login", "--no-browser", "--port", port)
        assert done.code == 3
        assert "--port" in done.stderr
        act(page)
        assert first.end()[0] == 0


def test_ctrl_c_ends_the_sign_in_and_leaves_nothing(login, folder):
    with SigningIn(login, "--no-browser") as signing_in:
        signing_in.until(LOOPBACK)
        signing_in.process.send_signal(signal.SIGINT)
        code, out, err = signing_in.end()
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert not list(folder.glob("*.session"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--provider"),
        (("--provider", "google"), "--client-id"),
        (("--provider", "facebook", "--client-id", "x"), "federate --provider facebook"),
        (("--provider", "user-pool:nonsense", "--client-id", "x"), "a user pool id such as"),
        (("--provider", "dance", "--client-id", "x"), "google, oidc:ISSUER, user-pool:ID"),
        (("--device", "--no-browser"), "leave --no-browser out"),
    ],
)
def test_what_is_missing_or_wrong_is_told_before_anything_is_sent(command, fake, arguments, words):
    done = command("login", *arguments)
    assert done.code == 2
    assert words in done.stderr
    assert fake.calls == []


def test_a_provider_that_is_not_there_ends_with_7(command):
    done = command(
        "login", "--provider", "oidc:http://127.0.0.1:9", "--client-id", "x", "--no-browser"
    )
    assert done.code == 7, done
    assert "127.0.0.1" in done.stderr


def test_logout_clears_and_revokes_and_local_only_clears(sign_in, login, fake):
    assert sign_in()[0].code == 0
    done = login("logout")
    assert done.code == 0, done
    assert "revoked the refresh token" in done.stdout
    assert login("session").code == 4
    assert sign_in()[0].code == 0
    calls = len(fake.calls)
    done = login("logout", "--local")
    assert (done.code, done.stderr) == (0, "")
    assert "not revoked" in done.stdout
    assert len(fake.calls) == calls
    assert login("session").code == 4


def test_logout_without_the_provider_forgets_here_and_says_so(sign_in, login, fake):
    with fake.serve() as elsewhere:
        discovery = f"{elsewhere}/accounts.google.com/.well-known/openid-configuration"
        assert sign_in("--discovery-url", discovery)[0].code == 0
    done = login("logout")
    assert (done.code, done.stdout) == (8, "Signed out.\n")
    assert "was not revoked" in done.stderr
    assert "page of connected applications" in done.stderr
    assert login("session").code == 4


def test_nobody_signed_in_is_no_error_of_logout(command):
    done = command("logout")
    assert (done.code, done.stdout) == (0, "Signed out.\n")

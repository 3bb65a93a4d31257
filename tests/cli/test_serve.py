"""The command around the endpoint; the endpoint itself is in `test_credential_server`."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

ASK = """
import json, os, urllib.request
with open(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) as file:
    headers = {"Authorization": file.read()}
url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers))
left = [name for name, value in os.environ.items() if value == "another's"]
print(json.load(answer)["AccessKeyId"], left)
raise SystemExit(7)
"""
# What AWS tools prefer to a server's credentials.
OF_ANOTHER = dict.fromkeys(
    (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_BEARER_TOKEN_BEDROCK",
    ),
    "another's",
)


def test_a_program_is_run_with_the_credentials_and_its_exit_code_is_ours(signed_in):
    done = signed_in.in_a_process("serve", "--", sys.executable, "-c", ASK, **OF_ANOTHER)
    key = signed_in("credentials", "--json").json["access_key_id"]
    assert (done.code, done.stdout) == (7, f"{key} []\n")


def test_programs_are_run_one_after_another_in_one_process_too(signed_in, tmp_path):
    file = tmp_path / "told"
    script = f"import sys\nsys.stdout = open({str(file)!r}, 'w')\n{ASK}"
    before = signal.getsignal(signal.SIGTERM)
    done = signed_in("serve", sys.executable, "-c", script)
    assert done.code == 7, done
    assert file.read_text().startswith("ASIA")
    assert signal.getsignal(signal.SIGTERM) is before
    assert signed_in("serve", "/no/such-program").code == 127


def test_a_program_that_is_not_there_ends_with_127(signed_in):
    done = signed_in.in_a_process("serve", "/no/such-program")
    assert done.code == 127
    assert "cannot be run" in done.stderr


def test_nobody_signed_in_is_told_before_anything_is_served(command):
    done = command.in_a_process("serve", "--", sys.executable, "-c", "print('ran')")
    assert (done.code, done.stdout) == (4, "")


def ignore_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def server(signed_in, prepare):
    """Start the command as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "amplify_federation.cli", "serve", "--json"],
        env=signed_in.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=prepare,  # noqa: PLW1509  # one call, and no threads that matter
    )  # fmt: skip


def announcement(process):
    """Return the JSON that a server prints once it serves."""
    text = ""
    while "}" not in text:
        text += process.stdout.readline()
    return text


@pytest.mark.parametrize("_attempt", range(3))
def test_it_stops_in_the_middle_of_its_work_too(signed_in, _attempt):
    if os.name == "nt":
        pytest.skip("Windows sends no such signals")
    with server(signed_in, ignore_interrupts) as process:
        try:
            url = json.loads(announcement(process))["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
            busy = threading.Event()
            asked = threading.Thread(target=ask_without_end, args=(url, busy))
            asked.start()
            assert busy.wait(30)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
            asked.join(30)
            assert not asked.is_alive()
        finally:
            process.kill()
    assert process.returncode == 0, errors


def ask_without_end(url, busy):
    """Keep a server busy until it is gone; without its token the answers are refusals."""
    with contextlib.suppress(OSError, HTTPException):
        for count in itertools.count():
            if count == 50:
                busy.set()
            with contextlib.suppress(HTTPError):
                urlopen(url, timeout=10).close()  # noqa: S310  # loopback


@pytest.mark.parametrize(
    ("number", "prepare"),
    [
        (signal.SIGINT, None),
        (signal.SIGTERM, None),
        (signal.SIGTERM, ignore_interrupts),  # as a script starts its background jobs
    ],
)
def test_it_serves_until_it_is_told_to_stop_and_leaves_no_file(signed_in, number, prepare):
    if os.name == "nt":
        pytest.skip("Windows sends no such signals")
    with server(signed_in, prepare) as process:
        text = announcement(process)
        told = json.loads(text)
        file = Path(told["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
        token = file.read_text()
        assert token not in text
        request = Request(  # noqa: S310  # loopback
            told["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers={"Authorization": token}
        )
        with urlopen(request) as answer:  # noqa: S310  # loopback
            assert json.load(answer)["AccessKeyId"].startswith("ASIA")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not file.parent.exists()


@pytest.fixture
def interrupted(signed_in, monkeypatch, tmp_path):
    """The command, without AWS's variables; SIGINT reaches its server as soon as it serves."""

    @contextlib.asynccontextmanager
    async def end_signals():
        async def signals():
            yield signal.SIGINT

        yield signals()

    monkeypatch.setattr("amplify_federation.cli.serve._end_signals", end_signals)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    return signed_in


def test_an_interrupted_server_prints_its_lines_first(interrupted):
    done = interrupted("serve")
    assert done.code == 0, done
    first, second, *regions = done.stdout.splitlines()
    assert regions == ["export AWS_REGION=us-west-2", "export AWS_DEFAULT_REGION=us-west-2"]
    assert first.startswith("export AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:")
    assert second.startswith("export AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=")
    assert done.stderr == "Serving; Ctrl-C ends it.\n"


def test_a_shell_forgets_what_aws_tools_prefer(interrupted):
    lines = interrupted("serve", env=OF_ANOTHER).stdout.splitlines()
    assert set(lines[0].split()) == {"unset", *OF_ANOTHER}


def test_without_uvicorn_the_extra_is_named(signed_in, monkeypatch):
    monkeypatch.setattr("amplify_federation.cli.serve.find_spec", lambda _name: None)
    done = signed_in("serve")
    assert done.code == 2
    assert "amplify-federation[cli]" in done.stderr


WAIT = """
import os, sys, time
print(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"], os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_to_the_command_alone_ends_the_program_and_leaves_no_file(signed_in, name):
    number = getattr(signal, name, None)
    if os.name == "nt" or number is None:
        pytest.skip("Windows sends no such signals")
    with subprocess.Popen(
        [sys.executable, "-m", "amplify_federation.cli", "serve", sys.executable, "-c", WAIT],
        env=signed_in.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,  # no terminal, as under a supervisor
    ) as process:  # fmt: skip
        file, child = process.stdout.readline().split()
        assert Path(file).exists()
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=60)
    # Python itself ends by KeyboardInterrupt, with the same number.
    assert process.returncode == 128 + number, errors
    assert not Path(file).parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(child), 0)


CTRL_C = """
import os, pty, sys, time
program = [sys.executable, "-m", "amplify_federation.cli", "serve", sys.executable, "-c", '''
import time
count = 0
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    count += 1
try:
    time.sleep(1)
except KeyboardInterrupt:
    count += 1
print("interrupted", count, "times", flush=True)
''']
pid, terminal = pty.fork()
if pid == 0:
    os.execv(program[0], program)
text = b""
while b"ready" not in text:
    text += os.read(terminal, 1000)
os.write(terminal, b"\\x03")
while b"times" not in text:
    text += os.read(terminal, 1000)
_, status = os.waitpid(pid, 0)
print(text.decode(), os.waitstatus_to_exitcode(status))
"""


def test_ctrl_c_in_a_terminal_reaches_an_interactive_program_once(signed_in):
    pytest.importorskip("pty", reason="Windows has no such terminals")
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C], env=signed_in.environment(), capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "interrupted 1 times" in done.stdout, done
    assert done.stdout.split()[-1] == "0"


def test_the_program_gets_neither_the_master_key_nor_the_token(signed_in, token, folder):
    key = (folder / "master.key").read_text().strip()
    shown = "import os; print(sorted(os.environ.items()))"
    done = signed_in.in_a_process(
        "serve", "--", sys.executable, "-c", shown,
        AMPLIFY_FEDERATION_KEY=key, AMPLIFY_FEDERATION_TOKEN=token,
        AWS_CONTAINER_AUTHORIZATION_TOKEN="somebody else's",
    )  # fmt: skip
    assert done.code == 0, done
    for text in (key, token, "AUTHORIZATION_TOKEN'"):
        assert text not in done.stdout
    assert "AMPLIFY_FEDERATION_POOL_ID" in done.stdout


def test_a_shell_gets_the_token_variable_from_the_file_and_no_secret_is_printed(interrupted):
    lines = interrupted("serve", "--token-variable").stdout.splitlines()
    file = lines[1].partition("=")[2]
    assert lines[-1] == f'export AWS_CONTAINER_AUTHORIZATION_TOKEN="$(cat {file})"'


NODE = """
const { fromContainerMetadata, fromHttp } = require("@aws-sdk/credential-providers");
(async () => {
  for (const provider of [fromContainerMetadata(), fromHttp()]) {
    const credentials = await provider();
    console.log(credentials.accessKeyId, credentials.expiration.getTime() > Date.now());
  }
})().catch((error) => { console.error(error.message); process.exit(1); });
"""


@pytest.fixture
def javascript_sdk():
    """Node, with AWS's JavaScript SDK where `require` finds it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    looked = [node, "-e", "require.resolve('@aws-sdk/credential-providers')"]
    if subprocess.run(looked, capture_output=True, check=False).returncode:
        pytest.skip("npm's @aws-sdk/credential-providers is not installed (see NODE_PATH)")
    return node


def test_javascript_takes_the_credentials_with_the_token_variable(signed_in, javascript_sdk):
    done = signed_in.in_a_process("serve", "--token-variable", "--", javascript_sdk, "-e", NODE)
    key = signed_in("credentials", "--json").json["access_key_id"]
    assert (done.code, done.stdout) == (0, f"{key} true\n" * 2), done


BOTOCORE = """
import botocore.session, os
session = botocore.session.get_session()
print(session.get_credentials().access_key, session.get_config_variable("region"))
for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
    print(oct(os.stat(os.environ[name]).st_mode), open(os.environ[name]).read())
"""


def test_a_program_gets_the_session_s_credentials_and_not_a_default_profile_s(signed_in, tmp_path):
    config, shared = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[default]\nregion = eu-west-1\ncredential_process = /bin/false\n")
    shared.write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = canary\n")
    files = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(shared)}
    done = signed_in.in_a_process("exec", "--", sys.executable, "-c", BOTOCORE, **files)
    key = signed_in("credentials", "--json").json["access_key_id"]
    assert done.stdout.startswith(f"{key} eu-west-1\n0o100600 "), done
    assert "canary" not in done.everything
    assert f"AWS tools prefer the default profile in {shared}" in done.stderr
    assert "canary" in shared.read_text()
    quiet = signed_in.in_a_process("exec", "--json", "--", sys.executable, "-c", "", **files)
    assert (quiet.code, quiet.everything) == (0, "")


@pytest.mark.parametrize(
    ("config", "variables", "given"),
    [
        ("", {}, {"us-west-2"}),
        ("[default]\nregion = eu-west-1\n", {}, set()),
        ("[profile player]\nregion = eu-west-1\n", {}, {"us-west-2"}),
        ("", {"AWS_DEFAULT_REGION": "eu-west-1"}, set()),
    ],
)
def test_programs_get_the_pool_s_region_if_the_user_has_chosen_none(
    interrupted, tmp_path, config, variables, given
):
    (tmp_path / "config").write_text(config)
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    told = interrupted("serve", "--json", env={**files, **variables}).json
    found = {told.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    assert found - {None} == given


def test_a_file_that_is_no_program_ends_with_126(signed_in, tmp_path):
    (tmp_path / "text").write_text("")
    done = signed_in("exec", str(tmp_path / "text"))
    assert done.code == 126
    assert "cannot be run" in signed_in.in_a_process("exec", str(tmp_path / "text")).stderr


def test_an_interrupt_before_the_program_runs_is_no_success(command, fake):
    if os.name == "nt":
        pytest.skip("Windows sends no such signals")
    pool = fake.create_identity_pool(guest_access=True)
    fake.fail_next(operation="GetId", delay=30)
    guest = {"AMPLIFY_FEDERATION_POOL_ID": pool, "AMPLIFY_FEDERATION_GUEST_ACCESS": "true"}
    with subprocess.Popen(
        [sys.executable, "-m", "amplify_federation.cli", "exec", "--", "echo", "ran"],
        env=command.environment(**guest), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stderr.readline() == "Asking Cognito ...\n"
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=30)
    assert (process.returncode, shown) == (130, ""), errors


def test_exec_runs_a_program_and_needs_one(signed_in):
    done = signed_in.in_a_process("exec", "--", sys.executable, "-c", ASK)
    key = signed_in("credentials", "--json").json["access_key_id"]
    assert (done.code, done.stdout) == (7, f"{key} []\n")
    assert signed_in("exec").code == 2

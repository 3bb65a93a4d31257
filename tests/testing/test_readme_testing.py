"""Each example of the test kit's README is a file; it is run as its reader would."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

import amplify_federation.testing
from amplify_federation import AuthProvider, FederatedUsers, IdentityPool, MemoryStore
from amplify_federation.testing import FakeCognito, serve_control

KIT = Path(amplify_federation.testing.__file__).with_name("README.md")
EXAMPLE = re.compile(r"^```\w+\n((?:#|//) ([\w.]+)\n.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {name: code for code, name in EXAMPLE.findall(KIT.read_text(encoding="utf-8"))}
TEST_FILES = sorted(name for name in FILES if name.startswith("test_"))


def run(*command, folder, **environment):
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_every_block_of_code_is_a_file_that_is_run():
    fences = re.findall(r"^```\w+$", KIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == len(FILES)
    others = set(FILES) - set(TEST_FILES)
    assert others == {"control.mjs", "fake_cognito.sh", "load.py", "locustfile.py"}


def test_examples_run_whole(tmp_path):
    needs = {"test_cassette.py": "vcr", "test_login.py": "authlib"}
    names = [name for name in TEST_FILES if name not in needs or find_spec(needs[name])]
    for name in names:
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    # Of our own settings only what the examples say; and warnings count.
    done = run(
        *(sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:randomly", "-rA", *names),
        folder=tmp_path,
        PYTEST_ADDOPTS="-o asyncio_default_fixture_loop_scope=function",
    )
    assert "skipped" not in done.stdout
    assert {line.split("::")[0] for line in done.stdout.splitlines() if "PASSED" in line} == {
        f"PASSED {name}" for name in names
    }


def test_node_program_drives_a_fake_by_its_control_api(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    (tmp_path / "control.mjs").write_text(FILES["control.mjs"], encoding="utf-8")
    fake = FakeCognito()
    with fake.serve() as url, serve_control(fake) as access:
        done = run(
            node,
            "control.mjs",
            folder=tmp_path,
            AWS_ENDPOINT_URL_COGNITO_IDENTITY=url,
            AMPLIFY_FEDERATION_CONTROL_URL=access.url,
            AMPLIFY_FEDERATION_CONTROL_TOKEN=access.token,
        )
    assert "Token expired" in done.stdout


def test_shell_asks_a_running_server(tmp_path):
    pytest.importorskip("click", reason="click is not installed")
    (tmp_path / "fake_cognito.sh").write_text(FILES["fake_cognito.sh"], encoding="utf-8")
    done = run(
        *("bash", "-e", "fake_cognito.sh"),
        folder=tmp_path,
        AMPLIFY_FEDERATION_HOME=str(tmp_path / "home"),
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    )
    assert "GetId 200\nGetCredentialsForIdentity 200\n" in done.stdout
    assert (tmp_path / "calls.log").read_text().startswith("GetId 200\n")
    for name in ("expired.txt", "staff.txt"):
        assert (tmp_path / name).read_text().startswith("eyJ")


def test_load_program_signs_everybody_in(tmp_path):
    (tmp_path / "load.py").write_text(FILES["load.py"], encoding="utf-8")
    done = run(sys.executable, "load.py", folder=tmp_path)
    assert "sign-ins a second" in done.stdout
    assert f"[{'#' * 40}] 500/500" in done.stderr


def test_locust_file_plays_the_users_of_an_application(tmp_path):
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    locust = shutil.which("locust", path=str(Path(sys.executable).parent))
    if locust is None:
        pytest.skip("locust is not installed")
    (tmp_path / "locustfile.py").write_text(FILES["locustfile.py"], encoding="utf-8")
    names = {}
    exec(FILES["test_fastapi.py"], names)  # noqa: S102  # the README's own application
    fake = FakeCognito()
    pool = fake.create_identity_pool({AuthProvider.GOOGLE: ["web"]})
    with fake.serve() as url, serve_control(fake) as access:
        users = FederatedUsers(IdentityPool(pool, endpoint_url=url), store=MemoryStore())
        settings = {"port": 0, "log_level": "critical"}
        server = uvicorn.Server(uvicorn.Config(names["make_app"](users), **settings))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            [address] = [one.getsockname() for each in server.servers for one in each.sockets]
            host = f"http://127.0.0.1:{address[1]}"
            assert httpx.get(f"{host}/me").status_code == 401
            control = {
                "AMPLIFY_FEDERATION_CONTROL_URL": access.url,
                "AMPLIFY_FEDERATION_CONTROL_TOKEN": access.token,
            }
            with subprocess.Popen(
                [locust, "--headless", "-u", "2", "-r", "2", "--only-summary", "--host", host],
                cwd=tmp_path, env=os.environ | control,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            ) as players:  # fmt: skip
                stuck = threading.Timer(60, players.kill)
                stuck.start()
                while len(fake.calls) < 4 and players.poll() is None:  # two for each player
                    time.sleep(0.01)
                stuck.cancel()
                players.terminate()
                said, _ = players.communicate(timeout=60)
            assert players.returncode == 0, said
        finally:
            server.should_exit = True
            thread.join()
    assert {call.code for call in fake.calls} == {None}

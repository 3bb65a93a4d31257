"""The wheel is what users install: whole, typed for their checkers, and of a bearable size."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import amplify_federation

ROOT = Path(__file__).parents[1]
LONG = bool(os.environ.get("AMPLIFY_FEDERATION_LONG_TESTS"))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
LARGEST = 500_000  # bytes; what a download may cost
PAGE = """\
from amplify_federation import AuthProvider, FederatedAuth


async def identity(token: str) -> str:
    async with FederatedAuth("us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768") as auth:
        result = await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        return result.identity_id


async def mistake() -> int:
    return await identity("token")
"""


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of what is committed to."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    pytest.importorskip("hatch_fancy_pypi_readme")
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "amplify_federation",
        source / "amplify_federation",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    status, said = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", cwd=source
    )
    assert status == 0, said
    (path,) = (source / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel alone into a fresh environment that borrows this one's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True, with_pip=False)
    variables = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=variables))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "others.pth").write_text("\n".join(others), encoding="utf-8")
    page = folder / "page.py"
    page.write_text(PAGE, encoding="utf-8")
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    version = amplify_federation.__name__
    assert all(top.startswith(version) for top in tops), tops
    assert "amplify_federation/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "/test_" in name or "__pycache__" in name]
    assert wheel.stat().st_size <= LARGEST


def test_the_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        said = Parser().parsestr(archive.read(metadata).decode())
    assert said["License-Expression"] == "Apache-2.0"
    required = [each for each in said.get_all("Requires-Dist") if "extra ==" not in each]
    names = sorted(each.partition(">")[0].partition("<")[0].strip() for each in required)
    assert names == ["anyio", "attrs", "cryptography", "filelock", "httpx", "platformdirs"]
    assert not re.search(r"\]\((?!https?:)", said.get_payload())  # an index has no such pages
    pytest.importorskip("twine")
    status, report = run(
        sys.executable, "-m", "twine", "check", "--strict", wheel, cwd=wheel.parent
    )
    assert status == 0, report


def test_a_program_runs_from_the_wheel(installed):
    script = "import amplify_federation; print(amplify_federation.__file__)"
    status, said = run(installed / "bin" / "python", "-c", script, cwd=installed)
    assert status == 0, said
    assert said.startswith(str(installed))


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_checker_sees_the_types_of_the_wheel(checker, installed):
    pytest.importorskip(checker)
    if run(sys.executable, "-m", checker, "--version", cwd=installed)[0]:
        pytest.skip("pyright needs Node, and can download none")
    python = installed / "bin" / "python"
    arguments = {
        "mypy": ["--strict", "--python-executable", python, "--cache-dir", installed / "cache"],
        "pyright": ["--pythonpath", python],
    }[checker]
    status, said = run(sys.executable, "-m", checker, *arguments, "page.py", cwd=installed)
    assert status == 1, said
    assert said.count("error:") == 1, said  # the mistake of the page, and nothing else
    assert "int" in said


PROGRAM = """\
import asyncio
import os
import subprocess

import httpx
from amplify_federation import AuthProvider, FederatedAuth, MemoryStore
from amplify_federation.testing import FakeCognito


async def main():
    fake = FakeCognito()
    pool, token = fake.create_identity_pool(), fake.issue_token(AuthProvider.GOOGLE, "alice")
    client = httpx.AsyncClient(transport=fake.transport)
    async with FederatedAuth(pool, store=MemoryStore(), http_client=client) as auth:
        await auth.federate_to_identity_pool(token, AuthProvider.GOOGLE)
        credentials = (await auth.fetch_auth_session()).credentials
        await use(fake, auth, credentials.access_key_id)


async def use(fake, auth, key_id):
{use}


asyncio.run(main())
"""
# What each extra is for, in an environment that has it and no other; none for the empty name.
USES = {
    "": """
    assert fake.read_session_token(auth.state.credentials.session_token).access_key_id == key_id""",
    "boto": """
    from amplify_federation.integrations.boto import presign

    assert key_id in (await presign(auth, "https://bucket.s3.us-west-2.amazonaws.com/key")).url""",
    "cli": """
    subprocess.run(["bin/amplify-federation", "demo"], check=True)""",
    "crt": """
    from amplify_federation.integrations.crt import crt_credentials

    provider = crt_credentials(auth)
    given = await asyncio.to_thread(lambda: provider.get_credentials().result())
    assert given.access_key_id == key_id""",
    "data": """
    from amplify_federation.integrations.data import s3_file_system

    s3 = await s3_file_system(auth, asynchronous=True).set_session()
    assert (await s3._request_signer._credentials.get_frozen_credentials()).access_key == key_id""",
    "developer": """
    from amplify_federation.integrations.developer_identities import DeveloperIdentities

    os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "key"}
    async with DeveloperIdentities(auth.pool, "login.example.app") as identities:
        assert identities""",
    "fast": """
    import httptools

    assert httptools.HttpResponseParser""",
    "keyring": """
    from amplify_federation import EncryptedFileStore, KeyringKey

    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    assert EncryptedFileStore("sessions", key=KeyringKey())""",
    "login": """
    from amplify_federation import NetworkError, sign_in

    try:
        await sign_in(issuer="https://127.0.0.1:1", client_id="web")
    except NetworkError:
        return
    raise AssertionError""",
    "redis": """
    from amplify_federation import StoreUnavailableError
    from amplify_federation.stores.redis import RedisStore

    try:
        async with RedisStore("redis://127.0.0.1:1", key=bytes(32)) as store:
            await store.read("name")
    except StoreUnavailableError:
        return
    raise AssertionError""",
    "smithy": """
    from amplify_federation.integrations.smithy import identity_resolver

    identity = await identity_resolver(auth).get_identity(properties={})
    assert identity.access_key_id == key_id""",
    "starlette": """
    from amplify_federation.integrations.starlette import BearerSession

    assert BearerSession(AuthProvider.GOOGLE)""",
    "testing": """
    with fake.serve() as url:
        asked = await asyncio.to_thread(httpx.get, f"{url}/accounts.google.com/authorize")
    assert asked.status_code == 400  # no client is named""",
}


def test_each_extra_has_a_program_that_uses_it():
    assert USES.keys() - {""} == EXTRAS.keys() - {"dev", "bench"}


if LONG:  # each extra is downloaded

    @pytest.mark.parametrize("extra", USES)
    def test_the_wheel_serves_with_each_extra_alone(extra, wheel, tmp_path):
        if extra == "smithy" and sys.version_info < (3, 12):
            pytest.skip("smithy-python needs Python 3.12")
        venv.create(tmp_path, symlinks=True, with_pip=True)
        python, wanted = tmp_path / "bin" / "python", f"{wheel}[{extra}]" if extra else wheel
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(use=USES[extra]), encoding="utf-8")
        for command in (["-m", "pip", "install", "-q", wanted], ["-m", "pip", "check"], [program]):
            status, said = run(python, *command, cwd=tmp_path)
            assert status == 0, said

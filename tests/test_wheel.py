"""The wheel is what users install: whole, typed for their checkers, and of a bearable size."""

import os
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


if LONG:  # each extra is downloaded

    @pytest.mark.parametrize("extra", [each for each in EXTRAS if each not in {"dev", "bench"}])
    def test_the_wheel_installs_with_each_extra(extra, wheel, tmp_path):
        venv.create(tmp_path, symlinks=True, with_pip=True)
        python = tmp_path / "bin" / "python"
        status, said = run(python, "-m", "pip", "install", "-q", f"{wheel}[{extra}]", cwd=tmp_path)
        assert status == 0, said
        status, said = run(python, "-m", "pip", "check", cwd=tmp_path)
        assert status == 0, said

"""The rules of the house, kept by looking at the source.

What must never be fails: circles, imports that go up, a third party in a strange room, a module
without tests. Sizes are advice: they are printed as warnings of the run, and fail nothing, since a
limit that is enforced shapes the code.
"""

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "amplify_federation"
HOUSE = ROOT / PACKAGE
MODULES = sorted(HOUSE.rglob("*.py"))

# From the ground up. A room imports what is below it, and itself.
FLOORS = [
    "_version", "errors", "_model", "_async", "_cognito", "_configuration", "_files", "_crypto",
    "stores", "pool", "_http", "transport", "_oidc", "_session", "auth", "_users", "users",
    "__init__",
]  # fmt: skip
WINGS = ["testing", "integrations", "cli", "__main__"]
FACE = re.compile(  # `testing` and `boto` are wings whose public names the demonstration shows
    rf"{PACKAGE}(\.errors|\.stores(\.[a-z]\w*)*|\.testing|\.integrations\.boto|\.transport)?"
)

# Third parties, and standard modules that matter, by the rooms that may know them.
KNOWN_TO = {
    "httpx": [
        "_http",
        "_oidc",
        "testing",
        "cli/demo_environment",
        "cli/doctor",
        "cli/fake_control",
        "integrations",
    ],
    "httpx2": [],
    "httpcore": [],
    "h11": ["_http/parser", "_oidc/loopback", "testing"],
    "authlib": ["_oidc/library", "_oidc/id_token"],
    "joserfc": ["_oidc/id_token"],
    "httptools": ["_http/parser"],
    "certifi": ["_http/trust"],
    "cryptography": ["_crypto", "testing"],
    "filelock": ["_files", "stores"],
    "platformdirs": ["_files", "_crypto", "stores"],
    "keyring": ["_crypto/keyring"],
    "redis": ["stores/_redis_client"],
    "boto3": ["integrations"],
    "botocore": ["integrations", "cli/whoami"],
    "aiobotocore": ["integrations"],
    "awscrt": ["integrations"],
    "s3fs": ["integrations"],
    "smithy_aws_core": ["integrations"],
    "starlette": ["integrations"],
    "fastapi": ["integrations"],
    "click": ["cli"],
    "uvicorn": ["testing", "cli"],
    "pytest": ["testing"],
    "respx": ["testing"],
    # The loops by name: where anyio has no word for what is needed. Each file says why.
    "asyncio": ["_async", "_http", "testing/_http", "cli/options"],
    "trio": ["_async", "_http", "testing/_http"],
}
# What every room may know beside the standard library; the pure rooms know attrs alone.
COMMON = {"attrs", "anyio"}
PURE = {"_model": {"attrs"}, "_cognito": {"attrs"}, "errors": set()}
IMPURE = {
    "os", "pathlib", "io", "random", "secrets", "socket", "ssl", "threading", "subprocess",
    "tempfile", "logging", "contextvars", "multiprocessing", "urllib", "shutil", "sys",
}  # fmt: skip
HEAVY = {
    "httpx", "httpcore", "h11", "httptools", "certifi", "ssl", "cryptography", "filelock",
    "platformdirs", "uvicorn", "redis", "keyring", "boto3", "botocore", "aiobotocore", "starlette",
    "authlib", "joserfc",
    "fastapi", "click", "asyncio", "trio", "email", "urllib.request", "pytest", "sqlite3",
    "multiprocessing", "http.client",
}  # fmt: skip
TOP_LEVEL = {
    ".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "amplify_federation",
    "benchmarks", "pyproject.toml", "tests",
}  # fmt: skip
# Modules without a test file of their own, tested through their neighbours. It only gets shorter.
WITHOUT_MIRROR: set[str] = {
    "_http/anyio_connection", "_http/asyncio_connection",
    "_session/context", "_session/views",
}  # fmt: skip


def name_of(path: Path) -> str:
    """Return a module's name below the package, with slashes: `_model/state`."""
    return path.relative_to(HOUSE).with_suffix("").as_posix()


def room_of(name: str) -> str:
    return name.partition("/")[0]


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """Return the dotted names that a module imports anywhere: at its top, lazily, for typing."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module"
            and isinstance(node.args[0], ast.Constant)
        ):
            found.add(str(node.args[0].value))
    return found


def own_module(dotted: str) -> str | None:
    """Return the module of this package that an imported name is in, or is."""
    if dotted.partition(".")[0] != PACKAGE:
        return None
    parts = dotted.split(".")[1:]
    for length in (len(parts), len(parts) - 1):
        below = HOUSE.joinpath(*parts[:length])
        if length and below.with_suffix(".py").is_file():
            return "/".join(parts[:length])
        if (below / "__init__.py").is_file():
            return "/".join([*parts[:length], "__init__"])
    raise AssertionError(f"{dotted} is nowhere")


def own_imports(path: Path) -> set[str]:
    return {name for each in imports_of(path) if (name := own_module(each)) is not None}


def test_every_room_stands_on_a_floor():
    rooms = {room_of(name_of(path)) for path in MODULES}
    assert rooms <= {*FLOORS, *WINGS}


def test_imports_go_down_only():
    up = {
        f"{name_of(path)} -> {each}"
        for path in MODULES
        if (room := room_of(name_of(path))) in FLOORS
        for each in own_imports(path)
        if room_of(each) in WINGS or FLOORS.index(room_of(each)) > FLOORS.index(room)
    }
    assert not up


def test_a_wing_knows_the_face_only():
    behind = {
        f"{name_of(path)} -> {each}"
        for path in MODULES
        if (room := room_of(name_of(path))) in WINGS
        for each in imports_of(path)
        if each.partition(".")[0] == PACKAGE
        and not f"{each}.".startswith(f"{PACKAGE}.{room}.")
        and not FACE.fullmatch(each.rpartition(".")[0] or each)
    }
    assert not behind


def test_nothing_imports_in_a_circle():
    graph = {name_of(path): own_imports(path) - {name_of(path)} for path in MODULES}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for below in graph.get(name, ()):
                visit(below, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def outside_of(path: Path) -> set[str]:
    """Return the top-level names that a module imports from elsewhere."""
    return {each.partition(".")[0] for each in imports_of(path)} - {PACKAGE}


def test_only_known_third_parties_are_imported():
    known = COMMON | set(KNOWN_TO) | sys.stdlib_module_names
    assert not {(name_of(path), each) for path in MODULES for each in outside_of(path) - known}


def test_a_third_party_is_known_in_its_room_only():
    misplaced = {
        f"{name_of(path)} -> {each}"
        for path in MODULES
        for each in outside_of(path) & set(KNOWN_TO)
        if not any(f"{name_of(path)}/".startswith(f"{room}/") for room in KNOWN_TO[each])
    }
    assert not misplaced


def test_a_pure_room_is_pure():
    for path in MODULES:
        name = name_of(path)
        if room_of(name) not in PURE:
            continue
        known = outside_of(path)
        assert not known & IMPURE, name
        assert not known - sys.stdlib_module_names - PURE[room_of(name)], name
        if "time" in known:
            assert name == "_model/settings"  # the default clock, passed on and not read
        for node in ast.walk(tree_of(path)):
            assert not isinstance(node, ast.Await), name
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"now", "utcnow", "today", "urandom", "environ"}, name


def test_a_module_says_what_it_is():
    for path in MODULES:
        docstring = ast.get_docstring(tree_of(path))
        assert docstring, name_of(path)
        assert docstring.splitlines()[0].endswith((".", ":")), name_of(path)


def test_a_module_has_a_name_that_says_something():
    empty = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
    assert not {
        name_of(path) for path in MODULES if empty & set(name_of(path).replace("_", "/").split("/"))
    }


def test_every_suppression_gives_its_reason():
    bare = [
        f"{name_of(path)}: {line.strip()}"
        for path in MODULES
        for line in path.read_text(encoding="utf-8").splitlines()
        if (found := re.search(r"# (?:noqa|type: ignore|pyright: ignore|pragma)\b(.*)", line))
        and not re.search(r"(#|- )\s*\S+.*\w", found.group(1))
    ]
    assert not bare


def mirrors_of(name: str) -> list[Path]:
    """Return the test files of a module, under its path without leading underscores."""
    *folders, stem = (part.lstrip("_") for part in name.split("/"))
    folder = ROOT.joinpath("tests", *folders)
    return [*folder.glob(f"test_{stem}.py"), *folder.glob(f"test_{stem}_*.py")]


def test_every_module_has_a_mirror_among_the_tests():
    missing = {
        name_of(path)
        for path in MODULES
        if path.name not in {"__init__.py", "__main__.py", "_version.py"}
        and not mirrors_of(name_of(path))
    }
    assert not missing - WITHOUT_MIRROR


def test_the_list_of_modules_without_a_mirror_names_modules():
    assert not WITHOUT_MIRROR - {name_of(path) for path in MODULES}


def test_importing_all_of_the_package_loads_nothing_heavy():
    script = f"import sys; from {PACKAGE} import *; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script],
        env={**os.environ, "COVERAGE_PROCESS_START": ""},  # coverage loads much itself
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(run.stdout.split())
    assert PACKAGE in loaded
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith(f"{PACKAGE}.testing")}


def committed() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_top_level_holds_what_was_agreed():
    assert {name.partition("/")[0] for name in committed()} <= TOP_LEVEL


def hosts_of_this_machine() -> set[str]:
    """Return names that stand in this machine's settings and mean nothing anywhere else."""
    settings = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    hosts = set(re.findall(r"https?://(?:[^/@\s]*@)?([\w.-]+)", settings.stdout))
    return hosts - {"pypi.org", "localhost", "127.0.0.1"}


def test_no_file_names_the_place_where_it_was_written():
    places = {str(ROOT) + "/", str(ROOT.parent) + "/venv"} | hosts_of_this_machine()
    named = {
        (name, place)
        for name in committed()
        for place in places
        if place.encode() in (ROOT / name).read_bytes()
    }
    assert not named

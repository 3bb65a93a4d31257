"""Each example of "Testing your application" is a test file; it is run as its reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(os.environ.get("README_UNDER_TEST", Path(__file__).parents[2] / "README.md"))
TITLE = "## Testing your application"
EXAMPLE = re.compile(r"^```python\n(# (test_\w+\.py)\n.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = ["plugin_anyio", "plugin_asyncio", "respx", "pytest_httpx", "over_http", "my_own"]


def examples():
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    section = next((one for one in sections if one.startswith(TITLE)), "")
    return {name: code for code, name in EXAMPLE.findall(section)}


@pytest.mark.skipif(not examples(), reason="the README has no such section yet")
def test_examples_are_those_that_are_run():
    assert sorted(examples()) == sorted(f"test_{name}.py" for name in NAMES)


@pytest.mark.skipif(not examples(), reason="the README has no such section yet")
@pytest.mark.parametrize("name", NAMES)
def test_example_runs_whole(name, tmp_path):
    path = tmp_path / f"test_{name}.py"
    path.write_text(examples()[path.name], encoding="utf-8")
    # Of our own settings only what the example says; and warnings count.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:randomly", path.name],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_ADDOPTS": "-o asyncio_default_fixture_loop_scope=function"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout

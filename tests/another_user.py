"""Commands of another user of this machine, whom root alone can be."""

import os
import shutil
import subprocess
import sys

import pytest

UID = 54_321  # without an entry in passwd


def as_another_user(*command: str) -> list[str]:
    """Return the command line that runs a command as the other user; skip where none can."""
    setpriv = shutil.which("setpriv")
    if setpriv is None or os.geteuid() != 0:
        pytest.skip("another user can be had by root alone, with setpriv")
    other = [setpriv, "--reuid", str(UID), "--clear-groups"]
    look = [*other, sys.executable, "-c", "import amplify_federation"]
    if subprocess.run(look, capture_output=True, check=False).returncode:
        pytest.skip("another user cannot run this Python")
    return [*other, *command]

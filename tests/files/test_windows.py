"""What runs on Windows, run here without what Windows lacks. It proves the way, not the kernel."""

import os
import subprocess
import sys

import pytest

from amplify_federation._files import atomic_write, file_checks, folder_checks

MISSING = ("geteuid", "fchmod", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK")
POSIX_ONLY = ("fcntl", "pwd", "grp", "resource", "termios")


@pytest.fixture
def _windows(monkeypatch):
    for name in MISSING:
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(file_checks, "SAFE_FLAGS", 0)
    for room in (file_checks, atomic_write, folder_checks):
        monkeypatch.setattr(room, "WINDOWS", True)


@pytest.mark.usefixtures("_windows")
def test_files_are_made_replaced_read_and_removed(tmp_path):
    folder = tmp_path / "a" / "store"
    folder_checks.make_folder(folder)
    assert folder_checks.folder_identity(folder) is not None
    path = folder / "file"
    for data in (b"one", b"two"):
        atomic_write.replace_file(path, data)
        assert file_checks.read_file(path, 100)[0] == data
    atomic_write.move_file(path, folder / "moved")
    atomic_write.remove_files(folder / "moved", path)
    assert not list(folder.iterdir())


IMPORT_WITHOUT_POSIX = """
import os, sys
import anyio.to_thread, attrs, filelock, platformdirs
for name in {posix!r}:
    sys.modules[name] = None
for name in {missing!r}:
    delattr(os, name)
sys.platform = "win32"
for name in {modules!r}:
    __import__(name)
from amplify_federation._files import file_checks
assert file_checks.WINDOWS and not file_checks.SAFE_FLAGS
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it is Windows")
def test_no_module_needs_what_only_posix_has():
    disk = ("file_checks", "atomic_write", "folder_checks", "lock", "removal", "folder")
    keys = ("keys", "key_files", "passphrase", "keyring")
    modules = [f"amplify_federation._files.{name}" for name in disk]
    modules += [f"amplify_federation._crypto.{name}" for name in keys]
    script = IMPORT_WITHOUT_POSIX.format(posix=POSIX_ONLY, missing=MISSING, modules=modules)
    subprocess.run([sys.executable, "-c", script], check=True)

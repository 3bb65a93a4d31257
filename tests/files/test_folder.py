import os
import re
import stat
import sys
import time
from pathlib import Path

import pytest

from amplify_federation._files import folder as folder_module
from amplify_federation._files import lock
from amplify_federation._files.folder import Folder
from amplify_federation.errors import (
    SessionFileCorruptError,
    StoreUnavailableError,
    UnsafePermissionsError,
)
from tests.files.processes import answers_of_twenty

NAME = "us-west-2:b4cd4809-7ab1-42e1-b044-07dab9eaa768/default"
posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes are POSIX's")


def names_in(folder):
    return sorted(one.name for one in folder.iterdir())


def file_of(folder):
    return Path(folder.file_of(NAME))


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path / "store", limit=100)
    folder.make()
    return folder


def another(folder):
    other = Folder(folder.path, limit=100)
    assert other.open()
    return other


def aged(path):
    """Let a file look as if it had been there for long, but for its change time."""
    os.utime(path, ns=(0, 0))


@pytest.fixture
def later(monkeypatch):
    """Let the clock run ahead, so that what is on the disk is old."""
    real = time.time_ns
    monkeypatch.setattr(folder_module.time, "time_ns", lambda: real() + 10**10)


def test_constructing_touches_nothing(tmp_path):
    folder = Folder(tmp_path / "store", limit=100)
    assert not folder.open()
    assert names_in(tmp_path) == []
    with pytest.raises(StoreUnavailableError):
        folder.file_of(NAME)


def test_a_record_is_kept_under_a_version_that_is_its_digest(folder):
    version = folder.replace(NAME, b"one")
    assert folder.read(NAME) == folder_module.StoredBytes(version, b"one")
    assert folder.replace(NAME, b"two") != version
    assert another(folder).read(NAME).data == b"two"


def test_no_record_is_none(folder):
    assert folder.read(NAME) is None


def test_a_listing_tells_nothing(folder):
    folder.replace(NAME, b"one")
    names = names_in(folder.path)
    assert not any("west" in name or "default" in name for name in names)
    assert any(re.fullmatch(r"[0-9a-f]{32}\.session", name) for name in names)


def test_two_folders_name_one_record_differently(folder, tmp_path):
    other = Folder(tmp_path / "other", limit=100)
    other.make()
    assert file_of(other).name != file_of(folder).name


@posix
def test_everything_in_the_folder_is_private(folder):
    folder.replace(NAME, b"one")
    with lock.hold_blocking(lock.lock_of(file_of(folder)), timeout=0):
        pass
    files = list(folder.path.iterdir())
    assert len(files) >= 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # 3.12 on forks with threads
def test_twenty_processes_make_one_secret(tmp_path):
    path = tmp_path / "new" / "store"

    def made():
        folder = Folder(path, limit=100)
        folder.make()
        return Path(folder.file_of("name")).name.encode()

    assert len(answers_of_twenty(made, tmp_path / "answers")) == 1
    assert names_in(tmp_path / "new") == ["store"]
    assert names_in(path) == ["names.secret", "names.secret.lock"]


def test_an_unchanged_record_costs_one_stat(folder, later, monkeypatch):
    folder.replace(NAME, b"one")
    first = folder.read(NAME)
    real, calls = os.lstat, []
    with monkeypatch.context() as patch:
        patch.setattr(folder_module.file_checks, "read_file", lambda *_: pytest.fail("it was read"))
        patch.setattr(os, "lstat", lambda path: calls.append(path) or real(path))
        again = folder.read(NAME)
    assert again is first
    assert calls == [folder.file_of(NAME)]


def test_a_young_file_is_read_again(folder):
    folder.replace(NAME, b"one")
    path = file_of(folder)
    status = path.stat()
    assert folder.read(NAME).data == b"one"
    with path.open("r+b") as file:  # same size, same inode, and within a tick the same times
        file.write(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert folder.read(NAME).data == b"two"


def test_a_file_from_the_future_is_read_again(folder, later):
    folder.replace(NAME, b"one")
    path = file_of(folder)
    ahead = time.time_ns() + 3600 * 10**9
    os.utime(path, ns=(ahead, ahead))
    first = folder.read(NAME)
    assert folder.read(NAME) is not first
    assert folder.read(NAME) == first


def test_a_change_of_an_old_file_is_seen(folder, later):
    folder.replace(NAME, b"one")
    path = file_of(folder)
    aged(path)
    assert folder.read(NAME).data == b"one"
    another(folder).replace(NAME, b"two")
    aged(path)  # what changed it may set its time, not its change time
    assert folder.read(NAME).data == b"two"
    path.unlink()
    assert folder.read(NAME) is None


@posix
def test_a_file_that_was_opened_to_others_after_it_was_read_is_refused(folder, later):
    folder.replace(NAME, b"one")
    assert folder.read(NAME).data == b"one"
    file_of(folder).chmod(0o644)
    with pytest.raises(UnsafePermissionsError):
        folder.read(NAME)


def test_a_record_too_large_is_refused(folder):
    file_of(folder).touch(mode=0o600)
    with file_of(folder).open("r+b") as file:
        file.truncate(101)
    with pytest.raises(SessionFileCorruptError):
        folder.read(NAME)
    assert list(folder.records()) == []


def test_a_record_set_aside_is_gone_and_the_one_set_aside_before_too(folder):
    for data in (b"one", b"two"):
        folder.replace(NAME, data)
        aside = Path(folder.set_aside(NAME))
        assert folder.read(NAME) is None
        assert aside.read_bytes() == data
    assert len([name for name in names_in(folder.path) if name.endswith(".corrupt")]) == 1


def test_removing_takes_what_was_set_aside_along(folder):
    folder.replace(NAME, b"one")
    aside = Path(folder.set_aside(NAME))
    folder.remove(NAME)
    assert not aside.exists()
    folder.replace(NAME, b"two")
    folder.remove(NAME)
    folder.remove(NAME)
    assert folder.read(NAME) is None


def test_the_next_process_sweeps_once_an_hour(folder, monkeypatch):
    folder.replace(NAME, b"one")
    temp = Path(f"{file_of(folder)}.0123456789abcdef.tmp")
    temp.write_bytes(b"half")
    opened = another(folder)
    assert opened.read(NAME).data == b"one"
    opened.sweep()
    assert not temp.exists()
    temp.write_bytes(b"half")
    opened.sweep()
    assert temp.exists()
    now = time.monotonic() + 3_601
    monkeypatch.setattr(folder_module.time, "monotonic", lambda: now)
    opened.sweep()
    assert not temp.exists()


def test_a_trial_that_another_process_sweeps_is_no_fault_of_the_disk(folder, monkeypatch):
    write = os.write

    def swept_meanwhile(descriptor, data):
        another(folder).sweep()
        return write(descriptor, data)

    folder.replace(NAME, b"one")
    before = names_in(folder.path)
    monkeypatch.setattr(os, "write", swept_meanwhile)
    folder.try_writing()
    monkeypatch.undo()
    assert names_in(folder.path) == before


def test_a_folder_that_vanishes_while_it_is_made_is_told(tmp_path, monkeypatch):
    folder = Folder(tmp_path / "store", limit=100)
    monkeypatch.setattr(folder, "open", lambda: False)
    with pytest.raises(StoreUnavailableError, match="removed"):
        folder.make()


@pytest.mark.parametrize("damage", [b"", b"short", bytes(33)])
def test_a_damaged_secret_is_told_and_left(folder, damage):
    secret = folder.path / "names.secret"
    secret.write_bytes(damage)
    with pytest.raises(StoreUnavailableError) as caught:
        Folder(folder.path, limit=100).make()
    assert "names.secret" in caught.value.recovery_suggestion
    assert secret.read_bytes() == damage


def test_a_folder_removed_and_made_by_another_is_opened_anew(folder):
    folder.replace(NAME, b"one")
    folder.path.rename(folder.path.with_name("kept"))
    assert not folder.is_open()
    assert folder.read(NAME) is None
    other = Folder(folder.path, limit=100)
    other.make()
    other.replace(NAME, b"two")
    folder.make()
    assert folder.read(NAME).data == b"two"


@posix
@pytest.mark.parametrize("name", ["names.secret", "names.secret.lock"])
def test_a_link_at_any_path_is_refused(tmp_path, name):
    path = tmp_path / "store"
    path.mkdir(mode=0o700)
    target = tmp_path / "target"
    target.write_bytes(bytes(32))
    target.chmod(0o600)
    (path / name).symlink_to(target)
    with pytest.raises(UnsafePermissionsError):
        Folder(path, limit=100).make()
    assert target.read_bytes() == bytes(32)

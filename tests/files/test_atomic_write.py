import os
import stat
import sys

import pytest

from amplify_federation._files import atomic_write
from amplify_federation.errors import StoreUnavailableError, UnsafePermissionsError

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")


def names_in(folder):
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def test_a_file_is_written_and_replaced(path):
    atomic_write.replace_file(path, b"one")
    atomic_write.replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert names_in(path.parent) == ["file"]


@posix
@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_the_mode_is_0600_whatever_the_umask(path, umask):
    before = os.umask(umask)
    try:
        atomic_write.replace_file(path, b"one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_a_short_write_is_continued(path, monkeypatch):
    whole = os.write
    monkeypatch.setattr(os, "write", lambda to, data: whole(to, data[:3]))
    atomic_write.replace_file(path, b"0123456789")
    assert path.read_bytes() == b"0123456789"


@pytest.mark.parametrize("step", ["open", "fchmod", "write", "fsync", "close", "replace"])
def test_after_a_failure_the_old_file_stands_and_no_temporary_remains(path, monkeypatch, step):
    atomic_write.replace_file(path, b"old")
    real = getattr(os, step)

    def fail(*args, **kwargs):
        if step == "close":
            real(*args, **kwargs)
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(StoreUnavailableError) as caught:
            atomic_write.replace_file(path, b"new")
    assert "ENOSPC" in caught.value.message
    assert caught.value.__context__ is None
    assert path.read_bytes() == b"old"
    assert names_in(path.parent) == ["file"]


@posix
def test_the_content_and_then_the_name_are_forced_to_disk(path, monkeypatch):
    steps = []
    sync, rename, unlink = os.fsync, os.replace, os.unlink

    def synced(descriptor):
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("rename"), rename(*names)))
    monkeypatch.setattr(os, "unlink", lambda name: (steps.append("unlink"), unlink(name)))
    atomic_write.replace_file(path, b"one")
    atomic_write.move_file(path, path.with_name("other"))
    atomic_write.remove_files(path.with_name("other"))
    assert steps == ["file", "rename", "folder", "rename", "folder", "unlink", "folder"]


@posix
def test_a_link_is_replaced_and_not_followed(path, tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"target")
    path.symlink_to(target)
    atomic_write.replace_file(path, b"new")
    assert not path.is_symlink()
    assert (path.read_bytes(), target.read_bytes()) == (b"new", b"target")


def test_a_folder_in_the_way_is_told(path):
    path.mkdir()
    with pytest.raises(UnsafePermissionsError):
        atomic_write.replace_file(path, b"new")
    assert names_in(path.parent) == ["file"]


def test_a_missing_folder_is_told(path):
    with pytest.raises(StoreUnavailableError, match="ENOENT"):
        atomic_write.replace_file(path / "below", b"new")


def test_files_are_moved_and_removed(path):
    other = path.with_name("other")
    path.write_bytes(b"one")
    other.write_bytes(b"two")
    atomic_write.move_file(path, other)
    assert other.read_bytes() == b"one"
    atomic_write.remove_files(path, other)
    assert names_in(path.parent) == []
    atomic_write.remove_files(path, other)


def test_on_windows_a_rename_waits_for_whoever_holds_the_file_open(path, monkeypatch):
    pauses = []
    real = os.replace

    def busy(source, target):
        if len(pauses) < 3:
            raise PermissionError(13, "sharing violation")
        return real(source, target)

    monkeypatch.setattr(atomic_write, "WINDOWS", True)
    monkeypatch.setattr(atomic_write.time, "sleep", pauses.append)
    monkeypatch.setattr(os, "replace", busy)
    atomic_write.replace_file(path, b"new")
    assert len(pauses) == 3
    assert path.read_bytes() == b"new"


def test_on_windows_a_rename_gives_up_in_the_end(path, monkeypatch):
    def busy(*_):
        raise PermissionError(13, "sharing violation")

    path.write_bytes(b"old")
    monkeypatch.setattr(atomic_write, "WINDOWS", True)
    monkeypatch.setattr(atomic_write.time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "replace", busy)
    with pytest.raises(StoreUnavailableError, match="EACCES"):
        atomic_write.replace_file(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be opened there")
def test_without_a_descriptor_for_the_folder_the_old_file_stands(path, monkeypatch):
    atomic_write.replace_file(path, b"old")
    real = os.open

    def exhausted(name, flags, *mode):
        if flags & os.O_DIRECTORY:
            raise OSError(24, "too many open files")
        return real(name, flags, *mode)

    monkeypatch.setattr(os, "open", exhausted)
    with pytest.raises(StoreUnavailableError, match="EMFILE"):
        atomic_write.replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in path.parent.iterdir()] == [path.name]

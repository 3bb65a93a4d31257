import os
from pathlib import Path

import pytest

from amplify_federation._files import lock, lock_owner


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.lock"


def test_who_holds_it_is_read_from_the_file(path, monkeypatch):
    path.write_bytes(b"")
    lock_owner.write(path)
    monkeypatch.setattr(lock_owner, "_KERNELS_LIST", path.with_name("none"))
    assert lock_owner.named(path) == os.getpid()


def test_a_file_that_names_this_process_already_is_not_written_again(path, monkeypatch):
    path.write_bytes(b"")
    lock_owner.write(path)
    monkeypatch.setattr(os, "write", lambda *_: pytest.fail("it was written"))
    lock_owner.write(path)


def test_the_next_holder_replaces_the_last(path):
    path.write_bytes(b"\x00%-20d" % 4_000_000)
    assert lock_owner.named(path) == 4_000_000
    lock_owner.write(path)
    assert lock_owner.named(path) == os.getpid()


def test_the_kernel_knows_where_the_file_was_emptied(path, monkeypatch):
    path.write_bytes(b"")
    inode = path.stat().st_ino
    table = path.with_name("locks")
    table.write_text(
        f"1: POSIX  ADVISORY  WRITE 11 fd:00:{inode} 0 EOF\n"
        f"1: -> FLOCK  ADVISORY  WRITE 12 fd:00:{inode} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 13 fd:00:1{inode} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 14 fd:00:{inode} 0 EOF\n"
    )
    monkeypatch.setattr(lock_owner, "_KERNELS_LIST", table)
    assert lock_owner.named(path) == 14
    table.write_text("")
    assert lock_owner.named(path) is None


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux's /proc")
def test_linux_names_a_real_holder(path):
    with lock.hold_blocking(path, timeout=0):
        path.write_bytes(b"")
        assert lock_owner.named(path) in {os.getpid(), None}  # None in a namespace that hides it


@pytest.mark.parametrize("content", [b"", b"\0", b"\0junk", b"\0" * 100])
def test_what_names_nobody_names_nobody(path, content, monkeypatch):
    monkeypatch.setattr(lock_owner, "_KERNELS_LIST", path.with_name("none"))
    path.write_bytes(content)
    assert lock_owner.named(path) is None


def test_no_file_is_no_fault(path):
    lock_owner.write(path)
    assert lock_owner.named(path) is None
    assert not path.exists()

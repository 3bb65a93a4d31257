import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from amplify_federation._files import file_lock, lock

posix = pytest.mark.skipif(sys.platform == "win32", reason="forks are POSIX's")
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # 3.12, with threads


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.lock"


def opened(path):
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def test_a_lock_is_held_once_and_released_once(path):
    first = file_lock.take(str(path), opened)
    assert file_lock.take(str(path), opened) is None
    first.release()
    second = file_lock.take(str(path), opened)
    first.release()  # its descriptor's number may be the second's by now
    assert file_lock.take(str(path), opened) is None
    second.release()


def test_a_lock_file_that_was_removed_meanwhile_is_not_held(path):
    def removed(path):
        descriptor = opened(path)
        Path(path).unlink()
        return descriptor

    assert file_lock.take(str(path), removed) is None


def test_a_file_system_without_locks_is_told(path, monkeypatch):
    def none(_, *, blocking):
        assert not blocking
        raise OSError(38, "ENOSYS")

    monkeypatch.setattr("filelock.lock_descriptor", none)
    with pytest.raises(file_lock.faults.StoreUnavailableError):
        lock.try_lock(path)
    monkeypatch.undo()
    lock.try_lock(path).release()


def fork_and_die(path, told):
    """Hold the lock, leave it to nobody, and let a child outlive its parent."""
    mine = lock.try_lock(path)
    child = os.fork()
    if child:
        told.send(child)
        os.kill(os.getpid(), 9)
    mine.release()  # a copy: it is not the child's to release
    told.send("child")
    told.recv()
    os._exit(0)


@posix
def test_a_child_does_not_keep_the_lock_of_a_parent_that_died(path):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    parent = context.Process(target=fork_and_die, args=(path, theirs))
    parent.start()
    assert ours.poll(60)
    ours.recv()
    parent.join()  # with a limit it would wait for the end of the child, which has its sentinel
    assert ours.poll(60)
    ours.recv()
    try:
        after = lock.try_lock(path)
        assert after is not None
        after.release()
    finally:
        ours.send("done")
        parent.close()
        ours.close()
        theirs.close()


@posix
def test_a_child_leaves_the_lock_of_a_living_parent(path):
    mine = lock.try_lock(path)
    child = os.fork()
    if not child:
        mine.release()
        os._exit(0 if lock.try_lock(path) is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    mine.release()

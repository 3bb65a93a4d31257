import errno
import multiprocessing
import os
import signal
import stat
import sys
from pathlib import Path

import anyio
import filelock
import pytest

from amplify_federation._files import lock
from amplify_federation.errors import (
    StoreLockedError,
    StoreUnavailableError,
    UnsafePermissionsError,
)
from tests.files.strange_files import (
    place_dangling_link,
    place_fifo,
    place_folder,
    place_hard_link,
    place_link,
    place_open_file,
    precious_file,
)

FORK = multiprocessing.get_context("fork") if sys.platform != "win32" else None
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # 3.12, with threads
posix = pytest.mark.skipif(
    sys.platform == "win32", reason="forks, signals, links and modes are POSIX's"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.lock"


def own_until_told(path, told):
    taken = lock.try_lock(path)
    told.send(taken is not None)
    told.recv()


@pytest.fixture
def owner(path):
    """Another process that owns the lock."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=own_until_told, args=(path, theirs))
    process.start()
    assert ours.poll(60)
    assert ours.recv()
    yield process
    process.kill()
    process.join()
    process.close()
    ours.close()
    theirs.close()


async def test_one_at_a_time_owns_the_lock(path):
    first = await lock.acquire(path, timeout=0)
    with pytest.raises(StoreLockedError, match=f"process {os.getpid()} "):
        await lock.acquire(path, timeout=0)
    first.release()
    (await lock.acquire(path, timeout=0)).release()


async def test_the_process_that_owns_it_is_named(path, owner):
    for timeout in (0, 0.05):
        with pytest.raises(StoreLockedError, match=f"process {owner.pid} "):
            await lock.acquire(path, timeout=timeout)


def test_a_thread_that_waits_is_told_too(path, owner):
    with (
        pytest.raises(StoreLockedError, match=f"process {owner.pid} "),
        lock.hold_blocking(path, timeout=0.05),
    ):
        pass


@posix
async def test_a_stopped_owner_is_named(path, owner):
    os.kill(owner.pid, signal.SIGSTOP)
    with pytest.raises(StoreLockedError, match=f"process {owner.pid} "):
        await lock.acquire(path, timeout=0.05)


def test_a_killed_owner_frees_it_at_once(path, owner):
    owner.kill()
    owner.join()
    lock.try_lock(path).release()


async def test_waiting_does_not_block_the_event_loop_and_ends_with_the_owner(path, owner):
    done = []

    async def wait():
        (await lock.acquire(path, timeout=30)).release()
        done.append("owned")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert not done
        owner.kill()
        await anyio.to_thread.run_sync(owner.join)
    assert done == ["owned"]


@pytest.mark.usefixtures("owner")
async def test_an_owner_that_is_not_known_is_not_named(path):
    path.write_bytes(b"")
    with pytest.raises(StoreLockedError, match="Another process"):
        await lock.acquire(path, timeout=0)


@posix
@pytest.mark.parametrize("umask", [0, 0o777])
def test_the_lock_file_is_0600_whatever_the_umask(path, umask):
    before = os.umask(umask)
    try:
        lock.try_lock(path).release()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize(
    "place",
    [
        place_link,
        place_dangling_link,
        place_fifo,
        place_folder,
        place_hard_link,
        place_open_file,
    ],
)
def test_what_is_not_our_lock_file_is_refused_untouched(path, place):
    target = precious_file(path.with_name("target"))
    place(path, target)
    with pytest.raises(UnsafePermissionsError) as caught:
        lock.try_lock(path)
    assert caught.value.__context__ is None
    assert target.read_bytes() == b"precious"
    assert not path.with_name("nowhere").exists()


def test_a_missing_folder_is_told_and_not_made(path):
    with pytest.raises(StoreUnavailableError, match="ENOENT"):
        lock.try_lock(path.parent / "none" / "record.lock")
    assert not (path.parent / "none").exists()


@posix
def test_a_lock_file_whose_maker_died_before_setting_its_mode_is_mended(path, monkeypatch):
    path.touch(mode=0o600)
    path.chmod(0)
    real, refused = os.open, []

    def as_somebody_who_is_not_root(file, flags, mode=0o777):
        if not flags & os.O_CREAT and not Path(file).stat().st_mode & 0o600:
            refused.append(file)
            raise PermissionError(13, "no")
        return real(file, flags, mode)

    monkeypatch.setattr(os, "open", as_somebody_who_is_not_root)
    lock.try_lock(path).release()
    assert refused
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lock_that_cannot_be_released_is_told_without_a_chain(path, monkeypatch):
    def fail(_):
        raise OSError(5, "canary")

    monkeypatch.setattr("filelock.unlock_descriptor", fail)
    with (
        pytest.raises(StoreUnavailableError, match="EIO") as caught,
        lock.hold_blocking(path, timeout=0),
    ):
        pass
    assert caught.value.__context__ is None


def increment(path, counter, times):
    for _ in range(times):
        with lock.hold_blocking(path, timeout=60):
            counter.write_text(str(int(counter.read_text()) + 1))


@posix
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_no_update_is_lost_among_processes_that_fork_or_spawn(path, tmp_path, method):
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context(method)
    taken = lock.try_lock(path)  # and a child must not keep the parent's lock
    processes = [context.Process(target=increment, args=(path, counter, 25)) for _ in range(2)]
    for process in processes:
        process.start()
    taken.release()
    increment(path, counter, 25)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
        process.close()
    assert counter.read_text() == "75"


@posix
def test_a_lock_file_that_comes_and_goes_while_it_is_opened_is_made(path, monkeypatch):
    real, calls = os.open, []

    def changing(file, flags, *mode):
        calls.append(flags)
        if len(calls) == 2:
            os.close(real(path, os.O_CREAT | os.O_RDWR, 0o600))  # as another process does
        if len(calls) == 3:
            path.unlink()  # as its owner does at the end
        return real(file, flags, *mode)

    monkeypatch.setattr("os.open", changing)
    lock.try_lock(path).release()
    assert len(calls) == 4
    assert path.exists()


def test_a_lock_is_taken_once_and_released_once(path):
    first = lock.try_lock(path)
    assert lock.try_lock(path) is None
    first.release()
    second = lock.try_lock(path)
    first.release()  # its descriptor's number may be the second's by now
    assert lock.try_lock(path) is None
    second.release()


@posix
def test_a_lock_file_that_was_removed_meanwhile_is_not_taken(path, monkeypatch):
    real = filelock.lock_descriptor

    def removed(descriptor, *, blocking):
        path.unlink()  # as its last owner does
        return real(descriptor, blocking=blocking)

    monkeypatch.setattr("filelock.lock_descriptor", removed)
    assert lock.try_lock(path) is None


@pytest.mark.parametrize("code", ["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def test_a_file_system_without_locks_is_told_and_a_local_disk_advised(path, monkeypatch, code):
    def none(_, *, blocking):
        assert not blocking
        raise OSError(getattr(errno, code), "")

    monkeypatch.setattr("filelock.lock_descriptor", none)
    with pytest.raises(lock.file_checks.StoreUnavailableError) as caught:
        lock.try_lock(path)
    assert "a folder on a local disk" in caught.value.recovery_suggestion
    monkeypatch.undo()
    lock.try_lock(path).release()


def fork_and_die(path, told):
    """Take the lock, and let a child outlive its parent without a release."""
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


def test_a_file_that_names_this_process_already_is_not_written_again(path, monkeypatch):
    lock.try_lock(path).release()
    monkeypatch.setattr(os, "write", lambda *_: pytest.fail("it was written"))
    lock.try_lock(path).release()
    assert lock.owner_of(path) == os.getpid()


def test_the_next_owner_replaces_the_last(path):
    path.write_bytes(b"\x00%-20d" % 4_000_000)
    path.chmod(0o600)
    assert lock.owner_of(path) == 4_000_000
    lock.try_lock(path).release()
    assert lock.owner_of(path) == os.getpid()


def test_an_owner_that_cannot_be_written_is_no_error(path, monkeypatch):
    def full(*_):
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "write", full)
    lock.try_lock(path).release()
    assert lock.owner_of(path) is None


@pytest.mark.parametrize("content", [b"", b"\0", b"\0junk", b"\0" * 100])
def test_a_file_that_names_no_process_names_no_owner(path, content):
    path.write_bytes(content)
    assert lock.owner_of(path) is None


def test_a_missing_file_names_no_owner(path):
    assert lock.owner_of(path) is None
    assert not path.exists()
